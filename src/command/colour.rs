//! Colours of what is printed for people.

use std::io::{self, IsTerminal as _};

use crate::config::Environment;

pub(super) const DIM: &str = "\x1b[2m";
pub(super) const RED: &str = "\x1b[31m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const YELLOW: &str = "\x1b[33m";
pub(super) const CYAN: &str = "\x1b[36m";
pub(super) const BOLD_CYAN: &str = "\x1b[1;36m";
pub(super) const RESET: &str = "\x1b[0m";

/// Returns whether the user's environment allows colours on a terminal.
pub(super) fn is_allowed(environment: &Environment) -> bool {
    environment.get("NO_COLOR").is_none_or(str::is_empty) && environment.get("TERM") != Some("dumb")
}

/// Whether standard output is coloured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    /// Colours are only on a terminal, and where the environment allows them.
    pub(super) fn of_output(environment: &Environment) -> Self {
        Self(io::stdout().is_terminal() && is_allowed(environment))
    }

    /// Returns a text in a colour, or as it is.
    pub(super) fn text(self, colour: &str, text: &str) -> String {
        if self.0 { format!("{colour}{text}{RESET}") } else { text.to_owned() }
    }

    /// Returns a line whose first words, up to a colon or a blank, are coloured by what they say.
    pub(super) fn line(self, line: &str) -> String {
        let words = [("problem:", RED), ("refused", RED), ("warning:", YELLOW), ("quarantined:", YELLOW), ("verified:", GREEN)];
        match words.into_iter().find(|(word, _)| line.starts_with(word)) {
            Some((word, colour)) => format!("{}{}", self.text(colour, word), &line[word.len()..]),
            None => line.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_coloured_by_its_first_word() {
        fn check(line: &str, coloured: &str) {
            assert_eq!(Paint(true).line(line), coloured);
            assert_eq!(Paint(false).line(line), line);
        }
        check("problem: a: b", "\x1b[31mproblem:\x1b[0m a: b");
        check("warning: c", "\x1b[33mwarning:\x1b[0m c");
        check("refused before the body is read: d", "\x1b[31mrefused\x1b[0m before the body is read: d");
        check("verified: e", "\x1b[32mverified:\x1b[0m e");
        check("no problem: f", "no problem: f");
        check("", "");
    }

    #[test]
    fn the_environment_may_refuse_colours() {
        fn check(variables: &[(&str, &str)], allowed: bool) {
            assert_eq!(is_allowed(&variables.iter().copied().collect()), allowed, "{variables:?}");
        }
        check(&[], true);
        check(&[("NO_COLOR", "")], true);
        check(&[("NO_COLOR", "1")], false);
        check(&[("TERM", "dumb")], false);
        check(&[("TERM", "xterm")], true);
    }
}
