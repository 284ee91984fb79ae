//! A cluster, stand-ins of the providers' APIs, and a configuration with both, for the tests of `reconcile` and `recover`.

use std::{
    collections::BTreeSet,
    time::{Duration, UNIX_EPOCH},
};

use hookgate::{
    encode::encode,
    event::{Event, Fault, FaultReason},
};
use hookgate_stubs::{
    Stub,
    time::{Micros, SECOND, shortest},
    uploadcare::File,
};
use serde_json::{Value, json};

use crate::{
    binary::Finished,
    stage::{Stage, proven, proven_with},
};

/// The endpoints, and where the stand-ins are.
const CONFIGURATION: &str = r#"
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
workspaces = ["a0000000-0000-4000-8000-000000000002"]
client_id = "client"
client_secret = "file:frameio.key"
[recover.filespin]
base_url = "{url}"
api_key = "file:filespin.key"
"#;

const KEYS: [(&str, &str); 8] = [
    ("photos", "photos-secret-of-some-length"),
    ("scans", "scans-token-of-some-length"),
    ("review", "review-secret-of-some-length"),
    ("assets", "assets-token-of-some-length"),
    ("uploadcare.key", "demoprivatekey"),
    ("filesafety.key", "fs_live_0123456789abcdef0123456789abcdef"),
    ("frameio.key", "client-secret"),
    ("filespin.key", "0123456789abcdef0123456789abcdef"),
];

/// A webhook: endpoint, provider, body, and when it arrives.
pub type ArrivingWebhook<'a> = (&'a str, &'a str, Vec<u8>, Micros);

/// A cluster, the stand-ins and a configuration with both.
pub struct World {
    pub stub: Stub,
    pub stage: Stage,
    /// The beginning of the window, in whole seconds.
    pub begin: Micros,
}

impl World {
    /// A world with a cluster in this process, which has the topics but cannot look for records by their time.
    pub fn mock() -> Self {
        Self::with(|tables| Stage::mock(tables, &KEYS))
    }

    /// A world with the cluster at these brokers, without topics.
    pub fn on(brokers: &str, prefix: &str) -> Self {
        Self::with(|tables| Stage::on(brokers, prefix, tables, &KEYS))
    }

    /// The same, but the endpoint of photos has topics of its own.
    pub fn with_own_topics(brokers: &str, prefix: &str, topic_prefix: &str) -> Self {
        let table = "[endpoints.photos]\n";
        let own = format!("{table}topic_prefix = \"{topic_prefix}\"\n");
        Self::with(|tables| Stage::on(brokers, prefix, &tables.replace(table, &own), &KEYS))
    }

    fn with(stage: impl Fn(&str) -> Stage) -> Self {
        let stub = Stub::start();
        let stage = stage(&CONFIGURATION.replace("{url}", &stub.url()));
        let now = hookgate::clock::system().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let begin = (i64::try_from(now).expect("fits") - 86_400) * SECOND;
        Self { stub, stage, begin }
    }

    /// Publishes a webhook as the daemon would have done.
    pub fn deliver(&self, endpoint: &str, provider: &str, body: &Value, at: Micros) {
        self.deliver_all(&[(endpoint, provider, body.to_string().into_bytes(), at)]);
    }

    /// Publishes webhooks as the daemon would have done.
    pub fn deliver_all(&self, webhooks: &[ArrivingWebhook<'_>]) {
        let record = |(endpoint, provider, body, at): &ArrivingWebhook<'_>| {
            let at = UNIX_EPOCH + Duration::from_micros(at.unsigned_abs());
            let (verified, provider) = proven(endpoint, provider, self.stage.secret(endpoint), body, at);
            let event = (provider.classify)(&verified);
            encode(verified, provider, event, &self.stage.encoding)
        };
        self.stage.store(&webhooks.iter().map(record).collect::<Vec<_>>());
    }

    /// Publishes a webhook of FileSafety's that came in on a signed URL, as the daemon would have done.
    pub fn deliver_signed(&self, reference: &str, body: &Value, at: Micros) {
        let at = UNIX_EPOCH + Duration::from_micros(at.unsigned_abs());
        let body = body.to_string();
        let (verified, provider) = proven_with(reference, "scans", self.stage.secret("scans"), body.as_bytes(), at);
        let event = (provider.classify)(&verified);
        self.stage.store(&[encode(verified, provider, event, &self.stage.encoding)]);
    }

    /// Publishes a webhook as an older version would have done that could not read it.
    pub fn quarantine(&self, endpoint: &str, provider: &str, body: &Value, at: Micros) {
        let at = UNIX_EPOCH + Duration::from_micros(at.unsigned_abs());
        let (verified, provider) = proven(endpoint, provider, self.stage.secret(endpoint), body.to_string().as_bytes(), at);
        let fault = Fault { reason: FaultReason::NotJson, detail: "an older rule".into() };
        self.stage.store(&[encode(verified, provider, Event::quarantined(fault), &self.stage.encoding)]);
    }

    pub fn run(&self, line: &str) -> Finished {
        self.stage.run(line)
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
        let lines = self.stage.tail(&[]);
        lines.iter().map(|line| json!({ "event": line["event"], "headers": line["headers"] })).collect()
    }

    /// The webhook of a file of Uploadcare.
    pub fn photo(&self, event_type: &str, uuid: &str) {
        let file = self.stub.books().uploadcare.file(uuid).clone();
        self.deliver_all(&[("photos", "uploadcare", photo(event_type, &file), file.uploaded + 5 * SECOND)]);
    }
}

/// Returns the body of a webhook about a file of Uploadcare.
pub fn photo(event_type: &str, file: &File) -> Vec<u8> {
    let time = |time: Option<Micros>| time.map(shortest);
    let scan = file
        .infected
        .map(|at| json!({ "uc_clamav_virus_scan": { "data": { "infected": true }, "datetime_updated": shortest(at) } }));
    let body = json!({
        "hook": { "event": event_type },
        "data": { "uuid": file.uuid, "datetime_uploaded": shortest(file.uploaded), "datetime_stored": time(file.stored),
            "datetime_removed": time(file.removed), "appdata": scan },
    });
    body.to_string().into_bytes()
}

pub fn row(name: &str, state: &str, known: u64, missing: u64) -> (String, String, Option<u64>, Option<u64>) {
    (name.into(), state.into(), Some(known), Some(missing))
}
