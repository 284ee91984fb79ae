//! The daemon as a whole, which `serve`, `dev` and the tests start and stop.
//!
//! Threads: the webhooks' event loop (one, because one carries far more than Kafka takes), the admin port's event loop, the Kafka
//! supervisor, librdkafka's own threads, the thread that reads files again, and with `[tracing]` the thread that exports spans.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, atomic::AtomicU32, mpsc},
    thread,
    time::Instant,
};

use tracing_appender::non_blocking::ErrorCounter;

use crate::{
    admin::{self, Observed},
    clock::{self, Clock},
    config::{
        Config, Environment, SecretRing,
        deadlines::memory_ceiling,
        tls::{PairWatch, list},
    },
    encode::{Encoding, TopicTable},
    event_loop::{EndedByItself, EventLoop},
    http::{self, Endpoint, Endpoints, InFlight, Lines, Phase, Readiness, Refusals, Webhooks, delay::Delay},
    kafka::Publisher,
    metrics::{EndpointLabels, Limits, Metrics},
    proto::Origin,
    registry,
    spans::Spans,
    upkeep::{self, Watched},
};

/// The most connections that may wait to be accepted. The standard library's 128 are fewer than one burst of a provider that catches up.
/// The kernel drops a connection beyond the limit without a word, and both sides repeat their packets for seconds.
const BACKLOG: i32 = 1024;

/// What a daemon needs at its start beside its configuration.
pub struct Options {
    /// The variables that `env:` secrets are read from.
    pub environment: Environment,
    /// The clock that returns the time of day.
    pub clock: Clock,
    /// Who watches the requests, if anybody does.
    pub watch: Option<WatchOptions>,
}

/// Who watches the requests of a daemon.
pub struct WatchOptions {
    /// What is called for each request that has ended, and for what is no request.
    pub watcher: http::Watcher,
    /// A request with this text in [`http::SAMPLE_HEADER`] becomes an event with the origin `SAMPLE`.
    pub sample_key: String,
}

impl Options {
    /// Returns the options that production uses.
    pub fn production(environment: Environment) -> Self {
        Self { environment, clock: clock::system, watch: None }
    }
}

/// A running daemon, until [`Running::stop`].
pub struct Running {
    /// The address of the webhook port.
    pub webhooks: SocketAddr,
    /// The address of the admin port.
    pub admin: SocketAddr,
    shared: Arc<Webhooks>,
    webhooks_loop: EventLoop<usize>,
    admin_loop: EventLoop<()>,
    /// Keeps the thread alive that asks the schema registry for missing ids.
    _asking: Option<mpsc::Sender<()>>,
    /// Keeps the thread alive that reads files again.
    _watching: mpsc::Sender<()>,
}

/// How a daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopReport {
    /// Connections that were cut off because they outlasted the drain.
    pub cut_off: usize,
    /// Records that Kafka had not acknowledged when the flush was over. None of them was answered 200.
    pub unflushed: usize,
    /// Whether the webhooks' event loop ended by itself, through a defect.
    pub defect: bool,
}

/// Returns the topics of a configuration: that of every kind which its providers can produce, and quarantine.
pub fn topic_table(config: &Config) -> TopicTable {
    let (own, shared): (Vec<_>, Vec<_>) = config.endpoints.iter().partition(|endpoint| endpoint.topic_prefix.is_some());
    let mut table = match (own.is_empty(), shared.is_empty()) {
        (false, true) => TopicTable::default(),
        _ => TopicTable::new(shared.iter().map(|endpoint| endpoint.provider), |kind| config.topics.name(kind)),
    };
    for endpoint in own {
        table.give(&endpoint.name, endpoint.provider, |kind| config.topics.name_of(endpoint, kind));
    }
    table
}

/// Starts a daemon. Both ports are bound when this returns; Kafka need not be there yet. The error says what cannot be read, bound or set
/// up.
pub fn start(config: &Config, options: Options) -> Result<Running, String> {
    let Options { environment, clock, watch } = options;
    let rings = upkeep::read_secrets(config, &environment)?;
    let pair = config.http.tls.as_ref().map(|tls| tls.load().map_err(|faults| list(&faults))).transpose()?;
    let tls = pair
        .as_ref()
        .map(|pair| http::ServerTls::new(Arc::clone(&pair.certified)))
        .transpose()
        .map_err(|error| format!("cannot set up TLS: {error}"))?;
    let webhooks = bind(config.http.listen, "http.listen")?;
    let admin = bind(config.admin.listen, "admin.listen")?;
    let addresses = (address(&webhooks)?, address(&admin)?);

    let topics = topic_table(config);
    let names: Vec<Arc<str>> = topics.by_topic().into_keys().collect();
    let metrics = Arc::new(metrics_of(config, &names)?);
    upkeep::show(&metrics, &rings, pair.as_ref());
    let spans =
        config.tracing.as_ref().map(|it| Spans::start(it, &environment, tls.is_some(), Arc::clone(&metrics))).transpose()?;
    let framing = registry::framing(config, &names);
    let asking = registry::spawn(config, framing.clone())?;
    let publisher = Publisher::start(config, names, Arc::clone(&metrics))?;
    let record_bytes_max = config.topics.max_message_bytes;
    let encoding = Encoding { topics, framing, record_bytes_max, origin: Origin::Webhook };
    let watch = watch.map(|it| watched(it, &encoding));
    let shared = Arc::new(Webhooks {
        endpoints: Arc::new(endpoints(config, &rings)),
        limits: config.http.clone(),
        encoding,
        publish_timeout: config.kafka.publish_timeout,
        publisher,
        metrics,
        spans,
        in_flight: Arc::new(InFlight::new(&config.http, config.endpoints.len())),
        tls,
        refusals: Refusals::new(config.http.max_refusals_per_source),
        delay: Arc::new(Delay::new(&config.http)),
        phase: Arc::default(),
        clock,
        success_sample: config.log.success_sample,
        successes: AtomicU32::new(0),
        refused_lines: Lines::default(),
        watch,
    });

    let pair = config.http.tls.clone().zip(pair).map(|(tls, pair)| PairWatch::new(tls, &pair));
    let watched = Watched { rings, pair };
    let webhooks_loop = start_webhooks(webhooks, Arc::clone(&shared), config)?;
    let admin_loop = start_admin(admin, Arc::clone(&shared), config)?;
    let watching = upkeep::spawn_files(Arc::clone(&shared), watched)?;
    Ok(Running {
        webhooks: addresses.0,
        admin: addresses.1,
        shared,
        webhooks_loop,
        admin_loop,
        _asking: asking,
        _watching: watching,
    })
}

/// Returns the endpoints with their keys.
fn endpoints(config: &Config, rings: &[SecretRing]) -> Endpoints {
    let endpoints = config.endpoints.iter().zip(rings);
    endpoints.map(|(it, ring)| Endpoint::new(Arc::clone(&it.name), it.provider, ring.keys())).collect()
}

/// Returns what watches the requests, and encodes those that are samples.
fn watched(WatchOptions { watcher, sample_key }: WatchOptions, encoding: &Encoding) -> http::Watch {
    http::Watch { watcher, sample_key, samples: Encoding { origin: Origin::Sample, ..encoding.clone() } }
}

/// Returns the metrics of a daemon with this configuration.
pub(crate) fn metrics_of(config: &Config, topics: &[Arc<str>]) -> Result<Metrics, String> {
    let labels = config.endpoints.iter().map(|endpoint| EndpointLabels {
        endpoint: &endpoint.name,
        provider: endpoint.provider.name,
        signs_time: endpoint.provider.signs_time(),
    });
    let limits = Limits {
        fingerprint: config.fingerprint(),
        connections: config.http.max_connections,
        in_flight: config.http.max_in_flight,
        in_flight_bytes: config.http.max_in_flight_bytes,
        answer_deadline: config.http.answer_deadline,
        publish_timeout: config.kafka.publish_timeout,
        memory_bytes: memory_ceiling(config).total,
    };
    Metrics::new(labels, topics.iter().map(Arc::clone), &limits).map_err(|error| format!("cannot set up the metrics: {error}"))
}

impl Running {
    /// Counts, in the metrics, the log lines that are dropped because their reader is too slow.
    pub fn count_dropped_lines(&self, dropped: ErrorCounter) {
        self.shared.metrics.count_dropped_lines(dropped);
    }

    /// Returns why the daemon is not ready, or `None` if it is.
    pub fn unready(&self) -> Option<&'static str> {
        self.shared.readiness().unready()
    }

    /// Returns what readiness depends on.
    pub fn readiness(&self) -> Readiness {
        self.shared.readiness()
    }

    /// Returns what deliveries hold in memory.
    pub fn in_flight(&self) -> Arc<InFlight> {
        Arc::clone(&self.shared.in_flight)
    }

    /// Returns the topics that are missing or not visible.
    pub fn missing_topics(&self) -> Vec<Arc<str>> {
        self.shared.publisher.missing_topics()
    }

    /// Returns once the webhooks' event loop has ended by itself, through a defect: a daemon that serves nothing any more must not go on
    /// looking alive. [`Running::stop`] reports it.
    pub async fn failed(&self) {
        self.webhooks_loop.ended().await;
    }

    /// Shuts down in this order: become unready, keep serving for the pre-stop time, stop accepting, finish what is in flight, flush.
    /// Blocks.
    pub fn stop(self, config: &crate::config::Shutdown) -> StopReport {
        self.shared.phase.set(Phase::PreStop);
        self.shared.metrics.shutdown_started();
        // If the webhook port serves no requests any more, there is nothing to wait for.
        if !self.webhooks_loop.has_ended() {
            tracing::info!(
                pre_stop_ms = crate::logged::milliseconds(config.pre_stop),
                "shutting down: no longer ready, still serving"
            );
            thread::sleep(config.pre_stop);
        }
        let ended = self.webhooks_loop.stop();
        let defect = ended == Err(EndedByItself);
        if defect {
            tracing::error!("the webhooks' event loop has ended, a defect: please report it");
        }
        let cut_off = ended.unwrap_or(0);
        tracing::info!(cut_off, "shutting down: no longer accepting, flushing");
        let flushed_by = Instant::now() + config.flush;
        let unflushed = self.shared.publisher.close(config.flush);
        if let Some(spans) = &self.shared.spans {
            // Spans get the time that Kafka's flush has left, so that the chain of deadlines holds.
            spans.close(flushed_by.saturating_duration_since(Instant::now()));
        }
        if cut_off == 0 && unflushed == 0 && !defect {
            self.shared.metrics.shutdown_completed();
        }
        let _panicked = self.admin_loop.stop();
        StopReport { cut_off, unflushed, defect }
    }
}

fn bind(listen: SocketAddr, key: &str) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(listen).and_then(|listener| {
        listener.set_nonblocking(true)?;
        // This second call of `listen` only changes the length of the queue.
        socket2::SockRef::from(&listener).listen(BACKLOG)?;
        Ok(listener)
    });
    bound.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "; another process has the port, `ss -ltnp` names it: end it, or write another port",
            io::ErrorKind::PermissionDenied => {
                "; ports below 1024 are not for every user: write another port, or grant CAP_NET_BIND_SERVICE"
            }
            io::ErrorKind::AddrNotAvailable => "; this machine has no such address: write 0.0.0.0 for all that it has",
            _ => "",
        };
        format!("cannot listen on {listen} ({key}): {error}{hint}")
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| error.to_string())
}

fn start_webhooks(listener: TcpListener, shared: Arc<Webhooks>, config: &Config) -> Result<EventLoop<usize>, String> {
    let drain = config.shutdown.drain;
    EventLoop::start("webhooks", async move |stop| {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(http::serve(listener, shared, stop, drain).await)
    })
}

fn start_admin(listener: TcpListener, shared: Arc<Webhooks>, config: &Config) -> Result<EventLoop<()>, String> {
    let readiness = shared.readiness();
    let (in_flight, metrics) = (Arc::clone(&shared.in_flight), Arc::clone(&shared.metrics));
    let router = admin::router(Observed { readiness: readiness.clone(), in_flight, metrics }, config);
    EventLoop::start("admin", async move |stop| {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        // This task ends with the event loop.
        tokio::spawn(admin::announce(readiness));
        let folding = tokio::spawn(upkeep::fold(shared));
        admin::server::serve(listener, router, stop).await;
        folding.abort();
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::{net::TcpStream, time::Duration};

    use super::*;

    #[test]
    fn a_burst_of_connections_waits_to_be_accepted() {
        let listener = bind("127.0.0.1:0".parse().unwrap(), "http.listen").unwrap();
        let (to, patience) = (address(&listener).unwrap(), Duration::from_secs(1));
        // Nobody accepts, so once the queue is full, the next connection fails.
        let made: Vec<_> = (0..300).map_while(|_| TcpStream::connect_timeout(&to, patience).ok()).collect();
        assert_eq!(made.len(), 300);
    }
}
