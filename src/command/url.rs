//! `hookgate url`: makes signed URLs, each with a reference of the caller.

use std::{
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    time::Duration,
};

use clap::{ArgGroup, Args, builder::PossibleValuesParser};

use super::{CommandResult, ConfigSource, Failure, completions, list_file, note, subscriptions::public_host, target};
use crate::{
    clock,
    config::{Environment, Needs, SecretSource, units::parse_duration},
    event::timestamp,
    provider,
    signature::{Secret, sign_url},
    signed_url::{CallerReference, PARAMETER, REFERENCE_BYTES_MAX},
};

/// The most URLs of one `--count`.
const COUNT_MAX: u32 = 1_000_000;
/// The longest time to the expiry, in days.
const EXPIRES_DAYS_MAX: u64 = 36_500;

/// Make signed URLs: one for each reference of yours, to pass with a scan.
///
/// Each URL carries a reference, and a signature with the first secret of the endpoint; where that is a folder, with its last file by name. The
/// event that comes in on it has the reference in `proof.reference`. Nothing is stored, and nothing is asked. The URLs are secrets: everybody who
/// knows one can send events with its reference.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["reference", "references"]).required(true))]
#[command(after_help = "Examples:
  hookgate url filesafety --endpoint avatars --host https://hooks.example.com --reference upl_456
  hookgate url filesafety --endpoint avatars --host https://hooks.example.com --reference upl_456 --expires 7d
  hookgate url filesafety --endpoint avatars --host https://hooks.example.com --reference batch_7 --count 3
  hookgate url filesafety --endpoint avatars --host https://hooks.example.com --references - < uploads.txt")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// The provider that will call the URLs.
    #[arg(value_name = "PROVIDER", value_parser = PossibleValuesParser::new(takers()))]
    provider: String,
    /// The name of the endpoint in the configuration.
    #[arg(long, value_name = "ENDPOINT", add = completions::endpoints())]
    endpoint: String,
    /// The public address of Hookgate: https:// and a host.
    #[arg(long, value_name = "URL", value_parser = public_host)]
    host: String,
    /// Your own name for what you submit: 1 to 128 visible ASCII characters.
    #[arg(long, value_name = "REFERENCE", value_parser = reference, allow_hyphen_values = true)]
    reference: Option<CallerReference>,
    /// Make this many URLs, whose references end in -1, -2 and so on.
    #[arg(long, value_name = "N", requires = "reference", conflicts_with = "references", value_parser = clap::value_parser!(u32).range(1..=i64::from(COUNT_MAX)))]
    count: Option<u32>,
    /// A file with a reference in each line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    references: Option<PathBuf>,
    /// How long the URLs are accepted, such as 7d. By default they do not expire: what comes later, such as a revised verdict, is refused.
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    expires: Option<Duration>,
}

fn takers() -> impl Iterator<Item = &'static str> {
    provider::ALL.iter().filter(|provider| provider.takes_signed_urls).map(|provider| provider.name)
}

fn reference(text: &str) -> Result<CallerReference, String> {
    CallerReference::new(text.to_owned())
        .ok_or_else(|| format!("a reference is 1 to {REFERENCE_BYTES_MAX} visible ASCII characters, without blanks"))
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_secs(EXPIRES_DAYS_MAX * 86_400);
    parse_duration(text)
        .filter(|lifetime| range.contains(lifetime))
        .ok_or_else(|| format!("a duration is a number and a unit, such as 12h or 7d, from 1s to {EXPIRES_DAYS_MAX}d"))
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let config = arguments.source.load(environment, Needs::Names)?;
    let endpoint = target::configured(&config.endpoints, &arguments.endpoint)?;
    if endpoint.provider.name != arguments.provider {
        return Err(Failure::Usage(format!("{} is of {}, not of {}", endpoint.name, endpoint.provider.name, arguments.provider)));
    }
    let text = target::newest_secret(endpoint, environment)?;
    if let Some(SecretSource::Folder(_)) = endpoint.secrets.first() {
        note(&format!("signed with {}", text.source()));
    }
    let secret = Secret::new(text.reveal().as_bytes())
        .ok_or_else(|| Failure::Failed(format!("[endpoints.{}] secrets: is empty", endpoint.name)))?;
    let now = u64::try_from(timestamp(clock::system()).seconds).unwrap_or_default();
    // The URL is accepted for at least as long as was asked for.
    let expires = arguments.expires.map(|lifetime| now + lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0));
    let mut out = BufWriter::new(io::stdout().lock());
    for reference in references(arguments)? {
        let signed = sign_url(&secret, &endpoint.name, reference, expires).text();
        writeln!(out, "{}/webhooks/{}?{PARAMETER}={signed}", arguments.host, endpoint.name)?;
    }
    out.flush()?;
    Ok(true)
}

/// Returns the references to sign, all of them or an error.
fn references(arguments: &Arguments) -> Result<Vec<CallerReference>, Failure> {
    if let Some(path) = &arguments.references {
        let text = list_file::read("--references", path)?;
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let read = lines.map(|(at, line)| reference(line).map_err(|why| format!("--references: line {}: {why}", at + 1)));
        let references = read.collect::<Result<Vec<_>, _>>()?;
        return if references.is_empty() {
            Err("--references: there is no reference in it".to_owned().into())
        } else {
            Ok(references)
        };
    }
    let Some(first) = &arguments.reference else { return Ok(Vec::new()) };
    let Some(count) = arguments.count else { return Ok(vec![first.clone()]) };
    let numbered = |number: u32| {
        reference(&format!("{}-{number}", first.text())).map_err(|why| Failure::Usage(format!("--reference with --count: {why}")))
    };
    (1..=count).map(numbered).collect()
}
