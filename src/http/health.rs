//! `/healthz` on the webhook port, for load balancers that probe the port that they send to. It reports readiness. A probe is not a
//! delivery: it has no log line and no outcome, and only the limit of connections applies to it.

use axum::{
    body::Body,
    http::{
        Method, StatusCode,
        header::{CONNECTION, RETRY_AFTER},
        request::Parts,
    },
    response::Response,
};

use super::{Phase, Webhooks, answer::CLOSE};

const PATH: &str = "/healthz";

/// Returns whether a request is a health check. A request for this path with a method other than GET and HEAD is a delivery to an endpoint
/// that does not exist.
pub(super) fn is_asked(head: &Parts) -> bool {
    head.uri.path() == PATH && (head.method == Method::GET || head.method == Method::HEAD)
}

/// Returns 200 while the daemon is ready, else 503. With `ends` the answer closes the connection. The body is empty, so that no part of a
/// probe can be taken for a stored delivery.
pub(super) fn answer(webhooks: &Webhooks, ends: bool) -> Response {
    let ready = webhooks.readiness().unready().is_none();
    webhooks.metrics.health_check(ready);
    let mut response = Response::new(Body::empty());
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, webhooks.limits.retry_after.as_secs().max(1).into());
    }
    // A balancer's next probe should reach another replica too.
    if ends || webhooks.phase.get() != Phase::Serving {
        response.headers_mut().insert(CONNECTION, CLOSE);
    }
    response
}
