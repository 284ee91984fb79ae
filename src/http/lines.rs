//! How many log lines refusals write. A sender that proves nothing must not choose how fast the log grows: of each outcome, the first 20
//! refusals in a second are logged, and after them one in 100. A line says how many were left out before it.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{
    closed::Each,
    error::{Error, Refusal},
};

/// The refusals of one outcome that are always logged, in a second.
const FREE: u32 = 20;
/// After them, one refusal in this many is logged.
const ONE_IN: u32 = 100;

/// The rate of refusals of each outcome.
pub struct Lines {
    start: Instant,
    outcomes: Each<Refusal, RefusalRate>,
}

#[derive(Default)]
struct RefusalRate {
    /// The second that is being counted, since the start.
    second: AtomicU64,
    /// The refusals in that second.
    refusals: AtomicU32,
    /// The lines that were left out since the last one that was written.
    suppressed: AtomicU64,
}

/// Whether a refusal is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The refusal is logged, after others of the same outcome that were not.
    Written {
        /// How many of the same outcome were left out since the last line.
        suppressed: u64,
    },
    /// The refusal is not logged, because there were too many of its outcome.
    Suppressed,
    /// Refusals of this outcome are never logged.
    Quiet,
}

impl Default for Lines {
    fn default() -> Self {
        Self { start: Instant::now(), outcomes: Each::new(|_| RefusalRate::default()) }
    }
}

impl Lines {
    /// Counts one refusal, and decides whether it is logged.
    pub(super) fn judge(&self, error: &Error) -> Line {
        self.judge_at(error, self.start.elapsed())
    }

    fn judge_at(&self, error: &Error, now: Duration) -> Line {
        match error {
            // The log is one of the things that a limit of refusals protects.
            Error::SourceLimited => return Line::Quiet,
            // Its sender is proven, so nobody else can make it happen more often.
            Error::PublishTimeout | Error::PublishFailed(_) | Error::Internal => return Line::Written { suppressed: 0 },
            _ => {}
        }
        let outcome = self.outcomes.of(error.answer().refusal);
        if outcome.second.swap(now.as_secs(), Ordering::Relaxed) != now.as_secs() {
            outcome.refusals.store(0, Ordering::Relaxed);
        }
        let before = outcome.refusals.fetch_add(1, Ordering::Relaxed);
        if before < FREE || before.is_multiple_of(ONE_IN) {
            return Line::Written { suppressed: outcome.suppressed.swap(0, Ordering::Relaxed) };
        }
        outcome.suppressed.fetch_add(1, Ordering::Relaxed);
        Line::Suppressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many of `refusals` in one second are logged, and how many were left out by the count in those lines.
    fn written(lines: &Lines, error: &Error, refusals: u32, second: u64) -> (u64, u64) {
        let verdicts = (0..refusals).map(|_| lines.judge_at(error, Duration::from_millis(second * 1000 + 500)));
        verdicts.fold((0, 0), |(written, left_out), line| match line {
            Line::Written { suppressed } => (written + 1, left_out + suppressed),
            Line::Suppressed | Line::Quiet => (written, left_out),
        })
    }

    #[test]
    fn a_flood_of_refusals_has_few_lines_and_they_say_how_many_it_were() {
        fn check(error: &Error) {
            let lines = Lines::default();
            assert_eq!(written(&lines, error, FREE, 0), (20, 0), "{error}: at a usual rate all are written");
            assert_eq!(written(&lines, error, 980, 0), (9, 80 + 8 * 99), "{error}: beyond it one in a hundred");
            assert_eq!(written(&lines, error, 1, 1), (1, 99), "{error}: the next second begins anew");
        }
        for error in [Error::BadSignature, Error::UnknownEndpoint, Error::Overloaded, Error::NoSecret, Error::Draining] {
            check(&error);
        }
    }

    #[test]
    fn outcomes_do_not_hide_each_other() {
        let lines = Lines::default();
        assert_eq!(written(&lines, &Error::UnknownEndpoint, 100_000, 0).0, 20 + 999);
        assert_eq!(written(&lines, &Error::BadToken, 20, 0), (20, 0));
    }

    #[test]
    fn what_happens_to_proven_deliveries_is_always_written() {
        let lines = Lines::default();
        for error in [Error::PublishTimeout, Error::PublishFailed(String::new()), Error::Internal] {
            assert_eq!(written(&lines, &error, 10_000, 0), (10_000, 0), "{error}");
        }
        assert_eq!(lines.judge(&Error::SourceLimited), Line::Quiet);
    }
}
