//! Everything that handling a request to the webhook port needs.

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use super::{Endpoints, InFlight, Lines, Phase, PhaseCell, Readiness, Refusals, ServerTls, Watch, delay::Delay};
use crate::{clock::Clock, config::Http, encode::Encoding, kafka::Publisher, metrics::Metrics, spans::Spans};

/// Everything that handling a request needs, shared by all connections of the webhook port.
pub struct Webhooks {
    /// The configured endpoints.
    pub endpoints: Arc<Endpoints>,
    /// The limits and deadlines of `[http]`.
    pub limits: Http,
    /// How events become records: topics, sizes and schema ids.
    pub encoding: Encoding,
    /// How long to wait for Kafka's acknowledgement.
    pub publish_timeout: Duration,
    /// The publisher, which sends records to Kafka.
    pub publisher: Publisher,
    /// The metrics that requests are counted in.
    pub metrics: Arc<Metrics>,
    /// The spans, if tracing is configured.
    pub spans: Option<Spans>,
    /// What deliveries hold in memory, and may hold.
    pub in_flight: Arc<InFlight>,
    /// TLS on the webhook port, if it is configured.
    pub tls: Option<ServerTls>,
    /// How many requests of each address may be refused.
    pub refusals: Refusals,
    /// How late the event loop is, and what follows from it.
    pub delay: Arc<Delay>,
    /// The phase of the daemon.
    pub phase: Arc<PhaseCell>,
    /// The clock that returns the time of day.
    pub clock: Clock,
    /// One stored delivery in this many is logged; 0 logs none.
    pub success_sample: u32,
    /// The stored deliveries so far.
    pub successes: AtomicU32,
    /// The rate of log lines about refusals.
    pub refused_lines: Lines,
    /// What watches the requests. Only `hookgate dev` has it.
    pub watch: Option<Watch>,
}

impl Webhooks {
    /// Returns what readiness depends on, for callers that need nothing else.
    pub fn readiness(&self) -> Readiness {
        let (phase, framing) = (Arc::clone(&self.phase), self.encoding.framing.clone());
        Readiness { phase, publisher: self.publisher.clone(), framing }
    }

    /// Returns whether new deliveries are refused, because the daemon is about to end.
    pub(super) fn draining(&self) -> bool {
        self.phase.get() == Phase::Draining
    }
}
