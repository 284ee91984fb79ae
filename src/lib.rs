//! Hookgate turns verified webhooks into protobuf events on Kafka topics.
//!
//! The path of a webhook, in reading order: [`http`] admits a [`delivery::Delivery`]; its [`provider`] proves the sender with [`signature`]
//! and reads the body as an [`event::Event`]; [`encode`] makes the Kafka record; [`kafka`] waits for Kafka's acknowledgement; only then is
//! the answer 200. Around that path: [`registry`] asks for schema ids, [`config`] reads the configuration, [`app`] starts and stops the
//! daemon, [`admin`], [`metrics`] and [`spans`] report, [`outbound`] calls other services, [`aws`] gets Amazon's credentials, [`api`] asks the providers' own APIs, and [`command`] holds the
//! commands that people type.

pub mod http;
pub mod delivery;
pub mod provider;
pub mod signature;
pub mod signed_url;
pub mod event;
pub mod encode;
pub mod kafka;
pub mod registry;
pub mod error;
pub mod proto;

pub mod admin;
pub mod api;
pub mod app;
pub mod aws;
pub mod command;
pub mod clock;
pub mod closed;
pub mod config;
pub mod metrics;
pub mod outbound;
mod event_loop;
mod logged;
pub mod spans;
mod upkeep;
