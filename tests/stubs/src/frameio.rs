//! Frame.io's API 4.0: access tokens, the audit log, webhooks, workspaces, and the status of files.

mod manage;

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    http::{Reply, Request},
    time::{Micros, SECOND, read, write},
};

pub use manage::Webhook;

/// The events of webhooks, the name of each in the audit log, and the kind of thing that it names there.
pub const EVENTS: [(&str, Option<&str>, &str); 30] = [
    ("file.created", Some("asset_created"), "asset"),
    ("file.deleted", Some("asset_deleted"), "asset"),
    // A listing says it by the status of the file alone.
    ("file.ready", None, "asset"),
    ("file.updated", Some("asset_updated"), "asset"),
    ("file.upload.completed", Some("file_uploaded"), "asset"),
    ("file.versioned", Some("asset_versioned"), "asset"),
    ("file.copied", Some("asset_copied"), "asset"),
    ("folder.created", Some("asset_created"), "folder"),
    ("folder.deleted", Some("asset_deleted"), "folder"),
    ("folder.updated", Some("asset_updated"), "folder"),
    ("folder.copied", Some("asset_copied"), "folder"),
    ("comment.completed", Some("comment_completed"), "comment"),
    ("comment.created", Some("comment_created"), "comment"),
    ("comment.deleted", Some("comment_deleted"), "comment"),
    ("comment.uncompleted", Some("comment_uncompleted"), "comment"),
    ("comment.updated", Some("comment_updated"), "comment"),
    ("customfield.created", Some("account_field_created"), "account_field_definition"),
    ("customfield.updated", Some("project_field_updated"), "project_field_definition"),
    ("customfield.deleted", Some("account_field_deleted"), "account_field_definition"),
    ("metadata.value.updated", Some("metadata_value_updated"), "asset"),
    ("project.created", Some("project_created"), "project"),
    ("project.deleted", Some("project_deleted"), "project"),
    ("project.updated", Some("project_updated"), "project"),
    ("collection.created", None, "collection"),
    ("collection.updated", Some("collection_updated"), "collection"),
    ("collection.deleted", None, "collection"),
    ("share.created", Some("share_created"), "share"),
    ("share.updated", Some("share_updated"), "share"),
    ("share.deleted", Some("share_deleted"), "share"),
    ("share.viewed", Some("share_viewed"), "share"),
];

/// The workspace of each entry, and the only one of a new account.
pub const WORKSPACE: &str = "a0000000-0000-4000-8000-000000000002";

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What has happened.
    pub event_type: String,
    /// When.
    pub at: Micros,
    /// To what.
    pub resource_id: String,
    /// To a thing of which kind.
    pub resource_type: String,
    /// By whom, if anybody is known.
    pub user_id: Option<String>,
    /// In which workspace, if in any.
    pub workspace_id: Option<String>,
}

/// An account.
#[derive(Debug)]
pub struct Account {
    /// The id.
    pub id: String,
    /// The id of the client that may ask for tokens.
    pub client_id: String,
    /// The secret of that client.
    pub client_secret: String,
    /// The tokens that are good.
    pub tokens: Vec<String>,
    /// How long a new token lives, in seconds.
    pub expires_in: u64,
    /// When each token was made that was asked for, and how many seconds it lives.
    issued: Vec<(String, Instant, u64)>,
    /// The entries, in the order in which they are listed.
    pub entries: Vec<Entry>,
    /// Whether the last day of a question is left out.
    pub last_day_is_left_out: bool,
    /// How much later than in UTC a day of a question begins.
    pub days_begin_late: Micros,
    /// Whether the next page is the same for ever.
    pub stuck: bool,
    /// The URL before the path of the next page.
    pub next_origin: String,
    /// The workspaces.
    pub workspaces: Vec<String>,
    /// The project of every entry.
    pub project_id: String,
    /// The webhooks.
    pub webhooks: Vec<Webhook>,
    /// How many webhooks were made so far.
    webhooks_made: u64,
    /// Files with their status: `created`, `uploaded` or `transcoded`.
    pub files: Vec<(String, String)>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            id: "a0000000-0000-4000-8000-000000000001".into(),
            client_id: "client".into(),
            client_secret: "client-secret".into(),
            tokens: Vec::new(),
            expires_in: 86_399,
            issued: Vec::new(),
            entries: Vec::new(),
            last_day_is_left_out: false,
            days_begin_late: 0,
            stuck: false,
            next_origin: String::new(),
            workspaces: vec![WORKSPACE.into()],
            project_id: "a0000000-0000-4000-8000-000000000003".into(),
            webhooks: Vec::new(),
            webhooks_made: 0,
            files: Vec::new(),
        }
    }
}

fn fault(status: u16, detail: &str) -> Reply {
    Reply::json(status, &json!({ "errors": [{ "title": "Error", "detail": detail, "source": { "pointer": "" } }] }))
}

impl Account {
    /// Adds an entry.
    pub fn log(&mut self, event_type: &str, (resource_type, resource_id): (&str, &str), user_id: Option<&str>, at: Micros) {
        self.entries.push(Entry {
            event_type: event_type.into(),
            at,
            resource_id: resource_id.into(),
            resource_type: resource_type.into(),
            user_id: user_id.map(str::to_owned),
            workspace_id: Some(WORKSPACE.into()),
        });
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        if request.path == "/ims/token/v3" {
            return self.token(request);
        }
        let token = request.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
        let expired = |it: &&(String, Instant, u64)| it.1.elapsed().as_secs() >= it.2;
        let old = |token: &str| self.issued.iter().filter(expired).any(|(it, ..)| it == token);
        if !token.is_some_and(|token| self.tokens.iter().any(|it| it == token) && !old(token)) {
            return fault(401, "Unauthorized");
        }
        let path = percent_encoding::percent_decode_str(&request.path).decode_utf8_lossy().into_owned();
        let parts: Vec<&str> = path.trim_start_matches("/v4/accounts/").split('/').collect();
        let mut reply = match parts.as_slice() {
            [id, "audit_logs"] if *id == self.id && request.method == "GET" => self.audit_log(request),
            [id, rest @ ..] if *id == self.id => self.manage(request, rest),
            _ => fault(404, "Not found"),
        };
        let limits = [("x-ratelimit-limit", "100"), ("x-ratelimit-remaining", "99"), ("x-ratelimit-window", "60000")];
        reply.headers.extend(limits.map(|(name, value)| (name, value.to_owned())));
        reply
    }

    fn token(&mut self, request: &Request) -> Reply {
        let form = String::from_utf8_lossy(&request.body).replace('+', " ");
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let field = |name: &str| {
            form.split('&').filter_map(|pair| pair.split_once('=')).find(|(it, _)| *it == name).map(|(_, it)| decode(it))
        };
        let good = field("grant_type").as_deref() == Some("client_credentials")
            && field("client_id").as_ref() == Some(&self.client_id)
            && field("client_secret").as_ref() == Some(&self.client_secret)
            && field("scope").is_some_and(|scope| scope.contains("frame.s2s.all"));
        if !good {
            let body = json!({ "error": "invalid_client", "error_description": "invalid client_id or client_secret" });
            return Reply::json(400, &body);
        }
        let token = format!("token-{}", self.issued.len() + 1);
        self.issued.push((token.clone(), Instant::now(), self.expires_in));
        self.tokens.push(token.clone());
        Reply::json(200, &json!({ "access_token": token, "token_type": "bearer", "expires_in": self.expires_in }))
    }

    fn audit_log(&self, request: &Request) -> Reply {
        let day = |name: &str| Some(request.parameter(&format!("filters[{name}]")).and_then(read)? + self.days_begin_late);
        let size = request.parameter("page_size").map_or(Some(50), |text| text.parse::<usize>().ok());
        let Some(size) = size.filter(|size| (1..=100).contains(size)) else { return fault(422, "page_size must be at most 100") };
        let end = day("to_date").map(|day| if self.last_day_is_left_out { day } else { day + 86_400 * SECOND });
        let of = |name: &str, value: &str| request.parameter(&format!("filters[{name}]")).is_none_or(|wanted| wanted == value);
        let found = self.entries.iter().filter(|entry| {
            day("from_date").is_none_or(|day| entry.at >= day)
                && end.is_none_or(|end| entry.at < end)
                && of("event_type", &entry.event_type)
                && of("resource_type", &entry.resource_type)
                && of("resource_id", &entry.resource_id)
                && of("project_id", &self.project_id)
                && of("workspace_id", entry.workspace_id.as_deref().unwrap_or_default())
                && of("user_id", entry.user_id.as_deref().unwrap_or_default())
        });
        let found: Vec<&Entry> = found.collect();
        let place = request.parameter("after").and_then(|text| text.strip_prefix("place-")?.parse().ok()).unwrap_or(0_usize);
        let page: Vec<Value> =
            found.iter().skip(place).take(size).map(|entry| object(entry, &self.id, &self.project_id)).collect();
        let more = place + page.len() < found.len();
        let next = if self.stuck { place } else { place + page.len() };
        // A link has nothing of the question but its place.
        let next =
            (more || self.stuck).then(|| format!("{}/v4/accounts/{}/audit_logs?after=place-{next}", self.next_origin, self.id));
        Reply::json(200, &json!({ "data": page, "links": { "next": next } }))
    }
}

fn object(entry: &Entry, account: &str, project: &str) -> Value {
    json!({
        "account_id": account, "event_type": entry.event_type, "inserted_at": write(entry.at, 6), "ip_address": "203.0.113.7",
        "resource_id": entry.resource_id, "resource_type": entry.resource_type, "project_id": project, "workspace_id": entry.workspace_id,
        "user_id": entry.user_id,
    })
}
