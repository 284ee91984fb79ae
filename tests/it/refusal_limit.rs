//! The limit of refused requests per address, and which address counts. All requests here come from one address, as behind a balancer, so
//! only `X-Forwarded-For` distinguishes the senders.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use crate::{
    harness::{Answer, Daemon, Setup, parse, request, signed},
    limits::{body, connect, head, next_answer, rest, whole},
    providers::{names, signing},
    request_table::{Ask, outcomes},
};

fn daemon(http: &str) -> Daemon {
    Daemon::with(Setup { tables: &format!("[http]\nmax_body_bytes = \"1KiB\"\n{http}"), ..Setup::default() })
}

/// With this limit another refusal with its own reason is allowed every half second. Even a busy machine asks more often.
const LIMIT: &str = "max_refusals_per_source = 2";

fn ask(daemon: &Daemon, ask: &Ask) -> Answer {
    let headers: Vec<_> = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    request(daemon.webhooks, ask.method, &ask.path, &headers, &ask.body)
}

/// Returns a request whose signature has the right form and is wrong.
fn forged(endpoint: &str) -> Ask {
    let (path, headers) = signed(endpoint, b"another body");
    Ask::post(path, headers, &body(100))
}

fn wrong_token() -> Ask {
    Ask::post("/webhooks/filesafety?token=wrong-token", Vec::new(), &body(100))
}

/// Asks until the answer has a label. Each answer before must have the other label.
fn until(daemon: &Daemon, refused: &Ask, label: &str, other: &str) -> Answer {
    let begin = Instant::now();
    loop {
        let answer = ask(daemon, refused);
        if answer.label() == label {
            return answer;
        }
        assert_eq!(answer.label(), other, "{refused:?}");
        assert!(begin.elapsed() < Duration::from_secs(60), "never {label}: {refused:?}");
    }
}

#[test]
fn every_fault_of_the_sender_is_limited_and_later_answered_again() {
    let daemon = daemon(&format!("{LIMIT}\nbody_timeout = \"20ms\""));
    let check = |refused: &Ask, label: &str| {
        until(&daemon, refused, label, "source_limited");
        let answer = until(&daemon, refused, "source_limited", label);
        assert_eq!(answer.status, 503);
        assert_eq!((answer.header("retry-after"), answer.header("connection")), (Some("5"), Some("close")));
    };
    let token = || Ask::signed("filesafety", &body(100));
    check(&wrong_token(), "bad_token");
    for case in signing() {
        check(&forged(case.name), "bad_signature");
    }
    check(&Ask::post("/webhooks/uploadcare", Vec::new(), b"{}"), "missing_signature");
    check(&Ask::post("/webhooks/nobody", Vec::new(), b"{}"), "unknown_endpoint");
    check(&token().method("PUT"), "method");
    check(&token().header("content-encoding", "gzip"), "encoded_body");
    check(&Ask::signed("filesafety", &body(2000)), "too_large");
    check(&token().header("content-length", "101"), "slow_body");
    // Each refusal is counted with the label of its answer, and no metric has an address as a label.
    let limited = outcomes(&daemon).into_iter().filter(|((_, outcome), _)| outcome == "source_limited");
    let endpoints: Vec<_> = limited.map(|((endpoint, _), _)| endpoint).collect();
    let mut expected: Vec<_> = signing().map(|case| case.name).chain(["_unmatched", "filesafety"]).collect();
    expected.sort_unstable();
    assert_eq!(endpoints, expected);
}

/// A refusal above the limit that only needs the head does not wait for the body, and ends the connection.
#[test]
fn the_body_is_not_waited_for() {
    let daemon = daemon(LIMIT);
    let (begin, patience) = (Instant::now(), daemon.config.http.body_timeout);
    loop {
        let stream = connect(&daemon);
        let announced = format!("{}content-length: 100\r\n\r\n", head(&wrong_token()));
        (&stream).write_all(announced.as_bytes()).unwrap();
        let answer = parse(rest(&stream).as_bytes());
        assert!(begin.elapsed() < patience / 2, "a body has {patience:?}: {:?}", begin.elapsed());
        if answer.label() == "source_limited" {
            break;
        }
        assert_eq!(answer.label(), "bad_token");
    }
}

/// A forger uses up the quota of the address. A proven delivery needs no quota.
#[test]
fn a_proven_delivery_is_never_limited() {
    let daemon = daemon(LIMIT);
    // These deliveries use no quota. Otherwise the quota would be used up after them.
    let stream = connect(&daemon);
    for number in 0..50 {
        (&stream).write_all(&whole(&Ask::signed("uploadcare", &body(200 + number)))).unwrap();
        assert_eq!(next_answer(&stream).status, 200);
    }
    assert_eq!(ask(&daemon, &wrong_token()).label(), "bad_token");
    for round in 0..10 {
        for endpoint in names() {
            until(&daemon, &wrong_token(), "source_limited", "bad_token");
            until(&daemon, &forged("uploadcare"), "source_limited", "bad_signature");
            let answer = daemon.deliver(endpoint, &body(100 + round));
            assert_eq!(answer.status, 200, "{endpoint}: {answer:?}");
        }
    }
}

#[test]
fn without_the_setting_there_is_no_limit() {
    let daemon = daemon("");
    for _ in 0..200 {
        assert_eq!(ask(&daemon, &wrong_token()).label(), "bad_token");
        assert_eq!(ask(&daemon, &forged("uploadcare")).label(), "bad_signature");
    }
}

/// Returns a forgery that a proxy passes on for somebody.
fn forwarded(by: &[&str]) -> Ask {
    by.iter().fold(wrong_token(), |ask, line| ask.header("x-forwarded-for", line))
}

#[test]
fn only_a_trusted_proxy_distinguishes_senders() {
    let check = |trusted: &str, spender: &[&str], other: &[&str], apart: bool| {
        let daemon = daemon(&format!("max_refusals_per_source = 1\ntrusted_proxies = [{trusted}]"));
        // A quota fills again within a second. A sender that shares it is limited, perhaps not at the first try.
        for round in 1.. {
            until(&daemon, &forwarded(spender), "source_limited", "bad_token");
            let label = ask(&daemon, &forwarded(other)).label();
            if apart || label == "source_limited" {
                assert_eq!(label == "source_limited", !apart, "{trusted}: {spender:?} and {other:?}");
                break;
            }
            assert!(round < 10, "{trusted}: {spender:?} and {other:?} have two quotas");
        }
    };
    let proxy = "\"127.0.0.0/8\", \"10.0.0.0/8\"";
    check(proxy, &["192.0.2.1"], &["192.0.2.2"], true);
    check(proxy, &["192.0.2.1"], &["192.0.2.1, 10.0.0.1"], false);
    // Addresses that the sender itself has written at the beginning do not change its quota.
    check(proxy, &["198.51.100.1, 192.0.2.1"], &["198.51.100.2, 192.0.2.1"], false);
    check(proxy, &["198.51.100.1", "192.0.2.1"], &["198.51.100.1", "192.0.2.2"], true);
    // Without a readable address, the quota of the proxy counts.
    check(proxy, &["unknown"], &["192.0.2.1, nonsense"], false);
    check(proxy, &["unknown"], &["192.0.2.1"], true);
    check(proxy, &[], &["192.0.2.1"], true);
    check("", &["192.0.2.1"], &["192.0.2.2"], false);
    check("\"10.0.0.0/8\"", &["192.0.2.1"], &["192.0.2.2"], false);
}

/// The connection of a proxy also carries other senders, so the limit of one forger must not end it.
#[test]
fn the_limit_of_a_forger_does_not_end_the_connection_of_a_proxy() {
    let daemon = daemon(&format!("{LIMIT}\ntrusted_proxies = [\"127.0.0.1\"]"));
    let stream = connect(&daemon);
    let mut limited = 0;
    while limited < 3 {
        (&stream).write_all(&whole(&forwarded(&["192.0.2.1"]))).unwrap();
        let answer = next_answer(&stream);
        assert_eq!(answer.header("connection"), None, "{answer:?}");
        limited += usize::from(answer.label() == "source_limited");
        (&stream).write_all(&whole(&Ask::signed("uploadcare", &body(100)).header("x-forwarded-for", "192.0.2.2"))).unwrap();
        assert_eq!(next_answer(&stream).status, 200, "another sender on the same connection");
    }
}
