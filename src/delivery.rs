//! `Delivery`: one webhook as it arrived, before its sender is proven.

use std::{fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;

use crate::signed_url::SignedUrl;

/// One webhook as received. Nothing in it is trusted. Only [`crate::signature`] turns it into a [`crate::signature::Verified`].
#[derive(Clone)]
pub struct Delivery {
    /// The name of the configured endpoint that the delivery came in on.
    pub endpoint: Arc<str>,
    /// What the sender offers as proof.
    pub credential: Credential,
    /// The `Content-Type` header, empty where none was sent.
    pub content_type: String,
    /// The raw body, exactly as it came off the wire.
    pub body: Bytes,
    /// When the last byte of the body arrived. Every time window is measured against this time, so that no provider reads a clock.
    pub received_at: SystemTime,
}

/// What a sender offers as proof. Its content is never printed.
#[derive(Clone)]
pub enum Credential {
    /// The secret token from the URL's path or query, percent-decoded.
    Token(String),
    /// The signature in the URL, and what it signs.
    SignedUrl(SignedUrl),
    /// The values of the provider's signature headers, in the order in which its `Provider::credential` names them.
    Headers(Vec<String>),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::SignedUrl(_) => "SignedUrl(…)",
            Self::Headers(_) => "Headers(…)",
        })
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("endpoint", &self.endpoint).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// What a provider's API says of an event that did not arrive. It was asked over TLS, with the credentials of the configuration, which is why
/// it can be believed without a signature.
#[derive(Debug)]
pub struct Recovered {
    /// The endpoint that the webhook would have come in on.
    pub endpoint: Arc<str>,
    /// The object of the API's answer, as JSON.
    pub body: Bytes,
    /// When the answer was read.
    pub received_at: SystemTime,
    /// Which one it is among events that are equal in type, subject and time, counted from 0.
    pub twin: u32,
    /// The caller's own reference to what was submitted; empty where none is known.
    pub reference: String,
}
