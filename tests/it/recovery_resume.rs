//! `hookgate recover` in several runs, and for several projects of one provider.

use std::collections::BTreeSet;

use hookgate_stubs::{
    Stub,
    time::{SECOND, shortest},
};

use serde_json::Value;

use crate::{recovery_output::go_on, recovery_world::World};

/// With `--all` nothing on the topics says what a run has published. Five files have the same time.
#[test]
fn runs_with_all_and_a_limit_come_to_an_end() {
    let world = World::mock();
    for second in [0, 1, 1, 1, 1, 1, 2] {
        world.stub.books().uploadcare.upload(world.begin + second * SECOND);
    }
    let line = "recover uploadcare --all --yes --types file.uploaded --limit 2";
    let mut flags = world.window();
    let mut runs = Vec::new();
    loop {
        let finished = world.run(&format!("{line} {flags}"));
        assert!(
            finished.err.contains("without a look at the topics (--all)") && finished.err.contains("not compared"),
            "{finished:?}"
        );
        runs.push((finished.code, finished.json_lines().len()));
        match go_on(&finished) {
            Some(next) => flags = next,
            None => break,
        }
    }
    assert_eq!(runs, [(Some(3), 2), (Some(3), 2), (Some(3), 2), (Some(0), 1)]);
    let events = world.events();
    let subjects: BTreeSet<String> = events.iter().map(|it| it["event"]["subject"].to_string()).collect();
    assert_eq!((events.len(), subjects.len()), (7, 7));
    // A cursor after the last event leaves nothing.
    let (since, until) = (shortest(world.begin), shortest(world.begin + 3600 * SECOND));
    let end = format!("--resume uploadcare/1/{since}/{until}/file.uploaded/z/0 --until {until}");
    let none = world.run(&format!("{line} {end}"));
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""), "{none:?}");
    assert!(none.err.contains("nothing to publish") && !none.err.contains("0 events"), "{none:?}");
}

/// Several people may do the same at one time, and neither a cursor nor an id has the user.
#[test]
fn events_of_several_users_at_one_time_are_several() {
    let world = World::mock();
    let line = "recover frameio --all --yes --types share.viewed --limit 2";
    let run = |flags: &str| world.run(&format!("{line} {flags}"));
    let view = |user: Option<&str>| {
        world.stub.books().frameio.log("share_viewed", ("share", "s-1"), user, world.begin + SECOND);
    };
    [Some("u-2"), None, Some("u-1")].into_iter().for_each(view);
    let first = run(&world.window());
    assert_eq!((first.code, first.json_lines().len()), (Some(3), 2), "{first:?}");
    // The order of the log is not documented.
    world.stub.books().frameio.entries.reverse();
    let second = run(&go_on(&first).expect("a cursor"));
    assert_eq!((second.code, second.json_lines().len()), (Some(0), 1), "{second:?}");
    let events = world.events();
    let all = |of: fn(&Value) -> &Value| events.iter().map(|it| of(&it["event"]).to_string()).collect::<BTreeSet<_>>();
    let ids = all(|event| &event["id"]);
    assert_eq!((events.len(), ids.len(), all(|event| &event["frameio_event"]["user_id"]).len()), (3, 3, 3), "{events:?}");
}

/// Uploadcare counts microseconds, and a run that goes on has the whole window, and no more.
#[test]
fn a_window_is_kept_to_the_microsecond() {
    let world = World::mock();
    let at = |micros| world.begin + 10 * SECOND + micros;
    let uploads: Vec<String> = [1, 2, 3, 1001, 1002].map(|micros| world.stub.books().uploadcare.upload(at(micros))).into();
    let line = "recover uploadcare --all --yes --types file.uploaded --limit 1";
    let mut flags = format!("--since {} --until {}", shortest(at(2)), shortest(at(1002)));
    let mut published = Vec::new();
    loop {
        let finished = world.run(&format!("{line} {flags}"));
        published.extend(uploads.iter().filter(|uuid| finished.out.contains(*uuid)));
        match go_on(&finished) {
            Some(next) => flags = next,
            None => break,
        }
    }
    assert_eq!(published, uploads[1..4].iter().collect::<Vec<_>>());
}

/// A cursor belongs to the time of the first run: what a later look at less would not find is not lost.
#[test]
fn a_run_that_goes_on_looks_at_the_same_time() {
    let world = World::mock();
    let at = |seconds| world.begin + seconds * SECOND;
    let old = world.stub.books().uploadcare.upload(at(-10));
    let new = world.stub.books().uploadcare.upload(at(600));
    world.stub.books().uploadcare.remove(&old, at(3000));
    let line = "recover uploadcare --all --yes --lookback 1m --limit 1";
    let first = world.run(&format!("{line} {}", world.window()));
    assert!(first.out.contains(&new) && !first.out.contains(&old), "{first:?}");
    let second = world.run(&format!("{line} {}", go_on(&first).expect("a cursor")));
    assert!(second.out.contains(&old) && go_on(&second).is_none(), "{second:?}");
}

/// What the first run could not know yet may stand before its last event. Only `--all` depends on the cursor for what is there already.
#[test]
fn a_run_that_goes_on_leaves_out_nothing_that_is_missing() {
    let check = |line: &str, prepare: &dyn Fn(&World), late: &dyn Fn(&World) -> String| {
        for all in ["", "--all"] {
            let world = World::mock();
            prepare(&world);
            let first = world.run(&format!("recover {line} {all} --yes --limit 1 {}", world.window()));
            assert_eq!((first.code, first.json_lines().len()), (Some(3), 1), "{first:?}");
            let late = late(&world);
            let next = world.run(&format!("recover {line} {all} --yes {}", go_on(&first).expect("a cursor")));
            assert_eq!(next.out.contains(&late), all.is_empty(), "{late}: {next:?}");
            let said = "left out because of --resume, up to the last event of the run before: 2 events; without --all";
            assert_eq!(next.err.contains(said), !all.is_empty(), "{next:?}");
        }
    };
    // A failed scan has no time, so it comes first.
    let scans = |world: &World| {
        let mut ids = Vec::new();
        for (second, status) in [(1, "scanning"), (2, "complete"), (3, "complete")] {
            let id = world.stub.books().filesafety.scan("clean", world.begin + second * SECOND);
            world.stub.books().filesafety.of(&id).status = status.into();
            ids.push(id);
        }
        world.stage.folder.write("ids", ids.join("\n"));
    };
    check("filesafety --ids ids", &scans, &|world| {
        let id = world.stub.books().filesafety.scans[0].scan_id.clone();
        world.stub.books().filesafety.of(&id).status = "failed".into();
        id
    });
    let files = |world: &World| {
        for second in [5, 6, 7] {
            world.stub.books().uploadcare.upload(world.begin + second * SECOND);
        }
    };
    check("uploadcare --types file.uploaded", &files, &|world| world.stub.books().uploadcare.upload(world.begin + SECOND));
}

/// Deleted assets, whose time FileSpin does not know, cannot be published and must not stand before those that can.
#[test]
fn what_cannot_be_published_leaves_the_limit_to_others() {
    let world = World::mock();
    for number in 0..6 {
        let at = world.begin + number * SECOND;
        let mut books = world.stub.books();
        books.filespin.upload("OK", at, at);
        books.filespin.assets.last_mut().expect("there").trashed = number < 4;
    }
    let finished = world.run(&format!("recover filespin --all --yes --limit 2 {}", world.window()));
    assert_eq!((finished.code, finished.json_lines().len()), (Some(3), 2), "{finished:?}");
    assert!(finished.err.contains("4 events cannot be made"), "{finished:?}");
}

/// `[recover.PROVIDER]` is one project: each further one has a file of its own.
#[test]
fn a_second_configuration_is_for_a_second_project() {
    let world = World::mock();
    let other = Stub::start();
    (other.books().uploadcare.public_key, other.books().uploadcare.secret_key) =
        ("otherpublickey".into(), "demoprivatekey".into());
    let first = world.stub.books().uploadcare.upload(world.begin);
    other.books().uploadcare.upload(world.begin - 60 * SECOND);
    let second = other.books().uploadcare.upload(world.begin + SECOND);
    let two = "[endpoints.banners]\nprovider = \"uploadcare\"\nsecrets = [\"file:photos\"]\n";
    let text = std::fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there") + two;
    world.stage.folder.write("hookgate.toml", &text);
    world
        .stage
        .folder
        .write("other.toml", text.replace(&world.stub.url(), &other.url()).replace("demopublickey", "otherpublickey"));
    let recover = |flags: &str, code: i32, said: &str| {
        let finished = world.run(&format!("recover uploadcare --all --yes --types file.uploaded {} {flags}", world.window()));
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert!(finished.both().contains(said), "{finished:?}");
    };
    recover("", 2, "--endpoint is missing: uploadcare has banners, photos");
    recover(
        "--config other.toml --endpoint review",
        2,
        "is an endpoint of frameio, and not of uploadcare; there are banners, photos",
    );
    recover("--endpoint photos", 0, &first);
    recover("--config other.toml --endpoint banners", 0, &second);
    let of = |subject: &str| {
        let events = world.events();
        let found: Vec<_> = events.iter().filter(|it| it["event"]["subject"] == *subject).collect();
        found.iter().map(|it| it["event"]["endpoint"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((of(&first), of(&second)), (vec!["photos".to_owned()], vec!["banners".to_owned()]));
}
