//! The providers' own HTTP APIs, which know what has happened although no webhook arrived. Commands ask them, the daemon never does. A room
//! each knows the addresses and the answers of one provider; what is common to all of them is here: one request at a time, at a pace that
//! the provider allows, again where that may help, and never a credential in a message.

pub mod filesafety;
pub mod filespin;
pub mod frameio;
mod hidden;
mod proxy;
pub mod uploadcare;

use std::time::{Duration, Instant};

pub use self::hidden::Hidden;
use self::proxy::proxy;
use crate::{
    config::{Environment, Recover, SecretText},
    logged::printable,
    outbound::{Client, OutboundAnswer, OutboundError},
};

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 8 << 20;
/// How long one request may take, with its whole answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How much of a provider's own words about an error is shown, in characters.
const WORDS_MAX: usize = 300;
/// The longest wait before a request is repeated. A provider that wants more than that is not asked any more.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// How a provider wants its API to be asked.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The name that people know.
    pub title: &'static str,
    /// The shortest time between the beginnings of two requests.
    pub interval: Duration,
    /// How often a request is sent that the provider refuses for its rate, or that meets a fault of the provider's.
    pub attempts: u32,
    /// The wait after a 429 that names none; it doubles each time.
    pub throttled: Duration,
    /// The wait after a fault of the provider's; it doubles each time.
    pub faulty: Duration,
    /// Whether a 429 after a request that was refused for another reason never ends by itself.
    pub throttles_mistakes: bool,
}

/// What a request does at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// Nothing, so it may be sent again.
    Reads,
    /// It starts something, which must not be started twice.
    Starts,
    /// It puts a task into a queue, which must not be there twice.
    Queues,
    /// It sets or removes something. A second time changes nothing more, so it may be sent again.
    Sets,
}

impl Effect {
    /// Returns whether a status says that the request has worked.
    fn is_good(self, status: u16) -> bool {
        match self {
            Self::Reads => status == 200,
            Self::Starts | Self::Sets => matches!(status, 200 | 201 | 202 | 204),
            Self::Queues => status == 202,
        }
    }

    /// Returns whether the request must not be sent again where it may have been accepted.
    fn is_once(self) -> bool {
        matches!(self, Self::Starts | Self::Queues)
    }

    /// Returns whether a status, which is not a good one, leaves open whether the request was accepted.
    fn is_unclear(self, status: u16) -> bool {
        self.is_once() && !(300..500).contains(&status)
    }
}

/// Why there is no usable answer. Each text stands alone, and holds no credential.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ApiError {
    /// The provider refuses the request, and would refuse it again.
    #[error("{text}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// What happened, and what to do.
        text: String,
    },
    /// The provider cannot be reached, or wants to be left alone: later may be better.
    #[error("{0}")]
    Away(String),
    /// The provider answers this request with a fault of its own (5xx), also when it is asked again.
    #[error("{0}")]
    Faulty(String),
    /// What the provider answers cannot be read.
    #[error("{0}")]
    Unusable(String),
    /// A request that starts something has failed, and the provider may have accepted it.
    #[error("{0}")]
    Unclear(String),
    /// The user has asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Waits, and returns whether to go on. The text says why, in a sentence that stands alone; it is empty where the wait only keeps the pace.
pub type Wait<'a> = &'a dyn Fn(Duration, &str) -> bool;

/// One provider's API.
pub struct Api<'a> {
    client: Client,
    base_url: String,
    manners: Manners,
    /// What must not appear in a message.
    hidden: Hidden,
    wait: Wait<'a>,
    asked: Option<Instant>,
    /// Whether the provider has refused a request for another reason than its rate.
    refused: bool,
}

/// The headers of one attempt: names in the case that the provider wants, and values.
pub type Headers = Vec<(&'static str, String)>;

impl<'a> Api<'a> {
    /// Returns a client of the API under `base_url`. No message shows any of the `secrets`.
    pub fn new(client: Client, base_url: &str, manners: Manners, secrets: &[SecretText], wait: Wait<'a>) -> Self {
        let hidden = Hidden::new(secrets);
        Self { client, base_url: base_url.to_owned(), manners, hidden, wait, asked: None, refused: false }
    }

    /// Shows a further secret in no message from now on.
    pub fn hide(&mut self, secret: &SecretText) {
        self.hidden.add(secret);
    }

    /// Reads what a path has. `headers` are made anew for each attempt, because a signed time does not last.
    pub fn get(&mut self, path: &str, headers: impl Fn() -> Headers) -> Result<Vec<u8>, ApiError> {
        self.ask(path, Effect::Reads, |client, url| client.get(url, &borrowed(&headers()), ANSWER_BYTES_MAX))
    }

    /// Posts a request that only reads, so that it may be repeated.
    pub fn query(&mut self, path: &str, headers: impl Fn() -> Headers, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.ask(path, Effect::Reads, |client, url| client.post(url, &borrowed(&headers()), body, ANSWER_BYTES_MAX))
    }

    /// Posts a request that starts something. It is repeated only where the provider has not accepted it for certain: after a 429, and
    /// where there was no connection. Fails with [`ApiError::Unclear`] where it may have been accepted.
    pub fn start(&mut self, path: &str, headers: impl Fn() -> Headers, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.ask(path, Effect::Starts, |client, url| client.post(url, &borrowed(&headers()), body, ANSWER_BYTES_MAX))
    }

    /// Posts a request that puts a task into a queue, as [`Api::start`] does. Only 202 says that the task is there: 200 may be the page of a
    /// proxy.
    pub fn queue(&mut self, path: &str, headers: impl Fn() -> Headers, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.ask(path, Effect::Queues, |client, url| client.post(url, &borrowed(&headers()), body, ANSWER_BYTES_MAX))
    }

    /// Puts what a path should have. A second time changes nothing more, so the request may be repeated.
    pub fn put(&mut self, path: &str, headers: impl Fn() -> Headers, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.ask(path, Effect::Sets, |client, url| client.put(url, &borrowed(&headers()), body, ANSWER_BYTES_MAX))
    }

    /// Changes fields of what a path has. A second time changes nothing more, so the request may be repeated.
    pub fn patch(&mut self, path: &str, headers: impl Fn() -> Headers, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        self.ask(path, Effect::Sets, |client, url| client.patch(url, &borrowed(&headers()), body, ANSWER_BYTES_MAX))
    }

    /// Removes what a path has. The request may be repeated, so a 404 can mean that an attempt before it has worked.
    pub fn delete(&mut self, path: &str, headers: impl Fn() -> Headers) -> Result<Vec<u8>, ApiError> {
        self.ask(path, Effect::Sets, |client, url| client.delete(url, &borrowed(&headers()), ANSWER_BYTES_MAX))
    }

    fn ask(
        &mut self,
        path: &str,
        effect: Effect,
        send: impl Fn(&Client, &str) -> Result<OutboundAnswer, OutboundError>,
    ) -> Result<Vec<u8>, ApiError> {
        let url = format!("{}{path}", self.base_url);
        let mut attempt = 1;
        loop {
            self.keep_the_pace()?;
            let (wait, error) = match send(&self.client, &url) {
                Ok(answer) if effect.is_good(answer.status) => return Ok(answer.body),
                Ok(answer) if effect.is_unclear(answer.status) => {
                    return Err(ApiError::Unclear(self.answered(path, &answer)));
                }
                Ok(answer) => self.judge(path, &answer, attempt)?,
                Err(OutboundError::Unreachable(text) | OutboundError::Unusable(text)) if effect.is_once() => {
                    return Err(ApiError::Unclear(self.failed(path, &text)));
                }
                Err(OutboundError::Unusable(text) | OutboundError::Insecure(text)) => {
                    return Err(ApiError::Unusable(self.failed(path, &text)));
                }
                Err(OutboundError::Unconnected(text) | OutboundError::Unreachable(text)) => {
                    (doubled(self.manners.faulty, attempt), ApiError::Away(self.failed(path, &text)))
                }
            };
            if attempt >= self.manners.attempts || wait > WAIT_MAX {
                return Err(error);
            }
            self.pause(wait, &error.to_string())?;
            attempt += 1;
        }
    }

    /// Returns how long to wait before the request is repeated, and the error if it is not; an error if repeating cannot help.
    fn judge(&mut self, path: &str, answer: &OutboundAnswer, attempt: u32) -> Result<(Duration, ApiError), ApiError> {
        let status = answer.status;
        let text = self.answered(path, answer);
        // The provider's own words say which of its two limits this is, also where another run has made the mistakes.
        let of_mistakes = self.refused || message(&answer.body).to_lowercase().contains("invalid");
        match status {
            429 if self.manners.throttles_mistakes && of_mistakes => Err(ApiError::Refused {
                status,
                text: format!("{text}; this limit counts refused requests and does not end by itself: ask its support"),
            }),
            429 => {
                let asked = answer.header("retry-after").and_then(seconds);
                let wait = asked.map_or_else(
                    || doubled(self.manners.throttled, attempt),
                    |asked| asked.saturating_add(Duration::from_secs(1)),
                );
                let too_long =
                    format!("; it wants no request for {} s, and the longest wait is {} s", wait.as_secs(), WAIT_MAX.as_secs());
                let text = if wait > WAIT_MAX { text + &too_long } else { text };
                Ok((wait, ApiError::Away(text)))
            }
            500..=599 => Ok((doubled(self.manners.faulty, attempt), ApiError::Faulty(text))),
            _ => {
                self.refused = true;
                Err(ApiError::Refused { status, text })
            }
        }
    }

    /// Returns a text about an answer that is not the wanted one.
    fn answered(&self, path: &str, answer: &OutboundAnswer) -> String {
        self.say(path, &format!("answered {}{}", answer.status, self.words(&answer.body)))
    }

    /// Returns what a provider says of an error, after a colon, or nothing.
    fn words(&self, body: &[u8]) -> String {
        let text = self.message(body);
        if text.is_empty() { text } else { format!(": {text}") }
    }

    /// Returns the text in the JSON of a provider's answer, without any credential, cut where it is too long, or nothing.
    fn message(&self, body: &[u8]) -> String {
        self.hidden.hide(&message(body), WORDS_MAX)
    }

    /// Returns a text about a request, with what is asked and without any credential. What follows the path in a URL is not shown.
    fn say(&self, path: &str, text: &str) -> String {
        self.hidden.hide(&format!("{} {}", self.place(path), printable(text)), usize::MAX)
    }

    /// Returns a text about a request that came to nothing. The sentence says why.
    fn failed(&self, path: &str, sentence: &str) -> String {
        self.hidden.hide(&format!("{}: {}", self.place(path), printable(sentence)), usize::MAX)
    }

    fn place(&self, path: &str) -> String {
        format!("{} ({}{})", self.manners.title, self.base_url, path.split('?').next().unwrap_or_default())
    }

    /// Returns the error for an answer of another form than the API's.
    pub fn unusable(&self, path: &str, text: &str) -> ApiError {
        ApiError::Unusable(self.say(path, text))
    }

    fn keep_the_pace(&mut self) -> Result<(), ApiError> {
        let due = self.asked.map_or(Duration::ZERO, |asked| self.manners.interval.saturating_sub(asked.elapsed()));
        self.pause(due, "")?;
        self.asked = Some(Instant::now());
        Ok(())
    }

    /// Waits, with up to a tenth more, so that several programs do not come back in step, but never longer than the longest wait.
    fn pause(&self, wait: Duration, why: &str) -> Result<(), ApiError> {
        let mut random = [0; 1];
        // Without randomness the wait is as long as it was asked to be.
        let _unavailable = getrandom::fill(&mut random);
        let wait = (wait + wait / 10 * u32::from(random[0]) / 255).min(WAIT_MAX);
        if (self.wait)(wait, why) { Ok(()) } else { Err(ApiError::Stopped) }
    }

    /// Returns the path and query of the next page that an answer to a request for `path` names: those of an absolute URL within this API, or
    /// those that stand there without a host. Any other address is an error.
    pub fn next<'u>(&self, path: &str, url: &'u str) -> Result<&'u str, ApiError> {
        if let Some(within) = url.strip_prefix(&*self.base_url).filter(|rest| rest.starts_with('/')) {
            return Ok(within);
        }
        // A host begins with two slashes, after a scheme or without one. Browsers take a backslash for a slash.
        let place = url.split(['?', '#']).next().unwrap_or_default();
        let has_host = place.replace('\\', "/").starts_with("//");
        let has_scheme = place.split('/').next().is_some_and(|begin| begin.contains(':'));
        match url {
            _ if url.trim().is_empty() => Err(self.unusable(path, "names a next page, but its address is empty")),
            _ if has_host || has_scheme => {
                let end = url.match_indices(['/', '\\']).nth(2).map_or(place.len(), |(end, _)| end.min(place.len()));
                let host = self.hidden.hide(&url[..end], WORDS_MAX);
                Err(self.unusable(path, &format!("names a next page at another address, which is not asked: {host}")))
            }
            relative => Ok(relative),
        }
    }
}

fn borrowed(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (*name, &**value)).collect()
}

/// Returns the time in a header that names it in seconds. One that is too large to be read is the longest that there is.
fn seconds(text: &str) -> Option<Duration> {
    let digits = Some(text.trim()).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}

fn doubled(first: Duration, attempt: u32) -> Duration {
    first.saturating_mul(1 << (attempt - 1).min(10))
}

/// Returns why an answer is no page, without quoting it.
fn unreadable(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "ends in the middle",
        serde_json::error::Category::Data => "has not the form of a listing",
        _ => "is no JSON",
    };
    format!("answered with something that {what} (line {}, column {})", error.line(), error.column())
}

/// Returns the text in the JSON of a provider's answer, or nothing. It may hold credentials.
fn message(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let places =
        ["/detail", "/error_description", "/error", "/message", "/errors/0/detail", "/errors/0/title", "/non_field_errors/0"];
    let text = json.as_str().or_else(|| places.iter().find_map(|place| json.pointer(place)?.as_str()));
    text.map(str::to_owned).or_else(|| of_a_field(&json)).unwrap_or_default()
}

/// Returns the first text about a field of the request, with the name of the field: some APIs answer with a list of texts for each.
fn of_a_field(json: &serde_json::Value) -> Option<String> {
    json.as_object()?.iter().find_map(|(name, texts)| Some(format!("{name}: {}", texts.get(0)?.as_str()?)))
}

/// Returns the client for all APIs. Requests go through the proxy of the environment: `HTTPS_PROXY` or `ALL_PROXY`, in capitals or small
/// letters, except to the hosts in `NO_PROXY`. Fails if the authorities or the proxy cannot be used.
pub fn client(recover: &Recover, environment: &Environment) -> Result<Client, String> {
    outward(environment, TIMEOUT, recover.authorities()?.as_deref())
}

/// Returns a client whose requests go through the proxy of the environment, as those of [`client`] do. It trusts these authorities, as PEM,
/// or the built-in ones.
pub fn outward(environment: &Environment, timeout: Duration, authorities: Option<&[u8]>) -> Result<Client, String> {
    Client::through(proxy(environment)?, timeout, authorities)
}

#[cfg(test)]
mod tests;
