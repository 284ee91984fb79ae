//! FileSpin's API: the search of assets by the time of their upload, and the reissue of webhooks.

use std::time::{Duration, SystemTime};

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
        "upload_time_range": { "start": seconds(start), "end": seconds(end) }, "sort_by": "upload_time_range_ASC", "limit_per_page": 50,
    });
    if trashed {
        question["trashed"] = true.into();
    }
    let answer = api.query(path, || headers(access), question.to_string().as_bytes())?;
    let page: First<'_> = serde_json::from_slice(&answer).map_err(|error| api.unusable(path, &super::unreadable(&error)))?;
    page.result.iter().try_for_each(|asset| visit(asset.get()))?;
    let pages = page.total_pages.unwrap_or(1);
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
    match api.start("/api/v1/callbacks/reissue", || headers(access), body.as_bytes()) {
        Ok(answer) => Ok(super::message(&answer)),
        Err(ApiError::Refused { status: 403, text }) => {
            Err(ApiError::Refused { status: 403, text: format!("{text}; the key needs the permission ASSET_ADMIN") })
        }
        Err(other) => Err(other),
    }
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
