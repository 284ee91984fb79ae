//! What librdkafka tells of itself and of topics.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use super::{GUARANTEES, Metrics};

/// One report of librdkafka's.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Records in the producer's queue or on their way.
    pub queue_messages: u64,
    /// The most that there may be.
    pub queue_messages_max: u64,
    /// Their bytes.
    pub queue_bytes: u64,
    /// The most that there may be.
    pub queue_bytes_max: u64,
    /// The brokers that the cluster names.
    pub brokers: Vec<BrokerStatistics>,
    /// Whether Kafka could be reached when that was last tried; not before the first contact.
    pub reachable: bool,
}

/// One broker in a report.
#[derive(Clone, Copy, Debug, Default)]
pub struct BrokerStatistics {
    /// Its node id.
    pub id: i32,
    /// Not while attempts to reach it fail; it needs no open connection.
    pub up: bool,
    /// The median and the 99th percentile of its answers in the last minute, in seconds, if there were any.
    pub round_trip: Option<(f64, f64)>,
    /// The longest time in the last minute for which it made us wait because of a quota, in seconds.
    pub throttle: f64,
    /// Requests that failed or timed out since the last report.
    pub failures: u64,
}

pub(super) struct KafkaMetrics {
    pub(super) errors: Counter,
    pub(super) rebuilds: Counter,
    pub(super) late_acknowledgements: Counter,
    pub(super) credentials_reloads: Counter,
    pub(super) credentials_pending: Gauge,
    reachable: Gauge,
    queue: [Gauge; 4],
    /// In the order of [`GUARANTEES`].
    topics_guarantee: [Gauge; GUARANTEES.len()],
    /// Those in the last report. The series of one that is in no report any more end.
    known: Mutex<BTreeSet<i32>>,
}

impl Metrics {
    /// How many topics are missing.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn topics_missing(&self, topics: usize) {
        self.series.topics_missing.set(topics as f64);
    }

    /// How many topics keep what they acknowledge on as many replicas as is wanted, how many do not, and of how many it is not known.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn topics_guarantee(&self, kept: usize, weak: usize, unknown: usize) {
        for (gauge, topics) in self.kafka.topics_guarantee.iter().zip([kept, weak, unknown]) {
            gauge.set(topics as f64);
        }
    }

    /// Kafka has acknowledged a record for which nobody waited any more.
    pub fn late_acknowledgement(&self) {
        self.kafka.late_acknowledgements.increment(1);
    }

    /// librdkafka reported an error.
    pub fn kafka_error(&self) {
        self.kafka.errors.increment(1);
    }

    /// A producer was replaced after a fatal error.
    pub fn producer_rebuilt(&self) {
        self.kafka.rebuilds.increment(1);
    }

    /// A producer was replaced because its credentials have changed.
    pub fn credentials_reloaded(&self) {
        self.kafka.credentials_reloads.increment(1);
        self.credentials_pending(false);
    }

    /// Whether there are changed credentials that are not in force.
    pub fn credentials_pending(&self, pending: bool) {
        self.kafka.credentials_pending.set(f64::from(u8::from(pending)));
    }

    /// What librdkafka tells of itself every few seconds.
    pub fn kafka(&self, statistics: &Statistics) {
        metrics::with_local_recorder(&self.recorder, || self.kafka.set(statistics));
    }
}

impl KafkaMetrics {
    pub(super) fn new() -> Self {
        let queue = [
            gauge!("hookgate_kafka_queue_messages"),
            gauge!("hookgate_kafka_queue_messages_max"),
            gauge!("hookgate_kafka_queue_bytes"),
            gauge!("hookgate_kafka_queue_bytes_max"),
        ];
        let (errors, rebuilds) = (counter!("hookgate_kafka_errors_total"), counter!("hookgate_producer_rebuilds_total"));
        let late_acknowledgements = counter!("hookgate_late_acknowledgements_total");
        let credentials_reloads = counter!("hookgate_kafka_credentials_reloads_total");
        let credentials_pending = gauge!("hookgate_kafka_credentials_pending");
        let reachable = gauge!("hookgate_kafka_reachable");
        let topics_guarantee = GUARANTEES.map(|guarantee| gauge!("hookgate_topics_guarantee", "guarantee" => guarantee));
        Self {
            errors,
            rebuilds,
            late_acknowledgements,
            credentials_reloads,
            credentials_pending,
            reachable,
            queue,
            topics_guarantee,
            known: Mutex::default(),
        }
    }

    /// Within the recorder, because brokers come and go.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub(super) fn set(&self, statistics: &Statistics) {
        let Statistics { queue_messages, queue_messages_max, queue_bytes, queue_bytes_max, .. } = *statistics;
        for (gauge, value) in self.queue.iter().zip([queue_messages, queue_messages_max, queue_bytes, queue_bytes_max]) {
            gauge.set(value as f64);
        }
        self.reachable.set(f64::from(u8::from(statistics.reachable)));
        let now = statistics.brokers.iter().map(|broker| broker.id).collect();
        let before = std::mem::replace(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner), now);
        for id in before.into_iter().filter(|id| !statistics.brokers.iter().any(|broker| broker.id == *id)) {
            set_broker(id, super::NO_VALUE, super::NO_VALUE, None);
        }
        for broker in &statistics.brokers {
            set_broker(broker.id, f64::from(u8::from(broker.up)), broker.throttle, broker.round_trip);
            counter!("hookgate_kafka_broker_failures_total", "broker" => broker.id.to_string()).increment(broker.failures);
        }
    }
}

fn set_broker(id: i32, up: f64, throttle: f64, round_trip: Option<(f64, f64)>) {
    let id = || id.to_string();
    gauge!("hookgate_kafka_broker_up", "broker" => id()).set(up);
    gauge!("hookgate_kafka_broker_throttle_seconds", "broker" => id()).set(throttle);
    let (median, high) = round_trip.unwrap_or((super::NO_VALUE, super::NO_VALUE));
    for (quantile, seconds) in [("0.5", median), ("0.99", high)] {
        gauge!("hookgate_kafka_broker_round_trip_seconds", "broker" => id(), "quantile" => quantile).set(seconds);
    }
}

pub(super) fn describe() {
    describe_gauge!(
        "hookgate_topics_guarantee",
        "Topics by what is known of what they acknowledge: kept on as many replicas as [topics] min_insync_replicas wants, weak, or unknown."
    );
    describe_counter!("hookgate_kafka_errors_total", "Errors that librdkafka reported on its own account.");
    describe_counter!("hookgate_producer_rebuilds_total", "Producers replaced after a fatal error.");
    describe_counter!(
        "hookgate_late_acknowledgements_total",
        "Events that Kafka has acknowledged after their sender was answered 503 or had hung up: what it sends again is a duplicate."
    );
    describe_counter!(
        "hookgate_kafka_credentials_reloads_total",
        "Producers replaced because a password, certificate, key or authority has changed."
    );
    describe_gauge!(
        "hookgate_kafka_credentials_pending",
        "1 while a changed password, certificate, key or authority is not in force: it cannot be read or does not work."
    );
    describe_gauge!("hookgate_kafka_queue_messages", "Records in librdkafka's queue or on their way to a broker.");
    describe_gauge!("hookgate_kafka_queue_messages_max", "How many there may be; beyond, deliveries are answered 503.");
    describe_gauge!("hookgate_kafka_queue_bytes", "Bytes of the records in librdkafka's queue or on their way.");
    describe_gauge!("hookgate_kafka_queue_bytes_max", "How many there may be; kafka.queue_bytes.");
    describe_gauge!(
        "hookgate_kafka_reachable",
        "0 before the first contact with Kafka and while nothing that is tried succeeds, else 1."
    );
    describe_gauge!(
        "hookgate_kafka_broker_up",
        "0 while attempts to reach the broker fail, else 1, also while no connection is needed. Brokers that the cluster names."
    );
    describe_gauge!(
        "hookgate_kafka_broker_round_trip_seconds",
        "How long the broker took to answer requests in the last minute: median and 99th percentile. None without requests."
    );
    describe_gauge!(
        "hookgate_kafka_broker_throttle_seconds",
        "The longest time in the last minute for which the broker made us wait because of a quota."
    );
    describe_counter!(
        "hookgate_kafka_broker_failures_total",
        "Requests to the broker that failed, timed out or lost their connection."
    );
}
