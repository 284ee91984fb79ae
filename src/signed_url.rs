//! `SignedUrl`: the proof in a URL that was made for one reference of the caller. This module reads and writes it; only
//! [`crate::signature`] signs and verifies.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::error::Error;

/// The query parameter that holds the proof of a signed URL.
pub const PARAMETER: &str = "signed";

/// The longest reference, in bytes.
pub const REFERENCE_BYTES_MAX: usize = 128;

/// The text before the signed fields. No other use of a secret signs a text that begins so.
const DOMAIN: &[u8] = b"hookgate.url.v1\0";

/// The version in the URL, which decides what is signed.
const VERSION: &str = "v1";

/// The text of a URL that does not expire.
const NEVER: &str = "never";

/// Seconds since 1970 have ten digits from the year 2001 until the year 2286.
const SECONDS_DIGITS: usize = 10;

/// Whether an endpoint demands signed URLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignedUrls {
    /// A signed URL and a plain token both prove the sender.
    #[default]
    Optional,
    /// Only a signed URL proves the sender.
    Required,
}

/// A caller's own name for what it submits: 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerReference(String);

impl CallerReference {
    /// Returns the reference, or `None` if the text is empty, longer than 128 bytes, or has a blank or another character that is not visible
    /// ASCII.
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=REFERENCE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then_some(Self(text))
    }

    /// Returns the text of the reference.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// The proof in a signed URL. Its signature is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl {
    /// The caller's reference.
    pub reference: CallerReference,
    /// The last second, since 1970, in which the URL is accepted; `None` if it does not expire.
    pub expires: Option<u64>,
    /// What should be the HMAC-SHA256 over [`message`].
    pub signature: [u8; 32],
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedUrl(…)")
    }
}

impl SignedUrl {
    /// Reads the value of the parameter. Every proof has one spelling: any other is [`Error::BadSignature`]. This checks no signature.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text).filter(|url| url.text() == text).ok_or(Error::BadSignature)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let [version, expires, reference, digits] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        // A longer text could only be a longer reference.
        if version != VERSION || reference.len() > REFERENCE_BYTES_MAX.div_ceil(3) * 4 {
            return None;
        }
        let expires = match expires {
            NEVER => None,
            seconds => Some(seconds.parse().ok().filter(|_| seconds.len() == SECONDS_DIGITS)?),
        };
        let reference = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(reference).ok()?).ok()?;
        let mut signature = [0; 32];
        hex::decode_to_slice(digits, &mut signature).ok()?;
        Some(Self { reference: CallerReference::new(reference)?, expires, signature })
    }

    /// Returns the value of the parameter: `v1.<expires>.<reference>.<signature>`. Nothing in it is escaped in a URL.
    pub fn text(&self) -> String {
        let reference = BASE64_URL_SAFE_NO_PAD.encode(self.reference.text());
        format!("{VERSION}.{}.{reference}.{}", expires_text(self.expires), hex::encode(self.signature))
    }
}

/// Returns the text that is signed: each field comes after its length, so that no field can run into another.
pub fn message(endpoint: &str, reference: &CallerReference, expires: Option<u64>) -> Vec<u8> {
    let mut message = DOMAIN.to_vec();
    for field in [endpoint, &expires_text(expires), reference.text()] {
        message.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        message.extend_from_slice(field.as_bytes());
    }
    message
}

fn expires_text(expires: Option<u64>) -> String {
    expires.map_or_else(|| NEVER.to_owned(), |seconds| seconds.to_string())
}
