//! `hookgate dev`: everything on one machine, with nothing to set up.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use clap::Args;

use super::{CommandResult, Failure, fresh_secret, logging, send, serve, tail::Printer};
use crate::{
    app::{self, Running, topic_table},
    clock,
    config::{self, Config, Environment, Kafka},
    kafka::{
        mock::Mock,
        read::{Read, Start, TopicReader},
    },
    proto::Origin,
    provider::{self, Provider},
};

/// How long Kafka may take to be reached, and the samples to be read back.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the reader checks whether it must stop.
const READ_WAIT: Duration = Duration::from_millis(200);

/// Try Hookgate out: the daemon with an embedded Kafka, generated secrets and sample traffic.
///
/// Needs no configuration, no Kafka and no account. It prints a curl command for each provider and the secrets of the session, sends one
/// sample of each, and prints every event as it is read back from its topic. Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate dev
  hookgate dev --kafka localhost:9092
  hookgate dev --kafka localhost:9092 --schema-registry http://localhost:8081
  hookgate dev --exit")]
pub(super) struct Arguments {
    /// Use this Kafka instead of the embedded one, which serves clients on librdkafka and not all others. Missing topics are
    /// created in it.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Take schema ids from this registry, and register missing schemas in it. Values are then in Confluent's wire format.
    #[arg(long, value_name = "URL")]
    schema_registry: Option<String>,
    /// Where to take webhooks; by default port 8080, or any free port where that is taken.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Where the admin port is; by default 9090, or any free port where that is taken.
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<SocketAddr>,
    /// End when every sample has been read back from its topic.
    #[arg(long)]
    exit: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &Environment) -> CommandResult {
    let secrets = make_secrets()?;
    let environment: Environment = secrets.iter().map(|(name, secret)| (variable(name), secret.clone())).collect();
    // The embedded broker's address is not known yet.
    let mut config = configuration(arguments, &environment, arguments.kafka.as_deref().unwrap_or("127.0.0.1:1"))?;
    let _logging = logging::init(&config.log)?;
    let mock = match arguments.kafka {
        Some(_) => None,
        None => Some(Mock::start(&topics(&config))?),
    };
    if let Some(mock) = &mock {
        config = configuration(arguments, &environment, mock.brokers())?;
    }
    let options = app::Options { environment, clock: clock::system, origin: Origin::Sample, watcher: None };
    let running = app::start(&config, options)?;
    let shown = show(arguments, &config, &running, &secrets, Printer::pretty(terminal));
    // This comes also after a failure: a daemon that is only dropped flushes nothing.
    let ending = running.stop(&config.shutdown);
    drop(mock);
    Ok(shown? && ending.unflushed == 0 && !ending.defect)
}

/// Shows everything. Returns whether every sample was read back.
fn show(
    arguments: &Arguments,
    config: &Config,
    running: &Running,
    secrets: &[(&str, String)],
    printer: Printer,
) -> CommandResult {
    wait_until_ready(running, &config.kafka)?;
    let viewer = Viewer::start(config, printer)?;
    introduce(config, running, secrets, arguments.kafka.is_none())?;
    for (name, secret) in secrets {
        send_sample(name, secret, running)?;
    }
    let complete = viewer.wait_for(secrets.len());
    if !arguments.exit {
        writeln!(io::stdout(), "\nWaiting for deliveries. Ctrl-C ends it.")?;
        serve::StopSignal::new()?.wait(running)?;
    }
    Ok(complete)
}

/// Makes a secret per provider.
fn make_secrets() -> Result<Vec<(&'static str, String)>, Failure> {
    provider::ALL.iter().map(|provider| Ok((provider.name, fresh_secret()?))).collect()
}

fn variable(provider: &str) -> String {
    format!("DEV_SECRET_{}", provider.to_uppercase())
}

/// Returns the configuration, read by the same code as every other.
fn configuration(arguments: &Arguments, environment: &Environment, brokers: &str) -> Result<Config, Failure> {
    let listen = arguments.listen.unwrap_or_else(|| free_address(8080));
    let admin = arguments.admin_listen.unwrap_or_else(|| free_address(9090));
    let create = arguments.kafka.is_some();
    // There is only one embedded broker, and it keeps nothing, so a warning about that would tell the user nothing new.
    let replication = if create { -1 } else { 1 };
    let mut text = format!(
        "[kafka]\nauto_create = {create}\n[http]\nlisten = \"{listen}\"\n[admin]\nlisten = \"{admin}\"\n\
         [topics]\npartitions = 1\nreplication = {replication}\n[log]\nformat = \"text\"\nlevel = \"warn\"\n\
         [shutdown]\npre_stop = \"0s\"\n"
    );
    for provider in provider::ALL {
        let name = provider.name;
        // A curl command with a signed timestamp should work all day.
        let tolerance = if provider.signs_time() { "tolerance = \"1d\"\n" } else { "" };
        let _infallible =
            write!(text, "[endpoints.{name}]\nprovider = \"{name}\"\nsecrets = [\"env:{}\"]\n{tolerance}", variable(name));
    }
    let mut flags = vec![("kafka.brokers".to_owned(), brokers.to_owned())];
    if let Some(url) = &arguments.schema_registry {
        flags.push(("schema_registry.urls".to_owned(), url.clone()));
        flags.push(("schema_registry.register".to_owned(), "true".to_owned()));
    }
    Ok(config::parse(&text, "hookgate dev", environment, &flags)?)
}

/// Returns the usual port, or any free one.
fn free_address(port: u16) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if TcpListener::bind(usual).is_ok() { usual } else { SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) }
}

fn topics(config: &Config) -> Vec<String> {
    topic_table(config).by_topic().keys().map(ToString::to_string).collect()
}

fn wait_until_ready(running: &Running, kafka: &Kafka) -> Result<(), Failure> {
    let begin = Instant::now();
    while running.unready().is_some() || !running.missing_topics().is_empty() {
        if begin.elapsed() > PATIENCE {
            let state = running.unready().unwrap_or("topics are missing");
            let brokers = kafka.brokers.join(",");
            let hint = "is Kafka there, and the schema registry if there is one?";
            return Err(Failure::Failed(format!("gave up on {brokers} after {PATIENCE:?}: {state}; {hint}")));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn introduce(config: &Config, running: &Running, secrets: &[(&str, String)], embedded: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let kind = if embedded { "embedded, for this session" } else { "yours" };
    let (program, brokers) = (config::program(), config.kafka.brokers.join(","));
    writeln!(out, "Hookgate is running.\n")?;
    writeln!(out, "  webhooks  http://{}/webhooks/<endpoint>", running.webhooks)?;
    writeln!(out, "  admin     http://{}/metrics  /livez  /readyz", running.admin)?;
    writeln!(out, "  kafka     {brokers} ({kind})")?;
    writeln!(out, "\nSend a delivery yourself, signed for this session:\n")?;
    for (name, secret) in secrets {
        let Some(provider) = provider::by_name(name) else { continue };
        writeln!(out, "# {}\n{}\n", provider.title, sample_request(provider, secret, running)?.curl(None))?;
    }
    writeln!(out, "Or any other sample (`{program} send <provider> --list` names them), with this session's secrets:\n")?;
    let exported: Vec<String> = secrets.iter().map(|(name, secret)| format!("{}={secret}", variable(name))).collect();
    writeln!(out, "export {}", exported.join(" "))?;
    let url = format!("http://{}/webhooks/uploadcare", running.webhooks);
    writeln!(out, "{program} send uploadcare file.stored --secret env:{} --url {url}\n", variable("uploadcare"))?;
    let limits = if embedded { " (the embedded Kafka is not whole: Java and franz-go need a real one, see --kafka)" } else { "" };
    writeln!(out, "Read the topics with another client{limits}:\n")?;
    writeln!(out, "kcat -b {brokers} -L")?;
    writeln!(out, "{program} tail --brokers {brokers} --from-beginning\n")?;
    writeln!(out, "One sample of each provider goes out now; these are the events, read back from their topics:")?;
    Ok(())
}

/// Returns a request with the shortest sample of a provider.
fn sample_request(provider: &'static Provider, secret: &str, running: &Running) -> Result<send::Request, Failure> {
    let shortest = provider.names().filter_map(provider.sample).min_by_key(String::len);
    let body = shortest.unwrap_or_default().into_bytes();
    let url = format!("http://{}/webhooks/{}", running.webhooks, provider.name);
    Ok(send::Request::signed(provider, &url, secret, body)?)
}

fn send_sample(name: &str, secret: &str, running: &Running) -> Result<(), Failure> {
    let Some(provider) = provider::by_name(name) else { return Ok(()) };
    let (status, answer) = sample_request(provider, secret, running)?.send(send::TIMEOUT_SECONDS, None)?;
    if status != 200 {
        return Err(Failure::Failed(format!("the sample of {} was answered {status}: {answer}", provider.title)));
    }
    Ok(())
}

/// The thread that reads the topics and prints what it finds. The thread ends when this is dropped, before the Kafka that it reads ends.
struct Viewer {
    seen: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Viewer {
    fn start(config: &Config, mut printer: Printer) -> Result<Self, Failure> {
        let mut reader = TopicReader::open(&config.kafka, &topics(config), Start::End)?;
        let (seen, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let view = move || {
            while !stopped.load(Ordering::Relaxed) {
                match reader.next(READ_WAIT) {
                    Ok(Read::Record(stored)) => {
                        // A closed output must not stop the daemon.
                        let _closed = printer.print(&mut io::stdout().lock(), &stored);
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(Read::Nothing | Read::CaughtUp) => {}
                    Err(error) => tracing::warn!(error, "cannot read the topics"),
                }
            }
        };
        let thread = thread::Builder::new().name("viewer".into()).spawn(view)?;
        Ok(Self { seen, stop, thread: Some(thread) })
    }

    /// Waits until this many events were seen. Returns `false` if that takes too long.
    fn wait_for(&self, events: usize) -> bool {
        let begin = Instant::now();
        while self.seen.load(Ordering::Relaxed) < events && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        self.seen.load(Ordering::Relaxed) >= events
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
