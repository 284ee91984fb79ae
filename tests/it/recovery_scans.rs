//! `hookgate recover filesafety` and scans about which FileSafety gives no usable answer.

use hookgate_stubs::{Fault, Reply, time::SECOND};
use serde_json::{Value, json};

use crate::{
    binary::{Finished, Process},
    recovery_world::World,
};

fn scans(world: &World, number: usize) -> Vec<String> {
    let number = i64::try_from(number).expect("fits");
    (0..number).map(|second| world.stub.books().filesafety.scan("clean", world.begin + second * SECOND)).collect()
}

/// Answers instead of FileSafety: the same status and body this many times.
fn instead(world: &World, times: usize, status: u16, body: &str) {
    let reply = Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec(), fault: None };
    world.stub.books().faults = (0..times).map(|_| Some(Fault::Instead(Box::new(reply.clone())))).collect();
}

fn recover(world: &World, ids: &[String], flags: &str) -> Finished {
    world.run(&format!("recover filesafety {} --yes {flags} {}", ids.join(" "), world.window()))
}

/// The scan after it is published, and the odd one is named.
#[track_caller]
fn check_odd(times: usize, status: u16, body: &str, said: &str) {
    let world = World::mock();
    let ids = scans(&world, 2);
    instead(&world, times, status, body);
    let finished = recover(&world, &ids, "");
    assert_eq!((finished.code, finished.json_lines().len()), (Some(3), 1), "{finished:?}");
    assert!(finished.out.contains(&ids[1]), "{finished:?}");
    for text in
        [format!("{} is left out: FileSafety (", ids[0]), said.to_owned(), format!("1 scan has no usable answer: {}", ids[0])]
    {
        assert!(finished.err.contains(&text), "{text} is not in {finished:?}");
    }
}

#[test]
fn one_odd_scan_does_not_hide_the_others() {
    check_odd(1, 400, "{\"error\":\"no such form of an id\"}", "answered 400: no such form of an id");
    check_odd(1, 200, "[]", "answered, but it is no JSON, or a field is missing or of the wrong type");
    check_odd(1, 200, "{\"scan_id\":\"scn_00000001\",\"status\":\"moved\"}", "has an unknown status");
    check_odd(1, 200, "{\"scan_id\":\"scn_00000001\",\"status\":\"complete\"}", "is complete without a verdict");
    let blank = "{\"scan_id\":\"scn_00000001\",\"status\":\"complete\",\"verdict\":\"\"}";
    check_odd(1, 200, blank, "is complete without a verdict");
    check_odd(1, 200, "{\"scan_id\":\"scn_other\",\"status\":\"complete\",\"verdict\":\"clean\"}", "is about another scan");
}

#[test]
fn a_fault_about_one_scan_does_not_hide_the_others() {
    check_odd(4, 502, "", "answered 502");
}

#[test]
fn faults_about_three_scans_in_a_row_end_the_run() {
    let world = World::mock();
    let ids = scans(&world, 4);
    instead(&world, 12, 503, "");
    let finished = recover(&world, &ids, "");
    assert_eq!((finished.code, finished.out.as_str()), (Some(1), ""), "{finished:?}");
    assert!(finished.err.contains("answered 503; so it did about the 2 scans before"), "{finished:?}");
}

#[test]
fn what_concerns_all_scans_ends_the_run() {
    for status in [401, 403] {
        let world = World::mock();
        let ids = scans(&world, 2);
        instead(&world, 1, status, "{\"error\":\"no\"}");
        let finished = recover(&world, &ids, "");
        assert_eq!((finished.code, finished.out.as_str()), (Some(1), ""), "{finished:?}");
        assert!(finished.err.contains(&format!("answered {status}: no")), "{finished:?}");
    }
}

#[test]
fn scans_that_are_left_out_are_named() {
    let world = World::mock();
    let ids = scans(&world, 2);
    world.stub.books().filesafety.of(&ids[1]).status = "pending".into();
    let unknown: Vec<String> = (10..22).map(|number| format!("scn_{number}")).collect();
    let all = [ids.clone(), unknown.clone()].concat();
    let table = recover(&world, &all, "");
    let named = format!("12 scans are not known to FileSafety: {} and 2 more (--list names all)", unknown[..10].join(", "));
    assert!(table.words().contains(&named), "{table:?}");
    assert!(table.words().contains(&format!("1 scan is not complete yet: {}", ids[1])), "{table:?}");
    assert_eq!((table.code, table.json_lines().len()), (Some(3), 1), "{table:?}");
    let list = recover(&world, &all, "--list");
    let lines = list.err.lines().filter(|line| line.starts_with("undecided  filesafety  scn_"));
    assert_eq!(lines.count(), 13, "{list:?}");
    assert!(list.err.contains(&format!("undecided  filesafety  {}  scan is not complete yet", ids[1])), "{list:?}");
    let plan = recover(&world, &all, "--list --dry-run --format pretty");
    assert!(plan.out.contains("undecided  filesafety  scn_21  scan is not known to FileSafety"), "{plan:?}");
}

/// Each scan has its reason in the JSON.
#[test]
fn programs_get_each_scan_with_its_reason() {
    let world = World::mock();
    let ids = scans(&world, 2);
    world.stub.books().filesafety.of(&ids[1]).status = "pending".into();
    instead(&world, 1, 400, "{\"error\":\"odd\"}");
    let plan = recover(&world, &[ids.clone(), vec!["scn_10".to_owned()]].concat(), "--dry-run --format json");
    let lines = plan.json_lines();
    let row = lines.iter().map(|line| &line["plan"]).find(|row| row["type"] == "scan.complete").expect("a row");
    let mut undecided: Vec<Value> = row["undecided"].as_array().expect("a list").clone();
    let cause = undecided[0]["cause"].take();
    assert!(cause.as_str().is_some_and(|cause| cause.ends_with("answered 400: odd")), "{plan:?}");
    let of = |subject: &str, why: &str| json!({ "subject": subject, "why": why, "cause": null });
    assert_eq!(undecided, [of(&ids[0], "no_answer"), of("scn_10", "not_known"), of(&ids[1], "not_complete")]);
}

/// A scan that no topic has may have been revised, and FileSafety does not say so. That is a finding only where the type was named.
#[test]
fn whether_a_named_scan_was_revised_is_not_known() {
    let world = World::mock();
    let ids = scans(&world, 2);
    let check = |flags: &str, code: i32, expected: &[(&str, &str, u64)]| {
        let done = recover(&world, &ids, flags);
        assert_eq!(done.code, Some(code), "{flags}: {done:?}");
        let plan = recover(&world, &ids, &format!("{flags} --dry-run --format json"));
        let rows: Vec<Value> = plan.json_lines().iter().map(|line| line["plan"].clone()).collect();
        let of = |row: &Value| (row["type"].clone(), row["state"].clone(), row["known"].clone());
        let expected = expected.iter().map(|(name, state, known)| (json!(name), json!(state), json!(known)));
        assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{plan:?}");
        let said = "FileSafety keeps only the last verdict of a scan";
        assert_eq!(plan.words().contains(said), flags != "--types scan.complete", "{plan:?}");
    };
    // The cluster in this process does not find by their time what was published.
    check("--types scan.verdict_updated", 3, &[("scan.verdict_updated", "unknown", 0)]);
    check("", 0, &[("scan.complete", "missing", 2), ("scan.verdict_updated", "unknown", 0)]);
    check("--types scan.complete", 0, &[("scan.complete", "missing", 2)]);
}

#[test]
fn a_recovered_scan_has_the_reference_that_stands_beside_its_id() {
    let world = World::mock();
    let ids = scans(&world, 2);
    world.stage.folder.write("ids", format!("{}\tupl_1\n{}\n", ids[0], ids[1]));
    world.recover("filesafety --ids ids", 0);
    let events = world.events();
    let of = |id: &String| &events.iter().find(|it| it["event"]["subject"] == **id).expect("published")["event"];
    assert_eq!((of(&ids[0])["reference"].as_str(), of(&ids[0])["proof"].as_object()), (Some("upl_1"), None));
    assert!(matches!(of(&ids[1])["reference"].as_str(), None | Some("")), "{events:?}");
}

/// An id that is none would be asked for and reported as not known, and none at all means "all scans of the topics".
#[test]
fn what_is_no_id_is_refused_with_its_place() {
    let world = World::mock();
    let ids = scans(&world, 2);
    let write = |content: &str| world.stage.folder.write("ids", content);
    let run = |flags: &[&str]| {
        let since = [&["recover"][..], flags, &["--since", "24h", "--yes"]].concat();
        Process::spawn(&world.stage.folder, &since).finish()
    };
    let check = |content: &str, flags: &[&str], code: i32, said: &str| {
        write(content);
        let finished = run(flags);
        assert_eq!((finished.code, finished.out.as_str()), (Some(code), ""), "{finished:?}");
        assert!(finished.err.contains(said), "{said} is not in {finished:?}");
    };
    let file = ["filesafety", "--ids", "ids"];
    check("scn_1\nscn 2\n", &file, 2, "--ids \"ids\", line 2: \"scn 2\" has a space in it");
    check("scn_1,scn_2", &file, 2, "line 1: \"scn_1,scn_2\" looks like several ids");
    check("# nothing\n", &file, 1, "--ids \"ids\": there is no id in it");
    check("", &["filesafety", ""], 2, "the id \"\" on the command line is empty: is a variable not set?");
    check("", &["filesafety", &ids[0], " "], 2, "the id \" \" on the command line is empty");
    check("", &["uploadcare", "--ids", "ids"], 2, "uploadcare has no scans: ids are for filesafety only");
    check("", &["uploadcare", ""], 2, "uploadcare has no scans: ids are for filesafety only");
    assert_eq!(world.stub.asked(), Vec::<String>::new());
    // A byte order mark, and references beside the ids.
    write(&format!("\u{feff}{}\tupl_1\n{}\tupl_2\n", ids[0], ids[1]));
    let finished = world.run(&format!("recover filesafety --ids ids --yes {}", world.window()));
    assert_eq!((finished.code, finished.json_lines().len()), (Some(0), 2), "{finished:?}");
}
