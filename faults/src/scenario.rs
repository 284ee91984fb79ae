//! What is broken, and how. Each scenario is a function that breaks something under load, and mends it.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::{
    cluster::{BROKERS, Cluster},
    daemon::addresses,
    delivery::Provider,
    proxy::Mode,
    stage::{Setup, Stage},
};

/// One of them.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What stands between the senders, the daemon and the brokers.
    pub(crate) setup: Setup,
    /// What the senders may see beside 200.
    pub(crate) allowed: Allowed,
    pub(crate) run: fn(&mut Stage) -> Result<(), String>,
}

/// What senders may see while something is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Nothing but 200.
    Only200,
    /// 503 with `Retry-After`.
    Refusals,
    /// The same, but only for the deliveries of one provider.
    RefusalsOf(Provider),
    /// The same, or no answer: the daemon itself is away for a while.
    Silence,
}

/// The most important ones first.
pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("broker-killed", Setup::Direct, Allowed::Refusals, broker_killed),
    scenario("two-brokers-killed", Setup::Direct, Allowed::Refusals, two_brokers_killed),
    scenario("broker-frozen", Setup::Direct, Allowed::Refusals, broker_frozen),
    scenario("two-brokers-frozen-and-thawed", Setup::Direct, Allowed::Refusals, two_brokers_frozen_and_thawed),
    scenario("brokers-restarted-in-turn", Setup::Direct, Allowed::Refusals, brokers_restarted_in_turn),
    scenario("topic-recreated", Setup::Direct, Allowed::RefusalsOf(VICTIM), topic_recreated),
    scenario("limit-lowered", Setup::Direct, Allowed::RefusalsOf(VICTIM), limit_lowered),
    scenario("daemon-terminated", Setup::Direct, Allowed::Silence, daemon_terminated),
    scenario("daemon-killed", Setup::Direct, Allowed::Silence, daemon_killed),
    scenario("replicas-restarted-in-turn", Setup::Balanced, Allowed::Only200, replicas_restarted_in_turn),
    scenario("secrets-rotated", Setup::Direct, Allowed::Only200, secrets_rotated),
    scenario("network-cut", Setup::Proxied, Allowed::Refusals, network_cut),
    scenario("network-slow", Setup::Proxied, Allowed::Refusals, network_slow),
    scenario("network-half-open", Setup::Proxied, Allowed::Refusals, network_half_open),
];

/// The provider whose topic is touched where only one is.
const VICTIM: Provider = Provider::Uploadcare;

const fn scenario(name: &'static str, setup: Setup, allowed: Allowed, run: fn(&mut Stage) -> Result<(), String>) -> Scenario {
    Scenario { name, setup, allowed, run }
}

fn pause(seconds: f32) {
    thread::sleep(Duration::from_secs_f32(seconds));
}

fn signal_all(brokers: &[u16], signal: &str) -> Result<(), String> {
    brokers.iter().try_for_each(|broker| Cluster::signal(*broker, signal))
}

/// Every broker leads a third of the partitions, so this one led some.
fn broker_killed(stage: &mut Stage) -> Result<(), String> {
    Cluster::signal(1, "KILL")?;
    pause(5.0);
    Cluster::up(&[1])?;
    stage.healed();
    Ok(())
}

/// One is left: fewer than `min.insync.replicas`, and no quorum of controllers either.
fn two_brokers_killed(stage: &mut Stage) -> Result<(), String> {
    signal_all(&[1, 2], "KILL")?;
    pause(5.0);
    Cluster::up(&[1, 2])?;
    stage.healed();
    Ok(())
}

/// Longer than every deadline, so that the senders hear of it, and longer than the cluster's own patience.
fn broker_frozen(stage: &mut Stage) -> Result<(), String> {
    Cluster::signal(2, "STOP")?;
    pause(8.0);
    Cluster::signal(2, "CONT")?;
    stage.healed();
    Ok(())
}

/// Longer than a message lives, so that records are given up in doubt, again and again.
fn two_brokers_frozen_and_thawed(stage: &mut Stage) -> Result<(), String> {
    for _ in 0..4 {
        signal_all(&[2, 3], "STOP")?;
        pause(3.0);
        signal_all(&[2, 3], "CONT")?;
        stage.healed();
        pause(1.5);
    }
    Ok(())
}

/// As an upgrade does it: the next one only when the last one's replicas are in sync.
fn brokers_restarted_in_turn(stage: &mut Stage) -> Result<(), String> {
    for broker in BROKERS {
        Cluster::down(broker)?;
        Cluster::up(&[broker])?;
        Cluster::wait_in_sync(&stage.site.topics())?;
    }
    stage.healed();
    Ok(())
}

/// What was on the topic is gone with it; what is answered 200 afterwards is not.
fn topic_recreated(stage: &mut Stage) -> Result<(), String> {
    let topic = stage.site.topic(VICTIM);
    Cluster::delete(&topic)?;
    pause(4.0);
    Cluster::create(&topic)?;
    stage.excuse(VICTIM);
    stage.healed();
    Ok(())
}

/// No record fits any more, which no sender can mend.
fn limit_lowered(stage: &mut Stage) -> Result<(), String> {
    let topic = stage.site.topic(VICTIM);
    Cluster::limit(&topic, Some(100))?;
    pause(5.0);
    Cluster::limit(&topic, None)?;
    stage.healed();
    Ok(())
}

fn daemon_terminated(stage: &mut Stage) -> Result<(), String> {
    let code = stage.end(0, "TERM")?;
    stage.start(0)?;
    stage.healed();
    if code == Some(0) { Ok(()) } else { Err(format!("SIGTERM ended the daemon with the exit code {code:?}")) }
}

fn daemon_killed(stage: &mut Stage) -> Result<(), String> {
    stage.end(0, "KILL")?;
    stage.start(0)?;
    stage.healed();
    Ok(())
}

/// As Kubernetes does it: a replica that is no longer ready gets no new connections, and serves those that it has.
fn replicas_restarted_in_turn(stage: &mut Stage) -> Result<(), String> {
    for replica in [0, 1] {
        let code = stage.end(replica, "TERM")?;
        if code != Some(0) {
            return Err(format!("SIGTERM ended the replica on {} with the exit code {code:?}", addresses(replica).0));
        }
        stage.start(replica)?;
        pause(1.0);
    }
    stage.healed();
    Ok(())
}

/// The new secret beside the old one, then the senders use it, then the old one goes. Files are looked at every two seconds.
fn secrets_rotated(stage: &mut Stage) -> Result<(), String> {
    let noticed = 3.0;
    let write = |provider: Provider, slot, secret: &str| {
        fs::write(stage.site.secret_file(provider, slot), secret).map_err(|error| error.to_string())
    };
    for turn in 1..=2 {
        for provider in crate::delivery::PROVIDERS {
            write(provider, 2, &format!("{}-secret-{turn}\n", provider.name()))?;
        }
        pause(noticed);
        for provider in crate::delivery::PROVIDERS {
            stage.secrets.set(provider, &format!("{}-secret-{turn}", provider.name()));
        }
        // What is on its way is still signed with the old one.
        pause(1.0);
        for provider in crate::delivery::PROVIDERS {
            write(provider, 1, &format!("{}-secret-{turn}", provider.name()))?;
        }
        pause(noticed);
    }
    stage.healed();
    Ok(())
}

fn network(stage: &mut Stage, mode: Mode, seconds: f32) -> Result<(), String> {
    stage.network(mode)?;
    pause(seconds);
    stage.network(Mode::Pass)?;
    stage.healed();
    Ok(())
}

fn network_cut(stage: &mut Stage) -> Result<(), String> {
    network(stage, Mode::Cut, 6.0)
}

fn network_slow(stage: &mut Stage) -> Result<(), String> {
    network(stage, Mode::Slow(Duration::from_millis(200)), 8.0)
}

fn network_half_open(stage: &mut Stage) -> Result<(), String> {
    network(stage, Mode::Stuck, 8.0)
}

/// How long a recovery may take.
pub(crate) const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// Waits until a load has recovered from a fault that ended then, or is late.
pub(crate) fn wait_for_recovery(recovered: impl Fn() -> bool, healed: Instant) {
    while !recovered() && healed.elapsed() < RECOVERY_MAX + Duration::from_secs(2) {
        pause(0.2);
    }
    // What goes wrong only after a while shall still be seen.
    pause(2.0);
}
