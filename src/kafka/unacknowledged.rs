//! What waits for the acknowledgement of each topic, and how much may: a topic that does not acknowledge must not take what the others need,
//! neither deliveries in flight nor librdkafka's queue. One that does may take what nobody else needs.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{config::Config, error::Error, logged::milliseconds};

/// A topic that does not acknowledge gets more than its share only while all of them together hold no more than this part of the whole. It
/// is half of what an endpoint may hold by the same rule, so that the endpoint's other topics go on. As large a part is kept free of a topic
/// that does acknowledge, for the others.
const PART: u64 = 4;

/// A topic whose latest acknowledgement is younger than this acknowledges.
const RECENT: Duration = Duration::from_secs(1);

/// What all topics hold together, and what they may hold.
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
    /// When Kafka last acknowledged one of its records: milliseconds after `begun`, counted from 1. 0 before the first.
    acknowledged: AtomicU64,
}

impl TopicUsage {
    fn acknowledges(&self, now: Duration) -> bool {
        let last = self.acknowledged.load(Ordering::Relaxed);
        last > 0 && (milliseconds(now) + 1).saturating_sub(last) < milliseconds(RECENT)
    }
}

/// How much there is of something, for how many topics.
#[derive(Clone, Copy)]
struct TopicLimit {
    whole: u64,
    topics: u64,
}

impl TopicLimit {
    fn new(whole: u64, topics: usize) -> Self {
        Self { whole, topics: topics.max(1) as u64 }
    }

    /// What a topic may hold whatever the others do.
    fn share(self) -> u64 {
        self.whole / self.topics
    }

    /// Whether a topic may hold `own` while all of them hold `all`, and each of the others what `others` says. One that acknowledges leaves
    /// each other topic an equal share of [`PART`], as far as that one does not hold it yet.
    fn fits(self, own: u64, all: u64, acknowledges: bool, others: impl Iterator<Item = u64>) -> bool {
        if own <= self.share() || all <= self.whole / PART {
            return true;
        }
        // Divided at the end, because a share may be less than one.
        let parts = PART * self.topics;
        let unused = || others.map(|held| self.whole.saturating_sub(held.saturating_mul(parts))).sum::<u64>() / parts;
        acknowledges && all + unused() <= self.whole
    }
}

impl Unacknowledged {
    /// Nothing waits yet.
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

    /// One more record for a topic, or why not.
    pub(super) fn begin(self: &Arc<Self>, topic: &Arc<str>, bytes: usize) -> Result<PendingGuard, Error> {
        self.begin_at(self.begun.elapsed(), topic, bytes)
    }

    fn begin_at(self: &Arc<Self>, now: Duration, topic: &Arc<str>, bytes: usize) -> Result<PendingGuard, Error> {
        // The guard is there first, so that a refusal gives back what it took.
        let guard = PendingGuard { unacknowledged: Arc::clone(self), topic: Arc::clone(topic), bytes: bytes as u64 };
        let add = |held: &Usage| {
            let deliveries = held.deliveries.fetch_add(1, Ordering::Relaxed) + 1;
            (deliveries, held.bytes.fetch_add(guard.bytes, Ordering::Relaxed) + guard.bytes)
        };
        let all = add(&self.all);
        let own = self.topics.get(topic).map_or((1, guard.bytes), |topic| add(&topic.held));
        // One record always fits.
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
    /// Kafka has acknowledged it.
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

    /// As many records of a size as fit.
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

    /// What the first of ten topics may hold whose latest acknowledgement is so many milliseconds old, while others hold what they do.
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
        // What another topic holds it needs no more, and is not there.
        check(Some(0), &[(1, 1)], 1, 78);
        check(Some(0), &[(1, 10)], 1, 70);
        check(Some(0), &[(1, 10), (2, 10), (3, 10)], 1, 55);
        check(None, &[(1, 10)], 1, 15);
        check(None, &[(1, 10), (2, 10)], 1, 10);
        // Nor does one that does not acknowledge take more than a quarter of the bytes.
        check(Some(0), &[], 5000, 15);
        check(None, &[], 5000, 5);
    }

    /// Only what this topic acknowledges counts for it.
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

    /// A share of less than one record is kept as well, taken together.
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
