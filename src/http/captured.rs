//! How the commands read a captured request: by the same rules as a request on the wire.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::{Endpoint, Endpoints, WholeRequest, gate, health};
use crate::{
    config::{Http, is_endpoint_name, suggestion},
    delivery::Credential,
    error::Error,
    provider::Provider,
    signature::Keys,
    signed_url::PARAMETER,
};

/// Returns what a captured request to an endpoint offers as proof, by the same rules as on the wire. `endpoint` is the name of a configured
/// endpoint; without it, the URL may name any. Header names must be lower case. Fails with [`Error::UnknownEndpoint`] if the URL is not that
/// endpoint's.
pub fn offered_proof(
    provider: &'static Provider,
    endpoint: Option<&str>,
    url: Option<&str>,
    headers: &[(String, String)],
    keys: &Keys,
) -> Result<Credential, Error> {
    let uri = url.map(str::parse::<Uri>).transpose().map_err(|_| Error::UnknownEndpoint)?;
    let (name, path_token) = match &uri {
        Some(uri) => place(provider, endpoint, uri.path(), keys)?,
        None => (endpoint.unwrap_or_default(), None),
    };
    let asked = gate::Asked { endpoint: name, provider, path_token };
    gate::credential(asked, &header_map(headers), uri.as_ref().and_then(Uri::query), keys)
}

/// Returns what a captured request would offer if its path were that of the endpoint, without a token in the path.
pub fn proof_at_another_path(
    provider: &'static Provider,
    endpoint: Option<&str>,
    url: Option<&str>,
    headers: &[(String, String)],
    keys: &Keys,
) -> Result<Credential, Error> {
    let uri = url.and_then(|url| url.parse::<Uri>().ok());
    let asked = gate::Asked { endpoint: endpoint.unwrap_or_default(), provider, path_token: None };
    gate::credential(asked, &header_map(headers), uri.as_ref().and_then(Uri::query), keys)
}

/// Returns the name of the endpoint that a path is for, and the token in the path. This is the daemon's own look-up, in a daemon with this endpoint
/// alone, or with any that a configuration may have.
fn place<'a>(
    provider: &'static Provider,
    endpoint: Option<&'a str>,
    path: &'a str,
    keys: &Keys,
) -> Result<(&'a str, Option<&'a str>), Error> {
    let written = gate::WebhookPath::of(path)?.endpoint;
    let name = endpoint.unwrap_or(written);
    if !is_endpoint_name(name) {
        return Err(Error::UnknownEndpoint);
    }
    let endpoints = Endpoints::from_iter([Endpoint::new(name.into(), provider, keys.clone())]);
    let (_, path_token) = endpoints.find(path)?;
    Ok((name, path_token))
}

/// Returns whether a captured request is a health check, which is no delivery.
pub fn is_health_check(request: &WholeRequest) -> bool {
    request.head().is_some_and(|head| health::is_asked(&head))
}

/// Why the daemon refuses a request whatever its proof is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EarlyRefusal {
    /// The head is larger, or has more fields, than `[http]` allows. The answer is 431 and has no label.
    HeadTooLarge,
    /// The answer is that of the error.
    Answered(Error),
}

impl From<Error> for EarlyRefusal {
    fn from(error: Error) -> Self {
        Self::Answered(error)
    }
}

/// Checks what the daemon refuses in a captured request whatever its proof is, in the daemon's order: its head, its path, its method, and its body
/// by what the head says of it. `limits` are those of the daemon, if they are known.
pub fn acceptable(
    request: &WholeRequest,
    (provider, endpoint): (&'static Provider, Option<&str>),
    keys: &Keys,
    limits: Option<&Http>,
) -> Result<(), EarlyRefusal> {
    let is_over = |limits: &Http| request.head_bytes() > limits.max_header_bytes || request.headers.len() > limits.max_headers;
    if limits.is_some_and(is_over) {
        return Err(EarlyRefusal::HeadTooLarge);
    }
    let head = request.head().ok_or(Error::BadRequest)?;
    gate::well_formed(&head)?;
    place(provider, endpoint, head.uri.path(), keys)?;
    gate::acceptable(&head, keys, limits.map_or(usize::MAX, |it| it.max_body_bytes), false)?;
    Ok(())
}

/// Returns the name of the endpoint that a URL is for, if it is the URL of one.
pub fn endpoint_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    gate::WebhookPath::of(uri.path()).ok().map(|place| place.endpoint.to_owned())
}

/// Returns the name of these that the path of a URL probably means: people write another sign before the token, a prefix, or capitals.
pub fn meant_endpoint<'n>(url: &str, names: &(impl Iterator<Item = &'n str> + Clone)) -> Option<&'n str> {
    let uri: Uri = url.parse().ok()?;
    let path = percent_decode_str(uri.path()).decode_utf8_lossy();
    let parts = path.split('/').filter(|part| !part.eq_ignore_ascii_case("webhooks"));
    parts.map(name_of).filter(|name| !name.is_empty()).find_map(|name| suggestion(&name, names.clone()))
}

/// Returns what a part of a path has of a name, in lower case: people write a wrong sign between the name and the token.
pub fn name_of(part: &str) -> String {
    let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(part.len());
    part[..end].to_ascii_lowercase()
}

/// Returns whether a text is a URL, or the path of one.
pub fn is_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok()
}

/// Returns what a URL asks of its host: the path and the query.
pub fn path_and_query(url: &str) -> String {
    let uri = url.parse::<Uri>().unwrap_or_default();
    uri.path_and_query().map_or("/", |it| it.as_str()).to_owned()
}

/// Returns each token of a URL, as it is written: those of its query, and that of its path.
pub fn tokens(url: &str) -> Vec<String> {
    let Ok(uri) = url.parse::<Uri>() else { return Vec::new() };
    let in_path = gate::WebhookPath::of(uri.path()).ok().and_then(|place| place.token);
    gate::values(uri.query(), "token").chain(in_path).map(str::to_owned).collect()
}

/// Returns whether a URL has a token or a signature of this provider's: in its query, or in the path of an endpoint, by the same rules as on
/// the wire.
pub fn has_proof(provider: &Provider, url: &Uri) -> bool {
    let has = |name: &str| gate::values(url.query(), name).next().is_some();
    has("token")
        || provider.takes_signed_urls && has(PARAMETER)
        || gate::WebhookPath::of(url.path()).is_ok_and(|place| place.token.is_some())
}

/// A URL of the webhook port, as it is registered at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredUrl {
    /// Scheme, host and port, without a port that is the scheme's own.
    pub origin: String,
    /// The name of the endpoint, if the path is that of an endpoint of the provider.
    pub endpoint: Option<String>,
}

/// Reads an absolute URL that is registered at a provider, by the same rules as on the wire. Returns `None` if it is none.
pub fn registered_url(provider: &Provider, url: &str) -> Option<RegisteredUrl> {
    let uri: Uri = url.parse().ok()?;
    let place = gate::WebhookPath::of(uri.path()).ok().filter(|place| place.token(provider).is_ok());
    Some(RegisteredUrl { origin: origin(&uri)?, endpoint: place.map(|place| place.endpoint.to_owned()) })
}

/// Returns scheme, host and port of an absolute URL, without a port that is the scheme's own, and without a user.
pub fn origin(url: &Uri) -> Option<String> {
    let (scheme, host) = (url.scheme_str()?.to_ascii_lowercase(), url.host()?.to_ascii_lowercase());
    let own = if scheme == "https" { 443 } else { 80 };
    let port = url.port_u16().filter(|port| *port != own).map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{scheme}://{host}{port}"))
}

/// Builds the header map. Headers that HTTP does not allow are left out.
fn header_map(headers: &[(String, String)]) -> HeaderMap {
    let each =
        headers.iter().filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?)));
    let mut map = HeaderMap::new();
    for (name, value) in each {
        map.append(name, value);
    }
    map
}
