//! FileSafety's API: the state of one scan, and how many scans a period has. There is no list of scans.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Api, ApiError, Headers, Manners};
use crate::{config::recover::KeyedApi, provider::filesafety::ScanState};

/// FileSafety publishes no rates for questions about scans.
pub const MANNERS: Manners = Manners {
    title: "FileSafety",
    interval: Duration::from_millis(200),
    attempts: 4,
    throttled: Duration::from_secs(5),
    faulty: Duration::from_secs(1),
    throttles_mistakes: false,
};

/// How many scans the account has used.
#[derive(Debug, Deserialize)]
pub struct ScanUsage {
    /// The scans that were submitted in the current period.
    pub scans_used: u64,
    /// The day on which the period ends.
    pub period_ends: String,
}

/// Returns the state of a scan and the whole answer, or `None` if FileSafety does not know the scan.
pub fn scan(api: &mut Api<'_>, access: &KeyedApi, scan_id: &str) -> Result<Option<(ScanState, String)>, ApiError> {
    let path = format!("/v1/scan/{}", utf8_percent_encode(scan_id, NON_ALPHANUMERIC));
    match api.get(&path, || headers(access)) {
        Ok(answer) => {
            let state = ScanState::of(&answer, scan_id).map_err(|why| api.unusable(&path, &format!("answered, but it {why}")))?;
            let answer = String::from_utf8(answer).map_err(|_| api.unusable(&path, "answered with text that is not UTF-8"))?;
            Ok(Some((state, answer)))
        }
        Err(ApiError::Refused { status: 404, .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Returns how many scans the account has used.
pub fn usage(api: &mut Api<'_>, access: &KeyedApi) -> Result<ScanUsage, ApiError> {
    let path = "/v1/usage";
    let answer = api.get(path, || headers(access))?;
    serde_json::from_slice(&answer).map_err(|_| api.unusable(path, "answered, but not how many scans were used"))
}

/// FileSafety reads the name of the header only in small letters.
fn headers(access: &KeyedApi) -> Headers {
    vec![("x-api-key", access.api_key.reveal().to_owned())]
}
