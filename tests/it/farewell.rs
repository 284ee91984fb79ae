//! The end of the time in which a daemon that shuts down still accepts: whoever got through to it is answered.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Answer, Daemon, parse, wait_until},
    limits::{body, next_answer, whole},
    table::Ask,
    tls::{self, client, shake},
};

fn ask() -> Vec<u8> {
    whole(&Ask::signed("filesafety", &body(100)))
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The answer, or none where the connection ended without one.
fn answer(stream: &mut impl std::io::Read) -> Answer {
    let mut bytes = Vec::new();
    let _end = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

/// Which answers there are to requests that were sent before the listener closed: stored, or sent elsewhere.
#[track_caller]
fn is_answered(answer: &Answer, what: &str) {
    let label = answer.label();
    assert!(matches!((answer.status, label.as_str()), (200, "") | (503, "draining")), "{what}: {answer:?}");
    assert_eq!(answer.header("connection"), Some("close"), "{what}");
}

#[test]
fn whoever_waits_to_be_accepted_is_answered() {
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
            // An answer of before the shutdown keeps its connection, so it is read alone.
            let answer = next_answer(&mut *stream);
            let label = answer.label();
            assert!(matches!((answer.status, label.as_str()), (200, "") | (503, "draining")), "{round}, {number}: {answer:?}");
        }
        assert_eq!(stop.join().unwrap().cut_off, 0);
    }
}

#[test]
fn whoever_was_accepted_and_has_not_asked_yet_has_a_moment_to() {
    let (plain, (encrypted, pair, _folder)) = (Daemon::start(), tls::daemon(""));
    let config = client(&[&pair], &[&tokio_rustls::rustls::version::TLS13], &[]);
    let (plain_at, encrypted_at, ask) = (plain.webhooks, encrypted.webhooks, ask());
    let mut fresh: Vec<_> = (0..20).map(|_| connect(plain_at)).collect();
    let mut shaken: Vec<_> = (0..20).map(|_| shake(encrypted_at, &config).unwrap()).collect();
    let mut used = connect(plain_at);
    used.write_all(&ask).unwrap();
    assert_eq!(next_answer(&used).status, 200);
    let silent = connect(plain_at);
    for (daemon, open) in [(&plain, 22.0), (&encrypted, 20.0)] {
        wait_until("accepted", || daemon.metric("hookgate_connections") == Some(open));
    }
    let stops = [plain, encrypted].map(|daemon| thread::spawn(move || daemon.stop()));
    for at in [plain_at, encrypted_at] {
        wait_until("no longer accepting", || TcpStream::connect(at).is_err());
    }
    for stream in &mut fresh {
        stream.write_all(&ask).unwrap();
    }
    for stream in &mut shaken {
        stream.write_all(&ask).unwrap();
    }
    for stream in &mut fresh {
        is_answered(&answer(stream), "plain");
    }
    for stream in &mut shaken {
        is_answered(&answer(stream), "encrypted");
    }
    // Whoever has asked before and is silent now is not waited for, nor whoever stays silent.
    let begin = Instant::now();
    for mut stream in [&used, &silent] {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(stops.map(|stop| stop.join().unwrap().cut_off), [0, 0]);
}
