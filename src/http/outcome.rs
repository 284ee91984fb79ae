//! The one outcome of a request: how it is counted and logged, and the trace that it belongs to.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, request::Parts};
use bytes::Bytes;
use hyper::body::Incoming;
use prost_types::Timestamp;

use super::{EndedRequest, Ending, Endpoint, WatchedEnd, WatchedRequest, Webhooks, lines::Line, source::Source, trace::Trace};
use crate::{
    closed::Closed as _,
    encode::{Encoding, Record},
    error::{Answer, Error},
    event::{Event, EventKind, timestamp},
    logged::milliseconds,
    metrics::{DeliveryOutcome, Proven, UNMATCHED},
    signature::Verified,
    spans::PublishSpan,
};

/// A delivery that Kafka has acknowledged.
pub(super) struct Stored {
    /// The id of the stored event.
    pub(super) id: String,
    kind: EventKind,
}

impl Stored {
    /// Keeps what the answer and the log need of a record that librdkafka has copied.
    pub(super) fn of(record: Record) -> Self {
        Self { id: record.id, kind: record.kind }
    }
}

/// How far the body has been read.
pub(super) enum BodyProgress {
    NotBegun,
    /// Reading has begun, and may have ended early.
    Begun,
    Done,
}

/// Counts and logs the one outcome of a request, also where the sender hangs up and this future is dropped.
pub(super) struct Outcome<'a> {
    webhooks: &'a Webhooks,
    endpoint: Option<&'a Endpoint>,
    source: Source,
    trace: Trace,
    started: Instant,
    /// How long the request may have waited for the event loop.
    late: Duration,
    pub(super) body: BodyProgress,
    proven: bool,
    finished: bool,
    /// The request, where somebody watches.
    watched: Option<Box<WatchedRequest>>,
}

impl<'a> Outcome<'a> {
    pub(super) fn new(webhooks: &'a Webhooks, source: Source, head: &Parts) -> Self {
        let (started, late) = (Instant::now(), webhooks.delay.current());
        let watched = webhooks.watch.as_ref().map(|watch| Box::new(WatchedRequest::new(head, watch.is_sample(&head.headers))));
        Self {
            webhooks,
            endpoint: None,
            source,
            trace: Trace::default(),
            started,
            late,
            body: BodyProgress::NotBegun,
            proven: false,
            finished: false,
            watched,
        }
    }

    /// Notes that the request is for this endpoint and belongs to the trace that its headers name.
    pub(super) fn is_for(&mut self, endpoint: &'a Endpoint, headers: &HeaderMap) {
        self.endpoint = Some(endpoint);
        self.trace = Trace::of(headers);
    }

    /// Returns how the delivery becomes a record.
    pub(super) fn encoding(&self) -> &'a Encoding {
        match (&self.webhooks.watch, &self.watched) {
            (Some(watch), Some(watched)) if watched.is_sample => &watch.samples,
            _ => &self.webhooks.encoding,
        }
    }

    /// Notes that the whole body has been read.
    pub(super) fn has_read(&mut self, body: &Bytes) {
        self.body = BodyProgress::Done;
        if let Some(watched) = &mut self.watched {
            watched.has_read(body);
        }
    }

    /// Returns whether somebody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.watched.is_some()
    }

    /// Returns what is shown of the request, where somebody watches.
    pub(super) fn watched(&mut self) -> Option<&mut WatchedRequest> {
        self.watched.as_deref_mut()
    }

    /// Where somebody watches, reads the body of a request that was refused by its head.
    pub(super) async fn read_refused(&mut self, body: &mut Incoming) {
        if let (Some(watched), BodyProgress::NotBegun) = (&mut self.watched, &self.body) {
            watched.read_refused(body, self.webhooks.limits.body_timeout).await;
        }
    }

    /// Notes that the proof does not hold. A signed time outside of the window sets a gauge: one of the two clocks is wrong.
    pub(super) fn not_proven(&self, endpoint: &Endpoint, error: &Error) {
        if let Error::Stale { offset } = error {
            self.webhooks.metrics.clock_offset(&endpoint.name, *offset);
        }
    }

    /// Notes that the sender is proven: counts what is known of the delivery, and begins a span if tracing is configured.
    pub(super) fn proven(&mut self, endpoint: &Endpoint, proven: &Proven) {
        self.proven = true;
        self.webhooks.metrics.proven(&endpoint.name, proven);
        self.trace.proven(self.webhooks.spans.as_ref(), endpoint, self.started.elapsed());
    }

    /// Returns whether the sender is proven.
    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Notes that the record is about to be sent. Returns its span if tracing is configured.
    pub(super) fn publishing(&mut self, record: &mut Record) -> Option<PublishSpan> {
        if let Some(watched) = &mut self.watched {
            watched.is_sending();
        }
        if record.payload_omitted {
            let (endpoint, trace_id) = (self.names().0, self.trace.id());
            tracing::warn!(endpoint, id = record.id, trace_id, "the typed payload was left out, the record would be too large");
        }
        self.trace.publishing(self.webhooks.spans.as_ref(), record)
    }

    /// Returns the time that is left until the answer is due.
    pub(super) fn left(&self) -> Duration {
        self.webhooks.limits.answer_deadline.saturating_sub(self.late + self.started.elapsed())
    }

    /// Notes how the request ended.
    pub(super) fn finish(&mut self, result: &Result<Stored, Error>) {
        let elapsed = self.started.elapsed();
        match result {
            Ok(stored) => {
                let outcome = match stored.kind {
                    EventKind::Named { .. } => DeliveryOutcome::Published,
                    EventKind::Unclassified { .. } => DeliveryOutcome::Unclassified,
                    EventKind::Quarantine => DeliveryOutcome::Quarantined,
                };
                self.count(outcome, 200, elapsed);
                self.log_success(outcome.text(), stored, elapsed);
            }
            Err(error) => {
                let Answer { refusal, status } = error.answer();
                let outcome = refusal.text();
                self.count(DeliveryOutcome::Refused(refusal), status, elapsed);
                let (endpoint, provider) = self.names();
                let cause = error.cause();
                let (source, trace_id, duration_ms) = (self.source.address, self.trace.id(), milliseconds(elapsed));
                let line = self.webhooks.refused_lines.judge(error);
                if let Line::Written { suppressed } = line {
                    let suppressed = (suppressed > 0).then_some(suppressed);
                    tracing::warn!(endpoint, provider, outcome, status, %source, duration_ms, reason = %error, cause, suppressed, trace_id, "refused a delivery");
                } else {
                    tracing::debug!(endpoint, provider, outcome, status, %source, duration_ms, reason = %error, cause, trace_id, "refused a delivery");
                }
                if line == Line::Suppressed {
                    self.webhooks.metrics.log_line_suppressed();
                }
            }
        }
        self.show(Some(result), elapsed);
    }

    /// Shows the request to the watcher, if there is one.
    fn show(&self, result: Option<&Result<Stored, Error>>, took: Duration) {
        let (Some(watch), Some(request)) = (&self.webhooks.watch, &self.watched) else { return };
        let now = (self.webhooks.clock)();
        let ending = match result {
            Some(Ok(stored)) => Ending::Stored { id: &stored.id, kind: stored.kind },
            Some(Err(error)) => Ending::Refused(error),
            None => Ending::Cancelled,
        };
        let endpoint = self.endpoint.map(|endpoint| &*endpoint.name);
        let arrived = now.checked_sub(took).unwrap_or(now);
        (watch.watcher)(&WatchedEnd::Request(EndedRequest { arrived, took, endpoint, request, ending }));
    }

    fn count(&mut self, outcome: DeliveryOutcome, status: u16, elapsed: Duration) {
        self.finished = true;
        self.trace.answered(outcome.text(), status);
        self.webhooks.metrics.delivery(self.names().0, outcome, elapsed.as_secs_f64());
    }

    fn log_success(&self, outcome: &str, stored: &Stored, elapsed: Duration) {
        let sample = self.webhooks.success_sample;
        // A stored delivery without a known event type is always logged.
        let planned = matches!(stored.kind, EventKind::Named { .. });
        let turn = sample > 0 && self.webhooks.successes.fetch_add(1, Ordering::Relaxed).is_multiple_of(sample);
        let ((endpoint, provider), duration_ms) = (self.names(), milliseconds(elapsed));
        let (kind, id, trace_id) = (&stored.kind, &stored.id, self.trace.id());
        if turn || !planned {
            tracing::info!(endpoint, provider, outcome, kind = &*kind.name(), id, duration_ms, trace_id, "stored a delivery");
        } else {
            tracing::debug!(endpoint, provider, outcome, kind = &*kind.name(), id, duration_ms, trace_id, "stored a delivery");
        }
    }

    fn names(&self) -> (&str, &'static str) {
        self.endpoint.map_or((UNMATCHED, ""), |endpoint| (&endpoint.name, endpoint.provider.name))
    }
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let elapsed = self.started.elapsed();
            self.count(DeliveryOutcome::Cancelled, 0, elapsed);
            self.show(None, elapsed);
        }
    }
}

/// Returns what the metrics count of a delivery whose sender is proven.
#[expect(clippy::cast_precision_loss, reason = "a float distinguishes seconds far beyond those since 1970")]
pub(super) fn proven(verified: &Verified, event: &Event) -> Proven {
    let (delivery, proof) = (verified.delivery(), verified.proof());
    let received_at = timestamp(delivery.received_at);
    let age = |occurred_at: &Timestamp| {
        (received_at.seconds - occurred_at.seconds) as f64 + f64::from(received_at.nanos - occurred_at.nanos) / 1e9
    };
    Proven {
        slot: proof.secret_slot,
        body_bytes: delivery.body.len(),
        received_at: delivery.received_at,
        clock_offset: verified.clock_offset(),
        age: event.occurred_at.as_ref().map(age),
    }
}
