//! These tests use only the public functions: a delivery is verified, then classified.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use serde_json::{Value, json};

use super::PROVIDER;
use crate::{
    delivery::Credential,
    error::Error,
    event::{Event, EventKind, FaultReason},
    proto::{
        FilesafetyNsfw, FilesafetyPii, FilesafetyScan, FilesafetySentiment, FilesafetyText, FilesafetyToxic, FilesafetyVerdict,
        FilesafetyVirus, event::Payload,
    },
    provider::tests::{check_lenient, deep, delivery, keys},
};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/filesafety/", $name))
    };
}

const ID: &str = "scn_01HX7Z9K3M2N4P5Q6R7S8T9U0V";
const CURRENT: &str = fixture!("docs_scan.complete_current.json");
const HASH: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn verify(token: &str, body: &[u8]) -> Result<Event, Error> {
    PROVIDER
        .verify(delivery(Credential::Token(token.into()), body), &keys(&["a8f3k9d2m1p4"]))
        .map(|verified| (PROVIDER.classify)(&verified))
}

fn classify(body: impl AsRef<[u8]>) -> Event {
    verify("a8f3k9d2m1p4", body.as_ref()).unwrap()
}

/// Classifies a body and checks the result. `topic` is that of `EventKind::name`, without the provider.
#[track_caller]
fn check(body: impl AsRef<[u8]>, topic: &str, event_type: &str, subject: Option<&str>, verdict: Option<&str>) -> Event {
    let event = classify(body);
    assert_eq!(event.kind.name().trim_start_matches("filesafety."), topic, "{event:?}");
    assert_eq!((event.event_type.as_str(), event.type_inferred), (event_type, false));
    assert_eq!((event.subject.as_deref(), event.verdict.as_deref()), (subject, verdict));
    assert_eq!(event.payload.is_some(), matches!(event.kind, EventKind::Named { .. }));
    assert_eq!(event.fault.is_some(), event.kind == EventKind::Quarantine);
    event
}

fn scan(body: impl AsRef<[u8]>) -> FilesafetyScan {
    match classify(body).payload {
        Some(Payload::FilesafetyScan(scan)) => scan,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_token_is_proof() {
    for (token, proven) in [("a8f3k9d2m1p4", true), ("a8f3k9d2m1p", false), ("A8F3K9D2M1P4", false), ("", false)] {
        assert_eq!(verify(token, CURRENT.as_bytes()).err(), (!proven).then_some(Error::BadToken), "{token:?}");
    }
}

#[test]
fn documented_bodies_have_their_type_and_verdict() {
    for (body, event_type, verdict, typed) in [
        (CURRENT, "scan.complete", "clean", FilesafetyVerdict::Clean),
        (fixture!("docs_scan.complete_older.json"), "scan.complete", "clean", FilesafetyVerdict::Clean),
        (fixture!("docs_get_scan_complete_current.json"), "scan.complete", "clean", FilesafetyVerdict::Clean),
        (fixture!("constructed/infected.json"), "scan.complete", "infected", FilesafetyVerdict::Infected),
        (fixture!("constructed/nsfw.json"), "scan.complete", "nsfw", FilesafetyVerdict::Nsfw),
        (fixture!("constructed/toxic.json"), "scan.complete", "toxic", FilesafetyVerdict::Toxic),
        (fixture!("constructed/mixed.json"), "scan.complete", "mixed", FilesafetyVerdict::Mixed),
        (fixture!("constructed/failed.json"), "scan.complete", "failed", FilesafetyVerdict::Failed),
        (fixture!("constructed/verdict_updated.json"), "scan.verdict_updated", "infected", FilesafetyVerdict::Infected),
    ] {
        let event = check(body, event_type, event_type, Some(ID), Some(verdict));
        assert_eq!(event.occurred_at, Some(Timestamp { seconds: 1_774_267_200, nanos: 0 }));
        let scan = scan(body);
        assert_eq!((scan.verdict(), scan.verdict_text.as_str()), (typed, verdict));
    }
}

#[test]
fn every_type_has_a_sample_of_itself() {
    for (name, verdict) in PROVIDER.names().zip(["clean", "infected"]) {
        let body = (PROVIDER.sample)(name).unwrap();
        check(&body, name, name, Some("scn_01JQ4T8M6ZK3V0XW9B5RCD7YHN"), Some(verdict));
    }
    assert_eq!((PROVIDER.sample)("scan.started"), None);
}

#[test]
fn a_missing_event_is_scan_complete_and_an_unknown_one_is_unclassified() {
    for (event, topic, event_type) in [
        (json!(null), "scan.complete", "scan.complete"),
        (json!(""), "scan.complete", "scan.complete"),
        (json!(["scan.verdict_updated"]), "scan.complete", "scan.complete"),
        (json!("scan.started"), "unclassified", "scan.started"),
        (json!("Scan.Complete"), "unclassified", "Scan.Complete"),
    ] {
        let body = json!({"event": event, "scan_id": "s", "verdict": "clean"});
        check(body.to_string(), topic, event_type, Some("s"), Some("clean"));
    }
    check(r#"{"event":"scan.started"}"#, "unclassified", "scan.started", None, None);
    check(r#"{"event":"scan.started","scan_id":"a\u0007"}"#, "unclassified", "scan.started", None, None);
}

#[test]
fn a_scan_without_an_id_is_quarantined_with_its_type() {
    for (id, reason) in [
        (json!(null), FaultReason::NoSubject),
        (json!(5), FaultReason::NoSubject),
        (json!({"id": ID}), FaultReason::NoSubject),
        (json!(""), FaultReason::BadSubject),
        (json!("a\u{1b}[2J"), FaultReason::BadSubject),
        (json!("x".repeat(513)), FaultReason::BadSubject),
    ] {
        let body = json!({"event": "scan.verdict_updated", "scan_id": id, "verdict": "infected"});
        let event = check(body.to_string(), "quarantine", "scan.verdict_updated", None, None);
        let fault = event.fault.unwrap();
        assert_eq!(fault.reason, reason, "{id}");
        assert!(fault.detail.starts_with("scan_id: "), "{}", fault.detail);
    }
    check("{}", "quarantine", "scan.complete", None, None);
    check(fixture!("docs_error.json"), "quarantine", "scan.complete", None, None);
}

#[test]
fn what_is_not_an_object_is_quarantined() {
    for (body, reason) in [
        (r#"["scan.complete","s","clean"]"#, FaultReason::NotAnObject),
        ("[]", FaultReason::NotAnObject),
        ("true", FaultReason::NotAnObject),
        ("", FaultReason::NotJson),
        ("verdict=clean", FaultReason::NotJson),
        (r#"{"scan_id":"s","verdict":"clean"#, FaultReason::NotJson),
        // Readers disagree on which of the two counts.
        (r#"{"scan_id":"s","verdict":"clean","verdict":"infected"}"#, FaultReason::NotJson),
    ] {
        let event = check(body, "quarantine", "", None, None);
        assert_eq!(event.fault.unwrap().reason, reason, "{body}");
    }
}

#[test]
fn a_scan_is_read_whole() {
    let expected = FilesafetyScan {
        scan_id: ID.into(),
        verdict: FilesafetyVerdict::Clean.into(),
        verdict_text: "clean".into(),
        virus: Some(FilesafetyVirus { clean: Some(true), ..Default::default() }),
        nsfw: Some(FilesafetyNsfw { clean: Some(true), categories: vec![], confidence: Some(0.01) }),
        text: Some(FilesafetyText {
            clean: Some(true),
            toxic: Some(FilesafetyToxic { labels: vec![], labels_json: "[]".into(), max_score: Some(0.0) }),
            pii: Some(FilesafetyPii { entities: vec![], entities_json: "[]".into(), count: Some(0) }),
            sentiment: Some(FilesafetySentiment { dominant: "NEUTRAL".into(), scores: BTreeMap::new() }),
        }),
        file_hash: HASH.into(),
        metadata_json: "{}".into(),
        completed_at: Some(Timestamp { seconds: 1_774_267_200, nanos: 0 }),
    };
    assert_eq!(scan(CURRENT), expected);

    let older = scan(fixture!("docs_scan.complete_older.json"));
    assert_eq!(older.virus.unwrap().engine, "clamav");
    assert_eq!(older.text, None);

    let mixed = scan(fixture!("constructed/mixed.json"));
    assert_eq!(mixed.virus.unwrap().signature, "Win.Test.EICAR_HDB-1");
    assert_eq!(mixed.nsfw.unwrap().categories, ["Explicit Nudity"]);
}

/// A consumer must be able to distinguish "not scanned" from "not clean".
#[test]
fn absent_is_not_false() {
    let bare = scan(r#"{"scan_id":"s","verdict":"failed"}"#);
    assert_eq!((bare.virus, bare.nsfw, bare.text), (None, None, None));
    let empty = scan(r#"{"scan_id":"s","verdict":"failed","virus":{},"nsfw":{},"text":{}}"#);
    assert_eq!(empty.virus, Some(FilesafetyVirus::default()));
    assert_eq!(empty.virus.unwrap().clean, None);
    assert_eq!(empty.nsfw, Some(FilesafetyNsfw::default()));
    assert_eq!(empty.text, Some(FilesafetyText::default()));
    let infected = scan(r#"{"scan_id":"s","verdict":"infected","virus":{"clean":false}}"#);
    assert_eq!(infected.virus.unwrap().clean, Some(false));
}

#[test]
fn lists_of_undocumented_elements_keep_their_text() {
    let text = scan(
        r#"{"scan_id":"s","text":{"toxic":{"labels":["INSULT",{"name":"HATE","score":0.9}],"maxScore":0.9},
            "pii":{"entities":{"EMAIL":2},"count":2},"sentiment":{"dominant":"MIXED","scores":{"MIXED":0.7,"NEUTRAL":"low","X":1}}}}"#,
    )
    .text
    .unwrap();
    let toxic = text.toxic.unwrap();
    assert_eq!((toxic.labels, toxic.max_score), (vec!["INSULT".to_owned()], Some(0.9)));
    assert_eq!(toxic.labels_json, r#"["INSULT",{"name":"HATE","score":0.9}]"#);
    let pii = text.pii.unwrap();
    assert_eq!((pii.entities, pii.entities_json.as_str(), pii.count), (vec![], r#"{"EMAIL":2}"#, Some(2)));
    assert_eq!(text.sentiment.unwrap().scores, BTreeMap::from([("MIXED".into(), 0.7), ("X".into(), 1.0)]));
}

#[test]
fn the_header_holds_only_a_plain_verdict() {
    let longest = "v".repeat(64);
    for (verdict, header) in [
        (json!("quarantined"), Some("quarantined")),
        (json!("CLEAN"), Some("CLEAN")),
        (json!(longest), Some(longest.as_str())),
        (json!(format!("{longest}v")), None),
        (json!(""), None),
        (json!("clean "), None),
        (json!("clean\n"), None),
        (json!("cl\u{e9}an"), None),
        (json!("clean\u{7f}"), None),
        (json!(true), None),
        (json!(null), None),
    ] {
        let body = json!({"scan_id": "s", "verdict": verdict}).to_string();
        check(&body, "scan.complete", "scan.complete", Some("s"), header);
        let scan = scan(&body);
        assert_eq!(scan.verdict(), FilesafetyVerdict::Unspecified, "{body}");
        assert_eq!(scan.verdict_text, verdict.as_str().unwrap_or_default());
    }
}

#[test]
fn an_answer_of_the_api_says_failed_by_its_status() {
    check(r#"{"scan_id":"s","status":"failed"}"#, "scan.complete", "scan.complete", Some("s"), Some("failed"));
    check(fixture!("docs_submit_response_pending.json"), "scan.complete", "scan.complete", Some(ID), None);
    // A verdict wins over any status.
    check(r#"{"scan_id":"s","status":"failed","verdict":"clean"}"#, "scan.complete", "scan.complete", Some("s"), Some("clean"));
}

/// A field of the wrong type is read like a missing field, and nothing else changes.
#[test]
fn a_wrong_type_empties_its_field_alone() {
    let mut body: Value = serde_json::from_str(&(PROVIDER.sample)("scan.verdict_updated").unwrap()).unwrap();
    body["virus"]["engine"] = json!("clamav");
    body["nsfw"]["categories"] = json!(["Explicit Nudity"]);
    for (accepted, fields) in [
        (r#""x""#, "/event /scan_id /verdict /file_hash /virus/engine /virus/signature /text/sentiment/dominant"),
        ("true", "/virus/clean /nsfw/clean /text/clean"),
        ("3", "/text/pii/count"),
        ("3 7.5 -99999999999999999999", "/nsfw/confidence /text/toxic/maxScore"),
        (r#"{"x":1}"#, "/virus /nsfw /text /text/toxic /text/pii /text/sentiment /text/sentiment/scores"),
        ("", "/completed_at /nsfw/categories"),
    ] {
        fields.split(' ').for_each(|field| check_lenient(classify, &body, field, accepted));
    }
}

#[test]
fn depth_is_harmless_everywhere() {
    let [deep, deep_object] = deep();
    for nested in [&deep, &deep_object] {
        for field in ["unknown", "metadata", "virus", "nsfw", "text", "file_hash", "completed_at"] {
            let body = format!(r#"{{"scan_id":"s","verdict":"clean","{field}":{nested}}}"#);
            check(body, "scan.complete", "scan.complete", Some("s"), Some("clean"));
        }
        for part in [r#""toxic":{"labels":"#, r#""pii":{"entities":"#, r#""sentiment":{"scores":"#] {
            let body = format!(r#"{{"scan_id":"s","text":{{{part}{nested}}}}}}}"#);
            check(body, "scan.complete", "scan.complete", Some("s"), None);
        }
        let event = format!(r#"{{"scan_id":"s","event":{nested},"verdict":{nested}}}"#);
        check(event, "scan.complete", "scan.complete", Some("s"), None);
    }
    check(deep, "quarantine", "", None, None);
    check("[".repeat(100_000), "quarantine", "", None, None);
    check(r#"{"a":"#.repeat(100_000), "quarantine", "", None, None);
}
