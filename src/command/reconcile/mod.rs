//! `hookgate reconcile`: what the providers' own books know, beside what the topics have.

mod metrics;

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::{Args, builder::PossibleValuesParser};

use super::{
    CommandResult, ConfigSource, EXIT_FAILED, EXIT_FINDINGS, Failure, completions,
    missing::{
        Occurrence, Task, TimeWindow,
        options::{Scope, endpoints, is_finding, known_types, means, names, only, providers},
        report,
    },
    note,
    output::{Printout, ReportFormat},
    tail::{exact_moment, watch},
};
use crate::{
    clock,
    config::{Config, Environment, Needs},
    provider::{self, Provider},
};

/// Compare the topics with the providers' own books: complete, some missing, or cannot know.
///
/// Asks the API of each provider that the configuration names in [recover.PROVIDER] what has happened since a time, and looks for an event
/// of each on the topics. It only reads. The last minutes are left out, because a webhook that is under way is not lost. Exits with 0 if
/// nothing is missing, with 3 if something is missing or a type that was named with --types cannot be known, and with 1 if a provider or
/// Kafka cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate reconcile --since 24h
  hookgate reconcile uploadcare --since 2026-11-22T10:00:00Z --until 2026-11-22T14:00:00Z --list
  hookgate reconcile uploadcare --since 7d --types file.uploaded,file.deleted --lookback all
  hookgate reconcile --since 25h --metrics /var/lib/node_exporter/hookgate.prom")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// The providers to ask; by default all that the configuration names in [recover.PROVIDER].
    #[arg(value_name = "PROVIDER", value_parser = PossibleValuesParser::new(provider::ALL.iter().map(|it| it.name)))]
    providers: Vec<String>,
    /// Look only for events that came in on this endpoint, and ask only its provider; by default an event on any endpoint of the provider counts.
    #[arg(long, value_name = "NAME", add = completions::endpoints())]
    endpoint: Option<String>,
    /// Begin at a time: 24h or -24h, 2026-11-22T10:00:00Z, 2026-11-22 (UTC), or milliseconds since 1970.
    #[arg(long, value_name = "TIME", required = true, allow_hyphen_values = true, value_parser = exact_moment)]
    since: SystemTime,
    #[command(flatten)]
    scope: Scope,
    /// Print each missing event, too.
    #[arg(long)]
    list: bool,
    /// Also write the result as metrics, for the textfile collector of Prometheus' node exporter.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// By default pretty on a terminal, json elsewhere.
    #[arg(long, value_enum)]
    format: Option<ReportFormat>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let window = TimeWindow::of(arguments.since, arguments.scope.until, arguments.scope.grace, clock::system())?;
    let config = arguments.source.load(environment, Needs::Recovery(only(&arguments.providers)))?;
    let providers = asked(arguments, &config)?;
    let format = ReportFormat::of(arguments.format);
    let task = Task {
        config: &config,
        environment,
        window,
        lookback: arguments.scope.lookback.0,
        types: &arguments.scope.types,
        endpoint: arguments.endpoint.as_deref(),
        scans: &[],
        patience: Duration::ZERO,
        rebuild_ready: false,
        everything: false,
        objects: false,
        stop: watch(EXIT_FAILED)?,
        now: clock::system,
    };
    let mut out = Printout::new();
    let (mut results, mut stopped) = (Vec::new(), false);
    for provider in providers {
        let mut list = |event: Occurrence<'_>| {
            if arguments.list {
                let _reported_at_the_end = out.print(|out| report::event(out, format, "missing", provider, &event));
            }
            Ok(())
        };
        let compared = if stopped { Err(Failure::Stopped) } else { task.compare(provider, &mut list) };
        match &compared {
            Ok(comparison) => {
                if arguments.list && format == ReportFormat::Pretty {
                    let _reported_at_the_end = out.print(|out| report::undecided(out, comparison));
                }
                let _reported_at_the_end = out.print(|out| report::show(out, format, &task.window, comparison));
            }
            Err(Failure::Stopped) if stopped => {}
            Err(Failure::Stopped) => {
                note("stopped before its end");
                stopped = true;
            }
            Err(other) => other.unsaid().iter().for_each(|(text, _)| note(text)),
        }
        results.push((provider, compared.ok()));
    }
    // The numbers are right also where nobody could be shown them.
    let printed = out.finish();
    if let Some(file) = &arguments.metrics {
        metrics::write(file, task.endpoint, &results, clock::system())?;
    }
    if !printed || results.iter().any(|(_, comparison)| comparison.is_none()) {
        return Ok(false);
    }
    let mut comparisons = results.iter().filter_map(|(_, comparison)| comparison.as_ref());
    if comparisons.any(|comparison| is_finding(comparison, &arguments.scope.types)) {
        return Err(Failure::Reported(EXIT_FINDINGS));
    }
    Ok(true)
}

/// Returns the providers that are asked: those that are named, that of the endpoint, or all that have a type that was named.
fn asked(arguments: &Arguments, config: &Config) -> Result<Vec<&'static Provider>, Failure> {
    let mut providers = match arguments.endpoint.as_deref().and_then(|name| config.endpoints.iter().find(|it| &*it.name == name))
    {
        Some(endpoint) if arguments.providers.is_empty() => providers(&[endpoint.provider.name.to_owned()], config)?,
        _ => providers(&arguments.providers, config)?,
    };
    let types = &arguments.scope.types;
    known_types("--types", types, &providers)?;
    if arguments.providers.is_empty() && !types.is_empty() {
        providers.retain(|provider| provider.names().any(|name| types.iter().any(|text| means(text, provider, name))));
    }
    known_endpoint(config, &providers, arguments.endpoint.as_deref())?;
    Ok(providers)
}

/// Refuses an endpoint that a provider does not have, and says where several endpoints are taken together.
fn known_endpoint(config: &Config, providers: &[&'static Provider], name: Option<&str>) -> Result<(), Failure> {
    for provider in providers {
        let endpoints = endpoints(config, provider, name)?;
        if endpoints.len() > 1 {
            note(&format!(
                "{} has several endpoints ({}): an event on any of them counts; --endpoint looks at one",
                provider.name,
                names(&endpoints)
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
