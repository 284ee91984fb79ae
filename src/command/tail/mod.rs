//! `hookgate tail`: the records of topics, for people and for programs.

mod format;
mod order;
mod select;

use std::{
    io::{self, BufWriter, IsTerminal as _, Write},
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use tokio::{io::Interest, net::unix::pipe};

use self::{format::Output, order::Backlog, select::Filters, select::Range};
use super::{
    CommandResult, ConfigSource, Failure, note,
    output::counted,
    progress::{Progress, waiting},
    run::so_far,
    serve, usable_brokers,
};
use crate::{
    config::{Environment, Kafka, Needs, kafka_alone},
    kafka::read::{Read, StoredRecord, TopicReader},
};

pub(super) use self::{
    format::Printer,
    select::{exact_moment, moment, span},
};

/// How long one wait for a record is; the end of the command is noticed after it.
const WAIT: Duration = Duration::from_millis(200);
/// How often the command looks for new topics.
const SEARCH_EVERY: Duration = Duration::from_secs(3);
/// After this long without a record, the records that wait for older ones of a partition that does not answer are shown without them.
const ORDER_PATIENCE: Duration = Duration::from_secs(2);

/// Show the records of topics.
///
/// Follows the topics from now on, unless other flags are given; Ctrl-C ends it. Without a topic, all topics of the configuration are read.
/// Records that were there at the start come in the order of time over all partitions, new ones as they arrive. No consumer group is joined
/// and nothing is committed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate tail
  hookgate tail --last 10
  hookgate tail 'hookgate.uploadcare.*' '*.infected' --from-beginning
  hookgate tail --since -15m --provider filesafety --verdict infected,nsfw
  hookgate tail --since 2026-11-22T10:00:00Z --until 2026-11-22T11:00:00Z --format json | jq .event.subject
  hookgate tail hookgate.quarantine --offset 3:1201 --limit 1 --body
  hookgate tail hookgate.frameio.file.ready --last 1 --exit --format body > body.json
  hookgate tail 'hookgate.*' --brokers localhost:9092 --from-beginning --exit --format delimited > events.bin")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// Topics; `*` stands for any characters. Topics that are created while following and match are read too.
    topics: Vec<String>,
    #[command(flatten)]
    range: Range,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let printer = arguments.output.printer(environment)?;
    let (kafka, topics, endpoints) = resolve(arguments, environment)?;
    let waited_for = format!("the answers of {}", kafka.brokers.join(","));
    let kafka = waiting(&waited_for, || usable_brokers(&kafka))?;
    let endpoints: Option<Vec<&str>> = endpoints.as_ref().map(|names| names.iter().map(|name| &**name).collect());
    for doubt in arguments.filters.doubts(endpoints.as_deref()) {
        note(&doubt);
    }
    let selection = arguments.range.selection(topics, arguments.filters.are_set())?;
    let follow = selection.follow;
    let reader = waiting(&waited_for, || TopicReader::select(&kafka, selection))?;
    // The configuration's own topics may be missing; `hookgate topics` and `check` report that.
    for topic in reader.missing().iter().filter(|topic| arguments.topics.contains(topic)) {
        note(&format!("no such topic: {topic}{}", if follow { ", so far" } else { "" }));
    }
    let mut tail = Tail {
        arguments,
        kafka: &kafka,
        printer,
        follow,
        reader,
        out: BufWriter::new(io::stdout().lock()),
        backlog: Backlog::new(arguments.range.last()),
        stop: watch(0)?,
        progress: Progress::new("records"),
        read: 0,
        shown: 0,
    };
    let outcome = tail.run();
    if io::stderr().is_terminal() {
        note(&format!("{} read, {} shown", counted(tail.read, "record"), tail.shown));
    }
    outcome.map(|()| true)
}

/// The cluster, the topics, and the names of the endpoints, which are known only with a configuration.
type Resolved = (Kafka, Vec<String>, Option<Vec<Arc<str>>>);

/// Returns where and what to read. Brokers and topics on the command line need no configuration file.
fn resolve(arguments: &Arguments, environment: &Environment) -> Result<Resolved, Failure> {
    if let (Some(brokers), false) = (&arguments.source.brokers, arguments.source.exists()) {
        let topics = match arguments.topics.as_slice() {
            [] => vec!["hookgate.*".to_owned()],
            topics => topics.to_vec(),
        };
        return Ok((kafka_alone(brokers, environment)?, topics, None));
    }
    let config = arguments.source.load(environment, Needs::Kafka);
    let config = config.map_err(|failure| match failure {
        Failure::Configuration { text, warnings } if !arguments.source.exists() => {
            let text = format!("{text}; `hookgate tail --brokers HOST:PORT` needs no configuration");
            Failure::Configuration { text, warnings }
        }
        other => other,
    })?;
    let topics = match arguments.topics.as_slice() {
        [] => crate::app::topic_table(&config).by_topic().keys().map(ToString::to_string).collect(),
        topics => topics.to_vec(),
    };
    let endpoints: Vec<_> = config.endpoints.iter().map(|endpoint| Arc::clone(&endpoint.name)).collect();
    Ok((config.kafka, topics, Some(endpoints).filter(|names| !names.is_empty())))
}

/// One run of the command.
struct Tail<'a, W: Write> {
    arguments: &'a Arguments,
    kafka: &'a Kafka,
    printer: Printer,
    follow: bool,
    reader: TopicReader,
    out: BufWriter<W>,
    backlog: Backlog,
    stop: Arc<AtomicBool>,
    progress: Progress,
    read: u64,
    shown: u64,
}

impl<W: Write> Tail<'_, W> {
    fn run(&mut self) -> Result<(), Failure> {
        let (mut searched, mut arrived) = (Instant::now(), Instant::now());
        while self.goes_on() {
            // All records that have arrived are read at once, and written when there are no more.
            let at_hand = self.reader.next(Duration::ZERO)?;
            let read = match at_hand {
                Read::Record(_) => at_hand,
                Read::Nothing | Read::CaughtUp => {
                    self.out.flush()?;
                    self.reader.next(WAIT)?
                }
            };
            if let Read::Record(stored) = read {
                arrived = Instant::now();
                self.take(stored);
            } else if let Some(trouble) = self.reader.take_trouble() {
                note(&trouble);
            }
            if self.shown == 0
                && let Some(wider) = self.reader.wider(self.kafka)?
            {
                (self.reader, self.backlog, self.read) = (wider, Backlog::new(self.arguments.range.last()), 0);
                continue;
            }
            self.show_ready(self.follow && arrived.elapsed() > ORDER_PATIENCE)?;
            if self.follow && searched.elapsed() > SEARCH_EVERY {
                self.reader.look_for_new()?;
                searched = Instant::now();
            } else if !self.follow && self.reader.caught_up() {
                break;
            }
        }
        Ok(self.out.flush()?)
    }

    fn goes_on(&self) -> bool {
        let enough = self.arguments.range.limit.is_some_and(|limit| self.shown >= limit);
        let over = self.follow && self.arguments.range.is_over();
        !(enough || over || self.stop.load(Ordering::Relaxed))
    }

    fn take(&mut self, stored: StoredRecord) {
        self.read += 1;
        // What is shown says enough.
        if self.shown == 0 {
            self.progress.count();
        }
        let wanted = self.arguments.range.admits(&stored) && self.arguments.filters.admit(&stored);
        self.backlog.push(stored, wanted);
    }

    /// Shows the records that no older one can precede any more, or all of them.
    fn show_ready(&mut self, everything: bool) -> Result<(), Failure> {
        let none = std::collections::BTreeSet::new();
        while self.goes_on() {
            let pending = if everything { &none } else { self.reader.pending() };
            let Some(stored) = self.backlog.pop_settled(pending) else { break };
            self.shown += u64::from(self.printer.print(&mut self.out, &stored)?);
        }
        Ok(())
    }
}

/// Returns a flag that is set by Ctrl-C, by SIGTERM, and when nobody reads the output any more, which a command with nothing to write would
/// not notice. A second signal ends the process at once with `code`, and says what a run has done so far: at the first one, the process may be
/// writing to a pager that does not read.
pub(super) fn watch(code: u8) -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let noticed = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    let (mut signals, output) = {
        let _entered = runtime.enter();
        // A file has no reader that could go away.
        (serve::Signals::new()?, pipe::Sender::from_owned_fd_unchecked(output).ok())
    };
    let watch = async move {
        tokio::select! {
            () = signals.next() => {}
            () = closed(output) => {}
        }
        noticed.store(true, Ordering::Relaxed);
        signals.next().await;
        if let Some(so_far) = so_far() {
            // Standard error may lead to the pager, too, so nobody waits for it.
            let said = tokio::task::spawn_blocking(move || note(&so_far));
            let _not_read = tokio::time::timeout(WAIT, said).await;
        }
        std::process::exit(code.into());
    };
    thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(watch))?;
    Ok(stop)
}

async fn closed(output: Option<pipe::Sender>) {
    if let Some(output) = output {
        while let Ok(ready) = output.ready(Interest::ERROR).await {
            if ready.is_error() || ready.is_write_closed() {
                return;
            }
            tokio::time::sleep(WAIT).await;
        }
    }
    std::future::pending::<()>().await;
}
