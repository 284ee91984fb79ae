//! Log lines that were not written.

use std::sync::OnceLock;

use metrics::{Counter, counter, describe_counter};
use tracing_appender::non_blocking::ErrorCounter;

use super::Metrics;

const NAME: &str = "hookgate_log_lines_dropped_total";

/// The counters, and the log's own count where it is written by a thread of its own.
pub(super) struct LogLines {
    rate: Counter,
    slow_reader: Counter,
    log: OnceLock<ErrorCounter>,
}

impl LogLines {
    pub(super) fn new() -> Self {
        let counter = |reason: &'static str| counter!(NAME, "reason" => reason);
        Self { rate: counter("rate"), slow_reader: counter("slow_reader"), log: OnceLock::new() }
    }

    /// Takes over what the log has counted.
    pub(super) fn collect(&self) {
        if let Some(log) = self.log.get() {
            self.slow_reader.absolute(log.dropped_lines() as u64);
        }
    }
}

impl Metrics {
    /// A refusal had no line, because there were too many of its kind.
    pub fn log_line_suppressed(&self) {
        self.lines.rate.increment(1);
    }

    /// From now on the log's own count of what its reader was too slow for is shown. A second call changes nothing.
    pub fn count_dropped_lines(&self, log: ErrorCounter) {
        let _first = self.lines.log.set(log);
    }
}

pub(super) fn describe() {
    describe_counter!(
        NAME,
        "Log lines that were not written: of refusals beyond a rate, or because the reader of stderr was too slow."
    );
}
