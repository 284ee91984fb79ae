//! HTTP: the only module that knows it on the webhook side. [`deliver`] is the path of a webhook as one function: gate, admit, verify,
//! classify, encode, publish, answer.

mod answer;
mod connections;
pub mod delay;
mod gate;
mod health;
mod inbound;
mod intake;
mod lines;
mod patience;
mod phase;
mod refusals;
pub mod server;
mod serving;
mod source;
mod tls;
mod trace;
mod waiting;

use std::{
    collections::HashMap,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, request::Parts},
    response::Response,
};
use hyper::body::Incoming;
use prost_types::Timestamp;

use crate::{
    config::Http,
    delivery::{Credential, Delivery},
    encode::{Encoding, Record, encode},
    error::{Answer, Error},
    event::{Event, EventKind, Fault, FaultReason, timestamp},
    metrics::{Metrics, Proven, UNMATCHED},
    provider::Provider,
    publish::Publisher,
    signature::{Keys, Verified},
    spans::Spans,
};
use delay::Delay;
use intake::Held;
pub use intake::InFlight;
use lines::Line;
pub use lines::Lines;
pub use phase::{Phase, PhaseCell};
pub use refusals::Refusals;
use source::{Source, source};
pub use tls::Tls;
use trace::Trace;

/// The clock, handed in so that tests can freeze it.
pub type Clock = fn() -> SystemTime;

/// What every request is handled with.
pub struct Shared {
    /// By name.
    pub endpoints: HashMap<Arc<str>, Endpoint>,
    /// Limits and times.
    pub limits: Http,
    /// Topics and sizes.
    pub encoding: Encoding,
    /// How long an acknowledgement is waited for.
    pub publish_timeout: Duration,
    /// The way to Kafka.
    pub publisher: Publisher,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Spans, where they are configured.
    pub spans: Option<Spans>,
    /// What is held in memory.
    pub in_flight: InFlight,
    /// TLS on the webhook port, where it is configured.
    pub tls: Option<Tls>,
    /// What each address may have refused.
    pub refusals: Refusals,
    /// How late the event loop is.
    pub delay: Delay,
    /// Where in its life the daemon is.
    pub phase: PhaseCell,
    /// The time of day.
    pub clock: Clock,
    /// One line per this many successes; 0 is none.
    pub success_sample: u32,
    /// Successes so far.
    pub successes: AtomicU32,
    /// The log lines of refusals.
    pub refused_lines: Lines,
}

impl Shared {
    /// Why the daemon is not ready, if it is not. An outage of Kafka later on does not make it unready: an answer of 503 with
    /// `Retry-After` serves a sender better than no address to send to.
    pub fn unready(&self) -> Option<&'static str> {
        if self.phase.get() != Phase::Serving {
            Some("shutting down")
        } else if !self.publisher.reached() {
            Some("kafka has not been reached yet")
        } else if !self.encoding.framing.missing().is_empty() {
            Some("the schema registry has not given every schema id yet")
        } else {
            None
        }
    }
}

/// A configured endpoint.
pub struct Endpoint {
    /// The name in the URL.
    pub name: Arc<str>,
    /// Who sends to it.
    pub provider: &'static Provider,
    /// Replaced when a secret file changes.
    keys: RwLock<Arc<Keys>>,
    /// What its deliveries hold.
    held: Arc<Held>,
    /// How many of them [`delay`] has seen in its window.
    begun: AtomicU32,
}

impl Endpoint {
    /// An endpoint with its first keys.
    pub fn new(name: Arc<str>, provider: &'static Provider, keys: Keys) -> Self {
        Self { name, provider, keys: RwLock::new(Arc::new(keys)), held: Arc::default(), begun: AtomicU32::new(0) }
    }

    /// The keys as of now.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the keys.
    pub fn set_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// Answers one request to the webhook port: every path but that of the health is a delivery or a 404, so there is nothing to route.
async fn handle(shared: Arc<Shared>, request: Request<Incoming>, peer: IpAddr) -> Response {
    let (mut head, mut body) = request.into_parts();
    if health::is_asked(&head) && gate::well_formed(&head).is_ok() {
        let unread = !intake::is_here(&mut body, &head.headers).await;
        return health::answer(&shared, unread);
    }
    let source = source(peer, &head.headers, &shared.limits.trusted_proxies);
    let mut outcome = Outcome::new(&shared, source);
    let result = deliver(&shared, &mut head, &mut body, &mut outcome).await;
    let result = result.map_err(|error| shared.refusals.judge(source.address, error));
    outcome.finish(&result);
    let limited = matches!(result, Err(Error::SourceLimited));
    // Room for another connection is only made by one that ends, and who only costs something shall not do so on and on. But the other
    // senders behind a proxy must not pay for one.
    let unread = match outcome.body {
        Reading::NotBegun => !intake::is_here(&mut body, &head.headers).await,
        Reading::Begun => true,
        Reading::Done => false,
    };
    let ends = unread || matches!(result, Err(Error::BadRequest)) || limited && !source.proxied;
    answer::answer(result, ends, shared.phase.get(), &shared.limits)
}

/// What a captured request offers as proof, by the same rules as on the wire. Header names are lower case.
pub fn offered_proof(
    provider: &Provider,
    url: Option<&str>,
    headers: &[(String, String)],
    keys: &Keys,
) -> Result<Credential, Error> {
    let uri = url.map(str::parse::<Uri>).transpose().map_err(|_| Error::UnknownEndpoint)?;
    let path_token = match &uri {
        Some(uri) => gate::Place::of(uri.path())?.token(provider)?,
        None => None,
    };
    gate::credential(provider, &header_map(headers), uri.as_ref().and_then(Uri::query), path_token, keys)
}

/// Whether a URL is that of an endpoint and has a token already, by the same rules as on the wire.
pub fn has_token(url: &Uri) -> bool {
    let in_query = url.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("token="));
    in_query || gate::Place::of(url.path()).is_ok_and(|place| place.token.is_some())
}

/// What goes on from a captured request's head into the record: its content type, and its `traceparent` where it is well-formed.
pub fn handed_on(headers: &[(String, String)]) -> (String, Option<String>) {
    let headers = header_map(headers);
    (gate::content_type(&headers), gate::traceparent(&headers))
}

/// What HTTP would not let through is left out.
fn header_map(headers: &[(String, String)]) -> HeaderMap {
    let each =
        headers.iter().filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?)));
    let mut map = HeaderMap::new();
    for (name, value) in each {
        map.append(name, value);
    }
    map
}

/// A delivery that Kafka has acknowledged.
struct Accepted {
    id: String,
    kind: EventKind,
}

impl Accepted {
    /// What is left of a record that librdkafka has.
    fn of(record: Record) -> Self {
        Self { id: record.id, kind: record.kind }
    }
}

/// The path of a webhook.
async fn deliver<'a>(
    shared: &'a Shared,
    head: &mut Parts,
    body: &mut Incoming,
    outcome: &mut Outcome<'a>,
) -> Result<Accepted, Error> {
    gate::well_formed(head)?;
    let (endpoint, path_token) = gate::endpoint(shared, head.uri.path())?;
    outcome.endpoint = Some(endpoint);
    outcome.trace = Trace::of(&head.headers);
    let keys = endpoint.keys();
    let credential = gate::pass(shared, head, (endpoint, path_token), &keys)?;
    shared.delay.admit(&endpoint.begun)?;
    if outcome.left().is_zero() {
        // After a stall of that length its sender has most likely given up.
        return Err(Error::Overloaded);
    }
    let mut admitted = shared.in_flight.admit(endpoint).await?;
    outcome.body = Reading::Begun;
    let content_type = gate::content_type(&head.headers);
    // The head keeps the whole buffer that it came in, and nobody needs it while the body and Kafka are waited for.
    (head.headers, head.uri) = (HeaderMap::new(), Uri::default());
    let body = intake::read(body, &shared.limits, &mut admitted).await?;
    outcome.body = Reading::Done;

    let delivery = Delivery {
        endpoint: Arc::clone(&endpoint.name),
        credential,
        content_type,
        traceparent: outcome.trace.parent(),
        body,
        received_at: (shared.clock)(),
    };
    let provider = endpoint.provider;
    let prepared = catch_unwind(AssertUnwindSafe(|| prepare(provider, delivery, &keys, &shared.encoding)));
    let prepared = prepared.map_err(|_panic| report_panic(provider, "verifying or encoding"))?;
    let (record, proven) = prepared.inspect_err(|error| {
        if let Error::Stale { offset } = error {
            shared.metrics.clock_offset(&endpoint.name, *offset);
        }
    })?;
    shared.metrics.proven(&endpoint.name, &proven);
    let (spans, ago) = (shared.spans.as_ref(), outcome.started.elapsed());
    outcome.trace.proven(spans, endpoint, ago);
    let mut record = record?;
    let publishing = outcome.trace.publishing(spans, &mut record);
    if record.payload_omitted {
        let trace_id = outcome.trace.id();
        tracing::warn!(endpoint = %endpoint.name, id = record.id, trace_id, "the typed payload was left out, the record would be too large");
    }

    shared.publisher.first_contact(outcome.left().min(shared.publish_timeout)).await;
    // librdkafka has its own copy, within its own limit: ours must not be held through the wait as well. The delivery stays in flight until
    // Kafka has taken or refused the record, also where its sender does not wait for that.
    let pending = shared.publisher.enqueue(&record, admitted.into_share());
    let accepted = Accepted::of(record);
    let stored = match pending {
        Ok(pending) => shared.publisher.wait(pending, outcome.left().min(shared.publish_timeout)).await,
        Err(error) => Err(error),
    };
    if let Some(publishing) = publishing {
        publishing.ended(&stored);
    }
    stored.map(|_| accepted)
}

/// Everything between the body and Kafka: pure and synchronous.
/// A record is an error where the topic's schema id is not known yet.
fn prepare(
    provider: &'static Provider,
    delivery: Delivery,
    keys: &Keys,
    encoding: &Encoding,
) -> Result<(Result<Record, Error>, Proven), Error> {
    let verified = provider.verify(delivery, keys)?;
    // One body that trips a defect of ours must not crash-loop a fleet, nor be lost.
    let event = catch_unwind(|| (provider.classify)(&verified)).unwrap_or_else(|_panic| {
        report_panic(provider, "classifying");
        Event::quarantined(Fault { reason: FaultReason::Panic, detail: "reading the body failed".into() })
    });
    let proven = proven(&verified, &event);
    let topic = encoding.topics.topic(event.kind);
    // An id that is known once stays known: the record gets it.
    let record = match encoding.framing.prefix(&topic) {
        Some(_) => Ok(encode(verified, provider, event, encoding)),
        None => Err(Error::PublishFailed(format!("the schema registry has not given the schema id of topic {topic} yet"))),
    };
    Ok((record, proven))
}

/// What is counted of a delivery once its sender is proven.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below what a float tells apart")]
fn proven(verified: &Verified, event: &Event) -> Proven {
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

fn report_panic(provider: &Provider, doing: &str) -> Error {
    // The panic's own text may quote the payload; where it happened is told by the hook that comes with the log.
    tracing::error!(provider = provider.name, doing, "a defect: please report it");
    Error::Internal
}

/// How far the reading of a body has come.
enum Reading {
    NotBegun,
    /// Begun, and perhaps given up.
    Begun,
    Done,
}

/// Counts and logs the one outcome of a request, also where the sender hangs up and this future is dropped.
struct Outcome<'a> {
    shared: &'a Shared,
    endpoint: Option<&'a Endpoint>,
    source: Source,
    trace: Trace,
    started: Instant,
    /// How long the request may have waited for the event loop.
    late: Duration,
    body: Reading,
    finished: bool,
}

impl<'a> Outcome<'a> {
    fn new(shared: &'a Shared, source: Source) -> Self {
        let (started, late) = (Instant::now(), shared.delay.now());
        Self { shared, endpoint: None, source, trace: Trace::default(), started, late, body: Reading::NotBegun, finished: false }
    }

    /// What is left until the answer is due.
    fn left(&self) -> Duration {
        self.shared.limits.answer_deadline.saturating_sub(self.late + self.started.elapsed())
    }

    fn finish(&mut self, result: &Result<Accepted, Error>) {
        let elapsed = self.started.elapsed();
        match result {
            Ok(accepted) => {
                let label = match accepted.kind {
                    EventKind::Named { .. } => "published",
                    EventKind::Unclassified { .. } => "unclassified",
                    EventKind::Quarantine => "quarantined",
                };
                self.count(label, 200, elapsed);
                self.log_success(label, accepted, elapsed);
            }
            Err(error) => {
                let Answer { label: outcome, status } = error.answer();
                self.count(outcome, status, elapsed);
                let (endpoint, provider) = self.names();
                let cause = error.cause();
                let (source, trace_id, duration_ms) = (self.source.address, self.trace.id(), milliseconds(elapsed));
                let line = self.shared.refused_lines.judge(error);
                if let Line::Written { suppressed } = line {
                    let suppressed = (suppressed > 0).then_some(suppressed);
                    tracing::warn!(endpoint, provider, outcome, status, %source, duration_ms, reason = %error, cause, suppressed, trace_id, "refused a delivery");
                } else {
                    tracing::debug!(endpoint, provider, outcome, status, %source, duration_ms, reason = %error, cause, trace_id, "refused a delivery");
                }
                if line == Line::Suppressed {
                    self.shared.metrics.log_line_suppressed();
                }
            }
        }
    }

    fn count(&mut self, label: &'static str, status: u16, elapsed: Duration) {
        self.finished = true;
        self.trace.answered(label, status);
        self.shared.metrics.delivery(self.names().0, label, elapsed.as_secs_f64());
    }

    fn log_success(&self, outcome: &str, accepted: &Accepted, elapsed: Duration) {
        let sample = self.shared.success_sample;
        // What nobody planned for is always worth a line.
        let planned = matches!(accepted.kind, EventKind::Named { .. });
        let turn = sample > 0 && self.shared.successes.fetch_add(1, Ordering::Relaxed).is_multiple_of(sample);
        let ((endpoint, provider), duration_ms) = (self.names(), milliseconds(elapsed));
        let (kind, id, trace_id) = (&accepted.kind, &accepted.id, self.trace.id());
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
            self.count("cancelled", 0, elapsed);
        }
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
