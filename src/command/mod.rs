//! The commands, a file each, and their exit codes.

mod capture;
mod check;
mod colour;
mod completions;
mod dev;
mod doctor;
mod faults;
mod init;
mod input;
mod licenses;
mod list_file;
mod logging;
mod misfits;
mod missing;
mod oldest;
mod output;
mod progress;
mod reconcile;
mod recover;
mod replay;
mod run;
mod scan;
mod schema;
mod scripts;
mod secret_file;
mod send;
mod serve;
mod session_file;
mod spelling;
mod subscribe;
mod subscriptions;
mod tail;
mod target;
mod textfile;
mod topics;
mod url;
mod verify;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

pub use self::completions::answer_shell;
use self::output::{say, shell_word};
use crate::{
    config::{self, Config, Environment, Needs},
    kafka::CLIENT_LIBRARY,
    logged::printable,
    provider,
};

/// Where the configuration is, if no flag says it.
const DEFAULT_FILE: &str = "hookgate.toml";

/// The configuration cannot be used.
const EXIT_CONFIGURATION: u8 = 64;
/// The command failed. (Wrong usage is 2, by clap.)
const EXIT_FAILED: u8 = 1;
/// The command was called with too few arguments.
const EXIT_USAGE: u8 = 2;
/// The command did its work, and what it checked is not as it should be.
const EXIT_FINDINGS: u8 = 3;

/// The command line of Hookgate.
#[derive(Debug, Parser)]
#[command(name = "hookgate", version, about = about(), long_about = None, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Dev(dev::Arguments),
    Init(init::Arguments),
    Send(send::Arguments),
    Tail(tail::Arguments),
    Verify(verify::Arguments),
    Capture(capture::Arguments),
    Check(check::Arguments),
    Doctor(doctor::Arguments),
    Topics(topics::Arguments),
    Reconcile(reconcile::Arguments),
    Recover(recover::Arguments),
    Replay(replay::Arguments),
    Subscribe(subscribe::Arguments),
    Subscriptions(subscriptions::Arguments),
    Url(url::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
    Licenses(licenses::Arguments),
    /// Print the version, as --version does.
    #[command(hide = true)]
    Version,
}

fn about() -> String {
    format!("Hookgate turns webhooks of {} into protobuf events on Kafka topics", provider::all_titles())
}

/// Why a command did not do its work.
#[derive(Debug)]
enum Failure {
    /// The configuration has problems; the text holds all of them.
    Configuration { text: String, warnings: Vec<String> },
    /// Any other failure, in one message that says what to do.
    Failed(String),
    /// An argument is missing, which is known only after others were read.
    Usage(String),
    /// The failure has been printed already; only the exit code is left.
    Reported(u8),
    /// The user has stopped the command before it published anything.
    Stopped,
    /// The reader of the output has gone, which is not an error.
    OutputClosed,
}

impl Failure {
    /// A configuration of which nothing is warned.
    fn configuration(text: String) -> Self {
        Self::Configuration { text, warnings: Vec::new() }
    }

    /// What is warned of beside it.
    fn warnings(&self) -> &[String] {
        match self {
            Self::Configuration { warnings, .. } => warnings,
            _ => &[],
        }
    }

    /// Returns what is still to be printed, and the exit code.
    fn unsaid(&self) -> Option<(&str, u8)> {
        match self {
            Self::Configuration { text, .. } => Some((text, EXIT_CONFIGURATION)),
            Self::Usage(text) => Some((text, EXIT_USAGE)),
            Self::Failed(text) => Some((text, EXIT_FAILED)),
            Self::Stopped => Some(("stopped; nothing was published", EXIT_FAILED)),
            Self::Reported(_) | Self::OutputClosed => None,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

impl From<config::Problems> for Failure {
    fn from(problems: config::Problems) -> Self {
        Self::Configuration { text: problems.to_string(), warnings: problems.warnings }
    }
}

/// The result of a command: whether it found what it looked for, or why it failed.
type CommandResult = Result<bool, Failure>;

/// Runs the command and reports its failure.
pub fn run(cli: Cli) -> ExitCode {
    let environment = Environment::process();
    let outcome = match cli.command {
        Command::Serve(arguments) => serve::run(&arguments, environment),
        Command::Dev(arguments) => dev::run(&arguments, &environment),
        Command::Init(arguments) => init::run(&arguments),
        Command::Send(arguments) => send::run(&arguments, &environment),
        Command::Tail(arguments) => tail::run(&arguments, &environment),
        Command::Verify(arguments) => verify::run(&arguments, &environment),
        Command::Capture(arguments) => capture::run(&arguments),
        Command::Check(arguments) => check::run(&arguments, &environment),
        Command::Doctor(arguments) => doctor::run(&arguments, &environment),
        Command::Topics(arguments) => topics::run(&arguments, &environment),
        Command::Reconcile(arguments) => reconcile::run(&arguments, &environment),
        Command::Recover(arguments) => recover::run(&arguments, &environment),
        Command::Replay(arguments) => replay::run(&arguments, &environment),
        Command::Subscribe(arguments) => subscribe::run(&arguments, &environment),
        Command::Subscriptions(arguments) => subscriptions::run(&arguments, &environment),
        Command::Url(arguments) => url::run(&arguments, &environment),
        Command::Schema(arguments) => schema::run(&arguments, &environment),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Licenses(arguments) => licenses::run(&arguments),
        Command::Version => {
            writeln!(io::stdout(), "hookgate {}", env!("CARGO_PKG_VERSION")).map(|()| true).map_err(Failure::from)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(Failure::Reported(code)) => ExitCode::from(code),
        Err(failure) => failure.unsaid().map_or(ExitCode::SUCCESS, |(text, code)| complain(text, failure.warnings(), code)),
    }
}

fn complain(text: &str, warnings: &[String], code: u8) -> ExitCode {
    // The text may quote a key of the file or an argument.
    let warnings = warnings.iter().map(|warning| format!("warning: {}", printable(warning)));
    let (first, more) = text.split_once('\n').unwrap_or((text, ""));
    let mut err = io::stderr().lock();
    let is_terminal = err.is_terminal();
    // If even stderr is closed, nothing can be reported any more.
    let _closed = say(&mut err, is_terminal, &printable(first))
        .and_then(|()| more.lines().map(printable).chain(warnings).try_for_each(|line| writeln!(err, "{line}")));
    ExitCode::from(code)
}

/// Says something beside what the command prints. A command stands alone on its line, to be copied.
fn note(text: &str) {
    let mut err = io::stderr().lock();
    let is_terminal = err.is_terminal();
    // Nobody is left to read it where stderr is closed.
    let _closed = say(&mut err, is_terminal, &printable(text));
}

/// Returns a fresh secret that every provider takes: 32 hexadecimal digits, which is as long as Uploadcare allows, and nothing that a URL
/// changes.
fn fresh_secret() -> Result<String, Failure> {
    let mut noise = [0; 16];
    getrandom::fill(&mut noise).map_err(|error| Failure::Failed(format!("no random bytes: {error}")))?;
    Ok(hex::encode(noise))
}

/// `[kafka]` with the addresses that lead to a broker; the others are said on stderr.
fn usable_brokers(kafka: &config::Kafka) -> Result<config::Kafka, Failure> {
    let (kafka, unusable) = crate::kafka::bootstrap::usable(kafka).map_err(|why| Failure::Failed(why.join("\n")))?;
    for why in unusable {
        note(&format!("warning: {why}"));
    }
    Ok(kafka)
}

/// The source of the configuration: the flags that every command has.
#[derive(Debug, Args)]
struct ConfigSource {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Kafka's bootstrap servers, over the configuration's.
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
}

impl ConfigSource {
    fn load(&self, environment: &Environment, needs: Needs) -> Result<Config, Failure> {
        self.load_with(environment, &[], needs)
    }

    /// Loads the configuration with further flags over the file and the environment, each a configuration key and its value.
    fn load_with(&self, environment: &Environment, flags: &[(&str, &Option<String>)], needs: Needs) -> Result<Config, Failure> {
        Ok(config::load(&self.config, environment, &self.overrides(flags), needs, CLIENT_LIBRARY)?)
    }

    fn overrides(&self, flags: &[(&str, &Option<String>)]) -> Vec<(String, String)> {
        let brokers = [("kafka.brokers", &self.brokers)];
        let flags = flags.iter().chain(&brokers);
        flags.filter_map(|(key, value)| Some(((*key).to_owned(), (*value).clone()?))).collect()
    }

    fn exists(&self) -> bool {
        Path::new(&self.config).exists()
    }

    /// Returns a command of this program for a person to copy, with the same configuration file.
    fn command(&self, words: &str) -> String {
        let file = (self.config != Path::new(DEFAULT_FILE)).then(|| self.config.display().to_string());
        let flags = [("--config", file.as_ref()), ("--brokers", self.brokers.as_ref())];
        let given = flags.into_iter().filter_map(|(flag, value)| Some(format!(" {flag} {}", shell_word(value?))));
        format!("hookgate {words}{}", given.collect::<String>())
    }

    /// Returns such a command that takes the public address.
    fn command_with_host(&self, words: &str, host: Option<&str>) -> String {
        self.command(&format!("{words} --host {}", host.unwrap_or("https://…")))
    }

    /// Returns such a command that looks at this public address, if there is one.
    fn command_at_host(&self, words: &str, host: Option<&str>) -> String {
        if host.is_some() { self.command_with_host(words, host) } else { self.command(words) }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    /// clap looks at a command's definition only when that command is called, and panics then.
    #[test]
    fn every_command_is_well_defined() {
        Cli::command().debug_assert();
    }
}
