//! The open connections of a port: how many there are, and which of them wait for a request.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    inbound::Allowance,
    waiting::{Among, Turn, Waiting},
};
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
        let state = State { turn: 0, requests: 0, since: Instant::now() };
        (Connection { all: Arc::clone(self), state: Mutex::new(state), dismissal: Arc::default(), finish: Notify::new() }, before)
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

/// One open connection. It waits while none of its requests is in work: with HTTP/1.1 there is one at a time, with HTTP/2 there are many.
pub(super) struct Connection {
    all: Arc<Connections>,
    state: Mutex<State>,
    dismissal: Arc<Notify>,
    finish: Notify,
}

struct State {
    /// Its place among those that wait; 0 while it does not.
    turn: Turn,
    /// How many of its requests are in work.
    requests: usize,
    /// Since when there have been none.
    since: Instant,
}

impl Connection {
    /// It waits for a request from now on.
    pub(super) fn wait(&self) {
        self.state().turn = self.all.waiting.head(&self.dismissal);
    }

    /// A request has come. It is in work until what this returns is dropped, be it answered or given up.
    pub(super) fn begin(self: &Arc<Self>, allowance: Option<Arc<Allowance>>) -> Working {
        if let Some(allowance) = &allowance {
            allowance.begin();
        }
        let mut state = self.state();
        state.requests += 1;
        self.all.waiting.leave(std::mem::take(&mut state.turn));
        Working { connection: Arc::clone(self), allowance }
    }

    /// Ends when the connection has to make room.
    pub(super) async fn dismissed(&self) {
        self.dismissal.notified().await;
    }

    /// No more requests shall come on this connection.
    pub(super) fn finish(&self) {
        self.finish.notify_one();
    }

    /// Ends when no more requests shall come.
    pub(super) async fn finishing(&self) {
        self.finish.notified().await;
    }

    /// Ends when no request has been in work for that long, counted from `from` at the earliest.
    pub(super) async fn idle(&self, patience: Duration, from: Instant) {
        loop {
            let since = {
                let state = self.state();
                if state.requests > 0 { Instant::now() } else { state.since.max(from) }
            };
            if since.elapsed() >= patience {
                return;
            }
            tokio::time::sleep_until((since + patience).into()).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.waiting.leave(self.state().turn);
        self.all.open.fetch_sub(1, Ordering::Relaxed);
        self.all.publish();
    }
}

/// A request that is in work.
pub(super) struct Working {
    connection: Arc<Connection>,
    allowance: Option<Arc<Allowance>>,
}

impl Drop for Working {
    fn drop(&mut self) {
        let last = {
            let mut state = self.connection.state();
            state.requests -= 1;
            state.since = Instant::now();
            state.requests == 0
        };
        if last {
            if let Some(allowance) = &self.allowance {
                allowance.rest();
            }
            self.connection.wait();
        }
    }
}
