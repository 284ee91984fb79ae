//! The configuration: one file, variables over it, flags over both, read once and accepted or refused as a whole. The only module that
//! reads files and the environment.
//!
//! [`parse`] has three steps: merge the layers (`reader`), read each table with typed getters (`getters`; the tables are in `kafka`,
//! `topics` and `tables`), and check what must hold between tables ([`deadlines`] and `tables`). Every step collects its complaints, so
//! that one run reports them all. The getters record every key (`keys`, all of them in `catalogue`), and that record is used to show and
//! describe the configuration.

pub mod admin;
mod aws;
mod catalogue;
pub mod credentials;
pub mod deadlines;
mod files;
mod getters;
mod hints;
pub mod kafka;
pub mod keys;
pub mod log;
mod mistaken;
mod needs;
pub mod problem;
pub mod properties;
pub mod proxies;
mod reader;
pub mod recover;
pub mod registry;
pub mod sasl;
pub mod secret_folder;
pub mod secret_ring;
pub mod secrets;
pub mod security;
mod syntax;
mod tables;
#[cfg(test)]
mod tests;
pub mod tls;
mod topic_prefixes;
pub mod topics;
pub mod tracing;
pub mod units;
mod url;
mod variables;

use std::{collections::BTreeMap, fmt, fs::File, io::Read as _, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};

pub use self::{
    admin::Admin,
    aws::{AwsIam, AwsSource},
    catalogue::all_keys,
    files::folder_of,
    kafka::Kafka,
    log::{Log, LogFormat},
    needs::Needs,
    problem::{Problem, Problems, ValueOrigin, suggestion},
    properties::{Properties, in_our_keys},
    proxies::TrustedProxies,
    recover::Recover,
    registry::{SchemaRegistry, SubjectNameStrategy},
    sasl::{Sasl, TokenSource, token_url_fault},
    secret_folder::FOLDER_FILES_MAX,
    secret_ring::{SecretEvent, SecretRing, put_in_force, read_all, shared_secrets},
    secrets::{OR_ESCAPED, SecretSource, SecretText, url_token_fault},
    security::Security,
    tables::{ENDPOINT_NAME_BYTES_MAX, TOLERANCE, TOLERANCE_RANGE, is_endpoint_name},
    tls::Tls,
    topics::Topics,
    tracing::Tracing,
    url::is_here,
};
use crate::{provider::Provider, signed_url::SignedUrls};

/// The largest configuration file in bytes; a larger file is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The whole configuration of the daemon.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[kafka]`: how to reach the cluster.
    pub kafka: Kafka,
    /// `[http]`: the listener for webhooks.
    pub http: Http,
    /// `[admin]`: the listener for probes and metrics.
    pub admin: Admin,
    /// `[topics]`: the names and settings of topics.
    pub topics: Topics,
    /// `[schema_registry]`; without it values are plain protobuf.
    pub schema_registry: Option<SchemaRegistry>,
    /// `[shutdown]`.
    pub shutdown: Shutdown,
    /// `[log]`: which log lines are written, and in which form.
    pub log: Log,
    /// `[tracing]`; without it there are no spans.
    pub tracing: Option<Tracing>,
    /// `[recover]`: the providers' own APIs, for the commands that ask them.
    pub recover: Recover,
    /// `[endpoints.<name>]`, sorted by name; at least one.
    pub endpoints: Vec<EndpointConfig>,
    /// Warnings about values that work but are probably not meant, for the log at the start and for `hookgate check`.
    pub warnings: Vec<String>,
    /// The view that [`Config::redacted`] returns.
    view: serde_json::Value,
}

/// The values of the table `[http]`.
#[derive(Clone, Debug)]
pub struct Http {
    /// The address to listen on for webhooks.
    pub listen: SocketAddr,
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// The largest request head, in bytes; hyper accepts no limit below 8 KiB.
    pub max_header_bytes: usize,
    /// The most header fields of one request.
    pub max_headers: usize,
    /// The most connections at once.
    pub max_connections: usize,
    /// The most body bytes in memory at once.
    pub max_in_flight_bytes: usize,
    /// The most deliveries in flight at once.
    pub max_in_flight: usize,
    /// How many requests of one address may be refused in a second; 0 is no limit.
    pub max_refusals_per_source: u32,
    /// How long a request head may take once it has begun, a TLS handshake may take, and a peer may leave an answer unread.
    pub header_timeout: Duration,
    /// How long a connection may be silent before its first request and between two.
    pub idle_timeout: Duration,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long after the request's head the answer is due.
    pub answer_deadline: Duration,
    /// How late the event loop may stay before deliveries are refused: an eighth of `answer_deadline`. This value has no key.
    pub event_loop_delay_max: Duration,
    /// The `Retry-After` of a 503; whole seconds.
    pub retry_after: Duration,
    /// The proxies whose `X-Forwarded-For` is believed; by default none.
    pub trusted_proxies: TrustedProxies,
    /// `[http.tls]`; without it the port speaks plain HTTP.
    pub tls: Option<Tls>,
}

/// `[shutdown]`.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// How long to keep serving, while not ready, until every load balancer has noticed.
    pub pre_stop: Duration,
    /// How long requests in flight may take to finish.
    pub drain: Duration,
    /// How long the producer may take to empty its queue.
    pub flush: Duration,
    /// How long the shutdown may take before the process is killed: `terminationGracePeriodSeconds` in Kubernetes.
    pub grace: Duration,
}

/// `[endpoints.<name>]`: one URL, `/webhooks/<name>`, of one provider.
#[derive(Clone)]
pub struct EndpointConfig {
    /// The name of the endpoint in the URL, the log, the metrics and the events.
    pub name: Arc<str>,
    /// The provider that sends to the endpoint.
    pub provider: &'static Provider,
    /// The sources of the endpoint's secrets, 1 to 16, some of which may be folders; any secret may match.
    pub secrets: Vec<SecretSource>,
    /// How far a signed timestamp may lie from the arrival, either way; without effect where the provider signs none.
    pub tolerance: Duration,
    /// Whether the endpoint demands signed URLs; without effect where the provider takes none.
    pub signed_urls: SignedUrls,
    /// What the endpoint's topics begin with, where it has topics of its own, instead of `[topics] prefix`.
    pub topic_prefix: Option<String>,
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointConfig")
            .field("name", &self.name)
            .field("provider", &self.provider.name)
            .field("secrets", &self.secrets)
            .field("tolerance", &self.tolerance)
            .field("signed_urls", &self.signed_urls)
            .field("topic_prefix", &self.topic_prefix)
            .finish()
    }
}

/// The environment as it was when it was read. It holds secrets, so it is never printed.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Returns the environment of this process. A variable that is not UTF-8 counts as not set.
    pub fn process() -> Self {
        // `vars` would panic on a variable that is not UTF-8.
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
    }

    /// Returns the value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn only<'a>(&self, names: impl Iterator<Item = &'a str>) -> Self {
        names.filter_map(|name| Some((name, self.get(name)?))).collect()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Returns whether the program that started this process lets it ignore SIGHUP, as `nohup` does so that it outlives the terminal. False if
/// that cannot be found out.
pub fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The mask has a bit for each signal, from 1 on.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Returns the name of this machine, which in a container is the pod's; `None` if it cannot be found out.
pub fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Returns what to type to run this program again: somebody who tries it out may not have it on the path yet.
pub fn program() -> String {
    std::env::args_os().next().map_or_else(|| "hookgate".into(), |name| name.to_string_lossy().into_owned())
}

/// What Kafka's client library is asked while a configuration is read. Each answer is why it refuses, if it does, and holds no value.
#[derive(Clone, Copy, Debug)]
pub struct ClientLibrary {
    /// A property, by its name and value.
    pub refuses_property: fn(&str, &str) -> Option<String>,
    /// The properties of TLS that are given, and nothing else. The files that they name are read.
    pub refuses_tls: fn(&[(&str, &str)]) -> Option<String>,
    /// Everything that a producer gets, together, but for who it connects to.
    pub refuses: fn(&Kafka) -> Option<String>,
}

impl ClientLibrary {
    /// One that takes everything.
    pub const LENIENT: Self = Self { refuses_property: |_, _| None, refuses_tls: |_| None, refuses: |_| None };
}

/// Reads the configuration from a file. `overrides` are flags: `("http.listen", "127.0.0.1:8080")`. `client` is asked about what
/// goes to Kafka's client library.
pub fn load(
    path: &Path,
    environment: &Environment,
    overrides: &[(String, String)],
    needs: Needs,
    client: ClientLibrary,
) -> Result<Config, Problems> {
    let name = path.display().to_string();
    let mut reader = reader::Reader::new(&name, needs);
    reader.client = client;
    match read(path) {
        Ok(text) => parse_with(reader, &text, environment, overrides),
        Err(fault) => {
            variables::warn(&reader, environment);
            reader.problem(reader.file(), fault);
            Err(reader.into_problems())
        }
    }
}

/// Returns `[log] format` of a configuration that cannot be used, as far as it can be read: the problems are reported in that form.
pub fn log_format(path: &Path, environment: &Environment, overrides: &[(String, String)]) -> LogFormat {
    let reader = reader::Reader::new("", Needs::Names);
    let mut root = reader.parse(&read(path).unwrap_or_default());
    reader.lay_variables(&mut root, environment, &[]);
    for (path, value) in overrides {
        reader.lay_flag(&mut root, path, value);
    }
    tables::log_alone(&reader, root).format
}

fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(|error| {
        format!("cannot be read: {}; --config names another file, and `hookgate dev` needs none", files::why_unreadable(&error))
    })?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes"));
    }
    // In UTF-16, half of the bytes of Latin letters are zeros.
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.iter().take(64).any(|byte| *byte == 0) {
        return Err("is UTF-16, or no text at all; save it as UTF-8".into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = memchr::memchr_iter(b'\n', &error.as_bytes()[..good]).count() + 1;
        format!("is not UTF-8 in line {line}; save it as UTF-8")
    })
}

/// Reads the configuration from the text of a file of that name. The error holds all problems.
pub fn parse(text: &str, file_name: &str, environment: &Environment, overrides: &[(String, String)]) -> Result<Config, Problems> {
    parse_with(reader::Reader::new(file_name, Needs::Everything), text, environment, overrides)
}

/// Checks the text of a file that is not in its place yet. The secrets and files that it names need not be there. The error holds all
/// problems.
pub fn check_draft(text: &str, file_name: &str) -> Result<(), Problems> {
    parse_with(reader::Reader::new(file_name, Needs::Names), text, &Environment::default(), &[]).map(drop)
}

fn parse_with(
    reader: reader::Reader,
    text: &str,
    environment: &Environment,
    overrides: &[(String, String)],
) -> Result<Config, Problems> {
    variables::warn(&reader, environment);
    let mut root = reader.parse(text);
    if reader.has_problems() {
        return Err(reader.into_problems());
    }
    reader.lay_variables(&mut root, environment, &topics::map_names());
    for (path, value) in overrides {
        reader.lay_flag(&mut root, path, value);
    }
    let mut config = tables::read(&reader, root, environment);
    config.warnings.append(&mut reader.warnings.borrow_mut());
    if reader.has_problems() {
        reader.warnings.replace(config.warnings);
        return Err(reader.into_problems());
    }
    config.view = reader.records.view();
    Ok(config)
}

/// Returns `[kafka]` where there is no configuration file: brokers from a flag, everything else from variables or the defaults.
pub fn kafka_alone(brokers: &str, environment: &Environment) -> Result<Kafka, Problems> {
    let reader = reader::Reader::new("--brokers", Needs::Kafka);
    let mut root = reader.parse("");
    let names = environment.0.keys().map(String::as_str).filter(|name| name.starts_with("HOOKGATE_KAFKA__"));
    reader.lay_variables(&mut root, &environment.only(names), &[]);
    reader.lay_flag(&mut root, "kafka.brokers", brokers);
    let kafka = tables::kafka_alone(&reader, root, environment);
    if reader.has_problems() { Err(reader.into_problems()) } else { Ok(kafka) }
}

impl Config {
    /// Returns a hash of what [`Config::redacted`] shows. It is the same for all replicas of a deployment: `[tracing] resource`, which
    /// distinguishes replicas on purpose, is left out.
    pub fn fingerprint(&self) -> u64 {
        let mut view = self.redacted();
        if let Some(tracing) = view["tracing"].as_object_mut() {
            tracing.remove("resource");
        }
        let digest: [u8; 32] = Sha256::digest(view.to_string()).into();
        digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }

    /// Returns the whole configuration as it was read, for people to look at: of secrets only their source, and no values that pass
    /// through.
    pub fn redacted(&self) -> serde_json::Value {
        self.view.clone()
    }
}
