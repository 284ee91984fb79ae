//! The events that a run may publish: the oldest ones, bounded in number and in bytes.

use std::{cmp::Ordering, collections::BinaryHeap};

use crate::proto::Event;

/// The most bytes of bodies that are held.
const BYTES_MAX: usize = 256 << 20;

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
struct Entry(ArrivalPlace, String, Event);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Entry {}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The oldest events so far, and how many newer ones there are.
pub(super) struct HeldEvents {
    kept: BinaryHeap<Entry>,
    number_max: usize,
    bytes: usize,
    left: u64,
}

impl HeldEvents {
    /// Returns an empty set of at most this many.
    pub(super) fn new(number_max: usize) -> Self {
        Self { kept: BinaryHeap::new(), number_max, bytes: 0, left: 0 }
    }

    /// Takes an event; the newest one makes room where there are too many. One that is never left out keeps a run going forward, so a single
    /// event may be larger than the bound.
    pub(super) fn take(&mut self, reason: String, event: Event) {
        self.bytes += event.body.len();
        self.kept.push(Entry(ArrivalPlace::of(&event), reason, event));
        while self.kept.len() > self.number_max || (self.bytes > BYTES_MAX && self.kept.len() > 1) {
            let Some(Entry(_, _, newest)) = self.kept.pop() else { return };
            self.bytes -= newest.body.len();
            self.left += 1;
        }
    }

    /// Returns the events with their reasons, oldest first, and how many newer ones there are.
    pub(super) fn oldest(self) -> (Vec<(String, Event)>, u64) {
        (self.kept.into_sorted_vec().into_iter().map(|Entry(_, reason, event)| (reason, event)).collect(), self.left)
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn the_oldest_are_held_in_order() {
        fn check(times: &[i64], number_max: usize, kept: &[i64], left: u64) {
            let mut held = HeldEvents::new(number_max);
            for (number, seconds) in times.iter().enumerate() {
                let at = Timestamp { seconds: *seconds, nanos: 0 };
                held.take("not_json".into(), Event { id: number.to_string(), received_at: Some(at), ..Event::default() });
            }
            let (found, more) = held.oldest();
            let found: Vec<i64> = found.iter().filter_map(|(_, event)| Some(event.received_at?.seconds)).collect();
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
        let mut held = HeldEvents::new(1000);
        for number in 0..40 {
            let body = vec![0; 8 << 20].into();
            let at = Timestamp { seconds: number, nanos: 0 };
            held.take("not_json".into(), Event { id: number.to_string(), received_at: Some(at), body, ..Event::default() });
        }
        let (found, left) = held.oldest();
        assert_eq!((found.len(), left), (32, 8));
    }
}
