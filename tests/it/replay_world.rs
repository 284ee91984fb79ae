//! A cluster with what an older Hookgate has stored, for the tests of `replay`.

use std::{
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hookgate::{
    app::topic_table,
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, TopicTable, encode},
    event::{Event, EventKind, Fault, FaultReason},
    kafka::mock::Mock,
    proto::Origin,
    provider::by_name,
    signature::{Keys, Secret},
};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::Value;

use crate::binary::{Finished, Folder, hookgate};

const CONFIGURATION: &str = r#"
[kafka]
brokers = ["{brokers}"]
[topics]
prefix = "{prefix}"
partitions = 2
replication = 1
min_insync_replicas = 1
[endpoints.photos]
provider = "uploadcare"
secrets = ["file:photos"]
[endpoints.scans]
provider = "filesafety"
secrets = ["file:scans"]
"#;

const SECRETS: [(&str, &str); 2] = [("photos", "photos-secret-of-some-length"), ("scans", "scans-token-of-some-length")];

/// How an older version has read a delivery.
#[derive(Clone, Copy)]
pub enum Before {
    /// It had no type.
    Unclassified,
    /// It was not readable.
    Quarantined(FaultReason),
}

/// A cluster, and a configuration for it.
pub struct Past {
    _mock: Option<Mock>,
    producer: FutureProducer,
    pub folder: Folder,
    encoding: Encoding,
    /// A time of whole seconds, some hours ago.
    pub begin: SystemTime,
}

fn topics(prefix: &str) -> TopicTable {
    let text = CONFIGURATION.replace("{prefix}", prefix).replace("{brokers}", "kafka:9092");
    let text = SECRETS
        .iter()
        .fold(text, |text, (name, _)| text.replace(&format!("file:{name}"), &format!("env:{}", name.to_uppercase())));
    let environment = SECRETS.iter().map(|(name, text)| (name.to_uppercase(), *text)).collect();
    topic_table(&hookgate::config::parse(&text, "t", &environment, &[]).expect("a configuration"))
}

impl Past {
    /// A cluster in this process, which has the topics but cannot look for records by their time.
    pub fn mock() -> Self {
        let names: Vec<String> = topics("t.").by_topic().keys().map(ToString::to_string).collect();
        let mock = Mock::start(&names).expect("a cluster");
        let brokers = mock.brokers().to_owned();
        Self { _mock: Some(mock), ..Self::on(&brokers, "t.") }
    }

    /// The cluster at these brokers, without topics.
    pub fn on(brokers: &str, prefix: &str) -> Self {
        let folder = Folder::new();
        for (name, text) in SECRETS {
            folder.write(name, text);
        }
        folder.write("hookgate.toml", CONFIGURATION.replace("{prefix}", prefix).replace("{brokers}", brokers));
        let producer = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a producer");
        let (topics, framing) = (topics(prefix), Framing::default());
        let encoding = Encoding { topics, framing, record_bytes_max: 1_000_000, origin: Origin::Webhook };
        let now = hookgate::clock::system().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        Self { _mock: None, producer, folder, encoding, begin: UNIX_EPOCH + Duration::from_secs(now - 6 * 3600) }
    }

    /// Stores a delivery of an endpoint as an older version would have done, so many seconds after the beginning. Returns its id.
    pub fn store(&self, endpoint: &str, secret: &str, body: &str, seconds: u64, before: Before) -> String {
        let provider = by_name(if endpoint == "scans" { "filesafety" } else { "uploadcare" }).expect("known");
        let received_at = self.begin + Duration::from_secs(seconds);
        let key = Secret::new(secret.as_bytes()).expect("a secret");
        let signed: Vec<String> = provider.sign(body.as_bytes(), &key, received_at).into_iter().map(|(_, value)| value).collect();
        let credential = if signed.is_empty() { Credential::Token(secret.into()) } else { Credential::Headers(signed) };
        let content_type = "application/json".into();
        let delivery =
            Delivery { endpoint: endpoint.into(), credential, content_type, body: body.to_owned().into(), received_at };
        let keys = Keys { secrets: vec![(1, key)], secret_missing: false, tolerance: Duration::from_secs(300) };
        let verified = provider.verify(delivery, &keys).expect("proven");
        let event = match before {
            Before::Unclassified => {
                Event { subject: Some("s".into()), ..Event::new(EventKind::Unclassified { provider: provider.name }, "file.odd") }
            }
            Before::Quarantined(reason) => Event::quarantined(Fault { reason, detail: "an older rule".into() }),
        };
        let record = encode(verified, provider, event, &self.encoding);
        let headers = (record.headers.iter())
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value.as_ref()) }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let stored = FutureRecord::to(&record.topic).key(&record.key).payload(&record.value).headers(headers);
        runtime.block_on(self.producer.send(stored.timestamp(record.timestamp_ms), Duration::from_secs(10))).expect("stored");
        record.id
    }

    /// Stores a photo that today's version can read.
    pub fn photo(&self, uuid: &str, seconds: u64, before: Before) -> String {
        self.store("photos", SECRETS[0].1, &photo(uuid), seconds, before)
    }

    /// Stores a scan, whose proof was a token.
    pub fn scan(&self, id: &str, seconds: u64) -> String {
        let body = format!(r#"{{"event":"scan.complete","scan_id":"{id}","verdict":"clean"}}"#);
        self.store("scans", SECRETS[1].1, &body, seconds, Before::Quarantined(FaultReason::NoSubject))
    }

    /// Runs a command. No secret may be shown.
    pub fn run(&self, line: &str) -> Finished {
        let finished = hookgate(&self.folder, &line.split_whitespace().collect::<Vec<_>>());
        for (name, text) in SECRETS {
            assert!(!finished.both().contains(text), "{name} is shown: {finished:?}");
        }
        finished
    }

    /// Replays, and returns the ids that were published, in order.
    pub fn replay(&self, line: &str, code: i32) -> Vec<String> {
        let finished = self.run(&format!("replay --yes --format json {line}"));
        assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
        let id = |line: &Value| Some(line["published"]["id"].as_str()?.to_owned());
        finished.json_lines().iter().filter_map(id).collect()
    }

    /// Says what a replay would do: reason, outcome and number of records.
    pub fn plan(&self, line: &str, code: i32) -> Vec<(String, String, u64)> {
        let finished = self.run(&format!("replay --dry-run --format json {line}"));
        assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
        let text = |plan: &Value, key: &str| plan[key].as_str().expect("text").to_owned();
        let row = |line: &Value| {
            let plan = line.get("plan").expect("nothing is published");
            (text(plan, "reason"), text(plan, "outcome"), plan["records"].as_u64().expect("a number"))
        };
        finished.json_lines().iter().map(row).collect()
    }

    /// The replayed events on all topics, as `tail` shows them.
    pub fn replayed(&self) -> Vec<Value> {
        let mut tail = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        let flags = ["tail", "--from-beginning", "--exit", "--format", "json", "--origin", "replayed", "--config"];
        let shown = tail.args(flags).arg(self.folder.path("hookgate.toml")).output().expect("run").stdout;
        String::from_utf8(shown).expect("text").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// The webhook of a stored file.
pub fn photo(uuid: &str) -> String {
    format!(r#"{{"hook":{{"event":"file.stored"}},"data":{{"uuid":"{uuid}"}}}}"#)
}

pub fn row(reason: &str, outcome: &str, records: u64) -> (String, String, u64) {
    (reason.into(), outcome.into(), records)
}
