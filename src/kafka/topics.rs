//! What is known of each topic, and the request that finds it out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{error::RDKafkaErrorCode, producer::Producer as _};
use tokio::sync::watch;

use super::{
    client::Producer,
    leaders::{self, Leader},
};
use crate::{error::Error, logged::milliseconds};

/// How long after the start deliveries wait for the first contact with Kafka: some balancers send to a new replica at once when it comes up
/// beside others.
const FIRST_SECONDS: Duration = Duration::from_secs(5);

/// The known state of each topic.
pub(super) struct TopicStates {
    reached: watch::Sender<bool>,
    started: Instant,
    states: BTreeMap<Arc<str>, AtomicU8>,
}

pub(super) const UNKNOWN: u8 = 0;
pub(super) const PRESENT: u8 = 1;
pub(super) const MISSING: u8 = 2;

impl TopicStates {
    pub(super) fn new(topics: impl IntoIterator<Item = Arc<str>>) -> Self {
        let states = topics.into_iter().map(|topic| (topic, AtomicU8::new(UNKNOWN))).collect();
        Self { reached: watch::Sender::new(false), started: Instant::now(), states }
    }

    pub(super) fn reached(&self) -> bool {
        *self.reached.borrow()
    }

    /// Waits until Kafka is reached, but only within the first seconds after the start, and at most `wait`.
    pub(super) async fn first_contact(&self, wait: Duration) {
        let left = first_wait(self.started.elapsed(), wait);
        if !left.is_zero() && !self.reached() {
            let mut reached = self.reached.subscribe();
            let _not_yet = tokio::time::timeout(left, reached.wait_for(|reached| *reached)).await;
        }
    }

    /// Returns whether the daemon has only just started, so that deliveries may wait for the first contact.
    pub(super) fn are_new(&self) -> bool {
        self.started.elapsed() < FIRST_SECONDS
    }

    pub(super) fn set_reached(&self) {
        if !self.reached.send_replace(true) {
            let after_ms = milliseconds(self.started.elapsed());
            tracing::info!(after_ms, "kafka is reached for the first time");
        }
    }

    pub(super) fn missing(&self) -> Vec<Arc<str>> {
        let missing = self.states.iter().filter(|(_, state)| state.load(Ordering::Relaxed) == MISSING);
        missing.map(|(topic, _)| Arc::clone(topic)).collect()
    }

    /// Refuses a record at once if Kafka could not store it anyway, so that it fills neither the queue nor the sender's time.
    pub(super) fn usable(&self, topic: &str) -> Result<(), Error> {
        if !self.reached() {
            return Err(Error::PublishFailed("kafka has not been reached yet".into()));
        }
        match self.states.get(topic).map(|state| state.load(Ordering::Relaxed)) {
            Some(MISSING) => Err(Error::PublishFailed(format!("topic {topic} is missing or not visible"))),
            _ => Ok(()),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.states.keys()
    }

    /// Returns the topics that are known to be there.
    pub(super) fn present(&self) -> impl Iterator<Item = &Arc<str>> {
        self.states.iter().filter(|(_, state)| state.load(Ordering::Relaxed) == PRESENT).map(|(topic, _)| topic)
    }

    pub(super) fn set(&self, topic: &str, state: u8) -> u8 {
        self.states.get(topic).map_or(state, |known| known.swap(state, Ordering::Relaxed))
    }

    pub(super) fn unsettled(&self) -> impl Iterator<Item = &Arc<str>> {
        self.states.iter().filter(|(_, state)| state.load(Ordering::Relaxed) != PRESENT).map(|(topic, _)| topic)
    }
}

/// Returns how long a delivery may wait for the first contact with Kafka, if it begins `age` after the start and can wait for `wait`.
pub(super) fn first_wait(age: Duration, wait: Duration) -> Duration {
    FIRST_SECONDS.saturating_sub(age).min(wait)
}

/// Kafka's answer about a topic.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    Present,
    Missing,
    /// The answer is not clear, for instance during an election: the topic is there or will be known shortly.
    Unsure,
}

/// Asks Kafka for one topic, and adds the leaders of its partitions to the known ones. Returns `None` if Kafka does not answer.
pub(super) fn look_up(producer: &Producer, topic: &str, timeout: Duration, leaders: &mut BTreeMap<i32, Leader>) -> Option<Found> {
    let metadata = producer.client().fetch_metadata(Some(topic), timeout).ok()?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Some(Found::Unsure) };
    leaders::add(leaders, &metadata, found);
    Some(match found.error().map(RDKafkaErrorCode::from) {
        None if found.partitions().is_empty() => Found::Missing,
        None => Found::Present,
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::InvalidTopic,
        ) => Found::Missing,
        Some(_) => Found::Unsure,
    })
}
