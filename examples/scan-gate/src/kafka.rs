//! Clients, and the two ways of reading.

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

/// Partitions of the topics that are created here.
const PARTITIONS: i32 = 3;
/// How long a topic may be missing that is there.
const PROPAGATION: Duration = Duration::from_secs(5);

/// A producer that belongs to one transactional id: of several processes only the newest can write.
pub(crate) fn producer(brokers: &str, name: &str) -> KafkaResult<ThreadedProducer<DefaultProducerContext>> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", name)
        // The default of librdkafka puts keys elsewhere than the Java clients do.
        .set("partitioner", "murmur2_random")
        .create()
}

/// A consumer that sees only what was committed, and commits nothing by itself.
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

/// Takes every partition of these topics, from where the group had come. A decision needs all that is known of an asset, whose scans lie
/// on other partitions than its files: so there is one reader, and not a group that shares the partitions out.
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

/// Whether there are partitions that are not read, because they came later: what lies there, an infection too, would be overlooked.
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

/// Hands over key and value of every record of a topic, up to its end as it is now.
pub(crate) fn read_all(
    brokers: &str,
    topic: &str,
    mut each: impl FnMut(String, Option<&[u8]>) -> Result<(), DecodeError>,
) -> Result<(), Box<dyn Error>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        // librdkafka asks for a name although nothing is committed.
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
                // What cannot be read here was not written by this program: better none than a wrong decision.
                let message = message?;
                each(String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(), message.payload())?;
            }
            None => return Err(format!("{topic} could not be read within {PATIENCE:?}").into()),
        }
    }
    Ok(())
}

/// A topic that was created a moment ago is not known to every broker at once.
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

/// Creates topics that keep the newest record of each key for ever. Those that exist stay what they are.
pub(crate) fn create_compacted(brokers: &str, topics: &[String], replicas: i32) -> Result<(), Box<dyn Error>> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    // Kafka's own default is 1: then what was acknowledged can be lost with one broker.
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
