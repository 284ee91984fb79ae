//! The health on the webhook port: it follows readiness, and leaves no other trace than its own metric.

use std::time::Duration;

use crate::{
    binary::{Folder, Process},
    harness::{Answer, Daemon, Setup, parse, request, wait_until},
    lifecycle::{mock, serve_configuration},
    limits::raw,
};

fn ask(daemon: &Daemon, method: &str) -> Answer {
    request(daemon.webhooks, method, "/healthz", &[], b"")
}

fn counted(daemon: &Daemon, result: &str) -> Option<f64> {
    daemon.metric(&format!("hookgate_health_checks_total{{result=\"{result}\"}}"))
}

#[test]
fn it_follows_readiness() {
    let away = vec![("kafka.brokers", "127.0.0.1:1".to_owned())];
    for (what, setup, status) in
        [("ready", Setup::default(), 200), ("unready", Setup { flags: away, wait: false, ..Setup::default() }, 503)]
    {
        let daemon = Daemon::with(setup);
        for method in ["GET", "HEAD"] {
            let answer = ask(&daemon, method);
            assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{method}: {answer:?}");
            assert_eq!(answer.header("content-type"), None, "{method}");
            assert_eq!(answer.header("retry-after").is_some(), status == 503, "{method}");
        }
        assert_eq!(daemon.admin("/readyz").status, status, "{what}");
        assert_eq!(counted(&daemon, what), Some(2.0), "{what}");
        let deliveries = daemon.admin("/metrics").body;
        let none = |line: &str| !line.starts_with("hookgate_deliveries_total") || line.ends_with(" 0");
        assert!(deliveries.lines().all(none), "it is no delivery");
    }
}

#[test]
fn anything_else_there_is_no_health() {
    let daemon = Daemon::start();
    for (method, path) in [("POST", "/healthz"), ("DELETE", "/healthz"), ("GET", "/healthz/"), ("GET", "/health"), ("GET", "/")] {
        let answer = request(daemon.webhooks, method, path, &[], b"");
        assert_eq!((answer.status, answer.label().as_str()), (404, "unknown_endpoint"), "{method} {path}");
    }
    assert_eq!(request(daemon.webhooks, "GET", "/healthz?from=lb", &[], b"").status, 200);
    assert_eq!(counted(&daemon, "ready"), Some(1.0));
}

#[test]
fn it_keeps_its_connection_until_the_shutdown() {
    let (folder, mock) = (Folder::new(), mock());
    let tables = "[shutdown]\npre_stop = \"60s\"\ngrace = \"120s\"\n";
    folder.write("hookgate.toml", serve_configuration(mock.brokers(), tables));
    let process = Process::spawn(&folder, &["serve"]);
    let (webhooks, _) = process.addresses();
    let ask = || request(webhooks, "GET", "/healthz", &[], b"");
    wait_until("ready", || ask().status == 200);
    process.signal("TERM");
    wait_until("unready", || ask().status == 503);
    assert_eq!(ask().header("connection"), Some("close"));
    // The second one ends it at once.
    process.signal("TERM");
    let log = process.finish().both();
    assert!(!log.contains("healthz") && !log.contains("unknown_endpoint"), "{log}");
}

#[test]
fn one_connection_asks_many_times() {
    let daemon = Daemon::start();
    let question = "GET /healthz HTTP/1.1\r\nhost: 10.0.0.1\r\n\r\n";
    let last = "HEAD /healthz HTTP/1.1\r\nhost: 10.0.0.1\r\nconnection: close\r\n\r\n";
    let text = raw(&daemon, [question, question, last].concat().as_bytes());
    assert_eq!(text.matches("HTTP/1.1 200").count(), 3, "{text}");
    assert_eq!(parse(text.as_bytes()).status, 200);
    let answered = || counted(&daemon, "ready");
    wait_until("counted", || answered() == Some(3.0));
    // A probe has no body; one that comes all the same is not waited for.
    let text = raw(&daemon, b"GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nconnection: close\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(daemon.config.http.body_timeout > Duration::ZERO);
}
