//! Frame.io's API, version 4: access tokens, the audit log, single files, and webhooks.

mod webhooks;

use std::{
    collections::HashSet,
    time::{Duration, Instant, SystemTime},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Api, ApiError, Headers, Manners, Wait};
use crate::{
    config::{
        SecretText,
        recover::{FrameioApi, FrameioLogin},
    },
    event::timestamp,
    outbound::Client,
};
pub use webhooks::{FrameioWebhook, NewWebhook};

/// The audit log may be read 100 times a minute. Frame.io asks for a wait of 30 s after its own faults.
const MANNERS: Manners = Manners {
    title: "Frame.io",
    interval: Duration::from_millis(600),
    attempts: 5,
    throttled: Duration::from_secs(1),
    faulty: Duration::from_secs(30),
    throttles_mistakes: false,
};

/// Single files may be read 10 times a second.
const FILE_MANNERS: Manners = Manners { interval: Duration::from_millis(100), ..MANNERS };

/// Adobe's server of tokens.
const TOKEN_MANNERS: Manners = Manners {
    title: "Adobe",
    interval: Duration::ZERO,
    throttled: Duration::from_secs(5),
    faulty: Duration::from_secs(5),
    ..MANNERS
};

/// The entries of one page: the most that Frame.io allows.
const PAGE: usize = 100;
/// How long a token without a time counts as good; Adobe's last a day.
const LIFETIME: u64 = 86_400;
/// How long before its end a token is renewed.
const EARLY: Duration = Duration::from_secs(60);
/// How long the questions for the audit log are.
pub const DAY: Duration = Duration::from_secs(86_400);
/// What a service asks for.
const SCOPE: &str = "openid AdobeID frame.s2s.all";

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<u64>,
}

/// A page of a listing.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    links: Links,
    #[serde(default)]
    errors: serde_json::Value,
}

#[derive(Deserialize)]
struct Links {
    // Where there is no next page, the field is null: an answer without it is none of Frame.io's.
    #[serde(deserialize_with = "Option::deserialize")]
    next: Option<String>,
}

/// The answer about one file.
#[derive(Deserialize)]
struct FileAnswer<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// What Frame.io says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFound {
    /// The file, as JSON.
    Here(String),
    /// There is no such file, or not any more.
    Gone,
    /// The token may not read it.
    Hidden,
}

/// Which of Frame.io's limits a request counts for.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// That of the audit log, which listings and webhooks keep, too.
    AuditLog,
    Files,
}

/// Frame.io's API with a token for it.
pub struct Frameio<'a, 'w> {
    access: &'a FrameioApi,
    log: Api<'w>,
    files: Api<'w>,
    tokens: Api<'w>,
    /// The token, and when it should be renewed.
    token: Option<(String, Instant)>,
}

impl<'a, 'w> Frameio<'a, 'w> {
    /// Returns the API without a token yet. `further` are secrets that Frame.io may repeat in its words, beside the credentials.
    pub fn new(access: &'a FrameioApi, client: &Client, further: &[SecretText], wait: Wait<'w>) -> Self {
        let (secret, token_url) = match &access.login {
            FrameioLogin::Token(token) => (token, ""),
            FrameioLogin::Client { secret, token_url, .. } => (secret, token_url.as_str()),
        };
        let secrets: Vec<SecretText> = std::iter::once(secret).chain(further).cloned().collect();
        let api = |url: &str, manners| Api::new(client.clone(), url, manners, &secrets, wait);
        let (log, files) = (api(&access.base_url, MANNERS), api(&access.base_url, FILE_MANNERS));
        Self { access, log, files, tokens: api(token_url, TOKEN_MANNERS), token: None }
    }

    /// Reads one file. Frame.io allows ten a second.
    pub fn file(&mut self, id: &str) -> Result<FileFound, ApiError> {
        let path = format!("{}/files/{}", self.account(), utf8_percent_encode(id, NON_ALPHANUMERIC));
        let answer = match self.get(Limit::Files, &path) {
            Ok(answer) => answer,
            Err(ApiError::Refused { status: 404, .. }) => return Ok(FileFound::Gone),
            Err(ApiError::Refused { status: 403, .. }) => return Ok(FileFound::Hidden),
            Err(other) => return Err(other),
        };
        let answer: FileAnswer<'_> =
            serde_json::from_slice(&answer).map_err(|_| self.files.unusable(&path, "answered, but without a file"))?;
        Ok(FileFound::Here(answer.data.get().to_owned()))
    }

    /// Returns the beginning of each path.
    fn account(&self) -> String {
        format!("/v4/accounts/{}", utf8_percent_encode(&self.access.account, NON_ALPHANUMERIC))
    }

    /// Reads the entries of the audit log of one day, and calls `visit` with each. Whether the last day of a question counts, and the zone of
    /// days, are not documented: the question is about this day and the next one, and the answer may have entries of both. The order of
    /// entries is not documented either.
    pub fn audit_log(&mut self, of: SystemTime, visit: &mut dyn FnMut(&str) -> Result<(), ApiError>) -> Result<(), ApiError> {
        let base = format!(
            "{}/audit_logs?filters%5Bfrom_date%5D={}&filters%5Bto_date%5D={}&page_size={PAGE}",
            self.account(),
            day(of),
            day(of + DAY)
        );
        self.pages(&base, usize::MAX, visit)
    }

    /// Reads a listing from its beginning, at most so many pages of it, and calls `visit` with each of its objects. `base` is the path with
    /// a query.
    fn pages(
        &mut self,
        base: &str,
        pages_max: usize,
        visit: &mut dyn FnMut(&str) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let (mut after, mut places) = (None::<String>, HashSet::new());
        loop {
            // A link to the next page has nothing but its place: everything else is asked for again.
            let path = after.as_ref().map_or_else(|| base.to_owned(), |after| format!("{base}&after={after}"));
            let answer = self.get(Limit::AuditLog, &path)?;
            let page: Page<'_> =
                serde_json::from_slice(&answer).map_err(|error| self.log.unusable(&path, &super::unreadable(&error)))?;
            // Beside errors, what is listed may be less than there is.
            if !matches!(&page.errors, serde_json::Value::Null) && page.errors != serde_json::json!([]) {
                return Err(self.log.unusable(&path, &format!("answered 200, but with errors{}", self.log.words(&answer))));
            }
            page.data.iter().try_for_each(|entry| visit(entry.get()))?;
            let Some(next) = page.links.next else { return Ok(()) };
            if places.len() + 1 >= pages_max {
                return Err(self.log.unusable(&path, &format!("has more than {pages_max} pages, which are not read")));
            }
            let place = self.place(&path, &next)?;
            if !places.insert(place.clone()) {
                return Err(self.log.unusable(&path, "answers with the same page again and again"));
            }
            after = Some(place);
        }
    }

    /// Returns the place of the next page in a link, as it stands in a query.
    fn place(&self, path: &str, next: &str) -> Result<String, ApiError> {
        let query = self.log.next(path, next)?.split_once('?').map_or("", |(_, query)| query);
        let place = query.split('&').find_map(|part| part.strip_prefix("after="));
        // What is not part of a query would end it.
        let fits = |place: &&str| !place.is_empty() && place.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        place.filter(fits).map(str::to_owned).ok_or_else(|| self.log.unusable(path, "names a next page, but not its place"))
    }

    /// Reads a path.
    fn get(&mut self, limit: Limit, path: &str) -> Result<Vec<u8>, ApiError> {
        self.with_token(limit, |api, token| api.get(path, || headers(token)))
    }

    /// Asks with a token. A token that is refused is renewed once: what a request with a refused token was to do has not happened.
    fn with_token(
        &mut self,
        limit: Limit,
        ask: impl Fn(&mut Api<'_>, &str) -> Result<Vec<u8>, ApiError>,
    ) -> Result<Vec<u8>, ApiError> {
        let token = self.token()?;
        let asked = ask(self.api(limit), &token);
        match (&asked, &self.access.login) {
            (Err(ApiError::Refused { status: 401, .. }), FrameioLogin::Client { .. }) => {
                self.token = None;
                let token = self.token()?;
                ask(self.api(limit), &token)
            }
            _ => asked,
        }
    }

    fn api(&mut self, limit: Limit) -> &mut Api<'w> {
        match limit {
            Limit::AuditLog => &mut self.log,
            Limit::Files => &mut self.files,
        }
    }

    fn token(&mut self) -> Result<String, ApiError> {
        let (id, secret) = match &self.access.login {
            FrameioLogin::Token(token) => return Ok(token.reveal().to_owned()),
            FrameioLogin::Client { id, secret, .. } => (id, secret),
        };
        if let Some((token, end)) = &self.token
            && Instant::now() < *end
        {
            return Ok(token.clone());
        }
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
            encode(id),
            encode(secret.reveal()),
            encode(SCOPE)
        );
        let form_headers = || vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let answer = self.tokens.query("", form_headers, form.as_bytes())?;
        let answer: TokenAnswer =
            serde_json::from_slice(&answer).map_err(|_| self.tokens.unusable("", "answered, but without an access token"))?;
        if !answer.access_token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(self.tokens.unusable("", "answered with a token that cannot stand in a header"));
        }
        let secret = SecretText::new(answer.access_token.clone());
        for api in [&mut self.log, &mut self.files, &mut self.tokens] {
            api.hide(&secret);
        }
        let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(LIFETIME).min(LIFETIME));
        self.token = Some((answer.access_token.clone(), Instant::now() + lifetime.saturating_sub(EARLY)));
        Ok(answer.access_token)
    }
}

fn headers(token: &str) -> Headers {
    vec![("authorization", format!("Bearer {token}")), ("api-version", "4.0".into()), ("accept", "application/json".into())]
}

/// Returns the day of a time, in UTC, as a question names it.
pub fn day(time: SystemTime) -> String {
    timestamp(time).to_string().chars().take(10).collect()
}
