//! Connections that send deliveries on a schedule, and the tally of the answers.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use crate::request::Template;

/// When the next delivery is sent.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// This number of deliveries a second over all connections, whether or not the answers keep up.
    Rate(u32),
    /// On each connection, the next delivery as soon as the last one is answered.
    Max,
    /// As `Max`, until this number of deliveries has been sent over all connections.
    Count(u64),
}

/// The deliveries to send, and how to send them.
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) template: Template,
    pub(crate) connections: u16,
    pub(crate) pace: Pace,
    /// The time after the first delivery in which deliveries may begin.
    pub(crate) duration: Duration,
    /// Whether to keep the ids in the answers.
    pub(crate) keep_ids: bool,
}

/// What was sent, and what was answered.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Deliveries without an answer, by the reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// The latency of each answer, also of refusals.
    pub(crate) latencies_us: Vec<u32>,
    pub(crate) ids: Vec<String>,
}

/// The longest wait for an answer. It is longer than every answer deadline of a server under test, so a missing answer is a failure of the
/// server.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// The pause before a new connection after a failure, so that the generator does not flood a server that is gone.
const RECONNECT_WAIT: Duration = Duration::from_millis(20);
/// The largest answer that is read. A server that sends more is not a server under test.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Runs a plan. Returns the tally, and the time from the first delivery to the last answer. Fails if the server cannot be reached.
pub(crate) async fn run(plan: Arc<Plan>) -> io::Result<(Tally, Duration)> {
    let mut connections = Vec::new();
    for _ in 0..plan.connections {
        connections.push(Connection::open(plan.address).await?);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (first, connection) in (0..).zip(connections) {
        tasks.spawn(deliver(Arc::clone(&plan), first, connection, start));
    }
    let mut total = Tally::default();
    while let Some(tally) = tasks.join_next().await {
        total.add(tally.map_err(io::Error::other)?);
    }
    Ok((total, start.elapsed()))
}

/// Sends the deliveries of one connection: those numbered `first`, `first + connections`, and so on.
async fn deliver(plan: Arc<Plan>, first: u64, connection: Connection, start: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut connection = Some(connection);
    let mut request = plan.template.bytes.clone();
    for number in (first..).step_by(usize::from(plan.connections)) {
        let Some(begun) = turn(&plan, number, start).await else {
            break;
        };
        plan.template.stamp(&mut request, number);
        tally.sent += 1;
        match timeout(ANSWER_WAIT, exchange(&mut connection, plan.address, &request)).await {
            Ok(Ok(answer)) => tally.count(&answer, begun.elapsed(), plan.keep_ids),
            Ok(Err(error)) => {
                tally.fail(&error.kind().to_string());
                connection = None;
                sleep(RECONNECT_WAIT).await;
            }
            Err(_) => {
                tally.fail("no answer in time");
                connection = None;
            }
        }
    }
    tally
}

/// Waits until this delivery is due, and returns the time from which its latency counts. `None` is the end of the plan.
///
/// A delivery that is due while its connection still waits for an answer counts from the time when it was due. Otherwise a slow server would
/// get fewer deliveries and look better. A delivery that the timer (of whole milliseconds) woke late counts from its waking.
async fn turn(plan: &Plan, number: u64, start: Instant) -> Option<Instant> {
    let now = Instant::now();
    let (due, more) = match plan.pace {
        Pace::Rate(rate) => (start + Duration::from_nanos(number * 1_000_000_000 / u64::from(rate)), true),
        Pace::Max => (now, true),
        Pace::Count(count) => (now, number < count),
    };
    if !more || due.duration_since(start) >= plan.duration {
        return None;
    }
    if due <= now {
        return Some(due);
    }
    sleep_until(due.into()).await;
    Some(Instant::now())
}

/// Sends one request and reads its answer, over a new connection if the old one is gone.
async fn exchange(connection: &mut Option<Connection>, address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(address).await?,
    };
    open.stream.write_all(request).await?;
    let answer = open.read_answer().await?;
    if !answer.closes {
        *connection = Some(open);
    }
    Ok(answer)
}

impl Tally {
    fn count(&mut self, answer: &Answer, latency: Duration, keep_ids: bool) {
        *self.statuses.entry(answer.status).or_default() += 1;
        self.latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        if keep_ids && answer.status == 200 {
            match answer.id() {
                Some(id) => self.ids.push(id),
                None => self.fail("200 without an id"),
            }
        }
    }

    fn fail(&mut self, reason: &str) {
        *self.failures.entry(reason.to_owned()).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (reason, count) in other.failures {
            *self.failures.entry(reason).or_default() += count;
        }
        self.latencies_us.extend(other.latencies_us);
        self.ids.extend(other.ids);
    }
}

/// A keep-alive connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1024) })
    }

    /// Reads exactly one answer. There is never a second one, because the next request waits for this answer.
    async fn read_answer(&mut self) -> io::Result<Answer> {
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = Answer::parse(&self.buffer)? {
                return Ok(answer);
            }
            if self.buffer.len() > ANSWER_BYTES_MAX {
                return Err(invalid("the answer is too large"));
            }
        }
    }
}

/// The parts of an answer that are needed.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    /// Whether the server closes the connection after it.
    closes: bool,
    body: Vec<u8>,
}

impl Answer {
    /// Parses an answer. Returns `None` if it is not complete yet. Fails if the answer does not state the length of its body.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let Some(head_length) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = str::from_utf8(&bytes[..head_length]).map_err(|_| invalid("the head is not text"))?;
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| invalid("the answer does not begin with a status line"))?;
        let (mut body_length, mut closes) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                body_length = value.trim().parse::<usize>().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        let body_length = body_length.ok_or_else(|| invalid("the answer has no content-length"))?;
        let body = &bytes[head_length + 4..];
        match body.len().cmp(&body_length) {
            std::cmp::Ordering::Less => Ok(None),
            std::cmp::Ordering::Equal => Ok(Some(Self { status, closes, body: body.to_vec() })),
            std::cmp::Ordering::Greater => Err(invalid("more was answered than asked")),
        }
    }

    /// Returns the `id` in the body of a 200.
    fn id(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        body.get("id")?.as_str().map(str::to_owned)
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_only_with_its_body() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nconnection: Close\r\n\r\n{\"id\":\"x\"}";
        for cut in 1..whole.len() {
            assert_eq!(Answer::parse(&whole[..cut]).unwrap(), None, "{cut}");
        }
        let answer = Answer::parse(whole).unwrap().unwrap();
        assert_eq!((answer.status, answer.closes, answer.id().as_deref()), (200, true, Some("x")));
    }

    #[test]
    fn an_unknown_kind_of_answer_is_an_error() {
        for bad in ["HTTP/2 200\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nx"] {
            assert!(Answer::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
