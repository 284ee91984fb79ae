//! Each rule passes a correct run and reports a wrong one.

use std::time::Instant;

use super::*;
use crate::{daemon::Seen, scenario::named};

fn attempt(provider: Provider, outcome: Outcome) -> Attempt {
    Attempt { number: provider as u64, begun: Instant::now(), took: Duration::from_millis(1), outcome, half: None }
}

#[test]
fn each_scenario_allows_its_own_answers_and_no_others() {
    use Provider::{FrameIo, Uploadcare};
    let (stored, silent) = (Outcome::Stored("a".into()), Outcome::Silent("reset".into()));
    let answers = [stored, Outcome::Refused, Outcome::Other(401), Outcome::Other(500), silent];
    let check = |allowed, of, expected: [bool; 5]| {
        let found = answers.clone().map(|outcome| allows(allowed, &attempt(of, outcome)));
        assert_eq!(found, expected, "{allowed:?} of {of:?}");
    };
    // The answers are 200, 503, 401, 500 and none.
    check(Allowed::Only200, FrameIo, [true, false, false, false, false]);
    check(Allowed::Refusals, FrameIo, [true, true, false, false, false]);
    check(Allowed::RefusalsOf(FrameIo), FrameIo, [true, true, false, false, false]);
    check(Allowed::RefusalsOf(FrameIo), Uploadcare, [true, false, false, false, false]);
    check(Allowed::UnauthorizedOf(FrameIo), FrameIo, [true, false, true, false, false]);
    check(Allowed::UnauthorizedOf(FrameIo), Uploadcare, [true, false, false, false, false]);
    check(Allowed::Silence, FrameIo, [true, true, false, false, true]);
}

#[test]
fn slow_answers_and_unexplained_duplicates_fail() {
    let check = |scenario: &str, worst: u64, stall: u64, resent, faults: usize| {
        let mut books = Books { worst: Duration::from_millis(worst), resent, ..Books::default() };
        let attempts = [attempt(Provider::FrameIo, Outcome::Stored("a".into()))];
        answers(&mut books, named(scenario), &attempts, Duration::from_millis(stall), Bounds::FULL);
        assert_eq!(
            books.faults.len() + books.excusable.len(),
            faults,
            "{scenario}, {worst} ms with {stall} ms of stall, {resent} resent: {books:?}"
        );
    };
    check("broker-killed", 5000, 0, 0, 0);
    check("broker-killed", 5001, 0, 0, 1);
    check("broker-killed", 5101, 100, 0, 1);
    check("broker-killed", 5001, 100, 0, 0);
    check("broker-killed", 1, 0, 3, 0);
    check("limit-lowered", 1, 0, 3, 1);
}

#[test]
fn only_what_follows_from_a_slow_kafka_is_void() {
    let judge = |outcome: Outcome, resent, missing: bool, kafka_ms| {
        let mut books = Books { resent, ..Books::default() };
        books.faults.extend(missing.then(|| "a delivery is on no topic".to_owned()));
        let scenario = named("secrets-rotated");
        answers(&mut books, scenario, &[attempt(Provider::FrameIo, outcome)], Duration::ZERO, Bounds::FULL);
        let void = is_void(&mut books, Duration::from_millis(kafka_ms), Duration::from_secs(1));
        (void, books.faults.is_empty())
    };
    let stored = || Outcome::Stored("a".into());
    assert_eq!(judge(Outcome::Refused, 0, false, 1001), (true, false));
    assert_eq!(judge(Outcome::Refused, 0, false, 1000), (false, false), "Kafka was quick");
    assert_eq!(judge(stored(), 1, false, 1001), (true, false));
    assert_eq!(judge(stored(), 1, false, 1000), (false, false), "no sender has sent it twice");
    assert_eq!(judge(stored(), 0, false, 1001), (false, true), "all is well");
    assert_eq!(judge(Outcome::Refused, 0, true, 1001), (false, false), "a missing record is never excused");
    assert_eq!(judge(Outcome::Other(500), 0, false, 1001), (false, false));
    assert_eq!(judge(Outcome::Silent("reset".into()), 0, false, 1001), (false, false));
}

#[test]
fn a_daemon_lives_within_its_ceiling() {
    let check = |seen: &[Seen], peak, faults: usize| {
        let mut books = Books::default();
        daemons(&mut books, seen, peak, 100);
        assert_eq!(books.faults.len(), faults, "{books:?}");
    };
    check(&[Seen::default()], 100, 0);
    check(&[Seen::default()], 101, 1);
    check(&[Seen::default(), Seen { dead: 1, ..Seen::default() }], 1, 1);
    check(&[Seen { ended: true, ..Seen::default() }], 1, 1);
}

#[test]
fn a_recovery_is_in_time_or_a_fault() {
    let check = |after: Option<u64>, bounds, good| {
        let mut books = Books::default();
        recovery(&mut books, after.map(Duration::from_secs), bounds);
        assert_eq!(books.faults.is_empty(), good, "{after:?} within {bounds:?}");
    };
    check(Some(10), Bounds::FULL, true);
    check(Some(11), Bounds::FULL, false);
    check(Some(11), Bounds::SHORT, true);
    check(Some(31), Bounds::SHORT, false);
    check(None, Bounds::SHORT, false);
}
