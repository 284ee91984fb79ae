//! Words for what came on a connection and is no request.

use crate::{http::NoRequest, metrics::ConnectionFault};

/// What is wrong, and what to do.
type Words = (String, &'static str);

/// The first bytes of a TLS handshake: its kind of record, and the first half of its version.
const TLS: &[u8] = &[0x16, 3];
/// The first bytes of HTTP/2.
const HTTP2: &[u8] = b"PRI * HTTP/2";

/// Returns what is wrong, and what to do. Nothing of what came is in it.
pub(super) fn words(came: &NoRequest<'_>) -> Words {
    let (why, hint) = match came.fault {
        ConnectionFault::BadRequest => return unreadable(came.unread, came.why.as_deref().unwrap_or_default()),
        ConnectionFault::HeadersTooLarge => (
            "the head is too long, or has too many headers",
            "The limits are `http.max_header_bytes` and `http.max_headers`. Does something before this port add headers?",
        ),
        ConnectionFault::HeaderTimeout => (
            "the head did not end in time",
            "The limit is `http.header_timeout`. A head ends with an empty line. Did the sender stop in the middle of it?",
        ),
        ConnectionFault::CutOff => (
            "the connection ended within the head",
            "A head ends with an empty line. Look at the sender and at what is before this port.",
        ),
        ConnectionFault::Limit => (
            "there are too many connections at once",
            "The limit is `http.max_connections`. Does the sender close its connections?",
        ),
        ConnectionFault::Tls => ("the TLS handshake failed", "Does the sender trust the certificate of this port?"),
    };
    (why.to_owned(), hint)
}

/// Returns what is wrong with bytes that are no head.
fn unreadable(bytes: &[u8], why: &str) -> Words {
    if bytes.starts_with(TLS) {
        let hint = "Write http:// in the URL of this port. Providers need https://: give them the URL of a tunnel to this port.";
        return ("TLS was spoken to a port without TLS; use http://".into(), hint);
    }
    if bytes.starts_with(HTTP2) {
        return (
            "HTTP/2 was spoken; this port speaks HTTP/1.1".into(),
            "Let the sender, or the proxy before this port, speak HTTP/1.1.",
        );
    }
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // Where the length is at fault, all lines of the head were read, and these bytes come after it.
    let is_read = ["content-length", "transfer-encoding"].iter().any(|name| why.contains(name));
    if is_read || line.windows(7).any(|part| part == b"HTTP/1.") {
        let hint = "A webhook with such a head cannot be answered. Look at the sender and at what is before this port.";
        return (format!("broken head: {}", why.trim_end_matches(" parsed")), hint);
    }
    ("this is no HTTP request".into(), "Something that does not speak HTTP has found the port of the webhooks.")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::closed::Closed as _;

    #[test]
    fn each_fault_has_its_words() {
        #[track_caller]
        fn check(fault: ConnectionFault, unread: &[u8], why: &str, expected: &str) {
            let (arrived, took, why) = (SystemTime::UNIX_EPOCH, Duration::ZERO, Some(why.to_owned()));
            assert_eq!(words(&NoRequest { arrived, took, fault, status: 400, unread, why }).0, expected);
            // On a small screen it has one line.
            assert!(expected.len() <= 49, "{expected}");
        }
        let bad = |unread: &[u8], why: &str, expected: &str| check(ConnectionFault::BadRequest, unread, why, expected);
        let header = "invalid HTTP header parsed";
        bad(b"\x16\x03\x01\x02\x00\x01", "", "TLS was spoken to a port without TLS; use http://");
        bad(b"\x16\x04", "", "this is no HTTP request");
        bad(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", "HTTP/2 was spoken; this port speaks HTTP/1.1");
        bad(b"\0\0\0\x10\x00\x12", header, "this is no HTTP request");
        bad(b"hello\r\nHTTP/1.1", header, "this is no HTTP request");
        bad(b"POST / HTTP/1.1\r\nbad header\r\n", header, "broken head: invalid HTTP header");
        bad(b"body", "invalid content-length parsed", "broken head: invalid content-length");
        bad(b"", "unexpected transfer-encoding parsed", "broken head: unexpected transfer-encoding");
        for fault in ConnectionFault::all().filter(|it| *it != ConnectionFault::BadRequest) {
            let (arrived, took) = (SystemTime::UNIX_EPOCH, Duration::ZERO);
            let (why, hint) = words(&NoRequest { arrived, took, fault, status: 0, unread: b"", why: None });
            check(fault, b"", "", &why);
            assert!(hint.ends_with(['.', '?']), "{hint}");
        }
    }
}
