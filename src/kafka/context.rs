//! The callbacks of librdkafka. The real cause of a failure (authentication, TLS, permissions) is reported only here, while a delivery
//! merely times out.

use std::{
    collections::HashMap,
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::Message as _,
    producer::{DeliveryResult, ProducerContext},
    statistics::Statistics,
};
use tokio::sync::oneshot;

use super::{brokers::Brokers, causes::Causes, iam::Tokens, unacknowledged::PendingGuard};
use crate::{
    config::Kafka,
    logged::printable,
    metrics::{self, Metrics},
};

/// The same complaint is logged once in this time; librdkafka repeats it with every attempt to reconnect.
const REPEAT_AFTER: Duration = Duration::from_secs(30);
/// The most complaints that are remembered. librdkafka's texts contain broker names and counters, so nothing else bounds their number.
const REMEMBERED_MAX: usize = 64;

/// A message to the supervisor.
pub(super) enum Signal {
    /// A delivery to this topic failed, so the topic may be gone.
    Doubt(Arc<str>),
    /// librdkafka reported an error, which may be fatal.
    Complaint,
    /// The publisher is closing, so the supervisor must end.
    Stop,
}

/// Where Kafka stored a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The partition that holds the record.
    pub partition: i32,
    /// The offset of the record within the partition.
    pub offset: i64,
}

/// The result of sending a record.
pub(super) type Report = Result<Acknowledgement, KafkaError>;

/// The values that librdkafka gets with a record and returns with its delivery report.
pub(super) struct Handed {
    pub(super) guard: PendingGuard,
    /// What the record holds of limits elsewhere.
    pub(super) share: Box<dyn Send + Sync>,
    /// Sends the report to the task that waits for it. That task may have stopped waiting.
    pub(super) sender: oneshot::Sender<Report>,
}

/// The callbacks of the daemon's producers.
pub(super) struct Context {
    signals: mpsc::SyncSender<Signal>,
    /// Set once the publisher is closed: from then on, a lost broker is not reported.
    stopping: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    complaints: Complaints,
    causes: Causes,
    contact: Arc<Contact>,
    brokers: Mutex<Brokers>,
    tokens: Option<Tokens>,
}

/// What the log has said of the contact with Kafka. It outlives a producer.
#[derive(Default)]
pub(super) struct Contact {
    reached: AtomicBool,
    /// The last report by which Kafka was lost, until it is back.
    lost: Mutex<Option<Instant>>,
}

impl Contact {
    /// Notes that Kafka is reached. Before that it cannot be lost.
    pub(super) fn begin(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    /// Logs when Kafka is lost and when it is back. A report in which nothing was tried and nothing is connected (`None`) says neither.
    fn report(&self, works: Option<bool>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match works {
            Some(false) if self.reached.load(Ordering::Relaxed) && lost.replace(Instant::now()).is_none() => {
                tracing::error!("kafka is lost: nothing that is asked of it succeeds, deliveries are answered 503");
            }
            Some(true) if lost.take().is_some() => tracing::info!("kafka is back"),
            _ => {}
        }
    }

    /// Returns when the last report came by which Kafka is lost, or `None` if it is not.
    pub(super) fn lost(&self) -> Option<Instant> {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (complaints, brokers) = (Complaints::default(), Mutex::default());
        Self { signals, stopping, metrics, complaints, causes, contact, brokers, tokens: None }
    }

    /// Returns the callbacks for a producer that logs in as the configuration says.
    pub(super) fn logging_in(self, kafka: &Kafka) -> Self {
        Self { tokens: Tokens::logged(kafka), ..self }
    }
}

impl ClientContext for Context {
    /// librdkafka's own method, `OpenID` Connect, does not ask this callback.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        Ok(self.tokens.as_ref().ok_or("no mechanism of ours")?.token()?)
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if self.stopping.load(Ordering::Relaxed) {
            return;
        }
        let code = error.rdkafka_error_code();
        self.metrics.kafka_error();
        self.causes.note(reason);
        // Not every fatal error comes as `Fatal`, so any error makes the supervisor ask the producer. A full inbox wakes the supervisor
        // too.
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
        // The field is not called `message`, which is the name of the line's own text. Its text quotes what brokers send.
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
        // The guards are dropped first, so that a sender that has its answer holds nothing any more.
        drop((guard, share));
        if sender.send(report).is_err() && stored {
            self.metrics.late_acknowledgement();
        }
    }
}

/// Remembers which complaints were logged, so that one outage writes only a few lines.
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
