//! The tests against a real Apache Kafka. A consumer that shares no code with Hookgate reads the records. `make test-kafka` starts the
//! brokers and runs these tests. This file is their table of contents.

#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../it/binary.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod binary;
#[path = "../it/first_steps.rs"]
mod first_steps;
#[path = "../it/forks.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod forks;
#[path = "../it/harness.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod harness;
#[path = "../it/mint.rs"]
mod mint;
#[path = "../it/providers.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod providers;
#[path = "../it/recovery_world.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod recovery_world;
#[path = "../it/replay_world.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod replay_world;
#[path = "../it/stage.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod stage;
#[path = "../it/secret_search.rs"]
mod secret_search;
#[path = "../it/waits.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod waits;
#[path = "../it/raw_http.rs"]
mod raw_http;
/// Brokers, the real binary, and the independent consumer.
mod stand_in;
mod support;

/// `hookgate topics --apply`, missing topics, and `hookgate check --cluster`.
mod topics;

/// `hookgate topics --format commands`, run as printed.
mod printed;

/// `hookgate init`, and all that it prints to do next.
mod init;

/// A real Kafka stores the same as the mock cluster.
mod same_as_mock;

/// The official CloudEvents SDK for Python reads every record.
mod cloudevents;

/// Ten thousand deliveries: each answer 200 has its record.
mod load;

/// Wrong ports and credentials, each reported in one sentence.
mod mistakes;

/// Keys are in the partitions that the Java clients choose.
mod partitions;

/// Promises to consumers that only another client or several partitions can test.
mod contract;

/// TLS, SASL and permissions.
mod secured;

/// Kafka's credentials change under load.
mod rotation;

/// OAUTHBEARER: log-in with tokens of an issuer.
mod tokens;

/// Amazon MSK: log-in with signed tokens.
mod msk;

/// Outages: from the start, and in the middle.
mod outage;

/// `hookgate dev --kafka` and `hookgate tail`.
mod dev;

/// What an outage has cost, and how it is got back.
mod quiet;
mod recovery;

/// The same where topics have deleted records.
mod retention;

/// The same while webhooks arrive.
mod recovery_beside;

/// The same with thousands of made events.
mod recovery_model;
mod recovery_own_topics;

/// The memory that a large project takes.
mod recovery_elsewhere;
mod recovery_memory;

/// Quarantined deliveries, published after all.
mod replay;

/// A schema registry, with Confluent's own deserializers.
mod registry;

/// `hookgate tail` by time, and with transactions.
mod tail;
