//! HTTP on the webhook side. No other module there knows HTTP.
//!
//! `accept` accepts connections, `protocol` serves the requests of one connection, `deliver` is the path of a webhook, and `outcome` counts
//! and logs how each request ended.

mod accept;
mod answer;
mod captured;
mod connections;
pub mod delay;
mod deliver;
mod endpoint;
pub mod gate;
mod health;
mod intake;
mod lines;
mod message;
mod outcome;
mod patience;
mod phase;
mod protocol;
mod readiness;
mod receive;
mod refusals;
mod source;
mod stream;
mod tls;
pub mod trace;
mod waiting;
mod watch;
mod webhooks;

pub use accept::{FailedAccepts, serve};
pub use answer::{refused_answer, stored_answer};
pub use captured::{
    EarlyRefusal, RegisteredUrl, acceptable, endpoint_of, has_proof, is_health_check, is_url, meant_endpoint, name_of,
    offered_proof, origin, path_and_query, proof_at_another_path, registered_url, tokens,
};
pub use deliver::classify;
pub use endpoint::{Endpoint, Endpoints};
pub use intake::InFlight;
pub use lines::Lines;
pub use message::{HIDDEN_TOKEN, HIDDEN_VALUE, WholeRequest, shown_name};
pub use phase::{Phase, PhaseCell};
pub use readiness::Readiness;
pub use receive::receive;
pub use refusals::Refusals;
pub use tls::ServerTls;
pub use watch::{EndedRequest, Ending, NoRequest, SAMPLE_HEADER, SHOWN_BYTES_MAX, Watch, WatchedEnd, WatchedRequest, Watcher};
pub use webhooks::Webhooks;
