//! A daemon of the soak: its configuration, its process, and the resources that it holds, from Linux's `/proc`.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::broker;
use crate::{
    daemon::{RUNNING, get},
    delivery::{PROVIDERS, Secrets},
    repository::root,
};

/// A larger body is refused. The limit is small, so that refused bodies do not take all of the processor.
pub(super) const BODY_BYTES_MAX: usize = 16 << 10;
/// The first port of the daemons: two for each.
const PORT: u16 = 20593;
/// How long a daemon may take to become ready, and how long to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running `hookgate serve`. Dropping it kills it.
pub(super) struct Process {
    pub(super) name: &'static str,
    pub(super) webhooks: SocketAddr,
    admin: SocketAddr,
    child: Child,
}

/// The resources of a daemon at one moment, with memory in KiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Seconds since the beginning.
    pub(super) at: f64,
    pub(super) rss: u64,
    /// The memory of the process without pages of its program, because a page that is read from disk only now is no leak.
    pub(super) anonymous: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
}

/// Returns the prefix of the topics of a daemon.
pub(super) fn prefix(name: &str) -> String {
    format!("soak.{name}.")
}

impl Process {
    /// Writes the configuration, creates the topics, starts the daemon and waits until it is ready.
    pub(super) fn start(program: &Path, name: &'static str, number: u16, secrets: &Secrets) -> Result<Self, String> {
        let folder = root().join(".work/soak").join(name);
        configure(&folder, name, secrets).map_err(|error| format!("{}: {error}", folder.display()))?;
        let [webhooks, admin] = [0, 1].map(|port| SocketAddr::from(([127, 0, 0, 1], PORT + 2 * number + port)));
        if TcpStream::connect(admin).is_ok() {
            return Err(format!("another program listens on {admin}"));
        }
        let command = |arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        let applied = command(&["topics", "--apply"]).status().map_err(|error| format!("{}: {error}", program.display()))?;
        if !applied.success() {
            return Err("hookgate topics --apply failed".into());
        }
        let log = File::create(folder.join("hookgate.log")).map_err(|error| error.to_string())?;
        let mut serve = command(&["serve", "--listen", &webhooks.to_string(), "--admin-listen", &admin.to_string()]);
        // The signal handler holds the lock until this program ends, so that no process starts after it has ended the others.
        let mut running = RUNNING.lock().expect("no thread panics while it holds the lock");
        let child = serve.stderr(log).spawn().map_err(|error| error.to_string())?;
        running.push(child.id());
        drop(running);
        let process = Self { name, webhooks, admin, child };
        let begin = Instant::now();
        while get(admin, "/readyz").ok() != Some(200) {
            if begin.elapsed() > PATIENCE {
                return Err(format!("the daemon is not ready, see {}", folder.display()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(process)
    }

    /// Samples the resources of the daemon. Returns `None` if it has ended.
    pub(super) fn look(&self, begin: Instant) -> Option<Sample> {
        let folder = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{folder}/status")).ok()?;
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        };
        Some(Sample {
            at: begin.elapsed().as_secs_f64(),
            rss: value("VmRSS")?,
            anonymous: value("RssAnon")?,
            descriptors: u64::try_from(fs::read_dir(format!("{folder}/fd")).ok()?.count()).ok()?,
            threads: value("Threads")?,
        })
    }

    /// Returns the daemon's own metrics, the text of `/metrics`.
    pub(super) fn metrics(&self) -> Result<String, String> {
        let fetch = || -> io::Result<String> {
            let mut stream = TcpStream::connect(self.admin)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let text = fetch().map_err(|error| format!("{}: /metrics: {error}", self.name))?;
        if text.starts_with("HTTP/1.1 200 ") { Ok(text) } else { Err(format!("{}: /metrics is not answered 200", self.name)) }
    }

    /// Ends the daemon with SIGTERM and returns its exit code.
    pub(super) fn end(mut self) -> Result<Option<i32>, String> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", "TERM", &pid]).status().map_err(|error| error.to_string())?;
        self.child.wait().map(|status| status.code()).map_err(|error| error.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The daemon may have ended by itself or by a signal.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        RUNNING.lock().expect("no thread panics while it holds the lock").retain(|pid| *pid != self.child.id());
    }
}

fn configure(folder: &Path, name: &str, secrets: &Secrets) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut text = format!(
        "[kafka]\nbrokers = [{:?}]\n[topics]\nprefix = {:?}\npartitions = 3\nreplication = 1\n\
         [http]\nmax_body_bytes = \"{BODY_BYTES_MAX}B\"\n[admin]\nscrape_max_age = \"0s\"\n[shutdown]\npre_stop = \"0s\"\n[topics.map]\n",
        broker::address(),
        prefix(name),
    );
    text.extend(PROVIDERS.map(|it| format!("\"{0}.*\" = \"{1}{0}\"\n", it.name(), prefix(name))));
    for provider in PROVIDERS {
        let (name, file) = (provider.name(), folder.join(provider.name()));
        fs::write(&file, secrets.of(provider))?;
        text.extend([format!("[endpoints.{name}]\nprovider = \"{name}\"\nsecrets = [\"file:{}\"]\n", file.display())]);
    }
    fs::write(folder.join("hookgate.toml"), text)
}
