//! `hookgate init`: a first configuration, fresh secrets, and what to do next.

mod answers;
mod files;
mod folder;
mod kubernetes;
mod steps;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;

use self::steps::Home;
use super::{CommandResult, Failure, fresh_secret};
use crate::{
    config::{self, SecretText},
    provider::{Provider, SecretMaker},
};

/// What a preview shows in the place of a secret.
const UNMADE: &str = "<32 random characters>";

/// Start a configuration: write hookgate.toml and fresh secrets, and print what to enter at each provider.
///
/// On a terminal it asks for what the flags do not say. It overwrites nothing: if one of its files exists already, it names all that do and
/// writes none. Secrets go only to files that nobody else may read. They are not printed: for a URL with a token there is a command that
/// prints it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate init
  hookgate init --dry-run
  hookgate init --providers filespin,uploadcare --brokers localhost:9092 --security plaintext --host https://hooks.example.com
  hookgate init --providers frameio --brokers kafka-1:9093,kafka-2:9093 --security scram --username hookgate \\
    --password env:KAFKA_PASSWORD --host https://hooks.example.com --directory /etc/hookgate
  hookgate init --kubernetes")]
pub(super) struct Arguments {
    #[command(flatten)]
    given: answers::Given,
    /// Where to write; by default the working directory. With this flag the configuration names its files by their whole paths.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Write values.yaml for the Helm chart, and secrets.yaml with the Secrets, instead.
    #[arg(long, conflicts_with = "password")]
    kubernetes: bool,
    /// Print which files would be written with which content, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A provider that was chosen, and its secret: none where the provider makes it.
type Chosen = (&'static Provider, Option<SecretText>);

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let directory = arguments.directory.as_ref().map_or_else(|| Ok(PathBuf::new()), std::path::absolute)?;
    if !arguments.given.missing().is_empty() {
        // Nobody answers questions for nothing.
        let first =
            if arguments.kubernetes { kubernetes::values_path(&directory) } else { folder::configuration_path(&directory) };
        files::assert_none([&*first])?;
    }
    let mut answers = arguments.given.complete()?;
    if arguments.directory.is_some() {
        answers.make_paths_absolute()?;
    }
    let chosen = choose(&answers.providers, arguments.dry_run)?;
    // The chart would render the same, so this checks the answers in both cases.
    let configuration = folder::configuration(&answers, &directory)?;
    config::check_draft(&configuration, "hookgate.toml")?;
    let (files, home) = if arguments.kubernetes {
        (kubernetes::files(&answers, &chosen, &directory), Home::Cluster(directory.clone()))
    } else {
        (folder::files(&answers, &chosen, &directory, configuration), Home::Folder(directory.clone()))
    };
    files::assert_none(files.iter().map(|file| &*file.path))?;
    let mut out = io::stdout().lock();
    if arguments.dry_run {
        files::preview(&mut out, &files)?;
        writeln!(out, "Nothing was written.")?;
        return Ok(true);
    }
    files::write(&files, &directory)?;
    files::list(&mut out, &files)?;
    steps::print(&mut out, &answers, &home)?;
    Ok(true)
}

/// Makes a secret for each provider that does not make its own. A preview has a text in its place.
fn choose(providers: &[&'static Provider], preview: bool) -> Result<Vec<Chosen>, Failure> {
    let secret = |provider: &'static Provider| match provider.secret_maker {
        SecretMaker::Provider => Ok((provider, None)),
        SecretMaker::Operator if preview => Ok((provider, Some(SecretText::new(UNMADE)))),
        SecretMaker::Operator => Ok((provider, Some(SecretText::new(fresh_secret()?)))),
    };
    providers.iter().map(|provider| secret(provider)).collect()
}
