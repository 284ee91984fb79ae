//! `hookgate topics --apply`, missing topics, and `hookgate check --cluster`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    harness::{configuration, topics, wait_until},
    providers::names,
    support::{Site, assert_503, one_topic_per_provider, plain, prefix, scan, set_topic, topic_setting},
};

/// Runs `hookgate topics --apply`, and returns a map from topic to result.
fn apply(site: &Site) -> BTreeMap<String, String> {
    let ran = site.run(&["topics", "--apply"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let pair = |line: &str| line.split_once('\t').map(|(topic, result)| (topic.to_owned(), result.to_owned()));
    ran.stdout.lines().filter_map(pair).collect()
}

/// The default of this broker for `min.insync.replicas` is 1, which is also Kafka's own default.
#[test]
fn topics_are_created_with_replicas_that_must_be_in_sync_and_others_are_reported() {
    let prefix = prefix("");
    let map = one_topic_per_provider(&prefix);
    let site = |lines: &str| {
        let kafka = format!("[kafka]\nbrokers = [\"{}\"]\n", plain());
        Site::new(&format!("{kafka}[topics]\nprefix = \"{prefix}\"\npartitions = 1\nreplication = -1\n{lines}{map}"))
    };
    let all: Vec<String> = names().chain(["quarantine"]).map(|name| format!("{prefix}{name}")).collect();
    let settings = || all.iter().map(|topic| topic_setting(topic, "min.insync.replicas").unwrap()).collect::<BTreeSet<_>>();
    site("min_insync_replicas = 2\n").create_topics();
    assert_eq!(settings(), BTreeSet::from(["2".to_owned()]));

    // The brokers have a lower value than configured. That is reported, and nothing is changed.
    for topic in &all {
        set_topic(topic, "min.insync.replicas", "1");
    }
    reports_weak_topics(&site(""), &all, "exists");
    assert_eq!(settings(), BTreeSet::from(["1".to_owned()]));
    let check = |lines: &str, code: i32, guarantee: &str| {
        let site = site(lines);
        assert_eq!(site.run(&["check", "--cluster"]).code, Some(code), "{lines}");
        let daemon = site.serve();
        let shows = |line: &str| daemon.metrics().contains(line);
        wait_until("compared", || shows(&format!("hookgate_topics_guarantee{{guarantee=\"{guarantee}\"}} 5\n")));
        let lines = ["WARN", "an event that was answered 200 can be lost", &all[0], &all[all.len() - 1]];
        assert_eq!(daemon.lines(&lines), usize::from(guarantee == "weak"));
    };
    check("", 3, "weak");
    check("min_insync_replicas = 1\n", 0, "kept");
}

/// Checks that `topics --apply` reports every topic as weak, with one command that changes all of them. `result` is the result for each
/// topic.
#[track_caller]
fn reports_weak_topics(site: &Site, topics: &[String], result: &str) {
    let ran = site.run(&["topics", "--apply"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let problems: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("problem: topics ")).collect();
    let [problem] = *problems else { panic!("{ran:?}") };
    assert!(problem.contains("--add-config min.insync.replicas=2"), "{ran:?}");
    for topic in topics {
        assert!(ran.stdout.contains(&format!("{topic}\t{result}\n")), "{ran:?}");
        assert!(problem.split([' ', ';']).any(|word| word == topic), "{topic}: {ran:?}");
    }
    assert_eq!(ran.stdout.lines().count(), topics.len() + 1, "{ran:?}");
}

/// Settings that the brokers decide are known only once a topic exists, so the run that creates it checks it afterwards.
#[test]
fn new_topics_that_can_lose_an_acknowledged_event_are_reported_by_the_run_that_creates_them() {
    #[track_caller]
    fn check(lines: &str) {
        let prefix = prefix("");
        let map = one_topic_per_provider(&prefix);
        let kafka = format!("[kafka]\nbrokers = [\"{}\"]\n", plain());
        let site = Site::new(&format!("{kafka}[topics]\nprefix = \"{prefix}\"\npartitions = 1\n{lines}{map}"));
        let all: Vec<String> = names().chain(["quarantine"]).map(|name| format!("{prefix}{name}")).collect();
        reports_weak_topics(&site, &all, "created");
        reports_weak_topics(&site, &all, "exists");
    }
    check("replication = -1\n");
    check("replication = 1\nmin_insync_replicas = -1\n");
}

#[test]
fn a_daemon_that_may_create_topics_creates_them_with_replicas_that_must_be_in_sync() {
    let prefix = prefix("");
    let map = one_topic_per_provider(&prefix);
    let kafka = format!("[kafka]\nbrokers = [\"{}\"]\nauto_create = true\n", plain());
    let topics = format!("[topics]\nprefix = \"{prefix}\"\npartitions = 1\nreplication = -1\nmin_insync_replicas = 2\n");
    let daemon = Site::new(&(kafka + &topics + &map)).serve();
    for name in ["filespin", "quarantine"] {
        let topic = format!("{prefix}{name}");
        daemon.wait_for_line(&["created the topic", &topic]);
        wait_until("seen", || topic_setting(&topic, "min.insync.replicas").is_some());
        assert_eq!(topic_setting(&topic, "min.insync.replicas").as_deref(), Some("2"), "{topic}");
    }
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
    assert!(ran.stderr.contains("[topics] replication is 3, and the cluster has 1 broker:"), "{ran:?}");
}

/// Returns the topics of a prefix with their numbers of partitions.
fn partitions(prefix: &str) -> BTreeMap<String, usize> {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    let consumer: BaseConsumer = rdkafka::ClientConfig::new().set("bootstrap.servers", plain()).create().unwrap();
    let metadata = consumer.fetch_metadata(None, std::time::Duration::from_secs(10)).unwrap();
    let ours = metadata.topics().iter().filter(|topic| topic.name().starts_with(prefix));
    ours.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect()
}

/// New versions of Kafka use the smaller number. Old ones refuse every record, and `check --cluster` must find that.
#[test]
fn more_in_sync_replicas_than_there_are_refuse_records_only_on_old_versions() {
    let version = hookgate::config::Environment::process().get("HOOKGATE_TEST_KAFKA_VERSION").unwrap_or_default().to_owned();
    let refuses = version.starts_with("3.3");
    let prefix = prefix("");
    let map = one_topic_per_provider(&prefix);
    let site = Site::new(&format!(
        "[kafka]\nbrokers = [\"{}\"]\n[topics]\nprefix = \"{prefix}\"\npartitions = 1\nreplication = 1\n{map}",
        plain()
    ));
    site.create_topics();
    let topic = format!("{prefix}uploadcare");
    set_topic(&topic, "min.insync.replicas", "2");
    let daemon = site.serve();
    daemon.wait_until_ready();
    let answer = daemon.deliver("uploadcare", b"{}");
    assert_eq!(answer.status, if refuses { 503 } else { 200 }, "{version}: {answer:?}");
    let checked = site.run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(if refuses { 3 } else { 0 }), "{version}: {checked:?}");
    let problem = checked.stdout.lines().any(|line| line.starts_with("problem: ") && line.contains(&topic));
    assert_eq!(problem, refuses, "{version}: {checked:?}");
}

#[test]
fn deliveries_of_missing_topics_are_503_until_the_topics_exist() {
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
    assert_eq!(before.code, Some(3), "{before:?}");
    for text in
        ["5 topics missing or not visible", "hookgate topics --apply", &format!("{prefix}quarantine"), "configuration need 5\n"]
    {
        assert!(before.stdout.contains(text), "no {text:?} in {before:?}");
    }

    site.create_topics();
    wait_until("taking deliveries again", || daemon.deliver("filesafety", &scan("after")).status == 200);
    let after = check();
    assert_eq!(after.code, Some(0), "{after:?}");
    assert!(after.stdout.contains("cluster: fits the configuration"), "{after:?}");

    set_topic(&format!("{prefix}filesafety"), "max.message.bytes", "500000");
    // A daemon logs the problem, too, when it starts the next time.
    site.serve().wait_for_line(&["WARN", "topics take smaller records", &format!("{prefix}filesafety")]);
    let altered = check();
    assert_eq!(altered.code, Some(3), "{altered:?}");
    let problems: Vec<&str> = altered.stdout.lines().filter(|line| line.starts_with("problem: ")).collect();
    let topic = format!("topic {prefix}filesafety: ");
    let texts = ["max.message.bytes is 500000", "--add-config max.message.bytes=1000000"];
    let found = |line: &&&str| line.contains(&topic) && texts.iter().all(|text| line.contains(text));
    assert_eq!(problems.iter().filter(found).count(), 1, "{topic} in {problems:?}");
    for topic in ["filespin", "frameio", "uploadcare", "quarantine"] {
        assert!(!altered.stdout.contains(&format!("topic {prefix}{topic}: ")), "{altered:?}");
    }
}

/// A topic that deletes events is reported with a command that fixes it.
#[test]
fn topics_that_delete_events_are_reported() {
    let prefix = prefix("");
    let topics = format!("[topics]\nprefix = \"{prefix}\"\npartitions = 1\nreplication = 1\n");
    let site = Site::new(&format!("[kafka]\nbrokers = [\"{}\"]\n{topics}{}", plain(), one_topic_per_provider(&prefix)));
    site.create_topics();
    assert_eq!(site.run(&["check", "--cluster"]).code, Some(0));
    let check = |topic: &str, setting: &str, value: &str, fix: &str| {
        let topic = format!("{prefix}{topic}");
        set_topic(&topic, setting, value);
        for (command, code) in [(&["check", "--cluster"], 3), (&["topics", "--apply"], 0)] {
            let ran = site.run(command);
            assert_eq!(ran.code, Some(code), "{ran:?}");
            let problems: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("problem: ")).collect();
            let [problem] = *problems else { panic!("{ran:?}") };
            assert!(problem.starts_with(&format!("problem: topic {topic}: {setting} is {value}")), "{problem}");
            assert!(problem.contains(&format!("--topic {topic} --add-config {fix}`")), "{problem}");
        }
        let (setting, value) = fix.split_once('=').unwrap();
        set_topic(&topic, setting, value);
        assert_eq!(site.run(&["check", "--cluster"]).code, Some(0), "{fix}");
    };
    check("uploadcare", "retention.ms", "1000", "retention.ms=1209600000");
    check("filespin", "cleanup.policy", "compact", "cleanup.policy=delete");
    check("quarantine", "cleanup.policy", "compact,delete", "cleanup.policy=delete");
}
