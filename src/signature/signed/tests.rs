use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::*;
use crate::{
    provider::{self, filesafety, tests::keys},
    signed_url::SignedUrls,
};

const SECRET: &str = "1b0e6cf2f8a94d6f8e0c2a57c1d9e3b4";
const EXPIRES: u64 = 1_790_000_000;

/// A signed URL that another program has made: Python with `hashlib`, `hmac` and `base64`.
#[derive(Deserialize)]
struct Vector {
    secret: String,
    endpoint: String,
    reference: String,
    expires: String,
    signed: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../../tests/codegen/signed_urls.json")).unwrap()
}

fn reference(text: &str) -> CallerReference {
    CallerReference::new(text.to_owned()).unwrap()
}

fn signed(secret: &str, endpoint: &str, text: &str, expires: Option<u64>) -> String {
    sign_url(&Secret::new(secret.as_bytes()).unwrap(), endpoint, reference(text), expires).text()
}

/// Returns the proof, or the error, of a delivery to an endpoint that arrives at a time.
fn proven(endpoint: &str, keys: &Keys, text: &str, at: Duration) -> Result<Proof, Error> {
    let credential = Credential::SignedUrl(SignedUrl::parse(text)?);
    let delivery = provider::tests::delivery(credential, b"{}");
    let delivery = Delivery { endpoint: endpoint.into(), received_at: SystemTime::UNIX_EPOCH + at, ..delivery };
    filesafety::PROVIDER.verify(delivery, keys).map(|verified| verified.proof().clone())
}

#[test]
fn signatures_are_known_answers() {
    let vectors = vectors();
    assert!(vectors.len() >= 7);
    for Vector { secret, endpoint, reference, expires, signed: expected } in vectors {
        let seconds = (expires != "never").then(|| expires.parse().unwrap());
        assert_eq!(signed(&secret, &endpoint, &reference, seconds), expected, "{reference}");
        let proof = proven(&endpoint, &keys(&["another", &secret]), &expected, Duration::from_secs(1_000_000_000)).unwrap();
        assert_eq!((proof.scheme(), proof.secret_slot, &*proof.reference), (ProofScheme::CapabilityUrl, 2, &*reference));
        assert!(proof.headers.is_empty() && proof.signed_at.is_none(), "{proof:?}");
    }
}

/// The second of the expiry still counts, also its last nanosecond. What does not expire is accepted at any time.
#[test]
fn a_url_expires_after_its_second() {
    let check = |expires: Option<u64>, at: Duration, expected: Result<(), i64>| {
        let result = proven("avatars", &keys(&[SECRET]), &signed(SECRET, "avatars", "upl_456", expires), at);
        assert_eq!(result.map(drop), expected.map_err(|ago| Error::Expired { ago }), "{expires:?} at {at:?}");
    };
    let border = Duration::from_secs(EXPIRES);
    let (second, nanoseconds) = (Duration::from_secs(1), Duration::from_nanos(999_999_999));
    check(Some(EXPIRES), Duration::from_secs(EXPIRES - 1), Ok(()));
    check(Some(EXPIRES), border, Ok(()));
    check(Some(EXPIRES), border + nanoseconds, Ok(()));
    check(Some(EXPIRES), border + second, Err(1));
    check(Some(EXPIRES), border + second * 86_400, Err(86_400));
    check(Some(9_999_999_999), border, Ok(()));
    check(None, Duration::ZERO, Ok(()));
    check(None, Duration::from_secs(9_999_999_999), Ok(()));
}

/// Nothing that is signed can be changed, and no other secret proves it. A wrong signature is never reported as expired.
#[test]
fn only_the_signed_fields_and_the_secret_prove() {
    #[track_caller]
    fn check(what: &str, endpoint: &str, secrets: &[&str], text: &str) {
        let result = proven(endpoint, &keys(secrets), text, Duration::from_secs(EXPIRES + 10));
        assert_eq!(result, Err(Error::BadSignature), "{what}");
    }
    let good = signed(SECRET, "avatars", "upl_456", Some(EXPIRES));
    check("another endpoint", "avatar", &[SECRET], &good);
    check("another secret", "avatars", &["another", "and-another"], &good);
    check("no secret", "avatars", &[], &good);
    check("a later expiry", "avatars", &[SECRET], &good.replace(".1790000000.", ".1790000001."));
    check("no expiry", "avatars", &[SECRET], &good.replace(".1790000000.", ".never."));
    let encoded = BASE64_URL_SAFE_NO_PAD.encode("upl_456");
    check("another reference", "avatars", &[SECRET], &good.replace(&encoded, &BASE64_URL_SAFE_NO_PAD.encode("upl_457")));
    // Both URLs sign the letters of "avatarsnevers" in this order.
    let (_, tail) = signed(SECRET, "avatars", "x", None).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    check(
        "a field that runs into the next",
        "avatar",
        &[SECRET],
        &format!("v1.never.{}.{tail}", BASE64_URL_SAFE_NO_PAD.encode("sx")),
    );
    for at in 0..64 {
        let mut digits = good.clone().into_bytes();
        let last = digits.len() - 1 - at;
        digits[last] = if digits[last] == b'0' { b'1' } else { b'0' };
        check("one digit of the signature", "avatars", &[SECRET], &String::from_utf8(digits).unwrap());
    }
}

#[test]
fn a_proof_has_one_spelling() {
    #[track_caller]
    fn check(text: &str, good: bool) {
        assert_eq!(SignedUrl::parse(text).is_ok(), good, "{text:?}");
    }
    let digits = "5a".repeat(32);
    let with = |expires: &str, reference: &str| format!("v1.{expires}.{reference}.{digits}");
    for (expires, reference) in [("never", "YQ"), ("1000000000", "YQ"), ("9999999999", "dXBsXzQ1Ng")] {
        check(&with(expires, reference), true);
        assert_eq!(SignedUrl::parse(&with(expires, reference)).unwrap().text(), with(expires, reference));
    }
    for expires in
        ["", "0", "Never", "-1", "+1790000000", "0790000000", "999999999", "1790000000000", "1790000000 ", "179000000x"]
    {
        check(&with(expires, "YQ"), false);
    }
    // Nothing, padding, another alphabet, bits that no byte has, a control character, a blank, not ASCII, not UTF-8.
    for reference in ["", "YQ==", "YWI/", "YWI+", "YR", "Y", "AA", "IA", "w7w", "_w", "YQ.YQ"] {
        check(&with("never", reference), false);
    }
    check(&with("never", &BASE64_URL_SAFE_NO_PAD.encode("x".repeat(128))), true);
    check(&with("never", &BASE64_URL_SAFE_NO_PAD.encode("x".repeat(129))), false);
    check(&with("never", &BASE64_URL_SAFE_NO_PAD.encode("x".repeat(10_000))), false);
    for other in ["", "v1", "v1.never.YQ", "v1.never.YQ.", "never.YQ", "...", "v1...", "\u{fc}"] {
        check(other, false);
    }
    for version in ["", "v2", "V1", "v1 ", "v01"] {
        check(&with("never", "YQ").replacen("v1", version, 1), false);
    }
    for signature in [digits.to_uppercase(), digits[1..].to_owned(), format!("{digits}0"), digits.replace('5', "g")] {
        check(&format!("v1.never.YQ.{signature}"), false);
    }
    check(&format!("{}.x", with("never", "YQ")), false);
}

/// The first slot that matches is reported, and a secret that could not be read may have been the right one.
#[test]
fn every_secret_of_the_endpoint_is_tried() {
    let good = signed(SECRET, "avatars", "upl_456", None);
    let slot = |secrets: &[&str]| proven("avatars", &keys(secrets), &good, Duration::ZERO).map(|proof| proof.secret_slot);
    assert_eq!(slot(&[SECRET]), Ok(1));
    assert_eq!(slot(&["old", "older", SECRET]), Ok(3));
    assert_eq!(slot(&["old", SECRET, SECRET]), Ok(2));
    let missing = Keys { secret_missing: true, ..keys(&["old"]) };
    assert_eq!(proven("avatars", &missing, &good, Duration::ZERO), Err(Error::NoSecret));
}

/// A plain token and a signed URL never stand for each other, and only FileSafety takes signed URLs.
#[test]
fn a_token_is_no_signed_url() {
    let good = signed(SECRET, "avatars", "upl_456", None);
    let verify = |provider: &provider::Provider, credential: Credential, keys: &Keys| {
        provider.verify(provider::tests::delivery(credential, b"{}"), keys).map(|it| it.proof().scheme())
    };
    let url = || Credential::SignedUrl(SignedUrl::parse(&good).unwrap());
    let token = |text: &str| Credential::Token(text.to_owned());
    for provider in provider::ALL {
        let expected = if provider.name == "filesafety" { Ok(ProofScheme::CapabilityUrl) } else { Err(Error::MissingSignature) };
        assert_eq!(verify(provider, url(), &keys(&[SECRET])), expected, "{}", provider.name);
    }
    let (optional, filesafety) = (keys(&[SECRET]), &filesafety::PROVIDER);
    let required = Keys { signed_urls: SignedUrls::Required, ..optional.clone() };
    assert_eq!(verify(filesafety, token(&good), &optional), Err(Error::BadToken));
    assert_eq!(verify(filesafety, token(SECRET), &optional), Ok(ProofScheme::UrlToken));
    assert_eq!(verify(filesafety, token(SECRET), &required), Err(Error::MissingSignature));
    assert_eq!(verify(filesafety, url(), &required), Ok(ProofScheme::CapabilityUrl));
    // A secret that spells a signed text proves nothing of another secret.
    assert_eq!(verify(filesafety, url(), &keys(&[&good])), Err(Error::BadSignature));
}

#[test]
fn a_reference_is_visible_ascii() {
    #[track_caller]
    fn check(text: &str, good: bool) {
        assert_eq!(CallerReference::new(text.to_owned()).is_some(), good, "{text:?}");
    }
    check("upl_456", true);
    check("!~", true);
    check(&"x".repeat(128), true);
    for wrong in ["", " ", "a b", "a\tb", "a\n", "\u{7f}", "ü", "\u{202e}", &"x".repeat(129)] {
        check(wrong, false);
    }
}

#[test]
fn a_signature_is_never_printed() {
    let url = SignedUrl::parse(&signed(SECRET, "avatars", "upl_456", None)).unwrap();
    assert_eq!(format!("{url:?} {:?}", Credential::SignedUrl(url.clone())), "SignedUrl(…) SignedUrl(…)");
}
