//! `hookgate replay` on a cluster in this process, which cannot look for records by their time: tests/kafka has windows.

use hookgate::event::FaultReason;
use serde_json::Value;

use crate::replay_world::{Before, Past, photo, row};

const NOT_JSON: Before = Before::Quarantined(FaultReason::NotJson);

#[test]
fn what_has_a_type_now_is_published_once_in_order() {
    let past = Past::mock();
    let late = past.photo("u2", 20, NOT_JSON);
    let early = past.photo("u1", 10, Before::Unclassified);
    past.store("photos", "photos-secret-of-some-length", "{", 30, NOT_JSON);
    past.store("photos", "replaced-secret-of-some-length", &photo("u3"), 40, NOT_JSON);
    let scan = past.scan("s1", 50);

    let rest = [
        row("no_subject", "no checkable proof", 1),
        row("not_json", "still fails", 1),
        row("not_json", "proof does not match", 1),
    ];
    let has = |plan: &[(String, String, u64)], passes: &[(String, String, u64)]| {
        let mut expected = [&rest[..], passes].concat();
        expected.sort();
        let mut plan = plan.to_vec();
        plan.sort();
        assert_eq!(plan, expected);
    };
    has(&past.plan("--all", 3), &[row("not_json", "would pass now", 1), row("unclassified", "would pass now", 1)]);
    assert_eq!(past.replayed(), Vec::<Value>::new());
    assert_eq!(past.replay("--all", 3), [early.clone(), late.clone()]);

    let events = past.replayed();
    assert_eq!(events.len(), 2, "{events:?}");
    for event in &events {
        assert_eq!((&event["topic"], &event["event"]["type"]), (&"t.uploadcare.file.stored".into(), &"file.stored".into()));
        assert!(event["headers"]["hookgate-run"].is_string() && event["event"]["proof"]["headers"].is_array(), "{event}");
    }
    let times: Vec<&str> = events.iter().filter_map(|event| event["event"]["received_at"].as_str()).collect();
    assert!(times.len() == 2 && times[0] < times[1], "the times of the deliveries: {times:?}");

    // A second run publishes nothing, also where what was published would fill the limit.
    has(&past.plan("--all", 3), &[row("not_json", "already replayed", 1), row("unclassified", "already replayed", 1)]);
    assert_eq!(past.replay("--all", 3), Vec::<String>::new());
    let newer = past.photo("u4", 60, NOT_JSON);
    assert_eq!(past.replay("--all --limit 1", 3), [newer]);
    // A token cannot be checked, and an old secret neither: a person must say so.
    assert_eq!(past.replay("--all --endpoint scans --trust", 0), [scan]);
    assert_eq!(past.replay("--all --trust --reason not_json", 3).len(), 1);
    assert_eq!(past.replayed().len(), 5);
}

#[test]
fn filters_choose() {
    let past = Past::mock();
    let first = past.photo("u1", 1, NOT_JSON);
    past.photo("u2", 2, Before::Quarantined(FaultReason::NoSubject));
    past.photo("u3", 3, Before::Unclassified);
    past.scan("s1", 4);
    let check = |line: &str, records: u64| {
        let code = if records > 0 { 3 } else { 0 };
        let found: u64 = past.plan(line, code).iter().map(|(_, _, records)| records).sum();
        assert_eq!(found, records, "{line}");
    };
    check("--all", 4);
    check("--all --reason not_json", 1);
    check("--all --reason not_json,unclassified", 2);
    check("--all --reason panic", 0);
    check("--all --endpoint photos", 3);
    check("--all --endpoint none", 0);
    check("--all --type file.odd", 1);
    check("--all --type uploadcare.file.o*", 1);
    check("--all --type other", 0);
    check("--all --topic t.quarantine", 3);
    check(&format!("--id {first}"), 1);
    check("--id 00000000-0000-8000-8000-000000000000", 0);
    check("--all --until 1000000000000", 0);
    // The limit takes the oldest, and says what is left.
    let finished = past.run("replay --all --endpoint photos --limit 2 --yes --format json");
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.err.contains("1 newer events are left for another run, because of --limit 2"), "{finished:?}");
    assert_eq!(past.replay("--all --endpoint photos --limit 2", 0).len(), 1);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let past = Past::mock();
    past.photo("u1", 1, NOT_JSON);
    let check = |line: &str, code: i32, said: &str| {
        let finished = past.run(line);
        assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
        assert!(finished.err.contains(said), "{line}: {finished:?}");
    };
    check("replay", 2, "say which records: --since with a time, --id, or --all");
    check("replay --reason not_json", 2, "say which records");
    check("replay --all --since 1h", 2, "cannot be used with");
    check("replay --all --reason other", 2, "invalid value 'other'");
    check("replay --since soon", 2, "a time is like");
    check("replay --since 1h --until 2h", 2, "--since must be before --until");
    check("replay --all --topic none", 1, "no such topic: none");
    check("replay --all", 2, "There is no terminal to ask on: add --yes, or --dry-run");
    past.stage.folder.write("hookgate.toml", "[kafka]\nbrokers = 7\n");
    check("replay --all", 64, "[kafka] brokers");
    assert_eq!(past.replayed(), Vec::<Value>::new());
}
