//! Taking a body in: bounded in size, in time, and together with all others in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::{config::Http, error::Error};

/// What all deliveries together hold, and what they may hold.
///
/// Endpoints share fairly: one that holds more than its share gets more only while at least half of the whole is free. So one alone may
/// take half, and however noisy it is the others find theirs.
pub struct InFlight {
    held: Held,
    deliveries_max: usize,
    bytes_max: usize,
    share: Share,
}

/// What is held, by all or by one endpoint.
#[derive(Default)]
pub(super) struct Held {
    deliveries: AtomicUsize,
    bytes: AtomicUsize,
}

/// What each endpoint may hold, whatever the others do.
struct Share {
    deliveries: usize,
    bytes: usize,
}

impl InFlight {
    /// Nothing in flight yet, to be shared by that many endpoints.
    pub fn new(limits: &Http, endpoints: usize) -> Self {
        let (deliveries_max, bytes_max, endpoints) = (limits.max_in_flight, limits.max_in_flight_bytes, endpoints.max(1));
        // A share that does not hold one body would be none.
        let share =
            Share { deliveries: (deliveries_max / endpoints).max(1), bytes: (bytes_max / endpoints).max(limits.max_body_bytes) };
        Self { held: Held::default(), deliveries_max, bytes_max, share }
    }

    /// Deliveries and body bytes in flight.
    pub fn held(&self) -> (usize, usize) {
        (self.held.deliveries.load(Ordering::Relaxed), self.held.bytes.load(Ordering::Relaxed))
    }

    /// Takes one more delivery of an endpoint in, or refuses it before its body is read.
    pub(super) fn admit<'a>(&'a self, endpoint: &'a Held) -> Result<Admitted<'a>, Error> {
        // The guard is there first, so that a refusal gives back what it took.
        let admitted = Admitted { in_flight: self, endpoint, bytes: 0 };
        let (all, own) = admitted.each(|held| held.deliveries.fetch_add(1, Ordering::Relaxed) + 1);
        fits(all, self.deliveries_max, own, self.share.deliveries)?;
        // Where no byte would fit any more, the body need not be read to find out.
        let (all, own) = admitted.each(|held| held.bytes.load(Ordering::Relaxed) + 1);
        fits(all, self.bytes_max, own, self.share.bytes)?;
        Ok(admitted)
    }
}

/// Whether an endpoint may hold `own` while all of them hold `all`.
fn fits(all: usize, max: usize, own: usize, share: usize) -> Result<(), Error> {
    let limit = if own > share { max / 2 } else { max };
    if all > limit { Err(Error::Overloaded) } else { Ok(()) }
}

/// One delivery in flight; dropping it gives everything back.
pub(super) struct Admitted<'a> {
    in_flight: &'a InFlight,
    endpoint: &'a Held,
    bytes: usize,
}

impl Admitted<'_> {
    /// Does the same to what all hold and to what the endpoint holds.
    fn each(&self, change: impl Fn(&Held) -> usize) -> (usize, usize) {
        (change(&self.in_flight.held), change(self.endpoint))
    }

    /// Bytes count when they have arrived, not when they are announced: an announcement costs a hostile sender nothing.
    fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes;
        let (all, own) = self.each(|held| held.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes);
        fits(all, self.in_flight.bytes_max, own, self.in_flight.share.bytes)
    }

    /// The body is no longer held.
    pub(super) fn release_bytes(&mut self) {
        self.each(|held| held.bytes.fetch_sub(self.bytes, Ordering::Relaxed));
        self.bytes = 0;
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.release_bytes();
        self.each(|held| held.deliveries.fetch_sub(1, Ordering::Relaxed));
    }
}

/// Reads the whole body, within the limits.
pub(super) async fn read(body: Incoming, limits: &Http, admitted: &mut Admitted<'_>) -> Result<Bytes, Error> {
    let all = read_all(body, limits.max_body_bytes, admitted);
    tokio::time::timeout(limits.body_timeout, all).await.unwrap_or(Err(Error::SlowBody))
}

async fn read_all(mut body: Incoming, bytes_max: usize, admitted: &mut Admitted<'_>) -> Result<Bytes, Error> {
    // Nearly every body is one frame, and then nothing is copied.
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // The connection is broken or the chunks are: there is no other cause.
        let Ok(data) = frame.map_err(|_| Error::MalformedBody)?.into_data() else { continue };
        if first.len() + all.len() + data.len() > bytes_max {
            return Err(Error::TooLarge);
        }
        admitted.grow(data.len())?;
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_its_share_an_endpoint_leaves_half() {
        fn check(all: usize, own: usize, share: usize, fits_in: bool) {
            assert_eq!(fits(all, 100, own, share).is_ok(), fits_in, "{own} of {all}, share {share}");
        }
        // One endpoint has it all.
        check(100, 100, 100, true);
        check(101, 101, 100, false);
        // Of four, one alone may take half.
        check(50, 50, 25, true);
        check(51, 51, 25, false);
        // The others have their share, whatever the noisy one holds; more only while half is free.
        check(75, 25, 25, true);
        check(100, 25, 25, true);
        check(101, 25, 25, false);
        check(50, 26, 25, true);
        check(76, 26, 25, false);
    }
}
