//! What the configuration accepts, what it refuses, and in which words.

mod admin;
mod aws;
mod credentials;
mod in_sync;
mod kafka;
mod log;
mod recover;
mod registry;
mod secret_folder;
mod secrets;
mod syntax;
mod topics;
mod tracing;

use std::{fs, path::PathBuf, time::Duration};

use super::{deadlines, *};
use crate::event::EventKind;

const MINIMAL: &str = r#"
[kafka]
brokers = ["kafka:9092"]

[endpoints.uploadcare]
provider = "uploadcare"
secrets = ["env:UPLOADCARE_SECRET"]

[endpoints.avatars]
provider = "filesafety"
secrets = ["env:AVATARS_TOKEN"]
"#;

const UPLOADCARE: &str = "uploadcare-secret";
const AVATARS: &str = "avatars-token-of-some-length";

/// Returns the environment that [`MINIMAL`] refers to, and more.
fn environment(more: &[(&str, &str)]) -> Environment {
    [("UPLOADCARE_SECRET", UPLOADCARE), ("AVATARS_TOKEN", AVATARS)].iter().chain(more).copied().collect()
}

fn read(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, Problems> {
    let flags: Vec<_> = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    parse(text, "hookgate.toml", &environment(variables), &flags)
}

#[track_caller]
fn accept(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Config {
    read(text, variables, flags).unwrap_or_else(|problems| panic!("refused:\n{problems}"))
}

/// Checks the exact report on a configuration.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let report = read(text, &[], &[]).expect_err("accepted").to_string();
    assert_eq!(report.lines().collect::<Vec<_>>(), expected, "for\n{text}");
}

/// Checks the report on [`MINIMAL`] with lines after it, of which the first is line 13.
#[track_caller]
fn check_more(more: &str, expected: &[&str]) {
    check(&format!("{MINIMAL}\n{more}"), expected);
}

/// Checks the report on a `[kafka]` table with these lines, of which the first is line 3.
#[track_caller]
fn check_kafka(more: &str, expected: &[&str]) {
    check(&MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{more}\n"), 1), expected);
}

/// Checks the report on an endpoint with these lines, of which the first is line 13, the header.
#[track_caller]
fn check_endpoint(more: &str, expected: &[&str]) {
    check_more(&format!("[endpoints.it]\n{more}"), expected);
}

/// Returns a directory of this test's own.
fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("hookgate-config-{}-{name}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn defaults() {
    let config = accept(MINIMAL, &[], &[]);
    let expected = serde_json::json!({
        "kafka": {
            "brokers": ["kafka:9092"], "security": "plaintext", "tls": null, "sasl": null, "client_id": "hookgate",
            "compression": "lz4", "linger": "5ms", "publish_timeout": "3.8s", "message_timeout": "3s", "socket_timeout": "1.5s",
            "reconnect_backoff_max": "250ms", "connections_max_idle": "60s", "queue_bytes": "64MiB", "auto_create": false, "properties": {},
        },
        "http": {
            "listen": "0.0.0.0:8080", "max_body_bytes": "768KiB", "max_header_bytes": "16KiB", "max_headers": 100,
            "max_connections": 4096, "max_in_flight_bytes": "64MiB", "max_in_flight": 8192,
            "max_refusals_per_source": 0, "header_timeout": "10s", "idle_timeout": "620s",
            "body_timeout": "3s", "answer_deadline": "4s", "retry_after": "5s", "trusted_proxies": [], "tls": null,
        },
        "admin": {"listen": "0.0.0.0:9090", "hosts": [], "scrape_max_age": "1s"},
        "topics": {
            "prefix": "hookgate.", "map": {}, "partitions": 6, "partitions_of": {}, "replication": 3, "min_insync_replicas": 2,
            "retention": "14d", "retention_of": {},
            "max_message_bytes": "1000000",
        },
        "schema_registry": null,
            "shutdown": {"pre_stop": "5s", "drain": "10s", "flush": "5s", "grace": "30s"},
        "log": {"format": "auto", "level": "info", "success_sample": 100},
        "tracing": null,
        "recover": null,
        "endpoints": {
            "avatars": {"provider": "filesafety", "secrets": ["env:AVATARS_TOKEN"], "signed_urls": "optional", "topic_prefix": null},
            "uploadcare": {"provider": "uploadcare", "secrets": ["env:UPLOADCARE_SECRET"], "topic_prefix": null},
        },
    });
    assert_eq!(config.redacted(), expected);
    assert_eq!(config.warnings, Vec::<String>::new());
    let names: Vec<&str> = config.endpoints.iter().map(|endpoint| &*endpoint.name).collect();
    assert_eq!(names, ["avatars", "uploadcare"]);
}

#[test]
fn a_connection_shorter_than_a_proxys_is_warned_of() {
    fn check(timeout: &str, warned: bool) {
        let config = accept(&format!("{MINIMAL}\n[http]\nidle_timeout = \"{timeout}\""), &[], &[]);
        let about = |warning: &String| warning.starts_with(&format!("[http] idle_timeout: {timeout} is less than 75s: "));
        assert_eq!((config.warnings.len(), config.warnings.iter().all(about)), (usize::from(warned), true), "{timeout}");
    }
    check("10s", true);
    check("74s", true);
    check("75s", false);
    check("3600s", false);
}

#[test]
fn everything_wrong_is_reported_at_once() {
    check(
        "[kafka]\nbroker = [\"kafka:9092\"]\nlinger = 5\n[htp]\n[http]\nmax_body_byte = 1\n[endpoints.a]\nprovider = \"frame.io\"\n",
        &[
            "hookgate.toml:1: [kafka] brokers: is missing; for example: brokers = [\"kafka:9092\"]",
            "hookgate.toml:2: [kafka] broker: no such key; did you mean \"brokers\"?",
            "hookgate.toml:3: [kafka] linger: a unit is missing; write \"5s\" or \"5ms\"",
            "hookgate.toml:4: [htp]: no such table; did you mean \"http\"?",
            "hookgate.toml:6: [http] max_body_byte: no such key; did you mean \"max_body_bytes\"?",
            "hookgate.toml:7: [endpoints.a] secrets: is missing; for example: secrets = [\"env:NAME\"] or [\"file:/path\"]",
            "hookgate.toml:8: [endpoints.a] provider: no such provider; did you mean \"frameio\"?",
        ],
    );
}

#[test]
fn shape() {
    check(
        "",
        &[
            "hookgate.toml: [endpoints]: there is none; for example [endpoints.uploadcare] with provider = \"uploadcare\" and secrets = [\"env:UPLOADCARE_SECRET\"]",
            "hookgate.toml: [kafka] brokers: is missing; for example: brokers = [\"kafka:9092\"]",
        ],
    );
    check(
        "[kafka]\nbrokers = [\"kafka:9092\"\n[http",
        &["hookgate.toml:2: the list that begins here does not end: a \"]\" is missing"],
    );
    check_more("[admin]\nport = 1", &["hookgate.toml:14: [admin] port: no such key; did you mean \"listen\"?"]);
    check_more("[[admin]]", &["hookgate.toml:13: [admin]: a table was expected, a list was found"]);
}

#[test]
fn values() {
    for (more, expected) in [
        (
            "[http]\nlisten = 8080",
            "hookgate.toml:14: [http] listen: a string was expected, an integer was found; write \"0.0.0.0:8080\"",
        ),
        (
            "[http]\nmax_body_bytes = \"1MB\"",
            "hookgate.toml:14: [http] max_body_bytes: a size in bytes was expected: an integer, or a string such as \"768KiB\" or \"64MiB\"; write \"1MiB\"",
        ),
        ("[http]\nmax_body_bytes = 0", "hookgate.toml:14: [http] max_body_bytes: must lie between 1KiB and 1GiB"),
        ("[http]\nmax_header_bytes = 8191", "hookgate.toml:14: [http] max_header_bytes: must lie between 8KiB and 1MiB"),
        ("[http]\nmax_connections = 0", "hookgate.toml:14: [http] max_connections: must lie between 1 and 1000000"),
        (
            "[http]\nmax_headers = 99999999999999999999",
            "hookgate.toml:14: [http] max_headers: an integer was expected, an integer beyond 64 bits was found",
        ),
        ("[http]\nbody_timeout = \"0s\"", "hookgate.toml:14: [http] body_timeout: must lie between 1ms and 3600s"),
        (
            "[http]\nbody_timeout = 2.5",
            "hookgate.toml:14: [http] body_timeout: a duration was expected, such as \"500ms\", \"3.5s\", \"5m\" or \"14d\"",
        ),
        (
            "[http]\nretry_after = \"1.5s\"",
            "hookgate.toml:14: [http] retry_after: must be whole seconds: the Retry-After header has no finer unit",
        ),
        ("[log]\nformat = \"xml\"", "hookgate.toml:14: [log] format: must be one of auto, json, text"),
        (
            "[log]\nlevel = \"a=b=c\"",
            "hookgate.toml:14: [log] level: \"b=c\" is no level; there are off, error, warn, info, debug, trace",
        ),
    ] {
        check_more(more, &[expected]);
    }
}

#[test]
fn combinations() {
    for (more, expected) in [
        ("[admin]\nlisten = \"127.0.0.1:8080\"", "hookgate.toml:14: [admin] listen: port 8080 is [http] listen's already"),
        (
            "[http]\nmax_body_bytes = \"1MiB\"",
            "hookgate.toml:14: [http] max_body_bytes: 1MiB and 64KiB for the record's own fields do not fit [topics] max_message_bytes (1000000)",
        ),
        (
            "[http]\nmax_in_flight_bytes = \"512KiB\"",
            "hookgate.toml:14: [http] max_in_flight_bytes: 512KiB is less than one body (768KiB)",
        ),
        (
            "[topics]\nmax_message_bytes = \"128MiB\"",
            "hookgate.toml:14: [kafka] queue_bytes: is less than one record of [topics] max_message_bytes",
        ),
        (
            "[http]\nbody_timeout = \"4s\"",
            "hookgate.toml:14: deadlines: http.answer_deadline (4s) is not more than http.body_timeout (4s); change http.body_timeout or http.answer_deadline",
        ),
        (
            "[http]\nanswer_deadline = \"3.8s\"",
            "hookgate.toml:14: deadlines: http.answer_deadline (3.8s) is not more than kafka.publish_timeout (3.8s); change kafka.publish_timeout or http.answer_deadline",
        ),
        (
            "[shutdown]\npre_stop = \"15s\"",
            "hookgate.toml:14: deadlines: shutdown.grace (30s) is not more than shutdown.pre_stop + 0.25s + shutdown.drain + shutdown.flush (30.25s); change shutdown.grace or shutdown.pre_stop or shutdown.drain or shutdown.flush",
        ),
        (
            "[shutdown]\ndrain = \"3s\"",
            "hookgate.toml:14: deadlines: shutdown.drain (3s) is less than http.answer_deadline (4s); change shutdown.drain or http.answer_deadline",
        ),
    ] {
        check_more(more, &[expected]);
    }
    check_kafka(
        "message_timeout = \"3050ms\"",
        &[
            "hookgate.toml:3: deadlines: kafka.publish_timeout (3.8s) is not more than kafka.message_timeout + kafka.reconnect_backoff_max + 0.5s (3.8s); change kafka.message_timeout or kafka.reconnect_backoff_max or kafka.publish_timeout",
        ],
    );
    check_kafka(
        "message_timeout = \"2999ms\"",
        &[
            "hookgate.toml:3: deadlines: kafka.message_timeout (2.999s) is less than kafka.socket_timeout + 1.5s (3s); change kafka.socket_timeout or kafka.message_timeout",
        ],
    );
    // The nearest values that are accepted.
    accept(&format!("{MINIMAL}\n[shutdown]\ndrain = \"4s\"\npre_stop = \"14s\"\n[http]\nlisten = \"127.0.0.1:0\""), &[], &[]);
    accept(&format!("{MINIMAL}\n[http]\nlisten = \"127.0.0.1:1\"\n[admin]\nlisten = \"127.0.0.2:1\""), &[], &[]);
}

#[test]
fn the_answer_must_come_before_the_most_impatient_provider_leaves() {
    let mut config = accept(MINIMAL, &[], &[]);
    config.http.answer_deadline = Duration::from_secs(600);
    let broken: Vec<String> = deadlines::chain(&config).iter().filter(|it| !it.holds()).map(ToString::to_string).collect();
    assert!(broken[0].contains("'s own timeout"), "{broken:?}");
    assert!(deadlines::chain(&accept(MINIMAL, &[], &[])).iter().all(deadlines::Link::holds));
}

#[test]
fn a_broken_value_breaks_no_combination() {
    check_more(
        "[http]\nmax_body_bytes = \"1MiB\"\n[topics]\nmax_message_bytes = \"2MB\"",
        &[
            "hookgate.toml:16: [topics] max_message_bytes: a size in bytes was expected: an integer, or a string such as \"768KiB\" or \"64MiB\"; write \"2MiB\"",
        ],
    );
}

#[test]
fn variables_over_the_file_and_flags_over_both() {
    let text = format!(
        "{MINIMAL}\n[http]\nlisten = \"127.0.0.1:1\"\nmax_headers = 1\n[endpoints.my-care]\nprovider = \"frameio\"\nsecrets = [\"env:GONE\"]"
    );
    let variables = [
        ("HOOKGATE_HTTP__LISTEN", "127.0.0.1:2"),
        ("HOOKGATE_HTTP__MAX_HEADERS", "2"),
        ("HOOKGATE_KAFKA__BROKERS", "a:1, b:2"),
        ("HOOKGATE_KAFKA__AUTO_CREATE", "true"),
        ("HOOKGATE_KAFKA__PROPERTIES__SOCKET_KEEPALIVE_ENABLE", "true"),
        ("HOOKGATE_KAFKA__PROPERTIES__LOG_LEVEL", "7"),
        ("HOOKGATE_TOPICS__MAP__FRAMEIO_UNCLASSIFIED", "others"),
        ("HOOKGATE_ENDPOINTS__MY_CARE__SECRETS", "env:OTHER"),
        ("HOOKGATE_ENDPOINTS__NEW_ONE__PROVIDER", "frameio"),
        ("HOOKGATE_ENDPOINTS__NEW_ONE__SECRETS", "file:/nowhere,file:/neither"),
        ("HOOKGATE_PORT", "tcp://10.0.0.1:8080"),
        ("OTHER", "another-secret"),
    ];
    let config = accept(&text, &variables, &[("http.listen", "127.0.0.1:3"), ("kafka.properties.client.rack", "r1")]);
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:3");
    assert_eq!(config.http.max_headers, 2);
    assert_eq!(config.kafka.brokers, ["a:1", "b:2"]);
    assert!(config.kafka.auto_create);
    let properties: Vec<String> = config.kafka.properties.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(properties, ["client.rack=r1", "log_level=7", "socket.keepalive.enable=true"]);
    assert_eq!(config.topics.name(EventKind::Unclassified { provider: "frameio" }), "others");
    let secrets: Vec<String> = config.endpoints.iter().map(|it| format!("{} {}", it.name, it.secrets.len())).collect();
    assert_eq!(secrets, ["avatars 1", "my-care 1", "new_one 2", "uploadcare 1"]);
}

#[test]
fn wrong_variables_and_flags_are_named() {
    let variables = [("HOOKGATE_HTTP__LISTN", "x"), ("HOOKGATE_LOG__SUCCESS_SAMPLE", "many"), ("HOOKGATE_KAFKA__TLS", "x")];
    let report = read(MINIMAL, &variables, &[("admin.listen", "9090")]).expect_err("accepted").to_string();
    let expected = [
        "HOOKGATE_HTTP__LISTN: [http] listn: no such key; did you mean \"listen\"?",
        "HOOKGATE_KAFKA__TLS: [kafka.tls]: a table was expected, a string was found",
        "HOOKGATE_LOG__SUCCESS_SAMPLE: [log] success_sample: an integer was expected, a string was found",
        "command line: [admin] listen: \"9090\" is not an address and a port, such as \"0.0.0.0:9090\"; write \"0.0.0.0:9090\"",
    ];
    assert_eq!(report.lines().collect::<Vec<_>>(), expected);
    let text = format!(
        "{MINIMAL}\n[endpoints.a-b]\nprovider = \"frameio\"\nsecrets = [\"file:/x\"]\n[endpoints.a_b]\nprovider = \"frameio\"\nsecrets = [\"file:/y\"]"
    );
    let report = read(&text, &[("HOOKGATE_ENDPOINTS__A_B__TOLERANCE", "1m")], &[]).expect_err("accepted").to_string();
    assert_eq!(report, "HOOKGATE_ENDPOINTS__A_B__TOLERANCE: \"a-b\" and \"a_b\" cannot be distinguished in a variable's name");
}

#[test]
fn units() {
    for (text, expected) in [
        ("3.5s", Some(3500)),
        ("500ms", Some(500)),
        ("5m", Some(300_000)),
        ("2h", Some(7_200_000)),
        ("14d", Some(1_209_600_000)),
        ("5", None),
        ("s", None),
        ("-1s", None),
        ("infs", None),
        ("1e3s", None),
        ("1.2.3s", None),
        ("1 s", None),
    ] {
        assert_eq!(units::parse_duration(text).map(|it| it.as_millis()), expected, "{text}");
    }
    for (text, expected) in [
        ("768KiB", Some(786_432)),
        ("1GiB", Some(1 << 30)),
        ("12", Some(12)),
        ("12B", Some(12)),
        ("1MB", None),
        ("1.5MiB", None),
        ("", None),
        ("KiB", None),
        ("99999999999999GiB", None),
    ] {
        assert_eq!(units::parse_size(text), expected, "{text}");
    }
    for text in ["14d", "3.5s", "500ms", "30s", "90000s"] {
        assert_eq!(units::show_duration(units::parse_duration(text).unwrap()), text);
    }
}

#[test]
fn memory() {
    let ceiling = deadlines::memory_ceiling(&accept(MINIMAL, &[], &[]));
    assert_eq!(ceiling.total, ceiling.parts.iter().map(|(_, bytes)| bytes).sum::<u64>());
    assert_eq!(
        ceiling.to_string(),
        "process 48MiB + connections 180MiB + bodies in flight 80MiB + the delivery being read 60MiB + producer queue 64MiB + records that wait 24MiB + requests to brokers 15MiB + log 10MiB + admin port 5MiB = 485MiB"
    );
}
