//! The events that a run may publish.

use std::time::SystemTime;

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
}

impl Aged for Candidate {
    fn order(&self) -> impl Ord {
        self.occurrence().order()
    }

    fn bytes(&self) -> usize {
        self.object.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::command::oldest::tests::check_order;

    #[test]
    fn the_oldest_are_kept_in_order() {
        let make = |_, seconds| {
            let at = Some(UNIX_EPOCH + Duration::from_secs(seconds));
            Candidate::of(Occurrence { event_type: "file.stored", subject: "u", at, twin: 0, object: "{}" })
        };
        check_order(make, |it| it.at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap().as_secs());
    }
}
