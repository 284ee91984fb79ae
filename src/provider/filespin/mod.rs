//! FileSpin (<https://developers.filespin.io>): asset events and deletions. It signs nothing, so the sender is proven by a
//! secret token in the URL.

mod classify;
mod sample;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use crate::provider::{CredentialSource, Provider};

const FILE_SAVED: &str = "file-saved";
const FILE_PROCESSED: &str = "file-processed";
const FILE_DATA_UPDATED: &str = "file-data-updated";
const ADDON_PROCESSED: &str = "addon-processed";
const FILE_ERROR: &str = "file-error";
const FILE_ARCHIVED: &str = "file-archived";
const FILE_DELETED: &str = "file-deleted";
const FILE_UNDELETED: &str = "file-undeleted";

/// FileSpin. `file-error` and `file-archived` are our names for the asset states that FileSpin has none for; the other types are its own.
pub static PROVIDER: Provider = Provider {
    name: "filespin",
    title: "FileSpin",
    // Its documentation only asks for an answer "immediately".
    timeout: Duration::from_secs(5),
    credential: CredentialSource::UrlToken,
    types: &[
        FILE_SAVED,
        FILE_PROCESSED,
        FILE_DATA_UPDATED,
        ADDON_PROCESSED,
        FILE_ERROR,
        FILE_ARCHIVED,
        FILE_DELETED,
        FILE_UNDELETED,
    ],
    classify: |verified| classify::classify(&verified.delivery().body),
    sample: sample::sample,
};
