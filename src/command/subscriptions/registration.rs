//! What is registered at a provider, as the table, the metrics and the exit code have it.

use std::{collections::BTreeSet, sync::Arc};

use super::Asking;
use crate::{
    command::secret_file::{command_before, secret_file},
    config::EndpointConfig,
    provider::{CredentialSource, Provider, SecretMaker},
};

/// Whether a provider sends what is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum RegistrationState {
    Active,
    /// The provider sends nothing.
    Off,
    /// Nothing is registered.
    Missing,
}

/// What proves the deliveries of a registration to its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum RegisteredProof {
    /// They are signed with a secret of the endpoint.
    Signed,
    /// The URL has a token of the endpoint.
    Token,
    /// Nothing: all of them are refused.
    Absent,
    /// A secret or a token that the endpoint does not have: all of them are refused.
    Foreign,
    /// The provider does not show the secret.
    Hidden,
    /// The provider does not show the secret, and the endpoint has none: all deliveries are answered 503.
    Lost,
    /// A secret of the endpoint cannot be read, so there is nothing to compare with.
    Incomparable,
    /// Nothing is registered.
    NotRegistered,
}

/// What is registered for one endpoint under one id, or is not.
#[derive(Clone, Debug)]
pub(in crate::command) struct Registration {
    pub(in crate::command) id: Option<String>,
    /// The events, in the provider's words.
    pub(in crate::command) events: Vec<String>,
    pub(in crate::command) state: RegistrationState,
    pub(in crate::command) proof: RegisteredProof,
    pub(in crate::command) endpoint: Arc<str>,
    /// What a person should know and do, a sentence or a command each.
    pub(in crate::command) notes: Vec<String>,
}

/// What is registered at one provider.
#[derive(Debug)]
pub(in crate::command) struct Registered {
    pub(in crate::command) provider: &'static Provider,
    pub(in crate::command) rows: Vec<Registration>,
    /// How many registrations lead elsewhere.
    pub(in crate::command) elsewhere: usize,
    /// Where these lead: no more of their URLs than the host.
    pub(in crate::command) hosts: BTreeSet<String>,
    /// What there is to say about all of it.
    pub(in crate::command) notes: Vec<String>,
}

impl RegistrationState {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Off => "OFF",
            Self::Missing => "–",
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Off => "off",
            Self::Missing => "missing",
        }
    }
}

impl RegisteredProof {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Signed => "yes",
            Self::Token => "token",
            Self::Absent => "NO",
            Self::Foreign => "FOREIGN",
            Self::Lost => "LOST",
            Self::Hidden | Self::NotRegistered => "–",
            Self::Incomparable => "?",
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Token => "token",
            Self::Absent => "absent",
            Self::Foreign => "foreign",
            Self::Hidden => "hidden",
            Self::Lost => "lost",
            Self::Incomparable => "incomparable",
            Self::NotRegistered => "missing",
        }
    }

    /// Returns whether deliveries are refused, as far as is known.
    pub(in crate::command) fn is_refused(self) -> bool {
        matches!(self, Self::Absent | Self::Foreign | Self::Lost | Self::Incomparable)
    }

    /// Returns what a person should know of it and do, a sentence or a command each.
    pub(in crate::command) fn notes(self, asking: &Asking<'_>, endpoint: &EndpointConfig) -> Vec<String> {
        let (text, commands) = match self {
            Self::Absent | Self::Foreign if endpoint.provider.credential == CredentialSource::UrlToken => (
                "every delivery is refused with 401: the URL at the provider has no token of the endpoint; this prints what to enter:",
                vec![asking.command_with_host(&format!("subscribe {}", endpoint.name))],
            ),
            Self::Absent => (
                "every delivery is refused with 401 missing_signature: nothing at the provider proves the sender; docs/rotation.md says \
                 how to change a secret there",
                Vec::new(),
            ),
            Self::Foreign => (
                "every delivery is refused with 401: the secret at the provider is none of the endpoint's; docs/rotation.md says how to \
                 change it there",
                Vec::new(),
            ),
            Self::Lost => (
                "every delivery is answered 503 no_secret: the endpoint has no secret, and Frame.io does not show one again; if it is lost, \
                 make another webhook:",
                command_before(endpoint).into_iter().chain([another(asking, endpoint)]).collect(),
            ),
            Self::Incomparable => ("a secret of the endpoint cannot be read; this says why:", vec![asking.command("check")]),
            Self::Signed | Self::Token | Self::Hidden | Self::NotRegistered => return Vec::new(),
        };
        [text.to_owned()].into_iter().chain(commands).collect()
    }
}

impl Registration {
    /// Returns whether a person should look.
    pub(in crate::command) fn is_finding(&self) -> bool {
        self.state != RegistrationState::Active || self.proof.is_refused()
    }
}

impl Registered {
    /// Returns that nothing is registered so far.
    pub(super) fn none(provider: &'static Provider) -> Self {
        Self { provider, rows: Vec::new(), elsewhere: 0, hosts: BTreeSet::new(), notes: Vec::new() }
    }

    /// Adds a registration, which leads to an endpoint or elsewhere.
    pub(super) fn leads_elsewhere(&mut self, place: String) {
        self.elsewhere += 1;
        self.hosts.insert(place);
    }

    /// Adds a row for the events of an endpoint that should be registered and are not, and sorts the rows.
    pub(super) fn complete(&mut self, asking: &Asking<'_>, wanted: &[&'static str]) {
        for (config, endpoint) in asking.endpoints(self.provider).map(|it| (it, &it.name)) {
            let there =
                |event: &str| self.rows.iter().any(|row| row.endpoint == *endpoint && row.events.iter().any(|it| it == event));
            let events: Vec<String> = wanted.iter().filter(|event| !there(event)).map(|event| (*event).to_owned()).collect();
            // Without any wanted event, there should still be something.
            if !events.is_empty() || !self.rows.iter().any(|row| row.endpoint == *endpoint) {
                let before = command_before(config).filter(|_| self.provider.secret_maker == SecretMaker::Provider);
                let commands = before.into_iter().chain([asking.command_with_host(&subscribe(config, &events))]);
                self.rows.push(Registration {
                    id: None,
                    notes: [format!("not subscribed{}:", list_of(&events))].into_iter().chain(commands).collect(),
                    events,
                    state: RegistrationState::Missing,
                    proof: RegisteredProof::NotRegistered,
                    endpoint: Arc::clone(endpoint),
                });
            }
        }
        let place = |row: &Registration| (Arc::clone(&row.endpoint), row.state == RegistrationState::Missing);
        self.rows.sort_by_key(place);
    }
}

/// Returns the command that makes another webhook for an endpoint, with a secret that is kept.
fn another(asking: &Asking<'_>, endpoint: &EndpointConfig) -> String {
    asking.command_with_host(&format!("subscribe {} --another --secret-file {}", endpoint.name, secret_file(endpoint)))
}

/// Returns the words of the command that subscribes an endpoint to these events.
fn subscribe(endpoint: &EndpointConfig, events: &[String]) -> String {
    let provider = endpoint.provider;
    let place = if provider.secret_maker == SecretMaker::Provider {
        format!(" --secret-file {}", secret_file(endpoint))
    } else {
        String::new()
    };
    let all = events.is_empty() || events.len() == provider.events().count();
    let events = if all { String::new() } else { format!(" --events {}", events.join(",")) };
    format!("subscribe {}{place}{events}", endpoint.name)
}

/// Returns names after a colon, or nothing where there are none.
fn list_of(names: &[String]) -> String {
    if names.len() < 2 { String::new() } else { format!(" to {}", names.join(", ")) }
}
