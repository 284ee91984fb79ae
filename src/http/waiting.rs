//! Connections and deliveries that wait for a peer: connections for the head of a request or for the peer's close, deliveries for the rest
//! of their body. At a limit they make room for a new one, so that peers that send little or nothing keep nobody out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// A delivery is never evicted before it has waited this long for its body. The providers' bodies are a few segments that are sent at once:
/// only a slow link needs this long, and a sender that loses a delivery to it is asked to come back.
const PATIENCE: Duration = Duration::from_millis(500);

/// A new connection is among the last to be evicted before it has waited this long for its first request. The first byte takes a round
/// trip, over TLS three or four: if new connections made room for one another, none of them could ever send a request.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// The most connections that linger at once. One more takes the place of the one that has lingered longest.
const LINGERING_MAX: usize = 256;

/// All connections and deliveries of one port that wait for a peer.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Queues>);

#[derive(Default)]
struct Queues {
    last: u64,
    /// Connections whose last answer is out; what still comes is thrown away.
    lingering: Queue,
    /// Connections that have not brought a request yet.
    fresh: Queue,
    /// Connections between two requests, none of which has ever proven its sender: a stranger's.
    unproven: Queue,
    /// Connections between two requests that have brought a proven delivery: a provider's, or a proxy's.
    idle: Queue,
    /// Deliveries that wait for their body, by endpoint, so that the one of an endpoint that has waited longest is found without looking
    /// through all.
    bodies: HashMap<Arc<str>, Queue>,
}

/// Waiters in the order in which they began to wait.
type Queue = BTreeMap<Ticket, Waiter>;

/// A place in a queue; no waiter has the ticket 0.
pub(super) type Ticket = u64;

struct Waiter {
    since: Instant,
    dismissal: Arc<Notify>,
}

/// What a connection or a delivery waits for.
#[derive(Clone, Copy)]
pub(super) enum For<'a> {
    /// The first request of a connection.
    FirstRequest,
    /// Another request of a connection, none of which has proven its sender yet.
    NextRequest,
    /// Another request of a connection that has brought a proven delivery.
    NextDelivery,
    /// The rest of a body sent to an endpoint.
    Body(&'a Arc<str>),
    /// The peer's close of a connection that is closed on this side.
    End,
}

/// The waiters that may have to make room.
#[derive(Clone, Copy)]
pub(super) enum Among<'a> {
    /// Those that wait for a request or a body. First come connections that have had enough time for their first request, then slow bodies,
    /// then idle connections of strangers. Last come new connections or those that have brought proven deliveries, whichever are more.
    Served,
    /// Those that wait for a body.
    Bodies,
    /// Those that wait for a body sent to one endpoint.
    BodiesOf(&'a str),
}

impl Waiting {
    /// Dismisses the first waiter among these, which then ends. Returns `false` if there is none. Of those that wait for the same thing,
    /// the one that has waited longest is the first.
    pub(super) fn dismiss(&self, among: Among<'_>) -> bool {
        let mut queues = self.queues();
        let first = match among {
            Among::Served => queues
                .overdue()
                .or_else(|| queues.slowest_body(|_| true))
                .or_else(|| queues.unproven.pop_first())
                .or_else(|| queues.new_or_proven()),
            Among::Bodies => queues.slowest_body(|_| true),
            Among::BodiesOf(endpoint) => queues.slowest_body(|name| name == endpoint),
        };
        end(first)
    }

    /// Dismisses the connection that has lingered longest. Returns how many lingered before.
    pub(super) fn dismiss_lingering(&self) -> usize {
        let lingering = &mut self.queues().lingering;
        let before = lingering.len();
        end(lingering.pop_first());
        before
    }

    /// Begins to wait, until [`Waiting::leave`]. `dismissal` is notified when the waiter must make room.
    pub(super) fn join(&self, what: For<'_>, dismissal: &Arc<Notify>) -> Ticket {
        let mut queues = self.queues();
        queues.last += 1;
        let ticket = queues.last;
        if matches!(what, For::End) && queues.lingering.len() >= LINGERING_MAX {
            end(queues.lingering.pop_first());
        }
        let waiter = Waiter { since: Instant::now(), dismissal: Arc::clone(dismissal) };
        let queue = match what {
            For::FirstRequest => &mut queues.fresh,
            For::NextRequest => &mut queues.unproven,
            For::NextDelivery => &mut queues.idle,
            For::Body(endpoint) => queues.bodies.entry(Arc::clone(endpoint)).or_default(),
            For::End => &mut queues.lingering,
        };
        queue.insert(ticket, waiter);
        ticket
    }

    /// Ends a wait. It may have been dismissed already.
    pub(super) fn leave(&self, what: For<'_>, ticket: Ticket) {
        let mut queues = self.queues();
        match what {
            For::FirstRequest => queues.fresh.remove(&ticket),
            For::NextRequest => queues.unproven.remove(&ticket),
            For::NextDelivery => queues.idle.remove(&ticket),
            For::Body(endpoint) => queues.bodies.get_mut(endpoint).and_then(|queue| queue.remove(&ticket)),
            For::End => queues.lingering.remove(&ticket),
        };
    }

    /// Waits for a body to an endpoint, for as long as this future is polled. Returns when the delivery must make room.
    pub(super) async fn body(&self, endpoint: &Arc<str>) {
        let (what, dismissal) = (For::Body(endpoint), Arc::default());
        let _guard = LeaveGuard { waiting: self, what, ticket: self.join(what, &dismissal) };
        dismissal.notified().await;
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    /// Takes out the connection that has waited longest for its first request, if that is longer than [`FIRST_PATIENCE`].
    fn overdue(&mut self) -> Option<(Ticket, Waiter)> {
        let longest = self.fresh.first_entry()?;
        (longest.get().since.elapsed() > FIRST_PATIENCE).then(|| longest.remove_entry())
    }

    /// Takes out a new connection or one with proven deliveries, whichever are more. So a flood of new connections makes room by itself,
    /// and a pool that fills the port makes room for new ones.
    fn new_or_proven(&mut self) -> Option<(Ticket, Waiter)> {
        if self.fresh.len() >= self.idle.len() { self.fresh.pop_first() } else { self.idle.pop_first() }
    }

    /// Takes out the delivery that has waited longest for its body at endpoints of these names, if that is longer than [`PATIENCE`].
    fn slowest_body(&mut self, named: impl Fn(&str) -> bool) -> Option<(Ticket, Waiter)> {
        let slow = self.bodies.iter_mut().filter(|(name, _)| named(name)).map(|(_, queue)| queue).filter(|queue| {
            let longest = queue.first_key_value();
            longest.is_some_and(|(_, waiter)| waiter.since.elapsed() > PATIENCE)
        });
        slow.min_by_key(|queue| queue.first_key_value().map(|(ticket, _)| *ticket)).and_then(BTreeMap::pop_first)
    }
}

/// Dismisses a waiter that was taken out of its queue. Returns `false` if there is none.
fn end(first: Option<(Ticket, Waiter)>) -> bool {
    first.inspect(|(_, waiter)| waiter.dismissal.notify_one()).is_some()
}

/// Takes a waiter out of its queue when it is dropped.
struct LeaveGuard<'a> {
    waiting: &'a Waiting,
    what: For<'a>,
    ticket: Ticket,
}

impl Drop for LeaveGuard<'_> {
    fn drop(&mut self) {
        self.waiting.leave(self.what, self.ticket);
    }
}
