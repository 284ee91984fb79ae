use super::*;
use crate::{
    delivery::Credential,
    event::{Fault, FaultReason, parse_time},
    proto::event::Payload,
    provider::{
        self, filesafety,
        tests::{delivery, keys},
    },
};

/// The expected ids were computed with Python's hashlib and uuid.
#[test]
fn ids_are_known_answers() {
    fn check(endpoint: &str, timestamp_text: &str, body: &[u8], id: &str) {
        assert_eq!(delivery_id(endpoint, timestamp_text, body), id, "{endpoint} {timestamp_text}");
    }
    let every_byte: Vec<u8> = (0..=255).collect();
    check("uploadcare", "", b"{}", "17e0367e-13b7-87da-ab44-34ce01f49364");
    check("frameio", "1604004499", b"{}", "ab8c6aaf-25bb-845a-acc8-42e8a5168036");
    check("a", "", b"", "0e9fcae3-09dd-8be3-b8c5-17cfc3a0226a");
    check("", "a", b"", "7bafb5b9-5451-8186-9dd5-69076cb1e37b");
    check("avatars", "", &every_byte, "7b3631e2-f56c-8966-b12a-7e0eba85dd47");
}

/// These ids were computed by another program.
#[test]
fn ids_of_recovered_events_are_known_answers() {
    #[track_caller]
    fn check((endpoint, event_type, subject): (&str, &str, &str), at: Option<(i64, i32)>, twin: u32, id: &str) {
        let at = at.map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos });
        assert_eq!(recovered_id(endpoint, event_type, subject, at, twin), id, "{endpoint} {event_type}");
    }
    check(
        ("uploadcare", "file.stored", "17be4678-dab7-4bc7-8753-28914a22960a"),
        Some((1_541_423_681, 123_450_000)),
        0,
        "fcef7ff5-092d-814e-a913-191cbff0985d",
    );
    check(("frameio", "comment.created", "r"), Some((1_795_341_600, 0)), 1, "f78c7026-af60-8039-88b4-ebda1174e575");
    check(("avatars", "scan.verdict_updated", "scn_1"), None, 0, "8eab28c6-51e1-871f-8b7c-f6949c908201");
    check(("a", "b", "ü"), Some((-1, 1)), 10, "9c662437-163a-858f-bf64-d6b307c308db");
}

const TOKEN: &str = "token-of-sixteen-characters-or-more";

/// Returns a proven delivery of FileSafety: the shortest way to a `Verified`.
fn verified(body: &'static [u8]) -> Verified {
    filesafety::PROVIDER.verify(delivery(Credential::Token(TOKEN.into()), body), &keys(&["old", "older", TOKEN])).unwrap()
}

fn encoding(record_bytes_max: usize) -> Encoding {
    let topics = TopicTable::new([&filesafety::PROVIDER], |kind| format!("t.{}", kind.name()));
    Encoding { topics, framing: Framing::default(), record_bytes_max, origin: Origin::Webhook }
}

fn decode(record: &Record) -> proto::Event {
    proto::Event::decode(&record.value[..]).unwrap()
}

/// Returns an event with every field set that a header can show.
fn event(kind: EventKind) -> Event {
    Event {
        subject: Some("scn_1".into()),
        occurred_at: parse_time("2026-03-23T12:00:00.5Z"),
        verdict: Some("infected".into()),
        ..Event::new(kind, "scan.complete")
    }
}

const COMPLETE: EventKind = EventKind::Named { provider: "filesafety", name: "scan.complete" };

#[test]
fn records_carry_what_the_contract_says() {
    fn check(event: Event, topic: &str, key: &str, headers: &[(&str, &str)]) {
        let record = encode(verified(b"{}"), &filesafety::PROVIDER, event, &encoding(1_000_000));
        assert_eq!((&*record.topic, &*record.key), (topic, key));
        let fixed = [
            ("ce_specversion", "1.0"),
            ("ce_id", ID),
            ("ce_source", "/hookgate/avatars"),
            ("ce_subject", key),
            ("ce_dataschema", "urn:hookgate:schema:hookgate.v1.Event"),
            ("content-type", "application/protobuf"),
        ];
        let listed = |name: &&str| HEADERS.iter().any(|header| header.name == *name);
        let always = HEADERS.iter().filter(|header| header.always).map(|header| header.name);
        let names: Vec<&str> = record.headers.iter().map(|(name, _)| *name).collect();
        assert!(names.iter().all(listed) && always.clone().all(|name| names.contains(&name)), "{names:?}");
        let mut expected: Vec<(&str, &str)> = fixed.iter().chain(headers).copied().collect();
        let mut found: Vec<(&str, &str)> = record.headers.iter().map(|(name, value)| (*name, &**value)).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        let message = decode(&record);
        assert_eq!((message.subject.as_str(), message.id.as_str(), record.timestamp_ms), (key, ID, 1_760_000_000_123));
        assert_eq!(message.proof.unwrap().secret_slot, 3);
        assert_eq!((message.endpoint.as_str(), &message.body[..]), ("avatars", &b"{}"[..]));
    }
    // Computed with Python from the endpoint "avatars" and the body "{}".
    const ID: &str = "999df48b-b178-8ad5-b542-f9c92fea5528";
    let time = ("ce_time", "2026-03-23T12:00:00.500Z");
    check(
        event(COMPLETE),
        "t.filesafety.scan.complete",
        "scn_1",
        &[time, ("ce_type", "hookgate.filesafety.scan.complete"), ("hookgate-verdict", "infected")],
    );
    // No subject, no time: the id is the key, and the header is left out.
    check(
        Event::new(EventKind::Unclassified { provider: "filesafety" }, "scan.new"),
        "t.filesafety.unclassified",
        ID,
        &[("ce_type", "hookgate.filesafety.unclassified")],
    );
    let fault = Fault { reason: FaultReason::NoSubject, detail: "scan_id: a string was expected".into() };
    check(
        Event::quarantined(fault),
        "t.quarantine",
        ID,
        &[
            ("ce_type", "hookgate.quarantine"),
            ("hookgate-reason", "no_subject"),
            ("hookgate-detail", "scan_id: a string was expected"),
        ],
    );
}

#[test]
fn a_payload_that_does_not_fit_is_left_out_and_nothing_else() {
    let with_payload = || Event {
        payload: Some(Payload::FilesafetyScan(proto::FilesafetyScan { scan_id: "s".repeat(5000), ..Default::default() })),
        ..event(COMPLETE)
    };
    let whole = encode(verified(b"{}"), &filesafety::PROVIDER, with_payload(), &encoding(usize::MAX));
    let fits = whole.value.len() + OVERHEAD_BYTES_MAX;
    let check = |record_bytes_max, omitted| {
        let record = encode(verified(b"{}"), &filesafety::PROVIDER, with_payload(), &encoding(record_bytes_max));
        let message = decode(&record);
        assert_eq!((record.payload_omitted, message.payload_omitted, message.payload.is_none()), (omitted, omitted, omitted));
        assert_eq!(&message.body[..], b"{}");
    };
    check(fits, false);
    check(fits - 1, true);
}

#[test]
fn a_type_of_any_length_is_bounded() {
    let check = |length: usize, kept: bool| {
        let event = Event::new(EventKind::Unclassified { provider: "filesafety" }, "t".repeat(length));
        let record = encode(verified(b"{}"), &filesafety::PROVIDER, event, &encoding(1_000_000));
        assert_eq!(decode(&record).r#type.len(), if kept { length } else { 0 });
    };
    check(512, true);
    check(513, false);
}

#[test]
fn every_kind_has_a_topic_of_its_own() {
    let topics = TopicTable::new(provider::ALL.iter().copied(), |kind| kind.name().into_owned());
    let kinds: Vec<_> = provider::ALL.iter().flat_map(|provider| provider.kinds()).chain([EventKind::Quarantine]).collect();
    for kind in &kinds {
        assert_eq!(&*topics.topic("any", *kind), &*kind.name());
    }
    assert_eq!(topics.by_topic().len(), kinds.len());
}

#[test]
fn an_endpoint_may_have_topics_of_its_own() {
    let mut topics = TopicTable::new([&filesafety::PROVIDER], |kind| kind.name().into_owned());
    topics.give(&"acme".into(), &filesafety::PROVIDER, |kind| format!("acme.{}", kind.name()));
    for (endpoint, kind, expected) in [
        ("avatars", COMPLETE, "filesafety.scan.complete"),
        ("acme", COMPLETE, "acme.filesafety.scan.complete"),
        ("acme", EventKind::Quarantine, "acme.quarantine"),
        // No endpoint has a kind of another provider; it would not go to another endpoint's topic.
        ("acme", EventKind::Unclassified { provider: "frameio" }, "acme.quarantine"),
    ] {
        assert_eq!(&*topics.topic(endpoint, kind), expected, "{endpoint} {kind:?}");
    }
    let each = TopicTable::new([&filesafety::PROVIDER], |kind| kind.name().into_owned()).by_topic().len();
    assert_eq!(topics.by_topic().len(), 2 * each);
}

#[test]
fn a_frame_stands_in_front_of_the_same_bytes() {
    let event = || event(COMPLETE);
    let encode = |encoding: &Encoding| encode(verified(b"{}"), &filesafety::PROVIDER, event(), encoding);
    let plain = encode(&encoding(1_000_000));
    let framing = Framing::awaiting([Arc::clone(&plain.topic), "another".into()]);
    assert_eq!((framing.prefix(&plain.topic), framing.prefix("no such topic")), (None, None));
    assert_eq!(framing.missing(), ["another".into(), Arc::clone(&plain.topic)]);
    framing.clone().know(&plain.topic, 0x0102_0304);
    framing.know(&plain.topic, 7);
    framing.know("no such topic", 7);
    assert_eq!(framing.missing(), ["another".into()]);
    let record = encode(&Encoding { framing, ..encoding(1_000_000) });
    assert_eq!(record.value, [&[0, 1, 2, 3, 4, 0][..], &plain.value].concat());
    assert_eq!(record.headers, plain.headers);
    assert_eq!(proto::unframe(&record.value), Some((0x0102_0304, &plain.value[..])));
}

#[test]
fn a_frame_counts_for_the_size() {
    let sized = |framing: Framing, max: usize| {
        let event = Event { payload: Some(Payload::FilesafetyScan(proto::FilesafetyScan::default())), ..event(COMPLETE) };
        encode(verified(b"{}"), &filesafety::PROVIDER, event, &Encoding { framing, ..encoding(max) })
    };
    let plain = sized(Framing::default(), 1_000_000);
    let (just, framing) = (plain.value.len() + OVERHEAD_BYTES_MAX, Framing::awaiting([plain.topic]));
    framing.know(&framing.missing()[0], 1);
    assert!(!sized(Framing::default(), just).payload_omitted);
    assert!(sized(framing.clone(), just + 5).payload_omitted);
    assert!(!sized(framing, just + 6).payload_omitted);
}
