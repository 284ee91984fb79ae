//! What speaks against a listing of Uploadcare's: nothing that it may lack is ever "complete".

use hookgate_stubs::{
    Fault, Reply,
    time::{SECOND, shortest},
};
use serde_json::{Value, json};

use crate::recovery_world::World;

/// A file that was uploaded two seconds after the window began, with these changes.
fn file(world: &World, change: &Value) -> Value {
    let mut file = json!({
        "uuid": "8f2f9d4e-0000-4000-8000-000000000001", "datetime_uploaded": shortest(world.begin + 2 * SECOND),
        "datetime_stored": null, "datetime_removed": null, "appdata": {},
    });
    for (key, value) in change.as_object().into_iter().flatten() {
        if value == "absent" {
            file.as_object_mut().expect("an object").remove(key);
        } else {
            file[key] = value.clone();
        }
    }
    file
}

/// Answers with these listings of existing and of removed files. Returns the state of each type.
#[track_caller]
fn check(world: &World, [existing, removed]: [Value; 2], expected: [&str; 4], said: &str) {
    let instead = |body: &Value| Some(Fault::Instead(Box::new(Reply::json(200, body))));
    world.stub.books().faults = vec![instead(&existing), instead(&removed)];
    let types = "file.deleted,file.infected,file.stored,file.uploaded";
    let finished = world.run(&format!("reconcile uploadcare --types {types} --lookback all {}", world.window()));
    let lines = finished.json_lines();
    let states: Vec<&str> = lines.iter().map(|line| line["state"].as_str().expect("a state")).collect();
    assert_eq!(states, expected, "{finished:?}");
    assert!(finished.out.contains(said), "{said} is not in {finished:?}");
}

fn page(files: &[Value], totals: &Value) -> Value {
    json!({ "next": null, "previous": null, "total": files.len(), "per_page": 500, "totals": totals, "results": files })
}

#[test]
fn a_listing_that_contradicts_itself_is_never_complete() {
    let world = World::mock();
    let none = json!({ "removed": 0, "stored": 0, "unstored": 0 });
    let empty = || page(&[], &none);
    let complete = "complete";
    // An upload that no topic has, and nothing else: the other types are complete.
    let whole = page(&[file(&world, &json!({}))], &json!({ "removed": 0, "stored": 0, "unstored": 1 }));
    check(&world, [whole.clone(), empty()], [complete, complete, complete, "missing"], "");
    // Removed files that were not removed.
    let removed = page(&[file(&world, &json!({}))], &json!({ "removed": 1, "stored": 0, "unstored": 0 }));
    let unknown = ["unknown", "unknown", "unknown", "missing"];
    check(&world, [empty(), removed], unknown, "1 file of the removed ones without a time of the removal");
    // No results of scans.
    let unscanned = page(&[file(&world, &json!({ "appdata": "absent" }))], &json!({ "unstored": 1 }));
    check(
        &world,
        [unscanned, empty()],
        [complete, "unknown", complete, "missing"],
        "1 file without the results of scans (appdata)",
    );
    let null = page(&[file(&world, &json!({ "appdata": null }))], &json!({ "unstored": 1 }));
    check(&world, [null, empty()], [complete, complete, complete, "missing"], "");
    // Fewer files than it counts.
    let short = page(&[file(&world, &json!({}))], &json!({ "stored": 900, "unstored": 100 }));
    check(&world, [short, empty()], unknown, "Uploadcare counts 1000 existing files, and lists 1");
}
