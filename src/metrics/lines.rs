//! Metrics of log lines that were not written.

use std::sync::OnceLock;

use metrics::Counter;
use tracing_appender::non_blocking::ErrorCounter;

use super::{Metrics, labels::LineLoss, table};
use crate::closed::{Closed as _, Each};

/// The counters, and the log's own count if the log is written by a thread of its own.
pub(super) struct LogLines {
    lost: Each<LineLoss, Counter>,
    log: OnceLock<ErrorCounter>,
}

impl LogLines {
    pub(super) fn new() -> Self {
        let lost = Each::new(|why: LineLoss| table::LOG_LINES_DROPPED.with([why.text()]));
        Self { lost, log: OnceLock::new() }
    }

    /// Copies what the log has counted to its counter.
    pub(super) fn collect(&self) {
        if let Some(log) = self.log.get() {
            self.lost.of(LineLoss::SlowReader).absolute(log.dropped_lines() as u64);
        }
    }
}

impl Metrics {
    /// Counts a refusal that was not logged, because there were too many of its kind.
    pub fn log_line_suppressed(&self) {
        self.lines.lost.of(LineLoss::Rate).increment(1);
    }

    /// Shows, from now on, the log's own count of lines that were lost because its reader was too slow. A second call changes nothing.
    pub fn count_dropped_lines(&self, log: ErrorCounter) {
        let _first = self.lines.log.set(log);
    }
}
