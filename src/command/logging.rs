//! Where log lines go, how many there are, and what a panic may say.

use std::{
    io::{self, IsTerminal as _},
    panic, thread,
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, filter::filter_fn, fmt, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

use super::Failure;
use crate::{
    config::{Log, LogFormat},
    logged::printable,
};

/// Lines that may wait for a slow reader of stderr; what comes on top of them is dropped. A full pipe must not stop the deliveries.
const LINES_MAX: usize = 10_000;

/// Libraries that quote the requests that they send, with whatever proves us in them. They never log, whatever is asked for.
const NEVER: [&str; 2] = ["ureq", "ureq_proto"];

/// What SIGUSR1 lays over the configured level. Only our own lines: those of libraries may quote what they carry.
const MORE: &str = "hookgate=debug";

/// Writes out what is still waiting when it is dropped.
pub(super) struct Logging {
    _worker: WorkerGuard,
    /// Counts the lines that stderr did not take in time.
    pub(super) dropped: ErrorCounter,
    level: Levels,
}

/// The level in force.
#[derive(Clone)]
struct Levels {
    filter: reload::Handle<EnvFilter, Registry>,
    configured: String,
}

/// Sends log lines to stderr in the configured form, from a thread of their own. Fails where the level cannot be parsed.
pub(super) fn init(log: &Log) -> Result<Logging, String> {
    let filter = filter(&log.level)?;
    let (filter, handle) = reload::Layer::new(filter);
    let (writer, worker) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).finish(io::stderr());
    let dropped = writer.error_counter();
    let lines = fmt::layer().with_writer(writer).with_target(false);
    let lines = if is_json(log.format) { lines.json().flatten_event(true).boxed() } else { lines.with_ansi(false).boxed() };
    // Somebody else may have installed a subscriber first, in tests.
    let _already_installed = tracing_subscriber::registry().with(filter).with(filter_fn(speakable)).with(lines).try_init();
    panic::set_hook(Box::new(|info| {
        // Only the place: a panic's text may quote a payload.
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(Logging { _worker: worker, dropped, level: Levels { filter: handle, configured: log.level.clone() } })
}

fn is_json(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    }
}

/// Reports why the daemon does not run, in the form of its log: what collects the log shall find the reason in it. No level hides it.
pub(super) fn report(format: LogFormat, failure: Failure) -> Failure {
    let Some((text, code)) = failure.unsaid().filter(|_| is_json(format)) else { return failure };
    let lines = fmt().with_writer(io::stderr).with_target(false).json().flatten_event(true).finish();
    tracing::subscriber::with_default(lines, || {
        for warning in failure.warnings().iter().map(|it| printable(it)) {
            tracing::warn!(warning, "the configuration cannot be used; this beside it is probably not meant");
        }
        for problem in text.lines().map(printable) {
            tracing::error!(problem, "cannot start");
        }
    });
    Failure::Reported(code)
}

/// Whether a line may be written at any level. A directive of the configuration cannot overrule it. Beyond debugging, libraries tell what they carry.
fn speakable(line: &Metadata<'_>) -> bool {
    let library = line.target().split("::").next().unwrap_or_default();
    library == "hookgate" || (!NEVER.contains(&library) && *line.level() <= Level::DEBUG)
}

fn filter(directives: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(directives).map_err(|error| format!("[log] level: {error}"))
}

impl Logging {
    /// From now on SIGUSR1 makes the log say more, and the next one as much as configured. A signal and no HTTP call, because whoever may
    /// send one is on the machine already, while the admin port asks nobody who they are.
    pub(super) fn follow_signal(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _entered = runtime.enter();
            signal(SignalKind::user_defined1())?
        };
        let level = self.level.clone();
        thread::Builder::new().name("log-level".into()).spawn(move || runtime.block_on(level.follow(signals)))?;
        Ok(())
    }
}

impl Levels {
    async fn follow(self, mut signals: Signal) {
        while signals.recv().await.is_some() {
            let directives = format!("{},{MORE}", self.configured);
            self.set(&directives);
            tracing::info!(directives, "logging more, because of SIGUSR1; the next one ends it");
            if signals.recv().await.is_none() {
                return;
            }
            // Said first, as the configured level may not let it through.
            tracing::info!(directives = self.configured, "logging as configured again, because of SIGUSR1");
            self.set(&self.configured);
        }
    }

    fn set(&self, directives: &str) {
        // Both were parsed before, and the filter lives as long as the process.
        if let Ok(filter) = filter(directives) {
            let _gone = self.filter.reload(filter);
        }
    }
}
