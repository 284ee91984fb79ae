//! A cluster, stand-ins of the providers' APIs, and a configuration with both, for the tests of `reconcile` and `recover`.

use std::{
    collections::BTreeSet,
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

use hookgate::{
    app::topic_table,
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, TopicTable, encode},
    kafka::mock::Mock,
    proto::Origin,
    provider::by_name,
    signature::{Keys, Secret},
};
use hookgate_stubs::{
    Stub,
    time::{Micros, SECOND, shortest},
};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord},
};
use serde_json::{Value, json};

use crate::binary::{Finished, Folder, hookgate};

/// The endpoints, and where the stand-ins are.
const CONFIGURATION: &str = r#"
[kafka]
brokers = ["{brokers}"]
[topics]
prefix = "{prefix}"
partitions = 2
replication = 1
min_insync_replicas = 1
[topics.map]
"frameio.*" = "{prefix}frameio"
[endpoints.photos]
provider = "uploadcare"
secrets = ["file:photos"]
[endpoints.scans]
provider = "filesafety"
secrets = ["file:scans"]
[endpoints.review]
provider = "frameio"
secrets = ["file:review"]
[endpoints.assets]
provider = "filespin"
secrets = ["file:assets"]
[recover.uploadcare]
base_url = "{url}"
public_key = "demopublickey"
secret_key = "file:uploadcare.key"
[recover.filesafety]
base_url = "{url}"
api_key = "file:filesafety.key"
[recover.frameio]
base_url = "{url}"
token_url = "{url}/ims/token/v3"
account = "a0000000-0000-4000-8000-000000000001"
workspaces = ["w"]
client_id = "client"
client_secret = "file:frameio.key"
[recover.filespin]
base_url = "{url}"
api_key = "file:filespin.key"
"#;

pub const KEYS: [(&str, &str); 8] = [
    ("photos", "photos-secret-of-some-length"),
    ("scans", "scans-token-of-some-length"),
    ("review", "review-secret-of-some-length"),
    ("assets", "assets-token-of-some-length"),
    ("uploadcare.key", "demoprivatekey"),
    ("filesafety.key", "fs_live_0123456789abcdef0123456789abcdef"),
    ("frameio.key", "client-secret"),
    ("filespin.key", "0123456789abcdef0123456789abcdef"),
];

/// A cluster, the stand-ins and a configuration with both.
pub struct World {
    pub stub: Stub,
    _mock: Option<Mock>,
    producer: FutureProducer,
    pub folder: Folder,
    encoding: Encoding,
    /// The beginning of the window, in whole seconds.
    pub begin: Micros,
}

/// The topics of the configuration, which is read with its secrets in variables.
fn topics(prefix: &str) -> TopicTable {
    let text =
        CONFIGURATION.replace("{url}", "http://127.0.0.1:1").replace("{prefix}", prefix).replace("{brokers}", "kafka:9092");
    let variable = |name: &str| name.to_uppercase().replace('.', "_");
    let text =
        KEYS.iter().fold(text, |text, (name, _)| text.replace(&format!("file:{name}\""), &format!("env:{}\"", variable(name))));
    let environment = KEYS.iter().map(|(name, text)| (variable(name), *text)).collect();
    topic_table(&hookgate::config::parse(&text, "t", &environment, &[]).expect("a configuration"))
}

impl World {
    /// A world with a cluster in this process, which has the topics but cannot look for records by their time.
    pub fn mock() -> Self {
        let names: Vec<String> = topics("t.").by_topic().keys().map(ToString::to_string).collect();
        let mock = Mock::start(&names).expect("a cluster");
        let brokers = mock.brokers().to_owned();
        Self { _mock: Some(mock), ..Self::on(&brokers, "t.") }
    }

    /// A world with the cluster at these brokers, without topics.
    pub fn on(brokers: &str, prefix: &str) -> Self {
        let (stub, folder) = (Stub::start(), Folder::new());
        for (name, text) in KEYS {
            folder.write(name, text);
        }
        let text = CONFIGURATION.replace("{url}", &stub.url()).replace("{prefix}", prefix).replace("{brokers}", brokers);
        folder.write("hookgate.toml", text);
        let producer = ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a producer");
        let encoding = Encoding {
            topics: topics(prefix),
            framing: Framing::default(),
            record_bytes_max: 1_000_000,
            origin: Origin::Webhook,
        };
        let now = hookgate::clock::system().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let begin = (i64::try_from(now).expect("fits") - 86_400) * SECOND;
        Self { stub, _mock: None, producer, folder, encoding, begin }
    }

    /// Publishes a webhook as the daemon would have done.
    pub fn deliver(&self, endpoint: &str, provider: &str, body: &Value, at: Micros) {
        self.deliver_all(&[(endpoint, provider, body.to_string().into_bytes(), at)]);
    }

    /// Publishes webhooks as the daemon would have done: endpoint, provider, body and time of arrival of each.
    pub fn deliver_all(&self, webhooks: &[(&str, &str, Vec<u8>, Micros)]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _entered = runtime.enter();
        let reports: Vec<_> =
            webhooks.iter().map(|(endpoint, provider, body, at)| self.send(endpoint, provider, body, *at)).collect();
        for report in reports {
            runtime.block_on(report).expect("reported").expect("stored");
        }
    }

    fn send(&self, endpoint: &str, provider: &str, body: &[u8], at: Micros) -> DeliveryFuture {
        let provider = by_name(provider).expect("known");
        let secret = KEYS.iter().find(|(name, _)| *name == endpoint).expect("known").1;
        let received_at = UNIX_EPOCH + Duration::from_micros(at.unsigned_abs());
        let key = Secret::new(secret.as_bytes()).expect("a secret");
        let signed: Vec<String> = provider.sign(body, &key, received_at).into_iter().map(|(_, value)| value).collect();
        let credential = if signed.is_empty() { Credential::Token(secret.into()) } else { Credential::Headers(signed) };
        let body = body.to_vec().into();
        let delivery =
            Delivery { endpoint: endpoint.into(), credential, content_type: "application/json".into(), body, received_at };
        let keys = Keys { secrets: vec![(1, key)], secret_missing: false, tolerance: Duration::from_secs(300) };
        let verified = provider.verify(delivery, &keys).expect("proven");
        let event = (provider.classify)(&verified);
        let record = encode(verified, provider, event, &self.encoding);
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value.as_ref()) }));
        let stored = FutureRecord::to(&record.topic).key(&record.key).payload(&record.value).headers(headers);
        self.producer.send_result(stored.timestamp(record.timestamp_ms)).unwrap_or_else(|(error, _)| panic!("{error}"))
    }

    pub fn run(&self, line: &str) -> Finished {
        let finished = hookgate(&self.folder, &line.split_whitespace().collect::<Vec<_>>());
        for (name, text) in KEYS {
            assert!(!finished.both().contains(text), "{name} is shown: {finished:?}");
        }
        finished
    }

    /// The times of the window as flags: an hour from its beginning.
    pub fn window(&self) -> String {
        format!("--since {} --until {}", shortest(self.begin), shortest(self.begin + 3600 * SECOND))
    }

    /// Reconciles the window, and returns the report: type, state, and how many are known and missing.
    pub fn reconcile(&self, line: &str, code: i32) -> Vec<(String, String, Option<u64>, Option<u64>)> {
        let finished = self.run(&format!("reconcile {line} {}", self.window()));
        assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
        let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let row = |line: &Value| (text(line, "type"), text(line, "state"), line["known"].as_u64(), line["missing"].as_u64());
        finished.json_lines().iter().map(row).collect()
    }

    /// Recovers the window, and returns type and subject of what was published, each of which must be there once.
    pub fn recover(&self, line: &str, code: i32) -> BTreeSet<(String, String)> {
        let published = self.recover_all(line, code);
        let once: BTreeSet<_> = published.iter().cloned().collect();
        assert_eq!(once.len(), published.len(), "{published:?}");
        once
    }

    /// Recovers the window, and returns type and subject of what was published.
    pub fn recover_all(&self, line: &str, code: i32) -> Vec<(String, String)> {
        let finished = self.run(&format!("recover {line} {} --yes", self.window()));
        assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
        let text = |line: &Value, key: &str| line["published"][key].as_str().expect("published").to_owned();
        finished.json_lines().iter().map(|line| (text(line, "kind"), text(line, "subject"))).collect()
    }

    /// The events of all topics, as `tail` shows them.
    pub fn events(&self) -> Vec<Value> {
        let mut tail = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        let tail =
            tail.args(["tail", "--from-beginning", "--exit", "--format", "json", "--config", &self.folder.path("hookgate.toml")]);
        let shown = String::from_utf8(tail.output().expect("run").stdout).expect("text");
        let lines: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        lines.iter().map(|line| json!({ "event": line["event"], "headers": line["headers"] })).collect()
    }

    /// The webhook of a file of Uploadcare.
    pub fn photo(&self, event_type: &str, uuid: &str) {
        let file = self.stub.books().uploadcare.file(uuid).clone();
        let time = |time: Option<Micros>| time.map(shortest);
        let scan = file
            .infected
            .map(|at| json!({ "uc_clamav_virus_scan": { "data": { "infected": true }, "datetime_updated": shortest(at) } }));
        let body = json!({
            "hook": { "event": event_type },
            "data": { "uuid": uuid, "datetime_uploaded": shortest(file.uploaded), "datetime_stored": time(file.stored),
                "datetime_removed": time(file.removed), "appdata": scan },
        });
        self.deliver("photos", "uploadcare", &body, file.uploaded + 5 * SECOND);
    }
}

pub fn row(name: &str, state: &str, known: u64, missing: u64) -> (String, String, Option<u64>, Option<u64>) {
    (name.into(), state.into(), Some(known), Some(missing))
}
