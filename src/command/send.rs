//! `hookgate send`: a correctly signed sample, or a file of yours, to any URL.

mod again;
mod next;
mod to_session;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

pub(super) use self::again::{is_sendable, is_sent_again};
use super::{
    CommandResult, ConfigSource, Failure,
    colour::{GREEN, Paint, RED},
    completions, input, note,
    output::quote,
    progress::waiting,
    target,
};
use crate::{
    clock,
    config::{EndpointConfig, Environment, suggestion},
    http,
    logged::printable,
    outbound::{Client, OutboundError},
    provider::{CredentialSource, Provider},
    signature::{Secret, sign_url},
    signed_url::{CallerReference, PARAMETER, SignedUrls},
};

/// How long a request and its answer may take by default, in seconds: longer than any Hookgate daemon takes.
pub(super) const TIMEOUT_SECONDS: u64 = 30;
/// The reference in a signed URL of a sample.
const SAMPLE_REFERENCE: &str = "hookgate-send";
/// The longest answer that is read, in bytes; a Hookgate daemon's has less than a kilobyte.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Post a correctly signed sample, or a file of yours, to any URL.
///
/// The delivery is signed as the provider would sign it, with the endpoint's first secret; a captured request keeps the proof that it has.
/// Exits with 0 if the answer is 200.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate send uploadcare file.infected
  hookgate send --dev uploadcare file.infected
  hookgate send avatars scan.complete --url https://hooks.example.com/webhooks/avatars
  hookgate send frameio file.ready --secret env:FRAMEIO_SECRET --url http://127.0.0.1:8080/webhooks/frameio
  hookgate send uploadcare --file captured.json
  hookgate send --request captures/20261129T203549.123Z-00001.http --url http://127.0.0.1:8080
  hookgate send frameio --list")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    #[command(flatten)]
    target: target::Arguments,
    /// The type of the sample; `--list` names them.
    #[arg(value_name = "TYPE", add = completions::types())]
    event_type: Option<String>,
    /// Send this file instead of a sample, byte for byte; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "event_type")]
    file: Option<PathBuf>,
    /// Send a whole HTTP request again, as `capture` writes it: the path, the headers and the body as they are. Only `Host` and what belongs to
    /// one connection, such as `Connection`, are made anew. `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "event_type", "file", "secret", "list", "curl"])]
    request: Option<PathBuf>,
    /// Where to send it; by default to the daemon of the configuration on this machine. With --request, a URL without a path keeps the path.
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    session: to_session::SessionFlag,
    /// How long the request and its answer may take.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT_SECONDS, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Trust the authorities of this PEM file instead of the built-in ones, for an https URL.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// List the types that there are samples of.
    #[arg(long)]
    list: bool,
    /// Print the request as a curl command instead of sending it.
    #[arg(long)]
    curl: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let mut out = io::stdout().lock();
    if arguments.list {
        let provider = target::provider(&arguments.target, &arguments.source, environment)?;
        for event_type in provider.names().filter(|it| (provider.sample)(it).is_some()) {
            writeln!(out, "{event_type}")?;
        }
        return Ok(true);
    }
    if arguments.session.dev {
        return to_session::run(arguments, environment, &mut out);
    }
    let (request, topic) = match &arguments.request {
        Some(file) => (again::request(file, arguments.url.as_deref(), &arguments.source, environment)?, None),
        None => signed(arguments, environment)?,
    };
    let authorities = match &arguments.ca_file {
        Some(file) => Some(fs::read(file).map_err(|error| format!("--ca-file {}: {error}", file.display()))?),
        None => None,
    };
    if arguments.curl {
        writeln!(out, "{}", request.curl(arguments.file.as_deref()))?;
        return Ok(true);
    }
    let waited_for = format!("the answer, for {} s at most", arguments.timeout);
    let (status, answer) = waiting(&waited_for, || request.send(arguments.timeout, authorities.as_deref()))?;
    if arguments.json {
        writeln!(out, "{}", printable(&json!({ "status": status, "body": answer }).to_string()))?;
    } else {
        let colour = if status == 200 { GREEN } else { RED };
        let shown = Paint::of_output(environment).text(colour, &status.to_string());
        writeln!(out, "{shown} {}", printable(answer.trim_end()))?;
        // A person looks at the event next, a program does not.
        let topic = topic.filter(|_| io::stderr().is_terminal());
        for step in next::steps((status, &answer), &arguments.source, arguments.request.as_deref(), topic.as_deref()) {
            note(&step);
        }
    }
    Ok(status == 200)
}

/// Makes the request that the flags describe, signed. Returns the topic of a sample too, where the configured daemon gets it.
fn signed(arguments: &Arguments, environment: &Environment) -> Result<(Request, Option<String>), Failure> {
    let target = target::resolve(&arguments.target, &arguments.source, environment)?;
    let provider = target.endpoint.provider;
    let body = match (&arguments.file, &arguments.event_type) {
        (Some(file), _) => input::bytes(file)?,
        (None, Some(event_type)) => sample(provider, event_type)?,
        (None, None) => return Err(Failure::Usage(no_type(provider))),
    };
    let source = target.endpoint.secrets.first().ok_or_else(|| "the endpoint has no secret".to_owned())?;
    let text = source.newest()?.text(environment)?;
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => format!("http://{}/webhooks/{}", local(target.http.as_ref().map(|it| it.listen)), target.endpoint.name),
    };
    let url =
        if target.endpoint.signed_urls == SignedUrls::Required { signed_url(&target.endpoint, &url, text.reveal()) } else { url };
    let topics = target.topics.as_ref().filter(|_| arguments.url.is_none());
    let kind = arguments.event_type.as_deref().map(|event_type| provider.kind(event_type));
    let topic = topics.zip(kind).map(|(topics, kind)| topics.name_of(&target.endpoint, kind));
    Ok((Request::signed(provider, &url, text.reveal(), body)?, topic))
}

fn types(provider: &Provider) -> String {
    provider.names().filter(|name| (provider.sample)(name).is_some()).collect::<Vec<_>>().join(" ")
}

fn no_type(provider: &Provider) -> String {
    format!(
        "a TYPE is missing, such as {} (or --file FILE); {} has: {}",
        provider.names().next().unwrap_or_default(),
        provider.title,
        types(provider)
    )
}

/// Returns the bytes of a sample.
pub(super) fn sample(provider: &Provider, event_type: &str) -> Result<Vec<u8>, String> {
    (provider.sample)(event_type).map(String::into_bytes).ok_or_else(|| {
        let meant = suggestion(event_type, provider.names()).map_or_else(String::new, |name| format!("did you mean {name}? "));
        format!("{} has no event type {event_type:?}; {meant}there are: {}", provider.title, types(provider))
    })
}

/// Returns the address at which a daemon that listens on `listen` is reached from this machine.
fn local(listen: Option<SocketAddr>) -> SocketAddr {
    let mut address = listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}

/// Returns the URL with a signature, for an endpoint that takes no token. A URL that has a proof stays as it is.
fn signed_url(endpoint: &EndpointConfig, url: &str, secret: &str) -> String {
    let has_proof = url.parse().is_ok_and(|url| http::has_proof(endpoint.provider, &url));
    let parts = (Secret::new(secret.as_bytes()), CallerReference::new(SAMPLE_REFERENCE.to_owned()));
    let (Some(secret), Some(reference), false) = (parts.0, parts.1, has_proof) else { return url.to_owned() };
    let name = http::endpoint_of(url).unwrap_or_else(|| endpoint.name.to_string());
    with_parameter(url, PARAMETER, &sign_url(&secret, &name, reference, None).text())
}

fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{name}={value}")
}

/// One delivery, as its provider would send it.
pub(super) struct Request {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Makes a request of its parts.
    pub(super) fn of(url: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Self { url: url.to_owned(), headers, body }
    }

    /// Adds a header.
    pub(super) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Signs a body: with headers, or with a token in the URL.
    pub(super) fn signed(provider: &Provider, url: &str, secret: &str, body: Vec<u8>) -> Result<Self, String> {
        Self::signed_at(provider, url, secret, body, clock::system())
    }

    /// Signs a body as its provider would have at a time.
    pub(super) fn signed_at(provider: &Provider, url: &str, secret: &str, body: Vec<u8>, at: SystemTime) -> Result<Self, String> {
        let key = Secret::new(secret.as_bytes()).ok_or_else(|| "the secret is empty".to_owned())?;
        let mut url = url.to_owned();
        // A URL as it was registered has the token already, and a second token would be refused.
        let has_proof = url.parse().is_ok_and(|url| http::has_proof(provider, &url));
        if provider.credential == CredentialSource::UrlToken && !has_proof {
            url = with_parameter(&url, "token", &utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string());
        }
        let signature = provider.sign(&body, &key, at);
        let headers = [("content-type", "application/json".to_owned())].into_iter().chain(signature);
        Ok(Self { url, headers: headers.map(|(name, value)| (name.to_owned(), value)).collect(), body })
    }

    /// Sends the request. Returns the status and the body of the answer. Trusts these authorities, as PEM, or the built-in ones.
    pub(super) fn send(&self, timeout_seconds: u64, authorities: Option<&[u8]>) -> Result<(u16, String), Failure> {
        // The URL may hold a token: a message must not repeat more of it than the host.
        let uri: ureq::http::Uri = self.url.parse().unwrap_or_default();
        let (Some("http" | "https"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(Failure::Failed("--url takes a URL like http://127.0.0.1:8080/webhooks/<endpoint>".into()));
        };
        let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let answer = Client::new(Duration::from_secs(timeout_seconds), authorities)
            .map_err(|why| format!("--{why}").replace('_', "-"))?
            .post(&self.url, &headers, &self.body, ANSWER_BYTES_MAX);
        let answer = answer.map_err(|fault| {
            let hint = match fault {
                OutboundError::Unconnected(_) | OutboundError::Unreachable(_) => {
                    "; is the daemon there? --url names another place"
                }
                OutboundError::Insecure(_) | OutboundError::Unusable(_) => "",
            };
            Failure::Failed(format!("the request to {host}{port} failed: {fault}{hint}"))
        })?;
        Ok((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
    }

    /// Returns the same request as a command line. A body that came from a file is read from the file again, because a command line cannot
    /// hold every byte.
    pub(super) fn curl(&self, file: Option<&Path>) -> String {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| quote(&format!("{name}: {value}"))).collect();
        // `--data-binary` sends the bytes as they are, `-d` would drop line breaks.
        let body = match file {
            Some(file) => format!("@{}", file.display()),
            None => String::from_utf8_lossy(&self.body).into_owned(),
        };
        let body = quote(&body);
        format!("curl -sS {} -H {} --data-binary {body}", quote(&self.url), headers.join(" -H "))
    }
}
