//! Frame.io's audit log: its entries, and the webhook events that they stand for.

use std::time::SystemTime;

use serde::Deserialize;

use crate::event::{instant, parse_time};

/// One entry of the audit log. It has no id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditEntry {
    /// The name of what has happened, in the log's own words.
    pub event_type: String,
    /// When it happened.
    pub at: SystemTime,
    /// What it happened to.
    pub resource_id: String,
    /// The kind of that, in the log's own words.
    pub resource_type: String,
    /// Who did it, if anybody is known.
    pub user_id: String,
    /// The project, if there is one.
    pub project_id: String,
    /// The workspace, if there is one.
    pub workspace_id: String,
    /// The account.
    pub account_id: String,
}

#[derive(Deserialize)]
struct LoggedEntry {
    event_type: String,
    inserted_at: String,
    resource_id: String,
    resource_type: String,
    user_id: Option<String>,
    project_id: Option<String>,
    workspace_id: Option<String>,
    account_id: Option<String>,
}

impl AuditEntry {
    /// Reads an entry. The error names no value.
    pub fn of(entry: &str) -> Result<Self, &'static str> {
        let wire: LoggedEntry = serde_json::from_str(entry).map_err(|_| "a field is missing or of the wrong type")?;
        let at = parse_time(&wire.inserted_at).and_then(instant).ok_or("the time cannot be read")?;
        Ok(Self {
            event_type: wire.event_type,
            at,
            resource_id: wire.resource_id,
            resource_type: wire.resource_type,
            user_id: wire.user_id.unwrap_or_default(),
            project_id: wire.project_id.unwrap_or_default(),
            workspace_id: wire.workspace_id.unwrap_or_default(),
            account_id: wire.account_id.unwrap_or_default(),
        })
    }
}

/// What an entry of the audit log is as a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counterpart {
    /// An event of this type.
    Webhook(&'static str),
    /// An event of one of these types, and the entry does not say which.
    OneOf(&'static [&'static str]),
    /// Several events of these types, whose resources the entry does not name.
    Several(&'static [&'static str]),
    /// No webhook that is known.
    None,
}

/// Event types of webhooks that no entry of the audit log stands for.
pub const UNLOGGED: [&str; 4] = [super::FILE_READY, "collection.created", "collection.deleted", super::ACTION];

/// Names of the log beside those of webhooks, where one stands for the other whatever the kind of the resource. The names are documented,
/// that they belong together is inferred.
const PAIRS: [(&str, &str); 22] = [
    ("asset_versioned", "file.versioned"),
    ("file_uploaded", super::UPLOAD_COMPLETED),
    ("collection_updated", "collection.updated"),
    ("comment_created", "comment.created"),
    ("comment_updated", "comment.updated"),
    ("comment_deleted", "comment.deleted"),
    ("comment_completed", "comment.completed"),
    ("comment_uncompleted", "comment.uncompleted"),
    ("account_field_created", "customfield.created"),
    ("account_field_updated", "customfield.updated"),
    ("account_field_deleted", "customfield.deleted"),
    ("project_field_created", "customfield.created"),
    ("project_field_updated", "customfield.updated"),
    ("project_field_deleted", "customfield.deleted"),
    ("metadata_value_updated", "metadata.value.updated"),
    ("project_created", "project.created"),
    ("project_updated", "project.updated"),
    ("project_deleted", "project.deleted"),
    ("share_created", "share.created"),
    ("share_updated", "share.updated"),
    ("share_deleted", "share.deleted"),
    ("share_viewed", "share.viewed"),
];

/// What happens to assets, with the webhook's name for files and that for folders.
const ASSETS: [(&str, [&str; 2]); 4] = [
    ("asset_created", ["file.created", "folder.created"]),
    ("asset_updated", ["file.updated", "folder.updated"]),
    ("asset_deleted", ["file.deleted", "folder.deleted"]),
    ("asset_copied", ["file.copied", "folder.copied"]),
];

impl Counterpart {
    /// Returns what an entry of this type about a resource of this kind is as a webhook.
    pub fn of(event_type: &str, resource_type: &str) -> Self {
        if event_type == "bulk_assets_deleted" {
            return Self::Several(&["file.deleted", "folder.deleted"]);
        }
        if let Some((_, types)) = ASSETS.iter().find(|(name, _)| *name == event_type) {
            return match resource_type {
                "folder" => Self::Webhook(types[1]),
                // The log may say this of files and of folders.
                "asset" => Self::OneOf(types),
                _ => Self::Webhook(types[0]),
            };
        }
        let pair = PAIRS.iter().find(|(name, _)| *name == event_type);
        pair.map_or(Self::None, |(_, webhook)| Self::Webhook(webhook))
    }
}

#[cfg(test)]
mod tests;
