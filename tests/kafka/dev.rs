//! `hookgate dev --kafka` and `hookgate tail` on a real Kafka.

use serde_json::Value;

use crate::{
    providers::names,
    support::{Site, plain},
};

#[test]
fn dev_runs_on_a_real_kafka_and_tail_reads_what_it_wrote() {
    // Neither command reads a configuration, so the folder has none.
    let site = Site::new("");
    site.forget();
    let brokers = plain();
    let tail = || {
        let ran = site.run(&["tail", "--brokers", &brokers, "--from-beginning", "--exit"]);
        let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (ran, lines)
    };
    // If the broker has been used before, it has the events of earlier runs.
    let (_, before) = tail();

    let dev = site.run(&["dev", "--kafka", &brokers, "--exit", "--yes"]);
    assert_eq!(dev.code, Some(0), "{dev:?}");
    let (ran, after) = tail();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(after.len(), before.len() + names().count(), "{ran:?}");

    let new: Vec<&Value> = after.iter().filter(|record| !before.contains(record)).collect();
    for provider in names() {
        let of_provider: Vec<_> = new.iter().filter(|record| record["event"]["provider"] == provider).collect();
        let [record] = of_provider.as_slice() else { panic!("{} events of {provider}", of_provider.len()) };
        let (topic, key) = (record["topic"].as_str().unwrap(), record["key"].as_str().unwrap());
        assert_eq!(record["event"]["origin"], "ORIGIN_SAMPLE");
        assert_eq!(record["event"]["subject"], key);
        let line = format!("{key}  {topic}[{}]@{} ", record["partition"], record["offset"]);
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown = dev.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(&line), "no {line:?} in\n{}", dev.stdout);
    }
}
