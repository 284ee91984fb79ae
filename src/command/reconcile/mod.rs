//! `hookgate reconcile`: what the providers' own books know, beside what the topics have.

mod metrics;

use std::{
    io::{self, BufWriter, IsTerminal as _},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, builder::PossibleValuesParser};

use super::{
    CommandResult, ConfigSource, EXIT_FINDINGS, Failure,
    missing::{
        Task, TimeWindow,
        options::{Lookback, ReportFormat, is_finding, known_types, length, lookback, providers},
        report,
    },
    note,
    tail::{moment, watch},
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
    /// Look only for events that came in on this endpoint; by default an event on any endpoint of the provider counts.
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Begin at a time: 24h or -24h, 2026-11-22T10:00:00Z, 2026-11-22 (UTC), or milliseconds since 1970.
    #[arg(long, value_name = "TIME", required = true, allow_hyphen_values = true, value_parser = moment)]
    since: i64,
    /// End at a time, which is not included; by default, and at the latest, --grace before now.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = moment)]
    until: Option<i64>,
    /// How long a webhook may be under way before it counts as missing.
    #[arg(long, value_name = "TIME SPAN", default_value = "15m", value_parser = length)]
    grace: Duration,
    /// Look only at these types, such as file.deleted.
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// How much earlier a file may have been uploaded that was stored, scanned or deleted since; `all` looks at every file.
    #[arg(long, value_name = "TIME SPAN", default_value = "24h", value_parser = lookback)]
    lookback: Lookback,
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
    let window = TimeWindow::of(arguments.since, arguments.until, arguments.grace, clock::system())?;
    let config = arguments.source.load(environment, Needs::Recovery)?;
    let providers = providers(&arguments.providers, &config)?;
    known_types(&arguments.types, &providers)?;
    known_endpoint(&config, &providers, arguments.endpoint.as_deref())?;
    let format = arguments.format.unwrap_or(if io::stdout().is_terminal() { ReportFormat::Pretty } else { ReportFormat::Json });
    let task = Task {
        config: &config,
        environment,
        window,
        lookback: arguments.lookback.0,
        types: &arguments.types,
        endpoint: arguments.endpoint.as_deref(),
        scans: &[],
        everything: false,
        objects: false,
        stop: watch()?,
        now: clock::system,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut comparisons, mut failed) = (Vec::new(), false);
    for provider in providers {
        let compared = task.compare(provider, &mut |occurrence| {
            if arguments.list {
                report::missing(&mut out, format, provider, occurrence)?;
            }
            Ok(())
        });
        match compared {
            Ok(comparison) => {
                report::show(&mut out, format, &task.window, &comparison)?;
                comparisons.push(comparison);
            }
            Err(Failure::Failed(text)) => {
                note(&text);
                failed = true;
            }
            Err(other) => return Err(other),
        }
    }
    drop(out);
    if let Some(file) = &arguments.metrics {
        metrics::write(file, &comparisons, clock::system())?;
    }
    if failed {
        return Ok(false);
    }
    if comparisons.iter().any(|comparison| is_finding(comparison, &arguments.types)) {
        return Err(Failure::Reported(EXIT_FINDINGS));
    }
    Ok(true)
}

/// Refuses an endpoint that none of the providers has, and says where several endpoints are taken together.
fn known_endpoint(config: &Config, providers: &[&'static Provider], name: Option<&str>) -> Result<(), Failure> {
    for provider in providers {
        let names: Vec<&str> =
            config.endpoints.iter().filter(|it| it.provider.name == provider.name).map(|it| &*it.name).collect();
        match name {
            Some(name) if !names.contains(&name) => {
                let text = format!("--endpoint {name}: no such endpoint of {}; there are {}", provider.name, names.join(", "));
                return Err(Failure::Usage(text));
            }
            None if names.len() > 1 => note(&format!(
                "{} has several endpoints ({}): an event on any of them counts; --endpoint looks at one",
                provider.name,
                names.join(", ")
            )),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
