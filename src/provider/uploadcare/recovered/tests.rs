use std::time::{Duration, UNIX_EPOCH};

use super::*;

const FILE: &str = r#"{"uuid":"u","datetime_uploaded":"2018-11-05T13:14:41.12345Z","datetime_stored":"2018-11-05T13:14:42.000001Z",
    "datetime_removed":null,"appdata":{"uc_clamav_virus_scan":{"data":{"infected":true},"datetime_updated":"2018-11-05T13:14:43Z"}}}"#;

fn at(micros: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_541_423_681_000_000 + micros)
}

#[test]
fn times_are_read_to_the_microsecond() {
    #[track_caller]
    fn check(from: &str, to: &str, expected: &[(&str, u64)]) {
        let history = FileHistory::of(&FILE.replace(from, to)).expect("a file");
        let expected: Vec<_> = expected.iter().map(|(name, micros)| (*name, at(*micros))).collect();
        assert_eq!(history.events().collect::<Vec<_>>(), expected);
    }
    let (uploaded, stored, infected) = ((UPLOADED, 123_450), (STORED, 1_000_001), (INFECTED, 2_000_000));
    check("", "", &[uploaded, stored, infected]);
    check("true", "false", &[uploaded, stored]);
    check(
        "\"datetime_removed\":null",
        "\"datetime_removed\":\"2018-11-05T13:14:44Z\"",
        &[uploaded, stored, (DELETED, 3_000_000), infected],
    );
    check("\"2018-11-05T13:14:42.000001Z\"", "null", &[uploaded, infected]);
    // A scan without a time counts as part of the upload, as in webhooks.
    check(",\"datetime_updated\":\"2018-11-05T13:14:43Z\"", "", &[uploaded, stored, (INFECTED, 123_450)]);
    check("\"appdata\":{", "\"appdata\":null,\"x\":{", &[uploaded, stored]);
}

/// Otherwise it would look as if nothing had happened.
#[test]
fn a_file_is_read_wholly_or_not_at_all() {
    for (from, to) in [
        ("\"uuid\":\"u\",", ""),
        ("\"datetime_uploaded\"", "\"x\""),
        ("2018-11-05T13:14:41.12345Z", "soon"),
        ("\"2018-11-05T13:14:42.000001Z\"", "7"),
        ("2018-11-05T13:14:43Z", "soon"),
        ("true", "\"true\""),
        ("{\"data\"", "[\"data\""),
    ] {
        assert!(FileHistory::of(&FILE.replacen(from, to, 1)).is_err(), "{from} {to}");
    }
}
