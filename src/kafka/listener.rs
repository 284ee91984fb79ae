//! The callbacks of a client that asks the cluster something: of every client except the daemon's own producers.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{causes::Causes, iam::Tokens, meanings};
use crate::{config::Kafka, logged::printable};

/// The callbacks of a client that asks the cluster something. They keep the cause of a failure, because the failed call itself only says
/// that no broker answered.
#[derive(Clone)]
pub(super) struct Listener {
    kafka: Arc<Kafka>,
    /// The first error that librdkafka reported.
    first: Arc<Mutex<Option<String>>>,
    /// The first known text below an error: librdkafka reports a connection that is closed without a word not as an error.
    remark: Arc<Mutex<Option<String>>>,
    /// The last complaint about each broker.
    pub(super) causes: Causes,
    tokens: Option<Tokens>,
}

impl Listener {
    /// Returns the callbacks for a client with this configuration.
    pub(super) fn new(kafka: &Kafka) -> Self {
        Self {
            kafka: Arc::new(kafka.clone()),
            first: Arc::default(),
            remark: Arc::default(),
            causes: Causes::default(),
            tokens: Tokens::of(kafka),
        }
    }

    /// Returns a consumer with these callbacks. It also reports texts below an error. Fails where there are no credentials to log in with.
    pub(super) fn consumer(self, mut client: ClientConfig) -> Result<BaseConsumer<Self>, String> {
        let kafka = Arc::clone(&self.kafka);
        let consumer: BaseConsumer<Self> = client
            .set_log_level(RDKafkaLogLevel::Info)
            .create_with_context(self)
            .map_err(|error| meanings::explain(&kafka, &error))?;
        if let Some(tokens) = &consumer.context().tokens {
            // librdkafka asks for the first token only while polling. Before that no request can be sent.
            let _event = consumer.poll(Duration::ZERO);
            tokens.failure().map_or(Ok(()), Err)?;
        }
        Ok(consumer)
    }

    /// Returns why the first call of this client failed: what librdkafka's text means, or the text itself where the meaning is not known.
    pub(super) fn explain(&self, client: &BaseConsumer<Self>, error: &KafkaError) -> String {
        let text = |kept: &Mutex<Option<String>>| kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let brokers = self.kafka.brokers.join(",");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnsupportedFeature) {
            return format!(
                "the brokers {brokers} cannot be used: what answers is no broker, probably the controller: write the port of a broker's \
                 listener in [kafka] brokers ({error})"
            );
        }
        for _ in 0..10 {
            // librdkafka may switch from the configured addresses to the advertised ones before it has an answer.
            if let Some(sentence) = self.causes.sentence(&self.kafka) {
                return sentence;
            }
            if let Some(cause) = text(&self.first) {
                return match meanings::meaning(&self.kafka, meanings::address(&cause), &cause) {
                    Some(meaning) => format!("the brokers {brokers} do not answer as they should: {meaning}"),
                    None => format!("the brokers {brokers} do not answer: {} ({error})", printable(&cause)),
                };
            }
            // Callbacks run only while polling. No partition is assigned, so no record can come.
            let _event = client.poll(Duration::from_millis(20));
        }
        match text(&self.remark).and_then(|remark| meanings::meaning(&self.kafka, None, &remark)) {
            Some(meaning) => format!("the brokers {brokers} do not answer as they should: {meaning}"),
            // A port that speaks another protocol closes the connection without a word.
            None => format!("the brokers {brokers} do not answer: {error}; are host, port and [kafka] security right?"),
        }
    }

    /// Runs the callbacks for what librdkafka has to report so far, which happens only while polling. No partition is assigned, so no
    /// record can come.
    pub(super) fn hear(client: &BaseConsumer<Self>) {
        for _ in 0..10 {
            let _event = client.poll(Duration::from_millis(20));
        }
    }
}

impl ClientContext for Listener {
    /// librdkafka's own method, `OpenID` Connect, does not ask this callback.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        Ok(self.tokens.as_ref().ok_or("no mechanism of ours")?.token()?)
    }

    fn log(&self, level: RDKafkaLogLevel, _facility: &str, message: &str) {
        // The message begins with the name of a thread.
        let message = message.split_once("]: ").map_or(message, |(_, message)| message);
        let is_error = level as i32 <= RDKafkaLogLevel::Error as i32;
        let kept = if is_error { &self.first } else { &self.remark };
        if is_error || meanings::is_known(message) {
            self.causes.note(message);
            // The first text is the cause; later ones are its effects.
            kept.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| message.to_owned());
        }
    }
}

impl ConsumerContext for Listener {}
