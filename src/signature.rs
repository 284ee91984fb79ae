//! Proof of the sender. Only this module turns a [`Delivery`] into a [`Verified`], always from the raw bytes and always before anything is
//! parsed.

mod signed;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub use self::signed::{sign_url, signed_url_matches, verify_signed_url};
use crate::{
    delivery::{Credential, Delivery},
    error::Error,
    event::timestamp as timestamp_of,
    proto::{Proof, ProofScheme, SignatureHeader},
    signed_url::SignedUrls,
};

type HmacSha256 = Hmac<Sha256>;

/// One shared secret. It is never printed. The keys of all schemes are derived once, when the secret is read.
#[derive(Clone)]
pub struct Secret {
    hmac: HmacSha256,
    digest: [u8; 32],
}

impl Secret {
    /// Derives the keys of a secret. Returns `None` for an empty one, because anybody can sign with that.
    pub fn new(text: &[u8]) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        Some(Self { hmac: HmacSha256::new_from_slice(text).ok()?, digest: Sha256::digest(text).into() })
    }

    fn mac(&self, parts: &[&[u8]]) -> HmacSha256 {
        let mut mac = self.hmac.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// Returns whether two secrets are the same. The comparison takes constant time.
    pub fn same(&self, other: &Self) -> bool {
        self.digest.ct_eq(&other.digest).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secrets of an endpoint, any of which may match, and what it demands of a proof.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The secrets that could be read, each with its slot: its position in the configuration, counted from 1.
    pub secrets: Vec<(u32, Secret)>,
    /// Whether a configured secret has never been read: a delivery that matches no other may be signed with that one.
    pub secret_missing: bool,
    /// How far a signed timestamp may be from the time of arrival, in both directions, inclusive.
    pub tolerance: Duration,
    /// Whether a plain token in the URL is no proof.
    pub signed_urls: SignedUrls,
}

impl Keys {
    /// Returns the error for a delivery that no secret matches: `error`, or [`Error::NoSecret`] if a missing secret might have matched.
    pub fn mismatch(&self, error: Error) -> Error {
        if self.secret_missing { Error::NoSecret } else { error }
    }
}

/// A delivery whose sender is proven. Only this module makes one.
#[derive(Debug)]
pub struct Verified {
    delivery: Delivery,
    proof: Proof,
    /// The timestamp header's text, a part of the event's id; empty where the scheme signs none.
    timestamp_text: String,
}

impl Verified {
    /// Returns the delivery that was proven.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Returns how the delivery was proven.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Returns the signed timestamp as the header spelled it, empty where the scheme signs none.
    pub fn timestamp_text(&self) -> &str {
        &self.timestamp_text
    }

    /// Returns by how many seconds Hookgate's clock is ahead of the signed time, or `None` where no time is signed.
    pub fn clock_offset(&self) -> Option<i64> {
        self.proof.signed_at.map(|signed_at| timestamp_of(self.delivery.received_at).seconds - signed_at.seconds)
    }

    /// Returns the two parts that go into the record.
    pub fn into_parts(self) -> (Delivery, Proof) {
        (self.delivery, self.proof)
    }
}

/// Proves a delivery by the secret token in its URL.
pub fn verify_token(delivery: Delivery, keys: &Keys) -> Result<Verified, Error> {
    let Credential::Token(token) = &delivery.credential else {
        return Err(Error::MissingSignature);
    };
    if keys.signed_urls == SignedUrls::Required {
        return Err(Error::MissingSignature);
    }
    let slot = token_matches(token, keys).ok_or_else(|| keys.mismatch(Error::BadToken))?;
    Ok(Verified { proof: proof(ProofScheme::UrlToken, slot, Vec::new()), delivery, timestamp_text: String::new() })
}

/// Takes a stored delivery as proven by the proof that it was stored with. Nothing is checked here.
///
/// This may exist because only a proven delivery reaches a topic: the daemon has checked it when it arrived. A URL is never
/// stored, and a secret may have been replaced since, so some of these proofs cannot be checked again. The caller may publish the result only
/// if a person says (`--trust`) that nobody else can write to the topic. Without that, the caller may only report how it would be read.
/// `timestamp_text` is what the timestamp header said, empty where none is signed.
pub fn trusted(delivery: Delivery, proof: Proof, timestamp_text: String) -> Verified {
    Verified { delivery, proof, timestamp_text }
}

/// Returns the slot of the secret that equals a URL token.
pub fn token_matches(token: &str, keys: &Keys) -> Option<u32> {
    // Digests are compared and every slot is tried, so that the time shows neither content nor length.
    let offered = Sha256::digest(token.as_bytes());
    let mut matched = None;
    for (slot, secret) in &keys.secrets {
        if bool::from(secret.digest.ct_eq(&offered)) && matched.is_none() {
            matched = Some(*slot);
        }
    }
    matched
}

/// An HMAC-SHA256 scheme, described as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HmacScheme {
    /// The name of the scheme in the proof.
    pub scheme: ProofScheme,
    /// The text before the hex digits, such as `v1=`.
    pub version: &'static str,
    /// The request headers in lower case: that of the signature, then that of the timestamp where one is signed.
    pub headers: &'static [&'static str],
    /// The signed texts before and after the timestamp, all of which come before the body; `None` where no timestamp is signed.
    pub around_timestamp: Option<(&'static str, &'static str)>,
}

impl HmacScheme {
    /// Returns the hex digits of the signature and the text of the timestamp, if their shape is right. This needs no body and no secret.
    pub fn parts<'a>(&self, headers: &'a [String]) -> Result<(&'a str, Option<&'a str>), Error> {
        let (signature, timestamp) = match (headers, self.around_timestamp) {
            ([signature], None) => (signature, None),
            ([signature, timestamp], Some(_)) => (signature, Some(timestamp.as_str())),
            _ => return Err(Error::MissingSignature),
        };
        // Seconds since 1970 have ten digits until the year 2286.
        let is_seconds = |text: &str| (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let digits = signature.strip_prefix(self.version).filter(|digits| is_signature(digits));
        match digits {
            Some(digits) if timestamp.is_none_or(is_seconds) => Ok((digits, timestamp)),
            _ => Err(Error::BadSignature),
        }
    }

    /// Returns the text that is signed before the body. The timestamp is the header's own text: a number that is formatted again could be
    /// another text.
    pub fn prefix(&self, timestamp: Option<&str>) -> String {
        match (self.around_timestamp, timestamp) {
            (Some((before, behind)), Some(timestamp)) => format!("{before}{timestamp}{behind}"),
            _ => String::new(),
        }
    }

    /// Proves a delivery. The window of the timestamp is checked only after the HMAC, so that a wrong clock is reported as such.
    pub fn verify(&self, delivery: Delivery, keys: &Keys) -> Result<Verified, Error> {
        let Credential::Headers(values) = &delivery.credential else {
            return Err(Error::MissingSignature);
        };
        let (digits, timestamp) = self.parts(values)?;
        let signature = decode_signature(digits)?;
        let prefix = self.prefix(timestamp);
        let matches = |secret: &Secret| secret.mac(&[prefix.as_bytes(), &delivery.body]).verify_slice(&signature).is_ok();
        let slot = keys.secrets.iter().find(|(_, secret)| matches(secret)).map(|(slot, _)| *slot);
        let slot = slot.ok_or_else(|| keys.mismatch(Error::BadSignature))?;
        let signed_at = timestamp.map(|text| window(text, delivery.received_at, keys.tolerance)).transpose()?;
        let headers = (self.headers.iter().zip(values))
            .map(|(name, value)| SignatureHeader { name: (*name).into(), value: value.clone() })
            .collect();
        let mut proof = proof(self.scheme, slot, headers);
        proof.signed_at = signed_at.map(timestamp_of);
        let timestamp_text = timestamp.unwrap_or_default().to_owned();
        Ok(Verified { delivery, proof, timestamp_text })
    }

    /// Signs a body as the provider would. Returns the headers to send.
    pub fn sign(&self, body: &[u8], secret: &Secret, now: SystemTime) -> Vec<(&'static str, String)> {
        let timestamp = self.around_timestamp.map(|_| timestamp_of(now).seconds.to_string());
        let prefix = self.prefix(timestamp.as_deref());
        let signature = secret.mac(&[prefix.as_bytes(), body]).finalize().into_bytes();
        let values = [Some(format!("{}{}", self.version, hex::encode(signature))), timestamp];
        self.headers.iter().copied().zip(values.into_iter().flatten()).collect()
    }
}

fn proof(scheme: ProofScheme, slot: u32, headers: Vec<SignatureHeader>) -> Proof {
    Proof { scheme: scheme.into(), secret_slot: slot, headers, ..Proof::default() }
}

/// Returns whether a text has the one spelling of a signature, 64 lower-case hex digits: another case would be another byte string that
/// verifies.
pub fn is_signature(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn decode_signature(digits: &str) -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| Error::BadSignature)?;
    Ok(bytes)
}

/// Returns the signed time if it is within the window around the arrival, else [`Error::Stale`].
fn window(text: &str, received_at: SystemTime, tolerance: Duration) -> Result<SystemTime, Error> {
    let signed_at = SystemTime::UNIX_EPOCH + Duration::from_secs(text.parse().map_err(|_| Error::BadSignature)?);
    // Both sides are whole seconds: the header has no finer unit, and a boundary that moves within a second cannot be tested.
    let offset = timestamp_of(received_at).seconds - timestamp_of(signed_at).seconds;
    if offset.unsigned_abs() > tolerance.as_secs() {
        return Err(Error::Stale { offset });
    }
    Ok(signed_at)
}
