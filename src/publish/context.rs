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
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    message::Message as _,
    producer::{DeliveryResult, ProducerContext},
    statistics::Statistics,
};
use tokio::sync::oneshot;

use super::{Acknowledgement, brokers::Brokers, leaders::Causes, texts, waiting::Waits};
use crate::{
    config::Kafka,
    metrics::{self, Metrics},
    printable::printable,
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

/// What became of a record.
pub(super) type Report = Result<Acknowledgement, KafkaError>;

/// What goes into librdkafka with a record and comes back with its delivery report.
pub(super) struct Handed {
    pub(super) waits: Waits,
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
        let Handed { waits, share, sender } = *handed;
        let report = match result {
            Ok(message) => Ok(Acknowledgement { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.clone()),
        };
        let stored = report.is_ok();
        if stored {
            waits.acknowledged();
            self.metrics.event(&waits.topic, waits.bytes);
        }
        // Given back first: a sender that has its answer holds nothing any more.
        drop((waits, share));
        if sender.send(report).is_err() && stored {
            self.metrics.late_acknowledgement();
        }
    }
}

/// The callbacks of a client that asks the cluster a question: they keep the cause of a failure, of which the failed call itself only
/// says that nobody answered.
#[derive(Clone)]
pub(super) struct Listener {
    kafka: Arc<Kafka>,
    /// The first complaint.
    first: Arc<Mutex<Option<String>>>,
    /// What was said below a complaint: a connection that is closed without a word is no error of librdkafka's.
    remark: Arc<Mutex<Option<String>>>,
    /// The last one about each broker.
    pub(super) causes: Causes,
}

impl Listener {
    /// For a client with this configuration.
    pub(super) fn new(kafka: &Kafka) -> Self {
        Self { kafka: Arc::new(kafka.clone()), first: Arc::default(), remark: Arc::default(), causes: Causes::default() }
    }

    /// A consumer that is listened to: it also says what is no error.
    pub(super) fn consumer(self, mut client: ClientConfig) -> Result<BaseConsumer<Self>, String> {
        let kafka = Arc::clone(&self.kafka);
        client.set_log_level(RDKafkaLogLevel::Info).create_with_context(self).map_err(|error| explain(&kafka, &error))
    }

    /// Why the first call of this client failed: what it means, or librdkafka's own words where it said anything.
    pub(super) fn explain(&self, client: &BaseConsumer<Self>, error: &KafkaError) -> String {
        let text = |kept: &Mutex<Option<String>>| kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let brokers = self.kafka.brokers.join(",");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnsupportedFeature) {
            return format!(
                "the brokers {brokers} cannot be used: what answers is no broker, probably the controller: write the port of a broker's \
                 listener in [kafka] brokers ({error})"
            );
        }
        for _ in 0..10 {
            // librdkafka may leave the configured addresses for those that the cluster advertises before it has an answer.
            if let Some(sentence) = self.causes.sentence(&self.kafka) {
                return sentence;
            }
            if let Some(cause) = text(&self.first) {
                return match texts::meaning(&self.kafka, texts::address(&cause), &cause) {
                    Some(meaning) => format!("the brokers {brokers} do not answer as they should: {meaning}"),
                    None => format!("the brokers {brokers} do not answer: {} ({error})", printable(&cause)),
                };
            }
            // Callbacks come only while polling. There is nothing assigned, so no record can come.
            let _event = client.poll(Duration::from_millis(20));
        }
        match text(&self.remark).and_then(|remark| texts::meaning(&self.kafka, None, &remark)) {
            Some(meaning) => format!("the brokers {brokers} do not answer as they should: {meaning}"),
            // A port that speaks something else closes the connection without a word.
            None => format!("the brokers {brokers} do not answer: {error}; are host, port and [kafka] security right?"),
        }
    }
}

impl Listener {
    /// Hears what librdkafka has to say so far, which comes only while polling. There is nothing assigned, so no record can come.
    pub(super) fn hear(client: &BaseConsumer<Self>) {
        for _ in 0..10 {
            let _event = client.poll(Duration::from_millis(20));
        }
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, _facility: &str, message: &str) {
        // In front of it stands the name of a thread.
        let message = message.split_once("]: ").map_or(message, |(_, message)| message);
        let is_error = level as i32 <= RDKafkaLogLevel::Error as i32;
        let kept = if is_error { &self.first } else { &self.remark };
        if is_error || texts::is_known(message) {
            self.causes.note(message);
            // The first one is the cause, what follows are its effects.
            kept.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| message.to_owned());
        }
    }
}

impl ConsumerContext for Listener {}

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

/// A failure to create a client: nearly always a property that librdkafka refuses. Its value may be a secret, and librdkafka quotes it.
pub(super) fn explain(kafka: &Kafka, error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, property, value) => {
            let description = if value.is_empty() { description.clone() } else { description.replace(value, "…") };
            format!("librdkafka refuses the property {property:?}: {description}")
        }
        other => {
            let text = other.to_string();
            texts::meaning(kafka, None, &text).unwrap_or_else(|| format!("librdkafka cannot create the client: {text}"))
        }
    }
}
