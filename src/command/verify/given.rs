//! The delivery that `verify` explains: of a whole request, or of flags.

use std::io::{self, Write};

use bytes::Bytes;
use serde_json::{Value, json};

use super::Arguments;
use crate::{
    command::{Failure, input, output::counted},
    delivery::Credential,
    error::Error,
    http::{self, WholeRequest},
    logged::printable,
    provider::{CredentialSource, Provider},
    signature::Keys,
};

/// What is known of the delivery.
pub(in crate::command) struct GivenDelivery {
    request: Option<WholeRequest>,
    pub(super) body: Bytes,
    /// The headers, with names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// The URL that was called, or only its path and query.
    pub(super) url: Option<String>,
}

impl GivenDelivery {
    pub(super) fn read(arguments: &Arguments) -> Result<Self, Failure> {
        if let Some(file) = &arguments.request {
            return Ok(Self::of(input::request(file)?));
        }
        let body = arguments.body.as_deref().map_or(Ok(Vec::new()), input::bytes)?;
        let headers = arguments.header.iter().map(|line| header(line)).collect::<Result<_, _>>()?;
        Ok(Self { request: None, body: body.into(), headers, url: arguments.url.clone() })
    }

    /// Returns a delivery of which the whole request is known.
    pub(in crate::command) fn of(request: WholeRequest) -> Self {
        Self {
            body: request.body.clone(),
            headers: request.header_texts(),
            url: Some(request.target.clone()),
            request: Some(request),
        }
    }

    /// Returns the first value of a header, whose name is in lower case; empty where it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// Returns whether all headers of the delivery are known.
    pub(super) fn is_whole(&self) -> bool {
        self.request.is_some()
    }

    /// Fails where the token that a provider puts into the URL was taken out before the request was saved.
    pub(super) fn has_its_token(&self, provider: &Provider) -> Result<(), Failure> {
        let lacks = self.request.as_ref().is_some_and(WholeRequest::lacks_token);
        if provider.credential == CredentialSource::UrlToken && lacks {
            let why = "the token was taken out of the URL before this was saved, so there is no proof in it to verify: write the token in the \
                       place of HIDDEN";
            return Err(Failure::Failed(why.into()));
        }
        Ok(())
    }

    /// Returns the name of the endpoint that a whole request was for. What stands in its place and cannot be one may be a token.
    pub(super) fn called(&self) -> Option<String> {
        let request = self.request.as_ref()?;
        http::endpoint_of(&request.target).filter(|name| request.shown_path().contains(name))
    }

    /// Returns what is offered as proof to an endpoint, or why the daemon refuses that without the body.
    pub(super) fn offered_proof(
        &self,
        provider: &'static Provider,
        endpoint: Option<&str>,
        keys: &Keys,
    ) -> Result<Credential, Error> {
        self.request.as_ref().map_or(Ok(()), http::acceptable)?;
        http::offered_proof(provider, endpoint, self.url.as_deref(), &self.headers, keys)
    }

    /// Says what to change where the daemon has nothing at the path. `endpoint` is the name of a configured one.
    pub(super) fn other_path(&self, endpoint: Option<&str>) -> String {
        let name = endpoint.unwrap_or("<endpoint>");
        let Some(request) = &self.request else {
            return format!(
                "--url takes a URL as it was called, https://<host>/webhooks/{name}?token=… or …/{name}/<token>, the token only where the \
                 provider has one; for this endpoint the daemon answers any other path 404, or takes it for another endpoint's"
            );
        };
        let path = request.shown_path();
        match self.called() {
            Some(other) if other != name && endpoint.is_some() => format!(
                "the request is for {path}, and not for the endpoint {name}: leave {name} out, and the path says the endpoint"
            ),
            _ => format!(
                "the daemon answers {path} with 404: it takes /webhooks/{name}, and a token after that only from a provider that has one. \
                 Where a proxy changes the path, write the changed one into the first line of the file"
            ),
        }
    }

    /// Says what is verified, without a token.
    pub(super) fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(request) = &self.request else { return Ok(()) };
        let bytes = counted(request.body.len() as u64, "byte");
        writeln!(out, "request: {} {}, {bytes} of body", printable(&request.method), printable(&request.shown_path()))?;
        request.remark.iter().try_for_each(|remark| writeln!(out, "but {remark}"))
    }

    /// Returns the same as JSON.
    pub(super) fn shown(&self) -> Value {
        self.request.as_ref().map_or(Value::Null, |request| {
            json!({
                "method": request.method,
                "path": request.shown_path(),
                "body_bytes": request.body.len(),
                "remark": request.remark,
            })
        })
    }
}

fn header(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| "--header takes `Name: value`".to_owned())?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}
