//! What a program that runs the daemon in its own process may learn of each request. `hookgate dev` does; in `serve` nobody watches.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{error::Error, event::EventKind};

/// Called once for each request that has ended, on the thread of the event loop: it must not block.
pub type Watcher = Arc<dyn Fn(&EndedRequest<'_>) + Send + Sync>;

/// A request that has ended.
pub struct EndedRequest<'a> {
    /// When the request arrived.
    pub arrived: SystemTime,
    /// How long the answer took.
    pub took: Duration,
    /// The name of the endpoint, if the path names one.
    pub endpoint: Option<&'a str>,
    /// The path of a request that is for no endpoint. It may hold a token.
    pub path: &'a str,
    /// How the request ended.
    pub ending: Ending<'a>,
}

/// How a request ended.
pub enum Ending<'a> {
    /// Kafka has acknowledged the event.
    Stored {
        /// The id of the event.
        id: &'a str,
        /// The kind of the event.
        kind: EventKind,
    },
    /// The request was refused.
    Refused(&'a Error),
    /// The sender hung up before the answer.
    Cancelled,
}
