//! The open connections of a port: how many there are, and which of them wait for a request. At the limit the one that has waited longest makes
//! room for a newcomer, so that idle connections and heads that never end keep nobody out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::metrics::Metrics;

/// The open connections of a port.
pub(super) struct Connections {
    open: AtomicUsize,
    waiting: Mutex<Waiting>,
    metrics: Option<Arc<Metrics>>,
}

/// Those that wait for a request, in the order in which they began to.
#[derive(Default)]
struct Waiting {
    last: u64,
    by_turn: BTreeMap<u64, Arc<Notify>>,
}

impl Connections {
    /// None yet. With metrics their number is told.
    pub(super) fn new(metrics: Option<Arc<Metrics>>) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), waiting: Mutex::default(), metrics })
    }

    /// One more, and how many there were before. It counts for as long as it lives.
    pub(super) fn open(self: &Arc<Self>) -> (Connection, usize) {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        self.publish();
        (Connection { all: Arc::clone(self), turn: AtomicU64::new(0), dismissal: Arc::default() }, before)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Tells the connection that has waited longest to end; `false` where none waits.
    pub(super) fn dismiss_one(&self) -> bool {
        let longest = self.waiting().by_turn.pop_first();
        longest.inspect(|(_, dismissal)| dismissal.notify_one()).is_some()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.connections(self.count());
        }
    }
}

/// One open connection.
pub(super) struct Connection {
    all: Arc<Connections>,
    /// Its place among those that wait; 0 while it does not. Only its own task changes it.
    turn: AtomicU64,
    dismissal: Arc<Notify>,
}

impl Connection {
    /// It waits for a request from now on.
    pub(super) fn wait(&self) {
        let mut waiting = self.all.waiting();
        waiting.last += 1;
        let turn = waiting.last;
        waiting.by_turn.insert(turn, Arc::clone(&self.dismissal));
        self.turn.store(turn, Ordering::Relaxed);
    }

    /// A request has come.
    pub(super) fn work(&self) {
        let turn = self.turn.swap(0, Ordering::Relaxed);
        self.all.waiting().by_turn.remove(&turn);
    }

    /// Ends when the connection has to make room.
    pub(super) async fn dismissed(&self) {
        self.dismissal.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.work();
        self.all.open.fetch_sub(1, Ordering::Relaxed);
        self.all.publish();
    }
}
