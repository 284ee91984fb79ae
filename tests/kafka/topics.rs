//! `hookgate topics --apply`, missing topics, and `hookgate check --cluster`.

use std::collections::BTreeMap;

use crate::{
    harness::{configuration, topics, wait_until},
    support::{Site, assert_503, one_topic_per_provider, plain, prefix, scan, set_topic, topic_setting},
};

/// `hookgate topics --apply` as a map from topic to result.
fn apply(site: &Site) -> BTreeMap<String, String> {
    let ran = site.run(&["topics", "--apply"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let pair = |line: &str| line.split_once('\t').map(|(topic, result)| (topic.to_owned(), result.to_owned()));
    ran.stdout.lines().map(|line| pair(line).unwrap()).collect()
}

#[test]
fn apply_creates_every_topic_as_configured_and_leaves_existing_ones_alone() {
    let prefix = prefix("");
    let tables = format!(
        "[topics]\nprefix = \"{prefix}\"\npartitions = 2\nreplication = 1\nretention = \"3d\"\nmax_message_bytes = 1500000\n"
    );
    let site = Site::new(&format!("[kafka]\nbrokers = [\"{}\"]\n{tables}", plain()));
    let all = topics(&configuration(&tables, &[]));
    let expect = |result: &str| all.iter().map(|topic| (topic.clone(), result.to_owned())).collect::<BTreeMap<_, _>>();

    assert_eq!(apply(&site), expect("created"));
    for topic in [&all[0], &all[all.len() - 1]] {
        for (name, value) in [("retention.ms", "259200000"), ("max.message.bytes", "1500000")] {
            assert_eq!(topic_setting(topic, name).as_deref(), Some(value), "{name} of {topic}");
        }
    }
    let found = partitions(&prefix);
    assert_eq!(found, all.iter().map(|topic| (topic.clone(), 2)).collect());

    set_topic(&all[0], "retention.ms", "86400000");
    assert_eq!(apply(&site), expect("exists"));
    assert_eq!(topic_setting(&all[0], "retention.ms").as_deref(), Some("86400000"), "a topic that exists stays as it is");
}

#[test]
fn apply_says_why_a_topic_cannot_be_created() {
    let tables = format!("[topics]\nprefix = \"{}\"\nreplication = 3\n", prefix(""));
    let ran = Site::new(&format!("[kafka]\nbrokers = [\"{}\"]\n{tables}", plain())).run(&["topics", "--apply"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("quarantine\tInvalidReplicationFactor"), "{ran:?}");
    assert!(ran.stderr.contains("fewer brokers than [topics] replication"), "{ran:?}");
}

/// The topics of a prefix with their numbers of partitions, by a client of our own.
fn partitions(prefix: &str) -> BTreeMap<String, usize> {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    let consumer: BaseConsumer = rdkafka::ClientConfig::new().set("bootstrap.servers", plain()).create().unwrap();
    let metadata = consumer.fetch_metadata(None, std::time::Duration::from_secs(10)).unwrap();
    let ours = metadata.topics().iter().filter(|topic| topic.name().starts_with(prefix));
    ours.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect()
}

#[test]
fn missing_topics_cost_their_own_deliveries_a_503_and_heal_without_a_restart() {
    let prefix = prefix("");
    let map = one_topic_per_provider(&prefix);
    let site = Site::new(&format!(
        "[kafka]\nbrokers = [\"{}\"]\n[topics]\nprefix = \"{prefix}\"\npartitions = 1\nreplication = 1\n{map}",
        plain()
    ));
    let daemon = site.serve();
    daemon.wait_until_ready();
    daemon.wait_for_line(&["ERROR", "hookgate topics --apply", &format!("{prefix}filesafety")]);
    assert_503(&daemon.deliver("filesafety", &scan("before")), &["publish_failed"]);
    assert_eq!(daemon.ready(), 200, "a missing topic does not take the daemon out of service");

    let check = || site.run(&["check", "--cluster"]);
    let before = check();
    assert_eq!(before.code, Some(1), "{before:?}");
    for text in ["5 topics are missing or not visible", "hookgate topics --apply", &format!("{prefix}quarantine")] {
        assert!(before.stdout.contains(text), "no {text:?} in {before:?}");
    }

    site.create_topics();
    wait_until("taking deliveries again", || daemon.deliver("filesafety", &scan("after")).status == 200);
    let after = check();
    assert_eq!(after.code, Some(0), "{after:?}");
    assert!(after.stdout.contains("cluster: fits the configuration"), "{after:?}");

    set_topic(&format!("{prefix}filesafety"), "max.message.bytes", "500000");
    set_topic(&format!("{prefix}frameio"), "min.insync.replicas", "2");
    // A daemon tells as well, at its next start.
    site.serve().wait_for_line(&["WARN", "takes smaller records", &format!("{prefix}filesafety")]);
    let altered = check();
    assert_eq!(altered.code, Some(1), "{altered:?}");
    let problems: Vec<&str> = altered.stdout.lines().filter(|line| line.starts_with("problem: ")).collect();
    for (topic, texts) in [
        ("filesafety", ["max.message.bytes is 500000", "--add-config max.message.bytes=1000000"]),
        ("frameio", ["1 of 2 replicas that must be in sync", "nothing can be written"]),
    ] {
        let topic = format!("topic {prefix}{topic}: ");
        let found = |line: &&&str| line.contains(&topic) && texts.iter().all(|text| line.contains(text));
        assert_eq!(problems.iter().filter(found).count(), 1, "{topic} in {problems:?}");
    }
    for topic in ["filespin", "uploadcare", "quarantine"] {
        assert!(!altered.stdout.contains(&format!("topic {prefix}{topic}: ")), "{altered:?}");
    }
}
