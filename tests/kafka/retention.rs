//! `hookgate reconcile` and `hookgate recover` where topics have deleted records: what may have been there does not count as missing.

use std::collections::BTreeSet;

use hookgate_stubs::time::{Micros, SECOND};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::AdminOptions,
    consumer::{BaseConsumer, Consumer as _},
    util::Timeout,
};
use serde_json::Value;

use crate::{
    recovery::world,
    recovery_world::World,
    support::{administer, plain, set_topic},
};

/// The partitions of each topic of the configuration.
const PARTITIONS: i32 = 2;

fn topic(world: &World, event_type: &str) -> String {
    format!("{}uploadcare.{event_type}", world.stage.prefix)
}

/// Returns the offset after the last record of each partition.
fn ends(topic: &str) -> TopicPartitionList {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", plain()).create().unwrap();
    let mut ends = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        let (_, end) = consumer.fetch_watermarks(topic, partition, Timeout::Never).unwrap();
        ends.add_partition_offset(topic, partition, Offset::Offset(end)).unwrap();
    }
    ends
}

/// Deletes the records before these offsets, as an expired retention does.
fn delete(ends: &TopicPartitionList) {
    let deleted = administer(async |admin| admin.delete_records(ends, &AdminOptions::new()).await);
    assert!(deleted.elements().iter().all(|element| element.error().is_ok()), "{deleted:?}");
}

/// Returns state, known, missing and forgotten of a type.
fn reconciled(world: &World, event_type: &str, code: i32) -> (String, u64, u64, u64) {
    let line = format!("reconcile uploadcare --lookback all --types {event_type} {}", world.window());
    let finished = world.run(&line);
    assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
    let row: &Value = &finished.json_lines()[0];
    let number = |key: &str| row[key].as_u64().unwrap();
    (row["state"].as_str().unwrap().to_owned(), number("known"), number("missing"), number("forgotten"))
}

#[test]
fn what_a_topic_may_have_deleted_is_not_missing() {
    let world = world();
    let upload = |seconds: Micros| world.stub.books().uploadcare.upload(world.begin + seconds * SECOND);
    let check = |code, state: &str, numbers: (u64, u64, u64)| {
        let (known, missing, forgotten) = numbers;
        assert_eq!(reconciled(&world, "file.uploaded", code), (state.to_owned(), known, missing, forgotten));
    };
    let uploads: Vec<String> = (0..40).map(upload).collect();
    uploads[1..].iter().for_each(|uuid| world.photo("file.uploaded", uuid));
    let first = ends(&topic(&world, "file.uploaded"));
    let uploads: Vec<String> = (1800..1840).map(upload).collect();
    for uuid in &uploads {
        world.photo("file.uploaded", uuid);
    }
    let lost = upload(3000);
    world.stub.books().uploadcare.file(&lost).stored = Some(world.begin + 5 * SECOND);

    // A young topic has deleted nothing.
    check(3, "missing", (81, 2, 0));
    delete(&first);
    check(3, "missing", (81, 1, 40));
    let published = |types: &str, names: &[(&str, &String)]| {
        let expected: BTreeSet<_> = names.iter().map(|(name, uuid)| (format!("uploadcare.{name}"), (*uuid).clone())).collect();
        assert_eq!(world.recover(&format!("uploadcare --types {types}"), 3), expected, "{types}");
    };
    // The other topic still has all.
    published("file.uploaded,file.stored", &[("file.uploaded", &lost), ("file.stored", &lost)]);
    check(3, "unknown", (81, 0, 40));
    published("file.uploaded", &[]);
    assert_eq!(world.recover("uploadcare --types file.stored", 0), BTreeSet::new());
    let said = world.run(&format!("recover uploadcare --types file.uploaded --dry-run {}", world.window()));
    assert!(said.err.contains("cannot know: 40 events may have been on"), "{said:?}");
    assert!(said.err.contains("may have had them: 40 events; --all publishes them"), "{said:?}");
    assert_eq!(world.recover("uploadcare --types file.uploaded --all", 0).len(), 81);
    check(0, "complete", (81, 0, 0));
}

/// A quiet topic is empty after its retention. What is younger than that cannot have been there.
#[test]
fn an_empty_topic_has_lost_what_is_older_than_its_retention() {
    let world = world();
    let uuid = world.stub.books().uploadcare.upload(world.begin);
    world.photo("file.uploaded", &uuid);
    let name = topic(&world, "file.uploaded");
    delete(&ends(&name));
    // 14 days.
    assert_eq!(reconciled(&world, "file.uploaded", 3), ("missing".into(), 1, 1, 0));
    set_topic(&name, "retention.ms", "3600000");
    assert_eq!(reconciled(&world, "file.uploaded", 3), ("unknown".into(), 1, 0, 1));
    // For ever: then somebody has deleted them.
    set_topic(&name, "retention.ms", "-1");
    assert_eq!(reconciled(&world, "file.uploaded", 3), ("unknown".into(), 1, 0, 1));
}
