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
    /// No webhook.
    None,
    /// Hookgate does not know the entry's type: [`could_be`] says what it may be.
    Unknown,
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

/// Names of the log that no webhook stands for, although they are about what webhooks are about.
const WITHOUT: [&str; 31] = [
    "asset_assignee_changed",
    "asset_metadata_created",
    "asset_moved",
    "asset_restored",
    "asset_status_changed",
    "assets_unversioned",
    "bulk_account_deletion_started",
    "bulk_assets_restored",
    "bulk_assets_retranscoded",
    "bulk_emails_updated",
    "bulk_projects_activated",
    "bulk_projects_deactivated",
    "bulk_users_removed",
    "comment_liked",
    "project_activated",
    "project_archive_completed",
    "project_archived",
    "project_deactivated",
    "project_invite_link_created",
    "project_invite_link_revoked",
    "project_moved",
    "project_permissions_granted_to_account_user_group",
    "project_permissions_granted_to_user",
    "project_restored",
    "project_unarchive_completed",
    "project_unarchived",
    "share_activity_tracking_consent_changed",
    "share_branding_preset_updated",
    "share_invites_sent",
    "share_reviewers_added",
    "share_reviewers_removed",
];

/// How the names of the log begin that are about something without webhooks: accounts, people, rights, plans and Frame.io's older features.
const OTHER_MATTERS: [&str; 38] = [
    "access_request_",
    "account_",
    "action_",
    "admin_",
    "allowed_domain_",
    "anonymous_user_",
    "collaborator_",
    "email_",
    "google_auth_",
    "high_risk_",
    "join_",
    "label_",
    "login_",
    "media_",
    "new_device_",
    "new_user_",
    "oauth_app_",
    "password_",
    "pending_",
    "plan_",
    "preference_",
    "presentation_",
    "push_tokens_",
    "resource_",
    "review_link_",
    "reviewer_",
    "role_",
    "sbwm_template_",
    "session_",
    "subscription_",
    "team_",
    "transcript_",
    "transfer_",
    "user_",
    "v4_",
    "webhook_",
    "workfront_",
    "workspace_",
];

/// How the names of the log begin that are about what webhooks are about, with how the names of those webhooks begin.
const MATTERS: [(&str, &[&str]); 10] = [
    ("account_field", &["customfield."]),
    ("project_field", &["customfield."]),
    ("project", &["project."]),
    ("asset", &["file.", "folder."]),
    ("file", &["file.", "folder."]),
    ("folder", &["file.", "folder."]),
    ("comment", &["comment."]),
    ("share", &["share."]),
    ("collection", &["collection."]),
    ("metadata", &["metadata."]),
];

/// Returns whether an entry of a type that Hookgate does not know may be a webhook of this type. Frame.io may add names, or write them in
/// another way, so capitals do not count, and a name that is like no other may be any webhook.
pub fn could_be(event_type: &str, webhook: &str) -> bool {
    let name = event_type.to_lowercase();
    match MATTERS.iter().find(|(begin, _)| name.starts_with(begin)) {
        Some((_, webhooks)) => webhooks.iter().any(|begin| webhook.starts_with(begin)),
        None => true,
    }
}

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
        if let Some((_, webhook)) = PAIRS.iter().find(|(name, _)| *name == event_type) {
            return Self::Webhook(webhook);
        }
        let name = event_type.to_lowercase();
        let is_field = name.starts_with("account_field");
        let is_other = !is_field && OTHER_MATTERS.iter().any(|begin| name.starts_with(begin));
        if is_other || WITHOUT.contains(&event_type) { Self::None } else { Self::Unknown }
    }
}

#[cfg(test)]
mod tests;
