use prost::Message as _;

use super::*;
use crate::command::colour::RESET;

/// Returns a scan whose fields and body try everything against a terminal.
fn event() -> proto::Event {
    proto::Event {
        id: "17e0367e".into(),
        provider: "filesafety".into(),
        r#type: "scan.complete".into(),
        subject: "scn_1".into(),
        endpoint: "\u{1b}[2J\u{202e}".into(),
        body: b"{\"a\":[1,\"\\u001b[2J\xc2\x9b\"]}".as_slice().into(),
        proof: Some(proto::Proof { secret_slot: 1, ..proto::Proof::default() }),
        ..proto::Event::default()
    }
}

fn stored(value: Vec<u8>) -> StoredRecord {
    let headers = [("ce_id", "17e0367e"), ("hookgate-verdict", "infected"), ("hookgate-detail", "\u{9b}2J")];
    StoredRecord {
        topic: "t".into(),
        partition: 3,
        offset: 1_201,
        timestamp_ms: Some(1_795_341_600_250),
        key: Some(b"scn\x07_1".into()),
        headers: headers.map(|(name, value)| (name.into(), Some(value.into()))).into(),
        value: Some(value),
    }
}

fn printed(format: Format, body: bool, colour: bool, value: &[u8]) -> Vec<u8> {
    let (mut out, terminal) = (Vec::new(), false);
    let mut printer = Printer { format, body, colour, terminal, separator: b"" };
    printer.print(&mut out, &stored(value.to_vec())).unwrap_or_else(|error| panic!("{error}"));
    out
}

fn text(format: Format, body: bool, colour: bool, value: &[u8]) -> String {
    let text = String::from_utf8(printed(format, body, colour, value)).unwrap_or_else(|error| panic!("{error}"));
    let commands = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(colour || !text.contains(commands), "{text:?}");
    text
}

fn framed(value: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 7, 0], value].concat()
}

#[test]
fn pretty_is_a_head_line_and_the_fields() {
    let value = event().encode_to_vec();
    let expected = "2026-11-22T10:00:00.250Z  t[3] @1201  key scn\\u0007_1  infected\n  hookgate-detail  \\u009b2J\n  id  17e0367e\n  \
                    provider  filesafety\n  endpoint  \\u001b[2J\\u202e\n  type  scan.complete\n  proof\n    secret_slot  1\n  \
                    body  23 bytes\n\n";
    assert_eq!(text(Format::Pretty, false, false, &value), expected);
    let body = "    {\n      \"a\": [\n        1,\n        \"\\u001b[2J\\u009b\"\n      ]\n    }\n\n";
    assert!(text(Format::Pretty, true, false, &value).ends_with(body));
    assert!(text(Format::Pretty, false, false, &framed(&value)).contains("  schema_id  7\n  id  17e0367e\n"));
    let coloured = text(Format::Pretty, false, true, &value);
    assert!(coloured.contains("\x1b[31minfected\x1b[0m") && coloured.contains("\\u001b[2J\\u202e\n"), "{coloured:?}");
    let mut plain = coloured;
    for code in [DIM, RED, YELLOW, BOLD_CYAN, RESET] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, expected, "colours and nothing else");
}

#[test]
fn what_is_no_event_is_shown_as_bytes() {
    let long = [0xff; 65];
    let shown = text(Format::Pretty, false, false, &long);
    assert!(shown.contains(&format!("  not an event  65 bytes: {}…\n\n", "ff".repeat(64))), "{shown}");
    let line: Value = serde_json::from_str(&text(Format::Json, true, false, &long)).unwrap_or_default();
    assert_eq!(line["not_an_event_hex"], "ff".repeat(65));
    assert_eq!(printed(Format::Body, false, false, &long), b"");
    assert_eq!(printed(Format::Raw, false, false, &long), long);
}

/// Protobuf skips fields that it does not know, so such bytes can be read, and nothing comes of it.
#[test]
fn bytes_of_which_nothing_is_known_are_no_event() {
    let junk = [b'x'; 200];
    let line: Value = serde_json::from_str(&text(Format::Json, true, false, &junk)).unwrap_or_default();
    assert_eq!((line.get("event"), &line["not_an_event_hex"]), (None, &json!("78".repeat(200))));
    assert!(text(Format::Pretty, false, false, &junk).contains("  not an event  200 bytes: 7878"));
    for format in [Format::Delimited, Format::Body] {
        assert_eq!(printed(format, false, false, &junk), b"", "{format:?}");
    }
    assert_eq!(printed(Format::Raw, false, false, &junk), junk);
}

#[test]
fn json_keeps_everything() {
    fn check(value: &[u8], body: bool, schema: Option<u32>, body_text: Option<&str>) {
        let line: Value = serde_json::from_str(&text(Format::Json, body, false, value)).unwrap_or_default();
        assert_eq!((&line["topic"], &line["partition"], &line["offset"]), (&json!("t"), &json!(3), &json!(1201)), "{line}");
        assert_eq!((&line["key"], &line["headers"]["hookgate-detail"]), (&json!("scn\u{7}_1"), &json!("\u{9b}2J")), "{line}");
        assert_eq!(line["event"]["endpoint"], "\u{1b}[2J\u{202e}", "{line}");
        assert_eq!(line.get("schema_id"), schema.map(|schema| json!(schema)).as_ref(), "{line}");
        assert_eq!(line["event"].get("body_text").and_then(Value::as_str), body_text, "{line}");
    }
    let (whole, text) = (event(), "{\"a\":[1,\"\\u001b[2J\u{9b}\"]}");
    let binary = proto::Event { body: b"\xff".as_slice().into(), ..whole.clone() };
    check(&whole.encode_to_vec(), false, None, None);
    check(&whole.encode_to_vec(), true, None, Some(text));
    check(&binary.encode_to_vec(), true, None, None);
    check(&framed(&whole.encode_to_vec()), true, Some(7), Some(text));
}

#[test]
fn bytes_are_given_as_they_are() {
    let value = event().encode_to_vec();
    assert_eq!(printed(Format::Raw, false, false, &framed(&value)), framed(&value));
    for value in [value.clone(), framed(&value)] {
        let delimited = printed(Format::Delimited, false, false, &value);
        assert_eq!(proto::Event::decode_length_delimited(&*delimited), Ok(event()));
        assert_eq!(printed(Format::Body, false, false, &value), event().body, "what was signed, and nothing else");
    }
    let (mut out, record) = (Vec::new(), stored(value));
    let mut printer = Printer { format: Format::Body, body: false, colour: false, terminal: false, separator: b"" };
    for _ in 0..2 {
        assert!(matches!(printer.print(&mut out, &record), Ok(true)));
    }
    assert_eq!(out, [&*event().body, b"\n", &*event().body].concat());
}

#[test]
fn json_keeps_what_is_null_or_binary_or_stands_there_twice() {
    type Bytes<'a> = Option<&'a [u8]>;
    let check = |key: Bytes<'_>, headers: &[(&str, Bytes<'_>)], value: Bytes<'_>, expected: Value| {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect();
        let record =
            StoredRecord { key: key.map(<[u8]>::to_vec), headers, value: value.map(<[u8]>::to_vec), ..stored(Vec::new()) };
        let line = to_json(&record, false);
        let seen: Vec<&Value> =
            ["key", "headers", "event", "not_an_event_hex"].iter().filter_map(|name| line.get(*name)).collect();
        assert_eq!(json!(seen), expected);
        assert_eq!(line.get("event").is_some(), line.get("not_an_event_hex").is_none(), "{line}");
    };
    check(None, &[], None, json!([null, {}, null]));
    check(Some(b""), &[], Some(b""), json!(["", {}, ""]));
    check(Some(b"\xff\x00"), &[], None, json!([{ "base64": "/wA=" }, {}, null]));
    let headers: [(&str, Bytes<'_>); 6] =
        [("a", Some(b"1")), ("b", None), ("a", Some(b"2")), ("c", Some(b"")), ("a", None), ("a", Some(b"\xfe"))];
    let expected = json!({ "a": ["1", "2", null, { "base64": "/g==" }], "b": null, "c": "" });
    check(Some(b"k"), &headers, None, json!(["k", expected, null]));
}

#[test]
fn a_stream_of_events_holds_events_only() {
    let check = |value: Option<&[u8]>, written: bool| {
        let (mut out, record) = (Vec::new(), StoredRecord { value: value.map(<[u8]>::to_vec), ..stored(Vec::new()) });
        let mut printer = Printer { format: Format::Delimited, body: false, colour: false, terminal: false, separator: b"" };
        assert!(matches!(printer.print(&mut out, &record), Ok(yes) if yes == written), "{value:?}");
        assert_eq!(out.is_empty(), !written, "{value:?}");
    };
    check(Some(&event().encode_to_vec()), true);
    check(Some(&framed(&event().encode_to_vec())), true);
    check(Some(b"not an event"), false);
    check(Some(&[0xff; 3]), false);
    check(Some(b""), false);
    check(None, false);
}

#[test]
fn a_body_is_laid_out_and_nothing_else() {
    fn check(body: &str, shown: &[&str]) {
        assert_eq!(lines(body.as_bytes()).collect::<Vec<_>>(), shown, "{body}");
    }
    check(
        r#"{"a":1, "a":12345678901234567890.10,"é":{"\u00e9":"x, \"{\\"},"e":{ },"f":[ ]}"#,
        &[
            "{",
            r#"  "a": 1,"#,
            r#"  "a": 12345678901234567890.10,"#,
            r#"  "é": {"#,
            r#"    "\u00e9": "x, \"{\\""#,
            "  },",
            r#"  "e": {},"#,
            r#"  "f": []"#,
            "}",
        ],
    );
    check("[[1],[]]", &["[", "  [", "    1", "  ],", "  []", "]"]);
    check(r#""a,b""#, &[r#""a,b""#]);
    check("{\"a\":1,}", &["{\"a\":1,}"]);
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    check(&deep, &[&deep]);
}

#[test]
fn a_body_on_a_terminal_is_escaped() {
    let mut printer = Printer { format: Format::Body, body: false, colour: false, terminal: true, separator: b"" };
    let mut out = Vec::new();
    let html = proto::Event { body: b"<\x1b[2J>\n\xff".as_slice().into(), ..event() };
    assert!(printer.print(&mut out, &stored(html.encode_to_vec())).is_ok());
    assert_eq!(String::from_utf8_lossy(&out), "<\\u001b[2J>\n\u{fffd}\n");
}

#[test]
fn colour_is_where_it_is_wanted() {
    fn check(variables: &[(&str, &str)], allowed: bool) {
        assert_eq!(colour::is_allowed(&variables.iter().copied().collect()), allowed, "{variables:?}");
    }
    check(&[], true);
    check(&[("TERM", "xterm-256color")], true);
    check(&[("NO_COLOR", "")], true);
    check(&[("NO_COLOR", "1")], false);
    check(&[("TERM", "dumb")], false);
}
