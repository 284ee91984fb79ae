//! The fuzz targets: each accepts any bytes, and panics if a promise is broken. `fuzz_targets/` runs them with libFuzzer,
//! `examples/stable.rs` runs them without it.

pub mod seeds;

use std::{
    path::PathBuf,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use ::http::{HeaderName, HeaderValue, Method, Request};
use hookgate::{
    config::{self, Environment},
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, Record, TopicTable, delivery_id, encode},
    http::{
        gate::{self, WebhookPath},
        trace::traceparent,
    },
    proto::{self, Origin, event_to_json},
    provider::{self, CredentialSource, Provider},
    signature::{Keys, Secret, Verified},
    signed_url::{SignedUrl, SignedUrls},
};
use prost::Message as _;

/// A fuzz target: it gets an input, and panics if a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 5] =
    [("classify", classify), ("verify", verify), ("configuration", configuration), ("gate", gate), ("decode", decode)];

/// The byte between the parts of an input. HTTP does not allow it in a header or a URL.
pub const SEPARATOR: u8 = b'\n';

const SECRET: &str = "a-secret-of-thirty-two-characters";
const NOW: Duration = Duration::from_secs(1_760_000_000);

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let secrets = Secret::new(SECRET.as_bytes()).into_iter().map(|secret| (1, secret)).collect();
    Keys { secrets, secret_missing: false, tolerance: Duration::from_secs(300), signed_urls: SignedUrls::Optional }
});

static ENCODING: LazyLock<Encoding> = LazyLock::new(|| {
    let topics = TopicTable::new(provider::ALL.iter().copied(), |kind| kind.name().into_owned());
    Encoding { topics, framing: Framing::default(), record_bytes_max: 1 << 20, origin: Origin::Webhook }
});

/// Returns the provider that the first byte of an input selects, and the rest of the input.
fn pick(data: &[u8]) -> Option<(&'static Provider, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((provider::ALL[usize::from(*first) % provider::ALL.len()], rest))
}

fn delivery(credential: Credential, body: &[u8]) -> Delivery {
    Delivery {
        endpoint: "endpoint".into(),
        credential,
        content_type: "application/json".into(),
        body: body.to_vec().into(),
        received_at: SystemTime::UNIX_EPOCH + NOW,
    }
}

/// Returns a body with a proof that its provider could have sent.
fn proven(provider: &'static Provider, body: &[u8]) -> Verified {
    let now = SystemTime::UNIX_EPOCH + NOW;
    let credential = match provider.credential {
        CredentialSource::UrlToken => Credential::Token(SECRET.into()),
        CredentialSource::Hmac(_) => {
            let signed = provider.sign(body, &KEYS.secrets[0].1, now);
            Credential::Headers(signed.into_iter().map(|(_, value)| value).collect())
        }
    };
    provider.verify(delivery(credential, body), &KEYS).expect("what is signed verifies")
}

/// Returns the record of a body.
fn record(provider: &'static Provider, body: &[u8]) -> Record {
    let verified = proven(provider, body);
    let event = (provider.classify)(&verified);
    encode(verified, provider, event, &ENCODING)
}

/// Checks that every body of a proven sender becomes a record that contains it. An input is a provider's byte and a body.
pub fn classify(data: &[u8]) {
    let Some((provider, body)) = pick(data) else { return };
    let record = record(provider, body);
    let id = delivery_id("endpoint", proven(provider, body).timestamp_text(), body);
    let stored = proto::Event::decode(&record.value[..]).expect("a record decodes");
    assert_eq!(stored.body, body, "the record has the body");
    assert_eq!((&stored.id, &record.id), (&id, &id), "the id depends only on the bytes");
    assert_eq!(stored.subject, record.key);
    assert!(!record.key.is_empty() && !record.key.chars().any(char::is_control));
    if stored.text_repaired {
        // A repair inserts U+FFFD. A subject may contain that only if the sender has written it, or an escape that can mean it.
        let spelled = [&b"\\u"[..], "\u{fffd}".as_bytes()].iter().any(|it| body.windows(it.len()).any(|window| window == *it));
        assert!(spelled || !stored.subject.contains('\u{fffd}'), "a repair made a subject");
        assert!(!is_strict_json(body), "nothing had to be repaired");
    }
    event_to_json(&record.value).expect("a record is shown as JSON");
    // Consumers get a header as it is.
    assert!(record.headers.iter().all(|(_, value)| !value.chars().any(char::is_control)));
}

/// Returns whether a strict reader accepts the whole body as JSON.
fn is_strict_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok()
}

/// Checks that no sender without the secret is proven. An input is a provider's byte, the values of its signature headers, each followed by
/// the separator, and a body.
pub fn verify(data: &[u8]) {
    let Some((provider, mut rest)) = pick(data) else { return };
    let names = match provider.credential {
        CredentialSource::UrlToken => &["token"],
        CredentialSource::Hmac(scheme) => scheme.headers,
    };
    let mut values = Vec::new();
    for _ in names {
        let Some(at) = rest.iter().position(|b| *b == SEPARATOR) else { return };
        values.push(String::from_utf8_lossy(&rest[..at]).into_owned());
        rest = &rest[at + 1..];
    }
    let signed = SignedUrl::parse(&values.concat()).map(Credential::SignedUrl);
    for credential in [Credential::Token(values.concat()), Credential::Headers(values)].into_iter().chain(signed) {
        assert!(provider.verify(delivery(credential, rest), &KEYS).is_err(), "a forgery");
    }
}

/// Checks that a head proves no sender without the secret, and that the parts of it that go to consumers are harmless. An input is a
/// provider's byte, a URL, and header lines.
pub fn gate(data: &[u8]) {
    let Some((provider, rest)) = pick(data) else { return };
    let text = String::from_utf8_lossy(rest);
    let mut lines = text.split(char::from(SEPARATOR));
    let mut request = Request::builder().method(Method::POST).uri(lines.next().unwrap_or_default());
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        // Headers that HTTP does not allow are left out.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.trim())) {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(()) else { return };
    let (head, ()) = request.into_parts();
    let _refused = gate::well_formed(&head);
    let is_trace = |text: &String| text.len() == 55 && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    let parent = traceparent(&head.headers);
    assert!(parent.as_ref().is_none_or(is_trace), "{parent:?}");
    let Ok(token) = WebhookPath::of(head.uri.path()).and_then(|place| place.token(provider)) else { return };
    if let Ok(offered) = gate::pass(&head, gate::Asked { endpoint: "a", provider, path_token: token }, &KEYS, 1 << 20, false) {
        assert!(offered.content_type.len() <= 256, "a content type of {} bytes", offered.content_type.len());
        assert!(matches!(offered.credential, Credential::Headers(_)), "a forged token");
        assert!(provider.verify(delivery(offered.credential, b""), &KEYS).is_err(), "a forgery");
    }
}

/// Checks that a configuration file is read or refused, and that its redacted view contains no secret.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // No file is opened, because the text could name a device that never ends.
    if text.contains("file:") || text.contains("_file") {
        return;
    }
    let environment: Environment = [("SECRET", SECRET)].into_iter().collect();
    match config::parse(&text, "fuzz.toml", &environment, &[]) {
        Ok(config) => {
            let shown = config.redacted().to_string();
            assert!(!shown.contains(SECRET), "a secret is shown");
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

/// Checks that any value of a record is shown as JSON or refused, because consumers and `hookgate tail` can find any bytes on a topic.
pub fn decode(data: &[u8]) {
    if let Some(value) = event_to_json(data) {
        assert!(value.is_object());
        assert!(serde_json::to_vec(&value).is_ok());
    }
}

/// Returns the folder of this package.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
