//! Administration: which topics a cluster has and with which settings, creating them, and whether this client may write to them.
//! Every function here blocks, so it must not run on the daemon's event loop.

use std::{
    collections::BTreeMap,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    metadata::{MetadataPartition, MetadataTopic},
    producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer},
};

pub use super::iam::administration;
use super::{
    causes::{self, Unreachable},
    client::client_config,
    leaders,
    listener::Listener,
    meanings,
};
use crate::config::Config;

/// How long the first request to the cluster may take. A wrong address must not keep a person waiting.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a cluster that has answered may take to do its work. A busy one creates twenty topics slowly.
const WORK_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause before a request is repeated.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// The largest size limit of a topic that is probed. The probe must be larger than the limit.
const PROBE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The brokers and topics of a cluster that a client can see.
#[derive(Debug)]
pub struct Cluster {
    /// The brokers as `host:port`.
    pub brokers: Vec<String>,
    /// The topics that exist and are visible.
    pub topics: BTreeMap<String, Topic>,
    /// How many partitions all topics have that are visible, also those that were not asked for.
    pub partitions: usize,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The number of partitions.
    pub partitions: usize,
    /// The smallest number of replicas of a partition.
    pub replicas: usize,
    /// The smallest number of in-sync replicas of a partition.
    pub in_sync: usize,
    /// The settings, or why they are not known.
    pub settings: Result<Settings, Unread>,
}

/// Why the settings of a topic are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The client may not read them.
    Denied,
    /// This client cannot log in for administration. The text says what to do.
    Unsupported(&'static str),
    /// The cluster did not answer or does not know the topic. The text has the cause.
    Failed(String),
}

/// The settings of a topic that matter to Hookgate. A setting that the cluster does not have is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `max.message.bytes`.
    pub max_message_bytes: Option<u64>,
    /// `cleanup.policy`: words with commas between them.
    pub cleanup_policy: Option<String>,
    /// `retention.ms`; -1 means for ever.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`; -1 means without a limit.
    pub retention_bytes: Option<i64>,
    /// `min.insync.replicas`.
    pub min_insync_replicas: Option<u32>,
}

/// Whether a topic may be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WritePermission {
    /// The client may write: the broker refused the probe for its size, which it checks after the permission.
    Granted,
    /// The client may not write.
    Denied,
    /// The client may write, but the broker takes no record, because too few replicas are in sync. It checks that before the size.
    FewInSync,
    /// It is not known. The text has the cause.
    Unknown(String),
}

/// The answer of a cluster to the request to create a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The cluster has created the topic, or would create it.
    Possible,
    /// The cluster has the topic already; the client may have no right to see it.
    Exists,
    /// The client has no right to create it.
    Denied,
    /// The cluster would not create it. The text has the cause.
    Impossible(String),
}

/// Asks the cluster for its brokers and for the topics of `names` that exist. Fails if a broker that leads one of these topics does not answer
/// at its advertised address, because every further request would only time out. If none of the topics exists, any broker must answer.
pub fn inspect(config: &Config, names: &[String]) -> Result<Cluster, String> {
    let listener = Listener::new(&config.kafka);
    let mut client = client_config(config.kafka.connection_properties());
    client.set("group.id", "hookgate-check");
    let consumer = listener.clone().consumer(client)?;
    // Without a topic the look-up lists the brokers, and creates nothing.
    let metadata = consumer.fetch_metadata(None, TIMEOUT).map_err(|error| listener.explain(&consumer, &error))?;
    let wanted = |name: &str| names.iter().any(|wanted| wanted == name);
    let unreachable = leaders::unreachable(&consumer, &metadata, wanted, TIMEOUT);
    if !unreachable.is_empty() {
        return Err(causes::sentence(&config.kafka, &unreachable));
    }
    if !metadata.topics().iter().any(|topic| wanted(topic.name())) {
        any_broker_answers(config)?;
    }
    let brokers = metadata.brokers().iter().map(|broker| format!("{}:{}", broker.host(), broker.port())).collect();
    let ours = metadata.topics().iter().filter(|topic| names.iter().any(|name| name == topic.name()));
    let mut topics: BTreeMap<String, Topic> = ours.filter_map(Topic::of).collect();
    describe(config, &mut topics);
    let partitions = metadata.topics().iter().map(|topic| topic.partitions().len()).sum();
    Ok(Cluster { brokers, topics, partitions })
}

/// Returns the topics of `names` that exist, without asking for any other topic.
pub fn look_at(config: &Config, names: &[String]) -> Result<BTreeMap<String, Topic>, String> {
    let consumer = Listener::new(&config.kafka).consumer(client_config(config.kafka.connection_properties()))?;
    let mut topics = BTreeMap::new();
    for name in names {
        let metadata = consumer.fetch_metadata(Some(name), TIMEOUT).map_err(|error| error.to_string())?;
        topics.extend(metadata.topics().iter().filter_map(Topic::of));
    }
    describe(config, &mut topics);
    Ok(topics)
}

impl Topic {
    /// Returns a topic with its name, or `None` if it does not exist or is not visible. Its settings are not known yet.
    fn of(topic: &MetadataTopic) -> Option<(String, Self)> {
        let partitions = topic.partitions();
        let smallest = |count: fn(&MetadataPartition) -> usize| partitions.iter().map(count).min();
        let replicas = smallest(|partition| partition.replicas().len())?;
        let in_sync = smallest(|partition| partition.isr().len())?;
        let settings = Err(Unread::Failed("nobody has asked for them".into()));
        topic
            .error()
            .is_none()
            .then(|| (topic.name().to_owned(), Self { partitions: partitions.len(), replicas, in_sync, settings }))
    }
}

/// Reads the settings of topics.
fn describe(config: &Config, topics: &mut BTreeMap<String, Topic>) {
    if topics.is_empty() {
        return;
    }
    if let Err(why) = administration(&config.kafka) {
        return topics.values_mut().for_each(|topic| topic.settings = Err(Unread::Unsupported(why)));
    }
    let resources: Vec<_> = topics.keys().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let results = administer(config, async |admin, options| admin.describe_configs(&resources, &options).await);
    let results = match results {
        Ok(results) => results,
        Err(why) => return topics.values_mut().for_each(|topic| topic.settings = Err(Unread::Failed(why.clone()))),
    };
    for (topic, result) in topics.values_mut().zip(results) {
        topic.settings = match result {
            // rdkafka returns an empty list for a topic whose settings the client may not read.
            Ok(resource) if resource.entries.is_empty() => Err(Unread::Denied),
            Ok(resource) => {
                let value = |name: &str| resource.entries.iter().find(|entry| entry.name == name)?.value.as_deref();
                Ok(Settings {
                    cleanup_policy: value("cleanup.policy").map(str::to_owned),
                    retention_ms: value("retention.ms").and_then(|text| text.parse().ok()),
                    retention_bytes: value("retention.bytes").and_then(|text| text.parse().ok()),
                    max_message_bytes: value("max.message.bytes").and_then(|text| text.parse().ok()),
                    min_insync_replicas: value("min.insync.replicas").and_then(|text| text.parse().ok()),
                })
            }
            Err(RDKafkaErrorCode::TopicAuthorizationFailed) => Err(Unread::Denied),
            Err(code) => Err(Unread::Failed(code.to_string())),
        };
    }
}

/// Creates topics with the partitions, replication, in-sync replicas, retention and size limit of the configuration. Returns an error or `None` for
/// each topic. An existing topic is no error, and stays as it is.
pub fn create_topics(config: &Config, topics: &[String]) -> Result<Vec<(String, Option<String>)>, String> {
    let outcome = |(topic, creation)| match creation {
        Creation::Possible | Creation::Exists => (topic, None),
        Creation::Denied => (topic, Some(format!("{:?}", RDKafkaErrorCode::TopicAuthorizationFailed))),
        Creation::Impossible(why) => (topic, Some(why)),
    };
    Ok(ask_to_create(config, topics, false)?.into_iter().map(outcome).collect())
}

/// Asks the cluster whether it would create topics as [`create_topics`] does. It creates none.
pub fn may_create(config: &Config, topics: &[String]) -> Result<Vec<(String, Creation)>, String> {
    ask_to_create(config, topics, true)
}

fn ask_to_create(config: &Config, topics: &[String], only_ask: bool) -> Result<Vec<(String, Creation)>, String> {
    let specs: Vec<_> = topics.iter().map(|topic| (topic, config.topics.spec(topic))).collect();
    let new: Vec<_> = specs
        .iter()
        .map(|(topic, spec)| {
            // -1 leaves the number of replicas to the brokers.
            let new = NewTopic::new(topic, spec.partitions, TopicReplication::Fixed(spec.replicas.unwrap_or(-1)));
            spec.settings.iter().fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    let results = administer(config, async |admin, options| admin.create_topics(&new, &options.validate_only(only_ask)).await)?;
    let outcome = |result| match result {
        Ok(topic) => (topic, Creation::Possible),
        Err((topic, RDKafkaErrorCode::TopicAlreadyExists)) => (topic, Creation::Exists),
        Err((topic, RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed)) => {
            (topic, Creation::Denied)
        }
        Err((topic, code)) => (topic, Creation::Impossible(format!("{code:?}"))),
    };
    Ok(results.into_iter().map(outcome).collect())
}

/// Waits until clients can see a leader of every partition of these topics, because a cluster confirms that it has created a topic before
/// its brokers know the topic. Returns the topics that are not visible after [`WORK_TIMEOUT`].
pub fn wait_until_visible(config: &Config, topics: &[String]) -> Result<Vec<String>, String> {
    let consumer = Listener::new(&config.kafka).consumer(client_config(config.kafka.connection_properties()))?;
    let visible = |name: &str| {
        let metadata = consumer.fetch_metadata(Some(name), TIMEOUT).ok()?;
        let topic = metadata.topics().first()?;
        let led = !topic.partitions().is_empty() && topic.partitions().iter().all(|partition| partition.leader() >= 0);
        (topic.error().is_none() && led).then_some(())
    };
    let (begin, mut missing) = (Instant::now(), topics.to_vec());
    loop {
        missing.retain(|name| visible(name).is_none());
        if missing.is_empty() || begin.elapsed() > WORK_TIMEOUT {
            return Ok(missing);
        }
        thread::sleep(AGAIN_AFTER);
    }
}

/// The most brokers that [`any_broker_answers`] asks.
const ANY: usize = 3;

/// Succeeds if a broker answers at the address that the cluster advertises for it; the error says why none does. The configuration may have
/// other addresses. It asks the first few brokers, and writes nothing.
pub fn any_broker_answers(config: &Config) -> Result<(), String> {
    let listener = Listener::new(&config.kafka);
    let consumer = listener.clone().consumer(client_config(config.kafka.connection_properties()))?;
    let metadata = consumer.fetch_metadata(None, TIMEOUT).map_err(|error| listener.explain(&consumer, &error))?;
    if administration(&config.kafka).is_err() {
        // Which of the brokers has answered is not known, only that one has.
        return Ok(());
    }
    let mut unreachable = Vec::new();
    for broker in metadata.brokers().iter().take(ANY) {
        // A request about a broker's own settings goes only to that broker. It does not matter whether the broker returns them.
        let itself = [ResourceSpecifier::Broker(broker.id())];
        let answer = run_administrative(config, TIMEOUT, async |admin, options| admin.describe_configs(&itself, &options).await)?;
        match answer {
            // The error is an answer too: librdkafka knows it only after the broker has listed the requests that it supports.
            Ok(_) | Err(KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature)) => return Ok(()),
            Err(error) => unreachable.push(Unreachable { address: causes::address(broker), cause: error.to_string() }),
        }
    }
    Err(causes::sentence(&config.kafka, &unreachable))
}

/// Runs one administrative call on a cluster that has answered to its end, and returns the cluster's error as a text.
fn administer<T>(
    config: &Config,
    call: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, AdminOptions) -> KafkaResult<T>,
) -> Result<T, String> {
    run_administrative(config, WORK_TIMEOUT, call)?.map_err(|error| error.to_string())
}

/// Runs one administrative call to its end, and returns the cluster's error as it is. The outer error says why no client could be made.
fn run_administrative<T>(
    config: &Config,
    timeout: Duration,
    call: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, AdminOptions) -> KafkaResult<T>,
) -> Result<KafkaResult<T>, String> {
    administration(&config.kafka)?;
    let admin: AdminClient<_> =
        client_config(config.kafka.connection_properties()).create().map_err(|error| meanings::explain(&config.kafka, &error))?;
    let options = AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    Ok(runtime.block_on(call(&admin, options)))
}

/// Finds out which topics this client may write to, without writing. Each topic gets one record that is larger than its limit, and the broker
/// checks the permission before the size. The record is random, so that it cannot be compressed: brokers measure the stored size.
pub fn probe_writes<'a>(config: &Config, topics: &'a BTreeMap<String, Topic>) -> Vec<(&'a str, WritePermission)> {
    let mut outcomes = Vec::new();
    let mut lengths = Vec::new();
    for (name, topic) in topics {
        match probe_length(topic) {
            Ok(length) => lengths.push((name.as_str(), length)),
            Err(why) => outcomes.push((name.as_str(), WritePermission::Unknown(why.into()))),
        }
    }
    // All share one connection, and the records go one after the other, so that each has the whole time-out.
    match Prober::new(config, lengths.iter().map(|(_, length)| *length).max().unwrap_or_default()) {
        Ok(prober) => outcomes.extend(lengths.into_iter().map(|(name, length)| (name, prober.probe(name, length)))),
        Err(why) => outcomes.extend(lengths.into_iter().map(|(name, _)| (name, WritePermission::Unknown(why.clone())))),
    }
    outcomes
}

/// Returns the size of a record that a topic refuses, or why none is sent.
fn probe_length(topic: &Topic) -> Result<usize, &'static str> {
    match topic.settings.as_ref().ok().and_then(|settings| settings.max_message_bytes) {
        None => Err("its settings may not be read, so no record is sure to be refused"),
        Some(limit) if limit > PROBE_BYTES_MAX => Err("the topic takes records of any plausible size"),
        Some(limit) => usize::try_from(limit + 64 * 1024).map_err(|_| "the topic takes records of any size"),
    }
}

/// A producer for probes.
struct Prober {
    producer: ThreadedProducer<Probe>,
    outcome: mpsc::Receiver<Option<RDKafkaErrorCode>>,
    noise: Vec<u8>,
}

impl Prober {
    /// Makes a producer for probes of at most `longest` bytes.
    fn new(config: &Config, longest: usize) -> Result<Self, String> {
        let mut noise = vec![0; longest];
        getrandom::fill(&mut noise).map_err(|_| "the system returns no random bytes")?;
        let (sender, outcome) = mpsc::channel();
        let mut client = client_config(config.kafka.connection_properties());
        client.set("acks", "all").set("message.timeout.ms", TIMEOUT.as_millis().to_string());
        client.set("message.max.bytes", (longest + 64 * 1024).to_string()).set("message.send.max.retries", "0");
        let producer = client.create_with_context(Probe(sender)).map_err(|error| meanings::explain(&config.kafka, &error))?;
        Ok(Self { producer, outcome, noise })
    }

    fn probe(&self, topic: &str, length: usize) -> WritePermission {
        let unknown = |why: &str| WritePermission::Unknown(why.into());
        if self.producer.send(BaseRecord::<(), [u8]>::to(topic).payload(&self.noise[..length])).is_err() {
            return unknown("the probe could not be sent");
        }
        // After the time-out the producer fails the record, and reports that too.
        match self.outcome.recv_timeout(2 * TIMEOUT) {
            Ok(Some(RDKafkaErrorCode::MessageSizeTooLarge)) => WritePermission::Granted,
            Ok(Some(RDKafkaErrorCode::TopicAuthorizationFailed)) => WritePermission::Denied,
            Ok(Some(RDKafkaErrorCode::NotEnoughReplicas | RDKafkaErrorCode::NotEnoughReplicasAfterAppend)) => {
                WritePermission::FewInSync
            }
            Ok(Some(code)) => WritePermission::Unknown(format!("the broker answered {code:?}")),
            Ok(None) => {
                unknown("the broker stored the probe, a record of random bytes, although it is larger than the topic's limit")
            }
            Err(_) => unknown("the broker did not answer"),
        }
    }
}

/// The context of the producer, which sends the outcome of a probe to the [`Prober`].
struct Probe(mpsc::Sender<Option<RDKafkaErrorCode>>);

impl rdkafka::ClientContext for Probe {}

impl ProducerContext for Probe {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let code = result.as_ref().err().and_then(|(error, _)| error.rdkafka_error_code());
        // The receiver may have stopped waiting.
        let _gone = self.0.send(code);
    }
}
