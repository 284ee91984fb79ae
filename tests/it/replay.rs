//! `hookgate replay` on a cluster in this process, which cannot look for records by their time: tests/kafka has windows.

use std::{
    cell::Cell,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use hookgate::{
    encode::Record,
    event::FaultReason,
    proto::{Event, Origin},
};
use prost::Message as _;
use serde_json::Value;

use crate::{
    forks,
    harness::wait_until,
    replay_world::{Before, Past, photo, row},
};

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
    // Afterwards they ask nobody for a proof.
    let done = [
        row("no_subject", "already replayed", 1),
        row("not_json", "already replayed", 3),
        row("not_json", "still fails", 1),
        row("unclassified", "already replayed", 1),
    ];
    let mut plan = past.plan("--all", 3);
    plan.sort();
    assert_eq!(plan, done);
}

#[test]
fn filters_choose() {
    let past = Past::mock();
    let first = past.photo("u1", 1, NOT_JSON);
    past.photo("u2", 2, Before::Quarantined(FaultReason::NoSubject));
    past.photo("u3", 3, Before::Unclassified);
    past.scan("s1", 4);
    let check = |line: &str, records: u64| {
        let missing = ["--endpoint none", "--type other", "--id 0000"].iter().any(|it| line.contains(it));
        let code = if records > 0 || missing { 3 } else { 0 };
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
    assert!(finished.err.contains("left for another run, because of --limit 2: 1 newer event"), "{finished:?}");
    assert_eq!(past.replay("--all --endpoint photos --limit 2", 0).len(), 1);
}

/// Everything on a source topic is counted, also what somebody else has written there.
#[test]
fn what_is_no_event_is_counted_and_never_published() {
    fn check(change: impl FnOnce(&mut Record), expected: Option<(&str, &str)>, code: i32) {
        let past = Past::mock();
        past.changed_photo("u1", 1, change);
        let rows: Vec<_> = expected.iter().map(|(reason, outcome)| row(reason, outcome, 1)).collect();
        assert_eq!(past.plan("--all", code), rows);
        assert_eq!(past.replay("--all --trust", code), Vec::<String>::new(), "{expected:?}");
        assert_eq!(past.replayed(), Vec::<Value>::new());
    }
    let not_json = Some(("not_json", "not an event"));
    check(|record| record.value = b"not protobuf".to_vec(), not_json, 3);
    check(|record| record.value = Vec::new(), not_json, 3);
    // The frame of a schema registry before half an event.
    check(|record| record.value = [&[0, 0, 0, 0, 1, 0], &record.value[..9]].concat(), not_json, 3);
    let unknown = Some(("unknown", "not an event"));
    check(|record| (record.value, record.headers) = (b"not protobuf".to_vec(), Vec::new()), unknown, 3);
    check(|record| record.headers = vec![("ce_type", "com.example.quarantine".into())], unknown, 3);
    check(|record| record.headers.clear(), unknown, 3);
    // What has a type was never to be replayed, and a sample is no webhook.
    check(|record| record.headers = vec![("ce_type", "hookgate.uploadcare.file.stored".into())], None, 0);
    let sample = |record: &mut Record| {
        let event = Event::decode(&*record.value).expect("an event");
        record.value = Event { origin: Origin::Sample.into(), ..event }.encode_to_vec();
    };
    check(sample, Some(("not_json", "not a webhook")), 0);
}

/// A record that no proof would help does not ask for one.
#[test]
fn what_would_fail_with_a_proof_asks_for_none() {
    let past = Past::mock();
    let quarantined = Before::Quarantined(FaultReason::NoSubject);
    past.store("photos", "replaced-secret-of-some-length", "{", 1, quarantined);
    past.scan_of(r#"{"event":"scan.complete"}"#, 2, quarantined);
    past.scan_of(r#"{"event":"scan.moved","scan_id":"s1"}"#, 3, Before::Unclassified);
    let still_fail = [row("no_subject", "still fails", 2), row("unclassified", "still fails", 1)];
    assert_eq!(past.plan("--all", 3), still_fail);
    assert_eq!(past.plan("--all --trust", 3), still_fail);
    past.scan("s2", 4);
    let with_scan = [&[row("no_subject", "no checkable proof", 1)], &still_fail[..]].concat();
    let sorted = |mut rows: Vec<(String, String, u64)>| {
        rows.sort();
        rows
    };
    assert_eq!(sorted(past.plan("--all", 3)), sorted(with_scan.clone()));
    past.remove_scans();
    let without = with_scan
        .into_iter()
        .map(|(reason, outcome, records)| (reason, outcome.replace("no checkable proof", "endpoint not configured"), records));
    assert_eq!(sorted(past.plan("--all", 3)), sorted(without.collect()));
}

/// The records of an endpoint stay when it is removed, also if it was the last one of its provider.
#[test]
fn topics_of_removed_endpoints_are_read() {
    let past = Past::mock();
    past.scan_of(r#"{"event":"scan.complete","scan_id":"s1","verdict":"clean"}"#, 1, Before::Unclassified);
    past.remove_scans();
    assert_eq!(past.plan("--all", 3), [row("unclassified", "endpoint not configured", 1)]);
    assert_eq!(past.plan("--all --endpoint scans", 3), [row("unclassified", "endpoint not configured", 1)]);
    let said = past.run("replay --all --dry-run").err;
    assert!(said.contains("read t.filesafety.unclassified, t.quarantine, t.uploadcare.unclassified"), "{said}");
    // A topic of this configuration that is not there is no success: what is on it is not known.
    let text = std::fs::read_to_string(past.stage.folder.path("hookgate.toml")).expect("text");
    past.stage.folder.write("hookgate.toml", text + "[topics.map]\nquarantine = \"t.aside\"\n");
    let finished = past.run("replay --all --reason not_json --yes");
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.err.contains("there is no topic t.aside, or it may not be seen"), "{finished:?}");
    assert!(finished.err.contains("read t.filesafety.unclassified, t.uploadcare.unclassified"), "{finished:?}");
}

/// A topic that events would go to, and that is not there, shows before anything is published.
#[test]
fn a_topic_to_publish_to_must_be_there() {
    let past = Past::mock();
    let text = std::fs::read_to_string(past.stage.folder.path("hookgate.toml")).expect("text");
    past.stage.folder.write("hookgate.toml", text + "[topics.map]\n\"uploadcare.file.stored\" = \"t.aside\"\n");
    past.photo("u1", 1, NOT_JSON);
    let absent = "there is no topic t.aside, or it may not be seen";
    let looked = past.run("replay --all --dry-run");
    assert!(looked.code == Some(3) && looked.err.contains(absent), "{looked:?}");
    let failed = past.run("replay --all --yes");
    assert!(failed.code == Some(1) && failed.err.contains("there is no topic t.aside"), "{failed:?}");
    assert!(failed.err.contains("0 were published before"), "{failed:?}");
}

/// Only what really is left is said to be left.
#[test]
fn newer_events_that_were_replayed_are_not_left() {
    let past = Past::mock();
    let ids: Vec<String> = (0..4).map(|number| past.photo(&format!("u{number}"), number, NOT_JSON)).collect();
    assert_eq!(past.replay(&format!("--id {},{}", ids[1], ids[3]), 0), [ids[1].clone(), ids[3].clone()]);
    assert_eq!(past.replay("--all --limit 1", 3), ids[..1]);
    assert_eq!(past.replay("--all --limit 1", 0), ids[2..3]);
    assert_eq!(past.replay("--all --limit 1", 0), Vec::<String>::new());
}

/// A run whose output nobody reads any more has not done its work, and another run does the rest.
#[test]
fn a_closed_output_is_no_success() {
    let past = Past::mock();
    let ids = past.photos(600);
    let mut child = replay_into_a_pipe(&past);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(lines.any(|line| line.expect("text").contains("published")), "it begins");
    drop(lines);
    assert_eq!(child.wait().expect("ended").code(), Some(1));
    let first = past.replayed().len();
    assert!((1..600).contains(&first), "{first}");
    assert_eq!(past.replay("--all", 0), ids[first..]);
}

/// Starts a run with more output than a pipe holds.
fn replay_into_a_pipe(past: &Past) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    command.args(["replay", "--all", "--yes", "--format", "json"]).current_dir(past.stage.folder.path(""));
    forks::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null())).expect("started")
}

/// The first signal waits for what is under way, and for a reader of the output. A second one does not, and that is no success.
#[test]
fn a_second_signal_ends_it_with_a_failure() {
    let past = Past::mock();
    past.photos(600);
    // Nobody reads the output, so the run stands still.
    let mut child = replay_into_a_pipe(&past);
    let before = Cell::new(0);
    wait_until("standing still", || {
        let now = past.replayed().len();
        before.replace(now) == now && now > 0
    });
    assert!(before.get() < 600, "the output must be larger than a pipe");
    for _ in 0..2 {
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("run");
        assert!(sent.success());
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(child.wait().expect("ended").code(), Some(1));
}

/// What is named and not there is no success. What exists, and has nothing of it at this time, is.
#[test]
fn what_is_named_and_not_found_is_said() {
    let past = Past::mock();
    let id = past.photo("u1", 1, NOT_JSON);
    past.photo("u2", 2, Before::Unclassified);
    let check = |line: &str, code: i32, said: &[&str]| {
        let finished = past.run(&format!("replay --dry-run {line}"));
        assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
        for text in said {
            assert!(finished.err.contains(text), "{line}: no {text:?} in {finished:?}");
        }
        let flags = ["--id", "--type", "--endpoint", "--reason"];
        let complaints = finished.err.lines().filter(|line| flags.iter().any(|flag| line.contains(flag))).count();
        assert_eq!(complaints, said.iter().filter(|text| text.starts_with("--")).count(), "{line}: {finished:?}");
    };
    let nothing = "there is nothing to replay";
    let other = "5d3c2f0a-7b1e-8c4d-9a6f-2e1d0c9b8a7f";
    let unfound = format!("--id {other}: no record that was read has it");
    check(&format!("--id {id}"), 3, &["1 event would be published"]);
    check(&format!("--id {other}"), 3, &[&unfound, nothing]);
    check(&format!("--id {id},{other}"), 3, &[&unfound, "1 event would be published"]);
    let unfit = format!("--id {id}: the records with it do not fit the other flags");
    check(
        &format!("--id {id} --reason unclassified"),
        3,
        &[&unfit, "--reason unclassified: the records with it do not fit", nothing],
    );
    check("--all --type file.odd", 3, &["1 event would be published"]);
    let unknown = "--type file.stord: Hookgate knows no such type, and no record that was read has it; did you mean file.stored?";
    check("--all --type file.stord", 3, &[unknown, nothing]);
    check("--all --type x.*", 3, &["--type x.*: Hookgate knows no such type", nothing]);
    check("--all --type uploadcare.file.stored", 0, &["--type uploadcare.file.stored: no record that was read has it", nothing]);
    let endpoint =
        "--endpoint photo: no such endpoint is configured, and no record that was read has it; there are photos, scans";
    check("--all --endpoint photo", 3, &[endpoint, nothing]);
    check("--all --endpoint photo,photos", 3, &[endpoint, "2 events would be published"]);
    check("--all --endpoint scans", 0, &["--endpoint scans: no record that was read has it", nothing]);
    check("--all --reason panic", 0, &["--reason panic: no record that was read has it", nothing]);
}

/// One line says what a run has done.
#[test]
fn nothing_to_do_is_one_line() {
    let past = Past::mock();
    let check = |line: &str, code: i32, said: &[&str]| {
        let finished = past.run(&format!("replay {line}"));
        assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
        let lines: Vec<&str> = finished.err.lines().filter(|line| !line.starts_with("hookgate: read ")).collect();
        assert_eq!(lines.len(), said.len(), "{line}: {finished:?}");
        for (line, text) in lines.iter().zip(said) {
            assert!(line.starts_with("hookgate: ") && line.contains(text), "no {text:?} in {finished:?}");
        }
        finished.out
    };
    for flags in ["--yes", "--dry-run", ""] {
        for format in ["pretty", "json"] {
            let out = check(&format!("--all {flags} --format {format}"), 0, &["there is nothing to replay"]);
            assert_eq!(out, "", "{flags} {format}");
        }
    }
    past.photo("u1", 1, NOT_JSON);
    check("--all --dry-run", 3, &["1 event would be published"]);
    check("--all --yes", 0, &["replay 1 event", "1 published"]);
    check("--all --yes", 0, &["there is nothing to replay"]);
    check("--all --dry-run", 0, &["there is nothing to replay"]);
    past.scan("s1", 2);
    check("--all --yes", 3, &["nothing can be published"]);
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
    // Neither the configuration nor Kafka is asked first.
    check("replay --id zzz --config not-there.toml", 2, "the id of an event is a UUID, such as");
    check("replay --reason not_json", 2, "say which records");
    check("replay --all --since 1h", 2, "cannot be used with");
    check("replay --all --reason other", 2, "invalid value 'other'");
    check("replay --since soon", 2, "a time is like");
    check("replay --since 1h --until 2h", 2, "--since must be before --until");
    check("replay --all --topic none", 1, "no such topic: none");
    check("replay --all --topic t.quarantine,none --yes", 1, "no such topic: none");
    check("replay --all --topic t.quarantine,none.* --yes", 1, "no such topic: none.*");
    check("replay --all", 2, "There is no terminal to ask on: add --yes, or --dry-run");
    past.stage.folder.write("hookgate.toml", "[kafka]\nbrokers = 7\n");
    check("replay --all", 64, "[kafka] brokers");
    assert_eq!(past.replayed(), Vec::<Value>::new());
}
