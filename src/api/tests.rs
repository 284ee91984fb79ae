use std::{
    cell::RefCell,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use super::*;

const MANNERS: Manners = Manners {
    title: "Example",
    interval: Duration::ZERO,
    attempts: 3,
    throttled: Duration::from_secs(10),
    faulty: Duration::from_secs(2),
    throttles_mistakes: false,
};

/// A server that gives these answers, one a connection, and returns the heads of the requests.
fn server(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let served = thread::spawn(move || {
        let heads = answers.into_iter().map(|answer| {
            let (mut stream, _) = listener.accept().expect("a request");
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            // The client may have had enough of a long answer.
            let _closed = stream.write_all(answer.as_bytes());
            String::from_utf8(head).expect("text")
        });
        heads.collect()
    });
    (url, served)
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// Asks once. Returns what came, and how long was waited before each further attempt, in seconds.
fn ask(manners: Manners, answers: Vec<String>) -> (Result<String, ApiError>, Vec<u64>, Vec<String>) {
    let (url, served) = server(answers);
    let waits = RefCell::new(Vec::new());
    let wait = |wait: Duration, why: &str| {
        assert_eq!(why.is_empty(), wait.is_zero(), "{wait:?}: {why}");
        waits.borrow_mut().extend(Some(wait.as_secs()).filter(|wait| *wait > 0));
        true
    };
    let client = Client::new(Duration::from_secs(30), None).expect("a client");
    let mut api = Api::new(client, &url, manners, &[SecretText::new("hunter2")], &wait);
    let came = api.get("/list/?token=abc", || vec![("x-api-key", "hunter2".into())]);
    let came = came.map(|body| String::from_utf8(body).expect("text"));
    (came, waits.into_inner(), served.join().expect("served"))
}

#[test]
fn what_may_help_is_tried_again_and_nothing_else() {
    /// The waits are at least this long and at most a tenth longer.
    #[track_caller]
    fn check(answers: Vec<String>, expected: Result<&str, &str>, waited: &[u64]) {
        let count = answers.len();
        let (came, waits, heads) = ask(MANNERS, answers);
        match (&came, expected) {
            (Ok(body), Ok(expected)) => assert_eq!(body, expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error} is not {expected}"),
            _ => panic!("{came:?} is not {expected:?}"),
        }
        assert_eq!(heads.len(), count);
        assert_eq!(waits.len(), waited.len(), "{waits:?}");
        for (wait, least) in waits.iter().zip(waited) {
            let most = (least + least / 10 + 1).min(WAIT_MAX.as_secs());
            assert!((*least..=most).contains(wait), "{waits:?} is not {waited:?}");
        }
    }
    let good = || answer(200, "", "[]");
    check(vec![good()], Ok("[]"), &[]);
    check(vec![answer(429, "retry-after: 30\r\n", ""), good()], Ok("[]"), &[31]);
    check(vec![answer(429, "", ""), answer(429, "retry-after: soon\r\n", ""), good()], Ok("[]"), &[10, 20]);
    check(vec![answer(503, "", ""), answer(500, "", ""), good()], Ok("[]"), &[2, 4]);
    check(vec![answer(503, "", "{\"error\":\"upstream\"}"); 3], Err("answered 503: upstream"), &[2, 4]);
    // Longer than a command should wait.
    check(
        vec![answer(429, "retry-after: 86400\r\n", "")],
        Err("answered 429; it wants no request for 86401 s, and the longest wait is 600 s"),
        &[],
    );
    for long in [u64::MAX.to_string(), "99999999999999999999".into(), "9".repeat(400)] {
        check(vec![answer(429, &format!("retry-after: {long}\r\n"), "")], Err("answered 429; it wants"), &[]);
    }
    // With the tenth that is added, the wait would be longer than the longest.
    check(vec![answer(429, "retry-after: 599\r\n", ""), good()], Ok("[]"), &[600]);
    for unreadable in ["-1", "+30", "1.5", ""] {
        check(vec![answer(429, &format!("retry-after: {unreadable}\r\n"), ""), good()], Ok("[]"), &[10]);
    }
    // Cut off, which may be a fault of the network.
    check(vec!["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[".into(), good()], Ok("[]"), &[2]);
    for status in [400, 401, 403, 404, 422] {
        check(vec![answer(status, "", "{\"detail\":\"no\"}")], Err(&format!("answered {status}: no")), &[]);
    }
    check(vec![answer(302, "location: https://evil.example/\r\n", "")], Err("a redirect to https://evil.example"), &[]);
    check(vec![answer(204, "", "")], Err("answered 204"), &[]);
    check(
        vec![format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 9 << 20, " ".repeat(9 << 20))],
        Err("longer than"),
        &[],
    );
}

#[test]
fn a_limit_that_counts_mistakes_is_not_waited_for() {
    let manners = Manners { throttles_mistakes: true, ..MANNERS };
    let (url, served) = server(vec![answer(403, "", ""), answer(429, "", "")]);
    let wait = |_, _: &str| true;
    let client = Client::new(Duration::from_secs(30), None).expect("a client");
    let mut api = Api::new(client, &url, manners, &[], &wait);
    let refused = |error: ApiError| matches!(error, ApiError::Refused { .. });
    assert!(refused(api.get("/a", Headers::new).expect_err("refused")));
    assert!(refused(api.get("/b", Headers::new).expect_err("refused")));
    served.join().expect("served");
    // Another run has made the mistakes, which the answer says.
    let (came, waits, _) = ask(manners, vec![answer(429, "", "{\"message\":\"Too many INVALID requests\"}")]);
    assert!(matches!(came, Err(ApiError::Refused { status: 429, .. })) && waits.is_empty(), "{came:?} {waits:?}");
    // Without an earlier mistake it is an ordinary limit.
    let (came, waits, _) = ask(manners, vec![answer(429, "", ""), answer(200, "", "{}")]);
    assert_eq!((came, waits.len()), (Ok("{}".into()), 1));
}

#[test]
fn what_may_have_been_started_is_not_started_again() {
    #[track_caller]
    fn check(answers: Vec<String>, expected: fn(&Result<Vec<u8>, ApiError>) -> bool) {
        let (count, (url, served)) = (answers.len(), server(answers));
        let client = Client::new(Duration::from_secs(30), None).expect("a client");
        let wait = |_, _: &str| true;
        let mut api = Api::new(client, &url, MANNERS, &[], &wait);
        let came = api.start("/start", Headers::new, b"");
        assert!(expected(&came), "{came:?}");
        assert_eq!(served.join().expect("served").len(), count);
    }
    let good: fn(&Result<Vec<u8>, ApiError>) -> bool = |came| came.is_ok();
    let unclear: fn(&Result<Vec<u8>, ApiError>) -> bool = |came| matches!(came, Err(ApiError::Unclear(_)));
    for status in [200, 201, 202, 204] {
        check(vec![answer(status, "", "")], good);
    }
    check(vec![answer(429, "", ""), answer(202, "", "")], good);
    for status in [500, 502, 503] {
        check(vec![answer(status, "", "")], unclear);
    }
    check(vec!["HTTP/1.1 202 Accepted\r\ncontent-length: 10\r\n\r\n[".into()], unclear);
    check(vec![String::new()], unclear);
    check(vec![answer(202, "content-encoding: gzip\r\n", "")], unclear);
    check(vec![answer(403, "", "")], |came| matches!(came, Err(ApiError::Refused { status: 403, .. })));
}

/// Nothing was sent, so the provider has started nothing.
#[test]
fn what_has_no_connection_is_tried_again() {
    let waits = RefCell::new(0);
    let wait = |_, _: &str| {
        *waits.borrow_mut() += 1;
        true
    };
    let client = Client::new(Duration::from_secs(30), None).expect("a client");
    let mut api = Api::new(client, "http://127.0.0.1:1", MANNERS, &[], &wait);
    assert!(matches!(api.start("/start", Headers::new, b""), Err(ApiError::Away(_))));
    // Before each attempt for the pace, and between them.
    assert_eq!(waits.into_inner(), 3 + 2);
}

#[test]
fn no_credential_is_shown() {
    let body = "{\"detail\":\"no such key: hunter2\\u001b[2J\"}";
    let (came, _, heads) = ask(MANNERS, vec![answer(401, "", body)]);
    assert!(heads[0].contains("\r\nx-api-key: hunter2\r\n"), "{heads:?}");
    let text = came.expect_err("refused").to_string();
    assert!(text.ends_with("/list/) answered 401: no such key: …\\u001b[2J"), "{text}");
    assert!(!text.contains("token"), "{text}");
}

#[test]
fn a_stop_ends_the_waiting() {
    let (url, served) = server(vec![answer(503, "", "")]);
    let wait = |wait: Duration, _: &str| wait.is_zero();
    let client = Client::new(Duration::from_secs(30), None).expect("a client");
    let mut api = Api::new(client, &url, MANNERS, &[], &wait);
    assert_eq!(api.get("/", Headers::new), Err(ApiError::Stopped));
    served.join().expect("served");
}

#[test]
fn a_next_page_stays_within_the_api() {
    #[track_caller]
    fn check(base: &str, url: &str, expected: Result<&str, &str>) {
        let client = Client::new(Duration::from_secs(1), None).expect("a client");
        let wait = |_, _: &str| true;
        let api = Api::new(client, base, MANNERS, &[], &wait);
        match (api.next("/files/", url), expected) {
            (Ok(next), Ok(expected)) => assert_eq!(next, expected, "{base} {url}"),
            (Err(error), Err(expected)) => assert!(error.to_string().ends_with(expected), "{base} {url}: {error}"),
            (next, _) => panic!("{base} {url}: {next:?}"),
        }
    }
    let base = "https://api";
    check(base, "https://api/files/?a=b", Ok("/files/?a=b"));
    check("https://api/v0", "https://api/v0/files/?a=b", Ok("/files/?a=b"));
    // Without a host, it is the one that was asked.
    check(base, "/files/?a=b", Ok("/files/?a=b"));
    check(base, "?a=b", Ok("?a=b"));
    check(base, "files/?a=b", Ok("files/?a=b"));
    check(base, "?from=2026-11-22T10:00:00Z", Ok("?from=2026-11-22T10:00:00Z"));
    check(base, "/files/?next=https://evil.example/", Ok("/files/?next=https://evil.example/"));
    for nothing in ["", " ", "\t"] {
        check(base, nothing, Err("names a next page, but its address is empty"));
    }
    check(
        base,
        "https://api.evil.example/files/?token=t",
        Err("at another address, which is not asked: https://api.evil.example"),
    );
    check(base, "https://api.evil.example?token=t", Err("not asked: https://api.evil.example"));
    check(base, "https://api@evil.example/", Err("not asked: https://api@evil.example"));
    check(base, "https://api:443/files/", Err("not asked: https://api:443"));
    check(base, "http://api/files/", Err("not asked: http://api"));
    check(base, "//evil.example/files/", Err("not asked: //evil.example"));
    check(base, "\\\\evil.example/files/", Err("evil.example"));
    check(base, "file:///etc/passwd", Err("not asked: file://"));
    check(base, "javascript:alert(1)", Err("not asked: javascript:alert(1)"));
}

#[test]
fn the_proxy_is_that_of_the_environment() {
    fn check(variables: &[(&str, &str)], uri: &str, proxied: Option<&str>) {
        let found = proxy(&variables.iter().copied().collect()).expect("usable");
        let found = found.filter(|proxy| !proxy.is_no_proxy(&uri.parse().expect("a URI")));
        assert_eq!(found.map(|proxy| format!("{}:{}", proxy.host(), proxy.port())).as_deref(), proxied, "{variables:?}");
    }
    let api = "https://api.uploadcare.com";
    check(&[], api, None);
    check(&[("HTTPS_PROXY", "")], api, None);
    check(&[("HTTPS_PROXY", "http://proxy:3128")], api, Some("proxy:3128"));
    check(&[("https_proxy", "http://proxy:3128"), ("ALL_PROXY", "http://other")], api, Some("proxy:3128"));
    check(&[("ALL_PROXY", "http://u:p@other:1")], api, Some("other:1"));
    check(&[("HTTP_PROXY", "http://proxy:3128")], api, None);
    check(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", "example.com, .uploadcare.com")], api, None);
    check(&[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", "example.com")], api, Some("proxy:3128"));
    check(&[("HTTPS_PROXY", "http://proxy:3128")], "http://127.0.0.1:1", None);
    check(&[("HTTPS_PROXY", "proxy:3128")], api, Some("proxy:3128"));
    for (name, url, said) in [
        ("HTTPS_PROXY", "socks5://user:hunter2@proxy:1080", "names a SOCKS proxy"),
        ("ALL_PROXY", "SOCKS5H://proxy", "names a SOCKS proxy"),
        ("https_proxy", "socks://proxy", "names a SOCKS proxy"),
        ("HTTPS_PROXY", "hunter2", "is no URL of a proxy"),
        ("HTTPS_PROXY", "ftp://hunter2:21", "is no URL of a proxy"),
        ("HTTPS_PROXY", "://proxy:3128", "is no URL of a proxy"),
        ("HTTPS_PROXY", "proxy:hunter2", "is no URL of a proxy"),
    ] {
        let error = proxy(&[(name, url)].into_iter().collect()).expect_err(url);
        assert!(error.contains(&format!("the variable {name} {said}")) && !error.contains("hunter2"), "{error}");
    }
    let error = proxy(&[("HTTPS_PROXY", "http://user:hunter2@")].into_iter().collect()).expect_err("no host");
    assert!(error.contains("HTTPS_PROXY") && !error.contains("hunter2"), "{error}");
}

#[test]
fn the_words_of_a_provider_are_found() {
    fn check(body: &str, words: &str) {
        let client = Client::new(Duration::from_secs(1), None).expect("a client");
        let wait = |_, _: &str| true;
        assert_eq!(Api::new(client, "", MANNERS, &[], &wait).words(body.as_bytes()), words, "{body}");
    }
    check("{\"detail\":\"Not found.\"}", ": Not found.");
    check("{\"error\":\"ScanNotFound\"}", ": ScanNotFound");
    check("{\"error\":\"invalid_client\",\"error_description\":\"no such client\"}", ": no such client");
    check("{\"errors\":[{\"title\":\"Bad\",\"detail\":\"too large\"}]}", ": too large");
    check("{\"non_field_errors\":[\"twice\"]}", ": twice");
    check("\"Invalid version\"", ": Invalid version");
    for nothing in ["", "<html>", "{}", "[1]", "{\"detail\":7}"] {
        check(nothing, "");
    }
    check(&format!("\"{}\"", "x".repeat(1000)), &format!(": {}", "x".repeat(WORDS_MAX)));
}

#[test]
fn an_error_names_the_proxy_that_was_asked() {
    #[track_caller]
    fn check(variables: &[(&str, &str)], url: &str, said: Option<&str>) {
        let environment = variables.iter().copied().collect();
        let client = outward(&environment, Duration::from_secs(30), None).expect("a client");
        let wait = |_, _: &str| true;
        let mut api = Api::new(client, url, Manners { attempts: 1, ..MANNERS }, &[], &wait);
        let error = api.get("/", Headers::new).expect_err("nobody is there").to_string();
        assert!(said.is_none_or(|said| error.contains(said)) && error.contains("proxy") == said.is_some(), "{error}");
    }
    let dead = ("HTTPS_PROXY", "http://user:secret@127.0.0.1:1");
    check(&[dead], "https://api.example", Some("through the proxy http://127.0.0.1:1"));
    // This machine is never asked through one.
    check(&[dead], "http://127.0.0.1:1", None);
    check(&[], "http://127.0.0.1:1", None);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let plain = format!("https://{}", listener.local_addr().expect("bound"));
    // It answers what a port without TLS may answer.
    let served = thread::spawn(move || listener.accept().expect("a request").0.write_all(answer(400, "", "").as_bytes()));
    let said = format!("through the proxy {plain}, whose own URL may have to begin with http://");
    check(&[("HTTPS_PROXY", &plain)], "https://api.example", Some(&said));
    served.join().expect("served").expect("answered");
}
