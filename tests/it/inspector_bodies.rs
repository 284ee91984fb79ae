//! What the page of `hookgate dev` keeps of a body that was refused while it was read, and what it says to do.

use serde_json::{Value, json};

use crate::{
    binary::Folder,
    inspector::{Session, states},
    raw_http::exchange,
};

/// Sends a request with this end of its head and this body, and returns its detail. The row has this number.
#[track_caller]
fn refused(session: &Session, number: usize, (head, body): (&str, &[u8]), status: u16) -> Value {
    let head = format!("POST /webhooks/uploadcare HTTP/1.1\r\n{head}x-uc-signature: v1={}\r\n\r\n", "0".repeat(64));
    assert_eq!(exchange(session.webhooks, &[head.as_bytes(), body]).status, status);
    session.detail(number)
}

#[test]
fn what_has_come_of_a_refused_body_is_kept() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let (host, length) = (format!("host: {}\r\n", session.webhooks), |bytes: usize| format!("content-length: {bytes}\r\n"));
    let chunked = format!("{host}transfer-encoding: chunked\r\n");
    let hint = |detail: &Value| detail["proof"][1]["hint"].as_str().unwrap().to_owned();
    let bodies = |detail: &Value| {
        (detail["body"]["base64"].clone(), detail["body"]["whole"].clone(), detail["body"]["read_for_you_only"].clone())
    };
    let hello = (json!("aGVsbG8="), json!(false), json!(false));

    // Its length is known to nobody before it is read.
    let long = format!("c3500\r\n{}\r\n0\r\n\r\n", "x".repeat(800_000));
    let detail = refused(&session, 1, (&chunked, long.as_bytes()), 413);
    assert_eq!((&detail["body"]["kept"], &detail["body"]["whole"]), (&json!(256 << 10), &json!(false)));
    assert!(hint(&detail).starts_with("The limit is `http.max_body_bytes`"), "{}", hint(&detail));
    assert_eq!(session.get("/api/requests/1/fixture").status, 409);

    let detail = refused(&session, 2, (&chunked, b"5\r\nhello\r\n"), 408);
    assert_eq!(bodies(&detail), hello);
    assert!(hint(&detail).starts_with("5 bytes had come. The limit is `http.body_timeout`, 3 s here."), "{}", hint(&detail));
    let detail = refused(&session, 3, (&format!("{host}{}", length(10)), b"hello"), 408);
    assert_eq!(bodies(&detail), hello);
    assert!(hint(&detail).starts_with("5 bytes of 10 had come."), "{}", hint(&detail));

    let detail = refused(&session, 4, (&chunked, b"5\r\nhello\r\nzz\r\n"), 400);
    assert_eq!(bodies(&detail), hello);
    assert!(hint(&detail).contains("the framing of the body was broken"), "{}", hint(&detail));

    // The head is refused before anybody looks for its endpoint.
    let detail = refused(&session, 5, (&length(5), b"hello"), 400);
    assert_eq!(states(&detail), "skipped failed skipped skipped skipped skipped");
    assert_eq!(detail["body"]["base64"], json!("aGVsbG8="));
    assert!(hint(&detail).starts_with("HTTP/1.1 wants one valid `Host`"), "{}", hint(&detail));
}
