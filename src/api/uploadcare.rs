//! Uploadcare's REST API, version 0.7: its files, existing and removed, in the order of their upload.

use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha1::Sha1;
use sha2::Digest as _;

use super::{Api, ApiError, Headers, Manners};
use crate::{config::recover::UploadcareApi, event::timestamp, provider::uploadcare::FileHistory};

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
}

/// Reads the files that were uploaded at `from` or later, in the order of their upload, and calls `visit` with each until it returns false.
/// A file may come twice. Existing and removed files are two listings, which cannot be had together.
pub fn files(
    api: &mut Api<'_>,
    access: &UploadcareApi,
    (removed, from): (bool, SystemTime),
    now: fn() -> SystemTime,
    visit: &mut dyn FnMut(&str) -> Result<bool, ApiError>,
) -> Result<(), ApiError> {
    let (mut after, mut offset, mut first_of_last) = (just_before(from), 0, String::new());
    loop {
        let path = listing(removed, after, offset);
        let answer = api.get(&path, || headers(access, "GET", &path, now()))?;
        let page: FilePage<'_> =
            serde_json::from_slice(&answer).map_err(|error| api.unusable(&path, &super::unreadable(&error)))?;
        if page.next.as_deref().is_some_and(|next| api.within(next).is_none()) {
            return Err(api.unusable(&path, "names a next page on another host, which is not asked"));
        }
        for file in &page.results {
            if !visit(file.get())? {
                return Ok(());
            }
        }
        if page.next.is_none() {
            return Ok(());
        }
        let (Some(first), Some(last)) = (page.results.first(), page.results.last()) else {
            return Err(api.unusable(&path, "answers with an empty page, and names a next one"));
        };
        // The time of a page's last file may be that of the next page's first one too, and `from` leaves its own instant out: so the next
        // request begins just before it, and not where Uploadcare's own link does.
        let border =
            FileHistory::of(last.get()).map_err(|_| api.unusable(&path, "lists a file without the time of its upload"))?;
        let further = just_before(border.uploaded);
        if further > after {
            (after, offset) = (further, 0);
        } else if first.get() != first_of_last {
            // A whole page of one instant.
            offset += page.results.len();
        } else {
            return Err(api.unusable(&path, "answers with the same page again and again"));
        }
        first.get().clone_into(&mut first_of_last);
    }
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

/// Returns the headers of a request without a body, signed with the secret key, which itself is not sent.
fn headers(access: &UploadcareApi, method: &str, path: &str, now: SystemTime) -> Headers {
    const JSON: &str = "application/json";
    let date = httpdate::fmt_http_date(now);
    let digest = hex::encode(Md5::digest(b""));
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
