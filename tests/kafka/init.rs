//! `hookgate init` on a real Kafka: from an empty folder to an event of each provider, and what `hookgate doctor` says on the way.

use serde_json::Value;

use crate::{
    first_steps,
    support::{plain, prefix},
};

/// Returns the lines of a report as `state area subject`, without those that are the same in every test: there are no credentials of an API.
fn lines(report: &Value) -> Vec<String> {
    let line = |it: &Value| {
        let word = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
        [word("state"), word("area"), word("subject")].join(" ")
    };
    let all = report["checks"].as_array().expect("a list").iter().map(line);
    all.filter(|line| !line.contains("subscriptions")).collect()
}

#[test]
fn the_whole_way_leads_from_nothing_to_events() {
    let [before, after] = first_steps::walk(&plain(), &prefix(""));
    let kafka = before["checks"].as_array().expect("a list").iter().find(|it| it["area"] == "kafka").expect("a line");
    assert_eq!(kafka["state"], "bad", "{before}");
    let said = kafka["texts"].to_string() + &kafka["remedies"].to_string();
    assert!(said.contains("hookgate topics --apply"), "{said}");
    let expected = [
        "good configuration ",
        "good secrets filesafety",
        "good secrets filespin",
        "good secrets frameio",
        "good secrets uploadcare",
        "good kafka ",
        "good address",
        "good path filesafety",
        "not_tried body filesafety",
        "good path filespin",
        "not_tried body filespin",
        "good path frameio",
        "good body frameio",
        "good path uploadcare",
        "not_tried body uploadcare",
        "good clock 127.0.0.1",
    ];
    let lines: Vec<String> =
        lines(&after).into_iter().map(|line| line.split(" http:").next().unwrap_or_default().to_owned()).collect();
    assert_eq!(lines, expected, "{after}");
}
