//! Many hostile senders at once, and a correct one beside them that is answered in time.

use std::{
    io::Write as _,
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    harness::{Daemon, Setup, parse, signed},
    limits::{body, chunked, connect, head, next_answer, rest, whole},
    table::Ask,
};

/// The shortest time in which a provider gives up.
const IN_TIME: Duration = Duration::from_secs(5);

fn daemon(http: &str) -> Daemon {
    Daemon::with(Setup { tables: &format!("[http]\n{http}"), ..Setup::default() })
}

/// A correct sender is answered 200 in time, at each of these endpoints. Its body is large enough to need a share.
fn is_served(daemon: &Daemon, endpoints: &[&str]) {
    for endpoint in endpoints {
        let begin = Instant::now();
        let answer = daemon.deliver(endpoint, &body(15 << 10));
        assert_eq!(answer.status, 200, "{endpoint}: {answer:?}");
        assert!(begin.elapsed() < IN_TIME, "{endpoint}: {:?}", begin.elapsed());
    }
}

const ALL: [&str; 4] = ["filespin", "filesafety", "frameio", "uploadcare"];
const TOKENS: [&str; 2] = ["filespin", "filesafety"];

/// A signature of the right shape, by somebody without the secret: such a body is read to its end before it is refused.
fn forged(endpoint: &str, bytes: usize) -> Ask {
    let (path, mut headers) = signed(endpoint, b"another body");
    headers.retain(|(name, _)| name.starts_with("x-"));
    Ask::post(path, headers, &body(bytes))
}

#[test]
fn slow_heads() {
    // Below the limit of connections, and far above it.
    for limit in [4096, 50] {
        let daemon = daemon(&format!("max_connections = {limit}"));
        let begun = head(&Ask::signed("filesafety", b""));
        let streams: Vec<TcpStream> = (0..200).map(|_| connect(&daemon)).collect();
        for mut stream in &streams {
            // Those that have made room do not take it any more.
            let _closed = stream.write_all(begun.as_bytes());
        }
        is_served(&daemon, &ALL);
        for mut stream in &streams {
            let _closed = stream.write_all(b"x-more: ");
        }
        is_served(&daemon, &ALL);
    }
}

/// As many as the limit of open files allows. Both ends of each connection are in this process.
#[test]
fn idle_connections() {
    let files = rlimit::increase_nofile_limit(20_000).unwrap_or(1024);
    let idle = usize::try_from(files / 8).unwrap_or(128).min(1000);
    let daemon = daemon(&format!("max_connections = {}", idle / 2));
    let early = connect(&daemon);
    let streams: Vec<TcpStream> = (0..idle).map(|_| connect(&daemon)).collect();
    is_served(&daemon, &ALL);
    // The first ones made room for the others.
    assert_eq!(rest(&early), "", "closed");
    // The latest are still served.
    let mut latest = streams.last().unwrap();
    latest.write_all(&whole(&Ask::signed("filesafety", &body(100)))).unwrap();
    assert_eq!(next_answer(latest).status, 200);
}

/// Bodies of a right shape fill what may be held in memory. An endpoint takes half of it at most while others want some, and two of them
/// together leave the share of the others alone.
#[test]
fn slow_bodies() {
    let daemon = daemon("max_body_bytes = \"64KiB\"\nmax_in_flight_bytes = \"1MiB\"\nbody_timeout = \"3.9s\"");
    let begin = |endpoint: &str| {
        let bytes = whole(&forged(endpoint, 60 << 10));
        let streams: Vec<TcpStream> = (0..100).map(|_| connect(&daemon)).collect();
        for mut stream in &streams {
            // Those that were refused do not read to the end.
            let _refused = stream.write_all(&bytes[..bytes.len() - 1]);
        }
        streams
    };
    let full = || {
        let half = |daemon: &Daemon| daemon.metric("hookgate_in_flight_bytes").is_some_and(|bytes| bytes > 440e3);
        daemon.wait_until("full", |_| half(&daemon));
    };
    let uploadcare = begin("uploadcare");
    full();
    // At their own endpoint there is no room for a body of that size; its sender is told when to come back.
    let large = Ask::signed("uploadcare", &body(60 << 10));
    let stream = connect(&daemon);
    (&stream).write_all(&whole(&large)).unwrap();
    let answer = next_answer(&stream);
    assert_eq!((answer.status, answer.label().as_str(), answer.header("retry-after")), (503, "overloaded", Some("5")));
    is_served(&daemon, &["filespin", "filesafety", "frameio"]);
    let frameio = begin("frameio");
    full();
    is_served(&daemon, &TOKENS);
    assert!(daemon.metric("hookgate_in_flight_bytes").unwrap() < 800e3);

    drop((uploadcare, frameio));
    daemon.wait_until("given back", |_| daemon.metric("hookgate_in_flight_bytes") == Some(0.0));
    is_served(&daemon, &ALL);
}

#[test]
fn bodies_without_end() {
    let daemon = daemon("max_body_bytes = \"16KiB\"\nmax_in_flight_bytes = \"1MiB\"");
    let chunk = [b"400\r\n", "x".repeat(1 << 10).as_bytes(), b"\r\n"].concat();
    for endpoint in ["uploadcare", "frameio"] {
        let ask = forged(endpoint, 1 << 10);
        let streams: Vec<TcpStream> = (0..20).map(|_| connect(&daemon)).collect();
        for mut stream in &streams {
            stream.write_all(&chunked(&ask, 1 << 10)).unwrap();
            // Up to the answer, or to a connection that takes no more.
            for _ in 0..20 {
                let _refused = stream.write_all(&chunk);
            }
        }
        is_served(&daemon, &ALL);
        for mut stream in &streams {
            let _closed = stream.shutdown(Shutdown::Write);
            let answer = parse(rest(stream).as_bytes());
            assert!(matches!(answer.label().as_str(), "too_large" | "overloaded"), "{answer:?}");
            let _closed = stream.flush();
        }
    }
}
