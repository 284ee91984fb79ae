//! A real Kafka stores the same as the mock cluster, so the results of the fast tests hold for both. A decoder that shares no code with
//! Hookgate reads the real Kafka.

use std::path::Path;

use hookgate::{proto, provider};
use serde_json::{Value, json};

use crate::{
    harness::{Daemon, Setup, fixture, fixtures},
    support::{Site, consume_plain, plain, prefix, topics},
};

/// Returns every body to send: each fixture and each sample. A fixture may be any file, because a signed body is never refused.
pub fn bodies() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut bodies = Vec::new();
    for provider in provider::ALL {
        let mut files = Vec::new();
        walk(&fixtures().join(provider.name), &mut files);
        files.sort();
        assert!(files.len() >= 5, "{} has fixtures", provider.name);
        for file in files {
            let body = fixture(&file);
            bodies.push((provider.name, file, body));
        }
        for name in provider.names() {
            let sample = (provider.sample)(name).unwrap();
            bodies.push((provider.name, format!("the sample of {name}"), sample.into_bytes()));
        }
    }
    bodies
}

fn walk(folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path.strip_prefix(fixtures()).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// Replaces numbers by their texts, because protobuf's JSON mapping writes 64-bit integers as strings, and Hookgate's does not.
fn numbers_as_text(value: Value) -> Value {
    match value {
        Value::Number(number) => number.to_string().into(),
        Value::Array(items) => items.into_iter().map(numbers_as_text).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, numbers_as_text(value))).collect(),
        other => other,
    }
}

fn sorted(mut records: Vec<Value>) -> Vec<Value> {
    records.sort_by_key(|record| {
        let event = &record["event"];
        [&record["topic"], &event["endpoint"], &event["id"]].map(|it| it.as_str().unwrap().to_owned())
    });
    records
}

#[test]
fn real_kafka_stores_what_the_mock_stores() {
    let prefix = prefix("");
    let topics = topics(&prefix, 1);
    Site::new(&format!("[kafka]\nbrokers = [\"{}\"]\n{topics}", plain())).create_topics();
    let on_real = Daemon::with(Setup { tables: &topics, flags: vec![("kafka.brokers", plain())], ..Setup::default() });
    let on_mock = Daemon::with(Setup { tables: &topics, ..Setup::default() });

    let bodies = bodies();
    for (endpoint, name, body) in &bodies {
        for daemon in [&on_real, &on_mock] {
            let answer = daemon.deliver(endpoint, body);
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
        }
    }

    let real = consume_plain(&prefix).into_iter().map(|mut record| {
        let fields = record.as_object_mut().unwrap();
        fields.retain(|name, _| ["topic", "key", "headers", "timestamp_ms", "event"].contains(&name.as_str()));
        numbers_as_text(record)
    });
    let mock = on_mock.records().into_iter().map(|stored| {
        numbers_as_text(json!({
            "topic": stored.topic,
            "key": String::from_utf8(stored.key).unwrap(),
            "headers": stored.headers.into_iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
            "timestamp_ms": stored.timestamp_ms,
            "event": proto::event_to_json(&stored.value).unwrap(),
        }))
    });
    let (real, mock) = (sorted(real.collect()), sorted(mock.collect()));
    assert_eq!(real.len(), bodies.len());
    assert_eq!(mock.len(), bodies.len());
    for (real, mock) in real.iter().zip(&mock) {
        assert_eq!(real, mock);
    }
}
