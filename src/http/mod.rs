//! HTTP: the only module that knows it on the webhook side.
//!
//! `accept` takes connections, `protocol` serves the requests of one, `deliver` is the path of a webhook, and `outcome` keeps the books of it.

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
mod outcome;
mod patience;
mod phase;
mod protocol;
mod readiness;
mod refusals;
mod source;
mod stream;
mod tls;
pub mod trace;
mod waiting;
mod webhooks;

pub use accept::{FailedAccepts, serve};
pub use captured::{has_token, offered_proof};
pub use endpoint::{Endpoint, Endpoints};
pub use intake::InFlight;
pub use lines::Lines;
pub use phase::{Phase, PhaseCell};
pub use readiness::Readiness;
pub use refusals::Refusals;
pub use tls::ServerTls;
pub use webhooks::Webhooks;
