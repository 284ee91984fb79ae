//! What is decided on the request's head, before its body is read.

use axum::http::{
    HeaderMap, HeaderName, Method, Version,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING},
    request::Parts,
    uri::Authority,
};
use percent_encoding::percent_decode_str;

use super::{Endpoint, Phase, Shared};
use crate::{
    delivery::Credential,
    error::Error,
    provider::{CredentialSource, Provider},
    signature::{Keys, token_matches},
};

/// A Content-Type is kept up to this length; it stands in the event, and nobody signs it.
const CONTENT_TYPE_BYTES_MAX: usize = 256;

/// What of a `tracestate` has to be handed on by the standard; nobody signs it, and it lands in the record.
const TRACESTATE_BYTES_MAX: usize = 512;
const TRACESTATE_MEMBERS_MAX: usize = 32;

/// Refuses a head that two HTTP servers in a row may read differently (RFC 9112, sections 3.2 and 6.1). Asked first and of every request: they may not
/// agree on its path either.
pub(super) fn well_formed(head: &Parts) -> Result<(), Error> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = codings.next().is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match hosts.next() {
        Some(host) => is_host(host.as_bytes()),
        // HTTP/1.0 has no such header; nginx speaks that to what is behind it by default.
        None => head.version < Version::HTTP_11,
    };
    if chunked && codings.next().is_none() && host && hosts.next().is_none() { Ok(()) } else { Err(Error::BadRequest) }
}

/// Whether a `Host` names a host, perhaps with a port. Names with an underscore are in use within clusters.
fn is_host(value: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(value) else { return false };
    let port = authority.as_str().strip_prefix(authority.host()).map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    // What stands before the host would be a user's name.
    let port_fits = port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok());
    // A comma may stand in a name by the grammar, and stands there where a proxy has joined two headers.
    !authority.host().is_empty() && !authority.host().contains(',') && port_fits
}

/// What a path says: `/webhooks/<endpoint>`, or `/webhooks/<endpoint>/<token>`, each with or without a slash at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) endpoint: &'a str,
    /// As it is written, which may be percent-encoded.
    pub(super) token: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// What this path says; nothing where it is none of ours. The daemon and the commands all ask here.
    pub(super) fn of(path: &'a str) -> Result<Self, Error> {
        let rest = path.strip_prefix("/webhooks/").ok_or(Error::UnknownEndpoint)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (endpoint, token) = rest.split_once('/').map_or((rest, None), |(endpoint, token)| (endpoint, Some(token)));
        if endpoint.is_empty() || token.is_some_and(|token| token.is_empty() || token.contains('/')) {
            return Err(Error::UnknownEndpoint);
        }
        Ok(Self { endpoint, token })
    }

    /// The token, where this provider may have one in the path.
    pub(super) fn token(self, provider: &Provider) -> Result<Option<&'a str>, Error> {
        let takes_token = provider.credential == CredentialSource::UrlToken;
        if self.token.is_some() && !takes_token { Err(Error::UnknownEndpoint) } else { Ok(self.token) }
    }
}

/// The endpoint that a request is for, and the token in its path.
pub(super) fn endpoint<'a, 'b>(shared: &'a Shared, path: &'b str) -> Result<(&'a Endpoint, Option<&'b str>), Error> {
    let place = Place::of(path)?;
    let endpoint = shared.endpoints.get(place.endpoint).ok_or(Error::UnknownEndpoint)?;
    Ok((endpoint, place.token(endpoint.provider)?))
}

/// Everything else that the head decides: what the sender offers as proof, or why not.
pub(super) fn pass(
    shared: &Shared,
    head: &Parts,
    (endpoint, path_token): (&Endpoint, Option<&str>),
    keys: &Keys,
) -> Result<Credential, Error> {
    if head.method != Method::POST {
        return Err(Error::Method);
    }
    if shared.phase.get() == Phase::Draining {
        return Err(Error::Draining);
    }
    if keys.secrets.is_empty() {
        return Err(Error::NoSecret);
    }
    if head.headers.get_all(CONTENT_ENCODING).iter().any(|value| codes(value.as_bytes())) {
        return Err(Error::EncodedBody);
    }
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > shared.limits.max_body_bytes as u64) {
        return Err(Error::TooLarge);
    }
    credential(endpoint.provider, &head.headers, head.uri.query(), path_token, keys)
}

/// Whether a body with this Content-Encoding is anything but what it looks like. An empty one is none: some proxies leave it behind.
fn codes(content_encoding: &[u8]) -> bool {
    let text = content_encoding.trim_ascii();
    !text.is_empty() && !text.eq_ignore_ascii_case(b"identity")
}

/// What the sender offers as proof, if it is there once and well-formed.
pub(super) fn credential(
    provider: &Provider,
    headers: &HeaderMap,
    query: Option<&str>,
    path_token: Option<&str>,
    keys: &Keys,
) -> Result<Credential, Error> {
    match provider.credential {
        CredentialSource::UrlToken => token(query, path_token, keys),
        CredentialSource::Hmac(scheme) => {
            let values = scheme.headers.iter().map(|name| signature_header(headers, name)).collect::<Result<Vec<_>, _>>()?;
            scheme.parts(&values)?;
            Ok(Credential::Headers(values))
        }
    }
}

/// The one value of a signature header. Two of them would leave open which one was meant.
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

/// The one token of the URL. It is all the proof that there is, so a wrong one is refused right here.
fn token(query: Option<&str>, in_path: Option<&str>, keys: &Keys) -> Result<Credential, Error> {
    let in_query = query.unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("token="));
    let mut tokens = in_query.map(decode).chain(in_path.map(decode));
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

/// The Content-Type for the record; what is no plausible one is left out.
pub(super) fn content_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text.len() <= CONTENT_TYPE_BYTES_MAX { text.to_owned() } else { String::new() }
}

/// A W3C `traceparent` of version 00, for the record's header; anything else is left out.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let mut hex = |length: usize| {
        let part = parts.next()?;
        let is_hex = part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_hex.then_some(part)
    };
    let (version, trace, parent, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    (version == "00" && !zero(trace) && !zero(parent) && parts.next().is_none()).then(|| text.to_owned())
}

/// A W3C `tracestate`, for the record's header beside a `traceparent`; what is longer than it has to be handed on, or malformed, is left out.
pub(super) fn tracestate(headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all("tracestate").iter();
    let mut text = lines.next()?.to_str().ok()?.to_owned();
    for line in lines {
        text.push(',');
        text.push_str(line.to_str().ok()?);
    }
    let members: Vec<&str> = text.split(',').map(str::trim).filter(|member| !member.is_empty()).collect();
    let text = members.join(",");
    let usable = !members.is_empty() && members.len() <= TRACESTATE_MEMBERS_MAX && text.len() <= TRACESTATE_BYTES_MAX;
    (usable && members.into_iter().all(is_tracestate_member)).then_some(text)
}

fn is_tracestate_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let in_key = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'*' | b'/' | b'@');
    key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.bytes().all(in_key)
        && !value.is_empty()
        && value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=')
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

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
            let place = Place::of(path).ok();
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

    #[test]
    fn only_a_well_formed_trace_goes_on() {
        fn check(text: &str, taken: bool) {
            let headers = HeaderMap::from_iter([(HeaderName::from_static("traceparent"), HeaderValue::from_str(text).unwrap())]);
            assert_eq!(traceparent(&headers), taken.then(|| text.to_owned()), "{text}");
        }
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true);
        check("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false);
        check("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", false);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false);
        check("", false);
    }

    #[test]
    fn only_a_well_formed_trace_state_goes_on() {
        fn check(lines: &[&str], taken: Option<&str>) {
            let name = HeaderName::from_static("tracestate");
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(&name, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(tracestate(&headers).as_deref(), taken, "{lines:?}");
        }
        check(&["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
        check(&["a=1", "b=2 , tenant@system=3"], Some("a=1,b=2,tenant@system=3"));
        check(&["a=1,,b=2"], Some("a=1,b=2"));
        check(&[], None);
        check(&[""], None);
        check(&["a"], None);
        check(&["A=1"], None);
        check(&["=1"], None);
        check(&["a="], None);
        check(&["a=1=2"], None);
        check(&["a=\t1"], None);
        let long = |bytes: usize| format!("a={}", "x".repeat(bytes - 2));
        check(&[&long(512)], Some(&long(512)));
        check(&[&long(513)], None);
        let many = |count: usize| (0..count).map(|number| format!("k{number}=1")).collect::<Vec<_>>().join(",");
        check(&[&many(32)], Some(&many(32)));
        check(&[&many(33)], None);
    }
}
