//! `[tracing]`: the collector that spans go to, if there is one.

use std::{path::PathBuf, time::Duration};

use super::{
    Environment,
    getters::Section,
    secrets::{self, SecretSource, SecretText},
    url::{authorities, ca_file, service},
};

/// The values of the table `[tracing]`.
#[derive(Clone, Debug)]
pub struct Tracing {
    /// The collector's base URL; spans go to `/v1/traces` under it.
    pub endpoint: String,
    /// Headers of every export, such as `authorization`: the name, and the source of the value.
    pub headers: Vec<(String, SecretSource)>,
    /// The authorities to trust instead of the built-in ones, as PEM.
    pub ca_file: Option<PathBuf>,
    /// The name of this service in its spans.
    pub service_name: String,
    /// Further attributes of the resource that the spans are about.
    pub resource: Vec<(String, String)>,
    /// One delivery in this many is traced, of those without a sender's trace; 0 traces none.
    pub sample: u32,
    /// How long one export may take.
    pub timeout: Duration,
}

impl Tracing {
    /// Returns the URL that spans are posted to.
    pub fn url(&self) -> String {
        format!("{}/v1/traces", self.endpoint.trim_end_matches('/'))
    }

    /// Returns the current headers. A variable has the value that it had at the start, a file is read again. The error never says what was
    /// there.
    pub fn read_headers(&self, environment: &Environment) -> Result<Vec<(String, SecretText)>, String> {
        self.headers.iter().map(|(name, source)| Ok((name.clone(), source.text(environment)?))).collect()
    }

    /// Returns the current contents of `ca_file`. Blocks on the file system.
    pub fn authorities(&self) -> Result<Option<Vec<u8>>, String> {
        self.ca_file.as_deref().map(authorities).transpose()
    }

    /// Returns only the variables that the headers need.
    pub fn environment_of(&self, environment: &Environment) -> Environment {
        let names = self.headers.iter().filter_map(|(_, source)| match source {
            SecretSource::Env(name) => Some(name.as_str()),
            _ => None,
        });
        environment.only(names)
    }
}

/// Reads the table. Returns `None` without a usable endpoint.
pub(super) fn read(mut section: Section<'_>, environment: &Environment, warnings: &mut Vec<String>) -> Option<Tracing> {
    let second = Duration::from_secs(1);
    let endpoint = endpoint(&mut section);
    let tracing = Tracing {
        endpoint: endpoint.clone().unwrap_or_default(),
        headers: headers(&mut section, environment),
        ca_file: ca_file(&mut section),
        service_name: service_name(&mut section),
        resource: resource(&mut section),
        sample: section.whole("sample", 1),
        timeout: section.duration("timeout", second * 5, &(second / 10..=second * 60)),
    };
    section.finish();
    let endpoint = endpoint?;
    let overheard = service(&endpoint).is_some_and(|service| !service.encrypted && !service.is_here());
    // Spans hold no secret, but the headers that prove the daemon to the collector are secret.
    if overheard && !tracing.headers.is_empty() {
        warnings.push(format!("[tracing] endpoint: {endpoint} is not encrypted: anybody in between can read the headers"));
    }
    Some(tracing)
}

fn endpoint(section: &mut Section<'_>) -> Option<String> {
    let (text, origin) = section.required_text("endpoint", "is missing; for example \"http://otel-collector:4318\"")?;
    if service(&text).is_none() {
        // The written text may hold a password, so it is not repeated.
        let message = "is no URL of a collector, such as \"http://otel-collector:4318\"; passwords belong into headers";
        section.complain("endpoint", origin, message);
        return None;
    }
    if text.trim_end_matches('/').ends_with("/v1/traces") {
        section.complain("endpoint", origin, "must end before /v1/traces, which is added");
        return None;
    }
    Some(text)
}

fn service_name(section: &mut Section<'_>) -> String {
    let (name, origin) = section.text_or("service_name", "hookgate");
    if name.is_empty() || name.len() > 255 || name.contains(char::is_control) {
        section.complain("service_name", origin, "must be a name of at most 255 bytes");
    }
    name
}

fn headers(section: &mut Section<'_>, environment: &Environment) -> Vec<(String, SecretSource)> {
    // Nothing of the written text is repeated, because it may be the secret.
    let header = |section: &Section<'_>, text: &str| {
        let header = text.split_once('=').map(|(name, reference)| (name.trim().to_ascii_lowercase(), reference.trim()));
        let (name, reference) = header
            .filter(|(name, _)| is_header(name))
            .ok_or("each must be a header's name and where its value is, such as \"authorization=env:NAME\"")?;
        secrets::resolve(section, "headers", reference, environment)?;
        Ok((name, SecretSource::parse(reference)?))
    };
    section.list_of("headers", header, |(name, source)| format!("{name}={source}"))
}

/// Returns whether a name is a header that can be sent and that does not decide how the request is sent.
fn is_header(name: &str) -> bool {
    let fixed = ["host", "content-type", "content-length", "transfer-encoding", "connection", "content-encoding"];
    ureq::http::HeaderName::try_from(name).is_ok() && !fixed.contains(&name)
}

fn resource(section: &mut Section<'_>) -> Vec<(String, String)> {
    section.list_of("resource", |_, text| attribute(text).map_err(str::to_owned), |(name, value)| format!("{name}={value}"))
}

fn attribute(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("each must be a name and a value, such as \"k8s.namespace.name=hooks\"")?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || value.is_empty() || text.len() > 1024 || text.contains(char::is_control) {
        return Err("each must be a name and a value, such as \"k8s.namespace.name=hooks\"");
    }
    if matches!(name, "service.name" | "service.version") {
        return Err("service.name is [tracing] service_name, and service.version is set");
    }
    Ok((name.into(), value.into()))
}
