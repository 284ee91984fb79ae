//! The rules that every run must meet, no matter what was broken in it.

use std::time::Duration;

use crate::{
    daemon::Seen,
    delivery::Provider,
    ledger::Books,
    load::{Attempt, Outcome},
    plan::{Allowed, Plan},
};

/// The longest times that are allowed. No other rule depends on how fast the machine is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The longest time to an answer, without the time in which the machine delayed the senders.
    pub(crate) answer: Duration,
    /// The longest time from the end of the fault to the first full second of only 200.
    pub(crate) recovery: Duration,
}

impl Bounds {
    /// The bounds on a machine that does nothing else: an answer within the shortest timeout of a provider, Frame.io's, and recovery within
    /// seconds.
    pub(crate) const FULL: Self = Self { answer: Duration::from_secs(5), recovery: Duration::from_secs(10) };
    /// The bounds on a machine that is busy with something else: every answer must come within the senders' own patience.
    pub(crate) const SHORT: Self = Self { answer: Duration::from_secs(10), recovery: Duration::from_secs(30) };
}

/// Judges the answers and their times.
pub(crate) fn answers(books: &mut Books, plan: &Plan, attempts: &[Attempt], stall: Duration, bounds: Bounds) {
    let wrong: Vec<_> = attempts.iter().filter(|attempt| !allows(plan.allowed, attempt)).collect();
    if let Some(first) = wrong.first() {
        let since = first.begun.saturating_duration_since(attempts[0].begun);
        let fault = format!("{} answers are not allowed, the first {since:?} after the beginning: {first:?}", wrong.len());
        let refusals = wrong.iter().all(|attempt| attempt.outcome == Outcome::Refused);
        if refusals { &mut books.excusable } else { &mut books.faults }.push(fault);
    }
    // librdkafka sends records in doubt again when a broker or the way to it has failed. Duplicates have no other reason.
    if books.resent > 0 && !plan.resends {
        books.excusable.push(format!("{} duplicates without a reason", books.resent));
    }
    let bound = bounds.answer + stall;
    if books.worst > bound {
        let slow = attempts.iter().filter(|attempt| attempt.took > bound).count();
        books.faults.push(format!("{slow} answers took longer than {bound:?}, the slowest {:?}", books.worst));
    }
}

fn allows(allowed: Allowed, attempt: &Attempt) -> bool {
    let provider = Provider::of(attempt.number);
    match &attempt.outcome {
        Outcome::Stored(_) => true,
        Outcome::Refused => match allowed {
            Allowed::Only200 | Allowed::UnauthorizedOf(_) => false,
            Allowed::RefusalsOf(touched) => provider == touched,
            Allowed::Refusals | Allowed::Silence => true,
        },
        Outcome::Silent(_) => allowed == Allowed::Silence,
        Outcome::Other(status) => *status == 401 && allowed == Allowed::UnauthorizedOf(provider),
    }
}

/// Returns whether a run proves nothing, because Kafka itself was too slow and only that explains what is wrong. Otherwise everything that
/// is wrong counts as a fault.
pub(crate) fn is_void(books: &mut Books, kafka_took: Duration, kafka_max: Duration) -> bool {
    let void = kafka_took > kafka_max && books.faults.is_empty() && !books.excusable.is_empty();
    books.faults.append(&mut books.excusable);
    void
}

/// Judges what was seen of the daemons.
pub(crate) fn daemons(books: &mut Books, seen: &[Seen], rss_peak: u64, ceiling: u64) {
    let dead: u64 = seen.iter().map(|seen| seen.dead).sum();
    if dead > 0 {
        books.faults.push(format!("/livez failed {dead} times"));
    }
    if seen.iter().any(|seen| seen.ended) {
        books.faults.push("a daemon ended by itself".into());
    }
    if rss_peak > ceiling {
        books.faults.push(format!("the daemon took {rss_peak} bytes of memory, more than the ceiling of {ceiling}"));
    }
}

/// Judges how long the recovery took.
pub(crate) fn recovery(books: &mut Books, recovery: Option<Duration>, bounds: Bounds) {
    if recovery.is_none_or(|it| it > bounds.recovery) {
        books.faults.push(format!("it did not recover within {:?} ({recovery:?})", bounds.recovery));
    }
}

#[cfg(test)]
mod tests;
