//! Answers before the body is read. They arrive also while the sender is still sending, and say whether the connection stays open.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio_rustls::rustls::{ClientConfig, version::TLS13};

use super::{
    FIRST_PATIENCE, KIB, PATIENCE, body, chunked, connect, handed_over, head, next_answer, table, wait_for_faults, whole,
};
use crate::{
    binary::Folder,
    harness::{Answer, Daemon, Setup, beside_a_clock, parse, wait_until},
    request_table::Ask,
    tls::{client, pair, shake},
};

/// A connection, plain or over TLS.
trait Wire: Read + Write {}
impl<S: Read + Write> Wire for S {}

/// How senders reach a daemon.
struct Reach {
    daemon: Daemon,
    tls: Option<Arc<ClientConfig>>,
    _folder: Folder,
}

impl Reach {
    fn with(tls: bool, http: &str) -> Self {
        let (folder, pair) = (Folder::new(), pair());
        pair.write(&folder);
        let files = if tls { crate::tls::table(&folder) } else { String::new() };
        let later = "[endpoints.later]\nprovider = \"uploadcare\"\nsecrets = [\"file:/no/such/secret\"]";
        let daemon = Daemon::with(Setup { tables: &format!("[http]\n{http}\n{files}\n{later}"), ..Setup::default() });
        Self { daemon, tls: tls.then(|| client(&[&pair], &[&TLS13], &[])), _folder: folder }
    }

    fn dial(&self) -> Box<dyn Wire> {
        match &self.tls {
            None => Box::new(connect(&self.daemon)),
            Some(config) => Box::new(shake(self.daemon.webhooks, config).unwrap()),
        }
    }
}

/// Checks the status and label of an answer, and that the connection is closed or stays open as the answer says.
fn expect(what: &str, wire: &mut dyn Wire, expected: &str) -> Answer {
    let answer = next_answer(&mut *wire);
    let label = if answer.body.is_empty() { String::new() } else { format!(" {}", answer.label()) };
    assert_eq!(format!("{}{label}", answer.status), expected, "{what}: {answer:?}");
    if answer.header("connection") == Some("close") {
        let end = wire.read(&mut [0]);
        assert!(matches!(end, Ok(0)), "{what}: said to close, then {end:?}");
    } else {
        wire.write_all(&whole(&Ask::signed("filesafety", &body(100)))).unwrap();
        assert_eq!(next_answer(wire).status, 200, "{what}: the next request on its connection");
    }
    answer
}

/// Returns requests that are refused because of their head, with the answers.
fn refusals(bytes: usize) -> Vec<(Ask, &'static str)> {
    let body = body(bytes);
    let post = |path: &str| Ask::post(path, Vec::new(), &body);
    let signed = Ask::signed("filesafety", &body);
    let mut refusals = vec![
        (post("/nope"), "404 unknown_endpoint"),
        (signed.clone().method("PUT"), "405 method"),
        (signed.clone().header("content-encoding", "gzip"), "415 encoded_body"),
        (post("/webhooks/later"), "503 no_secret"),
        (post("/healthz").method("GET"), "200"),
    ];
    // The size is checked before the proof.
    if bytes > 768 * KIB {
        refusals.push((signed, "413 too_large"));
    } else {
        refusals.push((post("/webhooks/filespin"), "401 missing_signature"));
        refusals.push((post("/webhooks/filespin?token=wrong-token"), "401 bad_token"));
        refusals.push((post("/webhooks/uploadcare"), "401 missing_signature"));
    }
    refusals
}

#[test]
fn a_refusal_arrives_while_its_body_is_still_sent() {
    for tls in [false, true] {
        let reach = Reach::with(tls, "");
        for bytes in [KIB, 20 * KIB, 300 * KIB, 700 * KIB, 1500 * KIB] {
            for (ask, expected) in refusals(bytes) {
                let in_chunks = [chunked(&ask, 16 * KIB), b"0\r\n\r\n".to_vec()].concat();
                for (framing, sent) in [("length", whole(&ask)), ("chunks", in_chunks)] {
                    let what = format!("{} {} with {bytes} bytes by {framing}, TLS {tls}", ask.method, ask.path);
                    let mut wire = reach.dial();
                    wire.write_all(&sent).unwrap_or_else(|error| panic!("{what}: {error}"));
                    let answer = expect(&what, &mut *wire, expected);
                    // A small body comes together with its head and has arrived before the answer, so the connection stays open.
                    let kept = answer.header("connection").is_none();
                    assert!(kept || bytes > KIB, "{what}: {answer:?}");
                    assert!(!kept || bytes < 300 * KIB, "{what}: {answer:?}");
                }
            }
        }
    }
}

#[test]
fn a_refusal_of_an_empty_body_keeps_its_connection() {
    let reach = Reach::with(false, "");
    let mut wire = reach.dial();
    for _ in 0..3 {
        for (ask, expected) in refusals(KIB) {
            let ask = Ask { body: Vec::new(), ..ask };
            wire.write_all(&whole(&ask)).unwrap();
            let answer = expect(&ask.path, &mut *wire, expected);
            assert_eq!(answer.header("connection"), None, "{}: {answer:?}", ask.path);
        }
    }
}

/// Reading a body invites its sender with a 100, so a refused body is not read. The daemon does not wait for a sender that waits for it.
#[test]
fn a_refused_body_is_not_invited() {
    for tls in [false, true] {
        let reach = Reach::with(tls, "");
        for (ask, expected) in refusals(300 * KIB).into_iter().chain(refusals(1500 * KIB)) {
            let ask = ask.header("expect", "100-continue");
            let mut wire = reach.dial();
            wire.write_all(format!("{}content-length: {}\r\n\r\n", head(&ask), ask.body.len()).as_bytes()).unwrap();
            let answer = expect(&ask.path, &mut *wire, expected);
            assert_eq!(answer.header("connection"), Some("close"), "{}", ask.path);
            // A sender that does not wait for the invitation gets the same answer.
            let mut wire = reach.dial();
            wire.write_all(&whole(&ask)).unwrap();
            expect(&ask.path, &mut *wire, expected);
        }
    }
}

/// Sends a part of a request, and the rest once the answer has arrived. If the daemon cut the connection off then, the answer would be lost.
fn goes_on_after_its_answer(mut stream: &TcpStream, part: &[u8], rest: &[u8]) -> Answer {
    stream.write_all(part).unwrap();
    stream.peek(&mut [0]).unwrap();
    for more in rest.chunks(16 * KIB) {
        stream.write_all(more).unwrap();
    }
    next_answer(stream)
}

#[test]
fn a_sender_may_go_on_with_a_body_after_the_answer() {
    let mut slow = table("body_timeout = \"300ms\"\nmax_in_flight = 1");
    let ask = Ask::signed("uploadcare", &body(300 * KIB));
    let bytes = whole(&ask);
    let (part, rest) = bytes.split_at(bytes.len() / 2);
    let answer = goes_on_after_its_answer(&connect(&slow.daemon), part, rest);
    slow.expect("slow", &ask, &answer, "408 slow_body");
    assert_eq!(answer.header("connection"), Some("close"));
    slow.finish();

    // The chunks break in the middle.
    let mut table = table("max_in_flight = 1");
    let broken = [chunked(&ask, 16 * KIB), b"zz\r\n".to_vec(), vec![b'x'; 300 * KIB]].concat();
    let stream = connect(&table.daemon);
    (&stream).write_all(&broken).unwrap();
    let answer = next_answer(&stream);
    table.expect("broken", &ask, &answer, "400 malformed_body");
    assert_eq!(answer.header("connection"), Some("close"));
    table.finish();
}

#[test]
fn a_connection_above_the_limit_is_answered() {
    for tls in [false, true] {
        let reach = Reach::with(tls, "max_connections = 1");
        reach.daemon.hold();
        let mut busy = reach.dial();
        busy.write_all(&whole(&Ask::signed("filesafety", &body(100)))).unwrap();
        handed_over(&reach.daemon, 1);
        let mut wire = reach.dial();
        wire.write_all(&whole(&Ask::signed("filesafety", &body(300 * KIB)))).unwrap();
        let answer = expect("above the limit", &mut *wire, "503 overloaded");
        assert_eq!((answer.header("connection"), answer.header("retry-after")), (Some("close"), Some("5")));
        reach.daemon.release();
    }
}

#[test]
fn bytes_that_are_no_request_are_answered_too() {
    for tls in [false, true] {
        let reach = Reach::with(tls, "max_header_bytes = \"8KiB\"");
        let more = "x".repeat(300 * KIB);
        for (number, (sent, expected, fault)) in [
            (format!("nonsense\r\n\r\n{more}"), "400", "bad_request"),
            (format!("POST /nope HTTP/1.1\r\nx-long: {more}\r\n\r\n"), "431", "headers_too_large"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut wire = reach.dial();
            wire.write_all(sent.as_bytes()).unwrap();
            let answer = expect(fault, &mut *wire, expected);
            assert_eq!(answer.header("connection"), Some("close"), "{number}");
            wait_for_faults(&reach.daemon, fault, 1);
        }
    }
}

/// Returns a request that is refused, with an announced body that does not follow.
fn announced() -> Vec<u8> {
    format!("{}content-length: {}\r\n\r\n", head(&Ask::post("/nope", Vec::new(), b"")), 1 << 30).into_bytes()
}

fn connections(daemon: &Daemon) -> Option<f64> {
    daemon.metric("hookgate_connections")
}

/// How long the daemon reads on after an answer in all, and how long while no byte comes.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_SILENCE: Duration = Duration::from_millis(500);

/// Sends single bytes of a body that is discarded, until the connection ends. Returns how long it took.
fn drips(wire: &mut dyn Wire) -> Duration {
    wire.write_all(&announced()).unwrap();
    let begin = Instant::now();
    while wire.write_all(b"x").and_then(|()| wire.flush()).is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the connection does not end");
        thread::sleep(Duration::from_millis(20));
    }
    begin.elapsed()
}

/// Sends such a body as fast as possible. Returns how many bytes were sent until the connection ended, and how long it took.
fn floods(wire: &mut dyn Wire) -> (usize, Duration) {
    wire.write_all(&announced()).unwrap();
    let (mut sent, more, begin) = (0, vec![b'x'; 16 * KIB], Instant::now());
    let end = loop {
        match wire.write_all(&more) {
            Ok(()) => sent += more.len(),
            Err(error) => break error.kind(),
        }
        // The daemon reads up to 16 MiB, and the buffers of both kernels hold more.
        assert!(sent < 64 << 20, "the daemon reads without a limit");
    };
    assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted), "{end:?}");
    (sent, begin.elapsed())
}

#[test]
fn discarding_has_limits() {
    for tls in [false, true] {
        let reach = Reach::with(tls, "");
        let closed = |what: &str| wait_until(what, || connections(&reach.daemon) == Some(0.0));
        // No more bytes come.
        let mut silent = reach.dial();
        silent.write_all(&announced()).unwrap();
        assert_eq!(next_answer(&mut silent).status, 404);
        closed("the silent connection is closed");

        // Single bytes keep coming. When the machine stands still, the connection is silent for too long, and the test tries again.
        for attempt in 0.. {
            let (lasted, stood_still) = beside_a_clock(|| drips(&mut *reach.dial()));
            closed("the dripping connection is closed");
            if lasted > LINGER_TIME / 2 {
                break;
            }
            assert!(stood_still > LINGER_SILENCE / 4 && attempt < 50, "cut off after {lasted:?}");
        }

        // Bytes keep coming as fast as possible. When a busy machine does not send enough in time, the test tries again.
        for attempt in 0.. {
            let (sent, lasted) = floods(&mut *reach.dial());
            closed("the endless connection is closed");
            if sent >= 1 << 20 {
                break;
            }
            assert!(lasted >= LINGER_TIME && attempt < 50, "cut off after {sent} bytes and {lasted:?}");
        }
    }
}

/// Connections that linger after an early answer have a limit, and do not keep other answers from arriving.
#[test]
fn many_early_answers_at_once() {
    let reach = Reach::with(false, "");
    let held: Vec<TcpStream> = (0..400)
        .map(|_| {
            let stream = connect(&reach.daemon);
            (&stream).write_all(&announced()).unwrap();
            assert_eq!(next_answer(&stream).status, 404);
            stream
        })
        .collect();
    wait_until("the connections above the limit are closed", || connections(&reach.daemon) <= Some(256.0));
    let sent = whole(&Ask::post("/nope", Vec::new(), &body(300 * KIB)));
    let mut wire = reach.dial();
    wire.write_all(&sent).unwrap();
    expect("beside them", &mut *wire, "404 unknown_endpoint");
    drop(held);
}

/// First a connection that lingers after its answer makes room, then one that has never asked in its time, then an idle one of a stranger,
/// then one that has brought deliveries. Of each kind, the one that has been idle for longest is the first.
#[test]
fn connections_make_room_for_a_newcomer_in_order() {
    let ask = Ask::signed("filesafety", &body(100));
    let bytes = whole(&ask);
    for attempt in 0.. {
        let daemon = table("max_connections = 5").daemon;
        let dial = |sent: &[u8]| {
            let stream = connect(&daemon);
            (&stream).write_all(sent).unwrap();
            if !sent.is_empty() {
                assert_ne!(next_answer(&stream).status, 503);
            }
            stream
        };
        let idle = dial(&bytes);
        let younger = dial(&bytes);
        let stranger = dial(&whole(&Ask::post("/nope", Vec::new(), b"")));
        let silent = dial(b"");
        daemon.wait_until("accepted", |_| connections(&daemon) == Some(4.0));
        thread::sleep(FIRST_PATIENCE);
        let begin = Instant::now();
        let lingering = dial(&announced());
        let mut newcomers = vec![dial(&bytes)];
        let in_time = begin.elapsed() < PATIENCE;
        // Once the daemon has closed it, bytes that are sent on it are answered with a reset.
        wait_until("cut off", || (&lingering).write_all(b"x").is_err());
        let open = |stream: &TcpStream| {
            stream.set_nonblocking(true).unwrap();
            let end = stream.peek(&mut [0]);
            stream.set_nonblocking(false).unwrap();
            matches!(end, Err(error) if error.kind() == ErrorKind::WouldBlock)
        };
        let all = [&silent, &stranger, &idle, &younger];
        assert_eq!(all.map(open), [true; 4], "attempt {attempt}");
        for gone in 1..=4 {
            newcomers.push(dial(&bytes));
            wait_until("closed", || !open(all[gone - 1]));
            assert_eq!(all.map(open), [0, 1, 2, 3].map(|place| place >= gone), "{gone} newcomers");
        }
        drop(newcomers);
        // When the machine has stood still, the lingering connection has ended by itself.
        if in_time {
            break;
        }
        assert!(attempt < 20);
    }
}

/// A lingering connection that makes room allows another delivery only if fewer than the limit are served.
#[test]
fn lingering_connections_do_not_raise_the_limit() {
    let daemon = table("max_connections = 1").daemon;
    assert_eq!(daemon.deliver("filesafety", &body(99)).status, 200);
    daemon.hold();
    let bytes = whole(&Ask::signed("filesafety", &body(100)));
    let busy = connect(&daemon);
    (&busy).write_all(&bytes).unwrap();
    handed_over(&daemon, 1);
    let refused: Vec<_> = (0..5)
        .map(|_| {
            let stream = connect(&daemon);
            (&stream).write_all(&announced()).unwrap();
            assert_eq!(next_answer(&stream).label(), "overloaded");
            stream
        })
        .collect();
    assert_eq!(parse(super::rest(refused.last().unwrap()).as_bytes()).status, 0, "nothing follows its answer");
    daemon.release();
    assert_eq!(next_answer(&busy).status, 200);
}
