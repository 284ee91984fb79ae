//! A table of requests. Each row must be answered as expected. At the end the topics must have the accepted deliveries and nothing else,
//! and the metrics must count every request once.

use std::collections::BTreeMap;

use crate::harness::Stored;
use serde_json::Value;

use crate::harness::{Answer, Daemon, Setup, request, signed};

/// A request to make.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn post(path: impl Into<String>, headers: Vec<(String, String)>, body: &[u8]) -> Self {
        Self { method: "POST", path: path.into(), headers, body: body.to_vec() }
    }

    /// Returns a request with a body and the proof that its endpoint demands.
    pub fn signed(endpoint: &str, body: &[u8]) -> Self {
        let (path, headers) = signed(endpoint, body);
        Self::post(path, headers, body)
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// A daemon, and the answers that it has given.
pub struct Table {
    pub daemon: Daemon,
    /// How often each outcome was answered, by endpoint.
    outcomes: BTreeMap<(String, String), u64>,
    /// The ids of the accepted deliveries, each with its outcome.
    accepted: Vec<(String, String)>,
}

impl Table {
    pub fn new() -> Self {
        Self::with(Setup::default())
    }

    pub fn with(setup: Setup<'_>) -> Self {
        Self { daemon: Daemon::with(setup), outcomes: BTreeMap::new(), accepted: Vec::new() }
    }

    /// Sends a request and checks the status and the outcome of its answer, such as `401 bad_token` or `200 quarantined`.
    pub fn check(&mut self, what: &str, ask: &Ask, expected: &str) -> Answer {
        let headers: Vec<_> = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = request(self.daemon.webhooks, ask.method, &ask.path, &headers, &ask.body);
        self.expect(what, ask, &answer, expected);
        answer
    }

    /// Checks an answer to a request that the caller has sent itself.
    pub fn expect(&mut self, what: &str, ask: &Ask, answer: &Answer, expected: &str) {
        let (status, outcome) = expected.split_once(' ').unwrap();
        let what = format!("{what}: {} {}", ask.method, ask.path);
        assert_eq!(answer.status.to_string(), status, "{what}: {answer:?}");
        if status == "200" {
            self.accepted.push((id(answer), outcome.into()));
        } else {
            problem(&what, ask, answer, outcome);
        }
        let named = ask.path.strip_prefix("/webhooks/").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        let endpoint = if matches!(outcome, "unknown_endpoint" | "bad_request") { "_unmatched" } else { named };
        *self.outcomes.entry((endpoint.into(), outcome.into())).or_default() += 1;
    }

    /// Compares the topics and the metrics with the answers. Returns all records.
    pub fn finish(self) -> Vec<Stored> {
        assert_eq!(outcomes(&self.daemon), self.outcomes, "one outcome for each request");
        let records = self.daemon.records();
        let mut stored: Vec<_> = records.iter().map(|record| (header(record, "ce_id").into(), class(&record.topic))).collect();
        let mut accepted = self.accepted;
        stored.sort();
        accepted.sort();
        assert_eq!(stored, accepted, "the topics have the accepted deliveries and nothing else");
        records
    }
}

/// Returns the outcome whose records are on a topic.
fn class(topic: &str) -> String {
    match topic.rsplit('.').next() {
        Some("quarantine") => "quarantined",
        Some("unclassified") => "unclassified",
        _ => "published",
    }
    .into()
}

/// Returns the id in an answer of 200.
pub fn id(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    body["id"].as_str().unwrap().to_owned()
}

/// Checks what all refusals have in common.
fn problem(what: &str, ask: &Ask, answer: &Answer, label: &str) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    let expects = |status, name, value| {
        let expected = (answer.status == status).then_some(value);
        assert_eq!(answer.header(name), expected, "{what}: {name}");
    };
    expects(401, "www-authenticate", "Webhook");
    expects(405, "allow", "POST");
    expects(503, "retry-after", "5");
    if ask.method == "HEAD" {
        return assert_eq!(answer.body, "", "{what}");
    }
    assert_eq!(answer.label(), label, "{what}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((members, body["status"].as_u64()), (vec!["type", "title", "status"], Some(answer.status.into())), "{what}");
    // The answer quotes no part of the request, so it does not show a secret that was guessed or mistyped.
    let token = ask.path.split(['/', '?', '=']).skip(3).map(str::to_owned);
    let values = ask.headers.iter().map(|(_, value)| value.clone());
    let sent = values.chain(token).chain([String::from_utf8_lossy(&ask.body).into_owned()]);
    for text in sent.filter(|text| text.len() > 8) {
        assert!(!answer.body.contains(&text), "{what}: the answer quotes the request");
    }
}

/// Returns how often each outcome is counted, by endpoint, without those that are zero.
pub fn outcomes(daemon: &Daemon) -> BTreeMap<(String, String), u64> {
    let text = daemon.admin("/metrics").body;
    let series = text.lines().filter_map(|line| line.strip_prefix("hookgate_deliveries_total{")?.split_once("} "));
    let label = |labels: &str, name: &str| labels.split(name).nth(1)?.split('"').nth(1).map(str::to_owned);
    let counted = series.map(|(labels, count)| {
        let key = (label(labels, "endpoint=").unwrap(), label(labels, "outcome=").unwrap());
        (key, count.parse().unwrap())
    });
    counted.filter(|(_, count)| *count > 0).collect()
}

/// Returns the value of a record header. The record must have it exactly once.
pub fn header<'a>(record: &'a Stored, name: &str) -> &'a str {
    let mut values = record.headers.iter().filter(|(it, _)| it == name).map(|(_, value)| value.as_str());
    let value = values.next().unwrap_or_else(|| panic!("no {name} on a record of {}", record.topic));
    assert_eq!(values.next(), None, "{name} twice");
    value
}
