//! Proof of the sender. The one place where a [`Delivery`] becomes a [`Verified`], always over the raw bytes and always
//! before anything is parsed.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{
    delivery::{Credential, Delivery},
    error::Error,
    event::timestamp as timestamp_of,
    proto::{Proof, ProofScheme, SignatureHeader},
};

type HmacSha256 = Hmac<Sha256>;

/// One shared secret. It never prints, and both schemes' keys are derived once, when it is read.
#[derive(Clone)]
pub struct Secret {
    hmac: HmacSha256,
    digest: [u8; 32],
}

impl Secret {
    /// Derives the keys of a secret. An empty secret would verify what anybody can sign, so there is none.
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

    /// Whether two secrets are the same one, in constant time.
    pub fn same(&self, other: &Self) -> bool {
        self.digest.ct_eq(&other.digest).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What an endpoint verifies with: its secrets, any of which may match, and the window of signed timestamps.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The secrets that could be read, each with its slot: its position in the configuration, counted from 1.
    pub secrets: Vec<(u32, Secret)>,
    /// Whether a configured secret could never be read: what does not match may be signed with that one.
    pub secret_missing: bool,
    /// How far a signed timestamp may lie from the time of arrival, either way, inclusive.
    pub tolerance: Duration,
}

impl Keys {
    /// What a delivery that no secret matches is: the sender's fault, unless a secret is missing that might have matched.
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
    /// The delivery that was proven.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// How it was proven.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The signed timestamp as the header spelled it, empty where the scheme signs none.
    pub fn timestamp_text(&self) -> &str {
        &self.timestamp_text
    }

    /// By how many seconds our clock is ahead of the signed time, where one is signed.
    pub fn clock_offset(&self) -> Option<i64> {
        self.proof.signed_at.map(|signed_at| timestamp_of(self.delivery.received_at).seconds - signed_at.seconds)
    }

    /// What goes into the record.
    pub fn into_parts(self) -> (Delivery, Proof) {
        (self.delivery, self.proof)
    }
}

/// Proves a delivery by the secret token in its URL.
pub fn verify_token(delivery: Delivery, keys: &Keys) -> Result<Verified, Error> {
    let Credential::Token(token) = &delivery.credential else {
        return Err(Error::MissingSignature);
    };
    let slot = token_matches(token, keys).ok_or_else(|| keys.mismatch(Error::BadToken))?;
    Ok(Verified { proof: proof(ProofScheme::UrlToken, slot, Vec::new()), delivery, timestamp_text: String::new() })
}

/// The slot of the secret that a URL token is equal to.
pub fn token_matches(token: &str, keys: &Keys) -> Option<u32> {
    // Digests are compared, so that neither content nor length shows in the time, and every slot is tried.
    let offered = Sha256::digest(token.as_bytes());
    let mut matched = None;
    for (slot, secret) in &keys.secrets {
        if bool::from(secret.digest.ct_eq(&offered)) && matched.is_none() {
            matched = Some(*slot);
        }
    }
    matched
}

/// An HMAC-SHA256 scheme, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HmacScheme {
    /// How the proof names it.
    pub scheme: ProofScheme,
    /// What stands in front of the hex digits, such as `v1=`.
    pub version: &'static str,
    /// The request headers in lower case: the signature's, then the timestamp's where one is signed.
    pub headers: &'static [&'static str],
    /// What is signed before and behind the timestamp, all of it in front of the body; `None` where no timestamp is signed.
    pub around_timestamp: Option<(&'static str, &'static str)>,
}

impl HmacScheme {
    /// The hex digits of the signature and the timestamp's text, where their shape is right. It needs no body and no secret.
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

    /// What is signed in front of the body. The timestamp is the header's own text: a number formatted anew could be another text.
    pub fn prefix(&self, timestamp: Option<&str>) -> String {
        match (self.around_timestamp, timestamp) {
            (Some((before, behind)), Some(timestamp)) => format!("{before}{timestamp}{behind}"),
            _ => String::new(),
        }
    }

    /// Proves a delivery. The window of the timestamp is looked at only where the HMAC is right, so that clock skew shows as itself.
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

    /// Signs a body as the provider would: the headers to send.
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

/// A signature has one spelling, 64 lower-case hex digits: another case would be another byte string that verifies.
pub fn is_signature(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn decode_signature(digits: &str) -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| Error::BadSignature)?;
    Ok(bytes)
}

/// The signed time, if it lies within the window around the arrival.
fn window(text: &str, received_at: SystemTime, tolerance: Duration) -> Result<SystemTime, Error> {
    let signed_at = SystemTime::UNIX_EPOCH + Duration::from_secs(text.parse().map_err(|_| Error::BadSignature)?);
    // Whole seconds on both sides: the header has no finer unit, and a boundary that moves within a second cannot be tested.
    let offset = timestamp_of(received_at).seconds - timestamp_of(signed_at).seconds;
    if offset.unsigned_abs() > tolerance.as_secs() {
        return Err(Error::Stale { offset });
    }
    Ok(signed_at)
}
