//! `hookgate topics`: the topics of a configuration, listed, as commands, or created.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    sync::Arc,
};

use clap::Args;
use serde_json::json;

use super::{
    CommandResult, ConfigSource, Failure,
    misfits::{denied, misfits, refusals},
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

/// List, print as commands, or create the topics of this configuration.
///
/// A topic that exists stays as it is: partitions are never added, because then keys would move to other partitions. Where its settings do
/// not fit the configuration, --apply prints what does not fit and the command that changes it. Where there is a schema registry, each
/// topic's subject is printed too, and --apply registers the missing schemas.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate topics
  hookgate topics --commands > create-topics.sh
  hookgate topics --apply")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// Create the missing topics, and register the missing schemas.
    #[arg(long)]
    apply: bool,
    /// Print a `kafka-topics.sh` command for each topic.
    #[arg(long, conflicts_with = "apply")]
    commands: bool,
    /// Print one JSON object per topic.
    #[arg(long, conflicts_with = "commands")]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let mut config = arguments.source.load(environment, if arguments.apply { Needs::Cluster } else { Needs::Names })?;
    let topics = topic_table(&config).by_topic();
    if arguments.apply {
        config.kafka = usable_brokers(&config.kafka)?;
        return Ok(apply(&config, &topics, arguments.json)? && register(&config, &topics, arguments.json)?);
    }
    let mut out = io::stdout().lock();
    for (topic, kinds) in &topics {
        let kinds: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        if arguments.commands {
            writeln!(out, "{}", scripts::create(&config, topic))?;
        } else if arguments.json {
            writeln!(out, "{}", json!({ "topic": &**topic, "kinds": kinds, "subject": subject(&config, topic) }))?;
        } else {
            let subject = subject(&config, topic).map_or_else(String::new, |subject| format!("\t{subject}"));
            writeln!(out, "{topic}\t{}{subject}", kinds.join(" "))?;
        }
    }
    Ok(true)
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

fn apply(config: &Config, topics: &BTreeMap<Arc<str>, Vec<EventKind>>, as_json: bool) -> CommandResult {
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
    report(config, &names, &results, &after, as_json)?;
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
) -> io::Result<()> {
    let (mut out, mut unreadable) = (io::stdout().lock(), Vec::new());
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
            writeln!(out, "{name}\t{result}")?;
        }
    }
    let mut problems = misfits(config, after.topics.iter().map(|(name, topic)| (name.as_str(), topic)));
    problems.extend(denied(config, &unreadable, &[]));
    for problem in problems.iter().filter(|_| !as_json) {
        writeln!(out, "problem: {}", printable(problem))?;
    }
    Ok(())
}
