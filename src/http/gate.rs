//! What the request's head decides, before the body is read.

use axum::http::{
    HeaderMap, HeaderName, Method, Version,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING},
    request::Parts,
    uri::Authority,
};
use percent_encoding::percent_decode_str;

use crate::{
    delivery::Credential,
    error::Error,
    provider::{CredentialSource, Provider},
    signature::{Keys, signed_url_matches, token_matches},
    signed_url::{PARAMETER, SignedUrl, SignedUrls},
};

/// The longest Content-Type that is kept, in bytes. It goes into the event, and no signature covers it.
const CONTENT_TYPE_BYTES_MAX: usize = 256;

/// Refuses a head that two HTTP servers in a row may read differently (RFC 9112, sections 3.2 and 6.1). This comes first and for every
/// request, because the two may not agree on its path either.
pub fn well_formed(head: &Parts) -> Result<(), Error> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = codings.next().is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match hosts.next() {
        Some(host) => is_host(host.as_bytes()),
        // HTTP/1.0 has no such header, and nginx speaks HTTP/1.0 to its upstreams by default.
        None => head.version < Version::HTTP_11,
    };
    if chunked && codings.next().is_none() && host && hosts.next().is_none() { Ok(()) } else { Err(Error::BadRequest) }
}

/// Returns whether a `Host` header names a host, perhaps with a port. Names with an underscore are in use within clusters.
fn is_host(value: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(value) else { return false };
    let port = authority.as_str().strip_prefix(authority.host()).map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    // Text before the host would be a user's name.
    let port_fits = port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok());
    // The grammar allows a comma in a name. In practice a comma shows that a proxy has joined two headers.
    !authority.host().is_empty() && !authority.host().contains(',') && port_fits
}

/// The parts of a path: `/webhooks/<endpoint>`, or `/webhooks/<endpoint>/<token>`, each with or without a slash at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookPath<'a> {
    /// The name of the endpoint.
    pub endpoint: &'a str,
    /// The token as it is written, which may be percent-encoded.
    pub token: Option<&'a str>,
}

impl<'a> WebhookPath<'a> {
    /// Reads a path. Any other path is [`Error::UnknownEndpoint`]. The daemon and the commands all read paths with this function.
    pub fn of(path: &'a str) -> Result<Self, Error> {
        let rest = path.strip_prefix("/webhooks/").ok_or(Error::UnknownEndpoint)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (endpoint, token) = rest.split_once('/').map_or((rest, None), |(endpoint, token)| (endpoint, Some(token)));
        if endpoint.is_empty() || token.is_some_and(|token| token.is_empty() || token.contains('/')) {
            return Err(Error::UnknownEndpoint);
        }
        Ok(Self { endpoint, token })
    }

    /// Returns the token. A token in the path is [`Error::UnknownEndpoint`] where this provider may have none there.
    pub fn token(self, provider: &Provider) -> Result<Option<&'a str>, Error> {
        let takes_token = provider.credential == CredentialSource::UrlToken;
        if self.token.is_some() && !takes_token { Err(Error::UnknownEndpoint) } else { Ok(self.token) }
    }
}

/// What a path asks for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The name of the endpoint.
    pub endpoint: &'a str,
    /// The provider that sends to the endpoint.
    pub provider: &'a Provider,
    /// The token in the path, as it is written.
    pub path_token: Option<&'a str>,
}

/// What a request offers before its body is read.
pub struct Offered {
    /// What the sender offers as proof.
    pub credential: Credential,
    /// The Content-Type for the record, empty where it is missing or longer than 256 bytes.
    pub content_type: String,
}

/// Decides on a request to an endpoint, only by its head. Returns what the request offers as proof, or the error to
/// answer.
pub fn pass(head: &Parts, asked: Asked<'_>, keys: &Keys, body_bytes_max: usize, draining: bool) -> Result<Offered, Error> {
    acceptable(head, keys, body_bytes_max, draining)?;
    let credential = credential(asked, &head.headers, head.uri.query(), keys)?;
    Ok(Offered { credential, content_type: content_type(&head.headers) })
}

/// Decides on a request to an endpoint without a look at its proof: by its method, by how its body is encoded, and by how long that says it is.
pub(super) fn acceptable(head: &Parts, keys: &Keys, body_bytes_max: usize, draining: bool) -> Result<(), Error> {
    if head.method != Method::POST {
        return Err(Error::Method);
    }
    if draining {
        return Err(Error::Draining);
    }
    if keys.secrets.is_empty() {
        return Err(Error::NoSecret);
    }
    if head.headers.get_all(CONTENT_ENCODING).iter().any(|value| codes(value.as_bytes())) {
        return Err(Error::EncodedBody);
    }
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > body_bytes_max as u64) { Err(Error::TooLarge) } else { Ok(()) }
}

/// Returns whether a Content-Encoding means that the body is encoded. An empty one means nothing: some proxies leave it in the request.
fn codes(content_encoding: &[u8]) -> bool {
    let text = content_encoding.trim_ascii();
    !text.is_empty() && !text.eq_ignore_ascii_case(b"identity")
}

/// Returns what the sender offers as proof. It must be there once and well-formed.
pub(super) fn credential(asked: Asked<'_>, headers: &HeaderMap, query: Option<&str>, keys: &Keys) -> Result<Credential, Error> {
    match asked.provider.credential {
        CredentialSource::UrlToken => in_url(asked, query, keys),
        CredentialSource::Hmac(scheme) => {
            let values = scheme.headers.iter().map(|name| signature_header(headers, name)).collect::<Result<Vec<_>, _>>()?;
            scheme.parts(&values)?;
            Ok(Credential::Headers(values))
        }
    }
}

/// Returns the one value of a signature header. With two values it would be open which one was meant, so two are refused.
fn signature_header(headers: &HeaderMap, name: &'static str) -> Result<String, Error> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    let value = values.next().ok_or(Error::MissingSignature)?;
    if values.next().is_some() {
        return Err(Error::BadSignature);
    }
    match value.to_str() {
        Ok("") => Err(Error::MissingSignature),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Error::BadSignature),
    }
}

/// Returns the proof in the URL. A signed URL and a plain token together are refused, because it would be open which one was meant.
fn in_url(asked: Asked<'_>, query: Option<&str>, keys: &Keys) -> Result<Credential, Error> {
    if asked.provider.takes_signed_urls
        && let Some(url) = signed_url(asked, query, keys)?
    {
        return Ok(Credential::SignedUrl(url));
    }
    if keys.signed_urls == SignedUrls::Required {
        return Err(Error::MissingSignature);
    }
    token(query, asked.path_token, keys)
}

/// Returns the signed URL, if the query has the parameter. A wrong signature is refused right here. Whether it has expired is decided by the
/// time of arrival, when the body is there.
fn signed_url(asked: Asked<'_>, query: Option<&str>, keys: &Keys) -> Result<Option<SignedUrl>, Error> {
    let mut all = values(query, PARAMETER);
    let Some(text) = all.next() else { return Ok(None) };
    if all.next().is_some() || asked.path_token.is_some() || values(query, "token").next().is_some() {
        return Err(Error::BadSignature);
    }
    if text.is_empty() {
        return Err(Error::MissingSignature);
    }
    let url = SignedUrl::parse(text)?;
    match signed_url_matches(&url, asked.endpoint, keys) {
        Some(_) => Ok(Some(url)),
        None => Err(keys.mismatch(Error::BadSignature)),
    }
}

/// Returns each value of a query parameter, as it is written.
pub fn values<'a>(query: Option<&'a str>, name: &str) -> impl Iterator<Item = &'a str> {
    query.unwrap_or_default().split('&').filter_map(move |pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Returns the one token of the URL. The token is the whole proof, so a wrong one is refused right here.
fn token(query: Option<&str>, in_path: Option<&str>, keys: &Keys) -> Result<Credential, Error> {
    let mut tokens = values(query, "token").map(decode).chain(in_path.map(decode));
    let token = tokens.next().ok_or(Error::MissingSignature)??;
    if tokens.next().is_some() {
        return Err(Error::BadToken);
    }
    if token.is_empty() {
        return Err(Error::MissingSignature);
    }
    if token_matches(&token, keys).is_none() {
        return Err(keys.mismatch(Error::BadToken));
    }
    Ok(Credential::Token(token))
}

fn decode(text: &str) -> Result<String, Error> {
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| Error::BadToken)
}

/// Returns the Content-Type for the record: empty where it is missing, not text, or too long.
fn content_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text.len() <= CONTENT_TYPE_BYTES_MAX { text.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{filespin, frameio};

    #[test]
    fn a_host_is_a_host() {
        fn check(value: &str, right: bool) {
            assert_eq!(is_host(value.as_bytes()), right, "{value:?}");
        }
        for right in
            ["a", "hooks.example.com", "a_b", "hookgate_webhooks.svc:8080", "192.0.2.1", "192.0.2.1:80", "[::1]", "[::1]:8080"]
        {
            check(right, true);
        }
        for right in
            ["localhost:", "localhost:0", "localhost:65535", "xn--hxajbheg2az3al.xn--jxalpdlp", "EXAMPLE.com", "example.com."]
        {
            check(right, true);
        }
        for wrong in [
            "",
            " ",
            ":80",
            "a b",
            "a/b",
            "a@b",
            "user:secret@b",
            "http://a",
            "a:b",
            "a:65536",
            "a:-1",
            "a:80:81",
            "[::1",
            "::1]",
            "a,b",
        ] {
            check(wrong, false);
        }
        for wrong in ["a?b", "a#b", "a\\b", "a\tb", "ä", "[::1]x", "a\"b", "<a>"] {
            check(wrong, false);
        }
    }

    #[test]
    fn a_path_says_one_thing() {
        fn check(path: &str, with_token: Option<(&str, Option<&str>)>, signed: Option<&str>) {
            let place = WebhookPath::of(path).ok();
            let of = |provider| place.and_then(|it| Some((it.endpoint, it.token(provider).ok()?)));
            assert_eq!(of(&filespin::PROVIDER), with_token, "{path}");
            assert_eq!(of(&frameio::PROVIDER), signed.map(|endpoint| (endpoint, None)), "{path}");
        }
        check("/webhooks/a", Some(("a", None)), Some("a"));
        check("/webhooks/a/", Some(("a", None)), Some("a"));
        check("/webhooks/a/t", Some(("a", Some("t"))), None);
        check("/webhooks/a/t/", Some(("a", Some("t"))), None);
        check("/webhooks/a/%2F", Some(("a", Some("%2F"))), None);
        for other in ["", "/", "/webhooks", "/webhooks/", "/webhooks//", "//webhooks/a", "/webhooks//a", "/webhooks/a//"] {
            check(other, None, None);
        }
        for other in ["/webhooks/a/t/u", "/webhooks/a//t", "/webhooks/a/t//", "/x/webhooks/a", "webhooks/a", "/WEBHOOKS/a"] {
            check(other, None, None);
        }
    }
}
