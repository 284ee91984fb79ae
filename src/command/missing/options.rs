//! The options that the commands over a [`super::Task`] have in common.

use std::time::{Duration, SystemTime};

use clap::Args;

use super::Comparison;
use crate::{
    command::{
        Failure, completions,
        spelling::spellings,
        tail::{exact_moment, span},
    },
    config::{Config, EndpointConfig, Recover, recover::ProviderAccess, suggestion},
    provider::{self, Provider},
};

/// How far the look at older files goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) struct Lookback(pub(in crate::command) Option<Duration>);

/// The flags of every comparison, beside where it begins.
#[derive(Debug, Args)]
pub(in crate::command) struct Scope {
    /// End at a time, which is not included; by default, and at the latest, --grace before now.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = exact_moment)]
    pub(in crate::command) until: Option<SystemTime>,
    /// How long a webhook may be under way before it counts as missing.
    #[arg(long, value_name = "TIME SPAN", default_value = "15m", allow_hyphen_values = true, value_parser = length)]
    pub(in crate::command) grace: Duration,
    /// Look only at these types, such as file.deleted or uploadcare.file.deleted.
    #[arg(long, value_name = "TYPE", value_delimiter = ',', add = completions::types())]
    pub(in crate::command) types: Vec<String>,
    /// How much earlier a file may have been uploaded that was stored, scanned or deleted since; `all` looks at every file.
    #[arg(long, value_name = "TIME SPAN", default_value = "24h", allow_hyphen_values = true, value_parser = lookback)]
    pub(in crate::command) lookback: Lookback,
}

/// Reads a time span, such as `15m`.
pub(in crate::command) fn length(text: &str) -> Result<Duration, String> {
    let milliseconds = span(text.trim()).and_then(|it| u64::try_from(it).ok());
    milliseconds.map(Duration::from_millis).ok_or_else(|| "a time span is like 15m, 1h30m or 7d".into())
}

/// Reads a time span, or `all`.
fn lookback(text: &str) -> Result<Lookback, String> {
    if text == "all" { Ok(Lookback(None)) } else { length(text).map(|it| Lookback(Some(it))) }
}

/// Returns the name of the provider if only one is asked: the credentials of the others need not be there then.
pub(in crate::command) fn only(names: &[String]) -> Option<&'static str> {
    let (name, others) = names.split_first()?;
    provider::by_name(name).filter(|_| others.iter().all(|other| other == name)).map(|provider| provider.name)
}

/// Returns the providers of these names, each once, or all that the configuration has an API of.
pub(in crate::command) fn providers(names: &[String], config: &Config) -> Result<Vec<&'static Provider>, Failure> {
    if names.is_empty() {
        let configured: Vec<_> = provider::ALL.iter().copied().filter(|it| config.recover.access(it).is_some()).collect();
        if configured.is_empty() {
            let example = Recover::example(&provider::uploadcare::PROVIDER);
            let text = format!("the configuration names no API of a provider; for example [recover.uploadcare] with {example}");
            return Err(Failure::configuration(text));
        }
        return Ok(configured);
    }
    let mut providers: Vec<&'static Provider> = Vec::new();
    for provider in names.iter().filter_map(|name| provider::by_name(name)) {
        if providers.iter().any(|before| before.name == provider.name) {
            continue;
        }
        access(config, provider)?;
        if !config.endpoints.iter().any(|endpoint| endpoint.provider.name == provider.name) {
            let text = format!("no endpoint of {} is configured, so there are no topics to compare with", provider.title);
            return Err(Failure::configuration(text));
        }
        providers.push(provider);
    }
    Ok(providers)
}

/// Returns how to reach the API of a provider. Fails if the configuration does not say it, and if Hookgate knows no API of the provider.
pub(in crate::command) fn access<'a>(config: &'a Config, provider: &Provider) -> Result<ProviderAccess<'a>, Failure> {
    if provider.recovered.is_none() {
        return Err(Failure::Usage(format!("Hookgate knows no API of {}, so it cannot ask it anything", provider.title)));
    }
    config.recover.access(provider).ok_or_else(|| {
        let (name, title, example) = (provider.name, provider.title, Recover::example(provider));
        Failure::configuration(format!("[recover.{name}] is missing: it says how to ask {title}. Write {example} there"))
    })
}

/// Returns whether a user has named this type of a provider, in any spelling.
pub(in crate::command) fn means(text: &str, provider: &Provider, name: &str) -> bool {
    spellings(provider.name, name).iter().any(|spelling| spelling == text)
}

/// Refuses a type that none of the providers has: nothing would be compared, which would look like "complete".
pub(in crate::command) fn known_types(flag: &str, types: &[String], providers: &[&'static Provider]) -> Result<(), Failure> {
    known((flag, "type"), types, providers, |provider| provider.names().collect())
}

/// Refuses an event that a webhook of none of the providers subscribes to.
pub(in crate::command) fn known_events(events: &[String], providers: &[&'static Provider]) -> Result<(), Failure> {
    known(("--events", "event"), events, providers, |provider| provider.events().collect())
}

fn known(
    (flag, what): (&str, &str),
    given: &[String],
    providers: &[&'static Provider],
    names: impl Fn(&'static Provider) -> Vec<&'static str>,
) -> Result<(), Failure> {
    let all: Vec<(&Provider, &str)> =
        providers.iter().flat_map(|provider| names(provider).into_iter().map(|name| (*provider, name))).collect();
    let Some(unknown) = given.iter().find(|text| !all.iter().any(|(provider, name)| means(text, provider, name))) else {
        return Ok(());
    };
    let spelled: Vec<String> = all.iter().flat_map(|(provider, name)| spellings(provider.name, name)).collect();
    let bare: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
    let close = suggestion(unknown, spelled.iter().map(String::as_str));
    let hint = close.map_or_else(|| format!("there are {}", bare.join(", ")), |close| format!("did you mean {close}?"));
    Err(Failure::Usage(format!("{flag} {unknown}: no such {what}; {hint}")))
}

/// Returns whether a person should look: events are missing or may be, or a type that was named cannot be known.
pub(in crate::command) fn is_finding(comparison: &Comparison, named: &[String]) -> bool {
    let asked_for = |name: &str| named.iter().any(|it| means(it, comparison.provider, name));
    comparison.illegible > 0
        || comparison.rows.iter().any(|(name, row)| row.missing + row.forgotten > 0 || asked_for(name) && !row.unknown.is_empty())
}

/// Returns the endpoints of a provider, and only the one of this name where there is a name. Fails if the provider has none of this name.
pub(in crate::command) fn endpoints<'a>(
    config: &'a Config,
    provider: &Provider,
    name: Option<&str>,
) -> Result<Vec<&'a EndpointConfig>, Failure> {
    let mut endpoints: Vec<_> = config.endpoints.iter().filter(|it| it.provider.name == provider.name).collect();
    if let Some(name) = name {
        let known = names(&endpoints);
        endpoints.retain(|it| *it.name == *name);
        if endpoints.is_empty() {
            let whose = match config.endpoints.iter().find(|it| *it.name == *name) {
                Some(other) => format!("is an endpoint of {}, and not of {}", other.provider.name, provider.name),
                None => format!("no such endpoint of {}", provider.name),
            };
            return Err(Failure::Usage(format!("--endpoint {name}: {whose}; there are {known}")));
        }
    }
    Ok(endpoints)
}

/// Returns the names of endpoints, with commas between them.
pub(in crate::command) fn names(endpoints: &[&EndpointConfig]) -> String {
    endpoints.iter().map(|it| &*it.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, provider::uploadcare};

    /// The credentials of the others need not be there.
    #[test]
    fn one_provider_may_be_named_twice() {
        let check = |names: &[&str], expected: Option<&str>| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(only(&names), expected, "{names:?}");
        };
        check(&[], None);
        check(&["frameio"], Some("frameio"));
        check(&["frameio", "frameio"], Some("frameio"));
        check(&["frameio", "uploadcare"], None);
    }

    #[test]
    fn a_provider_without_an_api_is_refused_in_other_words_than_one_without_a_table() {
        #[track_caller]
        fn check(provider: &Provider, expected: &str) {
            let text = "[kafka]\nbrokers = [\"kafka:9092\"]\n[endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:SECRET\"]\n";
            let environment = [("SECRET", "0123456789abcdef")].into_iter().collect();
            let config = config::parse(text, "hookgate.toml", &environment, &[]).expect("accepted");
            let refused = access(&config, provider).expect_err("refused");
            let text = refused.unsaid().map_or("", |(text, _)| text);
            assert!(text.contains(expected), "{text:?}");
        }
        check(&uploadcare::PROVIDER, "[recover.uploadcare] is missing: it says how to ask Uploadcare");
        let without = Provider { name: "acme", title: "Acme", recovered: None, ..uploadcare::PROVIDER };
        check(&without, "Hookgate knows no API of Acme, so it cannot ask it anything");
    }
}
