//! The open connections of a port: how many there are, and which of them wait for a request.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use super::waiting::{Among, Waiting};
use crate::metrics::Metrics;

/// The open connections of a port.
pub(super) struct Connections {
    open: AtomicUsize,
    waiting: Arc<Waiting>,
    metrics: Option<Arc<Metrics>>,
}

impl Connections {
    /// None yet. With metrics their number is told.
    pub(super) fn new(waiting: Arc<Waiting>, metrics: Option<Arc<Metrics>>) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), waiting, metrics })
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

    /// Ends the connection whose peer has been waited for the longest, one that is sending a body included; `false` where there is none.
    pub(super) fn dismiss_one(&self) -> bool {
        self.waiting.dismiss(Among::All)
    }

    fn publish(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.connections(self.count());
        }
    }
}

/// One open connection. It waits while no request of it is in work.
pub(super) struct Connection {
    all: Arc<Connections>,
    /// Its place among those that wait; 0 while it does not.
    turn: AtomicU64,
    dismissal: Arc<Notify>,
}

impl Connection {
    /// It waits for a request from now on.
    pub(super) fn wait(&self) {
        self.turn.store(self.all.waiting.head(&self.dismissal), Ordering::Relaxed);
    }

    /// A request has come. It is in work until what this returns is dropped, be it answered or given up.
    pub(super) fn begin(self: &Arc<Self>) -> Working {
        self.all.waiting.leave(self.turn.swap(0, Ordering::Relaxed));
        Working(Arc::clone(self))
    }

    /// Ends when the connection has to make room.
    pub(super) async fn dismissed(&self) {
        self.dismissal.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.waiting.leave(self.turn.load(Ordering::Relaxed));
        self.all.open.fetch_sub(1, Ordering::Relaxed);
        self.all.publish();
    }
}

/// A request that is in work.
pub(super) struct Working(Arc<Connection>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.wait();
    }
}
