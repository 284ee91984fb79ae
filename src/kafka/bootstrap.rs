//! Checks which addresses of `[kafka] brokers` lead to a broker.

use std::{thread, time::Duration};

use rdkafka::consumer::Consumer as _;

use super::{client::client_config, iam::Tokens, listener::Listener};
use crate::config::Kafka;

/// How long one address may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns `[kafka]` with only those addresses that lead to a broker, and one sentence on each other address. It asks all at once. librdkafka
/// itself chooses an address by chance, so with one that leads to a controller it would sometimes fail. A single address is not asked.
/// Fails with the sentences if no address can be used.
pub fn usable(kafka: &Kafka) -> Result<(Kafka, Vec<String>), Vec<String>> {
    if kafka.brokers.len() < 2 {
        return Ok((kafka.clone(), Vec::new()));
    }
    // Without credentials each address would fail for the same reason, which is none of its own.
    if let Some(why) = Tokens::of(kafka).and_then(|tokens| tokens.failure()) {
        return Err(vec![why]);
    }
    let answers: Vec<_> = thread::scope(|scope| {
        let asked: Vec<_> = kafka.brokers.iter().map(|broker| scope.spawn(move || ask(kafka, broker))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap_or_else(|_| Err("it could not be asked".into()))).collect()
    });
    let (mut brokers, mut unusable) = (Vec::new(), Vec::new());
    for (broker, answer) in kafka.brokers.iter().zip(answers) {
        match answer {
            Ok(()) => brokers.push(broker.clone()),
            Err(why) => unusable.push(format!("[kafka] brokers: {why}")),
        }
    }
    if brokers.is_empty() { Err(unusable) } else { Ok((Kafka { brokers, ..kafka.clone() }, unusable)) }
}

/// Succeeds if a broker answers at this address; the error says why none does.
fn ask(kafka: &Kafka, broker: &str) -> Result<(), String> {
    let kafka = Kafka { brokers: vec![broker.to_owned()], ..kafka.clone() };
    let listener = Listener::new(&kafka);
    let consumer = listener.clone().consumer(client_config(kafka.connection_properties()))?;
    consumer.fetch_metadata(None, TIMEOUT).map(drop).map_err(|error| listener.explain(&consumer, &error))
}
