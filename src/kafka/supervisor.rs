//! The thread that keeps the publisher working: it looks topics up until all are there, and builds a new producer after a fatal error, or
//! where [`super::reload`] finds changed credentials.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering, mpsc},
    time::{Duration, Instant},
};

use rdkafka::{ClientConfig, producer::Producer as _};

use super::{
    admin,
    client::build,
    context::Signal,
    guarantee::GuaranteeWatch,
    leaders,
    reload::{self, Reload},
    shared::Shared,
    topics::{self, Found, MISSING, PRESENT, UNKNOWN},
};
use crate::config::Config;

/// The pause between two look-ups until Kafka is reached: deliveries may be waiting for it.
const FIRST_LOOK_UPS_EVERY: Duration = Duration::from_millis(250);
/// How often topics are looked up while one is missing.
const LOOK_UP_EVERY: Duration = Duration::from_secs(2);
/// How often leaders are asked while one does not answer, but another one has.
const ASK_LEADERS_EVERY: Duration = Duration::from_secs(10);
/// How long one look-up waits for an answer. A broker that is there answers in milliseconds.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(2);
/// A topic whose delivery failed is looked up again at most this often.
const DOUBT_EVERY: Duration = Duration::from_secs(1);
/// The first and the longest pause between two producers: without a pause, a missing permission would be fatal again at once.
const REBUILD_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// A producer that lived this long was healthy: the next fatal error is a new one.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// A missing topic is logged this often.
const REPEAT_MISSING: Duration = Duration::from_secs(60);

struct Supervisor {
    shared: Arc<Shared>,
    client: ClientConfig,
    config: Config,
    credentials: Option<Reload>,
    rebuild_pause: Duration,
    built: Instant,
    missing_logged: Option<Instant>,
    doubts: BTreeMap<Arc<str>, Instant>,
    watch: GuaranteeWatch,
    leaders: leaders::LeaderWatch,
    unproven_logged: Option<Instant>,
}

pub(super) fn spawn(
    shared: Arc<Shared>,
    client: ClientConfig,
    config: &Config,
    credentials: Option<Reload>,
    inbox: mpsc::Receiver<Signal>,
) -> std::io::Result<()> {
    let watch = GuaranteeWatch::spawn(config, &shared)?;
    let mut supervisor = Supervisor {
        shared,
        client,
        config: config.clone(),
        credentials,
        rebuild_pause: Duration::ZERO,
        built: Instant::now(),
        missing_logged: None,
        doubts: BTreeMap::new(),
        watch,
        leaders: leaders::LeaderWatch::default(),
        unproven_logged: None,
    };
    let thread = std::thread::Builder::new().name("kafka-supervisor".into());
    thread.spawn(move || supervisor.run(&inbox)).map(drop)
}

impl Supervisor {
    fn run(&mut self, inbox: &mpsc::Receiver<Signal>) {
        loop {
            self.look_up();
            let deadline = Instant::now() + self.pause();
            while let Some(left) = deadline.checked_duration_since(Instant::now()) {
                if self.reload() {
                    break;
                }
                match inbox.recv_timeout(left.min(reload::LOOK_EVERY)) {
                    _ if self.shared.stopping.load(Ordering::Relaxed) => return,
                    Ok(Signal::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Ok(signal) => {
                        if self.rebuild() {
                            break;
                        }
                        if let Signal::Doubt(topic) = signal
                            && self.doubt(topic)
                        {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        let topics = &self.shared.topics;
        if !topics.reached() {
            // After the first seconds, a cluster that stays away is asked less often.
            return if topics.are_new() { FIRST_LOOK_UPS_EVERY } else { LOOK_UP_EVERY };
        }
        match (topics.unsettled().next(), self.leaders.topics().next()) {
            (Some(_), _) => LOOK_UP_EVERY,
            (None, Some(_)) => ASK_LEADERS_EVERY,
            (None, None) => Duration::from_secs(3600),
        }
    }

    /// Loads changed credentials. Returns whether they are in force now.
    fn reload(&mut self) -> bool {
        let Some(credentials) = &mut self.credentials else { return false };
        let Some((kafka, client)) = credentials.run(&self.shared, &self.config.kafka) else { return false };
        self.config.kafka = kafka;
        (self.client, self.built) = (client, Instant::now());
        self.watch.wake(&self.config);
        true
    }

    /// Marks the topic as unknown. Returns whether it should be looked up now.
    fn doubt(&mut self, topic: Arc<str>) -> bool {
        let now = Instant::now();
        if self.doubts.get(&topic).is_some_and(|last| now - *last < DOUBT_EVERY) {
            return false;
        }
        if self.shared.topics.set(&topic, UNKNOWN) == MISSING {
            // A missing topic is looked up regularly already, and it is better to refuse its deliveries at once until it is back.
            self.shared.topics.set(&topic, MISSING);
            return false;
        }
        self.doubts.insert(topic, now);
        true
    }

    /// Looks up every topic that may be missing or whose leader may not answer, and asks the leaders of these topics.
    fn look_up(&mut self) {
        let producer = self.shared.producer();
        let (reached, doubtful) = (self.shared.topics.reached(), self.doubtful());
        let (begin, mut answered) = (Instant::now(), false);
        // Whether a topic has changed, so that a comparison is due.
        let mut seen = false;
        for topic in &doubtful {
            // If no advertised address is right, each answer takes a new connection to a configured one.
            if !reached && begin.elapsed() > LOOK_UP_TIMEOUT {
                break;
            }
            let mut leaders = BTreeMap::new();
            // If Kafka does not answer, the other topics would only time out as well.
            let Some(found) = topics::look_up(&producer, topic, LOOK_UP_TIMEOUT, &mut leaders) else { break };
            answered = true;
            self.leaders.learn(topic, leaders);
            match found {
                Found::Present => {
                    let before = self.shared.topics.set(topic, PRESENT);
                    seen |= before != PRESENT;
                    if before == MISSING {
                        tracing::info!(%topic, "the topic is there now");
                    }
                }
                Found::Missing => seen |= self.shared.topics.set(topic, MISSING) != MISSING,
                // The topic is looked up again; until then its deliveries find out for themselves.
                Found::Unsure => {}
            }
        }
        let proven = self.leaders.ask(producer.client(), &doubtful, &self.shared.causes, &self.shared.metrics);
        if !reached {
            self.prove(answered, proven);
            // Before Kafka is reached, the settings to compare cannot be read.
            seen = self.shared.topics.reached();
        }
        self.report_missing();
        if seen {
            self.watch.wake(&self.config);
        }
    }

    /// Returns the topics to look up.
    fn doubtful(&self) -> BTreeSet<Arc<str>> {
        let topics = &self.shared.topics;
        if topics.reached() {
            topics.unsettled().chain(self.leaders.topics()).cloned().collect()
        } else {
            topics.names().cloned().collect()
        }
    }

    /// Notes that Kafka is reached, if a leader has answered, or, where no topic has a known leader, if any broker answers.
    fn prove(&mut self, answered: bool, proven: bool) {
        let why = match (proven, answered && self.leaders.is_empty()) {
            (true, _) => None,
            (false, true) => admin::any_broker_answers(&self.config).err(),
            // Known leaders have their own log line. Before one is known, librdkafka may have switched from the configured addresses to the
            // advertised ones.
            (false, false) if self.leaders.is_empty() => {
                Some(self.shared.causes.sentence(&self.config.kafka).unwrap_or_default())
            }
            (false, false) => Some(String::new()),
        };
        let Some(why) = why else {
            self.shared.contact.begin();
            self.shared.topics.set_reached();
            return;
        };
        if !why.is_empty() && self.unproven_logged.is_none_or(|when| when.elapsed() >= REPEAT_MISSING) {
            self.unproven_logged = Some(Instant::now());
            tracing::error!(why, "no broker answers where the cluster says it is");
        }
    }

    fn report_missing(&mut self) {
        let missing = self.shared.topics.missing();
        if missing.is_empty() {
            self.missing_logged = None;
            return;
        }
        if self.config.kafka.auto_create {
            self.create(&missing);
            return;
        }
        if self.missing_logged.is_some_and(|when| when.elapsed() < REPEAT_MISSING) {
            return;
        }
        self.missing_logged = Some(Instant::now());
        tracing::error!(
            topics = %missing.join(" "),
            "topics are missing or not visible to this client, their deliveries are answered 503; \
             create them with `hookgate topics --apply`, or grant Describe and Write on them",
        );
    }

    fn create(&self, missing: &[Arc<str>]) {
        let topics: Vec<String> = missing.iter().map(ToString::to_string).collect();
        match admin::create_topics(&self.config, &topics) {
            Ok(results) => {
                for (topic, error) in results {
                    match error {
                        None => tracing::info!(topic, "created the topic, as kafka.auto_create says"),
                        Some(error) => tracing::error!(topic, error, "cannot create the topic"),
                    }
                }
            }
            Err(error) => tracing::error!(error, "cannot create topics"),
        }
    }

    /// Replaces the producer after a fatal error. Everything that the old one still holds fails with it: those senders get 503 and retry.
    /// Returns whether there was a fatal error.
    fn rebuild(&mut self) -> bool {
        let old = self.shared.producer();
        // The callback comes twice per error, and deliveries signal it too: the second signal finds a healthy producer.
        let Some((code, reason)) = old.client().fatal_error() else { return false };
        self.rebuild_pause = pause_after(self.rebuild_pause, self.built.elapsed());
        let pause_ms = crate::logged::milliseconds(self.rebuild_pause);
        tracing::error!(error = ?code, reason, pause_ms, "fatal producer error, building a new producer");
        std::thread::sleep(self.rebuild_pause);
        self.built = Instant::now();
        match build(&self.config.kafka, &self.client, self.shared.context()) {
            Ok(producer) => {
                self.shared.producer.store(Arc::new(producer));
                self.shared.metrics.producer_rebuilt();
            }
            Err(error) => tracing::error!(error, "cannot build a new producer"),
        }
        true
    }
}

/// Returns the pause before the next producer, from the last pause and from how long the producer lived that was built after it.
pub(super) fn pause_after(last: Duration, lived: Duration) -> Duration {
    if lived >= HEALTHY_AFTER { REBUILD_PAUSE.0 } else { (last * 2).clamp(REBUILD_PAUSE.0, REBUILD_PAUSE.1) }
}
