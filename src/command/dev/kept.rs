//! The latest requests of a session, for the page. They are bounded in number and bytes. Refusals have bounds of their own, and each outcome has its
//! share of them, so that neither a thousand good deliveries a second nor a scanner push out the one that somebody looks for.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::seen::SeenRequest;

/// How many deliveries are kept, and how many bytes they have together.
const DELIVERIES: RingSize = RingSize { requests: 2000, bytes: 32 << 20 };
/// The same for requests that were refused, or whose sender hung up, and for what was no request.
const REFUSALS: RingSize = RingSize { requests: 500, bytes: 8 << 20 };

/// A number of requests, and how many bytes they have together.
#[derive(Clone, Copy, Debug, Default)]
struct RingSize {
    requests: usize,
    bytes: usize,
}

/// Requests in order of their numbers. Where there are too many, the oldest one of the most frequent outcome is pushed out, and where they are too
/// large, that of the outcome which holds the most bytes.
#[derive(Debug)]
struct Ring {
    bounds: RingSize,
    requests: VecDeque<Arc<SeenRequest>>,
    bytes: usize,
    /// The number and the bytes of the requests of each outcome.
    held: BTreeMap<&'static str, RingSize>,
}

impl Ring {
    fn new(bounds: RingSize) -> Self {
        Self { bounds, requests: VecDeque::new(), bytes: 0, held: BTreeMap::new() }
    }

    fn push(&mut self, request: Arc<SeenRequest>) {
        let held = self.held.entry(request.outcome_text()).or_default();
        (held.requests, held.bytes) = (held.requests + 1, held.bytes + request.bytes());
        self.bytes += request.bytes();
        self.requests.push_back(request);
        while (self.requests.len() > self.bounds.requests || self.bytes > self.bounds.bytes) && self.push_out().is_some() {}
    }

    /// Pushes one request out, if there is one.
    fn push_out(&mut self) -> Option<()> {
        let are_many = self.requests.len() > self.bounds.requests;
        let size = |held: &RingSize| if are_many { held.requests } else { held.bytes };
        let (outcome, held) = self.held.iter_mut().max_by_key(|(_, held)| size(held))?;
        let oldest = self.requests.iter().position(|it| it.outcome_text() == *outcome)?;
        let oldest = self.requests.remove(oldest)?;
        (held.requests, held.bytes) = (held.requests - 1, held.bytes - oldest.bytes());
        self.bytes -= oldest.bytes();
        Some(())
    }

    fn after(&self, number: u64) -> impl Iterator<Item = &Arc<SeenRequest>> {
        self.requests.iter().skip(self.requests.partition_point(|it| it.number <= number))
    }
}

/// What is kept.
#[derive(Debug)]
pub(super) struct Kept {
    deliveries: Ring,
    refusals: Ring,
    /// The number of the last request.
    last: u64,
    /// The number of the last request that was cleared away.
    cleared: u64,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self { deliveries: Ring::new(DELIVERIES), refusals: Ring::new(REFUSALS), last: 0, cleared: 0 }
    }

    pub(super) fn push(&mut self, request: Arc<SeenRequest>) {
        self.last = request.number;
        let ring = if request.is_stored() { &mut self.deliveries } else { &mut self.refusals };
        ring.push(request);
    }

    /// Returns the requests after a number, in order.
    pub(super) fn after(&self, number: u64) -> Vec<Arc<SeenRequest>> {
        let mut requests: Vec<_> = self.deliveries.after(number).chain(self.refusals.after(number)).map(Arc::clone).collect();
        requests.sort_unstable_by_key(|it| it.number);
        requests
    }

    /// Returns the request of a number, if it is kept.
    pub(super) fn get(&self, number: u64) -> Option<Arc<SeenRequest>> {
        let before = number.checked_sub(1)?;
        let first = |ring: &Ring| ring.after(before).next().filter(|it| it.number == number).map(Arc::clone);
        first(&self.deliveries).or_else(|| first(&self.refusals))
    }

    /// Throws everything away that is kept. Returns the number of the last request.
    pub(super) fn clear(&mut self) -> u64 {
        (self.deliveries, self.refusals) = (Ring::new(DELIVERIES), Ring::new(REFUSALS));
        self.cleared = self.last;
        self.cleared
    }

    /// Returns how many requests are kept.
    pub(super) fn len(&self) -> usize {
        self.deliveries.requests.len() + self.refusals.requests.len()
    }

    /// Returns the number of the last request that was cleared away.
    pub(super) fn cleared(&self) -> u64 {
        self.cleared
    }

    /// Returns the number of the last request.
    pub(super) fn last(&self) -> u64 {
        self.last
    }
}

/// What is kept of the requests, and the number of the last one, for which the page waits.
pub(super) struct History {
    kept: Mutex<Kept>,
    latest: watch::Sender<u64>,
}

impl History {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::new(Kept::new()), latest: watch::Sender::new(0) }
    }

    /// Returns what is kept. A panic elsewhere does not make it unusable.
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request, and wakes the pages that wait.
    pub(super) fn push(&self, request: Arc<SeenRequest>) {
        let number = request.number;
        self.kept().push(request);
        self.latest.send_replace(number);
    }

    /// Returns once there is a request after a number.
    pub(super) async fn wait_for_more(&self, number: u64) {
        let mut latest = self.latest.subscribe();
        let _closed = latest.wait_for(|latest| *latest > number).await;
    }
}

#[cfg(test)]
mod tests;
