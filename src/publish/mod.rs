//! Publishing: the only module that knows Kafka.
//!
//! [`Publisher::enqueue`] hands a record to librdkafka, [`Publisher::wait`] waits for the acknowledgement of all in-sync replicas.
//! A supervisor thread ([`supervisor`]) looks the topics up, and builds a new producer after a fatal error or where credentials have
//! changed ([`reload`]), so that nothing here ever needs a restart. Every failure is a 503 by one total rule: [`publisher::failure`].

mod brokers;
mod causes;
mod client;
pub mod cluster;
mod context;
pub mod guarantee;
mod handshake;
mod leaders;
mod listener;
pub mod mock;
mod publisher;
pub mod read;
mod reload;
mod shared;
mod supervisor;
mod texts;
mod topics;
mod waiting;

pub use self::{
    client::{librdkafka_version, refuses_property, takes_files, takes_properties},
    context::Acknowledgement,
    publisher::{Pending, Publisher},
};

#[cfg(test)]
mod tests;
