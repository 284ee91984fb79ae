//! Where log lines go and what a panic may say.

use std::{io, panic};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Lines that may wait for a slow reader of stderr; what comes on top of them is dropped. A full pipe must not stop the deliveries.
const LINES_MAX: usize = 10_000;

/// Never logged, whatever is asked for: the HTTP/2 library quotes paths that it cannot read, which may hold a token, and warns of frames that any peer
/// may send as often as it likes.
const NEVER: &str = "h2=off";

/// Writes out what is still waiting when it is dropped.
pub(super) struct Logging {
    _worker: WorkerGuard,
}

/// Sends log lines to stderr in the configured form, from a thread of their own. Fails where the level cannot be parsed.
pub(super) fn init(log: &Log) -> Result<Logging, String> {
    let filter = EnvFilter::try_new(format!("{},{NEVER}", log.level)).map_err(|error| format!("[log] level: {error}"))?;
    let (writer, worker) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).finish(io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    // Somebody else may have installed a subscriber first, in tests.
    let _already_installed = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    };
    panic::set_hook(Box::new(|info| {
        // Only the place: a panic's text may quote a payload.
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(Logging { _worker: worker })
}
