//! `hookgate capture`: a listener that writes each request into a file of its own.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::Args;
use prost_types::Timestamp;
use tokio::net::TcpListener;

use super::{
    CommandResult, Failure, note,
    output::{counted, shell_word},
    serve::Signals,
};
use crate::{
    clock,
    event::timestamp,
    http::{self, WholeRequest},
    logged::printable,
};

/// How many bytes the files of one run may have together.
const BYTES_MAX: u64 = 256 << 20;

/// Write each request that arrives into a file, for `verify` and `send`.
///
/// It is meant for a proxy's mirror: the provider's request goes to the daemon as before, and a copy comes here. The files hold tokens,
/// signatures and personal data: delete them when they are explained. It ends after --limit requests, and at Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate capture --listen 127.0.0.1:9099
  hookgate capture --listen 127.0.0.1:9099 --directory /var/tmp/captures --limit 1
  hookgate capture --listen 127.0.0.1:9099 --status 503

Do not give this address to a provider instead of Hookgate's, except with --status 503: a provider that is answered 200
does not send the event again.")]
pub(super) struct Arguments {
    /// Where to take requests. Everybody who reaches the address can write files.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where to write the files; it is made where it is missing.
    #[arg(long, value_name = "DIR", default_value = "captures")]
    directory: PathBuf,
    /// End after so many requests.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// The status of each answer.
    #[arg(long, value_name = "STATUS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    status: u16,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let directory = arguments.directory.display();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&arguments.directory)
        .map_err(|error| format!("{directory}: {error}"))?;
    // A folder that takes no file must show now, and not when the one delivery that matters is here.
    let probe = arguments.directory.join(format!(".hookgate-capture-{}", std::process::id()));
    write_whole(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(|error| format!("{directory}: {error}"))?;
    let mut captured = Captured { arguments, number: 0, bytes: 0, last: SystemTime::UNIX_EPOCH, failure: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let listener = TcpListener::bind(arguments.listen).await;
        let listener = listener.map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
        let address = listener.local_addr()?;
        note(&format!("waiting for requests on http://{address}; Ctrl-C ends it"));
        http::receive(listener, signals.next(), |request| captured.keep(request)).await;
        Ok::<_, Failure>(())
    })?;
    if let Some(failure) = captured.failure {
        return Err(failure);
    }
    let number = counted(captured.number.into(), "request");
    note(&format!("{number} captured in {directory}; the files hold tokens, signatures and personal data: delete them"));
    Ok(captured.number > 0)
}

/// What has been captured so far.
struct Captured<'a> {
    arguments: &'a Arguments,
    number: u32,
    bytes: u64,
    /// The time of the last file. Names are in the order of arrival also where the clock is set back.
    last: SystemTime,
    failure: Option<Failure>,
}

impl Captured<'_> {
    /// Writes a request to its file. Returns the status to answer, and whether another one may come.
    fn keep(&mut self, request: Result<WholeRequest, String>) -> (u16, bool) {
        let request = match request {
            Ok(request) => request,
            Err(why) => {
                note(&format!("a request was not captured: {why}"));
                return (400, true);
            }
        };
        let bytes = request.to_bytes();
        self.bytes += bytes.len() as u64;
        if self.bytes > BYTES_MAX {
            note(&format!("the files would be larger than {} MiB together, so this is the end", BYTES_MAX >> 20));
            return (503, false);
        }
        match self.write(&request, &bytes) {
            Ok(()) => (self.arguments.status, self.number < self.arguments.limit),
            Err(failure) => {
                self.failure = Some(failure);
                (503, false)
            }
        }
    }

    fn write(&mut self, request: &WholeRequest, bytes: &[u8]) -> Result<(), Failure> {
        self.last = self.last.max(clock::system());
        self.number += 1;
        let at = timestamp(self.last);
        let name = format!("{}-{:05}.http", stamp(at), self.number);
        let path = self.arguments.directory.join(&name);
        write_whole(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut out = io::stdout().lock();
        let (method, body) = (printable(&request.method), counted(request.body.len() as u64, "byte"));
        writeln!(out, "{method} {}, {body} of body", printable(&request.shown_path()))?;
        let seconds = Timestamp { nanos: 0, ..at };
        writeln!(out, "  hookgate verify --request {} --at {seconds}", shell_word(&path.display().to_string()))?;
        Ok(())
    }
}

/// Returns a time as part of a file's name: without colons, which some tools do not take.
fn stamp(at: Timestamp) -> String {
    let seconds = Timestamp { nanos: 0, ..at }.to_string();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z').replace([':', '-'], ""), at.nanos / 1_000_000)
}

/// Writes a file that only its owner may read. It appears whole or not at all, because `verify` may read at any time.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // The error that counts is the one before.
        let _stays = fs::remove_file(&unfinished);
    }
    written
}
