//! The admin port, for the cluster's inside only. It has a thread of its own, so that an overloaded webhook port does not look dead.
//!
//! | route | answers |
//! |---|---|
//! | `/livez` | 200 while the process can answer at all |
//! | `/readyz` | 200 once Kafka was reached and until the shutdown begins, else 503 with the reason |
//! | `/metrics` | the Prometheus exposition |

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};

use crate::http::{Phase, Shared};

/// The admin port's routes.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

/// Why the daemon is not ready, if it is not. An outage of Kafka later on does not make it unready: an answer of 503 with
/// `Retry-After` serves a sender better than no address to send to.
pub fn unready(shared: &Shared) -> Option<&'static str> {
    if shared.phase.get() != Phase::Serving {
        Some("shutting down")
    } else if !shared.publisher.reached() {
        Some("kafka has not been reached yet")
    } else {
        None
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    match unready(&shared) {
        None => (StatusCode::OK, "ready\n".into()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    observe(&shared);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.metrics.render())
}

/// Sets the gauges that are read off the state.
fn observe(shared: &Shared) {
    let (deliveries, bytes) = shared.in_flight.held();
    shared.metrics.in_flight(deliveries, bytes);
    shared.metrics.topics_missing(shared.publisher.missing_topics().len());
    shared.metrics.ready(unready(shared).is_none());
}
