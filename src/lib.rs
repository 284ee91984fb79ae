//! Hookgate turns verified webhooks into protobuf events on Kafka topics.

pub mod delivery;
pub mod provider;
pub mod signature;
pub mod event;
pub mod encode;
pub mod error;
pub mod proto;
pub mod config;
