//! Answers. An answer to an error says its label and a fixed sentence, and nothing internal of Hookgate or Kafka.

use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::Response,
};

use super::{Phase, outcome::Stored};
use crate::{config::Http, error::Error};

/// The value of the `Connection` header that announces the end of a connection.
pub(super) const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Returns the answer to a delivery. With `ends` it closes the connection.
pub(super) fn answer(result: Result<Stored, Error>, ends: bool, phase: Phase, limits: &Http) -> Response {
    let mut response = match result {
        Ok(delivery) => stored_answer(&delivery.id),
        Err(error) => refused_answer(&error, limits),
    }
    .map(Body::from);
    // While the daemon shuts down, the sender's next delivery should go to another replica.
    if ends || phase != Phase::Serving {
        response.headers_mut().insert(CONNECTION, CLOSE);
    }
    response
}

/// Returns the answer to a stored delivery. It is always 200, the one code that every provider documents as success.
pub fn stored_answer(id: &str) -> Response<String> {
    let mut response = Response::new(format!(r#"{{"id":"{id}"}}"#));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns the answer on a connection beyond the limit.
pub(super) fn turned_away(limits: &Http) -> Response {
    let mut response = refused_answer(&Error::Overloaded, limits).map(Body::from);
    response.headers_mut().insert(CONNECTION, CLOSE);
    response
}

/// Returns an error's answer, as problem details (RFC 9457).
pub fn refused_answer(error: &Error, limits: &Http) -> Response<String> {
    let answer = error.answer();
    let body = format!(
        r#"{{"type":"urn:hookgate:problem:{label}","title":"{title}","status":{status}}}"#,
        label = answer.label(),
        status = answer.status,
        title = error,
    );
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    match answer.status {
        401 => {
            // RFC 9110 wants a challenge; there is no registered scheme for webhooks.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Webhook"));
        }
        405 => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        503 => {
            headers.insert(RETRY_AFTER, HeaderValue::from(limits.retry_after.as_secs().max(1)));
        }
        _ => {}
    }
    response
}
