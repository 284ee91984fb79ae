use std::ops::RangeInclusive;

use proptest::prelude::*;

use super::*;

fn entry(day: u64, kind: u64) -> String {
    let at = timestamp(UNIX_EPOCH + (20_000 + u32::try_from(day).expect("few")) * DAY);
    format!(
        r#"{{"event_type":"e-{kind}","inserted_at":"{at}","resource_id":"r","resource_type":"t","ip_address":"10.0.0.1","user_id":null}}"#
    )
}

/// Asks about each day and the one after it, in any order of entries, and returns what counts, in order. `answered` says how many days before
/// and after its first one a question is answered about.
fn read(entries: &[(u64, u64)], days: u64, answered: RangeInclusive<i64>) -> Vec<String> {
    let (mut answers, mut counted) = (Answers::default(), Vec::new());
    for of in 0..days {
        answers.next();
        let asked = |day: u64| answered.contains(&(day.cast_signed() - of.cast_signed()));
        let mut answer: Vec<String> =
            entries.iter().filter(|(day, _)| asked(*day)).map(|(day, kind)| entry(*day, *kind)).collect();
        // Every other answer is in another order.
        if of % 2 == 0 {
            answer.reverse();
        }
        counted.extend(answer.into_iter().filter(|text| answers.is_new(&AuditEntry::of(text).map_err(|_| text.as_str().into()))));
    }
    counted.sort();
    counted
}

proptest! {
    /// Whatever the first and the last day of a question mean, each entry counts once, and equal ones count as often as they are there.
    #[test]
    fn each_entry_of_the_days_counts_once(entries in prop::collection::vec((1_u64..6, 0_u64..3), 0..30)) {
        let mut all: Vec<String> = entries.iter().map(|(day, kind)| entry(*day, *kind)).collect();
        all.sort();
        for answered in [0..=1, 0..=0, 1..=1, -1..=1, 0..=2, -1..=2, -9..=9] {
            prop_assert_eq!(&read(&entries, 6, answered), &all);
        }
    }
}

#[test]
fn what_cannot_be_read_counts_once_too() {
    let mut answers = Answers::default();
    let line = |text: &str| AuditEntry::of(text).map_err(|_| Box::from(text));
    assert_eq!(["{}", "{}", "[]"].map(|text| answers.is_new(&line(text))), [true; 3]);
    answers.next();
    assert_eq!(["{}", "[]", "{}", "{}"].map(|text| answers.is_new(&line(text))), [false, false, false, true]);
    // Two answers have nothing in common but the day between them.
    answers.next();
    answers.next();
    assert!(answers.is_new(&line("{}")));
}

#[test]
fn days_are_whole_and_both_ends_count() {
    fn check(from: u64, to: u64, expected: &[u64]) {
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        let found: Vec<_> = days(at(from), at(to)).collect();
        assert_eq!(found, expected.iter().map(|day| at(day * 86_400)).collect::<Vec<_>>());
    }
    check(0, 0, &[0]);
    check(86_399, 86_400, &[0, 1]);
    check(86_400, 86_400, &[1]);
    check(86_400, 3 * 86_400 - 1, &[1, 2]);
}

#[test]
fn nobodys_address_is_published() {
    #[track_caller]
    fn check(entry: &str, expected: &str) {
        assert_eq!(&*without_address(entry), expected);
    }
    check(
        r#"{"event_type":"x","ip_address":"10.0.0.1","user":{"name":"J","id":1}}"#,
        r#"{"event_type":"x","user":{"name":"J","id":1}}"#,
    );
    for name in ["ip_address", "ipAddress", "IP_Address", "IPADDRESS"] {
        check(&format!(r#"{{"a":1,"{name}":"10.0.0.1"}}"#), r#"{"a":1}"#);
        check(&format!(r#"{{"a":{{"b":[[{{"{name}":{{"v4":"10.0.0.1"}},"c":2}}]]}}}}"#), r#"{"a":{"b":[[{"c":2}]]}}"#);
    }
    for other in [r#"{"address":"x"}"#, r#"{"ip_address_kind":4}"#, r#"{"event_type":"ip_address"}"#] {
        check(other, other);
    }
}
