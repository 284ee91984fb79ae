//! What a person sees while a command reads for a long time.

use std::{
    io::{self, IsTerminal as _},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use super::note;

/// How often it is said how much was read.
const EVERY: Duration = Duration::from_secs(5);

/// How long a command may be silent for.
const SILENCE: Duration = Duration::from_secs(1);

/// Does work, and says what is waited for where it takes longer than a second, on a terminal only.
pub(super) fn waiting<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if io::stderr().is_terminal() { said_after(SILENCE, || note(&format!("waiting for {what}")), work) } else { work() }
}

fn said_after<T>(silence: Duration, say: impl FnOnce() + Send, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (working, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            if ended.recv_timeout(silence) == Err(RecvTimeoutError::Timeout) {
                say();
            }
        });
        let result = work();
        drop(working);
        result
    })
}

/// Counts what is read, and says every few seconds how much that is, on a terminal only.
pub(super) struct Progress {
    what: &'static str,
    read: u64,
    /// When it is said again; never where standard error is no terminal.
    due: Option<Instant>,
}

impl Progress {
    /// Begins with nothing; `what` names several of what is read, such as `days of the audit log`.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, read: 0, due: io::stderr().is_terminal().then(|| Instant::now() + EVERY) }
    }

    /// Counts one more.
    pub(super) fn count(&mut self) {
        if self.due.is_some()
            && let Some(line) = self.line(Instant::now())
        {
            note(&line);
        }
    }

    fn line(&mut self, now: Instant) -> Option<String> {
        self.read += 1;
        let due = self.due.filter(|due| *due <= now);
        due.map(|_| {
            self.due = Some(now + EVERY);
            format!("{} {} are read so far", self.read, self.what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_said_while_it_takes_place() {
        let (say, said) = mpsc::channel();
        let found = said_after(Duration::ZERO, move || say.send("waiting").expect("somebody waits"), || said.recv());
        assert_eq!(found, Ok("waiting"));
        let (say, said) = mpsc::channel();
        assert_eq!(said_after(Duration::from_secs(3600), move || say.send(()).expect("nobody says it"), || 1), 1);
        assert!(said.recv().is_err());
    }

    #[test]
    fn it_is_said_every_few_seconds() {
        let begin = Instant::now();
        let mut progress = Progress { what: "days", read: 0, due: Some(begin + EVERY) };
        let mut said = Vec::new();
        for second in 0..=12 {
            said.extend(progress.line(begin + Duration::from_secs(second)));
        }
        assert_eq!(said, ["6 days are read so far", "11 days are read so far"]);
        let mut silent = Progress { what: "days", read: 0, due: None };
        assert_eq!(silent.line(begin + Duration::from_secs(60)), None);
    }
}
