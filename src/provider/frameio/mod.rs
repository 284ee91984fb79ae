//! Frame.io: webhook events of V4 (and the legacy V2 names that V4 shares) and custom actions. Bodies carry only ids. The HMAC covers the
//! timestamp and the body.

mod audit;
mod classify;
mod file;
mod sample;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

pub use self::{
    audit::{AuditEntry, Counterpart, UNLOGGED, could_be},
    file::FileState,
};
use crate::{
    proto::ProofScheme,
    provider::{CredentialSource, Provider, SecretMaker, event_type, unsubscribed_type},
    signature::HmacScheme,
};

/// The kind of every custom action. It is a topic and not an event type: a webhook whose `type` happens to be this word is unclassified.
pub const ACTION: &str = "action";

/// The type of a file that is processed. Only the status of the file says so beside the webhook.
pub const FILE_READY: &str = "file.ready";

/// The type of a file whose upload is finished.
pub const UPLOAD_COMPLETED: &str = "file.upload.completed";

/// The provider Frame.io.
pub static PROVIDER: Provider = Provider {
    name: "frameio",
    title: "Frame.io",
    // The documentation says that a slower answer counts as failed.
    timeout: Duration::from_secs(5),
    // Documented: five attempts, with pauses that double from 15 s on; the jitter comes on top.
    gives_up_after: Duration::from_secs(15 + 30 + 60 + 120),
    attempts: Some(5),
    secret_characters_max: None,
    secret_maker: SecretMaker::Provider,
    register: "Create a webhook with it through the V4 API, one for each workspace. The\n\
               answer has the secret (data.secret), and nothing shows it again.",
    enter: "Create a webhook with this url through the V4 API",
    credential: CredentialSource::Hmac(HmacScheme {
        scheme: ProofScheme::FrameioV0,
        // "Currently only this one version", says the guide.
        version: "v0=",
        headers: &["x-frameio-signature", "x-frameio-request-timestamp"],
        around_timestamp: Some(("v0:", ":")),
    }),
    takes_signed_urls: false,
    // The event types of V4's subscription API, and the kind of the custom actions.
    types: &[
        event_type("file.created", "A file was made; its upload is not finished yet."),
        event_type("file.deleted", "A file was deleted."),
        event_type(FILE_READY, "A file is processed and can be played."),
        event_type("file.updated", "A file was changed."),
        event_type(UPLOAD_COMPLETED, "A file's upload is finished."),
        event_type("file.versioned", "A version was added; whether the id is the file's or the stack's is not documented."),
        event_type("file.copied", "A file was copied."),
        event_type("folder.created", "A folder was made."),
        event_type("folder.deleted", "A folder was deleted."),
        event_type("folder.updated", "A folder was changed."),
        event_type("folder.copied", "A folder was copied."),
        event_type("comment.completed", "A comment was marked as done."),
        event_type("comment.created", "A comment or an answer was written."),
        event_type("comment.deleted", "A comment was deleted."),
        event_type("comment.uncompleted", "The mark that a comment is done was taken back."),
        event_type("comment.updated", "A comment was changed."),
        event_type("customfield.created", "A field for metadata was defined."),
        event_type("customfield.updated", "The definition of a field for metadata was changed."),
        event_type("customfield.deleted", "The definition of a field for metadata was deleted."),
        event_type("metadata.value.updated", "A value of a field for metadata was changed."),
        event_type("project.created", "A project was made."),
        event_type("project.deleted", "A project was deleted."),
        event_type("project.updated", "A project was changed."),
        event_type("collection.created", "A collection was made."),
        event_type("collection.updated", "A collection was changed."),
        event_type("collection.deleted", "A collection was deleted."),
        event_type("share.created", "A share was made."),
        event_type("share.updated", "A share was changed."),
        event_type("share.deleted", "A share was deleted."),
        event_type("share.viewed", "Somebody looked at a share, maybe without an account: then `user_id` is empty."),
        unsubscribed_type(
            ACTION,
            "A custom action was started, on one asset or several (then the first is the key); its form, which names no asset, has `interaction_id` for a key.",
        ),
    ],
    subject: "resource.id",
    classify: |verified| classify::classify(&verified.delivery().body),
    recovered: Some(classify::recovered),
    sample: sample::sample,
};
