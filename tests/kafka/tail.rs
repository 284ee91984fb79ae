//! `hookgate tail` in cases that the mock cluster does not support: it cannot find records by their time, and its transactions leave no
//! markers.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
};
use serde_json::Value;

use crate::support::{Ran, Site, plain, prefix};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Midday on 2026-11-20, in milliseconds since the epoch. The times of the records are seconds after it.
const MIDDAY: i64 = 1_795_176_000_000;

struct Topics {
    prefix: String,
    site: Site,
}

impl Topics {
    fn new(topics: &[(&str, i32)]) -> Self {
        let (prefix, site) = (prefix("tail."), Site::new(""));
        site.forget();
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", plain()).create().unwrap();
        let names: Vec<String> = topics.iter().map(|(topic, _)| format!("{prefix}{topic}")).collect();
        let wanted = names.iter().zip(topics).map(|(name, (_, partitions))| {
            // The broker would delete such old records.
            NewTopic::new(name, *partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1")
        });
        let wanted: Vec<NewTopic<'_>> = wanted.collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let created = runtime.block_on(admin.create_topics(&wanted, &AdminOptions::new())).unwrap();
        assert!(created.iter().all(Result::is_ok), "{created:?}");
        Self { prefix, site }
    }

    /// Writes records: topic, partition, key and seconds after midday.
    fn write(&self, producer: &ThreadedProducer<DefaultProducerContext>, records: &[(&str, i32, &str, i64)]) {
        for (topic, partition, key, seconds) in records {
            let topic = format!("{}{topic}", self.prefix);
            let record = BaseRecord::to(&topic).partition(*partition).key(*key).payload("");
            producer.send(record.timestamp(MIDDAY + seconds * 1_000)).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(TIMEOUT).unwrap();
    }

    fn run(&self, topics: &str, flags: &str) -> Ran {
        let (brokers, topics) = (plain(), format!("{}{topics}", self.prefix));
        let arguments = ["tail", &topics, "--brokers", &brokers].into_iter().chain(flags.split_whitespace());
        self.site.run(&arguments.collect::<Vec<_>>())
    }

    /// Checks the keys of the records that a command line prints, in order.
    fn check(&self, topics: &str, flags: &str, expected: &[&str]) {
        let ran = self.run(topics, flags);
        assert_eq!(ran.code, Some(0), "{flags}: {ran:?}");
        let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let keys: Vec<String> = lines.map(|line| line["key"].as_str().unwrap().to_owned()).collect();
        assert_eq!(keys, expected, "{topics} {flags}");
    }
}

fn producer(properties: &[(&str, &str)]) -> ThreadedProducer<DefaultProducerContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", plain());
    for (name, value) in properties {
        config.set(*name, *value);
    }
    config.create().unwrap()
}

#[test]
fn records_come_by_time_and_are_found_by_it() {
    let topics = Topics::new(&[("a", 2), ("b", 1)]);
    let producer = producer(&[]);
    topics.write(&producer, &[("a", 0, "a10", 10), ("a", 0, "a40", 40), ("a", 0, "a35", 35), ("a", 0, "a60", 60)]);
    topics.write(&producer, &[("a", 1, "a20", 20), ("a", 1, "a50", 50), ("b", 0, "b30", 30), ("b", 0, "b70", 70)]);
    // The order in a partition is kept, also where the times of its records are in another order.
    topics.check("*", "--from-beginning --exit", &["a10", "a20", "b30", "a40", "a35", "a50", "a60", "b70"]);
    topics.check("*", "--last 3 --exit", &["a50", "a60", "b70"]);
    topics.check("a", "--last 3 --exit", &["a35", "a50", "a60"]);
    topics.check("*", "--from-beginning --limit 2", &["a10", "a20"]);
    let since = "--since 2026-11-20T12:00:30Z";
    topics.check("*", &format!("{since} --exit"), &["b30", "a40", "a35", "a50", "a60", "b70"]);
    topics.check("*", &format!("{since} --until 2026-11-20T12:00:50Z"), &["b30", "a40", "a35"]);
    topics.check("*", &format!("{since} --until 2026-11-20T12:00:50Z --last 2"), &["a40", "a35"]);
    topics.check("*", "--until 1795176020000", &["a10"]);
    topics.check("*", "--since 2026-11-20T13:00:00+01:00 --limit 1", &["a10"]);
    topics.check("*", "--since 2026-11-21 --exit", &[]);
    topics.check("b", "--since 1900-01-01 --exit", &["b30", "b70"]);
    topics.check("*", "--until 1900-01-01", &[]);
    topics.check("*", "--until 2026-11-20", &[]);
    topics.check("a", "--offset 0:3,1:1 --exit", &["a50", "a60"]);
}

/// Aborted records are not shown. The markers that transactions leave at the end of a partition are no records, and `tail` does not wait for
/// them.
#[test]
fn transactions_are_read_as_they_ended() {
    let topics = Topics::new(&[("a", 1)]);
    let producer = producer(&[("transactional.id", topics.prefix.as_str())]);
    producer.init_transactions(TIMEOUT).unwrap();
    producer.begin_transaction().unwrap();
    topics.write(&producer, &[("a", 0, "committed", 1)]);
    producer.commit_transaction(TIMEOUT).unwrap();
    producer.begin_transaction().unwrap();
    topics.write(&producer, &[("a", 0, "aborted", 2)]);
    producer.abort_transaction(TIMEOUT).unwrap();
    topics.check("a", "--from-beginning --exit", &["committed"]);
    // The last offsets are a marker, an aborted record, and another marker.
    topics.check("a", "--last 1 --exit", &["committed"]);
    topics.check("a", "--last 5 --exit", &["committed"]);
    // An open transaction holds back its own records and everything after them.
    producer.begin_transaction().unwrap();
    topics.write(&producer, &[("a", 0, "open", 3)]);
    topics.check("a", "--from-beginning --exit", &["committed"]);
    producer.commit_transaction(TIMEOUT).unwrap();
    topics.check("a", "--from-beginning --exit", &["committed", "open"]);
}
