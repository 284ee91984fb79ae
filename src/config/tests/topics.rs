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
