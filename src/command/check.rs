//! `hookgate check`: the configuration, and with `--cluster` whether the cluster fits it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
};

use clap::Args;
use serde_json::json;

use super::{EXIT_CONFIGURATION, EXIT_FINDINGS, Failure, Outcome, Source};
use crate::{
    app::{read_secrets, topic_table},
    config::{
        Config, Environment, Needs,
        deadlines::{chain, memory_ceiling},
    },
    printable::printable,
    publish::{
        cluster::{self, Cluster, Creation, Topic, Unread, WritePermission},
        guarantee::Guarantee,
    },
    registry::{self, State},
};

/// Check the configuration, and with --cluster that the cluster fits it.
///
/// All problems are printed at once. Nothing is written anywhere: the permission to write is tried with a record that the broker must
/// refuse for its size. Should one store it all the same, that is told. Exits with 0 if the configuration is good, 64 if `serve` would refuse
/// it, 3 if the cluster does not fit it or, with --strict, something is warned of, and 1 if the cluster does not answer.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate check
  hookgate check --config /etc/hookgate/hookgate.toml --cluster
  hookgate check --strict
  hookgate check --json | jq .memory_ceiling_bytes")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Ask the cluster too: brokers, topics, partitions, sizes, permissions, min.insync.replicas; and the schema registry, if there is one.
    #[arg(long)]
    cluster: bool,
    /// Exit with 3 where there is a warning: works, but is probably not meant.
    #[arg(long)]
    strict: bool,
    /// Print one JSON object, also of a configuration that cannot be used.
    #[arg(long)]
    json: bool,
}

/// What the cluster and the schema registry say.
#[derive(Default)]
struct Asked {
    brokers: Vec<String>,
    schema_ids: BTreeMap<String, Option<u32>>,
    /// What does not fit.
    findings: Vec<String>,
    /// Why one of them could not be asked.
    unreachable: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Outcome {
    let (config, warnings) = match examine(arguments, environment) {
        Err(Failure::Configuration(text)) if arguments.json => {
            let report = json!({ "problems": text.lines().collect::<Vec<_>>() });
            writeln!(io::stdout(), "{}", printable(&report.to_string()))?;
            return Err(Failure::Reported(EXIT_CONFIGURATION));
        }
        examined => examined?,
    };
    let mut asked = Asked::default();
    if arguments.cluster {
        inspect(&config, &mut asked);
        inspect_schemas(&config, &mut asked);
    }
    let mut out = io::stdout().lock();
    if arguments.json {
        let links = chain(&config).iter().map(ToString::to_string).collect::<Vec<_>>();
        let ceiling = memory_ceiling(&config).total;
        let report = json!({
            "problems": [], "deadlines": links, "memory_ceiling_bytes": ceiling, "warnings": warnings, "brokers": asked.brokers,
            "schema_ids": asked.schema_ids, "findings": asked.findings, "unreachable": asked.unreachable,
        });
        writeln!(out, "{}", printable(&report.to_string()))?;
    } else {
        show(&mut out, arguments, &config, &warnings, &asked)?;
    }
    if !asked.unreachable.is_empty() {
        return Ok(false);
    }
    if !asked.findings.is_empty() || arguments.strict && !warnings.is_empty() {
        return Err(Failure::Reported(EXIT_FINDINGS));
    }
    Ok(true)
}

/// The configuration and everything that is warned of, or what `serve` would refuse.
fn examine(arguments: &Arguments, environment: &Environment) -> Result<(Config, Vec<String>), Failure> {
    let config = arguments.source.load(environment, Needs::Everything)?;
    let rings = read_secrets(&config, environment).map_err(Failure::Configuration)?;
    let mut warnings = config.warnings.clone();
    for (ring, endpoint) in rings.iter().zip(&config.endpoints) {
        if ring.keys().secrets.is_empty() {
            warnings.push(format!(
                "endpoint {} has no readable secret yet and will answer 503 until it has; files are looked at every two seconds",
                endpoint.name
            ));
        }
    }
    Ok((config, warnings))
}

fn show(out: &mut impl Write, arguments: &Arguments, config: &Config, warnings: &[String], asked: &Asked) -> io::Result<()> {
    writeln!(out, "configuration: {} is good", printable(&arguments.source.config.display().to_string()))?;
    for warning in warnings {
        writeln!(out, "warning: {}", printable(warning))?;
    }
    writeln!(out, "deadlines, each longer than the next:")?;
    for link in chain(config) {
        writeln!(out, "  {link}")?;
    }
    writeln!(out, "memory ceiling: {}", memory_ceiling(config))?;
    if !arguments.cluster {
        return Ok(());
    }
    writeln!(out, "brokers: {}", printable(&asked.brokers.join(" ")))?;
    for (subject, id) in &asked.schema_ids {
        match id {
            Some(id) => writeln!(out, "subject: {subject} has the schema id {id}")?,
            None => writeln!(out, "subject: {subject} has no id yet, the daemon will register its schema")?,
        }
    }
    for problem in asked.unreachable.iter().chain(&asked.findings) {
        writeln!(out, "problem: {}", printable(problem))?;
    }
    if asked.unreachable.is_empty() && asked.findings.is_empty() {
        writeln!(out, "cluster: fits the configuration")?;
    }
    Ok(())
}

/// The brokers, and everything about the cluster that does not fit.
fn inspect(config: &Config, asked: &mut Asked) {
    let topics: Vec<String> = topic_table(config).by_topic().into_keys().map(|topic: Arc<str>| topic.to_string()).collect();
    let cluster = match cluster::inspect(config, &topics) {
        Ok(cluster) => cluster,
        Err(error) => return asked.unreachable.push(error),
    };
    let findings = &mut asked.findings;
    findings.extend(missing(config, &cluster, &topics));
    for (name, topic) in &cluster.topics {
        findings.extend(misfits(config, name, topic));
    }
    let mut unknown: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, permission) in cluster::probe_writes(config, &cluster.topics) {
        match permission {
            WritePermission::Granted => {}
            WritePermission::Denied => {
                let mend = grant(config, &["Write", "Describe"], &[name]);
                findings.push(format!("topic {name}: no permission to write; grant it with {mend}"));
            }
            WritePermission::Unknown(why) => unknown.entry(why).or_default().push(name),
        }
    }
    for (why, names) in unknown {
        findings.push(format!("cannot tell whether these topics may be written to: {}: {why}", names.join(" ")));
    }
    asked.brokers = cluster.brokers;
}

/// The id of each subject that has one or will have one, and whatever is in the way as a finding. Nothing is registered.
fn inspect_schemas(config: &Config, asked: &mut Asked) {
    let Some(schema_registry) = &config.schema_registry else { return };
    let topics = topic_table(config).by_topic();
    let topics: Vec<&str> = topics.keys().map(|topic| &**topic).collect();
    let mut states = match registry::inspect(schema_registry, &topics, false) {
        Ok(states) => states,
        Err(why) => return asked.unreachable.push(why),
    };
    let ids = &mut asked.schema_ids;
    states.retain(|subject, state| {
        match state {
            State::Known { id } => drop(ids.insert(subject.clone(), Some(*id))),
            State::Missing if schema_registry.register => drop(ids.insert(subject.clone(), None)),
            State::Missing | State::Trouble(_) => return true,
        }
        false
    });
    asked.findings.extend(registry::obstacles(&states));
}

/// The command that gives this client permissions on topics.
fn grant(config: &Config, operations: &[&str], topics: &[&str]) -> String {
    let (operations, topics) = (operations.join(" --operation "), topics.join(" --topic "));
    let brokers = config.kafka.brokers.join(",");
    format!(
        "`kafka-acls.sh --add --allow-principal User:<user> --operation {operations} --topic {topics} --bootstrap-server {brokers}`"
    )
}

/// The command that changes a setting of a topic.
fn alter(config: &Config, topic: &str, setting: &str) -> String {
    let brokers = config.kafka.brokers.join(",");
    format!("`kafka-configs.sh --alter --topic {topic} --add-config {setting} --bootstrap-server {brokers}`")
}

/// Topics that are not there as far as can be seen. The cluster is asked whether it would create them, which tells those that are hidden
/// and those that we may not create.
fn missing(config: &Config, cluster: &Cluster, topics: &[String]) -> Vec<String> {
    let missing: Vec<String> = topics.iter().filter(|topic| !cluster.topics.contains_key(*topic)).cloned().collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let mend = if config.kafka.auto_create {
        "kafka.auto_create will create them"
    } else {
        "create them with `hookgate topics --apply`, or grant Describe on them"
    };
    let mut findings = vec![format!("{} topics are missing or not visible: {}; {mend}", missing.len(), missing.join(" "))];
    let answers = match cluster::may_create(config, &missing) {
        Ok(answers) => answers,
        Err(error) => {
            findings.push(format!("cannot tell whether they may be created: {error}"));
            return findings;
        }
    };
    let those = |wanted: &Creation| -> Vec<&str> {
        answers.iter().filter(|(_, answer)| answer == wanted).map(|(topic, _)| topic.as_str()).collect()
    };
    let (hidden, denied) = (those(&Creation::Exists), those(&Creation::Denied));
    if !hidden.is_empty() {
        let mend = grant(config, &["Describe", "DescribeConfigs", "Write"], &hidden);
        findings.push(format!("topics that exist are not visible: {}; grant it with {mend}", hidden.join(" ")));
    }
    if !denied.is_empty() {
        let mend = grant(config, &["Create"], &denied);
        findings.push(format!(
            "no permission to create {}; grant it with {mend}, or let somebody who may run what `hookgate topics --commands` prints",
            denied.join(" ")
        ));
    }
    for (topic, answer) in &answers {
        if let Creation::Impossible(why) = answer {
            findings.push(format!("topic {topic}: cannot be created with the settings of [topics]: {why}"));
        }
    }
    findings
}

/// What is wrong with a topic that is there, with the command that changes it.
pub(super) fn misfits(config: &Config, name: &str, topic: &Topic) -> Vec<String> {
    let mut findings = Vec::new();
    match &topic.settings {
        Ok(_) => {}
        Err(Unread::Denied) => {
            let mend = grant(config, &["DescribeConfigs"], &[name]);
            findings.push(format!(
                "topic {name}: no permission to read its settings, so size and min.insync.replicas are not compared; grant it with {mend}"
            ));
        }
        Err(Unread::Failed(why)) => {
            findings.push(format!("topic {name}: its settings cannot be read: {why}"));
        }
    }
    let settings = topic.settings.clone().unwrap_or_default();
    let wanted = config.topics.max_message_bytes;
    if let Some(limit) = settings.max_message_bytes.filter(|limit| *limit < wanted as u64) {
        let mend = alter(config, name, &format!("max.message.bytes={wanted}"));
        findings.push(format!(
            "topic {name}: max.message.bytes is {limit}, below [topics] max_message_bytes ({wanted}); mend it with {mend}"
        ));
    }
    let least = settings.min_insync_replicas.unwrap_or(1) as usize;
    if topic.in_sync < least {
        let mend = if topic.replicas < least {
            format!("it has {} replicas: add some, or mend it with {}", topic.replicas, {
                alter(config, name, &format!("min.insync.replicas={}", topic.replicas.clamp(1, 2)))
            })
        } else {
            "bring the brokers of the others back, which `kafka-topics.sh --describe --under-min-isr-partitions` shows".into()
        };
        findings.push(format!(
            "topic {name}: {} of {least} replicas that must be in sync are, so nothing can be written; {mend}",
            topic.in_sync
        ));
    }
    let wanted = config.topics.in_sync_wanted();
    let alter = || alter(config, name, &format!("min.insync.replicas={wanted}"));
    match Guarantee::of(topic, wanted) {
        Guarantee::Kept | Guarantee::Unknown => {}
        Guarantee::FewReplicas(replicas) => findings.push(format!(
            "topic {name}: it has {replicas} replicas where {wanted} must be in sync, so an acknowledged event can be lost with a broker; \
             add replicas with `kafka-reassign-partitions.sh`, then run {}",
            alter()
        )),
        Guarantee::FewInSync(least) => findings.push(format!(
            "topic {name}: min.insync.replicas is {least} where {wanted} are wanted, so an acknowledged event can be lost with a broker; \
             mend it with {}",
            alter()
        )),
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::{
        config::{self, Environment},
        publish::cluster::{Settings, Topic, Unread},
    };

    /// What is found about a topic, by a word of each finding. The first line is of `[topics]`.
    fn check_with(topics: &str, replicas: usize, in_sync: usize, settings: Result<Settings, Unread>, found: &[&str]) {
        let text = format!(
            "[kafka]\nbrokers = [\"kafka:9092\"]\n[topics]\n{topics}\n[endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:S\"]\n"
        );
        let environment: Environment = [("S", "secret")].into_iter().collect();
        let config = config::parse(&text, "a.toml", &environment, &[]).expect("it is good");
        let findings = super::misfits(&config, "t", &Topic { partitions: 1, replicas, in_sync, settings });
        assert_eq!(findings.len(), found.len(), "{findings:?}");
        for (finding, word) in findings.iter().zip(found) {
            assert!(finding.contains(word), "{word:?} is not in {finding:?}");
        }
    }

    fn settings(limit: Option<u64>, least: Option<u32>) -> Settings {
        Settings { max_message_bytes: limit, min_insync_replicas: least }
    }

    #[test]
    fn only_what_can_be_read_is_found_fault_with() {
        let check = |in_sync: usize, limit: Option<u64>, least: Option<u32>, found: &[&str]| {
            check_with("", 3, in_sync, Ok(settings(limit, least)), found);
        };
        check(3, Some(1_000_000), Some(2), &[]);
        check(3, Some(999_999), Some(2), &["max.message.bytes is 999999"]);
        check(3, Some(1_000_000), Some(1), &["min.insync.replicas is 1"]);
        check(1, Some(1_000_000), Some(2), &["1 of 2 replicas"]);
        // The cluster has no such setting.
        check(3, Some(1_000_000), None, &[]);
        check(0, Some(1_000_000), None, &["0 of 1 replicas"]);
        // Nothing may be read or was: whether they fit cannot be told.
        check_with("", 3, 3, Err(Unread::Denied), &["no permission to read its settings"]);
        check_with("", 3, 3, Err(Unread::Failed("timed out".into())), &["cannot be read: timed out"]);
    }

    /// The rule of `publish::guarantee`, and the command that changes what it finds.
    #[test]
    fn a_topic_that_can_lose_what_it_acknowledged_is_found() {
        let check = |topics: &str, replicas: usize, least: Option<u32>, found: &[&str]| {
            check_with(topics, replicas, replicas, Ok(settings(None, least)), found);
        };
        let alter = |number: u32| format!("--topic t --add-config min.insync.replicas={number} --bootstrap-server kafka:9092");
        // 2 of three by default, also where the brokers decide.
        for topics in ["", "replication = -1", "min_insync_replicas = -1", "min_insync_replicas = 2"] {
            check(topics, 3, Some(2), &[]);
            check(topics, 2, Some(2), &[]);
            check(topics, 3, Some(3), &[]);
            check(topics, 3, None, &[]);
            check(topics, 3, Some(1), &[&alter(2)]);
            check(topics, 2, Some(1), &[&alter(2)]);
            check(topics, 1, Some(1), &["1 replicas where 2 must be in sync"]);
            check(topics, 1, None, &["1 replicas where 2 must be in sync"]);
        }
        check("min_insync_replicas = 3", 3, Some(2), &[&alter(3)]);
        check("min_insync_replicas = 3", 3, Some(3), &[]);
        // Chosen, which is warned of when the configuration is read.
        check("min_insync_replicas = 1", 3, Some(1), &[]);
        check("replication = 1", 1, Some(1), &[]);
        check("replication = 2", 2, Some(1), &[]);
        // How many replicas there are may be known where the settings are not.
        let found = ["no permission", "1 replicas where 2 must be in sync"];
        check_with("", 1, 1, Err(Unread::Denied), &found);
    }
}
