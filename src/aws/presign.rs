//! The token for Amazon MSK: a URL that Amazon's Signature Version 4 signs in its query, in base64. Amazon has published its form as the
//! source of its own libraries (`aws-msk-iam-sasl-signer-python`, `-go`, `-js`).

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::credentials::AwsKeys;
use crate::event::timestamp;

/// How long a token is valid.
pub const VALID: Duration = Duration::from_secs(900);
/// The service in the signature.
const SERVICE: &str = "kafka-cluster";
/// The characters that the query of a signed URL does not encode.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns a token for the clusters of a region, which is valid for [`VALID`] from `now`.
pub fn token(region: &str, keys: &AwsKeys, now: SystemTime) -> String {
    URL_SAFE_NO_PAD.encode(url(region, keys, now))
}

/// Returns the signed URL.
fn url(region: &str, keys: &AwsKeys, now: SystemTime) -> String {
    let (time, host) = (basic_time(now), format!("kafka.{region}.amazonaws.com"));
    let scope = format!("{}/{region}/{SERVICE}/aws4_request", &time[..8]);
    let credential = format!("{}/{scope}", keys.access_key);
    let expires = VALID.as_secs().to_string();
    // In the order of the names, which the signature demands.
    let mut query = vec![
        ("Action", "kafka-cluster:Connect"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &time),
        ("X-Amz-Expires", &expires),
    ];
    query.extend(keys.session_token.as_ref().map(|token| ("X-Amz-Security-Token", token.reveal())));
    query.push(("X-Amz-SignedHeaders", "host"));
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, UNRESERVED))).collect();
    let query = query.join("&");
    let request = format!("GET\n/\n{query}\nhost:{host}\n\nhost\n{}", hex::encode(Sha256::digest(b"")));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(request.as_bytes())));
    let first = format!("AWS4{}", keys.secret_key.reveal()).into_bytes();
    let key = scope.split('/').fold(first, |key, part| sign(&key, part));
    let signature = hex::encode(sign(&key, &to_sign));
    // Only for Amazon's logs, and so not signed.
    let agent = concat!("hookgate%2F", env!("CARGO_PKG_VERSION"));
    format!("https://{host}/?{query}&X-Amz-Signature={signature}&User-Agent={agent}")
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Returns a time in ISO 8601's basic format, in whole seconds: `20261129T203405Z`.
fn basic_time(time: SystemTime) -> String {
    let whole = prost_types::Timestamp { nanos: 0, ..timestamp(time) };
    whole.to_string().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::config::SecretText;

    /// Returns a URL as its address and its parameters, whose order means nothing.
    fn parts(url: &str) -> (&str, BTreeSet<&str>) {
        let (address, query) = url.split_once('?').unwrap();
        (address, query.split('&').collect())
    }

    /// The vectors come from botocore, Amazon's own library for Python: `tests/kafka/msk_tokens.py` makes them.
    #[test]
    fn tokens_are_those_of_amazons_library() {
        let vectors: Vec<Value> = serde_json::from_str(include_str!("../../tests/kafka/msk_tokens.json")).unwrap();
        assert!(vectors.len() >= 3, "{vectors:?}");
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap();
            let keys = AwsKeys {
                access_key: text("access_key").into(),
                secret_key: SecretText::new(text("secret_key")),
                session_token: vector["session_token"].as_str().map(SecretText::new),
                expires: None,
            };
            let now = SystemTime::UNIX_EPOCH + Duration::from_millis(vector["milliseconds"].as_u64().unwrap());
            let token = token(text("region"), &keys, now);
            let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
            let (signed, agent) = decoded.split_once("&User-Agent=").unwrap();
            assert_eq!(parts(signed), parts(text("url")));
            assert_eq!(agent, concat!("hookgate%2F", env!("CARGO_PKG_VERSION")));
            // One second later, or with another key, it is another signature.
            let other = AwsKeys { secret_key: SecretText::new("another key"), ..keys.clone() };
            for (keys, now) in [(&keys, now + Duration::from_secs(1)), (&other, now)] {
                let other = url(text("region"), keys, now);
                let signature = |url: &'_ str| url.split("X-Amz-Signature=").nth(1).map(|rest| rest[..64].to_owned());
                assert_ne!(signature(&other), signature(text("url")));
            }
        }
    }
}
