//! `hookgate licenses`: the licences of what is in the binary.

use std::io::{self, Write as _};

use clap::Args;

use super::CommandResult;

/// Print the licence of Hookgate, and those of all crates and C libraries in this binary.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hookgate licenses | less")]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments) -> CommandResult {
    let mut out = io::stdout().lock();
    writeln!(out, "Hookgate is under the Apache License 2.0, whose text is the first one below.\n")?;
    out.write_all(include_bytes!("../../THIRD-PARTY.txt"))?;
    Ok(true)
}
