//! `hookgate doctor --host`: what is found out about the public address, with a daemon, with proxies that do what proxies do, and with hostile
//! servers. Nothing that it sends may ever be published.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, SystemTime},
};

use hookgate::clock::{self, Clock};

use crate::{
    binary::Folder,
    commands::configured,
    doctor::{Diagnosis, diagnose, shown, without_kafka},
    harness::{Daemon, Setup, frozen},
    hostile_peer::{FILL, Hostile, Script, redirect, whole},
    tls,
};

const NAMES: [&str; 4] = ["filespin", "filesafety", "frameio", "uploadcare"];

/// The folder of a configuration with the secrets of the daemons, which Kafka's password is missing from.
fn folder() -> Folder {
    let folder = configured("127.0.0.1:1");
    without_kafka(&folder);
    folder
}

fn visit(folder: &Folder, host: &str) -> Diagnosis {
    diagnose(folder, &["--host", host, "--timeout", "20"])
}

#[test]
fn a_daemon_that_is_reached_as_it_should_be_is_good() {
    let daemon = Daemon::with(Setup { clock: clock::system, ..Setup::default() });
    let (folder, host) = (folder(), format!("http://{}", daemon.webhooks));
    let good = visit(&folder, &host);
    good.has(("address", &host), "good", "is reached, without TLS").has(("clock", "127.0.0.1"), "good", "");
    for name in NAMES {
        good.has(("path", name), "good", "leads to Hookgate").has(("secrets", name), "good", "1 secret");
    }
    good.has(("body", "frameio"), "good", "a signed body arrives unchanged");
    good.has(("body", "uploadcare"), "not_tried", "a signed delivery would be accepted");
    good.has(("body", "filespin"), "not_tried", "signs no body").has(("body", "filesafety"), "not_tried", "signs no body");
    let refused = |endpoint: &str, outcome: &str| {
        let series =
            format!("hookgate_deliveries_total{{endpoint=\"{endpoint}\",provider=\"{endpoint}\",outcome=\"{outcome}\"}}");
        daemon.metric(&series)
    };
    assert_eq!(refused("frameio", "stale"), Some(1.0));
    assert_eq!(refused("uploadcare", "missing_signature"), Some(1.0));
    shown(&folder, &["--host", &host]);
    assert!(daemon.records().is_empty(), "something was published");
}

/// The signed time is one that no clock shows: also a daemon whose clock has never been set, with the widest tolerance, refuses it.
#[test]
fn nothing_is_published_whatever_the_clock_and_the_tolerance_are() {
    const CLOCKS: [Clock; 7] = [
        || SystemTime::UNIX_EPOCH,
        || SystemTime::UNIX_EPOCH - Duration::from_secs(86_400),
        || SystemTime::UNIX_EPOCH + Duration::from_secs(86_400),
        || SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800),
        || SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 31),
        frozen,
        // The last second that Linux can count to.
        || SystemTime::UNIX_EPOCH + Duration::from_secs(9_223_372_036),
    ];
    for clock in CLOCKS {
        let change = |config: &mut hookgate::config::Config| {
            config.endpoints.iter_mut().for_each(|endpoint| endpoint.tolerance = Duration::from_secs(86_400));
        };
        let daemon = Daemon::with(Setup { clock, change, ..Setup::default() });
        let diagnosis = visit(&folder(), &format!("http://{}", daemon.webhooks));
        diagnosis.has(("body", "frameio"), "good", "a signed body arrives unchanged");
        assert!(daemon.records().is_empty(), "published at {:?}", clock());
    }
}

/// What a proxy does to a request: it changes the head or the body, or answers itself with what it returns.
type Change = fn(&mut String, &mut Vec<u8>) -> Option<&'static str>;

/// A proxy before a daemon. Each connection has one request.
fn proxy(daemon: SocketAddr, change: Change) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || pass_on(stream, daemon, change));
        }
    });
    host
}

fn pass_on(mut stream: TcpStream, daemon: SocketAddr, change: Change) -> Option<()> {
    let (mut head, mut reader) = (String::new(), BufReader::new(stream.try_clone().ok()?));
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = |line: &str| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok();
    let mut body = vec![0; head.lines().find_map(length).unwrap_or_default()];
    reader.read_exact(&mut body).ok()?;
    if let Some(own) = change(&mut head, &mut body) {
        let head = format!("HTTP/1.1 {own}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return stream.write_all(head.as_bytes()).ok();
    }
    let kept = head.lines().filter(|line| {
        let line = line.to_lowercase();
        !line.is_empty() && !line.starts_with("content-length") && !line.starts_with("connection")
    });
    let head =
        format!("{}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", kept.collect::<Vec<_>>().join("\r\n"), body.len());
    let mut upstream = TcpStream::connect(daemon).ok()?;
    upstream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).ok()?;
    stream.write_all(&answer).ok()?;
    stream.shutdown(Shutdown::Both).ok()
}

#[test]
fn what_a_proxy_does_wrong_has_a_name() {
    let daemon = Daemon::with(Setup { clock: clock::system, ..Setup::default() });
    let folder = folder();
    let check = |area: &str, state: &str, part: &str, change: Change| {
        let host = proxy(daemon.webhooks, change);
        visit(&folder, &host).has((area, "frameio"), state, part).has(("address", &host), "good", "");
        assert!(daemon.records().is_empty(), "something was published");
    };
    check("body", "good", "arrives unchanged", |_, _| None);
    check("body", "bad", "401 bad_signature", |_, body| {
        // As any program does that reads JSON and writes it again.
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
            *body = value.to_string().into_bytes();
        }
        None
    });
    check("body", "bad", "401 bad_signature", |_, body| {
        while body.ends_with(b"\n") || body.ends_with(b"\r") {
            body.pop();
        }
        None
    });
    check("body", "bad", "have the proxy pass on x-frameio-signature and x-frameio-request-timestamp", |head, _| {
        *head = head.replace("x-frameio-signature", "x-lost");
        None
    });
    check("path", "bad", "does not know this path", |head, _| {
        *head = head.replace("/webhooks/", "/");
        None
    });
    check("path", "bad", "does not know this path", |head, _| {
        *head = head.replace(" /webhooks/", " /hooks/webhooks/");
        None
    });
    check("body", "not_tried", "the path does not lead to Hookgate", |head, _| {
        *head = head.replace("/webhooks/", "/");
        None
    });
    check("path", "bad", "something else than Hookgate answers, with the status 403", |head, _| {
        head.starts_with("POST").then_some("403 Forbidden")
    });
    check("path", "bad", "something else than Hookgate answers, with the status 405", |_, _| Some("405 Method Not Allowed"));
}

#[test]
fn another_secret_or_none_at_the_daemon_is_found() {
    let daemon = Daemon::with(Setup { clock: clock::system, ..Setup::default() });
    let (folder, host) = (folder(), format!("http://{}", daemon.webhooks));
    let text = std::fs::read_to_string(folder.path("hookgate.toml")).unwrap();
    folder.write("hookgate.toml", text.replace("env:FRAMEIO\"", "env:UPLOADCARE_OLD\""));
    visit(&folder, &host).has(("body", "frameio"), "bad", "the daemon there has another secret");
    folder.write("hookgate.toml", text.replace("env:FRAMEIO\"", "file:missing\""));
    visit(&folder, &host).has(("body", "frameio"), "not_tried", "cannot be read here");
    folder.write("hookgate.toml", text.replace("[endpoints.frameio]", "[endpoints.another]"));
    visit(&folder, &host).has(("path", "another"), "bad", "does not know this path");
    // Without a configuration the address is tried nevertheless.
    folder.write("hookgate.toml", "[kafka");
    visit(&folder, &host).has(("address", &host), "good", "").has(("path", ""), "not_tried", "").has(
        ("clock", "127.0.0.1"),
        "good",
        "",
    );
    assert!(daemon.records().is_empty(), "something was published");
    let without: fn(&mut hookgate::config::Config) = |config| {
        let missing = hookgate::config::SecretSource::File("missing".into());
        config.endpoints.iter_mut().for_each(|endpoint| endpoint.secrets = vec![missing.clone()]);
    };
    let daemon = Daemon::with(Setup { clock: clock::system, change: without, ..Setup::default() });
    folder.write("hookgate.toml", text);
    visit(&folder, &format!("http://{}", daemon.webhooks)).has(("path", "frameio"), "bad", "503 no_secret");
}

/// Returns a script that answers every request with a whole answer.
macro_rules! answers {
    ($head:expr, $body:expr) => {
        |wire| whole(wire, $head, $body)
    };
}

const PROBLEM: &str = "content-type: application/problem+json";

#[test]
fn a_hostile_server_shows_nothing_and_breaks_nothing() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let folder = Folder::new();
    folder.write("frameio", "a-secret-of-the-endpoint");
    folder.write(
        "hookgate.toml",
        "[kafka]\nbrokers = [\"127.0.0.1:1\"]\n[endpoints.frameio]\nprovider = \"frameio\"\nsecrets = [\"file:frameio\"]\n",
    );
    without_kafka(&folder);
    let check = |area: &str, part: &str, script: Script| {
        let hostile = Hostile::start(trap.local_addr().unwrap(), script);
        let host = format!("http://{}", hostile.address);
        let diagnosis = diagnose(&folder, &["--host", &host, "--timeout", "2"]);
        let subject = if area == "address" { &host } else { "frameio" };
        diagnosis.has((area, subject), "bad", part);
        assert!(!diagnosis.finished.both().contains("a-secret-of-the-endpoint"), "{:?}", diagnosis.finished);
        let posted = hostile.requests().iter().any(|head| head.contains("x-frameio-signature"));
        assert!(!posted, "something signed was sent to a server that is not Hookgate");
        assert!(trap.accept().is_err(), "a redirect was followed");
    };
    let other = "something else than Hookgate answers, with the status";
    check(
        "path",
        &format!("{other} 200"),
        answers!("200 OK\r\ncontent-type: text/html", b"<html>sign in, hunter2-of-somebody</html>"),
    );
    check("path", &format!("{other} 404"), answers!("404 Not Found\r\nserver: hunter2-of-somebody", b"hunter2-of-somebody"));
    check("path", &format!("{other} 405"), answers!("405 X", b"{\"type\":\"urn:hookgate:problem:method\"}"));
    check("path", &format!("{other} 405"), |wire| {
        whole(wire, &format!("405 X\r\n{PROBLEM}"), b"{\"type\":\"urn:hookgate:problem:hunter2-of-somebody\"}")
    });
    check("path", &format!("{other} 405"), |wire| whole(wire, &format!("405 X\r\n{PROBLEM}"), b"{\"type\":[]}"));
    check("path", &format!("{other} 200"), answers!("200 OK\r\ndate: hunter2-of-somebody", &[0xff, 0x1b, b'[']));
    check("path", "Hookgate answers 503 source_limited", |wire| {
        whole(wire, &format!("503 X\r\n{PROBLEM}"), b"{\"type\":\"urn:hookgate:problem:source_limited\"}")
    });
    check("path", "a redirect to http://127.0.0.1:", |wire| redirect(wire, 302));
    check("path", "a redirect to https://elsewhere.example.com,", |wire| {
        let place = "https://user:hunter2-of-somebody@elsewhere.example.com/hunter2-of-somebody?token=hunter2-of-somebody";
        whole(wire, &format!("307 X\r\nlocation: {place}"), b"")
    });
    check("path", "longer than", |wire| {
        wire.say("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")?;
        wire.repeat(FILL)
    });
    check("path", "longer than", |wire| {
        wire.say("HTTP/1.1 200 OK\r\n")?;
        wire.repeat(&[b"x: ", FILL, b"\r\n"].concat())
    });
    check("address", "no whole answer has come in time", |wire| {
        wire.say("HTTP/1.1 200 OK\r\nx: ")?;
        wire.drip()
    });
    check("address", "", |wire| wire.say("\x16\x03\x01 no HTTP, hunter2-of-somebody\r\n\r\n"));
    check("address", "", |_| Ok(()));
}

#[test]
fn a_certificate_that_is_not_trusted_is_named_in_plain_words() {
    let (daemon, pair, certificates) = tls::daemon("");
    let port = daemon.webhooks.port();
    let (folder, host) = (folder(), format!("https://localhost:{port}"));
    visit(&folder, &host).has(("address", &host), "bad", "no authority that is trusted has signed its certificate");
    let own = certificates.path("certificate.pem");
    let trusting = |host: &str| diagnose(&folder, &["--host", host, "--ca-file", &own]);
    trusting(&host).has(("address", &host), "good", "its certificate is trusted").has(("path", "frameio"), "good", "");
    let other = format!("https://127.0.0.1:{port}");
    trusting(&other).has(("address", &other), "bad", "its certificate is for another name");
    let plain = format!("http://127.0.0.1:{port}");
    visit(&folder, &plain).has(("address", &plain), "bad", "");
    assert!(daemon.records().is_empty(), "something was published");
    drop(pair);

    let old = tls::pair_until(2000);
    old.write(&certificates);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let expired = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let config = tls::server(&old);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ended = tls::serve(stream, &config).read(&mut [0; 64]);
        }
    });
    trusting(&expired).has(("address", &expired), "bad", "its certificate has expired");
    // Nothing listens at this port, and this name has no address.
    for (host, part) in [("https://127.0.0.1:1", "refused"), ("https://nowhere.invalid", "look at the name in the DNS")] {
        visit(&folder, host).has(("address", host), "bad", part).has(("path", ""), "not_tried", "");
    }
}
