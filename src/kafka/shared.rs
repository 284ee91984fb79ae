//! The state that the webhooks' event loop and the supervisor share.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak, atomic::AtomicBool, mpsc},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use rdkafka::producer::Producer as _;

use super::{
    causes::Causes,
    client::Producer,
    context::{Contact, Context, Signal},
    topics::TopicStates,
    unacknowledged::Unacknowledged,
};
use crate::metrics::Metrics;

/// How often librdkafka is woken up while a record waits for longer than `socket_timeout`.
pub(super) const WAKE_EVERY: Duration = Duration::from_millis(100);

/// The state that the webhooks' thread and the supervisor share.
pub(super) struct Shared {
    /// The producer in use. The supervisor swaps it after a fatal error and after a change of credentials.
    pub(super) producer: ArcSwap<Producer>,
    /// Producers that were replaced because of new credentials, while they still hold records.
    pub(super) retired: Mutex<Vec<Weak<Producer>>>,
    pub(super) topics: TopicStates,
    pub(super) unacknowledged: Arc<Unacknowledged>,
    pub(super) signals: mpsc::SyncSender<Signal>,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) metrics: Arc<Metrics>,
    /// The last complaint of librdkafka about each broker.
    pub(super) causes: Causes,
    pub(super) contact: Arc<Contact>,
    /// How long a record waits before librdkafka is woken up.
    pub(super) wake_after: Duration,
    /// When librdkafka was last woken up.
    pub(super) woken: Mutex<Option<Instant>>,
}

impl Shared {
    pub(super) fn producer(&self) -> Arc<Producer> {
        self.producer.load_full()
    }

    pub(super) fn context(&self) -> Context {
        let (stopping, metrics) = (Arc::clone(&self.stopping), Arc::clone(&self.metrics));
        Context::new(self.signals.clone(), stopping, metrics, self.causes.clone(), Arc::clone(&self.contact))
    }

    /// Wakes up librdkafka's broker threads, at most once per [`WAKE_EVERY`], however many records wait. A flush with no time to wait does
    /// that, and never blocks.
    pub(super) fn wake(&self) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        if woken.is_none_or(|when| when.elapsed() >= WAKE_EVERY) {
            *woken = Some(Instant::now());
            let _not_empty = self.producer().flush(Duration::ZERO);
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        // A full inbox already holds enough to wake the supervisor, which then checks everything itself.
        let _full_or_gone = self.signals.try_send(signal);
    }
}
