//! The limits of bytes and deliveries in flight.

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{PATIENCE, body, connect, handed_over, head, next_answer, table, whole};
use crate::{
    harness::{Daemon, Setup},
    request_table::{Ask, Table, outcomes},
};

/// Sends a part of a request, and then another request for which there is no room. Returns the connection of the first request.
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
        // When the machine has stood still for a while, the first request has made room.
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
    // The refused delivery has released its bytes.
    assert_eq!(table.daemon.metric("hookgate_in_flight_bytes"), Some(999.0));
    assert_eq!(table.daemon.metric("hookgate_in_flight_deliveries"), Some(1.0));

    (&stream).write_all(&bytes[bytes.len() - 1..]).unwrap();
    table.expect("the held delivery", &large, &next_answer(&stream), "200 published");
    table.check("after it", &small, "200 published");
    assert_eq!(table.daemon.metric("hookgate_in_flight_bytes"), Some(0.0));
    assert_eq!(table.daemon.metric("hookgate_in_flight_deliveries"), Some(0.0));
    table.finish();
}

/// librdkafka has its own copy of a record, within its own limit, so the bytes of the body are released.
#[test]
fn bytes_that_wait_for_kafka_are_no_longer_in_flight() {
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
    // The announced length is enough here, because the delivery is admitted before its body arrives.
    let begun = format!("{}content-length: 100\r\n\r\n", head(&ask));
    let stream = held_beside(&mut table, &ask, begun.as_bytes(), ("hookgate_in_flight_deliveries", 1.0), &ask);
    // A sender without a proof is refused for that, and learns nothing about the load.
    let unproven = Ask::post("/webhooks/filesafety?token=wrong-token", Vec::new(), &ask.body);
    table.check("a sender without a proof", &unproven, "401 bad_token");
    (&stream).write_all(&ask.body).unwrap();
    table.expect("the held delivery", &ask, &next_answer(&stream), "200 published");
    table.check("after it", &ask, "200 published");
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
    // The body counts as cut off or the request as cancelled, whichever is noticed first. It counts once.
    assert_eq!(outcomes(&table.daemon).values().sum::<u64>(), 1);
    assert!(table.daemon.records().is_empty());
}

/// A record stays in librdkafka when its sender hangs up, so a flood of senders that hang up must not get past the limit.
#[test]
fn a_record_is_in_flight_until_its_report_also_without_its_sender() {
    let daemon = Daemon::with(Setup {
        tables: "[http]\nmax_in_flight = 2",
        // No record expires in librdkafka while this test runs, so only Kafka ends what is in flight.
        change: |config| {
            config.kafka.message_timeout = Duration::from_secs(300);
            config.kafka.publish_timeout = Duration::from_secs(3);
        },
        ..Setup::default()
    });
    let held = || daemon.metric("hookgate_in_flight_deliveries").unwrap().to_string();
    let outcome = |endpoint: &str, label: &str| outcomes(&daemon).get(&(endpoint.into(), label.into())).copied().unwrap_or(0);
    assert_eq!(daemon.deliver("filesafety", &body(100)).status, 200);
    assert_eq!(held(), "0", "an answered delivery is not in flight");

    daemon.hold();
    let stream = connect(&daemon);
    (&stream).write_all(&whole(&Ask::signed("filesafety", &body(100)))).unwrap();
    handed_over(&daemon, 1);
    // The connection is reset. After a mere end of what the sender sends, the daemon would still answer.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    let late = daemon.deliver("uploadcare", br#"{"hook":{"event":"file.uploaded"}}"#);
    assert_eq!((late.status, &*late.label()), (503, "publish_timeout"), "{late:?}");
    // The daemon serves half-closed connections, so it may notice the reset only when it answers.
    daemon.wait_until("nobody waits", |_| outcome("filesafety", "cancelled") + outcome("filesafety", "publish_timeout") == 1);
    assert_eq!(held(), "2", "no sender waits, and librdkafka has both records");
    let refused = daemon.deliver("filespin", b"{}");
    assert_eq!((refused.status, &*refused.label()), (503, "overloaded"), "{refused:?}");
    assert_eq!(held(), "2", "a refused delivery is not in flight");
    assert_eq!(daemon.metric("hookgate_late_acknowledgements_total"), Some(0.0));

    daemon.release();
    daemon.wait_until("reported", |_| held() == "0");
    assert_eq!(daemon.metric("hookgate_late_acknowledgements_total"), Some(2.0));
    assert_eq!(daemon.deliver("filespin", b"{}").status, 200, "there is room again");
    assert_eq!(daemon.metric("hookgate_late_acknowledgements_total"), Some(2.0), "this acknowledgement is not late");
}
