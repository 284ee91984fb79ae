//! Frame.io: webhook events of V4 (and the legacy V2 names that V4 shares) and custom actions. Bodies carry ids only; the HMAC
//! covers the timestamp and the body.

mod classify;
mod sample;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use crate::{
    proto::ProofScheme,
    provider::{CredentialSource, Provider},
    signature::HmacScheme,
};

/// The kind of every custom action. It is a topic, not an event type: a webhook whose `type` happens to be this word is unclassified.
pub const ACTION: &str = "action";

/// Frame.io.
pub static PROVIDER: Provider = Provider {
    name: "frameio",
    title: "Frame.io",
    // Documented: a slower answer counts as failed.
    timeout: Duration::from_secs(5),
    credential: CredentialSource::Hmac(HmacScheme {
        scheme: ProofScheme::FrameioV0,
        // "Currently only this one version", says the guide.
        version: "v0=",
        headers: &["x-frameio-signature", "x-frameio-request-timestamp"],
        around_timestamp: Some(("v0:", ":")),
    }),
    // The events of V4's subscription API, and the kind of the custom actions.
    types: &[
        "file.created",
        "file.deleted",
        "file.ready",
        "file.updated",
        "file.upload.completed",
        "file.versioned",
        "file.copied",
        "folder.created",
        "folder.deleted",
        "folder.updated",
        "folder.copied",
        "comment.completed",
        "comment.created",
        "comment.deleted",
        "comment.uncompleted",
        "comment.updated",
        "customfield.created",
        "customfield.updated",
        "customfield.deleted",
        "metadata.value.updated",
        "project.created",
        "project.deleted",
        "project.updated",
        "collection.created",
        "collection.updated",
        "collection.deleted",
        "share.created",
        "share.updated",
        "share.deleted",
        "share.viewed",
        ACTION,
    ],
    classify: |verified| classify::classify(&verified.delivery().body),
    sample: sample::sample,
};
