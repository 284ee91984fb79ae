//! Reading a body: bounded in size, in time, and together with all others in memory.

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

use super::{
    WatchedRequest,
    waiting::{Among, Waiting},
};
use crate::{config::Http, error::Error};

/// The most bytes of an unwanted body that are read to keep its connection. A new connection costs about as much.
const UNWANTED_BYTES: usize = 64 << 10;

/// What all deliveries together hold in memory, and what they may hold.
///
/// Endpoints share fairly: an endpoint that holds more than its share gets more only while at least half of the whole is free. So a single
/// endpoint may take half, and the other endpoints find their shares free however noisy it is.
pub struct InFlight {
    held: Arc<Held>,
    deliveries: EndpointLimit,
    bytes: EndpointLimit,
    /// The connections and deliveries that wait for a peer, and therefore make room for those that do not wait.
    pub(super) waiting: Arc<Waiting>,
}

/// What deliveries hold in memory: those of all endpoints, or those of one.
#[derive(Default)]
pub(super) struct Held {
    deliveries: AtomicUsize,
    bytes: AtomicUsize,
}

/// A limit of deliveries or of bytes: the most that all endpoints may hold together, and the share that each may hold whatever the others
/// do.
struct EndpointLimit {
    max: usize,
    share: usize,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    /// The endpoint holds more than its share, and others may need the rest.
    Endpoint,
    /// All endpoints together hold the whole.
    Whole,
}

impl EndpointLimit {
    /// Returns which limit is exceeded while an endpoint holds `own` and all endpoints together hold `all`.
    fn full(&self, all: usize, own: usize) -> Option<Full> {
        let (limit, full) = if own > self.share { (self.max / 2, Full::Endpoint) } else { (self.max, Full::Whole) };
        (all > limit).then_some(full)
    }
}

impl InFlight {
    /// Returns the limits for this number of endpoints, with nothing in flight.
    pub fn new(limits: &Http, endpoints: usize) -> Self {
        let (deliveries, bytes, endpoints) = (limits.max_in_flight, limits.max_in_flight_bytes, endpoints.max(1));
        // A share must hold at least one body.
        Self {
            held: Arc::default(),
            deliveries: EndpointLimit { max: deliveries, share: (deliveries / endpoints).max(1) },
            bytes: EndpointLimit { max: bytes, share: (bytes / endpoints).max(limits.max_body_bytes) },
            waiting: Arc::default(),
        }
    }

    /// Returns the deliveries and the body bytes in flight.
    pub fn held(&self) -> (usize, usize) {
        (self.held.deliveries.load(Ordering::Relaxed), self.held.bytes.load(Ordering::Relaxed))
    }

    /// Admits one more delivery of the endpoint that holds `own`, or returns [`Error::Overloaded`] before its body is read.
    pub(super) async fn admit<'a>(&'a self, endpoint: &'a Arc<str>, own: &Arc<Held>) -> Result<Admitted<'a>, Error> {
        // The guard comes first, so that a refusal gives back what was counted.
        let share = Share { all: Arc::clone(&self.held), own: Arc::clone(own), bytes: 0 };
        share.each(|held| held.deliveries.fetch_add(1, Ordering::Relaxed));
        let admitted = Admitted { in_flight: self, endpoint, share };
        admitted.fit(&self.deliveries, |held| held.deliveries.load(Ordering::Relaxed)).await?;
        // If not a single byte fits, the body is refused without being read.
        admitted.fit(&self.bytes, |held| held.bytes.load(Ordering::Relaxed) + 1).await?;
        Ok(admitted)
    }
}

/// What one delivery holds in memory; dropping it gives everything back.
pub(super) struct Share {
    all: Arc<Held>,
    own: Arc<Held>,
    bytes: usize,
}

impl Share {
    /// Changes both counts: that of all endpoints and that of this one.
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

/// One delivery in flight whose body is not yet read, or not yet passed on.
pub(super) struct Admitted<'a> {
    in_flight: &'a InFlight,
    endpoint: &'a Arc<str>,
    share: Share,
}

impl Admitted<'_> {
    /// Returns once there is room. If there is none, evicts the delivery whose body has been awaited longest, and for too long: one of this
    /// endpoint if the endpoint holds more than its share, else of any. If there is no such delivery, returns [`Error::Overloaded`].
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
            // The evicted delivery, which may be this one, now gives back what it holds.
            tokio::task::yield_now().await;
        }
    }

    /// Counts bytes when they have arrived, not when they are announced: an announcement costs a hostile sender nothing.
    async fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        self.share.bytes += bytes;
        self.share.each(|held| held.bytes.fetch_add(bytes, Ordering::Relaxed));
        self.fit(&self.in_flight.bytes, |held| held.bytes.load(Ordering::Relaxed)).await
    }

    /// Returns what the delivery still holds when its body is gone. This share may outlive the request.
    pub(super) fn into_share(self) -> Share {
        let mut share = self.share;
        share.release_bytes();
        share
    }
}

/// Reads the whole body, within the limits. Shows it part by part, where somebody watches: a refusal leaves nothing else of it.
pub(super) async fn read(
    body: &mut Incoming,
    limits: &Http,
    admitted: &mut Admitted<'_>,
    watched: Option<&mut WatchedRequest>,
) -> Result<Bytes, Error> {
    let (in_flight, endpoint) = (admitted.in_flight, admitted.endpoint);
    let all = tokio::time::timeout(limits.body_timeout, read_all(body, limits.max_body_bytes, admitted, watched));
    tokio::select! {
        // Nearly every body is there already, and then the wait is never begun.
        biased;
        all = all => all.unwrap_or(Err(Error::SlowBody)),
        () = in_flight.waiting.body(endpoint) => Err(Error::Overloaded),
    }
}

async fn read_all(
    body: &mut Incoming,
    bytes_max: usize,
    admitted: &mut Admitted<'_>,
    mut watched: Option<&mut WatchedRequest>,
) -> Result<Bytes, Error> {
    let mut all: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        // Either the connection is broken or the chunks are malformed: there is no other cause.
        let Ok(data) = frame.map_err(|_| Error::MalformedBody)?.into_data() else { continue };
        if let Some(watched) = &mut watched {
            watched.has_come(&data);
        }
        if all.len() + data.len() > bytes_max {
            return Err(Error::TooLarge);
        }
        admitted.grow(data.len()).await?;
        // Nearly every body is one frame, which is returned without a copy.
        if all.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        // Frames are copied, because a frame keeps the whole buffer that it came in. The vector grows in small steps, because one that
        // grows by itself doubles. Neither of these extra bytes would count as in flight.
        if all.capacity() - all.len() < data.len() {
            all.reserve_exact(data.len() + all.len() / 8);
        }
        all.extend_from_slice(&data);
    }
    Ok(all.into())
}

/// Returns whether an unwanted body has come to its end, so that the next request can follow it. Throws away what has come of it, and waits
/// for nothing.
pub(super) async fn is_here(body: &mut Incoming, headers: &HeaderMap) -> bool {
    // With `Expect: 100-continue`, reading the first byte would invite the sender to send the body.
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
            // hyper reads more from the connection while this future waits, even if it only waits for its next turn.
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
        // A single endpoint may hold all.
        check(100, 100, 100, None);
        check(101, 101, 100, Some(Full::Endpoint));
        // Of four endpoints, a single one may take half.
        check(50, 50, 25, None);
        check(51, 51, 25, Some(Full::Endpoint));
        // The others have their share, whatever the noisy one holds. Each gets more only while half is free.
        check(75, 25, 25, None);
        check(100, 25, 25, None);
        check(101, 25, 25, Some(Full::Whole));
        check(50, 26, 25, None);
        check(76, 26, 25, Some(Full::Endpoint));
    }
}
