//! What Frame.io's audit log does not show is never "complete".

use hookgate_stubs::{Fault, Reply, time::SECOND};
use serde_json::json;

use crate::recovery_world::{World, row};

/// Frame.io may add names, or write them in another way.
#[test]
fn entries_of_an_unknown_type_are_counted() {
    let world = World::mock();
    let log = |event_type: &str| {
        let at = world.begin + SECOND;
        world.stub.books().frameio.log(event_type, ("comment", "c-1"), Some("u-1"), at);
    };
    let check = |comment: &str, project: &str, said: &str| {
        let line = "frameio --types comment.created,project.created";
        let code = if (comment, project) == ("complete", "complete") { 0 } else { 3 };
        let rows = [row("comment.created", comment, 0, 0), row("project.created", project, 0, 0)];
        assert_eq!(world.reconcile(line, code), rows, "{said}");
        let shown = world.run(&format!("reconcile {line} --format pretty {}", world.window())).out;
        assert!(shown.contains(said), "{said} is not in {shown}");
    };
    check("complete", "complete", "");
    // What has no webhook says nothing about one.
    ["comment_liked", "project_archived", "user_login", "account_locked"].into_iter().for_each(log);
    check("complete", "complete", "");
    ["COMMENT_CREATED", "COMMENT_CREATED", "comment.created"].into_iter().for_each(log);
    check(
        "unknown",
        "complete",
        "cannot know: 3 entries of types that Hookgate does not know: COMMENT_CREATED, comment.created\n",
    );
    // One that is like no other may be anything.
    log("x\u{1b}[2J");
    check("unknown", "unknown", "cannot know: 1 entries of types that Hookgate does not know: x\\u001b[2J\n");
}

/// An answer with errors may lack entries.
#[test]
fn an_answer_with_errors_is_an_error() {
    let world = World::mock();
    let check = |errors: serde_json::Value, code: i32, said: &str| {
        let body = json!({ "data": [], "links": { "next": null }, "errors": errors }).to_string().into_bytes();
        let headers = vec![("content-type", "application/json".to_owned())];
        let answer = Fault::Instead(Box::new(Reply { status: 200, headers, body, fault: None }));
        // The first request is that for the token.
        world.stub.books().faults = vec![None, Some(answer)];
        let finished = world.run(&format!("reconcile frameio --types comment.created {}", world.window()));
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.err.contains(said), "{said} is not in {finished:?}");
    };
    check(json!([{ "title": "Error", "detail": "half of the log" }]), 1, "answered 200, but with errors: half of the log");
    check(json!({ "detail": 7 }), 1, "answered 200, but with errors");
    check(json!([]), 0, "");
    check(json!(null), 0, "");
}
