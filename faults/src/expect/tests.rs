//! Each expectation passes for the behaviour that it is about, and for nothing less.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn attempt(number: u64, begun: Instant, outcome: Outcome) -> Attempt {
    Attempt { number, begun, took: Duration::from_millis(10), outcome, half: None }
}

fn stored_as(id: &str) -> Outcome {
    Outcome::Stored(id.into())
}

fn record(partition: i32, id: &str, received_at: u64) -> Stored {
    Stored { topic: "t".into(), partition, key: String::new(), id: id.into(), received_at, body: Vec::new() }
}

#[test]
fn a_fault_must_have_had_an_effect() {
    let begin = Instant::now();
    let within = begin..begin + SECOND;
    let check = |attempts: &[Attempt], providers: &[Provider], good| {
        assert_eq!(answered(providers, Outcome::Refused, within.clone())(attempts, &[]).is_ok(), good, "{attempts:?}");
    };
    let uploadcare = [attempt(3, begin, Outcome::Refused)];
    check(&uploadcare, &[Provider::Uploadcare], true);
    check(&uploadcare, &[Provider::Uploadcare, Provider::FrameIo], false);
    check(&[attempt(3, begin, stored_as("a"))], &[Provider::Uploadcare], false);
    check(&[attempt(3, begin + SECOND, Outcome::Refused)], &[Provider::Uploadcare], false);
}

#[test]
fn another_leader_must_have_taken_records() {
    let begin = Instant::now();
    let at = |seconds: u32| begin + SECOND * seconds;
    let attempts = [attempt(1, at(0), stored_as("a")), attempt(2, at(3), stored_as("b")), attempt(3, at(6), stored_as("c"))];
    let led = |partition| vec![Led { topic: "t".into(), partition, leader: 1 }];
    let check = |led, records: &[Stored], good| {
        assert_eq!(led_by_another(led, at(2)..at(5))(&attempts, records).is_ok(), good);
    };
    let all = ["a", "b", "c"].map(|id| record(0, id, 0));
    check(led(0), &all, true);
    check(led(1), &all, false);
    check(Vec::new(), &all, false);
    for missing in 0..3 {
        let some: Vec<_> = ["a", "b", "c"].iter().enumerate().filter(|it| it.0 != missing).map(|it| record(0, it.1, 0)).collect();
        check(led(0), &some, false);
    }
}

#[test]
fn an_event_says_when_it_came() {
    let now = (Instant::now(), UNIX_EPOCH + SECOND * 1_000_000);
    let sent = [attempt(1, now.0 + SECOND * 5, stored_as("a"))];
    let check = |received_at, good| {
        assert_eq!(received_when_sent(now)(&sent, &[record(0, "a", received_at)]).is_ok(), good, "{received_at}");
    };
    check(1_000_005, true);
    check(1_000_004, true);
    check(1_000_405, false);
    check(999_605, false);
    check(0, false);
}

#[test]
fn an_overload_is_refused_early_and_does_not_slow_accepted_deliveries() {
    let begin = Instant::now();
    let (before, during) = (begin..begin + SECOND, begin + SECOND..begin + SECOND * 2);
    let run = |stored: usize, took: u64, half: &[bool]| {
        let mut attempts = vec![attempt(0, begin, stored_as("a"))];
        let busy = |outcome| attempt(1, begin + SECOND, outcome);
        attempts.extend((0..stored).map(|_| Attempt { took: Duration::from_millis(took), ..busy(stored_as("b")) }));
        attempts.extend((0..100).map(|_| busy(Outcome::Refused)));
        attempts.extend(half.iter().map(|early| Attempt { half: Some(*early), ..busy(Outcome::Refused) }));
        overloaded(before.clone(), during.clone())(&attempts, &[])
    };
    let good = run(10, 280, &[true, true]);
    assert!(good.is_ok(), "{good:?}");
    assert!(run(10, 281, &[true]).is_err(), "three times 10 ms and 250 ms are the limit");
    assert!(run(10, 20, &[]).is_err(), "no sender has stopped in the middle");
    assert!(run(10, 20, &[true, false]).is_err(), "a body was read before the refusal");
    assert!(run(10, 20, &[&[true; 20][..], &[false]].concat()).is_ok(), "one of twenty may have been admitted");
    assert!(run(50, 20, &[true]).is_err(), "most were stored");
    assert!(run(0, 20, &[true]).is_err(), "none was stored");
}
