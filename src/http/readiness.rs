//! Whether the daemon can store a delivery.

use std::sync::Arc;

use super::{Phase, PhaseCell};
use crate::{encode::Framing, kafka::Publisher};

/// What readiness is read off. Clones share it.
#[derive(Clone)]
pub struct Readiness {
    /// Where in its life the daemon is.
    pub phase: Arc<PhaseCell>,
    /// The way to Kafka.
    pub publisher: Publisher,
    /// The schema ids of the topics.
    pub framing: Framing,
}

impl Readiness {
    /// Why the daemon is not ready, if it is not. An outage of Kafka later on does not make it unready: an answer of 503 with
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
