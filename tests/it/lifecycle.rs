//! The life of a daemon: probes, metrics, and a shutdown that loses nothing.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use hookgate::{
    app::{self, Options},
    config::{self, Config, Shutdown},
    kafka::mock::Mock,
};

use crate::{
    binary::{Folder, Process},
    harness::{
        Answer, Daemon, SECRETS, Setup, UNANSWERED, configuration, environment, hmac_hex, hold, parse, release, signed, topics,
        wait_until,
    },
    providers::names,
};

const TOPIC: &str = "hookgate.uploadcare.file.uploaded";
const BODY: &[u8] = br#"{"hook":{"event":"file.uploaded"},"data":{"uuid":"life"}}"#;

/// Sends one delivery on a connection that its sender wants to keep.
fn deliver_kept_alive(to: SocketAddr) -> Answer {
    let (path, headers) = signed("uploadcare", BODY);
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(UNANSWERED)).unwrap();
    let headers: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    write!(stream, "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n{headers}\r\n", BODY.len()).unwrap();
    stream.write_all(BODY).unwrap();
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    // Every answer to a delivery ends with a brace and has none before its body.
    while !bytes.ends_with(b"}") {
        match stream.read(&mut chunk).unwrap() {
            0 => break,
            length => bytes.extend_from_slice(&chunk[..length]),
        }
    }
    parse(&bytes)
}

#[test]
fn probes_and_metrics() {
    let daemon = Daemon::start();
    let check = |path: &str, status: u16, content_type: Option<&str>| {
        let answer = daemon.admin(path);
        assert_eq!((answer.status, answer.header("content-type")), (status, content_type), "{path}: {answer:?}");
        answer.body
    };
    let plain = Some("text/plain; charset=utf-8");
    assert_eq!(check("/livez", 200, plain), "alive\n");
    assert_eq!(check("/readyz", 200, plain), "ready\n");
    check("/", 404, None);
    assert_eq!(daemon.deliver("uploadcare", BODY).status, 200);
    let metrics = check("/metrics", 200, Some("text/plain; version=0.0.4; charset=utf-8"));
    for (name, kind) in [
        ("hookgate_build_info", "gauge"),
        ("hookgate_deliveries_total", "counter"),
        ("hookgate_answer_seconds", "histogram"),
        ("hookgate_connections", "gauge"),
        ("hookgate_connection_faults_total", "counter"),
        ("hookgate_in_flight_deliveries", "gauge"),
        ("hookgate_in_flight_bytes", "gauge"),
        ("hookgate_topics_missing", "gauge"),
        ("hookgate_topics_guarantee", "gauge"),
        ("hookgate_kafka_leaders_unreachable", "gauge"),
        ("hookgate_ready", "gauge"),
        ("hookgate_kafka_errors_total", "counter"),
        ("hookgate_producer_rebuilds_total", "counter"),
    ] {
        assert!(metrics.contains(&format!("# TYPE {name} {kind}\n")), "the type of {name}: {metrics}");
        assert!(metrics.contains(&format!("# HELP {name} ")), "the help of {name}");
        assert!(metrics.lines().any(|line| line.starts_with(name)), "a value of {name}");
    }
    // A dashboard shows the help of a metric as its explanation, so every metric must have one.
    let names = metrics.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next());
    for name in names.filter(|name| !name.is_empty()) {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(metrics.contains(&format!("# HELP {family} ")), "{name} has no help");
    }
}

#[test]
fn deliveries_in_flight_at_the_shutdown_are_answered_and_stored() {
    let daemon = Daemon::start();
    // The first delivery sets up the producer, so that only the second one is held.
    assert_eq!(daemon.deliver("uploadcare", BODY).status, 200);
    daemon.hold();
    let (webhooks, mock, config) = (daemon.webhooks, daemon.mock.clone().unwrap(), daemon.config.clone());
    let sender = thread::spawn(move || deliver_kept_alive(webhooks));
    wait_until("in flight", || daemon.metric("hookgate_in_flight_deliveries") == Some(1.0));
    let stop = thread::spawn(move || daemon.stop());
    wait_until("no longer accepting", || TcpStream::connect(webhooks).is_err());
    // This is longer than the moment for first requests, so only the drain waits for the delivery.
    thread::sleep(Duration::from_secs(1));
    release(&mock);
    let ending = stop.join().unwrap();
    assert_eq!((ending.cut_off, ending.unflushed), (0, 0));
    assert_eq!(sender.join().unwrap().status, 200);
    assert_eq!(crate::harness::records_of(&config, &[TOPIC.to_owned()]).len(), 2);
}

#[test]
fn records_without_acknowledgement_at_the_end_are_counted() {
    let check = |round_trip: Duration, flush: Duration, unflushed: usize| {
        let mut config = configuration("", &[]);
        let mock = mock();
        config.kafka.brokers = vec![mock.brokers().to_owned()];
        // The configuration would refuse this, because the wait for an acknowledgement ends before the record expires.
        config.kafka.publish_timeout = Duration::from_millis(200);
        config.kafka.message_timeout = Duration::from_secs(60);
        let running = app::start(&config, Options::production(environment())).unwrap();
        wait_until("ready", || running.unready().is_none());
        mock.run(move |cluster| cluster.broker_round_trip_time(1, round_trip).unwrap()).unwrap();
        let answer = deliver_kept_alive(running.webhooks);
        assert_eq!((answer.status, &*answer.label()), (503, "publish_timeout"));
        let ending = running.stop(&Shutdown { flush, ..config.shutdown });
        assert_eq!((ending.cut_off, ending.unflushed), (0, unflushed), "{flush:?}");
    };
    check(Duration::from_secs(600), Duration::ZERO, 1);
    check(Duration::from_millis(1200), Duration::from_secs(60), 0);
}

#[test]
fn a_request_that_never_ends_does_not_delay_the_shutdown() {
    // Only the end of the drain ends this request.
    let tables = "[http]\nanswer_deadline = \"4s\"\n[shutdown]\ndrain = \"4s\"";
    let change = |config: &mut Config| config.http.header_timeout = Duration::from_secs(100);
    let daemon = Daemon::with(Setup { tables, change, ..Setup::default() });
    let mut stream = TcpStream::connect(daemon.webhooks).unwrap();
    stream.write_all(b"POST /webhooks/uploadcare HTTP/1.1\r\nhost:").unwrap();
    wait_until("connected", || daemon.metric("hookgate_connections") == Some(1.0));
    let begin = Instant::now();
    let ending = daemon.stop();
    assert!(begin.elapsed() < Duration::from_secs(50), "after {:?}", begin.elapsed());
    assert!(ending.cut_off <= 1 && ending.unflushed == 0, "{ending:?}");
}

#[test]
fn a_delivery_that_begins_in_the_drain_is_sent_elsewhere() {
    let daemon = Daemon::start();
    let (webhooks, config, _mock) = (daemon.webhooks, daemon.config.clone(), daemon.mock.clone());
    let (path, headers) = signed("uploadcare", BODY);
    let (mut stream, mut silent) = (TcpStream::connect(webhooks).unwrap(), TcpStream::connect(webhooks).unwrap());
    write!(stream, "POST {path} HTTP/1.1\r\nhost: test\r\n").unwrap();
    wait_until("connected", || daemon.metric("hookgate_connections") == Some(2.0));
    let stop = thread::spawn(move || daemon.stop());
    // The daemon closes the silent connection when the drain begins. Before that it would still serve the delivery.
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let headers: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    write!(stream, "content-length: {}\r\n{headers}\r\n", BODY.len()).unwrap();
    stream.write_all(BODY).unwrap();
    let mut bytes = Vec::new();
    // A reset after the answer counts as its end.
    let _reset = stream.read_to_end(&mut bytes);
    let answer = parse(&bytes);
    assert_eq!((answer.status, &*answer.label(), answer.header("connection")), (503, "draining", Some("close")));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(stop.join().unwrap().unflushed, 0);
    assert!(crate::harness::records_of(&config, &[TOPIC.to_owned()]).is_empty());
}

#[test]
fn a_delivery_that_the_drain_cuts_off_is_counted_and_may_still_be_stored() {
    let (mut config, mock) = (configuration("", &[]), mock());
    config.kafka.brokers = vec![mock.brokers().to_owned()];
    // The configuration would refuse this, because the drain is shorter than the deadline of an answer.
    config.shutdown = Shutdown { drain: Duration::ZERO, flush: Duration::from_secs(60), ..config.shutdown };
    config.kafka.message_timeout = Duration::from_secs(60);
    let running = app::start(&config, Options::production(environment())).unwrap();
    wait_until("ready", || running.unready().is_none() && running.missing_topics().is_empty());
    let (webhooks, admin) = (running.webhooks, running.admin);
    assert_eq!(deliver_kept_alive(webhooks).status, 200);
    hold(&mock);
    let sender = thread::spawn(move || deliver_kept_alive(webhooks));
    let metrics = || crate::harness::request(admin, "GET", "/metrics", &[], b"").body;
    wait_until("in flight", || metrics().contains("\nhookgate_in_flight_deliveries 1\n"));
    let shutdown = config.shutdown.clone();
    let stop = thread::spawn(move || running.stop(&shutdown));
    // The admin port answers until the flush is over.
    wait_until("counted", || metrics().contains("outcome=\"cancelled\"} 1\n"));
    release(&mock);
    let ending = stop.join().unwrap();
    assert_eq!((ending.cut_off, ending.unflushed), (1, 0));
    assert_eq!(sender.join().unwrap().status, 0, "no answer");
    assert_eq!(crate::harness::records_of(&config, &[TOPIC.to_owned()]).len(), 2);
}

#[test]
fn in_pre_stop_it_still_serves_and_closes_each_connection() {
    let flags = vec![("shutdown.pre_stop", "5s".to_owned())];
    let daemon = Daemon::with(Setup { flags, ..Setup::default() });
    let (webhooks, admin) = (daemon.webhooks, daemon.admin);
    let kept = deliver_kept_alive(webhooks);
    assert_eq!((kept.status, kept.header("connection")), (200, None));
    let stop = thread::spawn(move || daemon.stop());
    let readyz = || crate::harness::request(admin, "GET", "/readyz", &[], b"");
    wait_until("unready", || readyz().status == 503);
    assert_eq!(readyz().body, "shutting down\n");
    let closed = deliver_kept_alive(webhooks);
    assert_eq!((closed.status, closed.header("connection")), (200, Some("close")));
    let ending = stop.join().unwrap();
    assert_eq!((ending.cut_off, ending.unflushed), (0, 0));
    assert!(TcpStream::connect(webhooks).is_err(), "still accepting");
    assert!(TcpStream::connect(admin).is_err(), "the admin port still accepts");
}

/// Returns the configuration of a daemon in a process of its own. The secrets of the providers come from the environment.
pub fn serve_configuration(brokers: &str, tables: &str) -> String {
    let endpoint =
        |name: &str| format!("[endpoints.{name}]\nprovider = \"{name}\"\nsecrets = [\"env:{}\"]\n", name.to_uppercase());
    let endpoints: String = names().map(endpoint).collect();
    format!(
        "[kafka]\nbrokers = [\"{brokers}\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\nscrape_max_age = \"0s\"\n{tables}\n{endpoints}"
    )
}

pub fn mock() -> Mock {
    Mock::start(&topics(&configuration("", &[]))).unwrap()
}

fn ready(admin: SocketAddr) {
    wait_until("ready", || crate::harness::request(admin, "GET", "/readyz", &[], b"").status == 200);
}

#[test]
fn a_process_ends_in_order_on_sigterm_and_logs_no_secret() {
    let (folder, mock) = (Folder::new(), Arc::new(mock()));
    let tables = "[shutdown]\npre_stop = \"0s\"\n[log]\nlevel = \"trace\"";
    folder.write("hookgate.toml", serve_configuration(mock.brokers(), tables));
    let process = Process::spawn(&folder, &["serve"]);
    let (webhooks, admin) = process.addresses();
    ready(admin);

    let marker = "marker-of-a-body-5f3a";
    let secret = |name: &str| SECRETS.iter().find(|(it, _)| *it == name).unwrap().1;
    let post = |path: &str, headers: &[(&str, &str)], body: &str| {
        crate::harness::request(webhooks, "POST", path, headers, body.as_bytes()).status
    };
    let (filespin, filesafety) = (secret("FILESPIN"), secret("FILESAFETY"));
    let bodies = [
        format!(r#"{{"hook":{{"event":"file.uploaded"}},"data":{{"uuid":"{marker}","metadata":"{marker}"}}}}"#),
        format!(r#"{{"hook":{{"event":"{marker}"}},"data":{{"uuid":"{marker}"}}}}"#),
        format!(r#"{{"hook":{{"event":"file.uploaded"}},"data":["{marker}"]}}"#),
        format!("not json {marker}"),
    ];
    let mut signatures = Vec::new();
    for body in &bodies {
        let signature = hmac_hex(secret("UPLOADCARE"), &[body.as_bytes()]);
        let wrong = hmac_hex("another", &[body.as_bytes()]);
        assert_eq!(post("/webhooks/uploadcare", &[("x-uc-signature", &format!("v1={signature}"))], body), 200);
        assert_eq!(post("/webhooks/uploadcare", &[("x-uc-signature", &format!("v1={wrong}"))], body), 401);
        assert_eq!(post(&format!("/webhooks/filespin?token={filespin}"), &[], body), 200);
        assert_eq!(post(&format!("/webhooks/filesafety/{filesafety}"), &[], body), 200);
        assert_eq!(post(&format!("/webhooks/filesafety?token={filesafety}x"), &[], body), 401);
        assert_eq!(post(&format!("/webhooks/nobody?token={filesafety}"), &[], body), 404);
        signatures.extend([signature, wrong]);
    }
    assert_eq!(crate::harness::exchange(webhooks, &[format!("GET /{filesafety} broken\r\n\r\n").as_bytes()]).status, 400);

    process.signal("TERM");
    let finished = process.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.err);
    assert!(finished.err.contains("\"stopped\""), "{}", finished.err);
    for line in finished.err.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(line["level"].is_string() && line["message"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    let output = finished.both();
    let forbidden = SECRETS.iter().map(|(_, secret)| *secret).chain([marker]).chain(signatures.iter().map(String::as_str));
    for secret in forbidden {
        let line = output.lines().find(|line| line.contains(secret)).unwrap_or_default();
        assert!(!output.contains(secret), "{secret} is in the output: {line}");
    }
}

/// The log has one line for as many published deliveries as configured, and one for each quarantined delivery.
#[test]
fn successes_are_logged_as_often_as_configured() {
    let check = |sample: u32, published: usize| {
        let (folder, mock) = (Folder::new(), mock());
        let tables = format!("[shutdown]\npre_stop = \"0s\"\n[log]\nsuccess_sample = {sample}");
        folder.write("hookgate.toml", serve_configuration(mock.brokers(), &tables));
        let process = Process::spawn(&folder, &["serve"]);
        let (webhooks, admin) = process.addresses();
        ready(admin);
        for _ in 0..4 {
            assert_eq!(deliver_kept_alive(webhooks).status, 200);
        }
        let signature = format!("v1={}", hmac_hex(crate::harness::secret("UPLOADCARE"), &[b"{"]));
        let headers = [("x-uc-signature", signature.as_str())];
        assert_eq!(crate::harness::request(webhooks, "POST", "/webhooks/uploadcare", &headers, b"{").status, 200);
        process.signal("TERM");
        let log = process.finish().err;
        let lines = |outcome: &str| {
            let outcome = format!("\"outcome\":\"{outcome}\"");
            log.lines().filter(|line| line.contains("stored a delivery") && line.contains(&outcome)).count()
        };
        assert_eq!((lines("published"), lines("quarantined")), (published, 1), "one in {sample}: {log}");
    };
    check(0, 0);
    check(1, 4);
    check(2, 2);
}

/// librdkafka repeats its error with every attempt to reconnect.
#[test]
fn an_outage_is_logged_once() {
    let folder = Folder::new();
    folder.write("hookgate.toml", serve_configuration("127.0.0.1:1", "[shutdown]\npre_stop = \"0s\""));
    let process = Process::spawn(&folder, &["serve"]);
    let (_, admin) = process.addresses();
    let metrics = || crate::harness::request(admin, "GET", "/metrics", &[], b"").body;
    let errors = || metrics().lines().find_map(|line| line.strip_prefix("hookgate_kafka_errors_total ")?.parse::<u64>().ok());
    wait_until("repeated", || errors() >= Some(5));
    process.signal("TERM");
    let log = process.finish().err;
    let lines = |error: &str| log.lines().filter(|line| line.contains("kafka client error") && line.contains(error)).count();
    assert_eq!((lines("BrokerTransportFailure"), lines("AllBrokersDown")), (1, 1), "{log}");
}

/// Each signal stops a daemon in order. A terminal that is closed sends SIGHUP, unless `nohup` or a similar command ignores it.
#[test]
fn every_signal_to_stop_stops_in_order() {
    let (folder, mock) = (Folder::new(), mock());
    folder.write("hookgate.toml", serve_configuration(mock.brokers(), "[shutdown]\npre_stop = \"0s\""));
    let check = |process: Process, signal: &str| {
        let (webhooks, admin) = process.addresses();
        ready(admin);
        assert_eq!(deliver_kept_alive(webhooks).status, 200);
        process.signal(signal);
        let finished = process.finish();
        assert_eq!(finished.code, Some(0), "{signal}: {}", finished.err);
        assert!(finished.err.contains("\"stopped\""), "{signal}: {}", finished.err);
    };
    for signal in ["TERM", "INT", "HUP"] {
        // When these tests run under `nohup`, the processes that they start ignore SIGHUP, too.
        if signal != "HUP" || !config::ignores_hangup() {
            check(Process::spawn(&folder, &["serve"]), signal);
        }
    }
    let mut command = Command::new("sh");
    let script = format!("trap '' HUP; exec {} serve --config {}", env!("CARGO_BIN_EXE_hookgate"), folder.path("hookgate.toml"));
    command.args(["-c", &script]).envs(SECRETS.iter().copied());
    let process = Process::of(command);
    ready(process.addresses().1);
    process.signal("HUP");
    check(process, "TERM");
}

/// From the first line of the log on, a signal stops the daemon in order and not suddenly.
#[test]
fn a_signal_while_it_starts_stops_in_order() {
    let (folder, mock) = (Folder::new(), mock());
    folder.write("hookgate.toml", serve_configuration(mock.brokers(), "[shutdown]\npre_stop = \"0s\""));
    for signal in ["TERM", "INT"] {
        let process = Process::spawn(&folder, &["serve"]);
        wait_until("starting", || process.err().contains("\"starting\""));
        process.signal(signal);
        let finished = process.finish();
        assert_eq!(finished.code, Some(0), "{signal}: {}", finished.err);
        assert!(finished.err.contains("\"stopped\""), "{signal}: {}", finished.err);
    }
}

#[test]
fn a_second_sigterm_ends_a_process_at_once() {
    let (folder, mock) = (Folder::new(), mock());
    let tables = "[shutdown]\npre_stop = \"80s\"\ndrain = \"5s\"\nflush = \"5s\"\ngrace = \"100s\"";
    folder.write("hookgate.toml", serve_configuration(mock.brokers(), tables));
    let process = Process::spawn(&folder, &["serve"]);
    process.addresses();
    let begin = Instant::now();
    process.signal("TERM");
    wait_until("shutting down", || process.err().contains("shutting down"));
    process.signal("TERM");
    let finished = process.finish();
    assert!(begin.elapsed() < Duration::from_secs(40), "after {:?}", begin.elapsed());
    assert_eq!(finished.code, Some(1), "{}", finished.err);
}
