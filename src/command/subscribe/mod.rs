//! `hookgate subscribe`: registers an endpoint at its provider. It looks before it makes anything, and takes what is there already.

mod filesafety;
mod filespin;
mod frameio;
mod secret_place;
mod uploadcare;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;

use super::{
    CommandResult, ConfigSource, EXIT_FINDINGS, Failure, completions,
    missing::options::{access, known_events},
    note,
    output::quote,
    run::confirm,
    subscriptions::{Asking, Wanted, public_host},
    target,
};
use crate::{
    api::ApiError,
    config::{EndpointConfig, Environment, Needs, OR_ESCAPED, SecretText, recover::ProviderAccess, url_token_fault},
    logged::printable,
};

/// Register an endpoint at its provider, or say what to enter there.
///
/// Looks first at what is registered, shows the difference, and asks. At Uploadcare it makes a subscription for each missing event, signed with
/// the first secret of the endpoint (of a folder, the last by name). At Frame.io it makes a webhook and keeps its secret, which Frame.io shows
/// once, or adds the missing events to the webhook that is there. At FileSpin it only reads, and prints what to enter. FileSafety has nothing to
/// register: it prints what to send. It shows no secret. Exits with 0 if all is as it should be then, with 3 if something is left to do, and
/// with 1 if the provider refuses or cannot be asked, or if the question was answered with no.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate subscribe photos --host https://hooks.example.com --dry-run
  hookgate subscribe photos --host https://hooks.example.com --events file.uploaded,file.deleted
  hookgate subscribe review --host https://hooks.example.com --events file.ready --secret-file secrets/frameio/1
  hookgate subscribe review --host https://hooks.example.com --yes --kubernetes-secret hookgate-frameio > secret.yaml")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// The name of the endpoint in the configuration.
    #[arg(value_name = "ENDPOINT", add = completions::endpoints())]
    endpoint: String,
    /// The public address of Hookgate: https:// and a host.
    #[arg(long, value_name = "URL", value_parser = public_host)]
    host: String,
    /// The events to subscribe to, such as file.uploaded; by default all of the provider's.
    #[arg(long, value_name = "EVENT", value_delimiter = ',', add = completions::types())]
    events: Vec<String>,
    /// Frame.io only: the workspace; needed where there are several.
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Frame.io only: make a webhook although one is there, to replace its secret.
    #[arg(long)]
    another: bool,
    /// Only say what would be made. Exits with 3 if that is anything.
    #[arg(long)]
    dry_run: bool,
    /// Go on without asking.
    #[arg(long)]
    yes: bool,
    /// Frame.io only: a new or empty file for the secret of the webhook, which Frame.io shows once.
    #[arg(long, value_name = "FILE", conflicts_with = "kubernetes_secret")]
    secret_file: Option<PathBuf>,
    /// Frame.io only: print the secret of the webhook as the manifest of a Secret of this name; its key is the webhook's id. Not on a terminal.
    #[arg(long, value_name = "NAME", value_parser = secret_name)]
    kubernetes_secret: Option<String>,
}

/// Reads the name of a Secret: what Kubernetes takes, so that the manifest works.
fn secret_name(text: &str) -> Result<String, String> {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    let good = bytes.len() <= 253 && bytes.iter().all(|b| inside(*b)) && edge(bytes.first()) && edge(bytes.last());
    if good { Ok(text.to_owned()) } else { Err("the name of a Secret is lower-case letters, digits, '-' and '.'".into()) }
}

/// What should be registered.
struct Destination<'a> {
    endpoint: &'a EndpointConfig,
    /// The URL, without a token.
    url: String,
    events: Vec<&'static str>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let named = arguments.source.load(environment, Needs::Names)?;
    let provider = target::configured(&named.endpoints, &arguments.endpoint)?.provider;
    let config = arguments.source.load(environment, Needs::Subscriptions(Some(provider.name)))?;
    let endpoint = target::configured(&config.endpoints, &arguments.endpoint)?;
    known_events(&arguments.events, &[provider])?;
    if provider.name != "frameio" {
        for (flag, given) in [
            ("--workspace", arguments.workspace.is_some()),
            ("--another", arguments.another),
            ("--secret-file", arguments.secret_file.is_some()),
            ("--kubernetes-secret", arguments.kubernetes_secret.is_some()),
        ] {
            if given {
                return Err(Failure::Usage(format!("{flag} is for frameio only: {} is of {}", endpoint.name, provider.name)));
            }
        }
    }
    let destination = Destination {
        endpoint,
        url: format!("{}/webhooks/{}", arguments.host, endpoint.name),
        events: Wanted(&arguments.events).of(provider, &provider.events().collect::<Vec<_>>()),
    };
    if provider.name == "filesafety" {
        // It needs no key, because it asks nothing.
        return filesafety::print(arguments, environment, &config.recover, &destination);
    }
    let access = access(&config, provider)?;
    let asking = Asking::new((&config, &arguments.source), environment, Some(&arguments.host))?;
    match access {
        ProviderAccess::Uploadcare(access) => uploadcare::subscribe(arguments, &asking, access, &destination),
        ProviderAccess::Frameio(access) => frameio::subscribe(arguments, &asking, access, &destination),
        ProviderAccess::Filespin(access) => filespin::print(&asking, access, &destination, &arguments.events),
        ProviderAccess::Filesafety(_) => filesafety::print(arguments, environment, &config.recover, &destination),
    }
}

/// Says what is there and what would be made.
fn show(plan: &[String]) -> io::Result<()> {
    let mut err = io::stderr().lock();
    plan.iter().try_for_each(|line| writeln!(err, "  {}", printable(line)))
}

/// Asks whether to go on. A dry run ends here, and its exit code says that there is something to do.
fn agreed(arguments: &Arguments, asking: &Asking<'_>, question: &str) -> Result<(), Failure> {
    if arguments.dry_run {
        note("nothing was changed");
        return Err(Failure::Reported(EXIT_FINDINGS));
    }
    if !confirm(question, arguments.yes, &asking.stop)? {
        return Err(Failure::Failed("nothing was changed".into()));
    }
    Ok(())
}

/// Returns the failure of a command whose request has failed.
fn failure(error: ApiError) -> Failure {
    match error {
        ApiError::Stopped => Failure::Failed("stopped; run the command again, which finds what is there".into()),
        other => other.into(),
    }
}

/// Returns how a shell reads the secret with this source, `env:NAME` or `file:PATH`, so that a printed command works and shows none. A shell takes
/// the end of a file's line away, but not that of Windows.
pub(super) fn in_shell(source: &str) -> String {
    match source.split_once(':') {
        Some(("env", name)) => format!("${{{name}}}"),
        Some(("file", path)) => format!(r"$(tr -d '\r\n' <{})", quote(path)),
        _ => "…".into(),
    }
}

/// Fails where a shell would put a token into a URL that the URL changes.
fn fits_into_url(token: &SecretText) -> Result<(), Failure> {
    let fault = url_token_fault(token.source(), token.reveal().as_bytes());
    fault.map_or(Ok(()), |fault| Err(Failure::Failed(format!("{fault}{OR_ESCAPED}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_secret_where_it_is() {
        #[track_caller]
        fn check(source: &str, expected: &str) {
            assert_eq!(in_shell(source), expected);
        }
        check("env:FILESAFETY_TOKEN", "${FILESAFETY_TOKEN}");
        check("file:/etc/hookgate/a b", r"$(tr -d '\r\n' <'/etc/hookgate/a b')");
        check("file:it's", r"$(tr -d '\r\n' <'it'\''s')");
        check("literal", "…");
    }

    #[test]
    fn the_name_of_a_secret_is_one_of_kubernetes() {
        #[track_caller]
        fn check(text: &str, good: bool) {
            assert_eq!(secret_name(text).is_ok(), good, "{text:?}");
        }
        for good in ["hookgate", "hookgate-frame.io2", &"a".repeat(253)] {
            check(good, true);
        }
        for bad in ["", "Hookgate", "-a", "a-", "a_b", "a\nkind: Pod", "a: b", &"a".repeat(254)] {
            check(bad, false);
        }
    }
}
