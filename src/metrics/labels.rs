//! The closed sets of label values.

use crate::{
    closed::{Closed, closed},
    error::Refusal,
};

/// The `endpoint` label of requests to an endpoint that is not configured. No configured endpoint can have this name.
pub const UNMATCHED: &str = "_unmatched";

closed! {
    /// What a certificate is used for.
    pub enum CertificateUse {
        /// The certificate is shown to senders.
        Inbound = "inbound",
        /// The certificate is shown to Kafka's brokers.
        KafkaClient = "kafka_client",
        /// The certificate is an authority that Kafka's brokers are verified with.
        KafkaAuthority = "kafka_authority",
    }
}

closed! {
    /// Why a connection failed or was refused, apart from its requests.
    pub enum ConnectionFault {
        /// The head of a request is larger than the limit.
        HeadersTooLarge = "headers_too_large",
        /// The head or the handshake did not end in time.
        HeaderTimeout = "header_timeout",
        /// The bytes that came are not HTTP/1.1.
        BadRequest = "bad_request",
        /// The connection broke.
        CutOff = "cut_off",
        /// There was no room for the connection, or it made room for another.
        Limit = "limit",
        /// The TLS handshake failed.
        Tls = "tls",
    }
}

closed! {
    /// How a wait for an acknowledgement ended.
    pub enum PublishResult {
        /// The acknowledgement came.
        Acknowledged = "acknowledged",
        /// Kafka or librdkafka reported an error.
        Refused = "refused",
        /// No acknowledgement came in time.
        TimedOut = "timed_out",
        /// The sender hung up.
        Cancelled = "cancelled",
    }
}

closed! {
    /// What is known of a topic's [`crate::kafka::guarantee::Guarantee`].
    pub enum GuaranteeLabel {
        /// The topic keeps what it acknowledges on as many replicas as the configuration wants.
        Kept = "kept",
        /// The topic keeps what it acknowledges on fewer replicas than that.
        Weak = "weak",
        /// The settings of the topic are not known.
        Unknown = "unknown",
    }
}

closed! {
    /// What a load balancer's health check is answered.
    pub enum HealthCheck {
        /// Deliveries can be stored.
        Ready = "ready",
        /// Deliveries cannot be stored.
        Unready = "unready",
    }
}

closed! {
    /// What becomes of a span.
    pub enum SpanResult {
        /// The collector has accepted the span.
        Exported = "exported",
        /// The collector has rejected the span, or could not be reached.
        Failed = "failed",
        /// Too many spans waited for the collector.
        Dropped = "dropped",
    }
}

closed! {
    /// Why a log line was not written.
    pub enum LineLoss {
        /// There were too many lines of the same kind.
        Rate = "rate",
        /// The reader of standard error was too slow.
        SlowReader = "slow_reader",
    }
}

/// The outcome of a request: three ways to be answered 200, a sender that hung up before the answer, and each refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The event is on the topic of its type.
    Published,
    /// The event is on the provider's topic for types that have no topic of their own.
    Unclassified,
    /// The event is on the quarantine topic.
    Quarantined,
    /// The sender hung up before the answer.
    Cancelled,
    /// The request was answered with an error.
    Refused(Refusal),
}

impl DeliveryOutcome {
    /// The outcomes that are not refusals.
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

    /// Series are found by the places of their labels, so these must be right.
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
