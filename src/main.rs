//! The program: it reads the arguments, runs one command, and ends with its exit code.

use std::process::ExitCode;

use clap::Parser as _;

// One thread does the work, and a faster allocator saves time on it: `make bench` measures how much. On Linux the C libraries use it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hookgate::command::answer_shell();
    hookgate::command::run(hookgate::command::Cli::parse())
}
