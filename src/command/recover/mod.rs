//! `hookgate recover`: publishes events whose webhooks never arrived, from what the provider's own API says of them.

mod candidates;
mod reissue;
mod scans;

use std::{
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use clap::{Args, builder::PossibleValuesParser};

use self::candidates::Candidate;
use super::{
    CommandResult, ConfigSource, EXIT_FAILED, EXIT_FINDINGS, Failure,
    missing::{
        Comparison, Row, Task, TimeWindow,
        options::{Scope, endpoints, known_types, names, providers},
        report,
    },
    note,
    oldest::Oldest,
    output::{self, ReportFormat},
    run::{Publication, Run, confirm},
    tail::{moment, watch},
};
use crate::{
    clock,
    config::{Config, EndpointConfig, Environment, Needs},
    delivery::Recovered,
    encode::encode_recovered,
    event::{Event, EventKind, parse_time, timestamp},
    proto::Origin,
    provider,
};

/// Publish events whose webhooks never arrived, from what the provider's own API says of them.
///
/// Asks the provider what has happened since a time, looks on the topics for an event of each, says what is missing, and publishes that after
/// a confirmation, oldest first, with the origin RECOVERED. What it publishes has the same ids if it is run again. It has no signature, and
/// lacks what the API does not say: docs/recovery.md. Exits with 0 if nothing is left, with 3 if something could not be got back, and with 1 if
/// the provider or Kafka cannot be used.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate recover uploadcare --since 2026-11-22T10:00:00Z --until 2026-11-22T14:00:00Z --dry-run
  hookgate recover uploadcare --since 2026-11-22T10:00:00Z --until 2026-11-22T14:00:00Z
  hookgate recover frameio --since 24h --types comment.created,file.versioned --yes
  hookgate recover filesafety --since 7d --ids submitted.txt
  hookgate recover filespin --since 24h --endpoint media --rate 20
  hookgate recover filespin --since 2026-11-01 --until 2026-11-20 --reissue")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// The provider to ask.
    #[arg(value_name = "PROVIDER", value_parser = PossibleValuesParser::new(provider::ALL.iter().map(|it| it.name)))]
    provider: String,
    /// FileSafety only: the ids of scans, which it has no list of. By default those that the topics have, to find revised verdicts.
    #[arg(value_name = "SCAN")]
    scans: Vec<String>,
    /// FileSafety only: a file with ids of scans, one a line; - is standard input.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// The endpoint that the webhooks should have come in on; needed where the provider has several.
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Begin at a time: 24h or -24h, 2026-11-22T10:00:00Z, 2026-11-22 (UTC), or milliseconds since 1970.
    #[arg(long, value_name = "TIME", required_unless_present = "resume", allow_hyphen_values = true, value_parser = moment)]
    since: Option<i64>,
    #[command(flatten)]
    scope: Scope,
    /// Publish also what is on the topics already; consumers see the same events again.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    publication: Publication,
    /// Go on where another run has stopped: the cursor that it has printed.
    #[arg(long, value_name = "CURSOR", conflicts_with = "since")]
    resume: Option<String>,
    /// FileSpin only: ask FileSpin to send its webhooks again, of all assets that were uploaded in the time, to every receiver of the account.
    /// Hookgate publishes nothing itself. A terminal is always asked, with --yes, too.
    #[arg(long, conflicts_with_all = ["scans", "ids", "endpoint", "types", "lookback", "all", "limit", "rate", "resume"])]
    reissue: bool,
    /// By default pretty on a terminal, json elsewhere.
    #[arg(long, value_enum)]
    format: Option<ReportFormat>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let since = match (&arguments.resume, arguments.since) {
        (Some(cursor), _) => resumed(cursor, &arguments.provider)?,
        (None, since) => since.unwrap_or_default(),
    };
    let window = TimeWindow::of(since, arguments.scope.until, arguments.scope.grace, clock::system())?;
    let config = arguments.source.load(environment, Needs::Recovery)?;
    if arguments.reissue {
        return reissue::run(arguments, environment, &config, window);
    }
    let endpoint = endpoint(&config, arguments)?;
    providers(std::slice::from_ref(&arguments.provider), &config)?;
    known_types(&arguments.scope.types, &[endpoint.provider])?;
    let scans = scans::named(arguments)?;
    let task = Task {
        config: &config,
        environment,
        window,
        lookback: arguments.scope.lookback.0,
        types: &arguments.scope.types,
        endpoint: Some(&*endpoint.name),
        scans: &scans,
        everything: arguments.all,
        objects: true,
        stop: watch(EXIT_FAILED)?,
        now: clock::system,
    };
    let mut candidates = Oldest::new(usize::try_from(arguments.publication.limit).unwrap_or(usize::MAX));
    let comparison = task.compare(endpoint.provider, &mut |event| {
        candidates.take(Candidate::of(event));
        Ok(())
    })?;
    // The plan is for the person who decides; the output is for what was done.
    report::show(&mut io::stderr().lock(), ReportFormat::Pretty, &window, &comparison)?;
    let (mut candidates, left) = candidates.into_sorted();
    let found = candidates.len();
    candidates.retain(|candidate| event(endpoint, candidate).is_some());
    let unusable = found - candidates.len();
    let plan = Plan { candidates, left, unusable, comparison };
    plan.say(arguments);
    if !arguments.publication.dry_run && !plan.candidates.is_empty() {
        let (number, title) = (plan.candidates.len(), endpoint.provider.title);
        let question = format!("Publish {number} events of {title} for the endpoint {}?", endpoint.name);
        if !confirm(&question, arguments.publication.yes)? {
            return Err(Failure::Failed("nothing was published".into()));
        }
        publish(&task, endpoint, &plan.candidates, arguments)?;
        if let (true, Some(last)) = (plan.left > 0, plan.candidates.last()) {
            go_on(&task, endpoint, last.at.unwrap_or(UNIX_EPOCH));
        }
    }
    if plan.leaves_something(arguments) { Err(Failure::Reported(EXIT_FINDINGS)) } else { Ok(true) }
}

/// What a run would publish, and what it would leave.
struct Plan {
    candidates: Vec<Candidate>,
    /// Newer events beyond the limit.
    left: u64,
    /// Events of which the API says too little.
    unusable: usize,
    comparison: Comparison,
}

impl Plan {
    fn say(&self, arguments: &Arguments) {
        if self.unusable > 0 {
            note(&format!("{} events cannot be made from what the API says", self.unusable));
        }
        if self.left > 0 {
            note(&format!(
                "{} newer events are left for another run, because of --limit {}",
                self.left, arguments.publication.limit
            ));
        }
        if arguments.publication.dry_run || self.candidates.is_empty() {
            note(&format!("{} events would be published", self.candidates.len()));
        }
    }

    /// Returns whether a person should look, although the run itself has worked.
    fn leaves_something(&self, arguments: &Arguments) -> bool {
        // A type or a scan that was named must be known.
        let scans_are_named = arguments.ids.is_some() || !arguments.scans.is_empty();
        let named = |name: &str| scans_are_named || arguments.scope.types.iter().any(|it| it == name);
        let unknown = |(name, row): (&&str, &Row)| named(name) && !row.unknown.is_empty();
        let not_done = arguments.publication.dry_run && !self.candidates.is_empty();
        self.left > 0
            || self.unusable > 0
            || self.comparison.illegible > 0
            || not_done
            || self.comparison.rows.iter().any(unknown)
    }
}

/// Publishes the events, and says where another run can go on if this one does not reach its end.
fn publish(task: &Task<'_>, endpoint: &EndpointConfig, candidates: &[Candidate], arguments: &Arguments) -> Result<(), Failure> {
    let format = ReportFormat::of(arguments.format);
    let what = format!("recover {} for {}, {} events", endpoint.provider.name, endpoint.name, candidates.len());
    let origin = (Origin::Recovered, &*what);
    let run = Run::begin(task.config, task.environment, origin, arguments.publication.rate, Arc::clone(&task.stop))?;
    let records = candidates.iter().filter_map(|candidate| {
        let found = Recovered {
            endpoint: Arc::clone(&endpoint.name),
            body: Bytes::copy_from_slice(candidate.object.as_bytes()),
            received_at: (task.now)(),
            twin: candidate.twin,
        };
        Some(encode_recovered(found, endpoint.provider, event(endpoint, candidate)?, &run.encoding))
    });
    let (mut out, mut done) = (BufWriter::new(io::stdout().lock()), 0);
    let published = run.publish(records, &mut |record, acknowledgement| {
        done += 1;
        output::published(&mut out, format, record, &acknowledgement)
    });
    out.flush()?;
    if done < candidates.len() {
        let next = candidates[done].at.unwrap_or(UNIX_EPOCH);
        go_on(task, endpoint, next);
    }
    let published = published?;
    run.end(published);
    if published.stopped { Err(Failure::Reported(EXIT_FAILED)) } else { Ok(()) }
}

/// Says where another run can go on.
fn go_on(task: &Task<'_>, endpoint: &EndpointConfig, next: SystemTime) {
    let (cursor, until) = (cursor(endpoint.provider.name, next), timestamp(task.window.until));
    note(&format!("go on with --resume {cursor} --until {until} and the other flags of this run"));
}

/// Returns the event of a candidate, if what the API says is enough for one.
fn event(endpoint: &EndpointConfig, candidate: &Candidate) -> Option<Event> {
    let event = (endpoint.provider.recovered)(candidate.event_type, candidate.object.as_bytes());
    (matches!(event.kind, EventKind::Named { .. }) && event.subject.is_some()).then_some(event)
}

/// Returns where another run can go on: with the events of this time.
fn cursor(provider: &str, at: SystemTime) -> String {
    format!("{provider}/1/{}", timestamp(at))
}

/// Reads a [`cursor`], as milliseconds since the epoch, rounded down.
fn resumed(cursor: &str, provider: &str) -> Result<i64, Failure> {
    let time = cursor.strip_prefix(provider).and_then(|rest| rest.strip_prefix("/1/")).and_then(parse_time);
    let milliseconds = time.and_then(|time| time.seconds.checked_mul(1000)?.checked_add(i64::from(time.nanos) / 1_000_000));
    milliseconds.ok_or_else(|| {
        Failure::Usage(format!(
            "--resume takes what an earlier run has printed: {provider}/1/ and a time, such as {provider}/1/2026-11-22T10:00:00Z"
        ))
    })
}

/// Returns the endpoint that the webhooks should have come in on.
fn endpoint<'a>(config: &'a Config, arguments: &Arguments) -> Result<&'a EndpointConfig, Failure> {
    // The argument's parser knows all providers.
    let provider = provider::by_name(&arguments.provider).ok_or_else(|| Failure::Usage("no such provider".into()))?;
    if endpoints(config, provider, None)?.is_empty() {
        return Err(Failure::configuration(format!("no endpoint of {} is configured", provider.name)));
    }
    match &*endpoints(config, provider, arguments.endpoint.as_deref())? {
        [only] => Ok(only),
        several => Err(Failure::Usage(format!("--endpoint is missing: {} has {}", provider.name, names(several)))),
    }
}

#[cfg(test)]
mod tests;
