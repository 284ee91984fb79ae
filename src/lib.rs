//! Hookgate turns verified webhooks into protobuf events on Kafka topics.

pub mod proto;
