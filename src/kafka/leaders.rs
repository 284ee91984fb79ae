//! Whether the brokers that lead Hookgate's partitions answer at the addresses that the cluster advertises.
//!
//! A client asks the configured addresses only for the advertised ones. If the advertised listener is wrong, every look-up succeeds and no
//! record can be stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    client::Client,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{Metadata, MetadataTopic},
};

use super::{
    causes::{Causes, Unreachable, address},
    listener::Listener,
};
use crate::metrics::Metrics;

/// How long a leader may take to answer. A broker that is there answers in milliseconds.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often a leader that does not answer is logged.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// How many brokers are asked at once: each that does not answer takes the whole time-out.
const AT_ONCE: usize = 8;

/// A broker that leads partitions of Hookgate's topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    /// The node id of the broker.
    pub(super) id: i32,
    /// The address that the cluster advertises for the broker, as `host:port`.
    pub(super) address: String,
    /// The topics that the broker leads a partition of, each with one such partition.
    pub(super) topics: BTreeMap<Arc<str>, i32>,
}

/// Adds the leaders of a topic's partitions to the known ones.
pub(super) fn add(leaders: &mut BTreeMap<i32, Leader>, metadata: &Metadata, topic: &MetadataTopic) {
    let name: Arc<str> = topic.name().into();
    // A topic or partition that comes with an error may name a wrong leader.
    let sure = topic.partitions().iter().filter(|partition| topic.error().is_none() && partition.error().is_none());
    for partition in sure {
        // A partition without a leader says -1, which is not a broker's id.
        let Some(broker) = metadata.brokers().iter().find(|broker| broker.id() == partition.leader()) else { continue };
        let new = || Leader { id: broker.id(), address: address(broker), topics: BTreeMap::new() };
        leaders.entry(broker.id()).or_insert_with(new).topics.insert(Arc::clone(&name), partition.id());
    }
}

/// Returns the leaders of the wanted topics that do not answer, with the last complaint about each. The consumer is that of a command.
pub(super) fn unreachable(
    consumer: &BaseConsumer<Listener>,
    metadata: &Metadata,
    wanted: impl Fn(&str) -> bool,
    timeout: Duration,
) -> Vec<Unreachable> {
    let mut leaders = BTreeMap::new();
    for topic in metadata.topics().iter().filter(|topic| wanted(topic.name())) {
        add(&mut leaders, metadata, topic);
    }
    let silent = silent(consumer.client(), leaders.values(), timeout);
    if !silent.is_empty() {
        Listener::hear(consumer);
    }
    silent.into_iter().map(|leader| consumer.context().causes.of(leader.id, &leader.address)).collect()
}

/// Asks each leader for an offset of a partition that it leads, which writes nothing. Returns the leaders that do not answer. Blocks for at
/// most `timeout` per eight leaders.
pub(super) fn silent<'a, C: ClientContext>(
    client: &Client<C>,
    leaders: impl IntoIterator<Item = &'a Leader>,
    timeout: Duration,
) -> Vec<&'a Leader> {
    let leaders: Vec<&Leader> = leaders.into_iter().collect();
    let mut silent = Vec::new();
    for some in leaders.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let asked: Vec<_> = some.iter().map(|leader| (*leader, scope.spawn(|| answers(client, leader, timeout)))).collect();
            silent.extend(asked.into_iter().filter_map(|(leader, answer)| (!answer.join().unwrap_or(false)).then_some(leader)));
        });
    }
    silent
}

fn answers<C: ClientContext>(client: &Client<C>, leader: &Leader, timeout: Duration) -> bool {
    leader.topics.first_key_value().is_some_and(|(topic, partition)| {
        // A broker that refuses the request has answered too.
        client.fetch_watermarks(topic, *partition, timeout).map_or_else(|error| !is_local(&error), |_| true)
    })
}

/// Returns whether an error is librdkafka's own, and not a broker's answer.
fn is_local(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_none_or(|code| (code as i32) < RDKafkaErrorCode::End as i32)
}

/// The known leaders of Hookgate's topics, and those that did not answer when they were last asked.
#[derive(Default)]
pub(super) struct LeaderWatch {
    known: BTreeMap<i32, Leader>,
    /// The leaders that did not answer, with the time of the last log line about each.
    silent: BTreeMap<i32, Instant>,
}

impl LeaderWatch {
    /// Returns the topics whose leaders must be asked again.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.silent.keys().filter_map(|id| self.known.get(id)).flat_map(|leader| leader.topics.keys())
    }

    /// Returns whether no leader of any topic is known.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Notes which brokers lead a topic now.
    pub(super) fn learn(&mut self, topic: &str, leaders: BTreeMap<i32, Leader>) {
        for leader in self.known.values_mut() {
            leader.topics.remove(topic);
        }
        for (id, Leader { address, topics, .. }) in leaders {
            let known = self.known.entry(id).or_insert_with(|| Leader { id, address: String::new(), topics: BTreeMap::new() });
            known.address = address;
            known.topics.extend(topics);
        }
        self.known.retain(|_, leader| !leader.topics.is_empty());
    }

    /// Asks the last known leaders of some topics, because leaders cannot be looked up while no broker answers. Logs leaders that stop or
    /// start answering. Returns whether at least one answers.
    pub(super) fn ask<C: ClientContext>(
        &mut self,
        client: &Client<C>,
        topics: &BTreeSet<Arc<str>>,
        causes: &Causes,
        metrics: &Metrics,
    ) -> bool {
        let leads = |leader: &&Leader| leader.topics.keys().any(|topic| topics.contains(topic));
        let asked: Vec<&Leader> = self.known.values().filter(leads).collect();
        let silent = silent(client, asked.iter().copied(), TIMEOUT);
        for leader in asked.iter().filter(|leader| !silent.contains(leader)) {
            causes.forget(leader.id);
            if self.silent.remove(&leader.id).is_some() {
                tracing::info!(broker = leader.id, address = leader.address, "the leader of topics answers now");
            }
        }
        for leader in &silent {
            if self.silent.get(&leader.id).is_none_or(|logged| logged.elapsed() >= REPEAT_AFTER) {
                self.silent.insert(leader.id, Instant::now());
                let Unreachable { address, cause } = causes.of(leader.id, &leader.address);
                let topics = leader.topics.len();
                tracing::error!(
                    broker = leader.id,
                    address,
                    cause,
                    topics,
                    "the leader of topics does not answer where the cluster says it is"
                );
            }
        }
        self.silent.retain(|id, _| self.known.contains_key(id));
        metrics.leaders_unreachable(self.silent.len());
        silent.len() < asked.len()
    }
}
