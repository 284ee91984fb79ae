//! The documents say what the program does: keys and defaults, answers, metrics, topics.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};

use hookgate::{
    closed::Closed,
    config::{self, Config, Environment, deadlines::memory_ceiling},
    error::{Error, Refusal},
    metrics::{
        BrokerStatistics, CertificateUse, ConnectionFault, DeliveryOutcome, EndpointLabels, GuaranteeLabel, HealthCheck, Limits,
        LineLoss, METRICS, Metrics, Proven, PublishResult, SpanResult, Statistics,
    },
    provider,
};

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

/// Returns the first fenced block of a language.
pub fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("no {language} block"));
    after.split_once("```").expect("the block ends").0
}

/// Returns the chapter about a table of the configuration, up to the next heading.
fn chapter<'a>(text: &'a str, table: &str) -> &'a str {
    let heading = format!("# `[{table}]`\n");
    let (_, after) = text.split_once(&heading).unwrap_or_else(|| panic!("no chapter on [{table}]"));
    after.split("\n#").next().unwrap_or_default()
}

/// Returns the cells of every row of a Markdown table, without their backticks.
pub fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.map(|line| line.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
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
        assert!(readme.contains(&format!("/webhooks/{}", endpoint.name)), "the README does not say the URL of {}", endpoint.name);
    }

    let deployed = parse(&document("deploy/hookgate.toml"), &[("KAFKA_PASSWORD", "p")]);
    let providers: BTreeSet<&str> = deployed.endpoints.iter().map(|endpoint| endpoint.provider.name).collect();
    let all = provider::ALL.iter().map(|provider| provider.name).collect();
    assert_eq!(providers, all, "deploy/hookgate.toml has an endpoint of each provider");

    let map = block(chapter(&document("docs/configuration.md"), "topics.map"), "toml").to_owned();
    parse(&format!("{map}\n{}", block(&readme, "toml")), &secrets);
}

/// Returns one error of each variant. A new variant does not compile until the match below lists it.
fn errors() -> Vec<Error> {
    use Error::{
        BadRequest, BadSignature, BadToken, Draining, EncodedBody, Expired, Internal, MalformedBody, Method, MissingSignature,
        NoSecret, Overloaded, PublishFailed, PublishTimeout, SlowBody, SourceLimited, Stale, TooLarge, UnknownEndpoint,
    };
    let listed = vec![
        MissingSignature,
        BadSignature,
        Stale { offset: 0 },
        Expired { ago: 1 },
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
            | Expired { .. }
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
    let refusals = errors().into_iter().map(|error| (error.answer().status.to_string(), error.answer().label().to_owned()));
    let stored =
        DeliveryOutcome::all().filter(|outcome| !matches!(outcome, DeliveryOutcome::Refused(_) | DeliveryOutcome::Cancelled));
    let stored = stored.map(|outcome| ("200".to_owned(), outcome.text().to_owned()));
    assert_eq!(documented, refusals.chain(stored).collect());
    let labels: BTreeSet<&str> = errors().iter().map(|error| error.answer().label()).collect();
    assert_eq!(labels, Refusal::all().map(Refusal::text).collect());
    assert!(text.contains("`cancelled`"));
}

/// Renders an exposition with a series of each metric.
pub fn every_metric() -> String {
    let (endpoint, topic): (Arc<str>, Arc<str>) = ("review".into(), "topic".into());
    let labels = EndpointLabels { endpoint: &endpoint, provider: "frameio", signs_time: true };
    let metrics = Metrics::new([labels], [topic], &Limits::default()).expect("metrics");
    metrics.has_secrets(&endpoint, 1);
    metrics.delivery(&endpoint, DeliveryOutcome::Published, 0.1);
    metrics.publish(PublishResult::Acknowledged, 0.1);
    let proven = Proven { slot: 1, body_bytes: 1, received_at: SystemTime::UNIX_EPOCH, clock_offset: Some(0), age: Some(1.0) };
    metrics.proven(&endpoint, &proven);
    metrics.certificate_expiry(CertificateUse::Inbound, SystemTime::UNIX_EPOCH);
    let brokers = vec![BrokerStatistics { id: 1, up: true, round_trip: Some((0.1, 0.2)), throttle: 0.0, failures: 0 }];
    metrics.kafka(&Statistics { brokers, ..Statistics::default() });
    metrics.render()
}

#[test]
fn every_metric_is_documented_with_its_type_and_its_labels() {
    let exposition = every_metric();
    let name_and_type = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    };
    let exposed: BTreeMap<String, String> = exposition.lines().filter_map(name_and_type).collect();
    let text = document("docs/metrics.md");
    let documented: BTreeSet<(String, String, String)> = rows(&text)
        .filter(|row| row.len() == 4 && row[0].starts_with("hookgate_"))
        .map(|row| (row[0].clone(), row[1].clone(), row[2].replace('`', "")))
        .collect();
    let (own, process): (BTreeMap<_, _>, BTreeMap<_, _>) =
        exposed.into_iter().partition(|(name, _)| name.starts_with("hookgate_"));
    let table = METRICS.iter().map(|metric| {
        let kind = own.get(metric.name).unwrap_or_else(|| panic!("there is no series of {}", metric.name));
        let labels = if metric.labels.is_empty() { "–".into() } else { metric.labels.join(", ") };
        (metric.name.to_owned(), kind.clone(), labels)
    });
    assert_eq!(documented, table.collect());
    assert_eq!(own.len(), METRICS.len(), "a metric that is not in the table: {own:?}");
    for name in process.keys() {
        assert!(text.contains(&format!("`{name}`")), "{name} is not documented");
    }
    check_values::<ConnectionFault>(&text);
    check_values::<PublishResult>(&text);
    check_values::<GuaranteeLabel>(&text);
    check_values::<HealthCheck>(&text);
    check_values::<SpanResult>(&text);
    check_values::<LineLoss>(&text);
    check_values::<CertificateUse>(&text);
}

/// Checks that every value of a label is documented.
fn check_values<L: Closed>(text: &str) {
    for value in L::all().map(L::text) {
        assert!(text.contains(&format!("`{value}`")), "the value {value} of a label is not documented");
    }
}

/// Scanners read the bill of materials and see only crates. The page names the C libraries inside these crates, so its versions must be
/// those of this build.
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
    let listed: BTreeSet<(String, String)> =
        rows(chapter).filter(|row| row[0] != "crate").map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(listed.difference(&locked).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not in Cargo.lock");
    // The version of a crate that contains a C library ends with the version of the library.
    let contains =
        |(name, version): &&(String, String)| (name.ends_with("-sys") || name.ends_with("-src")) && version.contains('+');
    let missing: Vec<_> = locked.iter().filter(contains).filter(|pair| !listed.contains(*pair)).collect();
    assert!(missing.is_empty() && locked.iter().any(|pair| contains(&pair)), "not in SECURITY.md: {missing:?}");
}
