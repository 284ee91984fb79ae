//! More than the daemon can do: an event loop that is late, and a topic that does not acknowledge. The excess is refused early, and the
//! others notice nothing.

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

/// Where most of [`event`]'s go.
const UPLOADED: &str = "hookgate.uploadcare.file.uploaded";

/// How long the heavy provider keeps the event loop from everything else.
const HEAVY: Duration = Duration::from_millis(15);

/// An Uploadcare delivery that no other one equals.
fn event(kind: &str, number: u32) -> Vec<u8> {
    let uuid = format!("{number:08}-0000-4000-8000-000000000000");
    format!(r#"{{"hook":{{"event":"{kind}"}},"data":{{"uuid":"{uuid}"}}}}"#).into_bytes()
}

fn heavy(verified: &Verified) -> Event {
    thread::sleep(HEAVY);
    (uploadcare::PROVIDER.classify)(verified)
}

/// Puts another reading of bodies in the place of Uploadcare's.
fn read_by(config: &mut Config, classify: fn(&Verified) -> Event) {
    let of = &uploadcare::PROVIDER;
    let provider: &'static Provider = Box::leak(Box::new(Provider { classify, ..*of }));
    for endpoint in config.endpoints.iter_mut().filter(|endpoint| endpoint.provider.name == of.name) {
        endpoint.provider = provider;
    }
}

/// A cluster whose second broker answers nothing in time.
fn with_a_mute_broker(tables: &str) -> Arc<Mock> {
    let mock = Mock::of_brokers(2, &topics(&configuration(tables, &[]))).unwrap();
    mock.run(|cluster| cluster.broker_round_trip_time(2, Duration::from_secs(600)).unwrap()).unwrap();
    Arc::new(mock)
}

/// Makes that broker, or the other one, the leader of a topic.
fn lead(daemon: &Daemon, topic: &'static str, broker: i32) {
    daemon.mock.as_ref().unwrap().run(move |cluster| cluster.partition_leader(topic, 0, Some(broker)).unwrap()).unwrap();
}

fn overloaded(daemon: &Daemon, endpoint: &str) -> u32 {
    outcomes(daemon).get(&(endpoint.into(), "overloaded".into())).map_or(0, |count| u32::try_from(*count).unwrap())
}

/// Senders bring what takes the event loop nearly half a second, and bring it again.
#[test]
fn while_the_event_loop_stays_late_the_busiest_give_way() {
    // A fifth of what they bring, so that it stands also where a busy machine holds the senders back.
    const TARGET: Duration = Duration::from_millis(100);
    let change = |config: &mut Config| {
        config.http.event_loop_delay_max = TARGET;
        read_by(config, heavy);
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
            // More than may begin at any time. Those that may wait for their bodies.
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
        daemon.wait_until("told", |_| late(|delay| delay > TARGET.as_secs_f64()));
    });
    daemon.wait_until("over", |_| late(|delay| delay < TARGET.as_secs_f64()));
    assert_eq!(daemon.deliver("uploadcare", &event("file.uploaded", 0)).status, 200, "once it is over");
    assert_eq!(overloaded(&daemon, "filesafety"), 0, "the quiet one");
}

/// Set while a stall lasts, and what ends it, for the one test that makes one at a time.
static STALLED: AtomicBool = AtomicBool::new(false);
static RELEASED: AtomicBool = AtomicBool::new(false);

/// Keeps the event loop from everything else until the test releases it.
fn stalling(verified: &Verified) -> Event {
    if String::from_utf8_lossy(&verified.delivery().body).contains("stall") {
        STALLED.store(true, Ordering::SeqCst);
        wait_until("released", || RELEASED.swap(false, Ordering::SeqCst));
        STALLED.store(false, Ordering::SeqCst);
    }
    (uploadcare::PROVIDER.classify)(verified)
}

/// Connections that have carried a delivery each.
fn used(daemon: &Daemon, count: u32) -> Vec<TcpStream> {
    let delivered = |number| {
        let stream = connect(daemon);
        (&stream).write_all(&whole(&Ask::signed("uploadcare", &event("file.stored", number)))).unwrap();
        assert_eq!(next_answer(&stream).status, 200);
        stream
    };
    (0..count).map(delivered).collect()
}

/// Sends a delivery on each.
fn ask_on_each(streams: &[TcpStream]) {
    for (number, mut stream) in (0..).zip(streams) {
        stream.write_all(&whole(&Ask::signed("uploadcare", &event("file.uploaded", number)))).unwrap();
    }
}

/// When the last of the answers began to come. To read one takes much longer, because it is searched for secrets.
fn answered(streams: &[TcpStream]) -> Instant {
    for stream in streams {
        assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
    }
    Instant::now()
}

/// Stalls the event loop. Deliveries come on these connections while it lasts, which is for so long after the last of them.
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
fn one_stall_refuses_nobody_and_counts_for_the_deadline() {
    // Without an acknowledgement the deadline is what ends the wait.
    let change = |config: &mut Config| {
        config.http.answer_deadline = Duration::from_secs(10);
        read_by(config, stalling);
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
    // The loop has been on time since. Those that came in the stall have 3 s left, and one that comes now has 10 s. Theirs would be 9 s if the
    // deadline only began after the stall, or if only the wait for Kafka did.
    thread::sleep(Duration::from_secs(1));
    ask_on_each(&after_it);
    let earlier = thread::scope(|scope| {
        let last = scope.spawn(|| answered(&after_it));
        let first = answered(&in_it);
        last.join().unwrap().saturating_duration_since(first)
    });
    assert!(earlier > Duration::from_secs(4), "{earlier:?} before one that came after the stall");
    for stream in in_it.iter().chain(&after_it) {
        let answer = next_answer(stream);
        assert_eq!(answer.label(), "publish_timeout", "{answer:?}");
    }
    assert_eq!(overloaded(&daemon, "uploadcare"), 0);
}

/// Connections, each with a whole delivery to the one topic that is not written yet.
fn burst(daemon: &Daemon, size: u32) -> Vec<(TcpStream, Vec<u8>)> {
    let ask = |number| whole(&Ask::signed("uploadcare", &event("file.uploaded", number)));
    (0..size).map(|number| (connect(daemon), ask(number))).collect()
}

/// Sends them, and waits until each is refused or waits for Kafka.
fn send(daemon: &Daemon, burst: &[(TcpStream, Vec<u8>)]) {
    let before = overloaded(daemon, "uploadcare");
    for (stream, bytes) in burst {
        let mut stream = stream;
        stream.write_all(bytes).unwrap();
    }
    let (sent, refused) = (u32::try_from(burst.len()).unwrap(), || overloaded(daemon, "uploadcare") - before);
    daemon.wait_until("all waiting or refused", |_| held(daemon) == sent - refused());
}

/// How many deliveries are in flight.
fn held(daemon: &Daemon) -> u32 {
    let text = daemon.admin("/metrics").body;
    text.lines().find_map(|line| line.strip_prefix("hookgate_in_flight_deliveries ")?.parse().ok()).unwrap()
}

/// How each of a burst was answered in the end.
fn ended(burst: &[(TcpStream, Vec<u8>)]) -> Vec<Answer> {
    let end = |(stream, _): &(TcpStream, Vec<u8>)| {
        stream.shutdown(Shutdown::Write).unwrap();
        parse(rest(stream).as_bytes())
    };
    burst.iter().map(end).collect()
}

/// Room for 64, half of it for one endpoint, a quarter for one topic.
const ROOM: &str = "[http]\nmax_in_flight = 64\n";

#[test]
fn a_topic_that_does_not_acknowledge_stops_itself_alone() {
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
    assert_eq!(held(&daemon), 16, "the others are served while these wait");
    // It is back, and what waited for it is stored and gives its room back.
    lead(&daemon, UPLOADED, 1);
    forks::without(|| daemon.mock.as_ref().unwrap().run(|cluster| cluster.broker_down(2))).unwrap().unwrap();
    let answers = ended(&burst);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 16, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.label() == "overloaded").count(), 44, "{answers:?}");
    assert_eq!(daemon.deliver("uploadcare", &event("file.uploaded", 60)).status, 200);
}

/// What nobody else needs is there for a topic that acknowledges, and more than a quarter of it.
#[test]
fn a_topic_that_acknowledges_may_use_what_nobody_else_needs() {
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
        // What a busy machine brings a second after the acknowledgement is too late.
        assert!(took > Duration::from_secs(1) && attempt < 50, "within {took:?}: {answers:?}");
    }
}

/// A body that trips a defect of ours is kept, and who sends beside it notices nothing.
#[test]
fn a_body_that_makes_the_classifier_panic() {
    fn trips(verified: &Verified) -> Event {
        assert!(!verified.delivery().body.windows(4).any(|part| part == b"trip"), "a defect");
        (uploadcare::PROVIDER.classify)(verified)
    }
    let mut table = crate::request_table::Table::with(Setup { change: |config| read_by(config, trips), ..Setup::default() });
    let kept = connect(&table.daemon);
    for number in 0..10 {
        let ask = Ask::signed("uploadcare", &event("trip", number));
        (&kept).write_all(&whole(&ask)).unwrap();
        table.expect("what trips it", &ask, &next_answer(&kept), "200 quarantined");
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
