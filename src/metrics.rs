//! Every metric by name, and the only place that names one. Each daemon owns its recorder, so that several can run in one process, and
//! holds every handle, because librdkafka's callbacks come on threads of their own.

use std::{collections::HashMap, sync::Arc};

use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::error;

/// The `endpoint` label of requests to an endpoint that is not configured. No endpoint can be called that.
pub const UNMATCHED: &str = "_unmatched";

/// The outcomes beside the errors' labels: three ways to be answered 200, and a sender that hung up before the answer.
pub const OUTCOMES: [&str; 4] = ["published", "unclassified", "quarantined", "cancelled"];

/// Why connections end badly, or are not taken, without a request.
pub const CONNECTION_FAULTS: [&str; 5] = ["headers_too_large", "header_timeout", "bad_request", "cut_off", "limit"];

/// The buckets of the answer time in seconds: fine around the linger of a few milliseconds, and one bound on each limit of the
/// deadline chain.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.5, 4.0, 5.0];

/// The daemon's metrics.
pub struct Metrics {
    handle: PrometheusHandle,
    endpoints: HashMap<Arc<str>, EndpointMetrics>,
    connections: Gauge,
    connection_faults: HashMap<&'static str, Counter>,
    in_flight: Gauge,
    in_flight_bytes: Gauge,
    event_loop_delay: Gauge,
    topics_missing: Gauge,
    ready: Gauge,
    kafka_errors: Counter,
    producer_rebuilds: Counter,
}

struct EndpointMetrics {
    /// In the order of their frequency: a list of twenty is searched faster than hashed.
    outcomes: Vec<(&'static str, Counter)>,
    answer_seconds: Histogram,
}

impl Metrics {
    /// Registers every metric for these endpoints, each with its provider's name.
    pub fn new<'a>(endpoints: impl IntoIterator<Item = (&'a Arc<str>, &'static str)>) -> Result<Self, BuildError> {
        let recorder =
            PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?.build_recorder();
        let handle = recorder.handle();
        Ok(metrics::with_local_recorder(&recorder, || {
            describe();
            gauge!("hookgate_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            let unmatched = (Arc::from(UNMATCHED), "");
            let endpoints = endpoints.into_iter().map(|(name, provider)| (Arc::clone(name), provider));
            Self {
                handle,
                endpoints: endpoints.chain([unmatched]).map(endpoint_metrics).collect(),
                connections: gauge!("hookgate_connections"),
                connection_faults: CONNECTION_FAULTS
                    .into_iter()
                    .map(|reason| (reason, counter!("hookgate_connection_faults_total", "reason" => reason)))
                    .collect(),
                in_flight: gauge!("hookgate_in_flight_deliveries"),
                in_flight_bytes: gauge!("hookgate_in_flight_bytes"),
                event_loop_delay: gauge!("hookgate_event_loop_delay_seconds"),
                topics_missing: gauge!("hookgate_topics_missing"),
                ready: gauge!("hookgate_ready"),
                kafka_errors: counter!("hookgate_kafka_errors_total"),
                producer_rebuilds: counter!("hookgate_producer_rebuilds_total"),
            }
        }))
    }

    /// Counts the one outcome of a request.
    pub fn delivery(&self, endpoint: &str, outcome: &'static str, seconds: f64) {
        if let Some(metrics) = self.endpoints.get(endpoint).or_else(|| self.endpoints.get(UNMATCHED)) {
            if let Some((_, counter)) = metrics.outcomes.iter().find(|(label, _)| *label == outcome) {
                counter.increment(1);
            }
            metrics.answer_seconds.record(seconds);
        }
    }

    /// A connection that failed or was not taken.
    pub fn connection_fault(&self, reason: &'static str) {
        if let Some(counter) = self.connection_faults.get(reason) {
            counter.increment(1);
        }
    }

    /// How many connections are open.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn connections(&self, open: usize) {
        self.connections.set(open as f64);
    }

    /// What is in flight.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn in_flight(&self, deliveries: usize, bytes: usize) {
        self.in_flight.set(deliveries as f64);
        self.in_flight_bytes.set(bytes as f64);
    }

    /// How late the webhooks' event loop is, in seconds.
    pub fn event_loop_delay(&self, seconds: f64) {
        self.event_loop_delay.set(seconds);
    }

    /// How many topics are missing.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn topics_missing(&self, topics: usize) {
        self.topics_missing.set(topics as f64);
    }

    /// Whether the daemon is ready.
    pub fn ready(&self, ready: bool) {
        self.ready.set(f64::from(u8::from(ready)));
    }

    /// librdkafka reported an error.
    pub fn kafka_error(&self) {
        self.kafka_errors.increment(1);
    }

    /// A producer was replaced after a fatal error.
    pub fn producer_rebuilt(&self) {
        self.producer_rebuilds.increment(1);
    }

    /// The exposition text.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds recorded samples into their buckets. To be called regularly: they pile up while nobody scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn endpoint_metrics((endpoint, provider): (Arc<str>, &'static str)) -> (Arc<str>, EndpointMetrics) {
    let label = endpoint.to_string();
    let outcome = |outcome: &'static str| {
        let endpoint = label.clone();
        let counter = counter!(
            "hookgate_deliveries_total", "endpoint" => endpoint, "provider" => provider, "outcome" => outcome
        );
        (outcome, counter)
    };
    let metrics = EndpointMetrics {
        outcomes: OUTCOMES.into_iter().chain(error::LABELS).map(outcome).collect(),
        answer_seconds: histogram!("hookgate_answer_seconds", "endpoint" => label.clone(), "provider" => provider),
    };
    (endpoint, metrics)
}

fn describe() {
    describe_gauge!("hookgate_build_info", "Always 1; the version is a label.");
    describe_counter!(
        "hookgate_deliveries_total",
        "Requests to the webhook port by endpoint, provider and outcome; each request has exactly one outcome."
    );
    describe_histogram!("hookgate_answer_seconds", "Seconds from a request's head to its answer.");
    describe_gauge!("hookgate_connections", "Open connections to the webhook port.");
    describe_counter!(
        "hookgate_connection_faults_total",
        "Connections that broke before a request or were not taken, by reason; header_timeout and limit count idle ones as well."
    );
    describe_gauge!("hookgate_in_flight_deliveries", "Deliveries that are being read or wait for Kafka.");
    describe_gauge!("hookgate_in_flight_bytes", "Body bytes held in memory for deliveries in flight.");
    describe_gauge!(
        "hookgate_event_loop_delay_seconds",
        "How late the webhooks' event loop was at least, throughout the last 200 ms: what a request waits before it is looked at."
    );
    describe_gauge!("hookgate_topics_missing", "Topics that do not exist or are not visible.");
    describe_gauge!("hookgate_ready", "1 while ready: Kafka was reached once and the daemon is not shutting down.");
    describe_counter!("hookgate_kafka_errors_total", "Errors that librdkafka reported on its own account.");
    describe_counter!("hookgate_producer_rebuilds_total", "Producers replaced after a fatal error.");
}
