//! What the admin port says about the daemon, who may read it, and how it keeps room for probes.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use axum::{Router, routing::get};
use hookgate::admin::server;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    harness::{Daemon, SECRETS, Setup, UNANSWERED, exchange, request},
    limits::{next_answer, rest},
};

/// One value of each kind that must not be shown, beside the secrets of the endpoints: a password, and a property that may be secret.
const TABLES: &str = "[kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"somebody\"\npassword = \"env:FRAMEIO_OLD\"\n\
                      [kafka.properties]\n\"client.rack\" = \"a-value-that-may-be-secret\"\n";

fn unready() -> Daemon {
    let flags = vec![("kafka.brokers", "127.0.0.1:1".to_owned()), ("http.max_in_flight", "77".to_owned())];
    Daemon::with(Setup { tables: TABLES, flags, wait: false, ..Setup::default() })
}

fn json(daemon: &Daemon, path: &str) -> Value {
    let answer = daemon.admin(path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn it_says_what_is_running() {
    let version = json(&unready(), "/version");
    assert_eq!((&version["name"], &version["version"]), (&"hookgate".into(), &env!("CARGO_PKG_VERSION").into()));
    assert!(version["librdkafka"].as_str().unwrap().starts_with("2."), "{version}");
    assert_eq!(version["debug_build"], cfg!(debug_assertions), "{version}");
}

/// The links of the alerts lead to these pages. They are served also while the daemon is not ready.
#[test]
fn it_has_the_page_of_every_alert() {
    let daemon = unready();
    let check = |path: &str, status: u16, begins: &str| {
        let answer = daemon.admin(path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("text/plain; charset=utf-8")),
            "{path}: {answer:?}"
        );
        assert!(answer.body.starts_with(begins), "{path}: {answer:?}");
    };
    let names = daemon.admin("/runbooks").body;
    assert!(names.lines().count() > 15, "{names}");
    for name in names.lines() {
        check(&format!("/runbooks/{name}"), 200, &format!("# {name}\n"));
        check(&format!("/runbooks/{name}.md"), 200, &format!("# {name}\n"));
    }
    check("/runbooks/HookgateNoSuchAlert", 404, "there is no such page");
    check("/runbooks/..%2f..%2fCargo.toml", 404, "there is no such page");
}

#[test]
fn it_shows_the_configuration_in_force_without_any_secret() {
    let daemon = unready();
    let shown = json(&daemon, "/configz");
    assert_eq!(shown, daemon.config.redacted(), "the whole configuration");
    for (pointer, value) in [
        ("/http/max_in_flight", Value::from(77)),
        ("/kafka/brokers/0", "127.0.0.1:1".into()),
        ("/kafka/sasl/username", "somebody".into()),
        ("/kafka/sasl/password", "env:FRAMEIO_OLD".into()),
        ("/kafka/properties/client.rack", "…".into()),
        ("/endpoints/uploadcare/secrets/1", "env:UPLOADCARE".into()),
    ] {
        assert_eq!(shown.pointer(pointer), Some(&value), "{pointer}");
    }
    for path in ["/configz", "/version", "/metrics", "/livez", "/readyz"] {
        let answer = format!("{:?}", daemon.admin(path));
        for secret in SECRETS.iter().map(|(_, secret)| *secret).chain(["a-value-that-may-be-secret"]) {
            assert!(!answer.contains(secret), "{path} shows {secret}");
        }
    }
}

#[test]
fn it_takes_no_command() {
    let daemon = unready();
    for path in ["/configz", "/version", "/metrics", "/livez", "/readyz"] {
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(request(daemon.admin, method, path, &[], b"{}").status, 405, "{method} {path}");
        }
        assert_ne!(request(daemon.webhooks, "GET", path, &[], b"").status, 200, "{path} on the webhook port");
    }
}

/// A web page of a stranger can have its own name resolved to the address of the admin port. The browser of somebody inside the network
/// would then read the port for that page.
#[test]
fn requests_for_other_host_names_learn_nothing() {
    let flags = vec![("kafka.brokers", "127.0.0.1:1".to_owned()), ("admin.hosts", "hookgate-admin.hooks.svc,Other".to_owned())];
    let daemon = Daemon::with(Setup { flags, wait: false, ..Setup::default() });
    let ask = |path: &str, target: &str, headers: &str| {
        let text = format!("GET {target}{path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        exchange(daemon.admin, &[text.as_bytes()])
    };
    let check = |target: &str, headers: &str, status: u16| {
        for path in ["/configz", "/version"] {
            let answer = ask(path, target, headers);
            assert_eq!(answer.status, status, "{target}{path} with {headers:?}: {answer:?}");
            let expected = if status == 200 { "\"" } else { "[admin] hosts" };
            assert!(answer.body.contains(expected), "{target}{path} with {headers:?}: {answer:?}");
        }
        for path in ["/livez", "/metrics"] {
            assert_eq!(ask(path, target, headers).status, 200, "{target}{path} with {headers:?}");
        }
        assert_eq!(ask("/readyz", target, headers).status, 503, "{target}/readyz with {headers:?}");
    };
    for host in [
        "127.0.0.1",
        "127.0.0.1:9090",
        "203.0.113.7",
        "[::1]",
        "[2001:db8::1]:9090",
        "localhost",
        "LocalHost:9090",
        "localhost.",
        "hookgate-admin.hooks.svc",
        "HOOKGATE-admin.hooks.svc.:9090",
        "other:1",
    ] {
        check("", &format!("host: {host}\r\n"), 200);
    }
    for host in [
        "attacker.example",
        "attacker.example:9090",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "attacker-localhost",
        "hooks.svc",
        "x.hookgate-admin.hooks.svc",
        "localhost@attacker.example",
        "localhost, attacker.example",
        "2130706433.example",
        "",
    ] {
        check("", &format!("host: {host}\r\n"), 421);
    }
    check("", "host: localhost\r\nhost: attacker.example\r\n", 421);
    // A host in the request line replaces the header.
    check("http://attacker.example", "host: localhost\r\n", 421);
    check("http://localhost:9090", "host: attacker.example\r\n", 200);
    assert_eq!(exchange(daemon.admin, &[b"GET /configz HTTP/1.0\r\n\r\n"]).status, 421, "no host at all");
}

#[test]
fn a_scrape_is_served_again_until_its_maximum_age() {
    let same = |max_age: &str| {
        let flags = vec![("kafka.brokers", "127.0.0.1:1".to_owned()), ("admin.scrape_max_age", max_age.to_owned())];
        let daemon = Daemon::with(Setup { flags, wait: false, ..Setup::default() });
        let before = daemon.admin("/metrics").body;
        assert_eq!(daemon.post("/nobody", &[], b"").status, 404);
        let after = daemon.admin("/metrics").body;
        assert!(before.contains("hookgate_ready 0"), "{before}");
        before == after
    };
    assert!(same("60s"), "rendered again before its maximum age");
    assert!(!same("0s"), "served again although its maximum age is zero");
}

/// How many scrapes a client asks for on one connection before it reads any answer.
const PIPELINED: usize = 100;

fn pipelining(admin: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(UNANSWERED)).unwrap();
    // The daemon may have closed the connection already.
    let _closed = stream.write_all(&b"GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n".repeat(PIPELINED));
    stream
}

/// A connection that is silent, slow or asks without end keeps its place only until another one needs it.
#[test]
fn a_full_admin_port_has_room_for_a_probe() {
    let daemon = unready();
    let admin = daemon.admin;
    let silent: Vec<_> = (0..server::CONNECTIONS_MAX).map(|_| TcpStream::connect(admin).unwrap()).collect();
    assert_eq!(daemon.admin("/livez").status, 200);
    assert_eq!(rest(&silent[0]), "", "the oldest connection made room");
    // The newest connection is still served.
    let mut last = silent.last().unwrap();
    last.write_all(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    let answer = next_answer(last);
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));

    let greedy: Vec<_> = (0..4 * server::CONNECTIONS_MAX).map(|_| pipelining(admin)).collect();
    assert_eq!((daemon.admin("/livez").status, daemon.admin("/readyz").status), (200, 503));
    let answers = |mut stream: &TcpStream| {
        let mut bytes = Vec::new();
        let _reset = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).matches("HTTP/1.1 200 OK").count()
    };
    let most = greedy.iter().map(answers).max();
    assert!(most <= Some(1), "{most:?} answers on one connection");
}

/// This test counts answers instead of measuring time. A handler holds the event loop until every connection has asked, the probe last.
/// Then each other connection gets at most one answer before the probe, however many it has asked for.
#[test]
fn a_probe_waits_for_one_answer_to_each_other_connection() {
    let (scrapes, stopped_at) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (let_go, gate) = mpsc::channel::<()>();
    let (gate, answered, arrived) = (Arc::new(Mutex::new(gate)), Arc::clone(&scrapes), Arc::clone(&stopped_at));
    let hold = async move || {
        arrived.fetch_add(1, Ordering::SeqCst);
        let _gone = gate.lock().unwrap().recv_timeout(UNANSWERED);
        "held"
    };
    let before_probe = Arc::clone(&scrapes);
    let router = Router::new()
        .route("/hold", get(hold))
        .route("/metrics", get(async move || answered.fetch_add(1, Ordering::SeqCst).to_string()))
        .route("/livez", get(async move || before_probe.load(Ordering::SeqCst).to_string()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.block_on(async { server::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router, stopped).await });
    });

    let holder = thread::spawn(move || request(address, "GET", "/hold", &[], b""));
    crate::harness::wait_until("held", || stopped_at.load(Ordering::SeqCst) == 1);
    let greedy: Vec<_> = (0..server::CONNECTIONS_MAX - 2).map(|_| pipelining(address)).collect();
    let mut probe = TcpStream::connect(address).unwrap();
    probe.write_all(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    let_go.send(()).unwrap();
    let before: usize = next_answer(&probe).body.parse().unwrap();
    assert!(before <= greedy.len(), "{before} scrapes before the probe, of {} connections", greedy.len());
    assert_eq!(holder.join().unwrap().body, "held");
    drop(greedy);
    stop.send(true).unwrap();
    serving.join().unwrap();
    assert!(scrapes.load(Ordering::SeqCst) <= server::CONNECTIONS_MAX - 2);
}
