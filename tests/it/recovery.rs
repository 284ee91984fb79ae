//! `hookgate reconcile` and `hookgate recover` where the topics do not matter: what they refuse, and what providers do wrong.

use hookgate_stubs::{
    Fault, Reply,
    time::{Micros, SECOND, write},
    uploadcare::PageOrder,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;

use crate::{
    binary::Process,
    recovery_world::{World, row},
    waits::wait_until,
};

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

/// Wherever pages of 500 files end, and however many files are of one instant, each file of the window counts once.
#[test]
fn each_file_of_the_window_counts_once_whatever_the_pages() {
    let world = World::mock();
    let runs = prop::collection::vec((-3_i64..40, 1_usize..700), 1..6);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let checked = runner.run(&(runs, any::<bool>()), |(runs, repeats_all)| {
        let mut known = 0;
        {
            let project = &mut world.stub.books().uploadcare;
            project.files.clear();
            project.next_repeats_all = repeats_all;
            for (microsecond, files) in runs {
                (0..files).for_each(|_| drop(project.upload(world.begin + microsecond)));
                known += if microsecond < 0 { 0 } else { files as u64 };
            }
        }
        let (state, code) = if known == 0 { ("complete", 0) } else { ("missing", 3) };
        prop_assert_eq!(world.reconcile("uploadcare --types file.uploaded", code), [row("file.uploaded", state, known, known)]);
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

/// A file after the window ends a listing only where the files are in order.
#[test]
fn a_listing_in_another_order_is_never_complete() {
    let world = World::mock();
    let upload = |seconds| drop(world.stub.books().uploadcare.upload(world.begin + seconds * SECOND));
    let check = |newest_first: bool, state: &str, known: u64| {
        let order = if newest_first { PageOrder::NewestFirst } else { PageOrder::Documented };
        world.stub.books().uploadcare.order = order;
        let code = if state == "complete" { 0 } else { 3 };
        let line = "uploadcare --types file.uploaded";
        assert_eq!(world.reconcile(line, code), [row("file.uploaded", state, known, known)], "{newest_first}");
        let said = world.run(&format!("reconcile {line} --format pretty {}", world.window())).words();
        assert_eq!(said.contains("does not list the existing files in the order of their upload"), newest_first, "{said}");
    };
    upload(-2);
    upload(2 * 3600);
    check(false, "complete", 0);
    check(true, "unknown", 0);
    upload(1);
    check(false, "missing", 1);
    check(true, "missing", 1);
    // More than a page of them, which has 500 files.
    (2..1300).for_each(upload);
    check(false, "missing", 1299);
    check(true, "missing", 1299);
}

/// A listing without files is believed unless Uploadcare itself says otherwise: `total` alone is a hint, which was seen to be 0 beside files.
#[test]
fn an_empty_listing_that_contradicts_itself_is_never_complete() {
    let world = World::mock();
    let check = |lookback: &str, change: fn(&mut hookgate_stubs::uploadcare::Project), state: &str, why: &str| {
        change(&mut world.stub.books().uploadcare);
        let line = format!("recover uploadcare --all --dry-run --types file.uploaded --lookback {lookback} {}", world.window());
        let finished = world.run(&line);
        assert_eq!(finished.code, Some(if state == "cannot know" { 3 } else { 0 }), "{finished:?}");
        assert!(finished.words().contains(state) && finished.words().contains(why), "{state} {why} is not in {finished:?}");
    };
    check("24h", |_| {}, "not compared", "");
    // An old file, which the window does not reach.
    let old = world.begin - 50 * 3600 * SECOND;
    world.stub.books().uploadcare.upload(old);
    check("24h", |_| {}, "not compared", "");
    check("all", |_| {}, "not compared", "");
    check(
        "all",
        |project| project.hidden_until = Some(i64::MAX),
        "cannot know",
        "lists no existing file since 1970-01-01T00:00:00Z, but has one",
    );
    // The newest one is older than the listing begins.
    check("24h", |_| {}, "not compared", "");
    let lost = world.begin;
    world.stub.books().uploadcare.upload(lost);
    check("24h", |_| {}, "cannot know", "lists no existing file since");
    check("24h", |project| project.total_is_zero = true, "not compared", "");
    let counted = |total: &str| {
        let body = format!("{{\"results\":[],\"next\":null,{total}}}").into_bytes();
        Some(Fault::Instead(Box::new(Reply { status: 200, headers: Vec::new(), body, fault: None })))
    };
    let totals = "\"totals\":{\"removed\":0,\"stored\":49,\"unstored\":1}";
    for total in ["\"total\":50", totals] {
        world.stub.books().faults = vec![counted(total), counted(total)];
        check("24h", |_| {}, "cannot know", "Uploadcare lists no existing file, and counts 50");
    }
    world.stub.books().faults = vec![counted("\"total\":\"many\""), counted("\"totals\":7")];
    check("24h", |_| {}, "not compared", "");
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
        "names a next page at another address, which is not asked: http://evil.example",
    );
    let nameless = "{\"results\":[],\"next\":\"\"}";
    check(&|books| books.faults = vec![instead(200, vec![], nameless)], "names a next page, but its address is empty");
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
    check("recover uploadcare --since 1h --wait 10m", 2, "--wait is for filesafety only: uploadcare has no scans");
    check("recover filesafety --since 1h --wait soon", 2, "a time span is like");
    // clap alone would say how to make it a positional argument.
    check("recover uploadcare --since 1h --limit -1", 2, "-1 is not in 1..=1000000");
    check("recover uploadcare --since 1h --rate -5", 2, "-5 is not in 1..=100000");
    check("recover uploadcare --since 1h --grace -15m", 2, "a time span is like 15m, 1h30m or 7d");
    check("recover filesafety --since 1h --wait -10m", 2, "a time span is like");
    check("reconcile uploadcare --since 1h --lookback -24h", 2, "a time span is like");
    check("replay --all --limit -1", 2, "-1 is not in 1..=1000000");
    check("recover uploadcare --since 1h --types file.delete", 2, "did you mean file.deleted?");
    check(
        "recover uploadcare --since 1h --endpoint scans",
        2,
        "is an endpoint of filesafety, and not of uploadcare; there are photos",
    );
    check("recover uploadcare --since 1h --endpoint nobody", 2, "no such endpoint of uploadcare; there are photos");
    check("reconcile uploadcare frameio --since 1h --endpoint photos", 2, "is an endpoint of uploadcare, and not of frameio");
    check("recover filesafety --since 1h --all", 2, "--all needs the ids of scans");
    check("recover filesafety --since 1h --all scn_1 --types scan.verdict_updated", 2, "--types leaves that out");
    check("recover uploadcare --resume frameio/1/2026-11-22T10:00:00Z", 2, "--resume takes what an earlier run has printed");
    world.stub.books().uploadcare.upload(world.begin);
    check(&format!("recover uploadcare {}", world.window()), 2, "There is no terminal to ask on: add --yes, or --dry-run");
    check(&format!("recover uploadcare {} --dry-run --format pretty", world.window()), 3, "1 event would be published");
    // A device would be replaced by the file, and a folder cannot be.
    let metrics = format!("reconcile uploadcare {} --format pretty --metrics {}", world.window(), world.stage.folder.path(""));
    let finished = world.run(&metrics);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.err.contains("is no regular file"), "{finished:?}");
    assert_eq!(world.events(), Vec::<Value>::new());
}

/// Whether the last day of a question counts, and where days begin, is not documented.
#[test]
fn the_audit_log_is_read_day_by_day_whatever_a_day_is() {
    const DAY: Micros = 86_400 * SECOND;
    let world = World::mock();
    let midnight = world.begin / DAY * DAY;
    let since = midnight - 3 * DAY;
    {
        let account = &mut world.stub.books().frameio;
        let at_borders = [since, midnight - 2 * DAY, midnight - DAY].map(|border| [border - 1, border, border, border + 1]);
        for at in at_borders.into_iter().flatten().chain([midnight - 1, midnight]) {
            account.log("comment_updated", ("comment", "c-1"), Some("u-1"), at);
        }
        // More than a page on one day, with equal ones on different pages.
        for number in 0..250 {
            account.log(
                "project_updated",
                ("project", &format!("p-{}", number % 60)),
                Some("u-2"),
                midnight - 36 * 3600 * SECOND,
            );
        }
    }
    let line = format!(
        "reconcile frameio --types comment.updated,project.updated --since {} --until {}",
        write(since, 0),
        write(midnight, 0)
    );
    // Neither what is before the first day nor what is at the end of the last one.
    let rows = [("comment.updated", 12), ("project.updated", 250)];
    for (last_day_is_left_out, hours) in [(false, -14), (true, 12), (true, 0)] {
        {
            let account = &mut world.stub.books().frameio;
            (account.last_day_is_left_out, account.days_begin_late) = (last_day_is_left_out, hours * 3600 * SECOND);
        }
        world.stub.asked();
        let finished = world.run(&line);
        assert_eq!(finished.code, Some(3), "{finished:?}");
        let known = |line: &Value| (line["type"].as_str().expect("a type").to_owned(), line["known"].as_i64().expect("known"));
        let found: Vec<_> = finished.json_lines().iter().map(known).collect();
        assert_eq!(found, rows.map(|(name, known)| (name.to_owned(), known)), "{last_day_is_left_out} {hours}");
    }
    // A question is about a day and the next one, from the day before the window to the day after it.
    let mut asked = world.stub.asked();
    asked.retain(|line| line.contains("/audit_logs?") && !line.contains("&after="));
    let day = |at: Micros| write(at, 0)[..10].to_owned();
    let expected = (-1..=4).map(|number| {
        let (from, to) = (day(since + number * DAY), day(since + (number + 1) * DAY));
        let account = "a0000000%2D0000%2D4000%2D8000%2D000000000001";
        format!("GET /v4/accounts/{account}/audit_logs?filters%5Bfrom_date%5D={from}&filters%5Bto_date%5D={to}&page_size=100")
    });
    assert_eq!(asked, expected.collect::<Vec<_>>());
}

#[test]
fn a_day_that_frameio_does_not_answer_about_costs_no_other_day() {
    const DAY: Micros = 86_400 * SECOND;
    let world = World::mock();
    let midnight = world.begin / DAY * DAY;
    let no = Reply { status: 422, body: b"{\"errors\":[{\"detail\":\"no such day\"}]}".to_vec(), ..Reply::default() };
    // A token and four days before it.
    let mut faults = vec![None; 5];
    faults.push(Some(Fault::Instead(Box::new(no))));
    world.stub.books().faults = faults;
    let finished =
        world.run(&format!("reconcile frameio --since {} --until {}", write(midnight - 4 * DAY, 0), write(midnight, 0)));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.err.contains("answered 422: no such day"), "{finished:?}");
    let until = write(midnight - 3 * DAY, 0);
    let said = format!("the audit log was read up to the day {}: with --until {until} only", &write(midnight - DAY, 0)[..10]);
    assert!(finished.err.contains(&said), "{said} is not in {finished:?}");
    world.stub.asked();
    let shorter = world.run(&format!("reconcile frameio --since {} --until {until}", write(midnight - 4 * DAY, 0)));
    assert_eq!(shorter.code, Some(0), "{shorter:?}");
    let asked = world.stub.asked();
    assert!(!asked.iter().any(|line| line.contains(&format!("from_date%5D={}", &write(midnight - DAY, 0)[..10]))), "{asked:?}");
}

/// A failed scan does not say when it has ended.
#[test]
fn a_cursor_of_events_without_a_time_can_be_used() {
    let world = World::mock();
    let ids: Vec<String> =
        (0..3).map(|number| world.stub.books().filesafety.scan("clean", world.begin + number * SECOND)).collect();
    world.stub.books().filesafety.of(&ids[1]).status = "failed".into();
    world.stub.books().filesafety.of(&ids[2]).status = "failed".into();
    world.stage.folder.write("ids", ids.join("\n"));
    let first = world.run(&format!("recover filesafety --all --ids ids --limit 1 --yes {}", world.window()));
    assert_eq!((first.code, first.json_lines().len()), (Some(3), 1), "{first:?}");
    let (_, flags) = first.err.split_once("go on with ").expect("where to go on");
    let (flags, _) = flags.split_once(" and the other flags").expect("flags");
    assert!(flags.starts_with(&format!("--resume filesafety/1/{}/-/scan.complete/", write(world.begin, 0))), "{flags}");
    let next = world.run(&format!("recover filesafety --all --ids ids --yes {flags}"));
    assert_eq!((next.code, next.json_lines().len()), (Some(0), 2), "{next:?}");
}

#[test]
fn scans_that_are_not_complete_are_waited_for() {
    let world = World::mock();
    let states = ["pending", "scanning", "awaiting_upload", "complete"];
    let ids = states.map(|state| {
        let id = world.stub.books().filesafety.scan("clean", world.begin);
        world.stub.books().filesafety.of(&id).status = state.into();
        id
    });
    world.stage.folder.write("ids", ids.join("\n"));
    let line = format!("recover filesafety --ids ids --yes --types scan.complete {}", world.window());
    let asked = |id: &String| world.stub.books().log.iter().filter(|line| line.replace("%5F", "_").ends_with(id)).count();

    // Without the flag each is asked for once.
    let at_once = world.run(&format!("{line} --dry-run"));
    let said = format!("3 scans are not complete yet: {}", ids[..3].join(", "));
    assert!(at_once.words().contains(&said) && !at_once.err.contains("again"), "{at_once:?}");
    assert_eq!(ids.each_ref().map(asked), [1; 4]);

    // All come to an end, one of them by failing, long before the time is over.
    world.stub.asked();
    let process = Process::spawn(&world.stage.folder, &format!("{line} --wait 1h").split_whitespace().collect::<Vec<_>>());
    // A request is counted before it is answered, so the message says when the first round is over.
    wait_until("the first round", || process.err().contains("scans that are not complete yet: 3"));
    for (id, state) in ids.iter().zip(["complete", "failed", "complete"]) {
        world.stub.books().filesafety.of(id).status = state.into();
    }
    let waited = process.finish();
    assert_eq!((waited.code, waited.json_lines().len()), (Some(0), 4), "{waited:?}");
    assert_eq!(waited.err.matches("not complete yet").count(), 1, "none is left out in the end: {waited:?}");
    assert_eq!(asked(&ids[3]), 1, "what is complete is not asked for again");

    // One that takes longer is counted.
    world.stub.books().filesafety.of(&ids[0]).status = "pending".into();
    world.stub.asked();
    let over = world.run(&format!("{line} --wait 3s"));
    assert_eq!((over.code, over.json_lines().len()), (Some(3), 3), "{over:?}");
    assert!(over.words().contains(&format!("3 missing: 1 scan is not complete yet: {}", ids[0])), "{over:?}");
    assert!(asked(&ids[0]) > 1 && ids[1..].iter().all(|id| asked(id) == 1), "{over:?}");
}

#[test]
fn a_stop_ends_the_wait_for_scans() {
    let world = World::mock();
    let id = world.stub.books().filesafety.scan("clean", world.begin);
    world.stub.books().filesafety.of(&id).status = "pending".into();
    let line = format!("recover filesafety {id} --yes --wait 1h {}", world.window());
    let process = Process::spawn(&world.stage.folder, &line.split_whitespace().collect::<Vec<_>>());
    wait_until("asked for", || world.stub.books().log.iter().any(|line| line.contains("/v1/scan/")));
    process.signal("INT");
    let stopped = process.finish();
    assert_eq!((stopped.code, stopped.out.as_str()), (Some(1), ""), "{stopped:?}");
}

/// The credentials of one provider are enough to recover it.
#[test]
fn the_credentials_of_other_providers_need_not_be_there() {
    let world = World::mock();
    let configuration = std::fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there");
    let broken = configuration.replace("file:filespin.key", "env:NOT_THERE").replace("file:frameio.key", "file:not-there");
    assert_eq!(broken.matches("NOT_THERE").count() + broken.matches("not-there").count(), 2);
    world.stage.folder.write("hookgate.toml", broken);
    let recover = format!("recover uploadcare --all --dry-run {}", world.window());
    let reconcile = format!("reconcile uploadcare {}", world.window());
    let subscribe = "subscribe photos --host https://hooks.example.com --dry-run";
    for line in [&*recover, &reconcile, "subscriptions uploadcare", subscribe] {
        let ran = world.run(line);
        assert!(!matches!(ran.code, Some(1 | 2 | 64)), "{line}: {ran:?}");
    }
    // Where they are needed, all of them are named at once.
    let window = world.window();
    for line in [format!("reconcile {window}"), format!("reconcile filespin frameio {window}"), "subscriptions".into()] {
        let ran = world.run(&line);
        assert_eq!(ran.code, Some(64), "{line}: {ran:?}");
        assert!(ran.err.contains("NOT_THERE") && ran.err.contains("not-there"), "{line}: {ran:?}");
    }
}
