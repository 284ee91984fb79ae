//! The events that a run may publish.

use std::cmp::Ordering;

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

impl PartialEq for HeldEvent {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for HeldEvent {}

impl Ord for HeldEvent {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for HeldEvent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Aged for HeldEvent {
    fn bytes(&self) -> usize {
        self.event.body.len()
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;
    use crate::command::oldest::Oldest;

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
        fn check(times: &[i64], number_max: usize, kept: &[i64], left: u64) {
            let mut held = Oldest::new(number_max);
            for (number, seconds) in times.iter().enumerate() {
                held.take(self::held(i64::try_from(number).unwrap(), *seconds, Vec::new()));
            }
            let (found, more) = held.into_sorted();
            let found: Vec<i64> = found.iter().filter_map(|it| Some(it.event.received_at?.seconds)).collect();
            assert_eq!((&*found, more), (kept, left), "{times:?}");
        }
        check(&[], 2, &[], 0);
        check(&[3, 1, 2], 3, &[1, 2, 3], 0);
        check(&[3, 1, 2], 2, &[1, 2], 1);
        check(&[1, 1, 1], 2, &[1, 1], 1);
        check(&[5, 4, 3, 2, 1], 1, &[1], 4);
    }

    /// The same delivery is stored twice: a second look, which begins after the first one, must find the other.
    #[test]
    fn each_record_has_its_own_place() {
        assert!(held(1, 7, Vec::new()).place < held(2, 7, Vec::new()).place);
    }

    #[test]
    fn bodies_are_bounded_in_total() {
        let mut held = Oldest::new(1000);
        for number in 0..40 {
            held.take(self::held(number, number, vec![0; 8 << 20]));
        }
        let (found, left) = held.into_sorted();
        assert_eq!((found.len(), left), (32, 8));
    }
}
