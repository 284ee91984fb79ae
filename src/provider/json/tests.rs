use super::*;

/// A wire struct that reads no field.
#[derive(Debug, Deserialize)]
struct Nothing {}

#[test]
fn another_value_than_an_object_is_reported_without_its_content() {
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
