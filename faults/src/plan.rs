//! What a scenario is, without what it does: how it is staged, and what its senders may see.

use std::time::Duration;

use crate::{daemon::Settings, delivery::Provider};

/// A scenario without its function.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    /// What stands between the senders, the daemon and the brokers.
    pub(crate) setup: Setup,
    /// What the senders may see beside 200.
    pub(crate) allowed: Allowed,
    /// Whether a broker fails or the way to one, so that librdkafka sends anew what was in doubt.
    pub(crate) resends: bool,
    /// Deliveries a second, retries not counted.
    pub(crate) rate: u32,
    /// What the daemon is configured with beside its brokers, topics and endpoints.
    pub(crate) settings: Settings,
    /// Whether it is one of the short set.
    pub(crate) short: bool,
    /// How long Kafka itself may take. Beyond, a run that shows only what follows from it proves nothing.
    pub(crate) kafka_max: Duration,
}

impl Plan {
    /// Whether nothing of Kafka's is broken, nor the way to it, nor the daemon overloaded.
    pub(crate) fn spares_kafka(&self) -> bool {
        matches!(self.allowed, Allowed::Only200 | Allowed::Silence | Allowed::UnauthorizedOf(_))
    }
}

/// What stands between the senders, the daemon and the brokers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Nothing.
    Direct,
    /// A proxy before each broker.
    Proxied,
    /// A balancer before two daemons.
    Balanced,
    /// nginx before two daemons.
    Nginx,
    /// The brokers ask for a user, and allow that only what it was granted.
    Secured,
    /// Nothing, but one topic lies on the third broker alone, and the others on the first two.
    Apart,
}

/// What senders may see while something is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Nothing but 200.
    Only200,
    /// 503 with `Retry-After`.
    Refusals,
    /// The same, but only for the deliveries of one provider.
    RefusalsOf(Provider),
    /// 401, but only for the deliveries of one provider.
    UnauthorizedOf(Provider),
    /// 503 with `Retry-After`, or no answer: the daemon itself is away for a while.
    Silence,
}

/// The provider whose topic or endpoint is touched where only one is.
pub(crate) const VICTIM: Provider = Provider::Uploadcare;
