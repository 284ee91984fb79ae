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
        FilespinAddon, FilespinAsset, FilespinAssetStatus, FilespinConversion, FilespinDeletion, FilespinDeletionStatus,
        FilespinMetadata, event::Payload,
    },
    provider::tests::{check_lenient, deep, delivery, keys},
};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/filespin/", $name))
    };
}

const ID: &str = "99d819953914402babbdeb68337ea6a3";
const ASSET: &str = fixture!("docs_asset_data_format.json");

fn verify(credential: Credential, body: &[u8]) -> Result<Event, Error> {
    PROVIDER.verify(delivery(credential, body), &keys(&["old", "k7Yw2_token"])).map(|verified| (PROVIDER.classify)(&verified))
}

fn classify(body: impl AsRef<[u8]>) -> Event {
    verify(Credential::Token("k7Yw2_token".into()), body.as_ref()).unwrap()
}

/// Classifies a body and checks the result. `topic` is that of `EventKind::name`, without the provider.
#[track_caller]
fn check(body: impl AsRef<[u8]>, topic: &str, event_type: &str, inferred: bool, subject: Option<&str>) -> Event {
    let event = classify(body);
    assert_eq!(event.kind.name().trim_start_matches("filespin."), topic, "{event:?}");
    assert_eq!((event.event_type.as_str(), event.type_inferred), (event_type, inferred));
    assert_eq!(event.subject.as_deref(), subject);
    assert_eq!(event.payload.is_some(), matches!(event.kind, EventKind::Named { .. }));
    assert_eq!(event.fault.is_some(), event.kind == EventKind::Quarantine);
    event
}

fn asset(body: impl AsRef<[u8]>) -> FilespinAsset {
    match classify(body).payload {
        Some(Payload::FilespinAsset(asset)) => asset,
        other => panic!("{other:?}"),
    }
}

fn deletion(body: impl AsRef<[u8]>) -> FilespinDeletion {
    match classify(body).payload {
        Some(Payload::FilespinDeletion(deletion)) => deletion,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_a_known_token_is_proof() {
    for (token, slot_exists) in [("k7Yw2_token", true), ("old", true), ("", false), ("k7Yw2_toke", false), ("OLD", false)] {
        let outcome = verify(Credential::Token(token.into()), ASSET.as_bytes());
        assert_eq!(outcome.err(), (!slot_exists).then_some(Error::BadToken), "{token:?}");
    }
    let signed = verify(Credential::Headers(vec!["k7Yw2_token".into()]), ASSET.as_bytes());
    assert_eq!(signed.err(), Some(Error::MissingSignature));
}

#[test]
fn documented_bodies_have_their_type() {
    for (body, event_type, inferred) in [
        (ASSET, "file-processed", true),
        (fixture!("guide_asset_event.json"), "file-processed", true),
        (fixture!("constructed/file-processed_no_event_key.json"), "file-processed", true),
        (fixture!("constructed/file-processed.json"), "file-processed", false),
        (fixture!("constructed/file-saved.json"), "file-saved", false),
        (fixture!("constructed/file-data-updated.json"), "file-data-updated", false),
        (fixture!("constructed/error.json"), "file-error", true),
        (fixture!("guide_file-deleted_ok.json"), "file-deleted", false),
        (fixture!("guide_file-deleted_error.json"), "file-deleted", false),
    ] {
        check(body, event_type, event_type, inferred, Some(ID));
    }
    for (body, event_type) in [
        (fixture!("docs_file-deleted_ok_statusMsg.json"), "file-deleted"),
        (fixture!("docs_file-deleted_error.json"), "file-deleted"),
        (fixture!("docs_file-undeleted_ok.json"), "file-undeleted"),
    ] {
        check(body, event_type, event_type, false, Some("..."));
    }
}

#[test]
fn every_type_has_a_sample_of_itself() {
    for name in PROVIDER.names() {
        let body = (PROVIDER.sample)(name).unwrap();
        let inferred = matches!(name, "file-error" | "file-archived");
        check(&body, name, name, inferred, Some("3f9c1b7ad2e84c06a5f1907be64d2c18"));
    }
    assert_eq!((PROVIDER.sample)("file-copied"), None);
}

#[test]
fn types_are_named_then_inferred_then_unclassified() {
    for (body, topic, event_type, inferred) in [
        // The name wins over the status, also where they disagree.
        (json!({"id": "a", "event": "file-saved", "status": "OK"}), "file-saved", "file-saved", false),
        (json!({"id": "a", "event": "addon-processed"}), "addon-processed", "addon-processed", false),
        (json!({"id": "a", "event": "", "status": "OK"}), "file-processed", "file-processed", true),
        (json!({"id": "a", "event": 7, "status": "NOT_READY"}), "file-saved", "file-saved", true),
        (json!({"id": "a", "status": "ARCHIVED"}), "file-archived", "file-archived", true),
        (json!({"id": "a", "event": "file-copied", "status": "OK"}), "unclassified", "file-copied", false),
        (json!({"id": "a", "event": "FILE-SAVED", "status": "OK"}), "unclassified", "FILE-SAVED", false),
        (json!({"id": "a", "status": "ok"}), "unclassified", "", false),
        (json!({"id": "a", "status": "MAYBE"}), "unclassified", "", false),
        (json!({"id": "a"}), "unclassified", "", false),
        // A deletion without its name could be its reversal.
        (json!({"id": "a", "keys": ["original"], "status": "OK"}), "unclassified", "", false),
    ] {
        check(body.to_string(), topic, event_type, inferred, Some("a"));
    }
}

#[test]
fn whatever_describes_a_file_tells_an_asset_from_a_deletion() {
    for (field, value) in [
        ("name", json!("b.png")),
        ("size", json!(0)),
        ("checksum", json!("c")),
        ("content_type", json!("image/png")),
        ("upload_time", json!("2026-02-17T10:30:00Z")),
    ] {
        let mut body = json!({"id": "a", "keys": ["original"], "status": "OK"});
        check(body.to_string(), "unclassified", "", false, Some("a"));
        body[field] = value;
        check(body.to_string(), "file-processed", "file-processed", true, Some("a"));
    }
}

#[test]
fn a_named_event_without_a_subject_is_quarantined_with_its_type() {
    let long = "x".repeat(513);
    for (id, reason) in [
        (json!(null), FaultReason::NoSubject),
        (json!(17), FaultReason::NoSubject),
        (json!([ID]), FaultReason::NoSubject),
        (json!(""), FaultReason::BadSubject),
        (json!("a\nb"), FaultReason::BadSubject),
        (json!("a\u{0}"), FaultReason::BadSubject),
        (json!(long), FaultReason::BadSubject),
    ] {
        let body = json!({"id": id, "event": "file-deleted", "status": "OK"});
        let event = check(body.to_string(), "quarantine", "file-deleted", false, None);
        let fault = event.fault.unwrap();
        assert_eq!(fault.reason, reason, "{id}");
        assert!(fault.detail.starts_with("id: "), "{}", fault.detail);
        // If the type is not known, a missing subject is not known to be wrong.
        check(json!({"id": id, "event": "file-copied"}).to_string(), "unclassified", "file-copied", false, None);
    }
    check(r#"{"status":"ERROR"}"#, "quarantine", "file-error", true, None);
    check("{}", "unclassified", "", false, None);
}

#[test]
fn what_is_not_an_object_is_quarantined() {
    for (body, reason) in [
        (fixture!("docs_reissue_response_202.json"), FaultReason::NotAnObject),
        (r#"["file-saved","a","OK"]"#, FaultReason::NotAnObject),
        ("[]", FaultReason::NotAnObject),
        ("null", FaultReason::NotAnObject),
        ("17", FaultReason::NotAnObject),
        ("", FaultReason::NotJson),
        ("event=file-saved", FaultReason::NotJson),
        (r#"{"id":"a","status":"OK""#, FaultReason::NotJson),
        (r#"{"id":"a","status":"OK"}{"#, FaultReason::NotJson),
        (r#"{"id":"a","id":"b","status":"OK"}"#, FaultReason::NotJson),
    ] {
        let event = check(body, "quarantine", "", false, None);
        assert_eq!(event.fault.unwrap().reason, reason, "{body}");
    }
    check(b"{\"id\":\"\xff\",\"status\":\"OK\"}", "quarantine", "", false, None);
}

#[test]
fn an_asset_is_read_whole() {
    let time = Timestamp { seconds: 1_435_824_776, nanos: 0 };
    let conversion = |name: &str, file: &str| FilespinConversion {
        name: name.into(),
        storage_type: "s3".into(),
        bucket: "filespin-labs".into(),
        key: format!("/{ID}/{file}"),
        width: Some(1280),
        height: Some(720),
        duration: Some(30.0),
        size: Some(716_000),
        public: Some(true),
        watermarked: Some(false),
    };
    let expected = FilespinAsset {
        id: ID.into(),
        status: FilespinAssetStatus::Ok.into(),
        status_text: "OK".into(),
        name: "sample.mov".into(),
        size: Some(8_836_363),
        checksum: "5f5f26bd7c0f62c6e02e44c73d09734e".into(),
        provider: "local".into(),
        storage_type: "AMAZON_S3".into(),
        bucket: "filespin-labs".into(),
        key: format!("/{ID}/sample.jpg"),
        public: Some(false),
        content_type: "video/quicktime".into(),
        creator_id: Some(272),
        upload_time: Some(time),
        update_user_id: Some(272),
        update_time: Some(time),
        upload_source: "upload.example.com".into(),
        data_schema_id: Some(1),
        metadata: Some(FilespinMetadata { width: Some(1200), height: Some(800), duration: Some(30.0) }),
        metadata_json: "{\n    \"width\": 1200,\n    \"height\": 800,\n    \"duration\": 30\n  }".into(),
        data_json: "{\n    \"foo\": \"bar\"\n  }".into(),
        conversions: vec![conversion("720p-video", "720p-video.mp4"), conversion("hls-video", "hls/playlist.m3u8")],
        addons: vec![FilespinAddon {
            name: "ON_DEMAND_IMAGE".into(),
            available: Some(true),
            json: "{\n      \"available\": true\n    }".into(),
        }],
        urls_json: String::new(),
        errors_json: String::new(),
    };
    assert_eq!(asset(ASSET), expected);
    assert_eq!(classify(ASSET).occurred_at, Some(time));
}

#[test]
fn free_form_fields_keep_their_exact_text() {
    let read = asset(
        r#"{"id":"a","status":"ERROR","data": {"n": 12345678901234567890123, "n":1.0} ,"urls":["u"],"errors":"no codec",
            "metadata":{"width":"wide","height":9,"iso":100},"addons_info":{"Z":null,"A":{"available":"yes","tags":[1]}}}"#,
    );
    assert_eq!(read.data_json, r#"{"n": 12345678901234567890123, "n":1.0}"#);
    assert_eq!((read.urls_json.as_str(), read.errors_json.as_str()), (r#"["u"]"#, r#""no codec""#));
    assert_eq!(read.metadata, Some(FilespinMetadata { width: None, height: Some(9), duration: None }));
    assert_eq!(read.metadata_json, r#"{"width":"wide","height":9,"iso":100}"#);
    let addon = |name: &str, json: &str| FilespinAddon { name: name.into(), available: None, json: json.into() };
    assert_eq!(read.addons, [addon("A", r#"{"available":"yes","tags":[1]}"#), addon("Z", "null")]);
}

#[test]
fn occurred_at_is_the_update_else_the_upload() {
    for (update, upload, seconds) in [
        (json!("2026-02-17T10:30:05Z"), json!("2026-02-17T10:30:00Z"), Some(1_771_324_205)),
        (json!(null), json!("2026-02-17T10:30:00Z"), Some(1_771_324_200)),
        // A time that cannot be read is not replaced by that of the upload, which is older.
        (json!("2026-13-45T99:99:99Z"), json!("2026-02-17T10:30:00Z"), None),
        (json!(7), json!("2026-02-17T10:30:00Z"), Some(1_771_324_200)),
        (json!("2026-02-17"), json!(1_771_324_200), None),
    ] {
        let body = json!({"id": "a", "status": "OK", "update_time": update, "upload_time": upload});
        assert_eq!(classify(body.to_string()).occurred_at.map(|time| time.seconds), seconds, "{body}");
    }
    let deleted = json!({"id": "a", "event": "file-deleted", "update_time": "2026-02-17T10:30:05Z"});
    assert_eq!(classify(deleted.to_string()).occurred_at, None);
}

#[test]
fn a_deletion_is_read_whole() {
    let expected = FilespinDeletion {
        id: ID.into(),
        keys: vec!["deepzoom".into()],
        keys_json: r#"["deepzoom"]"#.into(),
        original_affected: Some(false),
        status: FilespinDeletionStatus::Error.into(),
        status_text: "ERROR".into(),
        message: "S3 Permission denied".into(),
        errors: BTreeMap::from([("deepzoom".into(), "S3 Permission denied".into())]),
        errors_json: "{\n\"deepzoom\": \"S3 Permission denied\"\n}".into(),
    };
    assert_eq!(deletion(fixture!("guide_file-deleted_error.json")), expected);
    assert_eq!(deletion(fixture!("docs_file-undeleted_ok.json")).original_affected, Some(true));
}

#[test]
fn keys_of_any_shape_never_hide_the_original() {
    for (keys, names, original_affected) in [
        (r#"["original"]"#, vec!["original"], Some(true)),
        (r#"["deepzoom","original"]"#, vec!["deepzoom", "original"], Some(true)),
        (r#"["deepzoom"]"#, vec!["deepzoom"], Some(false)),
        (r#"["Original","original "]"#, vec!["Original", "original "], Some(false)),
        ("[]", vec![], Some(false)),
        // A list that is read in part can show the original, but not its absence.
        (r#"["original",{"key":"deepzoom"}]"#, vec!["original"], Some(true)),
        (r#"["deepzoom",{"key":"original"}]"#, vec!["deepzoom"], None),
        (r#"{"original":true}"#, vec![], None),
        (r#""original""#, vec![], None),
        ("1e999", vec![], None),
    ] {
        let read = deletion(format!(r#"{{"event":"file-deleted","id":"a","keys": {keys} }}"#));
        assert_eq!((read.keys, read.original_affected), (names.iter().map(ToString::to_string).collect(), original_affected));
        assert_eq!(read.keys_json, keys);
    }
    let absent = deletion(r#"{"event":"file-deleted","id":"a","keys":null}"#);
    assert_eq!((absent.keys_json.as_str(), absent.original_affected), ("", None));
}

#[test]
fn a_deletion_speaks_under_two_names() {
    for (message, status_msg, expected) in [
        (json!("a"), json!("b"), "a"),
        (json!(""), json!("b"), "b"),
        (json!(null), json!("b"), "b"),
        (json!({}), json!("b"), "b"),
        (json!("a"), json!(null), "a"),
        (json!(""), json!([]), ""),
    ] {
        let body = json!({"event": "file-deleted", "id": "a", "message": message, "statusMsg": status_msg});
        assert_eq!(deletion(body.to_string()).message, expected, "{body}");
    }
    for (status, expected) in [
        ("OK", FilespinDeletionStatus::Ok),
        ("MAYBE", FilespinDeletionStatus::Maybe),
        ("ERROR", FilespinDeletionStatus::Error),
        ("NOT_READY", FilespinDeletionStatus::Unspecified),
    ] {
        let read = deletion(json!({"event": "file-undeleted", "id": "a", "status": status}).to_string());
        assert_eq!((read.status(), read.status_text.as_str()), (expected, status));
    }
    let mixed = json!({"event": "file-deleted", "id": "a", "errors": {"a": "b", "c": 1}});
    assert_eq!(deletion(mixed.to_string()).errors, BTreeMap::from([("a".into(), "b".into())]));
}

/// A field of the wrong type is read like a missing field, and nothing else changes.
#[test]
fn a_wrong_type_empties_its_field_alone() {
    let mut asset: Value = serde_json::from_str(fixture!("constructed/file-processed.json")).unwrap();
    asset["conversions"] = json!({"c": asset["conversions"]["hls-video"]});
    for (accepted, fields) in [
        (r#""x""#, "/event /status /id /name /checksum /provider /storage_type /bucket /key /content_type /upload_source"),
        (r#""x""#, "/conversions/c/storage_type /conversions/c/bucket /conversions/c/key"),
        ("3", "/size /creator_id /update_user_id /data_schema_id"),
        ("3", "/conversions/c/size /conversions/c/width /conversions/c/height"),
        ("3 7.5 -99999999999999999999", "/conversions/c/duration"),
        ("true", "/public /conversions/c/public /conversions/c/watermarked"),
        (r#"{"x":1}"#, "/addons_info /conversions/c"),
        ("", "/upload_time /conversions"),
        // Text that is not a time still counts as present.
        (r#""x""#, "/update_time"),
    ] {
        fields.split(' ').for_each(|field| check_lenient(classify, &asset, field, accepted));
    }
    let deletion: Value = serde_json::from_str(fixture!("guide_file-deleted_error.json")).unwrap();
    for field in ["/event", "/id", "/status", "/message"] {
        check_lenient(classify, &deletion, field, r#""x""#);
    }
}

#[test]
fn depth_is_harmless_everywhere() {
    let [deep, deep_object] = deep();
    for nested in [&deep, &deep_object] {
        for field in ["unknown", "data", "metadata", "conversions", "addons_info", "name", "size", "keys", "errors", "urls"] {
            let body = format!(r#"{{"id":"a","event":"file-saved","{field}":{nested}}}"#);
            check(body, "file-saved", "file-saved", false, Some("a"));
            let body = format!(r#"{{"id":"a","event":"file-deleted","{field}":{nested}}}"#);
            check(body, "file-deleted", "file-deleted", false, Some("a"));
        }
        check(format!(r#"{{"id":{nested},"status":"OK"}}"#), "quarantine", "file-processed", true, None);
    }
    check(deep, "quarantine", "", false, None);
    check("[".repeat(100_000), "quarantine", "", false, None);
    check(r#"{"a":"#.repeat(100_000), "quarantine", "", false, None);
}
