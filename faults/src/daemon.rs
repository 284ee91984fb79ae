//! Hookgate itself: its configuration for one scenario, its processes, and what can be seen of them from outside.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    cluster::{Cluster, PARTITIONS},
    delivery::{PROVIDERS, Provider, Secrets},
    repository::root,
};

/// The ids of the processes that run now. If this program gets a signal to end, it ends them.
pub(crate) static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// For how long a daemon still serves after SIGTERM: long enough for the balancer to see that it is not ready.
const PRE_STOP: &str = "1s";
/// The time between two checks of a daemon.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// One scenario's configuration: topics and secrets that no other scenario has.
pub(crate) struct Site {
    folder: PathBuf,
    program: PathBuf,
    prefix: String,
    /// Environment variables that replace values of the configuration.
    settings: Settings,
}

/// Names and values of variables.
pub(crate) type Settings = &'static [(&'static str, &'static str)];

impl Site {
    /// Writes the configuration.
    pub(crate) fn new(
        program: &Path,
        scenario: &str,
        brokers: &str,
        secrets: &Secrets,
        settings: Settings,
    ) -> Result<Self, String> {
        let folder = root().join(".work/faults").join(scenario);
        let site = Self { folder, program: program.to_owned(), prefix: format!("faults.{scenario}."), settings };
        site.write(brokers, secrets).map_err(|error| format!("{}: {error}", site.folder.display()))?;
        Ok(site)
    }

    /// Creates the topics that are not there yet, on the listener where that is allowed.
    pub(crate) fn create_topics(&self) -> Result<(), String> {
        let arguments = ["topics", "--apply", "--brokers", &Cluster::brokers()];
        output(Command::new(&self.program).args(arguments).current_dir(&self.folder).stdin(Stdio::null()))?;
        Cluster::wait_in_sync(&self.topics())
    }

    /// Fails if the cluster does not fit the configuration: the ledger must depend on what Hookgate asks for, not on the brokers' settings.
    pub(crate) fn check_cluster(&self) -> Result<(), String> {
        // If the configuration has a user, the user may not read settings.
        let arguments = ["check", "--cluster", "--brokers", &Cluster::brokers()];
        output(Command::new(&self.program).args(arguments).current_dir(&self.folder).stdin(Stdio::null())).map(drop)
    }

    /// What replica `n` has logged.
    pub(crate) fn log(&self, n: u16) -> Result<String, String> {
        fs::read_to_string(self.log_file(n)).map_err(|error| error.to_string())
    }

    fn log_file(&self, n: u16) -> PathBuf {
        self.folder.join(format!("hookgate-{n}.log"))
    }

    fn write(&self, brokers: &str, secrets: &Secrets) -> io::Result<()> {
        // Logs of an earlier run would confuse readers.
        let _absent = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&self.folder)?;
        let brokers = brokers.split(',').map(|it| format!("{it:?}")).collect::<Vec<_>>().join(", ");
        let prefix = &self.prefix;
        let mut text = format!(
            "[kafka]\nbrokers = [{brokers}]\n[topics]\nprefix = {prefix:?}\npartitions = {PARTITIONS}\nreplication = 3\n\
             [shutdown]\npre_stop = \"{PRE_STOP}\"\n[topics.map]\n"
        );
        text.extend(PROVIDERS.map(|it| format!("\"{}.*\" = {:?}\n", it.name(), self.topic(it))));
        for provider in PROVIDERS {
            let [first, second] = [1, 2].map(|slot| self.secret_file(provider, slot));
            fs::write(&first, secrets.of(provider))?;
            fs::write(&second, format!("{}-not-used-yet", provider.name()))?;
            let secrets = [first, second].map(|file| format!("\"file:{}\"", file.display())).join(", ");
            let name = provider.name();
            text.extend([format!("[endpoints.{name}]\nprovider = \"{name}\"\nsecrets = [{secrets}]\n")]);
        }
        fs::write(self.folder.join("hookgate.toml"), text)
    }

    /// Returns the folder of the site's files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the file with the secret of a slot, 1 or 2.
    pub(crate) fn secret_file(&self, provider: Provider, slot: u8) -> PathBuf {
        self.folder.join(format!("{}-{slot}", provider.name()))
    }

    pub(crate) fn topic(&self, provider: Provider) -> String {
        format!("{}{}", self.prefix, provider.name())
    }

    /// Returns all topics that may have records.
    pub(crate) fn topics(&self) -> Vec<String> {
        let quarantine = format!("{}quarantine", self.prefix);
        PROVIDERS.iter().map(|it| self.topic(*it)).chain([quarantine]).collect()
    }

    /// Returns a topic of the same cluster that the daemon does not know.
    pub(crate) fn witness(&self) -> String {
        format!("{}witness", self.prefix)
    }

    /// Returns the memory ceiling that `hookgate check` prints, in bytes.
    pub(crate) fn ceiling(&self) -> Result<u64, String> {
        let report: serde_json::Value =
            serde_json::from_str(&output(&mut self.command(&["check", "--json"]))?).map_err(|it| it.to_string())?;
        report["memory_ceiling_bytes"].as_u64().ok_or_else(|| "hookgate check prints no ceiling".into())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).envs(self.settings.iter().copied()).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Starts replica `n` (from 0) and waits until it is ready.
    pub(crate) fn start(&self, replica: u16) -> Result<Daemon, String> {
        let (webhooks, admin) = addresses(replica);
        let log = File::options().create(true).append(true).open(self.log_file(replica));
        let log = log.map_err(|error| error.to_string())?;
        let (listen, admin_listen) = (webhooks.to_string(), admin.to_string());
        let mut command = self.command(&["serve", "--listen", &listen, "--admin-listen", &admin_listen]);
        if TcpStream::connect(admin).is_ok() {
            return Err(format!("another program listens on {admin}"));
        }
        // The signal handler holds the lock until this program ends, so that no process starts after it has ended the others.
        let mut running = RUNNING.lock().expect("no thread panics while it holds the lock");
        let child = command.stdout(Stdio::null()).stderr(log).spawn().map_err(|error| error.to_string())?;
        running.push(child.id());
        drop(running);
        let mut daemon = Daemon { watch: Some(Watch::start(child.id(), admin)), child, seen: Seen::default() };
        let begin = Instant::now();
        while get(admin, "/readyz").ok() != Some(200) {
            if begin.elapsed() > Duration::from_secs(15) || daemon.ended() {
                return Err(format!("the daemon is not ready, see {}", self.folder.display()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(daemon)
    }
}

/// Runs a command to its end and returns what it prints.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let [out, error] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if output.status.success() { Ok(out) } else { Err(format!("hookgate: {out}{error}")) }
}

/// Returns the address at which replica `n` accepts webhooks, and the address of its admin port.
pub(crate) fn addresses(replica: u16) -> (SocketAddr, SocketAddr) {
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    (address(21180 + replica), address(21190 + replica))
}

/// What was seen of a daemon during the time in which it had to be alive.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) rss_peak: u64,
    /// How often `/livez` failed.
    pub(crate) dead: u64,
    /// Whether it ended by itself.
    pub(crate) ended: bool,
}

/// A running `hookgate serve`. Dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    watch: Option<Watch>,
    seen: Seen,
}

impl Daemon {
    /// Sends a signal and waits until the process has ended.
    pub(crate) fn end(mut self, signal: &str) -> Result<(Option<i32>, Seen), String> {
        let ended = self.ended();
        self.unwatch();
        self.seen.ended = ended;
        if !ended {
            let pid = self.child.id().to_string();
            let sent = Command::new("kill").args(["-s", signal, &pid]).status().map_err(|error| error.to_string())?;
            if !sent.success() {
                return Err(format!("kill -s {signal} {pid} failed"));
            }
        }
        let status = self.child.wait().map_err(|error| error.to_string())?;
        Ok((status.code(), self.seen))
    }

    fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn unwatch(&mut self) {
        if let Some(watch) = self.watch.take() {
            self.seen = watch.finish();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.unwatch();
        // The daemon may have ended by itself or by a signal.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        RUNNING.lock().expect("no thread panics while it holds the lock").retain(|pid| *pid != self.child.id());
    }
}

/// Checks a daemon at a fixed interval.
struct Watch {
    stop: Arc<AtomicBool>,
    rss_peak: Arc<AtomicU64>,
    thread: JoinHandle<u64>,
}

impl Watch {
    fn start(pid: u32, admin: SocketAddr) -> Self {
        let (stop, rss_peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, peak) = (Arc::clone(&stop), Arc::clone(&rss_peak));
        let thread = thread::spawn(move || {
            let (mut dead, mut born) = (0, false);
            while !stopped.load(Ordering::Relaxed) {
                let alive = get(admin, "/livez").ok() == Some(200);
                born |= alive;
                // A daemon that has not started yet is not dead, and neither is one that has got a signal to end in the meantime.
                if born && !alive && !stopped.load(Ordering::Relaxed) {
                    dead += 1;
                }
                peak.fetch_max(rss_peak_of(pid).unwrap_or(0), Ordering::Relaxed);
                thread::sleep(LOOK_EVERY);
            }
            dead
        });
        Self { stop, rss_peak, thread }
    }

    fn finish(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let dead = self.thread.join().unwrap_or(1);
        Seen { rss_peak: self.rss_peak.load(Ordering::Relaxed), dead, ended: false }
    }
}

/// Returns the most memory that a process has ever had, in bytes, from Linux's `/proc`.
fn rss_peak_of(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Sends one GET and returns the status of the answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<u16> {
    let patience = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: faults\r\nconnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let status = str::from_utf8(&head[9..]).ok().and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
