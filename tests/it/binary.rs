//! The real binary under test: a process and a folder of its own. Its output is kept.

use std::{
    collections::BTreeMap,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    forks,
    harness::{SECRETS, assert_discreet, wait_until},
};

/// The longest time that a process may take to end.
const PATIENCE: Duration = Duration::from_secs(100);

/// A folder that is removed at the end of its test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Replaces a file in one step, as Kubernetes does.
    pub fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.write(&format!("{name}.new"), content);
        std::fs::rename(new, self.path(name)).unwrap();
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _in_use = std::fs::remove_dir_all(&self.0);
    }
}

/// The exit code and the output of a finished process.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Finished {
    /// Standard output as one JSON value per line.
    pub fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }

    pub fn both(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Both outputs with one blank between words: what is for people comes in short lines.
    pub fn words(&self) -> String {
        self.both().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Runs a command in a folder to its end, with the secrets of the harness in its environment.
pub fn hookgate(folder: &Folder, arguments: &[&str]) -> Finished {
    Process::spawn(folder, arguments).finish()
}

/// A running process. Dropping it kills it.
pub struct Process {
    child: Child,
    readers: Option<[JoinHandle<()>; 2]>,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
    /// Whether it was asked to print a secret, such as a curl command with a token.
    asked_for_token: bool,
}

impl Process {
    pub fn spawn(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        let secrets: BTreeMap<&str, &str> = SECRETS.iter().copied().collect();
        command.args(arguments).current_dir(&folder.0).env_clear().envs(secrets);
        let mut process = Self::of(command);
        process.asked_for_token = arguments.contains(&"--curl");
        process
    }

    pub fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::start(command)
    }

    /// Starts a process that reads what the caller writes.
    pub fn with_input(mut command: Command) -> (Self, ChildStdin) {
        command.stdin(Stdio::piped());
        let mut process = Self::start(command);
        let input = process.child.stdin.take().unwrap();
        (process, input)
    }

    /// Returns a process whose purpose is to print a secret.
    pub fn prints_secrets(mut self) -> Self {
        self.asked_for_token = true;
        self
    }

    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = forks::spawn(&mut command).unwrap();
        let (out, err) = (Arc::default(), Arc::default());
        let readers = [keep(child.stdout.take().unwrap(), &out), keep(child.stderr.take().unwrap(), &err)];
        Self { child, readers: Some(readers), out, err, asked_for_token: false }
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.out.lock().unwrap()).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.err.lock().unwrap()).into_owned()
    }

    /// Returns the addresses on which a `serve` listens: the webhook port and the admin port.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        wait_until("listening", || self.err().contains("\"listening\""));
        let log = self.err();
        let line = log.lines().find(|line| line.contains("\"listening\"")).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
        (address("webhooks"), address("admin"))
    }

    /// Sends a signal to this process only.
    pub fn signal(&self, name: &str) {
        let sent = forks::output(Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()])).unwrap();
        assert!(sent.status.success());
    }

    /// Returns the most memory that the process has had so far, in KiB. One that has ended has no such number any more.
    pub fn peak_kib(&self) -> Option<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse().ok())
    }

    /// Waits until the process ends.
    pub fn finish(mut self) -> Finished {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "still running: {}{}", self.out(), self.err());
            thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.take().unwrap() {
            reader.join().unwrap();
        }
        Finished { code: status.code(), out: self.out(), err: self.err() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where the process has ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        for reader in self.readers.take().into_iter().flatten() {
            let _panicked = reader.join();
        }
        let out = if self.asked_for_token { String::new() } else { self.out() };
        assert_discreet("a process", &format!("{out}{}", self.err()));
    }
}

/// Reads a pipe to its end in a thread, so that the process never waits for its reader.
fn keep(mut pipe: impl Read + Send + 'static, to: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let to = Arc::clone(to);
    thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            to.lock().unwrap().extend_from_slice(&chunk[..length]);
        }
    })
}
