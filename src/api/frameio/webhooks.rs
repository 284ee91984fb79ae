//! Frame.io's webhooks. The secret of a webhook is in the answer to its creation, and nowhere else.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use super::{Frameio, Limit, PAGE, headers};
use crate::{
    api::{ApiError, Headers, unreadable},
    config::SecretText,
};

/// The most pages of a listing that are read. No account has as many webhooks.
const PAGES_MAX: usize = 50;

/// A webhook of a workspace.
#[derive(Clone, Debug, Deserialize)]
pub struct FrameioWebhook {
    /// The id.
    pub id: String,
    /// Where deliveries go. It may hold a secret of somebody else.
    pub url: String,
    /// The events.
    pub events: Vec<String>,
    /// Whether there are deliveries.
    pub active: bool,
}

/// A webhook that was just made.
#[derive(Debug)]
pub struct NewWebhook {
    /// The id.
    pub id: String,
    /// What signs its deliveries; none if the answer has none that can be used. It is never shown again.
    pub secret: Option<SecretText>,
}

/// Only the id of an object.
#[derive(Deserialize)]
struct Identified {
    id: String,
    secret: Option<String>,
}

#[derive(Deserialize)]
struct Created {
    data: Identified,
}

impl Frameio<'_, '_> {
    /// Reads the ids of the account's workspaces.
    pub fn workspaces(&mut self) -> Result<Vec<String>, ApiError> {
        let path = format!("{}/workspaces?page_size={PAGE}", self.account());
        Ok(self.listed::<Identified>(&path)?.into_iter().map(|workspace| workspace.id).collect())
    }

    /// Reads the webhooks of a workspace.
    pub fn webhooks(&mut self, workspace: &str) -> Result<Vec<FrameioWebhook>, ApiError> {
        let path = format!("{}/workspaces/{}/webhooks?page_size={PAGE}", self.account(), encoded(workspace));
        self.listed(&path)
    }

    /// Makes a webhook. A request that may have been accepted is not repeated.
    pub fn create_webhook(
        &mut self,
        workspace: &str,
        (name, url): (&str, &str),
        events: &[&str],
    ) -> Result<NewWebhook, ApiError> {
        let path = format!("{}/workspaces/{}/webhooks", self.account(), encoded(workspace));
        let body = json!({ "data": { "name": name, "url": url, "events": events } }).to_string();
        let answer = self.with_token(Limit::AuditLog, |api, token| api.start(&path, || json_headers(token), body.as_bytes()))?;
        // It was made, so nobody knows its secret any more.
        let lost = |_| ApiError::Unclear("Frame.io has made the webhook, and its answer cannot be read".into());
        let made: Created = serde_json::from_slice(&answer).map_err(lost)?;
        let secret = made.data.secret.filter(|text| !text.trim().is_empty() && text.bytes().all(|b| b.is_ascii_graphic()));
        Ok(NewWebhook { id: made.data.id, secret: secret.map(SecretText::new) })
    }

    /// Changes the events of a webhook, and nothing else.
    pub fn set_events(&mut self, id: &str, events: &[&str]) -> Result<(), ApiError> {
        self.change(id, &json!({ "data": { "events": events } }))
    }

    /// Switches a webhook on, and changes nothing else.
    pub fn activate(&mut self, id: &str) -> Result<(), ApiError> {
        self.change(id, &json!({ "data": { "active": true } }))
    }

    /// Removes a webhook. It is not an error if there is none any more.
    pub fn delete_webhook(&mut self, id: &str) -> Result<(), ApiError> {
        let path = format!("{}/webhooks/{}", self.account(), encoded(id));
        match self.with_token(Limit::AuditLog, |api, token| api.delete(&path, || headers(token))) {
            Ok(_) | Err(ApiError::Refused { status: 404, .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }

    fn change(&mut self, id: &str, body: &serde_json::Value) -> Result<(), ApiError> {
        let (path, body) = (format!("{}/webhooks/{}", self.account(), encoded(id)), body.to_string());
        self.with_token(Limit::AuditLog, |api, token| api.patch(&path, || json_headers(token), body.as_bytes()))?;
        Ok(())
    }

    /// Reads a whole listing.
    fn listed<T: for<'de> Deserialize<'de>>(&mut self, path: &str) -> Result<Vec<T>, ApiError> {
        let (mut objects, mut wrong) = (Vec::new(), None);
        self.pages(path, PAGES_MAX, &mut |object| {
            match serde_json::from_str(object) {
                Ok(object) => objects.push(object),
                Err(error) => wrong = Some(unreadable(&error)),
            }
            Ok(())
        })?;
        wrong.map_or(Ok(objects), |wrong| Err(self.log.unusable(path, &wrong)))
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn json_headers(token: &str) -> Headers {
    let mut headers = headers(token);
    headers.push(("content-type", "application/json".into()));
    headers
}
