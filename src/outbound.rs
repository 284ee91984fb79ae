//! The one HTTP client for all requests to other services: to Amazon for credentials, to the schema registry, to the collector of spans, to the providers' own APIs,
//! and by `hookgate send`. The peer may be hostile or broken, so an answer is bounded in size and time, is never unpacked, and never leads
//! to another address.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

pub use ureq::Proxy;
use ureq::{
    Agent, Body, Error, ProxyProtocol, RequestBuilder, Timeout,
    http::{HeaderMap, HeaderValue, Response, Uri, header},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::{clock::Clock, logged::printable};

/// The largest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How much of a redirect's target is shown, in characters.
const PLACE_MAX: usize = 200;
/// How long connecting may take, with its TLS handshake, within the time-out of the whole request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection without a request is kept: it is closed before common servers close theirs, else a request would sometimes meet a
/// closed one.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// Sends only to the URL that the configuration or an argument names: it follows no redirects and reads no environment.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    proxy: Option<Proxy>,
    comparison: Option<ClockComparison>,
}

/// By how many seconds a clock is ahead of the `Date` of each host.
#[derive(Clone)]
struct ClockComparison {
    clock: Clock,
    ahead: Arc<Mutex<BTreeMap<String, i64>>>,
}

/// A peer's answer, with any status except a redirect.
pub struct OutboundAnswer {
    /// The status code of the answer.
    pub status: u16,
    headers: HeaderMap,
    /// The body of the answer, at most as long as the caller has allowed.
    pub body: Vec<u8>,
}

impl OutboundAnswer {
    /// Returns the first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer. The text is safe for a log line and holds nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// There was no connection, so the peer has seen nothing of the request.
    #[error("{0}")]
    Unconnected(String),
    /// No answer came, or it was incomplete.
    #[error("{0}")]
    Unreachable(String),
    /// A peer is there, but the TLS handshake failed.
    #[error("{0}")]
    Insecure(String),
    /// The answer cannot be used: it is too large, encoded, or a redirect.
    #[error("{0}")]
    Unusable(String),
}

impl OutboundError {
    /// Returns this error with the proxy that was asked, without a password.
    fn through(self, proxy: &Proxy) -> Self {
        let is_tls = proxy.protocol() == ProxyProtocol::Https;
        let scheme = if is_tls { "https" } else { "http" };
        let place = format!("through the proxy {scheme}://{}:{}", proxy.host(), proxy.port());
        let add = |text: String| format!("{text}, {place}");
        match self {
            Self::Unconnected(text) => Self::Unconnected(add(text)),
            Self::Unreachable(text) => Self::Unreachable(add(text)),
            Self::Insecure(text) if is_tls => Self::Insecure(add(text) + ", whose own URL may have to begin with http://"),
            Self::Insecure(text) => Self::Insecure(add(text)),
            Self::Unusable(text) => Self::Unusable(add(text)),
        }
    }
}

impl Client {
    /// Returns a client whose requests take at most `timeout`, from the look-up of the name to the last byte of the answer. It trusts the
    /// `authorities`, as PEM, and without them the built-in ones. Fails if there is no certificate among them.
    pub fn new(timeout: Duration, authorities: Option<&[u8]>) -> Result<Self, String> {
        Self::through(None, timeout, authorities)
    }

    /// Returns a client as [`Client::new`] does, whose requests go through a proxy.
    pub fn through(proxy: Option<Proxy>, timeout: Duration, authorities: Option<&[u8]>) -> Result<Self, String> {
        let mut tls = TlsConfig::builder();
        if let Some(pem) = authorities {
            let certificates: Vec<_> = parse_pem(pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err("ca_file holds no certificate as PEM".into());
            }
            tls = tls.root_certs(RootCerts::from(certificates));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(tls.build())
            // Only the configuration reads the environment, and credentials go only to the URLs that it names.
            .proxy(proxy.clone())
            .max_redirects(0)
            // No compression is offered, and a compressed answer is refused: unpacked, it may be a thousand times as long as what came.
            .accept_encoding("")
            .max_response_header_size(HEAD_BYTES_MAX)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
            .max_idle_age(IDLE_MAX)
            .user_agent(concat!("hookgate/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.into(), proxy, comparison: None })
    }

    /// Returns this client as one that compares a clock with the `Date` of every answer.
    #[must_use]
    pub fn comparing(self, clock: Clock) -> Self {
        Self { comparison: Some(ClockComparison { clock, ahead: Arc::default() }), ..self }
    }

    /// Returns for each host that has answered with a `Date` by how many seconds the clock of [`Client::comparing`] is ahead of it. What
    /// the request itself may explain is left out.
    pub fn seconds_ahead(&self) -> BTreeMap<String, i64> {
        let lock = |it: &ClockComparison| it.ahead.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.comparison.as_ref().map(lock).unwrap_or_default()
    }

    /// Sends a request and reads the answer. An error names the proxy, because it may be the proxy's.
    fn ask(
        &self,
        url: &str,
        bytes_max: u64,
        send: impl FnOnce() -> Result<Result<Response<Body>, Error>, OutboundError>,
    ) -> Result<OutboundAnswer, OutboundError> {
        self.ask_somebody(url, bytes_max, send).map_err(|error| {
            let asked = url.parse::<Uri>().ok().and_then(|url| self.proxy.as_ref().filter(|proxy| !proxy.is_no_proxy(&url)));
            match asked {
                Some(proxy) => error.through(proxy),
                None => error,
            }
        })
    }

    /// Sends a request to the host of the URL or to the proxy, and reads the answer.
    fn ask_somebody(
        &self,
        url: &str,
        bytes_max: u64,
        send: impl FnOnce() -> Result<Result<Response<Body>, Error>, OutboundError>,
    ) -> Result<OutboundAnswer, OutboundError> {
        let Some(comparison) = &self.comparison else { return answer(send()?, bytes_max) };
        let begun = (comparison.clock)();
        let response = send()?;
        let ahead = response.as_ref().ok().and_then(|response| ahead(response.headers(), begun, (comparison.clock)()));
        let host = url.parse::<Uri>().ok().and_then(|url| url.host().map(str::to_owned));
        if let (Some(host), Some(ahead)) = (host, ahead) {
            comparison.ahead.lock().unwrap_or_else(PoisonError::into_inner).insert(host, ahead);
        }
        answer(response, bytes_max)
    }

    /// Posts a body and reads the answer, whose body may have at most `bytes_max` bytes.
    pub fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        bytes_max: u64,
    ) -> Result<OutboundAnswer, OutboundError> {
        self.ask(url, bytes_max, || Ok(with(self.agent.post(url), headers)?.send(body)))
    }

    /// Puts a body at a URL and reads the answer, whose body may have at most `bytes_max` bytes.
    pub fn put(&self, url: &str, headers: &[(&str, &str)], body: &[u8], bytes_max: u64) -> Result<OutboundAnswer, OutboundError> {
        self.ask(url, bytes_max, || Ok(with(self.agent.put(url), headers)?.send(body)))
    }

    /// Sends a change of what a URL has, and reads the answer, whose body may have at most `bytes_max` bytes.
    pub fn patch(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        bytes_max: u64,
    ) -> Result<OutboundAnswer, OutboundError> {
        self.ask(url, bytes_max, || Ok(with(self.agent.patch(url), headers)?.send(body)))
    }

    /// Removes what a URL has, and reads the answer, whose body may have at most `bytes_max` bytes.
    pub fn delete(&self, url: &str, headers: &[(&str, &str)], bytes_max: u64) -> Result<OutboundAnswer, OutboundError> {
        self.ask(url, bytes_max, || Ok(with(self.agent.delete(url), headers)?.call()))
    }

    /// Reads what a URL has, whose body may have at most `bytes_max` bytes.
    pub fn get(&self, url: &str, headers: &[(&str, &str)], bytes_max: u64) -> Result<OutboundAnswer, OutboundError> {
        self.ask(url, bytes_max, || Ok(with(self.agent.get(url), headers)?.call()))
    }
}

fn with<B>(mut request: RequestBuilder<B>, headers: &[(&str, &str)]) -> Result<RequestBuilder<B>, OutboundError> {
    for (name, value) in headers {
        // The library's own error about a value would not quote the value, but Hookgate does not rely on that.
        let mut value = HeaderValue::try_from(*value)
            .map_err(|_| OutboundError::Unreachable(format!("the value of the header {name} cannot be sent")))?;
        value.set_sensitive(true);
        request = request.header(*name, value);
    }
    Ok(request)
}

/// Returns by how many seconds a clock is ahead of the `Date` of an answer that was made between two times of this clock.
fn ahead(headers: &HeaderMap, begun: SystemTime, ended: SystemTime) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()?;
    // The header has whole seconds: the peer's clock may have shown almost one more.
    let latest = date + Duration::from_secs(1);
    let seconds = |later: SystemTime, earlier: SystemTime| {
        later.duration_since(earlier).ok().map(|it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX)).filter(|it| *it > 0)
    };
    Some(seconds(begun, latest).or_else(|| seconds(date, ended).map(|it| -it)).unwrap_or_default())
}

fn answer(response: Result<Response<Body>, Error>, bytes_max: u64) -> Result<OutboundAnswer, OutboundError> {
    let mut response = response.map_err(fault)?;
    usable(&response).map_err(OutboundError::Unusable)?;
    let body = response.body_mut().with_config().limit(bytes_max).read_to_vec().map_err(fault)?;
    let (head, _) = response.into_parts();
    Ok(OutboundAnswer { status: head.status.as_u16(), headers: head.headers, body })
}

/// Checks by its head whether an answer can be read. The error says why not.
fn usable(response: &Response<Body>) -> Result<(), String> {
    let status = response.status();
    if status.is_redirection() {
        let (status, place) = (status.as_u16(), redirected(response.headers()));
        return Err(format!(
            "it answered {status}, a redirect{place}, which is not followed: the URL has to name the place itself"
        ));
    }
    for (name, plain) in [(header::CONTENT_ENCODING, "identity"), (header::TRANSFER_ENCODING, "chunked")] {
        if let Some(coding) = coding(response.headers(), &name, plain) {
            return Err(format!("its answer is encoded as {}, which was not asked for", printable(&coding)));
        }
    }
    Ok(())
}

/// Returns the target of a redirect: only the scheme, the host and the port, because the rest may repeat a token of the requested URL.
fn redirected(headers: &HeaderMap) -> String {
    let place = headers.get(header::LOCATION).and_then(|value| value.to_str().ok()?.parse::<Uri>().ok());
    match place.as_ref().and_then(|place| Some((place.scheme_str()?, place.host()?, place.port()))) {
        Some((scheme, host, port)) => {
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            format!(" to {}", printable(&format!("{scheme}://{host}{port}").chars().take(PLACE_MAX).collect::<String>()))
        }
        None => String::new(),
    }
}

/// Returns the first coding in a header that is not the plain one.
fn coding(headers: &HeaderMap, name: &header::HeaderName, plain: &str) -> Option<String> {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let codings = values.flat_map(|value| value.split(',').map(|it| it.trim().to_owned()).collect::<Vec<_>>());
    codings.filter(|it| !it.is_empty()).find(|it| !it.eq_ignore_ascii_case(plain)).map(|it| it.chars().take(40).collect())
}

/// What the texts of the TLS library mean: each row is a part of a text, and what it means and what to do.
const INSECURE: &[(&str, &str)] = &[
    ("InvalidContentType", "the port does not speak TLS: write http:// in the URL, or the port that speaks TLS"),
    ("UnknownIssuer", "no authority that is trusted has signed its certificate: name that authority's PEM file as the CA file"),
    (
        "BadSignature",
        "another authority than the CA file's has signed its certificate, though their names are the same: name the right PEM file as the CA file",
    ),
    (
        "CaUsedAsEndEntity",
        "its certificate is an authority's own (self-signed with CA:TRUE): give the server one that an authority has signed, and name that \
         authority's PEM file as the CA file",
    ),
    ("certificate not valid for name", "its certificate is for another name: write a name of the certificate in the URL"),
    ("certificate expired", "its certificate has expired: give the server a new one"),
    ("certificate not valid yet", "its certificate is not valid yet: is the clock of one of the machines wrong?"),
    ("invalid peer certificate", "its certificate is not accepted: give the server another one"),
    ("invalid HTTP version", "what it answers is not HTTP: does the port speak TLS? Then write https:// in the URL"),
];

/// Returns why TLS failed, and what to do; `None` if the text is about something else.
fn insecure(text: &str) -> Option<&'static str> {
    INSECURE.iter().find(|(part, _)| text.contains(part)).map(|(_, why)| *why)
}

/// Returns whether the connection itself has failed. A connection that ends later may have carried the request.
fn is_before_the_request(error: &Error) -> bool {
    match error {
        Error::HostNotFound | Error::ConnectionFailed | Error::Timeout(Timeout::Resolve | Timeout::Connect) => true,
        // The standard library has no kind for a name without an address.
        Error::Io(error) => {
            error.kind() == std::io::ErrorKind::ConnectionRefused || error.to_string().starts_with("failed to lookup address")
        }
        _ => false,
    }
}

fn fault(error: Error) -> OutboundError {
    match error {
        Error::LargeResponseHeader(..) => {
            OutboundError::Unusable(format!("the head of its answer is longer than {HEAD_BYTES_MAX} bytes"))
        }
        Error::BodyExceedsLimit(limit) => OutboundError::Unusable(format!("its answer is longer than {limit} bytes")),
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            OutboundError::Unconnected("it cannot be connected to in time".into())
        }
        Error::Timeout(_) => OutboundError::Unreachable("no whole answer has come in time".into()),
        other => match insecure(&other.to_string()) {
            Some(why) => OutboundError::Insecure(format!("{why} ({other})")),
            None if is_before_the_request(&other) => OutboundError::Unconnected(other.to_string()),
            None => OutboundError::Unreachable(other.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::{
        self, CertificateError,
        pki_types::{ServerName, UnixTime},
    };

    use super::*;

    /// The texts are the library's: with another release of it, a row of the table may meet none of them.
    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_plain_words() {
        let check = |error: CertificateError, part: &str| {
            let text = rustls::Error::InvalidCertificate(error).to_string();
            assert!(insecure(&text).is_some_and(|why| why.contains(part)), "{text}: {:?}", insecure(&text));
        };
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let name = |name: &'static str| ServerName::try_from(name).expect("a name");
        check(CertificateError::UnknownIssuer, "no authority that is trusted");
        check(CertificateError::BadSignature, "another authority");
        check(CertificateError::ExpiredContext { time: at(2), not_after: at(1) }, "has expired");
        check(CertificateError::NotValidYetContext { time: at(1), not_before: at(2) }, "is not valid yet");
        for presented in [Vec::new(), vec!["DnsName(\"b\")".to_owned()]] {
            check(CertificateError::NotValidForNameContext { expected: name("a.example.com"), presented }, "is for another name");
        }
        check(CertificateError::Revoked, "is not accepted");
        assert_eq!(insecure("connection refused"), None);
    }
}
