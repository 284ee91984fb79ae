use proptest::{collection::vec, prelude::*, sample::select};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::*;

/// Checks the repaired copy of a body.
#[track_caller]
fn check_copy(body: impl AsRef<[u8]>, copy: &str) {
    let found = repaired(body.as_ref(), &STAND_IN);
    assert_eq!(String::from_utf8_lossy(&found), copy, "{:?}", String::from_utf8_lossy(body.as_ref()));
}

#[test]
fn what_is_broken_is_replaced_and_nothing_else() {
    for whole in [
        "",
        "{}",
        r#"{"a":"plain"}"#,
        // These are whole characters, an escaped backslash, and a character below the surrogates.
        r#"{"a":"\ud83d\ude00"}"#,
        r#"{"a":"\\ud83d"}"#,
        r#"{"a":"\ud7ff"}"#,
        r#"{"a":"NaN, Infinity and 1e400 \" -Infinity"}"#,
        r#"{"a":1e308,"b":-1.5E-400,"c":18446744073709551616,"d":[0,-0]}"#,
        // These are not JSON for other reasons than their text.
        r#"{"a":nan,"b":infinity}"#,
        r#"{"a":"\ud83"#,
        r#"{"a":"\"#,
        "{\"a\":\"\u{fffd}\u{feff}\"}",
    ] {
        check_copy(whole, whole);
    }
    check_copy(r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#);
    check_copy(r#"{"a":"\uD83D!"}"#, r#"{"a":"\ufffd!"}"#);
    check_copy(r#"{"a":"\udc00\ud83d"}"#, r#"{"a":"\ufffd\ufffd"}"#);
    check_copy(r#"{"a":"\ud83d\ud83d\ude00"}"#, r#"{"a":"\ufffd\ud83d\ude00"}"#);
    check_copy(r#"{"a":"\\\ud83d"}"#, r#"{"a":"\\\ufffd"}"#);
    check_copy(r#"{"a":"\ud83d\"#, r#"{"a":"\ufffd\"#);
    check_copy("{\"a\":NaN,\"b\":[Infinity,-Infinity, NaN ]}", "{\"a\":null,\"b\":[null,null, null ]}");
    check_copy("{\"a\":1e400,\"b\":-1E+999,\"c\":1e309}", "{\"a\":null,\"b\":null,\"c\":null}");
    check_copy(b"{\"a\":\"\xff\",\"b\xc3\":\"\xe2\x82\"}", "{\"a\":\"\u{fffd}\",\"b\u{fffd}\":\"\u{fffd}\"}");
    // Characters beside a replaced word are kept, so that text that is not JSON does not become JSON.
    check_copy("{\"a\":xNaN,\"b\":NaN1}", "{\"a\":xnull,\"b\":null1}");
}

/// Returns JSON strings that may contain everything that is repaired.
fn string() -> impl Strategy<Value = Vec<u8>> {
    let escapes: [&[u8]; 8] = [br"\\", br#"\""#, br"\n", br"\u0041", br"\ud83d", br"\ude00", br"\uD800", br"\ud83d\ude00"];
    let texts: [&[u8]; 7] = [b"a", "é".as_bytes(), b" ", b"ud83d", b"NaN", b"\xff", b"\xe2\x82"];
    vec(select([escapes.as_slice(), &texts].concat()), 0..8).prop_map(|pieces| [b"\"", &*pieces.concat(), b"\""].concat())
}

fn number() -> impl Strategy<Value = Vec<u8>> {
    let numbers: [&[u8]; 8] = [b"0", b"-1.5e3", b"1e308", b"1e400", b"-1e400", b"NaN", b"Infinity", b"-Infinity"];
    select(numbers.to_vec()).prop_map(<[u8]>::to_vec)
}

proptest! {
    #[test]
    fn a_repaired_text_is_read_by_everybody(entries in vec((string(), prop_oneof![string(), number()]), 0..4)) {
        let entries: Vec<_> = entries.iter().map(|(name, value)| [name.as_slice(), b":[", value, b"]"].concat()).collect();
        let text = [b"{", &*entries.join(&b","[..]), b"}"].concat();
        let copy = repaired(&text, &STAND_IN);
        prop_assert!(serde_json::from_slice::<Value>(&copy).is_ok(), "{}", String::from_utf8_lossy(&text));
        prop_assert_eq!(&repaired(&copy, &STAND_IN), &copy);
        if serde_json::from_slice::<Value>(&text).is_ok() {
            prop_assert_eq!(copy, text);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(select(br#"\ud8Dc0"{N-1e9"#.to_vec()), 0..40)) {
        let copy = repaired(&bytes, &STAND_IN);
        if serde_json::from_slice::<IgnoredAny>(&bytes).is_ok() && !bytes.contains(&b'u') && !bytes.contains(&b'e') {
            prop_assert_eq!(copy, bytes);
        }
    }
}
