//! `Error`: everything that keeps a delivery from its topic, and the status table. The labels are the public names:
//! in answers, logs and metrics.

/// Why a delivery was not published. Nothing here goes to the sender but the label and a fixed sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No token or no signature header.
    #[error("the request carries no signature or token")]
    MissingSignature,
    /// The signature is malformed, doubled or wrong.
    #[error("the signature does not match")]
    BadSignature,
    /// The signature is right but its timestamp lies outside the window.
    #[error("the signed timestamp is outside the accepted window")]
    Stale {
        /// By how many seconds our clock is ahead of it.
        offset: i64,
    },
    /// The token is wrong or given twice.
    #[error("the token does not match")]
    BadToken,
    /// The request has no `Host`, two or an invalid one, or a transfer coding that is not `chunked`.
    #[error("the request's head breaks HTTP/1.1")]
    BadRequest,
    /// The HTTP framing broke within the body.
    #[error("the request body was cut off or badly framed")]
    MalformedBody,
    /// No such endpoint.
    #[error("there is no such endpoint")]
    UnknownEndpoint,
    /// Not POST.
    #[error("webhooks are delivered with POST")]
    Method,
    /// The body did not arrive in time.
    #[error("the request body did not arrive in time")]
    SlowBody,
    /// The body is larger than the cap.
    #[error("the request body is too large")]
    TooLarge,
    /// The body is compressed.
    #[error("the request body must not be encoded")]
    EncodedBody,
    /// Connections, requests, memory or the producer's queue are at their limit.
    #[error("too many deliveries at once")]
    Overloaded,
    /// More requests from this address were refused than it may have refused.
    #[error("too many refused requests from this address")]
    SourceLimited,
    /// The daemon is shutting down.
    #[error("the service is shutting down")]
    Draining,
    /// None of the endpoint's secrets could be read.
    #[error("the endpoint is not ready")]
    NoSecret,
    /// Kafka did not acknowledge in time.
    #[error("the event could not be stored in time")]
    PublishTimeout,
    /// Kafka refused; the text is for the log only.
    #[error("the event could not be stored")]
    PublishFailed(String),
    /// A panic was caught.
    #[error("internal error")]
    Internal,
}

/// Every label, for metrics that stand at zero from the start.
pub const LABELS: [&str; 18] = [
    "missing_signature",
    "bad_signature",
    "stale",
    "bad_token",
    "bad_request",
    "malformed_body",
    "unknown_endpoint",
    "method",
    "slow_body",
    "too_large",
    "encoded_body",
    "overloaded",
    "source_limited",
    "draining",
    "no_secret",
    "publish_timeout",
    "publish_failed",
    "internal",
];

/// What an outcome means over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The stable name.
    pub label: &'static str,
}

impl Error {
    /// What only the log says, beside the sentence.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::PublishFailed(cause) => Some(cause.clone()),
            Self::Stale { offset } => {
                let side = if *offset < 0 { "behind" } else { "ahead of" };
                Some(format!(
                    "the clock here is {} s {side} the signed time; is it right, and is it a new delivery?",
                    offset.unsigned_abs()
                ))
            }
            _ => None,
        }
    }

    /// The status table. A 4xx says that the request is at fault as things stand; whatever is our own, Kafka's or capacity's fault is 503.
    pub fn answer(&self) -> Answer {
        let (status, label) = match self {
            Self::MissingSignature => (401, "missing_signature"),
            Self::BadSignature => (401, "bad_signature"),
            Self::Stale { .. } => (401, "stale"),
            Self::BadToken => (401, "bad_token"),
            Self::BadRequest => (400, "bad_request"),
            Self::MalformedBody => (400, "malformed_body"),
            Self::UnknownEndpoint => (404, "unknown_endpoint"),
            Self::Method => (405, "method"),
            Self::SlowBody => (408, "slow_body"),
            Self::TooLarge => (413, "too_large"),
            Self::EncodedBody => (415, "encoded_body"),
            Self::Overloaded => (503, "overloaded"),
            Self::SourceLimited => (503, "source_limited"),
            Self::Draining => (503, "draining"),
            Self::NoSecret => (503, "no_secret"),
            Self::PublishTimeout => (503, "publish_timeout"),
            Self::PublishFailed(_) => (503, "publish_failed"),
            Self::Internal => (503, "internal"),
        };
        Answer { status, label }
    }
}

#[cfg(test)]
mod tests;
