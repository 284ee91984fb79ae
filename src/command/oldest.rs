//! The oldest of many things, bounded in number and in bytes, for runs that publish in the order of time.

use std::{cmp::Ordering, collections::BinaryHeap};

/// The most bytes that are held.
const BYTES_MAX: usize = 256 << 20;

/// Something that is held.
pub(super) trait Aged {
    /// Returns its place in the order of time.
    fn order(&self) -> impl Ord;

    /// Returns how many bytes it takes.
    fn bytes(&self) -> usize;
}

/// A thing that is compared by its place alone.
#[derive(Debug)]
struct Placed<T>(T);

impl<T: Aged> PartialEq for Placed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Aged> Eq for Placed<T> {}

impl<T: Aged> Ord for Placed<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.order().cmp(&other.0.order())
    }
}

impl<T: Aged> PartialOrd for Placed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The oldest things so far, and how many newer ones there are.
#[derive(Debug)]
pub(super) struct Oldest<T> {
    kept: BinaryHeap<Placed<T>>,
    number_max: usize,
    bytes: usize,
    left: u64,
}

impl<T: Aged> Oldest<T> {
    /// Returns an empty set of at most this many.
    pub(super) fn new(number_max: usize) -> Self {
        Self { kept: BinaryHeap::new(), number_max, bytes: 0, left: 0 }
    }

    /// Takes a thing; the newest one makes room where there are too many. A single one may be larger than the bound, or a run could never get
    /// past it.
    pub(super) fn take(&mut self, thing: T) {
        self.bytes += thing.bytes();
        self.kept.push(Placed(thing));
        while self.kept.len() > self.number_max || (self.bytes > BYTES_MAX && self.kept.len() > 1) {
            let Some(Placed(newest)) = self.kept.pop() else { return };
            self.bytes -= newest.bytes();
            self.left += 1;
        }
    }

    /// Returns what is kept, oldest first, and how many newer ones there are.
    pub(super) fn into_sorted(self) -> (Vec<T>, u64) {
        (self.kept.into_sorted_vec().into_iter().map(|Placed(thing)| thing).collect(), self.left)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Thing(u64, usize);

    impl Aged for Thing {
        fn order(&self) -> impl Ord {
            self.0
        }

        fn bytes(&self) -> usize {
            self.1
        }
    }

    /// Checks that things are kept and returned by their time. `make` makes the thing of a number, with a time in seconds, and `time` reads
    /// the time again.
    #[track_caller]
    pub(in crate::command) fn check_order<T: Aged>(make: impl Fn(u32, u64) -> T, time: impl Fn(&T) -> u64) {
        let check = |times: &[u64], number_max: usize, kept: &[u64], left: u64| {
            let mut oldest = Oldest::new(number_max);
            for (number, time) in (0..).zip(times) {
                oldest.take(make(number, *time));
            }
            let (found, more) = oldest.into_sorted();
            let found: Vec<u64> = found.iter().map(&time).collect();
            assert_eq!((&*found, more), (kept, left), "{times:?}");
        };
        check(&[], 2, &[], 0);
        check(&[3, 1, 2], 3, &[1, 2, 3], 0);
        check(&[3, 1, 2], 2, &[1, 2], 1);
        check(&[1, 1, 1], 2, &[1, 1], 1);
        check(&[5, 4, 3, 2, 1], 1, &[1], 4);
    }

    /// Checks that the bytes of things are bounded. `make` makes the thing of a number, of 8 MiB.
    #[track_caller]
    pub(in crate::command) fn check_bytes<T: Aged>(make: impl Fn(u32) -> T) {
        let mut oldest = Oldest::new(1000);
        (0..40).for_each(|number| oldest.take(make(number)));
        let (found, left) = oldest.into_sorted();
        assert_eq!((found.len(), left), (32, 8));
    }

    #[test]
    fn the_oldest_are_kept_in_order() {
        check_order(|_, time| Thing(time, 2), |thing| thing.0);
    }

    #[test]
    fn bytes_are_bounded_in_total() {
        check_bytes(|number| Thing(number.into(), 8 << 20));
    }

    #[test]
    fn a_single_large_one_is_kept() {
        let mut oldest = Oldest::new(10);
        oldest.take(Thing(2, BYTES_MAX + 1));
        oldest.take(Thing(1, BYTES_MAX + 1));
        assert_eq!(oldest.into_sorted(), (vec![Thing(1, BYTES_MAX + 1)], 1));
    }
}
