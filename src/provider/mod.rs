//! The providers. Each is a folder and one line in [`ALL`]; routes, topics, metric labels, help texts, samples and contract tests
//! are derived from here. No provider does I/O, reads a clock or knows Kafka.

pub mod filesafety;
pub mod filespin;
pub mod frameio;
pub mod json;
pub mod uploadcare;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use crate::{
    delivery::{Credential, Delivery},
    error::Error,
    event::{Event, EventKind},
    proto::Proof,
    signature::{HmacScheme, Keys, Secret, Verified, trusted, verify_signed_url, verify_token},
};

/// Every provider, in the order of the documents.
pub static ALL: &[&Provider] = &[&filespin::PROVIDER, &filesafety::PROVIDER, &frameio::PROVIDER, &uploadcare::PROVIDER];

/// A service that sends webhooks: a name and a few pure functions.
pub struct Provider {
    /// The name in the configuration, in topics, labels and events.
    pub name: &'static str,
    /// The name that people know.
    pub title: &'static str,
    /// How long the provider waits for an answer; the shortest plausible time where its documentation gives none.
    pub timeout: Duration,
    /// How long the provider tries to deliver, from the first attempt to the last. A longer outage loses deliveries.
    pub gives_up_after: Duration,
    /// How many attempts the provider makes in that time, the first included; none where its documentation gives no number.
    pub attempts: Option<u32>,
    /// How many characters the provider's secrets have at most; none where its documentation gives no limit.
    pub secret_characters_max: Option<usize>,
    /// Who makes the secret.
    pub secret_maker: SecretMaker,
    /// What a person does at the provider to register a URL: lines of at most 78 characters.
    pub register: &'static str,
    /// The same in at most 68 characters, and what the URL and then the secret are entered as.
    pub enter: &'static str,
    /// Where the proof of the sender is, and how it is made.
    pub credential: CredentialSource,
    /// Whether a signed URL of Hookgate's proves a delivery too: the caller chooses the URL of each delivery.
    pub takes_signed_urls: bool,
    /// Every documented event type that has a topic of its own. `EventKind::Named` holds only these.
    pub types: &'static [EventType],
    /// The place of the subject, and so of the record key, in a body: the names of fields, with dots between them.
    pub subject: &'static str,
    /// Reads any proven delivery: an unknown type becomes unclassified, and an unreadable body is quarantined.
    pub classify: fn(&Verified) -> Event,
    /// Reads what the provider's own API says of an event that did not arrive: the type, and the object of the API's answer. None where
    /// Hookgate knows no API of the provider.
    pub recovered: Option<fn(event_type: &str, object: &[u8]) -> Event>,
    /// Returns a sample body: one for every type in `types`, and one for each other shape that has a payload of its own.
    pub sample: fn(event_type: &str) -> Option<String>,
}

/// A documented event type. The documents for consumers are derived from it: the AsyncAPI document and the tables of docs/consumers.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventType {
    /// The provider's name of the event type.
    pub name: &'static str,
    /// What makes the provider send it: one sentence.
    pub trigger: &'static str,
    /// Whether a webhook subscribes to it by this name.
    pub is_subscribed: bool,
}

/// Returns a row of a provider's table of types.
const fn event_type(name: &'static str, trigger: &'static str) -> EventType {
    EventType { name, trigger, is_subscribed: true }
}

/// Returns a row for what the provider sends without a subscription of this name.
const fn unsubscribed_type(name: &'static str, trigger: &'static str) -> EventType {
    EventType { name, trigger, is_subscribed: false }
}

/// Where a provider puts the proof of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// A secret token in the URL: `?token=` or a last path segment. No body is signed.
    UrlToken,
    /// An HMAC over the raw body, in request headers. Each of them must be there exactly once.
    Hmac(HmacScheme),
}

/// Who makes the secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMaker {
    /// Those who run Hookgate: they make one and enter it at the provider.
    Operator,
    /// The provider, which shows it once, when the webhook is created.
    Provider,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.name)
    }
}

impl Provider {
    /// Proves the sender of a delivery by its raw bytes.
    pub fn verify(&self, delivery: Delivery, keys: &Keys) -> Result<Verified, Error> {
        match &self.credential {
            CredentialSource::UrlToken => match &delivery.credential {
                Credential::SignedUrl(_) if self.takes_signed_urls => verify_signed_url(delivery, keys),
                _ => verify_token(delivery, keys),
            },
            CredentialSource::Hmac(scheme) => scheme.verify(delivery, keys),
        }
    }

    /// Takes a stored delivery as proven, as [`trusted`] says.
    pub fn trust(&self, delivery: Delivery, proof: Proof) -> Verified {
        let timestamp_text = match (&self.credential, &delivery.credential) {
            (CredentialSource::Hmac(scheme), Credential::Headers(values)) => {
                scheme.parts(values).ok().and_then(|(_, timestamp)| timestamp).unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        trusted(delivery, proof, timestamp_text)
    }

    /// Returns the headers that sign a body as the provider would; none where the token in the URL is the proof.
    pub fn sign(&self, body: &[u8], secret: &Secret, now: SystemTime) -> Vec<(&'static str, String)> {
        match &self.credential {
            CredentialSource::UrlToken => Vec::new(),
            CredentialSource::Hmac(scheme) => scheme.sign(body, secret, now),
        }
    }

    /// Returns whether the provider signs a timestamp, so that an old delivery is refused.
    pub fn signs_time(&self) -> bool {
        matches!(self.credential, CredentialSource::Hmac(HmacScheme { around_timestamp: Some(_), .. }))
    }

    /// Returns the names in `types`.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.types.iter().map(|it| it.name)
    }

    /// Returns the names in `types` that a webhook subscribes to.
    pub fn events(&self) -> impl Iterator<Item = &'static str> {
        self.types.iter().filter(|it| it.is_subscribed).map(|it| it.name)
    }

    /// Returns every kind that a delivery of this provider can be, except quarantine.
    pub fn kinds(&'static self) -> impl Iterator<Item = EventKind> {
        (self.names().map(|name| EventKind::Named { provider: self.name, name }))
            .chain([EventKind::Unclassified { provider: self.name }])
    }

    /// Returns the kind of an event type: named if the type is on the list, else unclassified.
    pub fn kind(&self, event_type: &str) -> EventKind {
        match self.names().find(|name| *name == event_type) {
            Some(name) => EventKind::Named { provider: self.name, name },
            None => EventKind::Unclassified { provider: self.name },
        }
    }
}

/// Returns one sentence that says what makes a delivery one of this kind.
pub fn trigger(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Named { provider, name } => {
            let types = by_name(provider).map_or(&[][..], |provider| provider.types);
            types.iter().find(|it| it.name == name).map_or("", |it| it.trigger)
        }
        EventKind::Unclassified { .. } => "A proven delivery is of a type that has no topic of its own.",
        EventKind::Quarantine => "The body of a proven delivery cannot be mapped.",
    }
}

/// Returns the names of all providers as configurations write them, with commas between them.
pub fn all_names() -> String {
    ALL.iter().map(|provider| provider.name).collect::<Vec<_>>().join(", ")
}

/// Returns the names of all providers as people write them: `FileSpin, …, Frame.io and Uploadcare`.
pub fn all_titles() -> String {
    let titles: Vec<&str> = ALL.iter().map(|provider| provider.title).collect();
    match titles.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => titles.concat(),
    }
}

/// Returns the provider of this name.
pub fn by_name(name: &str) -> Option<&'static Provider> {
    ALL.iter().copied().find(|provider| provider.name == name)
}

#[cfg(test)]
pub(crate) mod tests;
