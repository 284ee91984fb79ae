//! FileSpin's API: the search of assets by the time of their upload, the reissue of webhooks, and the settings of webhooks.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Api, ApiError, Headers, Manners};
use crate::{config::recover::KeyedApi, event::timestamp};

/// About 30 requests a second are allowed. A 429 after a refused request never ends by itself.
pub const MANNERS: Manners = Manners {
    title: "FileSpin",
    interval: Duration::from_millis(100),
    attempts: 4,
    throttled: Duration::from_secs(30),
    faulty: Duration::from_secs(1),
    throttles_mistakes: true,
};

/// The most pages of one search: beyond that, a search repeats itself.
const PAGES_MAX: u64 = 100_000;

/// How many assets a page has, unless it is the last one.
const PAGE_SIZE: usize = 50;

/// The longest time that one reissue may be about.
pub const REISSUE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The first page of a search.
#[derive(Deserialize)]
struct First<'a> {
    #[serde(borrow)]
    result: Vec<&'a RawValue>,
    search_result_id: Option<serde_json::Value>,
    total_pages: Option<u64>,
}

/// A further page.
#[derive(Deserialize)]
struct Further<'a> {
    #[serde(borrow)]
    result: Vec<&'a RawValue>,
}

/// Reads the assets that were uploaded between two times, both included, and calls `visit` with each. With `trashed` these are the deleted
/// ones, which only an administrator's key may see.
pub fn assets(
    api: &mut Api<'_>,
    access: &KeyedApi,
    (start, end): (SystemTime, SystemTime),
    trashed: bool,
    visit: &mut dyn FnMut(&str) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let path = "/api/v1/search";
    let mut question = json!({
        "upload_time_range": { "start": seconds(start), "end": seconds(end) }, "sort_by": "upload_time_range_ASC", "limit_per_page": PAGE_SIZE,
    });
    if trashed {
        question["trashed"] = true.into();
    }
    let answer = api.query(path, || headers(access), question.to_string().as_bytes())?;
    let page: First<'_> = serde_json::from_slice(&answer).map_err(|error| api.unusable(path, &super::unreadable(&error)))?;
    page.result.iter().try_for_each(|asset| visit(asset.get()))?;
    let pages = match page.total_pages {
        None | Some(0) if page.result.len() >= PAGE_SIZE => {
            return Err(api.unusable(path, "answered with a full page, but not how many pages there are"));
        }
        pages => pages.unwrap_or(1),
    };
    if pages <= 1 {
        return Ok(());
    }
    let id = match page.search_result_id {
        Some(serde_json::Value::String(id)) => id,
        Some(serde_json::Value::Number(id)) => id.to_string(),
        _ => return Err(api.unusable(path, "names further pages, but no id of the search to read them with")),
    };
    if pages > PAGES_MAX {
        return Err(api.unusable(path, &format!("names {pages} pages: choose a shorter time")));
    }
    let id = utf8_percent_encode(&id, NON_ALPHANUMERIC).to_string();
    for number in 2..=pages {
        let path = format!("/api/v1/search/{id}/{number}");
        let answer = api.get(&path, || headers(access))?;
        let page: Further<'_> =
            serde_json::from_slice(&answer).map_err(|error| api.unusable(&path, &super::unreadable(&error)))?;
        page.result.iter().try_for_each(|asset| visit(asset.get()))?;
    }
    Ok(())
}

/// Asks FileSpin to send the webhooks of the assets again that were uploaded between two times, at most [`REISSUE_MAX`] apart, and returns what
/// FileSpin answers. It only accepts the task, and never says how far it is. A task that may have been accepted is not asked for again.
pub fn reissue(api: &mut Api<'_>, access: &KeyedApi, (start, end): (SystemTime, SystemTime)) -> Result<String, ApiError> {
    let body = json!({ "start_date": seconds(start), "end_date": seconds(end) }).to_string();
    let path = "/api/v1/callbacks/reissue";
    match api.queue(path, || headers(access), body.as_bytes()) {
        Ok(answer) if serde_json::from_slice::<String>(&answer).is_ok() => Ok(api.message(&answer)),
        Ok(_) => {
            Err(ApiError::Unclear(api.say(path, "answered 202, but not with the text that FileSpin accepts a request with")))
        }
        Err(ApiError::Refused { status: 403, text }) => {
            Err(ApiError::Refused { status: 403, text: format!("{text}; the key needs the permission ASSET_ADMIN") })
        }
        Err(other) => Err(other),
    }
}

/// The events that the settings switch on and off.
pub const SWITCHES: [&str; 6] =
    ["file-saved", "file-processed", "file-data-updated", "file-deleted", "file-undeleted", "addon-processed"];

/// The most URLs that the settings hold.
pub const URLS_MAX: usize = 3;

/// What the settings of an account say about webhooks. The rest of the answer, which has the secrets of the account, is not kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WebhookSettings {
    /// Where deliveries go: URLs with commas between them. They may hold secrets of somebody else.
    web_urls: String,
    callback_events: BTreeMap<String, serde_json::Value>,
}

impl WebhookSettings {
    /// Returns where deliveries go.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.web_urls.split(',').map(str::trim).filter(|url| !url.is_empty())
    }

    /// Returns whether an event is switched on.
    pub fn is_on(&self, event: &str) -> bool {
        self.callback_events.get(event) == Some(&serde_json::Value::Bool(true))
    }
}

#[derive(Deserialize)]
struct SettingsAnswer {
    data: SettingsData,
}

#[derive(Deserialize)]
struct SettingsData {
    webhook: WebhookSettings,
}

/// Reads what the settings of the account say about webhooks.
pub fn webhook_settings(api: &mut Api<'_>, access: &KeyedApi) -> Result<WebhookSettings, ApiError> {
    let path = "/api/v1/user/settings";
    let answer = api.get(path, || headers(access))?;
    let answer: SettingsAnswer =
        serde_json::from_slice(&answer).map_err(|error| api.unusable(path, &super::unreadable(&error)))?;
    Ok(answer.data.webhook)
}

/// Returns a time as FileSpin writes it, in whole seconds.
fn seconds(time: SystemTime) -> String {
    let mut time = timestamp(time);
    time.nanos = 0;
    time.to_string()
}

fn headers(access: &KeyedApi) -> Headers {
    vec![("x-filespin-api-key", access.api_key.reveal().to_owned()), ("content-type", "application/json".into())]
}
