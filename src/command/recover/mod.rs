//! `hookgate recover`: publishes events whose webhooks never arrived, from what the provider's own API says of them.

mod candidates;
mod cursor;
mod quarantine;
mod reissue;
mod scans;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use clap::{Args, builder::PossibleValuesParser};
use serde_json::json;

use self::{candidates::Candidate, cursor::Cursor};
use super::{
    CommandResult, ConfigSource, EXIT_FAILED, EXIT_FINDINGS, Failure, completions,
    missing::{
        Comparison, Row, Task, TimeWindow,
        options::{Scope, endpoints, known_types, length, means, names, only, providers},
        report,
    },
    note,
    oldest::Oldest,
    output::{self, Printout, ReportFormat},
    run::{Publication, Run, confirm},
    tail::{exact_moment, watch},
};
use crate::{
    clock,
    config::{Config, EndpointConfig, Environment, Needs},
    delivery::Recovered,
    encode::{Encoding, encode_recovered},
    event::{Event, EventKind, timestamp},
    proto::Origin,
    provider::{
        self,
        filesafety::SCAN_COMPLETE,
        frameio::{self, FILE_READY},
    },
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
  hookgate recover frameio --since 24h --types file.ready --rebuild-ready
  hookgate recover filesafety --since 7d --ids submitted.txt --wait 10m
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
    /// FileSafety only: a file with ids of scans, one a line; - is standard input. After a tab may stand your reference to the scan, which the event then has.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// FileSafety only: ask again for scans that are not complete yet, for at most this long.
    #[arg(long, value_name = "TIME SPAN", allow_hyphen_values = true, value_parser = length)]
    wait: Option<Duration>,
    /// The endpoint that the webhooks should have come in on; needed where the provider has several.
    #[arg(long, value_name = "NAME", add = completions::endpoints())]
    endpoint: Option<String>,
    /// Begin at a time: 24h or -24h, 2026-11-22T10:00:00Z, 2026-11-22 (UTC), or milliseconds since 1970.
    #[arg(long, value_name = "TIME", required_unless_present = "resume", allow_hyphen_values = true, value_parser = exact_moment)]
    since: Option<SystemTime>,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    planned: Planned,
    #[command(flatten)]
    publication: Publication,
    /// Go on where another run has ended, with the cursor that it has printed and its other flags: for the same time, and with --all only
    /// with what comes after its last event.
    #[arg(long, value_name = "CURSOR", conflicts_with = "since")]
    resume: Option<String>,
    /// Frame.io only: rebuild file.ready, which its audit log does not have, from the status of the files that were uploaded, without a time. It
    /// asks for each file on its own, 10 a second.
    #[arg(long)]
    rebuild_ready: bool,
    /// FileSpin only: ask FileSpin to send its webhooks again, of all assets that were uploaded in the time, to every receiver of the account.
    /// Hookgate publishes nothing itself. A terminal is always asked, with --yes, too.
    #[arg(long, conflicts_with_all = ["scans", "ids", "endpoint", "types", "lookback", "all", "list", "limit", "rate", "resume", "rebuild_ready", "wait"])]
    reissue: bool,
    /// By default pretty on a terminal, json elsewhere.
    #[arg(long, value_enum)]
    format: Option<ReportFormat>,
}

/// What belongs to the plan, and how it is shown.
#[derive(Debug, Args)]
struct Planned {
    /// Publish also what is on the topics already, without a look at them; consumers see the same events again.
    #[arg(long)]
    all: bool,
    /// Print each event that would be published, too: on standard output with --dry-run, else on standard error before the question.
    #[arg(long)]
    list: bool,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let cursor = arguments.resume.as_deref().map(|text| Cursor::read(text, &arguments.provider)).transpose()?;
    let since = cursor.as_ref().map(|cursor| cursor.since).or(arguments.since).unwrap_or(UNIX_EPOCH);
    let window = TimeWindow::of(since, arguments.scope.until, arguments.scope.grace, clock::system())?;
    let config = arguments.source.load(environment, Needs::Recovery(only(std::slice::from_ref(&arguments.provider))))?;
    if arguments.reissue {
        return reissue::run(arguments, environment, &config, window);
    }
    let endpoint = endpoint(&config, arguments)?;
    providers(std::slice::from_ref(&arguments.provider), &config)?;
    known_types("--types", &arguments.scope.types, &[endpoint.provider])?;
    suits(arguments)?;
    let scans = scans::named(arguments)?;
    let task = Task {
        config: &config,
        environment,
        window,
        lookback: arguments.scope.lookback.0,
        types: &arguments.scope.types,
        endpoint: Some(&*endpoint.name),
        scans: &scans.ids,
        patience: arguments.wait.unwrap_or_default(),
        rebuild_ready: arguments.rebuild_ready,
        everything: arguments.planned.all,
        objects: true,
        stop: watch(EXIT_FAILED)?,
        now: clock::system,
    };
    let mut candidates = Oldest::new(usize::try_from(arguments.publication.limit).unwrap_or(usize::MAX));
    let (mut passed, mut unusable) = (0, 0);
    let mut comparison = task.compare(endpoint.provider, &mut |found| {
        let candidate = Candidate::of(found);
        // Only with --all does nothing else say what the run before has published. What the topics do not have is missing, wherever it stands.
        if task.everything && cursor.as_ref().is_some_and(|cursor| !cursor.precedes(&found)) {
            passed += 1;
        } else if event(endpoint, &candidate).is_none() {
            // It must not take the place of one that can be published.
            unusable += 1;
        } else {
            candidates.take(candidate);
        }
        Ok(())
    })?;
    comparison.references.extend(scans.references);
    // The plan is for the person who decides; the output is for what was done.
    report::show(&mut io::stderr().lock(), ReportFormat::Pretty, &window, &comparison)?;
    let (candidates, left) = candidates.into_sorted();
    let plan = Plan { candidates, passed, left, unusable, comparison };
    if !plan.candidates.is_empty() && !task.everything {
        quarantine::mention(&task, &arguments.source, endpoint, &plan.comparison.replayed)?;
    }
    plan.say(arguments);
    if !plan.print(arguments, endpoint, &window) {
        return Ok(false);
    }
    if !arguments.publication.dry_run && !plan.candidates.is_empty() {
        act(&task, endpoint, &plan, arguments)?;
    }
    if plan.leaves_something(arguments) { Err(Failure::Reported(EXIT_FINDINGS)) } else { Ok(true) }
}

/// What a run would publish, and what it would leave.
struct Plan {
    candidates: Vec<Candidate>,
    /// With `--all`: the events up to the last one of an earlier run.
    passed: u64,
    /// Newer events beyond the limit.
    left: u64,
    /// Events of which the API says too little.
    unusable: u64,
    comparison: Comparison,
}

impl Plan {
    fn say(&self, arguments: &Arguments) {
        if self.passed > 0 {
            note(&format!(
                "left out because of --resume, up to the last event of the run before: {}; without --all, the topics say whether each is there",
                output::counted(self.passed, "event")
            ));
        }
        if self.unusable > 0 {
            note(&format!("{} cannot be made from what the API says", output::counted(self.unusable, "event")));
        }
        let forgotten = self.forgotten();
        if forgotten > 0 {
            note(&format!(
                "left out, because the topics have deleted records of their time and may have had them: {}; --all publishes them, and all others, too",
                output::counted(forgotten, "event")
            ));
        }
        if self.left > 0 {
            note(&format!(
                "left for another run, because of --limit {}: {}",
                arguments.publication.limit,
                output::counted(self.left, "newer event")
            ));
        }
        if self.candidates.is_empty() {
            note("nothing to publish");
        } else if arguments.publication.dry_run {
            note(&format!("{} would be published", output::events(self.candidates.len())));
        }
    }

    /// Returns how many events may have been on the topics, of whose time they have deleted records.
    fn forgotten(&self) -> u64 {
        self.comparison.rows.values().map(|row| row.forgotten).sum()
    }

    /// Prints the plan, and with `--list` each event that would be published: where the run only looks, that is the result, and else it is for
    /// the person who decides. Returns whether it could be printed.
    fn print(&self, arguments: &Arguments, endpoint: &EndpointConfig, window: &TimeWindow) -> bool {
        let (provider, format, list) = (endpoint.provider, ReportFormat::of(arguments.format), arguments.planned.list);
        if !arguments.publication.dry_run {
            let mut out = io::stderr().lock();
            let mut print =
                |event: &Candidate| report::event(&mut out, ReportFormat::Pretty, "planned", provider, &event.occurrence());
            return !list
                || self
                    .candidates
                    .iter()
                    .try_for_each(&mut print)
                    .and_then(|()| report::undecided(&mut out, &self.comparison))
                    .is_ok();
        }
        let mut out = Printout::new();
        if format == ReportFormat::Json {
            for row in report::rows(window, &self.comparison) {
                let _reported_at_the_end = out.print(|out| writeln!(out, "{}", json!({ "plan": row })));
            }
        } else if list {
            let _reported_at_the_end = out.print(|out| report::undecided(out, &self.comparison));
        }
        for event in self.candidates.iter().filter(|_| list) {
            let _reported_at_the_end = out.print(|out| report::event(out, format, "planned", provider, &event.occurrence()));
        }
        out.finish()
    }

    /// Returns whether a person should look, although the run itself has worked.
    fn leaves_something(&self, arguments: &Arguments) -> bool {
        // A type or a scan that was named must be known. Whether a verdict was revised is never wholly known: that type must be named.
        let scans_are_named = arguments.ids.is_some() || !arguments.scans.is_empty();
        let named = |name: &str| {
            scans_are_named && name == SCAN_COMPLETE
                || arguments.scope.types.iter().any(|it| means(it, self.comparison.provider, name))
        };
        let unknown = |(name, row): (&&str, &Row)| named(name) && !row.unknown.is_empty();
        let not_done = arguments.publication.dry_run && !self.candidates.is_empty();
        self.left > 0
            || self.forgotten() > 0
            || self.unusable > 0
            || self.comparison.illegible > 0
            || not_done
            || self.comparison.rows.iter().any(unknown)
    }
}

/// Publishes what is planned, after a confirmation, and says how to go on with what is left.
fn act(task: &Task<'_>, endpoint: &EndpointConfig, plan: &Plan, arguments: &Arguments) -> Result<(), Failure> {
    let (events, title) = (output::events(plan.candidates.len()), endpoint.provider.title);
    let question = format!("Publish {events} of {title} for the endpoint {}?", endpoint.name);
    if !confirm(&question, arguments.publication.yes, &task.stop)? {
        return Err(Failure::Failed("nothing was published".into()));
    }
    publish(task, endpoint, plan, arguments)?;
    if let (true, Some(last)) = (plan.left > 0, plan.candidates.last()) {
        note(&go_on(task, endpoint, last));
    }
    Ok(())
}

/// Publishes the events, and says where another run can go on if this one does not reach its end.
fn publish(task: &Task<'_>, endpoint: &EndpointConfig, plan: &Plan, arguments: &Arguments) -> Result<(), Failure> {
    let candidates = &*plan.candidates;
    let format = ReportFormat::of(arguments.format);
    let events = output::events(candidates.len());
    let what = format!("recover {} for {}, {events}", endpoint.provider.name, endpoint.name);
    let origin = (Origin::Recovered, &*what);
    let run = Run::begin(task.config, task.environment, origin, arguments.publication.rate, Arc::clone(&task.stop))?;
    let encode = |candidate: &Candidate, encoding: &Encoding| {
        let found = Recovered {
            endpoint: Arc::clone(&endpoint.name),
            body: Bytes::copy_from_slice(candidate.object.as_bytes()),
            received_at: (task.now)(),
            twin: candidate.twin,
            reference: plan.comparison.references.get(&candidate.subject).cloned().unwrap_or_default(),
        };
        Some(encode_recovered(found, endpoint.provider, event(endpoint, candidate)?, encoding))
    };
    run.carry_out(candidates, encode, format, |done, _| match candidates[..done].last() {
        Some(last) if done < candidates.len() => Some(go_on(task, endpoint, last)),
        _ => None,
    })
}

/// Returns how another run can go on after this event.
fn go_on(task: &Task<'_>, endpoint: &EndpointConfig, last: &Candidate) -> String {
    let cursor = Cursor::after(task.window.since, last).text(endpoint.provider.name);
    let until = timestamp(task.window.until);
    format!("go on with --resume {cursor} --until {until} and the other flags of this run")
}

/// Returns the event of a candidate, if what the API says is enough for one.
fn event(endpoint: &EndpointConfig, candidate: &Candidate) -> Option<Event> {
    let event = (endpoint.provider.recovered?)(candidate.event_type, candidate.object.as_bytes());
    (matches!(event.kind, EventKind::Named { .. }) && event.subject.is_some()).then_some(event)
}

/// Refuses flags that mean nothing for this provider or these types.
fn suits(arguments: &Arguments) -> Result<(), Failure> {
    let types = &arguments.scope.types;
    if arguments.wait.is_some() && arguments.provider != "filesafety" {
        return Err(Failure::Usage(format!("--wait is for filesafety only: {} has no scans", arguments.provider)));
    }
    match &*arguments.provider {
        _ if !arguments.rebuild_ready => Ok(()),
        "frameio" if types.is_empty() || types.iter().any(|name| means(name, &frameio::PROVIDER, FILE_READY)) => Ok(()),
        "frameio" => Err(Failure::Usage(format!("--rebuild-ready is about {FILE_READY}, which --types leaves out"))),
        other => Err(Failure::Usage(format!("--rebuild-ready is for frameio only: {other} has no {FILE_READY}"))),
    }
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
