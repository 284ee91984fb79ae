//! The path of a webhook as one function, [`deliver`]: gate, admit, read, verify, classify, encode, publish.

use std::{
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use axum::{
    http::{HeaderMap, Request, Uri, request::Parts},
    response::Response,
};
use hyper::body::Incoming;

use super::{
    Endpoint, Webhooks, answer, gate, health,
    intake::{self, Admitted, Share},
    outcome::{self, BodyProgress, Outcome, Stored},
    source::source,
};
use crate::{
    delivery::Delivery,
    encode::{Encoding, Record, encode},
    error::Error,
    event::{Event, Fault, FaultReason},
    metrics::Proven,
    provider::Provider,
    signature::{Keys, Verified},
};

/// Answers one request to the webhook port, and says whether it has proven its sender. Every path except that of the health check is a delivery or a
/// 404, so there is nothing to route.
pub(super) async fn handle(webhooks: Arc<Webhooks>, request: Request<Incoming>, peer: IpAddr) -> (Response, bool) {
    let (mut head, mut body) = request.into_parts();
    if health::is_asked(&head) && gate::well_formed(&head).is_ok() {
        let unread = !intake::is_here(&mut body, &head.headers).await;
        return (health::answer(&webhooks, unread), false);
    }
    let source = source(peer, &head.headers, &webhooks.limits.trusted_proxies);
    let mut outcome = Outcome::new(&webhooks, source, &head);
    let result = deliver(&webhooks, &mut head, &mut body, &mut outcome).await;
    if outcome.is_watched() {
        // In a box, so that the future of every other request is not larger for it.
        Box::pin(outcome.read_refused(&mut body)).await;
    }
    let result = result.map_err(|error| webhooks.refusals.judge(source.address, error));
    outcome.finish(&result);
    let unread = match outcome.body {
        BodyProgress::NotBegun => !intake::is_here(&mut body, &head.headers).await,
        BodyProgress::Begun => true,
        BodyProgress::Done => false,
    };
    // A sender over its quota of refusals loses its connection, because only a closed connection frees a slot. A trusted proxy keeps its own: other
    // senders use it too.
    let over_quota = matches!(result, Err(Error::SourceLimited)) && !source.proxied;
    let ends = unread || over_quota || matches!(result, Err(Error::BadRequest));
    (answer::answer(result, ends, webhooks.phase.get(), &webhooks.limits), outcome.is_proven())
}

/// The path of a webhook.
async fn deliver<'a>(
    webhooks: &'a Webhooks,
    head: &mut Parts,
    body: &mut Incoming,
    outcome: &mut Outcome<'a>,
) -> Result<Stored, Error> {
    gate::well_formed(head)?;
    let (endpoint, path_token) = webhooks.endpoints.find(head.uri.path())?;
    outcome.is_for(endpoint, &head.headers);
    let keys = endpoint.keys();
    let gate::Offered { credential, content_type } =
        gate::pass(head, endpoint.asked(path_token), &keys, webhooks.limits.max_body_bytes, webhooks.draining())?;
    let mut admitted = admit(webhooks, endpoint, outcome).await?;
    // The head keeps the whole buffer that it came in. Nobody needs the head during the waits for the body and for Kafka, so it is dropped
    // here.
    (head.headers, head.uri) = (HeaderMap::new(), Uri::default());
    let body = intake::read(body, &webhooks.limits, &mut admitted, outcome.watched()).await?;
    outcome.has_read(&body);
    let (name, received_at) = (Arc::clone(&endpoint.name), (webhooks.clock)());
    let delivery = Delivery { endpoint: name, credential, content_type, body, received_at };
    let Prepared { proven, record } = prepare(endpoint.provider, delivery, &keys, outcome.encoding())
        .inspect_err(|error| outcome.not_proven(endpoint, error))?;
    outcome.proven(endpoint, &proven);
    publish(webhooks, record?, admitted.into_share(), outcome).await
}

/// Lets a delivery begin, if the event loop, the deadline and the memory have room for it.
async fn admit<'a>(webhooks: &'a Webhooks, endpoint: &'a Endpoint, outcome: &mut Outcome<'_>) -> Result<Admitted<'a>, Error> {
    webhooks.delay.admit(&endpoint.begun)?;
    if outcome.left().is_zero() {
        // After so long a stall, the sender has most likely stopped waiting.
        return Err(Error::Overloaded);
    }
    let admitted = webhooks.in_flight.admit(&endpoint.name, &endpoint.held).await?;
    outcome.body = BodyProgress::Begun;
    Ok(admitted)
}

/// Publishes a record and waits until Kafka has acknowledged it. The record keeps its share of the memory until Kafka has taken or refused
/// it, also where the sender stops waiting earlier.
async fn publish(webhooks: &Webhooks, mut record: Record, share: Share, outcome: &mut Outcome<'_>) -> Result<Stored, Error> {
    let publishing = outcome.publishing(&mut record);
    let wait = || outcome.left().min(webhooks.publish_timeout);
    webhooks.publisher.first_contact(wait()).await;
    // librdkafka has its own copy, within its own limit: ours is dropped before the wait.
    let pending = webhooks.publisher.enqueue(&record, share);
    let stored = Stored::of(record);
    let result = match pending {
        Ok(pending) => webhooks.publisher.wait(pending, wait()).await,
        Err(error) => Err(error),
    };
    if let Some(publishing) = publishing {
        publishing.ended(&result);
    }
    result.map(|_| stored)
}

/// A proven delivery, ready for Kafka.
struct Prepared {
    /// What the metrics count of the delivery.
    proven: Proven,
    /// The record, or an error while the topic's schema id is not known.
    record: Result<Record, Error>,
}

/// Verifies, classifies and encodes: everything between the body and Kafka, pure and synchronous.
fn prepare(provider: &'static Provider, delivery: Delivery, keys: &Keys, encoding: &Encoding) -> Result<Prepared, Error> {
    let prepared = catch_unwind(AssertUnwindSafe(|| {
        let verified = provider.verify(delivery, keys)?;
        let event = classify(provider, &verified);
        let proven = outcome::proven(&verified, &event);
        let topic = encoding.topics.topic(&verified.delivery().endpoint, event.kind);
        // A schema id that is known stays known, so `encode` finds it too.
        let record = match encoding.framing.prefix(&topic) {
            Some(_) => Ok(encode(verified, provider, event, encoding)),
            None => Err(Error::PublishFailed(format!("the schema registry has not given the schema id of topic {topic} yet"))),
        };
        Ok(Prepared { proven, record })
    }));
    prepared.unwrap_or_else(|_panic| Err(report_panic(provider, "verifying or encoding")))
}

/// Classifies a proven body. A body that triggers a defect of Hookgate must not crash a fleet again and again, and must not be lost: it
/// goes to quarantine.
pub fn classify(provider: &Provider, verified: &Verified) -> Event {
    catch_unwind(|| (provider.classify)(verified)).unwrap_or_else(|_panic| {
        report_panic(provider, "classifying");
        Event::quarantined(Fault { reason: FaultReason::Panic, detail: "reading the body failed".into() })
    })
}

fn report_panic(provider: &Provider, doing: &str) -> Error {
    // The panic's own text may quote the payload, so it is left out. The panic hook of the log reports the place.
    tracing::error!(provider = provider.name, doing, "a defect: please report it");
    Error::Internal
}

#[cfg(test)]
mod tests;
