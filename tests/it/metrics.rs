//! The values of the metrics after a scripted run.

use std::{collections::BTreeMap, io::Write as _, net::TcpStream, time::Duration};

use hookgate::{
    config::Config,
    metrics::{BrokerStatistics, Limits, Metrics, Statistics},
};
use serde_json::{Value, json};

use crate::harness::{Answer, Daemon, NOW, Setup, fixture, secret, signed_with, wait_until};

/// Series whose values differ from run to run: times, and those of the process.
const VARYING: [&str; 6] = [
    "process_",
    // Its value depends on the ports.
    "hookgate_config_info",
    "hookgate_event_loop_delay_seconds",
    "hookgate_answer_seconds_",
    "hookgate_publish_seconds_",
    "hookgate_kafka_broker_round_trip",
];

/// Returns every series with its value.
fn scrape(daemon: &Daemon) -> BTreeMap<String, f64> {
    let text = daemon.admin("/metrics").body;
    let series = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let series = series.map(|line| line.rsplit_once(' ').unwrap());
    series.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// Returns the sum of all series of a metric whose labels contain these texts.
fn sum(series: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    let of_name = |it: &&String| it.split('{').next() == Some(name) && labels.iter().all(|label| it.contains(label));
    series.iter().filter(|(it, _)| of_name(it)).map(|(_, value)| value).sum()
}

#[track_caller]
fn check_sum(series: &BTreeMap<String, f64>, name: &str, label: &str, expected: f64) {
    let found = sum(series, name, &[label]);
    assert!((found - expected).abs() < 1e-9, "{name} {label}: {found} instead of {expected}");
}

fn deliver(daemon: &Daemon, endpoint: &str, secret: &str, timestamp: u64, body: &[u8]) -> Answer {
    let (path, headers) = signed_with(endpoint, secret, &timestamp.to_string(), body);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    daemon.post(&path, &headers, body)
}

/// Returns a scan whose time is that many seconds before its arrival.
fn scan(age: u64) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&fixture("filesafety/docs_scan.complete_current.json")).unwrap();
    let minutes = (NOW - age) % 86_400 / 60;
    let (hour, minute, second) = (minutes / 60, minutes % 60, (NOW - age) % 60);
    body["completed_at"] = json!(format!("2025-10-09T{hour:02}:{minute:02}:{second:02}Z"));
    body.to_string().into_bytes()
}

#[test]
fn a_scripted_run_is_counted_exactly() {
    // The metrics show these two defaults, which the harness has lengthened.
    let change = |config: &mut Config| {
        config.http.answer_deadline = Duration::from_secs(4);
        config.kafka.publish_timeout = Duration::from_millis(3800);
    };
    let daemon = Daemon::with(Setup { change, ..Setup::default() });
    let file = fixture("frameio/v4_file.ready.json");
    let (kit, current) = (secret("FRAMEIO_OLD"), secret("FRAMEIO"));
    let check = |what: &str, answer: &Answer, status: u16| assert_eq!(answer.status, status, "{what}: {answer:?}");

    check("the first secret", &deliver(&daemon, "frameio", kit, NOW, &file), 200);
    check("the second secret", &deliver(&daemon, "frameio", current, NOW, &file), 200);
    check("again", &deliver(&daemon, "frameio", current, NOW - 7, &file), 200);
    check("forged", &deliver(&daemon, "frameio", "another", NOW, &file), 401);
    check("stale", &deliver(&daemon, "frameio", current, NOW + 400, &file), 401);
    let unclassified = br#"{"type":"no.such.type","resource":{"id":"r","type":"file"}}"#;
    check("a new type", &deliver(&daemon, "frameio", current, NOW + 3, unclassified), 200);
    check("no JSON", &deliver(&daemon, "filesafety", secret("FILESAFETY"), NOW, b"no JSON"), 200);
    check("a scan", &deliver(&daemon, "filesafety", secret("FILESAFETY_OLD"), NOW, &scan(90)), 200);
    check("a late scan", &deliver(&daemon, "filesafety", secret("FILESAFETY_OLD"), NOW, &scan(7200)), 200);
    check("no token", &daemon.post("/webhooks/filesafety", &[], b"{}"), 401);
    check("an unknown endpoint", &daemon.post("/webhooks/nobody", &[], b"{}"), 404);
    check("not posted", &crate::harness::request(daemon.webhooks, "GET", "/webhooks/frameio", &[], b""), 405);
    check("an unknown path", &daemon.post("/", &[], b""), 404);
    let mut broken = TcpStream::connect(daemon.webhooks).unwrap();
    broken.write_all(b"no HTTP\r\n\r\n").unwrap();
    wait_until("the broken connection is counted", || sum(&scrape(&daemon), "hookgate_connection_faults_total", &[]) > 0.0);
    wait_until("all are closed", || sum(&scrape(&daemon), "hookgate_connections", &[]) < 1.0);
    wait_until("librdkafka has reported", || sum(&scrape(&daemon), "hookgate_kafka_broker_up", &[]) > 0.0);
    // The topics of the mock have one replica each, and the configuration demands two.
    wait_until("the topics are compared", || sum(&scrape(&daemon), "hookgate_topics_guarantee", &["weak"]) > 0.0);

    let series = scrape(&daemon);
    // Every series exists from the start with zero. The others show what has happened.
    let happened = series.iter().filter(|(name, value)| value.abs() > 0.0 && !VARYING.iter().any(|it| name.starts_with(it)));
    let happened: Vec<String> = happened.map(|(name, value)| format!("{name} {value}")).collect();
    insta::with_settings!({ snapshot_path => "golden", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("scripted_run", happened.join("\n"));
    });

    for (name, labels, count) in [
        // One outcome per request.
        ("hookgate_deliveries_total", "", 13.0),
        ("hookgate_answer_seconds_count", "", 13.0),
        ("hookgate_answer_seconds_count", "endpoint=\"frameio\"", 7.0),
        ("hookgate_answer_seconds_count", "endpoint=\"_unmatched\"", 2.0),
        ("hookgate_publish_seconds_count", "", 7.0),
        ("hookgate_publish_seconds_count", "result=\"acknowledged\"", 7.0),
        ("hookgate_deliveries_total", "outcome=\"stale\"", 1.0),
        ("hookgate_clock_offset_seconds", "endpoint=\"frameio\"", -3.0),
    ] {
        check_sum(&series, name, labels, count);
    }
    let info = format!("hookgate_config_info{{hash=\"{:016x}\"}}", daemon.config.fingerprint());
    assert!(series.contains_key(&info), "{info}");
    assert!(sum(&series, "process_resident_memory_bytes", &[]) > 1e6);
}

/// A wait that ends without an acknowledgement is measured, and counts as no event.
#[test]
fn waits_without_an_acknowledgement_are_measured_too() {
    let tables = "[http]\nanswer_deadline = \"3.9s\"";
    let change = |config: &mut Config| config.kafka.publish_timeout = Duration::from_millis(800);
    let daemon = Daemon::with(Setup { tables, change, ..Setup::default() });
    daemon.hold();
    let answer = deliver(&daemon, "uploadcare", secret("UPLOADCARE"), NOW, &fixture("uploadcare/vector1_body.bin"));
    assert_eq!(answer.status, 503, "{answer:?}");
    let series = scrape(&daemon);
    check_sum(&series, "hookgate_publish_seconds_count", "", 1.0);
    check_sum(&series, "hookgate_publish_seconds_count", "acknowledged", 0.0);
    assert!(sum(&series, "hookgate_publish_seconds_sum", &[]) > 0.1);
    check_sum(&series, "hookgate_events_total", "", 0.0);
    check_sum(&series, "hookgate_answer_deadline_seconds", "", 3.9);
}

/// The gauges of a broker that is gone are removed. Else readers would believe the last value for ever.
#[test]
fn gauges_of_brokers_that_are_gone_are_removed() {
    let metrics = Metrics::new([], [], &Limits::default()).unwrap();
    let broker = |id: i32| BrokerStatistics { id, up: id != 2, round_trip: Some((0.1, 0.2)), throttle: 0.5, failures: 3 };
    let check = |what: &str, brokers: Vec<BrokerStatistics>, expected: &[&str]| {
        metrics.kafka(&Statistics { brokers, reachable: true, ..Statistics::default() });
        let text = metrics.render();
        let mut lines: Vec<_> = text.lines().filter(|line| line.starts_with("hookgate_kafka_broker_")).collect();
        lines.sort_unstable();
        assert_eq!(lines, expected, "{what}");
    };
    let failures = |id: i32, count: u64| format!("hookgate_kafka_broker_failures_total{{broker=\"{id}\"}} {count}");
    let (one, two) = (failures(1, 3), failures(2, 3));
    let round_trip = |quantile: &str, seconds: &str| {
        format!("hookgate_kafka_broker_round_trip_seconds{{broker=\"1\",quantile=\"{quantile}\"}} {seconds}")
    };
    let (median, high) = (round_trip("0.5", "0.1"), round_trip("0.99", "0.2"));
    let (throttle, up) = ("hookgate_kafka_broker_throttle_seconds{broker=\"1\"} 0.5", "hookgate_kafka_broker_up{broker=\"1\"} 1");
    check("one", vec![broker(1)], &[&one, &median, &high, throttle, up]);
    let quiet = |id: i32| BrokerStatistics { round_trip: None, throttle: 0.0, failures: 0, ..broker(id) };
    let still = "hookgate_kafka_broker_throttle_seconds{broker=\"1\"} 0";
    check("nothing was asked", vec![quiet(1)], &[&one, still, up]);
    check(
        "another instead",
        vec![BrokerStatistics { round_trip: None, ..broker(2) }],
        &[&one, &two, "hookgate_kafka_broker_throttle_seconds{broker=\"2\"} 0.5", "hookgate_kafka_broker_up{broker=\"2\"} 0"],
    );
    check("none", vec![], &[&one, &two]);
    check("the first again", vec![quiet(1)], &[&one, &two, still, up]);
}
