//! Sample bodies: a clean scan, and the same scan when its verdict was revised.

use super::{SCAN_COMPLETE, SCAN_VERDICT_UPDATED};

/// Returns a sample of an event type.
pub(super) fn sample(event_type: &str) -> Option<String> {
    let body = match event_type {
        SCAN_COMPLETE => include_str!("samples/scan.complete.json"),
        SCAN_VERDICT_UPDATED => include_str!("samples/scan.verdict_updated.json"),
        _ => return None,
    };
    Some(body.trim_end().to_owned())
}
