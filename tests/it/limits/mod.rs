//! The limits of sizes, times and numbers, tested on raw sockets. Also what HTTP/1 allows and senders use.

mod bodies;
mod connections;
mod early_answers;
mod heads;
mod in_flight;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::{
    harness::{Answer, Daemon, Setup, UNANSWERED, parse},
    request_table::{Ask, Table},
};

const KIB: usize = 1024;

/// How long the daemon waits for a body before the body may have to make room for others.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// After this time a connection without any request is the first to make room. It includes a margin for two different clocks.
pub const FIRST_PATIENCE: Duration = Duration::from_millis(1100);

fn table(http: &str) -> Table {
    Table::with(Setup { tables: &format!("[http]\n{http}"), ..Setup::default() })
}

pub fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(daemon.webhooks).unwrap();
    stream.set_read_timeout(Some(UNANSWERED)).unwrap();
    stream
}

/// Reads everything until the other side closes.
pub fn rest(mut stream: &TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer counts as its end.
    let _reset = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// Sends bytes on a new connection, and returns everything that comes back.
pub fn raw(daemon: &Daemon, bytes: &[u8]) -> String {
    let mut stream = connect(daemon);
    stream.write_all(bytes).unwrap();
    rest(&stream)
}

/// Reads one answer of a connection that may stay open.
pub fn next_answer(mut stream: impl std::io::Read) -> Answer {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        bytes.push(byte[0]);
    }
    let length = parse(&bytes).header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    parse(&[bytes, body].concat())
}

/// Waits until that many connections are counted as ended for a reason. They are counted after their answers.
pub fn wait_for_faults(daemon: &Daemon, reason: &str, connections: usize) {
    let line = format!("hookgate_connection_faults_total{{reason=\"{reason}\"}} {connections}");
    daemon.wait_until(&line, |_| daemon.admin("/metrics").body.lines().any(|it| it == line));
}

/// Returns a body of that many bytes, such as FileSafety could send it.
pub fn body(bytes: usize) -> Vec<u8> {
    let frame = r#"{"scan_id":"s","verdict":"clean","metadata":""}"#;
    let filler = "x".repeat(bytes - frame.len());
    frame.replace(r#""metadata":"""#, &format!(r#""metadata":"{filler}""#)).into_bytes()
}

/// Returns the head of a signed request, without the headers that frame its body and without the empty line.
pub fn head(ask: &Ask) -> String {
    let headers = ask.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("{} {} HTTP/1.1\r\nhost: test\r\n{}", ask.method, ask.path, headers.collect::<String>())
}

/// Returns a whole request. The connection stays open after it.
pub fn whole(ask: &Ask) -> Vec<u8> {
    [format!("{}content-length: {}\r\n\r\n", head(ask), ask.body.len()).as_bytes(), &ask.body].concat()
}

/// Returns a chunked request without the last chunk.
pub fn chunked(ask: &Ask, sizes: usize) -> Vec<u8> {
    let mut bytes = format!("{}transfer-encoding: chunked\r\n\r\n", head(ask)).into_bytes();
    for chunk in ask.body.chunks(sizes) {
        bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    bytes
}

/// Waits until that many deliveries wait for Kafka. One scrape must show these deliveries, and no bytes of bodies: their bodies are passed
/// on, and no other body is arriving.
fn handed_over(daemon: &Daemon, deliveries: usize) {
    let deliveries = format!("\nhookgate_in_flight_deliveries {deliveries}\n");
    daemon.wait_until("handed over", |_| {
        let text = daemon.admin("/metrics").body;
        text.contains(&deliveries) && text.contains("\nhookgate_in_flight_bytes 0\n")
    });
}
