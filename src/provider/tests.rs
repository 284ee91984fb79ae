//! Helpers of the provider tests: deliveries, keys and checks.

mod broken_text;

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::{
    delivery::{Credential, Delivery},
    event::{Event, EventKind},
    provider::{CredentialSource, Provider},
    signature::{Keys, Secret},
    signed_url::SignedUrls,
};

/// Returns a delivery that arrived in autumn 2025.
pub(crate) fn delivery(credential: Credential, body: &[u8]) -> Delivery {
    Delivery {
        endpoint: "avatars".into(),
        credential,
        content_type: "application/json".into(),
        body: body.to_vec().into(),
        received_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_760_000_000_123),
    }
}

/// Returns keys with these secrets in slots from 1 on, and the usual window.
pub(crate) fn keys(secrets: &[&str]) -> Keys {
    let secrets = (1..).zip(secrets).map(|(slot, secret)| (slot, Secret::new(secret.as_bytes()).unwrap())).collect();
    Keys { secrets, secret_missing: false, tolerance: Duration::from_secs(300), signed_urls: SignedUrls::Optional }
}

/// Proves a body and returns what the provider reads in it.
pub(crate) fn classified(provider: &'static Provider, body: &[u8]) -> Event {
    const SECRET: &str = "a-secret-of-thirty-two-characters";
    let keys = keys(&[SECRET]);
    let unproven = delivery(Credential::Token(SECRET.into()), body);
    let signed = provider.sign(body, &keys.secrets[0].1, unproven.received_at);
    let credential = match provider.credential {
        CredentialSource::UrlToken => unproven.credential,
        CredentialSource::Hmac(_) => Credential::Headers(signed.into_iter().map(|(_, value)| value).collect()),
    };
    (provider.classify)(&provider.verify(Delivery { credential, ..unproven }, &keys).unwrap())
}

/// Compares an event with `kind | type | subject`, or with `quarantine | type | reason: detail`.
#[track_caller]
pub(crate) fn check_outline(event: &Event, expected: &str) {
    let last = match &event.fault {
        Some(fault) => format!("{}: {}", fault.reason.label(), fault.detail),
        None => event.subject.clone().unwrap_or("-".into()),
    };
    assert_eq!(format!("{} | {} | {last}", event.kind.name(), event.event_type), expected);
    assert_eq!(event.payload.is_some(), matches!(event.kind, EventKind::Named { .. }), "only listed types have a payload");
}

/// Checks that a field of a wrong type is read like a missing field, and that nothing else changes. `accepted` lists those of the values
/// below that have the field's type and so are read.
#[track_caller]
pub(crate) fn check_lenient(classify: fn(String) -> Event, body: &Value, field: &str, accepted: &str) {
    let (parent, name) = field.rsplit_once('/').unwrap();
    let edited = |edit: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut body = body.clone();
        edit(body.pointer_mut(parent).unwrap().as_object_mut().unwrap());
        classify(body.to_string())
    };
    let without = edited(&|object| assert!(object.remove(name).is_some(), "{field} is in the body"));
    assert_ne!(without, classify(body.to_string()), "{field} is read");
    for value in ["null", "true", "3", "7.5", "-99999999999999999999", "\"x\"", "[1]", "[]", "{\"x\":1}"] {
        let with = edited(&|object| drop(object.insert(name.into(), serde_json::from_str(value).unwrap())));
        assert_eq!(with == without, !accepted.split(' ').any(|text| text == value), "{field}: {value}");
    }
}

/// Returns JSON that is nested 100 000 levels deep: arrays, and objects.
pub(crate) fn deep() -> [String; 2] {
    [("[", "", "]"), (r#"{"a":"#, "1", "}")]
        .map(|(open, core, close)| format!("{}{core}{}", open.repeat(100_000), close.repeat(100_000)))
}
