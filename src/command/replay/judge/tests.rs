use std::time::{Duration, UNIX_EPOCH};

use prost_types::Timestamp;

use ReplayOutcome::{Altered, NoBody, NoEndpoint, NoProof, OtherProof, Passes, StillFails};

use super::*;
use crate::{
    config,
    proto::{Event, Proof, SignatureHeader},
    provider::by_name,
    signature::Secret,
};

const CONFIGURATION: &str = r#"
[kafka]
brokers = ["kafka:9092"]
[endpoints.photos]
provider = "uploadcare"
secrets = ["env:PHOTOS"]
[endpoints.review]
provider = "frameio"
secrets = ["env:REVIEW"]
[endpoints.scans]
provider = "filesafety"
secrets = ["env:SCANS"]
"#;

const SECRETS: [(&str, &str); 3] = [
    ("PHOTOS", "photos-secret-of-some-length"),
    ("REVIEW", "review-secret-of-some-length"),
    ("SCANS", "scans-token-of-some-length"),
];

/// An event as the daemon stored it at some time, long ago.
fn stored(endpoint: &str, provider: &str, secret: &str, body: &str) -> Event {
    let received_at = UNIX_EPOCH + Duration::from_secs(1_760_000_000);
    let provider = by_name(provider).unwrap();
    let headers = provider.sign(body.as_bytes(), &Secret::new(secret.as_bytes()).unwrap(), received_at);
    let timestamp = headers.get(1).map(|(_, value)| value.clone()).unwrap_or_default();
    let headers = headers.into_iter().map(|(name, value)| SignatureHeader { name: name.into(), value }).collect();
    Event {
        id: delivery_id(endpoint, &timestamp, body.as_bytes()),
        provider: provider.name.into(),
        endpoint: endpoint.into(),
        received_at: Some(Timestamp { seconds: 1_760_000_000, nanos: 7 }),
        proof: Some(Proof { headers, ..Proof::default() }),
        body: body.to_owned().into(),
        ..Event::default()
    }
}

fn photo(secret: &str, body: &str) -> Event {
    stored("photos", "uploadcare", secret, body)
}

#[test]
fn each_delivery_has_one_outcome() {
    #[track_caller]
    fn check(event: &Event, without: ReplayOutcome, with_trust: ReplayOutcome) {
        let environment: Environment = SECRETS.iter().map(|(name, text)| ((*name).to_owned(), *text)).collect();
        let config = config::parse(CONFIGURATION, "t", &environment, &[]).unwrap();
        for (trust, expected) in [(false, without), (true, with_trust)] {
            let (bench, unreadable) = Bench::new(&config, &environment, trust);
            assert_eq!(unreadable, Vec::<String>::new());
            let outcome = bench.judge(event).map_or_else(|outcome| outcome, |_| ReplayOutcome::Passes);
            assert_eq!(outcome, expected, "trust {trust}");
            let (outcome, kind) = bench.outcome(event);
            assert_eq!(outcome, expected, "trust {trust}");
            assert_eq!(kind.is_some(), matches!(expected, Passes | NoProof | OtherProof | NoEndpoint), "trust {trust}");
        }
    }
    let good = r#"{"hook":{"event":"file.stored"},"data":{"uuid":"0d8a2f3e-2b7a-4c1d-9e5f-6a7b8c9d0e1f"}}"#;
    let unknown = r#"{"hook":{"event":"file.moved"},"data":{"uuid":"0d8a2f3e-2b7a-4c1d-9e5f-6a7b8c9d0e1f"}}"#;
    let secret = SECRETS[0].1;
    check(&photo(secret, good), Passes, Passes);
    check(&photo(secret, unknown), StillFails, StillFails);
    check(&photo(secret, "{"), StillFails, StillFails);
    check(&photo("another-secret", good), OtherProof, Passes);
    check(&photo("another-secret", "{"), StillFails, StillFails);
    check(&photo("another-secret", unknown), StillFails, StillFails);
    check(&Event { proof: None, ..photo(secret, good) }, NoProof, Passes);
    check(&Event { proof: None, ..photo(secret, "{") }, StillFails, StillFails);
    check(&Event { body: format!("{good} ").into(), ..photo(secret, good) }, Altered, Altered);
    check(&Event { id: "x".into(), ..photo(secret, good) }, Altered, Altered);
    let gone = |body: &str| stored("gone", "uploadcare", secret, body);
    check(&gone(good), NoEndpoint, NoEndpoint);
    check(&gone("{"), StillFails, StillFails);
    check(&Event { id: "x".into(), ..gone(good) }, Altered, Altered);
    // The endpoint belongs to another provider now, or the provider is one that this version does not know.
    check(&stored("scans", "uploadcare", secret, good), NoEndpoint, NoEndpoint);
    check(&Event { body: "".into(), ..photo(secret, good) }, NoBody, NoBody);
    check(&Event { received_at: None, ..photo(secret, good) }, NoBody, NoBody);

    // The signed time is compared with the time of arrival, which is long ago, and is part of the id.
    let (comment, secret) = (r#"{"type":"comment.created","resource":{"type":"comment","id":"c1"}}"#, SECRETS[1].1);
    let comment = |secret| stored("review", "frameio", secret, comment);
    check(&comment(secret), Passes, Passes);
    check(&comment("another-secret"), OtherProof, Passes);
    let late = Event { received_at: Some(Timestamp { seconds: 1_760_001_000, nanos: 0 }), ..comment(secret) };
    check(&late, OtherProof, Passes);

    let scan = r#"{"event":"scan.complete","scan_id":"s1","verdict":"clean"}"#;
    let scan = stored("scans", "filesafety", SECRETS[2].1, scan);
    check(&scan, NoProof, Passes);
    check(&Event { id: "x".into(), ..scan }, Altered, Altered);
    let other = r#"{"event":"scan.moved","scan_id":"s1","verdict":"clean"}"#;
    check(&stored("scans", "filesafety", SECRETS[2].1, other), StillFails, StillFails);
}

/// A later version may have written it.
#[test]
fn an_unknown_provider_has_no_endpoint() {
    let environment: Environment = SECRETS.iter().map(|(name, text)| ((*name).to_owned(), *text)).collect();
    let config = config::parse(CONFIGURATION, "t", &environment, &[]).unwrap();
    let (bench, _) = Bench::new(&config, &environment, true);
    assert_eq!(bench.outcome(&Event { provider: "other".into(), ..photo(SECRETS[0].1, "{}") }), (NoEndpoint, None));
}

#[test]
fn what_is_left_for_a_person() {
    let left = [
        ReplayOutcome::StillFails,
        ReplayOutcome::NoProof,
        ReplayOutcome::OtherProof,
        ReplayOutcome::Altered,
        ReplayOutcome::NoEndpoint,
        ReplayOutcome::NoBody,
        ReplayOutcome::NoEvent,
    ];
    assert!(left.iter().all(|outcome| outcome.is_left()));
    let done = [ReplayOutcome::Passes, ReplayOutcome::Replayed, ReplayOutcome::Repeated, ReplayOutcome::NoWebhook];
    assert!(!done.iter().any(|outcome| outcome.is_left()));
}
