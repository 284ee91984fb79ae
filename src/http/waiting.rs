//! Who waits for a peer: connections for the head of a request or for the end, deliveries for the rest of their body. At a limit they make
//! room for a newcomer, so that peers who send little or nothing keep nobody out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// A body that has been waited for no longer than this is left alone. The providers' bodies are a few segments, sent at once: only a
/// slow link needs as long, and who loses a delivery to it is told to come back.
const PATIENCE: Duration = Duration::from_millis(500);

/// A connection whose first request has been waited for no longer than this gives way last. Its first byte takes a round trip, over TLS three or four:
/// where newcomers made room for one another, none of them would ever get to ask.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// The most connections at once that wait for the end of what is thrown away. One more takes the place of the one that does so for longest.
const LINGERING_MAX: usize = 256;

/// Everybody who waits for a peer, on one port.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Queues>);

#[derive(Default)]
struct Queues {
    last: u64,
    /// The last answer is out, and what still comes is thrown away.
    lingering: Queue,
    /// Connections that have not brought a request yet.
    fresh: Queue,
    /// Connections between two requests, none of which has ever proven its sender: a stranger's.
    unproven: Queue,
    /// Connections between two requests that have brought a proven delivery: a provider's, or a proxy's.
    idle: Queue,
    /// By endpoint, so that finding the longest at one of them does not mean looking through all.
    bodies: HashMap<Arc<str>, Queue>,
}

/// In the order in which they began to wait.
type Queue = BTreeMap<Ticket, Waiter>;

/// A place in a queue; 0 is nobody's.
pub(super) type Ticket = u64;

struct Waiter {
    since: Instant,
    dismissal: Arc<Notify>,
}

/// What is waited for.
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
    /// That the peer ends a connection which is closed on this side.
    End,
}

/// Who may have to make room.
#[derive(Clone, Copy)]
pub(super) enum Among<'a> {
    /// Whoever waits for a request or a body. First come connections that have had time enough for their first request, then slow bodies, then
    /// idle connections of strangers. Last come those that are new and those that have brought proven deliveries, whichever are more.
    Served,
    /// Those that wait for a body.
    Bodies,
    /// Those that wait for a body sent to one endpoint.
    BodiesOf(&'a str),
}

impl Waiting {
    /// Tells the first one among these to end; `false` where there is none. Of those that wait for the same it is the one that has waited
    /// longest.
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

    /// Tells the connection that has lingered longest to end. Returns how many lingered before.
    pub(super) fn dismiss_lingering(&self) -> usize {
        let lingering = &mut self.queues().lingering;
        let before = lingering.len();
        end(lingering.pop_first());
        before
    }

    /// Waits from now on, until [`Waiting::leave`].
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

    /// Does not wait any more, dismissed or not.
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

    /// Waits for a body to an endpoint, for as long as this future is polled. It ends when the delivery has to make room.
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
    /// The connection whose first request has been waited for longest, if it is for long enough.
    fn overdue(&mut self) -> Option<(Ticket, Waiter)> {
        let longest = self.fresh.first_entry()?;
        (longest.get().since.elapsed() > FIRST_PATIENCE).then(|| longest.remove_entry())
    }

    /// Of new connections and of those with proven deliveries one of those that are more. So a flood of new ones makes room by itself, and a pool
    /// that fills the port makes room for new ones.
    fn new_or_proven(&mut self) -> Option<(Ticket, Waiter)> {
        if self.fresh.len() >= self.idle.len() { self.fresh.pop_first() } else { self.idle.pop_first() }
    }

    /// The body that has been waited for longest at endpoints of these names, if it is for long enough.
    fn slowest_body(&mut self, named: impl Fn(&str) -> bool) -> Option<(Ticket, Waiter)> {
        let slow = self.bodies.iter_mut().filter(|(name, _)| named(name)).map(|(_, queue)| queue).filter(|queue| {
            let longest = queue.first_key_value();
            longest.is_some_and(|(_, waiter)| waiter.since.elapsed() > PATIENCE)
        });
        slow.min_by_key(|queue| queue.first_key_value().map(|(ticket, _)| *ticket)).and_then(BTreeMap::pop_first)
    }
}

/// Tells one that was taken out of its queue to end; `false` where there is none.
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
