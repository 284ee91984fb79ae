//! Everything that knows Kafka.
//!
//! - Producing: [`Publisher::enqueue`] hands a record to librdkafka, [`Publisher::wait`] waits for the acknowledgement of all in-sync
//!   replicas. `unacknowledged` limits what waits for each topic. A thread, `supervisor`, looks the topics up, and builds a new producer after a
//!   fatal error or where `reload` finds changed credentials, so that nothing here ever needs a restart. `shared` is what the publisher and the
//!   supervisor share. Every failure is a 503 by one total rule: [`publisher::failure`].
//! - Clients: `client` makes them. librdkafka reports to `context` (the producers) and to `listener` (all others). `meanings` and
//!   `handshake` say what it means, `brokers` and `causes` what it has reported of each broker, `leaders` asks whether brokers answer,
//!   [`bootstrap`] which of the configured addresses lead to one.
//! - Administration: [`admin`] asks a cluster for its topics and creates them, [`guarantee`] judges their settings.
//! - Reading: [`read`].
//! - A cluster in this process: [`mock`].

pub mod admin;
pub mod bootstrap;
mod brokers;
mod causes;
mod client;
mod context;
pub mod guarantee;
mod handshake;
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
