//! Making processes. Until a new process has become another program, it holds every socket of this one.

use std::{
    io,
    process::{Child, Command, Output, Stdio},
    sync::{PoisonError, RwLock},
};

static MAKING: RwLock<()> = RwLock::new(());

/// Starts a command.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let _making = MAKING.read().unwrap_or_else(PoisonError::into_inner);
    // It returns once the process has become the other program.
    command.spawn()
}

/// Runs a command to its end and returns what it has written.
pub fn output(command: &mut Command) -> io::Result<Output> {
    spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?.wait_with_output()
}

/// Does something while no process is made, so that a port which it closes is free at once.
pub fn without<T>(work: impl FnOnce() -> T) -> T {
    let _none = MAKING.write().unwrap_or_else(PoisonError::into_inner);
    work()
}
