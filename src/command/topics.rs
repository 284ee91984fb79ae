//! `hookgate topics`: the topics of a configuration, listed, created, or printed for another tool to create.

mod permissions;
mod strimzi;
mod terraform;

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
};

use clap::{Args, ValueEnum};
use serde_json::json;

use self::permissions::{Permission, Users};
use super::{
    CommandResult, ConfigSource, Failure,
    colour::Paint,
    misfits::{denied, misfits, refusals},
    output::{quote, table},
    progress::waiting,
    scripts, usable_brokers,
};
use crate::{
    app::topic_table,
    config::{Config, Environment, Needs},
    event::EventKind,
    kafka::admin::{self, Unread},
    logged::printable,
    registry::{self, SubjectState},
};

/// List or create the topics of this configuration, or print them for another tool.
///
/// A topic that exists stays as it is: partitions are never added, because then keys would move to other partitions. Where its settings do
/// not fit the configuration, --apply prints what does not fit and the command that changes it. Where there is a schema registry, each
/// topic's subject is printed too, and --apply registers the missing schemas.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate topics
  hookgate topics --apply
  hookgate topics --format commands --consumer billing > create-topics.sh
  hookgate topics --format strimzi --strimzi-cluster main --consumer billing > topics.yaml
  hookgate topics --format commands --consumer-of acme=acme-reader
  hookgate topics --format terraform --user hookgate --consumer billing > topics.tf")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// Create the missing topics, and register the missing schemas.
    #[arg(long)]
    apply: bool,
    /// Print the topics, and the permissions of the daemon and of its consumers, for somebody who may create them.
    #[arg(long, conflicts_with_all = ["apply", "json"])]
    format: Option<TopicFormat>,
    #[command(flatten)]
    users: Users,
    /// The name of the Kafka resource that Strimzi's resources belong to.
    #[arg(long, value_name = "NAME", default_value = strimzi::CLUSTER)]
    strimzi_cluster: String,
    /// Print one JSON object per topic.
    #[arg(long)]
    json: bool,
}

/// Which tool creates the topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TopicFormat {
    /// Kafka's own scripts, as lines for a shell.
    Commands,
    /// Strimzi, as `KafkaTopic` and `KafkaUser`.
    Strimzi,
    /// Terraform or `OpenTofu` with the provider Mongey/kafka.
    Terraform,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let mut config = arguments.source.load(environment, if arguments.apply { Needs::Cluster } else { Needs::Names })?;
    let topics = topic_table(&config).by_topic();
    if arguments.apply {
        let brokers = format!("the answers of {}", config.kafka.brokers.join(","));
        return waiting(&brokers, || {
            config.kafka = usable_brokers(&config.kafka)?;
            Ok(apply(&config, &topics, arguments.json, Paint::of_output(environment))?
                && register(&config, &topics, arguments.json)?)
        });
    }
    if let Some(format) = arguments.format {
        let topics: Vec<&str> = topics.keys().map(|topic| &**topic).collect();
        return print(arguments, format, &config, &topics);
    }
    let mut out = io::stdout().lock();
    let mut rows = Vec::new();
    for (topic, kinds) in &topics {
        let (kinds, subject): (Vec<_>, _) = (kinds.iter().map(|kind| kind.name()).collect(), subject(&config, topic));
        if arguments.json {
            writeln!(out, "{}", json!({ "topic": &**topic, "kinds": kinds, "subject": subject }))?;
        } else {
            rows.push([topic.to_string(), kinds.join(" ")].into_iter().chain(subject).collect());
        }
    }
    let is_terminal = out.is_terminal();
    table(&mut out, &rows, is_terminal)?;
    Ok(true)
}

/// Prints the topics and the permissions for a tool. All tools read lines that begin with `#` as comments.
fn print(arguments: &Arguments, format: TopicFormat, config: &Config, topics: &[&str]) -> CommandResult {
    let permissions = arguments.users.permissions(config, topics)?;
    // Nothing is printed of what cannot be printed as a whole.
    let mut out = Vec::new();
    for note in arguments.users.notes(config) {
        writeln!(out, "# {}", printable(&note))?;
    }
    match format {
        TopicFormat::Commands => {
            for topic in topics {
                writeln!(out, "{}", scripts::create(config, topic))?;
            }
            for permission in &permissions {
                writeln!(out, "{}", allow(config, permission))?;
            }
        }
        TopicFormat::Strimzi => strimzi::print(&mut out, config, topics, &permissions, &arguments.strimzi_cluster)?,
        TopicFormat::Terraform => terraform::print(&mut out, config, topics, &permissions)?,
    }
    io::stdout().lock().write_all(&out)?;
    Ok(true)
}

/// Returns the command that gives a permission.
fn allow(config: &Config, Permission { user, operations, on, names, prefixed }: &Permission) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("--{on} {}", quote(name))).collect();
    let pattern = if *prefixed { "--resource-pattern-type prefixed " } else { "" };
    scripts::allow(config, user, operations, &format!("{pattern}{}", names.join(" ")))
}

/// Returns the subject of a topic's schema, if there is a registry.
fn subject(config: &Config, topic: &str) -> Option<String> {
    config.schema_registry.as_ref().map(|registry| registry.strategy.subject(topic, registry::schema::MESSAGE))
}

/// Registers the missing schemas, whatever `register` says, because the user has asked for it.
fn register(config: &Config, topics: &BTreeMap<Arc<str>, Vec<EventKind>>, as_json: bool) -> CommandResult {
    let Some(schema_registry) = &config.schema_registry else { return Ok(true) };
    let topics: Vec<&str> = topics.keys().map(|topic| &**topic).collect();
    let states = registry::inspect(schema_registry, &topics, true)?;
    let mut out = io::stdout().lock();
    for (subject, state) in &states {
        let result = match state {
            SubjectState::Known { id } => format!("id {id}"),
            SubjectState::Missing => "missing".into(),
            SubjectState::Trouble(why) => why.clone(),
        };
        if as_json {
            writeln!(out, "{}", json!({ "subject": subject, "result": result }))?;
        } else {
            writeln!(out, "{subject}\t{result}")?;
        }
    }
    Ok(states.values().all(|state| matches!(state, SubjectState::Known { .. })))
}

fn apply(config: &Config, topics: &BTreeMap<Arc<str>, Vec<EventKind>>, as_json: bool, paint: Paint) -> CommandResult {
    admin::administration(&config.kafka).map_err(str::to_owned)?;
    let names: Vec<String> = topics.keys().map(ToString::to_string).collect();
    let before = admin::inspect(config, &names)?;
    let missing: Vec<String> = names.iter().filter(|name| !before.topics.contains_key(*name)).cloned().collect();
    let mut results = BTreeMap::new();
    if !missing.is_empty() {
        results.extend(admin::create_topics(config, &missing)?);
    }
    let created: Vec<String> = missing.into_iter().filter(|name| results.get(name) == Some(&None)).collect();
    // Programs that start next must find the topics.
    let late = if created.is_empty() { Vec::new() } else { admin::wait_until_visible(config, &created)? };
    // Settings that the brokers decide, such as the replicas of a new topic, are known only now.
    let after = if created.is_empty() { before } else { admin::inspect(config, &names)? };
    report(config, &names, &results, &after, as_json, paint)?;
    let refused = results.iter().filter_map(|(topic, why)| Some((topic.as_str(), why.as_deref()?)));
    let mut failures = refusals(config, after.brokers.len(), refused);
    if !late.is_empty() {
        failures.push(format!("created, but the brokers do not show them yet: {}; the daemon waits for them", late.join(" ")));
    }
    if failures.is_empty() { Ok(true) } else { Err(Failure::Failed(failures.join("\n"))) }
}

/// Prints the result of each topic, and which of its settings do not fit. A topic that exists stays as it is: only somebody who knows why
/// it differs can decide to change it.
fn report(
    config: &Config,
    names: &[String],
    results: &BTreeMap<String, Option<String>>,
    after: &admin::Cluster,
    as_json: bool,
    paint: Paint,
) -> io::Result<()> {
    let (mut out, mut unreadable, mut rows) = (io::stdout().lock(), Vec::new(), Vec::new());
    for name in names {
        let result = match results.get(name) {
            None => "exists",
            Some(None) => "created",
            Some(Some(error)) => error,
        };
        let topic = after.topics.get(name);
        let mut findings = misfits(config, topic.map(|topic| (name.as_str(), topic)));
        if topic.is_some_and(|topic| topic.settings == Err(Unread::Denied)) {
            unreadable.push(name.as_str());
            findings.extend(denied(config, &[name.as_str()], &[]).filter(|_| as_json));
        }
        if as_json {
            writeln!(out, "{}", json!({ "topic": name, "result": result, "findings": findings }))?;
        } else {
            rows.push(vec![name.clone(), result.to_owned()]);
        }
    }
    let is_terminal = out.is_terminal();
    table(&mut out, &rows, is_terminal)?;
    let mut problems = misfits(config, after.topics.iter().map(|(name, topic)| (name.as_str(), topic)));
    problems.extend(denied(config, &unreadable, &[]));
    for problem in problems.iter().filter(|_| !as_json) {
        writeln!(out, "{}", paint.line(&format!("problem: {}", printable(problem))))?;
    }
    Ok(())
}
