//! Boots: arguments, then one command, then its exit code.

use std::process::ExitCode;

use clap::Parser as _;

// One thread does the work, and on it the allocator is what is left to be saved: `make bench` measures it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hookgate::command::run(hookgate::command::Cli::parse())
}
