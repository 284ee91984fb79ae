//! Puts the records that were there when reading began in the order of time. Each partition keeps its own order, whatever the times of its
//! records say.

use std::collections::{BTreeMap, BTreeSet};

use crate::kafka::read::{Partition, StoredRecord};

/// The most bytes of records that may wait to be put in order. Beyond it the oldest record is shown, although an older one may still come.
const BYTES_MAX: usize = 64 << 20;

/// Records that wait for older ones of other partitions.
pub(super) struct Backlog {
    /// The waiting records by time, then by partition and offset.
    waiting: BTreeMap<(i64, Partition, i64), StoredRecord>,
    bytes: usize,
    /// The latest time that each partition has reached.
    reached: BTreeMap<Partition, i64>,
    /// How many of the latest records are wanted, if not all. Which ones these are is known only at the end.
    last: Option<usize>,
    bytes_max: usize,
}

impl Backlog {
    /// Returns a backlog for all records, or for this many of the latest.
    pub(super) fn new(last: Option<usize>) -> Self {
        Self { waiting: BTreeMap::new(), bytes: 0, reached: BTreeMap::new(), last, bytes_max: BYTES_MAX }
    }

    /// Adds a record, or only notes how far its partition has come.
    pub(super) fn push(&mut self, stored: StoredRecord, wanted: bool) {
        let place = (stored.topic.clone(), stored.partition);
        let time = stored.timestamp_ms.unwrap_or_default();
        let reached = self.reached.entry(place.clone()).or_insert(time);
        *reached = time.max(*reached);
        if wanted {
            self.bytes += weight(&stored);
            self.waiting.insert((*reached, place, stored.offset), stored);
        }
        while self.last.is_some_and(|last| self.waiting.len() > last) {
            let _too_old = self.pop();
        }
    }

    /// Returns the next record that no unread record of `pending` can precede.
    pub(super) fn pop_settled(&mut self, pending: &BTreeSet<Partition>) -> Option<StoredRecord> {
        if pending.is_empty() || (self.bytes > self.bytes_max && self.last.is_none()) {
            return self.pop();
        }
        let ((time, ..), _) = self.waiting.first_key_value()?;
        let passed = |place| self.reached.get(place).is_some_and(|reached| reached > time);
        (self.last.is_none() && pending.iter().all(passed)).then(|| self.pop())?
    }

    fn pop(&mut self) -> Option<StoredRecord> {
        let (_, stored) = self.waiting.pop_first()?;
        self.bytes -= weight(&stored);
        Some(stored)
    }
}

/// Returns about how much memory a record takes.
fn weight(stored: &StoredRecord) -> usize {
    let headers: usize = stored.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
    stored.key_bytes().len() + stored.value_bytes().len() + headers + 512
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Topic, offset and time of a record.
    type Of = (&'static str, i64, i64);

    fn stored((topic, offset, time): Of) -> StoredRecord {
        let (key, headers, value) = (Some(Vec::new()), Vec::new(), Some(Vec::new()));
        StoredRecord { topic: topic.into(), partition: 0, offset, timestamp_ms: Some(time), key, headers, value }
    }

    /// Reads records to the end of these partitions, and compares what comes out with `expected`: each record with the number of records that
    /// were read before it.
    fn check(mut backlog: Backlog, read: &[Of], expected: &[(usize, &str, i64)]) {
        let left = |from: usize| read[from..].iter().map(|(topic, ..)| ((*topic).to_owned(), 0)).collect::<BTreeSet<Partition>>();
        let mut out = Vec::new();
        for (at, of) in read.iter().enumerate() {
            // A negative time stands for a record that a filter has refused.
            let (topic, offset, time) = *of;
            backlog.push(stored((topic, offset, time.abs())), time > 0);
            while let Some(stored) = backlog.pop_settled(&left(at + 1)) {
                out.push((at + 1, stored.topic, stored.offset));
            }
        }
        let expected: Vec<_> = expected.iter().map(|(at, topic, offset)| (*at, (*topic).to_owned(), *offset)).collect();
        assert_eq!(out, expected);
    }

    #[test]
    fn partitions_are_merged_by_time() {
        let all = || Backlog::new(None);
        check(all(), &[("a", 0, 5)], &[(1, "a", 0)]);
        // No record comes out before every partition has passed its time.
        check(
            all(),
            &[("a", 0, 10), ("a", 1, 30), ("b", 0, 20), ("b", 1, 40)],
            &[(3, "a", 0), (4, "b", 0), (4, "a", 1), (4, "b", 1)],
        );
        // A partition's own order counts more than its times.
        check(all(), &[("a", 0, 30), ("a", 1, 10), ("b", 0, 20)], &[(3, "b", 0), (3, "a", 0), (3, "a", 1)]);
        // A record that a filter refuses still shows how far its partition is.
        check(all(), &[("a", 0, 10), ("b", 0, -20), ("a", 1, -15), ("b", 1, 50)], &[(3, "a", 0), (4, "b", 1)]);
        // Records of the same time come in the order of their topics.
        check(all(), &[("b", 0, 1), ("a", 0, 1)], &[(2, "a", 0), (2, "b", 0)]);
    }

    #[test]
    fn the_last_ones_are_the_last_of_all() {
        let read = [("a", 0, 1), ("a", 1, 2), ("b", 0, 9), ("a", 2, -10), ("b", 1, 3)];
        check(Backlog::new(Some(2)), &read, &[(5, "b", 0), (5, "b", 1)]);
        check(Backlog::new(Some(3)), &read, &[(5, "a", 1), (5, "b", 0), (5, "b", 1)]);
        check(Backlog::new(Some(9)), &read[..1], &[(1, "a", 0)]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let small = Backlog { bytes_max: 1, ..Backlog::new(None) };
        check(small, &[("a", 0, 10), ("b", 0, 5)], &[(1, "a", 0), (2, "b", 0)]);
    }
}
