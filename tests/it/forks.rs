//! Starts processes. Until a new process runs its own program, it holds every socket of this process, also sockets that are closed here.

use std::{
    io,
    process::{Child, Command, Output, Stdio},
    sync::{PoisonError, RwLock},
};

static MAKING: RwLock<()> = RwLock::new(());

/// Starts a command.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let _making = MAKING.read().unwrap_or_else(PoisonError::into_inner);
    // This returns once the process runs its own program.
    command.spawn()
}

/// Runs a command to its end and returns its output.
pub fn output(command: &mut Command) -> io::Result<Output> {
    spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?.wait_with_output()
}

/// Does some work while no process is started, so that a port that the work closes is free at once.
pub fn without<T>(work: impl FnOnce() -> T) -> T {
    let _none = MAKING.write().unwrap_or_else(PoisonError::into_inner);
    work()
}
