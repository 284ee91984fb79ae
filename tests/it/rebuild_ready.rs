//! `hookgate recover frameio --rebuild-ready`: what the status of files says of `file.ready`.

use hookgate_stubs::{
    Fault, Reply,
    time::{Micros, SECOND, write},
};
use serde_json::Value;

use crate::recovery_world::World;

const LINE: &str = "frameio --rebuild-ready --types file.ready";

/// Adds the upload of a file to the log, and the file with its status if it is still there.
fn upload(world: &World, id: &str, status: Option<&str>, at: Micros) {
    let account = &mut world.stub.books().frameio;
    account.log("file_uploaded", ("asset", id), Some("u-1"), at);
    account.files.extend(status.map(|status| (id.to_owned(), status.to_owned())));
}

/// The ids of the files that were asked for.
fn asked(world: &World) -> Vec<String> {
    let file = |line: &String| line.split_once("/files/").map(|(_, id)| id.replace("%2D", "-"));
    world.stub.asked().iter().filter_map(file).collect()
}

#[test]
fn a_file_that_is_ready_is_published_without_a_time() {
    let world = World::mock();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    upload(&world, "f-ready", Some("transcoded"), at(10));
    upload(&world, "f-ready", Some("transcoded"), at(20));
    upload(&world, "f-before", Some("transcoded"), at(-86_400));
    upload(&world, "f-uploaded", Some("uploaded"), at(30));
    upload(&world, "f-created", Some("created"), at(31));
    upload(&world, "f-gone", None, at(40));
    // Neither of these was uploaded in the time, or here.
    upload(&world, "f-too-old", Some("transcoded"), at(-86_400) - 1);
    upload(&world, "f-after", Some("transcoded"), at(3600));
    upload(&world, "f-elsewhere", Some("transcoded"), at(50));
    world.stub.books().frameio.entries.last_mut().expect("there").workspace_id = Some("elsewhere".into());
    world.stub.books().frameio.log("asset_created", ("asset", "f-other"), Some("u-1"), at(60));

    // Without the flag nothing is asked.
    let without = world.run(&format!("recover frameio {} --dry-run", world.window()));
    assert!(
        without.err.contains("file.ready") && without.err.contains("Frame.io's audit log has no such entries"),
        "{without:?}"
    );
    assert_eq!(asked(&world), Vec::<String>::new());

    let planned = world.run(&format!("recover {LINE} {} --dry-run", world.window()));
    assert_eq!(planned.code, Some(3), "{planned:?}");
    assert_eq!(asked(&world), ["f-before", "f-created", "f-gone", "f-ready", "f-uploaded"]);
    let plan = [
        "Frame.io is asked for the status of 5 files, at most 10 a second".to_owned(),
        "rebuilt from the status of the files, time not known".to_owned(),
        format!("files uploaded before {} were not looked at", write(at(-86_400), 0)),
        "2 files not ready yet".to_owned(),
        "1 file not there any more".to_owned(),
        "2 events would be published".to_owned(),
    ];
    for said in plan {
        assert!(planned.err.contains(&said), "{said} is not in {planned:?}");
    }
    assert_eq!(world.events(), Vec::<Value>::new());

    let kind = |id: &str| ("frameio.file.ready".to_owned(), id.to_owned());
    assert_eq!(world.recover(LINE, 3), [kind("f-before"), kind("f-ready")].into());
    let events = world.events();
    assert_eq!(events.len(), 2, "{events:?}");
    let event = events.iter().find(|it| it["event"]["subject"] == "f-ready").expect("published");
    assert_eq!((&event["event"]["origin"], &event["event"]["occurred_at"]), (&"ORIGIN_RECOVERED".into(), &Value::Null));
    let payload = &event["event"]["frameio_event"];
    assert_eq!((&payload["resource_id"], &payload["resource_type"]), (&"f-ready".into(), &"file".into()));
    assert_eq!(payload["project_id"], world.stub.books().frameio.project_id);
    assert!(payload["user_id"].as_str().is_none_or(str::is_empty), "{event}");
    // A second run repeats the ids.
    assert_eq!(world.recover(LINE, 3).len(), 2);
    let ids: std::collections::BTreeSet<String> = world.events().iter().map(|it| it["event"]["id"].to_string()).collect();
    assert_eq!((world.events().len(), ids.len()), (4, 2));
}

#[test]
fn what_cannot_be_said_of_a_file_is_counted() {
    let world = World::mock();
    for number in 0..6 {
        upload(&world, &format!("f-{number}"), Some("transcoded"), world.begin + number * SECOND);
    }
    upload(&world, "f-6", Some("melted"), world.begin);
    let instead = |status: u16, body: &str| {
        Some(Fault::Instead(Box::new(Reply { status, body: body.as_bytes().to_vec(), ..Reply::default() })))
    };
    let check = |answers: Vec<Option<Fault>>, code: i32, published: usize, said: &str| {
        world.stub.books().faults = [vec![None; log_questions(&world)], answers].concat();
        let finished = world.run(&format!("recover {LINE} --yes {}", world.window()));
        assert_eq!((finished.code, finished.json_lines().len()), (Some(code), published), "{finished:?}");
        assert!(finished.err.contains(said), "{said} is not in {finished:?}");
    };
    check(vec![instead(403, "{}"), instead(403, "{}")], 3, 4, "2 files that may not be read");
    check(vec![instead(404, "{}")], 3, 5, "1 file not there any more");
    let another = || instead(200, "{\"data\":{\"id\":\"another\",\"status\":\"transcoded\"}}");
    // The last file has a status that nobody knows.
    check(vec![], 3, 6, "1 file whose status cannot be read");
    check(vec![another()], 3, 5, "2 files whose status cannot be read");
    check(vec![another(), instead(200, "{\"data\":{\"id\":7}}")], 3, 4, "3 files whose status cannot be read");
    check(vec![None, instead(422, "{\"errors\":[{\"detail\":\"no\"}]}")], 1, 0, "answered 422: no");
    check(vec![instead(200, "{\"file\":{}}")], 1, 0, "answered, but without a file");
    // A token that has expired is renewed.
    check(vec![None, instead(401, "{}")], 3, 6, "time not known");
}

/// How many questions come before those about files.
fn log_questions(world: &World) -> usize {
    world.stub.asked();
    let finished = world.run(&format!("reconcile frameio --types comment.created {}", world.window()));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    // The day of the lookback comes on top.
    world.stub.asked().len() + 1
}

#[test]
fn only_frameios_files_are_rebuilt() {
    let world = World::mock();
    let check = |line: &str, said: &str| {
        let finished = world.run(&format!("recover {line} --rebuild-ready --yes {}", world.window()));
        assert_eq!((finished.code, finished.out.as_str()), (Some(2), ""), "{line}: {finished:?}");
        assert!(finished.err.contains(said), "{line}: {finished:?}");
    };
    for provider in ["uploadcare", "filesafety", "filespin"] {
        check(provider, &format!("--rebuild-ready is for frameio only: {provider} has no file.ready"));
    }
    check("frameio --types comment.created", "--rebuild-ready is about file.ready, which --types leaves out");
    assert_eq!(world.stub.asked(), Vec::<String>::new());
}
