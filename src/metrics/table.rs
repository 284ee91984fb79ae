//! Every metric: its name, its kind, its labels and its help. A series is made from a row of this table, so every series has a help, and
//! its kind and its labels are those of the row.

use std::marker::PhantomData;

use metrics::{
    Counter, Gauge, Histogram, Label, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// A metric of Hookgate, as a scrape shows it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name of the metric.
    pub name: &'static str,
    /// What the metric measures, in a sentence.
    pub help: &'static str,
    /// The names of the metric's labels.
    pub labels: &'static [&'static str],
    /// Describes the metric to the recorder: its kind, from its name and its help.
    describe: fn(&'static str, &'static str),
}

/// The row of a metric with series of kind `H` and `N` labels.
pub(super) struct MetricRow<H, const N: usize> {
    name: &'static str,
    labels: [&'static str; N],
    kind: PhantomData<fn() -> H>,
}

/// A kind of series: counter, gauge or histogram.
pub(super) trait SeriesKind {
    fn register(name: &'static str, labels: Vec<Label>) -> Self;
    fn describe(name: &'static str, help: &'static str);
}

impl SeriesKind for Counter {
    fn register(name: &'static str, labels: Vec<Label>) -> Self {
        counter!(name, labels)
    }

    fn describe(name: &'static str, help: &'static str) {
        describe_counter!(name, help);
    }
}

impl SeriesKind for Gauge {
    fn register(name: &'static str, labels: Vec<Label>) -> Self {
        gauge!(name, labels)
    }

    fn describe(name: &'static str, help: &'static str) {
        describe_gauge!(name, help);
    }
}

impl SeriesKind for Histogram {
    fn register(name: &'static str, labels: Vec<Label>) -> Self {
        histogram!(name, labels)
    }

    fn describe(name: &'static str, help: &'static str) {
        describe_histogram!(name, help);
    }
}

impl<H: SeriesKind, const N: usize> MetricRow<H, N> {
    /// Returns the series with these values of the labels, in the order of the row. Must be called within the recorder.
    pub(super) fn with(&self, values: [&str; N]) -> H {
        let labels = self.labels.into_iter().zip(values).map(|(name, value)| Label::new(name, value.to_owned()));
        H::register(self.name, labels.collect())
    }
}

/// Describes every metric. Must be called within the recorder.
pub(super) fn describe() {
    for metric in METRICS {
        (metric.describe)(metric.name, metric.help);
    }
}

/// Each row is `ROW: Kind [labels] = "name", "help";`.
macro_rules! table {
    ($($row:ident: $kind:ident [$($label:literal),*] = $name:literal, $help:literal;)+) => {
        $(pub(super) const $row: MetricRow<$kind, { <[&str]>::len(&[$($label),*]) }> =
            MetricRow { name: $name, labels: [$($label),*], kind: PhantomData };)+

        /// Every metric of Hookgate.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            help: $help,
            labels: &[$($label),*],
            describe: <$kind as SeriesKind>::describe,
        },)+];
    };
}

table! {
    BUILD_INFO: Gauge ["version"] = "hookgate_build_info", "Always 1; the version is a label.";
    CONFIG_INFO: Gauge ["hash"] = "hookgate_config_info",
        "Always 1; a hash of the configuration in force, as /configz shows it, is a label.";
    DELIVERIES: Counter ["endpoint", "provider", "outcome"] = "hookgate_deliveries_total",
        "Requests to the webhook port by endpoint, provider and outcome; each request has exactly one outcome.";
    ANSWER_SECONDS: Histogram ["endpoint", "provider"] = "hookgate_answer_seconds", "Seconds from a request's head to its answer.";
    PUBLISH_SECONDS: Histogram ["result"] = "hookgate_publish_seconds", "Seconds that a delivery waited for Kafka, by how the wait ended.";
    BODY_BYTES: Counter ["endpoint", "provider"] = "hookgate_body_bytes_total",
        "Bytes in the bodies of deliveries whose sender was proven.";
    EVENTS: Counter ["topic"] = "hookgate_events_total", "Events that Kafka has acknowledged, by topic.";
    EVENT_BYTES: Counter ["topic"] = "hookgate_event_bytes_total", "Bytes in the values of those events, before compression.";
    EVENT_AGE_SECONDS: Histogram ["endpoint", "provider"] = "hookgate_event_age_seconds",
        "Seconds from an event, by its provider's own time, to its arrival.";
    LAST_VERIFIED_TIMESTAMP_SECONDS: Gauge ["endpoint", "provider"] = "hookgate_last_verified_timestamp_seconds",
        "When the last delivery arrived whose sender was proven, in seconds since 1970; 0 before the first.";
    SECRET_MATCHES: Counter ["endpoint", "provider", "slot"] = "hookgate_secret_matches_total",
        "Deliveries that a secret has proven, by the slot of the secret.";
    CLOCK_OFFSET_SECONDS: Gauge ["endpoint", "provider"] = "hookgate_clock_offset_seconds",
        "Seconds by which this clock was ahead of the last signed time.";
    CONNECTIONS: Gauge [] = "hookgate_connections", "Open connections to the webhook port.";
    CONNECTIONS_MAX: Gauge [] = "hookgate_connections_max", "http.max_connections.";
    CONNECTION_FAULTS: Counter ["reason"] = "hookgate_connection_faults_total",
        "Connections that broke before a request or were not taken, by reason; limit counts those that made room as well.";
    HEALTH_CHECKS: Counter ["result"] = "hookgate_health_checks_total",
        "Requests for /healthz on the webhook port, by what they were answered.";
    IN_FLIGHT_DELIVERIES: Gauge [] = "hookgate_in_flight_deliveries",
        "Deliveries being read, and records that Kafka has not decided on yet.";
    IN_FLIGHT_DELIVERIES_MAX: Gauge [] = "hookgate_in_flight_deliveries_max", "http.max_in_flight.";
    IN_FLIGHT_BYTES: Gauge [] = "hookgate_in_flight_bytes", "Body bytes held in memory for deliveries in flight.";
    IN_FLIGHT_BYTES_MAX: Gauge [] = "hookgate_in_flight_bytes_max", "http.max_in_flight_bytes.";
    EVENT_LOOP_DELAY_SECONDS: Gauge [] = "hookgate_event_loop_delay_seconds",
        "How late the webhooks' event loop was at least, throughout the last 200 ms: what a request waits before it is looked at.";
    MEMORY_CEILING_BYTES: Gauge [] = "hookgate_memory_ceiling_bytes",
        "The most memory that the limits allow, as `hookgate check` prints it.";
    ANSWER_DEADLINE_SECONDS: Gauge [] = "hookgate_answer_deadline_seconds", "http.answer_deadline.";
    PUBLISH_TIMEOUT_SECONDS: Gauge [] = "hookgate_publish_timeout_seconds", "kafka.publish_timeout.";
    TOPICS_MISSING: Gauge [] = "hookgate_topics_missing", "Topics that do not exist or are not visible.";
    KAFKA_LEADERS_UNREACHABLE: Gauge [] = "hookgate_kafka_leaders_unreachable",
        "Brokers that lead a partition of ours and did not answer at their advertised address when they were last asked.";
    SCHEMA_IDS_MISSING: Gauge [] = "hookgate_schema_ids_missing",
        "Topics whose schema id the registry has not given yet; 0 without a registry.";
    READY: Gauge [] = "hookgate_ready",
        "1 while ready: a leader of a topic has answered once, every schema id is known, and the daemon is not shutting down.";
    CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS: Gauge ["use"] = "hookgate_certificate_expiry_timestamp_seconds",
        "When the certificate in force ends, in seconds since 1970: of a chain the first, of Kafka's authorities the last. Only where there is TLS.";
    SHUTDOWNS_STARTED: Counter [] = "hookgate_shutdowns_started_total", "Shutdowns that have begun: 1 from SIGTERM on.";
    SHUTDOWNS_COMPLETED: Counter [] = "hookgate_shutdowns_completed_total", "Shutdowns that have cut off nothing and flushed everything.";
    SPANS: Counter ["result"] = "hookgate_spans_total", "Spans by what became of them; without [tracing] there are none.";
    TOPICS_GUARANTEE: Gauge ["guarantee"] = "hookgate_topics_guarantee",
        "Topics by what is known of what they acknowledge: kept on as many replicas as [topics] min_insync_replicas wants, weak, or unknown.";
    KAFKA_ERRORS: Counter [] = "hookgate_kafka_errors_total", "Errors that librdkafka reported on its own account.";
    PRODUCER_REBUILDS: Counter [] = "hookgate_producer_rebuilds_total", "Producers replaced after a fatal error.";
    LATE_ACKNOWLEDGEMENTS: Counter [] = "hookgate_late_acknowledgements_total",
        "Events that Kafka has acknowledged after their sender was answered 503 or had hung up: what it sends again is a duplicate.";
    KAFKA_CREDENTIALS_RELOADS: Counter [] = "hookgate_kafka_credentials_reloads_total",
        "Producers replaced because a password, certificate, key or authority has changed.";
    KAFKA_CREDENTIALS_PENDING: Gauge [] = "hookgate_kafka_credentials_pending",
        "1 while a changed password, certificate, key or authority is not in force: it cannot be read or does not work.";
    KAFKA_QUEUE_MESSAGES: Gauge [] = "hookgate_kafka_queue_messages", "Records in librdkafka's queue or on their way to a broker.";
    KAFKA_QUEUE_MESSAGES_MAX: Gauge [] = "hookgate_kafka_queue_messages_max", "How many there may be; beyond, deliveries are answered 503.";
    KAFKA_QUEUE_BYTES: Gauge [] = "hookgate_kafka_queue_bytes", "Bytes of the records in librdkafka's queue or on their way.";
    KAFKA_QUEUE_BYTES_MAX: Gauge [] = "hookgate_kafka_queue_bytes_max", "How many there may be; kafka.queue_bytes.";
    KAFKA_REACHABLE: Gauge [] = "hookgate_kafka_reachable",
        "0 before the first contact with Kafka and while nothing that is tried succeeds, else 1.";
    KAFKA_BROKER_UP: Gauge ["broker"] = "hookgate_kafka_broker_up",
        "0 while attempts to reach the broker fail, else 1, also while no connection is needed. Brokers that the cluster names.";
    KAFKA_BROKER_ROUND_TRIP_SECONDS: Gauge ["broker", "quantile"] = "hookgate_kafka_broker_round_trip_seconds",
        "How long the broker took to answer requests in the last minute: median and 99th percentile. None without requests.";
    KAFKA_BROKER_THROTTLE_SECONDS: Gauge ["broker"] = "hookgate_kafka_broker_throttle_seconds",
        "The longest time in the last minute for which the broker made us wait because of a quota.";
    KAFKA_BROKER_FAILURES: Counter ["broker"] = "hookgate_kafka_broker_failures_total",
        "Requests to the broker that failed, timed out or lost their connection.";
    LOG_LINES_DROPPED: Counter ["reason"] = "hookgate_log_lines_dropped_total",
        "Log lines that were not written: of refusals beyond a rate, or because the reader of stderr was too slow.";
}
