//! The three brokers of `scripts/kafka/cluster`.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::repository::root;

/// The numbers of the brokers.
pub(crate) const BROKERS: [u16; 3] = [1, 2, 3];
/// The number of partitions of a topic, both in Hookgate's configuration and where a scenario creates the topic itself.
pub(crate) const PARTITIONS: i32 = 3;

/// A partition and the broker that leads it, which is -1 while there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Led {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) leader: i32,
}

/// A running cluster. Dropping it stops it.
pub(crate) struct Cluster;

impl Cluster {
    pub(crate) fn start() -> Result<Self, String> {
        // Stops brokers that an interrupted run left running.
        script(&["stop"])?;
        let cluster = Self;
        script(&["start"])?;
        Ok(cluster)
    }

    /// Returns the first port of a broker.
    fn port(broker: u16) -> u16 {
        21100 + 10 * broker
    }

    /// Returns the port of a broker that clients reach through a proxy, and the port on which the proxy listens.
    pub(crate) fn proxied(broker: u16) -> (u16, u16) {
        (Self::port(broker) + 2, Self::port(broker) + 3)
    }

    /// Returns the listeners of all brokers that ask for a user and allow only what [`Self::access`] has granted.
    pub(crate) fn secured() -> String {
        BROKERS.map(|broker| format!("127.0.0.1:{}", Self::port(broker) + 4)).join(",")
    }

    pub(crate) fn brokers() -> String {
        BROKERS.map(|broker| format!("127.0.0.1:{}", Self::port(broker))).join(",")
    }

    pub(crate) fn signal(broker: u16, signal: &str) -> Result<(), String> {
        script(&["signal", &broker.to_string(), signal])
    }

    /// Stops a broker with an orderly shutdown.
    pub(crate) fn down(broker: u16) -> Result<(), String> {
        script(&["down", &broker.to_string()])
    }

    /// Makes a broker unable to write anything more, and waits until it has ended. Returns the reason if this machine cannot do that.
    pub(crate) fn fill(broker: u16) -> Result<Option<&'static str>, String> {
        let status = command(&["full", &broker.to_string()]).status().map_err(|error| error.to_string())?;
        match status.code() {
            Some(0) => Ok(None),
            Some(3) => Ok(Some("the size of its files cannot be limited here")),
            code => Err(format!("scripts/kafka/cluster full ended with {code:?}")),
        }
    }

    /// Grants or removes the right to write to these topics.
    pub(crate) fn access(topics: &[String], allowed: bool) -> Result<(), String> {
        let topics = topics.iter().map(String::as_str);
        script(&std::iter::once(if allowed { "allow" } else { "forbid" }).chain(topics).collect::<Vec<_>>())
    }

    /// Returns the leader of each partition of these topics.
    pub(crate) fn leaders(topics: &[String]) -> Result<Vec<Led>, String> {
        let consumer: BaseConsumer = client().create().map_err(|error| error.to_string())?;
        let mut leaders = Vec::new();
        for topic in topics {
            let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(5)).map_err(|error| error.to_string())?;
            for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
                leaders.push(Led { topic: topic.clone(), partition: partition.id(), leader: partition.leader() });
            }
        }
        Ok(leaders)
    }

    /// Starts brokers again, all at once, and waits until each serves.
    pub(crate) fn up(brokers: &[u16]) -> Result<(), String> {
        let start = |broker: &u16| command(&["up", &broker.to_string()]).spawn().map_err(|error| error.to_string());
        let started: Vec<_> = brokers.iter().map(start).collect::<Result<_, _>>()?;
        for mut script in started {
            let status = script.wait().map_err(|error| error.to_string())?;
            if !status.success() {
                return Err("a broker did not start again".into());
            }
        }
        Ok(())
    }

    /// Waits until every partition of these topics has all of its replicas in sync, as an operator does before the next step.
    pub(crate) fn wait_in_sync(topics: &[String]) -> Result<(), String> {
        let consumer: BaseConsumer = client().create().map_err(|error| error.to_string())?;
        let whole = |topic: &String| {
            let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(5)).ok()?;
            let partitions = metadata.topics().first()?.partitions();
            let in_sync = |it: &rdkafka::metadata::MetadataPartition| it.leader() >= 0 && it.isr().len() == it.replicas().len();
            (!partitions.is_empty() && partitions.iter().all(in_sync)).then_some(())
        };
        let begin = Instant::now();
        while !topics.iter().all(|topic| whole(topic).is_some()) {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err("the replicas are not in sync again after 60 s".into());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Changes these settings of a topic and resets all others to the broker's own.
    pub(crate) fn set(topic: &str, settings: &[(&str, &str)]) -> Result<(), String> {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        let change = settings.iter().fold(change, |change, (name, value)| change.set(name, value));
        let results = administer(async |admin, options| admin.alter_configs([&change], options).await)?;
        results.into_iter().try_for_each(|result| result.map(drop).map_err(|(_, code)| code.to_string()))
    }

    /// Creates a topic whose partitions are only on these brokers.
    pub(crate) fn create_on(topic: &str, brokers: &[i32]) -> Result<(), String> {
        let partitions = vec![brokers; usize::try_from(PARTITIONS).unwrap_or(0)];
        let in_sync = brokers.len().to_string();
        let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Variable(&partitions)).set("min.insync.replicas", &in_sync);
        let results = administer(async |admin, options| admin.create_topics([&new], options).await)?;
        results.into_iter().try_for_each(|result| result.map(drop).map_err(|(_, code)| format!("{topic}: {code}")))
    }

    /// Deletes a topic, and waits until no client sees it any more.
    pub(crate) fn delete(topic: &str) -> Result<(), String> {
        let results = administer(async |admin, options| admin.delete_topics(&[topic], options).await)?;
        results.into_iter().try_for_each(|result| result.map(drop).map_err(|(_, code)| code.to_string()))?;
        let consumer: BaseConsumer = client().create().map_err(|error| error.to_string())?;
        let begin = Instant::now();
        loop {
            let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(5)).map_err(|error| error.to_string())?;
            if metadata.topics().iter().all(|it| it.partitions().is_empty()) {
                return Ok(());
            }
            if begin.elapsed() > Duration::from_secs(20) {
                return Err(format!("{topic} still exists 20 s after it was deleted"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Creates a topic with Kafka's own settings. Tries again as long as the old topic of the same name is not fully deleted.
    pub(crate) fn create(topic: &str) -> Result<(), String> {
        let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(3));
        let mut last = String::new();
        for _ in 0..50 {
            let results = administer(async |admin, options| admin.create_topics([&new], options).await)?;
            match results.into_iter().next() {
                Some(Err((_, code))) => last = code.to_string(),
                _ => return Ok(()),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err(format!("{topic} cannot be created again: {last}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = script(&["stop"]) {
            eprintln!("{error}");
        }
    }
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", Cluster::brokers()).set("allow.auto.create.topics", "false");
    config
}

fn administer<T>(
    call: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> rdkafka::error::KafkaResult<T>,
) -> Result<T, String> {
    let admin: AdminClient<_> = client().create().map_err(|error| error.to_string())?;
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(call(&admin, &options)).map_err(|error| error.to_string())
}

/// Returns the command for `scripts/kafka/cluster`, without its output, which would appear between the rows of the table.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(root().join("scripts/kafka/cluster"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

pub(crate) fn script(arguments: &[&str]) -> Result<(), String> {
    let status = command(arguments).status().map_err(|error| format!("scripts/kafka/cluster: {error}"))?;
    status.success().then_some(()).ok_or_else(|| format!("scripts/kafka/cluster {} failed", arguments.join(" ")))
}
