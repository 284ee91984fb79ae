//! `Error`: every reason why a delivery does not reach its topic, and the status of the answer to each. The labels are public names:
//! answers, logs and metrics use them.

use crate::closed::{Closed as _, closed};

/// Why a delivery was not published. Only the label and a fixed sentence go to the sender.
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
        /// By how many seconds Hookgate's clock is ahead of the signed time.
        offset: i64,
    },
    /// The signature of the URL is right, and the URL has expired.
    #[error("the signed URL has expired")]
    Expired {
        /// By how many seconds.
        ago: i64,
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

closed! {
    /// The names of the errors in answers, logs and metrics.
    pub enum Refusal {
        /// No token or no signature header.
        MissingSignature = "missing_signature",
        /// The signature is malformed, doubled or wrong.
        BadSignature = "bad_signature",
        /// The signature is right but its timestamp lies outside the window.
        Stale = "stale",
        /// The signature of the URL is right, and the URL has expired.
        Expired = "expired",
        /// The token is wrong or given twice.
        BadToken = "bad_token",
        /// The request has no `Host`, two or an invalid one, or a transfer coding that is not `chunked`.
        BadRequest = "bad_request",
        /// The HTTP framing broke within the body.
        MalformedBody = "malformed_body",
        /// No such endpoint.
        UnknownEndpoint = "unknown_endpoint",
        /// Not POST.
        Method = "method",
        /// The body did not arrive in time.
        SlowBody = "slow_body",
        /// The body is larger than the cap.
        TooLarge = "too_large",
        /// The body is compressed.
        EncodedBody = "encoded_body",
        /// Connections, requests, memory or the producer's queue are at their limit.
        Overloaded = "overloaded",
        /// More requests from this address were refused than it may have refused.
        SourceLimited = "source_limited",
        /// The daemon is shutting down.
        Draining = "draining",
        /// None of the endpoint's secrets could be read.
        NoSecret = "no_secret",
        /// Kafka did not acknowledge in time.
        PublishTimeout = "publish_timeout",
        /// Kafka refused; the text is for the log only.
        PublishFailed = "publish_failed",
        /// A panic was caught.
        Internal = "internal",
    }
}

/// How an error is answered over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The stable name of the error.
    pub refusal: Refusal,
}

impl Answer {
    /// Returns the stable name of the error as text.
    pub fn label(&self) -> &'static str {
        self.refusal.text()
    }
}

impl Error {
    /// Returns the cause that only the log says, beside the fixed sentence.
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
            Self::Expired { ago } => Some(format!("the URL has expired {ago} s ago by the clock here; is it right?")),
            _ => None,
        }
    }

    /// Returns the status and the name of an error. A 4xx says that the request is at fault as things stand. Every fault of Hookgate, of
    /// Kafka or of capacity is a 503.
    pub fn answer(&self) -> Answer {
        let (status, refusal) = match self {
            Self::MissingSignature => (401, Refusal::MissingSignature),
            Self::BadSignature => (401, Refusal::BadSignature),
            Self::Stale { .. } => (401, Refusal::Stale),
            Self::Expired { .. } => (401, Refusal::Expired),
            Self::BadToken => (401, Refusal::BadToken),
            Self::BadRequest => (400, Refusal::BadRequest),
            Self::MalformedBody => (400, Refusal::MalformedBody),
            Self::UnknownEndpoint => (404, Refusal::UnknownEndpoint),
            Self::Method => (405, Refusal::Method),
            Self::SlowBody => (408, Refusal::SlowBody),
            Self::TooLarge => (413, Refusal::TooLarge),
            Self::EncodedBody => (415, Refusal::EncodedBody),
            Self::Overloaded => (503, Refusal::Overloaded),
            Self::SourceLimited => (503, Refusal::SourceLimited),
            Self::Draining => (503, Refusal::Draining),
            Self::NoSecret => (503, Refusal::NoSecret),
            Self::PublishTimeout => (503, Refusal::PublishTimeout),
            Self::PublishFailed(_) => (503, Refusal::PublishFailed),
            Self::Internal => (503, Refusal::Internal),
        };
        Answer { status, refusal }
    }
}

#[cfg(test)]
mod tests;
