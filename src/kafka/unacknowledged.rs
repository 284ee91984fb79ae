//! How many records wait for the acknowledgement of each topic, and how many may. A topic that does not acknowledge must not take what the
//! other topics need, neither of the deliveries in flight nor of librdkafka's queue. A topic that acknowledges may take what no other topic
//! needs.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{config::Config, error::Error, logged::milliseconds};

/// A topic that does not acknowledge gets more than its share only while all topics together hold no more than a quarter of the whole. That
/// is half of what an endpoint may hold by the same kind of rule, so the endpoint's other topics go on. A topic that does acknowledge
/// leaves as large a part free for the other topics.
const PART: u64 = 4;

/// A topic whose latest acknowledgement is younger than this acknowledges.
const RECENT: Duration = Duration::from_secs(1);

/// The records that wait for an acknowledgement, of all topics and of each, and the limits.
pub(super) struct Unacknowledged {
    all: Usage,
    topics: HashMap<Arc<str>, TopicUsage>,
    deliveries: TopicLimit,
    bytes: TopicLimit,
    begun: Instant,
}

#[derive(Default)]
struct Usage {
    deliveries: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Default)]
struct TopicUsage {
    held: Usage,
    /// When Kafka last acknowledged a record of the topic: milliseconds after `begun`, counted from 1; 0 before the first.
    acknowledged: AtomicU64,
}

impl TopicUsage {
    fn acknowledges(&self, now: Duration) -> bool {
        let last = self.acknowledged.load(Ordering::Relaxed);
        last > 0 && (milliseconds(now) + 1).saturating_sub(last) < milliseconds(RECENT)
    }
}

/// A limit of records or of bytes: the whole, and the number of topics that share it.
#[derive(Clone, Copy)]
struct TopicLimit {
    whole: u64,
    topics: u64,
}

impl TopicLimit {
    fn new(whole: u64, topics: usize) -> Self {
        Self { whole, topics: topics.max(1) as u64 }
    }

    /// Returns what a topic may hold whatever the others do.
    fn share(self) -> u64 {
        self.whole / self.topics
    }

    /// Returns whether a topic may hold `own` while all topics together hold `all`, and each other topic holds an item of `others`. A topic
    /// that acknowledges must leave each other topic an equal share of a quarter of the whole, as far as that topic does not hold it yet.
    fn fits(self, own: u64, all: u64, acknowledges: bool, others: impl Iterator<Item = u64>) -> bool {
        if own <= self.share() || all <= self.whole / PART {
            return true;
        }
        // The division comes last, because a share may be less than one.
        let parts = PART * self.topics;
        let unused = || others.map(|held| self.whole.saturating_sub(held.saturating_mul(parts))).sum::<u64>() / parts;
        acknowledges && all + unused() <= self.whole
    }
}

impl Unacknowledged {
    /// Returns the limits of this configuration, with no record waiting.
    pub(super) fn new(config: &Config, topics: &[Arc<str>]) -> Arc<Self> {
        Self::of(config.http.max_in_flight as u64, config.kafka.queue_bytes, topics)
    }

    fn of(deliveries: u64, bytes: u64, topics: &[Arc<str>]) -> Arc<Self> {
        Arc::new(Self {
            all: Usage::default(),
            topics: topics.iter().map(|topic| (Arc::clone(topic), TopicUsage::default())).collect(),
            deliveries: TopicLimit::new(deliveries, topics.len()),
            bytes: TopicLimit::new(bytes, topics.len()),
            begun: Instant::now(),
        })
    }

    /// Counts one more record for a topic, or returns [`Error::Overloaded`].
    pub(super) fn begin(self: &Arc<Self>, topic: &Arc<str>, bytes: usize) -> Result<PendingGuard, Error> {
        self.begin_at(self.begun.elapsed(), topic, bytes)
    }

    fn begin_at(self: &Arc<Self>, now: Duration, topic: &Arc<str>, bytes: usize) -> Result<PendingGuard, Error> {
        // The guard comes first, so that a refusal gives back what was counted.
        let guard = PendingGuard { unacknowledged: Arc::clone(self), topic: Arc::clone(topic), bytes: bytes as u64 };
        let add = |held: &Usage| {
            let deliveries = held.deliveries.fetch_add(1, Ordering::Relaxed) + 1;
            (deliveries, held.bytes.fetch_add(guard.bytes, Ordering::Relaxed) + guard.bytes)
        };
        let all = add(&self.all);
        let own = self.topics.get(topic).map_or((1, guard.bytes), |topic| add(&topic.held));
        // The only record of a topic always fits.
        if own.0 == 1 {
            return Ok(guard);
        }
        let acknowledges = self.topics.get(topic).is_some_and(|topic| topic.acknowledges(now));
        let others = |held: fn(&Usage) -> &AtomicU64| {
            let others = self.topics.iter().filter(|(name, _)| *name != topic);
            others.map(move |(_, topic)| held(&topic.held).load(Ordering::Relaxed))
        };
        let fits = self.deliveries.fits(own.0, all.0, acknowledges, others(|held| &held.deliveries))
            && self.bytes.fits(own.1, all.1, acknowledges, others(|held| &held.bytes));
        if fits { Ok(guard) } else { Err(Error::Overloaded) }
    }

    fn acknowledged_at(&self, now: Duration, topic: &str) {
        if let Some(topic) = self.topics.get(topic) {
            topic.acknowledged.store(milliseconds(now) + 1, Ordering::Relaxed);
        }
    }
}

/// A record that Kafka has not acknowledged yet; dropping it gives back what it holds.
pub(super) struct PendingGuard {
    unacknowledged: Arc<Unacknowledged>,
    pub(super) topic: Arc<str>,
    pub(super) bytes: u64,
}

impl PendingGuard {
    /// Notes that Kafka has acknowledged the record.
    pub(super) fn acknowledged(&self) {
        self.unacknowledged.acknowledged_at(self.unacknowledged.begun.elapsed(), &self.topic);
    }
}

impl Drop for PendingGuard {
    fn drop(&mut self) {
        let topic = self.unacknowledged.topics.get(&self.topic).map(|topic| &topic.held);
        for held in [Some(&self.unacknowledged.all), topic].into_iter().flatten() {
            held.deliveries.fetch_sub(1, Ordering::Relaxed);
            held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(topics: &[&str]) -> (Arc<Unacknowledged>, Vec<Arc<str>>) {
        let names: Vec<Arc<str>> = topics.iter().map(|topic| Arc::from(*topic)).collect();
        (Unacknowledged::of(100, 100_000, &names), names)
    }

    const TEN: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    /// A moment at which no topic has acknowledged anything for long.
    const LATER: Duration = Duration::from_secs(3600);

    /// Begins records of this size until one does not fit, and returns those that did.
    fn fill(waiting: &Arc<Unacknowledged>, topic: &Arc<str>, bytes: usize) -> Vec<PendingGuard> {
        (0..1000).map_while(|_| waiting.begin_at(LATER, topic, bytes).ok()).collect()
    }

    #[test]
    fn a_topic_that_does_not_acknowledge_leaves_the_others_theirs() {
        let (waiting, topics) = waiting(&TEN);
        let first = fill(&waiting, &topics[0], 1);
        assert_eq!(first.len(), 25, "a quarter");
        let second = fill(&waiting, &topics[1], 1);
        assert_eq!(second.len(), 10, "a second one has its share, and no more");
        drop((first, second));
        assert_eq!(fill(&waiting, &topics[2], 1).len(), 25, "what has ended is given back");
    }

    /// Checks how many records the first of ten topics may hold, if its latest acknowledgement is `age` milliseconds old and others hold
    /// this many.
    #[track_caller]
    fn check(age: Option<u64>, others: &[(usize, usize)], bytes: usize, expected: usize) {
        let (waiting, topics) = waiting(&TEN);
        let held: Vec<_> =
            others.iter().flat_map(|(topic, held)| (0..*held).map(|_| waiting.begin_at(LATER, &topics[*topic], bytes))).collect();
        assert!(held.iter().all(Result::is_ok), "the others' share");
        if let Some(age) = age {
            waiting.acknowledged_at(LATER.saturating_sub(Duration::from_millis(age)), &topics[0]);
        }
        assert_eq!(fill(&waiting, &topics[0], bytes).len(), expected, "{age:?} {others:?}");
    }

    #[test]
    fn a_topic_that_acknowledges_may_use_what_nobody_else_needs() {
        // Each of the nine others keeps a tenth of a quarter.
        for age in [0, 999] {
            check(Some(age), &[], 1, 78);
        }
        for age in [Some(1000), Some(60_000), None] {
            check(age, &[], 1, 25);
        }
        // What another topic already holds need not be kept free for it, but is taken.
        check(Some(0), &[(1, 1)], 1, 78);
        check(Some(0), &[(1, 10)], 1, 70);
        check(Some(0), &[(1, 10), (2, 10), (3, 10)], 1, 55);
        check(None, &[(1, 10)], 1, 15);
        check(None, &[(1, 10), (2, 10)], 1, 10);
        // A topic that does not acknowledge takes no more than a quarter of the bytes either.
        check(Some(0), &[], 5000, 15);
        check(None, &[], 5000, 5);
    }

    /// Only a topic's own acknowledgements count for it.
    #[test]
    fn another_topics_acknowledgement_is_no_reason() {
        let (waiting, topics) = waiting(&TEN);
        waiting.acknowledged_at(LATER, &topics[1]);
        let mute = fill(&waiting, &topics[0], 1);
        assert_eq!(mute.len(), 25, "a quarter");
        let healthy = fill(&waiting, &topics[1], 1);
        assert_eq!(healthy.len(), 55, "beside the mute one's quarter");
        assert!(waiting.begin_at(LATER, &topics[2], 1).is_ok(), "the others have theirs");
    }

    /// Shares of less than one record are kept free too, all together.
    #[test]
    fn many_topics_share_little() {
        let names: Vec<String> = (0..64).map(|number| format!("topic-{number}")).collect();
        let (waiting, topics) = waiting(&names.iter().map(String::as_str).collect::<Vec<_>>());
        waiting.acknowledged_at(LATER, &topics[0]);
        assert_eq!(fill(&waiting, &topics[0], 1).len(), 76);
    }

    #[test]
    fn bytes_count_as_well() {
        let (waiting, topics) = waiting(&TEN);
        let first = fill(&waiting, &topics[0], 5000);
        assert_eq!(first.len(), 5, "a quarter");
        assert_eq!(fill(&waiting, &topics[1], 5000).len(), 2, "its share");
        let huge = fill(&waiting, &topics[2], 90_000);
        assert_eq!(huge.len(), 1, "the first one, whatever its size");
        assert_eq!(waiting.all.deliveries.load(Ordering::Relaxed), 6, "a refusal holds nothing");
    }

    #[test]
    fn a_topic_that_is_alone_has_it_all() {
        let (waiting, topics) = waiting(&["a"]);
        assert_eq!(fill(&waiting, &topics[0], 1).len(), 100);
    }
}
