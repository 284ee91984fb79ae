//! A run: what a command publishes at once. It has an id of its own, which stands in its messages and in a header of each of its records,
//! so that afterwards anybody can find out who has published what.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    app,
    command::{
        EXIT_FAILED, Failure, note,
        output::{self, Printout, ReportFormat},
    },
    config::{self, Config, Environment},
    encode::{Encoding, RUN_HEADER, Record},
    error::Error,
    kafka::{Acknowledgement, Pending, Publisher},
    proto::Origin,
    registry,
};

/// How many records may wait for their acknowledgement at once.
const IN_FLIGHT_MAX: usize = 200;
/// How long Kafka may be away before the run ends.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a topic may be missing: the cluster may just be creating it.
const PATIENCE_MISSING: Duration = Duration::from_secs(5);
/// The pause before a record is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long the last records may take at the end.
const FLUSH: Duration = Duration::from_secs(5);
/// How often a question looks whether the command should stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a run has done so far, for a process that ends at once.
static SO_FAR: Mutex<String> = Mutex::new(String::new());

/// The flags of every command that publishes.
#[derive(Debug, Args)]
pub(super) struct Publication {
    /// Only say what would be published.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Publish without asking.
    #[arg(long)]
    pub(super) yes: bool,
    /// Publish at most this many events, the oldest ones; the rest is counted.
    #[arg(long, value_name = "EVENTS", default_value_t = 10_000, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) limit: u32,
    /// Publish at most this many events a second.
    #[arg(long, value_name = "EVENTS", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rate: Option<u32>,
}

/// One run of a command that publishes.
pub(super) struct Run {
    /// The id of the run, a random UUID.
    pub(super) id: String,
    publisher: Publisher,
    /// How events of this run are encoded.
    encoding: Encoding,
    wait: Duration,
    /// The shortest time between two records.
    interval: Duration,
    stop: Arc<AtomicBool>,
    runtime: tokio::runtime::Runtime,
}

/// What a run has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Published {
    /// How many records Kafka has acknowledged.
    records: u64,
    /// Whether the user has stopped the run before its end, or the failure of a report has.
    stopped: bool,
    /// Whether a record could not be reported.
    unreported: bool,
}

impl Run {
    /// Begins a run: `what` says in a few words what it does. At most `rate` records a second are sent, if there is a rate.
    pub(super) fn begin(
        config: &Config,
        environment: &Environment,
        (origin, what): (Origin, &str),
        rate: Option<u32>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, Failure> {
        let topics = app::topic_table(config);
        let names: Vec<Arc<str>> = topics.by_topic().into_keys().collect();
        let framing = registry::known_framing(config, &names)?;
        let metrics = Arc::new(app::metrics_of(config, &names)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = Self {
            id: random_id()?,
            publisher: Publisher::start(config, names, metrics)?,
            encoding: Encoding { topics, framing, record_bytes_max: config.topics.max_message_bytes, origin },
            wait: config.kafka.publish_timeout,
            interval: rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1)),
            stop,
            runtime,
        };
        let begin = Instant::now();
        while !run.publisher.reached() {
            if run.stopped() {
                return Err(Failure::Failed("stopped; nothing was published".into()));
            }
            if begin.elapsed() > PATIENCE {
                return Err(Failure::Failed(
                    "Kafka cannot be reached: `hookgate check --cluster` says why; nothing was published".into(),
                ));
            }
            run.runtime.block_on(run.publisher.first_contact(AGAIN_AFTER));
            if !run.publisher.reached() {
                thread::sleep(AGAIN_AFTER);
            }
        }
        note(&format!("run {} of {}: {what}", run.id, who(environment)));
        Ok(run)
    }

    /// Publishes the records of all items in order, prints each, and ends the run. `remark` returns how to go on after this many published
    /// records; the flag says whether the run has come to its end.
    pub(super) fn carry_out<T>(
        self,
        items: &[T],
        encode: impl Fn(&T, &Encoding) -> Option<Record>,
        format: ReportFormat,
        remark: impl Fn(usize, bool) -> Option<String>,
    ) -> Result<(), Failure> {
        let (mut out, mut done) = (Printout::new(), 0);
        self.remember(0, remark(0, false));
        let records = items.iter().filter_map(|item| encode(item, &self.encoding));
        let published = self.publish(records, &mut |record, acknowledgement| {
            done += 1;
            self.remember(done, remark(done, false));
            out.print(|out| output::published(out, format, record, &acknowledgement))
        });
        let printed = out.finish();
        if let Some(remark) = remark(done, published.as_ref().is_ok_and(|published| !published.stopped)) {
            note(&remark);
        }
        let published = published?;
        self.end(published);
        if published.stopped || !printed { Err(Failure::Reported(EXIT_FAILED)) } else { Ok(()) }
    }

    /// Publishes records in order. Each counts, and is reported to `acknowledged`, when Kafka has acknowledged it. A stop ends it after
    /// those that are under way, and so does a report that fails; a Kafka that stays away is an error that says how many were published.
    fn publish(
        &self,
        records: impl IntoIterator<Item = Record>,
        acknowledged: &mut dyn FnMut(&Record, Acknowledgement) -> io::Result<()>,
    ) -> Result<Published, Failure> {
        let mut published = Published::default();
        let mut under_way: VecDeque<(Record, Pending)> = VecDeque::new();
        let mut due = Instant::now();
        for mut record in records {
            if self.stopped() || published.unreported {
                published.stopped = true;
                break;
            }
            record.headers.push((RUN_HEADER, self.id.clone().into()));
            // At a low rate it takes long until as many are under way as may be: a failure must show at once, and the user sees each record.
            while under_way.front().is_some_and(|(_, pending)| pending.is_reported()) {
                self.settle(&mut under_way, &mut published, acknowledged)?;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due = Instant::now().max(due) + self.interval;
            if under_way.len() >= IN_FLIGHT_MAX {
                self.settle(&mut under_way, &mut published, acknowledged)?;
            }
            let begin = Instant::now();
            let pending = loop {
                match self.send(&record) {
                    Ok(pending) => break pending,
                    // What waits for its acknowledgement may be what it has no room beside.
                    Err(_) if !under_way.is_empty() => self.settle(&mut under_way, &mut published, acknowledged)?,
                    Err(error) => self.pause(&record, &error, begin, published)?,
                }
            };
            under_way.push_back((record, pending));
        }
        while !under_way.is_empty() {
            self.settle(&mut under_way, &mut published, acknowledged)?;
        }
        Ok(published)
    }

    fn send(&self, record: &Record) -> Result<Pending, Error> {
        self.publisher.enqueue(record, ())
    }

    /// Waits for the oldest record that is under way, and sends it again as long as that may help.
    fn settle(
        &self,
        under_way: &mut VecDeque<(Record, Pending)>,
        published: &mut Published,
        acknowledged: &mut dyn FnMut(&Record, Acknowledgement) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let Some((record, pending)) = under_way.pop_front() else { return Ok(()) };
        let begin = Instant::now();
        let mut sent = Ok(pending);
        loop {
            match sent.and_then(|pending| self.runtime.block_on(self.publisher.wait(pending, self.wait))) {
                Ok(acknowledgement) => {
                    published.records += 1;
                    published.unreported |= acknowledged(&record, acknowledgement).is_err();
                    return Ok(());
                }
                Err(error) => self.pause(&record, &error, begin, *published)?,
            }
            sent = self.send(&record);
        }
    }

    /// Waits before a record is sent again. It is an error once Kafka has been away for too long, or the user has stopped the run.
    fn pause(&self, record: &Record, error: &Error, begin: Instant, published: Published) -> Result<(), Failure> {
        let topic = &record.topic;
        let missing = self.publisher.missing_topics().contains(topic);
        if begin.elapsed() <= if missing { PATIENCE_MISSING } else { PATIENCE } && !self.stopped() {
            thread::sleep(AGAIN_AFTER);
            return Ok(());
        }
        let why = if missing {
            format!("there is no topic {topic}, or it may not be written to: `hookgate check --cluster` says more")
        } else {
            format!("Kafka does not store the records of {topic}: {error}")
        };
        Err(Failure::Failed(format!("run {}: {why}; {} were published before", self.id, published.records)))
    }

    /// Keeps what [`so_far`] says.
    fn remember(&self, done: usize, remark: Option<String>) {
        let remark = remark.map(|remark| format!("; {remark}")).unwrap_or_default();
        if let Ok(mut so_far) = SO_FAR.lock() {
            *so_far = format!(
                "run {}: ended at once; {done} were published, and what was under way may be there, too{remark}",
                self.id
            );
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends the run and says what it has done.
    fn end(self, published: Published) {
        let unflushed = self.publisher.close(FLUSH);
        let stopped = if published.stopped { ", stopped before its end" } else { "" };
        let rest = if unflushed > 0 { format!(", {unflushed} not acknowledged") } else { String::new() };
        note(&format!("run {}: {} published{rest}{stopped}", self.id, published.records));
    }
}

/// Returns what the run of this process has done so far; nothing where it has not begun. It does not wait.
pub(super) fn so_far() -> Option<String> {
    SO_FAR.try_lock().ok().map(|so_far| so_far.clone()).filter(|so_far| !so_far.is_empty())
}

/// Returns whether there is a terminal to ask on.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal whether to go on. A stop means no. Where there is no terminal to ask on, the flag must have said so.
pub(super) fn confirm(question: &str, yes: bool, stop: &AtomicBool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !can_ask() {
        return Err(Failure::Usage(format!("{question} There is no terminal to ask on: add --yes, or --dry-run to only look")));
    }
    write!(io::stderr(), "{question} [y/N] ")?;
    io::stderr().flush()?;
    let (sender, answers) = mpsc::channel();
    // The read does not end at a signal. The thread ends with the process.
    thread::Builder::new().name("answer".into()).spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line).map(|_| line);
        let _nobody_asks_any_more = sender.send(read);
    })?;
    answer(&answers, stop)
}

/// Waits for the answer to a question, and returns whether it is yes. A stop means no.
fn answer(answers: &Receiver<io::Result<String>>, stop: &AtomicBool) -> Result<bool, Failure> {
    loop {
        if stop.load(Ordering::Relaxed) {
            // The question has no end of line yet.
            writeln!(io::stderr())?;
            return Ok(false);
        }
        match answers.recv_timeout(LOOK_EVERY) {
            Ok(line) => return Ok(matches!(line?.trim().to_ascii_lowercase().as_str(), "y" | "yes")),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        }
    }
}

/// Returns a random UUID.
fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Failed(format!("no randomness: {error}")))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}

/// Returns who runs the command, as far as the environment says so.
pub(super) fn who(environment: &Environment) -> String {
    let user = ["USER", "LOGNAME"].iter().find_map(|name| environment.get(name)).unwrap_or("somebody");
    format!("{user}@{}", config::host_name().as_deref().unwrap_or("somewhere"))
}

#[cfg(test)]
mod tests;
