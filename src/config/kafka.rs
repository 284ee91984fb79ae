//! `[kafka]`: how to reach the cluster, and every librdkafka property that Hookgate's clients get.

use std::time::Duration;

use super::{
    Environment,
    getters::Section,
    hints,
    keys::Kind,
    properties::{self, Properties},
    sasl::{self, Sasl},
    security::{self, Security},
};

/// How often librdkafka reports its queue and its brokers to the metrics.
const STATISTICS_EVERY: Duration = Duration::from_secs(5);

/// The values of the table `[kafka]`.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// The brokers to start from: `host:port` each, at least one.
    pub brokers: Vec<String>,
    /// Whether the connection is encrypted.
    pub security: Security,
    /// How the client proves itself to the brokers, if it does.
    pub sasl: Option<Sasl>,
    /// The name of this client in the brokers' logs and quotas.
    pub client_id: String,
    /// The codec of records: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub compression: String,
    /// How long a record waits for others to share a request with.
    pub linger: Duration,
    /// How long a delivery waits for its acknowledgement before it is answered 503.
    pub publish_timeout: Duration,
    /// How long librdkafka tries to send a record before it fails; whole milliseconds.
    pub message_timeout: Duration,
    /// How long a request to a broker may stay unanswered before it counts as failed.
    pub socket_timeout: Duration,
    /// The longest pause between two attempts to connect to a broker.
    pub reconnect_backoff_max: Duration,
    /// How long a connection to a broker is kept without traffic: it is closed before the path to the broker forgets it; whole
    /// milliseconds.
    pub connections_max_idle: Duration,
    /// How many bytes of records may wait in the producer.
    pub queue_bytes: u64,
    /// Whether the daemon creates missing topics, with the settings of `[topics]`. For development only: a misspelled name becomes a topic
    /// where topics are not created on purpose.
    pub auto_create: bool,
    /// `max_message_bytes` of `[topics]`: librdkafka measures it before compression.
    pub max_message_bytes: usize,
    /// librdkafka properties that pass through as they are. Their values may be secrets and are never shown.
    pub properties: Properties,
}

impl Kafka {
    /// Returns every property that the producer gets.
    pub fn client_properties(&self) -> Vec<(String, String)> {
        let mut properties = self.shared_properties();
        let own = [
            ("acks", "all".to_owned()),
            ("enable.idempotence", "true".into()),
            ("partitioner", "murmur2_random".into()),
            ("compression.type", self.compression.clone()),
            ("linger.ms", self.linger.as_millis().to_string()),
            ("message.timeout.ms", self.message_timeout.as_millis().to_string()),
            ("queue.buffering.max.kbytes", (self.queue_bytes / 1024).to_string()),
            ("message.max.bytes", self.max_message_bytes.to_string()),
            ("allow.auto.create.topics", "false".into()),
            ("statistics.interval.ms", STATISTICS_EVERY.as_millis().to_string()),
        ];
        properties.extend(own.map(|(name, value)| (name.to_owned(), value)));
        properties.extend(self.properties.0.clone());
        properties
    }

    /// Returns the properties of a consumer or an admin client: those of the connection, without those that only producers know. Such a
    /// client never makes a broker create a topic.
    pub fn connection_properties(&self) -> Vec<(String, String)> {
        let mut properties = self.shared_properties();
        properties.push(("allow.auto.create.topics".into(), "false".into()));
        let pass = self.properties.0.iter().filter(|(name, _)| !properties::is_producer_only(name));
        properties.extend(pass.map(|(name, value)| (name.clone(), value.clone())));
        properties
    }

    fn shared_properties(&self) -> Vec<(String, String)> {
        let mut properties = vec![
            ("bootstrap.servers", self.brokers.join(",")),
            ("client.id", self.client_id.clone()),
            ("socket.timeout.ms", self.socket_timeout.as_millis().to_string()),
            ("socket.nagle.disable", "true".into()),
            ("connections.max.idle.ms", self.connections_max_idle.as_millis().to_string()),
            ("reconnect.backoff.max.ms", self.reconnect_backoff_max.as_millis().to_string()),
            // The default first pause of 100 ms must not exceed the longest one.
            ("reconnect.backoff.ms", self.reconnect_backoff_max.as_millis().min(100).to_string()),
        ];
        let protocol = match (&self.security, &self.sasl) {
            (Security::Plaintext, None) => "plaintext",
            (Security::Plaintext, Some(_)) => "sasl_plaintext",
            (Security::Tls { .. }, None) => "ssl",
            (Security::Tls { .. }, Some(_)) => "sasl_ssl",
        };
        properties.push(("security.protocol", protocol.into()));
        if let Security::Tls { ca_file, certificate_file, key_file } = &self.security {
            let files =
                [("ssl.ca.location", ca_file), ("ssl.certificate.location", certificate_file), ("ssl.key.location", key_file)];
            for (name, file) in files {
                if let Some(file) = file {
                    properties.push((name, file.display().to_string()));
                }
            }
            properties.push(("enable.ssl.certificate.verification", "true".into()));
            properties.push(("ssl.endpoint.identification.algorithm", "https".into()));
        }
        if let Some(sasl) = &self.sasl {
            properties.extend(sasl.properties());
        }
        properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Reads `[kafka]`. Warnings go to `warnings`.
pub(super) fn read(
    mut section: Section<'_>,
    environment: &Environment,
    max_message_bytes: usize,
    warnings: &mut Vec<String>,
) -> Kafka {
    let second = Duration::from_secs(1);
    let positive = Duration::from_millis(1)..=Duration::from_secs(3600);
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"].map(|name| (name, name));
    let brokers = brokers(&mut section);
    let security = security::read(&mut section);
    let sasl = section.optional_table("sasl").and_then(|table| sasl::read(table, &security, &brokers, environment, warnings));
    let kafka = Kafka {
        brokers,
        security,
        sasl,
        client_id: client_id(&mut section),
        compression: section.choice("compression", &codecs, "lz4").into(),
        linger: section.duration("linger", second / 200, &(Duration::ZERO..=second)),
        publish_timeout: section.duration("publish_timeout", second * 19 / 5, &positive),
        message_timeout: section.duration("message_timeout", second * 3, &positive),
        // librdkafka's bounds: socket.timeout.ms is 10 to 300000.
        socket_timeout: section.duration("socket_timeout", second * 3 / 2, &(second / 100..=second * 300)),
        reconnect_backoff_max: section.duration("reconnect_backoff_max", second / 4, &positive),
        connections_max_idle: section.duration("connections_max_idle", second * 60, &(second..=second * 3600)),
        queue_bytes: section.size("queue_bytes", 64 << 20, &(1 << 20..=1 << 40)),
        auto_create: section.boolean("auto_create", false),
        max_message_bytes,
        properties: properties::read(section.map("properties", Vec::new(), Kind::Scalar)),
    };
    if kafka.auto_create && matches!(kafka.sasl, Some(Sasl::Iam(_))) {
        let place = section.written("auto_create").unwrap_or_else(|| section.origin.clone());
        section.complain(
            "auto_create",
            place,
            "does not work with AWS_MSK_IAM; `hookgate topics --format commands` prints the topics",
        );
    }
    // What is wrong by itself was complained about.
    if section.is_needed()
        && !section.has_faults()
        && let Some(why) = (section.reader.client.refuses)(&kafka)
    {
        let place = section.written("properties").unwrap_or_else(|| section.origin.clone());
        section.reader.problem(place, format!("[kafka]: {why}"));
    }
    section.finish();
    kafka
}

fn brokers(section: &mut Section<'_>) -> Vec<String> {
    let [missing, empty] = ["missing", "empty"].map(|it| format!("is {it}; for example: brokers = [\"kafka:9092\"]"));
    let brokers = section.required_list("brokers", &missing, &empty).unwrap_or_default();
    for (broker, origin) in &brokers {
        if !is_host_port(broker) {
            let shown = if hints::may_hold_a_secret(broker) { "a broker".into() } else { format!("{broker:?}") };
            let hint = hints::broker(broker).map_or_else(String::new, |hint| format!("; {hint}"));
            section.complain("brokers", origin.clone(), &format!("{shown} is not host:port, such as \"kafka:9092\"{hint}"));
        }
    }
    for (index, (broker, _)) in brokers.iter().enumerate() {
        if brokers[..index].iter().any(|(earlier, _)| earlier == broker) {
            section.warn("brokers", &format!("{broker:?} is there twice; was another broker meant?"));
        }
    }
    brokers.into_iter().map(|(broker, _)| broker).collect()
}

fn is_host_port(broker: &str) -> bool {
    let Some((host, port)) = broker.rsplit_once(':') else { return false };
    let name =
        |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let address = |host: &str| {
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())
    };
    (name(host) || address(host)) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn client_id(section: &mut Section<'_>) -> String {
    let (text, origin) = section.text_or("client_id", "hookgate");
    let legal = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if text.is_empty() || !legal {
        section.complain("client_id", origin, "must be letters, digits, '.', '-' and '_'");
    }
    text
}
