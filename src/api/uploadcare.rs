//! Uploadcare's REST API, version 0.7: its files, existing and removed, in the order of their upload, and its webhooks.

mod webhooks;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use sha1::Sha1;
use sha2::Digest as _;

use super::{Api, ApiError, Headers, Manners};
use crate::{config::recover::UploadcareApi, event::timestamp, provider::uploadcare::FileHistory};
pub use webhooks::{Subscription, URL_MAX, reactivate, subscribe, subscriptions};

/// Uploadcare publishes no rates. Its own libraries wait 15 s where a 429 names no time.
pub const MANNERS: Manners = Manners {
    title: "Uploadcare",
    interval: Duration::from_millis(100),
    attempts: 5,
    throttled: Duration::from_secs(15),
    faulty: Duration::from_secs(1),
    throttles_mistakes: false,
};

/// The files of one page. Uploadcare allows 1000, but with the results of add-ons a file may have 8 KiB.
const PAGE: usize = 500;

/// A page of the listing.
#[derive(Deserialize)]
struct FilePage<'a> {
    // Where there is no next page, the field is null: an answer without it is none of Uploadcare's.
    #[serde(deserialize_with = "Option::deserialize")]
    next: Option<String>,
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
    // The two counts are only hints: `total` was seen to be 0 beside 100 files.
    #[serde(default)]
    total: Value,
    #[serde(default)]
    totals: Value,
}

impl FilePage<'_> {
    /// Returns how many files Uploadcare counts in this listing, whenever they were uploaded.
    fn counted(&self, removed: bool) -> u64 {
        let of = |name: &str| self.totals[name].as_u64().unwrap_or_default();
        let totals = if removed { of("removed") } else { of("stored").saturating_add(of("unstored")) };
        totals.max(self.total.as_u64().unwrap_or_default())
    }
}

/// Reads the files that were uploaded at `from` or later, in the order of their upload, and calls `visit` with each. It reads no further page
/// after one for which `visit` has returned false, unless the files are out of order. A file may come twice. Existing and removed files are two
/// listings, which cannot be had together. Returns why the listing may lack files, if something in the answers speaks for that.
pub fn files(
    api: &mut Api<'_>,
    access: &UploadcareApi,
    (removed, from): (bool, SystemTime),
    now: fn() -> SystemTime,
    visit: &mut dyn FnMut(&str) -> Result<bool, ApiError>,
) -> Result<Option<String>, ApiError> {
    let (mut after, mut offset, mut first_of_last, mut read) = (just_before(from), 0, String::new(), 0);
    let mut order = ListingOrder::default();
    loop {
        let path = listing(removed, after, offset);
        let answer = api.get(&path, || headers(access, ("GET", &path), b"", now()))?;
        let page = page(api, &path, &answer)?;
        // The link itself is not followed, but one that leads elsewhere is none of Uploadcare's.
        page.next.as_deref().map(|next| api.next(&path, next)).transpose()?;
        let mut ended = false;
        read += page.results.len() as u64;
        for file in &page.results {
            order.take(file.get());
            ended |= !visit(file.get())?;
        }
        if page.next.is_none() || ended && !order.broken {
            if order.broken {
                let kind = if removed { "removed" } else { "existing" };
                return Ok(Some(format!("Uploadcare does not list the {kind} files in the order of their upload")));
            }
            let counted = page.counted(removed);
            let nothing = order.latest.is_none() && page.results.is_empty();
            if nothing && counted > 0 {
                return contradiction(api, access, (removed, from), counted, now);
            }
            // Both counts are of all files, whenever they were uploaded.
            let is_short = from == UNIX_EPOCH && !ended && read < counted;
            let kind = if removed { "removed" } else { "existing" };
            return Ok(is_short.then(|| format!("Uploadcare counts {counted} {kind} files, and lists {read}")));
        }
        let (Some(first), Some(last)) = (page.results.first(), page.results.last()) else {
            return Err(api.unusable(&path, "answers with an empty page, and names a next one"));
        };
        // The time of a page's last file may be that of the next page's first one too, and `from` leaves its own instant out: so the next
        // request begins just before it, and not where Uploadcare's own link does. Where files are out of order, the last one is not the latest.
        let border =
            FileHistory::of(last.get()).map_err(|_| api.unusable(&path, "lists a file without the time of its upload"))?;
        let further = just_before(order.latest.unwrap_or(border.uploaded));
        if further > after {
            (after, offset) = (further, 0);
            if page.results.len() >= PAGE {
                // If it is wholly of one instant, it comes a second time now, and that is no mistake.
                first_of_last.clear();
                continue;
            }
        } else if first.get() != first_of_last {
            // A whole page of one instant.
            offset += page.results.len();
        } else {
            return Err(api.unusable(&path, "answers with the same page again and again"));
        }
        first.get().clone_into(&mut first_of_last);
    }
}

/// The order of a listing.
#[derive(Default)]
struct ListingOrder {
    /// The latest time of upload so far.
    latest: Option<SystemTime>,
    /// Whether a file was uploaded before one that is listed before it.
    broken: bool,
}

impl ListingOrder {
    fn take(&mut self, file: &str) {
        // A file without a time says nothing of the order.
        let Ok(history) = FileHistory::of(file) else { return };
        self.broken |= self.latest.is_some_and(|latest| history.uploaded < latest);
        self.latest = self.latest.max(Some(history.uploaded));
    }
}

fn page<'a>(api: &Api<'_>, path: &str, answer: &'a [u8]) -> Result<FilePage<'a>, ApiError> {
    serde_json::from_slice(answer).map_err(|error| api.unusable(path, &super::unreadable(&error)))
}

/// Returns what speaks against a listing without files where Uploadcare counts some: the newest file must be older than the listing begins.
fn contradiction(
    api: &mut Api<'_>,
    access: &UploadcareApi,
    (removed, from): (bool, SystemTime),
    counted: u64,
    now: fn() -> SystemTime,
) -> Result<Option<String>, ApiError> {
    let path = format!("/files/?limit=1&ordering=-datetime_uploaded&removed={removed}");
    let answer = api.get(&path, || headers(access, ("GET", &path), b"", now()))?;
    let newest = page(api, &path, &answer)?.results.first().map(|file| FileHistory::of(file.get()).map(|it| it.uploaded));
    let kind = if removed { "removed" } else { "existing" };
    Ok(match newest {
        Some(Ok(newest)) if newest < from => None,
        Some(Ok(newest)) => {
            let (newest, from) = (timestamp(newest), timestamp(from));
            Some(format!("Uploadcare lists no {kind} file since {from}, but has one that was uploaded at {newest}"))
        }
        None | Some(Err(_)) => Some(format!("Uploadcare lists no {kind} file, and counts {counted}")),
    })
}

/// Returns the latest time before this one that Uploadcare can tell from it.
fn just_before(time: SystemTime) -> SystemTime {
    time - Duration::from_micros(1)
}

fn listing(removed: bool, after: SystemTime, offset: usize) -> String {
    let after = timestamp(after).to_string();
    let after = utf8_percent_encode(&after, NON_ALPHANUMERIC);
    let offset = if offset == 0 { String::new() } else { format!("&offset={offset}") };
    format!("/files/?from={after}&include=appdata&limit={PAGE}{offset}&ordering=datetime_uploaded&removed={removed}")
}

/// Returns the headers of a request, signed with the secret key, which itself is not sent.
fn headers(access: &UploadcareApi, (method, path): (&str, &str), body: &[u8], now: SystemTime) -> Headers {
    const JSON: &str = "application/json";
    let date = httpdate::fmt_http_date(now);
    let digest = hex::encode(Md5::digest(body));
    let text = format!("{method}\n{digest}\n{JSON}\n{date}\n{path}");
    vec![
        ("accept", "application/vnd.uploadcare-v0.7+json".into()),
        ("authorization", format!("Uploadcare {}:{}", access.public_key, signature(access.secret_key.reveal(), &text))),
        ("content-type", JSON.into()),
        ("date", date),
    ]
}

fn signature(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests;
