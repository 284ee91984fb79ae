//! The slow ring: Hookgate against a real Apache Kafka, read back by a consumer that is not ours. `make test-kafka` starts the
//! brokers and runs it. This file is its table of contents.

#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../it/binary.rs"]
#[allow(dead_code, reason = "the fast ring uses more of it")]
mod binary;
#[path = "../it/forks.rs"]
#[allow(dead_code, reason = "the fast ring uses more of it")]
mod forks;
#[path = "../it/harness.rs"]
#[allow(dead_code, reason = "the fast ring uses more of it")]
mod harness;
#[path = "../it/providers.rs"]
#[allow(dead_code, reason = "the fast ring uses more of it")]
mod providers;
#[path = "../it/recovery_world.rs"]
#[allow(dead_code, reason = "the fast ring uses more of it")]
mod recovery_world;
#[path = "../it/replay_world.rs"]
#[allow(dead_code, reason = "the fast ring uses more of it")]
mod replay_world;
#[path = "../it/secret_search.rs"]
mod secret_search;
#[path = "../it/waits.rs"]
#[allow(dead_code, reason = "the fast ring uses more of it")]
mod waits;
#[path = "../it/raw_http.rs"]
mod raw_http;
/// Brokers, the real binary, and the independent consumer.
mod support;

/// `hookgate topics --apply`, missing topics, and `hookgate check --cluster`.
mod topics;

/// What the mock cluster stores is what a real Kafka stores.
mod same_as_mock;

/// The official CloudEvents SDK for Python reads every record.
mod cloudevents;

/// Ten thousand deliveries: each 200 is a record, and nothing else is.
mod load;

/// Wrong ports and credentials, each said in one sentence.
mod mistakes;

/// Keys lie where the Java clients put them.
mod partitions;

/// What the consumers' contract promises and only another client or several partitions can show.
mod contract;

/// TLS, SASL and permissions.
mod secured;

/// Credentials that change under load.
mod rotation;

/// OAUTHBEARER: tokens of an issuer.
mod tokens;

/// Outages: from the start, and in the middle.
mod outage;

/// `hookgate dev --kafka` and `hookgate tail`.
mod dev;

/// What an outage has cost, and how it is got back.
mod recovery;

/// The same with thousands of made events.
mod recovery_model;

/// Quarantined deliveries, published after all.
mod replay;

/// A schema registry, read back with Confluent's own deserializer.
mod registry;

/// `hookgate tail` by time, and over transactions.
mod tail;
