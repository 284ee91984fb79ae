//! Log lines that were not written.

use std::sync::OnceLock;

use metrics::Counter;
use tracing_appender::non_blocking::ErrorCounter;

use super::{Metrics, labels::LineLoss, table};
use crate::closed::{Closed as _, Each};

/// The counters, and the log's own count where it is written by a thread of its own.
pub(super) struct LogLines {
    lost: Each<LineLoss, Counter>,
    log: OnceLock<ErrorCounter>,
}

impl LogLines {
    pub(super) fn new() -> Self {
        let lost = Each::new(|why: LineLoss| table::LOG_LINES_DROPPED.with([why.text()]));
        Self { lost, log: OnceLock::new() }
    }

    /// Takes over what the log has counted.
    pub(super) fn collect(&self) {
        if let Some(log) = self.log.get() {
            self.lost.of(LineLoss::SlowReader).absolute(log.dropped_lines() as u64);
        }
    }
}

impl Metrics {
    /// A refusal had no line, because there were too many of its kind.
    pub fn log_line_suppressed(&self) {
        self.lines.lost.of(LineLoss::Rate).increment(1);
    }

    /// From now on the log's own count of what its reader was too slow for is shown. A second call changes nothing.
    pub fn count_dropped_lines(&self, log: ErrorCounter) {
        let _first = self.lines.log.set(log);
    }
}
