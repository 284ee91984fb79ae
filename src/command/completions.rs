//! `hookgate completions`: shell completions. At each Tab the shell asks this program, so the endpoints of the configuration are among them.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use clap::{Args, CommandFactory as _};
use clap_complete::{
    CompleteEnv, Shell,
    engine::{ArgValueCandidates, CompletionCandidate},
    env::Shells,
};

use super::{Cli, CommandResult, ConfigSource, DEFAULT_FILE, Failure};
use crate::{
    config::{EndpointConfig, Environment, Needs},
    provider::{self, Provider},
};

/// The variable with which a shell asks. Its value is the name of the shell.
const VARIABLE: &str = "_HOOKGATE_COMPLETE";

/// Print the completions of a shell.
///
/// The script asks the `hookgate` of the PATH at each Tab: for commands, flags, providers, types of events, and the endpoints of the
/// configuration. A script that is kept in a file belongs to one version of Hookgate. bash completes a value after `--flag `, and not after
/// `--flag=`.
#[derive(Debug, Args)]
#[command(after_help = "Examples, for the file that each shell reads at its start:
  source <(hookgate completions bash)
  source <(hookgate completions zsh)
  hookgate completions fish | source")]
pub(super) struct Arguments {
    /// The shell to print the completions of.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let (shells, name) = (Shells::builtins(), arguments.shell.to_string());
    let shell = shells.completer(&name).ok_or_else(|| Failure::Usage(format!("there are no completions for {name}")))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "hookgate", "hookgate", "hookgate", &mut script)?;
    io::stdout().write_all(&script)?;
    Ok(true)
}

/// Answers a shell that asks for completions, and then ends the process. Otherwise nothing happens. It must come before everything else.
pub fn answer_shell() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// The endpoints of the configuration.
pub(super) fn endpoints() -> ArgValueCandidates {
    ArgValueCandidates::new(|| configured(&words()).iter().map(|it| named(&it.name, it.provider.title)).collect())
}

/// The endpoints of the configuration and the providers.
pub(super) fn targets() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let endpoints = configured(&words());
        let providers = provider::ALL.iter().map(|it| (it.name.to_owned(), it.title));
        let all = providers.chain(endpoints.iter().map(|it| (it.name.to_string(), it.provider.title)));
        all.collect::<BTreeMap<_, _>>().into_iter().map(|(name, title)| named(&name, title)).collect()
    })
}

/// The beginnings of a secret on the command line: the providers, each with the sign that comes after it.
pub(super) fn secrets() -> ArgValueCandidates {
    ArgValueCandidates::new(|| provider::ALL.iter().map(|it| named(&format!("{}=", it.name), it.title)).collect())
}

/// The types of events: those of the providers and endpoints that the command line names, or else all.
pub(super) fn types() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let words = words();
        let endpoints = configured(&words);
        let of_word = |word: &String| {
            let endpoint = endpoints.iter().find(|it| *it.name == **word).map(|it| it.provider);
            endpoint.or_else(|| provider::by_name(word))
        };
        let meant: Vec<&Provider> = words.iter().filter_map(of_word).collect();
        let meant = if meant.is_empty() { provider::ALL } else { &meant };
        let types: BTreeMap<&str, &str> = meant.iter().flat_map(|it| it.types).map(|it| (it.name, it.trigger)).collect();
        types.into_iter().map(|(name, trigger)| named(name, trigger)).collect()
    })
}

fn named(name: &str, help: &'static str) -> CompletionCandidate {
    CompletionCandidate::new(name).help(Some(help.into()))
}

/// Returns the words of the command line that is completed. The scripts pass them on after `--`.
fn words() -> Vec<String> {
    std::env::args().skip_while(|word| word != "--").skip(1).collect()
}

/// Returns the endpoints of the configuration that the command line names. One that cannot be read has none here: the command itself says why.
fn configured(words: &[String]) -> Vec<EndpointConfig> {
    let after = words.iter().zip(words.iter().skip(1)).find(|(flag, _)| *flag == "--config").map(|(_, file)| file.as_str());
    let file = after.or_else(|| words.iter().find_map(|word| word.strip_prefix("--config="))).unwrap_or(DEFAULT_FILE);
    let source = ConfigSource { config: file.into(), brokers: None };
    let config = source.exists().then(|| source.load(&Environment::process(), Needs::Names).ok()).flatten();
    config.map(|config| config.endpoints).unwrap_or_default()
}
