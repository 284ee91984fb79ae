//! The delivery that `verify` explains: of a whole request, or of flags.

use std::{
    io::{self, Write},
    sync::Arc,
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Arguments, ToExplain};
use crate::{
    command::{Failure, input, output::counted},
    delivery::Credential,
    error::Error,
    http::{self, EarlyRefusal, WholeRequest},
    logged::printable,
    provider::{CredentialSource, Provider},
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
        if arguments.url.as_deref().is_some_and(|url| !http::is_url(url)) {
            return Err(Failure::Failed(
                "--url takes a URL as it was called, such as https://<host>/webhooks/avatars?token=…".into(),
            ));
        }
        if let Some(file) = &arguments.request {
            let request = input::request(file)?;
            return Ok(Self::of(match &arguments.url {
                Some(url) => WholeRequest { target: http::path_and_query(url), ..request },
                None => request,
            }));
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

    /// Returns the whole request, if it is known.
    pub(super) fn whole(&self) -> Option<&WholeRequest> {
        self.request.as_ref()
    }

    /// Returns whether all headers of the delivery are known.
    pub(super) fn is_whole(&self) -> bool {
        self.request.is_some()
    }

    /// Fails where the token that a provider puts into the URL was taken out before the request was saved.
    pub(super) fn has_its_token(&self, provider: &Provider) -> Result<(), Failure> {
        let lacks = self.request.as_ref().is_some_and(WholeRequest::lacks_token);
        if provider.credential == CredentialSource::UrlToken && lacks {
            let why = "the token was taken out of the URL before this was saved, so there is no proof in it to verify: give the whole URL with \
                       --url, or write the token in the place of HIDDEN";
            return Err(Failure::Failed(why.into()));
        }
        Ok(())
    }

    /// Returns the path of a whole request.
    pub(super) fn path(&self) -> Option<&str> {
        self.request.as_ref().map(|request| &*request.target)
    }

    /// Fails where this is a delivery to another endpoint of the configuration, whose names these are.
    pub(super) fn is_for(&self, endpoint: &str, names: &[Arc<str>]) -> Result<(), Failure> {
        let called = self.url.as_deref().and_then(http::endpoint_of);
        let other = names.iter().find(|name| Some(&***name) == called.as_deref() && &***name != endpoint);
        other.map_or(Ok(()), |other| {
            let what = if self.is_whole() { "the request" } else { "--url" };
            let why = format!(
                "{what} is for /webhooks/{other}, and not for the endpoint {endpoint}: leave {endpoint} out, or name {other}"
            );
            Err(Failure::Failed(why))
        })
    }

    /// Returns how the daemon refuses this whatever its proof is. Of flags only the path is known.
    pub(super) fn refused_early(&self, asked: &ToExplain<'_>) -> Option<EarlyRefusal> {
        let (place, keys) = ((asked.provider, asked.name), asked.keys);
        match &self.request {
            Some(request) => http::acceptable(request, place, keys, asked.limits).err(),
            None => self.offered_proof(asked).err().filter(|error| *error == Error::UnknownEndpoint).map(EarlyRefusal::Answered),
        }
    }

    /// Returns what is offered as proof, or why the daemon refuses that without the body.
    pub(super) fn offered_proof(&self, asked: &ToExplain<'_>) -> Result<Credential, Error> {
        http::offered_proof(asked.provider, asked.name, self.url.as_deref(), &self.headers, asked.keys)
    }

    /// Returns the same as if the path were that of the endpoint.
    pub(super) fn proof_at_the_endpoint(&self, asked: &ToExplain<'_>) -> Result<Credential, Error> {
        match self.offered_proof(asked) {
            Err(Error::UnknownEndpoint) => {
                http::proof_at_another_path(asked.provider, asked.name, self.url.as_deref(), &self.headers, asked.keys)
            }
            offered => offered,
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
