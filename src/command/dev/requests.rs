//! The requests of a session, each joined with the record that it became. The terminal shows them. They are bounded in number and bytes, and no
//! token of a URL is among them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant, SystemTime},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    closed::Closed as _,
    command::output::counted,
    config::suggestion,
    error::{Error, Refusal},
    event::EventKind,
    http::{EndedRequest, Ending},
    kafka::read::StoredRecord,
    metrics::DeliveryOutcome,
    provider,
};

/// How many requests are kept.
const REQUESTS_MAX: usize = 2000;
/// How many bytes the kept records and paths have together.
const BYTES_MAX: usize = 32 << 20;
/// How many records wait for the end of their request, and how many bytes they have together. Others may write to the same topics.
const EARLY_MAX: usize = 256;
const EARLY_BYTES_MAX: usize = 8 << 20;
/// A request is due after this time, so that one that arrived before it comes before it, although its answer took a moment longer.
const SETTLED: Duration = Duration::from_millis(100);
/// A stored delivery whose record has not been read after this time is due without it.
const RECORD_PATIENCE: Duration = Duration::from_secs(2);
/// A longer part of a path may be a token.
const PART_CHARACTERS_MAX: usize = 24;

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
}

impl SeenRequest {
    /// Keeps what may be kept of a request. These secrets never are.
    pub(super) fn of(request: &EndedRequest<'_>, secrets: &[String], ended: Instant) -> Self {
        let fate = match request.ending {
            Ending::Stored { id, kind } => Fate::Stored { id: id.to_owned(), kind },
            Ending::Refused(Error::UnknownEndpoint) => {
                let (path, meant) = place(request.path, secrets);
                Fate::NotFound { path, meant }
            }
            Ending::Refused(error) => Fate::Refused(error.clone()),
            Ending::Cancelled => Fate::HungUp,
        };
        let endpoint = request.endpoint.unwrap_or_default().to_owned();
        Self { number: 0, arrived: request.arrived, took: request.took, endpoint, fate, record: None, ended }
    }

    /// Returns the outcome, as the metrics count it.
    pub(super) fn outcome(&self) -> DeliveryOutcome {
        match &self.fate {
            Fate::Stored { kind: EventKind::Named { .. }, .. } => DeliveryOutcome::Published,
            Fate::Stored { kind: EventKind::Unclassified { .. }, .. } => DeliveryOutcome::Unclassified,
            Fate::Stored { kind: EventKind::Quarantine, .. } => DeliveryOutcome::Quarantined,
            Fate::Refused(error) => DeliveryOutcome::Refused(error.answer().refusal),
            Fate::NotFound { .. } => DeliveryOutcome::Refused(Refusal::UnknownEndpoint),
            Fate::HungUp => DeliveryOutcome::Cancelled,
        }
    }

    fn id(&self) -> Option<&str> {
        if let Fate::Stored { id, .. } = &self.fate { Some(id) } else { None }
    }

    fn is_due(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.ended);
        let is_joined = self.id().is_none() || self.record.is_some();
        since >= if is_joined { SETTLED } else { RECORD_PATIENCE }
    }

    fn bytes(&self) -> usize {
        let path = if let Fate::NotFound { path, .. } = &self.fate { path.len() } else { 0 };
        path + self.record.as_ref().map_or(0, bytes_of)
    }
}

/// Returns a path without what may be a token, and the endpoint that was probably meant. What follows its name is left out, and so is every
/// long part; where no endpoint was meant, two parts are shown.
fn place(path: &str, secrets: &[String]) -> (String, Option<&'static str>) {
    let hidden = secrets.iter().fold(path.to_owned(), |path, secret| {
        path.replace(&utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(), "…").replace(secret, "…")
    });
    let mut parts: Vec<&str> = hidden.split('/').collect();
    let names = || provider::ALL.iter().map(|provider| provider.name);
    let meant = parts.iter().enumerate().find_map(|(at, part)| Some((at, suggestion(&part.to_ascii_lowercase(), names())?)));
    let shown = meant.map_or(3, |(at, _)| at + 1);
    if parts.len() > shown {
        parts.truncate(shown);
        parts.push("…");
    }
    let short = |part: &&str| part.chars().count() <= PART_CHARACTERS_MAX;
    let parts: Vec<&str> = parts.into_iter().map(|part| if short(&part) { part } else { "…" }).collect();
    (parts.join("/"), meant.map(|(_, name)| name))
}

fn bytes_of(record: &StoredRecord) -> usize {
    let headers = record.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len));
    record.key_bytes().len() + record.value_bytes().len() + headers.sum::<usize>()
}

/// The latest requests of a session, and the numbers of all.
#[derive(Debug)]
pub(super) struct Requests {
    /// Those that were due come first, then those that wait for it, in order of arrival.
    kept: VecDeque<SeenRequest>,
    /// How many of the kept ones were due.
    shown: usize,
    /// Records that were read before their request ended.
    early: VecDeque<StoredRecord>,
    bytes: usize,
    early_bytes: usize,
    /// The number of the last request that was due.
    number: u64,
    /// How many requests were pushed out before they were due.
    missed: u64,
    /// How many records were joined with their request.
    joined: usize,
    /// The number of requests of each outcome.
    outcomes: Vec<(DeliveryOutcome, u64)>,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            kept: VecDeque::new(),
            shown: 0,
            early: VecDeque::new(),
            bytes: 0,
            early_bytes: 0,
            number: 0,
            missed: 0,
            joined: 0,
            outcomes: DeliveryOutcome::all().map(|outcome| (outcome, 0)).collect(),
        }
    }

    /// Takes a request that has ended.
    pub(super) fn ended(&mut self, mut request: SeenRequest) {
        self.outcomes[request.outcome().place()].1 += 1;
        let early = request.id().and_then(|id| self.early.iter().position(|record| record.header("ce_id") == Some(id)));
        if let Some(record) = early.and_then(|at| self.early.remove(at)) {
            self.early_bytes -= bytes_of(&record);
            request.record = Some(record);
            self.joined += 1;
        }
        let later = self.kept.iter().skip(self.shown).rev().take_while(|other| other.arrived > request.arrived).count();
        self.bytes += request.bytes();
        self.kept.insert(self.kept.len() - later, request);
        self.make_room();
    }

    /// Takes a record that was read from a topic.
    pub(super) fn stored(&mut self, record: StoredRecord) {
        let Some(id) = record.header("ce_id") else { return };
        let bytes = bytes_of(&record);
        // A repeated delivery has the same id, and a record of its own.
        if let Some(request) = self.kept.iter_mut().find(|it| it.record.is_none() && it.id() == Some(id)) {
            request.record = Some(record);
            self.bytes += bytes;
            self.joined += 1;
        } else {
            self.early.push_back(record);
            self.early_bytes += bytes;
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.kept.len() > REQUESTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.bytes();
            if self.shown > 0 {
                self.shown -= 1;
            } else {
                self.number += 1;
                self.missed += 1;
            }
        }
        while self.early.len() > EARLY_MAX || self.early_bytes > EARLY_BYTES_MAX {
            let Some(oldest) = self.early.pop_front() else { break };
            self.early_bytes -= bytes_of(&oldest);
        }
    }

    /// Returns the next request that is due, in order of arrival.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<&SeenRequest> {
        let request = self.kept.get_mut(self.shown).filter(|request| request.is_due(now))?;
        self.shown += 1;
        self.number += 1;
        request.number = self.number;
        Some(request)
    }

    /// Returns, once, how many requests were pushed out before they were due.
    pub(super) fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// Returns how many deliveries were read back from their topics.
    pub(super) fn joined(&self) -> usize {
        self.joined
    }

    /// Returns how many requests were due or pushed out.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the numbers of all requests, in one line.
    pub(super) fn summary(&self) -> String {
        let (mut parts, mut reasons, mut refused) = (Vec::new(), Vec::new(), 0);
        for (outcome, number) in self.outcomes.iter().filter(|(_, number)| *number > 0) {
            let part = format!("{number} {}", outcome.text());
            if matches!(outcome, DeliveryOutcome::Refused(_)) {
                refused += number;
                reasons.push(part);
            } else {
                parts.push(part);
            }
        }
        if refused > 0 {
            parts.push(format!("{refused} refused ({})", reasons.join(", ")));
        }
        let all = counted(self.outcomes.iter().map(|(_, number)| number).sum(), "request");
        if parts.is_empty() { all } else { format!("{all}: {}", parts.join(", ")) }
    }
}

#[cfg(test)]
mod tests;
