//! The open connections of a port: how many there are, which of them wait for their peer, and which must make room for a new one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::waiting::{Among, For, Ticket, Waiting};
use crate::metrics::Metrics;

/// This many connections beyond the limit get an answer that says that there is no room. More are closed without an answer.
const TURNED_AWAY_MAX: usize = 256;

/// The open connections of a port.
pub(super) struct Connections {
    open: watch::Sender<usize>,
    waiting: Arc<Waiting>,
    metrics: Option<Arc<Metrics>>,
}

/// What happens to a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// The connection is served.
    Served,
    /// The connection gets an answer that says that there is no room.
    TurnedAway,
    /// The connection is closed at once, without an answer.
    Unheard,
}

impl Connections {
    /// Returns a count of no connections, which goes to `open`. With `metrics` the number is published.
    pub(super) fn new(open: watch::Sender<usize>, waiting: Arc<Waiting>, metrics: Option<Arc<Metrics>>) -> Arc<Self> {
        Arc::new(Self { open, waiting, metrics })
    }

    /// Counts one more connection until it is dropped, and decides what happens to it where `max` connections may be served.
    pub(super) fn open(self: &Arc<Self>, max: usize) -> (Connection, Room) {
        let before = self.count();
        self.change(|open| *open += 1);
        let state =
            ConnectionState { stage: Stage::Silent(Instant::now()), ticket: 0, asked: false, proven: false, closing: false };
        let connection = Connection { all: Arc::clone(self), state: Mutex::new(state), dismissal: Arc::default() };
        (connection, self.room(before, max))
    }

    /// Decides what happens to a connection that found `before` others open. At the limit, another connection must make room.
    fn room(&self, before: usize, max: usize) -> Room {
        if before < max {
            return Room::Served;
        }
        // Lingering connections go first, because their answer is out. Some of them may be beyond the limit, so the end of one does not
        // always free a place among the served ones.
        let lingering = self.waiting.dismiss_lingering();
        if before < max + lingering || self.waiting.dismiss(Among::Served) {
            Room::Served
        } else if lingering > 0 || before < max + TURNED_AWAY_MAX {
            Room::TurnedAway
        } else {
            Room::Unheard
        }
    }

    /// Returns the number of open connections.
    pub(super) fn count(&self) -> usize {
        *self.open.borrow()
    }

    fn change(&self, change: impl FnOnce(&mut usize)) {
        self.open.send_modify(change);
        if let Some(metrics) = &self.metrics {
            metrics.connections(self.count());
        }
    }
}

/// One open connection. It waits for its peer while it has no request in work.
pub(super) struct Connection {
    all: Arc<Connections>,
    /// Only the connection's own task takes this lock, so no task waits for another.
    state: Mutex<ConnectionState>,
    dismissal: Arc<Notify>,
}

/// What a connection is doing, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// No byte of the next request has come, since this time.
    Silent(Instant),
    /// The head of a request has begun to come, at this time.
    Head(Instant),
    /// A request is in work, so nobody waits for the peer.
    Working,
}

struct ConnectionState {
    stage: Stage,
    /// The connection's place among those that wait; 0 while it does not wait.
    ticket: Ticket,
    /// Whether a request has ever come on the connection.
    asked: bool,
    /// Whether a request on the connection has proven its sender.
    proven: bool,
    /// Whether an answer has announced the end of the connection.
    closing: bool,
}

impl ConnectionState {
    /// Returns what kind of request the connection waits for.
    fn request(&self) -> For<'static> {
        match (self.asked, self.proven) {
            (false, _) => For::FirstRequest,
            (true, false) => For::NextRequest,
            (true, true) => For::NextDelivery,
        }
    }
}

impl Connection {
    /// Begins to wait for a request.
    pub(super) fn wait(&self) {
        let mut state = self.state();
        state.stage = Stage::Silent(Instant::now());
        state.ticket = self.all.waiting.join(state.request(), &self.dismissal);
    }

    /// Notes that bytes have come. Bytes that come while a request is in work belong to that request: if they are the first bytes of
    /// another head, the connection counts as silent until more of it comes.
    pub(super) fn heard(&self) {
        let mut state = self.state();
        if let Stage::Silent(_) = state.stage {
            state.stage = Stage::Head(Instant::now());
        }
    }

    /// Notes that a request has come. It is in work until the returned guard is dropped, with or without an answer.
    pub(super) fn begin(self: &Arc<Self>) -> RequestGuard {
        self.leave();
        let mut state = self.state();
        (state.stage, state.asked) = (Stage::Working, true);
        RequestGuard(Arc::clone(self))
    }

    /// Returns what the connection is doing.
    pub(super) fn stage(&self) -> Stage {
        self.state().stage
    }

    /// Notes that the request in work has proven its sender.
    pub(super) fn prove(&self) {
        self.state().proven = true;
    }

    /// Notes that an answer has announced the end of the connection.
    pub(super) fn close(&self) {
        self.state().closing = true;
    }

    /// Returns whether an answer has announced the end of the connection.
    pub(super) fn closing(&self) -> bool {
        self.state().closing
    }

    /// Lets the connection linger until the returned guard is dropped: its last answer is out, and it only waits for the peer to close.
    pub(super) fn linger(&self) -> LingerGuard<'_> {
        self.leave();
        LingerGuard(self, self.all.waiting.join(For::End, &self.dismissal))
    }

    /// Waits until the connection must make room.
    pub(super) async fn dismissed(&self) {
        self.dismissal.notified().await;
    }

    fn leave(&self) {
        let mut state = self.state();
        self.all.waiting.leave(state.request(), std::mem::take(&mut state.ticket));
    }

    /// Returns whether a request has ever come on the connection.
    pub(super) fn has_asked(&self) -> bool {
        self.state().asked
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.leave();
        self.all.change(|open| *open -= 1);
    }
}

/// Guard of a request in work; dropping it lets the connection wait for the next request.
pub(super) struct RequestGuard(Arc<Connection>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.wait();
    }
}

/// Guard of a connection that only waits for its peer to close.
pub(super) struct LingerGuard<'a>(&'a Connection, Ticket);

impl Drop for LingerGuard<'_> {
    fn drop(&mut self) {
        self.0.all.waiting.leave(For::End, self.1);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    /// Connections of each kind, a newcomer, and what it gets.
    #[test]
    fn what_room_there_is() {
        fn check(what: &str, (busy, fresh, idle, lingering): (usize, usize, usize, usize), room: Room) {
            let all = Connections::new(watch::Sender::default(), Arc::default(), None);
            let open = |count: usize| (0..count).map(|_| Arc::new(all.open(usize::MAX).0)).collect::<Vec<_>>();
            let (busy, fresh, idle, ended) = (open(busy), open(fresh), open(idle), open(lingering));
            let working: Vec<_> = busy.iter().chain(&idle).map(Connection::begin).collect();
            for connection in &fresh {
                connection.wait();
            }
            let _busy: Vec<_> = working.into_iter().take(busy.len()).collect();
            let _lingering: Vec<_> = ended.iter().map(|connection| connection.linger()).collect();
            assert_eq!(all.open(2).1, room, "{what}");
        }
        check("nobody", (0, 0, 0, 0), Room::Served);
        check("one beside it", (1, 0, 0, 0), Room::Served);
        check("all busy", (2, 0, 0, 0), Room::TurnedAway);
        check("a silent one", (1, 1, 0, 0), Room::Served);
        check("an idle one", (1, 0, 1, 0), Room::Served);
        check("one lingers among those at the limit", (1, 0, 0, 1), Room::Served);
        check("some linger beyond the limit", (2, 0, 0, 200), Room::TurnedAway);
        check("some linger beyond the limit, and one is idle", (1, 0, 1, 200), Room::Served);
        check("many are being turned away", (2 + 255, 0, 0, 0), Room::TurnedAway);
        check("too many are being turned away", (2 + 256, 0, 0, 0), Room::Unheard);
        check("too many, and one lingers", (2 + 255, 0, 0, 1), Room::TurnedAway);
    }

    #[test]
    fn only_so_many_linger() {
        let all = Connections::new(watch::Sender::default(), Arc::default(), None);
        let connections: Vec<_> = (0..258).map(|_| all.open(usize::MAX).0).collect();
        let _lingering: Vec<_> = connections.iter().map(Connection::linger).collect();
        let dismissed: Vec<_> = connections.iter().map(|connection| pin!(connection.dismissal.notified()).enable()).collect();
        assert_eq!(dismissed, (0..258).map(|place| place < 2).collect::<Vec<_>>(), "those that did so for longest");
    }
}
