//! The ledger must see every kind of loss and damage.

use super::*;

fn attempt(number: u64, outcome: Outcome) -> Attempt {
    Attempt { number, begun: Instant::now(), took: Duration::from_millis(1), outcome, half: None }
}

fn stored(id: &str) -> Outcome {
    Outcome::Stored(id.into())
}

fn record(number: u64, id: &str) -> Stored {
    let (topic, key) = (format!("x.{}", Provider::of(number).name()), delivery::subject(number));
    Stored { topic, partition: 0, key, id: id.into(), received_at: 0, body: delivery::body(number).into_bytes() }
}

#[track_caller]
fn check(attempts: &[Attempt], records: &[Stored], missing: usize, duplicates: usize, faults: usize) {
    let books = reconcile(attempts, records, None);
    assert_eq!((books.missing, books.duplicates, books.faults.len()), (missing, duplicates, faults), "{books:?}");
}

#[test]
fn a_delivery_that_was_answered_200_must_be_stored() {
    check(&[attempt(1, stored("a"))], &[record(1, "a")], 0, 0, 0);
    check(&[attempt(1, stored("a"))], &[], 1, 0, 1);
    check(&[attempt(1, stored("a"))], &[record(1, "b")], 1, 0, 1);
    check(&[attempt(1, Outcome::Refused)], &[], 0, 0, 0);
}

#[test]
fn a_delivery_that_is_not_sent_again_is_given_up() {
    let given_up = |attempts: &[Attempt]| reconcile(attempts, &[], None).given_up;
    assert_eq!(given_up(&[attempt(1, Outcome::Refused), attempt(2, Outcome::Refused)]), 2);
    assert_eq!(given_up(&[attempt(FLOOD_FROM, Outcome::Refused)]), 0, "a flood's delivery need not be stored");
    assert_eq!(given_up(&[attempt(1, Outcome::Refused), attempt(1, stored("a"))]), 0);
}

#[test]
fn a_duplicate_needs_a_reason() {
    let refused_first = [attempt(1, Outcome::Refused), attempt(1, stored("a"))];
    let resent = |attempts: &[Attempt], records: &[Stored]| reconcile(attempts, records, None).resent;
    let twice = [record(1, "a"), record(1, "a")];
    check(&refused_first, &twice, 0, 1, 0);
    assert_eq!(resent(&refused_first, &twice), 0, "the first attempt was stored, although it was refused");
    check(&refused_first[1..], &twice, 0, 1, 0);
    assert_eq!(resent(&refused_first[1..], &twice), 1, "no sender has sent it twice");
    check(&refused_first[1..], &[record(1, "a"), record(1, "b")], 0, 1, 1);
}

#[test]
fn every_record_must_have_a_sender_and_be_whole() {
    let sent = [attempt(1, stored("a"))];
    let (damaged, astray) =
        (Stored { body: b"{}".into(), ..record(1, "a") }, Stored { topic: "x.other".into(), ..record(1, "a") });
    check(&sent, &[damaged], 0, 0, 1);
    check(&sent, &[astray], 0, 0, 1);
    check(&sent, &[record(1, "a"), record(2, "b")], 0, 0, 1);
}

#[test]
fn a_deleted_topic_excuses_its_own_earlier_200s() {
    let sent = [attempt(1, stored("a"))];
    let later = Instant::now() + Duration::from_secs(1);
    let missing = |provider, until| reconcile(&sent, &[], Some(Excuse { provider, until })).missing;
    assert_eq!(missing(Provider::of(1), later), 0);
    assert_eq!(missing(Provider::of(2), later), 1);
    assert_eq!(missing(Provider::of(1), sent[0].begun), 1);
}

#[test]
fn recovery_is_the_first_full_second_of_only_200() {
    let healed = Instant::now();
    let answers = |refused: std::ops::Range<u64>, ms: u64| -> Vec<Attempt> {
        let at = |ms| healed + Duration::from_millis(ms);
        let outcome = |ms| if refused.contains(&ms) { Outcome::Refused } else { stored("a") };
        (0..ms).step_by(5).map(|ms| Attempt { begun: at(ms), took: Duration::ZERO, ..attempt(1, outcome(ms)) }).collect()
    };
    assert_eq!(recovery(&answers(0..0, 2000), healed, 200), Some(Duration::ZERO));
    assert_eq!(recovery(&answers(700..800, 2000), healed, 200), Some(Duration::from_millis(795)));
    assert_eq!(recovery(&answers(700..800, 1500), healed, 200), None, "no full second yet");
    // No delivery is refused, but for a while too few are answered.
    let mut few = answers(0..0, 3000);
    few.retain(|it| it.begun < healed + Duration::from_millis(300) || it.begun >= healed + Duration::from_millis(700));
    assert_eq!(recovery(&few, healed, 200), Some(Duration::ZERO), "80 missing of 200 are not half");
    few.retain(|it| it.begun >= healed + Duration::from_millis(1200));
    assert_eq!(recovery(&few, healed, 200), Some(Duration::from_millis(1200)));
}

#[test]
fn the_fields_of_an_event_are_found() {
    // id = "ab", received_at = {seconds: 1}, origin = 1, body = "xyz"
    let event = b"\x0a\x02ab\x32\x02\x08\x01\x40\x01\x52\x03xyz";
    let fields = fields(event);
    assert_eq!(seconds(fields[&6]), 1);
    assert_eq!((fields[&1], fields[&10]), (&b"ab"[..], &b"xyz"[..]));
    assert!(!self::fields(&event[..event.len() - 1]).contains_key(&10), "a field that is cut off is not read");
}
