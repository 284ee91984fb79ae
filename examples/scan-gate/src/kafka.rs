//! The clients for Kafka, and the two ways of reading.

use std::{
    collections::BTreeSet,
    error::Error,
    thread,
    time::{Duration, Instant},
};

use prost::DecodeError;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    producer::{DefaultProducerContext, ThreadedProducer},
};

use crate::PATIENCE;

/// The number of partitions of the topics that this program creates.
const PARTITIONS: i32 = 3;
/// How long a new topic may be unknown to a broker.
const PROPAGATION: Duration = Duration::from_secs(5);

/// Returns a producer with a transactional id. Of several processes with the same id only the newest can write.
pub(crate) fn producer(brokers: &str, name: &str) -> KafkaResult<ThreadedProducer<DefaultProducerContext>> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", name)
        // librdkafka's default puts keys on other partitions than the Java clients do.
        .set("partitioner", "murmur2_random")
        .create()
}

/// Returns a consumer that sees only committed records, and commits nothing by itself.
pub(crate) fn consumer(brokers: &str, group: &str) -> KafkaResult<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "false")
        .set("allow.auto.create.topics", "false")
        .create()
}

/// Assigns every partition of these topics to the consumer, from the group's committed offsets on. A decision needs all that is known of
/// an asset, whose scans are on other partitions than its files. So there is one reader, and not a group that shares the partitions.
pub(crate) fn assign_from_committed(consumer: &BaseConsumer, topics: &[String]) -> Result<(), Box<dyn Error>> {
    let mut partitions = TopicPartitionList::new();
    for topic in topics {
        for partition in partitions_of(consumer, topic)? {
            partitions.add_partition(topic, partition);
        }
    }
    let mut committed = consumer.committed_offsets(partitions, PATIENCE)?;
    let new: Vec<_> = committed.elements().iter().filter(|it| it.offset() == Offset::Invalid).map(place).collect();
    for (topic, partition) in new {
        committed.set_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    Ok(consumer.assign(&committed)?)
}

/// Returns whether there are new partitions, which this process does not read. Their records, also infections, would be missed.
pub(crate) fn has_grown(consumer: &BaseConsumer, topics: &[String]) -> Result<bool, Box<dyn Error>> {
    let mut there = 0;
    for topic in topics {
        there += partitions_of(consumer, topic)?.len();
    }
    Ok(there > consumer.assignment()?.count())
}

fn place(element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> (String, i32) {
    (element.topic().to_owned(), element.partition())
}

/// Calls `each` with key and value of every record of a topic, up to its current end.
pub(crate) fn read_all(
    brokers: &str,
    topic: &str,
    mut each: impl FnMut(String, Option<&[u8]>) -> Result<(), DecodeError>,
) -> Result<(), Box<dyn Error>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // librdkafka needs a group although nothing is committed.
        .set("group.id", "scan-gate-restore")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .create()?;
    let mut unread: BTreeSet<i32> = partitions_of(&consumer, topic)?.into_iter().collect();
    let mut partitions = TopicPartitionList::new();
    for partition in &unread {
        partitions.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&partitions)?;
    while !unread.is_empty() {
        match consumer.poll(PATIENCE) {
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(unread.remove(&partition)),
            Some(message) => {
                // A value that cannot be decoded is not from this program. Then no decision is better than a wrong one.
                let message = message?;
                each(String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(), message.payload())?;
            }
            None => return Err(format!("{topic} could not be read within {PATIENCE:?}").into()),
        }
    }
    Ok(())
}

/// Returns the partitions of a topic. Waits for a topic that was created a moment ago, because not every broker knows it at once.
fn partitions_of(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>, Box<dyn Error>> {
    let begin = Instant::now();
    loop {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        let found = metadata.topics().iter().find(|it| it.name() == topic && it.error().is_none());
        let partitions: Vec<_> =
            found.map(|it| it.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect()).unwrap_or_default();
        if !partitions.is_empty() {
            return Ok(partitions);
        }
        if begin.elapsed() > PROPAGATION {
            return Err(format!("there is no topic {topic}").into());
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Creates topics that keep the newest record of each key for ever. Existing topics stay as they are.
pub(crate) fn create_compacted(brokers: &str, topics: &[String], replicas: i32) -> Result<(), Box<dyn Error>> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    // Kafka's own default is 1: then an acknowledged record can be lost with one broker.
    let in_sync = if replicas >= 3 { "2" } else { "1" };
    let new = |name| {
        let new = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(replicas));
        new.set("cleanup.policy", "compact").set("min.insync.replicas", in_sync)
    };
    let topics: Vec<_> = topics.iter().map(|name| new(name)).collect();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for created in runtime.block_on(admin.create_topics(&topics, &options))? {
        match created {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(format!("{topic}: {code}").into()),
        }
    }
    Ok(())
}
