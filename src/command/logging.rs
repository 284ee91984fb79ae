//! The log of the commands: where lines go, how many are written, and what a panic may say.

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

/// The most lines that may wait for a slow reader of stderr; further ones are dropped. A full pipe must not stop the deliveries.
const LINES_MAX: usize = 10_000;

/// Libraries that quote the requests that they send, with the credentials in them. They never log, whatever level is configured.
const NEVER: [&str; 2] = ["ureq", "ureq_proto"];

/// The directives that SIGUSR1 adds to the configured level. They are only for Hookgate's own lines: those of libraries may quote what they
/// carry.
const MORE: &str = "hookgate=debug";

/// Writes the waiting lines when it is dropped.
pub(super) struct Logging {
    _worker: WorkerGuard,
    /// Counts the lines that stderr did not accept in time.
    pub(super) dropped: ErrorCounter,
    level: Levels,
}

/// The level in force.
#[derive(Clone)]
struct Levels {
    filter: reload::Handle<EnvFilter, Registry>,
    configured: String,
}

/// Sends log lines to stderr in the configured form, from a thread of their own. Fails if the level cannot be parsed.
pub(super) fn init(log: &Log) -> Result<Logging, String> {
    let filter = filter(&log.level)?;
    let (filter, handle) = reload::Layer::new(filter);
    let (writer, worker) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).finish(io::stderr());
    let dropped = writer.error_counter();
    let lines = fmt::layer().with_writer(writer).with_target(false);
    let lines = if is_json(log.format) { lines.json().flatten_event(true).boxed() } else { lines.with_ansi(false).boxed() };
    // In tests, another subscriber may have been installed already.
    let _already_installed = tracing_subscriber::registry().with(filter).with(filter_fn(speakable)).with(lines).try_init();
    panic::set_hook(Box::new(|info| {
        // Only the place is logged, because a panic's text may quote a payload.
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

/// Reports why the daemon does not run, in the form of its log, so that the program that collects the log finds the reason in it. No level
/// hides it.
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

/// Returns whether a line may be written at all. A directive of the configuration cannot change this. Below the level debug, libraries log
/// what they carry.
fn speakable(line: &Metadata<'_>) -> bool {
    let library = line.target().split("::").next().unwrap_or_default();
    library == "hookgate" || (!NEVER.contains(&library) && *line.level() <= Level::DEBUG)
}

fn filter(directives: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(directives).map_err(|error| format!("[log] level: {error}"))
}

impl Logging {
    /// From now on, SIGUSR1 makes the log say more, and the next SIGUSR1 as much as configured. This is a signal and not an HTTP call,
    /// because only users of the machine can send a signal, while the admin port does not check who asks.
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
            // This line comes first, because the configured level may hide it.
            tracing::info!(directives = self.configured, "logging as configured again, because of SIGUSR1");
            self.set(&self.configured);
        }
    }

    fn set(&self, directives: &str) {
        // Both directives were parsed before, and the filter lives as long as the process.
        if let Ok(filter) = filter(directives) {
            let _gone = self.filter.reload(filter);
        }
    }
}
