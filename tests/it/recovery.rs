//! `hookgate reconcile` and `hookgate recover` where the topics do not matter: what they refuse, and what providers do wrong.

use hookgate_stubs::{Fault, Reply};
use serde_json::Value;

use crate::recovery_world::{World, row};

#[test]
fn a_page_may_end_between_files_of_one_instant() {
    let world = World::mock();
    {
        let project = &mut world.stub.books().uploadcare;
        // A page has 500 files.
        for number in 0..1300 {
            project.upload(world.begin + if (400..600).contains(&number) { 500 } else { number });
        }
    }
    let variants: [fn(&mut hookgate_stubs::uploadcare::Project); 3] =
        [|_| {}, |project| project.next_repeats_all = true, |project| project.total_is_zero = true];
    for change in variants {
        change(&mut world.stub.books().uploadcare);
        assert_eq!(world.reconcile("uploadcare --types file.uploaded", 3), [row("file.uploaded", "missing", 1300, 1300)]);
    }
}

#[test]
fn what_a_provider_does_wrong_is_one_clear_error() {
    let world = World::mock();
    world.stub.books().uploadcare.upload(world.begin);
    let check = |change: &dyn Fn(&mut hookgate_stubs::Books), said: &str| {
        change(&mut world.stub.books());
        let finished = world.run(&format!("recover uploadcare --yes {}", world.window()));
        assert_eq!((finished.code, finished.out.as_str()), (Some(1), ""), "{said}: {finished:?}");
        assert!(finished.err.contains(said), "{said} is not in {finished:?}");
        let mut books = world.stub.books();
        (books.faults, books.uploadcare.next_host, books.uploadcare.stuck) = (Vec::new(), None, false);
        (books.uploadcare.public_key, books.uploadcare.secret_key) = ("demopublickey".into(), "demoprivatekey".into());
    };
    let instead = |status: u16, headers: Vec<(&'static str, String)>, body: &str| {
        Some(Fault::Instead(Box::new(Reply { status, headers, body: body.as_bytes().to_vec(), fault: None })))
    };
    check(
        &|books| books.uploadcare.secret_key = "other".into(),
        "answered 401: Invalid signature. Please check your Secret key.",
    );
    check(&|books| books.uploadcare.public_key = "other".into(), "answered 401: Public key \"demopublickey\" not found.");
    check(&|books| books.faults = vec![instead(200, vec![], "<html>")], "answered with something that is no JSON");
    check(&|books| books.faults = vec![instead(200, vec![], "{\"results\":7,\"next\":null}")], "has not the form of a listing");
    check(&|books| books.faults = vec![instead(200, vec![], "{\"results\":[]}")], "has not the form of a listing");
    let empty = format!("{{\"results\":[],\"next\":\"{}/files/?offset=0\"}}", world.stub.url());
    check(&|books| books.faults = vec![instead(200, vec![], &empty)], "answers with an empty page, and names a next one");
    check(&|books| books.faults = vec![Some(Fault::Half)], "answered with something that ends in the middle");
    check(
        &|books| books.faults = vec![instead(302, vec![("location", "https://evil.example".into())], "")],
        "a redirect to https://evil.example",
    );
    check(&|books| books.faults = vec![instead(200, vec![], &" ".repeat(9 << 20))], "longer than");
    check(
        &|books| {
            books.uploadcare.stuck = true;
            books.uploadcare.next_host = Some("evil.example".into());
        },
        "names a next page on another host",
    );
    check(&|books| books.uploadcare.stuck = true, "answers with the same page again and again");
    assert_eq!(world.events(), Vec::<Value>::new());
    // What passes is waited for.
    world.stub.books().faults =
        vec![instead(503, vec![], ""), instead(429, vec![("retry-after", "0".into())], ""), Some(Fault::CutOff)];
    assert_eq!(world.recover("uploadcare --types file.uploaded", 0).len(), 1);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let world = World::mock();
    let check = |line: &str, code: i32, said: &str| {
        let finished = world.run(line);
        assert_eq!((finished.code, finished.out.as_str()), (Some(code), ""), "{line}: {finished:?}");
        assert!(finished.err.contains(said), "{line}: {finished:?}");
    };
    check("reconcile", 2, "--since");
    check("recover uploadcare", 2, "--since");
    check("recover", 2, "PROVIDER");
    check("recover dropbox --since 1h", 2, "invalid value 'dropbox'");
    check("recover uploadcare --since soon", 2, "a time is like");
    check("recover uploadcare --since 1h --until 2h", 2, "--since must be before --until");
    check("recover uploadcare --since 1h --until +1h", 2, "--until is in the future");
    check("recover uploadcare --since 1h --types file.delete", 2, "did you mean file.deleted?");
    check("recover uploadcare --since 1h --endpoint scans", 2, "no such endpoint of uploadcare; there are photos");
    check("recover uploadcare --resume frameio/1/2026-11-22T10:00:00Z", 2, "--resume takes what an earlier run has printed");
    world.stub.books().uploadcare.upload(world.begin);
    check(&format!("recover uploadcare {}", world.window()), 2, "There is no terminal to ask on: add --yes, or --dry-run");
    check(&format!("recover uploadcare {} --dry-run", world.window()), 3, "1 events would be published");
    // A device would be replaced by the file, and a folder cannot be.
    let metrics = format!("reconcile uploadcare {} --format pretty --metrics {}", world.window(), world.stage.folder.path(""));
    let finished = world.run(&metrics);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.err.contains("is no regular file"), "{finished:?}");
    assert_eq!(world.events(), Vec::<Value>::new());
}
