//! A request of the session as it is kept: joined with its record, and without tokens.

use std::time::{Duration, Instant, SystemTime};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::no_request;
use crate::{
    closed::Closed as _,
    config::suggestion,
    error::{Error, Refusal},
    event::EventKind,
    http::{
        EndedRequest, Ending, HIDDEN_TOKEN, HIDDEN_VALUE, NoRequest, SAMPLE_HEADER, WatchedRequest, WholeRequest, name_of,
        shown_name,
    },
    kafka::read::StoredRecord,
    metrics::DeliveryOutcome,
    provider,
    signed_url::PARAMETER,
};

/// The header of a request that this session has made: which of its actions it belongs to.
pub(super) const ACTION_HEADER: &str = "hookgate-action";
/// A longer name of a parameter may be a token.
const PART_CHARACTERS_MAX: usize = 24;
/// What stands in the place of what is not shown.
pub(super) const HIDDEN: &str = HIDDEN_VALUE;
/// Words in the name of a header that holds a credential.
const CREDENTIAL_WORDS: &[&str] =
    &["auth", "cookie", "key", "token", "secret", "session", "pass", "pwd", "jwt", "assertion", "credential", "-sid"];
/// Words in the name of a header with a URL, which may have a token.
const URL_WORDS: &[&str] = &["url", "uri", "path", "refer"];

/// A request that has ended.
#[derive(Debug)]
pub(super) struct SeenRequest {
    /// Its number in order of arrival, once it is due.
    pub(super) number: u64,
    pub(super) arrived: SystemTime,
    pub(super) took: Duration,
    /// The name of the endpoint, empty where the path names none.
    pub(super) endpoint: String,
    pub(super) fate: Fate,
    /// The record that the delivery became, as it was read back.
    pub(super) record: Option<StoredRecord>,
    pub(super) ended: Instant,
    pub(super) what: SeenParts,
}

/// What a request was, without tokens.
#[derive(Debug, Default)]
pub(super) struct SeenParts {
    /// The request. Its body is empty where it is not known.
    pub(super) request: WholeRequest,
    /// How much of the body is known.
    pub(super) known: KnownBody,
    /// Whether the daemon has refused the request before its body, which was read only to be shown.
    pub(super) is_body_extra: bool,
    /// Whether this session has made the request.
    pub(super) is_sample: bool,
    /// The action of this session that the request belongs to; empty where there is none.
    pub(super) action: String,
    /// How long it took until the body was there, and until the record went to Kafka.
    pub(super) read: Option<Duration>,
    pub(super) sent: Option<Duration>,
}

/// How much of a body is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KnownBody {
    #[default]
    Nothing,
    Beginning,
    Whole,
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Fate {
    Stored {
        id: String,
        kind: EventKind,
    },
    Refused(Error),
    /// No endpoint has this path, which is without what may be a token. This endpoint was probably meant.
    NotFound {
        path: String,
        meant: Option<&'static str>,
    },
    HungUp,
    /// What came is no request.
    NoRequest {
        /// The status of the answer; 0 where there was none.
        status: u16,
        why: String,
        /// What to do.
        hint: &'static str,
    },
}

/// The outcome of what is no request, which no metric counts among the requests.
pub(super) const NO_REQUEST: &str = "no_request";

impl SeenRequest {
    /// Keeps what may be kept of a request. These secrets never are.
    pub(super) fn of(request: &EndedRequest<'_>, secrets: &[String], ended: Instant) -> Self {
        let fate = match request.ending {
            Ending::Stored { id, kind } => Fate::Stored { id: id.to_owned(), kind },
            Ending::Refused(Error::UnknownEndpoint) => {
                let (path, meant) = place(request.request.uri.path(), secrets);
                Fate::NotFound { path, meant }
            }
            Ending::Refused(error) => Fate::Refused(error.clone()),
            Ending::Cancelled => Fate::HungUp,
        };
        let what = SeenParts::of(request.request, request.endpoint, secrets);
        let endpoint = request.endpoint.unwrap_or_default().to_owned();
        Self { number: 0, arrived: request.arrived, took: request.took, endpoint, fate, record: None, ended, what }
    }

    /// Keeps why what came on a connection is no request.
    pub(super) fn of_no_request(came: &NoRequest<'_>, ended: Instant) -> Self {
        let (why, hint) = no_request::words(came);
        let fate = Fate::NoRequest { status: came.status, why, hint };
        let (arrived, took, what) = (came.arrived, came.took, SeenParts::default());
        Self { number: 0, arrived, took, endpoint: String::new(), fate, record: None, ended, what }
    }

    /// Returns the outcome, as the metrics count it; none where there was no request.
    pub(super) fn outcome(&self) -> Option<DeliveryOutcome> {
        Some(match &self.fate {
            Fate::Stored { kind: EventKind::Named { .. }, .. } => DeliveryOutcome::Published,
            Fate::Stored { kind: EventKind::Unclassified { .. }, .. } => DeliveryOutcome::Unclassified,
            Fate::Stored { kind: EventKind::Quarantine, .. } => DeliveryOutcome::Quarantined,
            Fate::Refused(error) => DeliveryOutcome::Refused(error.answer().refusal),
            Fate::NotFound { .. } => DeliveryOutcome::Refused(Refusal::UnknownEndpoint),
            Fate::HungUp => DeliveryOutcome::Cancelled,
            Fate::NoRequest { .. } => return None,
        })
    }

    /// Returns the name of the outcome.
    pub(super) fn outcome_text(&self) -> &'static str {
        self.outcome().map_or(NO_REQUEST, |outcome| outcome.text())
    }

    /// Returns whether Kafka has the event.
    pub(super) fn is_stored(&self) -> bool {
        matches!(self.fate, Fate::Stored { .. })
    }

    /// Returns the error that refused the request.
    pub(super) fn error(&self) -> Option<Error> {
        match &self.fate {
            Fate::Refused(error) => Some(error.clone()),
            Fate::NotFound { .. } => Some(Error::UnknownEndpoint),
            Fate::Stored { .. } | Fate::HungUp | Fate::NoRequest { .. } => None,
        }
    }

    /// Returns the status of the answer; 0 where there was none.
    pub(super) fn status(&self) -> u16 {
        match &self.fate {
            Fate::Stored { .. } => 200,
            Fate::HungUp => 0,
            Fate::NoRequest { status, .. } => *status,
            Fate::Refused(_) | Fate::NotFound { .. } => self.error().map_or(0, |error| error.answer().status),
        }
    }

    /// Returns the id of the event.
    pub(super) fn id(&self) -> Option<&str> {
        if let Fate::Stored { id, .. } = &self.fate { Some(id) } else { None }
    }

    /// Returns about how many bytes are kept of the request.
    pub(super) fn bytes(&self) -> usize {
        let text = match &self.fate {
            Fate::NotFound { path, .. } => path.len(),
            Fate::NoRequest { why, .. } => why.len(),
            _ => 0,
        };
        text + self.what.bytes() + self.record.as_ref().map_or(0, bytes_of)
    }
}

impl SeenParts {
    fn of(watched: &WatchedRequest, endpoint: Option<&str>, secrets: &[String]) -> Self {
        let text = |name: &str| watched.headers.get(name).and_then(|value| value.to_str().ok());
        // The text goes to the page, which takes it apart.
        let action = text(ACTION_HEADER).filter(|text| watched.is_sample && text.len() <= 64).unwrap_or_default().to_owned();
        let body = watched.body().unwrap_or_default();
        Self {
            request: WholeRequest {
                method: hidden(watched.method.to_string(), secrets),
                target: target(watched, endpoint, secrets),
                version: watched.version,
                headers: headers(watched, secrets),
                // A frame may keep a larger buffer than its own bytes.
                body: Bytes::copy_from_slice(body),
                remark: None,
            },
            known: match (watched.is_body_whole(), watched.body()) {
                (true, _) => KnownBody::Whole,
                (false, Some(_)) => KnownBody::Beginning,
                (false, None) => KnownBody::Nothing,
            },
            is_body_extra: watched.is_body_extra,
            is_sample: watched.is_sample,
            action,
            read: watched.read,
            sent: watched.sent,
        }
    }

    /// Returns whether the URL was signed for one reference of the caller.
    pub(super) fn has_signed_url(&self) -> bool {
        self.request.target.contains(&format!("{PARAMETER}="))
    }

    /// Returns whether the whole body is known.
    pub(super) fn has_body(&self) -> bool {
        self.known == KnownBody::Whole
    }

    /// Returns how long the body is: as it was read, or as it was announced where only its beginning is known. One in chunks was not announced:
    /// then it is at least as long as what is known of it.
    pub(super) fn body_bytes(&self) -> Option<usize> {
        let kept = self.request.body.len();
        match self.known {
            KnownBody::Whole => Some(kept),
            KnownBody::Beginning => Some(self.announced_bytes().unwrap_or(kept)),
            KnownBody::Nothing => None,
        }
    }

    /// Returns how long the body should be, if its head says that.
    pub(super) fn announced_bytes(&self) -> Option<usize> {
        self.request.header("content-length")?.parse().ok()
    }

    /// Returns the request as others read it: with its length, whatever framing it came with.
    pub(super) fn whole(&self) -> WholeRequest {
        self.request.clone().with_length()
    }

    fn bytes(&self) -> usize {
        let headers = self.request.headers.iter().map(|(name, value)| name.len() + value.len());
        self.request.target.len() + self.request.body.len() + headers.sum::<usize>()
    }
}

/// Returns path and query without what may be a token.
fn target(watched: &WatchedRequest, endpoint: Option<&str>, secrets: &[String]) -> String {
    let path = watched.uri.path();
    let mut shown = match endpoint {
        Some(name) => {
            let whole = format!("/webhooks/{name}");
            let has_more = path.trim_end_matches('/') != whole;
            if has_more { format!("{whole}/{HIDDEN}") } else { whole }
        }
        None => place(path, secrets).0,
    };
    if let Some(query) = watched.uri.query() {
        let is_name = |name: &&str| name.len() <= PART_CHARACTERS_MAX && part_of_path(name, true) == **name;
        let parts = query.split('&').map(|part| match part.split_once('=').filter(|(name, _)| is_name(name)) {
            // What is empty is no token, and explains why one is missing.
            Some((name, "")) => format!("{name}="),
            Some((name, _)) => format!("{name}={HIDDEN}"),
            None => HIDDEN.to_owned(),
        });
        shown = format!("{shown}?{}", parts.collect::<Vec<_>>().join("&"));
    }
    hidden(shown, secrets).replace(HIDDEN, HIDDEN_TOKEN)
}

/// Returns the headers, without credentials.
fn headers(watched: &WatchedRequest, secrets: &[String]) -> Vec<(String, Vec<u8>)> {
    // What this session has added is not the request's.
    let others = watched.headers.iter().filter(|(name, _)| !is_ours(name.as_str()));
    let shown = others.map(|(name, value)| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let clean = if holds_credential(name.as_str(), &text) { HIDDEN.to_owned() } else { hidden(text.to_string(), secrets) };
        let value = if clean == text { value.as_bytes().to_vec() } else { clean.into_bytes() };
        (hidden(name.as_str().to_owned(), secrets), value)
    });
    shown.collect()
}

/// Returns whether a header holds a credential, or a URL that may have a token, by its name or by its value.
fn holds_credential(name: &str, value: &str) -> bool {
    let named = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let value = percent_decode_str(value).decode_utf8_lossy().to_ascii_lowercase();
    let parts = ["token=", "signed=", "/webhooks/", "/hooks/"];
    named(CREDENTIAL_WORDS)
        || named(URL_WORDS)
        || name == "forwarded"
        || parts.iter().any(|part| value.contains(part))
        || ["bearer ", "basic "].iter().any(|scheme| value.starts_with(scheme))
}

/// Returns whether this session adds a header to its own requests.
fn is_ours(name: &str) -> bool {
    name == SAMPLE_HEADER || name == ACTION_HEADER
}

/// Returns a text without these secrets. One that holds them in another percent-encoding is hidden whole.
pub(super) fn hidden(text: String, secrets: &[String]) -> String {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let readings = [decoded(&text), decoded(&text.replace('+', " "))];
    let text = without(text, secrets);
    let is_held = |secret: &String| !secret.is_empty() && readings.iter().any(|it| it.contains(secret.as_str()));
    if text.contains('%') && secrets.iter().any(is_held) { HIDDEN.to_owned() } else { text }
}

/// Returns a text without these secrets: as they are, percent-encoded, in hex, or anywhere in base64.
pub(super) fn without(text: String, secrets: &[String]) -> String {
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text, |text, secret| {
        let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let lower = secret.to_ascii_lowercase();
        let plain = [encoded, hex::encode(secret), hex::encode_upper(secret), secret.clone(), lower];
        let forms = plain.into_iter().chain((0..3).flat_map(|before| in_base64(secret, before)));
        forms.filter(|form| !form.is_empty()).fold(text, |text, form| text.replace(&form, HIDDEN))
    })
}

/// Returns what base64 makes of a secret alone, so many bytes after the beginning of a text.
fn in_base64(secret: &str, before: usize) -> [String; 2] {
    let text = [&vec![0; before], secret.as_bytes()].concat();
    let own = (before * 8).div_ceil(6)..(before + secret.len()) * 8 / 6;
    [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD].map(|engine| engine.encode(&text)[own.clone()].to_owned())
}

/// Returns a path without what may be a token, and the endpoint that was probably meant. What follows its name is left out, and so is every
/// long part; where no endpoint was meant, two parts are shown.
fn place(path: &str, secrets: &[String]) -> (String, Option<&'static str>) {
    // A secret may have a slash in it.
    let path = without(path.to_owned(), secrets);
    let hidden: Vec<String> = path.split('/').map(|part| hidden(part.to_owned(), secrets)).collect();
    let mut parts: Vec<&str> = hidden.iter().map(String::as_str).collect();
    let names = || provider::ALL.iter().map(|provider| provider.name);
    let meant = parts.iter().enumerate().find_map(|(at, part)| Some((at, suggestion(&name_of(part), names())?)));
    let shown = meant.map_or(3, |(at, _)| at + 1);
    if parts.len() > shown {
        parts.truncate(shown);
        parts.push(HIDDEN);
    }
    let is_meant = |at: usize| meant.is_some_and(|(of, _)| of == at);
    let parts = parts.into_iter().enumerate().map(|(at, part)| part_of_path(part, is_meant(at)));
    let parts: Vec<String> = parts.collect();
    (parts.join("/"), meant.map(|(_, name)| name))
}

/// The most letters of a word in a path that is shown: a token has more.
const WORD_MAX: usize = 20;

/// Returns whether a part of a path is a word, such as `webhooks`, `Uploadcare`, `API` or `v2`, and no token: its letters are alike, and digits are at
/// its end.
fn is_word(part: &str) -> bool {
    let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let are_alike = !letters.bytes().skip(1).any(|b| b.is_ascii_uppercase()) || !letters.bytes().any(|b| b.is_ascii_lowercase());
    letters.len() <= WORD_MAX && are_alike && !letters.bytes().any(|b| b.is_ascii_digit())
}

/// Returns a part of a path as far as it may be a name, in its own letters. What is one already need not be a word.
fn part_of_path(part: &str, is_name: bool) -> String {
    let name = &part[..name_of(part).len()];
    if !is_name && !is_word(name) {
        return HIDDEN.into();
    }
    let name = shown_name(&part.to_ascii_lowercase());
    match name.strip_suffix(HIDDEN) {
        None => part.to_owned(),
        Some(begin) => format!("{}{HIDDEN}", &part[..begin.len()]),
    }
}

/// Returns about how many bytes a record has.
pub(super) fn bytes_of(record: &StoredRecord) -> usize {
    let headers = record.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len));
    record.key_bytes().len() + record.value_bytes().len() + headers.sum::<usize>()
}

#[cfg(test)]
pub(super) mod tests;
