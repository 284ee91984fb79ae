//! `hookgate replay`: reads quarantined and unclassified deliveries with the code of today, and publishes those that now have a type.

mod held;
mod judge;
mod plan;
mod select;

use std::{
    collections::HashSet,
    io::{self, BufWriter, Write},
    sync::{Arc, atomic::AtomicBool},
};

use clap::Args;

use self::{
    held::{ArrivalPlace, HeldEvent},
    judge::{Bench, ReplayOutcome},
    plan::ReplayPlan,
    select::Choice,
};
use super::{
    CommandResult, ConfigSource, EXIT_FAILED, EXIT_FINDINGS, Failure, note,
    oldest::Oldest,
    output::{self, ReportFormat},
    run::{Publication, Run, confirm},
    scan,
    tail::watch,
    usable_brokers,
};
use crate::{
    app::topic_table,
    config::{Config, Environment, Kafka, Needs},
    encode::{TopicTable, encode},
    event::EventKind,
    kafka::read::Start,
    proto::{Event, Origin},
};

/// Publish quarantined and unclassified deliveries that this version can read, to the topics of their types.
///
/// Verifies each record again, with the secrets of today and the time at which it arrived, reads it with the code of today, says what would
/// become of it, and publishes what has a type now, oldest first, after a confirmation. The events keep their ids and have the origin
/// REPLAYED. What an earlier replay has published is left out. Exits with 0 if nothing is left, with 3 if something is left for a person, and
/// with 1 if Kafka cannot be used.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate replay --since 24h --dry-run
  hookgate replay --since 2026-11-22T10:00:00Z --until 2026-11-22T14:00:00Z --reason not_json,no_subject
  hookgate replay --all --endpoint photos --type uploadcare.* --rate 50 --yes
  hookgate replay --id 5d3c2f0a-7b1e-8c4d-9a6f-2e1d0c9b8a7f
  hookgate replay --since 7d --endpoint avatars --trust --format json")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    #[command(flatten)]
    choice: Choice,
    /// Publish also what has no signature that can be checked, or none that fits the secrets of today. It was proven when it arrived: Hookgate
    /// writes nothing else to these topics. Use this only where nobody else can write to them.
    #[arg(long)]
    trust: bool,
    #[command(flatten)]
    publication: Publication,
    /// By default pretty on a terminal, json elsewhere.
    #[arg(long, value_enum)]
    format: Option<ReportFormat>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    arguments.choice.check()?;
    let config = arguments.source.load(environment, Needs::Cluster)?;
    let format = ReportFormat::of(arguments.format);
    for doubt in arguments.choice.doubts(&config) {
        note(&doubt);
    }
    let (bench, unreadable) = Bench::new(&config, environment, arguments.trust);
    for why in unreadable {
        note(&format!("warning: {why}"));
    }
    let replay = Replay {
        arguments,
        kafka: usable_brokers(&config.kafka)?,
        table: topic_table(&config),
        config: &config,
        environment,
        bench,
        stop: watch(EXIT_FAILED)?,
    };
    let plan = replay.plan()?;
    let acts = !arguments.publication.dry_run && !plan.events.is_empty();
    // The plan is for the person who decides; where the command only looks, it is the result.
    if acts && format == ReportFormat::Pretty {
        plan.show(&mut io::stderr().lock(), format)?;
    } else {
        plan.show(&mut io::stdout().lock(), format)?;
    }
    if plan.left > 0 {
        note(&format!("{} newer events are left for another run, because of --limit {}", plan.left, arguments.publication.limit));
    }
    if acts {
        if !confirm(&format!("Publish {} events again?", plan.events.len()), arguments.publication.yes)? {
            return Err(Failure::Failed("nothing was published".into()));
        }
        replay.publish(&plan.events, format)?;
    } else {
        note(&format!("{} events would be published", plan.events.len()));
    }
    let undone = arguments.publication.dry_run && !plan.events.is_empty();
    if undone || plan.leaves_something() { Err(Failure::Reported(EXIT_FINDINGS)) } else { Ok(true) }
}

/// One call of the command.
struct Replay<'a> {
    arguments: &'a Arguments,
    config: &'a Config,
    environment: &'a Environment,
    kafka: Kafka,
    table: TopicTable,
    bench: Bench<'a>,
    stop: Arc<AtomicBool>,
}

impl Replay<'_> {
    /// Reads the source topics and the topics that events would go to. Nothing is published.
    ///
    /// At most `--limit` events are held. What an earlier run has published must not count for that limit, or a second run could never reach
    /// what the first one has left: the source topics are read again, from the last event that was held, until there are enough.
    fn plan(&self) -> Result<ReplayPlan, Failure> {
        let mut plan = ReplayPlan::default();
        let mut after: Option<ArrivalPlace> = None;
        let mut taken: HashSet<String> = HashSet::new();
        loop {
            let first = after.is_none();
            let room = usize::try_from(self.arguments.publication.limit).unwrap_or(usize::MAX) - plan.events.len();
            let mut held = Oldest::new(room);
            self.read(&mut |reason, event| {
                let outcome = self.bench.judge(&event).map_or_else(|outcome| outcome, |_| ReplayOutcome::Passes);
                if first {
                    plan.count(&reason, outcome, 1);
                }
                if outcome == ReplayOutcome::Passes && after.as_ref().is_none_or(|after| ArrivalPlace::of(&event) > *after) {
                    held.take(HeldEvent::new(reason, event));
                }
            })?;
            let (found, left) = held.into_sorted();
            after = found.last().map(|last| ArrivalPlace::of(&last.event)).or(after);
            let replayed = self.replayed(found.iter().map(|held| &held.event))?;
            for HeldEvent { reason, event, .. } in found {
                if replayed.contains(&event.id) {
                    plan.correct(&reason, ReplayOutcome::Replayed);
                } else if taken.insert(event.id.clone()) {
                    plan.hold(event);
                } else {
                    plan.correct(&reason, ReplayOutcome::Repeated);
                }
            }
            plan.left = left;
            if left == 0 || plan.is_full(self.arguments.publication.limit) {
                return Ok(plan);
            }
        }
    }

    /// Calls `visit` with each chosen record of the source topics, and with why it is there.
    fn read(&self, visit: &mut dyn FnMut(String, Event)) -> Result<(), Failure> {
        let choice = &self.arguments.choice;
        let unclassified = self.config.endpoints.iter().map(|it| EventKind::Unclassified { provider: it.provider.name });
        let kinds = unclassified.chain([EventKind::Quarantine]);
        let mut topics: Vec<String> = match &*choice.topics {
            [] => kinds.map(|kind| self.table.topic(kind).to_string()).collect(),
            topics => topics.to_vec(),
        };
        topics.sort();
        topics.dedup();
        scan::each(&self.kafka, topics, self.start(), &self.stop, &mut |stored, event| {
            if let Some(reason) = select::reason(stored)
                && choice.admits(reason, &event)
            {
                visit(reason.to_owned(), event);
            }
        })
        .map(drop)
    }

    /// Returns which of these events an earlier replay has published.
    ///
    /// A replayed record has the old time of its delivery and stands where it was written, after newer ones. So the topics are read to their
    /// ends. They can be read from the beginning of the window: a record of that time or later never comes before the first one of it.
    fn replayed<'e>(&self, events: impl Iterator<Item = &'e Event>) -> Result<HashSet<String>, Failure> {
        let (mut topics, mut ids) = (HashSet::new(), HashSet::new());
        for event in events {
            if let Ok((_, _, read)) = self.bench.judge(event) {
                topics.insert(self.table.topic(read.kind).to_string());
                ids.insert(event.id.clone());
            }
        }
        let mut found = HashSet::new();
        if !topics.is_empty() {
            scan::each(&self.kafka, topics.into_iter().collect(), self.start(), &self.stop, &mut |_, event| {
                if event.origin() == Origin::Replayed && ids.contains(&event.id) {
                    found.insert(event.id);
                }
            })?;
        }
        Ok(found)
    }

    fn start(&self) -> Start {
        self.arguments.choice.since.map_or(Start::Beginning, Start::Time)
    }

    fn publish(&self, events: &[Event], format: ReportFormat) -> Result<(), Failure> {
        let what = format!("replay {} events", events.len());
        let run = Run::begin(
            self.config,
            self.environment,
            (Origin::Replayed, &what),
            self.arguments.publication.rate,
            Arc::clone(&self.stop),
        )?;
        let records = events.iter().filter_map(|event| {
            let (verified, provider, read) = self.bench.judge(event).ok()?;
            Some(encode(verified, provider, read, &run.encoding))
        });
        let mut out = BufWriter::new(io::stdout().lock());
        let published =
            run.publish(records, &mut |record, acknowledgement| output::published(&mut out, format, record, &acknowledgement));
        out.flush()?;
        if published.as_ref().map_or(true, |published| published.stopped) {
            note("run the same command again to go on: what was published is left out then");
        }
        let published = published?;
        run.end(published);
        if published.stopped { Err(Failure::Reported(EXIT_FAILED)) } else { Ok(()) }
    }
}
