//! Where a scenario is played: a daemon or two under load, with what stands in front of them and behind; and the verdict.

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
    delivery::{Provider, Secrets},
    ledger::{self, Books, Excuse, read, reconcile},
    load::{Attempt, Load, Outcome},
    proxy::{Mode, Proxy},
    scenario::{Allowed, RECOVERY_MAX, Scenario, wait_for_recovery},
};

/// The shortest patience of a provider, Frame.io's: within it every answer must be there.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Load before anything is broken.
const STEADY: Duration = Duration::from_secs(3);
/// Where the balancer listens.
const BALANCER: u16 = 21189;

/// What stands between the senders, the daemon and the brokers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Nothing.
    Direct,
    /// A proxy before each broker.
    Proxied,
    /// A balancer before two daemons.
    Balanced,
}

/// A scenario that is being played. Dropping it ends everything in it.
pub(crate) struct Stage {
    pub(crate) site: Site,
    pub(crate) secrets: Secrets,
    daemons: Vec<Option<Daemon>>,
    networks: Vec<Proxy>,
    _balancer: Option<Proxy>,
    healed: Option<Instant>,
    excuse: Option<Excuse>,
    seen: Vec<Seen>,
}

/// How a scenario went.
pub(crate) struct Verdict {
    pub(crate) books: Books,
    /// The longest that the senders themselves were late: what the machine, and not the daemon, cost.
    pub(crate) stall: Duration,
    pub(crate) rss_peak: u64,
    pub(crate) recovery: Option<Duration>,
}

/// Plays a scenario from its beginning to its reckoning.
pub(crate) fn play(scenario: &Scenario, program: &Path) -> Result<Verdict, String> {
    let mut stage = Stage::new(scenario, program)?;
    let ceiling = stage.site.ceiling()?;
    let entrance = if scenario.setup == Setup::Balanced { local(BALANCER) } else { addresses(0).0 };
    let load = Load::start(entrance, stage.secrets.clone());
    thread::sleep(STEADY);
    let played = (scenario.run)(&mut stage);
    let healed = stage.healed.unwrap_or_else(Instant::now);
    if played.is_ok() {
        wait_for_recovery(|| ledger::recovery(&load.attempts(), healed).is_some(), healed);
    }
    let stall = load.stall();
    let attempts = load.finish()?;
    stage.end_all()?;
    played?;
    Cluster::wait_in_sync(&stage.site.topics())?;
    let records = read(&Cluster::brokers(), &stage.site.topics())?;
    let mut books = reconcile(&attempts, &records, stage.excuse);
    let recovery = ledger::recovery(&attempts, healed);
    let rss_peak = stage.seen.iter().map(|seen| seen.rss_peak).max().unwrap_or(0);
    judge_answers(&mut books, scenario.allowed, &attempts);
    judge_daemons(&mut books, &stage.seen, rss_peak, ceiling);
    if recovery.is_none_or(|it| it > RECOVERY_MAX) {
        books.faults.push(format!("it did not recover within {RECOVERY_MAX:?} ({recovery:?})"));
    }
    Ok(Verdict { books, stall, rss_peak, recovery })
}

fn judge_answers(books: &mut Books, allowed: Allowed, attempts: &[Attempt]) {
    let allows = |attempt: &&Attempt| match &attempt.outcome {
        Outcome::Stored(_) => true,
        Outcome::Refused => match allowed {
            Allowed::Only200 => false,
            Allowed::RefusalsOf(provider) => Provider::of(attempt.number) == provider,
            Allowed::Refusals | Allowed::Silence => true,
        },
        Outcome::Silent(_) => allowed == Allowed::Silence,
        Outcome::Other(_) => false,
    };
    let wrong: Vec<_> = attempts.iter().filter(|attempt| !allows(attempt)).collect();
    if let Some(first) = wrong.first() {
        let since = first.begun.saturating_duration_since(attempts[0].begun);
        books.faults.push(format!("{} answers that must not be, the first {since:?} after the begin: {first:?}", wrong.len()));
    }
    // librdkafka sends anew what was in doubt when a broker or the way to it failed. There is no other reason.
    if books.resent > 0 && allowed != Allowed::Refusals {
        books.faults.push(format!("{} duplicates without a reason", books.resent));
    }
    if books.worst > ANSWER_MAX {
        let slow = attempts.iter().filter(|attempt| attempt.took > ANSWER_MAX).count();
        books.faults.push(format!("{slow} answers took longer than {ANSWER_MAX:?}, the slowest {:?}", books.worst));
    }
}

fn judge_daemons(books: &mut Books, seen: &[Seen], rss_peak: u64, ceiling: u64) {
    let dead: u64 = seen.iter().map(|seen| seen.dead).sum();
    if dead > 0 {
        books.faults.push(format!("/livez failed {dead} times"));
    }
    if seen.iter().any(|seen| seen.ended) {
        books.faults.push("a daemon ended by itself".into());
    }
    if rss_peak > ceiling {
        books.faults.push(format!("the daemon took {rss_peak} bytes of memory, more than the ceiling of {ceiling}"));
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Stage {
    fn new(scenario: &Scenario, program: &Path) -> Result<Self, String> {
        let secrets = Secrets::new();
        let (mut brokers, mut networks) = (Cluster::brokers(), Vec::new());
        if scenario.setup == Setup::Proxied {
            brokers = BROKERS.map(|broker| local(Cluster::proxied(broker).1).to_string()).join(",");
            for broker in BROKERS {
                let (behind, front) = Cluster::proxied(broker);
                networks.push(Proxy::start(local(front), Box::new(move || local(behind)))?);
            }
        }
        let replicas = if scenario.setup == Setup::Balanced { 2 } else { 1 };
        let balancer = (replicas > 1).then(|| balancer(replicas)).transpose()?;
        let site = Site::new(program, scenario.name, &brokers, &secrets)?;
        let daemons = (0..replicas).map(|replica| site.start(replica).map(Some)).collect::<Result<_, _>>()?;
        Ok(Self { site, secrets, daemons, networks, _balancer: balancer, healed: None, excuse: None, seen: Vec::new() })
    }

    /// The fault is over as of now.
    pub(crate) fn healed(&mut self) {
        self.healed = Some(Instant::now());
    }

    /// What this provider was answered up to now is gone with its topic.
    pub(crate) fn excuse(&mut self, provider: Provider) {
        self.excuse = Some(Excuse { provider, until: Instant::now() });
    }

    /// Ends a replica with a signal, and tells its exit code.
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

    /// Does this to all connections between daemon and brokers.
    pub(crate) fn network(&self, mode: Mode) -> Result<(), String> {
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

/// A balancer before so many replicas: each new connection goes to the next one that is ready.
fn balancer(replicas: u16) -> Result<Proxy, String> {
    let ready: Arc<Vec<AtomicBool>> = Arc::new((0..replicas).map(|_| AtomicBool::new(false)).collect());
    let watched = Arc::downgrade(&ready);
    thread::spawn(move || {
        // It ends with the balancer.
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
    Proxy::start(local(BALANCER), Box::new(choose))
}
