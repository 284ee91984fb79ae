//! Which records are replayed.

use std::collections::BTreeSet;

use clap::{Args, builder::PossibleValuesParser};

use super::judge::ReplayOutcome;
use crate::{
    clock,
    command::{Failure, completions, spelling::spellings, tail::moment},
    config::{Config, suggestion},
    event::{FaultReason, milliseconds},
    kafka::read::{StoredRecord, matches},
    proto::{Event, Origin},
    provider::{self, Provider},
};

/// The reason of what is in no quarantine.
const UNCLASSIFIED: &str = "unclassified";
/// The reason of what does not say why it is where it is.
const UNKNOWN: &str = "unknown";

/// The flags that choose records.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Records (several values: any of them; `*` stands for any characters)")]
pub(super) struct Choice {
    /// Read these topics instead of the quarantine topic and the unclassified topics of all providers.
    #[arg(long = "topic", value_name = "TOPIC", value_delimiter = ',')]
    pub(super) topics: Vec<String>,
    /// Only what arrived at this time or later: 24h or -24h, 2026-11-22T10:00:00Z, 2026-11-22 (UTC), or milliseconds since 1970.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = moment)]
    pub(super) since: Option<i64>,
    /// Only what arrived before this time.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = moment)]
    until: Option<i64>,
    /// Only what is there for these reasons.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(FaultReason::ALL.iter().map(|it| it.label()).chain([UNCLASSIFIED, UNKNOWN])))]
    reason: Vec<String>,
    /// Only what came in on these endpoints.
    #[arg(long, value_name = "NAME", value_delimiter = ',', add = completions::endpoints())]
    endpoint: Vec<String>,
    /// Only what is stored with these types, with or without the provider in front. What is in quarantine has no type.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', add = completions::types())]
    types: Vec<String>,
    /// Only events with these ids.
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = event_id)]
    id: Vec<String>,
    /// Replay everything that the topics hold. Without it, --since or --id is needed.
    #[arg(long, conflicts_with_all = ["since", "id"])]
    all: bool,
}

/// Reads the id of an event, or a pattern of ids. Ids are in small letters.
fn event_id(text: &str) -> Result<String, String> {
    let text = text.trim().to_lowercase();
    let part = |c: char| c.is_ascii_hexdigit() || matches!(c, '-' | '*');
    let is_pattern = text.contains('*') && text.chars().all(part);
    if is_pattern || text.len() == 36 && uuid::Uuid::parse_str(&text).is_ok() {
        return Ok(text);
    }
    Err("the id of an event is a UUID, such as 5d3c2f0a-7b1e-8c4d-9a6f-2e1d0c9b8a7f; `*` stands for any characters".into())
}

/// What a record on a source topic holds.
pub(super) struct Sorted {
    /// Why it is there: the reason of its quarantine, that its type was not known, or that nothing says why.
    pub(super) reason: String,
    /// The delivery, or why none can be published from this record.
    pub(super) delivery: Result<Event, ReplayOutcome>,
    endpoint: String,
    types: Vec<String>,
    id: String,
    /// When it arrived, in milliseconds since the epoch.
    at: i64,
}

impl Sorted {
    /// Returns what a record holds, with its event if its value is one. None for records of other kinds, which may be on the same topic.
    pub(super) fn of(stored: &StoredRecord, event: Option<Event>) -> Option<Self> {
        let kind = stored.header("ce_type").unwrap_or_default();
        let reason = match kind {
            "hookgate.quarantine" => stored.header("hookgate-reason").unwrap_or(UNKNOWN),
            _ if kind.starts_with("hookgate.") && kind.ends_with(".unclassified") => UNCLASSIFIED,
            _ if kind.starts_with("hookgate.") => return None,
            _ => UNKNOWN,
        };
        let reason = reason.to_owned();
        // A record without such a header was not written by Hookgate, also if its value can be read.
        Some(match event.filter(|_| kind.starts_with("hookgate.")) {
            Some(event) => {
                let at = event.received_at.unwrap_or_default();
                Self {
                    reason,
                    endpoint: event.endpoint.clone(),
                    types: spellings(&event.provider, &event.r#type).into(),
                    id: event.id.clone(),
                    at: at.seconds.saturating_mul(1000).saturating_add(i64::from(at.nanos) / 1_000_000),
                    // Samples and recovered events have no delivery.
                    delivery: if event.origin() == Origin::Webhook { Ok(event) } else { Err(ReplayOutcome::NoWebhook) },
                }
            }
            None => Self {
                reason,
                endpoint: stored.header("ce_source").and_then(|it| it.strip_prefix("/hookgate/")).unwrap_or_default().to_owned(),
                types: Vec::new(),
                id: stored.header("ce_id").unwrap_or_default().to_owned(),
                at: stored.timestamp_ms.unwrap_or_default(),
                delivery: Err(ReplayOutcome::NoEvent),
            },
        })
    }
}

impl Choice {
    /// Refuses what cannot be meant, and what may mean more than was meant.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if !self.all && self.since.is_none() && self.id.is_empty() {
            return Err(Failure::Usage("say which records: --since with a time, --id, or --all".into()));
        }
        if self.since.is_some_and(|since| since > milliseconds(clock::system())) {
            return Err(Failure::Usage("--since is in the future".into()));
        }
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(Failure::Usage("--since must be before --until".into()));
        }
        Ok(())
    }

    /// Returns the values that each flag names, with those that a record has.
    fn wanted<'c, 's>(&'c self, sorted: &'s Sorted) -> [(Flag, &'c [String], Vec<&'s str>); 4] {
        [
            (Flag::Id, &self.id, vec![&sorted.id]),
            (Flag::Type, &self.types, sorted.types.iter().map(String::as_str).collect()),
            (Flag::Endpoint, &self.endpoint, vec![&sorted.endpoint]),
            (Flag::Reason, &self.reason, vec![&sorted.reason]),
        ]
    }
}

/// A flag that names what records have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Flag {
    Id,
    Type,
    Endpoint,
    Reason,
}

impl Flag {
    fn name(self) -> &'static str {
        match self {
            Self::Id => "--id",
            Self::Type => "--type",
            Self::Endpoint => "--endpoint",
            Self::Reason => "--reason",
        }
    }
}

/// A choice, and which of the values that it names were found.
pub(super) struct Search<'a> {
    choice: &'a Choice,
    /// The values that some record has.
    seen: BTreeSet<(Flag, &'a str)>,
    /// The values that a chosen record has.
    chosen: BTreeSet<(Flag, &'a str)>,
}

/// A value of a flag that no chosen record has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unmatched {
    /// One sentence for the user.
    pub(super) text: String,
    /// Whether the value is likely a mistake. Otherwise there is just nothing of it at this time.
    pub(super) is_finding: bool,
}

impl<'a> Search<'a> {
    /// Returns a search that has seen nothing.
    pub(super) fn new(choice: &'a Choice) -> Self {
        Self { choice, seen: BTreeSet::new(), chosen: BTreeSet::new() }
    }

    /// Returns whether a record is chosen, and notes which of the named values it has.
    pub(super) fn admits(&mut self, sorted: &Sorted) -> bool {
        let choice = self.choice;
        let mut admitted =
            choice.since.is_none_or(|since| sorted.at >= since) && choice.until.is_none_or(|until| sorted.at < until);
        let mut found = Vec::new();
        for (flag, wanted, values) in choice.wanted(sorted) {
            let before = found.len();
            let has = wanted.iter().filter(|wanted| values.iter().any(|value| matches(wanted, value)));
            found.extend(has.map(|wanted| (flag, wanted.as_str())));
            admitted &= wanted.is_empty() || found.len() > before;
        }
        if admitted {
            self.chosen.extend(&found);
        }
        self.seen.extend(found);
        admitted
    }

    /// Returns the named values that no chosen record has.
    pub(super) fn unmatched(&self, config: &Config) -> Vec<Unmatched> {
        let Choice { id, types, endpoint, reason, .. } = self.choice;
        let endpoints: Vec<&str> = config.endpoints.iter().map(|it| &*it.name).collect();
        let of = |provider: &&'static Provider| {
            let provider = *provider;
            provider.names().flat_map(|name| spellings(provider.name, name))
        };
        let known: Vec<String> = provider::ALL.iter().flat_map(of).collect();
        let known = || known.iter().map(String::as_str);
        let no_type = |name: &str| {
            let hint = suggestion(name, known()).map_or_else(String::new, |close| format!("; did you mean {close}?"));
            (!known().any(|known| matches(name, known))).then_some(("Hookgate knows no such type, and ", hint))
        };
        let no_endpoint = |name: &str| {
            let hint = format!("; there are {}", endpoints.join(", "));
            (!endpoints.iter().any(|known| matches(name, known))).then_some(("no such endpoint is configured, and ", hint))
        };
        let ids = id.iter().filter_map(|id| self.missed(Flag::Id, id, Some(("", String::new()))));
        let types = types.iter().filter_map(|name| self.missed(Flag::Type, name, no_type(name)));
        let endpoints = endpoint.iter().filter_map(|name| self.missed(Flag::Endpoint, name, no_endpoint(name)));
        let reasons = reason.iter().filter_map(|reason| self.missed(Flag::Reason, reason, None));
        ids.chain(types).chain(endpoints).chain(reasons).collect()
    }

    /// Returns what to say of a value that no chosen record has. `mistake` is what may be wrong with it: words before and after the rest.
    fn missed(&self, flag: Flag, value: &str, mistake: Option<(&str, String)>) -> Option<Unmatched> {
        let name = flag.name();
        if self.chosen.contains(&(flag, value)) {
            return None;
        }
        if self.seen.contains(&(flag, value)) {
            let text = format!("{name} {value}: the records with it do not fit the other flags");
            return Some(Unmatched { text, is_finding: flag == Flag::Id });
        }
        let is_finding = mistake.is_some();
        let (before, after) = mistake.unwrap_or_default();
        Some(Unmatched { text: format!("{name} {value}: {before}no record that was read has it{after}"), is_finding })
    }
}

#[cfg(test)]
mod tests;
