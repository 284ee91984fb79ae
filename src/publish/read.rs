//! Reading topics back, for `hookgate tail` and `hookgate dev`. Partitions are assigned, never subscribed: no consumer group appears in
//! the cluster and nothing is committed.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _},
};

use super::{
    client_config,
    context::{self, Listener},
};
use crate::config::Kafka;

/// How long one question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// After how long a question is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record.
    Beginning,
    /// With the next record to come.
    End,
}

/// One record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record timestamp in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The key.
    pub key: Vec<u8>,
    /// The headers in order; values that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The value.
    pub value: Vec<u8>,
}

/// Reads records of a set of topics.
pub struct Reader {
    consumer: BaseConsumer<Listener>,
    /// For each partition that was not empty: the offset behind its last record when reading began.
    ends: BTreeMap<(String, i32), i64>,
}

/// What a wait for a record brought.
#[derive(Debug)]
pub enum Read {
    /// A record.
    Record(Stored),
    /// Nothing within the time.
    Nothing,
    /// Every record that was there when reading began has been read.
    CaughtUp,
}

impl Reader {
    /// Opens topics, named or, with a trailing `*`, by prefix. Fails when none of them exists.
    pub fn open(kafka: &Kafka, topics: &[String], start: Start) -> Result<Self, String> {
        let mut client = client_config(kafka.connection_properties());
        client.set("group.id", "hookgate-tail").set("enable.auto.commit", "false").set("enable.partition.eof", "false");
        client.set("fetch.wait.max.ms", "100");
        let listener = Listener::default();
        let consumer: BaseConsumer<Listener> =
            client.create_with_context(listener.clone()).map_err(|error| context::explain(&error))?;
        let metadata = consumer.fetch_metadata(None, TIMEOUT).map_err(|error| {
            format!("the brokers {} do not answer: {}", kafka.brokers.join(","), listener.explain(&consumer, &error))
        })?;
        let wanted = |name: &str| {
            topics.iter().any(|topic| match topic.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == topic,
            })
        };
        let mut assignment = TopicPartitionList::new();
        let mut ends = BTreeMap::new();
        for topic in metadata.topics().iter().filter(|topic| wanted(topic.name())) {
            for partition in topic.partitions() {
                let (low, high) = watermarks(&consumer, topic.name(), partition.id())
                    .map_err(|error| format!("cannot read the offsets of {}: {error}", topic.name()))?;
                let offset = match start {
                    Start::Beginning => low,
                    Start::End => high,
                };
                assignment
                    .add_partition_offset(topic.name(), partition.id(), Offset::Offset(offset))
                    .map_err(|error| error.to_string())?;
                if offset < high {
                    ends.insert((topic.name().to_owned(), partition.id()), high);
                }
            }
        }
        if assignment.count() == 0 {
            return Err(format!("no such topic: {}; `hookgate topics` lists the configured ones", topics.join(" ")));
        }
        consumer.assign(&assignment).map_err(|error| error.to_string())?;
        Ok(Self { consumer, ends })
    }

    /// Waits for the next record, at most `wait`.
    pub fn next(&mut self, wait: Duration) -> Result<Read, String> {
        if self.ends.is_empty() && wait.is_zero() {
            return Ok(Read::CaughtUp);
        }
        match self.consumer.poll(wait) {
            None => Ok(if self.ends.is_empty() { Read::CaughtUp } else { Read::Nothing }),
            Some(Ok(message)) => {
                let stored = stored(&message);
                let place = (stored.topic.clone(), stored.partition);
                if self.ends.get(&place).is_some_and(|end| stored.offset + 1 >= *end) {
                    self.ends.remove(&place);
                }
                Ok(Read::Record(stored))
            }
            // librdkafka goes on trying by itself.
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown,
            ))) => Ok(Read::Nothing),
            Some(Err(error)) => Err(error.to_string()),
        }
    }

    /// Whether every record that was there when reading began has been read.
    pub fn caught_up(&self) -> bool {
        self.ends.is_empty()
    }
}

/// The offsets of a partition's oldest record and of the one to come. A topic that was just created, or whose leader has just moved, is
/// listed before its leader knows of it.
fn watermarks(consumer: &BaseConsumer<Listener>, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
    let begin = Instant::now();
    loop {
        match consumer.fetch_watermarks(topic, partition, TIMEOUT) {
            Err(error) if passes(&error) && begin.elapsed() < TIMEOUT => thread::sleep(AGAIN_AFTER),
            result => return result,
        }
    }
}

/// Whether an answer is only that of a cluster that is still finding out.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition, UnknownTopicOrPartition};
    matches!(error.rdkafka_error_code(), Some(LeaderNotAvailable | NotLeaderForPartition | UnknownTopicOrPartition))
}

fn stored(message: &BorrowedMessage<'_>) -> Stored {
    let headers = message.headers().map(|headers| {
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
    });
    Stored {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
        value: message.payload().unwrap_or_default().to_vec(),
    }
}
