//! Each provider's cases, and a consumer that does what docs/consumers.md says of the provider.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use hookgate_stubs::{
    filesafety::Scan,
    filespin::Asset,
    time::{Micros, SECOND, read, write},
    uploadcare::File,
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{Case, Kind, Moment, check, check_consumer, moments, once_unless_known};
use crate::recovery_world::photo;

/// Returns when an event happened, as the consumer compares it.
fn occurred(event: &Value) -> Option<Micros> {
    event["occurred_at"].as_str().and_then(read)
}

/// What a consumer knows of a file: when it was uploaded, stored and deleted, and whether it is infected.
type FileKnown = ([Option<Micros>; 3], bool);

/// Keeps each state with its own time, as docs/consumers.md says.
fn files(events: &[&Value]) -> BTreeMap<String, FileKnown> {
    let mut files: BTreeMap<String, FileKnown> = BTreeMap::new();
    for event in events {
        let (times, infected) = files.entry(event["subject"].as_str().unwrap().to_owned()).or_default();
        let place = ["file.uploaded", "file.stored", "file.deleted"].iter().position(|it| event["type"] == *it);
        if let Some(place) = place {
            times[place] = times[place].max(occurred(event));
        }
        *infected |= event["uploadcare_file"]["virus_scan"]["infected"] == true;
    }
    files
}

/// Of a file of a case: what has happened to it, and how long after the window began, when the webhooks of its events arrive, and before which
/// request of the first run it is removed. No book says then any more when it was stored.
type FileCase = (usize, Micros, [Vec<Moment>; 2], Option<usize>);

/// Returns the file, and its events within the window.
fn file(begin: Micros, uuid: &str, story: usize, after: Micros) -> (File, Vec<&'static str>) {
    let (at, earlier) = (begin + after, begin - SECOND);
    let file = File { uuid: uuid.to_owned(), uploaded: earlier, stored: None, removed: None, infected: None };
    match story {
        0 => (File { uploaded: at, ..file }, vec!["file.uploaded"]),
        1 => (File { uploaded: at, stored: Some(at + 5), ..file }, vec!["file.uploaded", "file.stored"]),
        2 => (File { stored: Some(at), ..file }, vec!["file.stored"]),
        3 => (File { infected: Some(at), ..file }, vec!["file.infected"]),
        _ => (File { removed: Some(at), ..file }, vec!["file.deleted"]),
    }
}

#[test]
fn uploadcare() {
    let any_file = (0_usize..5, 0_i64..4, [moments(), moments()], prop::option::of(1_usize..4));
    // A page has 500 files: some of these are on the second one.
    check(12, (490_i64..502, vec(any_file, 1..16)), |world, case, (older, all): (i64, Vec<FileCase>)| {
        let (mut made, mut state, mut removals) = (Case::default(), BTreeMap::new(), Vec::new());
        let mut files_now: Vec<File> = Vec::new();
        for (number, (story, after, moments, removal)) in all.into_iter().enumerate() {
            let uuid = format!("{case:08x}-0000-4000-9000-{number:012x}");
            let (file, events) = file(world.begin, &uuid, story, after);
            for (event_type, moments) in events.iter().zip(moments) {
                made.add(&uuid, &moments, &("photos", "uploadcare", photo(event_type, &file), world.begin + 5 * SECOND));
                let expected = once_unless_known(&moments);
                let may_be_forgotten = *event_type == "file.stored" && removal.is_some();
                made.expect(event_type, &uuid, if may_be_forgotten { 0..=*expected.end() } else { expected });
            }
            removals.extend(removal.filter(|_| file.removed.is_none()).map(|request| (request, uuid.clone())));
            let uploaded = Some(file.uploaded).filter(|at| *at >= world.begin);
            state.insert(uuid, ([uploaded, file.stored, file.removed], file.infected.is_some()));
            files_now.push(file);
        }
        {
            let project = &mut world.stub.books().uploadcare;
            project.files.clear();
            (0..older).for_each(|number| drop(project.upload(world.begin - 1000 * SECOND + number)));
            project.files.extend(files_now);
        }
        let events = made.run(world, "uploadcare", |number| {
            for (_, uuid) in removals.iter().filter(|(request, _)| *request == number) {
                world.stub.books().uploadcare.remove(uuid, world.begin + 7200 * SECOND);
            }
        });
        let mut forgotten = false;
        for (_, uuid) in removals {
            let stored = |event: &Value| event["type"] == "file.stored" && event["subject"] == *uuid;
            let known = &mut state.get_mut(&uuid).unwrap().0[1];
            forgotten |= known.is_some() && !events.iter().any(stored);
            *known = known.filter(|_| events.iter().any(stored));
        }
        state.retain(|_, known| *known != FileKnown::default());
        for (event_type, state, _, missing) in world.reconcile("uploadcare", 0) {
            assert_eq!(missing.unwrap_or(0), 0, "{event_type}");
            assert!(!forgotten || event_type != "file.stored" || state != "complete", "a store was lost");
        }
        check_consumer(&events, files, &state);
    });
}

/// Lets a revised verdict replace the first one, and a later one an earlier one, as docs/consumers.md says.
fn verdicts(events: &[&Value]) -> BTreeMap<String, String> {
    let mut verdicts = BTreeMap::new();
    for event in events {
        let order = (event["type"] == "scan.verdict_updated", occurred(event));
        let verdict = event["filesafety_scan"]["verdict_text"].as_str().unwrap().to_owned();
        let known = verdicts.entry(event["subject"].as_str().unwrap().to_owned()).or_insert_with(|| (order, verdict.clone()));
        if known.0 < order {
            *known = (order, verdict);
        }
    }
    verdicts.into_iter().map(|(scan, (_, verdict))| (scan, verdict)).collect()
}

#[test]
fn filesafety() {
    check(6, vec((any::<bool>(), moments(), moments()), 1..6), |world, case, all| {
        let (mut made, mut state, mut scans) = (Case::default(), BTreeMap::new(), Vec::new());
        for (number, (revised, moments, later)) in all.into_iter().enumerate() {
            let (scan_id, at) = (format!("scn_{case}_{number}"), world.begin + SECOND);
            let mut add = |event_type: &str, verdict: &str, at: Micros, moments: &[Moment]| {
                let body = json!({ "event": event_type, "scan_id": scan_id, "verdict": verdict, "completed_at": write(at, 3) });
                made.add(&scan_id, moments, &("scans", "filesafety", body.to_string().into_bytes(), at + SECOND));
            };
            add("scan.complete", "clean", at, &moments);
            let (verdict, at) = if revised { ("infected", at + 60 * SECOND) } else { ("clean", at) };
            if revised {
                add("scan.verdict_updated", verdict, at, &later);
            }
            // A scan that no topic has is complete; one that has another verdict was revised.
            let last = if revised { &later } else { &moments };
            let expected = once_unless_known(last);
            let is_known = |moment| revised && moments.contains(&moment) && *expected.end() > 0;
            let (complete, updated) = if is_known(Moment::Before) {
                (0..=0, expected.clone())
            } else if is_known(Moment::Beside) {
                (0..=1, 0..=1)
            } else {
                (expected.clone(), 0..=0)
            };
            made.expect("scan.complete", &scan_id, complete);
            made.expect("scan.verdict_updated", &scan_id, updated);
            state.insert(scan_id.clone(), verdict.to_owned());
            scans.push(Scan { scan_id, status: "complete".into(), verdict: verdict.into(), completed: at });
        }
        world.stub.books().filesafety.scans = scans;
        let ids: Vec<&str> = state.keys().map(String::as_str).collect();
        let events = made.run(world, &format!("filesafety {}", ids.join(" ")), |_| {});
        check_consumer(&events, verdicts, &state);
    });
}

/// Keeps the newest state of each asset; at equal times any other replaces `NOT_READY`, as docs/consumers.md says.
fn assets(events: &[&Value]) -> BTreeMap<String, (Option<Micros>, bool, String)> {
    let mut assets = BTreeMap::new();
    for event in events {
        let status = event["filespin_asset"]["status_text"].as_str().unwrap().to_owned();
        let state = (occurred(event), status != "NOT_READY", status);
        let known = assets.entry(event["subject"].as_str().unwrap().to_owned()).or_insert_with(|| state.clone());
        if *known < state {
            *known = state;
        }
    }
    assets
}

/// FileSpin counts seconds, so an asset may be saved and processed at one time.
#[test]
fn filespin() {
    let any_asset = (prop::option::of(0_i64..3), moments(), moments());
    check(10, vec(any_asset, 1..12), |world, case, all| {
        let (mut made, mut state, mut assets_now) = (Case::default(), BTreeMap::new(), Vec::new());
        for (number, (processed, moments, later)) in all.into_iter().enumerate() {
            let (id, at) = (format!("{case:016x}{number:016x}"), world.begin + SECOND);
            let mut add = |event_type: &str, status: &str, updated: Micros, moments: &[Moment]| {
                let body = json!({ "event": event_type, "id": id, "status": status, "upload_time": write(at, 0), "update_time": write(updated, 0) });
                made.add(&id, moments, &("assets", "filespin", body.to_string().into_bytes(), at + 5 * SECOND));
            };
            add("file-saved", "NOT_READY", at, &moments);
            let updated = at + processed.unwrap_or(0) * SECOND;
            let (event_type, status, last) = match processed {
                Some(_) => ("file-processed", "OK", &later),
                None => ("file-saved", "NOT_READY", &moments),
            };
            if processed.is_some() {
                add(event_type, status, updated, last);
            }
            made.expect(event_type, &id, once_unless_known(last));
            state.insert(id.clone(), (Some(updated), processed.is_some(), status.to_owned()));
            assets_now.push(Asset { id, status: status.into(), uploaded: at, updated, trashed: false });
        }
        world.stub.books().filespin.assets = assets_now;
        let events = made.run(world, "filespin", |_| {});
        check_consumer(&events, assets, &state);
    });
}

/// Equal changes of one thing may follow each other, also within a second, and their webhooks do not say when they happened. A consumer reads
/// the thing itself after each, so there must be an event for each change.
#[test]
fn frameio() {
    let any_change = (0_usize..3, any::<bool>(), 0_i64..4, moments());
    check(4, vec(any_change, 1..24), |world, case, all| {
        let (mut made, mut changes) = (Case::default(), BTreeMap::<Kind, RangeInclusive<usize>>::new());
        world.stub.books().frameio.entries.clear();
        let mut happened = BTreeMap::<Kind, usize>::new();
        for (number, (comment, is_update, second, moments)) in (0..).zip(all) {
            let (audit, event_type) =
                if is_update { ("comment_updated", "comment.updated") } else { ("comment_completed", "comment.completed") };
            let id = format!("c-{case}-{comment}");
            world.stub.books().frameio.log(audit, ("comment", &id), Some("u-1"), world.begin + second * SECOND);
            let body = json!({ "type": event_type, "resource": { "id": id, "type": "comment" }, "user": { "id": "u-1" } });
            let at = world.begin + (10 + number) * SECOND;
            made.add(&id, &moments, &("review", "frameio", body.to_string().into_bytes(), at));
            let kind = (event_type.to_owned(), id);
            let (expected, before) = (once_unless_known(&moments), changes.get(&kind).cloned().unwrap_or(0..=0));
            *happened.entry(kind.clone()).or_default() += 1;
            changes.insert(kind, before.start() + expected.start()..=before.end() + expected.end());
        }
        made.recovered = changes;
        let events = made.run(world, "frameio", |_| {});
        for ((event_type, subject), count) in happened {
            let of_kind = events.iter().filter(|event| event["type"] == *event_type && event["subject"] == *subject);
            let ids: BTreeSet<&str> = of_kind.map(|event| event["id"].as_str().unwrap()).collect();
            assert!(ids.len() >= count, "{event_type} {subject}: {} of {count} changes have an event", ids.len());
        }
    });
}
