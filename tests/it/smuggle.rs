//! Requests that two readers read differently, and bodies that are made to break a reader. However a proxy before Hookgate reads them, no
//! second delivery is hidden after the first, and a proven body is stored byte for byte.

use std::collections::BTreeMap;

use hookgate::proto::Event;
use prost::Message as _;

use crate::{
    harness::{Daemon, parse, wait_until},
    limits::{head, raw, whole},
    request_table::{Ask, Table, outcomes},
};

/// Returns a delivery of a scan with this id.
fn scan(id: &str) -> Ask {
    Ask::signed("filesafety", format!(r#"{{"scan_id":"{id}","verdict":"clean"}}"#).as_bytes())
}

#[test]
fn no_second_delivery_is_hidden_after_the_first() {
    let daemon = Daemon::start();
    let (open, hidden) = (scan("open"), whole(&scan("hidden")));
    let body = String::from_utf8(open.body.clone()).unwrap();
    let (length, size) = (body.len(), format!("{:x}", body.len()));
    let (whole_length, chunks) = (length + hidden.len(), format!("{size}\r\n{body}\r\n0\r\n\r\n"));
    let chunks_length = chunks.len() + hidden.len();
    let check = |framing: &str, body: &str| {
        let sent = [format!("{}{framing}\r\n\r\n{body}", head(&open)).as_bytes(), &hidden].concat();
        let text = raw(&daemon, &sent);
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{framing:?}: {text}");
        let status = parse(text.as_bytes()).status;
        assert!(matches!(status, 0 | 200 | 400), "{framing:?}: {text}");
    };
    // In each case another reader would take the hidden delivery for a part of the body.
    check(&format!("content-length: {chunks_length}\r\ntransfer-encoding: chunked"), &chunks);
    check(&format!("transfer-encoding: chunked\r\ncontent-length: {chunks_length}"), &chunks);
    check(&format!("x-a: b\ntransfer-encoding: chunked\r\ncontent-length: {chunks_length}"), &chunks);
    check("transfer-encoding: chunked\r\ntransfer-encoding: identity", &chunks);
    check("transfer-encoding: identity\r\ntransfer-encoding: x", &chunks);
    check(&format!("content-length: {whole_length}\r\ntransfer-encoding : chunked"), &body);
    check(&format!("content-length: {length}\r\ncontent-length: {whole_length}"), &body);
    check(&format!("content-length: {whole_length}\r\ncontent-length: {length}"), &body);
    check(&format!("content-length: {length}, {whole_length}"), &body);
    check(&format!("content-length : {length}"), &body);
    check(&format!("content-length:\r\n {length}"), &body);
    check(&format!("transfer-encoding:\r\n chunked\r\ncontent-length: {chunks_length}"), &chunks);
    check(&format!("content-length: +{length}"), &body);
    check(&format!("content-length: -{length}"), &body);
    check(&format!("content-length: 0x{size}"), &body);
    check(&format!("content-length: {length}\0"), &body);
    check("transfer-encoding: xchunked", &chunks);
    check("transfer-encoding: \x0bchunked", &chunks);
    check("transfer-encoding: chunked", &format!("{size};\n{body}\r\n0\r\n\r\n"));
    check("transfer-encoding: chunked", &format!("+{size}\r\n{body}\r\n0\r\n\r\n"));
    check("transfer-encoding: chunked", &format!("0x{size}\r\n{body}\r\n0\r\n\r\n"));
    check("transfer-encoding: chunked", &format!("1{}{size}\r\n{body}\r\n0\r\n\r\n", "0".repeat(16)));
    check("transfer-encoding: chunked", &format!("{size}\n{body}\n0\n\n"));

    let subjects: Vec<_> = daemon.records().into_iter().map(|record| String::from_utf8(record.key).unwrap()).collect();
    assert!(!subjects.iter().any(|subject| subject == "hidden"), "{subjects:?}");
    // A correct sender is served, also with a chunk extension.
    let sent = format!("{}transfer-encoding: chunked\r\n\r\n{size};name=value\r\n{body}\r\n0\r\n\r\n", head(&open));
    let sent = sent.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    assert_eq!(parse(raw(&daemon, sent.as_bytes()).as_bytes()).status, 200);
}

/// Two servers in a row would read these heads differently. Except for the head, each delivery is proven.
#[test]
fn a_head_that_breaks_http_is_refused() {
    let mut table = Table::new();
    let ask = scan("s");
    let mut check = |version: &str, lines: &[&str], expected: &str| {
        let end = if lines.iter().any(|line| line.to_lowercase().starts_with("transfer-encoding")) {
            format!("\r\n{:x}\r\n{}\r\n0\r\n\r\n", ask.body.len(), String::from_utf8_lossy(&ask.body))
        } else {
            format!("content-length: {}\r\n\r\n{}", ask.body.len(), String::from_utf8_lossy(&ask.body))
        };
        let lines = lines.iter().flat_map(|line| [line, "\r\n"]).collect::<String>();
        let connection = if expected.starts_with("200") { "connection: close\r\n" } else { "" };
        let text = raw(&table.daemon, format!("POST {} {version}\r\n{lines}{connection}{end}", ask.path).as_bytes());
        let answer = parse(text.as_bytes());
        table.expect(&format!("{version} {lines:?}"), &ask, &answer, expected);
        if expected.starts_with("400") {
            assert_eq!(answer.header("connection"), Some("close"), "{lines}");
        }
    };
    let bad = "400 bad_request";
    for host in ["a", "hooks_behind.nginx", "localhost:8080", "[::1]:8080", "192.0.2.1:"] {
        check("HTTP/1.1", &[&format!("Host: {host}")], "200 published");
    }
    check("HTTP/1.0", &[], "200 published");
    check("HTTP/1.0", &["host: hooks_behind"], "200 published");
    check("HTTP/1.1", &[], bad);
    check("HTTP/1.1", &["host: a", "host: a"], bad);
    check("HTTP/1.0", &["host: a", "host: b"], bad);
    for host in ["", " ", "a b", "a/b", "a@b", "a:b", "a:65536", "http://a", "a,b", "[::1"] {
        check("HTTP/1.1", &[&format!("host: {host}")], bad);
    }
    for coding in ["chunked", "Chunked", " chunked "] {
        check("HTTP/1.1", &["host: a", &format!("transfer-encoding: {coding}")], "200 published");
    }
    for coding in ["gzip, chunked", "chunked, chunked", "identity, chunked", ", chunked"] {
        check("HTTP/1.1", &["host: a", &format!("transfer-encoding: {coding}")], bad);
    }
    check("HTTP/1.1", &["host: a", "transfer-encoding: gzip", "transfer-encoding: chunked"], bad);
    table.finish();
}

/// Hyper refuses these before there is a request, so the metric of connection faults counts them, and that of deliveries does not.
#[test]
fn a_head_that_is_no_http_is_a_fault_of_the_connection() {
    let daemon = Daemon::start();
    let mut faults = 0.0;
    let mut check = |sent: &str, answer: &str| {
        let text = raw(&daemon, sent.as_bytes());
        assert_eq!(text.lines().next().unwrap_or_default(), answer, "{sent:?}");
        assert_eq!(text.split_once("\r\n\r\n").map_or("", |(_, body)| body), "", "{sent:?}");
        faults += 1.0;
        let series = "hookgate_connection_faults_total{reason=\"bad_request\"}";
        wait_until(sent, || daemon.metric(series) == Some(faults));
    };
    let bad = "HTTP/1.1 400 Bad Request";
    for coding in ["identity", "gzip", "chunked, gzip", "xchunked", "chunked;a=b", ""] {
        check(&format!("POST /nope HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n"), bad);
    }
    for coding in ["chunked", "gzip, chunked"] {
        check(&format!("POST /nope HTTP/1.0\r\nhost: a\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n"), bad);
    }
    for lengths in ["content-length: +5", "content-length: 5\r\ncontent-length: 6"] {
        check(&format!("POST /nope HTTP/1.1\r\nhost: a\r\n{lengths}\r\n\r\nabcdef"), bad);
    }
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "");
    let one = BTreeMap::from([(("_unmatched".to_owned(), "bad_request".to_owned()), 1)]);
    assert_eq!(outcomes(&daemon), BTreeMap::new());
    raw(&daemon, b"POST /nope HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    wait_until("counted", || outcomes(&daemon) == one);
}

/// This holds for every path, because two readers may also disagree on where the next request begins.
#[test]
fn a_head_that_breaks_http_ends_its_connection() {
    let daemon = Daemon::start();
    let after = whole(&scan("after").header("connection", "close"));
    let delivery = scan("s").path;
    let places = [("GET", "/healthz"), ("HEAD", "/healthz"), ("POST", "/nope"), ("GET", "/"), ("PUT", &delivery)];
    let ask = |method: &str, path: &str, lines: &str| {
        let sent = [format!("{method} {path} HTTP/1.1\r\n{lines}\r\n").as_bytes(), &after].concat();
        raw(&daemon, &sent)
    };
    let mut stored = 0;
    for (method, path) in places {
        for lines in ["", "host: a\r\nhost: b\r\n", "host: a b\r\n", "host: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n"] {
            let text = ask(method, path, lines);
            let answer = parse(text.as_bytes());
            assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{method} {path} {lines:?}: {text}");
            assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{method} {path} {lines:?}: {text}");
        }
        for lines in ["host: a\r\n", "host: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"] {
            let text = ask(method, path, lines);
            assert_eq!(text.matches("HTTP/1.1 ").count(), 2, "{method} {path} {lines:?}: {text}");
            assert_ne!(parse(text.as_bytes()).status, 400, "{method} {path} {lines:?}: {text}");
            stored += 1;
        }
    }
    assert_eq!(daemon.records().len(), stored, "only what follows a well-formed head is stored");
    let healthy = daemon.metric("hookgate_health_checks_total{result=\"ready\"}");
    assert_eq!(healthy, Some(4.0), "a broken head is no health check");
}

/// Each body is proven, so it is stored as it came and answered 200.
#[test]
fn bodies_that_are_made_to_break_a_reader() {
    let mut table = Table::new();
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let asset = |more: &str| format!(r#"{{"id":"a","scan_id":"a","status":"OK",{more}}}"#).into_bytes();
    let bodies: Vec<(&str, Vec<u8>, &str)> = vec![
        ("arrays in depth", asset(&format!(r#""data":{}"#, deep("[", "]"))), "published"),
        ("objects in depth", asset(&format!(r#""unknown":{}"#, deep(r#"{"a":"#, "}"))), "published"),
        ("nothing but depth", deep("[", "]").into_bytes(), "quarantined"),
        ("depth without an end", "[".repeat(500_000).into_bytes(), "quarantined"),
        ("a key twice", asset(r#""id":"b","scan_id":"b""#), "quarantined"),
        ("an unknown key twice", asset(r#""x":1,"x":2"#), "published"),
        ("no UTF-8", [asset("\"id\":\"a\"").as_slice(), b"\xff"].concat(), "quarantined"),
        ("a gigantic number", asset(&format!(r#""size":{},"unknown":1e999999"#, "9".repeat(1000))), "published"),
        ("a gigantic number in a field that is not read", asset(&format!(r#""unknown":{}"#, "9".repeat(100_000))), "published"),
        ("a NUL", asset("\"name\":\"\0\""), "quarantined"),
        ("an escaped NUL", asset(r#""name":"\u0000""#), "published"),
        ("an escaped NUL in the subject", br#"{"id":"\u0000","scan_id":"\u0000","status":"OK"}"#.to_vec(), "quarantined"),
        ("nothing but NULs", vec![0; 1000], "quarantined"),
        ("nothing", Vec::new(), "quarantined"),
    ];
    for endpoint in ["filespin", "filesafety"] {
        for (what, body, outcome) in &bodies {
            table.check(&format!("{endpoint}: {what}"), &Ask::signed(endpoint, body), &format!("200 {outcome}"));
        }
    }
    let mut sent: Vec<_> = bodies.iter().chain(&bodies).map(|(_, body, _)| body.clone()).collect();
    let records = table.finish();
    let mut kept: Vec<_> = records.iter().map(|record| Event::decode(&record.value[..]).unwrap().body.to_vec()).collect();
    sent.sort();
    kept.sort();
    assert!(sent == kept, "every body is stored as it came");
}
