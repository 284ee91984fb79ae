//! What `hookgate dev` shows of a connection on which no request comes.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::json;

use crate::{
    binary::Folder,
    harness::wait_until,
    inspector::{Session, states},
    raw_http::exchange,
};

const TOKEN: &str = "token-of-production-0123456789";

/// Sends bytes, and closes the connection once the daemon has said something, if it should.
fn send(to: SocketAddr, bytes: &[u8], is_answered: bool) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(bytes).unwrap();
    if is_answered {
        assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0);
    }
    stream
}

/// Returns whether a line of the output has this status and this reason.
fn has_line(out: &str, status: u16, why: &str) -> bool {
    let status = if status == 0 { "–".into() } else { status.to_string() };
    let begin = format!("  ✗ {status:3}  –           no_request              {why} ");
    out.lines().any(|line| line.contains(&begin))
}

/// Bytes that are no request have a line and a row, which say what is wrong. A connection on which nothing comes has none.
#[test]
fn what_is_no_request_is_shown() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let to = session.webhooks;
    let head = format!("POST /webhooks/filespin?token={TOKEN} HTTP/1.1\r\nhost: {to}\r\n");
    drop(send(to, b"", false));
    // A connection that ends after its request has only the row of that.
    drop(send(to, format!("GET /nowhere HTTP/1.1\r\nhost: {to}\r\n\r\n").as_bytes(), true));
    session.rows(1);
    let long = format!("{head}x: {}", "a".repeat(20_000));
    let cases = [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], 400, "TLS was spoken to a port without TLS; use http://"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, "HTTP/2 was spoken; this port speaks HTTP/1.1"),
        (b"hello\r\n\r\n", 400, "this is no HTTP request"),
        (
            &format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nab").into_bytes(),
            400,
            "broken head: invalid content-length",
        ),
        (&format!("{head}{TOKEN}\r\n\r\n").into_bytes(), 400, "broken head: invalid HTTP header"),
        (long.as_bytes(), 431, "the head is too long, or has too many headers"),
    ];
    for (at, (bytes, status, why)) in cases.iter().enumerate() {
        assert_eq!(exchange(to, &[bytes]).status, *status, "{why}");
        let row = &session.rows(at + 2)[at + 1];
        let expected = (json!(status), json!("no_request"), json!(why), json!(""));
        assert_eq!(
            (&row["status"], &row["outcome"], &row["why"], &row["endpoint"]),
            (&expected.0, &expected.1, &expected.2, &expected.3)
        );
    }
    drop(send(to, head.as_bytes(), false));
    assert_eq!(session.rows(8)[7]["why"], json!("the connection ended within the head"));
    // It ends when the time for a head is over.
    let endless = send(to, head.as_bytes(), false);
    assert_eq!(session.rows(9)[8]["why"], json!("the head did not end in time"));
    drop(endless);

    let detail = session.detail(2);
    assert_eq!(states(&detail), "skipped failed skipped skipped skipped skipped");
    assert!(detail["proof"][1]["hint"].as_str().unwrap().contains("Write http://"), "{detail}");
    assert_eq!((&detail["body"]["bytes"], &detail["commands"]["curl"]), (&json!(null), &json!("")));
    assert_eq!(session.get("/api/requests/2/fixture").status, 409);
    let strip = session.json("/api/requests?after=0")["strip"].clone();
    assert_eq!((&strip["outcomes"]["no_request"], &strip["refused"], &strip["seen"]), (&json!(8), &json!(9), &json!(9)));
    let shown = session.json("/api/requests?after=0").to_string()
        + &(1..=9).map(|number| session.detail(number).to_string()).collect::<String>();

    wait_until("printed", || session.process.out().contains(" #9\n"));
    session.process.signal("INT");
    let finished = session.process.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for (_, status, why) in cases {
        assert!(has_line(&finished.out, status, why), "{why}: {}", finished.out);
    }
    assert!(finished.out.ends_with("\n\n9 requests: 1 refused (1 unknown_endpoint), 8 no_request\n"), "{}", finished.out);
    assert!(!shown.contains(TOKEN) && !finished.both().contains(TOKEN), "{finished:?}");
}
