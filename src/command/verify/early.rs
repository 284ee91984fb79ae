//! Why a delivery is refused whatever its proof is: what the daemon looks at before that.

use std::io::Write;

use super::{Failure, GivenDelivery, ToExplain};
use crate::{
    command::output::counted,
    config::Http,
    error::Error,
    http::{EarlyRefusal, WholeRequest},
    logged::printable,
    provider::CredentialSource,
};

/// The name of a head that is too large, as the metrics count it. Its answer has none.
const HEAD_TOO_LARGE: &str = "headers_too_large";

/// Says how the daemon refuses a delivery whatever its proof is, and what to change. Returns the label, and whether its proof is still worth a look.
pub(super) fn refusal(
    out: &mut impl Write,
    asked: &ToExplain<'_>,
    given: &GivenDelivery,
) -> Result<Option<(&'static str, bool)>, Failure> {
    let Some(refused) = given.refused_early(asked) else { return Ok(None) };
    let error = match refused {
        EarlyRefusal::HeadTooLarge => {
            writeln!(out, "refused before the body is read: {HEAD_TOO_LARGE} (the head of the request is too large)")?;
            let limits =
                asked.limits.map_or_else(String::new, |it| format!(", here {} and {}", it.max_header_bytes, it.max_headers));
            writeln!(out, "the daemon answers 431: the limits are `http.max_header_bytes` and `http.max_headers`{limits}")?;
            return Ok(Some((HEAD_TOO_LARGE, true)));
        }
        EarlyRefusal::Answered(error) => error,
    };
    if error == Error::TooLarge {
        return too_large(out, asked.limits, given).map(|label| Some((label, true)));
    }
    let label = error.answer().label();
    writeln!(out, "refused before the body is read: {label} ({error})")?;
    let hint = match error {
        Error::UnknownEndpoint => other_path(asked, given),
        Error::BadRequest => given.whole().map_or_else(String::new, head),
        Error::Method => {
            "a delivery is a POST; a redirect on the way turns POST into GET, and monitors belong to /healthz".into()
        }
        Error::EncodedBody => {
            "the request has a content-encoding: turn the compression of requests off, in the proxy that adds it".into()
        }
        _ => "none of the secrets could be read, so the daemon answers 503 whatever comes".into(),
    };
    writeln!(out, "{hint}")?;
    // What is signed is not the encoded body, and another method has lost its body.
    Ok(Some((label, matches!(error, Error::UnknownEndpoint | Error::BadRequest))))
}

/// Says which path the daemon takes.
fn other_path(asked: &ToExplain<'_>, given: &GivenDelivery) -> String {
    let name = asked.name.unwrap_or("<endpoint>");
    let token = matches!(asked.provider.credential, CredentialSource::UrlToken);
    let wanted = if token { format!("?token=… or /webhooks/{name}/<token>") } else { ", and nothing after it".to_owned() };
    let form =
        if asked.name.is_some() { "" } else { "; <endpoint> is lower-case letters and digits, with single - or _ between them" };
    let Some(request) = given.whole() else {
        return format!("the daemon answers the path of --url with 404: it takes /webhooks/{name}{wanted}{form}");
    };
    let change = "; where a proxy changes the path, write the changed one into the first line of the file";
    format!("the daemon answers {} with 404: it takes /webhooks/{name}{wanted}{form}{change}", printable(&request.shown_path()))
}

/// Says what is wrong with a head.
fn head(request: &WholeRequest) -> String {
    let hosts = request.headers.iter().filter(|(name, _)| name == "host").count();
    let codings = request.headers.iter().any(|(name, _)| name == "transfer-encoding");
    match hosts {
        _ if codings && request.is_http_10() => "HTTP/1.0 has no transfer-encoding: the daemon answers 400".into(),
        0 => "the request has no Host header, which HTTP/1.1 demands: the daemon answers 400".into(),
        1 => "its Host header names no host, or its first line is not HTTP: the daemon answers 400".into(),
        several => format!("the request has {several} Host headers, so it is unclear which one counts: the daemon answers 400"),
    }
}

/// Says that a body is too large, how large it is, and how large it may be. Returns the label.
pub(super) fn too_large(out: &mut impl Write, limits: Option<&Http>, given: &GivenDelivery) -> Result<&'static str, Failure> {
    let (error, bytes) = (Error::TooLarge, counted(given.body.len() as u64, "byte"));
    let label = error.answer().label();
    let limit = limits.map_or_else(String::new, |it| format!(", {} here", it.max_body_bytes));
    writeln!(out, "refused: {label} ({error})\nthe body has {bytes}, and the limit is `http.max_body_bytes`{limit}")?;
    Ok(label)
}
