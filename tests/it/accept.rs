//! What is accepted, and the exact records that it leads to: a snapshot for each fixture, and a sample of each event type.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    time::{Duration, SystemTime},
};

use hookgate::{
    clock::Clock,
    proto::{Event, event_to_json},
    provider,
};
use prost::Message as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    harness::{Answer, NOW, Setup, Stored, fixture, fixtures, frozen, secret, signed_with},
    providers::names,
    request_table::{Ask, Table, header, id},
};

/// The fixtures that are the body of a webhook, byte for byte. The folder in each name is the name of its provider.
const BODIES: &[&str] = &[
    "filesafety/constructed/failed.json",
    "filesafety/constructed/infected.json",
    "filesafety/constructed/mixed.json",
    "filesafety/constructed/nsfw.json",
    "filesafety/constructed/toxic.json",
    "filesafety/constructed/verdict_updated.json",
    "filesafety/docs_scan.complete_current.json",
    "filesafety/docs_scan.complete_older.json",
    "filespin/constructed/error.json",
    "filespin/constructed/file-data-updated.json",
    "filespin/constructed/file-processed.json",
    "filespin/constructed/file-processed_no_event_key.json",
    "filespin/constructed/file-saved.json",
    "filespin/docs_asset_data_format.json",
    "filespin/docs_file-deleted_error.json",
    "filespin/docs_file-deleted_ok_statusMsg.json",
    "filespin/docs_file-undeleted_ok.json",
    "filespin/guide_asset_event.json",
    "filespin/guide_file-deleted_error.json",
    "filespin/guide_file-deleted_ok.json",
    "frameio/constructed/collection.updated.json",
    "frameio/constructed/comment.created.json",
    "frameio/constructed/file.versioned.json",
    "frameio/constructed/folder.created.json",
    "frameio/constructed/metadata.value.updated.json",
    "frameio/constructed/project.created.json",
    "frameio/constructed/share.viewed.json",
    "frameio/kit_action_payload.json",
    "frameio/kit_webhook_payload.json",
    "frameio/v4_custom_action.json",
    "frameio/v4_custom_action_form_submit.json",
    "frameio/v4_file.ready.json",
    "uploadcare/community_file.uploaded_v0.7_2022.json",
    "uploadcare/constructed/file.deleted_v0.7.json",
    "uploadcare/constructed/file.infected_v0.7.json",
    "uploadcare/constructed/file.info_updated_v0.7.json",
    "uploadcare/constructed/file.stored_v0.7.json",
    "uploadcare/constructed/file.uploaded_v0.7.json",
    "uploadcare/guide_file.uploaded_v0.7.json",
];

/// The fixtures that contain a body beside other things. Their own signatures were made with secrets that nobody published.
const EXTRACTED: &[&str] = &["frameio/legacy_custom_action_captured_headers_and_body.json", "frameio/legacy_ping_example.http"];

/// The test vectors: a description with the official signature, and the file of the body if it has one of its own.
const VECTORS: &[(&str, Option<&str>)] = &[
    ("frameio/vector1_legacy.json", Some("frameio/vector1_legacy_body.bin")),
    ("frameio/constructed/vectors_frameio_kit_algorithm.json", None),
    ("uploadcare/vector1.json", Some("uploadcare/vector1_body.bin")),
    ("uploadcare/constructed/vector_spaced.json", Some("uploadcare/constructed/vector_spaced_body.bin")),
    ("uploadcare/constructed/vector_unicode_escaped.json", Some("uploadcare/constructed/vector_unicode_escaped_body.bin")),
    ("uploadcare/constructed/vector_unicode_utf8.json", Some("uploadcare/constructed/vector_unicode_utf8_body.bin")),
];

/// The fixtures that no provider posts to a webhook, and what they are instead.
const NOT_POSTED: &[(&str, &str)] = &[
    ("filesafety/docs_error.json", "an error of the API"),
    ("filesafety/docs_get_scan_complete_current.json", "the API's answer about a scan"),
    ("filesafety/docs_submit_response_pending.json", "the API's answer to a submission"),
    ("filespin/docs_reissue_request.json", "a request to the API"),
    ("filespin/docs_reissue_response_202.json", "the API's answer to that request"),
    ("filespin/docs_webhook_settings_update.json", "a request to the API"),
    ("frameio/events_legacy_v2.txt", "a list of event types"),
    ("frameio/events_v4.txt", "a list of event types"),
    ("frameio/v4_webhook_create_request.json", "a request to the API"),
    ("uploadcare/openapi_v0.7_webhook_parts.yml", "a part of the API's description"),
    ("uploadcare/rest_webhook_object_v0.7.json", "the API's answer about a subscription"),
];

/// The time of the captured Frame.io delivery.
fn captured() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_604_004_499)
}

/// A fixture as a request, and a clock by which its signature is fresh.
pub struct Case {
    pub name: String,
    pub ask: Ask,
    clock: Clock,
}

fn case(name: &str, ask: Ask, clock: Clock) -> Case {
    Case { name: name.into(), ask: ask.header("content-type", "application/json"), clock }
}

/// Posts every fixture to a daemon by whose clock it is fresh. `look` gets the answers and the records that are stored then.
pub fn post_every_fixture(mut look: impl FnMut(Vec<(Case, Answer)>, Vec<Stored>)) {
    for clock in [frozen as Clock, captured] {
        let mut table = Table::with(Setup { clock, ..Setup::default() });
        let fresh = cases().into_iter().filter(|case| (case.clock)() == clock());
        let answered = fresh.map(|case| {
            let answer = table.check(&case.name, &case.ask, &format!("200 {}", outcome(&case.name)));
            (case, answer)
        });
        let answered = answered.collect();
        look(answered, table.finish());
    }
}

fn cases() -> Vec<Case> {
    let signed = |name: &&str| {
        let endpoint = name.split('/').next().unwrap();
        case(name, Ask::signed(endpoint, &body(name)), frozen)
    };
    BODIES.iter().chain(EXTRACTED).map(signed).chain(VECTORS.iter().flat_map(vectors)).collect()
}

/// Returns the body in a fixture.
fn body(name: &str) -> Vec<u8> {
    let bytes = fixture(name);
    match name.rsplit('/').next() {
        Some("legacy_custom_action_captured_headers_and_body.json") => {
            let capture: Value = serde_json::from_slice(&bytes).unwrap();
            // The capture has the body as Python prints it after parsing.
            capture["body"].to_string().into_bytes()
        }
        Some("legacy_ping_example.http") => {
            let text = String::from_utf8(bytes).unwrap();
            text.split_once("\n\n").unwrap().1.trim_end().as_bytes().to_vec()
        }
        _ => bytes,
    }
}

/// Returns the requests that a vector describes, with its own signatures.
fn vectors((description, body): &(&str, Option<&str>)) -> Vec<Case> {
    let vector: Value = serde_json::from_slice(&fixture(description)).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let frameio = |vector: &Value, name: &str, body: &[u8]| {
        let names = ["x-frameio-signature", "x-frameio-request-timestamp"];
        let values = [&vector["X-Frameio-Signature"], &vector["X-Frameio-Request-Timestamp"]].map(text);
        let clock: Clock = if values[1] == "1604004499" { captured } else { frozen };
        let headers = names.into_iter().map(str::to_owned).zip(values).collect();
        case(name, Ask::post("/webhooks/frameio", headers, body), clock)
    };
    match (vector["vectors"].as_array(), body) {
        (Some(list), _) => list
            .iter()
            .map(|vector| {
                let name = format!("{description}#{}", text(&vector["name"]));
                frameio(vector, &name, &hex::decode(text(&vector["body_hex"])).unwrap())
            })
            .collect(),
        (None, Some(name)) if name.starts_with("frameio") => vec![frameio(&vector, name, &fixture(name))],
        (None, Some(name)) if name.starts_with("uploadcare") => {
            let headers = vec![("x-uc-signature".to_owned(), text(&vector["header_value"]))];
            vec![case(name, Ask::post("/webhooks/uploadcare", headers, &fixture(name)), frozen)]
        }
        (None, _) => panic!("{description}: no body, or a provider whose vectors this test cannot read"),
    }
}

#[test]
fn every_fixture_is_listed_once() {
    let vectors = VECTORS.iter().flat_map(|(description, body)| [Some(*description), *body]).flatten();
    for name in names() {
        let of = |fixture: &&&str| fixture.starts_with(&format!("{name}/"));
        assert!(BODIES.iter().find(of).is_some(), "no body of {name} among the fixtures");
    }
    let not_posted = NOT_POSTED.iter().map(|(name, _)| *name);
    let listed: Vec<_> = BODIES.iter().chain(EXTRACTED).copied().chain(vectors).chain(not_posted).map(str::to_owned).collect();
    let once: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(once.len(), listed.len(), "a fixture is listed twice");
    assert_eq!(once, files(&fixtures()), "fixtures and lists differ");
}

/// Returns the path of every file below a folder, relative to the folder.
fn files(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn every_fixture_leads_to_the_record_in_its_snapshot() {
    let mut ids = BTreeMap::new();
    let mut records = Vec::new();
    post_every_fixture(|answered, stored| {
        ids.extend(answered.into_iter().map(|(case, answer)| (case.name, (id(&answer), case.ask.body))));
        records.extend(stored);
    });
    let mut written = BTreeSet::new();
    for (name, (id, body)) in ids {
        // Two fixtures with the same bytes have the same id. Then their records are equal, and either one will do.
        let record = records.iter().find(|record| header(record, "ce_id") == id).unwrap();
        assert_eq!(Event::decode(&*record.value).unwrap().body, body, "{name}: the body's bytes");
        let name = name.replace(['/', '#'], "__");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
        insta::with_settings!({ snapshot_path => path, prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name.clone(), describe(record));
        });
        written.insert(format!("{name}.snap"));
    }
    let present = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots"));
    assert_eq!(present, written, "a snapshot without a fixture");
}

/// Returns the outcome of a fixture: mostly that it is published on the topic of its type.
fn outcome(name: &str) -> &'static str {
    match name.rsplit(['/', '#']).next().unwrap() {
        // Two types of the legacy API that V4 does not have, and vectors that test signatures and name no event.
        "legacy_ping_example.http"
        | "vector1_legacy_body.bin"
        | "vector_spaced_body.bin"
        | "vector_unicode_escaped_body.bin"
        | "vector_unicode_utf8_body.bin" => "unclassified",
        "kit_empty_body" => "quarantined",
        _ => "published",
    }
}

/// Returns a record as text, with the digest and the length of the body in its place.
fn describe(record: &Stored) -> String {
    let mut event = event_to_json(&record.value).unwrap();
    let body = Event::decode(&*record.value).unwrap().body;
    if let Some(shown) = event.get_mut("body") {
        *shown = json!({ "bytes": body.len(), "sha256": hex::encode(Sha256::digest(&body)) });
    }
    event.sort_all_objects();
    let Stored { topic, partition, timestamp_ms, key, headers, .. } = record;
    let mut text = format!("topic: {topic}\npartition: {partition}\ntimestamp_ms: {timestamp_ms:?}\n");
    writeln!(text, "key: {}\n", String::from_utf8_lossy(key)).unwrap();
    for (name, value) in headers {
        writeln!(text, "{name}: {value}").unwrap();
    }
    format!("{text}\n{event:#}")
}

#[test]
fn samples_of_every_type() {
    let mut table = Table::new();
    let mut sent = Vec::new();
    for provider in provider::ALL {
        for name in provider.names() {
            let body = (provider.sample)(name).unwrap_or_else(|| panic!("{}: no sample of {name}", provider.name));
            let answer = table.check(name, &Ask::signed(provider.name, body.as_bytes()), "200 published");
            sent.push((id(&answer), format!("hookgate.{}.{name}", provider.name), body));
        }
    }
    let records = table.finish();
    assert_eq!(records.len(), sent.len());
    for (id, topic, body) in sent {
        let record = records.iter().find(|record| header(record, "ce_id") == id).unwrap();
        let event = Event::decode(&*record.value).unwrap();
        assert_eq!((record.topic.as_str(), event.body.as_ref()), (topic.as_str(), body.as_bytes()));
        assert_eq!((event.subject.as_bytes(), event.payload.is_some()), (record.key.as_slice(), true), "{topic}");
    }
}

#[test]
fn the_same_delivery_twice_is_two_records_of_one_id() {
    let mut table = Table::new();
    let mut ids = BTreeSet::new();
    for provider in provider::ALL {
        let body = (provider.sample)(provider.types[0].name).unwrap();
        let ask = Ask::signed(provider.name, body.as_bytes());
        let [first, second] = [1, 2].map(|_| id(&table.check("again", &ask, "200 published")));
        assert_eq!(first, second, "{}", provider.name);
        // A body with one more byte is another delivery.
        let longer = id(&table.check("longer", &Ask::signed(provider.name, format!("{body} ").as_bytes()), "200 published"));
        ids.extend([first, longer]);
    }
    let records = table.finish();
    assert_eq!((records.len(), ids.len()), (3 * provider::ALL.len(), 2 * provider::ALL.len()));
}

#[test]
fn a_retry_that_is_signed_anew_has_another_id() {
    let mut table = Table::new();
    let mut signing = 0;
    for provider in provider::ALL.iter().filter(|provider| provider.signs_time()) {
        signing += 1;
        let body = (provider.sample)(provider.types[0].name).unwrap();
        let mut at = |time: u64| {
            let secret = secret(&provider.name.to_uppercase());
            let (path, headers) = signed_with(provider.name, secret, &time.to_string(), body.as_bytes());
            id(&table.check("signed", &Ask::post(path, headers, body.as_bytes()), "200 published"))
        };
        assert_ne!(at(NOW), at(NOW + 1), "{}", provider.name);
    }
    assert!(signing > 0);
    assert_eq!(table.finish().len(), 2 * signing);
}

#[test]
fn request_headers_that_reach_the_record() {
    let mut table = Table::new();
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let long = format!("text/{}", "x".repeat(251));
    let longer = format!("{long}x");
    let rows: Vec<(&str, &str, &str)> = vec![
        // A header, its value, and the value in the record.
        ("traceparent", traceparent, traceparent),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", ""),
        ("traceparent", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""),
        ("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", ""),
        ("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01", ""),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", ""),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", ""),
        ("traceparent", "", ""),
        ("content-type", "application/json; charset=utf-8", "application/json; charset=utf-8"),
        ("content-type", "text/plain", "text/plain"),
        ("content-type", &long, &long),
        ("content-type", &longer, ""),
        ("content-type", "", ""),
    ];
    let mut expected = BTreeMap::new();
    for (number, (name, value, kept)) in rows.into_iter().enumerate() {
        let body = json!({ "scan_id": format!("scan-{number}"), "verdict": "clean" }).to_string();
        let ask = Ask::signed("filesafety", body.as_bytes()).header(name, value);
        let answer = table.check(&format!("{name}: {value}"), &ask, "200 published");
        expected.insert(id(&answer), (name, kept.to_owned()));
    }
    for record in table.finish() {
        let (name, kept) = &expected[header(&record, "ce_id")];
        let found = match *name {
            "content-type" => Event::decode(&*record.value).unwrap().content_type,
            name => record.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone()).unwrap_or_default(),
        };
        assert_eq!(&found, kept, "{name}");
        // The record's own content type says what its value is.
        assert_eq!(header(&record, "content-type"), "application/protobuf");
    }
}
