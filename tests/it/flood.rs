//! Many hostile senders at once, and a correct sender beside them that must be answered in time.

use std::{
    io::Write as _,
    net::{Shutdown, TcpStream},
    sync::LazyLock,
    time::{Duration, Instant},
};

use hookgate::config::Config;

use crate::{
    harness::{Daemon, Setup, parse, signed},
    limits::{PATIENCE, body, chunked, connect, head, next_answer, rest, whole},
    providers::{names, tokens},
    request_table::{Ask, outcomes},
};

/// The longest time until a correct sender is answered. It is shorter than every timeout for slow peers here, so a sender that has to wait
/// for such a timeout is not served in time.
const IN_TIME: Duration = Duration::from_secs(30);

fn daemon(http: &str) -> Daemon {
    let change = |config: &mut Config| {
        config.http.header_timeout = IN_TIME * 3;
        config.http.body_timeout = IN_TIME * 2;
    };
    Daemon::with(Setup { tables: &format!("[http]\n{http}"), change, ..Setup::default() })
}

/// Checks that a correct sender is answered 200 in time at each of these endpoints. Its body is large enough to need a share.
fn is_served(daemon: &Daemon, endpoints: &[&str]) {
    for endpoint in endpoints {
        let begin = Instant::now();
        let answer = daemon.deliver(endpoint, &body(15 << 10));
        assert_eq!(answer.status, 200, "{endpoint}: {answer:?}");
        assert!(begin.elapsed() < IN_TIME, "{endpoint}: {:?}", begin.elapsed());
    }
}

/// The endpoints of all providers.
static ALL: LazyLock<Vec<&str>> = LazyLock::new(|| names().collect());
/// The endpoints of providers that prove themselves with a token.
static TOKENS: LazyLock<Vec<&str>> = LazyLock::new(|| tokens().map(|case| case.name).collect());

/// Returns a request whose signature has the right form and is wrong. Such a body is read to its end before it is refused.
fn forged(endpoint: &str, bytes: usize) -> Ask {
    let (path, mut headers) = signed(endpoint, b"another body");
    headers.retain(|(name, _)| name.starts_with("x-"));
    Ask::post(path, headers, &body(bytes))
}

#[test]
fn slow_heads() {
    // 200 connections are below the first limit, and far above the second.
    for limit in [4096, 50] {
        let daemon = daemon(&format!("max_connections = {limit}"));
        let begun = head(&Ask::signed("filesafety", b""));
        let streams: Vec<TcpStream> = (0..200).map(|_| connect(&daemon)).collect();
        for mut stream in &streams {
            // Connections that were closed to make room cannot be written to.
            let _closed = stream.write_all(begun.as_bytes());
        }
        is_served(&daemon, &ALL);
        for mut stream in &streams {
            let _closed = stream.write_all(b"x-more: ");
        }
        is_served(&daemon, &ALL);
    }
}

/// There are as many idle connections as the limit of open files allows. Both ends of each are in this process.
#[test]
fn idle_connections() {
    let files = rlimit::increase_nofile_limit(20_000).unwrap_or(1024);
    let idle = usize::try_from(files / 8).unwrap_or(128).min(1000);
    let daemon = daemon(&format!("max_connections = {}", idle / 2));
    let early = connect(&daemon);
    let streams: Vec<TcpStream> = (0..idle).map(|_| connect(&daemon)).collect();
    is_served(&daemon, &ALL);
    // The first connections made room for the others.
    assert_eq!(rest(&early), "", "closed");
    // The latest connections are still served.
    let mut latest = streams.last().unwrap();
    latest.write_all(&whole(&Ask::signed("filesafety", &body(100)))).unwrap();
    assert_eq!(next_answer(latest).status, 200);
}

/// Waits until no connection, delivery or byte is in flight.
fn is_idle(daemon: &Daemon) {
    daemon.wait_until("idle", |_| {
        let gauges = ["hookgate_in_flight_bytes", "hookgate_in_flight_deliveries", "hookgate_connections"];
        gauges.iter().all(|gauge| daemon.metric(gauge) == Some(0.0))
    });
}

/// Checks that a correct sender, which sends again after a 503 as every provider does, is answered 200 long before a slow body times out.
fn gets_through(daemon: &Daemon, endpoint: &str, bytes: usize) {
    let begin = Instant::now();
    while daemon.deliver(endpoint, &body(bytes)).status != 200 {
        assert!(begin.elapsed() < IN_TIME, "{endpoint} is shut out");
    }
}

/// Sends a forged body without its last byte, on a connection that stays open.
fn begin_forged(daemon: &Daemon, endpoint: &str, bytes: usize) -> TcpStream {
    let stream = connect(daemon);
    let bytes = whole(&forged(endpoint, bytes));
    // A refused body need not be read to its end.
    let _refused = (&stream).write_all(&bytes[..bytes.len() - 1]);
    stream
}

/// Limits with which eight bodies of 64 KiB fill the half of the memory that one endpoint may have.
const EIGHT_FILL: &str = "max_body_bytes = \"64KiB\"\nmax_in_flight_bytes = \"1MiB\"";

/// Forged bodies that never end fill the memory of their endpoint. They make room for later deliveries to the same endpoint.
#[test]
fn slow_bodies_give_way() {
    let daemon = daemon(EIGHT_FILL);
    for endpoint in ["uploadcare", "frameio", "uploadcare"] {
        let slow: Vec<TcpStream> = (0..60).map(|_| begin_forged(&daemon, endpoint, 62 << 10)).collect();
        // At first they might be correct senders on a slow link. Later their memory is free for ten correct bodies, one after another.
        for _ in 0..10 {
            gets_through(&daemon, endpoint, 60 << 10);
        }
        is_served(&daemon, &ALL);
        drop(slow);
    }
    // None of them has ended by its own timeout.
    let timed_out = outcomes(&daemon).into_keys().find(|(_, outcome)| outcome == "slow_body");
    assert_eq!(timed_out, None);
    is_idle(&daemon);
}

/// Slow bodies do not stop coming: a new one always takes the room of one that gave way.
#[test]
fn slow_bodies_that_do_not_stop() {
    let daemon = daemon(EIGHT_FILL);
    std::thread::scope(|scope| {
        let attack = scope.spawn(|| {
            let another = |_| {
                // When the eighth body after it comes, each body has been slower than the daemon's patience.
                std::thread::sleep(PATIENCE / 5);
                begin_forged(&daemon, "uploadcare", 62 << 10)
            };
            (0..30).map(another).collect::<Vec<TcpStream>>()
        });
        while !attack.is_finished() {
            gets_through(&daemon, "uploadcare", 60 << 10);
        }
    });
    is_idle(&daemon);
}

/// Several endpoints together can fill the memory for all bodies. An endpoint that holds little then takes the room of the slowest body,
/// also of another endpoint.
#[test]
fn slow_bodies_that_fill_the_whole() {
    // The share of an endpoint is four such bodies. The first endpoint takes half of the memory, and the next ones their shares.
    let whole = 4 * u32::try_from(ALL.len()).unwrap();
    let daemon = daemon(&format!("max_body_bytes = \"64KiB\"\nmax_in_flight_bytes = \"{}KiB\"", 64 * whole));
    let (last, others) = ALL.split_first().unwrap();
    let mut slow = Vec::new();
    let mut all_hold = whole / 2;
    for endpoint in others.iter().rev() {
        slow.extend((0..whole + 4).map(|_| begin_forged(&daemon, endpoint, 62 << 10)));
        let held = f64::from(all_hold * ((62 << 10) - 1));
        daemon.wait_until(endpoint, |_| daemon.metric("hookgate_in_flight_bytes").is_some_and(|bytes| bytes >= held));
        if all_hold == whole {
            break;
        }
        all_hold = whole.min(all_hold + 4);
    }
    assert_eq!(all_hold, whole, "full");
    gets_through(&daemon, last, 60 << 10);
    let timed_out = outcomes(&daemon).into_keys().find(|(_, outcome)| outcome == "slow_body");
    assert_eq!(timed_out, None);
    drop(slow);
    is_idle(&daemon);
}

/// A body on a slow link may end, although it is the oldest and there is no room for others.
#[test]
fn a_body_within_the_patience_is_left_alone() {
    let daemon = daemon(EIGHT_FILL);
    let ask = Ask::signed("uploadcare", &body(60 << 10));
    let bytes = whole(&ask);
    for attempt in 0.. {
        let (stream, begin) = (connect(&daemon), Instant::now());
        (&stream).write_all(&bytes[..bytes.len() / 2]).unwrap();
        let flood: Vec<TcpStream> = (0..10).map(|_| begin_forged(&daemon, "uploadcare", 62 << 10)).collect();
        std::thread::sleep((PATIENCE * 3 / 5).saturating_sub(begin.elapsed()));
        let refused = daemon.deliver("uploadcare", &body(60 << 10)).status == 503;
        let _dismissed = (&stream).write_all(&bytes[bytes.len() / 2..]);
        let _ended = stream.shutdown(Shutdown::Write);
        let answer = parse(rest(&stream).as_bytes());
        drop((stream, flood));
        if refused && answer.status == 200 {
            break;
        }
        // When the machine stood still for a while, even this body was too slow.
        assert!(begin.elapsed() > PATIENCE && attempt < 50, "{answer:?}, the other body was refused: {refused}");
        is_idle(&daemon);
    }
}

/// Bodies with a signature of the right form fill the memory. An endpoint may take half of it at most while others want some, and two
/// endpoints together leave the shares of the others.
#[test]
fn slow_bodies() {
    let daemon = daemon(EIGHT_FILL);
    let begin = |endpoint: &str| {
        let bytes = whole(&forged(endpoint, 60 << 10));
        let streams: Vec<TcpStream> = (0..100).map(|_| connect(&daemon)).collect();
        for mut stream in &streams {
            // A refused body is not read to its end.
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
    is_served(&daemon, &names().filter(|name| *name != "uploadcare").collect::<Vec<_>>());
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
            // Until the answer, or until the connection accepts no more bytes.
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
