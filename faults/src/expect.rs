//! What a scenario expects in addition to the common rules: above all that its fault had an effect, so that no scenario passes because
//! nothing happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    cluster::Led,
    delivery::Provider,
    ledger::Stored,
    load::{Attempt, Outcome},
};

/// Checks all attempts and records. Returns a note that is worth a line beside the table, or the error.
pub(crate) type Expectation = Box<dyn FnOnce(&[Attempt], &[Stored]) -> Result<Option<String>, String>>;

/// Expects that deliveries of each of these providers got this outcome within this time.
pub(crate) fn answered(providers: &[Provider], outcome: Outcome, within: Range<Instant>) -> Expectation {
    let providers = providers.to_vec();
    Box::new(move |attempts, _| {
        let lacks = |provider: &&Provider| {
            let so =
                |it: &&Attempt| Provider::of(it.number) == **provider && within.contains(&it.ended()) && it.outcome == outcome;
            !attempts.iter().any(|attempt| so(&attempt))
        };
        let none = |provider| Err(format!("the fault had no effect: no answer to {provider:?} was {outcome:?}"));
        providers.iter().find(lacks).map_or(Ok(None), none)
    })
}

/// Expects that the path forgot a connection each night, or none at all.
pub(crate) fn forgotten(connections: usize, patience: f32, nights: Option<usize>) -> Expectation {
    Box::new(move |_, _| match nights {
        Some(nights) if connections < nights => Err(format!(
            "the fault had no effect: after {patience} s the path forgot {connections} connections in {nights} nights"
        )),
        None if connections > 0 => {
            Err(format!("{connections} connections were not closed before the path forgot them, after {patience} s"))
        }
        _ => Ok(Some(format!("a path that forgets after {patience} s forgot {connections} connections that were still used"))),
    })
}

/// Expects that each of these partitions took records before its leader was killed, while another broker led it, and after the leader's
/// return.
pub(crate) fn led_by_another(led: Vec<Led>, away: Range<Instant>) -> Expectation {
    Box::new(move |attempts, records| {
        let by_id: BTreeMap<&str, &Attempt> = attempts.iter().filter_map(|it| Some((stored(it)?, it))).collect();
        let mut seen = BTreeSet::new();
        for record in records {
            let Some(attempt) = by_id.get(&*record.id) else { continue };
            let phase = if attempt.ended() < away.start {
                "before"
            } else if attempt.begun > away.end {
                "after"
            } else if attempt.begun > away.start && attempt.ended() < away.end {
                "while"
            } else {
                continue;
            };
            seen.insert((&*record.topic, record.partition, phase));
        }
        let phases = ["before", "while", "after"];
        let lacks = led.iter().flat_map(|it| phases.map(|phase| (&*it.topic, it.partition, phase))).find(|it| !seen.contains(it));
        match lacks {
            _ if led.is_empty() => Err("the broker led no partition".into()),
            Some((topic, partition, phase)) => {
                Err(format!("{topic} took no record on partition {partition} {phase} its leader was away"))
            }
            None => Ok(Some(format!("{} partitions changed their leader, and took records before, while and after", led.len()))),
        }
    })
}

/// Expects that each event's time of arrival is the time of sending, to the second, by this machine's clock, which the daemon uses too.
pub(crate) fn received_when_sent(now: (Instant, SystemTime)) -> Expectation {
    let wall = move |when: Instant| {
        let time = if when < now.0 { now.1 - (now.0 - when) } else { now.1 + (when - now.0) };
        time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    };
    Box::new(move |attempts, records| {
        let mut times: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for record in records {
            times.entry(&record.id).or_default().push(record.received_at);
        }
        for attempt in attempts {
            let Some(times) = stored(attempt).and_then(|id| times.get(id)) else { continue };
            let when = wall(attempt.begun).saturating_sub(1)..=wall(attempt.ended()) + 1;
            if !times.iter().any(|time| when.contains(time)) {
                return Err(format!("the delivery {} was sent in {when:?}, and its event says {times:?}", attempt.number));
            }
        }
        Ok(None)
    })
}

/// The factor by which an overload may raise the 99th percentile of accepted deliveries.
const SLOWER_MAX: u32 = 3;
/// The time that is added to this bound, because the senders share the processor.
const SLOWER_BY: Duration = Duration::from_millis(250);
/// One in this number of refusals may come after the body was read, because the delivery was admitted but not stored in time.
const LATE_MAX: usize = 20;
/// A load is an overload if at least this many times more is sent than stored. The aim is ten times; a slow machine may send less.
const OVERLOAD_MIN: usize = 5;

/// Expects that there was an overload, that the excess was refused before its bodies were read, and that accepted deliveries kept their
/// latency.
pub(crate) fn overloaded(before: Range<Instant>, during: Range<Instant>) -> Expectation {
    Box::new(move |attempts, _| {
        let sent = |within: &Range<Instant>| attempts.iter().filter(move |it| within.contains(&it.begun)).collect::<Vec<_>>();
        let took = |within| {
            // A sender that stops in the middle of a body caused the wait itself.
            let whole = sent(within).into_iter().filter(|it| it.half.is_none() && stored(it).is_some());
            whole.map(|it| it.took).collect::<Vec<_>>()
        };
        let (calm, busy) = (took(&before), took(&during));
        let all = sent(&during);
        let refused = |early| all.iter().filter(|it| it.half == Some(early) && it.outcome == Outcome::Refused).count();
        let (early, late) = (refused(true), refused(false));
        let (p99_before, p99_during) = (p99(calm), p99(busy.clone()));
        if busy.len() * OVERLOAD_MIN > all.len() {
            return Err(format!("it was no overload: {} of {} were stored", busy.len(), all.len()));
        }
        if early == 0 || late > early / LATE_MAX {
            return Err(format!("{early} were refused before their body was read, and {late} only after it"));
        }
        let (Some(p99_before), Some(p99_during)) = (p99_before, p99_during) else { return Err("nothing was stored".into()) };
        let times = format!("99 of 100 stored within {p99_before:.0?} before it and {p99_during:.0?} during it");
        if p99_during > p99_before * SLOWER_MAX + SLOWER_BY {
            return Err(format!("the accepted did not keep their latency: {times}"));
        }
        let seconds = (during.end - during.start).as_secs_f64();
        let rate = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds;
        Ok(Some(format!(
            "{:.0} a second were sent and {:.0} stored; {times}; {early} of {} that stopped within their body were refused there",
            rate(all.len()),
            rate(busy.len()),
            all.iter().filter(|it| it.half.is_some()).count()
        )))
    })
}

fn stored(attempt: &Attempt) -> Option<&str> {
    if let Outcome::Stored(id) = &attempt.outcome { Some(id) } else { None }
}

fn p99(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len().checked_sub(1)? * 99 / 100).copied()
}

#[cfg(test)]
mod tests;
