//! The closed sets of label values, beside the errors' own.

/// What a certificate is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateUse {
    /// Senders are shown it.
    Inbound,
    /// Kafka's brokers are shown it.
    KafkaClient,
    /// It vouches for Kafka's brokers.
    KafkaAuthority,
}

impl CertificateUse {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::KafkaClient => "kafka_client",
            Self::KafkaAuthority => "kafka_authority",
        }
    }
}

/// The `endpoint` label of requests to an endpoint that is not configured. No endpoint can be called that.
pub const UNMATCHED: &str = "_unmatched";

/// The outcomes beside the errors' labels: three ways to be answered 200, and a sender that hung up before the answer.
pub const OUTCOMES: [&str; 4] = ["published", "unclassified", "quarantined", "cancelled"];

/// Why connections end badly, or are not taken, without a request.
pub const CONNECTION_FAULTS: [&str; 6] = ["headers_too_large", "header_timeout", "bad_request", "cut_off", "limit", "tls"];

/// What is known of a topic's [`crate::kafka::guarantee::Guarantee`].
pub const GUARANTEES: [&str; 3] = ["kept", "weak", "unknown"];

/// How the wait for an acknowledgement ends.
pub const PUBLISH_RESULTS: [&str; 4] = ["acknowledged", "refused", "timed_out", "cancelled"];

/// What becomes of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanResult {
    /// The collector has taken it.
    Exported,
    /// It has not, or could not be reached.
    Failed,
    /// Too many waited for it.
    Dropped,
}

/// The labels of [`SpanResult`], in its order.
pub const SPAN_RESULTS: [&str; 3] = ["exported", "failed", "dropped"];
