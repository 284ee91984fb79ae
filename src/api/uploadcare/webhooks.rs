//! Uploadcare's webhooks: one subscription for each event. The answers hold the secrets that sign deliveries, which no message shows.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::json;

use super::{
    super::{Api, ApiError, unreadable},
    headers,
};
use crate::{
    config::{SecretText, recover::UploadcareApi},
    provider::uploadcare::PROVIDER,
    signature::Secret,
};

/// The longest URL that Uploadcare takes, in characters.
pub const URL_MAX: usize = 255;

/// How the listing says that an event has no name that could be shown: one that is no name, or that holds the signing secret.
const NO_NAME: &str = "an event without a name";

/// A subscription of a project to one event.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "ListedSubscription")]
pub struct Subscription {
    /// The id.
    pub id: u64,
    /// The event, in at most 64 small letters, digits, `.`, `_` and `-`.
    pub event: String,
    /// Where deliveries go. It may hold a secret of somebody else.
    pub target_url: String,
    /// Whether there are deliveries. Uploadcare switches a subscription off after repeated failures.
    pub is_active: bool,
    /// When it was made, as Uploadcare writes it.
    pub created: Option<String>,
    /// When it was changed last, as Uploadcare writes it.
    pub updated: Option<String>,
    /// What signs deliveries; none if they are not signed.
    pub signing_secret: Option<Secret>,
}

/// A subscription as Uploadcare writes it, with its secret.
#[derive(Deserialize)]
struct ListedSubscription {
    id: u64,
    event: String,
    target_url: String,
    is_active: bool,
    created: Option<String>,
    updated: Option<String>,
    signing_secret: Option<String>,
}

impl From<ListedSubscription> for Subscription {
    /// Keeps only the keys that are derived from the secret.
    fn from(listed: ListedSubscription) -> Self {
        let ListedSubscription { id, event, target_url, is_active, created, updated, signing_secret } = listed;
        let secret = signing_secret.unwrap_or_default();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        let is_name = (1..=64).contains(&event.len()) && event.bytes().all(allowed);
        let is_known = PROVIDER.events().any(|known| known == event);
        let is_shown = is_known || is_name && (secret.is_empty() || !event.contains(&secret));
        let event = if is_shown { event } else { NO_NAME.to_owned() };
        Self { id, event, target_url, is_active, created, updated, signing_secret: Secret::new(secret.as_bytes()) }
    }
}

const PATH: &str = "/webhooks/";

/// Reads all subscriptions of the project.
pub fn subscriptions(api: &mut Api<'_>, access: &UploadcareApi, now: fn() -> SystemTime) -> Result<Vec<Subscription>, ApiError> {
    let answer = api.get(PATH, || headers(access, ("GET", PATH), b"", now()))?;
    serde_json::from_slice(&answer).map_err(|error| api.unusable(PATH, &unreadable(&error)))
}

/// Switches a subscription on, and sends nothing else: a field that is sent as null would be emptied.
pub fn reactivate(api: &mut Api<'_>, access: &UploadcareApi, id: u64, now: fn() -> SystemTime) -> Result<(), ApiError> {
    let (path, body) = (format!("{PATH}{id}/"), json!({ "is_active": true }).to_string());
    api.put(&path, || headers(access, ("PUT", &path), body.as_bytes(), now()), body.as_bytes())?;
    Ok(())
}

/// Subscribes the project to an event, with deliveries that this secret signs. Returns false if the project has this subscription already.
/// A request that may have been accepted is not repeated.
pub fn subscribe(
    api: &mut Api<'_>,
    access: &UploadcareApi,
    (target_url, event): (&str, &str),
    secret: &SecretText,
    now: fn() -> SystemTime,
) -> Result<bool, ApiError> {
    let body = json!({
        "target_url": target_url, "event": event, "is_active": true, "signing_secret": secret.reveal(), "version": "0.7",
    });
    let body = body.to_string();
    match api.start(PATH, || headers(access, ("POST", PATH), body.as_bytes(), now()), body.as_bytes()) {
        Ok(_) => Ok(true),
        Err(ApiError::Refused { status: 400, text }) if text.contains("already subscribed") => Ok(false),
        Err(other) => Err(other),
    }
}
