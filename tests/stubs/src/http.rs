//! As much of HTTP/1.1 as the stand-ins need: one request a connection, with the head as it was sent.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

use percent_encoding::percent_decode_str;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// The path alone.
    pub path: String,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// The headers with their names as they were sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What goes wrong with it.
    pub fault: Option<Fault>,
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another answer comes.
    Instead(Box<Reply>),
    /// The connection ends in the middle of the body.
    CutOff,
    /// The body ends in the middle, although its length says that it is whole.
    Half,
    /// The body comes a byte at a time.
    Slow,
}

impl Request {
    /// Returns the first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the first parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// Returns the fields of a body, which is JSON or a form; none if it is neither.
    pub(crate) fn fields(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        if self.body.is_empty() {
            return Some(serde_json::Map::new());
        }
        if self.header("content-type").is_some_and(|text| text.starts_with("application/x-www-form-urlencoded")) {
            let form = pairs(&String::from_utf8_lossy(&self.body));
            return Some(form.into_iter().map(|(name, value)| (name, value.into())).collect());
        }
        serde_json::from_slice(&self.body).ok()
    }
}

impl Reply {
    /// Returns an answer with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body: body.to_string().into_bytes(),
            fault: None,
        }
    }
}

/// Reads a request and answers it.
pub(crate) fn serve(mut stream: TcpStream, answer: impl Fn(&Request) -> Reply) {
    let Some(request) = read(&mut stream) else { return };
    let reply = answer(&request);
    let first = format!("HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {}\r\n", reply.status, length(&reply));
    let further = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let head = std::iter::once(first).chain(further).collect::<String>() + "\r\n";
    // A client that has gone needs no answer.
    let _gone = write(&mut stream, head.as_bytes(), &reply);
}

fn length(reply: &Reply) -> usize {
    if reply.fault == Some(Fault::Half) { reply.body.len() / 2 } else { reply.body.len() }
}

fn write(stream: &mut TcpStream, head: &[u8], reply: &Reply) -> std::io::Result<()> {
    stream.write_all(head)?;
    match reply.fault {
        Some(Fault::CutOff | Fault::Half) => stream.write_all(&reply.body[..reply.body.len() / 2]),
        Some(Fault::Slow) => reply.body.iter().try_for_each(|byte| {
            thread::sleep(Duration::from_millis(5));
            stream.write_all(&[*byte])
        }),
        _ => stream.write_all(&reply.body),
    }
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let headers: Vec<_> = headers.collect();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request =
        Request { method, path: path.to_owned(), query: pairs(query), headers, body: Vec::new(), target: target.clone() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// Reads a query or a form.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decode(name), decode(value))).collect()
}
