//! Whose peer is waited for: connections for the head of a request, deliveries for the rest of their body. At a limit whoever has waited
//! longest makes room for a newcomer, so that peers who send little or nothing keep nobody out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// A body that has been waited for no longer than this is left alone. The providers' bodies are a few segments, sent at once: only a
/// slow link needs as long, and who loses a delivery to it is told to come back.
const PATIENCE: Duration = Duration::from_millis(500);

/// Everybody who waits for a peer, on one port.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Queues>);

#[derive(Default)]
struct Queues {
    last: u64,
    heads: Queue,
    /// By endpoint, so that finding the longest at one of them does not mean looking through all.
    bodies: HashMap<Arc<str>, Queue>,
}

/// In the order in which they began to wait.
type Queue = BTreeMap<u64, Waiter>;

struct Waiter {
    since: Instant,
    dismissal: Arc<Notify>,
}

/// Who may have to make room.
#[derive(Clone, Copy)]
pub(super) enum Among<'a> {
    /// Whoever waits for a head or a body.
    All,
    /// Those that wait for a body.
    Bodies,
    /// Those that wait for a body sent to one endpoint.
    BodiesOf(&'a str),
}

impl Waiting {
    /// Tells the one among these that has waited longest to end; `false` where none has waited long enough.
    pub(super) fn dismiss(&self, among: Among<'_>) -> bool {
        let mut queues = self.queues();
        let Queues { heads, bodies, .. } = &mut *queues;
        let heads = matches!(among, Among::All).then_some(heads);
        let bodies = bodies.iter_mut().filter(|(name, _)| match among {
            Among::All | Among::Bodies => true,
            Among::BodiesOf(endpoint) => &***name == endpoint,
        });
        let slow = bodies.map(|(_, queue)| queue).filter(|queue| {
            let longest = queue.first_key_value();
            longest.is_some_and(|(_, waiter)| waiter.since.elapsed() > PATIENCE)
        });
        let first = |queue: &&mut Queue| queue.first_key_value().map(|(turn, _)| *turn);
        let longest = slow.chain(heads).filter(|queue| !queue.is_empty()).min_by_key(first).and_then(BTreeMap::pop_first);
        longest.inspect(|(_, waiter)| waiter.dismissal.notify_one()).is_some()
    }

    /// Waits for a head from now on, until [`Waiting::leave`].
    pub(super) fn head(&self, dismissal: &Arc<Notify>) -> Turn {
        self.join(None, dismissal)
    }

    /// Waits for a body to an endpoint, for as long as this future is polled. It ends when the delivery has to make room.
    pub(super) async fn body(&self, endpoint: &Arc<str>) {
        let dismissal = Arc::default();
        let turn = self.join(Some(endpoint), &dismissal);
        let _leaves = Leaves(self, Some(endpoint), turn);
        dismissal.notified().await;
    }

    /// The head has come.
    pub(super) fn leave(&self, turn: Turn) {
        drop(Leaves(self, None, turn));
    }

    fn join(&self, endpoint: Option<&Arc<str>>, dismissal: &Arc<Notify>) -> Turn {
        let mut queues = self.queues();
        queues.last += 1;
        let turn = queues.last;
        let waiter = Waiter { since: Instant::now(), dismissal: Arc::clone(dismissal) };
        let queue = match endpoint {
            None => &mut queues.heads,
            Some(endpoint) => queues.bodies.entry(Arc::clone(endpoint)).or_default(),
        };
        queue.insert(turn, waiter);
        turn
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the order; 0 is nobody's.
pub(super) type Turn = u64;

/// Takes a waiter out at its end, dismissed or not.
struct Leaves<'a>(&'a Waiting, Option<&'a Arc<str>>, Turn);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        let Self(waiting, endpoint, turn) = self;
        let mut queues = waiting.queues();
        match endpoint {
            None => queues.heads.remove(turn),
            Some(endpoint) => queues.bodies.get_mut(*endpoint).and_then(|queue| queue.remove(turn)),
        };
    }
}
