//! Which records are replayed.

use clap::{Args, builder::PossibleValuesParser};

use crate::{
    clock,
    command::{Failure, tail::moment},
    config::Config,
    event::{FaultReason, milliseconds},
    kafka::read::{StoredRecord, matches},
    proto::{Event, Origin},
};

/// The reason of what is in no quarantine.
const UNCLASSIFIED: &str = "unclassified";

/// The flags that choose records.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Records (several values: any of them; `*` stands for any characters)")]
pub(super) struct Choice {
    /// Read these topics instead of those for quarantined and unclassified events.
    #[arg(long = "topic", value_name = "TOPIC", value_delimiter = ',')]
    pub(super) topics: Vec<String>,
    /// Only what arrived at this time or later: 24h or -24h, 2026-11-22T10:00:00Z, 2026-11-22 (UTC), or milliseconds since 1970.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = moment)]
    pub(super) since: Option<i64>,
    /// Only what arrived before this time.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = moment)]
    until: Option<i64>,
    /// Only what is there for these reasons.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(FaultReason::ALL.iter().map(|it| it.label()).chain([UNCLASSIFIED])))]
    reason: Vec<String>,
    /// Only what came in on these endpoints.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    endpoint: Vec<String>,
    /// Only what is stored with these types, with or without the provider in front. What is in quarantine has no type.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// Only events with these ids.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    id: Vec<String>,
    /// Replay everything that the topics hold. Without it, --since or --id is needed.
    #[arg(long, conflicts_with_all = ["since", "id"])]
    all: bool,
}

/// Returns why a record is where it is: the reason of its quarantine, or that its type was not known. None for all other records, which may
/// be on the same topic.
pub(super) fn reason(stored: &StoredRecord) -> Option<&str> {
    let kind = stored.header("ce_type")?;
    if kind == "hookgate.quarantine" {
        return Some(stored.header("hookgate-reason").unwrap_or("unknown"));
    }
    (kind.starts_with("hookgate.") && kind.ends_with(".unclassified")).then_some(UNCLASSIFIED)
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

    /// Returns names of endpoints that the configuration does not have. They may have been removed, so they are not an error.
    pub(super) fn doubts(&self, config: &Config) -> Vec<String> {
        let names: Vec<&str> = config.endpoints.iter().map(|it| &*it.name).collect();
        let unknown = self.endpoint.iter().filter(|name| !names.iter().any(|known| matches(name, known)));
        unknown
            .map(|name| format!("--endpoint {name}: the configuration has no such endpoint; there are {}", names.join(", ")))
            .collect()
    }

    /// Returns whether a record is chosen. Only what a webhook brought is replayed: samples and recovered events have no delivery.
    pub(super) fn admits(&self, reason: &str, event: &Event) -> bool {
        let any = |wanted: &[String], values: &[&str]| {
            wanted.is_empty() || wanted.iter().any(|wanted| values.iter().any(|value| matches(wanted, value)))
        };
        let at = event.received_at.unwrap_or_default();
        let at = at.seconds.saturating_mul(1000).saturating_add(i64::from(at.nanos) / 1_000_000);
        event.origin() == Origin::Webhook
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
            && any(&self.reason, &[reason])
            && any(&self.endpoint, &[&event.endpoint])
            && any(&self.types, &[&event.r#type, &format!("{}.{}", event.provider, event.r#type)])
            && any(&self.id, &[&event.id])
    }
}

#[cfg(test)]
mod tests;
