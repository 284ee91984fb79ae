//! Brokers, the real binary, and the consumer that shares no code with Hookgate.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use serde_json::Value;

use crate::{
    harness::{self, Answer, Daemon, SECRETS, Setup, assert_discreet, endpoints, wait_until},
    providers::one_topic_each,
};

/// The longest wait for a log line.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Returns an environment variable that `tests/kafka/run` sets.
pub fn variable(name: &str) -> String {
    let value = std::env::var_os(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty());
    value.unwrap_or_else(|| panic!("{name} is not set: run this suite with `make test-kafka`, which starts the brokers it needs"))
}

/// Returns the address of the unsecured broker.
pub fn plain() -> String {
    variable("HOOKGATE_TEST_KAFKA")
}

/// A broker that only one test uses. It is stopped at the end.
pub struct Broker {
    pub port: String,
}

impl Broker {
    pub fn start(&self, more: &[&str]) {
        script("scripts/kafka/broker", &[&["start", "--port", &self.port], more].concat());
    }

    pub fn stop(&self) {
        script("scripts/kafka/broker", &["stop", "--port", &self.port]);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns a prefix for topics that begins with `root`. No other test has it, and no earlier run with the same brokers.
pub fn prefix(root: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{root}t{}n{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns a `[topics]` table for a daemon whose clock is frozen in the past. Its long retention is needed because Kafka deletes records by
/// their own time.
pub fn topics(prefix: &str, partitions: u32) -> String {
    format!("[topics]\nprefix = \"{prefix}\"\npartitions = {partitions}\nreplication = 1\nretention = \"3650d\"\n")
}

/// Returns a `[topics.map]` with one topic for all deliveries of a provider. Tests are faster with fewer topics.
pub fn one_topic_per_provider(prefix: &str) -> String {
    one_topic_each(prefix)
}

/// Starts a daemon in this process that publishes to the unsecured broker: one topic per provider, with this many partitions each.
pub fn publishing(prefix: &str, partitions: u32) -> Daemon {
    let tables = topics(prefix, partitions) + &one_topic_per_provider(prefix);
    Site::new(&format!("[kafka]\nbrokers = [\"{}\"]\n{tables}", plain())).create_topics();
    Daemon::with(Setup { tables: &tables, flags: vec![("kafka.brokers", plain())], ..Setup::default() })
}

/// Returns the path of a file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a program of the repository to its end, and returns its output. It must succeed.
pub fn script(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(repository(program)).args(arguments).stdin(Stdio::null()).output().unwrap();
    succeeded(program, &output)
}

/// Returns the output of a program, which must have succeeded.
pub fn succeeded(what: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what} failed:\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn lines(what: &str, output: &Output) -> Vec<Value> {
    succeeded(what, output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The Python interpreter with the packages of the consumer.
static PYTHON: LazyLock<String> = LazyLock::new(|| script("scripts/tools/python", &[]).trim().to_owned());

/// Runs a Python program of the repository. The first argument is its path.
pub fn python(arguments: &[&str]) -> Output {
    Command::new(&*PYTHON).arg(repository(arguments[0])).args(&arguments[1..]).output().unwrap()
}

/// Runs a Python program, which must succeed, and returns the JSON object of each line that it prints.
pub fn python_lines(arguments: &[&str]) -> Vec<Value> {
    lines(arguments[0], &python(arguments))
}

/// Runs a Java program, which is one file and must succeed, and returns the JSON object of each line that it prints.
pub fn java_lines(arguments: &[&str]) -> Vec<Value> {
    static CLASS_PATH: LazyLock<String> = LazyLock::new(|| script("scripts/tools/java", &[]).trim().to_owned());
    let mut java = Command::new("java");
    java.args(["-cp", &CLASS_PATH]).arg(repository(arguments[0])).args(&arguments[1..]);
    lines(arguments[0], &java.output().unwrap())
}

/// Runs a Python program to its end with this input, and returns its output. It must succeed.
pub fn python_reads(program: &str, input: &str) -> String {
    let mut child = Command::new(&*PYTHON)
        .arg(repository(program))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // The input is written by another thread. Otherwise a program that prints while it reads, and this process, could wait for each other.
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A program that ends early closes its input. Its own output says why.
    let _closed = writer.join().unwrap();
    succeeded(program, &output)
}

/// Reads topics with the consumer that shares no code with Hookgate. Returns one JSON object per record.
pub fn consume(arguments: &[&str]) -> Vec<Value> {
    python_lines(&[&["tests/kafka/consume.py"], arguments].concat())
}

/// Reads all topics of a prefix at the unsecured broker with that consumer.
pub fn consume_plain(prefix: &str) -> Vec<Value> {
    consume(&["--brokers", &plain(), "--prefix", prefix])
}

/// A folder with a `hookgate.toml` for the real binary.
pub struct Site {
    folder: PathBuf,
    /// More variables of the environment.
    variables: Vec<(&'static str, String)>,
}

/// The exit code and the output of a command.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Site {
    /// Writes a configuration: these tables, and then the endpoints of the harness.
    pub fn new(tables: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(prefix("kafka-"));
        std::fs::create_dir_all(&folder).unwrap();
        let site = Self { folder, variables: Vec::new() };
        site.configure(tables);
        site
    }

    /// Writes the configuration again, with these tables.
    pub fn configure(&self, tables: &str) {
        let ports = "[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\nscrape_max_age = \"0s\"\n[shutdown]\npre_stop = \"0s\"\n";
        self.write("hookgate.toml", format!("{tables}\n{ports}{}", endpoints()));
    }

    /// Returns the site, with these variables in the environment of what runs there.
    pub fn with_variables(mut self, variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file beside the configuration, in one step, as Kubernetes does.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.folder.join(format!("{name}.new"));
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.folder.join(name)).unwrap();
    }

    /// Removes the configuration.
    pub fn forget(&self) {
        std::fs::remove_file(self.folder.join("hookgate.toml")).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        command.args(arguments).current_dir(&self.folder).envs(SECRETS.iter().copied()).stdin(Stdio::null());
        // `hookgate dev` keeps its secrets there.
        command.env("XDG_STATE_HOME", &self.folder);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of the real binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_discreet("a command", &(text(&output.stdout) + &text(&output.stderr)));
        Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Creates the topics of the configuration.
    pub fn create_topics(&self) {
        let ran = self.run(&["topics", "--apply"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    /// Starts `hookgate serve` and waits until it listens.
    pub fn serve(&self) -> Served {
        let mut child = self.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (mut lines, copy) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                copy.lock().unwrap().push(std::mem::take(&mut line));
            }
            // A line that is not text ends the loop, so the rest is read without a look at it.
            let _ended = lines.read_to_end(&mut Vec::new());
        });
        let unbound = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut served = Served { child, log, webhooks: unbound, admin: unbound };
        let line = served.wait_for_line(&["listening"]);
        let listening: Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| listening[name].as_str().unwrap().parse().unwrap();
        (served.webhooks, served.admin) = (address("webhooks"), address("admin"));
        served
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A folder that cannot be removed stays in target/, where it does no harm.
        let _kept = std::fs::remove_dir_all(&self.folder);
    }
}

/// A running `hookgate serve`. Dropping it kills it.
pub struct Served {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    webhooks: SocketAddr,
    admin: SocketAddr,
}

impl Served {
    /// Returns the first log line that contains all of these texts.
    pub fn line(&self, texts: &[&str]) -> Option<String> {
        let log = self.log.lock().unwrap();
        log.iter().find(|line| texts.iter().all(|text| line.contains(text))).cloned()
    }

    /// Returns how many log lines contain all of these texts.
    pub fn lines(&self, texts: &[&str]) -> usize {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| texts.iter().all(|text| line.contains(text))).count()
    }

    /// Waits for a log line that contains all of these texts, and returns it.
    pub fn wait_for_line(&self, texts: &[&str]) -> String {
        let begin = Instant::now();
        loop {
            if let Some(line) = self.line(texts) {
                return line;
            }
            let log = || self.log.lock().unwrap().concat();
            assert!(begin.elapsed() < PATIENCE, "no log line with {texts:?} within {PATIENCE:?}; there are:\n{}", log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns how often each thread has waited so far, by the name of the thread. Threads of one name count together.
    pub fn waits(&self) -> BTreeMap<String, u64> {
        let mut waits = BTreeMap::new();
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap() {
            // A thread may end between the listing and the look.
            let Ok(status) = std::fs::read_to_string(thread.unwrap().path().join("status")) else { continue };
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
            *waits.entry(field("Name:").to_owned()).or_default() += field("voluntary_ctxt_switches:").parse::<u64>().unwrap();
        }
        waits
    }

    /// Delivers a signed body. The binary has the real clock, so this does not work for providers that sign the time.
    pub fn deliver(&self, endpoint: &str, body: &[u8]) -> Answer {
        let (path, headers) = harness::signed(endpoint, body);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        harness::request(self.webhooks, "POST", &path, &headers, body)
    }

    pub fn ready(&self) -> u16 {
        harness::request(self.admin, "GET", "/readyz", &[], b"").status
    }

    pub fn metrics(&self) -> String {
        harness::request(self.admin, "GET", "/metrics", &[], b"").body
    }

    pub fn wait_until_ready(&self) {
        wait_until("ready", || self.ready() == 200);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The daemon may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        assert_discreet("the log", &self.log.lock().unwrap().concat());
    }
}

/// Returns a body of `FileSafety` about a scan with this id.
pub fn scan(id: &str) -> Vec<u8> {
    let sample = String::from_utf8(harness::fixture("filesafety/docs_scan.complete_current.json")).unwrap();
    let mut body: Value = serde_json::from_str(&sample).unwrap();
    body["scan_id"] = id.into();
    body.to_string().into_bytes()
}

/// Checks that an answer is a 503 with one of these labels, and that it says when to try again.
pub fn assert_503(answer: &Answer, labels: &[&str]) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(labels.contains(&answer.label().as_str()), "not one of {labels:?}: {answer:?}");
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{answer:?}");
}

/// Checks a site whose brokers refuse it: it stays unready, answers 503 and logs the cause, which is a part of librdkafka's message.
pub fn assert_kept_out(site: &Site, cause: &str) {
    let daemon = site.serve();
    daemon.wait_for_line(&["kafka client error", cause]);
    assert_eq!(daemon.ready(), 503, "{cause}");
    assert_503(&daemon.deliver("filesafety", &scan("never")), &["publish_failed"]);
    let checked = site.run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("do not answer") && checked.stdout.contains(cause), "no {cause:?} in {checked:?}");
}

/// Sets one setting of a topic at the unsecured broker, and waits until it is visible. Other settings return to their defaults.
pub fn set_topic(topic: &str, name: &str, value: &str) {
    configure_topic(topic, &[(name, value)]);
}

/// Sets these settings of a topic at the unsecured broker, and waits until they are visible. Other settings return to their defaults.
pub fn configure_topic(topic: &str, settings: &[(&str, &str)]) {
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic));
    let change = settings.iter().fold(change, |change, (name, value)| change.set(name, value));
    let results = administer(async |admin| admin.alter_configs([&change], &AdminOptions::new()).await);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let is_set = |(name, value): &(&str, &str)| topic_setting(topic, name).as_deref() == Some(*value);
    wait_until("the change is visible", || settings.iter().all(is_set));
}

/// Returns a setting of a topic at the unsecured broker.
pub fn topic_setting(topic: &str, name: &str) -> Option<String> {
    let resources = [ResourceSpecifier::Topic(topic)];
    let results = administer(async |admin| admin.describe_configs(&resources, &AdminOptions::new()).await);
    let resource = results.into_iter().next().unwrap().unwrap();
    resource.get(name).and_then(|entry| entry.value.clone())
}

/// Asks the unsecured broker as an administrator.
pub fn administer<T>(call: impl AsyncFnOnce(&AdminClient<DefaultClientContext>) -> rdkafka::error::KafkaResult<T>) -> T {
    let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", plain()).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call(&admin)).unwrap()
}
