//! A real schema registry: the schemas that are registered, and Confluent's deserializers, which must read every record.

use serde_json::Value;

use crate::{
    harness::fixture,
    support::{Site, java_lines, plain, prefix, python_lines, topics, variable},
};

/// The setting that makes Confluent's Java deserializer use the class that protoc generates, instead of the registered schema.
const GENERATED: &str = "specific.protobuf.value.type=hookgate.v1.EventOuterClass$Event";

// Each strategy has its own test instead of a row in a table, because each starts one Python and two Java processes.
#[test]
fn confluents_deserializers_read_records_with_subjects_by_topic() {
    check("topic_name", |prefix| format!("{prefix}filespin-value"));
}

#[test]
fn confluents_deserializers_read_records_with_subjects_by_topic_and_record() {
    check("topic_record_name", |prefix| format!("{prefix}filespin-hookgate.v1.Event"));
}

#[test]
fn confluents_deserializers_read_records_with_subjects_by_record() {
    check("record_name", |_prefix| "hookgate.v1.Event".to_owned());
}

/// Checks a strategy. `subject` returns the subject of the FileSpin topic for a prefix.
fn check(strategy: &str, subject: fn(&str) -> String) {
    let (prefix, url) = (prefix(""), variable("HOOKGATE_TEST_REGISTRY"));
    let map = format!("[topics.map]\n\"filesafety.*\" = \"{prefix}filesafety\"\n\"filespin.*\" = \"{prefix}filespin\"\n");
    let kafka = format!("[kafka]\nbrokers = [\"{}\"]\n", plain());
    let registry = format!("[schema_registry]\nurls = [\"{url}\"]\nsubject_name_strategy = \"{strategy}\"\n");
    let site = Site::new(&format!("{kafka}{}{map}{registry}", topics(&prefix, 1)));

    let before = site.run(&["check", "--cluster"]);
    assert_eq!(before.code, Some(3), "{before:?}");
    assert!(before.stdout.contains("hold no schema of this version"), "{before:?}");
    site.create_topics();
    let after = site.run(&["check", "--cluster"]);
    assert!(after.stdout.contains(&format!("{} has the schema id", subject(&prefix))), "{after:?}");
    assert!(!after.stdout.contains("schema of this version"), "{after:?}");

    let served = site.serve();
    served.wait_until_ready();
    assert_eq!(served.deliver("filespin", br#"{"id":"a","status":"OK"}"#).status, 200);
    assert_eq!(served.deliver("filesafety", &fixture("filesafety/docs_scan.complete_current.json")).status, 200);
    assert_eq!(served.deliver("filespin", b"not JSON").status, 200);

    let names = ["filespin", "filesafety", "quarantine"].map(|name| format!("{prefix}{name}")).join(",");
    let python = python_lines(&["tests/kafka/deserialize.py", "--brokers", &plain(), "--registry", &url, "--topics", &names]);
    let java = |settings: &[&str]| java_lines(&[&["tests/kafka/Deserialize.java", &plain(), &url, &names], settings].concat());
    let (dynamic, generated) = (java(&[]), java(&[GENERATED]));
    for (records, class) in [(&dynamic, "com.google.protobuf.DynamicMessage"), (&generated, "hookgate.v1.EventOuterClass$Event")]
    {
        assert_eq!(records.len(), 3, "{records:?}");
        assert!(records.iter().all(|it| it["class"] == class), "{records:?}");
    }

    let of = |records: &[Value], name: &str| {
        let found = records.iter().find(|it| it["topic"] == format!("{prefix}{name}"));
        let found = found.unwrap_or_else(|| panic!("nothing of {name}: {records:?}"));
        (found["key"].clone(), found["event"].clone())
    };
    for name in ["filespin", "filesafety", "quarantine"] {
        assert_eq!(of(&python, name), of(&dynamic, name));
        assert_eq!(of(&python, name), of(&generated, name));
    }
    assert_eq!(of(&python, "filespin").1["filespin_asset"]["id"], "a", "{python:?}");
    assert!(of(&python, "filesafety").1["filesafety_scan"].is_object(), "{python:?}");
    assert_eq!(of(&python, "quarantine").1["body"], "bm90IEpTT04=");

    let tail = site.run(&["tail", &format!("{prefix}filespin"), "--from-beginning", "--exit"]);
    assert!(tail.stdout.contains("\"schema_id\":") && tail.stdout.contains("\"subject\":\"a\""), "{tail:?}");
}
