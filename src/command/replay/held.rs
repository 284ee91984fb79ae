//! The events that a run may publish.

use std::cmp::Ordering;

use crate::{command::oldest::Aged, proto::Event};

/// The place of an event in the order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ArrivalPlace(i64, i32, String);

impl ArrivalPlace {
    /// Returns the place of an event: by its arrival, and by its id where that is the same.
    pub(super) fn of(event: &Event) -> Self {
        let at = event.received_at.unwrap_or_default();
        Self(at.seconds, at.nanos, event.id.clone())
    }
}

/// An event and why it is where it is.
pub(super) struct HeldEvent {
    place: ArrivalPlace,
    pub(super) reason: String,
    pub(super) event: Event,
}

impl HeldEvent {
    /// Returns an event with its place in the order of time.
    pub(super) fn new(reason: String, event: Event) -> Self {
        Self { place: ArrivalPlace::of(&event), reason, event }
    }
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

    #[test]
    fn the_oldest_are_held_in_order() {
        fn check(times: &[i64], number_max: usize, kept: &[i64], left: u64) {
            let mut held = Oldest::new(number_max);
            for (number, seconds) in times.iter().enumerate() {
                let at = Timestamp { seconds: *seconds, nanos: 0 };
                held.take(HeldEvent::new(
                    "not_json".into(),
                    Event { id: number.to_string(), received_at: Some(at), ..Event::default() },
                ));
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

    #[test]
    fn bodies_are_bounded_in_total() {
        let mut held = Oldest::new(1000);
        for number in 0..40 {
            let body = vec![0; 8 << 20].into();
            let at = Timestamp { seconds: number, nanos: 0 };
            held.take(HeldEvent::new(
                "not_json".into(),
                Event { id: number.to_string(), received_at: Some(at), body, ..Event::default() },
            ));
        }
        let (found, left) = held.into_sorted();
        assert_eq!((found.len(), left), (32, 8));
    }
}
