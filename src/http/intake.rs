//! Taking a body in: bounded in size, in time, and together with all others in memory.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use axum::http::{HeaderMap, header::EXPECT};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::waiting::{Among, Waiting};
use crate::{config::Http, error::Error};

/// So much of a body that is not wanted may be read to keep its connection. A new one costs about as much.
const UNWANTED_BYTES: usize = 64 << 10;

/// What all deliveries together hold, and what they may hold.
///
/// Endpoints share fairly: one that holds more than its share gets more only while at least half of the whole is free. So one alone may
/// take half, and however noisy it is the others find theirs.
pub struct InFlight {
    held: Arc<Held>,
    deliveries: EndpointLimit,
    bytes: EndpointLimit,
    /// Who waits for a peer, and therefore makes room for who does not.
    pub(super) waiting: Arc<Waiting>,
}

/// What is held, by all or by one endpoint.
#[derive(Default)]
pub(super) struct Held {
    deliveries: AtomicUsize,
    bytes: AtomicUsize,
}

/// How much of something there is for all, and what each endpoint may hold whatever the others do.
struct EndpointLimit {
    max: usize,
    share: usize,
}

/// What is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    /// The endpoint holds more than its share, and others may need the rest.
    Endpoint,
    /// All together hold all there is.
    Whole,
}

impl EndpointLimit {
    /// What is too full for an endpoint to hold `own` while all of them hold `all`.
    fn full(&self, all: usize, own: usize) -> Option<Full> {
        let (limit, full) = if own > self.share { (self.max / 2, Full::Endpoint) } else { (self.max, Full::Whole) };
        (all > limit).then_some(full)
    }
}

impl InFlight {
    /// Nothing in flight yet, to be webhooks by that many endpoints.
    pub fn new(limits: &Http, endpoints: usize) -> Self {
        let (deliveries, bytes, endpoints) = (limits.max_in_flight, limits.max_in_flight_bytes, endpoints.max(1));
        // A share that does not hold one body would be none.
        Self {
            held: Arc::default(),
            deliveries: EndpointLimit { max: deliveries, share: (deliveries / endpoints).max(1) },
            bytes: EndpointLimit { max: bytes, share: (bytes / endpoints).max(limits.max_body_bytes) },
            waiting: Arc::default(),
        }
    }

    /// Deliveries and body bytes in flight.
    pub fn held(&self) -> (usize, usize) {
        (self.held.deliveries.load(Ordering::Relaxed), self.held.bytes.load(Ordering::Relaxed))
    }

    /// Takes one more delivery of the endpoint that holds `own` in, or refuses it before its body is read.
    pub(super) async fn admit<'a>(&'a self, endpoint: &'a Arc<str>, own: &Arc<Held>) -> Result<Admitted<'a>, Error> {
        // The guard is there first, so that a refusal gives back what it took.
        let share = Share { all: Arc::clone(&self.held), own: Arc::clone(own), bytes: 0 };
        share.each(|held| held.deliveries.fetch_add(1, Ordering::Relaxed));
        let admitted = Admitted { in_flight: self, endpoint, share };
        admitted.fit(&self.deliveries, |held| held.deliveries.load(Ordering::Relaxed)).await?;
        // Where no byte would fit any more, the body need not be read to find out.
        admitted.fit(&self.bytes, |held| held.bytes.load(Ordering::Relaxed) + 1).await?;
        Ok(admitted)
    }
}

/// What one delivery holds; dropping it gives everything back.
pub(super) struct Share {
    all: Arc<Held>,
    own: Arc<Held>,
    bytes: usize,
}

impl Share {
    /// Does the same to what all hold and to what the endpoint holds.
    fn each(&self, change: impl Fn(&Held) -> usize) -> (usize, usize) {
        (change(&self.all), change(&self.own))
    }

    fn release_bytes(&mut self) {
        self.each(|held| held.bytes.fetch_sub(self.bytes, Ordering::Relaxed));
        self.bytes = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release_bytes();
        self.each(|held| held.deliveries.fetch_sub(1, Ordering::Relaxed));
    }
}

/// One delivery in flight whose body is still to be read or to be handed on.
pub(super) struct Admitted<'a> {
    in_flight: &'a InFlight,
    endpoint: &'a Arc<str>,
    share: Share,
}

impl Admitted<'_> {
    /// Ends well where there is room. Where there is none, deliveries whose bodies are waited for too long make some: those of the endpoint
    /// if it holds more than its share, else any.
    async fn fit(&self, limit: &EndpointLimit, count: impl Fn(&Held) -> usize) -> Result<(), Error> {
        loop {
            let (all, own) = self.share.each(&count);
            let among = match limit.full(all, own) {
                None => return Ok(()),
                Some(Full::Endpoint) => Among::BodiesOf(self.endpoint),
                Some(Full::Whole) => Among::Bodies,
            };
            if !self.in_flight.waiting.dismiss(among) {
                return Err(Error::Overloaded);
            }
            // Whoever was dismissed gives back what it holds now; it may be this very delivery.
            tokio::task::yield_now().await;
        }
    }

    /// Bytes count when they have arrived, not when they are announced: an announcement costs a hostile sender nothing.
    async fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        self.share.bytes += bytes;
        self.share.each(|held| held.bytes.fetch_add(bytes, Ordering::Relaxed));
        self.fit(&self.in_flight.bytes, |held| held.bytes.load(Ordering::Relaxed)).await
    }

    /// What the delivery holds from now on, which outlives the request. The body is no longer held.
    pub(super) fn into_share(self) -> Share {
        let mut share = self.share;
        share.release_bytes();
        share
    }
}

/// Reads the whole body, within the limits.
pub(super) async fn read(body: &mut Incoming, limits: &Http, admitted: &mut Admitted<'_>) -> Result<Bytes, Error> {
    let (in_flight, endpoint) = (admitted.in_flight, admitted.endpoint);
    let all = tokio::time::timeout(limits.body_timeout, read_all(body, limits.max_body_bytes, admitted));
    tokio::select! {
        // Nearly every body is there already, and then nobody begins to wait for it.
        biased;
        all = all => all.unwrap_or(Err(Error::SlowBody)),
        () = in_flight.waiting.body(endpoint) => Err(Error::Overloaded),
    }
}

async fn read_all(body: &mut Incoming, bytes_max: usize, admitted: &mut Admitted<'_>) -> Result<Bytes, Error> {
    let mut all: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        // The connection is broken or the chunks are: there is no other cause.
        let Ok(data) = frame.map_err(|_| Error::MalformedBody)?.into_data() else { continue };
        if all.len() + data.len() > bytes_max {
            return Err(Error::TooLarge);
        }
        admitted.grow(data.len()).await?;
        // Nearly every body is one frame, and then nothing is copied.
        if all.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        // A frame keeps the whole buffer that it came in, and a vector that grows by itself doubles: neither counts as in flight.
        if all.capacity() - all.len() < data.len() {
            all.reserve_exact(data.len() + all.len() / 8);
        }
        all.extend_from_slice(&data);
    }
    Ok(all.into())
}

/// Whether a body that is not wanted is here as a whole, so that the next request can follow it. What has come of it is thrown away, and nothing
/// is waited for.
pub(super) async fn is_here(body: &mut Incoming, headers: &HeaderMap) -> bool {
    // To ask for its first byte is what invites it.
    let invites = headers.contains_key(EXPECT);
    let (mut left, mut waited) = (UNWANTED_BYTES, false);
    while !body.is_end_stream() {
        if invites || left == 0 {
            return false;
        }
        let frame = poll_fn(|context| Poll::Ready(Pin::new(&mut *body).poll_frame(context))).await;
        match frame {
            Poll::Ready(Some(Ok(frame))) => {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                waited = false;
            }
            Poll::Ready(Some(Err(_))) => return false,
            Poll::Ready(None) => return true,
            Poll::Pending if waited => return false,
            // The connection reads on while this future waits, even if only for its next turn.
            Poll::Pending => {
                tokio::task::yield_now().await;
                waited = true;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_its_share_an_endpoint_leaves_half() {
        fn check(all: usize, own: usize, share: usize, full: Option<Full>) {
            assert_eq!(EndpointLimit { max: 100, share }.full(all, own), full, "{own} of {all}, share {share}");
        }
        // One endpoint has it all.
        check(100, 100, 100, None);
        check(101, 101, 100, Some(Full::Endpoint));
        // Of four, one alone may take half.
        check(50, 50, 25, None);
        check(51, 51, 25, Some(Full::Endpoint));
        // The others have their share, whatever the noisy one holds; more only while half is free.
        check(75, 25, 25, None);
        check(100, 25, 25, None);
        check(101, 25, 25, Some(Full::Whole));
        check(50, 26, 25, None);
        check(76, 26, 25, Some(Full::Endpoint));
    }
}
