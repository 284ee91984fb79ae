//! The events that a run may publish: the oldest ones, bounded in number and in bytes.

use std::{cmp::Ordering, collections::BinaryHeap, time::SystemTime};

use crate::command::missing::Occurrence;

/// The most bytes of the API's answers that are held.
const BYTES_MAX: usize = 256 << 20;

/// An event that can be published.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// When it happened, if that is known.
    pub(super) at: Option<SystemTime>,
    pub(super) event_type: &'static str,
    pub(super) subject: String,
    pub(super) twin: u32,
    /// What the API says of it.
    pub(super) object: String,
}

impl Candidate {
    /// Candidates are in the order of time; those without a time come first.
    fn order(&self) -> (Option<SystemTime>, &str, &str, u32) {
        (self.at, self.event_type, &self.subject, self.twin)
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The oldest candidates so far, and how many newer ones there are.
#[derive(Debug)]
pub(super) struct Candidates {
    kept: BinaryHeap<Candidate>,
    number_max: usize,
    bytes: usize,
    left: u64,
}

impl Candidates {
    /// Returns an empty set of at most this many.
    pub(super) fn new(number_max: u32) -> Self {
        Self { kept: BinaryHeap::new(), number_max: usize::try_from(number_max).unwrap_or(usize::MAX), bytes: 0, left: 0 }
    }

    /// Takes an event; the newest one makes room where there are too many.
    pub(super) fn take(&mut self, event: Occurrence<'_>) {
        let Occurrence { event_type, subject, at, twin, object } = event;
        self.bytes += object.len();
        self.kept.push(Candidate { at, event_type, subject: subject.to_owned(), twin, object: object.to_owned() });
        while self.kept.len() > self.number_max || self.bytes > BYTES_MAX {
            let Some(newest) = self.kept.pop() else { return };
            self.bytes -= newest.object.len();
            self.left += 1;
        }
    }

    /// Returns the candidates, oldest first, and how many newer ones there are.
    pub(super) fn oldest(self) -> (Vec<Candidate>, u64) {
        (self.kept.into_sorted_vec(), self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_oldest_are_kept_in_order() {
        fn check(times: &[u64], number_max: u32, kept: &[u64], left: u64) {
            let mut candidates = Candidates::new(number_max);
            for time in times {
                let at = Some(UNIX_EPOCH + Duration::from_secs(*time));
                candidates.take(Occurrence { event_type: "file.stored", subject: "u", at, twin: 0, object: "{}" });
            }
            let (found, more) = candidates.oldest();
            let found: Vec<u64> = found.iter().filter_map(|it| Some(it.at?.duration_since(UNIX_EPOCH).ok()?.as_secs())).collect();
            assert_eq!((&*found, more), (kept, left));
        }
        check(&[], 2, &[], 0);
        check(&[3, 1, 2], 3, &[1, 2, 3], 0);
        check(&[3, 1, 2], 2, &[1, 2], 1);
        check(&[1, 1, 1], 2, &[1, 1], 1);
        check(&[5, 4, 3, 2, 1], 1, &[1], 4);
    }
}
