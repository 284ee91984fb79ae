//! Promises of docs/consumers.md that only another client or several partitions can test.

use std::collections::BTreeSet;

use hookgate::{
    proto::{Event, ProofScheme},
    provider,
};
use prost::Message as _;
use serde_json::Value;

use crate::{
    harness::{Daemon, NOW, SECRETS, fixture, request, secret, signed_with},
    partitions::partition_in_java,
    support::{consume_plain, prefix, publishing, python_reads},
};

/// Runs the program of the document with pairs of event and secret, and returns what it prints for each.
fn shown(questions: &[(&[u8], &str)]) -> Vec<Value> {
    let lines = questions.iter().map(|(event, secret)| format!("{} {}\n", hex::encode(secret), hex::encode(event)));
    let printed = python_reads("tests/kafka/verify.py", &lines.collect::<String>());
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_documented_program_proves_stored_events_again() {
    let daemon = Daemon::start();
    for provider in provider::ALL {
        for name in provider.names() {
            let body = (provider.sample)(name).unwrap();
            assert_eq!(daemon.deliver(provider.name, body.as_bytes()).status, 200, "{name}");
        }
    }
    // The captured delivery is too old for this clock, but its body can be signed again.
    assert_eq!(daemon.deliver("frameio", &fixture("frameio/vector1_legacy_body.bin")).status, 200);
    assert_eq!(daemon.deliver("uploadcare", &fixture("uploadcare/constructed/vector_unicode_utf8_body.bin")).status, 200);

    let records = daemon.records();
    let mut questions = Vec::new();
    for record in &records {
        questions.extend(SECRETS.iter().map(|(_, secret)| (&*record.value, *secret)));
    }
    let answers = shown(&questions);
    assert_eq!(answers.len(), questions.len());
    let mut proven = 0;
    for ((value, key), answer) in questions.into_iter().zip(answers) {
        let event = Event::decode(value).unwrap();
        let signs = event.proof.as_ref().unwrap().scheme() != ProofScheme::UrlToken;
        let expected = signs && key == secret(&event.endpoint.to_uppercase());
        assert_eq!(answer["proven"], expected, "{}: {}", event.endpoint, event.r#type);
        assert_eq!(answer["delivery_id"], event.id);
        proven += usize::from(expected);
    }
    assert!(proven > 30, "{proven} events were signed");
}

#[test]
fn the_documented_program_refuses_changed_events() {
    let daemon = Daemon::start();
    for endpoint in ["frameio", "uploadcare"] {
        let body = fixture(if endpoint == "frameio" { "frameio/v4_file.ready.json" } else { "uploadcare/vector1_body.bin" });
        assert_eq!(daemon.deliver(endpoint, &body).status, 200);
    }
    for record in daemon.records() {
        let event = Event::decode(&*record.value).unwrap();
        let secret = secret(&event.endpoint.to_uppercase());
        let body = Event { body: [&event.body[..], b" "].concat().into(), ..event.clone() };
        let mut header = event.clone();
        header.proof.as_mut().unwrap().headers[0].value.replace_range(3..5, "zz");
        let changed = [body.encode_to_vec(), header.encode_to_vec()];
        let answers = shown(&[(&record.value, secret), (&changed[0], secret), (&changed[1], secret)]);
        assert_eq!(
            answers.iter().map(|answer| answer["proven"].as_bool()).collect::<Vec<_>>(),
            [Some(true), Some(false), Some(false)]
        );
        let unchanged: Vec<bool> = answers.iter().map(|answer| answer["delivery_id"] == event.id).collect();
        assert_eq!(unchanged, [true, false, true], "{}", event.endpoint);
    }
}

#[test]
fn retries_are_in_one_partition_in_the_order_of_their_answers() {
    const PARTITIONS: u32 = 6;
    let prefix = prefix("");
    let daemon = publishing(&prefix, PARTITIONS);

    for provider in provider::ALL {
        let body = (provider.sample)(provider.types[0].name).unwrap();
        let mut answered = Vec::new();
        // There are three attempts: two with the same bytes, and one at a later time, which is signed again if the provider signs the time.
        for time in [NOW, NOW, NOW + 15] {
            let (path, headers) =
                signed_with(provider.name, secret(&provider.name.to_uppercase()), &time.to_string(), body.as_bytes());
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = request(daemon.webhooks, "POST", &path, &headers, body.as_bytes());
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            answered.push(body["id"].clone());
        }
        assert_eq!(answered[0], answered[1], "{}", provider.name);
        assert_eq!(answered[1] == answered[2], !provider.signs_time(), "{}", provider.name);

        let mut records = consume_plain(&format!("{prefix}{}", provider.name));
        records.sort_by_key(|record| record["offset"].as_u64());
        let stored: Vec<_> = records.iter().map(|record| record["event"]["id"].clone()).collect();
        assert_eq!(stored, answered, "{}", provider.name);
        let keys: BTreeSet<&str> = records.iter().map(|record| record["key"].as_str().unwrap()).collect();
        assert_eq!(keys.len(), 1, "{keys:?}");
        for record in &records {
            let key = record["key"].as_str().unwrap();
            assert_eq!(record["partition"], partition_in_java(key.as_bytes(), PARTITIONS), "{key}");
        }
    }
}
