//! `hookgate reconcile` and `hookgate recover`: what the providers know, what the topics have, and what is published for the rest.

use std::collections::BTreeSet;

use hookgate_stubs::time::{Micros, SECOND, shortest};
use serde_json::{Value, json};

use crate::{
    recovery_world::{World, row},
    support::{plain, prefix},
};

/// A world on the real broker, with its topics.
pub fn world() -> World {
    with_topics(World::on(&plain(), &prefix("")))
}

pub fn with_topics(world: World) -> World {
    let made = world.run("topics --apply");
    assert_eq!(made.code, Some(0), "{made:?}");
    world
}

/// Of each kind one is delivered and one is lost.
#[test]
fn what_uploadcare_knows_and_the_topics_do_not_is_published() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND + 123_450;
    let mut uuids = Vec::new();
    for second in 0..6 {
        let uuid = world.stub.books().uploadcare.upload(at(second));
        uuids.push(uuid);
    }
    {
        let project = &mut world.stub.books().uploadcare;
        // Before and after the window, to the microsecond.
        let before = project.upload(world.begin - 1);
        project.upload(world.begin + 3600 * SECOND);
        project.file(&before).stored = Some(at(20));
        project.file(&uuids[0]).stored = Some(at(10));
        project.file(&uuids[1]).infected = Some(at(11));
        project.file(&uuids[2]).infected = Some(at(12));
        project.remove(&uuids[3], at(13));
        project.remove(&uuids[4], at(14));
        uuids.push(before);
    }
    for (name, file) in
        [("file.uploaded", 0), ("file.uploaded", 3), ("file.stored", 0), ("file.infected", 1), ("file.deleted", 3)]
    {
        world.photo(name, &uuids[file]);
    }
    let known = |missing: [u64; 4]| {
        let [deleted, infected, stored, uploaded] = missing;
        let state = |missing: u64| if missing > 0 { "missing" } else { "unknown" };
        vec![
            row("file.deleted", state(deleted), 2, deleted),
            row("file.infected", state(infected), 2, infected),
            ("file.info_updated".into(), "unknown".into(), None, None),
            row("file.stored", state(stored), 2, stored),
            row("file.uploaded", if uploaded > 0 { "missing" } else { "complete" }, 6, uploaded),
        ]
    };
    assert_eq!(world.reconcile("uploadcare", 3), known([1, 1, 1, 4]));
    let missing = |name: &str, file: usize| (format!("uploadcare.{name}"), uuids[file].clone());
    let mut lost = BTreeSet::from([missing("file.deleted", 4), missing("file.infected", 2), missing("file.stored", 6)]);
    lost.extend([1, 2, 4, 5].map(|file| missing("file.uploaded", file)));
    assert_eq!(world.recover("uploadcare", 0), lost);
    assert_eq!(world.reconcile("uploadcare", 0), known([0; 4]));
    assert_eq!(world.recover("uploadcare", 0), BTreeSet::new());

    // What is published in spite of that has the same ids.
    let ids = |events: &[Value]| events.iter().map(|it| it["event"]["id"].to_string()).collect::<BTreeSet<_>>();
    let before = world.events();
    assert_eq!(world.recover("uploadcare --all --types file.deleted", 3).len(), 2);
    let after = world.events();
    assert_eq!((after.len(), ids(&after).len()), (before.len() + 2, ids(&before).len() + 1));
    let recovered = after.iter().filter(|it| it["event"]["origin"] == "ORIGIN_RECOVERED");
    for event in recovered {
        assert_eq!((event["event"]["proof"].is_null(), event["event"]["endpoint"].as_str()), (true, Some("photos")));
        assert!(event["headers"].to_string().contains("hookgate-run"), "{event}");
        assert!(event["event"]["uploadcare_file"]["uuid"].is_string(), "{event}");
    }
}

/// What is recovered first and replayed later comes twice.
#[test]
fn what_lies_in_quarantine_is_mentioned_before_anything_is_published() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    let webhook = |uuid: &str| {
        let data = json!({ "uuid": uuid, "datetime_uploaded": shortest(at(0)) });
        json!({ "hook": { "event": "file.uploaded" }, "data": data })
    };
    let uuid = world.stub.books().uploadcare.upload(at(0));
    world.quarantine("photos", "uploadcare", &webhook("before"), at(-3600));
    world.quarantine("scans", "filesafety", &json!({ "event": "scan.complete", "scan_id": "s" }), at(1));
    let plan = || {
        let finished = world.run(&format!("recover uploadcare --types file.uploaded --dry-run {}", world.window()));
        (finished.code, finished.err)
    };
    let (code, said) = plan();
    assert_eq!((code, said.contains("quarantine")), (Some(3), false), "{said}");
    world.quarantine("photos", "uploadcare", &webhook(&uuid), at(2));
    world.quarantine("photos", "uploadcare", &webhook("other"), at(3));
    let (code, said) = plan();
    let since = shortest(at(0));
    let mention = format!("since {since}, the endpoint photos has 2 quarantined or unclassified deliveries");
    let command = format!("hookgate replay --since {since} --endpoint photos --dry-run");
    assert!(code == Some(3) && said.contains(&mention) && said.contains(&command), "{mention}, {command}: {said}");
    // What was replayed is on its topic.
    let replayed = world.run(&format!("replay --since {since} --endpoint photos --yes"));
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    assert_eq!(world.recover("uploadcare --types file.uploaded", 0), BTreeSet::new());
    let lost = world.stub.books().uploadcare.upload(at(9));
    let (code, said) = plan();
    assert_eq!((code, said.contains("quarantined")), (Some(3), false), "{said}");
    assert_eq!(world.recover("uploadcare --types file.uploaded", 0).len(), 1, "{lost}");
}

#[test]
fn a_limit_leaves_the_newer_ones_for_another_run() {
    let world = world();
    let uuids: Vec<String> = (0..5).map(|second| world.stub.books().uploadcare.upload(world.begin + second * SECOND)).collect();
    let kind = |uuid: &String| ("uploadcare.file.uploaded".to_owned(), uuid.clone());
    assert_eq!(world.recover("uploadcare --limit 2", 3), uuids[..2].iter().map(kind).collect());
    assert_eq!(world.recover("uploadcare --limit 2", 3), uuids[2..4].iter().map(kind).collect());
    assert_eq!(world.recover("uploadcare --limit 2", 0), uuids[4..].iter().map(kind).collect());
}

fn fill_audit_log(world: &World) {
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    let mut books = world.stub.books();
    let account = &mut books.frameio;
    let comment = ("comment", "c-1");
    // The newest first: the order is not documented. Two entries are equal.
    account.log("comment_updated", comment, Some("u-1"), at(900));
    account.log("comment_updated", comment, Some("u-1"), at(20));
    account.log("comment_updated", comment, Some("u-1"), at(20));
    account.log("comment_created", comment, Some("u-1"), at(10));
    account.log("share_viewed", ("share", "s-1"), None, at(30));
    account.log("asset_created", ("folder", "f-1"), Some("u-1"), at(40));
    account.log("asset_deleted", ("asset", "x-1"), Some("u-1"), at(50));
    account.log("bulk_assets_deleted", ("asset", "x-2"), Some("u-1"), at(60));
    // No webhook is about this. tests/it/audit_log.rs has entries of types that nobody knows.
    account.log("user_invited", ("user", "t-1"), Some("u-1"), at(70));
    account.log("comment_created", ("comment", "c-2"), Some("u-1"), at(-1));
    account.log("comment_created", ("comment", "c-3"), Some("u-1"), at(3600));
    account.log("comment_created", ("comment", "c-4"), Some("u-1"), at(80));
    account.entries.last_mut().expect("there").workspace_id = Some("elsewhere".into());
    // More than a page.
    for number in 0..250 {
        account.log("project_updated", ("project", &format!("p-{number}")), Some("u-2"), at(100 + number));
    }

    // The delivery after the window is that of the entry after the window.
    account.log("comment_completed", ("comment", "c-9"), Some("u-1"), at(3500));
    account.log("comment_completed", ("comment", "c-9"), Some("u-1"), at(3700));
    account.last_day_is_left_out = true;
}

/// Webhooks of Frame.io carry no time, and entries of its log no id.
#[test]
fn what_frameios_audit_log_has_and_the_topics_do_not_is_published() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    fill_audit_log(&world);
    let comment = |name: &str, at: Micros| {
        let body = json!({ "type": name, "resource": { "id": "c-1", "type": "comment" }, "user": { "id": "u-1" } });
        world.deliver("review", "frameio", &body, at);
    };
    comment("comment.created", at(12));
    comment("comment.updated", at(905));
    let after = json!({ "type": "comment.completed", "resource": { "id": "c-9", "type": "comment" }, "user": { "id": "u-1" } });
    world.deliver("review", "frameio", &after, at(3702));
    assert_eq!(world.reconcile("frameio --types comment.completed", 3), [row("comment.completed", "missing", 1, 1)]);
    let types = "--types comment.created,comment.updated,share.viewed,folder.created,project.updated";
    let rows = |missing: [u64; 5]| {
        let [created, updated, folder, project, share] = missing;
        let row =
            |name: &str, known: u64, missing: u64| row(name, if missing > 0 { "missing" } else { "complete" }, known, missing);
        let (created, updated) = (row("comment.created", 1, created), row("comment.updated", 3, updated));
        // An entry about an asset may be about a folder, so this type cannot be complete.
        let folder = row("folder.created", 1, folder);
        vec![created, updated, folder, row("project.updated", 250, project), row("share.viewed", 1, share)]
    };
    assert_eq!(world.reconcile(&format!("frameio {types}"), 3), rows([0, 2, 1, 250, 1]));
    assert_eq!(world.recover_all(&format!("frameio {types}"), 0).len(), 254);
    assert_eq!(world.reconcile(&format!("frameio {types}"), 0), rows([0; 5]));
    assert_eq!(world.recover_all(&format!("frameio {types}"), 0).len(), 0);
    let events = world.events();
    let ids: BTreeSet<_> = events.iter().map(|it| it["event"]["id"].to_string()).collect();
    assert_eq!(ids.len(), 257);
    let shown = events.iter().map(Value::to_string).collect::<String>();
    assert!(!shown.contains("203.0.113.7"), "the address of a user is published");
    let entry = events.iter().find(|it| it["event"]["type"] == "share.viewed").expect("there");
    assert_eq!(entry["event"]["frameio_event"]["resource_id"], "s-1");

    let vague = world.reconcile("frameio --types file.deleted,folder.deleted,file.ready", 3);
    let states: Vec<_> = vague.iter().map(|(name, state, ..)| (name.as_str(), state.as_str())).collect();
    assert_eq!(states, [("file.deleted", "unknown"), ("file.ready", "unknown"), ("folder.deleted", "unknown")]);
}

#[test]
fn a_file_that_is_ready_is_rebuilt_once() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    let upload = |id: &str, uploaded: Micros| {
        let account = &mut world.stub.books().frameio;
        account.log("file_uploaded", ("asset", id), Some("u-1"), uploaded);
        account.files.push((id.into(), "transcoded".into()));
    };
    let ready = |id: &str, at: Micros| {
        let body = json!({ "type": "file.ready", "resource": { "id": id, "type": "file" }, "user": { "id": "u-1" } });
        world.deliver("review", "frameio", &body, at);
    };
    for number in 0..3 {
        upload(&format!("f-{number}"), at(number));
        upload(&format!("f-before-{number}"), at(number) - 20 * 3600 * SECOND);
    }
    // One event within the window, one long before it, one long after it.
    ready("f-0", at(100));
    ready("f-before-0", at(100) - 20 * 3600 * SECOND);
    ready("f-1", at(5 * 3600));
    let line = "frameio --rebuild-ready --types file.ready";
    let lost = ["f-2", "f-before-1", "f-before-2"].map(|id| ("frameio.file.ready".to_owned(), id.to_owned()));
    assert_eq!(world.recover(line, 3), lost.into());
    assert_eq!(world.recover(line, 3), BTreeSet::new());
}

#[test]
fn what_filespins_search_has_and_the_topics_do_not_is_published() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    let mut ids = Vec::new();
    for number in 0..120 {
        let id = world.stub.books().filespin.upload("OK", at(number), at(number + 5));
        ids.push(id);
    }
    world.stub.books().filespin.assets[3].trashed = true;
    let deliver = |asset: usize, changed: Micros| {
        let body = json!({ "id": ids[asset], "status": "OK", "upload_time": shortest(at(0)), "update_time": shortest(changed) });
        world.deliver("assets", "filespin", &body, at(60));
    };
    deliver(0, at(5));
    // An older state than the one of now.
    deliver(1, at(2));
    let types = "--types file-processed --lookback all";
    assert_eq!(world.reconcile(&format!("filespin {types}"), 3), [row("file-processed", "missing", 119, 118)]);
    assert_eq!(world.recover(&format!("filespin {types}"), 3).len(), 118);
    // The state of each asset is there. What has happened to it before is not known.
    assert_eq!(world.reconcile(&format!("filespin {types}"), 3), [row("file-processed", "unknown", 119, 0)]);
    assert_eq!(world.reconcile("filespin --types file-deleted", 3), [row("file-deleted", "missing", 1, 1)]);
    world.stub.books().filespin.administrator = false;
    let hidden = world.reconcile("filespin --types file-deleted", 3);
    assert_eq!(hidden, [("file-deleted".to_owned(), "unknown".to_owned(), None, None)]);
    // A third request with a wrong key would be one too many.
    world.stub.books().filespin.api_key = "another".into();
    let refused = world.run(&format!("reconcile filespin {}", world.window()));
    assert_eq!((refused.code, world.stub.books().filespin.mistakes), (Some(1), 1), "{refused:?}");
}

#[test]
fn a_verdict_that_was_revised_is_published() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    // The webhook of the last one arrives after the window.
    let ids = [("clean", 12), ("clean", 12), ("infected", 3_602)].map(|(verdict, arrival)| {
        let scan_id = world.stub.books().filesafety.scan(verdict, at(10));
        let body = json!({ "event": "scan.complete", "scan_id": scan_id, "verdict": verdict, "completed_at": shortest(at(10)) });
        world.deliver("scans", "filesafety", &body, at(arrival));
        scan_id
    });
    let revised =
        |missing: u64, known: u64| row("scan.verdict_updated", if missing > 0 { "missing" } else { "unknown" }, known, missing);
    let types = "--types scan.verdict_updated";
    assert_eq!(world.reconcile(&format!("filesafety {types}"), 3), [revised(0, 0)]);
    {
        let account = &mut world.stub.books().filesafety;
        let scan = account.of(&ids[0]);
        (scan.verdict, scan.completed) = ("infected".into(), at(100));
        account.of(&ids[1]).status = "scanning".into();
    }
    assert_eq!(world.reconcile(&format!("filesafety {types}"), 3), [revised(1, 1)]);
    let published = world.recover(&format!("filesafety {types}"), 3);
    assert_eq!(published, BTreeSet::from([("filesafety.scan.verdict_updated".to_owned(), ids[0].clone())]));
    assert_eq!(world.reconcile(&format!("filesafety {types}"), 3), [revised(0, 1)]);
    let verdict = |it: &Value| it["headers"]["hookgate-verdict"] == "infected" && it["event"]["subject"] == *ids[0];
    assert!(world.events().iter().any(verdict), "{:?}", world.events());
    world.stub.books().filesafety.scans.remove(2);
    let gone = world.reconcile(&format!("filesafety {types}"), 3);
    assert_eq!(gone, [row("scan.verdict_updated", "unknown", 1, 0)]);
}

#[test]
fn scans_that_no_topic_has_are_got_back_by_their_ids() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    let ids: Vec<String> = (0..4)
        .map(|number| world.stub.books().filesafety.scan(if number == 1 { "infected" } else { "clean" }, at(number)))
        .collect();
    {
        let account = &mut world.stub.books().filesafety;
        account.of(&ids[2]).status = "failed".into();
        account.of(&ids[3]).status = "pending".into();
    }
    let body = json!({ "event": "scan.complete", "scan_id": ids[0], "verdict": "clean", "completed_at": shortest(at(0)) });
    world.deliver("scans", "filesafety", &body, at(2));
    world.stage.folder.write("ids", format!("{}\nscn_unknown\n", ids.join("\n")));
    let complete = |number: usize| ("filesafety.scan.complete".to_owned(), ids[number].clone());
    assert_eq!(world.recover("filesafety --ids ids", 3), BTreeSet::from([complete(1), complete(2)]));
    assert_eq!(world.recover("filesafety --ids ids", 3), BTreeSet::new());
    let verdicts: BTreeSet<String> = world
        .events()
        .iter()
        .map(|it| it["event"]["filesafety_scan"]["verdict_text"].as_str().expect("a verdict").to_owned())
        .collect();
    assert_eq!(verdicts, ["clean", "failed", "infected"].map(str::to_owned).into());
    assert_eq!(world.run(&format!("recover uploadcare scn_1 {}", world.window())).code, Some(2));
}

/// A reference comes from the user, or from the first event of the scan that has one: a later one may be of somebody who knows another signed
/// URL.
#[test]
fn a_revised_scan_has_the_reference_of_its_first_event() {
    let world = world();
    let at = |seconds: Micros| world.begin + seconds * SECOND;
    let id = world.stub.books().filesafety.scan("clean", at(0));
    let webhook = json!({ "event": "scan.complete", "scan_id": id, "verdict": "clean", "completed_at": shortest(at(0)) });
    for (reference, seconds) in [("upl_forged", 20), ("upl_1", 10)] {
        world.deliver_signed(reference, &webhook, at(seconds));
    }
    world.deliver("scans", "filesafety", &webhook, at(5));
    let revised = BTreeSet::from([("filesafety.scan.verdict_updated".to_owned(), id.clone())]);
    let revise = |verdict: &str, flags: &str, code: i32| {
        world.stub.books().filesafety.of(&id).verdict = verdict.into();
        assert_eq!(world.recover(&format!("filesafety --types scan.verdict_updated {flags}"), code), revised, "{verdict}");
    };
    revise("infected", "", 3);
    // What the user names counts more.
    world.stage.folder.write("ids", format!("{id}\tupl_9\n"));
    revise("suspicious", "--ids ids", 3);
    let events = world.events();
    let mut found: Vec<_> =
        events.iter().map(|it| &it["event"]).map(|it| (it["origin"].as_str(), it["reference"].as_str())).collect();
    found.sort_unstable();
    let (webhook, recovered) = (Some("ORIGIN_WEBHOOK"), Some("ORIGIN_RECOVERED"));
    let expected = [
        (recovered, Some("upl_1")),
        (recovered, Some("upl_9")),
        (webhook, None),
        (webhook, Some("upl_1")),
        (webhook, Some("upl_forged")),
    ];
    assert_eq!(found, expected);
}

/// Several people may do the same to one thing at one time. Neither the id nor the cursor has the user.
#[test]
fn what_several_users_did_at_one_time_comes_back_once_each() {
    let world = world();
    for user in [Some("u-2"), None, Some("u-1")] {
        world.stub.books().frameio.log("share_viewed", ("share", "s-1"), user, world.begin + 600 * SECOND);
    }
    let line = "frameio --types share.viewed";
    assert_eq!(world.reconcile(line, 3), [row("share.viewed", "missing", 3, 3)]);
    assert_eq!(world.recover_all(line, 0).len(), 3);
    assert_eq!(world.reconcile(line, 0), [row("share.viewed", "complete", 3, 0)]);
    assert_eq!(world.recover_all(line, 0), []);
    let events = world.events();
    let ids: BTreeSet<_> = events.iter().map(|it| it["event"]["id"].as_str().expect("an id")).collect();
    let users: BTreeSet<_> = events.iter().map(|it| it["event"]["frameio_event"]["user_id"].as_str()).collect();
    assert_eq!((events.len(), ids.len(), users.len()), (3, 3, 3), "{events:?}");
}
