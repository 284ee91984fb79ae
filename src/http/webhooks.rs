//! What every request to the webhook port is handled with.

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use super::{Endpoints, InFlight, Lines, Phase, PhaseCell, Readiness, Refusals, ServerTls, delay::Delay};
use crate::{clock::Clock, config::Http, encode::Encoding, kafka::Publisher, metrics::Metrics, spans::Spans};

/// What every request is handled with.
pub struct Webhooks {
    /// The configured endpoints.
    pub endpoints: Arc<Endpoints>,
    /// Limits and times.
    pub limits: Http,
    /// Topics and sizes.
    pub encoding: Encoding,
    /// How long an acknowledgement is waited for.
    pub publish_timeout: Duration,
    /// The way to Kafka.
    pub publisher: Publisher,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Spans, where they are configured.
    pub spans: Option<Spans>,
    /// What is held in memory.
    pub in_flight: Arc<InFlight>,
    /// TLS on the webhook port, where it is configured.
    pub tls: Option<ServerTls>,
    /// What each address may have refused.
    pub refusals: Refusals,
    /// How late the event loop is.
    pub delay: Arc<Delay>,
    /// Where in its life the daemon is.
    pub phase: Arc<PhaseCell>,
    /// The time of day.
    pub clock: Clock,
    /// One line per this many successes; 0 is none.
    pub success_sample: u32,
    /// Successes so far.
    pub successes: AtomicU32,
    /// The log lines of refusals.
    pub refused_lines: Lines,
}

impl Webhooks {
    /// What readiness is read off, for those who need nothing else.
    pub fn readiness(&self) -> Readiness {
        let (phase, framing) = (Arc::clone(&self.phase), self.encoding.framing.clone());
        Readiness { phase, publisher: self.publisher.clone(), framing }
    }

    /// Whether a delivery that begins now is refused, because the daemon is about to end.
    pub(super) fn draining(&self) -> bool {
        self.phase.get() == Phase::Draining
    }
}
