//! The server as a client sees it, and what `make` makes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::*;
use crate::{make::make, time::read};

fn ask(stub: &Stub, head: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(stub.address).expect("a connection");
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.split(' ').nth(1).expect("a status").parse().expect("a number"), serde_json::from_str(body).unwrap_or_default())
}

fn window() -> (time::Micros, time::Micros) {
    (read("2026-11-22T10:00:00Z").expect("a time"), read("2026-11-22T14:00:00Z").expect("a time"))
}

#[test]
fn the_name_of_a_header_is_compared_as_it_is_sent() {
    let stub = Stub::start();
    let key = stub.books().filesafety.api_key.clone();
    let check = |name: &str, key: &str, status: u16| {
        assert_eq!(ask(&stub, &format!("GET /v1/usage HTTP/1.1\r\n{name}: {key}"), "").0, status, "{name}");
    };
    check("x-api-key", &key, 200);
    check("X-Api-Key", &key, 401);
    check("X-API-KEY", &key, 401);
    check("x-api-key", "fs_live_other", 401);
    assert_eq!(stub.books().header_names[1], ["X-Api-Key", "content-length"]);
}

#[test]
fn each_type_is_made_and_the_same_seed_makes_the_same() {
    let made = |seed: u64| make(&mut Books::default(), seed, 4, window());
    let events = made(1);
    assert_eq!(events, made(1));
    assert_ne!(events, made(2));
    let mut counts = BTreeMap::new();
    for event in &events {
        assert!((window().0..window().1).contains(&event.at), "{event:?}");
        *counts.entry((event.provider.name(), event.kind.as_str())).or_insert(0) += 1;
    }
    let mut expected = BTreeMap::new();
    let frameio = frameio::EVENTS.iter().map(|(kind, ..)| ("frameio", *kind, 4));
    let others = [
        ("uploadcare", "file.uploaded", 4),
        ("uploadcare", "file.stored", 4),
        ("uploadcare", "file.deleted", 4),
        ("uploadcare", "file.infected", 4),
        ("uploadcare", "file.info_updated", 4),
        ("frameio", "bulk_assets_deleted", 4),
        ("frameio", "asset_never_heard_of", 4),
        ("filespin", "file-saved", 4),
        ("filespin", "file-processed", 4),
        ("filespin", "file-data-updated", 4),
        ("filespin", "addon-processed", 4),
        ("filespin", "file-deleted", 4),
        ("filespin", "file-undeleted", 4),
        ("filesafety", "scan.complete", 8),
        ("filesafety", "scan.verdict_updated", 4),
    ];
    for (provider, kind, count) in frameio.chain(others) {
        // A file that is ready was uploaded as well.
        let more = if kind == "file.upload.completed" { 4 } else { 0 };
        expected.insert((provider, kind), count + more);
    }
    assert_eq!(counts, expected);
}

#[test]
fn times_are_equal_in_pairs_and_written_with_five_and_six_digits() {
    let mut books = Books::default();
    let events = make(&mut books, 7, 4, window());
    let uploads: Vec<_> = events.iter().filter(|event| event.kind == "file.uploaded").map(|event| event.at).collect();
    assert_eq!((uploads.len(), uploads.iter().collect::<BTreeSet<_>>().len()), (4, 2), "{uploads:?}");
    let digits: BTreeSet<usize> = uploads.iter().map(|at| time::shortest(*at).len() - "2026-11-22T10:00:00.Z".len()).collect();
    assert!(digits.contains(&6) && digits.iter().any(|digits| *digits < 6), "{digits:?}");
    // What the audit log says and what the webhooks said agree.
    let logged: BTreeSet<_> = books.frameio.entries.iter().map(|entry| (entry.at, entry.resource_id.clone())).collect();
    let updates = events.iter().filter(|event| event.kind == "file.updated").map(|event| (event.at, event.subject.clone()));
    assert!(updates.collect::<BTreeSet<_>>().is_subset(&logged));
}

/// The secrets, bodies and signatures that the providers or their clients publish.
#[test]
fn a_webhook_is_signed_as_published() {
    let check = |provider: Provider, body: &[u8], secret: &str, sent: i64, expected: &[(&str, &str)]| {
        let (kind, subject) = ("kind".into(), "subject".into());
        let event = make::Happened { provider, kind, subject, at: 0, body: Some(body.to_vec()) };
        let headers = event.headers(secret, sent);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(headers[1..], *expected);
    };
    let body = include_bytes!("../../fixtures/uploadcare/vector1_body.bin");
    let signature = "v1=9b31c7dd83fdbf4a2e12b19d7f2b9d87d547672a325b9492457292db4f513c70";
    check(Provider::Uploadcare, body, "12345X", 0, &[("x-uc-signature", signature)]);
    let body = include_bytes!("../../fixtures/frameio/vector1_legacy_body.bin");
    let secret = "yxSE59T0gtZOFZxw6UhLwTkhd2m8ntNSdSWnApQ0xOnMEzSoXbD8sGFP4bzb7MbS";
    let signature = "v0=a77ce6856e609c884575c2fd211d07a9ad1c3f72e19c06ff710e8f086ffca883";
    let expected = [("x-frameio-request-timestamp", "1604004499"), ("x-frameio-signature", signature)];
    check(Provider::Frameio, body, secret, 1_604_004_499, &expected);
    check(Provider::Filespin, body, secret, 0, &[]);
}

#[test]
fn faults_strike_one_provider_and_then_end() {
    let stub = Stub::start();
    let key = stub.books().filesafety.api_key.clone();
    let order = |body: &Value| ask(&stub, "POST /_stub/faults HTTP/1.1", &body.to_string()).0;
    assert_eq!(order(&json!({ "provider": "filesafety", "fault": "503", "times": 2 })), 200);
    assert_eq!(order(&json!({ "provider": "filesafety", "fault": "thunder" })), 400);
    assert_eq!(order(&json!({ "provider": "nobody", "fault": "503" })), 400);
    let usage = || ask(&stub, &format!("GET /v1/usage HTTP/1.1\r\nx-api-key: {key}"), "").0;
    let other = || ask(&stub, "GET /api/v1/user/settings HTTP/1.1", "").0;
    assert_eq!([usage(), other(), usage(), usage()], [503, 401, 503, 200]);
}

#[test]
fn made_events_are_listed_and_delivered() {
    let (stub, receiver) = (Stub::start(), Stub::start());
    let body = json!({ "seed": 1, "each": 2, "from": "2026-11-22T10:00:00Z", "to": "2026-11-22T14:00:00Z" }).to_string();
    let made = ask(&stub, "POST /_stub/make HTTP/1.1", &body).1["made"].as_u64().expect("a count");
    let events = ask(&stub, "GET /_stub/events HTTP/1.1", "").1;
    assert_eq!(events.as_array().map(Vec::len), usize::try_from(made).ok());
    let of_uploadcare = events.as_array().expect("events").iter().filter(|event| event["provider"] == "uploadcare");
    let numbers: Vec<&Value> = of_uploadcare.map(|event| &event["number"]).take(3).collect();
    // A stand-in knows no such path, which is an answer too.
    let order =
        json!({ "to": receiver.url(), "paths": { "uploadcare": "/hooks" }, "secrets": { "uploadcare": "s" }, "events": numbers });
    let statuses = ask(&stub, "POST /_stub/deliver HTTP/1.1", &order.to_string()).1;
    assert_eq!(statuses, json!({ "404": 3 }));
    assert_eq!(receiver.books().header_names[0][4], "x-uc-signature");
    assert_eq!(receiver.asked(), vec!["POST /hooks"; 3]);
    assert_eq!(ask(&stub, "POST /_stub/reset HTTP/1.1", "").0, 200);
    assert_eq!(ask(&stub, "GET /_stub/events HTTP/1.1", "").1, json!([]));
}

#[test]
fn switches_are_set_by_name() {
    let stub = Stub::start();
    let check =
        |body: Value, status: u16| assert_eq!(ask(&stub, "POST /_stub/set HTTP/1.1", &body.to_string()).0, status, "{body}");
    check(json!({ "provider": "uploadcare", "stuck": true, "now": "2026-11-22T10:00:00Z" }), 200);
    check(json!({ "provider": "frameio", "expires_in": 70 }), 200);
    check(json!({ "provider": "filespin", "stuck": true }), 400);
    check(json!({ "provider": "uploadcare", "stuck": "yes" }), 400);
    assert!(stub.books().uploadcare.stuck && stub.books().frameio.expires_in == 70);
}
