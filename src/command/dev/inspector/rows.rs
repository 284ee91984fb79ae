//! The list: a row for each request, and the numbers of all.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use serde_json::{Map, Value, json};

use super::{Inspected, actions::is_away};
use crate::{
    closed::Closed as _,
    command::dev::{
        line::{reason, short_name, type_of},
        seen::{Fate, NO_REQUEST, SeenRequest},
        viewer::locked,
    },
    event::{EventKind, milliseconds},
    metrics::DeliveryOutcome,
    provider,
};

/// How many rows one answer has, after the first one. A person reads no more in a tenth of a second, and a page that draws more falls behind.
const ROWS_MAX: usize = 50;
/// How many of them are kept for refusals, if there are so many.
const REFUSALS_MAX: usize = 20;

/// Returns the rows after a number, and the numbers of all requests.
pub(super) fn rows(inspected: &Inspected, after: u64) -> Value {
    let (requests, last, kept, cleared) = {
        let history = inspected.history.kept();
        (history.after(after), history.last(), history.len(), history.cleared())
    };
    let found = requests.len();
    let requests = if after == 0 { requests } else { sample(requests) };
    json!({
        "session": inspected.key.get(..8),
        "last": last,
        "rows": requests.iter().map(|request| row(request)).collect::<Vec<_>>(),
        "skipped": found - requests.len(),
        "strip": strip(inspected, (last, kept, cleared)),
    })
}

/// Returns at most so many rows as a person can see: refusals first, then the newest of each endpoint and type, then the newest.
fn sample(requests: Vec<Arc<SeenRequest>>) -> Vec<Arc<SeenRequest>> {
    if requests.len() <= ROWS_MAX {
        return requests;
    }
    let mut chosen = BTreeSet::new();
    let newest_first = || requests.iter().enumerate().rev();
    chosen.extend(newest_first().filter(|(_, it)| !it.is_stored()).map(|(at, _)| at).take(REFUSALS_MAX));
    let mut kinds = BTreeSet::new();
    for (at, request) in newest_first() {
        let is_new = kinds.insert((request.endpoint.as_str(), type_text(request)));
        if is_new && chosen.len() < ROWS_MAX {
            chosen.insert(at);
        }
    }
    for (at, _) in newest_first() {
        if chosen.len() < ROWS_MAX {
            chosen.insert(at);
        }
    }
    chosen.into_iter().map(|at| Arc::clone(&requests[at])).collect()
}

/// Returns the row of a request.
pub(super) fn row(request: &SeenRequest) -> Value {
    let record = request.record.as_ref();
    let why = match &request.fate {
        Fate::Stored { kind: EventKind::Quarantine, .. } => {
            record.and_then(|it| it.header("hookgate-detail")).unwrap_or_default().to_owned()
        }
        Fate::Stored { kind: EventKind::Unclassified { .. }, .. } => "this type has no topic of its own".into(),
        Fate::Stored { kind: EventKind::Named { .. }, .. } => String::new(),
        _ => reason(request),
    };
    let endpoint = &request.endpoint;
    json!({
        "n": request.number,
        "at": milliseconds(request.arrived),
        "took_ms": request.took.as_secs_f64() * 1e3,
        "status": request.status(),
        "outcome": request.outcome_text(),
        "endpoint": endpoint,
        // Each endpoint of a session has the name of its provider.
        "provider": provider::by_name(endpoint).map_or("", |it| it.name),
        "type": type_text(request),
        "subject": record.map_or_else(String::new, |it| String::from_utf8_lossy(it.key_bytes()).into_owned()),
        "topic": record.map_or("", |it| &it.topic),
        "partition": record.map(|it| it.partition),
        "offset": record.map(|it| it.offset),
        "why": why,
        "origin": if request.what.is_sample { "sample" } else { "webhook" },
        "id": request.id().unwrap_or_default(),
        "bytes": request.what.body_bytes(),
        "action": request.what.action,
    })
}

/// Returns the type of an event in the provider's words.
fn type_text(request: &SeenRequest) -> String {
    match (&request.fate, &request.record) {
        (Fate::Stored { kind: EventKind::Unclassified { .. }, .. }, Some(record)) => type_of(record),
        (Fate::Stored { kind, .. }, _) => short_name(*kind).to_owned(),
        _ => String::new(),
    }
}

/// Returns the numbers of all requests.
fn strip(inspected: &Inspected, (seen, kept, cleared): (u64, usize, u64)) -> Value {
    let (outcomes, unreadable, latest) = {
        let requests = locked(&inspected.requests);
        (requests.outcomes().to_vec(), requests.unreadable(), requests.latest().clone())
    };
    let refused: u64 =
        outcomes.iter().filter(|(it, _)| matches!(it, DeliveryOutcome::Refused(_))).map(|(_, number)| number).sum();
    let outcomes = outcomes.iter().map(|(outcome, number)| (outcome.text(), *number)).chain([(NO_REQUEST, unreadable)]);
    let named = outcomes.map(|(name, number)| (name.to_owned(), json!(number)));
    let endpoints = latest.iter().map(|(name, at)| (name.clone(), json!(milliseconds(*at))));
    json!({
        "seen": seen,
        "kept": kept,
        "cleared": cleared,
        "outcomes": named.collect::<Map<_, _>>(),
        // Nobody distinguishes them by their sign.
        "refused": refused + unreadable,
        "in_flight": inspected.in_flight.held().0,
        "kafka": { "away": is_away(inspected), "state": kafka_state(inspected) },
        "endpoints": endpoints.collect::<Map<_, _>>(),
    })
}

/// Returns the state of Kafka in one word. Readiness does not follow an outage.
pub(super) fn kafka_state(inspected: &Inspected) -> &'static str {
    let last_stored = locked(&inspected.requests).last_stored();
    let is_ready = inspected.readiness.unready().is_none();
    // Only the switch takes the embedded Kafka away, and that is known at once.
    let lost = inspected.readiness.publisher.lost().filter(|_| inspected.mock.is_none());
    if is_away(inspected) { "away" } else { state(is_ready, lost, last_stored) }
}

/// Returns the state of a Kafka: what is known latest counts.
fn state(is_ready: bool, lost: Option<Instant>, last_stored: Option<(Instant, bool)>) -> &'static str {
    match (lost, last_stored) {
        (Some(lost), Some((stored, true))) if is_ready && stored > lost => "ready",
        (Some(_), _) => "lost",
        _ if !is_ready => "unready",
        (None, Some((_, false))) => "failing",
        (None, _) => "ready",
    }
}

#[cfg(test)]
mod tests;
