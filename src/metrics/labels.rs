//! The closed sets of label values.

use crate::{
    closed::{Closed, closed},
    error::Refusal,
};

/// The `endpoint` label of requests to an endpoint that is not configured. No endpoint can be called that.
pub const UNMATCHED: &str = "_unmatched";

closed! {
    /// What a certificate is used for.
    pub enum CertificateUse {
        /// Senders are shown it.
        Inbound = "inbound",
        /// Kafka's brokers are shown it.
        KafkaClient = "kafka_client",
        /// It vouches for Kafka's brokers.
        KafkaAuthority = "kafka_authority",
    }
}

closed! {
    /// Why a connection ends badly, or is not taken, without a request.
    pub enum ConnectionFault {
        /// The head is larger than it may be.
        HeadersTooLarge = "headers_too_large",
        /// The head or the handshake did not come to its end in time.
        HeaderTimeout = "header_timeout",
        /// What came is not HTTP/1.1.
        BadRequest = "bad_request",
        /// The connection broke.
        CutOff = "cut_off",
        /// There was no room for it, or it made room for another.
        Limit = "limit",
        /// The handshake failed.
        Tls = "tls",
    }
}

closed! {
    /// How the wait for an acknowledgement ends.
    pub enum PublishResult {
        /// With the acknowledgement.
        Acknowledged = "acknowledged",
        /// With an error of Kafka's.
        Refused = "refused",
        /// With the end of the time for it.
        TimedOut = "timed_out",
        /// With the sender hanging up.
        Cancelled = "cancelled",
    }
}

closed! {
    /// What is known of a topic's [`crate::kafka::guarantee::Guarantee`].
    pub enum GuaranteeLabel {
        /// It keeps what it acknowledges on as many replicas as is wanted.
        Kept = "kept",
        /// It does not.
        Weak = "weak",
        /// That is not known.
        Unknown = "unknown",
    }
}

closed! {
    /// What a load balancer that asks for the health is answered.
    pub enum HealthCheck {
        /// Deliveries can be stored.
        Ready = "ready",
        /// They cannot.
        Unready = "unready",
    }
}

closed! {
    /// What becomes of a span.
    pub enum SpanResult {
        /// The collector has taken it.
        Exported = "exported",
        /// It has not, or could not be reached.
        Failed = "failed",
        /// Too many waited for it.
        Dropped = "dropped",
    }
}

closed! {
    /// Why a log line was not written.
    pub enum LineLoss {
        /// There were too many of its kind.
        Rate = "rate",
        /// The reader of standard error was too slow.
        SlowReader = "slow_reader",
    }
}

/// What becomes of a request: three ways to be answered 200, a sender that hung up before the answer, and each refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The event is on the topic of its type.
    Published,
    /// It is on the topic of what has no type of its own.
    Unclassified,
    /// It is on the topic of what cannot be read.
    Quarantined,
    /// The sender did not wait for the answer.
    Cancelled,
    /// It was answered with an error.
    Refused(Refusal),
}

impl DeliveryOutcome {
    /// Those that are no refusals.
    const OTHERS: [Self; 4] = [Self::Published, Self::Unclassified, Self::Quarantined, Self::Cancelled];
}

impl Closed for DeliveryOutcome {
    fn all() -> impl Iterator<Item = Self> {
        Self::OTHERS.into_iter().chain(Refusal::all().map(Self::Refused))
    }

    fn place(self) -> usize {
        match self {
            Self::Published => 0,
            Self::Unclassified => 1,
            Self::Quarantined => 2,
            Self::Cancelled => 3,
            Self::Refused(refusal) => Self::OTHERS.len() + refusal.place(),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Unclassified => "unclassified",
            Self::Quarantined => "quarantined",
            Self::Cancelled => "cancelled",
            Self::Refused(refusal) => refusal.text(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series is found by the place of its label.
    #[test]
    fn each_label_has_its_place() {
        fn check<L: Closed>() {
            let texts: Vec<&str> = L::all().map(L::text).collect();
            assert!(L::all().enumerate().all(|(at, label)| label.place() == at), "{texts:?}");
            assert!(texts.iter().enumerate().all(|(at, text)| !texts[..at].contains(text)), "{texts:?} has one twice");
        }
        check::<DeliveryOutcome>();
        check::<Refusal>();
        check::<ConnectionFault>();
        check::<PublishResult>();
    }
}
