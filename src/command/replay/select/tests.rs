use clap::Parser;
use prost_types::Timestamp;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    choice: Choice,
}

const ID: &str = "38ffb9fd-f474-82e1-9e78-56c76f1c24de";

fn choice(line: &str) -> Choice {
    Line::try_parse_from(["replay"].into_iter().chain(line.split_whitespace())).unwrap().choice
}

#[test]
fn a_scope_must_be_said() {
    fn check(line: &str, refused: Option<&str>) {
        let outcome = choice(line).check();
        match (outcome, refused) {
            (Ok(()), None) => {}
            (Err(Failure::Usage(text)), Some(expected)) => assert!(text.contains(expected), "{line}: {text}"),
            (outcome, _) => panic!("{line}: {outcome:?}"),
        }
    }
    check("--all", None);
    check("--since 24h", None);
    check("--id 5d3c*", None);
    check("--all --until 1h --reason not_json", None);
    check("", Some("say which records"));
    check("--until 1h", Some("say which records"));
    check("--reason not_json --endpoint a --type b", Some("say which records"));
    check("--since 1h --until 2h", Some("--since must be before --until"));
    check("--since +1h", Some("--since is in the future"));
}

#[test]
fn each_filter_takes_and_leaves() {
    fn check(line: &str, admitted: bool) {
        let event = Event {
            id: ID.into(),
            provider: "uploadcare".into(),
            endpoint: "photos".into(),
            r#type: "file.moved".into(),
            received_at: Some(Timestamp { seconds: 1_760_000_000, nanos: 500_000_000 }),
            origin: Origin::Webhook.into(),
            ..Event::default()
        };
        let stored = record(&[("ce_type", "hookgate.uploadcare.unclassified")]);
        let sorted = |event| Sorted::of(&stored, Some(event)).expect("unclassified");
        assert_eq!(Search::new(&choice(line)).admits(&sorted(event)), admitted, "{line}");
        // Of what cannot be decoded, the headers say the same, except the type.
        let more = [("ce_type", "hookgate.uploadcare.unclassified"), ("ce_id", ID), ("ce_source", "/hookgate/photos")];
        let broken = Sorted::of(&record(&more), None).expect("unclassified");
        assert_eq!(Search::new(&choice(line)).admits(&broken), admitted && !line.contains("--type"), "{line}");
    }
    check("", true);
    check("--since 1760000000500", true);
    check("--since 1760000000501", false);
    check("--until 1760000000501", true);
    check("--until 1760000000500", false);
    check("--reason unclassified,not_json", true);
    check("--reason not_json", false);
    check("--endpoint ph*", true);
    check("--endpoint scans", false);
    check("--type file.moved", true);
    check("--type uploadcare.*", true);
    check("--type file.stored", false);
    check(&format!("--id {ID},5d3c2f0a-7b1e-8c4d-9a6f-2e1d0c9b8a7f"), true);
    check(&format!("--id {}", ID.to_uppercase()), true);
    check("--id 38ff*", true);
    check("--id 5d3c2f0a-7b1e-8c4d-9a6f-2e1d0c9b8a7f", false);
}

fn record(headers: &[(&str, &str)]) -> StoredRecord {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec()))).collect();
    let (topic, key, value) = ("t".into(), None, None);
    StoredRecord { topic, partition: 0, offset: 0, timestamp_ms: Some(1_760_000_000_500), key, headers, value }
}

#[test]
fn each_record_has_a_reason_or_a_type() {
    fn check(headers: &[(&str, &str)], reason: Option<&str>, is_event: bool) {
        let event = |origin: Origin| Event { id: "i".into(), origin: origin.into(), ..Event::default() };
        let of = |event: Option<Event>| Sorted::of(&record(headers), event);
        let outcome = |sorted: Option<Sorted>| sorted.and_then(|it| it.delivery.err());
        assert_eq!(of(None).map(|it| it.reason).as_deref(), reason, "{headers:?}");
        assert_eq!(of(Some(event(Origin::Webhook))).map(|it| it.reason).as_deref(), reason, "{headers:?}");
        let no_event = reason.map(|_| ReplayOutcome::NoEvent);
        assert_eq!(outcome(of(None)), no_event, "{headers:?}");
        assert_eq!(outcome(of(Some(event(Origin::Webhook)))), no_event.filter(|_| !is_event), "{headers:?}");
        for origin in [Origin::Sample, Origin::Recovered, Origin::Replayed] {
            let expected = if is_event { Some(ReplayOutcome::NoWebhook) } else { no_event };
            assert_eq!(outcome(of(Some(event(origin)))), expected, "{headers:?}");
        }
    }
    check(&[("ce_type", "hookgate.quarantine"), ("hookgate-reason", "not_json")], Some("not_json"), true);
    check(&[("ce_type", "hookgate.quarantine")], Some("unknown"), true);
    check(&[("ce_type", "hookgate.frameio.unclassified")], Some("unclassified"), true);
    check(&[("ce_type", "hookgate.frameio.file.ready")], None, false);
    check(&[("ce_type", "other.unclassified")], Some("unknown"), false);
    check(&[("hookgate-reason", "not_json")], Some("unknown"), false);
    check(&[], Some("unknown"), false);
}

#[test]
fn an_id_is_one() {
    fn check(text: &str, read: Option<&str>) {
        assert_eq!(event_id(text).ok().as_deref(), read, "{text}");
    }
    check(ID, Some(ID));
    check(&format!(" {}", ID.to_uppercase()), Some(ID));
    for pattern in ["*", "38ff*", "*-8ce1-*"] {
        check(pattern, Some(pattern));
    }
    let scan = "scn_01JQ4T8M6ZK3V0XW9B5RCD7YHN";
    for wrong in ["", "zzz", "38ffb9fd", "zzz*", "38ffb9fdf47482e19e7856c76f1c24de", &ID[1..], &format!("{ID}0"), scan] {
        check(wrong, None);
    }
}
