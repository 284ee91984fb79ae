//! `hookgate completions`: shell completions.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, CommandResult};

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hookgate completions bash > /etc/bash_completion.d/hookgate")]
pub(super) struct Arguments {
    /// The shell to print the completions of.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "hookgate", &mut script);
    io::stdout().write_all(&script)?;
    Ok(true)
}
