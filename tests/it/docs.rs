//! The documents say what the program does: keys and defaults, answers, metrics, topics.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc, time::SystemTime};

use hookgate::{
    config::{self, Config, Environment, deadlines::memory_ceiling},
    error::{self, Error},
    metrics::{
        BrokerStatistics, CONNECTION_FAULTS, CertificateUse, EndpointLabels, Limits, Metrics, OUTCOMES, PUBLISH_RESULTS, Proven,
        SPAN_RESULTS, Statistics,
    },
    provider,
};
use serde_json::Value;

use crate::{binary::Folder, tls};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn parse(text: &str, variables: &[(&str, &str)]) -> Config {
    let environment: Environment = variables.iter().copied().collect();
    config::parse(text, "documented.toml", &environment, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The first fenced block of a language.
fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let (_, behind) = text.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("no {language} block"));
    behind.split_once("```").expect("the block ends").0
}

/// The chapter under the heading that names a table, up to the next heading.
fn chapter<'a>(text: &'a str, table: &str) -> &'a str {
    let heading = format!("# `[{table}]`\n");
    let (_, behind) = text.split_once(&heading).unwrap_or_else(|| panic!("no chapter on [{table}]"));
    behind.split("\n#").next().unwrap_or_default()
}

/// The cells of every table row, without their backticks.
pub fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.map(|line| line.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
}

/// Every key of the view, as its table and itself, with its default where that is one word.
fn keys(view: &Value, table: &str, found: &mut Vec<(String, String, Option<String>)>) {
    for (key, value) in view.as_object().into_iter().flatten() {
        let table_of_its_own = matches!(value, Value::Object(_)) && !matches!(key.as_str(), "map" | "properties");
        if table_of_its_own {
            let named = if table == "endpoints" { "<name>" } else { key };
            let inner = if table.is_empty() { named.to_owned() } else { format!("{table}.{named}") };
            keys(value, &inner, found);
        } else {
            let default = match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(boolean) => Some(boolean.to_string()),
                _ => None,
            };
            found.push((table.to_owned(), key.clone(), default));
        }
    }
}

/// Checks the tables of docs/configuration.md against a configuration in which nothing has been chosen but `chosen`.
fn check_keys(config: &Config, chosen: &[&str]) {
    let text = document("docs/configuration.md");
    let mut found = Vec::new();
    keys(&config.redacted(), "", &mut found);
    assert!(found.len() > 30, "the view has lost its keys: {found:?}");
    for (table, key, default) in found {
        if matches!(key.as_str(), "map" | "properties") {
            chapter(&text, &format!("{table}.{key}"));
            continue;
        }
        if matches!(key.as_str(), "tls" | "sasl" | "tracing" | "schema_registry") {
            continue;
        }
        let chapter = chapter(&text, &table);
        let row = rows(chapter).find(|row| row[0] == key).unwrap_or_else(|| panic!("[{table}] {key} is not documented"));
        if let Some(default) = default.filter(|_| !chosen.contains(&key.as_str())) {
            assert_eq!(row[1], default, "the documented default of [{table}] {key}");
        }
    }
}

#[test]
fn every_key_is_documented_with_its_default() {
    let endpoints = "[endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:A\"]\n";
    let plain = parse(&format!("[kafka]\nbrokers = [\"kafka:9092\"]\n{endpoints}"), &[("A", "a")]);
    check_keys(&plain, &["provider"]);
    let file = root().join("Cargo.toml").display().to_string();
    let folder = Folder::new();
    tls::pair().write(&folder);
    let http = tls::table(&folder);
    let full = format!(
        "[tracing]\nendpoint = \"http://collector:4318\"\n{http}[kafka]\nbrokers = [\"kafka:9092\"]\nsecurity = \"tls\"\n\
         [kafka.tls]\nca_file = '{file}'\ncertificate_file = '{file}'\nkey_file = '{file}'\n\
         [kafka.sasl]\nmechanism = \"PLAIN\"\nusername = \"u\"\npassword = \"env:A\"\n\
         [schema_registry]\nurls = [\"https://registry\"]\n{endpoints}"
    );
    let chosen =
        ["provider", "endpoint", "security", "ca_file", "certificate_file", "key_file", "mechanism", "username", "password"];
    check_keys(&parse(&full, &[("A", "a")]), &chosen);
    let tokens = format!(
        "[kafka]\nbrokers = [\"kafka:9092\"]\nsecurity = \"tls\"\n[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\n\
         token_url = \"https://issuer.example/token\"\nclient_id = \"a\"\nclient_secret = \"env:A\"\n{endpoints}"
    );
    check_keys(&parse(&tokens, &[("A", "a")]), &["provider", "security", "mechanism", "token_url", "client_id", "client_secret"]);
}

#[test]
fn no_key_is_documented_that_is_refused() {
    let text = document("docs/configuration.md");
    let tables = [
        "kafka",
        "kafka.tls",
        "kafka.sasl",
        "http",
        "http.tls",
        "admin",
        "topics",
        "shutdown",
        "schema_registry",
        "log",
        "tracing",
        "endpoints.<name>",
    ];
    for table in tables {
        for row in rows(chapter(&text, table)).filter(|row| row[0] != "key" && row.len() == 3) {
            let line = format!("[{}]\n{} = []\n", table.replace("<name>", "a"), row[0]);
            let report = config::parse(&line, "a", &Environment::default(), &[]).expect_err("it is incomplete").to_string();
            assert!(!report.contains("no such"), "[{table}] {}: {report}", row[0]);
        }
    }
}

#[test]
fn the_memory_ceiling_is_the_documented_one() {
    let config =
        parse(block(&document("README.md"), "toml"), &[("UPLOADCARE_SECRET", "a"), ("AVATARS_TOKEN", "0123456789abcdef")]);
    let ceiling = memory_ceiling(&config).to_string();
    let (_, total) = ceiling.rsplit_once(" = ").expect("a sum");
    for path in ["docs/configuration.md", "docs/kubernetes.md", "deploy/helm/hookgate/values.yaml"] {
        assert!(document(path).contains(total), "{path} has another ceiling than {ceiling}");
    }
    assert!(document("docs/configuration.md").contains(&ceiling), "{ceiling}");
}

#[test]
fn documented_configurations_are_accepted() {
    let readme = document("README.md");
    let secrets = [("UPLOADCARE_SECRET", "7kMVZivndx0ErgvhRKAr"), ("AVATARS_TOKEN", "1b0e6cf2f8a94d6f8e0c2a57c1d9e3b4")];
    let config = parse(block(&readme, "toml"), &secrets);
    assert_eq!(config.warnings, Vec::<String>::new());
    for endpoint in &config.endpoints {
        assert!(readme.contains(&format!("/webhooks/{}", endpoint.name)), "the URL of {} is not told", endpoint.name);
    }

    let deployed = parse(&document("deploy/hookgate.toml"), &[("KAFKA_PASSWORD", "p")]);
    let providers: BTreeSet<&str> = deployed.endpoints.iter().map(|endpoint| endpoint.provider.name).collect();
    assert_eq!(providers.len(), provider::ALL.len());

    let map = block(chapter(&document("docs/configuration.md"), "topics.map"), "toml").to_owned();
    parse(&format!("{map}\n{}", block(&readme, "toml")), &secrets);
}

/// One of each: a new variant makes the match below fail to compile until it is listed.
fn errors() -> Vec<Error> {
    use Error::{
        BadRequest, BadSignature, BadToken, Draining, EncodedBody, Internal, MalformedBody, Method, MissingSignature, NoSecret,
        Overloaded, PublishFailed, PublishTimeout, SlowBody, SourceLimited, Stale, TooLarge, UnknownEndpoint,
    };
    let listed = vec![
        MissingSignature,
        BadSignature,
        Stale { offset: 0 },
        BadToken,
        BadRequest,
        MalformedBody,
        UnknownEndpoint,
        Method,
        SlowBody,
        TooLarge,
        EncodedBody,
        Overloaded,
        SourceLimited,
        Draining,
        NoSecret,
        PublishTimeout,
        PublishFailed(String::new()),
        Internal,
    ];
    for error in &listed {
        match error {
            MissingSignature
            | BadSignature
            | Stale { .. }
            | BadToken
            | BadRequest
            | MalformedBody
            | UnknownEndpoint
            | Method
            | SlowBody
            | TooLarge
            | EncodedBody
            | Overloaded
            | SourceLimited
            | Draining
            | NoSecret
            | PublishTimeout
            | PublishFailed(_)
            | Internal => {}
        }
    }
    listed
}

#[test]
fn the_status_table_is_that_of_the_code() {
    let text = document("docs/http.md");
    let documented: BTreeSet<(String, String)> = rows(&text)
        .filter(|row| row.len() == 4 && row[0].parse::<u16>().is_ok())
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let refusals = errors().into_iter().map(|error| (error.answer().status.to_string(), error.answer().label.to_owned()));
    let stored = OUTCOMES.iter().filter(|outcome| **outcome != "cancelled").map(|outcome| ("200".into(), (*outcome).to_owned()));
    assert_eq!(documented, refusals.chain(stored).collect());
    let labels: BTreeSet<&str> = errors().iter().map(|error| error.answer().label).collect();
    assert_eq!(labels, error::LABELS.into_iter().collect());
    assert!(text.contains("`cancelled`"));
}

/// An exposition with a series of each metric.
pub fn every_metric() -> String {
    let (endpoint, topic): (Arc<str>, Arc<str>) = ("review".into(), "topic".into());
    let labels = EndpointLabels { endpoint: &endpoint, provider: "frameio", secrets: 1, signs_time: true };
    let metrics = Metrics::new([labels], [topic], &Limits::default()).expect("metrics");
    metrics.delivery(&endpoint, "published", 0.1);
    metrics.publish("acknowledged", 0.1);
    let proven = Proven { slot: 1, body_bytes: 1, received_at: SystemTime::UNIX_EPOCH, clock_offset: Some(0), age: Some(1.0) };
    metrics.proven(&endpoint, &proven);
    metrics.certificate_expiry(CertificateUse::Inbound, SystemTime::UNIX_EPOCH);
    let brokers = vec![BrokerStatistics { id: 1, up: true, round_trip: Some((0.1, 0.2)), throttle: 0.0, failures: 0 }];
    metrics.kafka(&Statistics { brokers, ..Statistics::default() });
    metrics.render()
}

#[test]
fn every_metric_is_documented_with_its_type() {
    let exposition = every_metric();
    let told = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    };
    let exposed: BTreeSet<(String, String)> = exposition.lines().filter_map(told).collect();
    let text = document("docs/metrics.md");
    let documented: BTreeSet<(String, String)> = rows(&text)
        .filter(|row| row.len() == 4 && row[0].starts_with("hookgate_"))
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let (own, process): (BTreeSet<_>, BTreeSet<_>) = exposed.into_iter().partition(|(name, _)| name.starts_with("hookgate_"));
    assert_eq!(documented, own);
    for (name, _) in process {
        assert!(text.contains(&format!("`{name}`")), "{name} is not documented");
    }
    for reason in CONNECTION_FAULTS {
        assert!(text.contains(&format!("`{reason}`")), "the connection fault {reason} is not documented");
    }
    for result in PUBLISH_RESULTS.into_iter().chain(SPAN_RESULTS) {
        assert!(text.contains(&format!("`{result}`")), "the result {result} is not documented");
    }
}

/// Scanners that read the bill of materials see the crates; the page tells what is in them, so it has to be about those of this build.
#[test]
fn the_c_libraries_are_those_of_the_lock_file() {
    let locked = document("Cargo.lock");
    let pairs = locked.split("[[package]]\nname = \"").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("\"\nversion = \"")?;
        Some((name.to_owned(), rest.split('"').next()?.to_owned()))
    });
    let locked: BTreeSet<(String, String)> = pairs.collect();
    let text = document("SECURITY.md");
    let (_, chapter) = text.split_once("### C libraries in the binary\n").expect("the chapter");
    let chapter = chapter.split("\n#").next().unwrap_or_default();
    let told: BTreeSet<(String, String)> =
        rows(chapter).filter(|row| row[0] != "crate").map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(told.difference(&locked).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not in Cargo.lock");
    // Such crates tell the version of the library that they bring along.
    let brings =
        |(name, version): &&(String, String)| (name.ends_with("-sys") || name.ends_with("-src")) && version.contains('+');
    let untold: Vec<_> = locked.iter().filter(brings).filter(|pair| !told.contains(*pair)).collect();
    assert!(untold.is_empty() && locked.iter().any(|pair| brings(&pair)), "not in SECURITY.md: {untold:?}");
}
