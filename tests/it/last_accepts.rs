//! The last connections that a daemon accepts when it shuts down: every sender that has connected is answered.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Answer, Daemon, Setup, UNANSWERED, parse, wait_until},
    limits::{body, next_answer, whole},
    request_table::Ask,
    tls::{self, client, shake},
};

fn ask() -> Vec<u8> {
    whole(&Ask::signed("filesafety", &body(100)))
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(UNANSWERED)).unwrap();
    stream
}

/// Reads the answer. Its status is 0 where the connection ended without one.
fn answer(stream: &mut impl std::io::Read) -> Answer {
    let mut bytes = Vec::new();
    let _end = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

#[test]
fn every_sender_that_waits_to_be_accepted_is_answered() {
    for round in 0..5 {
        let daemon = Daemon::start();
        let webhooks = daemon.webhooks;
        let ask = ask();
        let mut burst: Vec<_> = (0..200).map(|_| connect(webhooks)).collect();
        for stream in &mut burst {
            stream.write_all(&ask).unwrap();
        }
        let stop = thread::spawn(move || daemon.stop());
        for (number, stream) in burst.iter_mut().enumerate() {
            // An answer from before the shutdown keeps its connection open, so this reads one answer and not to the end.
            let answer = next_answer(&mut *stream);
            let label = answer.label();
            // On a busy machine the last senders may come during the drain.
            assert!(matches!((answer.status, label.as_str()), (200, "") | (503, "draining")), "{round}, {number}: {answer:?}");
        }
        assert_eq!(stop.join().unwrap().cut_off, 0);
    }
}

/// How long the daemon waits for the first bytes on an accepted connection when it shuts down.
const MOMENT: Duration = Duration::from_millis(250);

/// The moment is short. When a busy machine has missed it, the test tries again.
#[test]
fn an_accepted_sender_has_a_moment_for_its_first_request() {
    for attempt in 0.. {
        let (answers, took) = asks_late();
        if answers.iter().all(|answer| (answer.status, answer.header("connection")) == (200, Some("close"))) {
            break;
        }
        assert!(took > MOMENT && attempt < 50, "asked within {took:?}: {answers:?}");
    }
}

/// Sends requests just after the listener has closed, on connections from before, one of them with TLS. Returns the answers, and how long
/// after the beginning of the shutdown the last request was sent.
fn asks_late() -> (Vec<Answer>, Duration) {
    let (plain, (encrypted, pair, _folder)) = (Daemon::start(), tls::daemon(""));
    let config = client(&[&pair], &[&tokio_rustls::rustls::version::TLS13], &[]);
    let (plain_at, encrypted_at, ask) = (plain.webhooks, encrypted.webhooks, ask());
    let mut fresh = connect(plain_at);
    let mut shaken = shake(encrypted_at, &config).unwrap();
    let mut used = connect(plain_at);
    used.write_all(&ask).unwrap();
    assert_eq!(next_answer(&used).status, 200);
    let silent = connect(plain_at);
    for (daemon, open) in [(&plain, 3.0), (&encrypted, 1.0)] {
        wait_until("accepted", || daemon.metric("hookgate_connections") == Some(open));
    }
    let begin = Instant::now();
    let stops = [plain, encrypted].map(|daemon| thread::spawn(move || daemon.stop()));
    for at in [plain_at, encrypted_at] {
        wait_until("no longer accepting", || TcpStream::connect(at).is_err());
    }
    let _late = fresh.write_all(&ask);
    let _late = shaken.write_all(&ask);
    let took = begin.elapsed();
    let answers = vec![answer(&mut fresh), answer(&mut shaken)];
    // The daemon does not wait for the end of the drain with a connection that is silent, whether it has asked before or not.
    for mut stream in [&used, &silent] {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(stops.map(|stop| stop.join().unwrap().cut_off), [0, 0]);
    (answers, took)
}

/// The first bytes of the head came in time. A proxy cannot send the request elsewhere any more, so the sender is answered 503 and can.
#[test]
fn a_head_that_has_begun_may_end() {
    // With their defaults, these timeouts could end the heads that do not go on, and hide what this test looks for.
    let timeouts = ["http.header_timeout", "shutdown.drain"].map(|key| (key, "60s".to_owned()));
    let flags = [timeouts.as_slice(), &[("shutdown.grace", "120s".to_owned())]].concat();
    let daemon = Daemon::with(Setup { flags, ..Setup::default() });
    let (at, ask) = (daemon.webhooks, ask());
    let used = || {
        let mut stream = connect(at);
        stream.write_all(&ask).unwrap();
        assert_eq!(next_answer(&stream).status, 200);
        stream
    };
    let (mut begun, mut never_ended) = ([connect(at), used()], [connect(at), used()]);
    let mut silent = connect(at);
    let (first, rest) = ask.split_at(10);
    for stream in begun.iter_mut().chain(&mut never_ended) {
        stream.write_all(first).unwrap();
    }
    wait_until("accepted", || daemon.metric("hookgate_connections") == Some(5.0));
    let since = Instant::now();
    let stop = thread::spawn(move || daemon.stop());
    assert_eq!(silent.read(&mut [0]).unwrap(), 0, "no byte of a request has come");
    for stream in &mut begun {
        stream.write_all(rest).unwrap();
        let answer = answer(stream);
        assert_eq!((answer.status, answer.label().as_str()), (503, "draining"), "{answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    }
    // The heads that never end do not delay the shutdown until the end of the drain.
    assert_eq!(stop.join().unwrap().cut_off, 0);
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
    for stream in &mut never_ended {
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    }
}
