//! Sends HTTP requests on plain sockets, and reads the answers.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::secret_search::assert_discreet;

/// After this time without a byte, no answer is expected any more. It is longer than every deadline of a daemon under test, so that a busy
/// machine does not reach it.
pub const UNANSWERED: Duration = Duration::from_secs(120);

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The headers, with their names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// Returns the label at the end of the problem's `type`, or an empty text.
    pub fn label(&self) -> String {
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        problem["type"].as_str().and_then(|it| it.rsplit(':').next()).unwrap_or_default().to_owned()
    }
}

/// Sends one request on a connection of its own, and returns the answer.
pub fn request(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding"))
    {
        write!(text, "content-length: {}\r\n", body.len()).unwrap();
    }
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    text.push_str("\r\n");
    exchange(to, &[text.as_bytes(), body])
}

/// Writes the parts to a new connection and reads one answer. A connection that closes without an answer gives status 0.
pub fn exchange(to: SocketAddr, parts: &[&[u8]]) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(UNANSWERED)).unwrap();
    for part in parts {
        // The daemon may have answered and closed before everything was written.
        if stream.write_all(part).is_err() {
            break;
        }
    }
    let mut bytes = Vec::new();
    // A reset after the answer counts as its end.
    let _reset = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

/// Parses an answer from all bytes of a connection.
pub fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    assert_discreet("an answer", &text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    Answer { status, headers: lines.filter_map(header).collect(), body: body.to_owned() }
}
