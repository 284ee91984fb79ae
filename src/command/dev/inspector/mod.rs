//! The page of `hookgate dev`: what came, why it was refused, and what landed on Kafka. It has a port of its own on this machine, so that the admin
//! port stays what it is in production.

mod actions;
mod commands;
mod detail;
mod forge;
mod guard;
mod page;
mod proof;
mod report;
mod routes;
mod rows;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use tokio::sync::Semaphore;

use super::{free_address, kept::History, secrets::DevSecret, viewer::SharedRequests};
use crate::{
    admin,
    app::Running,
    command::Failure,
    config::{Config, EndpointConfig},
    event_loop::EventLoop,
    http::{InFlight, Readiness},
    kafka::mock::Mock,
};

/// The port of the page, unless it is taken.
pub(super) const PAGE_PORT: u16 = 9091;

/// What the page shows and does.
pub(super) struct Inspected {
    /// The key without which nothing is shown.
    pub(super) key: String,
    pub(super) config: Config,
    pub(super) webhooks: SocketAddr,
    pub(super) public_url: Option<String>,
    pub(super) secrets: Vec<DevSecret>,
    pub(super) requests: SharedRequests,
    pub(super) history: Arc<History>,
    pub(super) readiness: Readiness,
    pub(super) in_flight: Arc<InFlight>,
    /// The embedded Kafka, if there is one.
    pub(super) mock: Option<Arc<Mock>>,
    /// Whether the embedded Kafka is away.
    pub(super) is_away: AtomicBool,
    /// Whether a Kafka of the user's may get samples.
    pub(super) may_send: AtomicBool,
    /// The number of the last action.
    pub(super) actions: AtomicU64,
    /// Each action that runs holds one.
    pub(super) permits: Arc<Semaphore>,
}

impl Inspected {
    /// Returns the secret of an endpoint, which has the name of its provider.
    fn secret(&self, endpoint: &str) -> Option<&DevSecret> {
        self.secrets.iter().find(|it| it.provider.name == endpoint)
    }

    /// Returns what is shown nowhere: the secrets, and the key of the session.
    fn hidden(&self) -> Vec<String> {
        self.secrets.iter().map(|it| &it.text).chain([&self.key]).cloned().collect()
    }

    /// Returns how an endpoint is configured.
    fn endpoint(&self, name: &str) -> Option<&EndpointConfig> {
        self.config.endpoints.iter().find(|it| &*it.name == name)
    }

    /// Returns what is known of a daemon. Its secrets and its Kafka are not, and nothing may be sent to that.
    pub(super) fn of(
        running: &Running,
        config: &Config,
        key: String,
        (requests, history): (&SharedRequests, &Arc<History>),
    ) -> Self {
        Self {
            key,
            config: config.clone(),
            webhooks: running.webhooks,
            public_url: None,
            secrets: Vec::new(),
            requests: Arc::clone(requests),
            history: Arc::clone(history),
            readiness: running.readiness(),
            in_flight: running.in_flight(),
            mock: None,
            is_away: AtomicBool::new(false),
            may_send: AtomicBool::new(false),
            actions: AtomicU64::new(0),
            permits: Arc::new(Semaphore::new(actions::RUNNING_MAX)),
        }
    }
}

/// The running page.
pub(super) struct Inspector {
    pub(super) address: SocketAddr,
    inspected: Arc<Inspected>,
    event_loop: EventLoop<()>,
}

impl Inspector {
    pub(super) fn start(inspected: Inspected) -> Result<Self, Failure> {
        let listener = TcpListener::bind(free_address(PAGE_PORT))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let inspected = Arc::new(inspected);
        let router = routes::router(&inspected, address);
        let event_loop = EventLoop::start("page", async move |stop| {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            admin::server::serve(listener, router, stop).await;
            Ok(())
        })?;
        Ok(Self { address, inspected, event_loop })
    }

    /// Returns the key of the session.
    pub(super) fn key(&self) -> &str {
        &self.inspected.key
    }

    /// Returns the address of the page with its key, which a browser sends to nobody.
    pub(super) fn link(&self) -> String {
        format!("http://{}/#key={}", self.address, self.inspected.key)
    }

    /// Returns a line that says that the page has another port than usual; empty where it has not. Beside the link there is no room for it.
    pub(super) fn moved(&self) -> String {
        match self.address.port() {
            PAGE_PORT => String::new(),
            other => format!("Port {PAGE_PORT} is taken, so the page is on {other}.\n"),
        }
    }

    /// Ends the page. The embedded Kafka comes back if it is away, so that the daemon can end in order.
    pub(super) fn stop(self) {
        let _back = actions::take_kafka_away(&self.inspected, false);
        let _by_itself = self.event_loop.stop();
    }
}
