//! Verification, checked with vectors that others have computed.

use std::time::SystemTime;

use serde_json::Value;

use super::super::PROVIDER;
use crate::{
    delivery::Credential,
    error::Error,
    proto::ProofScheme,
    provider::{
        CredentialSource,
        tests::{delivery, keys},
    },
    signature::{Secret, Verified},
};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/fixtures/uploadcare/", $name)).as_slice()
    };
}

/// A complete delivery that verifies. The first vector is official, the others come from another implementation.
#[derive(Clone)]
struct Vector {
    secret: String,
    signature: String,
    body: Vec<u8>,
}

impl Vector {
    fn new(description: &[u8], body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(description).unwrap();
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        Self { secret: text("signing_secret"), signature: text("header_value"), body: body.to_vec() }
    }

    fn verify(&self) -> Result<Verified, Error> {
        let credential = Credential::Headers(vec![self.signature.clone()]);
        PROVIDER.verify(delivery(credential, &self.body), &keys(&["another", &self.secret]))
    }

    #[track_caller]
    fn fails(&self, change: impl FnOnce(&mut Self)) {
        let mut changed = self.clone();
        change(&mut changed);
        assert_eq!(changed.verify().map(|_| ()), Err(Error::BadSignature));
    }
}

fn vectors() -> [Vector; 4] {
    [
        Vector::new(fixture!("vector1.json"), fixture!("vector1_body.bin")),
        Vector::new(fixture!("constructed/vector_spaced.json"), fixture!("constructed/vector_spaced_body.bin")),
        Vector::new(fixture!("constructed/vector_unicode_escaped.json"), fixture!("constructed/vector_unicode_escaped_body.bin")),
        Vector::new(fixture!("constructed/vector_unicode_utf8.json"), fixture!("constructed/vector_unicode_utf8_body.bin")),
    ]
}

#[test]
fn vectors_verify_and_no_changed_byte_does() {
    for vector in vectors() {
        let verified = vector.verify().unwrap();
        let proof = verified.proof();
        assert_eq!((proof.scheme(), proof.secret_slot), (ProofScheme::UploadcareV1, 2));
        assert_eq!((proof.signed_at, verified.timestamp_text()), (None, ""));
        let headers: Vec<_> = proof.headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        assert_eq!(headers, [("x-uc-signature", vector.signature.as_str())]);

        for at in 0..vector.body.len() {
            vector.fails(|changed| changed.body[at] ^= 1);
        }
        vector.fails(|changed| changed.body.push(b'\n'));
        vector.fails(|changed| changed.secret.push('x'));
        vector.fails(|changed| changed.secret.replace_range(0..1, "?"));
        for at in 0..vector.signature.len() {
            let digit = if vector.signature.as_bytes()[at] == b'0' { "1" } else { "0" };
            vector.fails(|changed| changed.signature.replace_range(at..=at, digit));
        }
    }
    // The official vector must fail with its secret without the last character.
    vectors()[0].fails(|changed| changed.secret = "12345".into());
    // The same JSON value in other bytes has another signature.
    let [_, spaced, escaped, utf8] = vectors();
    for (one, other) in [(&spaced, &escaped), (&escaped, &utf8), (&utf8, &spaced)] {
        one.fails(|changed| changed.body.clone_from(&other.body));
    }
}

#[test]
fn the_header_has_one_shape() {
    let good = "9b31c7dd83fdbf4a2e12b19d7f2b9d87d547672a325b9492457292db4f513c70";
    assert_eq!(shape_of(&[format!("v1={good}")]), Ok(()));
    for signature in [
        good.into(),
        format!("v0={good}"),
        format!("V1={good}"),
        format!(" v1={good}"),
        format!("v1={good} "),
        format!("v1={}", good.to_uppercase()),
        format!("v1={}", &good[1..]),
        // The documentation's example finds the signature anywhere in the header; here a signature in another place is refused.
        format!("v1={good},v1={good}"),
        format!("x v1={good}"),
        "v1=".into(),
        String::new(),
    ] {
        assert_eq!(shape_of(std::slice::from_ref(&signature)), Err(Error::BadSignature), "{signature}");
        vectors()[0].fails(|changed| changed.signature = signature);
    }
    assert_eq!(shape_of(&[]), Err(Error::MissingSignature));
}

#[test]
fn samples_are_signed_as_uploadcare_signs() {
    for vector in vectors() {
        let secret = Secret::new(vector.secret.as_bytes()).unwrap();
        let headers = PROVIDER.sign(&vector.body, &secret, SystemTime::UNIX_EPOCH);
        assert_eq!(headers, [("x-uc-signature", vector.signature)]);
    }
}

fn shape_of(headers: &[String]) -> Result<(), Error> {
    let CredentialSource::Hmac(scheme) = PROVIDER.credential else { panic!("Uploadcare signs") };
    scheme.parts(headers).map(|_| ())
}
