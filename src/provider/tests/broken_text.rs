//! Bodies whose text is broken: some can be read nevertheless, but a repair must not decide anything.

use proptest::prelude::*;

use super::classified;
use crate::{
    event::{Event, EventKind},
    proto::{FilesafetyVerdict, event::Payload},
    provider::{self, Provider, filesafety, filespin, frameio, uploadcare},
};

/// Returns a body with these bytes in the place of its `@`.
fn with(body: &str, broken: &[u8]) -> Vec<u8> {
    let (before, after) = body.split_once('@').expect("there is a place");
    [before.as_bytes(), broken, after.as_bytes()].concat()
}

/// Classifies a body and checks the event. `expected` is `kind | type | subject`, with `repaired` after it, or `quarantine | type`.
#[track_caller]
fn check(provider: &'static Provider, body: &[u8], expected: &str) -> Event {
    let event = classified(provider, body);
    let outline = match event.kind {
        EventKind::Quarantine => format!("quarantine | {}", event.event_type),
        kind => format!("{} | {} | {}", kind.name(), event.event_type, event.subject.as_deref().unwrap_or("-")),
    };
    let outline = outline + if event.text_repaired { " | repaired" } else { "" };
    assert_eq!(outline, expected, "{}", String::from_utf8_lossy(body));
    event
}

#[test]
fn an_infected_verdict_is_read_although_its_text_is_broken() {
    const WHOLE: &str = "filesafety.scan.complete | scan.complete | s";
    const REPAIRED: &str = "filesafety.scan.complete | scan.complete | s | repaired";
    fn infected(field: &str, broken: &[u8], expected: &str) {
        let body = format!(r#"{{"event":"scan.complete","scan_id":"s",{field}"verdict":"infected"}}"#);
        let event = check(&filesafety::PROVIDER, &with(&body, broken), expected);
        assert_eq!(event.verdict.as_deref(), Some("infected"));
        assert!(matches!(event.payload, Some(Payload::FilesafetyScan(scan)) if scan.verdict() == FilesafetyVerdict::Infected));
    }
    for number in ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"] {
        infected(r#""nsfw":{"confidence":@},"#, number.as_bytes(), REPAIRED);
        infected(r#""nsfw":@,"#, number.as_bytes(), REPAIRED);
    }
    // This number is beyond 64 bits, but not beyond a float.
    infected(r#""text":{"pii":{"count":@}},"#, b"18446744073709551616", WHOLE);
    // `1e400` is valid JSON, and these fields are not looked into. `NaN` is valid nowhere.
    infected(r#""unknown":@,"#, b"1e400", WHOLE);
    infected(r#""metadata":{"user":@},"#, b"1e400", WHOLE);
    infected(r#""unknown":@,"#, b"NaN", REPAIRED);
    infected(r#""file_hash":"@","#, b"\xff", REPAIRED);
    infected(r#""file_hash":"@","#, br"\ud83d", REPAIRED);
    infected(r#""metadata":{"user":"@"},"#, b"\xe2\x82", REPAIRED);
    infected(r#""metadata":{"user":"@"},"#, br"\udc00", REPAIRED);
    infected(r#""metadata":{"user":"@"},"#, br"\ud83d\ude00", WHOLE);
    let marked = [b"\xef\xbb\xbf".as_slice(), br#"{"event":"scan.complete","scan_id":"s","verdict":"infected"}"#].concat();
    check(&filesafety::PROVIDER, &marked, REPAIRED);
}

#[test]
fn a_virus_of_uploadcares_is_read_although_its_text_is_broken() {
    let body = r#"{"hook":{"event":"file.infected"},"data":{"uuid":"u","size":@,"appdata":{"uc_clamav_virus_scan":{"data":{"infected":true}}}}}"#;
    let scan = |event: Event| match event.payload {
        Some(Payload::UploadcareFile(file)) => file.virus_scan.and_then(|scan| scan.infected),
        other => panic!("a file was expected, not {other:?}"),
    };
    let event = check(&uploadcare::PROVIDER, &with(body, b"NaN"), "uploadcare.file.infected | file.infected | u | repaired");
    assert_eq!(scan(event), Some(true));
    // The exact text of an add-on holds a number that no type can hold: only its own field becomes unreadable.
    let body = r#"{"hook":{"event":"file.infected"},"data":{"uuid":"u","appdata":{"uc_clamav_virus_scan":{"version":@,"data":{"infected":true}}}}}"#;
    let event = check(&uploadcare::PROVIDER, &with(body, b"1e400"), "uploadcare.file.infected | file.infected | u");
    assert_eq!(scan(event), Some(true));
    let body = r#"{"event":"file-processed","id":"a","metadata":{"width":@,"height":2}}"#;
    let event = check(&filespin::PROVIDER, &with(body, b"1e400"), "filespin.file-processed | file-processed | a");
    let Some(Payload::FilespinAsset(asset)) = event.payload else { panic!("an asset") };
    let metadata = asset.metadata.unwrap();
    assert_eq!(
        (metadata.width, metadata.height.is_some(), asset.metadata_json.as_str()),
        (None, true, r#"{"width":1e400,"height":2}"#)
    );
}

#[test]
fn a_good_verdict_is_never_that_of_a_repair() {
    for broken in [
        &b"\"cl\xffean\""[..],
        b"\"clean\xff\"",
        b"\"\xff\"",
        br#""\ud800clean""#,
        "\"\u{feff}clean\"".as_bytes(),
        b"NaN",
        b"Infinity",
        b"1e400",
        b"\"clean\",\"verdict\":NaN",
    ] {
        let event = classified(&filesafety::PROVIDER, &with(r#"{"event":"scan.complete","scan_id":"s","verdict":@}"#, broken));
        let clean = matches!(&event.payload, Some(Payload::FilesafetyScan(scan)) if scan.verdict() == FilesafetyVerdict::Clean);
        assert!(!clean && event.verdict.as_deref() != Some("clean"), "{event:?}");
    }
}

/// A verdict that cannot be read goes to quarantine, where somebody looks, and not to the topic as an unknown verdict.
#[test]
fn a_verdict_that_cannot_be_read_is_in_quarantine() {
    let body = r#"{"event":"scan.complete","scan_id":"s","verdict":@}"#;
    for broken in [&b"\"infected\xff\""[..], br#""clean\ud800""#, b"NaN", b"-Infinity", b"1e400"] {
        check(&filesafety::PROVIDER, &with(body, broken), "quarantine | ");
    }
    // A verdict that can be read is passed on, known or not.
    for whole in [&b"\"strange\""[..], b"5", b"null"] {
        check(&filesafety::PROVIDER, &with(body, whole), "filesafety.scan.complete | scan.complete | s");
    }
}

/// Consumers take the newest event by its time, and the time of another field is older. So a time that cannot be read becomes no time.
#[test]
fn a_time_that_cannot_be_read_is_not_another_one() {
    const NONE: Option<i64> = None;
    let seconds = |event: &Event| event.occurred_at.map(|time| time.seconds);
    let asset = r#"{"event":"file-processed","id":"a","upload_time":"2020-01-01T00:00:00Z","update_time":@}"#;
    let scanned = r#"{"hook":{"event":"file.infected"},"data":{"uuid":"a","datetime_uploaded":"2020-01-01T00:00:00Z","appdata":{"uc_clamav_virus_scan":{"data":{"infected":true},"datetime_updated":@}}}}"#;
    for (provider, body, name) in [
        (&filespin::PROVIDER, asset, "filespin.file-processed | file-processed | a"),
        (&uploadcare::PROVIDER, scanned, "uploadcare.file.infected | file.infected | a"),
    ] {
        let check = |time: &[u8], repaired: &str, expected: Option<i64>| {
            let event = check(provider, &with(body, time), &format!("{name}{repaired}"));
            assert_eq!(seconds(&event), expected, "{}", String::from_utf8_lossy(time));
        };
        check(b"\"2026-01-01T00:00:00Z\"", "", Some(1_767_225_600));
        check(b"null", "", Some(1_577_836_800));
        check(b"\"yesterday\"", "", NONE);
        // A field of the wrong type is read like a missing field.
        check(b"1767225600", "", Some(1_577_836_800));
        check(b"\"2026-01-01T00:00:0\xffZ\"", " | repaired", NONE);
        check(b"NaN", " | repaired", NONE);
    }
}

/// Whether the original was deleted too is known only if every name can be read.
#[test]
fn a_name_that_cannot_be_read_may_be_the_originals() {
    let affected = |keys: &str, broken: &[u8], repaired: &str| {
        let body = format!(r#"{{"event":"file-deleted","id":"d","status":"OK","keys":{keys}}}"#);
        let event =
            check(&filespin::PROVIDER, &with(&body, broken), &format!("filespin.file-deleted | file-deleted | d{repaired}"));
        let Some(Payload::FilespinDeletion(deletion)) = event.payload else { panic!("a deletion") };
        deletion.original_affected
    };
    assert_eq!(affected(r#"["thumb","@"]"#, b"web", ""), Some(false));
    assert_eq!(affected(r#"["thumb","@"]"#, b"original\xff", " | repaired"), None);
    assert_eq!(affected(r#"["thumb","@"]"#, br"origi\ud800nal", " | repaired"), None);
    assert_eq!(affected(r#"["thumb",@]"#, b"NaN", " | repaired"), None);
    // The bytes were lost before the sender got them.
    assert_eq!(affected(r#"["thumb","@"]"#, "original\u{fffd}".as_bytes(), ""), None);
    assert_eq!(affected(r#"["original","@"]"#, b"a\xff", " | repaired"), Some(true));
}

/// A byte order mark is no reason to change anything else.
#[test]
fn a_mark_alone_leaves_exact_texts_as_they_are() {
    let body = r#"@{"hook":{"event":"file.info_updated"},"data":{"uuid":"u"},"previous_values":{"metadata":{"a":1e400}}}"#;
    let event = check(
        &uploadcare::PROVIDER,
        &with(body, b"\xef\xbb\xbf"),
        "uploadcare.file.info_updated | file.info_updated | u | repaired",
    );
    let Some(Payload::UploadcareFile(file)) = event.payload else { panic!("a file") };
    assert_eq!(file.previous_values_json, r#"{"metadata":{"a":1e400}}"#);
    check(&uploadcare::PROVIDER, b"\xef\xbb\xbf{\"hook\":", "quarantine | ");
}

/// Readers disagree on which of two values counts, so neither counts. That holds also in objects with free keys.
#[test]
fn a_key_twice_is_refused_wherever_it_is_read() {
    for (provider, body) in [
        (&filespin::PROVIDER, r#"{"event":"file-processed","id":"a","conversions":{"w":{"public":false},"w":{"public":true}}}"#),
        (
            &filespin::PROVIDER,
            r#"{"event":"file-processed","id":"a","addons_info":{"A":{"available":false},"A":{"available":true}}}"#,
        ),
        (&filespin::PROVIDER, r#"{"event":"file-processed","id":"a","addons_info":{"A":{"available":false,"available":true}}}"#),
        (&filespin::PROVIDER, r#"{"event":"file-processed","id":"a","metadata":{"width":1,"width":2}}"#),
        (&filespin::PROVIDER, r#"{"event":"file-deleted","id":"a","errors":{"x":"1","x":"2"}}"#),
        (&filesafety::PROVIDER, r#"{"scan_id":"s","verdict":"toxic","text":{"sentiment":{"scores":{"A":1,"A":0}}}}"#),
        (&filesafety::PROVIDER, r#"{"scan_id":"s","verdict":"toxic","text":{"sentiment":{"scores":{"A":1,"A":"x"}}}}"#),
    ] {
        check(provider, body.as_bytes(), "quarantine | ");
    }
    // These fields are not read.
    check(
        &filespin::PROVIDER,
        br#"{"event":"file-saved","id":"a","data":{"x":1,"x":2}}"#,
        "filespin.file-saved | file-saved | a",
    );
}

#[test]
fn a_repair_decides_neither_type_nor_subject() {
    let broken: [&[u8]; 6] = [b"NaN", b"Infinity", b"1e400", b"\"\xff\"", br#""\ud83d""#, b"\"a\xc3\""];
    for (provider, bodies) in [
        // FileSafety's guide does not mention `event`, and a missing one means one of the types.
        (
            &filesafety::PROVIDER,
            &[r#"{"event":@,"scan_id":"s","verdict":"clean"}"#, r#"{"event":"scan.complete","scan_id":@}"#][..],
        ),
        // A status can stand for a type, and fields that describe a file distinguish an asset from a deletion.
        (&filespin::PROVIDER, &[r#"{"event":@,"id":"a","status":"OK"}"#, r#"{"id":@,"event":"file-saved"}"#]),
        (
            &frameio::PROVIDER,
            &[
                r#"{"type":@,"resource":{"id":"r"}}"#,
                r#"{"type":"file.ready","resource":{"id":@}}"#,
                r#"{"type":"x","action_id":"a","interaction_id":"i","resource":{"id":@}}"#,
                r#"{"type":"x","action_id":"a","interaction_id":"i","resources":[{"id":@},{"id":"b"}]}"#,
            ],
        ),
        (
            &uploadcare::PROVIDER,
            &[r#"{"hook":{"event":@},"data":{"uuid":"u"}}"#, r#"{"hook":{"event":"file.stored"},"data":{"uuid":@}}"#],
        ),
    ] {
        for body in bodies {
            for broken in broken {
                let body = with(body, broken);
                let event = classified(provider, &body);
                assert_eq!(event.kind, EventKind::Quarantine, "{}: {event:?}", String::from_utf8_lossy(&body));
            }
        }
    }
    // A status that is not a text implies no type, like any other wrong status.
    check(&filespin::PROVIDER, &with(r#"{"id":"a","status":@}"#, b"NaN"), "filespin.unclassified |  | a | repaired");
    // An action is distinguished from a webhook by its id, so the id must not be in doubt. Broken text is still an id.
    let action = r#"{"type":"file.ready","action_id":@,"resource":{"id":"r"}}"#;
    check(&frameio::PROVIDER, &with(action, b"NaN"), "quarantine | ");
    check(&frameio::PROVIDER, &with(action, b"\"\xff\""), "frameio.action | file.ready | r | repaired");
    for number in ["NaN", "1e400"] {
        let body = with(r#"{"id":"a","status":"OK","keys":["original"],"size":@}"#, number.as_bytes());
        check(&filespin::PROVIDER, &body, "quarantine | ");
    }
}

#[test]
fn what_readers_disagree_on_stays_refused() {
    for (body, broken) in [
        (r#"{"event":"scan.complete","scan_id":"s","verdict":"infected","verdict":"clean","nsfw":@}"#, "NaN"),
        (r#"{"event":"scan.complete","scan_id":"s","verdict":"infected","nsfw":@"#, "NaN"),
        (r#"{"event":"scan.complete","scan_id":"s","verdict":"infected","nsfw":@}"#, "nan"),
        (r#"@{"event":"scan.complete","scan_id":"s","verdict":"infected"}"#, "\u{feff}\u{feff}"),
        (r#"[{"event":"scan.complete","scan_id":"s","verdict":@}]"#, "NaN"),
    ] {
        check(&filesafety::PROVIDER, &with(body, broken.as_bytes()), "quarantine | ");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Replaces some bytes of a sample by any bytes. An event that was read then has the sample's subject, or one that the body contains.
    #[test]
    fn broken_bytes_never_make_a_subject(provider in 0_usize..4, at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..4)) {
        let provider = provider::ALL[provider];
        let name = provider.names().next().unwrap();
        let mut body = (provider.sample)(name).unwrap().into_bytes();
        let at = at.index(body.len());
        body.splice(at..(at + bytes.len()).min(body.len()), bytes);
        let event = classified(provider, &body);
        if event.text_repaired {
            let held = |text: &str| memchr::memmem::find(&body, text.as_bytes()).is_some();
            prop_assert!(event.subject.as_deref().is_none_or(held), "{event:?}");
            prop_assert!(event.type_inferred || event.event_type.is_empty() || held(&event.event_type), "{event:?}");
        }
    }
}
