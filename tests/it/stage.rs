//! A cluster with a configuration for it, for the tests of the commands that read topics back and publish: `reconcile`, `recover`, `replay`.

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use hookgate::{
    app::topic_table,
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, Record, TopicTable},
    kafka::mock::Mock,
    proto::Origin,
    provider::{Provider, by_name},
    signature::{Keys, Secret, Verified},
    signed_url::{SignedUrl, SignedUrls},
};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord},
};
use serde_json::Value;

use crate::{
    binary::{Finished, Folder, hookgate},
    mint::mint,
};

/// The beginning of every configuration.
const CLUSTER: &str = r#"
[kafka]
brokers = ["{brokers}"]
[topics]
prefix = "{prefix}"
partitions = 2
replication = 1
min_insync_replicas = 1
"#;

/// A cluster, and a folder with the configuration and its secrets.
pub struct Stage {
    _mock: Option<Mock>,
    producer: FutureProducer,
    pub folder: Folder,
    /// The beginning of the topics' names.
    pub prefix: String,
    pub encoding: Encoding,
    secrets: &'static [(&'static str, &'static str)],
}

/// The topics of a configuration, which is read with its secrets in variables.
fn topics(tables: &str, secrets: &[(&str, &str)], prefix: &str) -> TopicTable {
    let text = (CLUSTER.to_owned() + tables).replace("{prefix}", prefix).replace("{brokers}", "kafka:9092");
    let variable = |name: &str| name.to_uppercase().replace('.', "_");
    let in_variable = |text: String, name: &str| text.replace(&format!("file:{name}\""), &format!("env:{}\"", variable(name)));
    let text = secrets.iter().fold(text, |text, (name, _)| in_variable(text, name));
    let environment = secrets.iter().map(|(name, text)| (variable(name), *text)).collect();
    topic_table(&hookgate::config::parse(&text, "t", &environment, &[]).expect("a configuration"))
}

impl Stage {
    /// A cluster in this process, which has the topics but cannot look for records by their time. The secrets are files of these names.
    pub fn mock(tables: &str, secrets: &'static [(&'static str, &'static str)]) -> Self {
        let names: Vec<String> = topics(tables, secrets, "t.").by_topic().keys().map(ToString::to_string).collect();
        let mock = Mock::start(&names).expect("a cluster");
        let brokers = mock.brokers().to_owned();
        Self { _mock: Some(mock), ..Self::on(&brokers, "t.", tables, secrets) }
    }

    /// The cluster at these brokers, without topics.
    pub fn on(brokers: &str, prefix: &str, tables: &str, secrets: &'static [(&'static str, &'static str)]) -> Self {
        let folder = Folder::new();
        for (name, text) in secrets {
            folder.write(name, text);
        }
        let text = CLUSTER.to_owned() + tables;
        folder.write("hookgate.toml", text.replace("{prefix}", prefix).replace("{brokers}", brokers));
        let producer = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a producer");
        let (topics, framing) = (topics(tables, secrets, prefix), Framing::default());
        let encoding = Encoding { topics, framing, record_bytes_max: 1_000_000, origin: Origin::Webhook };
        Self { _mock: None, producer, folder, prefix: prefix.to_owned(), encoding, secrets }
    }

    /// The secret of this name.
    pub fn secret(&self, name: &str) -> &'static str {
        self.secrets.iter().find(|(it, _)| *it == name).expect("known").1
    }

    /// Stores records as they are, and waits until all are stored.
    pub fn store(&self, records: &[Record]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _entered = runtime.enter();
        let reports: Vec<_> = records.iter().map(|record| self.send(record)).collect();
        for report in reports {
            runtime.block_on(report).expect("reported").expect("stored");
        }
    }

    fn send(&self, record: &Record) -> DeliveryFuture {
        let header = |headers: OwnedHeaders, key, value| headers.insert(Header { key, value: Some(value) });
        let headers =
            record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| header(headers, key, value.as_ref()));
        let stored = FutureRecord::to(&record.topic).key(&record.key).payload(&record.value).headers(headers);
        self.producer.send_result(stored.timestamp(record.timestamp_ms)).unwrap_or_else(|(error, _)| panic!("{error}"))
    }

    /// Runs a command. No secret may be shown.
    pub fn run(&self, line: &str) -> Finished {
        let finished = hookgate(&self.folder, &line.split_whitespace().collect::<Vec<_>>());
        for (name, text) in self.secrets {
            assert!(!finished.both().contains(text), "{name} is shown: {finished:?}");
        }
        finished
    }

    /// The events of all topics, as `tail` shows them with these flags. They may hold signatures, which no other command may show.
    pub fn tail(&self, flags: &[&str]) -> Vec<Value> {
        let mut tail = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        let tail = tail.args(["tail", "--from-beginning", "--exit", "--format", "json"]).args(flags);
        let shown = tail.arg("--config").arg(self.folder.path("hookgate.toml")).output().expect("run").stdout;
        String::from_utf8(shown).expect("text").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// A delivery as the daemon has proven it.
pub fn proven(endpoint: &str, provider: &str, secret: &str, body: &[u8], at: SystemTime) -> (Verified, &'static Provider) {
    let provider = by_name(provider).expect("known");
    let key = Secret::new(secret.as_bytes()).expect("a secret");
    let signed: Vec<String> = provider.sign(body, &key, at).into_iter().map(|(_, value)| value).collect();
    let credential = if signed.is_empty() { Credential::Token(secret.into()) } else { Credential::Headers(signed) };
    (proven_by(credential, (endpoint, provider), key, body, at), provider)
}

/// A delivery of FileSafety's as the daemon has proven it, on a signed URL with this reference.
pub fn proven_with(reference: &str, endpoint: &str, secret: &str, body: &[u8], at: SystemTime) -> (Verified, &'static Provider) {
    let provider = by_name("filesafety").expect("known");
    let key = Secret::new(secret.as_bytes()).expect("a secret");
    let url = SignedUrl::parse(&mint(secret, endpoint, reference, "never")).expect("a signed URL");
    (proven_by(Credential::SignedUrl(url), (endpoint, provider), key, body, at), provider)
}

fn proven_by(
    credential: Credential,
    (endpoint, provider): (&str, &Provider),
    key: Secret,
    body: &[u8],
    at: SystemTime,
) -> Verified {
    let (content_type, body) = ("application/json".into(), body.to_vec().into());
    let delivery = Delivery { endpoint: endpoint.into(), credential, content_type, body, received_at: at };
    let keys = Keys {
        secrets: vec![(1, key)],
        secret_missing: false,
        tolerance: Duration::from_secs(300),
        signed_urls: SignedUrls::Optional,
    };
    provider.verify(delivery, &keys).expect("proven")
}
