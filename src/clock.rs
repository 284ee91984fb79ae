//! The time of day, which is handed to whatever needs it, so that tests can freeze it.

use std::time::SystemTime;

/// A clock: what the daemon takes for the time of day.
pub type Clock = fn() -> SystemTime;

/// The time of day on this machine. What judges a delivery reads the [`Clock`] that it was given; a tidy test lists who may call this.
#[expect(clippy::disallowed_methods, reason = "the one place that makes the clock")]
pub fn system() -> SystemTime {
    SystemTime::now()
}
