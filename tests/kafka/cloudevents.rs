//! Records are CloudEvents: the official SDK of another language reads every record from a real Kafka.

use serde_json::Value;

use crate::{
    same_as_mock::bodies,
    support::{plain, prefix, publishing, python, python_lines},
};

#[test]
fn the_sdk_reads_every_record() {
    let prefix = prefix("");
    let daemon = publishing(&prefix, 1);
    let bodies = bodies();
    for (endpoint, name, body) in &bodies {
        let answer = daemon.deliver(endpoint, body);
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }

    let broker = plain();
    let read = ["tests/kafka/read_cloudevents.py", "--brokers", &broker, "--prefix", &prefix];
    let events = python_lines(&read);
    assert_eq!(events.len(), bodies.len());
    let (mut timed, mut quarantined) = (0, 0);
    for line in &events {
        let (attributes, event) = (&line["attributes"], &line["event"]);
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(attributes["specversion"], "1.0");
        assert_eq!((&attributes["id"], &attributes["subject"]), (&event["id"], &event["subject"]), "{line}");
        // The SDK uses this name for the record key.
        assert_eq!(attributes["partitionkey"], event["subject"], "{line}");
        assert_eq!(attributes["source"], format!("/hookgate/{}", text("endpoint")), "{line}");
        assert_eq!(attributes["datacontenttype"], "application/protobuf", "{line}");
        assert_eq!(attributes["dataschema"], "urn:hookgate:schema:hookgate.v1.Event", "{line}");
        assert_eq!(attributes.get("time"), line.get("occurred_at_us"), "{line}");
        let kind = attributes["type"].as_str().unwrap();
        assert!(kind == "hookgate.quarantine" || kind.starts_with(&format!("hookgate.{}.", text("provider"))), "{line}");
        timed += usize::from(attributes["time"].is_string());
        quarantined += usize::from(kind == "hookgate.quarantine");
    }
    assert!(timed > 10 && timed < events.len() && quarantined > 0, "{timed} with a time, {quarantined} quarantined");

    // The SDK checks records: it refuses one without an attribute that it cannot invent. (It does invent an id.)
    for header in ["ce_source", "ce_type"] {
        let refused = python(&[&read[..], &["--without", header]].concat());
        let error = String::from_utf8_lossy(&refused.stderr);
        assert_eq!((refused.status.code(), error.contains(&header[3..])), (Some(1), true), "{header}: {error}");
    }
    // An attribute that it does not require may be absent.
    let without_time: Vec<Value> = python_lines(&[&read[..], &["--without", "ce_time"]].concat());
    assert!(without_time.len() == events.len() && without_time.iter().all(|line| line["attributes"].get("time").is_none()));
}
