//! `hookgate subscriptions`: what is registered at the providers, beside what the endpoints need.

mod asking;
mod filespin;
mod frameio;
mod registration;
mod table;
#[cfg(test)]
mod tests;
mod uploadcare;

use std::{
    io::{self, BufWriter},
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::{Args, builder::PossibleValuesParser};

pub(super) use self::{
    asking::{Asking, signed_with},
    filespin::token_of,
    frameio::{hidden, surplus},
    registration::{Registered, RegisteredProof, Registration, RegistrationState},
};
use super::{
    CommandResult, ConfigSource, EXIT_FAILED, EXIT_FINDINGS, Failure, completions,
    missing::options::{access, known_events, means, only, providers},
    note,
    output::ReportFormat,
    textfile,
};
use crate::{
    api::ApiError,
    clock,
    config::{Environment, Needs, recover::ProviderAccess},
    http::origin,
    metrics::textfile::{SubscribedProvider, subscribed},
    provider::{self, Provider},
};

/// List what is registered at the providers: what is off, unsigned, signed with a foreign secret, or missing.
///
/// Asks the API of each provider that the configuration names in [recover.PROVIDER]. It changes nothing without --reenable, and shows no secret.
/// Exits with 0 if all is as it should be, with 3 if a subscription is off, unsigned, signed with a secret that the endpoint does not have, or
/// missing, and with 1 if a provider cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate subscriptions
  hookgate subscriptions uploadcare --host https://hooks.example.com
  hookgate subscriptions uploadcare --events file.uploaded,file.deleted
  hookgate subscriptions uploadcare --reenable
  hookgate subscriptions --metrics /var/lib/node_exporter/hookgate_subscriptions.prom")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// The providers to ask; by default all that the configuration names in [recover.PROVIDER].
    #[arg(value_name = "PROVIDER", value_parser = PossibleValuesParser::new(provider::ALL.iter().map(|it| it.name)))]
    providers: Vec<String>,
    /// The public address of Hookgate: what is registered for another host is not ours. Without it, the path of an endpoint on any host counts.
    #[arg(long, value_name = "URL", value_parser = public_host)]
    host: Option<String>,
    /// The events that must be there, such as file.uploaded; by default all of Uploadcare and FileSpin, and any of Frame.io.
    #[arg(long, value_name = "EVENT", value_delimiter = ',', add = completions::types())]
    events: Vec<String>,
    /// Switch on what is off, and read it again. What would be refused is not switched on.
    #[arg(long)]
    reenable: bool,
    /// Also write the result as metrics, for the textfile collector of Prometheus' node exporter.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// By default pretty on a terminal, json elsewhere.
    #[arg(long, value_enum)]
    format: Option<ReportFormat>,
}

/// Reads the public address of Hookgate.
pub(super) fn public_host(text: &str) -> Result<String, String> {
    let bare = text.strip_suffix('/').unwrap_or(text);
    let origin = bare.parse().ok().and_then(|url| origin(&url)).filter(|origin| origin.starts_with("https://"));
    let written = bare.to_ascii_lowercase();
    // The URL is pasted into a shell.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '/' | '[' | ']');
    origin
        .filter(|origin| written == *origin || written == format!("{origin}:443"))
        .filter(|origin| origin.chars().all(is_plain) && !origin.ends_with(":0"))
        .ok_or_else(|| "the public address is https:// and a host, such as https://hooks.example.com".into())
}

/// The events that must be registered.
pub(super) struct Wanted<'a>(pub(super) &'a [String]);

impl Wanted<'_> {
    /// Returns the events of a provider that were named, or the usual ones where none was.
    pub(super) fn of(&self, provider: &Provider, usual: &[&'static str]) -> Vec<&'static str> {
        let named: Vec<_> = provider.events().filter(|name| self.0.iter().any(|it| means(it, provider, name))).collect();
        if named.is_empty() { usual.to_vec() } else { named }
    }
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let config = arguments.source.load(environment, Needs::Subscriptions(only(&arguments.providers)))?;
    let providers = providers(&arguments.providers, &config)?;
    known_events(&arguments.events, &providers)?;
    let asking = Asking::new((&config, &arguments.source), environment, arguments.host.as_deref())?;
    let (format, wanted) = (ReportFormat::of(arguments.format), Wanted(&arguments.events));
    let mut out = BufWriter::new(io::stdout().lock());
    let mut all = Vec::new();
    for provider in providers {
        match registered(&asking, access(&config, provider)?, provider, &wanted, arguments.reenable) {
            Ok(registered) => {
                if all.iter().all(|(_, before): &(_, Option<Registered>)| before.is_none()) {
                    table::head(&mut out, format)?;
                }
                table::show(&mut out, format, &registered)?;
                all.push((provider, Some(registered)));
            }
            Err(ApiError::Stopped) => return Err(Failure::Reported(EXIT_FAILED)),
            Err(error) => {
                note(&error.to_string());
                all.push((provider, None));
            }
        }
    }
    drop(out);
    if let Some(file) = &arguments.metrics {
        write_metrics(file, &all, clock::system())?;
    }
    if all.iter().any(|(_, registered)| registered.is_none()) {
        return Ok(false);
    }
    if all
        .iter()
        .filter_map(|(_, registered)| registered.as_ref())
        .flat_map(|registered| &registered.rows)
        .any(Registration::is_finding)
    {
        return Err(Failure::Reported(EXIT_FINDINGS));
    }
    Ok(true)
}

/// Reads what is registered at a provider.
pub(super) fn registered(
    asking: &Asking<'_>,
    access: ProviderAccess<'_>,
    provider: &'static Provider,
    wanted: &Wanted<'_>,
    reenable: bool,
) -> Result<Registered, ApiError> {
    match access {
        ProviderAccess::Uploadcare(access) => uploadcare::registered(asking, access, wanted, reenable),
        ProviderAccess::Frameio(access) => frameio::registered(asking, access, wanted, reenable),
        ProviderAccess::Filespin(access) => filespin::registered(asking, access, wanted),
        ProviderAccess::Filesafety(_) => {
            let note = "nothing is registered there: each request names its own webhook URL, which hookgate subscribe prints";
            Ok(Registered { notes: vec![note.into()], ..Registered::none(provider) })
        }
    }
}

/// Writes the result as metrics. A provider that could not be read keeps its numbers of the file before.
fn write_metrics(file: &Path, all: &[(&Provider, Option<Registered>)], now: SystemTime) -> Result<(), Failure> {
    let providers = all.iter().map(|(provider, registered)| SubscribedProvider {
        name: provider.name,
        endpoints: registered.as_ref().map(|registered| counts(&registered.rows)),
    });
    textfile::write(file, &subscribed(&providers.collect::<Vec<_>>(), &textfile::before(file), now))
}

/// Returns for each endpoint how many subscriptions are off, how many are refused, and how many events are missing.
fn counts(rows: &[Registration]) -> Vec<(&str, [usize; 3])> {
    let mut names: Vec<&str> = rows.iter().map(|row| &*row.endpoint).collect();
    names.dedup();
    let of = |name: &str| {
        let own = || rows.iter().filter(move |row| *row.endpoint == *name);
        [
            own().filter(|row| row.state == RegistrationState::Off).count(),
            own().filter(|row| row.proof.is_refused()).count(),
            own().filter(|row| row.state == RegistrationState::Missing).map(|row| row.events.len().max(1)).sum(),
        ]
    };
    names.into_iter().map(|name| (name, of(name))).collect()
}
