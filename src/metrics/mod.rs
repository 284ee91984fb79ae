//! Every metric (`table`), its labels (`labels`) and its series. Each daemon owns its recorder, so that several daemons can run in one
//! process. It holds every handle, because librdkafka's callbacks run on other threads.

mod kafka;
mod labels;
mod lines;
mod table;
pub mod textfile;

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::closed::{Closed as _, Each};
use kafka::KafkaMetrics;
pub use kafka::{BrokerStatistics, Statistics};
pub use labels::{
    CertificateUse, ConnectionFault, DeliveryOutcome, GuaranteeLabel, HealthCheck, LineLoss, PublishResult, SpanResult, UNMATCHED,
};
use lines::LogLines;
pub use table::{METRICS, Metric};

/// The buckets of answers and acknowledgements in seconds: fine around the linger of a few milliseconds, and one bound on each limit of
/// the deadline chain.
const SECONDS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 3.8, 4.0, 5.0];

/// The buckets of an event's age in seconds: from the same second to Uploadcare's last attempt after 72 hours.
const AGES: [f64; 11] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0];

/// The value of a gauge whose series has ended, for instance that of a broker which is gone. The recorder cannot forget a series, so the
/// exposition leaves it out.
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

/// The series of deliveries and of the webhook port.
struct Series {
    endpoints: HashMap<Arc<str>, EndpointSeries>,
    topics: HashMap<Arc<str>, TopicSeries>,
    publish_seconds: Each<PublishResult, Histogram>,
    connections: Gauge,
    connection_faults: Each<ConnectionFault, Counter>,
    health_checks: Each<HealthCheck, Counter>,
    in_flight: Gauge,
    in_flight_bytes: Gauge,
    event_loop_delay: Gauge,
    topics_missing: Gauge,
    leaders_unreachable: Gauge,
    schema_ids_missing: Gauge,
    ready: Gauge,
    shutdowns_started: Counter,
    shutdowns_completed: Counter,
    spans: Each<SpanResult, Counter>,
}

/// The labels of an endpoint's series.
pub struct EndpointLabels<'a> {
    /// The name of the endpoint.
    pub endpoint: &'a Arc<str>,
    /// The name of the endpoint's provider.
    pub provider: &'static str,
    /// Whether the endpoint's provider signs a time.
    pub signs_time: bool,
}

/// The values that do not change while the daemon runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// The [`crate::config::Config::fingerprint`] of the configuration.
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
    /// The ceiling of memory that `hookgate check` prints, in bytes.
    pub memory_bytes: u64,
}

/// What the metrics count of a proven delivery.
#[derive(Clone, Copy, Debug)]
pub struct Proven {
    /// The slot of the secret that matched, from 1.
    pub slot: u32,
    /// The size of the body in bytes.
    pub body_bytes: usize,
    /// When the delivery was received.
    pub received_at: SystemTime,
    /// By how many seconds Hookgate's clock is ahead of the signed time; `None` where no time is signed.
    pub clock_offset: Option<i64>,
    /// The age of the event by the provider's own time, in seconds, if the body has such a time.
    pub age: Option<f64>,
}

struct EndpointSeries {
    outcomes: Each<DeliveryOutcome, Counter>,
    answer_seconds: Histogram,
    body_bytes: Counter,
    event_age: Histogram,
    last_verified: Gauge,
    /// The offset of the clocks, if the provider signs a time.
    clock_offset: Option<Gauge>,
    provider: &'static str,
    /// The matches of each secret, by slot from 1. It grows when secrets are read.
    secret_matches: ArcSwap<Vec<Counter>>,
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
            table::describe();
            process.describe();
            set_limits(limits);
            (Series::new(endpoints, topics), KafkaMetrics::new(), LogLines::new())
        });
        let metrics = Self { handle: recorder.handle(), recorder, process, series, kafka, lines };
        // No topic has been compared yet, so the guarantee of all is unknown.
        metrics.topics_guarantee(0, 0, metrics.series.topics.len());
        Ok(metrics)
    }

    /// Counts the one outcome of a request.
    pub fn delivery(&self, endpoint: &str, outcome: DeliveryOutcome, seconds: f64) {
        let endpoints = &self.series.endpoints;
        if let Some(series) = endpoints.get(endpoint).or_else(|| endpoints.get(UNMATCHED)) {
            series.outcomes.of(outcome).increment(1);
            series.answer_seconds.record(seconds);
        }
    }

    /// Counts a delivery whose sender is proven.
    pub fn proven(&self, endpoint: &str, proven: &Proven) {
        let Some(series) = self.series.endpoints.get(endpoint) else { return };
        series.body_bytes.increment(proven.body_bytes as u64);
        series.last_verified.set(seconds_since_epoch(proven.received_at));
        let matches = series.secret_matches.load();
        if let Some(counter) = proven.slot.checked_sub(1).and_then(|index| matches.get(index as usize)) {
            counter.increment(1);
        }
        if let Some(offset) = proven.clock_offset {
            self.clock_offset(endpoint, offset);
        }
        if let Some(age) = proven.age {
            // A negative age means that the two clocks differ.
            series.event_age.record(age.max(0.0));
        }
    }

    /// Makes the series of an endpoint's secrets up to this slot, so that each is there before its first match.
    pub fn has_secrets(&self, endpoint: &str, slots: u32) {
        let Some(series) = self.series.endpoints.get(endpoint) else { return };
        let known = series.secret_matches.load();
        if known.len() < slots as usize {
            let of_slot = |slot: u32| table::SECRET_MATCHES.with([endpoint, series.provider, &slot.to_string()]);
            // A series that is there already stays.
            let all = metrics::with_local_recorder(&self.recorder, || (1..=slots).map(of_slot).collect());
            series.secret_matches.store(Arc::new(all));
        }
    }

    /// Sets by how many seconds Hookgate's clock is ahead of a signed time, whether that time is within the window or not.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn clock_offset(&self, endpoint: &str, seconds: i64) {
        if let Some(gauge) = self.series.endpoints.get(endpoint).and_then(|series| series.clock_offset.as_ref()) {
            gauge.set(seconds as f64);
        }
    }

    /// Counts an event that Kafka has acknowledged.
    pub fn event(&self, topic: &str, bytes: u64) {
        if let Some(series) = self.series.topics.get(topic) {
            series.events.increment(1);
            series.bytes.increment(bytes);
        }
    }

    /// Records a wait for an acknowledgement.
    pub fn publish(&self, result: PublishResult, seconds: f64) {
        self.series.publish_seconds.of(result).record(seconds);
    }

    /// Counts a connection that failed or was refused.
    pub fn connection_fault(&self, reason: ConnectionFault) {
        self.series.connection_faults.of(reason).increment(1);
    }

    /// Counts a load balancer's health check on the webhook port.
    pub fn health_check(&self, ready: bool) {
        let answer = if ready { HealthCheck::Ready } else { HealthCheck::Unready };
        self.series.health_checks.of(answer).increment(1);
    }

    /// Sets how many connections are open.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn connections(&self, open: usize) {
        self.series.connections.set(open as f64);
    }

    /// Sets how many deliveries and body bytes are in flight.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn in_flight(&self, deliveries: usize, bytes: usize) {
        self.series.in_flight.set(deliveries as f64);
        self.series.in_flight_bytes.set(bytes as f64);
    }

    /// Sets how late the webhooks' event loop is, in seconds.
    pub fn event_loop_delay(&self, seconds: f64) {
        self.series.event_loop_delay.set(seconds);
    }

    /// Sets how many leaders do not answer.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn leaders_unreachable(&self, brokers: usize) {
        self.series.leaders_unreachable.set(brokers as f64);
    }

    /// Sets how many topics have no schema id yet.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn schema_ids_missing(&self, topics: usize) {
        self.series.schema_ids_missing.set(topics as f64);
    }

    /// Sets whether the daemon is ready.
    pub fn ready(&self, ready: bool) {
        self.series.ready.set(f64::from(u8::from(ready)));
    }

    /// Sets when a certificate ends.
    pub fn certificate_expiry(&self, used: CertificateUse, time: SystemTime) {
        metrics::with_local_recorder(&self.recorder, || {
            table::CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS.with([used.text()]).set(seconds_since_epoch(time));
        });
    }

    /// Counts a shutdown that begins.
    pub fn shutdown_started(&self) {
        self.series.shutdowns_started.increment(1);
    }

    /// Counts a shutdown that cut off nothing and flushed everything.
    pub fn shutdown_completed(&self) {
        self.series.shutdowns_completed.increment(1);
    }

    /// Counts spans with this result.
    pub fn spans(&self, result: SpanResult, count: usize) {
        self.series.spans.of(result).increment(count as u64);
    }

    /// Returns the exposition text of a scrape.
    pub fn render(&self) -> String {
        self.lines.collect();
        metrics::with_local_recorder(&self.recorder, || self.process.collect());
        without_ended(self.handle.render())
    }

    /// Folds recorded samples into their buckets. Must be called regularly, because samples pile up while nobody scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl Series {
    fn new<'a>(endpoints: impl IntoIterator<Item = EndpointLabels<'a>>, topics: impl IntoIterator<Item = Arc<str>>) -> Self {
        let unmatched = Arc::from(UNMATCHED);
        let unmatched = EndpointLabels { endpoint: &unmatched, provider: "", signs_time: false };
        Self {
            endpoints: endpoints
                .into_iter()
                .map(|labels| endpoint_series(&labels))
                .chain([endpoint_series(&unmatched)])
                .collect(),
            topics: topics.into_iter().map(topic_series).collect(),
            publish_seconds: Each::new(|result: PublishResult| table::PUBLISH_SECONDS.with([result.text()])),
            connections: table::CONNECTIONS.with([]),
            connection_faults: Each::new(|reason: ConnectionFault| table::CONNECTION_FAULTS.with([reason.text()])),
            health_checks: Each::new(|answer: HealthCheck| table::HEALTH_CHECKS.with([answer.text()])),
            in_flight: table::IN_FLIGHT_DELIVERIES.with([]),
            in_flight_bytes: table::IN_FLIGHT_BYTES.with([]),
            event_loop_delay: table::EVENT_LOOP_DELAY_SECONDS.with([]),
            topics_missing: table::TOPICS_MISSING.with([]),
            leaders_unreachable: table::KAFKA_LEADERS_UNREACHABLE.with([]),
            schema_ids_missing: table::SCHEMA_IDS_MISSING.with([]),
            ready: table::READY.with([]),
            shutdowns_started: table::SHUTDOWNS_STARTED.with([]),
            shutdowns_completed: table::SHUTDOWNS_COMPLETED.with([]),
            spans: Each::new(|result: SpanResult| table::SPANS.with([result.text()])),
        }
    }
}

/// Returns the exposition without the series that have [`NO_VALUE`].
fn without_ended(text: String) -> String {
    let ended = |line: &str| line.trim_end().ends_with(" NaN");
    if text.lines().any(ended) { text.split_inclusive('\n').filter(|line| !ended(line)).collect() } else { text }
}

fn seconds_since_epoch(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn endpoint_series(labels: &EndpointLabels<'_>) -> (Arc<str>, EndpointSeries) {
    let EndpointLabels { endpoint: name, provider, signs_time } = *labels;
    let of_endpoint = [&**name, provider];
    let outcome = |outcome: DeliveryOutcome| table::DELIVERIES.with([name, provider, outcome.text()]);
    let series = EndpointSeries {
        outcomes: Each::new(outcome),
        answer_seconds: table::ANSWER_SECONDS.with(of_endpoint),
        body_bytes: table::BODY_BYTES.with(of_endpoint),
        event_age: table::EVENT_AGE_SECONDS.with(of_endpoint),
        last_verified: table::LAST_VERIFIED_TIMESTAMP_SECONDS.with(of_endpoint),
        clock_offset: signs_time.then(|| table::CLOCK_OFFSET_SECONDS.with(of_endpoint)),
        provider,
        secret_matches: ArcSwap::default(),
    };
    (Arc::clone(name), series)
}

fn topic_series(topic: Arc<str>) -> (Arc<str>, TopicSeries) {
    let series = TopicSeries { events: table::EVENTS.with([&topic]), bytes: table::EVENT_BYTES.with([&topic]) };
    (topic, series)
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn set_limits(limits: &Limits) {
    table::BUILD_INFO.with([env!("CARGO_PKG_VERSION")]).set(1.0);
    table::CONFIG_INFO.with([&format!("{:016x}", limits.fingerprint)]).set(1.0);
    table::CONNECTIONS_MAX.with([]).set(limits.connections as f64);
    table::IN_FLIGHT_DELIVERIES_MAX.with([]).set(limits.in_flight as f64);
    table::IN_FLIGHT_BYTES_MAX.with([]).set(limits.in_flight_bytes as f64);
    table::MEMORY_CEILING_BYTES.with([]).set(limits.memory_bytes as f64);
    table::ANSWER_DEADLINE_SECONDS.with([]).set(limits.answer_deadline.as_secs_f64());
    table::PUBLISH_TIMEOUT_SECONDS.with([]).set(limits.publish_timeout.as_secs_f64());
}
