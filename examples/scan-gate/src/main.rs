//! scan-gate: verdicts of FileSafety and infections found by Uploadcare become one decision per asset.
//!
//! The program reads a batch, raises the state (`gate`), and publishes the changes and the offsets of the batch in one transaction. Every
//! error ends the process. The next process starts from what was committed, so recovery has only one path that must be right.

mod gate;
mod kafka;

/// Generated from the schemas; see `build.rs`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod proto {
    pub(crate) mod hookgate {
        pub(crate) mod v1 {
            include!(concat!(env!("OUT_DIR"), "/hookgate.v1.rs"));
        }
    }
    pub(crate) mod scangate {
        pub(crate) mod v1 {
            include!(concat!(env!("OUT_DIR"), "/scangate.v1.rs"));
        }
    }
}

use std::{
    error::Error,
    time::{Duration, Instant},
};

use clap::Parser;
use prost::Message as _;
use rdkafka::{
    Message as _, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    producer::{BaseRecord, Producer as _},
};

use crate::{
    gate::{Changes, Gate},
    proto::{
        hookgate::v1::Event,
        scangate::v1::{Decision, Scan, Submission},
    },
};

/// The longest wait for an answer of Kafka.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most records of one transaction. A transaction costs a few round trips, however many records it holds.
const BATCH: usize = 1000;
const BATCH_WAIT: Duration = Duration::from_millis(100);
/// The time between two checks for new partitions.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Decides for each asset: approve, quarantine, review, or scan again.
#[derive(Debug, Parser)]
struct Arguments {
    /// The brokers, comma-separated.
    #[arg(long, default_value = "127.0.0.1:19092")]
    brokers: String,
    /// The prefix of Hookgate's topics.
    #[arg(long, default_value = "hookgate.")]
    prefix: String,
    /// The prefix of this program's own topics; also its consumer group and its transactional id.
    #[arg(long, default_value = "scan-gate")]
    name: String,
    /// Create this program's own topics first, compacted, with this number of replicas.
    #[arg(long, value_name = "REPLICAS")]
    create_topics: Option<i32>,
}

impl Arguments {
    fn submissions(&self) -> String {
        format!("{}.submissions", self.name)
    }

    fn decisions(&self) -> String {
        format!("{}.decisions", self.name)
    }

    fn unknown(&self) -> String {
        format!("{}.unknown-scans", self.name)
    }

    /// Returns all topics that are read. The result of Uploadcare's virus scan comes with the next event of any type.
    fn inputs(&self) -> Vec<String> {
        let events = ["filesafety.scan.complete", "filesafety.scan.verdict_updated"];
        let files =
            ["uploadcare.file.uploaded", "uploadcare.file.stored", "uploadcare.file.infected", "uploadcare.file.info_updated"];
        let hookgate = events.into_iter().chain(files).map(|it| format!("{}{it}", self.prefix));
        hookgate.chain([self.submissions()]).collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(replicas) = arguments.create_topics {
        let topics = [arguments.submissions(), arguments.decisions(), arguments.unknown()];
        kafka::create_compacted(&arguments.brokers, &topics, replicas)?;
    }
    run(&arguments)
}

/// Runs until an error. The order of the first three steps matters. Taking the transactional id first ends the open transaction of an
/// earlier process, and fences that process if it still runs. Only after that nobody else changes the state and the offsets.
fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let producer = kafka::producer(&arguments.brokers, &arguments.name)?;
    producer.init_transactions(PATIENCE)?;
    let mut gate = restore(arguments)?;
    let consumer = kafka::consumer(&arguments.brokers, &arguments.name)?;
    let inputs = arguments.inputs();
    kafka::assign_from_committed(&consumer, &inputs)?;
    eprintln!("scan-gate is ready");

    let mut looked = Instant::now();
    loop {
        if looked.elapsed() > LOOK_EVERY {
            // If Kafka does not answer, there is nothing to read either.
            if kafka::has_grown(&consumer, &inputs).unwrap_or(false) {
                return Err("there are new partitions, which the next process will read".into());
            }
            looked = Instant::now();
        }
        let offsets = read_batch(&consumer, &mut gate, &arguments.submissions())?;
        if offsets.count() == 0 {
            continue;
        }
        producer.begin_transaction()?;
        for (topic, key, value) in records(arguments, gate.changes()) {
            let record = BaseRecord::to(&topic).key(&key);
            let record = if let Some(value) = &value { record.payload(value) } else { record };
            producer.send(record).map_err(|(error, _)| error)?;
        }
        let group = consumer.group_metadata().ok_or("the consumer has no group")?;
        producer.send_offsets_to_transaction(&offsets, &group, PATIENCE)?;
        producer.commit_transaction(PATIENCE)?;
    }
}

/// Returns the state that the published decisions and reports hold.
fn restore(arguments: &Arguments) -> Result<Gate, Box<dyn Error>> {
    let mut gate = Gate::default();
    kafka::read_all(&arguments.brokers, &arguments.decisions(), |_, value| {
        value.map(Decision::decode).transpose()?.into_iter().for_each(|decision| gate.restore(decision));
        Ok(())
    })?;
    kafka::read_all(&arguments.brokers, &arguments.unknown(), |id, value| {
        gate.restore_unknown(id, value.map(Scan::decode).transpose()?.as_ref());
        Ok(())
    })?;
    Ok(gate)
}

/// Reads the available records, up to a batch, and returns the offsets after them.
fn read_batch(consumer: &BaseConsumer, gate: &mut Gate, submissions: &str) -> Result<TopicPartitionList, Box<dyn Error>> {
    let mut offsets = TopicPartitionList::new();
    for _ in 0..BATCH {
        let message = match consumer.poll(BATCH_WAIT) {
            None => break,
            // librdkafka recovers from these by itself: a broker that went away, a leader that moved.
            Some(Err(KafkaError::MessageConsumption(code))) => {
                eprintln!("reading: {code}");
                break;
            }
            Some(message) => message?,
        };
        let value = message.payload().unwrap_or_default();
        let outcome = if message.topic() == submissions {
            Submission::decode(value).map(|submission| gate.submission(submission))
        } else {
            Event::decode(value).map(|event| gate.event(&event))
        };
        // A record that cannot be decoded must not stop the gate, and reading it again would not help.
        if let Err(error) = outcome {
            eprintln!("skipped {}[{}]@{}: {error}", message.topic(), message.partition(), message.offset());
        }
        let next = rdkafka::Offset::Offset(message.offset() + 1);
        match offsets.find_partition(message.topic(), message.partition()) {
            Some(mut known) => known.set_offset(next)?,
            None => offsets.add_partition_offset(message.topic(), message.partition(), next)?,
        }
    }
    Ok(offsets)
}

/// Returns topic, key and value of each record to publish.
fn records(arguments: &Arguments, changes: Changes) -> Vec<(String, String, Option<Vec<u8>>)> {
    let decisions = changes.decisions.into_iter().map(|it| (arguments.decisions(), it.asset.clone(), Some(it.encode_to_vec())));
    let unknown = changes.unknown.into_iter().map(|(id, scan)| (arguments.unknown(), id, scan.map(|it| it.encode_to_vec())));
    decisions.chain(unknown).collect()
}
