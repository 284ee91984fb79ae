use std::time::UNIX_EPOCH;

use super::*;
use crate::config::SecretText;

/// The example of Uploadcare's `OpenAPI` document, which its Rust library tests, too.
#[test]
fn requests_are_signed_as_documented() {
    let access = UploadcareApi {
        base_url: String::new(),
        public_key: "demopublickey".into(),
        secret_key: SecretText::new("demoprivatekey"),
    };
    let now = UNIX_EPOCH + Duration::from_secs(1_541_423_681);
    let headers = headers(&access, ("GET", "/files/?limit=1&stored=true"), b"", now);
    let of = |name: &str| headers.iter().find(|(it, _)| *it == name).map(|(_, value)| value.as_str());
    assert_eq!(of("date"), Some("Mon, 05 Nov 2018 13:14:41 GMT"));
    assert_eq!(of("content-type"), Some("application/json"));
    assert_eq!(of("authorization"), Some("Uploadcare demopublickey:3cbc4d2cf91f80c1ba162b926f8a975e8bec7995"));
    assert_eq!(of("accept"), Some("application/vnd.uploadcare-v0.7+json"));
}

#[test]
fn a_listing_says_where_it_begins() {
    let time = UNIX_EPOCH + Duration::from_micros(1_541_423_681_000_001);
    assert_eq!(
        listing(true, time, 0),
        "/files/?from=2018%2D11%2D05T13%3A14%3A41%2E000001Z&include=appdata&limit=500&ordering=datetime_uploaded&removed=true"
    );
    assert!(listing(false, time, 500).contains("&offset=500&"));
}
