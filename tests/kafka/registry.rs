//! A real schema registry: what is registered, and that Confluent's deserializer reads what is published.

use crate::{
    harness::fixture,
    support::{Site, plain, prefix, python_lines, topics, variable},
};

#[test]
fn confluents_deserializer_reads_what_is_published() {
    let (prefix, url) = (prefix(""), variable("HOOKGATE_TEST_REGISTRY"));
    let map = format!("[topics.map]\n\"filesafety.*\" = \"{prefix}filesafety\"\n\"filespin.*\" = \"{prefix}filespin\"\n");
    let kafka = format!("[kafka]\nbrokers = [\"{}\"]\n", plain());
    let site = Site::new(&format!("{kafka}{}{map}[schema_registry]\nurls = [\"{url}\"]\n", topics(&prefix, 1)));

    let before = site.run(&["check", "--cluster"]);
    assert_eq!(before.code, Some(1), "{before:?}");
    assert!(before.stdout.contains("hold no schema of this version"), "{before:?}");
    site.create_topics();
    let after = site.run(&["check", "--cluster"]);
    assert!(after.stdout.contains(&format!("{prefix}filespin-value has the schema id")), "{after:?}");
    assert!(!after.stdout.contains("schema of this version"), "{after:?}");

    let served = site.serve();
    served.wait_until_ready();
    assert_eq!(served.deliver("filespin", br#"{"id":"a","status":"OK"}"#).status, 200);
    assert_eq!(served.deliver("filesafety", &fixture("filesafety/docs_scan.complete_current.json")).status, 200);
    assert_eq!(served.deliver("filespin", b"not JSON").status, 200);

    let names = ["filespin", "filesafety", "quarantine"].map(|name| format!("{prefix}{name}")).join(",");
    let records = python_lines(&["tests/kafka/deserialize.py", "--brokers", &plain(), "--registry", &url, "--topics", &names]);
    assert_eq!(records.len(), 3, "{records:?}");
    let of = |name: &str| &records.iter().find(|it| it["topic"] == format!("{prefix}{name}")).unwrap()["event"];
    assert_eq!(of("filespin")["filespin_asset"]["id"], "a", "{records:?}");
    assert!(of("filesafety")["filesafety_scan"].is_object(), "{records:?}");
    assert_eq!(of("quarantine")["body"], "bm90IEpTT04=");

    let tail = site.run(&["tail", &format!("{prefix}filespin"), "--from-beginning", "--exit"]);
    assert!(tail.stdout.contains("\"schema_id\":") && tail.stdout.contains("\"subject\":\"a\""), "{tail:?}");
}
