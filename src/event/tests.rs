use super::*;

#[test]
fn times_are_read_on_purpose() {
    fn check(text: &str, read: Option<&str>) {
        assert_eq!(parse_time(text).map(|time| time.to_string()).as_deref(), read, "{text}");
    }
    check("2026-03-23T12:00:00Z", Some("2026-03-23T12:00:00Z"));
    // Uploadcare writes five or six digits.
    check("2023-01-18T13:01:24.64201Z", Some("2023-01-18T13:01:24.642010Z"));
    check("2023-01-18T13:01:24.123456789Z", Some("2023-01-18T13:01:24.123456789Z"));
    check("2026-03-23T12:00:00+02:00", Some("2026-03-23T10:00:00Z"));
    check("2026-03-23 12:00:00Z", Some("2026-03-23T12:00:00Z"));
    // Without a zone it is UTC, a date alone is no instant.
    check("2026-03-23T12:00:00", Some("2026-03-23T12:00:00Z"));
    check("2026-03-23", None);
    check("2026-13-23T12:00:00Z", None);
    check("23 March 2026", None);
    check("", None);
    // Protobuf's first and last second, and the ones beside them.
    check("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z"));
    check("9999-12-31T23:59:59.5Z", Some("9999-12-31T23:59:59.500Z"));
    check("0000-12-31T23:59:59Z", None);
    check("0001-01-01T00:00:00+00:01", None);
    check("9999-12-31T23:59:59-00:01", None);
    check("-999-01-01T00:00:00Z", None);
    check("２０２６-03-23T12:00:00Z", None);
}

#[test]
fn subjects_can_be_keys() {
    fn check(text: Option<&str>, fault: Option<(FaultReason, &str)>) {
        let result = subject(text, "data.uuid");
        assert_eq!(result.err().map(|it| (it.reason, it.detail)), fault.map(|(reason, detail)| (reason, detail.to_owned())));
    }
    let longest = "é".repeat(SUBJECT_BYTES_MAX / 2);
    let too_long = format!("{longest}x");
    check(Some("99d819953914402babbdeb68337ea6a3"), None);
    check(Some("..."), None);
    check(Some(&longest), None);
    check(Some(&too_long), Some((FaultReason::BadSubject, "data.uuid: longer than 512 bytes")));
    check(Some(""), Some((FaultReason::BadSubject, "data.uuid: is empty")));
    check(Some("a\u{0}b"), Some((FaultReason::BadSubject, "data.uuid: holds control characters")));
    check(Some("a\u{85}b"), Some((FaultReason::BadSubject, "data.uuid: holds control characters")));
    check(Some("a\u{202e}b"), Some((FaultReason::BadSubject, "data.uuid: holds control characters")));
    check(Some("a\u{2028}b"), Some((FaultReason::BadSubject, "data.uuid: holds control characters")));
    check(Some("אבג-Käse-🧀"), None);
    check(None, Some((FaultReason::NoSubject, "data.uuid: a string was expected")));
}
