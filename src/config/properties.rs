//! `[kafka.properties]`: librdkafka properties that pass through as they are, except those that carry an invariant.

use std::{collections::BTreeMap, fmt};

use super::{getters::Section, reader::Value};

/// Pass-through properties: a map that prints its names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, String>);

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Properties that pass through but that only producers know: a consumer would log a warning for each.
const PRODUCER_ONLY: &[&str] = &[
    "batch.num.messages",
    "batch.size",
    "compression.level",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.messages",
    "request.timeout.ms",
    "sticky.partitioning.linger.ms",
];

/// Properties that do not pass through, each group with the reason. A name that ends in `*` stands for all that start so.
/// The names are those of librdkafka 2.12's CONFIGURATION.md, aliases included.
const REFUSED: &[(&[&str], &str)] = &[
    (&["acks", "request.required.acks"], "always all: 200 means that every in-sync replica has the record"),
    (&["enable.idempotence", "enable.gapless.guarantee"], "idempotence is always on: a retry must not reorder or double records"),
    (
        &["retries", "message.send.max.retries", "max.in.flight", "max.in.flight.requests.per.connection", "queuing.strategy"],
        "set by idempotence; [kafka] message_timeout bounds the retries",
    ),
    (&["transactional.id", "transaction.timeout.ms"], "records are published one by one, without transactions"),
    (
        &["partitioner", "msg_order_cmp"],
        "always murmur2_random, so that streams keyed by the same id share partitions with Java's",
    ),
    (&["delivery.report.only.error", "produce.offset.report"], "200 waits for the delivery report and its offset"),
    (&["statistics.interval.ms"], "the metrics of Kafka and their alerts are read off it; it is always 5 s"),
    (&["message.timeout.ms", "delivery.timeout.ms"], "a link of the deadline chain; use [kafka] message_timeout"),
    (&["socket.timeout.ms"], "a link of the deadline chain; use [kafka] socket_timeout"),
    (&["reconnect.backoff.max.ms", "reconnect.backoff.ms"], "a link of the deadline chain; use [kafka] reconnect_backoff_max"),
    (&["connections.max.idle.ms"], "use [kafka] connections_max_idle"),
    (&["bootstrap.servers", "metadata.broker.list"], "use [kafka] brokers"),
    (&["client.id"], "use [kafka] client_id"),
    (
        &["allow.auto.create.topics"],
        "a look-up would create topics with settings that nobody chose; use `hookgate topics --apply`",
    ),
    (&["message.max.bytes"], "use [topics] max_message_bytes"),
    (&["queue.buffering.max.kbytes"], "use [kafka] queue_bytes"),
    (&["queue.buffering.max.ms", "linger.ms"], "use [kafka] linger"),
    (&["compression.codec", "compression.type"], "use [kafka] compression"),
    (&["security.protocol"], "use [kafka] security and [kafka.sasl]"),
    (&["sasl.*", "enable.sasl.*"], "use [kafka.sasl]; PLAIN, SCRAM and OAUTHBEARER are supported"),
    (&["https.ca.location", "https.ca.pem"], "use [kafka.sasl] token_ca_file"),
    (
        &["enable.ssl.certificate.verification", "ssl.endpoint.identification.algorithm"],
        "certificates and host names are always verified",
    ),
    (&["ssl.ca.location", "ssl.ca.pem", "ssl_ca"], "use [kafka.tls] ca_file"),
    (&["ssl.certificate.location", "ssl.certificate.pem", "ssl_certificate"], "use [kafka.tls] certificate_file"),
    (
        &["ssl.key.location", "ssl.key.pem", "ssl_key", "ssl.key.password", "ssl.keystore.*"],
        "use [kafka.tls] key_file, a PEM file without a password",
    ),
    (&["test.mock.*"], "replaces Kafka by a mock in memory, which acknowledges what it then forgets"),
    (&["plugin.library.paths", "interceptors", "ssl.engine.*", "ssl.providers"], "loads code into the daemon"),
    (
        &["*_cb", "opaque", "default_topic_conf", "enabled_events", "log.queue", "ssl_engine_callback_data", "builtin.features"],
        "cannot be set by text",
    ),
];

fn refusal(name: &str) -> Option<&'static str> {
    let matches = |pattern: &&str| match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(start), _) => name.starts_with(start),
        (None, Some(end)) => name.ends_with(end),
        (None, None) => name == *pattern,
    };
    REFUSED.iter().find(|(patterns, _)| patterns.iter().any(&matches)).map(|(_, reason)| *reason)
}

/// Whether only producers know a property that passes through.
pub(super) fn is_producer_only(name: &str) -> bool {
    PRODUCER_ONLY.contains(&name)
}

/// Reads `[kafka.properties]`.
pub(super) fn read(mut section: Section<'_>) -> Properties {
    let mut properties = BTreeMap::new();
    for (name, item) in section.drain() {
        let shaped = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_'));
        let value = match &item.value {
            Value::Text(text) | Value::Given(text) => Some(text.clone()),
            Value::Integer(integer) => Some(integer.to_string()),
            Value::Boolean(boolean) => Some(boolean.to_string()),
            _ => None,
        };
        let fault = match (refusal(&name), &value) {
            (Some(reason), _) => Some(format!("is not passed through: {reason}")),
            // Dots are part of a property's name, and TOML reads a bare one as a table.
            (None, None) if matches!(item.value, Value::Table(_)) => {
                Some("is a table; quote the property's whole name, such as \"socket.keepalive.enable\"".into())
            }
            (None, None) => Some("a string, an integer or a boolean was expected".into()),
            _ if name.is_empty() || !shaped => Some("is not the name of a librdkafka property".into()),
            (None, Some(value)) if value.contains(char::is_control) => Some("holds control characters".into()),
            (None, Some(value)) => (section.reader.refuses)(&name, value).map(|why| format!("librdkafka refuses it: {why}")),
        };
        match (fault, value) {
            (Some(fault), _) => section.complain(&name, item.origin, &fault),
            (None, value) => properties.extend(value.map(|value| (name, value))),
        }
    }
    section.show_all(properties.keys().map(|name| (name, "…")));
    Properties(properties)
}
