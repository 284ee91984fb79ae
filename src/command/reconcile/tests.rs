use clap::Parser as _;

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    super::missing::{Comparison, Row, topics::Gaps},
    *,
};
use crate::command::Failure;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(line: &[&str]) -> Arguments {
    Line::try_parse_from(["reconcile"].iter().chain(line)).expect("accepted").arguments
}

#[test]
fn the_window_ends_before_what_is_under_way() {
    #[track_caller]
    fn check(now: SystemTime, line: &[&str], expected: Result<(u64, u64), &str>) {
        let line = arguments(line);
        let window = TimeWindow::of(line.since, line.scope.until, line.scope.grace, now).map(|window| {
            let ago = |time| now.duration_since(time).expect("earlier").as_secs();
            (ago(window.since), ago(window.until))
        });
        match (window, expected) {
            (Ok(window), Ok(expected)) => assert_eq!(window, expected),
            (Err(Failure::Usage(text)), Err(expected)) => assert!(text.contains(expected), "{text}"),
            (window, _) => panic!("{window:?}"),
        }
    }
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let at = |ago: u64| format!("{}", (1_800_000_000 - ago) * 1000);
    check(now, &["--since", &at(3600)], Ok((3600, 900)));
    check(now, &["--since", &at(3600), "--grace", "1h"], Err("--since must be before --until"));
    check(now, &["--since", &at(3600), "--grace", "0s"], Ok((3600, 0)));
    check(now, &["--since", &at(3600), "--until", &at(1800)], Ok((3600, 1800)));
    check(now, &["--since", &at(3600), "--until", &at(60)], Ok((3600, 900)));
    check(now, &["--since", &at(600)], Err("--since must be before --until"));
    check(now, &["--since", &at(60), "--until", &at(3600)], Err("--since must be before --until"));
    check(now, &["--since", &at(60), "--until", "1800000001000"], Err("--until is in the future"));
    check(now, &["--since", "1800000001000"], Err("--since is in the future"));
    check(now, &["--since", "1800000001000", "--until", &at(60)], Err("--since is in the future"));
}

fn comparison(rows: BTreeMap<&'static str, Row>) -> Comparison {
    let provider = provider::by_name("uploadcare").expect("known");
    Comparison {
        provider,
        rows,
        illegible: 0,
        undecided: Vec::new(),
        compared: true,
        gaps: Gaps::default(),
        replayed: HashSet::new(),
        references: BTreeMap::new(),
    }
}

#[test]
fn a_finding_is_what_a_person_should_see() {
    fn check(row: Row, named: &[&str], finding: bool) {
        let comparison = comparison([("file.deleted", row)].into());
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        assert_eq!(is_finding(&comparison, &named), finding);
    }
    let unknown = || vec!["why".to_owned()];
    check(Row { found: Some(1), ..Row::default() }, &["file.deleted"], false);
    check(Row { found: Some(1), missing: 1, ..Row::default() }, &[], true);
    check(Row { found: Some(1), forgotten: 1, ..Row::default() }, &[], true);
    check(Row { unknown: unknown(), ..Row::default() }, &[], false);
    check(Row { unknown: unknown(), ..Row::default() }, &["file.stored"], false);
    check(Row { unknown: unknown(), ..Row::default() }, &["file.deleted"], true);
    check(Row { unknown: unknown(), ..Row::default() }, &["uploadcare.file.deleted"], true);
    check(Row { unknown: unknown(), ..Row::default() }, &["frameio.file.deleted"], false);
}

#[test]
fn the_report_says_what_is_known() {
    let row = |found, missing, unknown: &[&str]| Row {
        found,
        missing,
        forgotten: if missing == 18 { 7 } else { 0 },
        unknown: unknown.iter().map(ToString::to_string).collect(),
    };
    let rows = [
        ("file.deleted", row(Some(12), 0, &["old files"])),
        ("file.info_updated", row(None, 0, &["no time"])),
        ("file.stored", row(Some(995), 18, &["7 may be"])),
        ("file.uploaded", row(Some(1204), 0, &[])),
    ];
    let comparison = comparison(rows.into());
    let window = TimeWindow { since: UNIX_EPOCH + Duration::from_secs(10), until: UNIX_EPOCH + Duration::from_secs(3610) };
    let shown = |format| {
        let mut out = Vec::new();
        report::show(&mut out, format, &window, &comparison).expect("written");
        String::from_utf8(out).expect("text")
    };
    assert_eq!(
        shown(ReportFormat::Pretty),
        "uploadcare, from 1970-01-01T00:00:10Z to 1970-01-01T01:00:10Z\n\
         \x20 type                   known  on topics    missing\n\
         \x20 file.deleted              12         12          0  cannot know: old files\n\
         \x20 file.info_updated          –          –          –  cannot know: no time\n\
         \x20 file.stored              995        970         18  18 missing: 7 may be\n\
         \x20 file.uploaded           1204       1204          0  complete\n"
    );
    let lines: Vec<serde_json::Value> =
        shown(ReportFormat::Json).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let states: Vec<&str> = lines.iter().filter_map(|line| line["state"].as_str()).collect();
    assert_eq!(states, ["unknown", "unknown", "missing", "complete"]);
    assert_eq!((&lines[2]["on_topics"], &lines[2]["forgotten"]), (&970.into(), &7.into()));
    assert_eq!((&lines[1]["missing"], &lines[1]["forgotten"]), (&serde_json::Value::Null, &serde_json::Value::Null));
}

/// Nobody reads lines that a terminal breaks in the middle of a word.
#[test]
fn reasons_that_are_too_long_stand_below_their_type() {
    let reasons =
        ["3 files of the listing cannot be read", "files uploaded before 2026-11-21T10:00:00Z were left out: --lookback all"];
    let row = Row { found: Some(12), missing: 2, unknown: reasons.map(str::to_owned).into(), ..Row::default() };
    let comparison = comparison([("file.deleted", row)].into());
    let window = TimeWindow { since: UNIX_EPOCH + Duration::from_secs(10), until: UNIX_EPOCH + Duration::from_secs(3610) };
    let mut out = Vec::new();
    report::show(&mut out, ReportFormat::Pretty, &window, &comparison).expect("written");
    let text = String::from_utf8(out).expect("text");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let below: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(
        below,
        [
            "  file.deleted         12         10          2  2 missing:",
            &format!("    {}", reasons[0]),
            &format!("    {}", reasons[1])
        ]
    );
}

#[test]
fn a_type_that_nobody_has_is_refused() {
    let providers = [provider::by_name("uploadcare").expect("known")];
    for name in ["file.deleted", "uploadcare.file.deleted", "hookgate.uploadcare.file.deleted", "hookgate.file.deleted"] {
        assert!(known_types("--types", &[name.into()], &providers).is_ok(), "{name}");
    }
    let refused = |name: &str, said: &str| {
        let Err(Failure::Usage(text)) = known_types("--types", &[name.into()], &providers) else { panic!("accepted") };
        assert!(text.contains(said), "{text}");
    };
    refused("file.delete", "did you mean file.deleted?");
    refused("uploadcare.file.delete", "did you mean uploadcare.file.deleted?");
    refused("hookgate.uploadcare.file.delete", "did you mean hookgate.uploadcare.file.deleted?");
    refused("frameio.file.deleted", "no such type; there are file.uploaded");
    refused("uploadcarefile.deleted", "no such type");
}
