//! What librdkafka's texts mean in the keys of hookgate.toml: librdkafka's own advice names properties that Hookgate sets or refuses.
//!
//! The texts are those of the version that a test pins. An unknown text is passed on as it is.

use std::path::Path;

use rdkafka::error::KafkaError;

use super::handshake;
use crate::{
    config::{Kafka, Sasl, Security, in_our_keys},
    logged::printable,
};

/// Beginnings of librdkafka's advice, which names its own keys.
const ADVICE: [&str; 8] = [
    ": increase receive.message.max.bytes",
    ": client SSL authentication might be required",
    ": broker certificate could not be verified",
    ": connecting to a PLAINTEXT broker listener?",
    ": requesting ApiVersion",
    ": verify that security.protocol",
    ": probably due to broker version",
    " (after ",
];

const NO_TLS: &str = "the port does not speak TLS, which [kafka] security = \"tls\" asks for: write the port of a TLS listener in [kafka] brokers, or security = \"plaintext\"";

const TLS: &str = "the port closes the connection at the first word, so it probably wants TLS: write security = \"tls\" under [kafka], and [kafka.tls] ca_file where the brokers' authority is not one that the system trusts";
const SASL: &str = "the port closes the connection at the first question, so it probably wants a user and a password (SASL): write [kafka.sasl] with mechanism, username and password";
const NOBODY: &str = "nobody answers: are host and port right, and does a firewall drop what is sent there?";
/// Something took the connection and has not said a word since. librdkafka does not know more than that.
const SILENT: &str = "the port accepts the connection and does not answer: perhaps the broker is overloaded or still starting, perhaps it is not Kafka; another reason is TLS on one side only (security under [kafka])";
/// librdkafka's one text for everything that can be wrong with a broker's certificate.
const UNVERIFIED: &str = "certificate verify failed";

/// A function that returns what a text means, from the configuration and the text.
type Meaning = fn(&Kafka, &str) -> String;

/// Parts of texts, each with the meaning of such a text. The first part that fits counts.
const TEXTS: &[(&str, Meaning)] = &[
    ("increase receive.message.max.bytes", |_, text| no_kafka(text)),
    (UNVERIFIED, |kafka, _| handshake::untrusted(None, ca_file(kafka))),
    ("connecting to a PLAINTEXT broker listener", |_, _| NO_TLS.into()),
    ("wrong version number", |_, _| NO_TLS.into()),
    ("packet length too long", |_, _| NO_TLS.into()),
    ("connecting to a SSL listener", |_, _| TLS.into()),
    ("bad certificate", |kafka, _| client_certificate(kafka)),
    ("certificate required", |kafka, _| client_certificate(kafka)),
    ("unknown ca", |kafka, _| client_certificate(kafka)),
    ("certificate unknown", |kafka, _| client_certificate(kafka)),
    ("client SSL authentication might be required", |kafka, _| client_certificate(kafka)),
    ("requesting ApiVersion", |kafka, _| client_certificate(kafka)),
    ("might require SASL authentication", |_, _| SASL.into()),
    ("mechanism handshake failed", mechanism),
    ("uthentication failed", credentials),
    ("invalid credentials", credentials),
    ("SASL authentication error", credentials),
    ("Failed to resolve", |_, text| {
        let name = text.split('\'').nth(1).unwrap_or("of the broker");
        format!("the name {name} is not known: is it written right, and known to the DNS of this machine?")
    }),
    ("Connection refused", |_, _| "nothing listens at this port: are host and port right, and does Kafka run?".into()),
    ("ApiVersionRequest failed: Local: Timed out", |_, _| SILENT.into()),
    ("request(s) timed out", |_, _| SILENT.into()),
    ("timed out in state CONNECT", |_, _| NOBODY.into()),
    // Every later state has a connection.
    ("timed out in state ", |_, _| SILENT.into()),
    ("timed out", |_, _| NOBODY.into()),
    ("ssl.ca.location failed", |kafka, _| {
        format!(
            "[kafka.tls] ca_file{} holds no certificate as PEM; `openssl x509 -inform der -in FILE` makes PEM of DER",
            named(ca_file(kafka))
        )
    }),
    ("ssl.certificate.location failed", |kafka, _| {
        format!("[kafka.tls] certificate_file{} holds no certificate as PEM", named(pair(kafka).0))
    }),
    ("ssl.key.location failed", key_file),
    ("rivate key check failed", key_file),
    // This version of librdkafka prints its advice for neither of these two. Only the state in which the connection ended is left to
    // recognize them.
    ("in state APIVERSION_QUERY", |kafka, _| match &kafka.security {
        Security::Plaintext => TLS.into(),
        Security::Tls { .. } => client_certificate(kafka),
    }),
    ("in state UP", |kafka, _| match &kafka.sasl {
        None => SASL.into(),
        Some(_) => "the broker has ended the connection; its log says why".into(),
    }),
];

/// Returns what a text means, followed by librdkafka's own words for a reader who searches for them; `None` if the text is not known. For a
/// text about a certificate, asks the broker at `address` (`host:port`) to show it.
pub(super) fn meaning(kafka: &Kafka, address: Option<&str>, text: &str) -> Option<String> {
    let (part, meaning) = TEXTS.iter().find(|(part, _)| text.contains(part))?;
    let shown = address.filter(|_| *part == UNVERIFIED).and_then(|address| handshake::fault(address, ca_file(kafka)));
    let sentence = shown.unwrap_or_else(|| meaning(kafka, text));
    let end = ADVICE.iter().filter_map(|advice| text.find(advice)).min().unwrap_or(text.len());
    Some(format!("{} (librdkafka: {})", printable(&sentence), printable(text[..end].trim_end())))
}

/// Returns whether the meaning of a text is known.
pub(super) fn is_known(text: &str) -> bool {
    TEXTS.iter().any(|(part, _)| text.contains(part))
}

/// Returns what answered instead of Kafka. librdkafka took the first bytes of the other protocol for the length of an answer.
fn no_kafka(text: &str) -> String {
    let size = text.split_once("response size ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<i32>().ok());
    let begin = size.unwrap_or_default().to_be_bytes();
    match begin {
        [b'H', b'T', b'T', b'P'] => {
            "the port speaks HTTP, not Kafka: write the port of a Kafka listener in [kafka] brokers".into()
        }
        // A TLS alert.
        [0x15, 3, ..] => "the port wants TLS: write security = \"tls\" under [kafka]".into(),
        _ => "what answers at this port is not Kafka: write the port of a Kafka listener in [kafka] brokers".into(),
    }
}

fn named(file: Option<&Path>) -> String {
    file.map_or_else(String::new, |file| format!(" ({})", file.display()))
}

/// Returns `certificate_file` and `key_file`.
fn pair(kafka: &Kafka) -> (Option<&Path>, Option<&Path>) {
    match &kafka.security {
        Security::Tls { certificate_file, key_file, .. } => (certificate_file.as_deref(), key_file.as_deref()),
        Security::Plaintext => (None, None),
    }
}

fn key_file(kafka: &Kafka, _: &str) -> String {
    let file = named(pair(kafka).1);
    format!("[kafka.tls] key_file{file} holds no private key as PEM without a password, or not that of certificate_file")
}

fn ca_file(kafka: &Kafka) -> Option<&Path> {
    match &kafka.security {
        Security::Tls { ca_file, .. } => ca_file.as_deref(),
        Security::Plaintext => None,
    }
}

/// Returns the `host:port` that a complaint begins with: `protocol://host:port/id: text`.
pub(super) fn address(text: &str) -> Option<&str> {
    let (name, _) = text.split_once(": ")?;
    let name = name.split_once("://").map_or(name, |(_, name)| name);
    name.rsplit_once('/').map(|(address, _)| address)
}

fn client_certificate(kafka: &Kafka) -> String {
    match &kafka.security {
        Security::Tls { certificate_file: Some(file), .. } => format!(
            "the broker refuses the certificate of [kafka.tls] certificate_file ({}): has an authority signed it that the broker trusts, and \
             is it in time?",
            file.display()
        ),
        _ => "the port wants a certificate of the client (mutual TLS): write certificate_file and key_file under [kafka.tls], or the port of \
              another listener in [kafka] brokers"
            .into(),
    }
}

fn mechanism(kafka: &Kafka, text: &str) -> String {
    let taken =
        text.split_once("supported mechanisms: ").map_or("", |(_, rest)| rest.split(" (").next().unwrap_or_default().trim());
    if taken.is_empty() {
        return "the port takes no SASL: take [kafka.sasl] out, or write the port of a listener with SASL in [kafka] brokers"
            .into();
    }
    let ours = kafka.sasl.as_ref().map_or("", Sasl::mechanism);
    format!("the broker does not take {ours}: write one of {} as [kafka.sasl] mechanism", taken.replace(',', ", "))
}

fn credentials(kafka: &Kafka, _: &str) -> String {
    match &kafka.sasl {
        Some(Sasl::Password { username, .. }) => format!(
            "the broker does not know the user {username:?}, or its password is another one: change [kafka.sasl] username or password, or \
             create the user with this password in Kafka"
        ),
        Some(Sasl::Token(source)) => format!(
            "the broker refuses the token of the client {:?}: do [kafka.sasl] scope and extensions, and the broker's expected issuer and \
             audience, fit?",
            source.client_id
        ),
        Some(Sasl::Iam(iam)) => format!(
            "the broker refuses the token that is signed with the credentials of {}: does the policy allow kafka-cluster:Connect on this \
             cluster, is {} its region, and is the clock of this machine right?",
            iam.source.name(),
            iam.region
        ),
        None => "the broker wants a user and a password: write [kafka.sasl]".into(),
    }
}

/// Returns the text for a failure to create a client. It is nearly always a property that librdkafka refuses. The value may be a secret,
/// and librdkafka quotes it, so it is removed.
pub(super) fn explain(kafka: &Kafka, error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, property, value) => {
            let description = if value.is_empty() { description.clone() } else { description.replace(value, "…") };
            format!("librdkafka refuses the property {property:?}: {}", in_our_keys(&description))
        }
        other => {
            let text = other.to_string();
            meaning(kafka, None, &text).unwrap_or_else(|| format!("librdkafka cannot create the client: {}", in_our_keys(&text)))
        }
    }
}

#[cfg(test)]
mod tests;
