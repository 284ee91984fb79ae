//! `hookgate dev`: everything on one machine, with nothing to set up.

mod inspector;
mod kept;
mod line;
mod no_request;
mod requests;
mod secrets;
mod seen;
mod setup;
mod tunnel;
mod viewer;
mod welcome;

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, atomic::AtomicBool},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use clap::Args;

use self::{
    inspector::{Inspected, Inspector},
    kept::History,
    requests::Requests,
    secrets::{DevSecret, GivenSecret, variable},
    seen::SeenRequest,
    tunnel::PublicFlags,
    viewer::{Screen, SharedRequests, Viewer, locked},
    welcome::Session,
};
use super::{
    CommandResult, Failure, colour, completions, fresh_secret, logging, note,
    run::{can_ask, confirm},
    send, serve,
    session_file::{RunningSession, SessionFile},
    tail::Printer,
};
use crate::{
    app::{self, Running, WatchOptions, topic_table},
    clock,
    config::{self, Config, Environment},
    http::{self, SAMPLE_HEADER, WatchedEnd},
    kafka::{admin::any_broker_answers, mock::Mock},
    provider::{self, Provider},
};

/// The ports, unless they are taken or others are asked for.
const WEBHOOK_PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9090;
/// How long Kafka may take to be reached, and the samples to be read back.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long before that a Kafka which has not been reached is asked why: so the reason is there in time.
const QUESTION: Duration = Duration::from_secs(7);
/// The pause before a sample is sent again that Kafka has not stored.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Each refusal has a line of its own on standard output.
/// What a Kafka on one machine cannot keep is no news for somebody who tries Hookgate out. Where Kafka does not answer, the line of each
/// delivery says so, and the message at the end.
const LEVEL: &str = "warn,rdkafka=off,hookgate::http::outcome=error,hookgate::kafka::guarantee=error,hookgate::kafka::context=off,\
     hookgate::kafka::leaders=off";
/// After this time without Kafka, the command says what it waits for.
const SILENCE: Duration = Duration::from_secs(2);

/// Try Hookgate out: the daemon with an embedded Kafka, generated secrets and sample traffic.
///
/// Needs no configuration, no Kafka and no account. It sends one sample of each provider, and prints a line for each request: the answer, and
/// where the event is, or why there is none. Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate dev
  hookgate dev --events
  hookgate dev --public-url https://hooks.example.com
  hookgate dev --tunnel
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
    /// Print each event below the line of its request, as it is read back from its topic.
    #[arg(long)]
    events: bool,
    /// The secret of a provider, such as `frameio=env:FRAMEIO_SECRET` or `frameio=file:PATH`. By default that of the variable
    /// `DEV_SECRET_FRAMEIO`, or else one of your own file of secrets, which the first session makes.
    // Not parsed by clap, whose message would repeat what was written.
    #[arg(long, value_name = "PROVIDER=REFERENCE", add = completions::secrets())]
    secret: Vec<String>,
    #[command(flatten)]
    public: PublicFlags,
    #[command(flatten)]
    samples: SampleFlags,
}

/// What happens with samples.
#[derive(Debug, Args)]
struct SampleFlags {
    /// Send no samples.
    #[arg(long)]
    no_samples: bool,
    /// With --kafka, write the samples to its topics without asking.
    #[arg(long)]
    yes: bool,
    /// End when every sample has been read back from its topic.
    #[arg(long, conflicts_with = "no_samples")]
    exit: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &Environment) -> CommandResult {
    let wants_samples = wants_samples(arguments)?;
    let (secrets, commands) = secrets_of(arguments, terminal)?;
    let environment: Environment = secrets.iter().map(|it| (variable(it.provider.name), it.text.clone())).collect();
    // The embedded broker's address is not known yet.
    let mut config = configuration(arguments, &environment, arguments.kafka.as_deref().unwrap_or("127.0.0.1:1"))?;
    let public_url = arguments.public.url(config.http.listen.port(), terminal)?;
    let _logging = logging::init(&config.log)?;
    let mock = match arguments.kafka {
        Some(_) => None,
        None => Some(Arc::new(Mock::start(&topics(&config))?)),
    };
    if let Some(mock) = &mock {
        config = configuration(arguments, &environment, mock.brokers())?;
    }
    let requests = Arc::new(Mutex::new(Requests::new()));
    let (key, history) = (fresh_secret()?, Arc::new(History::new()));
    // The key of the page is no secret of a provider, and is kept as little.
    let hidden = secrets.iter().map(|it| it.text.clone()).chain([key.clone()]).collect();
    let watch = WatchOptions { watcher: watcher(&requests, hidden), sample_key: key.clone() };
    let running = app::start(&config, app::Options { environment, clock: clock::system, watch: Some(watch) })?;
    let inspector = Inspector::start(Inspected {
        public_url: public_url.clone(),
        secrets: secrets.clone(),
        may_send: AtomicBool::new(mock.is_some() || wants_samples),
        mock: mock.clone(),
        ..Inspected::of(&running, &config, key.clone(), (&requests, &history))
    })?;
    let session = RunningSession { page: format!("http://{}", inspector.address), key };
    // Without the file, only `hookgate send --dev` does not find the session.
    let session_file = SessionFile::write(&session, terminal);
    let is_terminal = io::stdout().is_terminal();
    let events = arguments.events.then(|| Printer::pretty(terminal));
    let colour = is_terminal && colour::is_allowed(terminal);
    let mut screen = Screen { events, is_terminal, colour, page: Some(inspector.address) };
    let story = Story {
        arguments,
        config: &config,
        running: &running,
        public_url,
        secrets: &secrets,
        requests: &requests,
        history: &history,
    };
    let shown = story.show(&commands, &inspector, (screen, wants_samples));
    inspector.stop();
    drop(session_file);
    // This comes also after a failure: a daemon that is only dropped flushes nothing.
    let ending = running.stop(&config.shutdown);
    drop(mock);
    let shown = shown?;
    screen.show(&requests, &history, Instant::now() + PATIENCE);
    writeln!(io::stdout(), "\n{}", locked(&requests).summary())?;
    Ok(shown && ending.unflushed == 0 && !ending.defect)
}

/// Returns the secrets of the session, and the commands that give them to another terminal.
fn secrets_of(arguments: &Arguments, terminal: &Environment) -> Result<(Vec<DevSecret>, Vec<String>), Failure> {
    let file = secrets::file(terminal);
    let given: Result<Vec<GivenSecret>, String> = arguments.secret.iter().map(|text| secrets::given(text)).collect();
    let given = given.and_then(secrets::once_each).map_err(|why| Failure::Usage(format!("--secret: {why}")))?;
    let secrets = secrets::load(&given, terminal, file.as_deref())?;
    let commands = secrets::commands(&secrets, file.as_deref(), terminal.get("HOME"));
    Ok((secrets, commands))
}

/// Returns whether samples are sent. A Kafka of the user's gets some only after a question.
fn wants_samples(arguments: &Arguments) -> CommandResult {
    let SampleFlags { no_samples, yes, .. } = arguments.samples;
    let Some(brokers) = arguments.kafka.as_ref().filter(|_| !no_samples && !yes) else { return Ok(!no_samples) };
    let question = format!("One sample of each provider is about to be written to the topics of {brokers}.");
    if !can_ask() {
        return Err(Failure::Usage(format!("{question} There is no terminal to ask on: add --yes, or --no-samples")));
    }
    confirm(&format!("{question} Write them?"), false, &AtomicBool::new(false))
}

/// Returns what keeps the requests of the daemon, without these secrets.
fn watcher(requests: &SharedRequests, secrets: Vec<String>) -> http::Watcher {
    let requests = Arc::clone(requests);
    Arc::new(move |end| {
        let seen = match end {
            WatchedEnd::Request(request) => SeenRequest::of(request, &secrets, Instant::now()),
            WatchedEnd::NoRequest(came) => SeenRequest::of_no_request(came, Instant::now()),
        };
        locked(&requests).ended(seen);
    })
}

/// What the session shows.
struct Story<'a> {
    arguments: &'a Arguments,
    config: &'a Config,
    running: &'a Running,
    public_url: Option<String>,
    secrets: &'a [DevSecret],
    requests: &'a SharedRequests,
    history: &'a Arc<History>,
}

impl Story<'_> {
    /// Shows everything until the end is asked for. Returns whether every sample was read back.
    fn show(&self, commands: &[String], inspector: &Inspector, (screen, wants_samples): (Screen, bool)) -> CommandResult {
        let (arguments, running, kafka) = (self.arguments, self.running, &self.config.kafka);
        wait_until_ready(running, self.config)?;
        let viewer = Viewer::start(kafka, &topics(self.config), self.requests, self.history, screen)?;
        let samples = if wants_samples { self.secrets } else { &[] };
        let with = if samples.is_empty() { "." } else { ", and gets one sample of each provider:" };
        writeln!(io::stdout(), "{}Hookgate is running{with}\n", inspector.moved())?;
        for secret in samples {
            send_sample(secret.provider, &secret.text, running, inspector.key())?;
        }
        let complete = viewer.wait_for(samples.len(), PATIENCE);
        if arguments.samples.exit {
            return Ok(complete);
        }
        let session = Session {
            webhooks: running.webhooks,
            admin: running.admin,
            page: inspector.link(),
            chosen: [arguments.listen.is_some(), arguments.admin_listen.is_some()],
            brokers: kafka.brokers.join(","),
            is_embedded: arguments.kafka.is_none(),
            public_url: self.public_url.clone(),
            secrets: self.secrets,
            secret_commands: commands,
        };
        let mut introduction = if samples.is_empty() { Vec::new() } else { b"\n".to_vec() };
        session.introduce(&mut introduction)?;
        io::stdout().write_all(&introduction)?;
        serve::StopSignal::new()?.wait(running)?;
        Ok(complete)
    }
}

/// Returns the configuration, read by the same code as every other.
fn configuration(arguments: &Arguments, environment: &Environment, brokers: &str) -> Result<Config, Failure> {
    let listen = arguments.listen.unwrap_or_else(|| free_address(WEBHOOK_PORT));
    let admin = arguments.admin_listen.unwrap_or_else(|| free_address(ADMIN_PORT));
    let create = arguments.kafka.is_some();
    // There is only one embedded broker, and it keeps nothing, so a warning about that would tell the user nothing new.
    let replication = if create { -1 } else { 1 };
    let mut text = format!(
        "[kafka]\nauto_create = {create}\n[http]\nlisten = \"{listen}\"\n[admin]\nlisten = \"{admin}\"\n\
         [topics]\npartitions = 1\nreplication = {replication}\n[log]\nformat = \"text\"\nlevel = \"{LEVEL}\"\n\
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
    // The user has written flags, and neither these keys nor what they are warned of.
    config::parse(&text, "hookgate dev", environment, &flags).map_err(|problems| {
        let names = [("[kafka] brokers:", "--kafka:"), ("[schema_registry] urls:", "--schema-registry:")];
        Failure::configuration(names.iter().fold(problems.to_string(), |text, (key, flag)| text.replace(key, flag)))
    })
}

/// Returns the usual port, or any free one.
fn free_address(port: u16) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if TcpListener::bind(usual).is_ok() { usual } else { SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) }
}

fn topics(config: &Config) -> Vec<String> {
    topic_table(config).by_topic().keys().map(ToString::to_string).collect()
}

fn wait_until_ready(running: &Running, config: &Config) -> Result<(), Failure> {
    let begin = Instant::now();
    let brokers = config.kafka.brokers.join(",");
    let (mut is_silent, mut question) = (true, None);
    while running.unready().is_some() || !running.missing_topics().is_empty() {
        if begin.elapsed() + QUESTION > PATIENCE && question.is_none() {
            let config = config.clone();
            question = Some(thread::spawn(move || any_broker_answers(&config)));
        }
        if begin.elapsed() > PATIENCE {
            if let Some(Ok(answer)) = question.filter(JoinHandle::is_finished).map(JoinHandle::join) {
                answer?;
            }
            let state = running.unready().unwrap_or("topics are missing");
            let hint = "is Kafka there, and the schema registry if there is one?";
            return Err(Failure::Failed(format!("gave up on {brokers} after {PATIENCE:?}: {state}; {hint}")));
        }
        if is_silent && begin.elapsed() > SILENCE {
            note(&format!("waiting for {brokers}, for {} s at most", PATIENCE.as_secs()));
            is_silent = false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Returns a request with the shortest sample of a provider.
fn sample_request(provider: &'static Provider, secret: &str, running: &Running, key: &str) -> Result<send::Request, Failure> {
    let shortest = provider.names().filter_map(provider.sample).min_by_key(String::len);
    let body = shortest.unwrap_or_default().into_bytes();
    let url = format!("http://{}/webhooks/{}", running.webhooks, provider.name);
    Ok(send::Request::signed(provider, &url, secret, body)?.with_header(SAMPLE_HEADER, key))
}

/// Sends a sample until it is stored. A Kafka that has just made its topics may refuse the first records, and a provider would send them again.
fn send_sample(provider: &'static Provider, secret: &str, running: &Running, key: &str) -> Result<(), Failure> {
    let begin = Instant::now();
    loop {
        let (status, answer) = sample_request(provider, secret, running, key)?.send(send::TIMEOUT_SECONDS, None)?;
        match status {
            200 => return Ok(()),
            503 if begin.elapsed() < PATIENCE => thread::sleep(AGAIN_AFTER),
            _ => return Err(Failure::Failed(format!("the sample of {} was answered {status}: {answer}", provider.title))),
        }
    }
}
