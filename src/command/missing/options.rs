//! The options that the commands over a [`super::Task`] have in common.

use std::time::Duration;

use clap::ValueEnum;

use super::{Comparison, configured};
use crate::{
    command::{Failure, tail::span},
    config::{Config, suggestion},
    provider::{self, Provider},
};

/// The format of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::command) enum ReportFormat {
    /// A table for people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// How far the look at older files goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) struct Lookback(pub(in crate::command) Option<Duration>);

/// Reads a time span, such as `15m`.
pub(in crate::command) fn length(text: &str) -> Result<Duration, String> {
    let milliseconds = span(text.trim()).and_then(|it| u64::try_from(it).ok());
    milliseconds.map(Duration::from_millis).ok_or_else(|| "a time span is like 15m, 1h30m or 7d".into())
}

/// Reads a time span, or `all`.
pub(in crate::command) fn lookback(text: &str) -> Result<Lookback, String> {
    if text == "all" { Ok(Lookback(None)) } else { length(text).map(|it| Lookback(Some(it))) }
}

/// Returns the providers of these names, or all that the configuration has an API of.
pub(in crate::command) fn providers(names: &[String], config: &Config) -> Result<Vec<&'static Provider>, Failure> {
    let configured = configured(config);
    if names.is_empty() {
        if configured.is_empty() {
            let text = "the configuration names no API of a provider; for example [recover.uploadcare] with public_key and \
                        secret_key = \"env:UPLOADCARE_SECRET_KEY\"";
            return Err(Failure::configuration(text.into()));
        }
        return Ok(configured);
    }
    let mut providers = Vec::new();
    for provider in names.iter().filter_map(|name| provider::by_name(name)) {
        if !configured.iter().any(|it| it.name == provider.name) {
            let text = format!("[recover.{}] is missing: it says how to ask {}", provider.name, provider.title);
            return Err(Failure::configuration(text));
        }
        if !config.endpoints.iter().any(|endpoint| endpoint.provider.name == provider.name) {
            let text = format!("no endpoint of {} is configured, so there are no topics to compare with", provider.title);
            return Err(Failure::configuration(text));
        }
        providers.push(provider);
    }
    Ok(providers)
}

/// Refuses a type that none of the providers has: nothing would be compared, which would look like "complete".
pub(in crate::command) fn known_types(types: &[String], providers: &[&'static Provider]) -> Result<(), Failure> {
    for name in types {
        let mut known = providers.iter().flat_map(|provider| provider.names());
        if !known.any(|it| it == name) {
            let names: Vec<&str> = providers.iter().flat_map(|provider| provider.names()).collect();
            let hint = suggestion(name, names.iter().copied())
                .map_or_else(|| format!("there are {}", names.join(", ")), |close| format!("did you mean {close}?"));
            return Err(Failure::Usage(format!("--types {name}: no such type; {hint}")));
        }
    }
    Ok(())
}

/// Returns whether a person should look: events are missing, or a type that was named cannot be known.
pub(in crate::command) fn is_finding(comparison: &Comparison, named: &[String]) -> bool {
    let asked_for = |name: &str| named.iter().any(|it| it == name);
    comparison.illegible > 0
        || comparison.rows.iter().any(|(name, row)| row.missing > 0 || asked_for(name) && !row.unknown.is_empty())
}
