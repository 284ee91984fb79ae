//! What docs/consumers.md promises to consumers, tested with the whole daemon.

use std::collections::{BTreeMap, BTreeSet};

use hookgate::{
    proto::{Event, ProofScheme},
    provider,
};
use prost::Message as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    accept::post_every_fixture,
    binary::Folder,
    harness::{self, Daemon, NOW, Setup, Stored, fixture, secret, signed_with},
    providers::{self, PROVIDERS},
    request_table::{Ask, Table, header, id},
};

fn decode(record: &Stored) -> Event {
    Event::decode(&*record.value).unwrap()
}

/// Returns whether an event was signed with a secret. It uses only what is stored, and follows the scheme's documentation.
fn proven(event: &Event, secret: &str) -> bool {
    let Some(sign) = providers::of(&event.provider).sign else { return false };
    let stored: Vec<_> = event.proof.iter().flat_map(|proof| &proof.headers).map(|it| (&*it.name, it.value.clone())).collect();
    sign(secret, timestamp(event), &event.body) == stored
}

/// Returns the text of the signed timestamp, or nothing where the scheme signs none.
fn timestamp(event: &Event) -> &str {
    let mut headers = event.proof.iter().flat_map(|proof| &proof.headers);
    headers.find(|header| header.name.ends_with("timestamp")).map_or("", |header| &header.value)
}

#[test]
fn every_stored_event_can_be_proven_again() {
    let mut schemes = BTreeMap::<i32, usize>::new();
    post_every_fixture(|_, records| {
        for record in records {
            let event = decode(&record);
            let proof = event.proof.clone().unwrap();
            *schemes.entry(proof.scheme).or_default() += 1;
            let case = providers::of(&event.endpoint);
            let all = [case.old, case.secret];
            let slot = usize::try_from(proof.secret_slot).unwrap() - 1;
            let matching: Vec<usize> = (0..all.len()).filter(|at| proven(&event, all[*at])).collect();
            if proof.scheme() == ProofScheme::UrlToken {
                // A token signs nothing and is itself a secret, so the event contains nothing of it.
                assert_eq!((proof.headers.len(), matching.len(), proof.signed_at), (0, 0, None), "{}", record.topic);
                continue;
            }
            assert_eq!(matching, [slot], "{}: {}", record.topic, event.id);
            let mut forged = event.clone();
            forged.body = [b" ", &event.body[..]].concat().into();
            assert!(!proven(&forged, all[slot]), "a body with one more byte is not proven");
        }
    });
    assert_eq!(schemes.len(), 1 + providers::signing().count(), "{schemes:?}");
    assert!(schemes.values().all(|events| *events > 5), "{schemes:?}");
}

/// Computes the id of a delivery from what is stored, as event.proto describes it.
fn id_by_the_schema(event: &Event) -> String {
    let mut hash = Sha256::new();
    hash.update(b"hookgate.id.v1\0");
    for part in [event.endpoint.as_bytes(), timestamp(event).as_bytes()] {
        hash.update(u32::try_from(part.len()).unwrap().to_be_bytes());
        hash.update(part);
    }
    hash.update(&event.body);
    let mut hex: Vec<char> = hex::encode(&hash.finalize()[..16]).chars().collect();
    // RFC 9562: the version in the thirteenth digit, the variant in the two upper bits of the seventeenth.
    hex[12] = '8';
    hex[16] = ['8', '9', 'a', 'b'][hex[16].to_digit(16).unwrap() as usize % 4];
    let text: String = hex.into_iter().collect();
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

#[test]
fn ids_follow_from_what_is_stored() {
    // Python's hashlib and uuid have computed these from the fixtures.
    let known = [
        ("frameio/vector1_legacy_body.bin", "afdeae79-1ee3-8d76-85da-94b816b72d12"),
        ("uploadcare/vector1_body.bin", "c7e553f7-a6b7-8540-a8c1-b4539224ce3d"),
        ("filesafety/docs_scan.complete_current.json", "20db7dcf-18ad-85bd-babb-e1e47930f13a"),
        ("filespin/guide_asset_event.json", "815aec0f-b2c7-8f5b-8655-bceb84137a6a"),
        ("frameio/v4_file.ready.json", "e6e65532-9625-80cb-9c7d-eedade2b39f5"),
        ("uploadcare/constructed/file.stored_v0.7.json", "15844b45-dab3-8b34-8633-a00a1dcc678f"),
    ];
    let mut answers = BTreeMap::new();
    post_every_fixture(|answered, records| {
        answers.extend(answered.into_iter().map(|(case, answer)| (case.name, id(&answer))));
        for record in records {
            let event = decode(&record);
            assert_eq!(event.id, id_by_the_schema(&event), "{}", record.topic);
            assert_eq!(event.id, header(&record, "ce_id"));
        }
    });
    for (name, expected) in known {
        assert_eq!(answers[name], expected, "{name}");
    }
}

/// Groups the records of a daemon by their ids. The oldest record of each id is the first.
fn by_id(records: Vec<Stored>) -> BTreeMap<String, Vec<Stored>> {
    let mut ids = BTreeMap::<String, Vec<Stored>>::new();
    for record in records {
        ids.entry(header(&record, "ce_id").to_owned()).or_default().push(record);
    }
    ids
}

#[test]
fn a_retry_of_the_same_bytes_is_the_same_record_again() {
    let mut table = Table::new();
    for provider in provider::ALL {
        for name in provider.names() {
            let ask = Ask::signed(provider.name, (provider.sample)(name).unwrap().as_bytes());
            let ids = [1, 2, 3].map(|_| id(&table.check(name, &ask, "200 published")));
            assert!(ids.iter().all(|id| *id == ids[0]), "{name}: {ids:?}");
        }
    }
    let kinds: usize = provider::ALL.iter().map(|provider| provider.types.len()).sum();
    let ids = by_id(table.finish());
    assert_eq!(ids.len(), kinds, "different events have different ids");
    for (id, copies) in ids {
        assert_eq!(copies.len(), 3, "{id}: Hookgate removes no duplicates");
        for copy in &copies[1..] {
            // The clock of this daemon stands still. Else each attempt would have another `received_at`.
            let same = |record: &Stored| {
                (record.topic.clone(), record.partition, record.key.clone(), record.headers.clone(), record.value.clone())
            };
            assert_eq!(same(copy), same(&copies[0]), "{id}");
        }
    }
}

#[test]
fn a_retry_that_is_signed_anew_differs_only_in_id_and_proof() {
    let mut table = Table::new();
    let body = fixture("frameio/v4_file.ready.json");
    let ids = [NOW, NOW + 15].map(|time| {
        let (path, headers) = signed_with("frameio", secret("FRAMEIO"), &time.to_string(), &body);
        id(&table.check("signed", &Ask::post(path, headers, &body), "200 published"))
    });
    assert_ne!(ids[0], ids[1]);
    let records = table.finish();
    let without = |record: &Stored| {
        let event = Event { id: String::new(), proof: None, ..decode(record) };
        (record.topic.clone(), record.partition, record.key.clone(), event)
    };
    assert_eq!(without(&records[0]), without(&records[1]));
    assert_ne!(decode(&records[0]).proof, decode(&records[1]).proof);
}

#[test]
fn two_endpoints_that_get_the_same_event_give_it_two_ids() {
    let (folder, other) = (Folder::new(), "second-token-0123456789");
    harness::keep_secret(other);
    let file = folder.write("second", other);
    let tables = format!("[endpoints.second]\nprovider = \"filesafety\"\nsecrets = ['file:{file}']");
    let mut table = Table::with(Setup { tables: &tables, ..Setup::default() });
    let body = fixture("filesafety/docs_scan.complete_current.json");
    let second = Ask::post(format!("/webhooks/second?token={other}"), Vec::new(), &body);
    let ids =
        [Ask::signed("filesafety", &body), second].map(|ask| id(&table.check("one delivery to each", &ask, "200 published")));
    assert_ne!(ids[0], ids[1]);
    let records = table.finish();
    assert_eq!((&records[0].topic, &records[0].key), (&records[1].topic, &records[1].key));
}

/// Returns bodies without a subject, or with one that cannot be a key, and the outcome of each.
fn without_subject() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let quarantined = ["", "{", "[]", "\u{0}", "null", "7"];
    let mut rows: Vec<_> = providers::names()
        .flat_map(|endpoint| quarantined.map(|body| (endpoint, body.as_bytes().to_vec(), "200 quarantined")))
        .collect();
    // Subjects that are absent, of another type, empty, too long, or contain a control character.
    let subjects = [Value::Null, json!(7), json!({}), json!(""), json!("x".repeat(513)), json!("a\u{7f}b"), json!("a\nb")];
    for subject in subjects {
        for (case, provider) in PROVIDERS.iter().zip(provider::ALL) {
            let body = |name: &str| (case.minimal_body)(name, &subject).to_string().into();
            rows.push((case.name, body(provider.types[0].name), "200 quarantined"));
            rows.push((case.name, body("no-such-type"), "200 unclassified"));
        }
        rows.push(("filesafety", json!({"scan_id": subject}).to_string().into(), "200 quarantined"));
        let action = json!({"type": "ready", "action_id": "a", "interaction_id": subject});
        rows.push(("frameio", action.to_string().into(), "200 quarantined"));
    }
    rows
}

#[test]
fn no_key_is_empty() {
    let mut table = Table::new();
    let mut expected = BTreeMap::new();
    for (case, provider) in PROVIDERS.iter().zip(provider::ALL) {
        for name in provider.names() {
            let body = (provider.sample)(name).unwrap();
            let subject =
                serde_json::from_str::<Value>(&body).unwrap().pointer(case.subject).and_then(Value::as_str).map(str::to_owned);
            let answer = table.check(name, &Ask::signed(provider.name, body.as_bytes()), "200 published");
            expected.insert(id(&answer), subject.unwrap_or_else(|| panic!("{name}: {body}")));
        }
        // For an unknown type with a subject, the key is the subject.
        let body = (case.minimal_body)("no-such-type", &json!("s-1")).to_string();
        let answer = table.check("unknown", &Ask::signed(provider.name, body.as_bytes()), "200 unclassified");
        expected.insert(id(&answer), "s-1".into());
    }
    for (endpoint, body, outcome) in without_subject() {
        let answer = table.check(&String::from_utf8_lossy(&body), &Ask::signed(endpoint, &body), outcome);
        let id = id(&answer);
        expected.insert(id.clone(), id);
    }
    let every: BTreeSet<String> = harness::topics(&table.daemon.config).into_iter().collect();
    let records = table.finish();
    for record in &records {
        let key = String::from_utf8(record.key.clone()).unwrap();
        assert_eq!(key, expected[header(record, "ce_id")], "{}", record.topic);
        assert!(!key.is_empty());
        assert_eq!((decode(record).subject, header(record, "ce_subject")), (key.clone(), key.as_str()));
    }
    assert_eq!(records.into_iter().map(|record| record.topic).collect::<BTreeSet<_>>(), every, "a topic got no record");
}

#[test]
fn order_is_that_of_the_acknowledgements() {
    // All events of FileSpin go to one topic, as docs/consumers.md recommends for one order. FileSafety has one topic per type.
    let tables = "[topics.map]\n\"filespin.*\" = \"assets\"";
    let mut table = Table::with(Setup { tables, ..Setup::default() });
    let asset = |event: &str, second: u32| {
        json!({"event": event, "id": "asset", "status": "OK", "update_time": format!("2026-01-01T00:00:{second:02}Z")})
            .to_string()
    };
    // The latest event arrives first, then the deletion, then two earlier events.
    let deletion = r#"{"event":"file-deleted","id":"asset","keys":["original"],"status":"OK"}"#.to_owned();
    let sent = [asset("file-processed", 30), deletion, asset("file-saved", 10), asset("file-data-updated", 20)];
    let ids = sent.map(|body| id(&table.check("asset", &Ask::signed("filespin", body.as_bytes()), "200 published")));
    for verdict in ["scan.verdict_updated", "scan.complete"] {
        let body = json!({"event": verdict, "scan_id": "scan", "verdict": "clean"}).to_string();
        table.check(verdict, &Ask::signed("filesafety", body.as_bytes()), "200 published");
    }
    let mut records = table.finish();
    let topics: BTreeSet<String> = records.iter().map(|record| record.topic.clone()).collect();
    assert_eq!(topics.len(), 3, "events of one scan are on two topics, which have no common order: {topics:?}");
    records.retain(|record| record.topic == "assets");
    records.sort_by_key(|record| record.offset);
    assert_eq!(records.iter().map(|record| header(record, "ce_id")).collect::<Vec<_>>(), ids);
    let times: Vec<_> = records.iter().map(|record| decode(record).occurred_at.map(|time| time.seconds % 60)).collect();
    assert_eq!(times, [Some(30), None, Some(10), Some(20)]);
}

/// Two different events that a plausible key takes for duplicates.
struct Lost {
    endpoint: &'static str,
    key: fn(&Value) -> Value,
    first: Vec<u8>,
    second: Vec<u8>,
    /// Whether at least `id` distinguishes them.
    ids_differ: bool,
}

#[test]
fn the_keys_of_the_guides_lose_events() {
    let file = |name: &str| fixture(&format!("filespin/constructed/{name}.json"));
    let keys =
        |name: &str| format!(r#"{{"event":"{name}","id":"a","keys":["original"],"status":"OK","message":""}}"#).into_bytes();
    let rows = [
        Lost {
            endpoint: "filespin",
            key: |body| body["id"].clone(),
            first: file("file-saved"),
            second: file("file-processed"),
            ids_differ: true,
        },
        // The file is deleted, restored, and deleted again.
        Lost {
            endpoint: "filespin",
            key: |body| json!([body["id"], body["event"]]),
            first: keys("file-deleted"),
            second: keys("file-deleted"),
            ids_differ: false,
        },
        Lost {
            endpoint: "filesafety",
            key: |body| body["scan_id"].clone(),
            first: fixture("filesafety/docs_scan.complete_current.json"),
            second: fixture("filesafety/constructed/verdict_updated.json"),
            ids_differ: true,
        },
        // Two comments on one file, or two updates of it, have equal bodies.
        Lost {
            endpoint: "frameio",
            key: |body| body["resource"]["id"].clone(),
            first: fixture("frameio/v4_file.ready.json"),
            second: fixture("frameio/v4_file.ready.json"),
            ids_differ: true,
        },
        Lost {
            endpoint: "uploadcare",
            key: |body| body["data"]["uuid"].clone(),
            first: fixture("uploadcare/constructed/file.uploaded_v0.7.json"),
            second: fixture("uploadcare/constructed/file.infected_v0.7.json"),
            ids_differ: true,
        },
    ];
    let daemon = Daemon::start();
    for row in rows {
        let of = |body: &[u8]| (row.key)(&serde_json::from_slice(body).unwrap());
        assert_eq!(of(&row.first), of(&row.second), "{}", row.endpoint);
        assert!(!of(&row.first).is_null(), "{}", row.endpoint);
        let mut ids = Vec::new();
        for (body, time) in [(&row.first, NOW), (&row.second, NOW + 60)] {
            let (path, headers) = signed_with(row.endpoint, secret(&row.endpoint.to_uppercase()), &time.to_string(), body);
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            ids.push(id(&daemon.post(&path, &headers, body)));
        }
        assert_eq!(ids[0] != ids[1], row.ids_differ, "{}", row.endpoint);
    }
}
