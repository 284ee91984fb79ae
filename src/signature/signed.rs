//! Signs URLs, and proves deliveries by them.

use std::time::SystemTime;

use hmac::Mac as _;

use super::{Keys, Secret, Verified, proof};
use crate::{
    delivery::{Credential, Delivery},
    error::Error,
    event::timestamp as timestamp_of,
    proto::{Proof, ProofScheme},
    signed_url::{CallerReference, SignedUrl, message},
};

/// Signs a reference for an endpoint. `expires` is the last second, since 1970, in which the URL is accepted; without it the URL does not
/// expire.
pub fn sign_url(secret: &Secret, endpoint: &str, reference: CallerReference, expires: Option<u64>) -> SignedUrl {
    let signature = secret.mac(&[&message(endpoint, &reference, expires)]).finalize().into_bytes().into();
    SignedUrl { reference, expires, signature }
}

/// Returns the slot of the secret that has signed a URL for an endpoint. The expiry is not checked.
pub fn signed_url_matches(url: &SignedUrl, endpoint: &str, keys: &Keys) -> Option<u32> {
    let message = message(endpoint, &url.reference, url.expires);
    let mut matched = None;
    // The comparison takes constant time, and every slot is tried.
    for (slot, secret) in &keys.secrets {
        if secret.mac(&[&message]).verify_slice(&url.signature).is_ok() && matched.is_none() {
            matched = Some(*slot);
        }
    }
    matched
}

/// Proves a delivery by the signature in its URL. The expiry is checked only after the signature, so that nobody learns of a wrong one
/// that it has expired.
pub fn verify_signed_url(delivery: Delivery, keys: &Keys) -> Result<Verified, Error> {
    let Credential::SignedUrl(url) = &delivery.credential else {
        return Err(Error::MissingSignature);
    };
    let slot = signed_url_matches(url, &delivery.endpoint, keys).ok_or_else(|| keys.mismatch(Error::BadSignature))?;
    if let Some(ago) = expired(url, delivery.received_at) {
        return Err(Error::Expired { ago });
    }
    let reference = url.reference.text().to_owned();
    let proof = Proof { reference, ..proof(ProofScheme::CapabilityUrl, slot, Vec::new()) };
    Ok(Verified { delivery, proof, timestamp_text: String::new() })
}

/// Returns by how many seconds a URL has expired at this time, or `None` if it has not. The second of the expiry still counts.
fn expired(url: &SignedUrl, now: SystemTime) -> Option<i64> {
    let expires = i64::try_from(url.expires?).unwrap_or(i64::MAX);
    Some(timestamp_of(now).seconds.saturating_sub(expires)).filter(|ago| *ago > 0)
}

#[cfg(test)]
mod tests;
