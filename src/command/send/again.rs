//! `hookgate send --request`: a captured request, sent again as it came.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use super::{ConfigSource, Failure, Request, local};
use crate::{
    clock,
    command::{input, note},
    config::{Environment, Needs, TOLERANCE},
    http::{HIDDEN_VALUE, WholeRequest},
    logged::printable,
    provider::{self, CredentialSource},
};

/// Headers of one connection, which the next one has of its own.
const OF_THE_CONNECTION: [&str; 9] =
    ["host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"];

/// Reads a captured request and says where it goes: to the path it was for, of the daemon that the URL or the configuration names.
pub(super) fn request(
    file: &Path,
    url: Option<&str>,
    source: &ConfigSource,
    environment: &Environment,
) -> Result<Request, Failure> {
    let captured = input::request(file)?;
    if captured.method != METHOD {
        return Err(Failure::Failed(format!("the request is a {}; only a POST is sent", printable(&captured.method))));
    }
    let has_place = url.is_some_and(|url| place(url, &captured.target) == url);
    if lacks_its_token(&captured) && !has_place {
        let why = "the token was taken out of the URL before this was saved: give the whole URL with --url";
        return Err(Failure::Failed(format!("{}: {why}", file.display())));
    }
    let listen = match url {
        None if source.exists() => Some(source.load(environment, Needs::Names)?.http.listen),
        _ => None,
    };
    let url = place(url.unwrap_or(&format!("http://{}", local(listen))), &captured.target);
    if let Some(warning) = stale(&captured, clock::system()) {
        note(&warning);
    }
    let (lost, kept): (Vec<_>, Vec<_>) = own_headers(captured.headers).partition(|(_, value)| *value == HIDDEN_VALUE.as_bytes());
    if !lost.is_empty() {
        let names: Vec<_> = lost.into_iter().map(|(name, _)| name).collect();
        note(&format!("left out, because the file has no value of it: {}", printable(&names.join(", "))));
    }
    let text = |(name, value)| match String::from_utf8(value) {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(format!("the header {name} is no UTF-8, so it cannot be sent unchanged")),
    };
    let headers = kept.into_iter().map(text).collect::<Result<_, _>>()?;
    Ok(Request { url, headers, body: captured.body.into() })
}

/// The only method that is sent.
const METHOD: &str = "POST";

/// Returns whether a header is sent again: it is not of the connection, and its value was kept.
pub(in crate::command) fn is_sent_again(name: &str, value: &[u8]) -> bool {
    !OF_THE_CONNECTION.contains(&name) && value != HIDDEN_VALUE.as_bytes()
}

/// Returns the headers that are not of the connection.
fn own_headers<V>(headers: impl IntoIterator<Item = (String, V)>) -> impl Iterator<Item = (String, V)> {
    headers.into_iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(&&**name))
}

/// Returns whether a captured request can be sent as it is.
pub(in crate::command) fn is_sendable(captured: &WholeRequest) -> bool {
    let mut headers = own_headers(captured.headers.iter().map(|(name, value)| (name.clone(), value)));
    captured.method == METHOD && !lacks_its_token(captured) && headers.all(|(_, value)| std::str::from_utf8(value).is_ok())
}

/// Returns whether the token of a request, which is its proof, was taken out of its URL.
fn lacks_its_token(captured: &WholeRequest) -> bool {
    captured.lacks_token() && !is_signed(captured)
}

/// Returns whether a request has the signature of a provider that signs with headers.
fn is_signed(captured: &WholeRequest) -> bool {
    provider::ALL.iter().any(|provider| match provider.credential {
        CredentialSource::Hmac(scheme) => captured.headers.iter().any(|(name, _)| name == scheme.headers[0]),
        CredentialSource::UrlToken => false,
    })
}

/// Returns the URL to send to. A URL with a path or a query of its own takes the place of the captured ones.
fn place(url: &str, target: &str) -> String {
    let parse = |text: &str| text.parse::<ureq::http::Uri>().ok();
    let is_whole = parse(url).is_none_or(|uri| uri.path().len() > 1 || uri.query().is_some());
    match parse(target) {
        Some(target) if !is_whole => {
            format!("{}{}", url.trim_end_matches('/'), target.path_and_query().map_or("/", |it| it.as_str()))
        }
        _ => url.to_owned(),
    }
}

/// Returns a warning where the signed time of a request is too far away by now.
fn stale(captured: &WholeRequest, now: SystemTime) -> Option<String> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let away = |name: &str| {
        let signed_at = Duration::from_secs(captured.header(name)?.parse().ok()?);
        Some(now.abs_diff(signed_at)).filter(|away| *away > TOLERANCE)
    };
    provider::ALL.iter().find_map(|provider| match provider.credential {
        CredentialSource::Hmac(scheme) => {
            let seconds = away(scheme.headers.get(1)?)?.as_secs();
            Some(format!(
                "warning: {} signed this {seconds} s away from now, so a daemon answers 401 `stale`, unless its `tolerance` is longer; \
                 --request cannot sign anew, `hookgate send {} --file` does",
                provider.title, provider.name
            ))
        }
        CredentialSource::UrlToken => None,
    })
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_url_names_the_daemon_or_the_whole_place() {
        fn check(url: &str, target: &str, expected: &str) {
            assert_eq!(place(url, target), expected);
        }
        check("http://a:1", "/webhooks/b?token=t", "http://a:1/webhooks/b?token=t");
        check("http://a:1/", "/webhooks/b", "http://a:1/webhooks/b");
        check("https://a", "http://b/webhooks/c?token=t", "https://a/webhooks/c?token=t");
        check("http://a/webhooks/d", "/webhooks/b?token=t", "http://a/webhooks/d");
        check("http://a?x=y", "/webhooks/b", "http://a?x=y");
        check("no url", "/webhooks/b", "no url");
    }
}
