//! Credentials of another project or account: its books are whole, and know nothing of what is on the topics.

use hookgate_stubs::time::{Micros, SECOND};
use serde_json::json;

use crate::recovery::world;

/// With the keys of another project nothing is complete: the topics have events that this project knows nothing of.
#[test]
fn the_books_of_another_project_are_not_believed() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    let uuids: Vec<String> = (0..3).map(|second| world.stub.books().uploadcare.upload(at(second))).collect();
    for uuid in &uuids {
        world.photo("file.uploaded", uuid);
    }
    let states = |code: i32, flags: &str| -> Vec<String> {
        world
            .reconcile(&format!("uploadcare --types file.deleted,file.uploaded --lookback all {flags}"), code)
            .into_iter()
            .map(|row| row.1)
            .collect()
    };
    assert_eq!(states(0, ""), ["complete", "complete"]);
    let own = std::mem::take(&mut world.stub.books().uploadcare.files);
    assert_eq!(states(3, ""), ["unknown", "unknown"]);
    let said = world.run(&format!("reconcile uploadcare --types file.uploaded {}", world.window()));
    assert!(said.out.contains("the topics have 3 events of this time, and Uploadcare knows none of them"), "{said:?}");
    // One that it knows is enough: others may have been erased.
    world.stub.books().uploadcare.files = own[..1].to_vec();
    assert_eq!(states(0, ""), ["complete", "complete"]);
}

#[test]
fn the_log_of_another_account_is_not_believed() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    let body = json!({ "type": "comment.created", "resource": { "id": "c-1", "type": "comment" }, "user": { "id": "u-1" } });
    let states = |code: i32| -> Vec<String> {
        let rows = world.reconcile("frameio --types comment.created,comment.completed", code);
        rows.into_iter().map(|row| row.1).collect()
    };
    assert_eq!(states(0), ["complete", "complete"]);
    // Its entry may be from before the window.
    world.deliver("review", "frameio", &body, at(300));
    assert_eq!(states(0), ["complete", "complete"]);
    world.deliver("review", "frameio", &body, at(1000));
    assert_eq!(states(3), ["unknown", "unknown"]);
    let said = world.run(&format!("reconcile frameio --types comment.created {}", world.window()));
    assert!(said.out.contains("the topics have 1 event of this time, and the log has none"), "{said:?}");
    world.stub.books().frameio.log("comment_created", ("comment", "c-1"), Some("u-1"), at(990));
    assert_eq!(states(0), ["complete", "complete"]);
}
