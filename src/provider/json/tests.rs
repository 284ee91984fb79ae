use super::*;

#[test]
fn half_characters_are_mended_and_nothing_else_is() {
    fn check(body: &str, mended: &str) {
        assert_eq!(str::from_utf8(&mend(body.as_bytes())).unwrap(), mended, "{body}");
    }
    check(r#"{"a":"plain"}"#, r#"{"a":"plain"}"#);
    check(r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#);
    check(r#"{"a":"\uD83D!"}"#, r#"{"a":"\ufffd!"}"#);
    check(r#"{"a":"\udc00\ud83d"}"#, r#"{"a":"\ufffd\ufffd"}"#);
    check(r#"{"a":"\ud83d\ud83d\ude00"}"#, r#"{"a":"\ufffd\ud83d\ude00"}"#);
    // A whole character, an escaped backslash and a character below the surrogates.
    check(r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#);
    check(r#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#);
    check(r#"{"a":"\\\ud83d"}"#, r#"{"a":"\\\ufffd"}"#);
    check(r#"{"a":"\ud7ff"}"#, r#"{"a":"\ud7ff"}"#);
    // Cut off in the middle: still no JSON, and no panic.
    check(r#"{"a":"\ud83"#, r#"{"a":"\ud83"#);
    check(r#"{"a":"\ud83d\"#, r#"{"a":"\ufffd\"#);
}

/// A wire struct that reads no field.
#[derive(Debug, Deserialize)]
struct Nothing {}

#[test]
fn what_is_no_object_is_told_without_its_content() {
    fn check(body: &str, reason: FaultReason, detail: &str) {
        let fault = object::<Nothing>(body.as_bytes()).unwrap_err();
        assert_eq!((fault.reason, fault.detail.as_str()), (reason, detail), "{body}");
    }
    let early = "line 1 column 0: cannot be read as JSON (it ends too early)";
    check("", FaultReason::NotJson, early);
    check("[1]", FaultReason::NotAnObject, "an object was expected");
    check(" \"secret\"", FaultReason::NotAnObject, "an object was expected");
    check("secret", FaultReason::NotJson, "line 1 column 1: cannot be read as JSON (syntax)");
    check("{\"a\":secret}", FaultReason::NotJson, "line 1 column 6: cannot be read as JSON (syntax)");
    check("{\"a\":1", FaultReason::NotJson, "line 1 column 6: cannot be read as JSON (it ends too early)");
    check("{} {}", FaultReason::NotJson, "line 1 column 4: cannot be read as JSON (syntax)");
}
