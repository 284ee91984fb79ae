//! Colours of what is printed for people.

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
