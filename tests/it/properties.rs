//! Properties that hold for every input, tested with random inputs from a fixed seed. `fuzz/` searches further.

use std::time::{Duration, SystemTime};

use hookgate::{
    config::{self, Environment},
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, Record, TopicTable, delivery_id, encode},
    error::Error,
    event::{Event, EventKind, parse_time},
    http::offered_proof,
    proto::{self, Origin, event_to_json},
    provider::{self, Provider},
    signature::{Keys, Secret, Verified},
    signed_url::SignedUrls,
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, RngSeed, TestRunner},
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::{
    harness::{NOW, frozen, secret, signed},
    providers,
};

/// Tests a property with that many inputs. They are the same in every run.
fn check<S: Strategy>(cases: u32, inputs: S, holds: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, rng_seed: RngSeed::Fixed(NOW), failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&inputs, holds).unwrap_or_else(|failure| panic!("{failure}"));
}

fn any_provider() -> impl Strategy<Value = &'static Provider> {
    select(provider::ALL)
}

/// Generates a provider with one of its samples.
fn any_sample() -> impl Strategy<Value = (&'static Provider, String)> {
    let samples = |provider: &'static Provider| provider.names().map(move |name| (provider, (provider.sample)(name).unwrap()));
    select(provider::ALL.iter().copied().flat_map(samples).collect::<Vec<_>>())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let entries = vec((".{0,4}", inner.clone()), 0..4);
        prop_oneof![vec(inner, 0..4).prop_map(Value::from), entries.prop_map(|it| it.into_iter().collect())]
    })
}

fn keys(secret: &[u8]) -> Keys {
    Keys {
        secrets: vec![(1, Secret::new(secret).unwrap())],
        secret_missing: false,
        tolerance: Duration::from_secs(300),
        signed_urls: SignedUrls::Optional,
    }
}

fn key_of(provider: &Provider) -> &'static str {
    secret(&provider.name.to_uppercase())
}

/// Returns the proof of a body, by the schemes' documentation: the values of the signature headers, or the token.
fn proof(provider: &Provider, body: &[u8]) -> Vec<String> {
    let (path, headers) = signed(provider.name, body);
    match path.split_once("token=") {
        Some((_, token)) => vec![token.to_owned()],
        None => headers.into_iter().map(|(_, value)| value).collect(),
    }
}

fn verify(provider: &Provider, proof: Vec<String>, body: &[u8], keys: &Keys) -> Result<Verified, Error> {
    let token = provider.credential == provider::CredentialSource::UrlToken;
    let delivery = Delivery {
        endpoint: "endpoint".into(),
        credential: if token { Credential::Token(proof.concat()) } else { Credential::Headers(proof) },
        content_type: "application/json".into(),
        body: body.to_vec().into(),
        received_at: frozen(),
    };
    provider.verify(delivery, keys)
}

fn classify(provider: &'static Provider, body: &[u8]) -> (Event, Record) {
    let verified = || verify(provider, proof(provider, body), body, &keys(key_of(provider).as_bytes())).unwrap();
    let topics = TopicTable::new([provider], |kind| kind.name().into_owned());
    let encoding = Encoding { topics, framing: Framing::default(), record_bytes_max: 1 << 20, origin: Origin::Webhook };
    let read = || (provider.classify)(&verified());
    (read(), encode(verified(), provider, read(), &encoding))
}

/// Checks that a proven body becomes a record that contains the body.
fn becomes_a_record(provider: &'static Provider, body: &[u8]) -> Result<(), TestCaseError> {
    let (event, record) = classify(provider, body);
    let stored = proto::Event::decode(&record.value[..]).unwrap();
    prop_assert_eq!(&stored.body[..], body);
    prop_assert_eq!(&stored.id, &record.id);
    prop_assert_eq!(&stored.subject, &record.key);
    prop_assert_eq!(&stored.subject, event.subject.as_ref().unwrap_or(&record.id));
    prop_assert!(!record.key.is_empty() && record.key.len() <= 512 && !record.key.contains(char::is_control), "{:?}", record.key);
    prop_assert_eq!((&stored.provider[..], &stored.endpoint[..]), (provider.name, "endpoint"));
    // A name of a type that is too long is cut.
    prop_assert!(event.event_type.starts_with(&*stored.r#type) && stored.type_inferred == event.type_inferred);
    prop_assert_eq!((&stored.payload, &stored.occurred_at), (&event.payload, &event.occurred_at));
    prop_assert!(!stored.payload_omitted);
    let signed_headers = stored.proof.unwrap().headers;
    let timestamp = signed_headers.iter().find(|header| header.name.ends_with("timestamp")).map_or("", |header| &header.value);
    prop_assert_eq!(&stored.id, &delivery_id("endpoint", timestamp, body));
    let (_, again) = classify(provider, body);
    prop_assert_eq!((&again.value, &again.key), (&record.value, &record.key), "the same bytes, the same record");
    prop_assert_eq!(event.fault.is_some(), event.kind == EventKind::Quarantine);
    let shown = event_to_json(&record.value).unwrap();
    prop_assert_eq!(shown["id"].as_str(), Some(&*record.id));
    Ok(())
}

#[test]
fn any_body_becomes_a_record() {
    for provider in provider::ALL {
        check(50, vec(any::<u8>(), 0..200), |body| becomes_a_record(provider, &body));
        check(50, any_json(), |body| becomes_a_record(provider, body.to_string().as_bytes()));
    }
    // A sample in which some bytes are replaced, inserted or removed.
    let changes = vec((any::<Index>(), 0..8_usize, vec(any::<u8>(), 0..8)), 1..4);
    check(400, (any_sample(), changes), |((provider, sample), changes)| {
        let mut body = sample.into_bytes();
        for (at, lost, inserted) in changes {
            let at = at.index(body.len() + 1);
            body.splice(at..body.len().min(at + lost), inserted);
        }
        becomes_a_record(provider, &body)
    });
}

/// Returns a JSON pointer to every place in a JSON value.
fn places(value: &Value, at: &str) -> Vec<String> {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries.iter().map(|(key, value)| (format!("{at}/{key}"), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(number, item)| (format!("{at}/{number}"), item)).collect(),
        _ => Vec::new(),
    };
    below.into_iter().flat_map(|(place, value)| [vec![place.clone()], places(value, &place)].concat()).collect()
}

#[test]
fn a_wrong_type_in_an_optional_field_quarantines_nothing() {
    let subject = |provider: &Provider| providers::of(provider.name).subject;
    check(400, (any_sample(), any::<Index>(), any_json()), |((provider, sample), place, other)| {
        let mut body: Value = serde_json::from_str(&sample).unwrap();
        let kept = body.pointer(subject(provider)).cloned();
        let optional: Vec<_> = places(&body, "").into_iter().filter(|it| !subject(provider).starts_with(it)).collect();
        *body.pointer_mut(&optional[place.index(optional.len())]).unwrap() = other;
        let text = body.to_string();
        let (event, _) = classify(provider, text.as_bytes());
        prop_assert_ne!(event.kind, EventKind::Quarantine, "{}: {}", provider.name, text);
        prop_assert_eq!(event.subject.map(Value::from), kept);
        becomes_a_record(provider, text.as_bytes())
    });
}

#[test]
fn ids_depend_only_on_endpoint_time_and_body() {
    let parts = || ("[a-z]{0,4}", "[0-9]{0,4}", vec(0..3_u8, 0..4));
    check(500, (parts(), parts()), |(one, other)| {
        let id = |(endpoint, time, body): &(String, String, Vec<u8>)| delivery_id(endpoint, time, body);
        prop_assert_eq!(id(&one), id(&one));
        prop_assert_eq!(id(&one) == id(&other), one == other);
        prop_assert_eq!(id(&one).as_bytes()[14], b'8', "a UUIDv8");
        // A character that moves from one part to the next makes another id.
        let moved = (one.0.clone() + "1", one.1.clone(), one.2.clone());
        prop_assert_ne!(id(&moved), id(&(one.0.clone(), "1".to_owned() + &one.1, one.2)));
        Ok(())
    });
}

#[test]
fn any_byte_changed_is_refused() {
    let change = || (any::<Index>(), 1..=0x7f_u8);
    // The changed characters are still ASCII, as in HTTP headers.
    let changed = |bytes: &[u8], (at, mask): (Index, u8)| {
        let mut bytes = bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        bytes
    };
    let holds = |provider: &'static Provider, body: Vec<u8>, in_body, in_proof, in_secret| {
        let (proof, key) = (proof(provider, &body), key_of(provider).as_bytes());
        prop_assert!(verify(provider, proof.clone(), &body, &keys(key)).is_ok());
        prop_assert!(verify(provider, proof.clone(), &body, &keys(&changed(key, in_secret))).is_err(), "secret");
        for number in 0..proof.len() {
            let mut forged = proof.clone();
            forged[number] = String::from_utf8(changed(proof[number].as_bytes(), in_proof)).unwrap();
            prop_assert!(verify(provider, forged, &body, &keys(key)).is_err(), "proof {}", number);
        }
        // A token signs nothing, so with a token the body may change.
        let other = verify(provider, proof, &changed(&body, in_body), &keys(key));
        prop_assert_eq!(other.is_ok(), provider.credential == provider::CredentialSource::UrlToken, "body");
        Ok(())
    };
    for provider in provider::ALL {
        let inputs = (vec(any::<u8>(), 1..100), change(), change(), change());
        check(100, inputs, |(body, in_body, in_proof, in_secret)| holds(provider, body, in_body, in_proof, in_secret));
    }
}

#[test]
fn any_head_is_judged() {
    let url = prop_oneof![".*", "/webhooks/a/?[%a-f0-9/]{0,8}(\\?[token=&%0-9a-f]{0,20})?", "https?://.*"];
    let names = provider::ALL.iter().flat_map(|provider| match provider.credential {
        provider::CredentialSource::Hmac(scheme) => scheme.headers,
        provider::CredentialSource::UrlToken => &[],
    });
    let name = select(names.copied().chain(["host"]).collect::<Vec<_>>());
    let value = prop_oneof![".*", "v[01]=[0-9a-fA-F]{62,66}", "[0-9]{0,12}"];
    let headers = vec((name.prop_map(str::to_owned), value), 0..4);
    check(500, (any_provider(), proptest::option::of(url), headers), |(provider, url, headers)| {
        let keys = keys(b"a secret that no input holds");
        if let Ok(credential) = offered_proof(provider, None, url.as_deref(), &headers, &keys) {
            // Only the form of the proof is right. Whether it proves anything depends on the body.
            prop_assert!(matches!(&credential, Credential::Headers(_)));
        }
        Ok(())
    });
}

#[test]
fn any_configuration_is_read_or_refused() {
    let words = [
        "[http]",
        "[kafka]",
        "[endpoints.a]",
        "[topics.map]",
        "\n",
        "=",
        "brokers",
        "listen",
        "provider",
        "secrets",
        "\"filespin\"",
        "\"env:S\"",
        "[",
        "]",
        "\"",
        "'",
        "1",
        "-1",
        "1e9",
        "\"5s\"",
        "\"9999999999999999999h\"",
        "\"1KiB\"",
        "#",
        "{",
        "}",
        ",",
        "é",
        "\0",
        "max_body_bytes",
        "\"0.0000000001ms\"",
        "\"kafka:9092\"",
        "tolerance",
        "linger",
        "inf",
        "nan",
        "1979-05-27",
    ];
    let environment: Environment = [("S", "0123456789abcdef")].into_iter().collect();
    let read = |text: String| {
        match config::parse(&text, "any.toml", &environment, &[]) {
            Ok(config) => prop_assert!(!config.redacted().to_string().contains("0123456789abcdef")),
            Err(problems) => prop_assert!(!problems.to_string().is_empty()),
        }
        Ok(())
    };
    check(300, ".*", read);
    check(300, vec(select(words.to_vec()), 0..30).prop_map(|words| words.join(" ")), read);
    // Any value for a known key.
    let keys =
        ["http.listen", "http.answer_deadline", "http.max_body_bytes", "kafka.brokers", "topics.prefix", "endpoints.a.tolerance"];
    check(300, (select(keys.to_vec()), any_json()), |(key, value)| read(format!("{key} = {value}")));
}

#[test]
fn any_time_is_read_or_left_out() {
    let time = prop_oneof![
        ".*",
        "-?[0-9]{1,6}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?(Z|[+-][0-9]{2}:[0-9]{2})?"
    ];
    check(1000, time, |text| {
        if let Some(time) = parse_time(&text) {
            let again = parse_time(&time.to_string());
            prop_assert_eq!(again, Some(time), "{}", text);
            let body = json!({"scan_id": "a", "completed_at": text}).to_string();
            becomes_a_record(provider::by_name("filesafety").unwrap(), body.as_bytes())?;
        }
        Ok(())
    });
    assert!(parse_time("2026-11-22T00:00:00Z").is_some_and(|time| SystemTime::try_from(time).is_ok()));
}
