//! The stage of a scenario: one or two daemons under load, the proxies before and after them, and the verdict.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    cluster::{BROKERS, Cluster},
    daemon::{Daemon, Seen, Site, addresses, get},
    delivery::{PROVIDERS, Provider, Secrets},
    expect::Expectation,
    judge::{self, Bounds},
    ledger::{self, Books, Excuse, read, reconcile},
    load::{Attempt, Kind, Load},
    nginx::{self, Nginx},
    plan::{Plan, Setup, VICTIM},
    proxy::{Carries, Mode, Proxy},
    witness::Witness,
};

/// How long the load runs before anything is broken.
const STEADY: Duration = Duration::from_secs(3);
/// The port of the balancer.
const BALANCER: u16 = 21189;

/// A scenario that is being played. Dropping it ends everything in it.
pub(crate) struct Stage {
    pub(crate) site: Site,
    pub(crate) secrets: Secrets,
    daemons: Vec<Option<Daemon>>,
    networks: Vec<Proxy>,
    _balancer: Option<Proxy>,
    _nginx: Option<Nginx>,
    healed: Option<Instant>,
    excuse: Option<Excuse>,
    seen: Vec<Seen>,
    short: bool,
    pub(crate) entrance: SocketAddr,
    /// The attempts of floods, and the longest time that a flood was late.
    flooded: Vec<Attempt>,
    stall: Duration,
    expectations: Vec<Expectation>,
    not_staged: Option<&'static str>,
    /// While this is set, the steady load starts no delivery.
    quiet: Arc<AtomicBool>,
}

/// How a scenario went.
pub(crate) struct Verdict {
    /// Whether it failed for a reason outside of Hookgate and must be repeated.
    pub(crate) void: bool,
    pub(crate) books: Books,
    /// The longest time that the senders themselves were late: a delay of the machine, not of the daemon.
    pub(crate) stall: Duration,
    pub(crate) rss_peak: u64,
    pub(crate) recovery: Option<Duration>,
    /// A note that is worth a line beside the table.
    pub(crate) notes: Vec<String>,
    /// Why this machine could not play the scenario.
    pub(crate) not_staged: Option<&'static str>,
}

impl Verdict {
    fn not_staged(why: &'static str) -> Self {
        let (books, notes) = (Books::default(), Vec::new());
        Self { void: false, books, stall: Duration::ZERO, rss_peak: 0, recovery: None, notes, not_staged: Some(why) }
    }
}

/// Plays a scenario from its start to its verdict.
pub(crate) fn play(
    plan: &Plan,
    run: fn(&mut Stage) -> Result<(), String>,
    program: &Path,
    short: bool,
    turn: u32,
) -> Result<Verdict, String> {
    if plan.setup == Setup::Nginx && nginx::program().is_none() {
        return Ok(Verdict::not_staged("there is no nginx"));
    }
    let bounds = if short { Bounds::SHORT } else { Bounds::FULL };
    let mut stage = Stage::new(plan, program, short, turn)?;
    let ceiling = stage.site.ceiling()?;
    let witness = plan.spares_kafka().then(|| Witness::start(stage.site.witness())).transpose()?;
    let load = Load::start(stage.entrance, stage.secrets.clone(), Kind::Steady(plan.rate), Arc::clone(&stage.quiet));
    thread::sleep(STEADY);
    let played = run(&mut stage);
    let healed = stage.healed.unwrap_or_else(Instant::now);
    if played.is_ok() {
        let recovered = || ledger::recovery(&load.attempts(), healed, plan.rate).is_some();
        wait_for_recovery(recovered, healed, bounds.recovery);
    }
    let stall = load.stall().max(stage.stall);
    let mut attempts = load.finish()?;
    stage.end_all()?;
    let kafka_took = witness.map(Witness::finish).transpose()?.unwrap_or_default();
    played?;
    let recovery = ledger::recovery(&attempts, healed, plan.rate);
    attempts.append(&mut stage.flooded);
    Cluster::wait_in_sync(&stage.site.topics())?;
    let records = read(&Cluster::brokers(), &stage.site.topics())?;
    let mut books = reconcile(&attempts, &records, stage.excuse);
    let rss_peak = stage.seen.iter().map(|seen| seen.rss_peak).max().unwrap_or(0);
    judge::answers(&mut books, plan, &attempts, stall, bounds);
    judge::daemons(&mut books, &stage.seen, rss_peak, ceiling);
    judge::recovery(&mut books, recovery, bounds);
    let mut notes = Vec::new();
    for expectation in stage.expectations.drain(..) {
        match expectation(&attempts, &records) {
            Ok(note) => notes.extend(note),
            Err(fault) => books.faults.push(fault),
        }
    }
    let void = judge::is_void(&mut books, kafka_took, plan.kafka_max);
    Ok(Verdict { void, books, stall, rss_peak, recovery, notes, not_staged: stage.not_staged })
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Stage {
    fn new(plan: &Plan, program: &Path, short: bool, turn: u32) -> Result<Self, String> {
        let secrets = Secrets::new();
        let mut networks = Vec::new();
        let brokers = match plan.setup {
            Setup::Proxied => {
                for broker in BROKERS {
                    let (broker_port, proxy_port) = Cluster::proxied(broker);
                    networks.push(Proxy::start(local(proxy_port), Carries::Kafka, Box::new(move || local(broker_port)))?);
                }
                BROKERS.map(|broker| local(Cluster::proxied(broker).1).to_string()).join(",")
            }
            Setup::Secured => Cluster::secured(),
            Setup::Direct | Setup::Balanced | Setup::Nginx | Setup::Apart => Cluster::brokers(),
        };
        let replicas = if matches!(plan.setup, Setup::Balanced | Setup::Nginx) { 2 } else { 1 };
        let balancer = (plan.setup == Setup::Balanced).then(|| balancer(replicas)).transpose()?;
        let entrance = if replicas > 1 { local(BALANCER) } else { addresses(0).0 };
        // Each try has its own topics, to which no other try has written.
        let name = if turn == 1 { plan.name.to_owned() } else { format!("{}-{turn}", plan.name) };
        let site = Site::new(program, &name, &brokers, &secrets, plan.settings)?;
        if plan.setup == Setup::Apart {
            for provider in PROVIDERS {
                Cluster::create_on(&site.topic(provider), if provider == VICTIM { &[3] } else { &[1, 2] })?;
            }
        }
        site.create_topics()?;
        // The topic with one replica does not fit the configuration.
        if plan.setup != Setup::Apart {
            site.check_cluster()?;
        }
        if plan.setup == Setup::Secured {
            Cluster::access(&site.topics(), true)?;
        }
        let daemons = (0..replicas).map(|replica| site.start(replica).map(Some)).collect::<Result<_, _>>()?;
        let upstreams = || (0..replicas).map(|replica| addresses(replica).0).collect::<Vec<_>>();
        let nginx = (plan.setup == Setup::Nginx).then(|| Nginx::start(site.folder(), entrance, &upstreams())).transpose()?;
        Ok(Self {
            site,
            secrets,
            daemons,
            networks,
            _balancer: balancer,
            _nginx: nginx,
            healed: None,
            excuse: None,
            seen: Vec::new(),
            short,
            entrance,
            flooded: Vec::new(),
            stall: Duration::ZERO,
            expectations: Vec::new(),
            not_staged: None,
            quiet: Arc::default(),
        })
    }

    /// Returns how long a step lasts: `short` seconds in the short set, else `full`.
    pub(crate) fn seconds(&self, full: f32, short: f32) -> f32 {
        if self.short { short } else { full }
    }

    /// Adds an expectation that must hold at the end, in addition to the rules for every scenario.
    pub(crate) fn expect(&mut self, expectation: Expectation) {
        self.expectations.push(expectation);
    }

    /// Records why this machine cannot break what the scenario must break.
    pub(crate) fn not_staged(&mut self, why: &'static str) {
        self.not_staged = Some(why);
    }

    /// Starts another load beside the steady one.
    pub(crate) fn flood(&self, kind: Kind) -> Load {
        Load::start(self.entrance, self.secrets.clone(), kind, Arc::default())
    }

    /// Ends a flood and keeps its attempts.
    pub(crate) fn collect(&mut self, flood: Load) -> Result<(), String> {
        self.stall = self.stall.max(flood.stall());
        self.flooded.append(&mut flood.finish()?);
        Ok(())
    }

    /// Pauses the steady load, or lets it continue.
    pub(crate) fn quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Relaxed);
    }

    /// Returns how many connections the network has forgotten.
    pub(crate) fn forgotten(&self) -> usize {
        self.networks.iter().map(Proxy::forgotten).sum()
    }

    /// Records that the fault is over now.
    pub(crate) fn healed(&mut self) {
        self.healed = Some(Instant::now());
    }

    /// Records that this provider's records up to now are gone, because its topic is deleted.
    pub(crate) fn excuse(&mut self, provider: Provider) {
        self.excuse = Some(Excuse { provider, until: Instant::now() });
    }

    /// Ends a replica with a signal and returns its exit code.
    pub(crate) fn end(&mut self, replica: u16, signal: &str) -> Result<Option<i32>, String> {
        let daemon = self.daemons[usize::from(replica)].take().ok_or("it does not run")?;
        let (code, seen) = daemon.end(signal)?;
        self.seen.push(seen);
        Ok(code)
    }

    pub(crate) fn start(&mut self, replica: u16) -> Result<(), String> {
        self.daemons[usize::from(replica)] = Some(self.site.start(replica)?);
        Ok(())
    }

    /// Applies this fault to all connections between the daemon and the brokers.
    pub(crate) fn network(&self, mode: &Mode) -> Result<(), String> {
        if self.networks.is_empty() {
            return Err("there is no proxy before the brokers".into());
        }
        self.networks.iter().for_each(|network| network.set(mode));
        Ok(())
    }

    fn end_all(&mut self) -> Result<(), String> {
        for daemon in self.daemons.iter_mut().filter_map(Option::take) {
            let (_code, seen) = daemon.end("TERM")?;
            self.seen.push(seen);
        }
        Ok(())
    }
}

/// Starts a balancer before this number of replicas: each new connection goes to the next replica that is ready.
fn balancer(replicas: u16) -> Result<Proxy, String> {
    let ready: Arc<Vec<AtomicBool>> = Arc::new((0..replicas).map(|_| AtomicBool::new(false)).collect());
    let watched = Arc::downgrade(&ready);
    thread::spawn(move || {
        // This thread ends with the balancer.
        while let Some(ready) = watched.upgrade() {
            for (replica, ready) in (0..).zip(ready.iter()) {
                ready.store(get(addresses(replica).1, "/readyz").ok() == Some(200), Ordering::Relaxed);
            }
            drop(ready);
            thread::sleep(Duration::from_millis(100));
        }
    });
    let mut turn = 0;
    let choose = move || {
        let next = (1..=replicas).map(|step| (turn + step) % replicas);
        turn = next.clone().find(|replica| ready[usize::from(*replica)].load(Ordering::Relaxed)).unwrap_or(turn);
        addresses(turn).0
    };
    Proxy::start(local(BALANCER), Carries::Bytes, Box::new(choose))
}

/// Waits until a load has recovered from a fault that ended at this time, or until recovery takes too long.
fn wait_for_recovery(recovered: impl Fn() -> bool, healed: Instant, bound: Duration) {
    while !recovered() && healed.elapsed() < bound + Duration::from_secs(2) {
        thread::sleep(Duration::from_millis(200));
    }
    // The load goes on for a while, so that a late failure is seen too.
    thread::sleep(Duration::from_secs(2));
}
