//! The way of a request step by step: the same steps as the daemon's own, each with what it found.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::Inspected;
use crate::{
    command::{
        dev::{
            line::{reason, short_name},
            secrets::{DevSecret, variable},
            seen::{Fate, KnownBody, SeenRequest},
        },
        output::counted,
        verify::{self, GivenDelivery, ToExplain},
    },
    config::SecretRing,
    error::{Error, Refusal},
    event::EventKind,
    http::{self, SHOWN_BYTES_MAX},
    provider::{CredentialSource, all_names, by_name},
    signature::{HmacScheme, Secret},
};

/// A step of the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProofStep {
    pub(super) name: &'static str,
    pub(super) state: StepState,
    /// What the step found; it may have several lines.
    pub(super) text: String,
    /// What to change, if the step failed.
    pub(super) hint: String,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepState {
    Passed,
    Failed,
    /// The request did not get so far.
    Skipped,
}

/// The steps in their order.
const NAMES: [&str; 6] = ["endpoint", "request", "signature", "type", "record", "kafka"];
const ENDPOINT: usize = 0;
const REQUEST: usize = 1;
const SIGNATURE: usize = 2;
const TYPE: usize = 3;
const RECORD: usize = 4;
const KAFKA: usize = 5;
/// What to do where HTTP itself is at fault.
const LOOK: &str = "Look at the sender, and at what is before this port.";

impl ProofStep {
    pub(super) fn shown(&self) -> Value {
        json!({ "name": self.name, "state": self.state.text(), "text": self.text, "hint": self.hint })
    }
}

impl StepState {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// Returns the step that an error stops at.
fn stopped_at(refusal: Refusal) -> usize {
    match refusal {
        Refusal::UnknownEndpoint => ENDPOINT,
        Refusal::BadRequest
        | Refusal::MalformedBody
        | Refusal::Method
        | Refusal::SlowBody
        | Refusal::TooLarge
        | Refusal::EncodedBody
        | Refusal::Overloaded
        | Refusal::SourceLimited
        | Refusal::Draining
        | Refusal::NoSecret => REQUEST,
        Refusal::MissingSignature | Refusal::BadSignature | Refusal::Stale | Refusal::Expired | Refusal::BadToken => SIGNATURE,
        Refusal::PublishTimeout | Refusal::PublishFailed | Refusal::Internal => KAFKA,
    }
}

/// Returns the steps of a request.
pub(super) fn steps(inspected: &Inspected, request: &SeenRequest) -> Vec<ProofStep> {
    let end = match (&request.fate, request.error()) {
        (_, Some(error)) => stopped_at(error.answer().refusal),
        (Fate::HungUp | Fate::NoRequest { .. }, None) => REQUEST,
        _ => NAMES.len(),
    };
    let step = |(at, name): (usize, &&'static str)| {
        let is_unread = matches!(request.fate, Fate::Stored { kind: EventKind::Quarantine, .. });
        let state = match at {
            TYPE if is_unread => StepState::Failed,
            // A head that is refused as a whole was not looked up.
            ENDPOINT if end == REQUEST && request.endpoint.is_empty() => StepState::Skipped,
            _ if at < end => StepState::Passed,
            _ if at == end => StepState::Failed,
            _ => StepState::Skipped,
        };
        let (text, hint) = match state {
            StepState::Passed => (passed(inspected, request, at), String::new()),
            StepState::Failed => failed(inspected, request),
            StepState::Skipped => Default::default(),
        };
        ProofStep { name, state, text, hint }
    };
    NAMES.iter().enumerate().map(step).collect()
}

/// Returns what a step found that the request has passed.
fn passed(inspected: &Inspected, request: &SeenRequest, at: usize) -> String {
    let record = request.record.as_ref();
    match at {
        ENDPOINT => format!("{}, of {}", request.endpoint, by_name(&request.endpoint).map_or("no provider", |it| it.title)),
        REQUEST => {
            let body = counted(request.what.request.body.len() as u64, "byte");
            let known = match request.what.known {
                KnownBody::Whole => format!("{body} of body"),
                KnownBody::Beginning => format!("the first {body} of the body were read for you"),
                KnownBody::Nothing => "the body was not read".into(),
            };
            format!("{} {}, {known}", request.what.request.method, request.what.request.target)
        }
        SIGNATURE => proven(inspected, request),
        TYPE => match &request.fate {
            Fate::Stored { kind: EventKind::Unclassified { .. }, .. } => {
                "a type that has no topic of its own: unclassified".into()
            }
            Fate::Stored { kind, .. } => short_name(*kind).to_owned(),
            _ => "read".into(),
        },
        RECORD => record.map_or_else(String::new, |record| {
            let bytes = counted(record.value_bytes().len() as u64, "byte");
            format!("{bytes} with the key {}, for {}", String::from_utf8_lossy(record.key_bytes()), record.topic)
        }),
        _ => record.map_or_else(
            || "acknowledged, but not read back from its topic".into(),
            |record| format!("acknowledged: {}[{}]@{}", record.topic, record.partition, record.offset),
        ),
    }
}

/// Returns which secret has proven a delivery.
fn proven(inspected: &Inspected, request: &SeenRequest) -> String {
    let Some(secret) = inspected.secret(&request.endpoint) else { return String::new() };
    let provider = secret.provider;
    match provider.credential {
        CredentialSource::UrlToken if request.what.has_signed_url() => {
            format!("the URL is signed with {}; no byte of the body is signed", secret.reference())
        }
        CredentialSource::UrlToken => format!("the token in the URL is {}; no byte of the body is signed", secret.reference()),
        CredentialSource::Hmac(scheme) => {
            let headers = scheme.headers.join(" and ");
            let time = match scheme.around_timestamp {
                Some(_) => format!("signed {}", away(&scheme, request)),
                None => format!("{} signs no time, so this delivery is good for as long as the secret", provider.title),
            };
            let signed = explained(inspected, request).map(|explanation| explanation.text).unwrap_or_default();
            format!("{headers}: {} has signed this\n{signed}{time}", secret.reference())
        }
    }
}

/// Returns how far the signed time is from the arrival.
fn away(scheme: &HmacScheme, request: &SeenRequest) -> String {
    let header = scheme.headers.get(1).and_then(|name| request.what.request.header(name));
    let signed = header.and_then(|value| value.parse::<u64>().ok()).unwrap_or_default();
    let arrived = request.arrived.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let side = if signed > arrived { "after" } else { "before" };
    format!("{} s {side} the arrival", signed.abs_diff(arrived))
}

/// Returns what stopped a request at a step with what was found there, and what to change.
fn failed(inspected: &Inspected, request: &SeenRequest) -> (String, String) {
    let words = reason(request);
    let hint = match (&request.fate, request.error()) {
        (Fate::Stored { .. }, _) => {
            let detail = request.record.as_ref().and_then(|it| it.header("hookgate-detail")).unwrap_or_default();
            let hint =
                "The sender is proven, so the event is kept, in quarantine. `hookgate replay` reads it again after an update.";
            return (format!("the body cannot be read: {detail}"), hint.into());
        }
        (Fate::NoRequest { hint, .. }, _) => (*hint).to_owned(),
        (Fate::NotFound { meant: Some(meant), .. }, _) => format!("Let the provider call /webhooks/{meant}."),
        (Fate::NotFound { .. }, _) => format!("The path is /webhooks/ and one of {}.", all_names()),
        (_, Some(error @ (Error::BadRequest | Error::MalformedBody | Error::SlowBody | Error::TooLarge))) => {
            of_transfer(inspected, request, &error)
        }
        (_, Some(Error::Expired { .. })) => "The signature is right. `hookgate url` makes a URL that is good for longer.".into(),
        (_, Some(_)) if request.what.has_signed_url() => {
            "The signature of the URL is malformed, there twice, or made with another secret or for another endpoint.".into()
        }
        (_, Some(Error::BadToken)) if http::tokens(&request.what.request.target).len() > 1 => {
            "The URL has several tokens, so it is unclear which one counts: leave one.".into()
        }
        (_, Some(Error::BadToken)) => {
            let reference = inspected.secret(&request.endpoint).map_or_else(String::new, DevSecret::reference);
            format!("Compare the URL in the provider's settings with {reference}.")
        }
        (_, Some(Error::PublishTimeout | Error::PublishFailed(_))) => {
            "Kafka is away or refuses the record. The sender tries again, so nothing is lost as long as it does.".into()
        }
        _ => String::new(),
    };
    let explains = matches!(
        request.error(),
        Some(Error::MissingSignature | Error::BadSignature | Error::Stale { .. } | Error::Method | Error::EncodedBody)
    );
    if !explains || request.what.has_signed_url() {
        return (words, hint);
    }
    // The words of `hookgate verify`, which looks for the change that would make it fit.
    match explained(inspected, request) {
        Some(explanation) if !explanation.text.is_empty() => {
            let digits = match request.error() {
                Some(Error::BadSignature) => first_digits(inspected, request).unwrap_or_default(),
                _ => String::new(),
            };
            // The words of the refusal are those of the step. What is signed is what the step has found, and not what to change.
            let lines = explanation.text.lines().filter(|line| !line.starts_with("refused"));
            let (signed, why): (Vec<&str>, Vec<&str>) =
                lines.chain(digits.lines()).partition(|line| line.starts_with("signed: "));
            let text = [words.as_str()].into_iter().chain(signed).collect::<Vec<_>>().join("\n");
            (text, why.join("\n").replace(verify::AT_ANOTHER_TIME, ""))
        }
        _ => (words, hint),
    }
}

/// Returns what to change where the request did not come as HTTP wants it, or not in its limits.
fn of_transfer(inspected: &Inspected, request: &SeenRequest, error: &Error) -> String {
    let limits = &inspected.config.http;
    match error {
        Error::TooLarge => {
            let announced = request.what.announced_bytes().map_or_else(String::new, |bytes| format!("It has {bytes} bytes. "));
            format!("{announced}The limit is `http.max_body_bytes`, {} here.", limits.max_body_bytes)
        }
        Error::SlowBody => {
            let limit = limits.body_timeout.as_secs();
            format!("{} The limit is `http.body_timeout`, {limit} s here. {LOOK}", came(request))
        }
        Error::MalformedBody => {
            format!("{} Then the connection ended, or the framing of the body was broken. {LOOK}", came(request))
        }
        _ => format!("HTTP/1.1 wants one valid `Host`, and no `Transfer-Encoding` but `chunked`. {LOOK}"),
    }
}

/// Returns how much of a body had come.
fn came(request: &SeenRequest) -> String {
    let what = &request.what;
    let came = what.request.body.len();
    let least = if came < SHOWN_BYTES_MAX { "" } else { "At least " };
    let announced = what.announced_bytes().map_or_else(String::new, |bytes| format!(" of {bytes}"));
    format!("{least}{}{announced} had come.", counted(came as u64, "byte"))
}

/// Returns the first four digits of the signature that came and of the one that would be right. The whole of that would be good for any bytes of a
/// stranger's choice, so nobody gets it.
fn first_digits(inspected: &Inspected, request: &SeenRequest) -> Option<String> {
    let secret = inspected.secret(&request.endpoint)?;
    let provider = secret.provider;
    let CredentialSource::Hmac(scheme) = provider.credential else { return None };
    let value = |name: &&str| request.what.request.header(name).map(str::to_owned);
    let values: Vec<String> = scheme.headers.iter().filter_map(value).collect();
    let (received, timestamp) = scheme.parts(&values).ok()?;
    let signed_at = UNIX_EPOCH + Duration::from_secs(timestamp.unwrap_or("0").parse().ok()?);
    let right = scheme.sign(&request.what.request.body, &Secret::new(secret.text.as_bytes())?, signed_at);
    let right = right.first()?.1.strip_prefix(scheme.version)?;
    let (received, right) = (received.get(..4)?, right.get(..4)?);
    if received == right {
        return None;
    }
    Some(format!("{}: the signature should begin with {right}, and begins with {received}\n", secret.reference()))
}

/// Returns what `hookgate verify` says of a request whose proof is in its headers.
fn explained(inspected: &Inspected, request: &SeenRequest) -> Option<verify::Explanation> {
    let secret = inspected.secret(&request.endpoint)?;
    let provider = secret.provider;
    let endpoint = inspected.endpoint(provider.name)?;
    let environment = [(variable(provider.name), secret.text.clone())].into_iter().collect();
    let mut ring = SecretRing::new(endpoint, &environment);
    let _events = ring.refresh();
    let given = GivenDelivery::of(request.what.request.clone());
    let asked = ToExplain {
        provider,
        name: Some(provider.name),
        endpoint: Arc::from(provider.name),
        keys: &ring.keys(),
        limits: None,
        received_at: request.arrived,
    };
    verify::explain(&asked, &given).ok()
}
