use std::time::{Duration, SystemTime};

use super::*;
use crate::{
    delivery::Credential,
    encode::{Framing, TopicTable},
    event::EventKind,
    proto::Origin,
    provider::{CredentialSource, SecretMaker, filesafety},
    signature::Secret,
    signed_url::SignedUrls,
};

/// A provider whose classifier has a defect.
static BROKEN: Provider = Provider {
    name: "filesafety",
    title: "Broken",
    timeout: Duration::from_secs(5),
    gives_up_after: Duration::ZERO,
    attempts: None,
    secret_characters_max: None,
    secret_maker: SecretMaker::Operator,
    register: "",
    enter: "",
    credential: CredentialSource::UrlToken,
    takes_signed_urls: false,
    types: &[],
    subject: "scan_id",
    classify: |_| panic!("a defect"),
    recovered: None,
    sample: |_| None,
};

#[test]
fn a_body_that_trips_a_defect_is_quarantined_once_its_sender_is_proven() {
    let secret = Secret::new(b"token-of-sixteen-characters").unwrap();
    let keys =
        Keys { secrets: vec![(1, secret)], secret_missing: false, tolerance: Duration::ZERO, signed_urls: SignedUrls::Optional };
    let topics = TopicTable::new([&filesafety::PROVIDER], |kind| kind.name().into_owned());
    let encoding = Encoding { topics, framing: Framing::default(), record_bytes_max: 1_000_000, origin: Origin::Webhook };
    let prepare_with = |token: &str| {
        let delivery = Delivery {
            endpoint: "avatars".into(),
            credential: Credential::Token(token.into()),
            content_type: String::new(),
            body: "what trips it".into(),
            received_at: SystemTime::UNIX_EPOCH,
        };
        prepare(&BROKEN, delivery, &keys, &encoding)
    };
    let Prepared { proven, record } = prepare_with("token-of-sixteen-characters").unwrap();
    let record = record.unwrap();
    assert_eq!((&*record.topic, record.kind, &record.key), ("quarantine", EventKind::Quarantine, &record.id));
    assert_eq!((proven.slot, proven.body_bytes, proven.clock_offset, proven.age), (1, 13, None, None));
    assert!(record.headers.contains(&("hookgate-reason", "panic".into())));
    assert_eq!(prepare_with("another-token").err(), Some(Error::BadToken));
}
