//! A daemon under test. It has real ports on loopback, a mock cluster or a real Kafka, and a frozen clock.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use hookgate::{
    app::{self, Options, Running, StopReport, topic_table},
    clock::Clock,
    config::{self, Config, Environment},
    kafka::{
        mock::Mock,
        read::{Read, Start, TopicReader},
    },
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::forks;

#[allow(unused_imports, reason = "not every suite makes signatures")]
pub use crate::providers::{SECRETS, endpoints, hmac_hex, signed_with};
#[allow(unused_imports, reason = "not every suite writes raw requests")]
pub use crate::raw_http::{Answer, UNANSWERED, exchange, parse, request};
#[allow(unused_imports, reason = "not every suite has secrets of its own")]
pub use crate::secret_search::{assert_discreet, keep_secret, leak};
#[allow(unused_imports, reason = "not every suite measures")]
pub use crate::waits::{beside_a_clock, wait_until};

/// What the daemons in this process have logged and no search for secrets has seen yet.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// Log lines of the daemons in this process that contain a secret.
static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// How many log lines were searched for secrets.
pub static LINES_SEARCHED: AtomicUsize = AtomicUsize::new(0);

/// Keeps what the daemons in this process log. It is searched for secrets when a daemon ends, because event loops must not wait for a
/// search.
struct Searched;

impl std::io::Write for Searched {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn search_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let lines = tracing_subscriber::fmt().json().with_env_filter("info,hookgate=debug");
        lines.with_writer(|| Searched).try_init().unwrap();
    });
}

/// The time of the frozen clock, in seconds since the epoch. The constructed Frame.io vectors were signed at this time.
pub const NOW: u64 = 1_760_000_000;

/// A clock that always returns [`NOW`].
pub fn frozen() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A running daemon. Dropping it stops it without a drain.
pub struct Daemon {
    pub config: Config,
    pub webhooks: SocketAddr,
    pub admin: SocketAddr,
    pub mock: Option<Arc<Mock>>,
    running: Option<Running>,
}

/// How a daemon is started.
pub struct Setup<'a> {
    /// TOML before the endpoints, such as `[http]` with limits to test. The addresses to listen on are flags already.
    pub tables: &'a str,
    /// Flags that replace values of the TOML, such as `("kafka.brokers", "…")`.
    pub flags: Vec<(&'a str, String)>,
    pub clock: Clock,
    /// The mock cluster to use. `None` starts a new one with all topics, unless `kafka.brokers` is among the flags.
    pub mock: Option<Arc<Mock>>,
    /// Changes that a file cannot express, such as a provider that misbehaves.
    pub change: fn(&mut Config),
    /// Whether to wait until the daemon is ready and no topic is missing.
    pub wait: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { tables: "", flags: Vec::new(), clock: frozen, mock: None, change: |_| {}, wait: true }
    }
}

/// The environment of a daemon under test.
pub fn environment() -> Environment {
    SECRETS.iter().copied().collect()
}

/// The configuration of a daemon under test.
pub fn configuration(tables: &str, flags: &[(&str, String)]) -> Config {
    let defaults = [
        ("kafka.brokers", "127.0.0.1:1"),
        ("http.listen", "127.0.0.1:0"),
        ("admin.listen", "127.0.0.1:0"),
        // So that the metrics show at once what a test has done.
        ("admin.scrape_max_age", "0s"),
        ("shutdown.pre_stop", "0s"),
    ];
    let defaults = defaults.into_iter().filter(|(key, _)| !flags.iter().any(|(flag, _)| flag == key));
    let flags: Vec<(String, String)> = defaults
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .chain(flags.iter().map(|(key, value)| ((*key).to_owned(), value.clone())))
        .collect();
    config::parse(&format!("{tables}\n{}", endpoints()), "test.toml", &environment(), &flags)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Lengthens every deadline that a test leaves at its default, so that a busy machine does not reach it. A test about a deadline sets it.
fn take_time(config: &mut Config) {
    let default = configuration("", &[]);
    let lengthen = |deadline: &mut Duration, default: Duration, seconds: u64| {
        if *deadline == default {
            *deadline = Duration::from_secs(seconds);
        }
    };
    lengthen(&mut config.http.body_timeout, default.http.body_timeout, 60);
    lengthen(&mut config.kafka.socket_timeout, default.kafka.socket_timeout, 60);
    lengthen(&mut config.kafka.message_timeout, default.kafka.message_timeout, 70);
    lengthen(&mut config.kafka.publish_timeout, default.kafka.publish_timeout, 80);
    lengthen(&mut config.http.answer_deadline, default.http.answer_deadline, 90);
    lengthen(&mut config.shutdown.drain, default.shutdown.drain, 100);
    lengthen(&mut config.shutdown.flush, default.shutdown.flush, 100);
}

/// Every topic of a configuration.
pub fn topics(config: &Config) -> Vec<String> {
    topic_table(config).by_topic().keys().map(ToString::to_string).collect()
}

impl Daemon {
    /// Starts a daemon with its defaults and a mock cluster of its own.
    pub fn start() -> Self {
        Self::with(Setup::default())
    }

    pub fn with(setup: Setup<'_>) -> Self {
        search_logs();
        let mut config = configuration(setup.tables, &setup.flags);
        let real = setup.flags.iter().any(|(flag, _)| *flag == "kafka.brokers");
        let mock = match (setup.mock, real) {
            (None, false) => Some(Arc::new(Mock::start(&topics(&config)).unwrap())),
            (mock, _) => mock,
        };
        if let Some(mock) = &mock {
            config.kafka.brokers = vec![mock.brokers().to_owned()];
        }
        if !real {
            take_time(&mut config);
        }
        (setup.change)(&mut config);
        let options = Options { environment: environment(), clock: setup.clock, watch: None };
        let running = app::start(&config, options).unwrap();
        let daemon = Self { webhooks: running.webhooks, admin: running.admin, config, mock, running: Some(running) };
        if setup.wait {
            daemon.wait_until("ready", |it| it.unready().is_none() && it.missing_topics().is_empty());
        }
        daemon
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Waits until a condition holds, for at most a minute.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Running) -> bool) {
        wait_until(what, || holds(self.running()));
    }

    /// Posts to the webhook port.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        request(self.webhooks, "POST", path, headers, body)
    }

    /// Posts a body signed for one of the endpoints of [`SECRETS`], named like its provider.
    pub fn deliver(&self, endpoint: &str, body: &[u8]) -> Answer {
        let (path, headers) = signed(endpoint, body);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&path, &headers, body)
    }

    /// Gets a path from the admin port.
    pub fn admin(&self, path: &str) -> Answer {
        request(self.admin, "GET", path, &[], b"")
    }

    /// Returns the value of a metric, by its name and labels as they are rendered.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let text = self.admin("/metrics").body;
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    /// Reads every record on every topic, from the beginning to the present end.
    pub fn records(&self) -> Vec<Stored> {
        records(&self.config)
    }

    /// Reads every record on some topics, which is faster than to read all topics.
    pub fn records_of(&self, topics: &[&str]) -> Vec<Stored> {
        records_of(&self.config, &topics.iter().map(|&topic| topic.to_owned()).collect::<Vec<_>>())
    }

    /// Makes every answer of the mock cluster's broker take this long.
    pub fn slow(&self, delay: Duration) {
        self.mock.as_ref().unwrap().run(move |cluster| cluster.broker_round_trip_time(1, delay).unwrap()).unwrap();
    }

    /// Makes Kafka store nothing until [`Daemon::release`]. librdkafka keeps what it is given, and tries again.
    pub fn hold(&self) {
        hold(self.mock.as_ref().unwrap());
    }

    /// Lets Kafka store what librdkafka has kept, and everything after it.
    pub fn release(&self) {
        release(self.mock.as_ref().unwrap());
    }

    /// Stops the daemon in order and returns the report of the stop.
    pub fn stop(mut self) -> StopReport {
        let running = self.running.take().unwrap();
        running.stop(&self.config.shutdown)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let shutdown = config::Shutdown { drain: Duration::ZERO, flush: Duration::ZERO, ..self.config.shutdown.clone() };
            running.stop(&shutdown);
        }
        if !std::thread::panicking() {
            let logged = std::mem::take(&mut *LOGGED.lock().unwrap());
            let logged = String::from_utf8_lossy(&logged);
            LINES_SEARCHED.fetch_add(logged.lines().count(), Ordering::Relaxed);
            LEAKS.lock().unwrap().extend(leak(&logged));
            let leaks = LEAKS.lock().unwrap().clone();
            assert_eq!(leaks, Vec::<String>::new(), "the log contains a secret");
        }
    }
}

/// Reads every record on every topic of a configuration, from the beginning to the present end.
pub fn records(config: &Config) -> Vec<Stored> {
    records_of(config, &topics(config))
}

/// A record as Hookgate writes it: no part is null, and headers are text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Vec<u8>,
    pub headers: Vec<(String, String)>,
    pub value: Vec<u8>,
}

impl Stored {
    fn of(record: hookgate::kafka::read::StoredRecord) -> Self {
        let hookgate::kafka::read::StoredRecord { topic, partition, offset, timestamp_ms, key, headers, value } = record;
        let text = |value: Option<Vec<u8>>| String::from_utf8(value.unwrap()).unwrap();
        let headers = headers.into_iter().map(|(name, value)| (name, text(value))).collect();
        Self { topic, partition, offset, timestamp_ms, key: key.unwrap(), headers, value: value.unwrap() }
    }
}

/// Reads every record on some topics, from the beginning to the present end.
pub fn records_of(config: &Config, topics: &[String]) -> Vec<Stored> {
    let mut reader = TopicReader::open(&config.kafka, topics, Start::Beginning).unwrap();
    let (mut all, begin) = (Vec::new(), Instant::now());
    while !reader.caught_up() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the topics cannot be read to their end");
        if let Read::Record(stored) = reader.next(Duration::from_millis(200)).unwrap() {
            all.push(Stored::of(stored));
        }
    }
    all
}

/// Returns the path and the headers that prove a body at an endpoint. They follow the schemes' documentation, not the code under test.
pub fn signed(endpoint: &str, body: &[u8]) -> (String, Vec<(String, String)>) {
    signed_with(endpoint, secret(&endpoint.to_uppercase()), &NOW.to_string(), body)
}

/// Returns one of [`SECRETS`] by its name.
pub fn secret(name: &str) -> &'static str {
    SECRETS.iter().find(|(it, _)| *it == name).unwrap().1
}

/// Reads a file of `tests/fixtures`.
pub fn fixture(path: &str) -> Vec<u8> {
    let file = fixtures().join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The folder of the fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Takes the broker of a mock cluster away until `broker_up`. The mock closes its port and opens it again at once; where that fails, it
/// aborts the process.
pub fn take_down(mock: &Mock) {
    forks::without(|| mock.run(|cluster| cluster.broker_down(1))).unwrap().unwrap();
}

/// Lets a mock cluster store nothing until [`release`].
pub fn hold(mock: &Mock) {
    // More errors than librdkafka makes attempts within any deadline here.
    let errors = vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 10_000];
    mock.run(move |cluster| cluster.request_errors(RDKafkaApiKey::Produce, &errors)).unwrap();
}

/// Lets a mock cluster store again.
pub fn release(mock: &Mock) {
    mock.run(|cluster| cluster.clear_request_errors(RDKafkaApiKey::Produce)).unwrap();
}
