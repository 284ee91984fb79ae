//! The fuzz targets: each takes any bytes, and panics where a promise is broken. `fuzz_targets/` hands them to libFuzzer, `examples/stable.rs`
//! runs them without it.

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
};
use prost::Message as _;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 5] =
    [("classify", classify), ("verify", verify), ("configuration", configuration), ("gate", gate), ("decode", decode)];

/// Between the parts of an input: no byte that HTTP allows in a header or a URL.
pub const SEPARATOR: u8 = b'\n';

const SECRET: &str = "a-secret-of-thirty-two-characters";
const NOW: Duration = Duration::from_secs(1_760_000_000);

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let secrets = Secret::new(SECRET.as_bytes()).into_iter().map(|secret| (1, secret)).collect();
    Keys { secrets, secret_missing: false, tolerance: Duration::from_secs(300) }
});

static ENCODING: LazyLock<Encoding> = LazyLock::new(|| {
    let topics = TopicTable::new(provider::ALL.iter().copied(), |kind| kind.name().into_owned());
    Encoding { topics, framing: Framing::default(), record_bytes_max: 1 << 20, origin: Origin::Webhook }
});

/// The provider that the first byte of an input picks, and the rest.
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

/// A body as its provider would prove it.
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

/// The record of a body.
fn record(provider: &'static Provider, body: &[u8]) -> Record {
    let verified = proven(provider, body);
    let event = (provider.classify)(&verified);
    encode(verified, provider, event, &ENCODING)
}

/// A provider's byte and a body: whatever a proven sender sends becomes a record that holds it.
pub fn classify(data: &[u8]) {
    let Some((provider, body)) = pick(data) else { return };
    let record = record(provider, body);
    let id = delivery_id("endpoint", proven(provider, body).timestamp_text(), body);
    let stored = proto::Event::decode(&record.value[..]).expect("a record decodes");
    assert_eq!(stored.body, body, "the body is kept");
    assert_eq!((&stored.id, &record.id), (&id, &id), "the id is of the bytes alone");
    assert_eq!(stored.subject, record.key);
    assert!(!record.key.is_empty() && !record.key.chars().any(char::is_control));
    if stored.text_repaired {
        // What was repaired shows as one of these, which no id of a sender's holds by itself.
        let spelled = [&b"\\u"[..], "\u{fffd}".as_bytes()].iter().any(|it| body.windows(it.len()).any(|window| window == *it));
        assert!(spelled || !stored.subject.contains('\u{fffd}'), "a repair made a subject");
        assert!(!serde_json_takes_all(body), "nothing had to be repaired");
    }
    event_to_json(&record.value).expect("a record is shown as JSON");
    // A header goes to consumers as it is.
    assert!(record.headers.iter().all(|(_, value)| !value.chars().any(char::is_control)));
}

/// Whether a reader that looks at everything takes a text.
fn serde_json_takes_all(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok()
}

/// A provider's byte, the values of its signature headers, each with the separator behind it, and a body: nobody without the secret
/// is proven.
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
    for credential in [Credential::Token(values.concat()), Credential::Headers(values)] {
        assert!(provider.verify(delivery(credential, rest), &KEYS).is_err(), "a forgery");
    }
}

/// A provider's byte, a URL, and header lines behind it: the head of a request proves nobody that does not know the secret, and what goes
/// on from it to consumers is harmless.
pub fn gate(data: &[u8]) {
    let Some((provider, rest)) = pick(data) else { return };
    let text = String::from_utf8_lossy(rest);
    let mut lines = text.split(char::from(SEPARATOR));
    let mut request = Request::builder().method(Method::POST).uri(lines.next().unwrap_or_default());
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        // What HTTP would not let through is left out.
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
    if let Ok(offered) = gate::pass(&head, (provider, token), &KEYS, 1 << 20, false) {
        assert!(offered.content_type.len() <= 256, "a content type of {} bytes", offered.content_type.len());
        assert!(matches!(offered.credential, Credential::Headers(_)), "a forged token");
        assert!(provider.verify(delivery(offered.credential, b""), &KEYS).is_err(), "a forgery");
    }
}

/// A configuration file: it is read or refused, and what is read can be shown.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // No file is opened: what the text names could be a device that never ends.
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

/// The value of a record: consumers and `hookgate tail` meet whatever lies on a topic.
pub fn decode(data: &[u8]) {
    if let Some(value) = event_to_json(data) {
        assert!(value.is_object());
        assert!(serde_json::to_vec(&value).is_ok());
    }
}

/// The folder of this package.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
