//! Clients of librdkafka: how they are made, and what the library takes.

use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{BaseProducer, ThreadedProducer},
};

use super::{context::Context, meanings};
use crate::config::{Kafka, Security};

/// The producer of the daemon.
pub(super) type Producer = ThreadedProducer<Context>;

/// Whether librdkafka knows every property of the producer and takes its value. No client is made for that, and nobody is connected to.
pub fn takes_properties(kafka: &Kafka) -> Result<(), String> {
    client_config(kafka.client_properties()).create_native_config().map(drop).map_err(|error| meanings::explain(kafka, &error))
}

/// Whether librdkafka can use the files of `[kafka.tls]`. What is wrong with them is in the error, and nothing of them.
pub fn takes_files(kafka: &Kafka) -> Result<(), String> {
    if matches!(kafka.security, Security::Plaintext) {
        return Ok(());
    }
    // The files of TLS are read when a client is made. This one knows no brokers, and no user that it could ask a token for.
    let mut tls = kafka.connection_properties();
    tls.retain(|(name, _)| name.starts_with("ssl.") || name.starts_with("enable.ssl."));
    tls.push(("security.protocol".into(), "ssl".into()));
    client_config(tls).create::<BaseProducer>().map(drop).map_err(|error| meanings::explain(kafka, &error))
}

/// Why librdkafka does not take a property with this value by itself, if it does not. Never holds the value.
pub fn refuses_property(name: &str, value: &str) -> Option<String> {
    match client_config(vec![(name.to_owned(), value.to_owned())]).create_native_config() {
        Err(KafkaError::ClientConfig(_, description, ..)) => Some(description.replace(value, "…")),
        _ => None,
    }
}

/// The version of the client library that is linked.
pub fn librdkafka_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

/// A librdkafka configuration from properties.
pub(super) fn client_config(properties: Vec<(String, String)>) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in properties {
        config.set(name, value);
    }
    config
}

pub(super) fn build(kafka: &Kafka, client: &ClientConfig, context: Context) -> Result<Producer, String> {
    client.create_with_context(context).map_err(|error| meanings::explain(kafka, &error))
}
