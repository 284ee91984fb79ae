//! What a person sees while a command reads for a long time.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use super::note;

/// How often it is said how much was read.
const EVERY: Duration = Duration::from_secs(5);

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
