//! What librdkafka says on its own account: the real cause of a failure (authentication, TLS, permissions) appears only here, while a
//! delivery merely times out.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::Message as _,
    producer::{DeliveryResult, ProducerContext},
    statistics::Statistics,
};
use tokio::sync::oneshot;

use super::{brokers::Brokers, causes::Causes, unacknowledged::PendingGuard};
use crate::{
    logged::printable,
    metrics::{self, Metrics},
};

/// The same complaint is logged once in this time; librdkafka repeats it with every attempt to reconnect.
const REPEAT_AFTER: Duration = Duration::from_secs(30);
/// Complaints that are remembered; librdkafka's texts carry broker names and counters, so their number is not bounded by itself.
const REMEMBERED_MAX: usize = 64;

/// What the supervisor is told.
pub(super) enum Signal {
    /// A delivery to this topic failed: it may have gone.
    Doubt(Arc<str>),
    /// librdkafka reported an error, which may be fatal.
    Complaint,
    /// The publisher closes.
    Stop,
}

/// Where Kafka stored a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The partition.
    pub partition: i32,
    /// The offset within the partition.
    pub offset: i64,
}

/// What became of a record.
pub(super) type Report = Result<Acknowledgement, KafkaError>;

/// What goes into librdkafka with a record and comes back with its delivery report.
pub(super) struct Handed {
    pub(super) guard: PendingGuard,
    /// What the record holds elsewhere.
    pub(super) share: Box<dyn Send + Sync>,
    /// To whoever waits for the report, and may have given up by then.
    pub(super) sender: oneshot::Sender<Report>,
}

/// The callbacks of our producers.
pub(super) struct Context {
    signals: mpsc::SyncSender<Signal>,
    /// Set once the publisher is closed: from then on a broker that goes away is nobody's concern.
    stopping: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    complaints: Complaints,
    causes: Causes,
    contact: Arc<Contact>,
    brokers: Mutex<Brokers>,
}

/// What the log has said of the contact with Kafka; it outlives a producer.
#[derive(Default)]
pub(super) struct Contact {
    reached: AtomicBool,
    lost: AtomicBool,
}

impl Contact {
    /// Kafka is reached. Before that it cannot be lost.
    pub(super) fn begin(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    /// Says so when Kafka is lost and when it is back. A report in which nothing was tried and nothing is connected says neither.
    fn report(&self, works: Option<bool>) {
        match works {
            Some(false) if self.reached.load(Ordering::Relaxed) && !self.lost.swap(true, Ordering::Relaxed) => {
                tracing::error!("kafka is lost: nothing that is asked of it succeeds, deliveries are answered 503");
            }
            Some(true) if self.lost.swap(false, Ordering::Relaxed) => tracing::info!("kafka is back"),
            _ => {}
        }
    }
}

impl Context {
    pub(super) fn new(
        signals: mpsc::SyncSender<Signal>,
        stopping: Arc<AtomicBool>,
        metrics: Arc<Metrics>,
        causes: Causes,
        contact: Arc<Contact>,
    ) -> Self {
        Self { signals, stopping, metrics, complaints: Complaints::default(), causes, contact, brokers: Mutex::default() }
    }
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        if self.stopping.load(Ordering::Relaxed) {
            return;
        }
        let code = error.rdkafka_error_code();
        self.metrics.kafka_error();
        self.causes.note(reason);
        // Not every fatal error comes as `Fatal`, so any error makes the supervisor ask the producer. A full inbox wakes it as well.
        let _full_or_gone = self.signals.try_send(Signal::Complaint);
        let label = code.map_or_else(|| "unknown".to_owned(), |code| format!("{code:?}"));
        if self.complaints.is_new(&label) {
            tracing::error!(error = %label, reason = %printable(reason), "kafka client error");
        }
    }

    fn stats(&self, statistics: Statistics) {
        let mut known = self.brokers.lock().unwrap_or_else(PoisonError::into_inner);
        let (brokers, reachable) = known.report(statistics.ts, &statistics.brokers);
        let news = known.news();
        drop(known);
        if !self.stopping.load(Ordering::Relaxed) {
            self.contact.report(news);
        }
        self.metrics.kafka(&metrics::Statistics {
            queue_messages: statistics.msg_cnt,
            queue_messages_max: statistics.msg_max,
            queue_bytes: statistics.msg_size,
            queue_bytes_max: statistics.msg_size_max,
            brokers,
            reachable,
        });
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if self.stopping.load(Ordering::Relaxed) {
            return;
        }
        // Not `message`, which is the line's own. It quotes what brokers send.
        let text = printable(message);
        match level {
            // Errors come through `error` as well, with their code.
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => {
                if self.complaints.is_new(facility) {
                    tracing::warn!(facility, text, "librdkafka");
                }
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(facility, text, "librdkafka"),
            RDKafkaLogLevel::Debug => tracing::debug!(facility, text, "librdkafka"),
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Handed>;

    fn delivery(&self, result: &DeliveryResult<'_>, handed: Box<Handed>) {
        let Handed { guard, share, sender } = *handed;
        let report = match result {
            Ok(message) => Ok(Acknowledgement { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.clone()),
        };
        let stored = report.is_ok();
        if stored {
            guard.acknowledged();
            self.metrics.event(&guard.topic, guard.bytes);
        }
        // Given back first: a sender that has its answer holds nothing any more.
        drop((guard, share));
        if sender.send(report).is_err() && stored {
            self.metrics.late_acknowledgement();
        }
    }
}

/// Remembers what was said, so that one outage is a few lines.
#[derive(Default)]
struct Complaints(Mutex<HashMap<String, Instant>>);

impl Complaints {
    fn is_new(&self, text: &str) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(text).is_some_and(|when| when.elapsed() < REPEAT_AFTER) {
            return false;
        }
        if said.len() >= REMEMBERED_MAX {
            said.clear();
        }
        said.insert(text.to_owned(), Instant::now());
        true
    }
}
