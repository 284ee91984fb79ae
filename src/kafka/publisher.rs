//! The publisher: it sends records to Kafka and waits for the acknowledgements.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _},
};
use tokio::sync::oneshot;

use super::{
    causes::Causes,
    client::{Producer, build, client_config},
    context::{Acknowledgement, Contact, Context, Handed, Report, Signal},
    reload::{Reload, show_ends},
    shared::{Shared, WAKE_EVERY},
    supervisor,
    topics::TopicStates,
    unacknowledged::Unacknowledged,
};
use crate::{
    config::Config,
    encode::Record,
    error::Error,
    metrics::{Metrics, PublishResult},
};

/// The most signals to the supervisor that may wait. During an outage there is one per failed delivery.
const SIGNALS_MAX: usize = 64;

/// Sends records to Kafka, until [`Publisher::close`]. Clones share one producer.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

/// A record that librdkafka holds and Kafka has not acknowledged yet.
pub struct Pending {
    report: oneshot::Receiver<Report>,
    topic: Arc<str>,
    timer: PublishTimer,
}

impl Pending {
    /// Returns whether librdkafka has reported what became of the record, so that a wait for it ends at once.
    pub fn is_reported(&self) -> bool {
        !self.report.is_empty()
    }
}

/// Measures a wait for an acknowledgement, also one that ends early because the sender is gone.
struct PublishTimer {
    metrics: Arc<Metrics>,
    begun: Instant,
    result: PublishResult,
}

impl Drop for PublishTimer {
    fn drop(&mut self) {
        self.metrics.publish(self.result, self.begun.elapsed().as_secs_f64());
    }
}

impl Publisher {
    /// Builds the producer and starts the supervisor, which looks up `topics`. Kafka need not be there yet; only a configuration that
    /// librdkafka refuses is an error.
    pub fn start(config: &Config, topics: impl IntoIterator<Item = Arc<str>>, metrics: Arc<Metrics>) -> Result<Self, String> {
        let (signals, inbox) = mpsc::sync_channel(SIGNALS_MAX);
        let credentials = Reload::of(&config.kafka);
        show_ends(&metrics, &config.kafka);
        let client = client_config(config.kafka.client_properties());
        let stopping = Arc::new(AtomicBool::new(false));
        let (causes, contact) = (Causes::default(), Arc::<Contact>::default());
        let (signal, stop, measure) = (signals.clone(), Arc::clone(&stopping), Arc::clone(&metrics));
        let context = Context::new(signal, stop, measure, causes.clone(), Arc::clone(&contact));
        let producer = build(&config.kafka, &client, context)?;
        let topics: Vec<Arc<str>> = topics.into_iter().collect();
        let shared = Arc::new(Shared {
            producer: ArcSwap::from_pointee(producer),
            retired: Mutex::default(),
            unacknowledged: Unacknowledged::new(config, &topics),
            topics: TopicStates::new(topics),
            signals,
            stopping,
            metrics,
            causes,
            contact,
            wake_after: config.kafka.socket_timeout,
            woken: Mutex::default(),
        });
        supervisor::spawn(Arc::clone(&shared), client, config, credentials, inbox)
            .map_err(|error| format!("cannot start the Kafka supervisor thread: {error}"))?;
        Ok(Self { shared })
    }

    /// Returns whether a broker has ever answered at the address that the cluster advertises. It must be the leader of a partition of these
    /// topics, if there is one.
    pub fn reached(&self) -> bool {
        self.shared.topics.reached()
    }

    /// Returns when librdkafka last reported that nothing which is asked of Kafka succeeds; `None` before that, and once something succeeds
    /// again. A report comes every few seconds.
    pub fn lost(&self) -> Option<Instant> {
        self.shared.contact.lost()
    }

    /// Waits until Kafka is reached, but only within the first five seconds after the start, and at most `wait`.
    pub async fn first_contact(&self, wait: Duration) {
        self.shared.topics.first_contact(wait).await;
    }

    /// Returns the topics that are missing or not visible.
    pub fn missing_topics(&self) -> Vec<Arc<str>> {
        self.shared.topics.missing()
    }

    /// Passes a record to librdkafka, which copies it. Fails if too many records wait for its topic already. Never blocks.
    ///
    /// `share` is what the delivery holds of limits elsewhere. It is dropped with the record's delivery report, and not earlier: if the
    /// sender hangs up or its wait ends, the record still stays in librdkafka.
    pub fn enqueue(&self, record: &Record, share: impl Send + Sync + 'static) -> Result<Pending, Error> {
        self.shared.topics.usable(&record.topic)?;
        let guard = self.shared.unacknowledged.begin(&record.topic, record.value.len())?;
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(&**value) });
        }
        let (sender, report) = oneshot::channel();
        let handed = Box::new(Handed { guard, share: Box::new(share), sender });
        let message = BaseRecord::with_opaque_to(&record.topic, handed)
            .key(&*record.key)
            .payload(&*record.value)
            .timestamp(record.timestamp_ms)
            .headers(headers);
        match self.shared.producer().send(message) {
            Ok(()) => {
                let timer = PublishTimer {
                    metrics: Arc::clone(&self.shared.metrics),
                    begun: Instant::now(),
                    result: PublishResult::Cancelled,
                };
                Ok(Pending { report, topic: Arc::clone(&record.topic), timer })
            }
            Err((error, _)) => Err(self.failed(&error, &record.topic)),
        }
    }

    /// Waits for the acknowledgement, at most `wait`.
    pub async fn wait(&self, pending: Pending, wait: Duration) -> Result<Acknowledgement, Error> {
        let Pending { report, topic, mut timer } = pending;
        let result = match self.report(report, wait).await {
            Some(Ok(Ok(acknowledgement))) => Ok(acknowledgement),
            Some(Ok(Err(error))) => Err(self.failed(&error, &topic)),
            // The producer ended together with the record: it was rebuilt or is being closed.
            Some(Err(_)) => Err(Error::PublishFailed("the producer was closed".into())),
            None => {
                self.shared.signal(Signal::Doubt(topic));
                Err(Error::PublishTimeout)
            }
        };
        timer.result = match &result {
            Ok(_) => PublishResult::Acknowledged,
            Err(Error::PublishTimeout) => PublishResult::TimedOut,
            Err(_) => PublishResult::Refused,
        };
        result
    }

    /// Waits for the report, and returns `None` if it does not come within `wait`. librdkafka looks for requests without an answer only when
    /// its broker thread is awake, which is once per one or two seconds: too late for a retry within the deadline. So this wakes that thread
    /// again and again once `wake_after` has passed.
    async fn report(
        &self,
        mut report: oneshot::Receiver<Report>,
        wait: Duration,
    ) -> Option<Result<Report, oneshot::error::RecvError>> {
        let now = tokio::time::Instant::now();
        let (end, mut wake) = (now + wait, now + self.shared.wake_after);
        loop {
            // There is one timer for both times, because nearly every report comes before either.
            match tokio::time::timeout_at(wake.min(end), &mut report).await {
                Ok(report) => return Some(report),
                Err(_) if end <= wake => return None,
                Err(_) => self.shared.wake(),
            }
            wake += WAKE_EVERY;
        }
    }

    /// Flushes for at most `flush` and asks the supervisor to end. Returns how many records were not acknowledged. Blocks, so it must not
    /// be called in an async context.
    pub fn close(&self, flush: Duration) -> usize {
        let deadline = Instant::now() + flush;
        let retired = self.shared.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let producers: Vec<Arc<Producer>> = retired.iter().filter_map(Weak::upgrade).chain([self.shared.producer()]).collect();
        drop(retired);
        for producer in &producers {
            // Only the records that are left afterwards matter.
            let _timed_out = producer.flush(deadline.saturating_duration_since(Instant::now()));
        }
        // The supervisor may be in a look-up that waits for a dead broker, so this does not wait for the supervisor.
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.signal(Signal::Stop);
        producers.iter().map(|producer| usize::try_from(producer.in_flight_count()).unwrap_or(0)).sum()
    }

    fn failed(&self, error: &KafkaError, topic: &Arc<str>) -> Error {
        let failure = failure(error);
        if failure != Error::Overloaded {
            self.shared.signal(Signal::Doubt(Arc::clone(topic)));
        }
        failure
    }
}

/// The one rule that turns a Kafka error into an [`Error`]. Every Kafka error is a 503, never a 4xx, because the sender cannot fix it.
pub(super) fn failure(error: &KafkaError) -> Error {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => Error::Overloaded,
        Some(RDKafkaErrorCode::MessageTimedOut | RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::RequestTimedOut) => {
            Error::PublishTimeout
        }
        Some(code) => Error::PublishFailed(format!("{code:?}")),
        None => Error::PublishFailed(error.to_string()),
    }
}
