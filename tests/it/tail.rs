//! `hookgate tail`: what it reads, in which order, and when it ends. The tests in `commands` check how it prints an event.

use std::{collections::BTreeSet, process::Command, time::Duration};

use hookgate::kafka::mock::Mock;
use prost::Message as _;
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

use crate::{
    binary::{Finished, Folder, Process, hookgate},
    docs::{document, rows},
    harness::{take_down, wait_until},
};

/// The topic, partition, key and verdict of a record.
type Of<'a> = (&'a str, i32, &'a str, &'a str);

/// A mock cluster of the test, with a producer and an empty folder for the command.
struct Cluster {
    mock: Mock,
    producer: FutureProducer,
    folder: Folder,
}

impl Cluster {
    fn new(topics: &[(&str, i32)]) -> Self {
        let mock = Mock::start(&[]).unwrap();
        let producer = ClientConfig::new().set("bootstrap.servers", mock.brokers()).create().unwrap();
        let cluster = Self { mock, producer, folder: Folder::new() };
        for (topic, partitions) in topics {
            cluster.create(topic, *partitions);
        }
        cluster
    }

    fn create(&self, topic: &str, partitions: i32) {
        let topic = topic.to_owned();
        self.mock.run(move |cluster| cluster.create_topic(&topic, partitions, 1).unwrap()).unwrap();
    }

    /// Writes records with the headers of a scan. Their values have only a subject.
    fn write(&self, records: &[Of<'_>]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (topic, partition, key, verdict) in records {
            let header = |headers: OwnedHeaders, key, value| headers.insert(Header { key, value: Some(value) });
            let headers = header(OwnedHeaders::new(), "ce_type", "hookgate.filesafety.scan.complete");
            let headers = header(headers, "hookgate-verdict", *verdict);
            let value = hookgate::proto::Event { subject: (*key).into(), ..Default::default() }.encode_to_vec();
            let record = FutureRecord::to(topic).partition(*partition).key(*key).payload(&value).headers(headers);
            runtime.block_on(self.producer.send(record, Duration::from_secs(10))).unwrap();
        }
    }

    fn arguments<'a>(&'a self, line: &'a str) -> Vec<&'a str> {
        let arguments = ["tail", "--brokers", self.mock.brokers()];
        arguments.into_iter().chain(line.split_whitespace()).collect()
    }

    fn run(&self, line: &str) -> Finished {
        hookgate(&self.folder, &self.arguments(line))
    }

    fn spawn(&self, line: &str) -> Process {
        Process::spawn(&self.folder, &self.arguments(line))
    }

    /// Checks the keys of the records that a command line prints, in order.
    fn check(&self, line: &str, expected: &[&str]) {
        let finished = self.run(line);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        assert_eq!(keys(&finished), expected, "{line}: {finished:?}");
    }

    fn refuse(&self, line: &str, code: i32, expected: &str) {
        let finished = self.run(line);
        assert_eq!((finished.code, finished.out.as_str()), (Some(code), ""), "{line}: {finished:?}");
        assert!(finished.err.contains(expected), "{line}: {finished:?}");
    }
}

fn keys(finished: &Finished) -> Vec<String> {
    finished.json_lines().iter().map(|line| line["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_line_selects_topics_partitions_offsets_and_records() {
    let cluster = Cluster::new(&[("a.one", 2), ("a.two", 1), ("b.one", 1), ("__a.own", 1)]);
    cluster.write(&[
        ("a.one", 0, "a0", "clean"),
        ("a.one", 0, "a1", "infected"),
        ("a.one", 0, "a2", "clean"),
        ("a.one", 1, "a3", "infected"),
        ("a.two", 0, "a4", "clean"),
        ("b.one", 0, "b0", "clean"),
        ("__a.own", 0, "own", "clean"),
    ]);
    let check = |line: &str, expected: &[&str]| cluster.check(&format!("{line} --exit"), expected);
    // The records come in the order in which they were written.
    check("a.one --from-beginning", &["a0", "a1", "a2", "a3"]);
    check("a.* --from-beginning", &["a0", "a1", "a2", "a3", "a4"]);
    check("*.one --from-beginning", &["a0", "a1", "a2", "a3", "b0"]);
    check("a*o b.one --from-beginning", &["a4", "b0"]);
    check("* --from-beginning", &["a0", "a1", "a2", "a3", "a4", "b0"]);
    check("__a.* --from-beginning", &["own"]);
    check("a.one", &[]);
    check("a.one --from-beginning --partition 1", &["a3"]);
    check("a.one --from-beginning --partition 0,1 --limit 1", &["a0"]);
    check("a.one --offset 1", &["a1", "a2"]);
    check("a.one --offset 1:0", &["a3"]);
    check("a.one --offset 0:2,1:0", &["a2", "a3"]);
    // An offset after the last record begins at the end.
    check("a.one --offset 99", &[]);
    check("a.* --last 2", &["a3", "a4"]);
    check("a.one --last 99", &["a0", "a1", "a2", "a3"]);
    check("a.* --last 2 --verdict infected", &["a1", "a3"]);
    check("a.* --from-beginning --verdict infected", &["a1", "a3"]);
    check("a.* --from-beginning --subject a0,a4 --provider filesafety --type scan.*", &["a0", "a4"]);
    check("a.* --from-beginning --provider frameio", &[]);

    let partly = cluster.run("a.two none.such --from-beginning --exit");
    assert_eq!((partly.code, partly.err.as_str()), (Some(0), "hookgate: no such topic: none.such\n"), "{partly:?}");
    assert_eq!(keys(&partly), ["a4"]);
    cluster.refuse("none.* --exit", 1, "no such topic: none.*; ");
    cluster.refuse("a.oen --exit", 1, "no such topic: a.oen; did you mean a.one?");
    cluster.refuse("nothing.like.it --exit", 1, "no such topic: nothing.like.it; `hookgate topics` lists the configured ones");
    cluster.refuse("a.one --partition 7 --exit", 1, "no such partition in a.one");
    cluster.refuse("a.one --offset 1,2", 1, "--offset takes one offset");
    cluster.refuse("a.one --since tomorrow", 2, "a time is like");
}

#[test]
fn formats_are_for_people_and_for_programs() {
    let cluster = Cluster::new(&[("a", 1)]);
    cluster.write(&[("a", 0, "k0", "clean"), ("a", 0, "k1", "infected")]);
    let shown = |line: &str| cluster.run(&format!("a --from-beginning --exit {line}")).out;
    assert_eq!(shown("--format raw --limit 1"), "\u{2a}\u{2}k0");
    assert_eq!(shown("--format delimited"), "\u{4}\u{2a}\u{2}k0\u{4}\u{2a}\u{2}k1");
    let pretty = shown("--format pretty");
    assert_eq!(pretty.lines().filter(|line| line.contains("  a[0] @")).count(), 2, "{pretty}");
    assert!(pretty.contains("@1  key k1  infected\n\n") && !pretty.contains('\x1b'), "{pretty}");
    assert!(shown("--format pretty --color always").contains("\x1b[31minfected"));
}

/// Waits until a process follows a topic, which means that it prints new records.
fn following(cluster: &Cluster, process: &Process, topic: &str) {
    wait_until("following", || {
        cluster.write(&[(topic, 0, "first", "clean")]);
        process.out().contains("first")
    });
}

#[test]
fn following_prints_new_records_until_a_signal() {
    let cluster = Cluster::new(&[("a.old", 1)]);
    cluster.write(&[("a.old", 0, "before", "clean")]);
    let [interrupted, terminated] = ["INT", "TERM"].map(|signal| (signal, cluster.spawn("a.*")));
    following(&cluster, &interrupted.1, "a.old");
    following(&cluster, &terminated.1, "a.old");
    // New topics are read from their beginning.
    cluster.create("a.new", 1);
    cluster.create("b.new", 1);
    cluster.write(&[("a.new", 0, "new", "clean"), ("b.new", 0, "other", "clean")]);
    for (signal, process) in [interrupted, terminated] {
        wait_until("read", || process.out().contains("\"new\""));
        process.signal(signal);
        let finished = process.finish();
        assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""), "{signal}: {finished:?}");
        assert!(!finished.out.contains("before") && !finished.out.contains("other"), "{finished:?}");
    }
    // A limit and a time end it, too.
    let begun = cluster.run("a.old --from-beginning --limit 1");
    assert_eq!((begun.code, keys(&begun)), (Some(0), vec!["before".to_owned()]));
    assert_eq!(cluster.run("a.old --until +1s").code, Some(0));
}

#[test]
fn a_closed_output_is_noticed_although_no_record_comes() {
    let cluster = Cluster::new(&[("a", 1)]);
    let binary = env!("CARGO_BIN_EXE_hookgate");
    let script = format!("{{ {binary} tail a --brokers {}; echo \"exit $?\" >&2; }} | true", cluster.mock.brokers());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    let finished = Process::of(shell).finish();
    assert_eq!((finished.out.as_str(), finished.err.as_str()), ("", "exit 0\n"), "{finished:?}");
}

#[test]
fn an_outage_is_reported_once_and_survived() {
    let cluster = Cluster::new(&[("a", 1)]);
    let process = cluster.spawn("a");
    following(&cluster, &process, "a");
    take_down(&cluster.mock);
    wait_until("reported", || process.err().contains("no broker answers; still trying"));
    cluster.mock.run(|cluster| cluster.broker_up(1).unwrap()).unwrap();
    cluster.write(&[("a", 0, "after", "clean")]);
    wait_until("read", || process.out().contains("\"after\""));
    process.signal("INT");
    let finished = process.finish();
    assert_eq!((finished.code, finished.err.lines().count()), (Some(0), 1), "{finished:?}");
}

#[test]
fn every_flag_is_documented() {
    let help = hookgate(&Folder::new(), &["tail", "--help"]).out;
    let flags: BTreeSet<&str> = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")?.split(' ').next()).collect();
    let (text, example) = (document("docs/tail.md"), ["brokers", "config"]);
    assert!(flags.len() > 15 && example.iter().all(|flag| flags.contains(flag)), "{help}");
    for flag in flags.iter().filter(|flag| **flag != "config") {
        assert!(text.contains(&format!("`--{flag}`")), "--{flag} is not documented");
    }
    let formats = rows(&text).filter(|row| help.contains(&format!("- {}:", row[0]))).count();
    assert_eq!(formats, help.lines().filter(|line| line.trim_start().starts_with("- ")).count(), "formats");
}

/// To read topics, brokers are enough. `tail` does not ask for what only the daemon needs.
#[test]
fn a_configuration_without_endpoints_is_enough() {
    let cluster = Cluster::new(&[("hookgate.quarantine", 1)]);
    cluster.write(&[("hookgate.quarantine", 0, "a", "clean")]);
    cluster.folder.write("empty.toml", "");
    cluster.folder.write("prefix.toml", "[topics]\nprefix = \"hookgate.\"\n");
    for file in ["empty.toml", "prefix.toml"] {
        cluster.check(&format!("--config {file} hookgate.quarantine --from-beginning --exit"), &["a"]);
        cluster.check(&format!("--config {file} * --from-beginning --exit --verdict clean"), &["a"]);
        // Without a list of endpoints, an unknown name is no mistake.
        cluster.check(&format!("--config {file} * --from-beginning --exit --endpoint nobody"), &[]);
    }
    // Other commands need endpoints.
    let checked = hookgate(&cluster.folder, &["check", "--config", "empty.toml", "--brokers", cluster.mock.brokers()]);
    assert_eq!(checked.code, Some(64), "{checked:?}");
    assert!(checked.err.contains("[endpoints]: there is none"), "{checked:?}");
}
