//! `hookgate check`: the configuration, and with `--cluster` whether the cluster fits it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
};

use clap::Args;
use serde_json::json;

use super::{
    CommandResult, ConfigSource, EXIT_CONFIGURATION, EXIT_FINDINGS, Failure,
    colour::{GREEN, Paint},
    misfits::{misfits, missing, unwritable},
    progress::waiting,
};
use crate::{
    app::topic_table,
    config::{
        Config, Environment, Needs,
        deadlines::{chain, memory_ceiling},
    },
    kafka::{admin, bootstrap},
    logged::printable,
    registry::{self, SubjectState},
    upkeep::read_secrets,
};

/// Check the configuration, and with --cluster that the cluster fits it.
///
/// All problems are printed at once. Nothing is written anywhere: the permission to write is tried with a record that the broker must
/// refuse for its size. If a broker stores it nevertheless, the report says so. Exits with 0 if the configuration is good, 64 if `serve`
/// would refuse it, 3 if the cluster does not fit it or, with --strict, there is a warning, and 1 if the cluster does not answer.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate check
  hookgate check --config /etc/hookgate/hookgate.toml --cluster
  hookgate check --strict
  hookgate check --json | jq .memory_ceiling_bytes")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// Ask the cluster too: brokers, topics, partitions, sizes, permissions, min.insync.replicas; and the schema registry, if there is one.
    #[arg(long)]
    cluster: bool,
    /// Exit with 3 if there is a warning: something works, but is probably not meant.
    #[arg(long)]
    strict: bool,
    /// Print one JSON object, also of a configuration that cannot be used.
    #[arg(long)]
    json: bool,
}

/// What the cluster and the schema registry have answered.
#[derive(Default)]
pub(super) struct ClusterReport {
    pub(super) brokers: Vec<String>,
    /// The partitions of the cluster that this client sees, and those of the configuration's topics, whether or not they exist.
    partitions: Option<(usize, usize)>,
    schema_ids: BTreeMap<String, Option<u32>>,
    /// What does not fit the configuration.
    pub(super) findings: Vec<String>,
    /// Why the cluster or the registry could not be asked.
    pub(super) unreachable: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let (config, mut warnings) = match examine(arguments, environment) {
        Err(Failure::Configuration { text, warnings }) if arguments.json => {
            let problems: Vec<&str> = text.lines().collect();
            write_json(&mut io::stdout(), &problems, None, &warnings, &ClusterReport::default())?;
            return Err(Failure::Reported(EXIT_CONFIGURATION));
        }
        examined => examined?,
    };
    let mut cluster_report = ClusterReport::default();
    if arguments.cluster {
        waiting(&format!("the answers of {}", config.kafka.brokers.join(",")), || {
            inspect(&config, &mut cluster_report, &mut warnings);
            inspect_schemas(&config, &mut cluster_report);
        });
    }
    let mut out = io::stdout().lock();
    if arguments.json {
        write_json(&mut out, &[], Some(&config), &warnings, &cluster_report)?;
    } else {
        let paint = Paint::of_output(environment);
        show(&mut out, (arguments, paint), &config, &warnings, &cluster_report)?;
    }
    if !cluster_report.unreachable.is_empty() {
        return Ok(false);
    }
    if !cluster_report.findings.is_empty() || arguments.strict && !warnings.is_empty() {
        return Err(Failure::Reported(EXIT_FINDINGS));
    }
    Ok(true)
}

/// Returns the configuration and all warnings, or what `serve` would refuse.
fn examine(arguments: &Arguments, environment: &Environment) -> Result<(Config, Vec<String>), Failure> {
    let config = arguments.source.load(environment, Needs::Everything)?;
    let mut warnings = config.warnings.clone();
    let rings = match read_secrets(&config, environment) {
        Ok(rings) => rings,
        Err(text) => return Err(Failure::Configuration { text, warnings }),
    };
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

/// One object with the same keys in every case; there is no `config` where it cannot be used.
fn write_json(
    out: &mut impl Write,
    problems: &[&str],
    config: Option<&Config>,
    warnings: &[String],
    cluster_report: &ClusterReport,
) -> io::Result<()> {
    let links: Vec<String> = config.iter().flat_map(|config| chain(config)).map(|link| link.to_string()).collect();
    let report = json!({
        "problems": problems, "deadlines": links, "memory_ceiling_bytes": config.map(|config| memory_ceiling(config).total),
        "warnings": warnings, "brokers": cluster_report.brokers,
        "partitions": cluster_report.partitions.map(|(visible, wanted)| json!({ "visible": visible, "wanted": wanted })), "schema_ids": cluster_report.schema_ids,
        "findings": cluster_report.findings, "unreachable": cluster_report.unreachable,
    });
    writeln!(out, "{}", printable(&report.to_string()))
}

fn show(
    out: &mut impl Write,
    (arguments, paint): (&Arguments, Paint),
    config: &Config,
    warnings: &[String],
    cluster_report: &ClusterReport,
) -> io::Result<()> {
    let file = printable(&arguments.source.config.display().to_string());
    writeln!(out, "configuration: {file} is {}", paint.text(GREEN, "good"))?;
    for warning in warnings {
        writeln!(out, "{}", paint.line(&format!("warning: {}", printable(warning))))?;
    }
    writeln!(out, "deadlines, each longer than the next:")?;
    for link in chain(config) {
        writeln!(out, "  {link}")?;
    }
    writeln!(out, "memory ceiling: {}", memory_ceiling(config))?;
    if !arguments.cluster {
        return Ok(());
    }
    writeln!(out, "brokers: {}", printable(&cluster_report.brokers.join(" ")))?;
    if let Some((visible, wanted)) = cluster_report.partitions {
        writeln!(
            out,
            "partitions: {visible} in the cluster that this user sees; the topics of this configuration need {wanted}"
        )?;
    }
    for (subject, id) in &cluster_report.schema_ids {
        match id {
            Some(id) => writeln!(out, "subject: {subject} has the schema id {id}")?,
            None => writeln!(out, "subject: {subject} has no id yet, the daemon will register its schema")?,
        }
    }
    for problem in cluster_report.unreachable.iter().chain(&cluster_report.findings) {
        writeln!(out, "{}", paint.line(&format!("problem: {}", printable(problem))))?;
    }
    if cluster_report.unreachable.is_empty() && cluster_report.findings.is_empty() {
        let compared = if admin::administration(&config.kafka).is_ok() { "" } else { ", as far as it could be compared" };
        writeln!(out, "cluster: {}{compared}", paint.text(GREEN, "fits the configuration"))?;
    }
    Ok(())
}

/// Adds the brokers, and everything in the cluster that does not fit the configuration, to the report.
pub(super) fn inspect(config: &Config, cluster_report: &mut ClusterReport, warnings: &mut Vec<String>) {
    let topics: Vec<String> = topic_table(config).by_topic().into_keys().map(|topic: Arc<str>| topic.to_string()).collect();
    let (kafka, unusable) = match bootstrap::usable(&config.kafka) {
        Ok(usable) => usable,
        Err(why) => return cluster_report.unreachable.extend(why),
    };
    // Another one serves, until it is the one that is needed.
    warnings.extend(unusable);
    let mut config = config.clone();
    config.kafka = kafka;
    let config = &config;
    let cluster = match admin::inspect(config, &topics) {
        Ok(cluster) => cluster,
        Err(error) => return cluster_report.unreachable.push(error),
    };
    // A topic that exists keeps the partitions that it has.
    let planned = |topic: &str| usize::try_from(config.topics.spec(topic).partitions).unwrap_or_default();
    let of_topic = |topic: &String| cluster.topics.get(topic).map_or_else(|| planned(topic), |topic| topic.partitions);
    cluster_report.partitions = Some((cluster.partitions, topics.iter().map(of_topic).sum()));
    let findings = &mut cluster_report.findings;
    findings.extend(missing(config, &cluster, &topics));
    findings.extend(misfits(config, cluster.topics.iter().map(|(name, topic)| (name.as_str(), topic))));
    match admin::administration(&config.kafka) {
        Ok(()) => findings.extend(unwritable(config, &cluster.topics, admin::probe_writes(config, &cluster.topics))),
        Err(why) => warnings.push(why.into()),
    }
    cluster_report.brokers = cluster.brokers;
}

/// Adds the id of each subject that has one or will have one to the report, and everything that prevents an id as a finding. Registers
/// nothing.
pub(super) fn inspect_schemas(config: &Config, cluster_report: &mut ClusterReport) {
    let Some(schema_registry) = &config.schema_registry else { return };
    let topics = topic_table(config).by_topic();
    let topics: Vec<&str> = topics.keys().map(|topic| &**topic).collect();
    let mut states = match registry::inspect(schema_registry, &topics, false) {
        Ok(states) => states,
        Err(why) => return cluster_report.unreachable.push(why),
    };
    let ids = &mut cluster_report.schema_ids;
    states.retain(|subject, state| {
        match state {
            SubjectState::Known { id } => drop(ids.insert(subject.clone(), Some(*id))),
            SubjectState::Missing if schema_registry.register => drop(ids.insert(subject.clone(), None)),
            SubjectState::Missing | SubjectState::Trouble(_) => return true,
        }
        false
    });
    cluster_report.findings.extend(registry::obstacles(&states));
}
