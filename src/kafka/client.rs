//! Clients of librdkafka: how they are made, and which settings the library accepts.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{BaseProducer, Producer as _, PurgeConfig},
};

use super::{context::Context, meanings};
use crate::config::{ClientLibrary, Kafka, Security, in_our_keys};

/// How long one call to rdkafka's `poll` is. It counts in whole milliseconds, and waits without sleeping for what is left of the last one:
/// with the 100 ms of rdkafka's own `ThreadedProducer` that takes nearly one percent of a core, always.
const POLL: Duration = Duration::from_secs(1);

/// The producer of the daemon. A thread of its own calls the callbacks, until shortly after this is dropped.
pub(super) struct Producer {
    base: Arc<BaseProducer<Context>>,
    stop: Arc<AtomicBool>,
}

impl Producer {
    fn start(base: BaseProducer<Context>) -> std::io::Result<Self> {
        let producer = Self { base: Arc::new(base), stop: Arc::default() };
        let (base, stop) = (Arc::clone(&producer.base), Arc::clone(&producer.stop));
        thread::Builder::new().name("kafka-callbacks".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                base.poll(POLL);
            }
        })?;
        Ok(producer)
    }
}

impl Deref for Producer {
    type Target = BaseProducer<Context>;

    fn deref(&self) -> &Self::Target {
        &self.base
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The deliveries that still wait hear of it now, and not when the thread ends.
        self.base.purge(PurgeConfig::default().queue().inflight());
    }
}

/// librdkafka as the reader of the configuration asks it. This makes no connection.
pub const CLIENT_LIBRARY: ClientLibrary = ClientLibrary { refuses_property, refuses_tls, refuses };

/// Returns why librdkafka refuses a property with this value, looked at by itself, or `None` if it does not. The text never holds the value.
fn refuses_property(name: &str, value: &str) -> Option<String> {
    match client_config(vec![(name.to_owned(), value.to_owned())]).create_native_config() {
        Err(KafkaError::ClientConfig(_, description, ..)) => Some(in_our_keys(&hidden(&description, value))),
        _ => None,
    }
}

/// Returns why librdkafka cannot set up TLS with these properties and nothing else, or `None` if it can. Files and lists of TLS are read when a client is made.
fn refuses_tls(properties: &[(&str, &str)]) -> Option<String> {
    let of_tls = [("security.protocol", "ssl")].iter().chain(properties);
    let client = client_config(of_tls.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    let error = client.create::<BaseProducer>().err()?.to_string();
    Some(in_our_keys(&properties.iter().fold(error, |text, (_, value)| hidden(&text, value))))
}

/// Returns why librdkafka refuses the properties of the producer as a whole, or `None` if it does not.
fn refuses(kafka: &Kafka) -> Option<String> {
    if let Err(error) = client_config(kafka.client_properties()).create_native_config() {
        return Some(meanings::explain(kafka, &error));
    }
    // This one knows no brokers, and no user that it could ask a token for.
    let mut alone = kafka.client_properties();
    alone.retain(|(name, _)| name != "bootstrap.servers" && name != "security.protocol" && !name.starts_with("sasl."));
    let protocol = if kafka.security == Security::Plaintext { "plaintext" } else { "ssl" };
    alone.push(("security.protocol".into(), protocol.into()));
    client_config(alone).create::<BaseProducer>().err().map(|error| meanings::explain(kafka, &error))
}

/// A text without this value, which may be a secret.
fn hidden(text: &str, value: &str) -> String {
    if value.is_empty() { text.to_owned() } else { text.replace(value, "…") }
}

/// Returns the version of the librdkafka that is linked.
pub fn librdkafka_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

/// Returns a librdkafka configuration with these properties.
pub(super) fn client_config(properties: Vec<(String, String)>) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in properties {
        config.set(name, value);
    }
    config
}

pub(super) fn build(kafka: &Kafka, client: &ClientConfig, context: Context) -> Result<Producer, String> {
    let base = client.create_with_context(context.logging_in(kafka)).map_err(|error| meanings::explain(kafka, &error))?;
    Producer::start(base).map_err(|error| format!("cannot start the thread for Kafka's callbacks: {error}"))
}
