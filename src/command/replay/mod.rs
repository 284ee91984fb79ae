//! `hookgate replay`: reads quarantined and unclassified deliveries with the code of today, and publishes those that now have a type.

mod held;
mod judge;
mod plan;
mod select;

use std::{
    collections::{BTreeSet, HashSet},
    io,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use clap::Args;

use self::{
    held::{ArrivalPlace, HeldEvent},
    judge::{Bench, ReplayOutcome},
    plan::ReplayPlan,
    select::{Choice, Search, Sorted},
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
    config::{Config, EndpointConfig, Environment, Kafka, Needs},
    encode::{Encoding, TopicTable, encode},
    event::{EventKind, timestamp},
    kafka::read::{Start, StoredRecord, TopicReader, matches},
    proto::{Event, Origin},
    provider::{self, Provider},
};

/// How many events are held at least while the topics are read. With a small `--limit` most of them may have been published by earlier runs,
/// and each look at all topics must get past many of those.
const HELD_MIN: usize = 10_000;

/// Publish quarantined and unclassified deliveries that this version can read, to the topics of their types.
///
/// Verifies each record again, with the secrets of today and the time at which it arrived, reads it with the code of today, says what would
/// become of it, and publishes what has a type now, oldest first, after a confirmation. The events keep their ids and have the origin
/// REPLAYED. What an earlier replay has published is left out. Exits with 0 if nothing is left, with 3 if something is left for a person or
/// was named and not found, and with 1 if Kafka cannot be used or the run was stopped.
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
    let (bench, unreadable) = Bench::new(&config, environment, arguments.trust);
    for why in unreadable {
        note(&format!("warning: {why}"));
    }
    let replay = Replay {
        arguments,
        kafka: usable_brokers(&config.kafka)?,
        topics: topic_table(&config),
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
    for remark in plan.remarks(&arguments.publication) {
        note(&remark);
    }
    if acts {
        let question = format!("Publish {} again?", output::events(plan.events.len()));
        if !confirm(&question, arguments.publication.yes, &replay.stop)? {
            return Err(Failure::Failed("nothing was published".into()));
        }
        replay.publish(&plan.events, format)?;
    }
    let undone = !acts && !plan.events.is_empty();
    if undone || plan.leaves_something() { Err(Failure::Reported(EXIT_FINDINGS)) } else { Ok(true) }
}

/// Returns the delivery of a record that is in quarantine or unclassified; none for all other records.
pub(super) fn held_back(stored: &StoredRecord, event: Event) -> Option<Event> {
    Sorted::of(stored, Some(event))?.delivery.ok()
}

/// Returns the kinds of which a replay reads the topics.
fn source_kinds(provider: &'static Provider) -> [EventKind; 2] {
    [EventKind::Unclassified { provider: provider.name }, EventKind::Quarantine]
}

/// One call of the command.
struct Replay<'a> {
    arguments: &'a Arguments,
    config: &'a Config,
    environment: &'a Environment,
    kafka: Kafka,
    topics: TopicTable,
    bench: Bench<'a>,
    stop: Arc<AtomicBool>,
}

impl Replay<'_> {
    /// Reads the source topics and the topics that events would go to. Nothing is published.
    ///
    /// A bounded number of events is held. What an earlier run has published must not count for `--limit`, or a second run could never reach
    /// what the first one has left: the source topics are read again, from the last event that was held, until there are enough.
    fn plan(&self) -> Result<ReplayPlan, Failure> {
        let limit = usize::try_from(self.arguments.publication.limit).unwrap_or(usize::MAX);
        let mut plan = ReplayPlan::default();
        let mut search = Search::new(&self.arguments.choice);
        let mut after: Option<ArrivalPlace> = None;
        let mut taken: HashSet<String> = HashSet::new();
        loop {
            let first = after.is_none();
            let mut reader = self.open(first.then_some(&mut plan))?;
            let mut held = Oldest::new(limit.max(HELD_MIN));
            scan::records(&mut reader, &self.stop, &mut |stored, event| {
                let Some(sorted) = Sorted::of(stored, event).filter(|sorted| search.admits(sorted)) else { return };
                let Sorted { reason, delivery, .. } = sorted;
                let (outcome, kind) = delivery.as_ref().map_or_else(|outcome| (*outcome, None), |it| self.bench.outcome(it));
                if first {
                    plan.count(&reason, outcome, 1);
                }
                let (Ok(mut event), Some(kind)) = (delivery, kind) else { return };
                let place = ArrivalPlace::of(&event, stored);
                if after.as_ref().is_none_or(|after| place > *after) {
                    if outcome != ReplayOutcome::Passes {
                        // Only its id is needed: an earlier run may have trusted it.
                        event.body = Bytes::new();
                    }
                    let topic = self.topics.topic(&event.endpoint, kind).to_string();
                    held.take(HeldEvent { place, reason, outcome, topic, event });
                }
            })?;
            let (found, more) = held.into_sorted();
            after = found.last().map(|last| last.place.clone()).or(after);
            let passes = found.iter().filter(|it| it.outcome == ReplayOutcome::Passes);
            plan.absent.extend(passes.map(|it| it.topic.clone()).filter(|topic| !reader.exists(topic)));
            let replayed = self.replayed(&found, &reader)?;
            for HeldEvent { reason, outcome, event, .. } in found {
                if replayed.contains(&event.id) {
                    plan.correct(&reason, outcome, ReplayOutcome::Replayed);
                } else if outcome != ReplayOutcome::Passes {
                    // It is left for a person.
                } else if !taken.insert(event.id.clone()) {
                    plan.correct(&reason, outcome, ReplayOutcome::Repeated);
                } else if !plan.is_full(limit) {
                    plan.hold(event);
                }
            }
            if more == 0 || plan.is_full(limit) {
                plan.unmatched = search.unmatched(self.config);
                return Ok(plan);
            }
        }
    }

    /// Opens the source topics. The first time, the plan gets to know which ones there are.
    fn open(&self, plan: Option<&mut ReplayPlan>) -> Result<TopicReader, Failure> {
        let named = &self.arguments.choice.topics;
        // An endpoint that was removed has left its records where they were, so every provider has a topic here. Those of the configuration
        // must exist.
        let of_endpoint = |it: &EndpointConfig| source_kinds(it.provider).map(|kind| self.config.topics.name_of(it, kind));
        let needed: BTreeSet<String> = self.config.endpoints.iter().flat_map(of_endpoint).collect();
        let others = provider::ALL.iter().flat_map(|it| source_kinds(it)).map(|kind| self.config.topics.name(kind));
        let wanted: BTreeSet<String> = match &**named {
            [] => needed.iter().cloned().chain(others).collect(),
            named => named.iter().cloned().collect(),
        };
        let reader = scan::open(&self.kafka, wanted.iter().cloned().collect(), self.start())?;
        let read = reader.topics();
        let is_read = |wanted: &&String| read.iter().any(|topic| matches(wanted, topic));
        if let Some(absent) = named.iter().find(|topic| !is_read(topic)) {
            return Err(Failure::Failed(format!(
                "no such topic: {absent}, or it may not be seen; `hookgate topics` lists the configured ones"
            )));
        }
        if let Some(plan) = plan {
            plan.read = read.iter().map(ToString::to_string).collect();
            plan.absent = needed.iter().filter(|topic| wanted.contains(*topic) && !is_read(topic)).cloned().collect();
        }
        Ok(reader)
    }

    /// Returns which of these events an earlier replay has published.
    ///
    /// A replayed record has the old time of its delivery and stands where it was written, after newer ones. So the topics are read to their
    /// ends. They can be read from the beginning of the window: a record of that time or later never comes before the first one of it.
    fn replayed(&self, events: &[HeldEvent], source: &TopicReader) -> Result<HashSet<String>, Failure> {
        let topics: BTreeSet<&str> = events.iter().map(|it| it.topic.as_str()).filter(|topic| source.exists(topic)).collect();
        let ids: HashSet<&str> = events.iter().map(|it| it.event.id.as_str()).collect();
        let mut found = HashSet::new();
        if !topics.is_empty() {
            let topics = topics.into_iter().map(str::to_owned).collect();
            scan::each(&self.kafka, topics, self.start(), &self.stop, &mut |_, event| {
                if event.origin() == Origin::Replayed && ids.contains(&*event.id) {
                    found.insert(event.id);
                }
            })?;
        }
        Ok(found)
    }

    fn start(&self) -> Start {
        self.arguments.choice.since.map_or(Start::Beginning, Start::Time)
    }

    /// Returns how `--since` must be written so that a later run begins at the same time: a time span would begin later.
    fn with_the_same_since(&self) -> String {
        let since = self.arguments.choice.since.and_then(|since| u64::try_from(since).ok());
        let time = since.map(|since| timestamp(UNIX_EPOCH + Duration::from_millis(since)));
        time.map_or_else(String::new, |time| format!(", with --since {time}"))
    }

    fn publish(&self, events: &[Event], format: ReportFormat) -> Result<(), Failure> {
        let what = format!("replay {}", output::events(events.len()));
        let run = Run::begin(
            self.config,
            self.environment,
            (Origin::Replayed, &what),
            self.arguments.publication.rate,
            Arc::clone(&self.stop),
        )?;
        let encode = |event: &Event, encoding: &Encoding| {
            let (verified, provider, read) = self.bench.judge(event).ok()?;
            Some(encode(verified, provider, read, encoding))
        };
        run.carry_out(events, encode, format, |_, complete| {
            let since = self.with_the_same_since();
            let again = || format!("run the same command again to go on{since}: what was published is left out then");
            (!complete).then(again)
        })
    }
}
