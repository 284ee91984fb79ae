//! How long a sender may take, and how large a head may be.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use super::{KIB, body, connect, next_answer, raw, rest, table, wait_for_faults, whole};
use crate::{
    harness::{UNANSWERED, parse},
    request_table::Ask,
};

#[test]
fn slow_bodies() {
    let mut table = table("body_timeout = \"300ms\"");
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);
    let mut stream = connect(&table.daemon);
    stream.write_all(&bytes[..bytes.len() - 1]).unwrap();
    table.expect("a body that stops", &ask, &parse(rest(&stream).as_bytes()), "408 slow_body");

    // Single bytes do not extend the timeout.
    let mut stream = connect(&table.daemon);
    let (begin, mut sent) = (Instant::now(), bytes.len() - 90);
    stream.write_all(&bytes[..sent]).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while stream.peek(&mut [0]).is_err() && sent + 1 < bytes.len() {
        stream.write_all(&bytes[sent..=sent]).unwrap();
        sent += 1;
    }
    stream.set_read_timeout(Some(UNANSWERED)).unwrap();
    table.expect("a body that drips", &ask, &parse(rest(&stream).as_bytes()), "408 slow_body");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    table.finish();
}

#[test]
fn heads_that_do_not_end() {
    let table = table("header_timeout = \"300ms\"");
    for (number, begun) in ["P", "POST /webhooks/filesafety HTTP/1.1\r\nhost: x\r\n", "\r\n"].iter().enumerate() {
        assert_eq!(raw(&table.daemon, begun.as_bytes()), "", "{begun:?}: closed without an answer");
        wait_for_faults(&table.daemon, "header_timeout", number + 1);
    }
    // Single bytes do not extend the timeout, also not on a connection that has carried a request.
    let stream = connect(&table.daemon);
    (&stream).write_all(&whole(&nobody())).unwrap();
    assert_eq!(next_answer(&stream).status, 404);
    let begin = Instant::now();
    while (&stream).write_all(b"x").is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(15), "the connection does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_for_faults(&table.daemon, "header_timeout", 4);
}

fn nobody() -> Ask {
    Ask::post("/nope", Vec::new(), b"")
}

/// A proxy keeps connections for a minute and more, and may open some before it needs them.
#[test]
fn silence_may_last_longer_than_a_head() {
    let mut table = table("header_timeout = \"200ms\"\nidle_timeout = \"60s\"");
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);
    table.check("before", &ask, "200 published");
    let stream = connect(&table.daemon);
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(500));
        (&stream).write_all(&bytes).unwrap();
        table.expect("after a silence", &ask, &next_answer(&stream), "200 published");
    }
    // Neither timeout counts while a request is in progress.
    table.daemon.slow(Duration::from_millis(600));
    (&stream).write_all(&bytes).unwrap();
    table.expect("a slow answer", &ask, &next_answer(&stream), "200 published");
    table.daemon.slow(Duration::ZERO);
    let faults = table.daemon.metric("hookgate_connection_faults_total{reason=\"header_timeout\"}");
    assert_eq!(faults, Some(0.0));
    table.finish();
}

#[test]
fn silence_ends_in_order() {
    let daemon = table("idle_timeout = \"2s\"").daemon;
    let never = connect(&daemon);
    let idle = connect(&daemon);
    (&idle).write_all(&whole(&nobody())).unwrap();
    assert_eq!(next_answer(&idle).status, 404);
    // Bytes that come together with the request before them count as the next head only once more bytes follow.
    let half = connect(&daemon);
    (&half).write_all(&[whole(&nobody()), b"POST /no".to_vec()].concat()).unwrap();
    assert_eq!(next_answer(&half).status, 404);
    for stream in [&never, &idle, &half] {
        assert_eq!(rest(stream), "");
    }
    daemon.wait_until("closed", |_| daemon.metric("hookgate_connections") == Some(0.0));
    let faults = daemon.admin("/metrics").body;
    let faults: Vec<_> = faults.lines().filter(|line| line.starts_with("hookgate_connection_faults_total")).collect();
    assert!(faults.iter().all(|line| line.ends_with(" 0")), "{faults:?}");
}

#[test]
fn head_size() {
    let mut table = table("max_header_bytes = \"8KiB\"\nmax_headers = 10");
    let ask = Ask::signed("filesafety", &body(100));
    // The harness itself sends three headers: host, connection and content-length.
    let with = |headers: usize, bytes: usize| {
        (0..headers).fold(ask.clone(), |ask, number| ask.header(&format!("x-{number}"), &"v".repeat(bytes)))
    };
    table.check("as many as allowed", &with(7, 1), "200 published");
    table.check("a long header", &with(1, 6 * KIB), "200 published");
    for (number, too_much) in [with(8, 1), with(1, 9 * KIB), with(5, 2 * KIB)].iter().enumerate() {
        let headers: Vec<_> = too_much.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = table.daemon.post(&too_much.path, &headers, &too_much.body);
        assert_eq!((answer.status, answer.body.as_str()), (431, ""), "{number}");
        wait_for_faults(&table.daemon, "headers_too_large", number + 1);
    }
    let long = format!("/webhooks/filesafety?token={}", "x".repeat(9 * KIB));
    let answer = table.daemon.post(&long, &[], b"");
    assert!(matches!(answer.status, 414 | 431), "{}", answer.status);
    // None of them counts as a request.
    table.finish();
}
