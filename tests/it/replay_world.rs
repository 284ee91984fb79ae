//! A cluster with what an older Hookgate has stored, for the tests of `replay`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hookgate::{
    encode::{Record, encode},
    event::{Event, EventKind, Fault, FaultReason},
};
use serde_json::Value;

use crate::{
    binary::Finished,
    stage::{Stage, proven},
};

const CONFIGURATION: &str = r#"
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
    pub stage: Stage,
    /// A time of whole seconds, some hours ago.
    pub begin: SystemTime,
}

impl Past {
    /// A cluster in this process, which has the topics but cannot look for records by their time.
    pub fn mock() -> Self {
        Self::with(Stage::mock(CONFIGURATION, &SECRETS))
    }

    /// The same, but the endpoint of photos has topics of its own.
    pub fn with_own_topics(topic_prefix: &str) -> Self {
        let secrets = "secrets = [\"file:photos\"]\n";
        let tables = CONFIGURATION.replace(secrets, &format!("{secrets}topic_prefix = \"{topic_prefix}\"\n"));
        Self::with(Stage::mock(&tables, &SECRETS))
    }

    /// The cluster at these brokers, without topics.
    pub fn on(brokers: &str, prefix: &str) -> Self {
        Self::configured(brokers, prefix, "")
    }

    /// The same with more tables in the configuration.
    pub fn configured(brokers: &str, prefix: &str, tables: &str) -> Self {
        Self::with(Stage::on(brokers, prefix, &format!("{CONFIGURATION}{tables}"), &SECRETS))
    }

    fn with(stage: Stage) -> Self {
        let now = hookgate::clock::system().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        Self { stage, begin: UNIX_EPOCH + Duration::from_secs(now - 6 * 3600) }
    }

    /// Stores a delivery of an endpoint as an older version would have done, so many seconds after the beginning. Returns its id.
    pub fn store(&self, endpoint: &str, secret: &str, body: &str, seconds: u64, before: Before) -> String {
        let record = self.record(endpoint, secret, body, seconds, before);
        self.stage.store(std::slice::from_ref(&record));
        record.id
    }

    /// Returns the record that `store` stores.
    fn record(&self, endpoint: &str, secret: &str, body: &str, seconds: u64, before: Before) -> Record {
        let provider = if endpoint == "scans" { "filesafety" } else { "uploadcare" };
        let received_at = self.begin + Duration::from_secs(seconds);
        let (verified, provider) = proven(endpoint, provider, secret, body.as_bytes(), received_at);
        let event = match before {
            Before::Unclassified => {
                Event { subject: Some("s".into()), ..Event::new(EventKind::Unclassified { provider: provider.name }, "file.odd") }
            }
            Before::Quarantined(reason) => Event::quarantined(Fault { reason, detail: "an older rule".into() }),
        };
        encode(verified, provider, event, &self.stage.encoding)
    }

    /// Stores a photo that today's version can read.
    pub fn photo(&self, uuid: &str, seconds: u64, before: Before) -> String {
        self.store("photos", SECRETS[0].1, &photo(uuid), seconds, before)
    }

    /// Stores this many quarantined photos, a second apart. Returns their ids.
    pub fn photos(&self, number: u64) -> Vec<String> {
        let before = Before::Quarantined(FaultReason::NotJson);
        let record = |number: u64| self.record("photos", SECRETS[0].1, &photo(&format!("u{number:05}")), number, before);
        let records: Vec<Record> = (0..number).map(record).collect();
        self.stage.store(&records);
        records.into_iter().map(|record| record.id).collect()
    }

    /// Stores a quarantined photo with a change that Hookgate would not have made.
    pub fn changed_photo(&self, uuid: &str, seconds: u64, change: impl FnOnce(&mut Record)) {
        let mut record = self.record("photos", SECRETS[0].1, &photo(uuid), seconds, Before::Quarantined(FaultReason::NotJson));
        change(&mut record);
        self.stage.store(&[record]);
    }

    /// Takes the endpoint `scans` out of the configuration.
    pub fn remove_scans(&self) {
        let text = std::fs::read_to_string(self.stage.folder.path("hookgate.toml")).expect("text");
        let (before, _) = text.split_once("[endpoints.scans]").expect("there");
        self.stage.folder.write("hookgate.toml", before);
    }

    /// Stores a scan, whose proof was a token.
    pub fn scan(&self, id: &str, seconds: u64) -> String {
        let body = format!(r#"{{"event":"scan.complete","scan_id":"{id}","verdict":"clean"}}"#);
        self.scan_of(&body, seconds, Before::Quarantined(FaultReason::NoSubject))
    }

    /// Stores a webhook of the endpoint of scans.
    pub fn scan_of(&self, body: &str, seconds: u64, before: Before) -> String {
        self.store("scans", SECRETS[1].1, body, seconds, before)
    }

    pub fn run(&self, line: &str) -> Finished {
        self.stage.run(line)
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
        self.stage.tail(&["--origin", "replayed"])
    }
}

/// The webhook of a stored file.
pub fn photo(uuid: &str) -> String {
    format!(r#"{{"hook":{{"event":"file.stored"}},"data":{{"uuid":"{uuid}"}}}}"#)
}

pub fn row(reason: &str, outcome: &str, records: u64) -> (String, String, u64) {
    (reason.into(), outcome.into(), records)
}
