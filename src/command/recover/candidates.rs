//! The events that a run may publish.

use std::{cmp::Ordering, time::SystemTime};

use crate::command::{missing::Occurrence, oldest::Aged};

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
    /// Returns a copy of an event that outlives the answer that it is part of.
    pub(super) fn of(event: Occurrence<'_>) -> Self {
        let Occurrence { event_type, subject, at, twin, object } = event;
        Self { at, event_type, subject: subject.to_owned(), twin, object: object.to_owned() }
    }

    /// Returns the event as it was found.
    pub(super) fn occurrence(&self) -> Occurrence<'_> {
        let Self { at, event_type, subject, twin, object } = self;
        Occurrence { event_type, subject, at: *at, twin: *twin, object }
    }

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

impl Aged for Candidate {
    fn bytes(&self) -> usize {
        self.object.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::command::oldest::Oldest;

    #[test]
    fn the_oldest_are_kept_in_order() {
        fn check(times: &[u64], number_max: usize, kept: &[u64], left: u64) {
            let mut candidates = Oldest::new(number_max);
            for time in times {
                let at = Some(UNIX_EPOCH + Duration::from_secs(*time));
                candidates.take(Candidate::of(Occurrence { event_type: "file.stored", subject: "u", at, twin: 0, object: "{}" }));
            }
            let (found, more) = candidates.into_sorted();
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
