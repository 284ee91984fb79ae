//! How the commands read a captured request: by the same rules as a request on the wire.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::{Endpoint, Endpoints, WholeRequest, gate};
use crate::{delivery::Credential, error::Error, provider::Provider, signature::Keys, signed_url::PARAMETER};

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
    let (mut name, mut path_token) = (endpoint.unwrap_or_default(), None);
    if let Some(uri) = &uri {
        let place = gate::WebhookPath::of(uri.path())?;
        name = endpoint.unwrap_or(place.endpoint);
        // The daemon's own look-up, in a daemon with this endpoint alone.
        path_token = Endpoints::from_iter([Endpoint::new(name.into(), provider, keys.clone())]).find(uri.path())?.1;
    }
    let asked = gate::Asked { endpoint: name, provider, path_token };
    gate::credential(asked, &header_map(headers), uri.as_ref().and_then(Uri::query), keys)
}

/// Checks what the daemon refuses in a captured request whatever its proof is: another method than POST, and an encoded body.
pub fn acceptable(request: &WholeRequest) -> Result<(), Error> {
    if request.method != Method::POST.as_str() {
        return Err(Error::Method);
    }
    let codings = request.headers.iter().filter(|(name, _)| name == "content-encoding");
    if codings.into_iter().any(|(_, value)| gate::codes(value)) { Err(Error::EncodedBody) } else { Ok(()) }
}

/// Returns the name of the endpoint that a URL is for, if it is the URL of one.
pub fn endpoint_of(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    gate::WebhookPath::of(uri.path()).ok().map(|place| place.endpoint.to_owned())
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
