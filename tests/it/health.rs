//! The health check on the webhook port follows readiness, and only its own metric counts it.

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
fn health_follows_readiness() {
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
        assert!(deliveries.lines().all(none), "a health check counts as no delivery");
    }
}

#[test]
fn only_get_and_head_of_this_path_are_health_checks() {
    let daemon = Daemon::start();
    for (method, path) in [("POST", "/healthz"), ("DELETE", "/healthz"), ("GET", "/healthz/"), ("GET", "/health"), ("GET", "/")] {
        let answer = request(daemon.webhooks, method, path, &[], b"");
        assert_eq!((answer.status, answer.label().as_str()), (404, "unknown_endpoint"), "{method} {path}");
    }
    assert_eq!(request(daemon.webhooks, "GET", "/healthz?from=lb", &[], b"").status, 200);
    assert_eq!(counted(&daemon, "ready"), Some(1.0));
}

#[test]
fn health_answers_close_the_connection_only_at_the_shutdown() {
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
    // The second signal ends the process at once.
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
    // A probe has no body. If one is announced, the daemon does not wait for it.
    let text = raw(&daemon, b"GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nconnection: close\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(daemon.config.http.body_timeout > Duration::ZERO);
}
