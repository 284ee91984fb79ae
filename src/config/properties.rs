//! `[kafka.properties]`: librdkafka properties that pass through as they are, except those that carry an invariant.

use std::{collections::BTreeMap, fmt};

use super::{getters::Section, reader::Value};

/// Pass-through properties: a map of which only the names are printed.
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

/// Properties that do not pass through, each group with the reason. A name that ends in `*` stands for all names that begin like it.
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
    (&["sasl.*", "enable.sasl.*"], "use [kafka.sasl]; PLAIN, SCRAM, OAUTHBEARER and AWS_MSK_IAM are supported"),
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

/// Properties of Kafka's Java clients that librdkafka does not know, and what to use instead. Where there is nothing, the reason.
const JAVA: &[(&[&str], &str)] = &[
    (&["buffer.memory"], "use [kafka] queue_bytes"),
    (&["max.request.size"], "use [topics] max_message_bytes, and [http] max_body_bytes for what is taken in"),
    (&["max.block.ms"], "use [kafka] publish_timeout"),
    (&["ssl.truststore.*"], "use [kafka.tls] ca_file, a PEM file"),
    (&["ssl.protocol", "ssl.enabled.protocols", "ssl.provider"], "TLS 1.2 and 1.3 are spoken, whatever the brokers take"),
    (&["key.serializer", "value.serializer"], "keys are text and values are protobuf"),
    (&["schema.registry.*", "basic.auth.*"], "use [schema_registry]"),
    (&["send.buffer.bytes"], "use \"socket.send.buffer.bytes\""),
    (&["receive.buffer.bytes"], "use \"socket.receive.buffer.bytes\""),
];

/// A text of librdkafka on one line, with our key after each property that it names and that does not pass through.
pub fn in_our_keys(text: &str) -> String {
    let word = |word: &str| {
        let name = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let reason = if name.contains('.') { refusal(name) } else { None };
        match reason.map(|reason| (reason, reason.split_once("use ").map(|(_, own)| own))) {
            None => word.to_owned(),
            Some((_, Some(own))) => word.replace(name, own.split([',', ';']).next().unwrap_or(own)).replace('`', ""),
            Some((reason, None)) => word.replace(name, &format!("{name} (which is not passed through: {reason})")),
        }
    };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

fn refusal(name: &str) -> Option<&'static str> {
    reason(REFUSED, name)
}

fn reason(table: &'static [(&[&str], &'static str)], name: &str) -> Option<&'static str> {
    let matches = |pattern: &&str| match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(start), _) => name.starts_with(start),
        (None, Some(end)) => name.ends_with(end),
        (None, None) => name == *pattern,
    };
    table.iter().find(|(patterns, _)| patterns.iter().any(&matches)).map(|(_, reason)| *reason)
}

/// Returns whether only producers know a property that passes through.
pub(super) fn is_producer_only(name: &str) -> bool {
    PRODUCER_ONLY.contains(&name)
}

/// Why librdkafka does not take a property, if it does not. Those of TLS name files, which need not be there for everybody.
fn refused(section: &Section<'_>, name: &str, value: &str) -> Option<String> {
    let client = &section.reader.client;
    let of_tls = || if name.starts_with("ssl.") && section.is_needed() { (client.refuses_tls)(&[(name, value)]) } else { None };
    (client.refuses_property)(name, value).or_else(of_tls)
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
            (None, _) if let Some(instead) = reason(JAVA, &name) => Some(format!("is of Kafka's Java clients; {instead}")),
            // Dots are part of a property's name, and TOML reads a bare one as a table.
            (None, None) if matches!(item.value, Value::Table(_)) => {
                Some("is a table; quote the property's whole name, such as \"socket.keepalive.enable\"".into())
            }
            (None, None) => Some("a string, an integer or a boolean was expected".into()),
            _ if name.is_empty() || !shaped => Some("is not the name of a librdkafka property".into()),
            (None, Some(value)) if value.contains(char::is_control) => Some("holds control characters".into()),
            (None, Some(value)) => refused(&section, &name, value).map(|why| format!("librdkafka refuses it: {why}")),
        };
        match (fault, value) {
            (Some(fault), _) => section.complain(&name, item.origin, &fault),
            (None, value) => properties.extend(value.map(|value| (name, value))),
        }
    }
    section.show_all(properties.keys().map(|name| (name, "…")));
    Properties(properties)
}

#[cfg(test)]
mod tests {
    use super::in_our_keys;

    #[test]
    fn a_text_of_librdkafka_names_our_keys() {
        fn check(text: &str, expected: &str) {
            assert_eq!(in_our_keys(text), expected, "{text:?}");
        }
        check("", "");
        check("a file\n and.so on.\n\n", "a file and.so on.");
        check(
            "TrustStores are not supported, use `ssl.ca.location` and a certificate",
            "TrustStores are not supported, use [kafka.tls] ca_file and a certificate",
        );
        check("`linger.ms` must be less than `message.timeout.ms`.", "[kafka] linger must be less than [kafka] message_timeout.");
        check("see ssl.key.location", "see [kafka.tls] key_file");
        check("\"acks\" and metadata.max.age.ms", "\"acks\" and metadata.max.age.ms");
        check(
            "set enable.idempotence",
            "set enable.idempotence (which is not passed through: idempotence is always on: a retry must not reorder or double records)",
        );
    }
}
