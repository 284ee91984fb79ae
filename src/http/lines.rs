//! How many log lines refusals leave. Whoever proves nothing must not choose how fast the log grows: of each outcome so many lines a second are
//! written, and beyond that one in so many, which says how many were left out before it.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{
    closed::Each,
    error::{Error, Refusal},
};

/// The lines of one outcome that are written in any case, in a second.
const FREE: u32 = 20;
/// Beyond them, one in so many.
const ONE_IN: u32 = 100;

/// What each outcome has been given.
pub struct Lines {
    start: Instant,
    outcomes: Each<Refusal, RefusalRate>,
}

#[derive(Default)]
struct RefusalRate {
    /// The second that is counted, since the start.
    second: AtomicU64,
    /// Refusals in it.
    refusals: AtomicU32,
    /// Lines that were left out since the last one.
    suppressed: AtomicU64,
}

/// Whether a refusal has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It has, after so many of the same outcome that had none.
    Written {
        /// How many.
        suppressed: u64,
    },
    /// It has not, because there were too many.
    Suppressed,
    /// It has not, whatever the rate is.
    Quiet,
}

impl Default for Lines {
    fn default() -> Self {
        Self { start: Instant::now(), outcomes: Each::new(|_| RefusalRate::default()) }
    }
}

impl Lines {
    /// Decides about one refusal and counts it.
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

    /// How many of so many refusals in one second have a line, and what the lines say was left out.
    fn written(lines: &Lines, error: &Error, refusals: u32, second: u64) -> (u64, u64) {
        let verdicts = (0..refusals).map(|_| lines.judge_at(error, Duration::from_millis(second * 1000 + 500)));
        verdicts.fold((0, 0), |(written, told), line| match line {
            Line::Written { suppressed } => (written + 1, told + suppressed),
            Line::Suppressed | Line::Quiet => (written, told),
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
