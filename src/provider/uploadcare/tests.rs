mod proof;

use prost::Message as _;
use serde_json::{Value, json};

use super::{PROVIDER, classify::classify, sample};
use crate::{
    event::{Event, EventKind, parse_time},
    proto::{self, UploadcareAddon, UploadcareColorMode, UploadcareFile, UploadcareInitiatorType, event::Payload},
    provider::tests::{check_outline, deep},
};

/// Classifies `body` and compares the event with `kind | type | subject`, or with `quarantine | type | reason: detail`.
#[track_caller]
fn check(body: impl AsRef<[u8]>, expected: &str) -> Event {
    let event = classify(body.as_ref());
    check_outline(&event, expected);
    assert_eq!((event.type_inferred, &event.verdict), (false, &None));
    event
}

fn file(event: Event) -> UploadcareFile {
    match event.payload {
        Some(Payload::UploadcareFile(file)) => *file,
        other => panic!("a file was expected, not {other:?}"),
    }
}

fn sample(name: &str) -> Value {
    serde_json::from_str(&(PROVIDER.sample)(name).unwrap()).unwrap()
}

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/uploadcare/", $name)).as_slice()
    };
}

#[test]
fn documented_bodies() {
    let zip = "620ff227-eb36-460f-a809-8ba1ea98b1f3";
    for (body, name, occurred_at) in [
        (fixture!("guide_file.uploaded_v0.7.json"), "file.uploaded", "2023-01-18T13:01:24.64201Z"),
        (fixture!("constructed/file.uploaded_v0.7.json"), "file.uploaded", "2023-01-18T13:01:24.64201Z"),
        (fixture!("constructed/file.infected_v0.7.json"), "file.infected", "2023-01-18T13:01:24.911842Z"),
        (fixture!("constructed/file.stored_v0.7.json"), "file.stored", "2023-01-18T13:01:24.807375Z"),
        (fixture!("constructed/file.deleted_v0.7.json"), "file.deleted", "2023-01-18T14:01:24.807375Z"),
        (fixture!("constructed/file.info_updated_v0.7.json"), "file.info_updated", "2023-01-18T13:01:24.911842Z"),
    ] {
        let event = check(body, &format!("uploadcare.{name} | {name} | {zip}"));
        assert_eq!(event.occurred_at, parse_time(occurred_at), "{name}");
        let file = file(event);
        let scan = file.virus_scan.unwrap();
        assert_eq!((scan.infected, scan.infected_with.as_str()), (Some(true), "Win.Test.EICAR_HDB-1"));
        assert_eq!((file.size, file.is_image, file.is_ready), (Some(308), Some(false), Some(true)));
        assert_eq!((file.metadata_json.as_str(), file.variations_json.as_str()), ("{}", ""));
        assert!(file.appdata_json.contains("\"infected_with\": \"Win.Test.EICAR_HDB-1\"\n"), "the exact text");
        assert_eq!(file.previous_values_json.is_empty(), name != "file.info_updated");
        assert_eq!(file.previous_virus_scan, None);
        assert_eq!(file.hook.unwrap().id, Some(1_446_695));
    }
    let event = check(
        fixture!("community_file.uploaded_v0.7_2022.json"),
        "uploadcare.file.uploaded | file.uploaded | f5c4ee6e-f41a-4ff2-a86e-a3e92bcc334d",
    );
    let file = file(event);
    assert_eq!(file.virus_scan.unwrap().infected, Some(false), "clean is not absent");
    let image = file.content_info.unwrap().image.unwrap();
    assert_eq!((image.color_mode(), image.datetime_original.as_str()), (UploadcareColorMode::Rgb, "2022-09-29T08:41:18"));
    assert_eq!((image.width, image.height, image.geo_location), (Some(4032), Some(3024), None));
    assert_eq!(image.dpi, [72.0, 72.0]);
}

#[test]
fn official_vector_is_read_although_it_is_old() {
    let body = fixture!("vector1_body.bin");
    let event = check(body, "uploadcare.file.uploaded | file.uploaded | f08d7c8a-2971-42e0-ab01-780d9039b40b");
    assert_eq!(event.occurred_at, None, "its datetime_uploaded is null");
    let file = file(event);
    assert_eq!((file.payload_hash.as_str(), file.url.as_str()), ("1844671900", ""));
    assert_eq!((file.initiator, file.virus_scan), (None, None));
    let content = file.content_info.unwrap();
    assert_eq!(content.video, None);
    assert_eq!(content.image.unwrap().width, Some(300));
    let hook = file.hook.unwrap();
    assert_eq!((hook.project_id, hook.project_pub_key.as_str(), hook.version.as_str()), (Some(123_681), "", ""));
    // The bodies of the other vectors name neither an event nor a file.
    check(fixture!("constructed/vector_spaced_body.bin"), "uploadcare.unclassified |  | -");
    check(fixture!("constructed/vector_unicode_escaped_body.bin"), "uploadcare.unclassified |  | -");
}

#[test]
fn older_descriptions_of_the_content_count_where_the_newer_lacks_theirs() {
    let check = |content_info: Value, image_info: Value, video_info: Value| {
        let body = json!({"hook": {"event": "file.uploaded"}, "data": {"uuid": "u", "content_info": content_info,
            "image_info": image_info, "video_info": video_info}});
        let content = file(check(body.to_string(), "uploadcare.file.uploaded | file.uploaded | u")).content_info;
        content.map(|content| (content.image.and_then(|image| image.width), content.video.map(|video| video.video.len())))
    };
    assert_eq!(check(json!(null), json!(null), json!(null)), None);
    assert_eq!(check(json!({}), json!({"width": 1}), json!(null)), Some((Some(1), None)));
    assert_eq!(check(json!({"image": {"width": 2}}), json!({"width": 1}), json!(null)), Some((Some(2), None)));
    assert_eq!(check(json!(null), json!(null), json!({"video": [{}, 7, {}]})), Some((None, Some(2))));
    // A single stream instead of an array.
    assert_eq!(check(json!({"video": {"video": {"width": 1}}}), json!(null), json!(null)), Some((None, Some(1))));
}

#[test]
fn tags_have_presence() {
    fn check(event: &str, data: &Value, previous: &Value, tags: Option<&[&str]>, previous_tags: Option<&[&str]>) {
        let mut body = json!({"hook": {"event": event}, "data": {"uuid": "u"}});
        body["data"].as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        if !previous.is_null() {
            body["previous_values"] = previous.clone();
        }
        let file = file(super::tests::check(body.to_string(), &format!("uploadcare.{event} | {event} | u")));
        let owned = |tags: Option<&[&str]>| tags.map(|it| it.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
        assert_eq!(file.tags.map(|it| it.values), owned(tags), "{body}");
        assert_eq!(file.previous_tags.map(|it| it.values), owned(previous_tags), "{body}");
        let exact = if previous.is_null() { String::new() } else { previous.to_string() };
        assert_eq!(file.previous_values_json, exact, "the exact text");
    }
    let none = &json!(null);
    check("file.uploaded", &json!({}), none, None, None);
    check("file.uploaded", &json!({"tags": []}), none, Some(&[]), None);
    check("file.uploaded", &json!({"tags": ["cat", "Ünï", ""]}), none, Some(&["cat", "Ünï", ""]), None);
    let info = "file.info_updated";
    check(info, &json!({"tags": ["cat"]}), &json!({"tags": null}), Some(&["cat"]), None);
    check(info, &json!({"tags": []}), &json!({"tags": ["cat", "dog"]}), Some(&[]), Some(&["cat", "dog"]));
    check(info, &json!({"tags": ["cat"]}), &json!({"tags": [], "metadata": {"a": "b"}}), Some(&["cat"]), Some(&[]));
    check(info, &json!({}), &json!({"metadata": {}}), None, None);
    // A wrong type empties the field, also if only one element has it: a part of the tags would look like all of them, and an empty list
    // like no tags.
    for wrong in [json!(null), json!("cat"), json!({"a": "cat"}), json!(7)] {
        check("file.stored", &json!({"tags": wrong}), none, None, None);
    }
    for wrong in [json!(["cat", 7]), json!([null]), json!([["dog"], "cat"]), json!([{"name": "cat"}])] {
        check("file.stored", &json!({"tags": wrong}), none, None, None);
        check(info, &json!({}), &json!({"tags": wrong}), None, None);
    }
}

#[test]
fn samples_are_read_whole() {
    for name in PROVIDER.names() {
        let event = classify((PROVIDER.sample)(name).unwrap().as_bytes());
        assert_eq!(event.kind, EventKind::Named { provider: "uploadcare", name });
        assert!(event.subject.is_some() && event.payload.is_some() && event.occurred_at.is_some(), "{name}");
    }
    assert_eq!((PROVIDER.sample)("file.renamed"), None);

    let event = classify((PROVIDER.sample)("file.info_updated").unwrap().as_bytes());
    assert_eq!(event.occurred_at, parse_time("2026-03-16T04:12:08.770361Z"));
    let revised = file(event);
    let infected = |scan: Option<crate::proto::UploadcareVirusScan>| scan.unwrap().infected;
    assert_eq!((infected(revised.previous_virus_scan), infected(revised.virus_scan)), (Some(false), Some(true)));
    assert!(revised.previous_values_json.starts_with(r#"{"appdata":{"uc_clamav_virus_scan":{"#));
    let initiator = revised.initiator.unwrap();
    assert_eq!(
        (initiator.r#type(), initiator.type_text.as_str(), initiator.addon_name()),
        (UploadcareInitiatorType::Addon, "addon", UploadcareAddon::UcClamavVirusScan)
    );

    let video = file(classify((PROVIDER.sample)(sample::UPLOADED_VIDEO).unwrap().as_bytes()));
    assert_eq!(video.initiator.unwrap().source_file_uuid, "1c8e5b0a-94d7-4f36-a2c1-7be0d95f3a68");
    let video = video.content_info.unwrap().video.unwrap();
    assert_eq!((video.duration_ms, video.format.as_str(), video.bitrate), (Some(31_840), "mp4", Some(2307)));
    assert_eq!((video.audio[0].channels, video.audio[0].sample_rate), (Some(2), Some(48_000)));
    assert_eq!((video.video[0].frame_rate, video.video[0].codec.as_str()), (Some(29.97), "h264"));
}

#[test]
fn every_field_goes_where_it_belongs() {
    let mut body = sample("file.info_updated");
    body["data"]["content_info"]["image"] = sample("file.uploaded")["data"]["content_info"]["image"].take();
    body["data"]["content_info"]["video"] = sample(sample::UPLOADED_VIDEO)["data"]["content_info"]["video"].take();
    body["data"]["datetime_stored"] = json!("2026-03-14T09:27:10.114203Z");
    body["data"]["datetime_removed"] = json!("2026-03-15T09:26:53.601472Z");
    body["data"]["variations"] = json!({"video/mp4": "7d92e4c1-05ab-4e68-83f7-c94b1a6d0e25"});
    body["data"]["source"] = json!("dropbox");
    body["data"]["rekognition_info"] = json!({"Tree": 0.5});
    body["initiator"]["detail"]["source_file_uuid"] = json!("1c8e5b0a-94d7-4f36-a2c1-7be0d95f3a68");
    body["hook"]["updated_at"] = json!("2026-02-04T00:00:00Z");
    body["previous_values"]["appdata"]["uc_clamav_virus_scan"]["version"] = json!("1.0.6");
    body["payload_hash"] = json!("1844671900");
    body["data"]["tags"] = json!(["holiday", "2026"]);
    body["previous_values"]["tags"] = json!(["holiday"]);
    let event = proto::Event { payload: classify(body.to_string().as_bytes()).payload, ..proto::Event::default() };
    let json = proto::event_to_json(&event.encode_to_vec()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn closed_vocabularies_keep_their_text() {
    let typed = |pointer: &str, text: &str| {
        let mut body = sample("file.uploaded");
        *body.pointer_mut(pointer).unwrap() = text.into();
        file(classify(body.to_string().as_bytes()))
    };
    for (text, expected) in [
        ("aws_rekognition_detect_labels", 1),
        ("aws_rekognition_detect_moderation_labels", 2),
        ("uc_clamav_virus_scan", 3),
        ("remove_bg", 4),
        ("zamzar_convert_document", 5),
        ("zencoder_convert_video", 6),
        ("new_addon", 0),
    ] {
        let initiator = typed("/initiator/detail/addon_name", text).initiator.unwrap();
        assert_eq!((initiator.addon_name, initiator.addon_name_text.as_str()), (expected, text));
    }
    for (text, expected) in [("api", 1), ("system", 2), ("addon", 3), ("API", 0), ("", 0)] {
        let initiator = typed("/initiator/type", text).initiator.unwrap();
        assert_eq!((initiator.r#type, initiator.type_text.as_str()), (expected, text));
    }
    let modes = ["RGB", "RGBA", "RGBa", "RGBX", "L", "LA", "La", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB"];
    for (text, expected) in modes.into_iter().zip(1..).chain([("I;16", 0)]) {
        let image = typed("/data/content_info/image/color_mode", text).content_info.unwrap().image.unwrap();
        assert_eq!((image.color_mode, image.color_mode_text.as_str()), (expected, text));
    }
}

#[test]
fn the_time_of_an_event_is_that_of_what_it_tells() {
    let uploaded = "2026-03-14T09:26:53.58979Z";
    for (name, pointer, value, expected) in [
        ("file.uploaded", "/data/datetime_uploaded", json!(null), None),
        ("file.uploaded", "/data/datetime_uploaded", json!("yesterday"), None),
        ("file.stored", "/data/datetime_stored", json!(null), None),
        ("file.deleted", "/data/datetime_removed", json!(null), None),
        ("file.infected", "/data/appdata", json!(null), Some(uploaded)),
        ("file.infected", "/initiator", json!(null), Some("2026-03-14T09:26:55.358979Z")),
        // After a change of metadata, the scan is older than the event.
        ("file.info_updated", "/initiator/detail/addon_name", json!(null), None),
        ("file.info_updated", "/initiator/detail/addon_name", json!("remove_bg"), None),
        ("file.info_updated", "/initiator", json!(null), None),
        ("file.info_updated", "/data/appdata", json!({}), None),
    ] {
        let mut body = sample(name);
        *body.pointer_mut(pointer).unwrap() = value;
        let event = classify(body.to_string().as_bytes());
        assert_eq!(event.occurred_at, expected.and_then(parse_time), "{name} {pointer}");
        assert!(event.payload.is_some());
    }
}

#[test]
fn types_and_subjects() {
    let no_subject = "no_subject: data.uuid: a string was expected";
    for (data, known, unknown) in [
        (json!({"uuid": "u"}), "u", "u"),
        (json!(null), no_subject, "-"),
        (json!("u"), no_subject, "-"),
        (json!(["u"]), no_subject, "-"),
        (json!({}), no_subject, "-"),
        (json!({"uuid": 7}), no_subject, "-"),
        (json!({"uuid": ""}), "bad_subject: data.uuid: is empty", "-"),
        (json!({"uuid": " "}), "bad_subject: data.uuid: is empty", "-"),
        (json!({"uuid": "a\nb"}), "bad_subject: data.uuid: holds control characters", "-"),
        (json!({"uuid": "a\u{202e}b"}), "bad_subject: data.uuid: holds control characters", "-"),
        (json!({"uuid": "a\u{200b}b"}), "bad_subject: data.uuid: holds control characters", "-"),
        (json!({"uuid": "a\u{feff}"}), "bad_subject: data.uuid: holds control characters", "-"),
        (json!({"uuid": "a\u{e0041}"}), "bad_subject: data.uuid: holds control characters", "-"),
        (json!({"uuid": "x".repeat(513)}), "bad_subject: data.uuid: longer than 512 bytes", "-"),
    ] {
        let body = |event: Value| json!({"hook": {"event": event}, "data": data}).to_string();
        let kind = if known == unknown { "uploadcare.file.stored" } else { "quarantine" };
        check(body(json!("file.stored")), &format!("{kind} | file.stored | {known}"));
        for unlisted in ["file.renamed", "File.Stored", "unclassified", ""] {
            check(body(json!(unlisted)), &format!("uploadcare.unclassified | {unlisted} | {unknown}"));
        }
        check(body(json!(["file.stored"])), &format!("uploadcare.unclassified |  | {unknown}"));
        check(json!({"data": data}).to_string(), &format!("uploadcare.unclassified |  | {unknown}"));
    }
}

#[test]
fn what_cannot_be_read_is_quarantined() {
    for (body, expected) in [
        ("", "not_json: line 1 column 0: cannot be read as JSON (it ends too early)"),
        (r#"{"hook":{"#, "not_json: line 1 column 9: cannot be read as JSON (it ends too early)"),
        ("[]", "not_an_object: an object was expected"),
        (r#"[{"event":"file.stored"}]"#, "not_an_object: an object was expected"),
        ("7", "not_an_object: an object was expected"),
    ] {
        check(body, &format!("quarantine |  | {expected}"));
    }
    // A key that appears twice is refused everywhere, so that no reader has to choose between two verdicts.
    let twice = r#"{"uc_clamav_virus_scan":{"data":{"infected":false,"infected":true}}}"#;
    for body in [
        r#"{"hook":{"event":"file.stored","event":"file.deleted"},"data":{"uuid":"u"}}"#.to_owned(),
        format!(r#"{{"hook":{{"event":"file.stored"}},"data":{{"uuid":"u","appdata":{twice}}}}}"#),
        format!(r#"{{"hook":{{"event":"file.stored"}},"data":{{"uuid":"u"}},"previous_values":{{"appdata":{twice}}}}}"#),
    ] {
        let fault = classify(body.as_bytes()).fault.unwrap();
        assert!(fault.detail.ends_with("(a key twice)"), "{}", fault.detail);
    }
    let repaired = classify(b"{\"data\":{\"metadata\":\"\xff\"}}");
    assert_eq!((repaired.kind, repaired.text_repaired), (EventKind::Unclassified { provider: "uploadcare" }, true));
}

/// Collects every place in a JSON value, as pointers.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut visit = |key: &str, child: &Value| {
        let pointer = format!("{at}/{key}");
        pointers(child, &pointer, found);
        found.push(pointer);
    };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, child)| visit(key, child)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, child)| visit(&at.to_string(), child)),
        _ => {}
    }
}

/// Returns the event without the exact texts, which show even parts that cannot be read.
fn without_texts(body: &Value) -> Event {
    let mut event = classify(body.to_string().as_bytes());
    if let Some(Payload::UploadcareFile(file)) = &mut event.payload {
        for text in [
            &mut file.appdata_json,
            &mut file.metadata_json,
            &mut file.variations_json,
            &mut file.previous_values_json,
            &mut file.rekognition_info_json,
        ] {
            text.clear();
        }
    }
    event
}

#[test]
fn a_wrong_type_empties_its_field_and_nothing_else() {
    let all = [json!(true), json!(7), json!("text"), json!([]), json!([[1]]), json!({}), json!({"a": [1]}), json!(null)];
    for name in ["file.uploaded", "file.info_updated", sample::UPLOADED_VIDEO] {
        let body = sample(name);
        let mut found = Vec::new();
        pointers(&body, "", &mut found);
        assert!(found.len() > 50);
        for pointer in found {
            let right = body.pointer(&pointer).unwrap();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let mut without = body.clone();
            match without.pointer_mut(parent).unwrap() {
                Value::Array(items) => drop(items.remove(key.parse().unwrap())),
                parent => drop(parent.as_object_mut().unwrap().remove(key)),
            }
            let expected = without_texts(&without);
            for wrong in &all {
                let stream = matches!(key, "audio" | "video") && wrong.is_object();
                if stream || right.is_null() || std::mem::discriminant(right) == std::mem::discriminant(wrong) {
                    continue;
                }
                let mut changed = body.clone();
                *changed.pointer_mut(&pointer).unwrap() = wrong.clone();
                assert_eq!(without_texts(&changed), expected, "{pointer} {wrong}");
            }
        }
    }
    for size in [json!(-1), json!(1.5), json!(1e300)] {
        let mut body = sample("file.uploaded");
        body["data"]["size"] = size;
        assert_eq!(file(classify(body.to_string().as_bytes())).size, None);
    }
}

#[test]
fn depth_and_unknown_fields_do_no_harm() {
    let [deep, _] = deep();
    for field in ["x", "metadata", "size", "content_info", "appdata"] {
        let body = format!(
            r#"{{"initiator":{deep},"hook":{{"event":"file.stored","x":{deep}}},"data":{{"uuid":"u","{field}":{deep}}}}}"#
        );
        check(body, "uploadcare.file.stored | file.stored | u");
    }
    let body = format!(
        r#"{{"hook":{{"event":"file.stored"}},"data":{{"uuid":"u","appdata":{{"uc_clamav_virus_scan":{deep}}}}},"previous_values":{deep}}}"#
    );
    check(body, "uploadcare.file.stored | file.stored | u");
    let open = "[".repeat(100_000);
    assert_eq!(classify(format!(r#"{{"data":{{"appdata":{open}"#).as_bytes()).kind, EventKind::Quarantine);
}
