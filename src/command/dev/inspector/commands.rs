//! The commands that the page gives to copy. They are pasted into a shell, and much in them comes from strangers.

use super::Inspected;
use crate::{
    command::{
        dev::seen::SeenRequest,
        output::{quote, shell_word},
        send::{is_sendable, is_sent_again},
        subscribe::in_shell,
    },
    config::{self, units::show_duration},
    error::Error,
    kafka::read::StoredRecord,
    provider::{CredentialSource, by_name},
};

/// A longer body is read from a file.
const BODY_BYTES_MAX: usize = 4 << 10;

/// Returns the name of the file with the whole request.
pub(super) fn fixture_name(number: u64) -> String {
    format!("{number}.http")
}

/// Returns whether what was kept of a request is enough for the same answer. A head that HTTP does not allow is not kept as it was, and the path of a
/// 404 may have lost what was wrong with it.
fn is_repeatable(request: &SeenRequest) -> bool {
    let target = &request.what.request.target;
    let is_whole = match request.error() {
        Some(Error::BadRequest) => false,
        Some(Error::UnknownEndpoint) => !request.what.request.lacks_token(),
        _ => true,
    };
    request.what.has_body() && is_whole && target.starts_with('/')
}

/// Returns the request as a curl command; nothing where that would not be the same request. A shell reads the right token of its URL from where it is.
pub(super) fn curl(inspected: &Inspected, request: &SeenRequest) -> String {
    let what = &request.what.request;
    if !is_repeatable(request) {
        return String::new();
    }
    // Without the right one the command is refused as the request was.
    let url = if had_right_token(request) {
        with_token(inspected, request)
    } else {
        quote(&format!("http://{}{}", inspected.webhooks, what.target))
    };
    let kept = what.headers.iter().filter(|(name, value)| is_sent_again(name, value));
    let headers: Vec<_> = kept.map(|(name, value)| format!(" -H {}", header(name, &String::from_utf8_lossy(value)))).collect();
    // curl reads a file where the text begins with an at sign.
    let text = std::str::from_utf8(&what.body).ok().filter(|text| text.len() <= BODY_BYTES_MAX && !text.starts_with('@'));
    let is_plain = |text: &&str| !text.chars().any(crate::logged::is_deceptive);
    let body = text.filter(is_plain).map_or_else(|| format!("@{}.bin", request.number), quote);
    let method = match what.method.as_str() {
        "POST" => String::new(),
        "HEAD" => return String::new(),
        other => format!("-X {} ", shell_word(other)),
    };
    format!("curl -sS -g --path-as-is {method}{url}{} --data-binary {body}", headers.concat())
}

/// Returns the URL of an endpoint as a word for a shell, which puts the token into it from where it is.
fn with_token(inspected: &Inspected, request: &SeenRequest) -> String {
    let place = format!("http://{}/webhooks/{}?token=", inspected.webhooks, request.endpoint);
    let token = inspected.secret(&request.endpoint).map(|secret| in_shell(&secret.reference())).unwrap_or_default();
    format!("{}\"{token}\"", quote(&place))
}

/// Returns whether a request had the right token in its URL: a signed URL has none, and a refused request nobody knows.
pub(super) fn had_right_token(request: &SeenRequest) -> bool {
    let is_proven = matches!(request.error(), None | Some(Error::PublishTimeout | Error::PublishFailed(_)));
    has_token(request) && is_proven && !request.what.has_signed_url()
}

fn has_token(request: &SeenRequest) -> bool {
    by_name(&request.endpoint).is_some_and(|it| it.credential == CredentialSource::UrlToken)
}

/// Returns a header as curl takes it: it leaves one out that has no value, unless it ends in a semicolon.
fn header(name: &str, value: &str) -> String {
    quote(&if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") })
}

/// Returns the command that explains the request as this session judges it; nothing where the request has no proof any more. `program` is what to
/// call, and `file` has the request.
pub(super) fn verify(inspected: &Inspected, request: &SeenRequest, (program, file): (&str, &str)) -> String {
    let (Some(secret), Some(endpoint)) = (inspected.secret(&request.endpoint), inspected.endpoint(&request.endpoint)) else {
        return String::new();
    };
    let is_right = had_right_token(request);
    if !request.what.has_body() || has_token(request) && !is_right && request.what.request.lacks_token() {
        return String::new();
    }
    let url = if is_right { format!(" --url {}", with_token(inspected, request)) } else { String::new() };
    let (secret, at) = (shell_word(&secret.reference()), arrival(request));
    let tolerance = show_duration(endpoint.tolerance);
    let tolerance = if endpoint.provider.signs_time() { format!(" --tolerance {tolerance}") } else { String::new() };
    format!("{program} verify --request {file}{url} --secret {secret} --at {at}{tolerance}")
}

/// Returns when a request arrived, in whole milliseconds.
pub(super) fn arrival(request: &SeenRequest) -> String {
    let mut at = prost_types::Timestamp::from(request.arrived);
    at.nanos -= at.nanos % 1_000_000;
    at.to_string()
}

/// Returns the command that sends the request again, of which the fixture must be there; nothing where that would not be the same request.
pub(super) fn send(inspected: &Inspected, request: &SeenRequest) -> String {
    let (program, file) = (config::program(), fixture_name(request.number));
    let what = &request.what.request;
    if !is_repeatable(request) || !had_right_token(request) && (has_token(request) || !is_sendable(what)) {
        return String::new();
    }
    let place = if has_token(request) { with_token(inspected, request) } else { format!("http://{}", inspected.webhooks) };
    format!("{program} send --request {file} --url {place}")
}

/// Returns the command that reads a record.
pub(super) fn tail(inspected: &Inspected, record: &StoredRecord) -> String {
    let brokers = shell_word(&inspected.config.kafka.brokers.join(","));
    let topic = shell_word(&record.topic);
    format!("{} tail {topic} --brokers {brokers} --offset {}:{} --limit 1", config::program(), record.partition, record.offset)
}
