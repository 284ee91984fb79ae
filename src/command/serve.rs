//! `hookgate serve`: the daemon.

use std::io;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{CommandResult, ConfigSource, Failure, logging};
use crate::{
    app::{self, Running},
    config::{self, Config, Environment, Needs},
};

/// Run the daemon.
///
/// It takes webhooks on one port, answers 200 when Kafka has acknowledged the event, and has metrics and probes on another. SIGTERM,
/// SIGHUP and Ctrl-C shut it down in order; a second one ends it at once. SIGUSR1 makes it log every delivery, until the next SIGUSR1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate serve --config /etc/hookgate/hookgate.toml
  HOOKGATE_KAFKA__BROKERS=kafka-1:9092,kafka-2:9092 hookgate serve
  hookgate serve --listen 127.0.0.1:8080 --log-format text
  kill -USR1 $(pidof hookgate)")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    /// Where to take webhooks, over the configuration's `http.listen`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where the admin port is, over the configuration's `admin.listen`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<String>,
    /// `auto`, `json` or `text`, over the configuration's `log.format`.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// For instance `info` or `info,hookgate=debug`, over the configuration's `log.level`.
    #[arg(long, value_name = "DIRECTIVES")]
    log_level: Option<String>,
}

pub(super) fn run(arguments: &Arguments, environment: Environment) -> CommandResult {
    let flags = [
        ("http.listen", &arguments.listen),
        ("admin.listen", &arguments.admin_listen),
        ("log.format", &arguments.log_format),
        ("log.level", &arguments.log_level),
    ];
    let config = arguments.source.load_with(&environment, &flags, Needs::Daemon).map_err(|failure| {
        let overrides = arguments.source.overrides(&flags);
        logging::report(config::log_format(&arguments.source.config, &environment, &overrides), failure)
    })?;
    let logging = logging::init(&config.log).map_err(Failure::configuration)?;
    let outcome = serve(&config, environment, &logging);
    // The waiting lines of the log must come before the reason for the end.
    drop(logging);
    outcome.map_err(|failure| logging::report(config.log.format, failure))
}

/// Runs the daemon, from the first line of the log to the last.
fn serve(config: &Config, environment: Environment, logging: &logging::Logging) -> CommandResult {
    logging.follow_signal()?;
    // The signal handlers come before the first line, because somebody who has read a line may send a signal.
    let signal = StopSignal::new()?;
    for warning in &config.warnings {
        tracing::warn!(warning, "the configuration works, but is probably not meant");
    }
    let endpoints = config.endpoints.iter().map(|endpoint| &*endpoint.name).collect::<Vec<_>>().join(" ");
    tracing::info!(version = env!("CARGO_PKG_VERSION"), endpoints, brokers = config.kafka.brokers.join(","), "starting");
    raise_open_files(config);
    let running = app::start(config, app::Options::production(environment))?;
    running.count_dropped_lines(logging.dropped.clone());
    tracing::info!(webhooks = %running.webhooks, admin = %running.admin, "listening");
    signal.wait(&running)?;
    let ending = running.stop(&config.shutdown);
    if ending.unflushed > 0 {
        tracing::error!(
            unflushed = ending.unflushed,
            "stopped with records that Kafka did not acknowledge; none of them was answered 200"
        );
    } else {
        tracing::info!(cut_off = ending.cut_off, "stopped");
    }
    Ok(ending.unflushed == 0 && !ending.defect)
}

/// The open files beside the senders' connections: brokers, probes, secrets, and connections beyond the limit.
const OTHER_FILES: u64 = 1024;

/// Raises the limit of open files, which both ports share. If it is below the allowed connections, a flood of them makes the probes fail,
/// and so ends a healthy process.
fn raise_open_files(config: &Config) {
    let wanted = config.http.max_connections as u64 + OTHER_FILES;
    let open_files = rlimit::increase_nofile_limit(wanted).unwrap_or(0);
    if open_files < wanted {
        tracing::warn!(
            open_files,
            wanted,
            "too few open files for [http] max_connections: raise the hard limit, or lower the key"
        );
    }
}

/// The signal to stop. Once this exists, SIGTERM, SIGHUP and SIGINT do not end the process by themselves.
pub(super) struct StopSignal {
    runtime: tokio::runtime::Runtime,
    signals: Signals,
}

impl StopSignal {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _entered = runtime.enter();
            Signals::new()?
        };
        Ok(Self { runtime, signals })
    }

    /// Waits for the first signal, which may have come already, or until the daemon has failed. After that, one more signal ends the
    /// process at once.
    pub(super) fn wait(self, running: &Running) -> io::Result<()> {
        let Self { runtime, mut signals } = self;
        runtime.block_on(async {
            tokio::select! {
                () = signals.next() => {}
                () = running.failed() => {}
            }
        });
        let mut impatient = async move || {
            signals.next().await;
            std::process::exit(1);
        };
        std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(impatient()))?;
        Ok(())
    }
}

/// SIGTERM, SIGINT and, unless a program like `nohup` has made the process ignore it, SIGHUP. Must be made within a runtime. From then on,
/// these signals do not end the process by themselves.
pub(super) struct Signals(Signal, Signal, Option<Signal>);

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let hangup = if config::ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, hangup))
    }

    /// Waits for the next one of these signals.
    pub(super) async fn next(&mut self) {
        let Self(terminate, interrupt, hangup) = self;
        let hangup = async {
            match hangup {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup => {}
        }
    }
}
