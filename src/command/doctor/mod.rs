//! `hookgate doctor`: one command for a person who sees that something is wrong.

mod clocks;
mod cluster;
mod configuration;
mod public;
mod registered;
mod report;

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use clap::Args;

use self::report::{DoctorLine, DoctorReport};
use super::{
    CommandResult, ConfigSource, EXIT_FINDINGS, Failure, completions, missing::options::known_events, subscriptions::public_host,
    target,
};
use crate::{
    api, clock,
    config::{Config, Environment, Needs, Recover, is_here, recover::FrameioLogin},
    http::origin,
    outbound::Client,
    provider,
};

/// What to do where the configuration stops another line.
const CONFIGURATION_FIRST: &str = "first do what the lines about the configuration say";

/// Look at everything that can be wrong: configuration, secrets, Kafka, subscriptions, the public address, and the clock.
///
/// Each line is ✓, ✗ or – (not tried), with what to do below it. Nothing is published or changed, and no secret is shown. With --host it sends
/// requests to the public address that the daemon refuses: one without a signature to each endpoint, and one with a time that is never accepted
/// to each endpoint whose provider signs a time. Exits with 0 if no line is ✗, and with 3 if one is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate doctor
  hookgate doctor --host https://hooks.example.com
  hookgate doctor --host https://hooks.example.com --events file.uploaded,file.infected
  hookgate doctor --json | jq '.checks[] | select(.state == \"bad\")'")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// The public address of Hookgate, which is tried too. On this machine it may be without TLS, such as `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL", value_parser = address)]
    host: Option<String>,
    /// Trust the authorities of this PEM file instead of the built-in ones, at the public address.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The events that must be subscribed, as `hookgate subscriptions` takes them.
    #[arg(long, value_name = "EVENT", value_delimiter = ',', add = completions::types())]
    events: Vec<String>,
    /// How long one request may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Reads the public address of Hookgate. Only an address of this machine may be without TLS.
fn address(text: &str) -> Result<String, String> {
    let bare = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let here = bare.parse::<ureq::http::Uri>().ok().filter(|url| url.host().is_some_and(is_here));
    let here = here.as_ref().and_then(origin).filter(|origin| origin.starts_with("http://") && bare == *origin);
    here.map_or_else(|| public_host(text), Ok)
}

/// What the parts look at.
struct Patient<'a> {
    arguments: &'a Arguments,
    environment: &'a Environment,
    /// The configuration without its secrets, if it can be used.
    config: Option<Config>,
}

impl Patient<'_> {
    /// Returns the configuration with what a part needs, or `None` if that cannot be used.
    fn load(&self, needs: Needs) -> Option<Config> {
        self.arguments.source.load(self.environment, needs).ok()
    }

    /// Returns the public address for a command to copy. Other commands take none that is without TLS.
    fn public_host(&self) -> Option<&str> {
        self.arguments.host.as_deref().filter(|host| host.starts_with("https:"))
    }

    /// Returns a command for a person to copy.
    fn command(&self, words: &str) -> String {
        self.arguments.source.command(words)
    }

    /// Returns a command for a person to copy that takes the public address.
    fn command_with_host(&self, words: &str) -> String {
        self.arguments.source.command_with_host(words, self.public_host())
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.arguments.timeout)
    }
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    known_events(&arguments.events, provider::ALL)?;
    let patient = Patient { arguments, environment, config: arguments.source.load(environment, Needs::Names).ok() };
    let public = public_client(&patient)?;
    let mut report = DoctorReport::new(io::stdout().lock(), arguments.json);
    conceal(&patient, &mut report);
    configuration::look(&patient, &mut report)?;
    cluster::look(&patient, &mut report)?;
    let apis = registered::look(&patient, &mut report)?;
    public::look(&patient, &public, &mut report)?;
    clocks::look(&patient, apis.iter().chain([&public]), &mut report)?;
    if report.end()? { Ok(true) } else { Err(Failure::Reported(EXIT_FINDINGS)) }
}

/// Returns the client for the public address.
fn public_client(patient: &Patient<'_>) -> Result<Client, Failure> {
    let trusted = Recover { ca_file: patient.arguments.ca_file.clone(), ..Recover::default() };
    let authorities = trusted.authorities().map_err(|why| format!("--ca-file: {why}"))?;
    Ok(api::outward(patient.environment, patient.timeout(), authorities.as_deref())?.comparing(clock::system))
}

/// Has every secret concealed that can be read: a peer may repeat one in its answer.
fn conceal(patient: &Patient<'_>, report: &mut DoctorReport<impl Write>) {
    for endpoint in patient.config.iter().flat_map(|config| &config.endpoints) {
        for secret in target::readable_secrets(endpoint, patient.environment) {
            report.conceal(&secret);
        }
    }
    let Some(config) = patient.load(Needs::Recovery(None)).or_else(|| patient.load(Needs::Subscriptions(None))) else { return };
    let recover = &config.recover;
    let keyed = [&recover.filespin, &recover.filesafety].into_iter().flatten().map(|access| &access.api_key);
    let frameio = recover.frameio.as_ref().map(|access| match &access.login {
        FrameioLogin::Token(token) => token,
        FrameioLogin::Client { secret, .. } => secret,
    });
    let uploadcare = recover.uploadcare.as_ref().map(|access| &access.secret_key);
    keyed.chain(frameio).chain(uploadcare).for_each(|secret| report.conceal(secret));
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn only_this_machine_may_be_asked_without_tls() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(address(text).ok().as_deref(), expected, "{text}");
        check("https://hooks.example.com", Some("https://hooks.example.com"));
        check("https://hooks.example.com:8443/", Some("https://hooks.example.com:8443"));
        for here in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080", "http://127.0.0.1"] {
            check(here, Some(here));
        }
        for other in [
            "http://hooks.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://localhost@example.com",
            "http://127.0.0.1:8080/webhooks/photos",
            "http://127.0.0.1:8080?token=a",
            "127.0.0.1:8080",
            "ftp://127.0.0.1",
            "",
        ] {
            check(other, None);
        }
    }
}
