//! The one broker of `scripts/kafka/broker`.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::repository::root;

const PORT: u16 = 20590;
const PATIENCE: Duration = Duration::from_secs(20);

/// The running broker. Dropping it stops the broker.
pub(super) struct Broker;

impl Broker {
    pub(super) fn start() -> Result<Self, String> {
        // Stops a broker that an interrupted run left running.
        script("stop")?;
        let broker = Self;
        script("start")?;
        Ok(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Err(error) = script("stop") {
            eprintln!("{error}");
        }
    }
}

/// The address at which clients reach the broker.
pub(super) fn address() -> String {
    format!("127.0.0.1:{PORT}")
}

pub(crate) fn script(command: &str) -> Result<(), String> {
    let mut script = Command::new(root().join("scripts/kafka/broker"));
    script.args([command, "--port", &PORT.to_string()]).stdin(Stdio::null()).stdout(Stdio::null());
    let status = script.status().map_err(|error| format!("scripts/kafka/broker: {error}"))?;
    status.success().then_some(()).ok_or_else(|| format!("scripts/kafka/broker {command} failed"))
}

/// Returns how many records were ever written to the topics with this prefix. Old records may be deleted from the disk by now, but Kafka
/// does not use their offsets again.
pub(super) fn records(prefix: &str) -> Result<u64, String> {
    let text = |error: rdkafka::error::KafkaError| format!("asking the broker: {error}");
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", address()).create().map_err(text)?;
    let metadata = consumer.fetch_metadata(None, PATIENCE).map_err(text)?;
    let mut records = 0;
    for topic in metadata.topics().iter().filter(|topic| topic.name().starts_with(prefix)) {
        for partition in topic.partitions() {
            let (_, high) = consumer.fetch_watermarks(topic.name(), partition.id(), PATIENCE).map_err(text)?;
            records += u64::try_from(high).unwrap_or(0);
        }
    }
    Ok(records)
}
