//! The time of day. It is passed to everything that needs it, so that tests can freeze it.

use std::time::SystemTime;

/// A clock: a function that returns the time of day.
pub type Clock = fn() -> SystemTime;

/// Returns the time of day of this machine. Code that judges a delivery must read the [`Clock`] that it was given; a tidy test lists the
/// files that may call this function.
#[expect(clippy::disallowed_methods, reason = "the one place that makes the clock")]
pub fn system() -> SystemTime {
    SystemTime::now()
}
