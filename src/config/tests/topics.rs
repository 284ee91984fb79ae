//! `[topics]`: what it refuses, and which topic a kind of event goes to.

use super::*;

#[test]
fn refusals() {
    for (more, expected) in [
        (
            "[topics]\nreplication = 0",
            "hookgate.toml:14: [topics] replication: must be 1 or more, or -1 for the broker's default",
        ),
        (
            "[topics]\nmin_insync_replicas = 0",
            "hookgate.toml:14: [topics] min_insync_replicas: must be 1 or more, or -1 for the broker's default",
        ),
        (
            "[topics]\nmin_insync_replicas = 4",
            "hookgate.toml:14: [topics] min_insync_replicas: is above replication (3), so that nothing could ever be written",
        ),
        (
            "[topics]\nprefix = \"a/\"",
            "hookgate.toml:14: [topics] prefix: must be letters, digits, '.', '_' and '-', at most PREFIX of them: Kafka takes no other topic names",
        ),
        (
            "[topics.map]\n\"frameo.*\" = \"x\"",
            "hookgate.toml:14: [topics.map] frameo.*: no such kind of event; did you mean \"frameio.*\"?",
        ),
        (
            "[topics.map]\nvimeo = \"x\"",
            "hookgate.toml:14: [topics.map] vimeo: no such kind of event; `hookgate topics` lists them all",
        ),
        (
            "[topics.map]\nfilespin.x = \"x\"",
            "hookgate.toml:14: [topics.map] filespin: is a table; quote the whole name, such as \"frameio.file.ready\"",
        ),
        (
            "[topics.map]\n\"frameio.*\" = \"..\"",
            "hookgate.toml:14: [topics.map] frameio.*: is not the name of a topic: 1 to 249 letters, digits, '.', '_' and '-', and neither \".\" nor \"..\"",
        ),
        (
            "[topics.map]\n\"uploadcare.*\" = \"__consumer_offsets\"",
            "hookgate.toml:14: [topics.map] uploadcare.*: begins with \"__\", as the brokers' own topics do, such as __consumer_offsets; choose another name",
        ),
        (
            "[topics.map]\nquarantine = \"__q\"",
            "hookgate.toml:14: [topics.map] quarantine: begins with \"__\", as the brokers' own topics do, such as __consumer_offsets; choose another name",
        ),
        (
            "[topics]\nprefix = \"__hookgate.\"",
            "hookgate.toml:14: [topics] prefix: begins with \"__\", as the brokers' own topics do, such as __consumer_offsets; choose another name",
        ),
        (
            "[topics.map]\nquarantine = \"all\"\n\"frameio.*\" = \"all\"",
            "hookgate.toml:13: [topics.map]: quarantine and frameio.unclassified would share the topic \"all\", but replay reads quarantine's as a whole",
        ),
    ] {
        let longest = crate::config::topics::map_names().iter().map(String::len).max().unwrap();
        let first_frameio = crate::provider::by_name("frameio").and_then(|it| it.kinds().next()).unwrap().name();
        let expected = expected.replace("PREFIX", &(249 - longest).to_string());
        check_more(more, &[&expected.replace("frameio.unclassified", &first_frameio)]);
    }
}

#[test]
fn refusals_of_partitions_and_retention_by_kind() {
    for (more, expected) in [
        (
            "[topics.retention_of]\nquarantin = \"30d\"",
            "hookgate.toml:14: [topics.retention_of] quarantin: no such kind of event; did you mean \"quarantine\"?",
        ),
        (
            "[topics.retention_of]\nquarantine = 30",
            "hookgate.toml:14: [topics.retention_of] quarantine: a unit is missing; write \"30s\" or \"30ms\"",
        ),
        (
            "[topics.retention_of]\nquarantine = \"1s\"",
            "hookgate.toml:14: [topics.retention_of] quarantine: must lie between 60s and 3650d",
        ),
        (
            "[topics.partitions_of]\n\"frameio.*\" = 0",
            "hookgate.toml:14: [topics.partitions_of] frameio.*: must lie between 1 and 10000",
        ),
        (
            "[topics.partitions_of]\n\"frameio.*\" = \"2\"",
            "hookgate.toml:14: [topics.partitions_of] frameio.*: is in quotes; write \"frameio.*\" = 2",
        ),
        (
            "[topics.partitions_of]\nfilespin.x = 2",
            "hookgate.toml:14: [topics.partitions_of] filespin: is a table; quote the whole name, such as \"frameio.file.ready\"",
        ),
        (
            "[topics.map]\n\"filesafety.*\" = \"all\"\n[topics.partitions_of]\n\"filesafety.unclassified\" = 1",
            "hookgate.toml:15: [topics.partitions_of]: filesafety.scan.complete (6) and filesafety.unclassified (1) share the topic \"all\", which can have only one value; give both the same",
        ),
        (
            "[topics.map]\n\"filesafety.*\" = \"all\"\n[topics.retention_of]\n\"filesafety.scan.complete\" = \"2d\"",
            "hookgate.toml:15: [topics.retention_of]: filesafety.scan.complete (2d) and filesafety.scan.verdict_updated (14d) share the topic \"all\", which can have only one value; give both the same",
        ),
    ] {
        check_more(more, &[expected]);
    }
}

#[test]
fn topics_of_kinds() {
    let text = format!(
        "{MINIMAL}\n[topics]\nprefix = \"p.\"\n[topics.map]\n\"frameio.*\" = \"all\"\n\"frameio.unclassified\" = \"odd\"\nquarantine = \"bad\""
    );
    let topics = accept(&text, &[], &[]).topics;
    for (kind, expected) in [
        (EventKind::Named { provider: "frameio", name: "file.ready" }, "all"),
        (EventKind::Unclassified { provider: "frameio" }, "odd"),
        (EventKind::Unclassified { provider: "filespin" }, "p.filespin.unclassified"),
        (EventKind::Named { provider: "filespin", name: "file-saved" }, "p.filespin.file-saved"),
        (EventKind::Quarantine, "bad"),
    ] {
        assert_eq!(topics.name(kind), expected);
    }
}

/// Checks what topics are created with, each as `topic partitions days`.
#[track_caller]
fn check_specs(lines: &str, expected: &[&str]) {
    let topics = accept(&format!("{MINIMAL}\n[topics]\n{lines}"), &[], &[]).topics;
    for expected in expected {
        let topic = expected.split(' ').next().unwrap();
        let spec = topics.spec(topic);
        let days = spec.retention.as_secs() / 86_400;
        assert_eq!(format!("{topic} {} {days}", spec.partitions), *expected, "{lines}");
        let written = format!("{}", days * 86_400_000);
        assert!(spec.settings.contains(&("retention.ms", written)), "{lines}: {:?}", spec.settings);
    }
}

#[test]
fn partitions_and_retention_of_kinds() {
    check_specs("", &["hookgate.filespin.file-saved 6 14", "hookgate.quarantine 6 28", "elsewhere 6 14"]);
    check_specs("retention = \"7d\"", &["hookgate.filespin.file-saved 6 7", "hookgate.quarantine 6 14"]);
    check_specs("retention = \"3000d\"", &["hookgate.filespin.file-saved 6 3000", "hookgate.quarantine 6 3650"]);
    // The most specific entry wins, as in the map.
    check_specs(
        "partitions = 3\n[topics.partitions_of]\n\"filespin.*\" = 12\n\"filespin.unclassified\" = 1\nquarantine = 2\n\
         [topics.retention_of]\n\"filespin.*\" = \"30d\"\n\"filespin.file-deleted\" = \"2d\"",
        &[
            "hookgate.filespin.file-saved 12 30",
            "hookgate.filespin.file-deleted 12 2",
            "hookgate.filespin.unclassified 1 30",
            "hookgate.uploadcare.file.stored 3 14",
            "hookgate.quarantine 2 60",
        ],
    );
    // A topic of the map has what its kinds have.
    check_specs(
        "[topics.map]\n\"filespin.*\" = \"assets\"\nquarantine = \"aside\"\n\
         [topics.partitions_of]\n\"filespin.*\" = 12\n[topics.retention_of]\nquarantine = \"5d\"",
        &["assets 12 14", "aside 6 5", "hookgate.filespin.file-saved 6 14"],
    );
}

/// Variables and flags name kinds too.
#[test]
fn retention_of_a_kind_from_outside_of_the_file() {
    let variables =
        [("HOOKGATE_TOPICS__RETENTION_OF__FILESPIN_FILE_SAVED", "3d"), ("HOOKGATE_TOPICS__PARTITIONS_OF__QUARANTINE", "1")];
    let config = accept(MINIMAL, &variables, &[("topics.retention_of.frameio.*", "4d")]);
    let spec = |topic: &str| config.topics.spec(topic);
    assert_eq!(spec("hookgate.filespin.file-saved").retention.as_secs(), 3 * 86_400);
    assert_eq!(spec("hookgate.frameio.file.ready").retention.as_secs(), 4 * 86_400);
    assert_eq!(spec("hookgate.quarantine").partitions, 1);
    assert_eq!(config.redacted()["topics"]["retention_of"], serde_json::json!({"filespin.file-saved": "3d", "frameio.*": "4d"}));
}

/// Adds a second endpoint of Frame.io, and these lines.
fn tenants(lines: &str) -> String {
    format!("{MINIMAL}topic_prefix = \"acme.\"\n[endpoints.other]\nprovider = \"uploadcare\"\nsecrets = [\"env:OTHER\"]\n{lines}")
}

#[test]
fn refusals_of_prefixes_of_endpoints() {
    let long = "a".repeat(220) + ".";
    for (lines, expected) in [
        (
            "topic_prefix = \"\"".to_owned(),
            "16: [endpoints.other] topic_prefix: is empty; leave the key out, and the endpoint's topics begin with [topics] prefix",
        ),
        (
            "topic_prefix = \"a/\"".to_owned(),
            "16: [endpoints.other] topic_prefix: must be letters, digits, '.', '_' and '-', at most PREFIX of them: Kafka takes no other topic names",
        ),
        (
            format!("topic_prefix = \"{long}\""),
            "16: [endpoints.other] topic_prefix: must be letters, digits, '.', '_' and '-', at most PREFIX of them: Kafka takes no other topic names",
        ),
        (
            "topic_prefix = \"__acme.\"".to_owned(),
            "16: [endpoints.other] topic_prefix: begins with \"__\", as the brokers' own topics do, such as __consumer_offsets; choose another name",
        ),
        (
            "topic_prefix = \"acme.eu.\"".to_owned(),
            "16: [endpoints] topic_prefix: the topic \"acme.eu.quarantine\" of endpoint other begins with \"acme.\", as those of endpoint avatars do, so that a permission on all of those would cover it; choose prefixes of which none begins another",
        ),
        (
            "topic_prefix = \"hookgate.other.\"\n[endpoints.third]\nprovider = \"uploadcare\"\nsecrets = [\"env:THIRD\"]"
                .to_owned(),
            "16: [endpoints] topic_prefix: the topic \"hookgate.other.quarantine\" of endpoint other begins with \"hookgate.\", as those of endpoint third do, so that a permission on all of those would cover it; choose prefixes of which none begins another",
        ),
        (
            "topic_prefix = \"hookgate.\"\n[endpoints.third]\nprovider = \"uploadcare\"\nsecrets = [\"env:THIRD\"]".to_owned(),
            "16: [endpoints] topic_prefix: the topic \"hookgate.quarantine\" of endpoint third begins with \"hookgate.\", as those of endpoint other do, so that a permission on all of those would cover it; choose prefixes of which none begins another",
        ),
        (
            "[topics.map]\n\"uploadcare.*\" = \"acme.photos\"".to_owned(),
            "12: [endpoints] topic_prefix: the topic \"acme.photos\" of endpoint other begins with \"acme.\", as those of endpoint avatars do, so that a permission on all of those would cover it; choose prefixes of which none begins another",
        ),
        (
            "topic_prefix = \"acme_\"".to_owned(),
            "16: [endpoints] topic_prefix: \"acme_quarantine\" of endpoint other and \"acme.quarantine\" of endpoint avatars differ in \".\" and \"_\" alone, and Kafka refuses the second of two such topics; choose another prefix",
        ),
        (
            "[topics.map]\nquarantine = \"x\"\n\"uploadcare.*\" = \"hookgate.x\"".to_owned(),
            "12: [endpoints.avatars] topic_prefix: makes one topic, \"acme.x\", of \"hookgate.x\" and \"x\" in [topics.map]; rename one of them there",
        ),
    ] {
        let longest = crate::config::topics::map_names().iter().filter(|it| !it.ends_with('*')).map(String::len).max().unwrap();
        let expected = format!("hookgate.toml:{}", expected.replace("PREFIX", &(249 - longest).to_string()));
        let report =
            read(&tenants(&lines), &[("OTHER", "other-secret-of-some-length"), ("THIRD", "third-secret-of-some-length")], &[]);
        let report = report.expect_err(&lines).to_string();
        assert_eq!(report.trim_end(), expected, "{lines}");
    }
}

#[test]
fn topics_of_endpoints_with_a_prefix() {
    let lines = "topic_prefix = \"globex-\"\n[topics]\npartitions = 2\n[topics.map]\n\"filesafety.*\" = \"hookgate.scans\"\nquarantine = \"aside\"\n[topics.partitions_of]\nquarantine = 1";
    let config = accept(&tenants(lines), &[("OTHER", "other-secret-of-some-length")], &[]);
    let complete = EventKind::Named { provider: "filesafety", name: "scan.complete" };
    let stored = EventKind::Named { provider: "uploadcare", name: "file.stored" };
    for (endpoint, kind, expected, partitions) in [
        ("avatars", complete, "acme.scans", 2),
        ("avatars", EventKind::Quarantine, "acme.aside", 1),
        ("other", stored, "globex-uploadcare.file.stored", 2),
        ("other", EventKind::Quarantine, "globex-aside", 1),
        ("uploadcare", stored, "hookgate.uploadcare.file.stored", 2),
        ("uploadcare", EventKind::Quarantine, "aside", 1),
    ] {
        let of = config.endpoints.iter().find(|it| &*it.name == endpoint).unwrap();
        assert_eq!(config.topics.name_of(of, kind), expected);
        assert_eq!(config.topics.spec(expected).partitions, partitions, "{expected}");
    }
    let prefixes: Vec<_> = ["acme.aside", "globex-x", "hookgate.x", "aside"].map(|topic| config.topics.prefix_of(topic)).into();
    assert_eq!(prefixes, [Some("acme."), Some("globex-"), Some("hookgate."), None]);
    let view = config.redacted();
    assert_eq!(view["endpoints"]["avatars"]["topic_prefix"], "acme.");
}
