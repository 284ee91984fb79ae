//! FileSpin (<https://developers.filespin.io>): asset events and deletions. It signs nothing, so the sender is proven by a secret token in
//! the URL.

mod classify;
mod recovered;
mod sample;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

pub use self::recovered::AssetState;
use crate::provider::{CredentialSource, Provider, SecretMaker, event_type};

pub(crate) const FILE_SAVED: &str = "file-saved";
pub(crate) const FILE_PROCESSED: &str = "file-processed";
pub(crate) const FILE_DATA_UPDATED: &str = "file-data-updated";
pub(crate) const ADDON_PROCESSED: &str = "addon-processed";
pub(crate) const FILE_ERROR: &str = "file-error";
pub(crate) const FILE_ARCHIVED: &str = "file-archived";
pub(crate) const FILE_DELETED: &str = "file-deleted";
pub(crate) const FILE_UNDELETED: &str = "file-undeleted";

/// The provider FileSpin. `file-error` and `file-archived` are Hookgate's names for the asset states that FileSpin has no names for; the
/// other types are FileSpin's own.
pub static PROVIDER: Provider = Provider {
    name: "filespin",
    title: "FileSpin",
    // Its documentation only asks for an answer "immediately".
    timeout: Duration::from_secs(5),
    // Documented: "up to 8 attempts" over 8 hours.
    gives_up_after: Duration::from_secs(8 * 3600),
    attempts: Some(8),
    secret_characters_max: None,
    secret_maker: SecretMaker::Operator,
    register: "Add the URL to web_urls in the webhook settings (at most three URLs, with\n\
               commas between them), and switch on the events in callback_events.",
    enter: "Add to web_urls, and switch on the events in callback_events",
    credential: CredentialSource::UrlToken,
    takes_signed_urls: false,
    types: &[
        event_type(FILE_SAVED, "An asset was stored; or inferred from status NOT_READY."),
        event_type(FILE_PROCESSED, "An asset's conversions are done; or inferred from status OK."),
        event_type(FILE_DATA_UPDATED, "An asset's data was changed; only where the body names the event."),
        event_type(ADDON_PROCESSED, "An add-on is done with an asset; only where the body names the event."),
        event_type(FILE_ERROR, "Inferred from status ERROR; the name is ours."),
        event_type(FILE_ARCHIVED, "Inferred from status ARCHIVED; the name is ours."),
        event_type(
            FILE_DELETED,
            "An asset, or conversions of it, were deleted, or could not be; only where the body names the event.",
        ),
        event_type(FILE_UNDELETED, "A deletion was taken back; only where the body names the event."),
    ],
    subject: "id",
    classify: |verified| classify::classify(&verified.delivery().body),
    recovered: Some(classify::recovered),
    sample: sample::sample,
};
