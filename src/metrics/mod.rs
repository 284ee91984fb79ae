//! Every metric by name, and the only place that names one. Each daemon owns its recorder, so that several can run in one process, and
//! holds every handle, because librdkafka's callbacks come on threads of their own.

mod kafka;
mod labels;
mod lines;

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::error;
use kafka::KafkaMetrics;
pub use kafka::{BrokerStatistics, Statistics};
pub use labels::{CONNECTION_FAULTS, CertificateUse, GUARANTEES, OUTCOMES, PUBLISH_RESULTS, SPAN_RESULTS, SpanResult, UNMATCHED};
use lines::LogLines;

/// The buckets of answers and acknowledgements in seconds: fine around the linger of a few milliseconds, and one bound on each limit of
/// the deadline chain.
const SECONDS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 3.8, 4.0, 5.0];

/// The buckets of an event's age in seconds: from the same second to Uploadcare's last attempt after 72 hours.
const AGES: [f64; 11] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0];

/// What a gauge is set to whose series ends, for instance of a broker that is gone: the recorder cannot forget one, so the exposition leaves
/// it out.
const NO_VALUE: f64 = f64::NAN;

/// The daemon's metrics.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    process: metrics_process::Collector,
    series: Series,
    kafka: KafkaMetrics,
    lines: LogLines,
}

/// What is counted where deliveries pass.
struct Series {
    endpoints: HashMap<Arc<str>, EndpointSeries>,
    topics: HashMap<Arc<str>, TopicSeries>,
    publish_seconds: [(&'static str, Histogram); PUBLISH_RESULTS.len()],
    connections: Gauge,
    connection_faults: [(&'static str, Counter); CONNECTION_FAULTS.len()],
    /// Ready, and not.
    health_checks: [Counter; 2],
    in_flight: Gauge,
    in_flight_bytes: Gauge,
    event_loop_delay: Gauge,
    topics_missing: Gauge,
    leaders_unreachable: Gauge,
    schema_ids_missing: Gauge,
    ready: Gauge,
    shutdowns_started: Counter,
    shutdowns_completed: Counter,
    /// In the order of [`SPAN_RESULTS`].
    spans: [Counter; SPAN_RESULTS.len()],
}

/// An endpoint's labels.
pub struct EndpointLabels<'a> {
    /// Its name.
    pub endpoint: &'a Arc<str>,
    /// Its provider's name.
    pub provider: &'static str,
    /// How many secrets it has.
    pub secrets: usize,
    /// Whether its provider signs a time.
    pub signs_time: bool,
}

/// What does not change while the daemon runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// What [`crate::config::Config::fingerprint`] tells of the configuration.
    pub fingerprint: u64,
    /// `http.max_connections`.
    pub connections: usize,
    /// `http.max_in_flight`.
    pub in_flight: usize,
    /// `http.max_in_flight_bytes`.
    pub in_flight_bytes: usize,
    /// `http.answer_deadline`.
    pub answer_deadline: Duration,
    /// `kafka.publish_timeout`.
    pub publish_timeout: Duration,
    /// What `hookgate check` prints as the ceiling of memory, in bytes.
    pub memory_bytes: u64,
}

/// What a proven delivery tells beside its event.
#[derive(Clone, Copy, Debug)]
pub struct Proven {
    /// The slot of the secret that matched, from 1.
    pub slot: u32,
    /// The size of the body.
    pub body_bytes: usize,
    /// When it was received.
    pub received_at: SystemTime,
    /// By how many seconds our clock is ahead of the signed time, where one is signed.
    pub clock_offset: Option<i64>,
    /// How old the event is by the provider's own time in seconds, where the body has one.
    pub age: Option<f64>,
}

struct EndpointSeries {
    /// In the order of their frequency: a list of twenty is searched faster than hashed.
    outcomes: Vec<(&'static str, Counter)>,
    answer_seconds: Histogram,
    body_bytes: Counter,
    event_age: Histogram,
    last_verified: Gauge,
    /// Where the provider signs a time.
    clock_offset: Option<Gauge>,
    /// By slot, from 1.
    secret_matches: Vec<Counter>,
}

struct TopicSeries {
    events: Counter,
    bytes: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Registers every metric for these endpoints and topics.
    pub fn new<'a>(
        endpoints: impl IntoIterator<Item = EndpointLabels<'a>>,
        topics: impl IntoIterator<Item = Arc<str>>,
        limits: &Limits,
    ) -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Full("hookgate_event_age_seconds".into()), &AGES)?
            .build_recorder();
        let process = metrics_process::Collector::default();
        let (series, kafka, lines) = metrics::with_local_recorder(&recorder, || {
            describe();
            process.describe();
            set_limits(limits);
            (Series::new(endpoints, topics), KafkaMetrics::new(), LogLines::new())
        });
        let metrics = Self { handle: recorder.handle(), recorder, process, series, kafka, lines };
        // Nobody has looked at any of them yet.
        metrics.topics_guarantee(0, 0, metrics.series.topics.len());
        Ok(metrics)
    }

    /// Counts the one outcome of a request.
    pub fn delivery(&self, endpoint: &str, outcome: &'static str, seconds: f64) {
        let endpoints = &self.series.endpoints;
        if let Some(series) = endpoints.get(endpoint).or_else(|| endpoints.get(UNMATCHED)) {
            increment(&series.outcomes, outcome);
            series.answer_seconds.record(seconds);
        }
    }

    /// A delivery whose sender is proven.
    pub fn proven(&self, endpoint: &str, proven: &Proven) {
        let Some(series) = self.series.endpoints.get(endpoint) else { return };
        series.body_bytes.increment(proven.body_bytes as u64);
        series.last_verified.set(seconds_since_epoch(proven.received_at));
        if let Some(counter) = proven.slot.checked_sub(1).and_then(|index| series.secret_matches.get(index as usize)) {
            counter.increment(1);
        }
        if let Some(offset) = proven.clock_offset {
            self.clock_offset(endpoint, offset);
        }
        if let Some(age) = proven.age {
            // Before its own time: the two clocks differ.
            series.event_age.record(age.max(0.0));
        }
    }

    /// By how many seconds our clock is ahead of a signed time, whether or not that lies within the window.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn clock_offset(&self, endpoint: &str, seconds: i64) {
        if let Some(gauge) = self.series.endpoints.get(endpoint).and_then(|series| series.clock_offset.as_ref()) {
            gauge.set(seconds as f64);
        }
    }

    /// An event is on its topic.
    pub fn event(&self, topic: &str, bytes: u64) {
        if let Some(series) = self.series.topics.get(topic) {
            series.events.increment(1);
            series.bytes.increment(bytes);
        }
    }

    /// A wait for an acknowledgement is over; `result` is one of [`PUBLISH_RESULTS`].
    pub fn publish(&self, result: &'static str, seconds: f64) {
        if let Some((_, histogram)) = self.series.publish_seconds.iter().find(|(label, _)| *label == result) {
            histogram.record(seconds);
        }
    }

    /// A connection that failed or was not taken.
    pub fn connection_fault(&self, reason: &'static str) {
        increment(&self.series.connection_faults, reason);
    }

    /// A load balancer has asked for the health on the webhook port.
    pub fn health_check(&self, ready: bool) {
        self.series.health_checks[usize::from(!ready)].increment(1);
    }

    /// How many connections are open.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn connections(&self, open: usize) {
        self.series.connections.set(open as f64);
    }

    /// What is in flight.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn in_flight(&self, deliveries: usize, bytes: usize) {
        self.series.in_flight.set(deliveries as f64);
        self.series.in_flight_bytes.set(bytes as f64);
    }

    /// How late the webhooks' event loop is, in seconds.
    pub fn event_loop_delay(&self, seconds: f64) {
        self.series.event_loop_delay.set(seconds);
    }

    /// How many leaders do not answer.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn leaders_unreachable(&self, brokers: usize) {
        self.series.leaders_unreachable.set(brokers as f64);
    }

    /// How many topics have no schema id yet.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn schema_ids_missing(&self, topics: usize) {
        self.series.schema_ids_missing.set(topics as f64);
    }

    /// Whether the daemon is ready.
    pub fn ready(&self, ready: bool) {
        self.series.ready.set(f64::from(u8::from(ready)));
    }

    /// When a certificate ends.
    pub fn certificate_expiry(&self, used: CertificateUse, time: SystemTime) {
        metrics::with_local_recorder(&self.recorder, || {
            gauge!("hookgate_certificate_expiry_timestamp_seconds", "use" => used.label()).set(seconds_since_epoch(time));
        });
    }

    /// A shutdown begins.
    pub fn shutdown_started(&self) {
        self.series.shutdowns_started.increment(1);
    }

    /// A shutdown has cut nothing off.
    pub fn shutdown_completed(&self) {
        self.series.shutdowns_completed.increment(1);
    }

    /// So many spans ended like this.
    pub fn spans(&self, result: SpanResult, count: usize) {
        self.series.spans[result as usize].increment(count as u64);
    }

    /// The exposition text.
    pub fn render(&self) -> String {
        self.lines.collect();
        metrics::with_local_recorder(&self.recorder, || self.process.collect());
        without_ended(self.handle.render())
    }

    /// Folds recorded samples into their buckets. To be called regularly: they pile up while nobody scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl Series {
    fn new<'a>(endpoints: impl IntoIterator<Item = EndpointLabels<'a>>, topics: impl IntoIterator<Item = Arc<str>>) -> Self {
        let unmatched = Arc::from(UNMATCHED);
        let unmatched = EndpointLabels { endpoint: &unmatched, provider: "", secrets: 0, signs_time: false };
        Self {
            endpoints: endpoints
                .into_iter()
                .map(|labels| endpoint_series(&labels))
                .chain([endpoint_series(&unmatched)])
                .collect(),
            topics: topics.into_iter().map(topic_series).collect(),
            publish_seconds: PUBLISH_RESULTS.map(|result| (result, histogram!("hookgate_publish_seconds", "result" => result))),
            connections: gauge!("hookgate_connections"),
            connection_faults: CONNECTION_FAULTS
                .map(|reason| (reason, counter!("hookgate_connection_faults_total", "reason" => reason))),
            health_checks: ["ready", "unready"].map(|result| counter!("hookgate_health_checks_total", "result" => result)),
            in_flight: gauge!("hookgate_in_flight_deliveries"),
            in_flight_bytes: gauge!("hookgate_in_flight_bytes"),
            event_loop_delay: gauge!("hookgate_event_loop_delay_seconds"),
            topics_missing: gauge!("hookgate_topics_missing"),
            leaders_unreachable: gauge!("hookgate_kafka_leaders_unreachable"),
            schema_ids_missing: gauge!("hookgate_schema_ids_missing"),
            ready: gauge!("hookgate_ready"),
            shutdowns_started: counter!("hookgate_shutdowns_started_total"),
            shutdowns_completed: counter!("hookgate_shutdowns_completed_total"),
            spans: SPAN_RESULTS.map(|result| counter!("hookgate_spans_total", "result" => result)),
        }
    }
}

/// The exposition without the series that have [`NO_VALUE`].
fn without_ended(text: String) -> String {
    let ended = |line: &str| line.trim_end().ends_with(" NaN");
    if text.lines().any(ended) { text.split_inclusive('\n').filter(|line| !ended(line)).collect() } else { text }
}

fn increment(counters: &[(&'static str, Counter)], label: &str) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == label) {
        counter.increment(1);
    }
}

fn seconds_since_epoch(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn endpoint_series(labels: &EndpointLabels<'_>) -> (Arc<str>, EndpointSeries) {
    let EndpointLabels { endpoint: name, provider, secrets, signs_time } = *labels;
    let label = || name.to_string();
    let outcome = |outcome: &'static str| {
        let counter = counter!(
            "hookgate_deliveries_total", "endpoint" => label(), "provider" => provider, "outcome" => outcome
        );
        (outcome, counter)
    };
    let matched = |slot: usize| counter!("hookgate_secret_matches_total", "endpoint" => label(), "provider" => provider, "slot" => slot.to_string());
    let series = EndpointSeries {
        outcomes: OUTCOMES.into_iter().chain(error::LABELS).map(outcome).collect(),
        answer_seconds: histogram!("hookgate_answer_seconds", "endpoint" => label(), "provider" => provider),
        body_bytes: counter!("hookgate_body_bytes_total", "endpoint" => label(), "provider" => provider),
        event_age: histogram!("hookgate_event_age_seconds", "endpoint" => label(), "provider" => provider),
        last_verified: gauge!("hookgate_last_verified_timestamp_seconds", "endpoint" => label(), "provider" => provider),
        clock_offset: signs_time.then(|| gauge!("hookgate_clock_offset_seconds", "endpoint" => label(), "provider" => provider)),
        secret_matches: (1..=secrets).map(matched).collect(),
    };
    (Arc::clone(name), series)
}

fn topic_series(topic: Arc<str>) -> (Arc<str>, TopicSeries) {
    let series = TopicSeries {
        events: counter!("hookgate_events_total", "topic" => topic.to_string()),
        bytes: counter!("hookgate_event_bytes_total", "topic" => topic.to_string()),
    };
    (topic, series)
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn set_limits(limits: &Limits) {
    gauge!("hookgate_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("hookgate_config_info", "hash" => format!("{:016x}", limits.fingerprint)).set(1.0);
    gauge!("hookgate_connections_max").set(limits.connections as f64);
    gauge!("hookgate_in_flight_deliveries_max").set(limits.in_flight as f64);
    gauge!("hookgate_in_flight_bytes_max").set(limits.in_flight_bytes as f64);
    gauge!("hookgate_memory_ceiling_bytes").set(limits.memory_bytes as f64);
    gauge!("hookgate_answer_deadline_seconds").set(limits.answer_deadline.as_secs_f64());
    gauge!("hookgate_publish_timeout_seconds").set(limits.publish_timeout.as_secs_f64());
}

fn describe() {
    describe_gauge!("hookgate_build_info", "Always 1; the version is a label.");
    describe_gauge!("hookgate_config_info", "Always 1; a hash of the configuration in force, as /configz shows it, is a label.");
    describe_counter!(
        "hookgate_deliveries_total",
        "Requests to the webhook port by endpoint, provider and outcome; each request has exactly one outcome."
    );
    describe_histogram!("hookgate_answer_seconds", "Seconds from a request's head to its answer.");
    describe_histogram!("hookgate_publish_seconds", "Seconds that a delivery waited for Kafka, by how the wait ended.");
    describe_counter!("hookgate_body_bytes_total", "Bytes in the bodies of deliveries whose sender was proven.");
    describe_counter!("hookgate_events_total", "Events that Kafka has acknowledged, by topic.");
    describe_counter!("hookgate_event_bytes_total", "Bytes in the values of those events, before compression.");
    describe_histogram!("hookgate_event_age_seconds", "Seconds from an event, by its provider's own time, to its arrival.");
    describe_gauge!(
        "hookgate_last_verified_timestamp_seconds",
        "When the last delivery arrived whose sender was proven, in seconds since 1970; 0 before the first."
    );
    describe_counter!("hookgate_secret_matches_total", "Deliveries that a secret has proven, by its place in the configuration.");
    describe_gauge!("hookgate_clock_offset_seconds", "Seconds by which this clock was ahead of the last signed time.");
    describe_gauge!("hookgate_connections", "Open connections to the webhook port.");
    describe_gauge!("hookgate_connections_max", "http.max_connections.");
    describe_counter!(
        "hookgate_connection_faults_total",
        "Connections that broke before a request or were not taken, by reason; limit counts those that made room as well."
    );
    describe_counter!("hookgate_health_checks_total", "Requests for /healthz on the webhook port, by what they were answered.");
    describe_gauge!("hookgate_in_flight_deliveries", "Deliveries being read, and records that Kafka has not decided on yet.");
    describe_gauge!("hookgate_in_flight_deliveries_max", "http.max_in_flight.");
    describe_gauge!("hookgate_in_flight_bytes", "Body bytes held in memory for deliveries in flight.");
    describe_gauge!("hookgate_in_flight_bytes_max", "http.max_in_flight_bytes.");
    describe_gauge!(
        "hookgate_event_loop_delay_seconds",
        "How late the webhooks' event loop was at least, throughout the last 200 ms: what a request waits before it is looked at."
    );
    describe_gauge!("hookgate_memory_ceiling_bytes", "The most memory that the limits allow, as `hookgate check` prints it.");
    describe_gauge!("hookgate_answer_deadline_seconds", "http.answer_deadline.");
    describe_gauge!("hookgate_publish_timeout_seconds", "kafka.publish_timeout.");
    describe_gauge!("hookgate_topics_missing", "Topics that do not exist or are not visible.");
    describe_gauge!(
        "hookgate_kafka_leaders_unreachable",
        "Brokers that lead a partition of ours and did not answer at their advertised address when they were last asked."
    );
    describe_gauge!(
        "hookgate_schema_ids_missing",
        "Topics whose schema id the registry has not given yet; 0 without a registry."
    );
    describe_gauge!(
        "hookgate_ready",
        "1 while ready: a leader of a topic has answered once, every schema id is known, and the daemon is not shutting down."
    );
    describe_gauge!(
        "hookgate_certificate_expiry_timestamp_seconds",
        "When the certificate in force ends, in seconds since 1970: of a chain the first, of Kafka's authorities the last. Only where there is TLS."
    );
    describe_counter!("hookgate_shutdowns_started_total", "Shutdowns that have begun: 1 from SIGTERM on.");
    describe_counter!("hookgate_shutdowns_completed_total", "Shutdowns that have cut off nothing and flushed everything.");
    describe_counter!("hookgate_spans_total", "Spans by what became of them; without [tracing] there are none.");
    lines::describe();
    kafka::describe();
}
