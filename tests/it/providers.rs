//! What the tests know about each provider: one row, which follows its documentation and not the code under test. Tests with every provider
//! go over these rows.

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// A provider. Every daemon under test has an endpoint of that name.
pub struct Case {
    /// The name in the configuration.
    pub name: &'static str,
    /// The secret in the first slot of the endpoint: `env:<NAME>_OLD`.
    pub old: &'static str,
    /// The secret in the second slot, which the harness signs with: `env:<NAME>`.
    pub secret: &'static str,
    /// Makes the headers that prove a body. `None` where a token in the URL is the proof.
    pub sign: Option<Sign>,
    /// A JSON pointer to the subject in a body.
    pub subject: &'static str,
    /// Returns the shortest body with a type and a subject.
    pub minimal_body: fn(&str, &Value) -> Value,
}

/// A function that makes headers from a secret, the text of a timestamp, and a body.
type Sign = fn(&str, &str, &[u8]) -> Vec<(&'static str, String)>;

/// Every provider, in the order of `provider::ALL`.
pub const PROVIDERS: &[Case] = &[
    Case {
        name: "filespin",
        old: "filespin-old-0123456789",
        secret: "filespin-token-0123456789",
        sign: None,
        subject: "/id",
        minimal_body: |name, subject| json!({"event": name, "id": subject}),
    },
    Case {
        name: "filesafety",
        old: "filesafety-old-0123456789",
        secret: "filesafety-token-0123456789",
        sign: None,
        subject: "/scan_id",
        minimal_body: |name, subject| json!({"event": name, "scan_id": subject}),
    },
    Case {
        name: "frameio",
        // The tests of frameio-kit use this secret.
        old: "my_super_secret_string_for_testing",
        secret: "yxSE59T0gtZOFZxw6UhLwTkhd2m8ntNSdSWnApQ0xOnMEzSoXbD8sGFP4bzb7MbS",
        sign: Some(|secret, timestamp, body| {
            let signature = hmac_hex(secret, &[b"v0:", timestamp.as_bytes(), b":", body]);
            vec![("x-frameio-signature", format!("v0={signature}")), ("x-frameio-request-timestamp", timestamp.to_owned())]
        }),
        subject: "/resource/id",
        minimal_body: |name, subject| json!({"type": name, "resource": {"id": subject}}),
    },
    Case {
        name: "uploadcare",
        // The official test vector uses this secret.
        old: "12345X",
        secret: "7kMVZivndx0ErgvhRKAr",
        sign: Some(|secret, _, body| vec![("x-uc-signature", format!("v1={}", hmac_hex(secret, &[body])))]),
        subject: "/data/uuid",
        minimal_body: |name, subject| json!({"hook": {"event": name}, "data": {"uuid": subject}}),
    },
];

/// Returns the row of a provider.
pub fn of(name: &str) -> &'static Case {
    PROVIDERS.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no provider {name} in PROVIDERS"))
}

/// Returns the names of all providers.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROVIDERS.iter().map(|case| case.name)
}

/// Returns the providers that sign their deliveries.
pub fn signing() -> impl Iterator<Item = &'static Case> {
    PROVIDERS.iter().filter(|case| case.sign.is_some())
}

/// Returns the providers that prove themselves with a token in the URL.
pub fn tokens() -> impl Iterator<Item = &'static Case> {
    PROVIDERS.iter().filter(|case| case.sign.is_none())
}

/// Returns a `[topics.map]` with one topic for each provider: the prefix and its name.
pub fn one_topic_each(prefix: &str) -> String {
    let entry = |name| format!("\"{name}.*\" = \"{prefix}{name}\"\n");
    format!("[topics.map]\n{}", names().map(entry).collect::<String>())
}

/// The environment variables with the secrets of all endpoints, as pairs of name and secret.
pub static SECRETS: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let of = |case: &Case| {
        let name = case.name.to_uppercase();
        [(&*format!("{name}_OLD").leak(), case.old), (&*name.leak(), case.secret)]
    };
    PROVIDERS.iter().flat_map(of).collect()
});

/// Returns the configuration of all endpoints.
pub fn endpoints() -> String {
    let table = |name: &str| {
        let variable = name.to_uppercase();
        format!("\n[endpoints.{name}]\nprovider = \"{name}\"\nsecrets = [\"env:{variable}_OLD\", \"env:{variable}\"]\n")
    };
    names().map(table).collect()
}

/// Returns the path and the headers that prove a body at the endpoint of a provider.
pub fn signed_with(endpoint: &str, secret: &str, timestamp: &str, body: &[u8]) -> (String, Vec<(String, String)>) {
    let path = format!("/webhooks/{endpoint}");
    match of(endpoint).sign {
        None => (format!("{path}?token={secret}"), Vec::new()),
        Some(sign) => (path, sign(secret, timestamp, body).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
    }
}

/// Returns the HMAC-SHA256 of all parts together, in hex.
pub fn hmac_hex(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in parts {
        mac.update(part);
    }
    hex::encode(mac.finalize().into_bytes())
}
