//! The limit of connections, and which requests one connection may carry.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use super::{FIRST_PATIENCE, PATIENCE, body, connect, handed_over, next_answer, raw, rest, table, wait_for_faults, whole};
use crate::{
    harness::parse,
    request_table::{Ask, Table, id, outcomes},
};

#[test]
fn connections_at_once() {
    let mut table = table("max_connections = 2");
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);
    table.check("before", &ask, "200 published");
    // Both connections are busy, because their deliveries wait for Kafka.
    table.daemon.hold();
    let held = [connect(&table.daemon), connect(&table.daemon)];
    for mut stream in &held {
        stream.write_all(&bytes).unwrap();
    }
    handed_over(&table.daemon, 2);
    let answer = table.daemon.deliver("filesafety", &ask.body);
    assert_eq!((answer.status, answer.label().as_str()), (503, "overloaded"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    wait_for_faults(&table.daemon, "limit", 1);
    // The refused connection does not count as a delivery.
    let overloaded = outcomes(&table.daemon).into_keys().find(|(_, outcome)| outcome == "overloaded");
    assert_eq!(overloaded, None);

    // The deliveries that were held still work.
    table.daemon.release();
    for stream in &held {
        table.expect("held", &ask, &next_answer(stream), "200 published");
    }
    // It is not known which of the two was answered first, so one asks again. The other one is then idle for longer and makes room.
    (&held[1]).write_all(&bytes).unwrap();
    table.expect("asks again", &ask, &next_answer(&held[1]), "200 published");
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

/// At the limit a connection whose body arrives slowly makes room too, but not at once.
#[test]
fn connections_that_send_their_bodies_slowly() {
    let mut table = table("max_connections = 3");
    let body_timeout = table.daemon.config.http.body_timeout;
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
        assert!(begin.elapsed() < body_timeout / 2, "{answer:?}");
        answer = table.daemon.deliver("filesafety", &ask.body);
    }
    table.expect("a newcomer", &ask, &answer, "200 published");
    // The connection that has made the daemon wait for longest is answered: why it ends, and when to try again.
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

/// A connection above the limit is answered 503, which takes a connection too. The number of these is limited as well.
#[test]
fn far_above_the_limit_connections_are_closed_without_an_answer() {
    let daemon = table("max_connections = 1").daemon;
    let bytes = whole(&Ask::signed("filesafety", &body(100)));
    assert_eq!(daemon.deliver("filesafety", &body(99)).status, 200);
    for attempt in 1.. {
        daemon.hold();
        let busy = connect(&daemon);
        (&busy).write_all(&bytes).unwrap();
        handed_over(&daemon, 1);
        let begin = Instant::now();
        let answered: Vec<_> = (0..256).map(|_| connect(&daemon)).collect();
        let beyond = connect(&daemon);
        let (mut last, _gone) = (answered.last().unwrap(), (&beyond).write_all(&bytes));
        let silence = rest(&beyond);
        let _gone = last.write_all(&bytes);
        let answer = parse(rest(last).as_bytes());
        drop(answered);
        daemon.wait_until("all but one closed", |_| daemon.metric("hookgate_connections") == Some(1.0));
        daemon.release();
        assert_eq!(next_answer(&busy).status, 200);
        if silence.is_empty() && (answer.status, answer.label().as_str()) == (503, "overloaded") {
            let limit = "hookgate_connection_faults_total{reason=\"limit\"}";
            daemon.wait_until("counted", |_| daemon.metric(limit).is_some_and(|closed| closed >= 257.0));
            break;
        }
        // A connection above the limit has a second to ask. When the machine stands still for that long, there is room again.
        assert!(begin.elapsed() > Duration::from_millis(900) && attempt < 10, "{silence:?} {answer:?}");
        drop(busy);
        daemon.wait_until("closed", |_| daemon.metric("hookgate_connections") == Some(0.0));
    }
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
    assert_eq!(ids.len(), 3, "each request has its own answer");
    table.finish();
}

#[test]
fn requests_that_http_allows_are_accepted() {
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
    // A sender that closes its side after the request gets its answer, however long Kafka takes.
    table.daemon.slow(Duration::from_millis(200));
    let stream = connect(&table.daemon);
    (&stream).write_all(text.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    table.expect("half closed", &ask, &parse(rest(&stream).as_bytes()), "200 published");
    table.daemon.slow(Duration::ZERO);
    // HTTP/2 without TLS is not supported.
    let text = raw(&table.daemon, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 400"), "{text}");
    table.finish();
}

/// When strangers or a proxy hold all connections, the port still has room for newcomers. A newcomer takes the place of a held connection,
/// and not that of the newcomer before it, which has not had the time to ask.
#[test]
fn newcomers_do_not_make_room_for_one_another() {
    let delivery = whole(&Ask::signed("filesafety", &body(100)));
    let health = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    for (what, held_by) in [("strangers", &health), ("a proxy", &delivery)] {
        for attempt in 0.. {
            let daemon = table("max_connections = 10").daemon;
            let held: Vec<_> = (0..10)
                .map(|_| {
                    let stream = connect(&daemon);
                    (&stream).write_all(held_by).unwrap();
                    assert_eq!(next_answer(&stream).status, 200);
                    stream
                })
                .collect();
            let begin = Instant::now();
            let newcomers: Vec<_> = (0..4).map(|_| connect(&daemon)).collect();
            wait_for_faults(&daemon, "limit", 4);
            let is_stored = |mut stream: &TcpStream| {
                let mut answer = [0; 12];
                // A connection that has made room is closed.
                stream.write_all(&delivery).and_then(|()| stream.read_exact(&mut answer)).is_ok() && answer == *b"HTTP/1.1 200"
            };
            let answers: Vec<bool> = newcomers.iter().map(is_stored).collect();
            let in_time = begin.elapsed() < FIRST_PATIENCE;
            if answers == [true; 4] {
                break;
            }
            // When the machine has stood still, the time of a newcomer is over.
            assert!(!in_time && attempt < 20, "held by {what}: {answers:?}");
            drop(held);
        }
    }
}

/// Strangers do not take the place of a connection that has brought a delivery, also when they ask for the health.
#[test]
fn strangers_do_not_replace_the_connections_of_a_proxy() {
    let mut table = table("max_connections = 8");
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);
    let deliver = |table: &mut Table, mut stream: &TcpStream| {
        stream.write_all(&bytes).unwrap();
        table.expect("the proxy's", &ask, &next_answer(stream), "200 published");
    };
    let pool = [connect(&table.daemon), connect(&table.daemon), connect(&table.daemon)];
    for stream in &pool {
        deliver(&mut table, stream);
    }
    let strangers: Vec<_> = (0..40)
        .map(|_| {
            let stream = connect(&table.daemon);
            (&stream).write_all(b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            assert_eq!(next_answer(&stream).status, 404);
            stream
        })
        .collect();
    for stream in &pool {
        deliver(&mut table, stream);
    }
    drop(strangers);
}
