//! What today's code makes of a stored delivery.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use crate::{
    config::{Config, Environment, SecretEvent, SecretRing},
    delivery::{Credential, Delivery},
    encode::delivery_id,
    event::{self, EventKind, instant},
    http::classify,
    proto,
    provider::{CredentialSource, Provider, by_name},
    signature::{Keys, Verified},
};

/// What becomes of a stored delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReplayOutcome {
    /// It has a type now, and goes to the topic of it.
    Passes,
    /// Its body can still not be mapped, or its type is still unknown, also if it were proven.
    StillFails,
    /// Its proof was in the URL, which is not stored.
    NoProof,
    /// Its signature fits none of the secrets of today.
    OtherProof,
    /// Its bytes and its id do not belong together: somebody else wrote or changed it.
    Altered,
    /// Its endpoint is not configured any more, or belongs to another provider now.
    NoEndpoint,
    /// The record has no body, or no time of arrival.
    NoBody,
    /// An earlier replay has published it.
    Replayed,
    /// The same delivery is stored twice, and counts once.
    Repeated,
    /// The record is no event of Hookgate's: its value cannot be decoded, or no header says what it is.
    NoEvent,
    /// The event is a sample, or was published by a command: there was no webhook.
    NoWebhook,
}

impl ReplayOutcome {
    /// Returns what to print for it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Passes => "would pass now",
            Self::StillFails => "still fails",
            Self::NoProof => "no checkable proof",
            Self::OtherProof => "proof does not match",
            Self::Altered => "id does not match",
            Self::NoEndpoint => "endpoint not configured",
            Self::NoBody => "body absent",
            Self::Replayed => "already replayed",
            Self::Repeated => "same delivery again",
            Self::NoEvent => "not an event",
            Self::NoWebhook => "not a webhook",
        }
    }

    /// Returns whether it is left for a person.
    pub(super) fn is_left(self) -> bool {
        !matches!(self, Self::Passes | Self::Replayed | Self::Repeated | Self::NoWebhook)
    }
}

/// A delivery that passes: what was proven, who sent it, and how it is read today.
pub(super) type ReadableDelivery = (Verified, &'static Provider, event::Event);

/// The endpoints of today, with their secrets.
pub(super) struct Bench<'a> {
    endpoints: HashMap<&'a str, (&'static Provider, Keys)>,
    trust: bool,
}

impl<'a> Bench<'a> {
    /// Reads the secrets. Returns also why some could not be read: what only they prove counts as a proof that does not match.
    pub(super) fn new(config: &'a Config, environment: &Environment, trust: bool) -> (Self, Vec<String>) {
        let (mut endpoints, mut unreadable) = (HashMap::new(), Vec::new());
        for endpoint in &config.endpoints {
            let mut ring = SecretRing::new(endpoint, environment);
            for event in ring.refresh() {
                match event {
                    SecretEvent::Kept { slot, why, .. } => {
                        unreadable.push(format!("endpoint {}, secret {slot}: {why}", endpoint.name));
                    }
                    SecretEvent::Folder { why } => unreadable.push(format!("endpoint {}, {why}", endpoint.name)),
                    _ => {}
                }
            }
            endpoints.insert(&*endpoint.name, (endpoint.provider, ring.keys()));
        }
        (Self { endpoints, trust }, unreadable)
    }

    /// Returns what today's code makes of a stored event, if it may be published.
    pub(super) fn judge(&self, stored: &proto::Event) -> Result<ReadableDelivery, ReplayOutcome> {
        let (readable, unproven) = self.read(stored)?;
        unproven.map_or(Ok(readable), Err)
    }

    /// Returns what becomes of a stored event, and its kind if it has a type now, also where it may not be published.
    pub(super) fn outcome(&self, stored: &proto::Event) -> (ReplayOutcome, Option<EventKind>) {
        match self.read(stored) {
            Ok(((_, _, event), unproven)) => (unproven.unwrap_or(ReplayOutcome::Passes), Some(event.kind)),
            Err(outcome) => (outcome, None),
        }
    }

    /// Reads a stored event. Returns also why it may not be published, if it may not.
    ///
    /// What cannot be proven is read as well: a record that would still fail with a proof must not send anybody to look for an old secret, or
    /// to `--trust`.
    fn read(&self, stored: &proto::Event) -> Result<(ReadableDelivery, Option<ReplayOutcome>), ReplayOutcome> {
        let provider = by_name(&stored.provider).ok_or(ReplayOutcome::NoEndpoint)?;
        let received_at =
            stored.received_at.and_then(instant).filter(|_| !stored.body.is_empty()).ok_or(ReplayOutcome::NoBody)?;
        let (verified, unproven) = self.prove(stored, received_at, provider);
        let delivery = verified.delivery();
        // The id is over the bytes. This is no proof, but it finds what was put together wrongly.
        if delivery_id(&delivery.endpoint, verified.timestamp_text(), &delivery.body) != stored.id {
            return Err(ReplayOutcome::Altered);
        }
        let event = classify(provider, &verified);
        if !matches!(event.kind, EventKind::Named { .. }) {
            return Err(ReplayOutcome::StillFails);
        }
        let trusted = |outcome: &ReplayOutcome| self.trust && *outcome != ReplayOutcome::NoEndpoint;
        Ok(((verified, provider, event), unproven.filter(|outcome| !trusted(outcome))))
    }

    /// Verifies a stored event with the secrets of today. Where that fails, returns also why, and the delivery as if it were proven.
    fn prove(
        &self,
        stored: &proto::Event,
        received_at: SystemTime,
        provider: &'static Provider,
    ) -> (Verified, Option<ReplayOutcome>) {
        let proof = stored.proof.clone().unwrap_or_default();
        let value = |name: &&str| proof.headers.iter().find(|it| it.name == **name).map(|it| it.value.clone());
        let values = match &provider.credential {
            CredentialSource::UrlToken => None,
            CredentialSource::Hmac(scheme) => scheme.headers.iter().map(value).collect::<Option<Vec<String>>>(),
        };
        let signed = values.is_some();
        let unproven = if signed { ReplayOutcome::OtherProof } else { ReplayOutcome::NoProof };
        let delivery = Delivery {
            endpoint: Arc::from(&*stored.endpoint),
            credential: Credential::Headers(values.unwrap_or_default()),
            content_type: stored.content_type.clone(),
            body: stored.body.clone(),
            received_at,
        };
        let Some((_, keys)) = self.endpoints.get(&*stored.endpoint).filter(|(it, _)| it.name == provider.name) else {
            return (provider.trust(delivery, proof), Some(ReplayOutcome::NoEndpoint));
        };
        if signed && let Ok(verified) = provider.verify(delivery.clone(), keys) {
            return (verified, None);
        }
        (provider.trust(delivery, proof), Some(unproven))
    }
}

#[cfg(test)]
mod tests;
