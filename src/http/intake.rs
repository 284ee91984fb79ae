//! Taking a body in: bounded in size, in time, and together with all others in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::{config::Http, error::Error};

/// What all deliveries together hold, and what they may hold.
pub struct InFlight {
    deliveries: AtomicUsize,
    bytes: AtomicUsize,
    deliveries_max: usize,
    bytes_max: usize,
}

impl InFlight {
    /// Nothing in flight yet.
    pub fn new(limits: &Http) -> Self {
        Self {
            deliveries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            deliveries_max: limits.max_in_flight,
            bytes_max: limits.max_in_flight_bytes,
        }
    }

    /// Deliveries and body bytes in flight.
    pub fn held(&self) -> (usize, usize) {
        (self.deliveries.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Takes one more delivery in, or refuses it before its body is read.
    pub(super) fn admit(&self) -> Result<Admitted<'_>, Error> {
        let admitted = Admitted { in_flight: self, bytes: 0 };
        // The guard is there already, so that a refusal gives back what it took.
        let before = self.deliveries.fetch_add(1, Ordering::Relaxed);
        if before >= self.deliveries_max || self.bytes.load(Ordering::Relaxed) >= self.bytes_max {
            return Err(Error::Overloaded);
        }
        Ok(admitted)
    }
}

/// One delivery in flight; dropping it gives everything back.
pub(super) struct Admitted<'a> {
    in_flight: &'a InFlight,
    bytes: usize,
}

impl Admitted<'_> {
    /// Bytes count when they have arrived, not when they are announced: an announcement costs a hostile sender nothing.
    fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes += bytes;
        let before = self.in_flight.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.in_flight.bytes_max { Err(Error::Overloaded) } else { Ok(()) }
    }

    /// The body is no longer held.
    pub(super) fn release_bytes(&mut self) {
        self.in_flight.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.release_bytes();
        self.in_flight.deliveries.fetch_sub(1, Ordering::Relaxed);
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
