//! scan-gate: verdicts of FileSafety and infections found by Uploadcare become one decision per asset.
//!
//! Read a batch, raise the state (`gate`), publish what changed and the offsets of the batch in one transaction. Any error ends the
//! process: the next one starts from what was committed, so there is no second way back that would have to be right too.

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

/// The longest wait for anything of Kafka's.
const PATIENCE: Duration = Duration::from_secs(30);
/// A transaction costs a few round trips, whatever it holds: many records share one.
const BATCH: usize = 1000;
const BATCH_WAIT: Duration = Duration::from_millis(100);
/// How often new partitions are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Approves, quarantines and has scanned again: one decision per asset.
#[derive(Debug, Parser)]
struct Arguments {
    /// The brokers, comma-separated.
    #[arg(long, default_value = "127.0.0.1:19092")]
    brokers: String,
    /// What Hookgate's topics begin with.
    #[arg(long, default_value = "hookgate.")]
    prefix: String,
    /// What this program's own topics begin with; also its consumer group and its transactional id.
    #[arg(long, default_value = "scan-gate")]
    name: String,
    /// Create its own topics first, compacted, with so many replicas.
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

    /// All that is read. Uploadcare's virus scan comes with whichever event follows it.
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

/// The order of the first three steps matters. Taking the transactional id first ends what an earlier process left open, and shuts
/// that process out should it still live; only then are the state and the offsets what they will stay.
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
            // Where Kafka does not answer, there is nothing to read either.
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

/// The state as the decisions tell it.
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

/// Reads what there is, up to a batch, and returns the offsets to go on from.
fn read_batch(consumer: &BaseConsumer, gate: &mut Gate, submissions: &str) -> Result<TopicPartitionList, Box<dyn Error>> {
    let mut offsets = TopicPartitionList::new();
    for _ in 0..BATCH {
        let message = match consumer.poll(BATCH_WAIT) {
            None => break,
            // librdkafka mends these by itself: a broker that went away, a leader that moved.
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
        // A record that is none of ours must not stop the gate, and reading it again would not help.
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

/// Topic, key and value of what is to be published.
fn records(arguments: &Arguments, changes: Changes) -> Vec<(String, String, Option<Vec<u8>>)> {
    let decisions = changes.decisions.into_iter().map(|it| (arguments.decisions(), it.asset.clone(), Some(it.encode_to_vec())));
    let unknown = changes.unknown.into_iter().map(|(id, scan)| (arguments.unknown(), id, scan.map(|it| it.encode_to_vec())));
    decisions.chain(unknown).collect()
}
