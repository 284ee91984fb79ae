//! The tables beside `[kafka]` and `[topics]`, and what must hold between them.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Config, EndpointConfig, Environment, Http, Kafka, Shutdown, admin, deadlines,
    getters::Section,
    kafka,
    keys::Kind,
    log,
    problem::suggestion,
    proxies,
    reader::{Entries, Reader},
    recover, registry,
    secret_ring::{read_all, shared_secrets},
    secrets, tls, topic_prefixes,
    topics::{self, Topics},
    tracing,
    units::{show_duration, show_size},
};
use crate::{provider, signed_url::SignedUrls};

/// The longest endpoint name, in bytes.
pub const ENDPOINT_NAME_BYTES_MAX: usize = 64;
/// How far a signed time may be from the arrival, where nothing else is said.
pub const TOLERANCE: Duration = Duration::from_secs(300);
/// The least and the most that this may be.
pub const TOLERANCE_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
/// The most secrets of one endpoint: each is tried on every delivery.
const SECRETS_MAX: usize = 16;
/// The complaints about an endpoint without secrets.
const NO_SECRETS: &str = "is missing; for example: secrets = [\"env:NAME\"] or [\"file:/path\"]";
const EMPTY_SECRETS: &str = "is empty: nobody could prove anything; write \"env:NAME\" or \"file:/path\"";
/// The shortest idle timeout that needs no warning: nginx and the load balancers of AWS keep a connection for 60 s by default, and a
/// quarter more covers timers and the way.
const IDLE_TIMEOUT_MIN: Duration = Duration::from_secs(75);
/// The bytes of a record beside the body and its typed reading: room for fields and record headers.
const RECORD_OVERHEAD_BYTES: usize = 64 << 10;

/// Reads every table. A value that cannot be read is complained about, and its default is used instead.
pub(super) fn read(reader: &Reader, entries: Entries, environment: &Environment) -> Config {
    let mut root = Section::root(reader, entries);
    // The tables are shown in this order.
    let [kafka, http_table, admin, topics] = ["kafka", "http", "admin", "topics"].map(|table| root.table(table));
    let schema_registry = root.optional_table("schema_registry");
    let mut warnings = Vec::new();
    let topics = topics::read(topics, &mut warnings);
    let mut config = Config {
        kafka: kafka::read(kafka, environment, topics.max_message_bytes, &mut warnings),
        http: http(http_table, &mut warnings),
        admin: admin::read(admin),
        schema_registry: schema_registry.and_then(|table| registry::read(table, environment, &mut warnings)),
        shutdown: shutdown(root.table("shutdown")),
        log: log::read(root.table("log"), &mut warnings),
        tracing: root.optional_table("tracing").and_then(|table| tracing::read(table, environment, &mut warnings)),
        recover: root.optional_table("recover").map(|table| recover::read(table, environment)).unwrap_or_default(),
        endpoints: endpoints(root.table("endpoints"), environment, &topics, &mut warnings),
        topics,
        warnings,
        view: serde_json::Value::Null,
    };
    root.finish();
    config.topics.endpoint_prefixes = config.endpoints.iter().filter_map(|it| it.topic_prefix.clone()).collect();
    combinations(reader, &config);
    config
}

/// Reads only `[kafka]`.
pub(super) fn kafka_alone(reader: &Reader, entries: Entries, environment: &Environment) -> Kafka {
    let mut root = Section::root(reader, entries);
    let topics = topics::read(root.table("topics"), &mut Vec::new());
    kafka::read(root.table("kafka"), environment, topics.max_message_bytes, &mut Vec::new())
}

/// Reads only `[log]`.
pub(super) fn log_alone(reader: &Reader, entries: Entries) -> log::Log {
    log::read(Section::root(reader, entries).table("log"), &mut Vec::new())
}

fn http(mut section: Section<'_>, warnings: &mut Vec<String>) -> Http {
    let second = Duration::from_secs(1);
    let positive = second / 1000..=second * 3600;
    let narrow = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    let mut http = Http {
        listen: section.listen("0.0.0.0:8080"),
        max_body_bytes: narrow(section.size("max_body_bytes", 768 << 10, &(1 << 10..=1 << 30))),
        // hyper accepts no buffer below 8 KiB.
        max_header_bytes: narrow(section.size("max_header_bytes", 16 << 10, &(8 << 10..=1 << 20))),
        max_headers: section.count("max_headers", 100),
        max_connections: section.count("max_connections", 4096),
        max_in_flight_bytes: narrow(section.size("max_in_flight_bytes", 64 << 20, &(1 << 10..=1 << 40))),
        max_in_flight: section.count("max_in_flight", 8192),
        max_refusals_per_source: section.whole("max_refusals_per_source", 0),
        header_timeout: section.duration("header_timeout", second * 10, &positive),
        // The default is longer than any known pool of connections keeps one: Google's load balancers keep a connection for 600 s.
        idle_timeout: section.duration("idle_timeout", second * 620, &positive),
        body_timeout: section.duration("body_timeout", second * 3, &positive),
        answer_deadline: section.duration("answer_deadline", second * 4, &positive),
        event_loop_delay_max: Duration::ZERO,
        retry_after: retry_after(&mut section),
        trusted_proxies: proxies::read(&mut section),
        tls: section.optional_table("tls").and_then(|table| tls::read(table, warnings)),
    };
    section.finish();
    http.event_loop_delay_max = http.answer_deadline / 8;
    if http.idle_timeout < IDLE_TIMEOUT_MIN {
        warnings.push(format!(
            "[http] idle_timeout: {} is less than {}: a proxy that keeps connections for a minute will now and then send into one that is just closing, and answer 502",
            show_duration(http.idle_timeout),
            show_duration(IDLE_TIMEOUT_MIN),
        ));
    }
    http
}

fn retry_after(section: &mut Section<'_>) -> Duration {
    let second = Duration::from_secs(1);
    let origin = section.written("retry_after");
    let retry_after = section.duration("retry_after", second * 5, &(second..=second * 3600));
    if let Some(origin) = origin
        && retry_after.subsec_nanos() > 0
    {
        section.complain("retry_after", origin, "must be whole seconds: the Retry-After header has no finer unit");
    }
    retry_after
}

fn shutdown(mut section: Section<'_>) -> Shutdown {
    let second = Duration::from_secs(1);
    let any = Duration::ZERO..=second * 3600;
    let shutdown = Shutdown {
        pre_stop: section.duration("pre_stop", second * 5, &any),
        drain: section.duration("drain", second * 10, &any),
        flush: section.duration("flush", second * 5, &any),
        grace: section.duration("grace", second * 30, &any),
    };
    section.finish();
    shutdown
}

fn endpoints(
    mut section: Section<'_>,
    environment: &Environment,
    topics: &Topics,
    warnings: &mut Vec<String>,
) -> Vec<EndpointConfig> {
    let mut endpoints = Vec::new();
    // An endpoint that is there but wrong has its own complaints.
    let mut none = true;
    for (name, table) in section.tables() {
        none = false;
        endpoints.extend(endpoint((&name, table), environment, topics, warnings));
    }
    // Without one there is no daemon, but the topics can be read.
    if none && section.reader.needs != super::Needs::Kafka && !section.is_no_table() {
        let message = "[endpoints]: there is none; for example [endpoints.uploadcare] with provider = \"uploadcare\" and secrets = [\"env:UPLOADCARE_SECRET\"]";
        section.reader.problem(section.origin.clone(), message);
    }
    if !section.is_needed() {
        return endpoints;
    }
    let (rings, clashes) = read_all(&endpoints, environment);
    warnings.extend(clashes.into_iter().map(|clash| format!("[endpoints]: {clash}")));
    for ring in &rings {
        warnings.extend(ring.doubled().into_iter().map(|same| format!("[endpoints.{}] secrets: {same}", ring.endpoint())));
    }
    for shared in shared_secrets(&rings) {
        section.reader.problem(section.origin.clone(), format!("[endpoints]: {shared}"));
    }
    endpoints
}

fn endpoint(
    (name, mut table): (&str, Section<'_>),
    environment: &Environment,
    topics: &Topics,
    warnings: &mut Vec<String>,
) -> Option<EndpointConfig> {
    let at = table.origin.clone();
    if !is_endpoint_name(name) {
        let message =
            "[endpoints]: \"{}\" is not a name: lower-case letters and digits, with single '-' or '_' between them, at most 64";
        table.reader.problem(at, message.replacen("{}", &name.escape_debug().to_string(), 1));
    }
    let provider = endpoint_provider(&mut table);
    let signed_urls = signed_urls(&mut table, provider);
    let mut secrets = Vec::new();
    for (source, origin) in table.secrets("secrets", SECRETS_MAX, NO_SECRETS, EMPTY_SECRETS) {
        // An unknown provider was complained about already.
        if let Some(provider) = provider.filter(|_| table.is_needed()) {
            match secrets::examine(&source, (provider, signed_urls), environment) {
                Ok(said) => {
                    warnings.extend(said.into_iter().map(|warning| format!("[endpoints.{name}] secrets: {warning}")));
                }
                Err(fault) => {
                    table.complain("secrets", origin, &fault);
                    continue;
                }
            }
        }
        secrets.push(source);
    }
    let written = table.written("tolerance");
    let tolerance = table.duration("tolerance", TOLERANCE, &TOLERANCE_RANGE);
    if let Some(provider) = provider.filter(|provider| !provider.signs_time()) {
        table.hide("tolerance");
        if let Some(origin) = written {
            table.complain("tolerance", origin, &format!("has no effect: {} signs no timestamp", provider.title));
        }
    }
    let topic_prefix = topic_prefixes::read(&mut table, topics);
    table.finish();
    Some(EndpointConfig { name: name.into(), provider: provider?, secrets, tolerance, signed_urls, topic_prefix })
}

fn signed_urls(table: &mut Section<'_>, provider: Option<&provider::Provider>) -> SignedUrls {
    let written = table.written("signed_urls");
    let choices = [("optional", SignedUrls::Optional), ("required", SignedUrls::Required)];
    let signed_urls = table.choice("signed_urls", &choices, SignedUrls::Optional);
    if let Some(provider) = provider.filter(|provider| !provider.takes_signed_urls) {
        table.hide("signed_urls");
        if let Some(origin) = written {
            let takers = provider::ALL.iter().filter(|it| it.takes_signed_urls).map(|it| it.title).collect::<Vec<_>>().join(", ");
            let fault = format!("is only for {takers}: {} calls the same URL for every delivery", provider.title);
            table.complain("signed_urls", origin, &fault);
        }
    }
    signed_urls
}

fn endpoint_provider(table: &mut Section<'_>) -> Option<&'static provider::Provider> {
    let names = provider::ALL.iter().map(|provider| provider.name);
    let known = || names.clone().collect::<Vec<_>>().join(", ");
    let kind = Kind::Choice(names.clone().collect());
    let (written, origin) = table.required("provider", kind, &format!("is missing; there are {}", known()))?;
    let provider = provider::by_name(&written);
    if provider.is_none() {
        let hint = match suggestion(&written, names.clone()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => format!("there are {}", known()),
        };
        table.complain("provider", origin, &format!("no such provider; {hint}"));
    }
    provider
}

/// Returns whether a text may be the name of an endpoint, `[a-z0-9]+([_-][a-z0-9]+)*`: safe in a URL, a topic, a label and a variable.
pub fn is_endpoint_name(name: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.len() <= ENDPOINT_NAME_BYTES_MAX && name.split(['-', '_']).all(word)
}

/// Checks combinations of values that are only wrong together.
fn combinations(reader: &Reader, config: &Config) {
    for link in deadlines::chain(config) {
        if !link.holds() {
            reader.complain(link.keys, format!("deadlines: {link}; change {}", link.keys.join(" or ")));
        }
    }
    let (http, topics) = (&config.http, &config.topics);
    let size = |bytes: usize| show_size(bytes as u64);
    if http.max_body_bytes + RECORD_OVERHEAD_BYTES > topics.max_message_bytes {
        let message = format!(
            "[http] max_body_bytes: {} and {} for the record's own fields do not fit [topics] max_message_bytes ({})",
            size(http.max_body_bytes),
            size(RECORD_OVERHEAD_BYTES),
            size(topics.max_message_bytes)
        );
        reader.complain(&["http.max_body_bytes", "topics.max_message_bytes"], message);
    }
    if http.max_body_bytes > http.max_in_flight_bytes {
        let message = format!(
            "[http] max_in_flight_bytes: {} is less than one body ({})",
            size(http.max_in_flight_bytes),
            size(http.max_body_bytes)
        );
        reader.complain(&["http.max_in_flight_bytes", "http.max_body_bytes"], message);
    }
    if config.kafka.queue_bytes < topics.max_message_bytes as u64 {
        let message = "[kafka] queue_bytes: is less than one record of [topics] max_message_bytes";
        reader.complain(&["kafka.queue_bytes", "topics.max_message_bytes"], message);
    }
    topic_prefixes::compare(reader, config);
    let (webhooks, admin) = (http.listen, config.admin.listen);
    let overlap = webhooks.ip() == admin.ip() || webhooks.ip().is_unspecified() || admin.ip().is_unspecified();
    if webhooks.port() != 0 && webhooks.port() == admin.port() && overlap {
        let message = format!("[admin] listen: port {} is [http] listen's already", admin.port());
        reader.complain(&["admin.listen", "http.listen"], message);
    }
}
