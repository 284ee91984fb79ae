//! FileSafety (<https://docs.filesafety.dev>): the results of scans. It signs nothing, so the sender is proven by a secret
//! token in the URL, which is given per scan.

mod classify;
mod sample;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use crate::provider::{CredentialSource, Provider};

const SCAN_COMPLETE: &str = "scan.complete";
const SCAN_VERDICT_UPDATED: &str = "scan.verdict_updated";

/// FileSafety.
pub static PROVIDER: Provider = Provider {
    name: "filesafety",
    title: "FileSafety",
    // Its guide asks for an answer "within a few seconds".
    timeout: Duration::from_secs(5),
    credential: CredentialSource::UrlToken,
    types: &[SCAN_COMPLETE, SCAN_VERDICT_UPDATED],
    classify: |verified| classify::classify(&verified.delivery().body),
    sample: sample::sample,
};
