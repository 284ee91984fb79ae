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

/// What FileSafety answers about one scan.
#[derive(Debug)]
pub enum ScanFound {
    /// Its state, and the whole answer.
    Here(ScanState, String),
    /// FileSafety does not know it.
    Unknown,
    /// FileSafety refuses this question, or its answer cannot be used; the text stands alone.
    Unusable(String),
    /// FileSafety answers with a fault of its own (5xx), also when it is asked again; the text stands alone.
    Faulty(String),
}

/// Asks for a scan. Fails where the reason does not lie in this scan.
pub fn scan(api: &mut Api<'_>, access: &KeyedApi, scan_id: &str) -> Result<ScanFound, ApiError> {
    let path = format!("/v1/scan/{}", utf8_percent_encode(scan_id, NON_ALPHANUMERIC));
    match api.get(&path, || headers(access)) {
        Ok(answer) => {
            let unusable = |why: &str| Ok(ScanFound::Unusable(api.unusable(&path, why).to_string()));
            match (ScanState::of(&answer, scan_id), String::from_utf8(answer)) {
                (Ok(state), Ok(answer)) => Ok(ScanFound::Here(state, answer)),
                (Err(why), _) => unusable(&format!("answered, but it {why}")),
                (_, Err(_)) => unusable("answered with text that is not UTF-8"),
            }
        }
        Err(ApiError::Refused { status: 404, .. }) => Ok(ScanFound::Unknown),
        // The others are about the key, the account or a proxy.
        Err(ApiError::Refused { status, text }) if !matches!(status, 401 | 402 | 403 | 407) => Ok(ScanFound::Unusable(text)),
        Err(ApiError::Faulty(text)) => Ok(ScanFound::Faulty(text)),
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
