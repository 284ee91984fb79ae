//! The fast tests: the whole daemon against librdkafka's in-process mock cluster. This file is their table of contents.

#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod binary;
mod collector;
mod forks;
mod harness;
mod hostile_peer;
mod printed_topics;
mod providers;
mod raw_http;
mod request_reader;
mod request_table;
mod secret_search;
mod waits;

mod accept;
mod admin;
mod advertised_listener;
mod alerts;
mod audit_log;
mod broker;
mod capture;
mod commands;
mod completions;
mod contract;
mod credentials;
mod dev;
mod dev_connections;
mod doctor;
mod doctor_public;
mod first_steps;
mod docs;
mod docs_configuration;
mod docs_guides;
mod docs_numbers;
mod docs_providers;
mod flood;
mod health;
mod hostile;
mod init;
mod inspector;
mod inspector_bodies;
mod inspector_copied;
mod inspector_outage;
mod inspector_page;
mod inspector_strangers;
mod kafka_reached;
mod last_accepts;
mod layers;
mod lifecycle;
mod limits;
mod logs;
#[cfg(target_os = "linux")]
mod memory;
mod metrics;
mod mint;
mod mistakes;
mod mistakes_commands;
mod outbound;
mod overload;
mod own_topics;
mod pages;
mod properties;
mod rebuild_ready;
mod recovery;
mod recovery_doubts;
mod recovery_filespin;
mod recovery_output;
mod recovery_resume;
mod recovery_scans;
#[allow(dead_code, reason = "the tests against a real Kafka use more of it")]
mod recovery_world;
mod refusal_limit;
mod refuse;
mod reissue;
mod registry;
mod replay;
#[allow(dead_code, reason = "the tests against a real Kafka use more of it")]
mod replay_world;
#[allow(dead_code, reason = "the tests against a real Kafka use more of it")]
mod stage;
mod subscribe;
mod subscribe_frameio;
mod subscriptions;
mod schema;
mod rotation;
mod secrets;
mod signed_urls;
mod smuggle;
mod spans;
mod tail;
mod tidy;
mod tls;
mod transcripts;
mod verify;
mod verify_early;
mod whole_requests;
