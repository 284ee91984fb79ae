//! A scan as FileSafety's API describes it.

use std::time::SystemTime;

use serde::Deserialize;

use crate::event::{instant, parse_time};

/// What the API says of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanState {
    /// The scan has not ended.
    Open,
    /// The scan has ended.
    Ended {
        /// The verdict as it was written; `failed` for a scan that failed.
        verdict: String,
        /// When the scan ended; a failed scan does not say so.
        at: Option<SystemTime>,
    },
}

// These fields are read strictly, unlike those of webhooks: a verdict that cannot be read must not count as no verdict.
#[derive(Deserialize)]
struct ScanAnswer {
    scan_id: String,
    status: String,
    verdict: Option<String>,
    completed_at: Option<String>,
}

impl ScanState {
    /// Reads the API's answer about a scan. The error names no value.
    pub fn of(answer: &[u8], scan_id: &str) -> Result<Self, &'static str> {
        let answer: ScanAnswer =
            serde_json::from_slice(answer).map_err(|_| "is no JSON, or a field is missing or of the wrong type")?;
        if answer.scan_id != scan_id {
            return Err("is about another scan");
        }
        let at = answer.completed_at.as_deref().map(|text| parse_time(text).and_then(instant).ok_or("has an unreadable time"));
        match (&*answer.status, answer.verdict.filter(|text| !text.trim().is_empty())) {
            ("awaiting_upload" | "pending" | "scanning", _) => Ok(Self::Open),
            ("failed", verdict) => Ok(Self::Ended { verdict: verdict.unwrap_or_else(|| "failed".into()), at: at.transpose()? }),
            ("complete", Some(verdict)) => Ok(Self::Ended { verdict, at: at.transpose()? }),
            ("complete", None) => Err("is complete without a verdict"),
            _ => Err("has an unknown status"),
        }
    }
}

#[cfg(test)]
mod tests;
