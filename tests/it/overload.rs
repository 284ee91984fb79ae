//! More deliveries than the daemon can handle: an event loop that is late, and a topic that does not acknowledge. The excess is refused early,
//! and other deliveries are not affected.

use std::{
    io::Write as _,
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hookgate::{
    config::Config,
    event::Event,
    kafka::mock::Mock,
    provider::{Provider, uploadcare},
    signature::Verified,
};

use crate::{
    forks,
    harness::{Answer, Daemon, Setup, UNANSWERED, configuration, parse, topics, wait_until},
    limits::{body, connect, head, next_answer, rest, whole},
    request_table::{Ask, outcomes},
    waits::Over,
};

/// The topic of most deliveries of [`event`].
const UPLOADED: &str = "hookgate.uploadcare.file.uploaded";

/// How long the heavy provider blocks the event loop for one delivery.
const HEAVY: Duration = Duration::from_millis(15);

/// Returns the body of an Uploadcare delivery. Each number gives another body.
fn event(kind: &str, number: u32) -> Vec<u8> {
    let uuid = format!("{number:08}-0000-4000-8000-000000000000");
    format!(r#"{{"hook":{{"event":"{kind}"}},"data":{{"uuid":"{uuid}"}}}}"#).into_bytes()
}

fn heavy(verified: &Verified) -> Event {
    thread::sleep(HEAVY);
    (uploadcare::PROVIDER.classify)(verified)
}

/// Replaces the function that classifies the bodies of Uploadcare.
fn classify_with(config: &mut Config, classify: fn(&Verified) -> Event) {
    let of = &uploadcare::PROVIDER;
    let provider: &'static Provider = Box::leak(Box::new(Provider { classify, ..*of }));
    for endpoint in config.endpoints.iter_mut().filter(|endpoint| endpoint.provider.name == of.name) {
        endpoint.provider = provider;
    }
}

/// Starts a cluster whose second broker does not answer in time.
fn with_a_mute_broker(tables: &str) -> Arc<Mock> {
    let mock = Mock::of_brokers(2, &topics(&configuration(tables, &[]))).unwrap();
    mock.run(|cluster| cluster.broker_round_trip_time(2, Duration::from_secs(600)).unwrap()).unwrap();
    Arc::new(mock)
}

/// Makes a broker the leader of a topic: 1 answers, 2 does not.
fn lead(daemon: &Daemon, topic: &'static str, broker: i32) {
    daemon.mock.as_ref().unwrap().run(move |cluster| cluster.partition_leader(topic, 0, Some(broker)).unwrap()).unwrap();
}

fn overloaded(daemon: &Daemon, endpoint: &str) -> u32 {
    outcomes(daemon).get(&(endpoint.into(), "overloaded".into())).map_or(0, |count| u32::try_from(*count).unwrap())
}

/// 32 senders together bring work for nearly half a second of the event loop, and bring it again and again.
#[test]
fn while_the_event_loop_stays_late_the_busiest_endpoint_is_refused() {
    // This is a fifth of that work, so the loop stays late also when a busy machine delays the senders.
    const TARGET: Duration = Duration::from_millis(100);
    let change = |config: &mut Config| {
        config.http.event_loop_delay_max = TARGET;
        classify_with(config, heavy);
    };
    let daemon = Daemon::with(Setup { change, ..Setup::default() });
    let late = |holds: fn(f64) -> bool| daemon.metric("hookgate_event_loop_delay_seconds").is_some_and(holds);
    let (over, sent) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let _over = Over(&over);
        for _ in 0..32 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let answer = daemon.deliver("uploadcare", &event("file.uploaded", sent.fetch_add(1, Ordering::Relaxed)));
                    match answer.status {
                        200 => {}
                        503 => assert_eq!((answer.label().as_str(), answer.header("retry-after")), ("overloaded", Some("5"))),
                        _ => panic!("{answer:?}"),
                    }
                }
            });
        }
        daemon.wait_until("refused", |_| overloaded(&daemon, "uploadcare") > 20);

        // A quiet sender at another endpoint is served, if late.
        for _ in 0..10 {
            assert_eq!(daemon.deliver("filesafety", &body(100)).status, 200);
        }
        // A refusal does not wait for the body.
        let ask = Ask::signed("uploadcare", &event("file.uploaded", 0));
        let begun = [format!("{}content-length: 1000\r\n\r\n", head(&ask)).as_bytes(), &ask.body].concat();
        wait_until("refused before its body", || {
            // These are more than may begin at any time. The deliveries that may begin wait for their bodies.
            let streams: Vec<_> = (0..20).map(|_| connect(&daemon)).collect();
            for mut stream in &streams {
                stream.write_all(&begun).unwrap();
            }
            streams.iter().any(|stream| {
                stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                let answered = stream.peek(&mut [0]).is_ok();
                stream.set_read_timeout(Some(UNANSWERED)).unwrap();
                answered && next_answer(stream).label() == "overloaded"
            })
        });
        daemon.wait_until("late", |_| late(|delay| delay > TARGET.as_secs_f64()));
    });
    daemon.wait_until("over", |_| late(|delay| delay < TARGET.as_secs_f64()));
    assert_eq!(daemon.deliver("uploadcare", &event("file.uploaded", 0)).status, 200, "once the overload is over");
    assert_eq!(overloaded(&daemon, "filesafety"), 0, "the quiet sender");
}

/// Whether the event loop is stalled, and whether the test has ended the stall. Only one test uses these.
static STALLED: AtomicBool = AtomicBool::new(false);
static RELEASED: AtomicBool = AtomicBool::new(false);

/// Classifies a body. A body with "stall" blocks the event loop until the test releases it.
fn stalling(verified: &Verified) -> Event {
    if String::from_utf8_lossy(&verified.delivery().body).contains("stall") {
        STALLED.store(true, Ordering::SeqCst);
        wait_until("released", || RELEASED.swap(false, Ordering::SeqCst));
        STALLED.store(false, Ordering::SeqCst);
    }
    (uploadcare::PROVIDER.classify)(verified)
}

/// Returns connections that have carried a delivery each.
fn used(daemon: &Daemon, count: u32) -> Vec<TcpStream> {
    let delivered = |number| {
        let stream = connect(daemon);
        (&stream).write_all(&whole(&Ask::signed("uploadcare", &event("file.stored", number)))).unwrap();
        assert_eq!(next_answer(&stream).status, 200);
        stream
    };
    (0..count).map(delivered).collect()
}

/// Sends a delivery on each connection.
fn ask_on_each(streams: &[TcpStream]) {
    for (number, mut stream) in (0..).zip(streams) {
        stream.write_all(&whole(&Ask::signed("uploadcare", &event("file.uploaded", number)))).unwrap();
    }
}

/// Waits for the first byte of an answer on each connection, and returns the time. To read the answers would take much longer, because they
/// are searched for secrets.
fn answered(streams: &[TcpStream]) -> Instant {
    for stream in streams {
        assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
    }
    Instant::now()
}

/// Stalls the event loop, sends a delivery on each of these connections, and ends the stall this long after the last of them.
fn stall(daemon: &Daemon, in_it: &[TcpStream], more: Duration) {
    thread::scope(|scope| {
        scope.spawn(|| daemon.deliver("uploadcare", &event("stall", 0)));
        wait_until("stalled", || STALLED.load(Ordering::SeqCst));
        ask_on_each(in_it);
        thread::sleep(more);
        RELEASED.store(true, Ordering::SeqCst);
        wait_until("over", || !STALLED.load(Ordering::SeqCst));
    });
}

#[test]
fn one_stall_refuses_no_delivery_and_counts_for_the_deadline() {
    // Without an acknowledgement only the deadline of the answer ends the wait.
    let change = |config: &mut Config| {
        config.http.answer_deadline = Duration::from_secs(10);
        classify_with(config, stalling);
    };
    let daemon = Daemon::with(Setup { mock: Some(with_a_mute_broker("")), change, ..Setup::default() });
    let (in_it, after_it) = (used(&daemon, 20), used(&daemon, 1));
    stall(&daemon, &in_it, Duration::from_secs(1));
    for stream in &in_it {
        let answer = next_answer(stream);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    lead(&daemon, UPLOADED, 2);
    stall(&daemon, &in_it, Duration::from_secs(6));
    // The loop has been on time for a second. Deliveries from the stall have 3 s left, and a new one has 10 s. They would have 9 s left if
    // the deadline began only after the stall, or with the wait for Kafka.
    thread::sleep(Duration::from_secs(1));
    ask_on_each(&after_it);
    let earlier = thread::scope(|scope| {
        let last = scope.spawn(|| answered(&after_it));
        let first = answered(&in_it);
        last.join().unwrap().saturating_duration_since(first)
    });
    assert!(earlier > Duration::from_secs(4), "{earlier:?} before the delivery after the stall");
    for stream in in_it.iter().chain(&after_it) {
        let answer = next_answer(stream);
        assert_eq!(answer.label(), "publish_timeout", "{answer:?}");
    }
    assert_eq!(overloaded(&daemon, "uploadcare"), 0);
}

/// Returns connections, each with a whole delivery to the same topic that is not sent yet.
fn burst(daemon: &Daemon, size: u32) -> Vec<(TcpStream, Vec<u8>)> {
    let ask = |number| whole(&Ask::signed("uploadcare", &event("file.uploaded", number)));
    (0..size).map(|number| (connect(daemon), ask(number))).collect()
}

/// Sends these deliveries, and waits until each is refused or waits for Kafka.
fn send(daemon: &Daemon, burst: &[(TcpStream, Vec<u8>)]) {
    let before = overloaded(daemon, "uploadcare");
    for (stream, bytes) in burst {
        let mut stream = stream;
        stream.write_all(bytes).unwrap();
    }
    let (sent, refused) = (u32::try_from(burst.len()).unwrap(), || overloaded(daemon, "uploadcare") - before);
    daemon.wait_until("all waiting or refused", |_| held(daemon) == sent - refused());
}

/// Returns how many deliveries are in flight.
fn held(daemon: &Daemon) -> u32 {
    let text = daemon.admin("/metrics").body;
    text.lines().find_map(|line| line.strip_prefix("hookgate_in_flight_deliveries ")?.parse().ok()).unwrap()
}

/// Returns the answer to each delivery of a burst.
fn ended(burst: &[(TcpStream, Vec<u8>)]) -> Vec<Answer> {
    let end = |(stream, _): &(TcpStream, Vec<u8>)| {
        stream.shutdown(Shutdown::Write).unwrap();
        parse(rest(stream).as_bytes())
    };
    burst.iter().map(end).collect()
}

/// Room for 64 deliveries: half of it for one endpoint, and a quarter for one topic.
const ROOM: &str = "[http]\nmax_in_flight = 64\n";

#[test]
fn a_topic_that_does_not_acknowledge_stops_only_itself() {
    let daemon = Daemon::with(Setup { tables: ROOM, mock: Some(with_a_mute_broker(ROOM)), ..Setup::default() });
    lead(&daemon, UPLOADED, 2);
    let burst = burst(&daemon, 60);
    send(&daemon, &burst);
    daemon.wait_until("a quarter waits", |_| (held(&daemon), overloaded(&daemon, "uploadcare")) == (16, 44));
    for number in 0..5 {
        for (endpoint, body) in [("uploadcare", event("file.stored", number)), ("filesafety", body(100))] {
            let answer = daemon.deliver(endpoint, &body);
            assert_eq!(answer.status, 200, "{endpoint}: {answer:?}");
        }
    }
    assert_eq!(held(&daemon), 16, "other deliveries are served while these wait");
    // When the topic acknowledges again, the deliveries that waited for it are stored and release their room.
    lead(&daemon, UPLOADED, 1);
    forks::without(|| daemon.mock.as_ref().unwrap().run(|cluster| cluster.broker_down(2))).unwrap().unwrap();
    let answers = ended(&burst);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 16, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.label() == "overloaded").count(), 44, "{answers:?}");
    assert_eq!(daemon.deliver("uploadcare", &event("file.uploaded", 60)).status, 200);
}

/// A topic that acknowledges may use more than a quarter of the room while no other one needs it.
#[test]
fn a_topic_that_acknowledges_may_use_room_that_others_do_not_need() {
    let daemon = Daemon::with(Setup { tables: ROOM, ..Setup::default() });
    for attempt in 0.. {
        let burst = burst(&daemon, 28);
        let begin = Instant::now();
        assert_eq!(daemon.deliver("uploadcare", &event("file.uploaded", 28)).status, 200);
        daemon.hold();
        send(&daemon, &burst);
        let took = begin.elapsed();
        daemon.release();
        let answers = ended(&burst);
        if answers.iter().all(|answer| answer.status == 200) {
            break;
        }
        // A second after its last acknowledgement the topic may not use that room any more. A busy machine may be too slow.
        assert!(took > Duration::from_secs(1) && attempt < 50, "within {took:?}: {answers:?}");
    }
}

/// A body that makes Hookgate panic is stored in the quarantine, and other senders are not affected.
#[test]
fn a_body_that_makes_the_classifier_panic() {
    fn trips(verified: &Verified) -> Event {
        assert!(!verified.delivery().body.windows(4).any(|part| part == b"trip"), "a defect");
        (uploadcare::PROVIDER.classify)(verified)
    }
    let mut table =
        crate::request_table::Table::with(Setup { change: |config| classify_with(config, trips), ..Setup::default() });
    let kept = connect(&table.daemon);
    for number in 0..10 {
        let ask = Ask::signed("uploadcare", &event("trip", number));
        (&kept).write_all(&whole(&ask)).unwrap();
        table.expect("the body that panics", &ask, &next_answer(&kept), "200 quarantined");
        let beside = Ask::signed("uploadcare", &event("file.uploaded", number));
        table.check("another connection", &beside, "200 published");
        table.check("another endpoint", &Ask::signed("filesafety", &body(100)), "200 published");
        let unproven = Ask { headers: Ask::signed("uploadcare", b"another body").headers, ..ask };
        table.check("unproven", &unproven, "401 bad_signature");
    }
    assert_eq!(table.daemon.admin("/livez").status, 200);
    assert_eq!(table.daemon.metric("hookgate_in_flight_deliveries"), Some(0.0));
    let records = table.finish();
    let reason = |record: &&crate::harness::Stored| record.headers.contains(&("hookgate-reason".into(), "panic".into()));
    assert_eq!(records.iter().filter(reason).count(), 10);
}
