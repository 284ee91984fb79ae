//! All code that knows Kafka.
//!
//! - Producing: [`Publisher::enqueue`] passes a record to librdkafka, [`Publisher::wait`] waits for the acknowledgement of all in-sync
//!   replicas. `unacknowledged` limits how many records wait for each topic. A thread, `supervisor`, looks the topics up, and builds a new
//!   producer after a fatal error or where `reload` finds changed credentials, so that nothing here ever needs a restart. `shared` is the
//!   state that the publisher and the supervisor share. Every failure is a 503 by one rule without exceptions: [`publisher::failure`].
//! - Clients: `client` makes them. librdkafka reports to `context` (the producers) and to `listener` (all other clients). `meanings` and
//!   `handshake` explain what librdkafka reports, `brokers` and `causes` keep what it has reported of each broker, `leaders` asks whether
//!   brokers answer, [`bootstrap`] finds out which of the configured addresses lead to a broker.
//!   `iam` makes the tokens for Amazon MSK.
//! - Administration: [`admin`] asks a cluster for its topics and creates them, [`guarantee`] judges their settings.
//! - Reading: [`read`] reads records of topics.
//! - A cluster in this process: [`mock`].

pub mod admin;
pub mod bootstrap;
mod brokers;
mod causes;
mod client;
mod context;
pub mod guarantee;
mod handshake;
mod iam;
mod leaders;
mod listener;
mod meanings;
pub mod mock;
mod publisher;
pub mod read;
mod reload;
mod shared;
mod supervisor;
mod topics;
mod unacknowledged;

pub use self::{
    client::{CLIENT_LIBRARY, librdkafka_version},
    context::Acknowledgement,
    publisher::{Pending, Publisher},
};

#[cfg(test)]
mod tests;
