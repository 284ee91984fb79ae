//! Hookgate turns verified webhooks into protobuf events on Kafka topics.

pub mod http;
pub mod delivery;
pub mod provider;
pub mod signature;
pub mod event;
pub mod encode;
pub mod publish;
pub mod error;
pub mod proto;
pub mod admin;
pub mod app;
pub mod config;
pub mod metrics;
