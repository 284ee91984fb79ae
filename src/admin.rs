//! The admin port, which must only be reachable inside the cluster. It has a thread of its own, so that an overloaded webhook port does not
//! make the daemon look dead.
//!
//! | route | answers |
//! |---|---|
//! | `/livez` | 200 while the process can answer at all |
//! | `/readyz` | 200 once a leader in Kafka and, where there is one, the schema registry have answered, and until the shutdown begins, else 503 with the reason |
//! | `/metrics` | the Prometheus exposition |
//! | `/configz` | the configuration in force as JSON, without any secret |
//! | `/version` | what this is, as JSON |
//! | `/runbooks`, `/runbooks/<alert>` | what to do about an alert |
//!
//! The port takes no commands: no request here changes anything.

mod host;
mod runbooks;
pub mod server;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    config::Config,
    http::{InFlight, Readiness},
    kafka,
    metrics::Metrics,
};

/// The state of the daemon that the routes report.
pub struct Observed {
    /// Whether a delivery can be stored.
    pub readiness: Readiness,
    /// What deliveries hold in memory.
    pub in_flight: Arc<InFlight>,
    /// The metrics that `/metrics` renders.
    pub metrics: Arc<Metrics>,
}

/// The state that the routes share.
struct AdminState {
    observed: Observed,
    hosts: Vec<String>,
    scrape: Scrape,
}

/// Returns the admin port's routes for a daemon with this configuration.
pub fn router(observed: Observed, config: &Config) -> Router {
    let scrape = Scrape { max_age: config.admin.scrape_max_age, kept: Mutex::default() };
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/configz", fixed(&config.redacted()))
        .route("/version", fixed(&version()))
        .route("/runbooks", get(runbooks::names))
        .route("/runbooks/{name}", get(runbooks::page))
        .with_state(Arc::new(AdminState { observed, hosts: config.admin.hosts.clone(), scrape }))
}

/// Returns a route with a fixed answer, indented for people, because mostly `curl` asks for it. Only a request that names this port by one
/// of its own names gets the answer: a page that has its own name resolved to this address can send requests through the browser of
/// somebody inside.
fn fixed(value: &Value) -> MethodRouter<Arc<AdminState>> {
    let text = Bytes::from(format!("{value:#}\n"));
    get(async move |State(admin): State<Arc<AdminState>>, uri: Uri, headers: HeaderMap| -> Response {
        if host::is_ours(&admin.hosts, &uri, &headers) {
            ([(CONTENT_TYPE, "application/json")], text.clone()).into_response()
        } else {
            let why =
                "this path answers addresses, localhost and the names in [admin] hosts, and the request's Host is none of them\n";
            (StatusCode::MISDIRECTED_REQUEST, why).into_response()
        }
    })
}

fn version() -> Value {
    json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "librdkafka": kafka::librdkafka_version(),
        "debug_build": cfg!(debug_assertions),
    })
}

/// How often the daemon checks whether it has become ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until the replica is ready, and logs it once.
pub async fn announce(readiness: Readiness) {
    while readiness.unready().is_some() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tracing::info!("ready");
}

async fn readyz(State(admin): State<Arc<AdminState>>) -> (StatusCode, String) {
    match admin.observed.readiness.unready() {
        None => (StatusCode::OK, "ready\n".into()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn metrics(State(admin): State<Arc<AdminState>>) -> impl IntoResponse {
    let text = admin.scrape.text(|| {
        observe(&admin.observed);
        admin.observed.metrics.render()
    });
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// The latest rendered scrape. A request within `max_age` gets the same bytes: rendering is expensive, and one copy for each peer that
/// reads slowly would add up.
struct Scrape {
    max_age: Duration,
    kept: Mutex<Option<(Instant, Bytes)>>,
}

impl Scrape {
    fn text(&self, render: impl FnOnce() -> String) -> Bytes {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((when, text)) if when.elapsed() < self.max_age => text.clone(),
            _ => {
                let text = Bytes::from(render());
                *kept = Some((Instant::now(), text.clone()));
                text
            }
        }
    }
}

/// Sets the gauges that follow from the daemon's state.
fn observe(Observed { readiness, in_flight, metrics }: &Observed) {
    let (deliveries, bytes) = in_flight.held();
    metrics.in_flight(deliveries, bytes);
    metrics.topics_missing(readiness.publisher.missing_topics().len());
    metrics.schema_ids_missing(readiness.framing.missing().len());
    metrics.ready(readiness.unready().is_none());
}
