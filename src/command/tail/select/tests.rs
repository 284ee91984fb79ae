use prost::Message as _;

use clap::Parser as _;

use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    range: Range,
    #[command(flatten)]
    filters: Filters,
}

fn parse(line: &str) -> Result<Line, clap::Error> {
    Line::try_parse_from(std::iter::once("tail").chain(line.split_whitespace()))
}

#[test]
fn an_exact_time_keeps_every_digit() {
    let check = |text: &str, expected: (i64, i32)| {
        let read = exact(text, 1_795_341_600_123).map(|time| (time.seconds, time.nanos));
        assert_eq!(read, Some(expected), "{text}");
    };
    check("now", (1_795_341_600, 123_000_000));
    check("1ms", (1_795_341_600, 122_000_000));
    check("2026-11-22T10:00:00.000001Z", (1_795_341_600, 1_000));
    check("2026-11-22T11:00:00.123456789+01:00", (1_795_341_600, 123_456_789));
    check("2026-11-22T10:00Z", (1_795_341_600, 0));
    check("1969-12-31T23:59:59.999999999Z", (-1, 999_999_999));
}

#[test]
fn times_are_read_as_people_write_them() {
    // 2026-11-22T10:00:00Z
    const NOW: i64 = 1_795_341_600_000;
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(time(text, NOW), expected, "{text:?}");
    }
    check("now", Some(NOW));
    check("2026-11-22T10:00:00Z", Some(NOW));
    check("2026-11-22T11:00:00.25+01:00", Some(NOW + 250));
    check("2026-11-22T10:00:00", Some(NOW));
    check("2026-11-22 10:00:00Z", Some(NOW));
    check("2026-11-22T10:00", Some(NOW));
    check("2026-11-22 10:01", Some(NOW + 60_000));
    check("2026-11-22T10:00Z", Some(NOW));
    check("2026-11-22T12:00+02:00", Some(NOW));
    check("2026-11-22T12:00+0200", Some(NOW));
    check("2026-11-22 05:00-05:00", Some(NOW));
    check("2026-11-22T12:00:00+02:00", Some(NOW));
    check("2026-11-22T10:0", None);
    check("2026-11-22T10:0Z", None);
    check("2026-11-22T10Z", None);
    check("2026-11-22", Some(NOW - 10 * 3_600_000));
    check("1969-12-31T23:59:59.9Z", Some(-100));
    check("1795341600", Some(NOW));
    check("1795341600000", Some(NOW));
    check("-15m", Some(NOW - 900_000));
    check("15m", Some(NOW - 900_000));
    check("15m ago", Some(NOW - 900_000));
    check("1h30m ago", Some(NOW - 5_400_000));
    check("-2d 12h", Some(NOW - 60 * 3_600_000));
    check("-1w", Some(NOW - 7 * 86_400_000));
    check("-250ms", Some(NOW - 250));
    check("+5m", Some(NOW + 300_000));
    for wrong in ["", "-", "+", "ago", "m", "15", "-15", "15x", "--15m", "-15m ago", "-99999999999999999999s", "-9999999999999w"]
    {
        check(wrong, None);
    }
    for wrong in ["2026-13-01", "2026-11-22T25:00:00Z", "yesterday", "179534160012", "١٥m"] {
        check(wrong, None);
    }
}

#[test]
fn a_time_that_is_nearly_one_has_a_suggestion() {
    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(meant(text, 1_795_341_600_000).as_deref(), expected, "{text:?}");
    }
    check("2026/11/22", Some("2026-11-22"));
    check("2026/11/22 10:00", Some("2026-11-22 10:00"));
    check("2026-11-22T10", Some("2026-11-22T10:00"));
    check("24 hours", Some("24h"));
    check("1 day", Some("1d"));
    check("90 min ago", Some("90m"));
    for hopeless in ["", "yesterday", "22.11.2026", "2026-13-01", "hours"] {
        check(hopeless, None);
    }
}

#[test]
fn flags_make_a_selection() {
    fn check(line: &str, start: &Start, follow: bool) {
        let parsed = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let filtered = parsed.filters.are_set();
        let selection = parsed.range.selection(vec!["*".into()], filtered);
        let selection = selection.unwrap_or_else(|error| panic!("{line}: {error:?}"));
        assert_eq!((&selection.start, selection.follow), (start, follow), "{line}");
    }
    check("", &Start::End, true);
    check("--exit", &Start::End, false);
    check("--from-beginning", &Start::Beginning, true);
    check("--from-beginning --exit", &Start::Beginning, false);
    check("--since 2026-11-22T10:00:00Z", &Start::Time(1_795_341_600_000), true);
    check("--last 3", &Start::Last { records: 3, offsets: 3 }, true);
    // The last three records that match may be anywhere.
    check("--last 3 --verdict infected", &Start::Beginning, true);
    check("--last 3 --since 2026-11-22T10:00:00Z", &Start::Time(1_795_341_600_000), true);
    check("--last 3 --from-beginning --exit", &Start::Beginning, false);
    check("--last 3 --until 2026-11-22", &Start::Beginning, false);
    check("--until -1h", &Start::Beginning, false);
    // A future time is waited for.
    check("--until +1h", &Start::End, true);
    check("--offset 7", &Start::Offset(7), true);
    check("--offset 0:7,2:9 --exit", &Start::Offsets([(0, 7), (2, 9)].into()), false);
    check("--offset 0:7 --offset 2:9", &Start::Offsets([(0, 7), (2, 9)].into()), true);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    fn refused(line: &str, why: &str) {
        let message = match parse(line) {
            Err(error) => error.to_string(),
            Ok(line) => format!("{:?}", line.range.selection(Vec::new(), false).err()),
        };
        assert!(message.contains(why), "{line}: {message}");
    }
    refused("--from-beginning --since -1h", "cannot be used with");
    refused("--since -1h --offset 3", "cannot be used with");
    refused("--last 3 --offset 3", "cannot be used with");
    refused("--last 0", "--last");
    refused("--since soon", "a time is like");
    refused("--offset -3", "unexpected argument");
    refused("--offset 1:", "an offset is a number");
    refused("--offset 99999999999999999999", "an offset is a number");
    refused("--offset 1,2", "one PARTITION:OFFSET for each");
    refused("--offset 1,0:2", "one PARTITION:OFFSET for each");
    refused("--offset 0:1,0:2", "one PARTITION:OFFSET for each");
    refused("--partition -1", "unexpected argument");
    refused("--partition=-1", "--partition");
    refused("--provider nobody", "possible values");
    refused("--origin nowhere", "possible values");
}

/// Returns a record as the daemon writes it.
fn stored(kind: &str, event: &proto::Event, more: &[(&str, &str)]) -> StoredRecord {
    let headers = [
        ("ce_id", event.id.clone()),
        ("ce_source", format!("/hookgate/{}", event.endpoint)),
        ("ce_type", format!("hookgate.{kind}")),
        ("ce_subject", event.subject.clone()),
    ];
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    StoredRecord {
        topic: "t".into(),
        partition: 0,
        offset: 0,
        timestamp_ms: Some(1_000),
        key: Some(event.subject.clone().into_bytes()),
        headers: headers.into_iter().chain(more).map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))).collect(),
        value: Some(event.encode_to_vec()),
    }
}

fn event(provider: &str, event_type: &str) -> proto::Event {
    proto::Event {
        id: "17e0367e".into(),
        provider: provider.into(),
        endpoint: "avatars".into(),
        r#type: event_type.into(),
        subject: "scn_1".into(),
        origin: Origin::Webhook.into(),
        ..proto::Event::default()
    }
}

fn check(stored: &StoredRecord, line: &str, admitted: bool) {
    let filters = parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).filters;
    assert_eq!(filters.admit(stored), admitted, "{line}");
}

#[test]
fn filters_admit_what_they_name() {
    let scan = event("filesafety", "scan.complete");
    let verdict = [("hookgate-verdict", "infected")];
    let whole = stored("filesafety.scan.complete", &scan, &verdict);
    let undecodable = StoredRecord { value: Some(b"\xff".to_vec()), ..whole.clone() };
    let bare = StoredRecord { headers: Vec::new(), ..whole.clone() };
    let framed = StoredRecord { value: Some([&[0, 0, 0, 0, 7, 0], bare.value_bytes()].concat()), ..bare.clone() };
    // What the headers say is not looked for in the value. Without headers the value is decoded, in a registry's frame too.
    for stored in [&whole, &undecodable, &bare, &framed] {
        check(stored, "", true);
        check(stored, "--provider filesafety", true);
        check(stored, "--provider frameio,filesafety", true);
        check(stored, "--provider frameio", false);
        check(stored, "--type scan.complete", true);
        check(stored, "--type scan.*", true);
        check(stored, "--type filesafety.*", true);
        check(stored, "--type hookgate.filesafety.scan.complete", true);
        check(stored, "--type hookgate.filesafety.scan.verdict_updated", false);
        check(stored, "--type scan", false);
        check(stored, "--type frameio.*", false);
        check(stored, "--subject scn_1", true);
        check(stored, "--subject scn_* --endpoint avatars --id 17e0367e", true);
        check(stored, "--subject scn_2", false);
        check(stored, "--endpoint review", false);
        check(stored, "--id 17e0367f", false);
        check(stored, "--provider filesafety --type scan.verdict_updated", false);
    }
    check(&whole, "--verdict clean,infected", true);
    check(&undecodable, "--verdict infected --type scan.complete", true);
    check(&whole, "--verdict clean", false);
    check(&bare, "--verdict infected", false);
    check(&whole, "--origin webhook,sample", true);
    check(&whole, "--origin sample", false);
    check(&undecodable, "--origin webhook", false);
}

/// A header that is there several times is found by each of its values, because only a person can decide which one counts.
#[test]
fn each_value_of_a_doubled_header_is_looked_at() {
    let of = |names: [&str; 2], name: &'static str| {
        let mut record = stored("hookgate.filesafety.scan.complete", &event("filesafety", "scan.complete"), &[]);
        record.headers.retain(|(it, _)| it != name);
        record.headers.extend(names.map(|value| (name.to_owned(), Some(value.as_bytes().to_vec()))));
        record
    };
    let both = |name: &'static str, values: [&str; 2], lines: [&str; 2], neither: &str| {
        for record in [of(values, name), of([values[1], values[0]], name)] {
            check(&record, lines[0], true);
            check(&record, lines[1], true);
            check(&record, neither, false);
        }
    };
    both("hookgate-verdict", ["clean", "infected"], ["--verdict clean", "--verdict infected"], "--verdict nsfw");
    both("ce_subject", ["a", "b"], ["--subject a", "--subject b"], "--subject c");
    both("ce_id", ["a", "b"], ["--id a", "--id b"], "--id c");
    both("ce_source", ["/hookgate/a", "/hookgate/b"], ["--endpoint a", "--endpoint b"], "--endpoint c");
    let types = ["hookgate.frameio.file.ready", "hookgate.uploadcare.file.stored"];
    both("ce_type", types, ["--type file.ready", "--type uploadcare.file.stored"], "--type file.deleted");
    both("ce_type", types, ["--provider frameio", "--provider uploadcare"], "--provider filespin");
}

#[test]
fn records_of_one_topic_are_distinguished_by_their_events() {
    let action = stored("frameio.action", &event("frameio", "acme.publish"), &[]);
    check(&action, "--type action", true);
    check(&action, "--type acme.*", true);
    check(&action, "--type acme.archive", false);
    let unknown = stored("uploadcare.unclassified", &event("uploadcare", "file.moved"), &[]);
    check(&unknown, "--type unclassified", true);
    check(&unknown, "--type uploadcare.unclassified", true);
    check(&unknown, "--type file.moved --provider uploadcare", true);
    check(&unknown, "--type file.stored", false);
    let quarantined = stored("quarantine", &event("filespin", ""), &[]);
    check(&quarantined, "--type quarantine", true);
    check(&quarantined, "--type hookgate.quarantine", true);
    check(&quarantined, "--type hookgate.frameio.*", false);
    check(&quarantined, "--provider filespin", true);
    check(&quarantined, "--provider uploadcare", false);
}

#[test]
fn a_range_of_times_excludes_its_end() {
    let at = |time: Option<i64>| StoredRecord { timestamp_ms: time, ..stored("quarantine", &event("filespin", ""), &[]) };
    let range =
        parse("--since 1970-01-01T00:00:01Z --until 1970-01-01T00:00:02Z").unwrap_or_else(|error| panic!("{error}")).range;
    for (time, within) in [(Some(999), false), (Some(1_000), true), (Some(1_999), true), (Some(2_000), false), (None, true)] {
        assert_eq!(range.admits(&at(time)), within, "{time:?}");
    }
    assert!(range.is_over());
}
