mod proof;

use serde_json::{Value, json};

use super::{ACTION, FILE_READY, PROVIDER, classify::classify, sample};
use crate::{
    event::{Event, EventKind},
    proto::{FrameioAction, FrameioActionResource, FrameioEvent, event::Payload},
    provider::tests::{check_outline, deep},
};

/// Classifies `body` and compares the event with `kind | type | subject`, or with `quarantine | type | reason: detail`.
#[track_caller]
fn check(body: impl AsRef<[u8]>, expected: &str) -> Event {
    let event = classify(body.as_ref());
    check_outline(&event, expected);
    assert_eq!((event.occurred_at, event.type_inferred, &event.verdict), (None, false, &None));
    event
}

macro_rules! fixture {
    ($name:literal, $expected:literal) => {
        check(include_bytes!(concat!("../../../tests/fixtures/frameio/", $name)), $expected)
    };
}

#[test]
fn documented_bodies() {
    let event = fixture!("v4_file.ready.json", "frameio.file.ready | file.ready | d3075547-4e64-45f0-ad12-d075660eddd2");
    assert_eq!(
        event.payload,
        Some(Payload::FrameioEvent(FrameioEvent {
            account_id: "6f70f1bd-7e89-4a7e-b4d3-7e576585a181".into(),
            project_id: "7e46e495-4444-4555-8649-bee4d391a997".into(),
            resource_id: "d3075547-4e64-45f0-ad12-d075660eddd2".into(),
            resource_type: "file".into(),
            user_id: "56556a3f-859f-4b38-b6c6-e8625b5da8a5".into(),
            workspace_id: "378fcbf7-6f88-4224-8139-6a743ed940b2".into(),
            team_id: String::new(),
        }))
    );
    let event = fixture!("v4_custom_action.json", "frameio.action | two.event | f9d5728c-ac1a-4f48-92bb-ea2f9be3c58b");
    assert_eq!(
        event.payload,
        Some(Payload::FrameioAction(FrameioAction {
            action_id: "ecd40785-4485-4f07-9d26-a006ea84efdf".into(),
            interaction_id: "e0a1c945-a8da-480d-92fb-e895cb640a01".into(),
            account_id: "9a44f696-ae69-4e0c-9731-806d27ea46f1".into(),
            project_id: "3dda6833-ec3b-46bd-a7d9-1a77c03a165b".into(),
            resource_id: "f9d5728c-ac1a-4f48-92bb-ea2f9be3c58b".into(),
            resource_type: "file".into(),
            user_id: "50d976e6-27d2-47cb-9388-45b38d55f4f0".into(),
            workspace_id: "382a1fe6-67cf-481e-9b65-79cfd9e9727f".into(),
            resources: vec![FrameioActionResource { id: "f9d5728c-ac1a-4f48-92bb-ea2f9be3c58b".into(), r#type: "file".into() }],
            ..FrameioAction::default()
        }))
    );
    let event =
        fixture!("v4_custom_action_form_submit.json", "frameio.action | your-specified-event-name | the-same-id-as-before");
    let Some(Payload::FrameioAction(action)) = event.payload else { panic!("an action") };
    assert_eq!(action.data_json, "{\n    \"title\": \"MyVideo.mp4\",\n    \"captions\": \"off\"\n  }", "the exact text");
    assert_eq!(action.action_id, "unique-id-for-this-custom-action");
}

#[test]
fn bodies_of_each_resource() {
    fixture!("kit_webhook_payload.json", "frameio.file.ready | file.ready | file_123");
    fixture!("kit_action_payload.json", "frameio.action | transcribe.file | file_123");
    fixture!("vector1_legacy_body.bin", "frameio.unclassified | asset.label.updated | 6aad9151-c216-4d6f-b5e9-530df551a426");
    let id = "d3075547-4e64-45f0-ad12-d075660eddd2";
    for (body, name, resource_type) in [
        (include_str!("../../../tests/fixtures/frameio/constructed/collection.updated.json"), "collection.updated", "collection"),
        (include_str!("../../../tests/fixtures/frameio/constructed/comment.created.json"), "comment.created", "comment"),
        (include_str!("../../../tests/fixtures/frameio/constructed/file.versioned.json"), "file.versioned", "version_stack"),
        (include_str!("../../../tests/fixtures/frameio/constructed/folder.created.json"), "folder.created", "folder"),
        (
            include_str!("../../../tests/fixtures/frameio/constructed/metadata.value.updated.json"),
            "metadata.value.updated",
            "file",
        ),
        (include_str!("../../../tests/fixtures/frameio/constructed/project.created.json"), "project.created", "project"),
        (include_str!("../../../tests/fixtures/frameio/constructed/share.viewed.json"), "share.viewed", "share"),
    ] {
        let event = check(body, &format!("frameio.{name} | {name} | {id}"));
        let Some(Payload::FrameioEvent(payload)) = event.payload else { panic!("a webhook event") };
        assert_eq!(payload.resource_type, resource_type);
    }
}

#[test]
fn legacy_bodies() {
    let captured: Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/frameio/legacy_custom_action_captured_headers_and_body.json"))
            .unwrap();
    // The capture holds the body in the form in which Python prints it.
    let body = captured["body"].to_string().replace('\'', "\"");
    let event = check(body, "frameio.action | custom.action.demo | ce611de8-79b8-4bf5-bdf3-0b5a72f7dbb6");
    let Some(Payload::FrameioAction(action)) = event.payload else { panic!("an action") };
    assert_eq!((action.team_id.as_str(), action.account_id.as_str()), ("aa891687-4b1e-4150-9b6d-9e4911c5b436", ""));

    let ping = include_str!("../../../tests/fixtures/frameio/legacy_ping_example.http");
    check(ping.split_once("\n\n").unwrap().1, "frameio.unclassified | ping | -");

    // Names that V4 shares have the topic of the V4 event; the others have no topic of their own.
    let legacy = include_str!("../../../tests/fixtures/frameio/events_legacy_v2.txt");
    let known = legacy.lines().filter(|name| PROVIDER.names().any(|it| it == *name)).count();
    assert_eq!((known, legacy.lines().count()), (8, 20));
    for name in legacy.lines() {
        let body = json!({"type": name, "resource": {"id": "r", "type": "asset"}, "team": {"id": "t"}});
        let kind = if PROVIDER.names().any(|it| it == name) { name } else { "unclassified" };
        check(body.to_string(), &format!("frameio.{kind} | {name} | r"));
    }
}

#[test]
fn the_types_are_the_documented_ones_and_the_kind_of_actions() {
    let documented: Vec<_> = include_str!("../../../tests/fixtures/frameio/events_v4.txt").lines().collect();
    assert_eq!(PROVIDER.names().collect::<Vec<_>>().split_last(), Some((&ACTION, documented.as_slice())));
    for name in PROVIDER.names() {
        let event = classify((PROVIDER.sample)(name).unwrap().as_bytes());
        assert_eq!(event.kind, EventKind::Named { provider: "frameio", name });
        assert!(event.subject.is_some() && event.payload.is_some(), "{name}");
    }
    let form = check(
        (PROVIDER.sample)(sample::FORM).unwrap(),
        "frameio.action | transcribe.file | 78f4d1c0-2ab9-4e63-95d7-0c8e6b3f1a29",
    );
    let Some(Payload::FrameioAction(action)) = form.payload else { panic!("an action") };
    assert_eq!(action.data_json, r#"{"language":"fr-CA","title":"Première.mov"}"#);
    let several = check(
        (PROVIDER.sample)(sample::SEVERAL).unwrap(),
        "frameio.action | transcribe.file | 5a1d7f60-3b92-4c8e-a4f7-e08b2d6c9143",
    );
    assert!(matches!(several.payload, Some(Payload::FrameioAction(action)) if action.resources.len() == 2));
    assert_eq!((PROVIDER.sample)("asset.ready"), None);
}

#[test]
fn what_is_an_action() {
    for (body, expected) in [
        (r#"{"type":"file.ready","action_id":"a","resource":{"id":"r"}}"#, "frameio.action | file.ready | r"),
        (r#"{"type":"file.ready","interaction_id":"i","resource":{"id":"r"}}"#, "frameio.action | file.ready | r"),
        (r#"{"interaction_id":"i","name":"ping"}"#, "frameio.action |  | i"),
        // A resource without an id does not count.
        (r#"{"type":"x","interaction_id":"i","resource":{"id":""}}"#, "frameio.action | x | i"),
        (r#"{"type":"action","action_id":"a","interaction_id":"i"}"#, "frameio.action | action | i"),
        (r#"{"type":"x","action_id":"a"}"#, "quarantine | x | no_subject: resource.id: a string was expected"),
        (r#"{"type":"x","action_id":"a","interaction_id":""}"#, "quarantine | x | bad_subject: interaction_id: is empty"),
        // Neither id is set, so these are webhooks.
        (r#"{"type":"file.ready","action_id":"","resource":{"id":"r"}}"#, "frameio.file.ready | file.ready | r"),
        (
            r#"{"type":"file.ready","action_id":null,"interaction_id":7,"resource":{"id":"r"}}"#,
            "frameio.file.ready | file.ready | r",
        ),
        (r#"{"type":"action","resource":{"id":"r"}}"#, "frameio.unclassified | action | r"),
        (r#"{"type":"unclassified","resource":{"id":"r"}}"#, "frameio.unclassified | unclassified | r"),
    ] {
        check(body, expected);
    }
    let event = check(r#"{"action_id":"a","account":{"id":"b"},"resource":{"id":"r"}}"#, "frameio.action |  | r");
    assert!(matches!(event.payload, Some(Payload::FrameioAction(action)) if action.account_id == "b"));
}

/// Checks the resources of an action. `expected` holds `id type` of each resource, in order.
#[track_caller]
fn check_resources(more: &Value, subject: &str, expected: &[&str]) -> FrameioAction {
    let mut body = json!({"type": "x", "action_id": "a", "interaction_id": "i"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let event = check(body.to_string(), &format!("frameio.action | x | {subject}"));
    let Some(Payload::FrameioAction(action)) = event.payload else { panic!("an action") };
    let found: Vec<String> = action.resources.iter().map(|it| format!("{} {}", it.id, it.r#type)).collect();
    assert_eq!(found, expected, "{more}");
    action
}

#[test]
fn an_action_names_one_asset_or_several() {
    let entry = |id: &str| json!({"id": id, "type": "file"});
    let only = check_resources(&json!({"resource": entry("r")}), "r", &["r file"]);
    assert_eq!((only.resource_id.as_str(), only.resource_type.as_str()), ("r", "file"));
    let several = json!([entry("b"), {"id": "a", "type": "folder"}, {"id": "c", "type": "version_stack"}]);
    let named = ["b file", "a folder", "c version_stack"];
    let action = check_resources(&json!({"resources": several}), "b", &named);
    assert_eq!((action.resource_id.as_str(), action.resource_type.as_str()), ("", ""), "the body has no `resource`");
    check_resources(&json!({"resources": several, "resource": null}), "b", &named);
    check_resources(&json!({"resources": several, "resource": {"id": ""}}), "b", &named);
    check_resources(&json!({"resources": [entry("b")]}), "b", &["b file"]);
    // With `resource` beside `resources`, the event is about `resource`, and no asset is named twice.
    let action = check_resources(
        &json!({"resources": several, "resource": {"id": "c", "type": "version_stack"}}),
        "c",
        &["c version_stack", "b file", "a folder"],
    );
    assert_eq!(action.resource_id, "c");
    check_resources(&json!({"resources": [entry("b"), entry("b")]}), "b", &["b file"]);
    // A form that names no assets keeps its interaction as the subject.
    check_resources(&json!({"data": {"title": "t"}}), "i", &[]);
    check_resources(&json!({"data": {"title": "t"}, "resources": []}), "i", &[]);
    let form = check_resources(&json!({"data": {"title": "t"}, "resources": several}), "b", &named);
    assert_eq!(form.data_json, r#"{"title":"t"}"#);
    // Entries that are not assets are left out.
    for other in [json!(null), json!(7), json!("r"), json!({"id": "r"})] {
        check_resources(&json!({"resources": other}), "i", &[]);
    }
    let mixed = json!([null, 7, "r", [], {}, {"type": "file"}, {"id": 7}, {"id": ""}, {"id": "b", "type": 7}]);
    check_resources(&json!({"resources": mixed}), "b", &["b "]);
    let many: Vec<Value> = (0..100).map(|number| entry(&format!("r{number}"))).collect();
    let all: Vec<String> = (0..100).map(|number| format!("r{number} file")).collect();
    check_resources(&json!({"resources": many}), "r0", &all.iter().map(String::as_str).collect::<Vec<_>>());
    // The first asset is the record key, so it must be a valid subject.
    let bad = json!({"type": "x", "action_id": "a", "resources": [{"id": "a\nb"}]});
    check(bad.to_string(), "quarantine | x | bad_subject: resources[].id: holds control characters");
    // A webhook has one resource, whatever other fields the body has.
    check(
        json!({"type": "file.ready", "resources": several}).to_string(),
        "quarantine | file.ready | no_subject: resource.id: a string was expected",
    );
}

#[test]
fn subjects() {
    let no_subject = "no_subject: resource.id: a string was expected";
    for (resource, known, unknown) in [
        (json!({"id": "r"}), "r", "r"),
        (json!(null), no_subject, "-"),
        (json!("r"), no_subject, "-"),
        (json!(["r"]), no_subject, "-"),
        (json!({}), no_subject, "-"),
        (json!({"id": 7}), no_subject, "-"),
        (json!({"id": ""}), "bad_subject: resource.id: is empty", "-"),
        (json!({"id": "a\u{7}b"}), "bad_subject: resource.id: holds control characters", "-"),
        (json!({"id": "x".repeat(512)}), &"x".repeat(512), &"x".repeat(512)),
        (json!({"id": "x".repeat(513)}), "bad_subject: resource.id: longer than 512 bytes", "-"),
    ] {
        let body = |name: &str| json!({"type": name, "resource": resource, "project": {"id": "p"}}).to_string();
        let kind = if known == unknown { "frameio.project.updated" } else { "quarantine" };
        check(body("project.updated"), &format!("{kind} | project.updated | {known}"));
        check(body("file.label.updated"), &format!("frameio.unclassified | file.label.updated | {unknown}"));
    }
}

#[test]
fn what_cannot_be_read_is_quarantined() {
    for (body, expected) in [
        ("", "not_json: line 1 column 0: cannot be read as JSON (it ends too early)"),
        (r#"{"type":"file.ready""#, "not_json: line 1 column 20: cannot be read as JSON (it ends too early)"),
        ("payload=1", "not_json: line 1 column 1: cannot be read as JSON (syntax)"),
        ("[]", "not_an_object: an object was expected"),
        (r#"["file.ready"]"#, "not_an_object: an object was expected"),
        ("null", "not_an_object: an object was expected"),
        (r#""file.ready""#, "not_an_object: an object was expected"),
    ] {
        check(body, &format!("quarantine |  | {expected}"));
    }
    let twice = classify(br#"{"type":"file.ready","resource":{"id":"a","id":"b"}}"#);
    assert_eq!(twice.kind, EventKind::Quarantine);
    assert_eq!(classify(b"{\"type\":\"\xff\"}").kind, EventKind::Quarantine);
    // A body without any type is still a delivery.
    check("{}", "frameio.unclassified |  | -");
    check(r#"{"type":["file.ready"],"resource":{"id":"r"}}"#, "frameio.unclassified |  | r");
    check(r#"{"type":null,"name":7,"resource":{"id":"r"}}"#, "frameio.unclassified |  | r");
}

#[test]
fn a_wrong_type_empties_its_field_and_nothing_else() {
    for name in ["file.ready", ACTION] {
        let body: Value = serde_json::from_str(&(PROVIDER.sample)(name).unwrap()).unwrap();
        for pointer in [
            "/type",
            "/account",
            "/account/id",
            "/account_id",
            "/project",
            "/project/id",
            "/resource",
            "/resource/type",
            "/user",
            "/workspace/id",
        ] {
            let Some((parent, key)) = pointer.rsplit_once('/').filter(|_| body.pointer(pointer).is_some()) else {
                continue;
            };
            let mut without = body.clone();
            without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
            for wrong in [json!(null), json!(true), json!(7), json!(1.5), json!([]), json!(["a"]), json!({"a": [1]})] {
                let mut changed = body.clone();
                *changed.pointer_mut(pointer).unwrap() = wrong;
                assert_eq!(classify(changed.to_string().as_bytes()), classify(without.to_string().as_bytes()), "{pointer}");
            }
        }
    }
}

#[test]
fn depth_and_unknown_fields_do_no_harm() {
    let [deep, _] = deep();
    for field in ["x", "data", "user", "name", "action_id"] {
        let body = format!(r#"{{"{field}":{deep},"type":"file.ready","resource":{{"id":"r","x":{deep}}}}}"#);
        check(body, "frameio.file.ready | file.ready | r");
    }
    assert_eq!(classify(format!(r#"{{"data":{}"#, "[".repeat(100_000)).as_bytes()).kind, EventKind::Quarantine);
}

#[test]
fn a_file_that_is_ready_says_so_without_a_time() {
    let ready = |file: &str| (PROVIDER.recovered.expect("there"))(FILE_READY, file.as_bytes());
    let event = ready(r#"{"id":"f-1","project_id":"p-1","status":"transcoded","created_at":"2026-11-22T10:00:00Z"}"#);
    assert_eq!((event.subject.as_deref(), event.occurred_at, event.kind), (Some("f-1"), None, PROVIDER.kind(FILE_READY)));
    let expected = FrameioEvent {
        resource_id: "f-1".into(),
        resource_type: "file".into(),
        project_id: "p-1".into(),
        ..FrameioEvent::default()
    };
    assert_eq!(event.payload, Some(Payload::FrameioEvent(expected)));
    for wrong in
        [r#"{"id":"f-1","status":"uploaded"}"#, r#"{"id":"f-1","status":"new"}"#, r#"{"id":"","status":"transcoded"}"#, "{}"]
    {
        assert!(!matches!(ready(wrong).kind, EventKind::Named { .. }), "{wrong}");
    }
}
