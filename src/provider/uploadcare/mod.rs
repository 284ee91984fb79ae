//! Uploadcare: changes of a file. Every event carries the description of the whole file. The HMAC covers only the raw body: no timestamp is
//! signed, so an old delivery verifies for ever.

mod classify;
mod recovered;
mod sample;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

pub use self::recovered::FileHistory;
use crate::{
    proto::ProofScheme,
    provider::{CredentialSource, Provider, SecretMaker, event_type},
    signature::HmacScheme,
};

pub(crate) const UPLOADED: &str = "file.uploaded";
pub(crate) const INFECTED: &str = "file.infected";
pub(crate) const STORED: &str = "file.stored";
pub(crate) const DELETED: &str = "file.deleted";
pub(crate) const INFO_UPDATED: &str = "file.info_updated";

/// The provider Uploadcare.
pub static PROVIDER: Provider = Provider {
    name: "uploadcare",
    title: "Uploadcare",
    // The documentation gives this as the time of one attempt.
    timeout: Duration::from_secs(60),
    // Documented: after 1, 5, 10, 30 and 60 minutes, then every hour "up to 72 hours".
    gives_up_after: Duration::from_secs(72 * 3600),
    attempts: None,
    // Its `OpenAPI` description, `webhook_signing_secret`.
    secret_characters_max: Some(32),
    secret_maker: SecretMaker::Operator,
    register: "Create a webhook for each event, with it as target_url, version 0.7 and a\n\
               signing_secret. Without one Uploadcare signs nothing, and every delivery is\n\
               refused.",
    enter: "Create a webhook per event: version 0.7, target_url, signing_secret",
    credential: CredentialSource::Hmac(HmacScheme {
        scheme: ProofScheme::UploadcareV1,
        version: "v1=",
        headers: &["x-uc-signature"],
        around_timestamp: None,
    }),
    takes_signed_urls: false,
    types: &[
        event_type(UPLOADED, "A file was uploaded."),
        event_type(INFECTED, "Malware was found in a file."),
        event_type(STORED, "A file is kept for good."),
        event_type(DELETED, "A file was deleted."),
        event_type(INFO_UPDATED, "A file's metadata or application data changed."),
    ],
    subject: "data.uuid",
    classify: |verified| classify::classify(&verified.delivery().body),
    recovered: Some(classify::recovered),
    sample: sample::sample,
};
