//! `hookgate reconcile` and `hookgate recover` where FileSpin's search repeats itself, and which providers are asked.

use std::collections::BTreeSet;

use hookgate_stubs::{
    Fault, Reply,
    time::{Micros, SECOND},
};
use serde_json::json;

use crate::recovery_world::{World, row};

/// Uploads assets, one each second, that are complete 5 s later.
fn upload(world: &World, number: Micros) -> Vec<String> {
    let at = |second| world.begin + second * SECOND;
    (0..number).map(|second| world.stub.books().filespin.upload("OK", at(second), at(second + 5))).collect()
}

/// Shows an asset again, last changed so many seconds after the beginning of the window.
fn repeat(world: &World, number: usize, updated: Micros) {
    let account = &mut world.stub.books().filespin;
    let mut again = account.assets[number].clone();
    again.updated = world.begin + updated * SECOND;
    account.assets.push(again);
}

#[test]
fn an_asset_that_is_shown_twice_counts_once_unless_it_has_changed() {
    let world = World::mock();
    let ids = upload(&world, 60);
    let types = "filespin --types file-processed";
    let check = |known: u64| assert_eq!(world.reconcile(types, 3), [row("file-processed", "missing", known, known)]);
    check(60);
    // On the same page. Then the last one of the first page moves to the second one.
    repeat(&world, 3, 8);
    repeat(&world, 48, 53);
    check(60);
    // An older state shows nothing new.
    repeat(&world, 5, 9);
    check(60);
    // A newer one is another event, unless it is of a time after the window.
    repeat(&world, 6, 4000);
    check(60);
    repeat(&world, 7, 70);
    check(61);
    let published = world.recover_all(types, 3);
    let subjects: BTreeSet<_> = published.iter().map(|(_, subject)| subject.clone()).collect();
    assert_eq!((published.len(), subjects), (61, ids.into_iter().collect()));
}

#[test]
fn a_deleted_asset_that_is_shown_twice_counts_once() {
    let world = World::mock();
    upload(&world, 2);
    world.stub.books().filespin.assets[1].trashed = true;
    repeat(&world, 1, 6);
    assert_eq!(world.reconcile("filespin --types file-deleted", 3), [row("file-deleted", "missing", 1, 1)]);
}

/// It would look as if there were no further pages.
#[test]
fn a_full_page_says_how_many_pages_there_are() {
    let world = World::mock();
    let check = |assets: usize, pages: &str, refused: bool| {
        let page = vec![json!(7); assets];
        let body = format!("{{\"result\":{}{pages}}}", json!(page)).into_bytes();
        let reply = Reply { status: 200, headers: Vec::new(), body, fault: None };
        world.stub.books().faults = vec![Some(Fault::Instead(Box::new(reply)))];
        let finished = world.run(&format!("reconcile filespin --types file-saved {}", world.window()));
        // What cannot be read is a finding.
        assert_eq!(finished.code, Some(if refused { 1 } else { 3 }), "{assets} {pages}: {finished:?}");
        let said = "answered with a full page, but not how many pages there are";
        assert_eq!(finished.words().contains(said), refused, "{assets} {pages}: {finished:?}");
    };
    check(50, "", true);
    check(50, ",\"total_pages\":null", true);
    check(50, ",\"total_pages\":0", true);
    check(50, ",\"total_pages\":1", false);
    check(49, "", false);
}

#[test]
fn each_provider_is_asked_once_and_only_one_that_has_the_type() {
    let world = World::mock();
    let metrics = world.stage.folder.path("metrics");
    let check = |line: &str, rows: &[(&str, &str)]| {
        let finished = world.run(&format!("reconcile {line} --metrics {metrics} {}", world.window()));
        let found = finished.json_lines();
        let found: Vec<_> = found.iter().map(|row| (row["provider"].clone(), row["type"].clone())).collect();
        let expected: Vec<_> = rows.iter().map(|(provider, name)| (json!(provider), json!(name))).collect();
        assert_eq!(found, expected, "{line}: {finished:?}");
        let text = std::fs::read_to_string(&metrics).expect("metrics");
        let series = text.lines().filter(|line| line.starts_with("hookgate_reconcile_failed{")).count();
        assert_eq!(series, rows.iter().map(|(provider, _)| provider).collect::<BTreeSet<_>>().len(), "{line}: {text}");
    };
    check("uploadcare uploadcare --types file.stored", &[("uploadcare", "file.stored")]);
    world.stub.asked();
    check("--types uploadcare.file.stored", &[("uploadcare", "file.stored")]);
    let asked = world.stub.asked();
    assert!(!asked.is_empty() && asked.iter().all(|line| line.contains("/files/")), "{asked:?}");
    // A type that two providers have.
    check("--types file.deleted", &[("frameio", "file.deleted"), ("uploadcare", "file.deleted")]);
}
