//! Verification, checked with vectors that others have computed.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::super::PROVIDER;
use crate::{
    delivery::{Credential, Delivery},
    error::Error,
    proto::ProofScheme,
    provider::{
        CredentialSource,
        tests::{delivery, keys},
    },
    signature::{Secret, Verified},
};

/// A complete delivery that verifies. The vectors are official or were computed by another implementation.
#[derive(Clone)]
struct Vector {
    secret: String,
    timestamp: String,
    signature: String,
    body: Vec<u8>,
    /// Seconds from the timestamp of the vector to the arrival.
    skew: i64,
    signed_at: i64,
}

impl Vector {
    fn new(value: &Value, body: Vec<u8>) -> Self {
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        let timestamp = text("X-Frameio-Request-Timestamp");
        let signed_at = timestamp.parse().unwrap();
        Self { secret: text("secret"), signature: text("X-Frameio-Signature"), timestamp, body, skew: 0, signed_at }
    }

    fn verify(&self) -> Result<Verified, Error> {
        let seconds = Duration::from_secs((self.signed_at + self.skew).try_into().unwrap());
        let credential = Credential::Headers(vec![self.signature.clone(), self.timestamp.clone()]);
        // The arrival is late within its second, because fractions must not count.
        let received_at = SystemTime::UNIX_EPOCH + seconds + Duration::from_millis(999);
        PROVIDER.verify(Delivery { received_at, ..delivery(credential, &self.body) }, &keys(&["another", &self.secret]))
    }

    #[track_caller]
    fn fails(&self, change: impl FnOnce(&mut Self), error: Error) {
        let mut changed = self.clone();
        change(&mut changed);
        assert_eq!(changed.verify().map(|_| ()), Err(error));
    }
}

fn vectors() -> Vec<Vector> {
    let official: Value = serde_json::from_str(include_str!("../../../../tests/fixtures/frameio/vector1_legacy.json")).unwrap();
    let body = include_bytes!("../../../../tests/fixtures/frameio/vector1_legacy_body.bin");
    let others: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/frameio/constructed/vectors_frameio_kit_algorithm.json"))
            .unwrap();
    let mut vectors = vec![Vector::new(&official, body.to_vec())];
    for other in others["vectors"].as_array().unwrap() {
        vectors.push(Vector::new(other, hex::decode(other["body_hex"].as_str().unwrap()).unwrap()));
    }
    assert_eq!(vectors.len(), 5);
    vectors
}

#[test]
fn vectors_verify_and_no_changed_byte_does() {
    for vector in vectors() {
        let verified = vector.verify().unwrap();
        let proof = verified.proof();
        assert_eq!((proof.scheme(), proof.secret_slot), (ProofScheme::FrameioV0, 2));
        assert_eq!(proof.signed_at.map(|time| (time.seconds, time.nanos)), Some((vector.signed_at, 0)));
        assert_eq!(verified.timestamp_text(), vector.timestamp);
        let headers: Vec<_> = proof.headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        assert_eq!(
            headers,
            [("x-frameio-signature", vector.signature.as_str()), ("x-frameio-request-timestamp", &vector.timestamp)]
        );

        for at in 0..vector.body.len() {
            vector.fails(|changed| changed.body[at] ^= 1, Error::BadSignature);
        }
        vector.fails(|changed| changed.body.push(b'\n'), Error::BadSignature);
        vector.fails(|changed| changed.secret.push('x'), Error::BadSignature);
        vector.fails(|changed| changed.secret.replace_range(0..1, "?"), Error::BadSignature);
        for at in 0..vector.timestamp.len() {
            let digit = if vector.timestamp.as_bytes()[at] == b'1' { "2" } else { "1" };
            vector.fails(|changed| changed.timestamp.replace_range(at..=at, digit), Error::BadSignature);
        }
        for at in 0..vector.signature.len() {
            let digit = if vector.signature.as_bytes()[at] == b'0' { "1" } else { "0" };
            // The zero of `v0=` becomes another version, which is refused as well.
            vector.fails(|changed| changed.signature.replace_range(at..=at, digit), Error::BadSignature);
        }
    }
}

#[test]
fn the_window_is_five_minutes_either_way_and_tells_skew_from_forgery() {
    for vector in vectors() {
        for skew in [-300, 0, 300] {
            assert!(Vector { skew, ..vector.clone() }.verify().is_ok(), "{skew}");
        }
        for skew in [-301, 301] {
            vector.fails(|changed| changed.skew = skew, Error::Stale { offset: skew });
            let forged = |changed: &mut Vector| (changed.skew, changed.secret) = (skew, "x".into());
            vector.fails(forged, Error::BadSignature);
        }
    }
}

#[test]
fn headers_have_one_shape() {
    let good = "a77ce6856e609c884575c2fd211d07a9ad1c3f72e19c06ff710e8f086ffca883";
    let shape = |signature: String, timestamp: &str| shape_of(&[signature, timestamp.into()]);
    for timestamp in ["1604004499", "0", "9999999999"] {
        assert_eq!(shape(format!("v0={good}"), timestamp), Ok(()), "{timestamp}");
    }
    for timestamp in ["", "16040044990", "-1", "+1", " 1", "1.5", "1e9", "٣", "0x1"] {
        assert_eq!(shape(format!("v0={good}"), timestamp), Err(Error::BadSignature), "{timestamp}");
    }
    for signature in [
        good.into(),
        format!("v1={good}"),
        format!("V0={good}"),
        format!("v0= {good}"),
        format!("v0={good} "),
        format!("v0={}", good.to_uppercase()),
        format!("v0={}", &good[1..]),
        format!("v0={good},v0={good}"),
        "v0=".into(),
        String::new(),
    ] {
        assert_eq!(shape(signature.clone(), "1604004499"), Err(Error::BadSignature), "{signature}");
    }
    assert_eq!(shape_of(&[]), Err(Error::MissingSignature));
    assert_eq!(shape_of(&[format!("v0={good}")]), Err(Error::MissingSignature));
    vectors()[0].fails(|changed| changed.timestamp = "soon".into(), Error::BadSignature);
}

#[test]
fn samples_are_signed_as_frameio_signs() {
    for vector in vectors() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(vector.signed_at.try_into().unwrap());
        let headers = PROVIDER.sign(&vector.body, &Secret::new(vector.secret.as_bytes()).unwrap(), now);
        assert_eq!(headers, [("x-frameio-signature", vector.signature), ("x-frameio-request-timestamp", vector.timestamp)]);
    }
}

fn shape_of(headers: &[String]) -> Result<(), Error> {
    let CredentialSource::Hmac(scheme) = PROVIDER.credential else { panic!("Frame.io signs") };
    scheme.parts(headers).map(|_| ())
}
