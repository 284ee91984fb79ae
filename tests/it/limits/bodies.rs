//! How large a body may be, and how it may be framed.

use std::{io::Write as _, net::Shutdown};

use super::{KIB, body, chunked, connect, head, next_answer, raw, rest, table, wait_for_faults, whole};
use crate::{
    harness::{parse, signed},
    request_table::Ask,
};

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[test]
fn body_size() {
    let mut table = table("max_body_bytes = \"2KiB\"");
    let (full, over) = (Ask::signed("filesafety", &body(2 * KIB)), Ask::signed("filesafety", &body(2 * KIB + 1)));
    table.check("the cap", &full, "200 published");

    // A delivery is refused because of its announced length: the answer comes although no byte of the body is sent.
    let announced = format!("{}content-length: {}\r\n\r\n", head(&over), 2 * KIB + 1);
    let answer = parse(raw(&table.daemon, announced.as_bytes()).as_bytes());
    table.expect("announced", &over, &answer, "413 too_large");
    let absurd = format!("{}content-length: {}\r\n\r\n", head(&over), u64::MAX / 2);
    let answer = parse(raw(&table.daemon, absurd.as_bytes()).as_bytes());
    table.expect("absurd", &over, &answer, "413 too_large");

    for sizes in [1, 100, 2 * KIB] {
        let stream = connect(&table.daemon);
        (&stream).write_all(&[&chunked(&full, sizes), LAST_CHUNK].concat()).unwrap();
        table.expect("the cap in chunks", &full, &next_answer(&stream), "200 published");
        // A body without announced length is refused while it arrives, before its end.
        let stream = connect(&table.daemon);
        (&stream).write_all(&chunked(&over, sizes)).unwrap();
        table.expect("over in chunks", &over, &next_answer(&stream), "413 too_large");
    }
    table.finish();
}

#[test]
fn broken_bodies() {
    let mut table = table("");
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);

    // The body is shorter than announced, and the sender closes.
    let stream = connect(&table.daemon);
    (&stream).write_all(&bytes[..bytes.len() - 1]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    table.expect("short", &ask, &parse(rest(&stream).as_bytes()), "400 malformed_body");

    // The body is longer than announced, and what follows it is no request.
    let text = raw(&table.daemon, &[bytes.as_slice(), b"\x01\x02\r\n\r\n"].concat());
    let (first, second) = text.split_once("HTTP/1.1 400").expect("two answers");
    table.expect("long", &ask, &parse(first.as_bytes()), "200 published");
    assert!(second.contains("content-length: 0"), "{second}");
    wait_for_faults(&table.daemon, "bad_request", 1);

    let begun = format!("{}transfer-encoding: chunked\r\n\r\n", head(&ask));
    for (what, chunks) in [
        ("no size", "zz\r\n"),
        ("a negative size", "-1\r\n"),
        ("a huge size", "fffffffffffffffff\r\n"),
        ("more than the size", "1\r\nab\r\n"),
        ("an endless extension", &format!("1;{}", "x".repeat(100 * KIB))),
    ] {
        let answer = parse(raw(&table.daemon, format!("{begun}{chunks}").as_bytes()).as_bytes());
        table.expect(what, &ask, &answer, "400 malformed_body");
    }
    table.finish();
}

#[test]
fn ambiguous_framing_is_no_request() {
    let table = table("");
    let ask = Ask::signed("filesafety", &body(100));
    let head = head(&ask);
    for framing in [
        "content-length: 100\r\ncontent-length: 99\r\n",
        "content-length: 1e2\r\n",
        "content-length: -1\r\n",
        "content-length: +100\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, identity\r\n",
    ] {
        let text = raw(&table.daemon, &[format!("{head}{framing}\r\n").as_bytes(), &ask.body].concat());
        assert!(text.starts_with("HTTP/1.1 400"), "{framing}: {text}");
    }
    // With both framings the chunks count, as RFC 9112 says, and no part of what follows becomes a request.
    let both = format!("{head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n");
    let text = raw(&table.daemon, both.as_bytes());
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
    assert!(table.daemon.records().iter().all(|record| record.topic.ends_with("quarantine")));
}

#[test]
fn expect_continue() {
    let mut table = table("");
    let (path, _) = signed("filesafety", b"");
    let ask = Ask::post(path, Vec::new(), &body(100)).header("expect", "100-continue");
    let begun = |ask: &Ask| format!("{}content-length: 100\r\n\r\n", head(ask)).into_bytes();
    let stream = connect(&table.daemon);
    (&stream).write_all(&begun(&ask)).unwrap();
    assert_eq!(next_answer(&stream).status, 100);
    (&stream).write_all(&ask.body).unwrap();
    table.expect("invited", &ask, &next_answer(&stream), "200 published");

    // A delivery that is refused because of its head is never invited to send its body.
    let wrong = Ask { path: "/webhooks/filesafety?token=wrong-token".into(), ..ask };
    let stream = connect(&table.daemon);
    (&stream).write_all(&begun(&wrong)).unwrap();
    table.expect("not invited", &wrong, &next_answer(&stream), "401 bad_token");
    table.finish();
}
