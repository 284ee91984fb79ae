//! `hookgate replay` on a broker that can look for records by their time, that goes away, and beside a schema registry.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use hookgate::{encode::Framing, event::FaultReason};

use crate::{
    binary::Process,
    harness::wait_until,
    replay_world::{Before, Past, row},
    support::{Broker, plain, prefix, variable},
};

/// Creates the topics.
fn with_topics(past: Past) -> Past {
    let made = past.run("topics --apply");
    assert_eq!(made.code, Some(0), "{made:?}");
    past
}

/// Starts a run that goes on in the background.
fn spawn(past: &Past, line: &str) -> Process {
    let line = format!("replay --yes --format json {line}");
    Process::spawn(&past.stage.folder, &line.split_whitespace().collect::<Vec<_>>())
}

/// Returns the ids that a run has printed as published so far.
fn published(out: &str) -> Vec<String> {
    let id = |line: &str| Some(serde_json::from_str::<serde_json::Value>(line).ok()?["published"]["id"].as_str()?.to_owned());
    out.lines().filter_map(id).collect()
}

/// Returns the ids on the typed topics, each as often as it is there.
fn stored(past: &Past) -> Vec<String> {
    past.replayed().iter().map(|it| it["event"]["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_window_is_replayed_once() {
    let past = with_topics(Past::on(&plain(), &prefix("")));
    let not_json = Before::Quarantined(FaultReason::NotJson);
    let at = |seconds: u64| {
        let since = (past.begin + Duration::from_secs(seconds)).duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        since.as_millis()
    };
    let ids: Vec<String> = (0..6).map(|number| past.photo(&format!("u{number}"), number * 10, not_json)).collect();
    let window = format!("--since {} --until {}", at(10), at(40));
    assert_eq!(past.plan(&window, 3), [row("not_json", "would pass now", 3)]);
    assert_eq!(past.replay(&window, 0), ids[1..4]);
    assert_eq!(past.replay(&window, 0), Vec::<String>::new());
    assert_eq!(past.plan(&window, 0), [row("not_json", "already replayed", 3)]);
    // What was replayed has an old time and a late place; it is found by a run over another window, and by one without any.
    let wider = format!("--since {}", at(0));
    assert_eq!(past.replay(&wider, 0), [&ids[..1], &ids[4..]].concat());
    assert_eq!(past.replay("--all", 0), Vec::<String>::new());
    assert_eq!(past.replayed().len(), 6);
}

#[test]
fn ctrl_c_ends_a_run_and_another_one_does_the_rest() {
    let past = with_topics(Past::on(&plain(), &prefix("")));
    let ids = past.photos(60);
    let process = spawn(&past, "--all --rate 10");
    // Each event is printed as it is published: most of the run is still to come.
    wait_until("publishing", || published(&process.out()).len() >= 5);
    process.signal("INT");
    let finished = process.finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let first = published(&finished.out);
    assert!((5..60).contains(&first.len()), "{finished:?}");
    for text in [&format!("{} published, stopped before its end", first.len()), "run the same command again to go on"] {
        assert!(finished.err.contains(text), "no {text:?} in {finished:?}");
    }
    assert_eq!((&first[..], stored(&past).len()), (&ids[..first.len()], first.len()), "what was under way was finished");
    assert_eq!(past.replay("--all", 0), ids[first.len()..]);
    assert_eq!(past.replay("--all", 0), Vec::<String>::new());
    let stored = stored(&past);
    assert_eq!((stored.len(), stored.into_iter().collect::<BTreeSet<_>>().len()), (60, 60), "none is there twice");
}

/// A short outage delays a run, and a long one ends it. What was published before is known, and another run does the rest.
#[test]
fn an_outage_loses_nothing() {
    let broker = Broker { port: variable("HOOKGATE_TEST_KAFKA_REPLAY_PORT") };
    broker.start(&[]);
    let past = with_topics(Past::on(&format!("127.0.0.1:{}", broker.port), &prefix("")));
    let all: BTreeSet<String> = past.photos(200).into_iter().collect();
    let begun = |line: &str| {
        let process = spawn(&past, line);
        wait_until("publishing", || published(&process.out()).len() >= 5);
        broker.stop();
        process
    };
    let process = begun("--all --limit 100 --rate 10");
    broker.start(&["--keep"]);
    let finished = process.finish();
    assert_eq!((finished.code, published(&finished.out).len()), (Some(3), 100), "{finished:?}");
    assert!(finished.err.contains("--limit 100: 100 newer events"), "{finished:?}");

    let process = begun("--all --rate 10");
    let finished = process.finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let before = published(&finished.out);
    assert!((5..100).contains(&before.len()), "{finished:?}");
    let said = format!("Kafka does not store the records of {}uploadcare.file.stored", past.stage.prefix);
    for text in [&*said, &format!("{} were published before", before.len()), "run the same command again to go on"] {
        assert!(finished.err.contains(text), "no {text:?} in {finished:?}");
    }
    // While it is away nothing can be read either.
    let away = past.run("replay --all --yes");
    assert_eq!(away.code, Some(1), "{away:?}");
    assert!(away.err.contains("do not answer"), "{away:?}");

    broker.start(&["--keep"]);
    let rest = past.replay("--all", 0);
    assert!(!rest.is_empty() && rest.iter().all(|id| !before.contains(id)), "{rest:?}");
    assert_eq!(stored(&past).into_iter().collect::<BTreeSet<_>>(), all);
    assert_eq!(past.replay("--all", 0), Vec::<String>::new());
}

#[test]
fn a_rate_is_kept() {
    let past = with_topics(Past::on(&plain(), &prefix("")));
    let ids = past.photos(6);
    let begin = Instant::now();
    assert_eq!(past.replay("--all --rate 2", 0), ids);
    // The first one goes out at once.
    assert!(begin.elapsed() >= Duration::from_millis(2500), "{:?}", begin.elapsed());
}

/// With a schema registry values begin with the id of a schema, which another topic may have another one of.
#[test]
fn framed_records_are_read_and_published() {
    let registry = format!("[schema_registry]\nurls = [\"{}\"]\n", variable("HOOKGATE_TEST_REGISTRY"));
    let mut past = with_topics(Past::configured(&plain(), &prefix(""), &registry));
    let plain_id = past.photo("u1", 1, Before::Unclassified);
    let topics: Vec<_> = past.stage.encoding.topics.by_topic().into_keys().collect();
    let framing = Framing::awaiting(topics.iter().cloned());
    for topic in &topics {
        framing.know(topic, 7);
    }
    past.stage.encoding.framing = framing;
    let framed_id = past.photo("u2", 2, Before::Quarantined(FaultReason::NotJson));
    assert_eq!(past.replay("--all", 0), [plain_id, framed_id]);
    assert_eq!(past.plan("--all", 0), [row("not_json", "already replayed", 1), row("unclassified", "already replayed", 1)]);
    let events = past.replayed();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events.iter().all(|it| it["schema_id"].as_u64().is_some_and(|id| id > 0)), "{events:?}");
    assert_eq!(past.replay("--all", 0), Vec::<String>::new());
}
