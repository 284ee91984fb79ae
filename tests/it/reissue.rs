//! `hookgate recover filespin --reissue`: FileSpin sends its webhooks again, to everybody.

use hookgate_stubs::{
    Fault, Reply,
    filespin::Reissue,
    time::{Micros, SECOND, write},
};
use serde_json::Value;

use crate::{binary::Process, recovery_world::World, waits::wait_until};

const DAY: Micros = 86_400 * SECOND;

/// A long time until the beginning of the world's window, as flags.
fn days(world: &World, days: Micros) -> String {
    format!("--since {} --until {}", write(world.begin - days * DAY, 0), write(world.begin, 0))
}

fn reissued(world: &World) -> Vec<Reissue> {
    world.stub.books().filespin.reissued.clone()
}

/// Answers instead of FileSpin: with these statuses and bodies, one each.
fn instead(world: &World, answers: &[(u16, &str)]) {
    let reply = |(status, body): &(u16, &str)| {
        let headers = vec![("retry-after", "0".to_owned())];
        Some(Fault::Instead(Box::new(Reply { status: *status, headers, body: body.as_bytes().to_vec(), fault: None })))
    };
    world.stub.books().faults = answers.iter().map(reply).collect();
}

#[test]
fn any_time_is_asked_for_in_windows_that_filespin_takes() {
    let world = World::mock();
    let mut ids = Vec::new();
    for day in 0..20 {
        let at = world.begin - 20 * DAY + day * DAY;
        let id = world.stub.books().filespin.upload("OK", at, at);
        ids.push(id);
    }
    // One more before and one after.
    world.stub.books().filespin.upload("OK", world.begin - 20 * DAY - SECOND, world.begin);
    world.stub.books().filespin.upload("OK", world.begin + SECOND, world.begin + SECOND);
    let line = format!("recover filespin --reissue {}", days(&world, 20));

    // A plan asks for nothing.
    let planned = world.run(&format!("{line} --dry-run"));
    assert_eq!((planned.code, planned.out.as_str()), (Some(3), ""), "{planned:?}");
    let windows = [(20, 13), (13, 6), (6, 0)];
    let windows = windows.map(|(start, end): (Micros, Micros)| (world.begin - start * DAY, world.begin - end * DAY));
    for (start, end) in windows {
        let said = format!("  {} to {}\n", write(start, 0), write(end, 0));
        assert!(planned.err.contains(&said), "{said} is not in {planned:?}");
    }
    for said in
        ["to every receiver in the settings of the account", "databases", "not only to Hookgate", "3 requests would be sent"]
    {
        assert!(planned.words().contains(said), "{said} is not in {planned:?}");
    }
    // Nor does a command that nobody confirms.
    let unconfirmed = world.run(&line);
    assert_eq!(unconfirmed.code, Some(2), "{unconfirmed:?}");
    assert!(unconfirmed.err.contains("There is no terminal to ask on: add --yes"), "{unconfirmed:?}");
    assert_eq!(world.stub.asked(), Vec::<String>::new());

    let finished = world.run(&format!("{line} --yes"));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(world.stub.asked(), ["POST /api/v1/callbacks/reissue"; 3]);
    let reissued = reissued(&world);
    assert_eq!(reissued.iter().map(|it| (it.start, it.end)).collect::<Vec<_>>(), windows);
    let mut again: Vec<String> = reissued.into_iter().flat_map(|it| it.assets).collect();
    again.dedup();
    assert_eq!(again, ids);
    let lines = finished.json_lines();
    assert_eq!(lines.len(), 3, "{finished:?}");
    assert_eq!(lines[0]["accepted"]["start"], write(windows[0].0, 0));
    let answer = lines[2]["accepted"]["answer"].as_str().expect("an answer");
    assert!(answer.starts_with("Re-issue callbacks started for assets uploaded from "), "{answer}");
    // The webhooks come through the daemon.
    assert_eq!(world.events(), Vec::<Value>::new());
}

#[test]
fn a_reissue_is_only_filespins_and_takes_no_flag_without_meaning() {
    let world = World::mock();
    let check = |line: &str, said: &str| {
        let finished = world.run(&format!("recover {line} --reissue --since 2d --yes"));
        assert_eq!((finished.code, finished.out.as_str()), (Some(2), ""), "{line}: {finished:?}");
        assert!(finished.err.contains(said), "{line}: {finished:?}");
    };
    for provider in ["uploadcare", "frameio", "filesafety"] {
        check(provider, &format!("--reissue is for filespin only: {provider} has no such call"));
    }
    let flags = [
        "--rate 5",
        "--limit 5",
        "--all",
        "--types file-saved",
        "--lookback 1h",
        "--endpoint assets",
        "--ids f",
        "scn_1",
        "--wait 5s",
    ];
    for flag in flags {
        check(&format!("filespin {flag}"), "cannot be used with");
    }
    let resume = world.run("recover filespin --reissue --yes --resume filespin/1/2026-11-22T10:00:00Z");
    assert_eq!(resume.code, Some(2), "{resume:?}");
    check("filespin --until 3d", "--since must be before --until");
    assert_eq!(world.stub.asked(), Vec::<String>::new());
}

#[test]
fn a_request_that_is_refused_or_may_be_accepted_is_the_last() {
    let world = World::mock();
    let check = |answers: &[(u16, &str)], accepted: usize, asked: usize, said: &[&str]| {
        instead(&world, answers);
        let finished = world.run(&format!("recover filespin --reissue --yes {}", days(&world, 20)));
        assert_eq!(finished.code, Some(1), "{finished:?}");
        for said in said {
            assert!(finished.err.contains(said), "{said} is not in {finished:?}");
        }
        let next = write(world.begin - 20 * DAY + Micros::try_from(accepted).expect("few") * 7 * DAY, 0);
        let go_on = format!("accepted: {accepted} of 3 requests; go on with --reissue --since {next} --until");
        assert!(finished.err.contains(&go_on), "{go_on} is not in {finished:?}");
        assert_eq!((finished.json_lines().len(), world.stub.asked().len()), (accepted, asked), "{finished:?}");
    };
    let (good, no) = ((202, "\"started\""), "{\"message\":\"no\"}");
    for status in [400, 401, 404, 422] {
        check(&[good, (status, no)], 1, 2, &[&format!("answered {status}: no")]);
    }
    check(&[(403, no)], 0, 1, &["answered 403: no; the key needs the permission ASSET_ADMIN"]);
    // What FileSpin may have accepted is not asked for again.
    for status in [500, 502, 503] {
        check(&[good, good, (status, no)], 2, 3, &["FileSpin may have accepted the last request"]);
    }
    // What is no answer of FileSpin's says nothing: 202 with a text is the only one that accepts a request.
    for other in [
        (200, "<html>login</html>"),
        (200, "\"started\""),
        (201, "\"started\""),
        (204, ""),
        (202, ""),
        (202, "{}"),
        (202, "<html>"),
    ] {
        check(&[good, other], 1, 2, &["FileSpin may have accepted the last request", &format!("answered {}", other.0)]);
    }
    world.stub.books().filespin.assets.clear();
    world.stub.books().faults = vec![Some(Fault::CutOff)];
    check_cut_off(&world);
    // A limit that does not end by itself is not waited for, and an ordinary one is.
    check(&[good, (429, "{\"message\":\"Too many invalid requests\"}")], 1, 2, &["does not end by itself"]);
    instead(&world, &[good, (429, no), good, good]);
    let finished = world.run(&format!("recover filespin --reissue --yes {}", days(&world, 20)));
    assert_eq!((finished.code, world.stub.asked().len()), (Some(0), 4), "{finished:?}");
    // One request with a wrong key, of the three that close an account.
    world.stub.books().filespin.api_key = "another".into();
    check(&[], 0, 1, &["answered 401: Invalid key"]);
    assert_eq!(world.stub.books().filespin.mistakes, 1);
}

/// FileSpin has accepted the request, and its answer does not arrive.
fn check_cut_off(world: &World) {
    let before = reissued(world).len();
    let finished = world.run(&format!("recover filespin --reissue --yes {}", days(world, 20)));
    assert_eq!((finished.code, finished.out.as_str()), (Some(1), ""), "{finished:?}");
    assert!(finished.err.contains("FileSpin may have accepted the last request"), "{finished:?}");
    assert_eq!((reissued(world).len() - before, world.stub.asked().len()), (1, 1));
}

/// What nobody answers was not accepted.
#[test]
fn a_filespin_that_is_away_has_accepted_nothing() {
    let world = World::mock();
    let configuration = std::fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there");
    let gone = configuration.replace(&world.stub.url(), "http://127.0.0.1:1");
    world.stage.folder.write("hookgate.toml", gone);
    let finished = world.run("recover filespin --reissue --since 2d --yes");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(!finished.err.contains("may have accepted"), "{finished:?}");
    assert!(finished.err.contains("accepted: 0 of 1 request; go on with --reissue"), "{finished:?}");
}

#[test]
fn a_stop_says_where_to_go_on() {
    let world = World::mock();
    let line = format!("recover filespin --reissue --yes {}", days(&world, 5000));
    let process = Process::spawn(&world.stage.folder, &line.split_whitespace().collect::<Vec<_>>());
    wait_until("two requests", || reissued(&world).len() >= 2);
    process.signal("INT");
    let stopped = process.finish();
    assert_eq!(stopped.code, Some(1), "{stopped:?}");
    let done = reissued(&world);
    assert_eq!(stopped.json_lines().len(), done.len(), "{stopped:?}");
    let (_, flags) = stopped.err.split_once("go on with ").expect("where to go on");
    let from = write(done.last().expect("two").end, 0);
    assert!(flags.starts_with(&format!("--reissue --since {from} --until ")), "{flags}");
    // The last of the times, so that this does not take as long as the rest.
    let (_, until) = flags.trim().rsplit_once(' ').expect("an end");
    assert_eq!(until, write(world.begin, 0));
    let finished = world.run(&format!("recover filespin {} --dry-run", flags.trim()));
    let rest = 5000_usize.div_ceil(7) - done.len();
    assert!(finished.err.contains(&format!("{rest} requests would be sent")), "{finished:?}");
}
