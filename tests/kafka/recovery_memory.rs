//! How much memory it takes to reconcile a project with very many files.

use std::{collections::BTreeSet, thread, time::Duration};

use hookgate_stubs::time::{Micros, shortest};
use serde_json::json;

use crate::{binary::Process, recovery::world};

/// How many files the project has, unless `HOOKGATE_TEST_FILES` asks for 100,000, and of how many one has no event.
const FILES: usize = 10_000;
const ONE_LOST_IN: usize = 10;
/// The most memory that the command may take, in MiB. docs/recovery.md promises it for 100,000 files.
const CEILING_MIB: usize = 96;

#[test]
fn many_files_are_reconciled_within_the_promised_memory() {
    let environment = hookgate::config::Environment::process();
    let files = environment.get("HOOKGATE_TEST_FILES").and_then(|text| text.parse().ok()).unwrap_or(FILES);
    let world = world();
    // 28 files a second.
    let at = |number: usize| world.begin + Micros::try_from(number).expect("fits") * 35_000;
    let uuids: Vec<String> = (0..files).map(|number| world.stub.books().uploadcare.upload(at(number))).collect();
    assert_eq!(uuids.iter().collect::<BTreeSet<_>>().len(), files);
    let come: Vec<usize> = (0..files).filter(|number| number % ONE_LOST_IN > 0).collect();
    for some in come.chunks(10_000) {
        let webhook = |number: &usize| {
            let data = json!({ "uuid": uuids[*number], "datetime_uploaded": shortest(at(*number)) });
            let body = json!({ "hook": { "event": "file.uploaded" }, "data": data }).to_string();
            ("photos", "uploadcare", body.into_bytes(), at(*number) + 2_000_000)
        };
        world.deliver_all(&some.iter().map(webhook).collect::<Vec<_>>());
    }

    let line = format!("reconcile uploadcare --types file.uploaded {}", world.window());
    let process = Process::spawn(&world.stage.folder, &line.split(' ').collect::<Vec<_>>());
    let mut peak_kib = 0;
    while let Some(now) = process.peak_kib() {
        peak_kib = now;
        thread::sleep(Duration::from_millis(5));
    }
    let finished = process.finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let lines = finished.json_lines();
    let [report] = lines.as_slice() else { panic!("{lines:?}") };
    let counts = (report["known"].as_u64(), report["missing"].as_u64());
    assert_eq!(counts, (Some(files as u64), Some((files / ONE_LOST_IN) as u64)), "{report}");
    eprintln!("{files} files: {} MiB", peak_kib / 1024);
    assert!(peak_kib < CEILING_MIB * 1024, "{peak_kib} KiB");
}
