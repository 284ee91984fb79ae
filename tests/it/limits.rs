//! The limits, on raw sockets: sizes, times, and how much at once. Also what HTTP/1 allows and senders use.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    harness::{Answer, Daemon, Setup, parse, signed},
    table::{Ask, Table, id, outcomes},
};

const KIB: usize = 1024;

/// How long a body may be waited for before it makes room for others.
pub const PATIENCE: Duration = Duration::from_millis(500);

fn table(http: &str) -> Table {
    Table::with(Setup { tables: &format!("[http]\n{http}"), ..Setup::default() })
}

pub fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(daemon.webhooks).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Everything that comes until the other side closes.
pub fn rest(mut stream: &TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset behind the answer is as good as an end.
    let _reset = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// What is sent on a new connection, and all that comes back.
pub fn raw(daemon: &Daemon, bytes: &[u8]) -> String {
    let mut stream = connect(daemon);
    stream.write_all(bytes).unwrap();
    rest(&stream)
}

/// One answer of a connection that may go on.
pub fn next_answer(mut stream: &TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        bytes.push(byte[0]);
    }
    let length = parse(&bytes).header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    parse(&[bytes, body].concat())
}

/// Waits until that many connections have ended for a reason: it is counted behind the answer.
pub fn wait_for_faults(daemon: &Daemon, reason: &str, connections: usize) {
    let line = format!("hookgate_connection_faults_total{{reason=\"{reason}\"}} {connections}");
    daemon.wait_until(&line, |_| daemon.admin("/metrics").body.lines().any(|it| it == line));
}

/// A body of that many bytes that FileSafety could have sent.
pub fn body(bytes: usize) -> Vec<u8> {
    let frame = r#"{"scan_id":"s","verdict":"clean","metadata":""}"#;
    let filler = "x".repeat(bytes - frame.len());
    frame.replace(r#""metadata":"""#, &format!(r#""metadata":"{filler}""#)).into_bytes()
}

/// A signed request's head, without the framing of its body and the blank line.
pub fn head(ask: &Ask) -> String {
    let headers = ask.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("{} {} HTTP/1.1\r\nhost: test\r\n{}", ask.method, ask.path, headers.collect::<String>())
}

/// A whole request; the connection stays open behind it.
pub fn whole(ask: &Ask) -> Vec<u8> {
    [format!("{}content-length: {}\r\n\r\n", head(ask), ask.body.len()).as_bytes(), &ask.body].concat()
}

/// A chunked request without the last chunk.
pub fn chunked(ask: &Ask, sizes: usize) -> Vec<u8> {
    let mut bytes = format!("{}transfer-encoding: chunked\r\n\r\n", head(ask)).into_bytes();
    for chunk in ask.body.chunks(sizes) {
        bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    bytes
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[test]
fn body_size() {
    let mut table = table("max_body_bytes = \"2KiB\"");
    let (full, over) = (Ask::signed("filesafety", &body(2 * KIB)), Ask::signed("filesafety", &body(2 * KIB + 1)));
    table.check("the cap", &full, "200 published");

    // Refused on the announcement: not a byte of the body is sent, and the answer comes.
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
        // Refused while it streams: the end of the body never comes.
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

    // Less than announced, and the end.
    let stream = connect(&table.daemon);
    (&stream).write_all(&bytes[..bytes.len() - 1]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    table.expect("short", &ask, &parse(rest(&stream).as_bytes()), "400 malformed_body");

    // More than announced: what is behind the body is no request.
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
    // Both framings: the chunks count, as the RFC has it, and nothing of what follows becomes a request.
    let both = format!("{head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n");
    let text = raw(&table.daemon, both.as_bytes());
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
    assert!(table.daemon.records().iter().all(|record| record.topic.ends_with("quarantine")));
}

#[test]
fn slow_bodies() {
    let mut table = table("body_timeout = \"300ms\"");
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);
    let mut stream = connect(&table.daemon);
    stream.write_all(&bytes[..bytes.len() - 1]).unwrap();
    table.expect("a body that stops", &ask, &parse(rest(&stream).as_bytes()), "408 slow_body");

    // One byte now and then does not prolong it.
    let mut stream = connect(&table.daemon);
    let (begin, mut sent) = (Instant::now(), bytes.len() - 90);
    stream.write_all(&bytes[..sent]).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while stream.peek(&mut [0]).is_err() && sent + 1 < bytes.len() {
        stream.write_all(&bytes[sent..=sent]).unwrap();
        sent += 1;
    }
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    table.expect("a body that drips", &ask, &parse(rest(&stream).as_bytes()), "408 slow_body");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    table.finish();
}

#[test]
fn heads_that_do_not_end() {
    let table = table("header_timeout = \"300ms\"");
    for (number, begun) in ["", "P", "POST /webhooks/filesafety HTTP/1.1\r\nhost: x\r\n"].iter().enumerate() {
        assert_eq!(raw(&table.daemon, begun.as_bytes()), "", "{begun:?}: closed without a word");
        wait_for_faults(&table.daemon, "header_timeout", number + 1);
    }
    table.finish();
}

#[test]
fn head_size() {
    let mut table = table("max_header_bytes = \"8KiB\"\nmax_headers = 10");
    let ask = Ask::signed("filesafety", &body(100));
    // The harness sends host, connection and content-length.
    let with = |headers: usize, bytes: usize| {
        (0..headers).fold(ask.clone(), |ask, number| ask.header(&format!("x-{number}"), &"v".repeat(bytes)))
    };
    table.check("as many as allowed", &with(7, 1), "200 published");
    table.check("a long one", &with(1, 6 * KIB), "200 published");
    for (number, too_much) in [with(8, 1), with(1, 9 * KIB), with(5, 2 * KIB)].iter().enumerate() {
        let headers: Vec<_> = too_much.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = table.daemon.post(&too_much.path, &headers, &too_much.body);
        assert_eq!((answer.status, answer.body.as_str()), (431, ""), "{number}");
        wait_for_faults(&table.daemon, "headers_too_large", number + 1);
    }
    let long = format!("/webhooks/filesafety?token={}", "x".repeat(9 * KIB));
    let answer = table.daemon.post(&long, &[], b"");
    assert!(matches!(answer.status, 414 | 431), "{}", answer.status);
    // None of them was a request.
    table.finish();
}

#[test]
fn connections_at_once() {
    let mut table = table("max_connections = 2");
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);
    table.check("before", &ask, "200 published");
    // Both are busy: they wait for Kafka.
    table.daemon.slow(Duration::from_secs(1));
    let held = [connect(&table.daemon), connect(&table.daemon)];
    for mut stream in &held {
        stream.write_all(&bytes).unwrap();
    }
    handed_over(&table.daemon, 2);
    let answer = table.daemon.deliver("filesafety", &ask.body);
    assert_eq!((answer.status, answer.label().as_str()), (503, "overloaded"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    wait_for_faults(&table.daemon, "limit", 1);
    // It never was a delivery.
    let overloaded = outcomes(&table.daemon).into_keys().find(|(_, outcome)| outcome == "overloaded");
    assert_eq!(overloaded, None);

    // What was held before still works.
    for stream in &held {
        table.expect("held", &ask, &next_answer(stream), "200 published");
    }
    table.daemon.slow(Duration::ZERO);
    // Idle now, and the one that is so for longer makes room.
    table.check("a newcomer", &ask, "200 published");
    assert_eq!(rest(&held[0]), "", "closed");
    wait_for_faults(&table.daemon, "limit", 2);
    (&held[1]).write_all(&bytes).unwrap();
    table.expect("idle for less long", &ask, &next_answer(&held[1]), "200 published");
    drop(held);
    table.daemon.wait_until("closed", |_| table.daemon.metric("hookgate_connections") == Some(0.0));
    table.check("served again", &ask, "200 published");
    table.finish();
}

/// At the limit a body that is waited for makes room as well, but not at once.
#[test]
fn connections_that_send_their_bodies_slowly() {
    let mut table = table("max_connections = 3\nbody_timeout = \"3.9s\"");
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);
    let begin = Instant::now();
    let held = [1.0, 2.0, 3.0].map(|number| {
        let stream = connect(&table.daemon);
        (&stream).write_all(&bytes[..bytes.len() - 1]).unwrap();
        table.daemon.wait_until("held", |_| table.daemon.metric("hookgate_in_flight_deliveries") == Some(number));
        stream
    });
    let mut answer = table.daemon.deliver("filesafety", &ask.body);
    assert!(answer.status == 503 || begin.elapsed() > PATIENCE, "{answer:?}");
    while answer.status != 200 {
        assert!(begin.elapsed() < PATIENCE * 4, "{answer:?}");
        answer = table.daemon.deliver("filesafety", &ask.body);
    }
    table.expect("a newcomer", &ask, &answer, "200 published");
    // The one that is waited for longest hears why it ends, and when to come back.
    table.expect("makes room", &ask, &parse(rest(&held[0]).as_bytes()), "503 overloaded");
    for mut stream in &held[1..] {
        stream.write_all(&bytes[bytes.len() - 1..]).unwrap();
        table.expect("the others", &ask, &next_answer(stream), "200 published");
    }
    drop(held);
    table.daemon.wait_until("closed", |_| table.daemon.metric("hookgate_connections") == Some(0.0));
    assert_eq!(table.daemon.metric("hookgate_in_flight_deliveries"), Some(0.0));
    table.finish();
}

/// Whoever is turned away is told so; but that too takes a connection, and there is an end to them.
#[test]
fn far_beyond_the_limit_connections_are_closed_unheard() {
    let daemon = table("max_connections = 1").daemon;
    let bytes = whole(&Ask::signed("filesafety", &body(100)));
    assert_eq!(daemon.deliver("filesafety", &body(99)).status, 200);
    daemon.slow(Duration::from_secs(1));
    for attempt in 1.. {
        let busy = connect(&daemon);
        (&busy).write_all(&bytes).unwrap();
        handed_over(&daemon, 1);
        let begin = Instant::now();
        let told: Vec<_> = (0..256).map(|_| connect(&daemon)).collect();
        let unheard = connect(&daemon);
        let (mut last, _gone) = (told.last().unwrap(), (&unheard).write_all(&bytes));
        let silence = rest(&unheard);
        let _gone = last.write_all(&bytes);
        let answer = parse(rest(last).as_bytes());
        drop(told);
        daemon.wait_until("all but one closed", |_| daemon.metric("hookgate_connections") == Some(1.0));
        assert_eq!(next_answer(&busy).status, 200);
        if silence.is_empty() && (answer.status, answer.label().as_str()) == (503, "overloaded") {
            let limit = "hookgate_connection_faults_total{reason=\"limit\"}";
            daemon.wait_until("counted", |_| daemon.metric(limit).is_some_and(|closed| closed >= 257.0));
            break;
        }
        // They wait for a second. On a machine that stands still for so long there is room again.
        assert!(begin.elapsed() > Duration::from_millis(900) && attempt < 10, "{silence:?} {answer:?}");
        drop(busy);
        daemon.wait_until("closed", |_| daemon.metric("hookgate_connections") == Some(0.0));
    }
    daemon.slow(Duration::ZERO);
}

/// Waits until that many deliveries are with Kafka. Both gauges are of one scrape: the deliveries are there, their bodies are not, and
/// neither is a body that is still to come.
fn handed_over(daemon: &Daemon, deliveries: usize) {
    let deliveries = format!("\nhookgate_in_flight_deliveries {deliveries}\n");
    daemon.wait_until("handed over", |_| {
        let text = daemon.admin("/metrics").body;
        text.contains(&deliveries) && text.contains("\nhookgate_in_flight_bytes 0\n")
    });
}

/// Sends a part of a request, and beside it another, for which there is no room. Returns the connection of the first one.
fn held_beside(table: &mut Table, ask: &Ask, part: &[u8], (gauge, value): (&str, f64), other: &Ask) -> TcpStream {
    loop {
        let (stream, begin) = (connect(&table.daemon), Instant::now());
        (&stream).write_all(part).unwrap();
        table.daemon.wait_until(gauge, |_| table.daemon.metric(gauge) == Some(value));
        let answer = table.daemon.deliver("filesafety", &other.body);
        if answer.status != 200 || begin.elapsed() < PATIENCE {
            table.expect("beside it", other, &answer, "503 overloaded");
            return stream;
        }
        // On a machine that stands still for a while the first one has made room.
        table.expect("in its place", other, &answer, "200 published");
        table.expect("gives way", ask, &next_answer(&stream), "503 overloaded");
    }
}

#[test]
fn bytes_in_flight() {
    let mut table = table("max_body_bytes = \"1KiB\"\nmax_in_flight_bytes = \"1KiB\"");
    let (large, small) = (Ask::signed("filesafety", &body(1000)), Ask::signed("filesafety", &body(100)));
    let bytes = whole(&large);
    let part = &bytes[..bytes.len() - 1];
    let stream = held_beside(&mut table, &large, part, ("hookgate_in_flight_bytes", 999.0), &small);
    // The refused one has given back what it took.
    assert_eq!(table.daemon.metric("hookgate_in_flight_bytes"), Some(999.0));
    assert_eq!(table.daemon.metric("hookgate_in_flight_deliveries"), Some(1.0));

    (&stream).write_all(&bytes[bytes.len() - 1..]).unwrap();
    table.expect("the held one", &large, &next_answer(&stream), "200 published");
    table.check("behind it", &small, "200 published");
    assert_eq!(table.daemon.metric("hookgate_in_flight_bytes"), Some(0.0));
    assert_eq!(table.daemon.metric("hookgate_in_flight_deliveries"), Some(0.0));
    table.finish();
}

/// librdkafka holds its own copy of a record, within its own limit.
#[test]
fn what_waits_for_kafka_is_no_longer_held() {
    let mut table = table("max_body_bytes = \"1KiB\"\nmax_in_flight_bytes = \"1KiB\"");
    let large = Ask::signed("filesafety", &body(1000));
    table.check("before", &Ask::signed("filesafety", &body(100)), "200 published");
    table.daemon.slow(Duration::from_secs(1));
    let stream = connect(&table.daemon);
    (&stream).write_all(&whole(&large)).unwrap();
    handed_over(&table.daemon, 1);
    table.check("another large one beside it", &Ask::signed("filesafety", &body(999)), "200 published");
    table.expect("the first one", &large, &next_answer(&stream), "200 published");
    table.daemon.slow(Duration::ZERO);
    table.finish();
}

#[test]
fn deliveries_in_flight() {
    let mut table = table("max_in_flight = 1");
    let ask = Ask::signed("filesafety", &body(100));
    // An announcement is enough here: the delivery is admitted before its body.
    let begun = format!("{}content-length: 100\r\n\r\n", head(&ask));
    let stream = held_beside(&mut table, &ask, begun.as_bytes(), ("hookgate_in_flight_deliveries", 1.0), &ask);
    // Who is not proven is told so, and learns nothing about the load.
    let unproven = Ask::post("/webhooks/filesafety?token=wrong-token", Vec::new(), &ask.body);
    table.check("of anybody", &unproven, "401 bad_token");
    (&stream).write_all(&ask.body).unwrap();
    table.expect("the held one", &ask, &next_answer(&stream), "200 published");
    table.check("behind it", &ask, "200 published");
    table.finish();
}

#[test]
fn a_sender_that_hangs_up_is_counted_and_leaves_nothing() {
    let table = table("");
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);
    let stream = connect(&table.daemon);
    (&stream).write_all(&bytes[..bytes.len() - 1]).unwrap();
    table.daemon.wait_until("held", |_| table.daemon.metric("hookgate_in_flight_bytes") == Some(99.0));
    drop(stream);
    table.daemon.wait_until("given back", |_| table.daemon.metric("hookgate_in_flight_deliveries") == Some(0.0));
    // Whether the body counts as cut off or the request as cancelled depends on who notices first; it counts once.
    assert_eq!(outcomes(&table.daemon).values().sum::<u64>(), 1);
    assert!(table.daemon.records().is_empty());
}

#[test]
fn several_requests_on_one_connection() {
    let mut table = table("");
    let asks = [100, 101, 102].map(|bytes| Ask::signed("filesafety", &body(bytes)));

    let stream = connect(&table.daemon);
    for ask in &asks {
        (&stream).write_all(&whole(ask)).unwrap();
        table.expect("one after the other", ask, &next_answer(&stream), "200 published");
    }
    // A refusal whose body was read leaves the connection usable.
    let wrong = Ask { path: "/webhooks/filesafety?token=wrong-token".into(), body: Vec::new(), ..asks[0].clone() };
    (&stream).write_all(&whole(&wrong)).unwrap();
    table.expect("a refusal between", &wrong, &next_answer(&stream), "401 bad_token");

    let pipelined = asks.each_ref().map(whole).concat();
    (&stream).write_all(&pipelined).unwrap();
    let mut ids = Vec::new();
    for ask in &asks {
        let answer = next_answer(&stream);
        table.expect("pipelined", ask, &answer, "200 published");
        ids.push(id(&answer));
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "each its own answer");
    table.finish();
}

#[test]
fn what_http_allows() {
    let mut table = table("");
    let ask = Ask::signed("filesafety", &body(100));
    let text = String::from_utf8(whole(&ask)).unwrap();
    for (what, sent) in [
        ("HTTP/1.0", text.replace("HTTP/1.1\r\nhost: test", "HTTP/1.0")),
        (
            "an absolute URL",
            text.replace(" /webhooks", " http://test/webhooks").replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"),
        ),
    ] {
        table.expect(what, &ask, &parse(raw(&table.daemon, sent.as_bytes()).as_bytes()), "200 published");
    }
    // A sender that closes its side behind the request has its answer to come, however long Kafka takes.
    table.daemon.slow(Duration::from_millis(200));
    let stream = connect(&table.daemon);
    (&stream).write_all(text.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    table.expect("half closed", &ask, &parse(rest(&stream).as_bytes()), "200 published");
    table.daemon.slow(Duration::ZERO);
    // HTTP/2 without TLS is not spoken.
    let text = raw(&table.daemon, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 400"), "{text}");
    table.finish();
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

    // Refused at the head: the body is never asked for.
    let wrong = Ask { path: "/webhooks/filesafety?token=wrong-token".into(), ..ask };
    let stream = connect(&table.daemon);
    (&stream).write_all(&begun(&wrong)).unwrap();
    table.expect("not invited", &wrong, &next_answer(&stream), "401 bad_token");
    table.finish();
}
