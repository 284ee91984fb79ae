//! What waits for the acknowledgement of each topic, and how much may: a topic that does not acknowledge must not take what the others need,
//! neither deliveries in flight nor librdkafka's queue.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{config::Config, error::Error};

/// Beyond its share a topic gets more only while all of them together hold no more than this part of the whole. It is half of what an
/// endpoint may hold by the same rule, so that the endpoint's other topics go on.
const PART: u64 = 4;

/// What all topics hold together, and what they may hold.
pub(super) struct Waiting {
    all: Held,
    topics: HashMap<Arc<str>, Held>,
    deliveries: Limit,
    bytes: Limit,
}

#[derive(Default)]
struct Held {
    deliveries: AtomicU64,
    bytes: AtomicU64,
}

/// How much there is of something, and what each topic may have of it, whatever the others do.
#[derive(Clone, Copy)]
struct Limit {
    whole: u64,
    share: u64,
}

impl Limit {
    fn new(whole: u64, topics: usize) -> Self {
        Self { whole, share: whole / topics.max(1) as u64 }
    }

    /// Whether a topic may hold `own` while all of them hold `all`. One record always fits.
    fn fits(self, own: u64, all: u64, first: bool) -> bool {
        first || own <= self.share || all <= self.whole / PART
    }
}

impl Waiting {
    /// Nothing waits yet.
    pub(super) fn new(config: &Config, topics: &[Arc<str>]) -> Arc<Self> {
        Arc::new(Self {
            all: Held::default(),
            topics: topics.iter().map(|topic| (Arc::clone(topic), Held::default())).collect(),
            deliveries: Limit::new(config.http.max_in_flight as u64, topics.len()),
            bytes: Limit::new(config.kafka.queue_bytes, topics.len()),
        })
    }

    /// One more record for a topic, or why not.
    pub(super) fn begin(self: &Arc<Self>, topic: &Arc<str>, bytes: usize) -> Result<Waits, Error> {
        // The guard is there first, so that a refusal gives back what it took.
        let waits = Waits { waiting: Arc::clone(self), topic: Arc::clone(topic), bytes: bytes as u64 };
        let add = |held: &Held| {
            let deliveries = held.deliveries.fetch_add(1, Ordering::Relaxed) + 1;
            (deliveries, held.bytes.fetch_add(waits.bytes, Ordering::Relaxed) + waits.bytes)
        };
        let all = add(&self.all);
        let own = self.topics.get(topic).map_or((1, waits.bytes), add);
        let first = own.0 == 1;
        if self.deliveries.fits(own.0, all.0, first) && self.bytes.fits(own.1, all.1, first) {
            Ok(waits)
        } else {
            Err(Error::Overloaded)
        }
    }
}

/// A record that waits for its topic; dropping it gives back what it holds.
pub(super) struct Waits {
    waiting: Arc<Waiting>,
    pub(super) topic: Arc<str>,
    pub(super) bytes: u64,
}

impl Drop for Waits {
    fn drop(&mut self) {
        for held in [Some(&self.waiting.all), self.waiting.topics.get(&self.topic)].into_iter().flatten() {
            held.deliveries.fetch_sub(1, Ordering::Relaxed);
            held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(topics: &[&str]) -> (Arc<Waiting>, Vec<Arc<str>>) {
        let names: Vec<Arc<str>> = topics.iter().map(|topic| Arc::from(*topic)).collect();
        let whole = |whole| Limit::new(whole, names.len());
        let topics = names.iter().map(|name| (Arc::clone(name), Held::default())).collect();
        (Arc::new(Waiting { all: Held::default(), topics, deliveries: whole(100), bytes: whole(100_000) }), names)
    }

    /// As many records of a size as fit.
    fn fill(waiting: &Arc<Waiting>, topic: &Arc<str>, bytes: usize) -> Vec<Waits> {
        (0..1000).map_while(|_| waiting.begin(topic, bytes).ok()).collect()
    }

    #[test]
    fn a_topic_that_does_not_acknowledge_leaves_the_others_theirs() {
        let (waiting, topics) = waiting(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
        let first = fill(&waiting, &topics[0], 1);
        assert_eq!(first.len(), 25, "a quarter");
        let second = fill(&waiting, &topics[1], 1);
        assert_eq!(second.len(), 10, "a second one has its share, and no more");
        drop((first, second));
        assert_eq!(fill(&waiting, &topics[2], 1).len(), 25, "what has ended is given back");
    }

    #[test]
    fn bytes_count_as_well() {
        let (waiting, topics) = waiting(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
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
