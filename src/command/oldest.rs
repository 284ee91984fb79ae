//! The oldest of many things, bounded in number and in bytes, for runs that publish in the order of time.

use std::collections::BinaryHeap;

/// The most bytes that are held.
const BYTES_MAX: usize = 256 << 20;

/// Something that is held, which is ordered by its time.
pub(super) trait Aged: Ord {
    /// Returns how many bytes it takes.
    fn bytes(&self) -> usize;
}

/// The oldest things so far, and how many newer ones there are.
#[derive(Debug)]
pub(super) struct Oldest<T> {
    kept: BinaryHeap<T>,
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
        self.kept.push(thing);
        while self.kept.len() > self.number_max || (self.bytes > BYTES_MAX && self.kept.len() > 1) {
            let Some(newest) = self.kept.pop() else { return };
            self.bytes -= newest.bytes();
            self.left += 1;
        }
    }

    /// Returns what is kept, oldest first, and how many newer ones there are.
    pub(super) fn into_sorted(self) -> (Vec<T>, u64) {
        (self.kept.into_sorted_vec(), self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Thing(u64, usize);

    impl Aged for Thing {
        fn bytes(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn the_oldest_are_kept_in_order() {
        fn check(times: &[u64], number_max: usize, kept: &[u64], left: u64) {
            let mut oldest = Oldest::new(number_max);
            for time in times {
                oldest.take(Thing(*time, 2));
            }
            let (found, more) = oldest.into_sorted();
            let found: Vec<u64> = found.iter().map(|thing| thing.0).collect();
            assert_eq!((&*found, more), (kept, left), "{times:?}");
        }
        check(&[], 2, &[], 0);
        check(&[3, 1, 2], 3, &[1, 2, 3], 0);
        check(&[3, 1, 2], 2, &[1, 2], 1);
        check(&[1, 1, 1], 2, &[1, 1], 1);
        check(&[5, 4, 3, 2, 1], 1, &[1], 4);
    }

    #[test]
    fn bytes_are_bounded_in_total() {
        let mut oldest = Oldest::new(1000);
        for number in 0..40 {
            oldest.take(Thing(number, 8 << 20));
        }
        let (found, left) = oldest.into_sorted();
        assert_eq!((found.len(), left), (32, 8));
    }

    #[test]
    fn a_single_large_one_is_kept() {
        let mut oldest = Oldest::new(10);
        oldest.take(Thing(2, BYTES_MAX + 1));
        oldest.take(Thing(1, BYTES_MAX + 1));
        assert_eq!(oldest.into_sorted(), (vec![Thing(1, BYTES_MAX + 1)], 1));
    }
}
