//! Whether the daemon can store a delivery.

use std::sync::Arc;

use super::{Phase, PhaseCell};
use crate::{encode::Framing, kafka::Publisher};

/// Everything that readiness depends on. Clones share it.
#[derive(Clone)]
pub struct Readiness {
    /// The phase of the daemon.
    pub phase: Arc<PhaseCell>,
    /// The publisher, which knows whether Kafka has been reached.
    pub publisher: Publisher,
    /// The framing of records, which knows the schema ids that are missing.
    pub framing: Framing,
}

impl Readiness {
    /// Returns why the daemon is not ready, or `None` if it is. A later outage of Kafka does not make it unready: an answer of 503 with
    /// `Retry-After` serves a sender better than no address to send to.
    pub fn unready(&self) -> Option<&'static str> {
        if self.phase.get() != Phase::Serving {
            Some("shutting down")
        } else if !self.publisher.reached() {
            Some("kafka has not been reached yet")
        } else if !self.framing.missing().is_empty() {
            Some("the schema registry has not given every schema id yet")
        } else {
            None
        }
    }
}
