//! `Event`: what a verified delivery says, and `EventKind`: the closed list of what it can be.

use std::{
    borrow::Cow,
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use prost_types::Timestamp;

use crate::{
    logged::{is_deceptive, is_invisible},
    proto::event::Payload,
};

/// The longest subject, in bytes; a longer text is not a subject.
pub const SUBJECT_BYTES_MAX: usize = 512;
/// The seconds since 1970 that a protobuf timestamp may hold: from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const PROTOBUF_SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The kind of a delivery, which decides its topic. Names come from the providers' closed lists, never from a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// An event type that the provider documents.
    Named {
        /// The name of the provider.
        provider: &'static str,
        /// One of the provider's `Provider::types`.
        name: &'static str,
    },
    /// A verified delivery of a type that is not on the provider's list.
    Unclassified {
        /// The name of the provider.
        provider: &'static str,
    },
    /// A verified delivery whose body cannot be mapped.
    Quarantine,
}

impl EventKind {
    /// Returns the name after the prefix: in the topic's name by default, in the entries of `[topics.map]`, and in the metric label.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Named { provider, name } => format!("{provider}.{name}").into(),
            Self::Unclassified { provider } => format!("{provider}.unclassified").into(),
            Self::Quarantine => "quarantine".into(),
        }
    }

    /// Returns the provider's name, or `None` for quarantine, which is one topic for all providers.
    pub fn provider(self) -> Option<&'static str> {
        match self {
            Self::Named { provider, .. } | Self::Unclassified { provider } => Some(provider),
            Self::Quarantine => None,
        }
    }
}

/// What a verified delivery says, as its provider's `classify` reads it.
#[derive(Debug, PartialEq)]
pub struct Event {
    /// The kind of the event.
    pub kind: EventKind,
    /// The provider's own name of the event, verbatim; inferred if `type_inferred`; empty where there is none.
    pub event_type: String,
    /// The asset, scan or resource that the event is about; absent in quarantine and for an old ping.
    pub subject: Option<String>,
    /// The time of the event, by the provider's clock.
    pub occurred_at: Option<Timestamp>,
    /// Whether `event_type` was inferred, because the provider did not name it.
    pub type_inferred: bool,
    /// The typed reading; absent on unclassified and quarantined events.
    pub payload: Option<Payload>,
    /// The value of the `hookgate-verdict` record header: the verdict of a scan.
    pub verdict: Option<String>,
    /// Why the delivery is in quarantine; absent on all other events.
    pub fault: Option<Fault>,
    /// Whether the event was read from a repaired copy of the body.
    pub text_repaired: bool,
}

impl Event {
    /// Returns an event of a kind with nothing else known yet.
    pub fn new(kind: EventKind, event_type: impl Into<String>) -> Self {
        Self {
            kind,
            event_type: event_type.into(),
            subject: None,
            occurred_at: None,
            type_inferred: false,
            payload: None,
            verdict: None,
            fault: None,
            text_repaired: false,
        }
    }

    /// Returns the event of a verified delivery that cannot be mapped.
    pub fn quarantined(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::new(EventKind::Quarantine, "") }
    }
}

/// Why a verified delivery cannot be mapped. `detail` names paths and types, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The class of the fault: the `hookgate-reason` header.
    pub reason: FaultReason,
    /// What was expected where: the `hookgate-detail` header.
    pub detail: String,
}

/// The classes of faults that quarantine a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultReason {
    /// The body is not readable JSON: it is cut off, has a key twice, is no JSON at all, or has broken text in the fields that decide the
    /// type, the subject or the verdict.
    NotJson,
    /// The body is JSON but not an object.
    NotAnObject,
    /// The field that names the asset, scan or resource is absent or not a string.
    NoSubject,
    /// The subject is empty, too long or holds control characters, including those that change the direction of writing.
    BadSubject,
    /// Reading the body made Hookgate panic. That is a defect: please report it.
    Panic,
}

impl FaultReason {
    /// Every class, in order.
    pub const ALL: [Self; 5] = [Self::NotJson, Self::NotAnObject, Self::NoSubject, Self::BadSubject, Self::Panic];

    /// Returns the value of the `hookgate-reason` header.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::NoSubject => "no_subject",
            Self::BadSubject => "bad_subject",
            Self::Panic => "panic",
        }
    }
}

/// Checks that `text`, found at `path` in the body, can be a subject and so a record key. Characters that change the direction of writing
/// and invisible characters count as control characters: no id has them, and with them a key could look like another one.
pub fn subject(text: Option<&str>, path: &str) -> Result<String, Fault> {
    let fault = |reason, detail: String| Err(Fault { reason, detail });
    match text {
        None => fault(FaultReason::NoSubject, format!("{path}: a string was expected")),
        Some(text) if text.trim().is_empty() => fault(FaultReason::BadSubject, format!("{path}: is empty")),
        Some(text) if text.len() > SUBJECT_BYTES_MAX => {
            fault(FaultReason::BadSubject, format!("{path}: longer than {SUBJECT_BYTES_MAX} bytes"))
        }
        Some(text) if text.chars().any(|c| is_deceptive(c) || is_invisible(c)) => {
            fault(FaultReason::BadSubject, format!("{path}: holds control characters"))
        }
        Some(text) => Ok(text.to_owned()),
    }
}

/// Reads a provider's time: RFC 3339 with a fraction of any length. A date-time without a zone is read as UTC, because servers that omit
/// the zone mean UTC, and because consumers order events by it. A date without a time is not an instant. Protobuf allows the years 1 to
/// 9999: consumers' libraries refuse other years.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    // `Timestamp::from_str` would also accept a bare date and unusual separators.
    let separator = *text.as_bytes().get(10)?;
    if !matches!(separator, b'T' | b't' | b' ') || !text.is_ascii() {
        return None;
    }
    text.parse().ok().filter(|time: &Timestamp| PROTOBUF_SECONDS.contains(&time.seconds))
}

/// Returns a time of this machine as a protobuf timestamp.
pub fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp { seconds: since.as_secs().cast_signed(), nanos: since.subsec_nanos().cast_signed() }
}

/// Returns a time in milliseconds since the epoch, 0 before it.
pub fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns a protobuf timestamp as a time of this machine, if it can be one.
pub fn instant(time: Timestamp) -> Option<SystemTime> {
    SystemTime::try_from(time).ok()
}

#[cfg(test)]
mod tests;
