//! The one HTTP client of everything that asks others: the schema registry, the collector of spans, and what `hookgate send` posts to. Whoever
//! answers may be hostile or broken, so an answer is bounded in size and time, is read as it was sent, and leads nowhere else.

use std::time::Duration;

use ureq::{
    Agent, Body, Error,
    http::{HeaderMap, HeaderValue, Response, header},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::printable::printable;

/// The largest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How long a connection may take to be made, with its TLS handshake, within the time-out of the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After how long without a request a connection is closed: before common servers do, or a request would now and then meet a closed one.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// Posts to where the configuration or an argument says, and nowhere else: no redirects, no proxies of the environment.
pub struct Client(Agent);

/// What a peer has answered, whatever the status says. It is never a redirect.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, at most as long as the caller has allowed.
    pub body: Vec<u8>,
}

/// Why there is no answer. The text is fit for a log line and holds nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nobody has answered, or not wholly.
    #[error("{0}")]
    Unreachable(String),
    /// Somebody has answered what nobody can use: too much, encoded, or a redirect.
    #[error("{0}")]
    Unusable(String),
}

impl Client {
    /// A client whose requests take at most `timeout`, from the look-up of the name to the last byte of the answer. It trusts the `authorities`, as PEM,
    /// and without them the built-in ones. Fails where there is no certificate among them.
    pub fn new(timeout: Duration, authorities: Option<&[u8]>) -> Result<Self, String> {
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
            // The environment is the configuration's matter, and credentials go nowhere else than to the URLs that it names.
            .proxy(None)
            .max_redirects(0)
            // What is asked for is what is read: an unpacked answer may be a thousand times as long as what has come.
            .accept_encoding("")
            .max_response_header_size(HEAD_BYTES_MAX)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
            .max_idle_age(IDLE_MAX)
            .user_agent(concat!("hookgate/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self(config.into()))
    }

    /// Posts a body and reads the answer, whose body may have at most `bytes_max` bytes.
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: &[u8], bytes_max: u64) -> Result<Answer, Fault> {
        let mut request = self.0.post(url);
        for (name, value) in headers {
            // The library's own complaint about a value would not quote it, but need not be trusted to.
            let mut value = HeaderValue::try_from(*value)
                .map_err(|_| Fault::Unreachable(format!("the value of the header {name} cannot be sent")))?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        let mut response = request.send(body).map_err(fault)?;
        usable(&response).map_err(Fault::Unusable)?;
        let body = response.body_mut().with_config().limit(bytes_max).read_to_vec().map_err(fault)?;
        Ok(Answer { status: response.status().as_u16(), body })
    }
}

/// Why an answer is not read, going by its head.
fn usable(response: &Response<Body>) -> Result<(), String> {
    let status = response.status();
    if status.is_redirection() {
        let status = status.as_u16();
        return Err(format!("it answered {status}, a redirect, which is not followed: the URL has to name the place itself"));
    }
    for (name, plain) in [(header::CONTENT_ENCODING, "identity"), (header::TRANSFER_ENCODING, "chunked")] {
        if let Some(coding) = coding(response.headers(), &name, plain) {
            return Err(format!("its answer is encoded as {}, which was not asked for", printable(&coding)));
        }
    }
    Ok(())
}

/// The first coding under a header's name that is not the plain one.
fn coding(headers: &HeaderMap, name: &header::HeaderName, plain: &str) -> Option<String> {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let codings = values.flat_map(|value| value.split(',').map(|it| it.trim().to_owned()).collect::<Vec<_>>());
    codings.filter(|it| !it.is_empty()).find(|it| !it.eq_ignore_ascii_case(plain)).map(|it| it.chars().take(40).collect())
}

fn fault(error: Error) -> Fault {
    match error {
        Error::LargeResponseHeader(..) => {
            Fault::Unusable(format!("the head of its answer is longer than {HEAD_BYTES_MAX} bytes"))
        }
        Error::BodyExceedsLimit(limit) => Fault::Unusable(format!("its answer is longer than {limit} bytes")),
        other => Fault::Unreachable(other.to_string()),
    }
}
