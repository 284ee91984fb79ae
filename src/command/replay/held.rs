//! The events that a run may publish.

use super::judge::ReplayOutcome;
use crate::{command::oldest::Aged, kafka::read::StoredRecord, proto::Event};

/// The place of an event in the order of time: its arrival, its id, and where its record is. No two records have the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ArrivalPlace(i64, i32, String, String, i32, i64);

impl ArrivalPlace {
    /// Returns the place of an event and its record.
    pub(super) fn of(event: &Event, stored: &StoredRecord) -> Self {
        let at = event.received_at.unwrap_or_default();
        Self(at.seconds, at.nanos, event.id.clone(), stored.topic.clone(), stored.partition, stored.offset)
    }
}

/// An event, why it is where it is, and what becomes of it.
pub(super) struct HeldEvent {
    pub(super) place: ArrivalPlace,
    pub(super) reason: String,
    pub(super) outcome: ReplayOutcome,
    /// The topic of its type.
    pub(super) topic: String,
    pub(super) event: Event,
}

impl Aged for HeldEvent {
    fn order(&self) -> impl Ord {
        &self.place
    }

    fn bytes(&self) -> usize {
        self.event.body.len()
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;
    use crate::command::oldest::tests::{check_bytes, check_order};

    fn held(number: i64, seconds: i64, body: Vec<u8>) -> HeldEvent {
        let at = Timestamp { seconds, nanos: 0 };
        let event = Event { id: "same".into(), received_at: Some(at), body: body.into(), ..Event::default() };
        let (topic, headers) = ("t".to_owned(), Vec::new());
        let stored = StoredRecord { topic, partition: 0, offset: number, timestamp_ms: None, key: None, headers, value: None };
        let (place, outcome) = (ArrivalPlace::of(&event, &stored), ReplayOutcome::Passes);
        HeldEvent { place, reason: "not_json".into(), outcome, topic: "typed".into(), event }
    }

    #[test]
    fn the_oldest_are_held_in_order() {
        let make = |number: u32, seconds: u64| held(number.into(), seconds.try_into().unwrap(), Vec::new());
        check_order(make, |it| it.event.received_at.unwrap().seconds.try_into().unwrap());
    }

    /// The same delivery is stored twice: a second look, which begins after the first one, must find the other.
    #[test]
    fn each_record_has_its_own_place() {
        assert!(held(1, 7, Vec::new()).place < held(2, 7, Vec::new()).place);
    }

    #[test]
    fn bodies_are_bounded_in_total() {
        check_bytes(|number| held(number.into(), number.into(), vec![0; 8 << 20]));
    }
}
