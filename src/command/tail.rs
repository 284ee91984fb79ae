//! `hookgate tail`: topics as JSON lines.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Outcome, Source, printable};
use crate::{
    config::{Environment, Kafka, kafka_alone},
    proto,
    publish::read::{Read, Reader, Start, Stored},
};

/// How long one wait for a record is; a closed output is noticed after it.
const WAIT: Duration = Duration::from_millis(500);

/// Decode topics to JSON lines.
///
/// No consumer group is joined and nothing is committed. Without a topic, all topics of the configuration are read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate tail
  hookgate tail hookgate.filesafety.scan.complete --from-beginning
  hookgate tail 'hookgate.uploadcare.*' --brokers localhost:9092 --from-beginning --exit | jq .event.uploadcare_file")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Topics; a trailing `*` stands for any ending.
    topics: Vec<String>,
    /// Begin with the oldest record instead of the next one.
    #[arg(long)]
    from_beginning: bool,
    /// Stop when everything that was there has been read.
    #[arg(long)]
    exit: bool,
    /// Stop after this many records.
    #[arg(long, value_name = "RECORDS")]
    limit: Option<usize>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Outcome {
    let (kafka, topics) = resolve(arguments, environment)?;
    let start = if arguments.from_beginning { Start::Beginning } else { Start::End };
    let mut reader = Reader::open(&kafka, &topics, start)?;
    let mut out = io::stdout().lock();
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    while left > 0 && !(arguments.exit && reader.caught_up()) {
        if let Read::Record(stored) = reader.next(WAIT)? {
            writeln!(out, "{}", printable(&to_json(&stored).to_string()))?;
            left -= 1;
        }
        out.flush()?;
    }
    Ok(true)
}

/// The cluster and the topics. Brokers and topics on the command line need no configuration file.
fn resolve(arguments: &Arguments, environment: &Environment) -> Result<(Kafka, Vec<String>), super::Failure> {
    if let (Some(brokers), false) = (&arguments.source.brokers, arguments.source.exists()) {
        let topics = match arguments.topics.as_slice() {
            [] => vec!["hookgate.*".to_owned()],
            topics => topics.to_vec(),
        };
        return Ok((kafka_alone(brokers, environment)?, topics));
    }
    let config = arguments.source.load(environment)?;
    let topics = match arguments.topics.as_slice() {
        [] => crate::app::topic_table(&config).by_topic().keys().map(ToString::to_string).collect(),
        topics => topics.to_vec(),
    };
    Ok((config.kafka, topics))
}

/// A record as one JSON object. A value that is no event is told as such and kept as hex.
pub(super) fn to_json(stored: &Stored) -> Value {
    let mut line = Map::new();
    line.insert("topic".into(), json!(stored.topic));
    line.insert("partition".into(), json!(stored.partition));
    line.insert("offset".into(), json!(stored.offset));
    line.insert("timestamp_ms".into(), json!(stored.timestamp_ms));
    line.insert("key".into(), json!(String::from_utf8_lossy(&stored.key)));
    let headers: Map<_, _> = stored.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    line.insert("headers".into(), headers.into());
    let message = match proto::unframe(&stored.value) {
        Some((id, message)) => {
            line.insert("schema_id".into(), json!(id));
            message
        }
        None => &stored.value,
    };
    match proto::event_to_json(message) {
        Some(event) => line.insert("event".into(), event),
        None => line.insert("not_an_event_hex".into(), json!(hex::encode(&stored.value))),
    };
    line.into()
}
