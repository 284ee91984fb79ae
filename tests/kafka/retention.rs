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
    support::{administer, configure_topic, plain, set_topic},
    waits::wait_until,
};

/// The partitions of each topic of the configuration.
const PARTITIONS: i32 = 2;

fn topic(world: &World, event_type: &str) -> String {
    format!("{}uploadcare.{event_type}", world.stage.prefix)
}

/// Returns the offset of the oldest record of each partition, and the offset after its last record.
fn watermarks(topic: &str) -> Vec<(i64, i64)> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", plain()).create().unwrap();
    let of = |partition| consumer.fetch_watermarks(topic, partition, Timeout::Never);
    // A topic that was just created is listed before its leaders know of it.
    wait_until("all leaders know the topic", || (0..PARTITIONS).all(|partition| of(partition).is_ok()));
    (0..PARTITIONS).map(|partition| of(partition).unwrap()).collect()
}

/// Returns the offset after the last record of each partition.
fn ends(topic: &str) -> TopicPartitionList {
    let mut ends = TopicPartitionList::new();
    for (partition, (_, end)) in (0..).zip(watermarks(topic)) {
        ends.add_partition_offset(topic, partition, Offset::Offset(end)).unwrap();
    }
    ends
}

/// Deletes the records before these offsets, as a broker does for the size of a partition, or an administrator.
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
    let name = topic(&world, "file.uploaded");
    let first = ends(&name);
    let uploads: Vec<String> = (1800..1840).map(upload).collect();
    for uuid in &uploads {
        world.photo("file.uploaded", uuid);
    }
    let lost = upload(3000);
    world.stub.books().uploadcare.file(&lost).stored = Some(world.begin + 5 * SECOND);

    // A young topic has deleted nothing.
    check(3, "missing", (81, 2, 0));
    // Far more than it has.
    set_topic(&name, "retention.bytes", "1000000000");
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
    assert!(said.words().contains("cannot know: 40 events may have been on"), "{said:?}");
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

/// In a quiet partition the oldest record may be far younger than the retention. What has not expired cannot have been deleted.
#[test]
fn a_quiet_partition_has_all_that_has_not_expired() {
    const MINUTES: i64 = 60_000;
    let world = world();
    let name = topic(&world, "file.uploaded");
    let retain = |minutes: i64, bytes: &str| {
        configure_topic(&name, &[("retention.ms", &(minutes * MINUTES).to_string()), ("retention.bytes", bytes)]);
    };
    let upload = |second: Micros| world.stub.books().uploadcare.upload(world.begin + second * SECOND);
    let deliver = |uuids: Vec<String>| uuids.iter().for_each(|uuid| world.photo("file.uploaded", uuid));
    let check = |state: &str, missing: u64, forgotten: u64| {
        assert_eq!(reconciled(&world, "file.uploaded", 3), (state.to_owned(), 41, missing, forgotten));
    };
    // Enough for every partition, from eight days before the window. The broker itself deletes them.
    retain(7 * 24 * 60, "-1");
    deliver((0..40).map(|second| upload(second - 8 * 86_400)).collect());
    wait_until("all have expired", || watermarks(&name).iter().all(|(oldest, end)| *oldest > 0 && oldest == end));
    deliver((1800..1840).map(upload).collect());
    upload(600);
    // The window began 24 hours ago: the lost one happened 23 hours and 50 minutes ago.
    check("missing", 1, 0);
    retain(24 * 60 - 15, "-1");
    check("unknown", 0, 1);
    // The size of a partition does not ask for the age of records.
    retain(7 * 24 * 60, "1000000000");
    check("unknown", 0, 1);
    // Then somebody has deleted them.
    configure_topic(&name, &[("retention.ms", "-1"), ("retention.bytes", "-1")]);
    check("unknown", 0, 1);
    retain(7 * 24 * 60, "-1");
    check("missing", 1, 0);
}
