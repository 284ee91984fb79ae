//! The plans of scenarios: how each is staged and what its senders may see, without the function that plays it.

use std::time::Duration;

use crate::{daemon::Settings, delivery::Provider};

/// A scenario without its function.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    /// What is between the senders, the daemon and the brokers.
    pub(crate) setup: Setup,
    /// What the senders may see in addition to 200.
    pub(crate) allowed: Allowed,
    /// Whether a broker or the way to one fails, so that librdkafka sends records in doubt again.
    pub(crate) resends: bool,
    /// Deliveries a second, retries not counted.
    pub(crate) rate: u32,
    /// The daemon's configuration in addition to its brokers, topics and endpoints.
    pub(crate) settings: Settings,
    /// Whether it belongs to the short set.
    pub(crate) short: bool,
    /// The longest time that Kafka itself may take. If it takes longer, and only that explains what went wrong, the run proves nothing.
    pub(crate) kafka_max: Duration,
}

impl Plan {
    /// Returns whether the scenario breaks neither Kafka nor the way to it, and does not overload the daemon.
    pub(crate) fn spares_kafka(&self) -> bool {
        matches!(self.allowed, Allowed::Only200 | Allowed::Silence | Allowed::UnauthorizedOf(_))
    }
}

/// What is between the senders, the daemon and the brokers.
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
    /// The brokers ask for a user and allow only what that user was granted.
    Secured,
    /// Nothing, but one topic is only on the third broker, and the others are on the first two.
    Apart,
}

/// What senders may see while something is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Only 200.
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

/// The provider whose topic or endpoint a scenario breaks if it breaks only one.
pub(crate) const VICTIM: Provider = Provider::Uploadcare;
