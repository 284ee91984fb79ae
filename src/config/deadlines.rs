//! Two sums over the whole configuration that `hookgate check` prints: the chain of deadlines, in which each must leave room
//! for the next, and the most memory that the limits allow.

use std::{fmt, time::Duration};

use super::{
    Config,
    units::{show_duration, show_size},
};

/// The time that librdkafka needs beyond its own two deadlines before it reports a record as failed (measured with a frozen broker).
const REPORT_SLACK: Duration = Duration::from_millis(500);

/// How long a connection without a request may still take to send one after the listener has closed: bytes that its peer has sent may be on
/// their way.
pub const LAST_WORDS: Duration = Duration::from_millis(250);

/// The time from the moment at which a request to a broker counts as failed until it was sent again over a new connection and acknowledged.
/// librdkafka looks for failed requests once a second, if it is kept awake; the rest is for connecting and for the second request.
const RETRY_ROOM: Duration = Duration::from_millis(1500);

/// One deadline, and what it must leave room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The key, or the provider's own timeout.
    pub name: String,
    /// The length of the deadline.
    pub duration: Duration,
    /// What must fit into the deadline, in words.
    pub must_exceed: &'static str,
    /// The time that this takes.
    pub floor: Duration,
    /// Whether the deadline may be equal to that time.
    pub or_equal: bool,
    /// The keys that can fix the link, the likeliest first.
    pub keys: &'static [&'static str],
}

impl Link {
    /// Returns whether the deadline leaves enough room.
    pub fn holds(&self) -> bool {
        self.duration > self.floor || self.or_equal && self.duration == self.floor
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (self.holds(), self.or_equal) {
            (true, true) => ">=",
            (true, false) => ">",
            (false, true) => "is less than",
            (false, false) => "is not more than",
        };
        let (duration, floor) = (show_duration(self.duration), show_duration(self.floor));
        write!(f, "{} ({duration}) {sign} {} ({floor})", self.name, self.must_exceed)
    }
}

/// Returns the chain: from the provider's timeout down to one request to a broker, then the shutdown.
pub fn chain(config: &Config) -> Vec<Link> {
    let (kafka, http) = (&config.kafka, &config.http);
    let mut links = Vec::new();
    if let Some(provider) = config.endpoints.iter().map(|endpoint| endpoint.provider).min_by_key(|it| it.timeout) {
        let name = format!("{}'s own timeout", provider.title);
        let answer = ("http.answer_deadline", http.answer_deadline);
        links.push(link((&name, provider.timeout), answer, &["http.answer_deadline"]));
    }
    links.extend([
        link(
            ("http.answer_deadline", http.answer_deadline),
            ("kafka.publish_timeout", kafka.publish_timeout),
            &["kafka.publish_timeout", "http.answer_deadline"],
        ),
        link(
            ("kafka.publish_timeout", kafka.publish_timeout),
            (
                "kafka.message_timeout + kafka.reconnect_backoff_max + 0.5s",
                kafka.message_timeout + kafka.reconnect_backoff_max + REPORT_SLACK,
            ),
            &["kafka.message_timeout", "kafka.reconnect_backoff_max", "kafka.publish_timeout"],
        ),
        Link {
            or_equal: true,
            ..link(
                ("kafka.message_timeout", kafka.message_timeout),
                ("kafka.socket_timeout + 1.5s", kafka.socket_timeout + RETRY_ROOM),
                &["kafka.socket_timeout", "kafka.message_timeout"],
            )
        },
        link(
            ("http.answer_deadline", http.answer_deadline),
            ("http.body_timeout", http.body_timeout),
            &["http.body_timeout", "http.answer_deadline"],
        ),
    ]);
    links.extend(shutdown(config));
    links
}

fn shutdown(config: &Config) -> [Link; 2] {
    let (http, shutdown) = (&config.http, &config.shutdown);
    let grace = link(
        ("shutdown.grace", shutdown.grace),
        (
            "shutdown.pre_stop + 0.25s + shutdown.drain + shutdown.flush",
            shutdown.pre_stop + LAST_WORDS + shutdown.drain + shutdown.flush,
        ),
        &["shutdown.grace", "shutdown.pre_stop", "shutdown.drain", "shutdown.flush"],
    );
    let drain = link(
        ("shutdown.drain", shutdown.drain),
        ("http.answer_deadline", http.answer_deadline),
        &["shutdown.drain", "http.answer_deadline"],
    );
    [grace, Link { or_equal: true, ..drain }]
}

fn link(
    (name, duration): (&str, Duration),
    (must_exceed, floor): (&'static str, Duration),
    keys: &'static [&'static str],
) -> Link {
    Link { name: name.into(), duration, must_exceed, floor, or_equal: false, keys }
}

// The following values were measured with a debug build, whose connections are larger; tests/it/memory.rs reaches all limits at once and
// compares.

/// The memory of a process before it does anything: code, runtime, librdkafka's threads. Idle processes had up to 45 MiB.
const PROCESS_BYTES: u64 = 48 << 20;

/// The connections beside `http.max_connections`: 256 that get an answer that there is no room, and 256 that linger after their last
/// answer.
const CONNECTIONS_BESIDE: u64 = 512;

/// The memory of a connection beside its header buffer: with heads of 8, 16 and 64 KiB a connection took 22, 37 and 133 KiB.
const CONNECTION_BYTES: u64 = 4 << 10;

/// The memory that TLS adds to a connection: one with a handshake or a record that does not end took 39 KiB more.
const TLS_CONNECTION_BYTES: u64 = 40 << 10;

/// The memory of a record that waits for Kafka, beside its value: headers and bookkeeping, here and in librdkafka.
const RECORD_BYTES: u64 = 3 << 10;

/// The memory of the 10,000 lines that may wait for a slow reader of stderr. The part of a line that strangers write is bounded.
const LOG_BYTES: u64 = 10 << 20;

/// The memory of the admin port: 64 connections with a head of 16 KiB each, and the scrapes that slow readers have not read yet.
const ADMIN_BYTES: u64 = 4 << 20;

/// The memory that an endpoint adds: its series, and their text in a dozen scrapes.
const ENDPOINT_BYTES: u64 = 128 << 10;

/// The memory of the spans that wait for the collector, and of the batch that is being sent.
const SPANS_BYTES: u64 = 8 << 20;

/// How many times larger than its body a delivery can be while it is read: a body that consists only of empty objects (`"a":{},`), each of
/// which becomes a message of its own, took 73 times its size.
const READING_FACTOR: u64 = 80;

/// The most requests that librdkafka has on their way to one broker, under idempotence.
const REQUESTS_PER_BROKER: u64 = 5;

/// The most memory that the limits allow, part by part, in bytes: an estimate from above, for a container's limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// The parts, each with its name and its bytes.
    pub parts: Vec<(&'static str, u64)>,
    /// The sum of all parts.
    pub total: u64,
}

/// Adds up the memory that the limits allow.
pub fn memory_ceiling(config: &Config) -> Ceiling {
    let wide = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let (http, kafka) = (&config.http, &config.kafka);
    // A bootstrap list may name only one broker of many; the usual cluster has three.
    let brokers = wide(kafka.brokers.len().max(3));
    let connections = wide(http.max_connections).saturating_add(CONNECTIONS_BESIDE);
    // hyper doubles the buffer while a head is coming, and the allocator rounds up.
    let connection = wide(http.max_header_bytes) * 9 / 4 + CONNECTION_BYTES;
    // The buffer of a body that comes in pieces grows too, by an eighth.
    let bodies = wide(http.max_in_flight_bytes).saturating_mul(5) / 4;
    let mut parts = vec![
        ("process", PROCESS_BYTES),
        ("connections", connections.saturating_mul(connection)),
        ("bodies in flight", bodies),
        ("the delivery being read", wide(http.max_body_bytes).saturating_mul(READING_FACTOR)),
        ("producer queue", kafka.queue_bytes),
        ("records that wait", wide(http.max_in_flight).saturating_mul(RECORD_BYTES)),
        ("requests to brokers", brokers * REQUESTS_PER_BROKER * wide(kafka.max_message_bytes)),
        ("log", LOG_BYTES),
        ("admin port", ADMIN_BYTES + wide(config.endpoints.len()) * ENDPOINT_BYTES),
    ];
    if http.tls.is_some() {
        parts.push(("TLS", connections.saturating_mul(TLS_CONNECTION_BYTES)));
    }
    if config.tracing.is_some() {
        parts.push(("spans", SPANS_BYTES));
    }
    let total = parts.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
    Ceiling { parts, total }
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, bytes)) in self.parts.iter().enumerate() {
            let sign = if index > 0 { " + " } else { "" };
            write!(f, "{sign}{name} {}", mebibytes(*bytes))?;
        }
        write!(f, " = {}", mebibytes(self.total))
    }
}

/// Returns whole mebibytes, rounded up, as text.
fn mebibytes(bytes: u64) -> String {
    show_size(bytes.div_ceil(1 << 20).saturating_mul(1 << 20))
}
