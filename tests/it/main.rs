//! The fast ring: the whole daemon against librdkafka's in-process mock cluster. This file is its table of contents.

#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod binary;
mod collector;
mod forks;
mod harness;
mod search;
mod stub;
mod table;
mod waits;
mod wire;

mod accept;
mod admin;
mod broker;
mod commands;
mod contact;
mod contract;
mod credentials;
mod docs;
mod farewell;
mod flood;
mod guides;
mod health;
mod hostile;
mod layers;
mod life;
mod limits;
mod listener;
mod logs;
#[cfg(target_os = "linux")]
mod memory;
mod metrics;
mod mistakes;
mod mistakes_commands;
mod operations;
mod outbound;
mod overload;
mod properties;
mod refuse;
mod registry;
mod schema;
mod secrets;
mod smuggle;
mod sources;
mod spans;
mod tail;
mod tidy;
mod tls;
mod verify;
