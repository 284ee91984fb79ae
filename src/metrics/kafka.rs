//! Metrics of librdkafka and of topics.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use metrics::{Counter, Gauge};

use super::{Metrics, labels::GuaranteeLabel, table};
use crate::closed::{Closed as _, Each};

/// One report of librdkafka.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// The records in the producer's queue or on their way.
    pub queue_messages: u64,
    /// The most that there may be.
    pub queue_messages_max: u64,
    /// The bytes of the records in the queue or on their way.
    pub queue_bytes: u64,
    /// The most that there may be.
    pub queue_bytes_max: u64,
    /// The brokers that the cluster names.
    pub brokers: Vec<BrokerStatistics>,
    /// Whether Kafka could be reached at the last attempt; false before the first contact.
    pub reachable: bool,
}

/// One broker in a report.
#[derive(Clone, Copy, Debug, Default)]
pub struct BrokerStatistics {
    /// The node id of the broker.
    pub id: i32,
    /// Whether the broker is up: false only while attempts to reach it fail. It need not have an open connection.
    pub up: bool,
    /// The median and the 99th percentile of the broker's round trips in the last minute, in seconds, if there were any.
    pub round_trip: Option<(f64, f64)>,
    /// The longest time in the last minute for which the broker made Hookgate wait because of a quota, in seconds.
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
    topics_guarantee: Each<GuaranteeLabel, Gauge>,
    /// The brokers in the last report. When a broker is missing in a report, its series end.
    known: Mutex<BTreeSet<i32>>,
}

impl Metrics {
    /// Sets how many topics are missing.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn topics_missing(&self, topics: usize) {
        self.series.topics_missing.set(topics as f64);
    }

    /// Sets how many topics keep what they acknowledge on as many replicas as the configuration wants, how many do not, and for how many
    /// that is not known.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn topics_guarantee(&self, kept: usize, weak: usize, unknown: usize) {
        use GuaranteeLabel::{Kept, Unknown, Weak};
        for (label, topics) in [(Kept, kept), (Weak, weak), (Unknown, unknown)] {
            self.kafka.topics_guarantee.of(label).set(topics as f64);
        }
    }

    /// Counts a record that Kafka acknowledged when nobody waited for it any more.
    pub fn late_acknowledgement(&self) {
        self.kafka.late_acknowledgements.increment(1);
    }

    /// Counts an error that librdkafka reported.
    pub fn kafka_error(&self) {
        self.kafka.errors.increment(1);
    }

    /// Counts a producer that was replaced after a fatal error.
    pub fn producer_rebuilt(&self) {
        self.kafka.rebuilds.increment(1);
    }

    /// Counts a producer that was replaced because its credentials have changed.
    pub fn credentials_reloaded(&self) {
        self.kafka.credentials_reloads.increment(1);
        self.credentials_pending(false);
    }

    /// Sets whether there are changed credentials that are not in force.
    pub fn credentials_pending(&self, pending: bool) {
        self.kafka.credentials_pending.set(f64::from(u8::from(pending)));
    }

    /// Sets the metrics from librdkafka's report, which comes every few seconds.
    pub fn kafka(&self, statistics: &Statistics) {
        metrics::with_local_recorder(&self.recorder, || self.kafka.set(statistics));
    }
}

impl KafkaMetrics {
    pub(super) fn new() -> Self {
        Self {
            errors: table::KAFKA_ERRORS.with([]),
            rebuilds: table::PRODUCER_REBUILDS.with([]),
            late_acknowledgements: table::LATE_ACKNOWLEDGEMENTS.with([]),
            credentials_reloads: table::KAFKA_CREDENTIALS_RELOADS.with([]),
            credentials_pending: table::KAFKA_CREDENTIALS_PENDING.with([]),
            reachable: table::KAFKA_REACHABLE.with([]),
            queue: [
                table::KAFKA_QUEUE_MESSAGES.with([]),
                table::KAFKA_QUEUE_MESSAGES_MAX.with([]),
                table::KAFKA_QUEUE_BYTES.with([]),
                table::KAFKA_QUEUE_BYTES_MAX.with([]),
            ],
            topics_guarantee: Each::new(|label: GuaranteeLabel| table::TOPICS_GUARANTEE.with([label.text()])),
            known: Mutex::default(),
        }
    }

    /// Must be called within the recorder, because brokers come and go.
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
            table::KAFKA_BROKER_FAILURES.with([&broker.id.to_string()]).increment(broker.failures);
        }
    }
}

fn set_broker(id: i32, up: f64, throttle: f64, round_trip: Option<(f64, f64)>) {
    let id = &*id.to_string();
    table::KAFKA_BROKER_UP.with([id]).set(up);
    table::KAFKA_BROKER_THROTTLE_SECONDS.with([id]).set(throttle);
    let (median, high) = round_trip.unwrap_or((super::NO_VALUE, super::NO_VALUE));
    for (quantile, seconds) in [("0.5", median), ("0.99", high)] {
        table::KAFKA_BROKER_ROUND_TRIP_SECONDS.with([id, quantile]).set(seconds);
    }
}
