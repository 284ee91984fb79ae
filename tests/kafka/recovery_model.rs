//! Thousands of made events, of which some are lost, for several seeds: what `reconcile` counts is what was lost, `recover` gets back all that
//! can be got back, and nothing is called complete that is not.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    thread,
};

use hookgate_stubs::{
    Provider,
    frameio::WORKSPACE,
    make::{Happened, make},
    time::{Micros, SECOND, read},
};
use serde_json::Value;

use crate::{recovery::world, recovery_world::World};

/// How many worlds are tried, and how many events of each type each of them has. `HOOKGATE_TEST_SEEDS` and `HOOKGATE_TEST_EACH` ask for more:
/// 10 and 64 are ten thousand losses, and take some minutes, because the commands keep to the rates that the providers allow.
const SEEDS: u64 = 1;
const EACH: u64 = 12;
/// After how long a webhook arrives.
const DELAY: Micros = 2 * SECOND;

/// Types whose lost events come back.
const BACK: [(&str, &[&str]); 4] = [
    ("uploadcare", &["file.uploaded", "file.stored", "file.deleted", "file.infected"]),
    (
        "frameio",
        &[
            "file.upload.completed",
            "file.versioned",
            "folder.created",
            "folder.deleted",
            "folder.updated",
            "folder.copied",
            "comment.completed",
            "comment.created",
            "comment.deleted",
            "comment.uncompleted",
            "comment.updated",
            "customfield.created",
            "customfield.updated",
            "customfield.deleted",
            "metadata.value.updated",
            "project.created",
            "project.deleted",
            "project.updated",
            "collection.updated",
            "share.created",
            "share.updated",
            "share.deleted",
            "share.viewed",
        ],
    ),
    ("filespin", &["file-processed"]),
    ("filesafety", &["scan.verdict_updated"]),
];

/// How lost `file.ready` comes back.
const READY: &str = "frameio --rebuild-ready --types file.ready";

fn endpoint(provider: Provider) -> (&'static str, &'static str) {
    match provider {
        Provider::Uploadcare => ("photos", "uploadcare"),
        Provider::Frameio => ("review", "frameio"),
        Provider::Filespin => ("assets", "filespin"),
        Provider::Filesafety => ("scans", "filesafety"),
    }
}

/// A coin for each event.
fn is_lost(seed: u64, number: usize) -> bool {
    let mixed = (seed * 1_000_003 + number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed >> 63 == 1
}

/// How many events of each type are lost and known to the provider's books.
fn losses(world: &World, happened: &[Happened], lost: &BTreeSet<usize>, provider: &str) -> BTreeMap<String, u64> {
    let mut losses = BTreeMap::new();
    if provider == "filespin" {
        // The books have only the state of each asset: it is lost unless an event has come that is as new.
        // Of equal times, that of `file-saved` is the older one.
        let mut newest: HashMap<&str, (Micros, bool)> = HashMap::new();
        for (number, event) in happened.iter().enumerate().filter(|(number, _)| !lost.contains(number)) {
            let body: Value = serde_json::from_slice(event.body.as_deref().unwrap_or(b"{}")).expect("JSON");
            let changed = body["update_time"].as_str().and_then(read);
            if let (Provider::Filespin, Some(changed)) = (happened[number].provider, changed) {
                let age = (changed, body["status"] != "NOT_READY");
                let known = newest.entry(&event.subject).or_insert(age);
                *known = age.max(*known);
            }
        }
        let books = world.stub.books();
        let within = |at: Micros| (world.begin..world.begin + 3600 * SECOND).contains(&at);
        let assets = books.filespin.assets.iter().filter(|asset| !asset.trashed && within(asset.updated.max(asset.uploaded)));
        let open = assets
            .filter(|asset| newest.get(&*asset.id).is_none_or(|known| *known < (asset.updated, asset.status != "NOT_READY")))
            .count();
        for number in lost.iter().filter(|number| happened[**number].provider == Provider::Filespin) {
            *losses.entry(happened[*number].kind.clone()).or_default() += 1;
        }
        losses.insert("file-processed".to_owned(), open as u64);
        return losses;
    }
    let known: BTreeSet<&str> = happened
        .iter()
        .enumerate()
        .filter(|(number, event)| !lost.contains(number) && event.provider == Provider::Filesafety)
        .map(|(_, event)| &*event.subject)
        .collect();
    for number in lost {
        let event = &happened[*number];
        // A revision is found by a scan that the topics have.
        if endpoint(event.provider).1 == provider && (provider != "filesafety" || known.contains(&*event.subject)) {
            *losses.entry(event.kind.clone()).or_default() += 1;
        }
    }
    losses
}

/// Compares a report with what is lost. Nothing that is lost is in a type that is called complete.
fn check(world: &World, provider: &str, types: &[&str], losses: &BTreeMap<String, u64>, seed: u64) {
    let code = if types.iter().any(|name| losses.get(*name).is_some_and(|lost| *lost > 0)) { 3 } else { 0 };
    for (name, state, _, missing) in world.reconcile(&format!("{provider} --lookback all"), code) {
        let lost = losses.get(&name).copied().unwrap_or_default();
        if types.contains(&&*name) {
            assert_eq!(missing, Some(lost), "{provider} {name}, seed {seed}");
        } else if lost > 0 {
            assert_ne!(state, "complete", "{provider} {name}, seed {seed}");
        }
    }
}

/// Makes a world, loses events, gets back what can be got back, and returns how many these are.
fn restored(seed: u64, each: usize) -> u64 {
    let mut all = 0;
    let world = world();
    let window = (world.begin, world.begin + 3600 * SECOND);
    world.stub.books().frameio.workspaces = vec![WORKSPACE.into()];
    let happened = make(&mut world.stub.books(), seed, each, window);
    let lost: BTreeSet<usize> =
        (0..happened.len()).filter(|number| happened[*number].body.is_none() || is_lost(seed, *number)).collect();
    let arrived = happened.iter().enumerate().filter(|(number, _)| !lost.contains(number));
    let webhooks = arrived.filter_map(|(number, event)| {
        let (endpoint, provider) = endpoint(event.provider);
        // Twins that are signed in the same second are one delivery, by their ids.
        let at = event.at + DELAY + Micros::try_from(number % 2).expect("fits") * SECOND;
        Some((endpoint, provider, event.body.clone()?, at))
    });
    world.deliver_all(&webhooks.collect::<Vec<_>>());
    for (provider, types) in BACK {
        let mut open = losses(&world, &happened, &lost, provider);
        check(&world, provider, types, &open, seed);
        let back: u64 = types.iter().filter_map(|name| open.get(*name)).sum();
        let line = format!("{provider} --lookback all --types {}", types.join(","));
        // Stores of removed files, entries that may be about folders, scans that no topic has, and what has led to an asset's state stay
        // open.
        assert_eq!(world.recover_all(&line, 3).len() as u64, back, "{provider}, seed {seed}");
        open.retain(|name, _| !types.contains(&&**name));
        check(&world, provider, types, &open, seed);
        assert_eq!(world.recover_all(&line, 3).len(), 0, "{provider}, seed {seed}");
        all += back;
    }
    // What the log does not have comes back from the status of the files.
    let ready = lost.iter().filter(|number| happened[**number].kind == "file.ready").count();
    assert_eq!(world.recover_all(READY, 3).len(), ready, "seed {seed}");
    assert_eq!(world.recover_all(READY, 3).len(), 0, "seed {seed}");
    all += ready as u64;
    all
}

/// The worlds have nothing in common, and their commands wait most of the time, so all are tried at once.
#[test]
fn all_that_can_be_got_back_comes_back_once() {
    let environment = hookgate::config::Environment::process();
    let asked = |name: &str, default: u64| environment.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (seeds, each) = (asked("HOOKGATE_TEST_SEEDS", SEEDS), asked("HOOKGATE_TEST_EACH", EACH));
    let each = usize::try_from(each).expect("fits");
    let all: u64 = thread::scope(|scope| {
        let worlds: Vec<_> = (1..=seeds).map(|seed| scope.spawn(move || restored(seed, each))).collect();
        worlds.into_iter().map(|world| world.join().expect("the world of a seed")).sum()
    });
    println!("{all} events were lost and came back, with {seeds} seeds");
}
