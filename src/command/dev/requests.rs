//! Joins each request of a session with the record that it became, and brings them into the order of their arrival. What waits for that is bounded
//! in number and bytes.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant, SystemTime},
};

use super::seen::{Fate, NO_REQUEST, SeenRequest, bytes_of};
use crate::{closed::Closed as _, command::output::counted, error::Error, kafka::read::StoredRecord, metrics::DeliveryOutcome};

/// How many requests may wait.
const REQUESTS_MAX: usize = 2000;
/// How many bytes those that wait have together.
const BYTES_MAX: usize = 32 << 20;
/// How many records wait for the end of their request, and how many bytes they have together. Others may write to the same topics.
const EARLY_MAX: usize = 256;
const EARLY_BYTES_MAX: usize = 8 << 20;
/// A request is due after this time, so that one that arrived before it comes before it, although its answer took a moment longer.
const SETTLED: Duration = Duration::from_millis(100);
/// A stored delivery whose record has not been read after this time is due without it.
const RECORD_PATIENCE: Duration = Duration::from_secs(2);

/// The requests that are not due yet, and the numbers of all.
#[derive(Debug)]
pub(super) struct Requests {
    /// Those that wait, in order of arrival.
    waiting: VecDeque<SeenRequest>,
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
    /// How many were no request at all.
    unreadable: u64,
    /// When the last delivery got as far as Kafka, and whether Kafka has stored it.
    stored: Option<(Instant, bool)>,
    /// When the last request of each endpoint arrived.
    latest: BTreeMap<String, SystemTime>,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            early: VecDeque::new(),
            bytes: 0,
            early_bytes: 0,
            number: 0,
            missed: 0,
            joined: 0,
            outcomes: DeliveryOutcome::all().map(|outcome| (outcome, 0)).collect(),
            unreadable: 0,
            stored: None,
            latest: BTreeMap::new(),
        }
    }

    /// Takes a request that has ended.
    pub(super) fn ended(&mut self, mut request: SeenRequest) {
        match request.outcome() {
            Some(outcome) => self.outcomes[outcome.place()].1 += 1,
            None => self.unreadable += 1,
        }
        match &request.fate {
            Fate::Stored { .. } => self.stored = Some((request.ended, true)),
            Fate::Refused(Error::PublishTimeout | Error::PublishFailed(_)) => self.stored = Some((request.ended, false)),
            _ => {}
        }
        if !request.endpoint.is_empty() {
            self.latest.insert(request.endpoint.clone(), request.arrived);
        }
        let early = request.id().and_then(|id| self.early.iter().position(|record| record.header("ce_id") == Some(id)));
        if let Some(record) = early.and_then(|at| self.early.remove(at)) {
            self.early_bytes -= bytes_of(&record);
            request.record = Some(record);
            self.joined += 1;
        }
        let later = self.waiting.iter().rev().take_while(|other| other.arrived > request.arrived).count();
        self.bytes += request.bytes();
        self.waiting.insert(self.waiting.len() - later, request);
        self.make_room();
    }

    /// Takes a record that was read from a topic.
    pub(super) fn stored(&mut self, record: StoredRecord) {
        let Some(id) = record.header("ce_id") else { return };
        let bytes = bytes_of(&record);
        // A repeated delivery has the same id, and a record of its own.
        if let Some(request) = self.waiting.iter_mut().find(|it| it.record.is_none() && it.id() == Some(id)) {
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
        while self.waiting.len() > REQUESTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.waiting.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.number += 1;
            self.missed += 1;
        }
        while self.early.len() > EARLY_MAX || self.early_bytes > EARLY_BYTES_MAX {
            let Some(oldest) = self.early.pop_front() else { break };
            self.early_bytes -= bytes_of(&oldest);
        }
    }

    /// Returns the next request that is due, in order of arrival.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<SeenRequest> {
        self.waiting.front().filter(|request| is_due(request, now))?;
        let mut request = self.waiting.pop_front()?;
        self.bytes -= request.bytes();
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

    /// Returns the number of requests of each outcome.
    pub(super) fn outcomes(&self) -> &[(DeliveryOutcome, u64)] {
        &self.outcomes
    }

    /// Returns when the last delivery got as far as Kafka, and whether Kafka has stored it.
    pub(super) fn last_stored(&self) -> Option<(Instant, bool)> {
        self.stored
    }

    /// Returns how many were no request at all.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Returns when the last request of each endpoint arrived.
    pub(super) fn latest(&self) -> &BTreeMap<String, SystemTime> {
        &self.latest
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
        if self.unreadable > 0 {
            parts.push(format!("{} {NO_REQUEST}", self.unreadable));
        }
        let all = self.outcomes.iter().map(|(_, number)| number).sum::<u64>() + self.unreadable;
        let all = counted(all, "request");
        if parts.is_empty() { all } else { format!("{all}: {}", parts.join(", ")) }
    }
}

fn is_due(request: &SeenRequest, now: Instant) -> bool {
    let since = now.saturating_duration_since(request.ended);
    let is_joined = request.id().is_none() || request.record.is_some();
    since >= if is_joined { SETTLED } else { RECORD_PATIENCE }
}

#[cfg(test)]
mod tests;
