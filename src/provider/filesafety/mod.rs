//! FileSafety (<https://docs.filesafety.dev>): the results of scans. It signs nothing, so the sender is proven by a secret token in the
//! URL, which the customer gives with each scan.

mod classify;
mod recovered;
mod sample;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

pub use self::recovered::ScanState;
use crate::provider::{CredentialSource, Provider, SecretMaker, event_type};

pub(crate) const SCAN_COMPLETE: &str = "scan.complete";
pub(crate) const SCAN_VERDICT_UPDATED: &str = "scan.verdict_updated";

/// The provider FileSafety.
pub static PROVIDER: Provider = Provider {
    name: "filesafety",
    title: "FileSafety",
    // Its guide asks for an answer "within a few seconds".
    timeout: Duration::from_secs(5),
    // Documented: three more attempts, after about 10 s, 1 min and 5 min.
    gives_up_after: Duration::from_secs(10 + 60 + 300),
    attempts: Some(4),
    secret_characters_max: None,
    secret_maker: SecretMaker::Operator,
    register: "Nothing is registered: pass the URL with each scan, as webhook_url.",
    enter: "Pass as webhook_url with each scan",
    credential: CredentialSource::UrlToken,
    takes_signed_urls: true,
    types: &[
        event_type(SCAN_COMPLETE, "A scan has ended, also by failing; or the body names no event."),
        event_type(SCAN_VERDICT_UPDATED, "The verdict of a scan was revised later."),
    ],
    subject: "scan_id",
    classify: |verified| classify::classify(&verified.delivery().body),
    recovered: Some(classify::recovered),
    sample: sample::sample,
};
