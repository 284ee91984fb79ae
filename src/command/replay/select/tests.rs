use clap::Parser;
use prost_types::Timestamp;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    choice: Choice,
}

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
    check("--id x", None);
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
            id: "i1".into(),
            provider: "uploadcare".into(),
            endpoint: "photos".into(),
            r#type: "file.moved".into(),
            received_at: Some(Timestamp { seconds: 1_760_000_000, nanos: 500_000_000 }),
            origin: Origin::Webhook.into(),
            ..Event::default()
        };
        assert_eq!(choice(line).admits("unclassified", &event), admitted, "{line}");
        assert!(!choice(line).admits("unclassified", &Event { origin: Origin::Sample.into(), ..event }), "{line}");
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
    check("--id i1,i2", true);
    check("--id i2", false);
}

#[test]
fn only_what_is_quarantined_or_unclassified_has_a_reason() {
    fn check(headers: &[(&str, &str)], expected: Option<&str>) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec()))).collect();
        let (topic, partition, offset, timestamp_ms, key, value) = ("t".into(), 0, 0, None, None, None);
        assert_eq!(reason(&StoredRecord { topic, partition, offset, timestamp_ms, key, headers, value }), expected);
    }
    check(&[("ce_type", "hookgate.quarantine"), ("hookgate-reason", "not_json")], Some("not_json"));
    check(&[("ce_type", "hookgate.quarantine")], Some("unknown"));
    check(&[("ce_type", "hookgate.frameio.unclassified")], Some("unclassified"));
    check(&[("ce_type", "hookgate.frameio.file.ready")], None);
    check(&[("ce_type", "other.unclassified")], None);
    check(&[("hookgate-reason", "not_json")], None);
    check(&[], None);
}
