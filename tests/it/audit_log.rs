//! What Frame.io's audit log does not show is never "complete".

use hookgate_stubs::{Fault, Reply, frameio::WORKSPACE, time::SECOND};
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
        let shown = world.run(&format!("reconcile {line} --format pretty {}", world.window())).words();
        assert!(shown.contains(said), "{said} is not in {shown}");
    };
    check("complete", "complete", "");
    // What has no webhook says nothing about one.
    ["comment_liked", "project_archived", "user_login", "account_locked"].into_iter().for_each(log);
    check("complete", "complete", "");
    ["COMMENT_CREATED", "COMMENT_CREATED", "comment.created"].into_iter().for_each(log);
    check("unknown", "complete", "cannot know: 3 entries of types that Hookgate does not know: COMMENT_CREATED, comment.created");
    // One that is like no other may be anything.
    log("x\u{1b}[2J");
    check("unknown", "unknown", "cannot know: 1 entry of types that Hookgate does not know: x\\u001b[2J");
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

/// A workspace that is written down wrongly has no entries, as one in which nothing has happened.
#[test]
fn entries_of_other_workspaces_alone_are_no_proof() {
    let world = World::mock();
    let log = |workspace: Option<&str>| {
        let account = &mut world.stub.books().frameio;
        account.log("project_updated", ("project", "p-1"), Some("u-1"), world.begin + SECOND);
        account.entries.last_mut().expect("logged").workspace_id = workspace.map(str::to_owned);
    };
    let check = |code: i32, state: &str, said: Option<&str>| {
        let line = "frameio --types comment.created";
        assert_eq!(world.reconcile(line, code), [row("comment.created", state, 0, 0)], "{said:?}");
        let shown = world.run(&format!("reconcile {line} --format pretty {}", world.window()));
        assert!(said.is_none_or(|said| shown.err.contains(said)), "{said:?} is not in {shown:?}");
        assert_eq!(shown.err.contains("of other workspaces"), said.is_some(), "{shown:?}");
        let doubted =
            shown.words().contains("cannot know: 2 entries of other workspaces, and none of those in the configuration");
        assert_eq!(doubted, state == "unknown", "{shown:?}");
    };
    check(0, "complete", None);
    // An entry of the account alone is of no workspace.
    log(None);
    check(0, "complete", None);
    log(Some("x"));
    log(Some("y"));
    check(3, "unknown", Some("2 entries of Frame.io's audit log not counted: of other workspaces"));
    log(Some(WORKSPACE));
    check(0, "complete", Some("2 entries of Frame.io's audit log not counted: of other workspaces"));
}
