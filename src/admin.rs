//! The admin port, for the cluster's inside only. It has a thread of its own, so that an overloaded webhook port does not look dead.
//!
//! | route | answers |
//! |---|---|
//! | `/livez` | 200 while the process can answer at all |
//! | `/readyz` | 200 once Kafka was reached, and the schema registry where there is one, and until the shutdown begins, else 503 with the reason |
//! | `/metrics` | the Prometheus exposition |
//! | `/configz` | the configuration in force as JSON, without any secret |
//! | `/version` | what this is, as JSON |
//!
//! It takes no command: nothing that is asked here changes anything.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::{MethodRouter, get},
};
use serde_json::{Value, json};

use crate::{http::Shared, publish};

/// The admin port's routes. `configuration` is what `/configz` shows.
pub fn router(shared: Arc<Shared>, configuration: &Value) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/configz", fixed(configuration))
        .route("/version", fixed(&version()))
        .with_state(shared)
}

/// Always the same answer, set out for people: `curl` is what asks for it.
fn fixed(value: &Value) -> MethodRouter<Arc<Shared>> {
    let text: Arc<str> = format!("{value:#}\n").into();
    get(async move || ([(CONTENT_TYPE, "application/json")], text.to_string()))
}

fn version() -> Value {
    json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "librdkafka": publish::librdkafka_version(),
        "debug_build": cfg!(debug_assertions),
    })
}

async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    match shared.unready() {
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
    shared.metrics.schema_ids_missing(shared.encoding.framing.missing().len());
    shared.metrics.ready(shared.unready().is_none());
}
