//! Scenarios in which brokers die, freeze, have a full disk or are restarted.

use std::time::Instant;

use super::pause;
use crate::{
    cluster::{BROKERS, Cluster},
    delivery::PROVIDERS,
    expect::{answered, led_by_another},
    load::Outcome,
    plan::VICTIM,
    stage::Stage,
};

fn signal_all(brokers: &[u16], signal: &str) -> Result<(), String> {
    brokers.iter().try_for_each(|broker| Cluster::signal(*broker, signal))
}

/// Kills one broker. Every broker leads a third of the partitions, so this one led some.
pub(super) fn broker_killed(stage: &mut Stage) -> Result<(), String> {
    Cluster::signal(1, "KILL")?;
    pause(5.0);
    Cluster::up(&[1])?;
    stage.healed();
    Ok(())
}

/// Kills one broker and checks the partitions that it led: each must go on under another leader.
pub(super) fn leader_killed(stage: &mut Stage) -> Result<(), String> {
    let topics: Vec<String> = PROVIDERS.iter().map(|it| stage.site.topic(*it)).collect();
    let leaders = Cluster::leaders(&topics)?;
    let first = leaders.iter().find(|it| it.topic == stage.site.topic(VICTIM) && it.partition == 0);
    let broker = first.ok_or("the topic has no first partition")?.leader;
    let led = leaders.iter().filter(|it| it.leader == broker).cloned().collect();
    let leader = u16::try_from(broker).map_err(|_| "the first partition has no leader")?;
    let killed = Instant::now();
    Cluster::signal(leader, "KILL")?;
    pause(6.0);
    Cluster::up(&[leader])?;
    stage.healed();
    stage.expect(led_by_another(led, killed..Instant::now()));
    Ok(())
}

/// Kills two of three brokers. One broker is fewer than `min.insync.replicas`, and no quorum of controllers either.
pub(super) fn two_brokers_killed(stage: &mut Stage) -> Result<(), String> {
    signal_all(&[1, 2], "KILL")?;
    pause(5.0);
    Cluster::up(&[1, 2])?;
    stage.healed();
    Ok(())
}

/// The freeze is longer than every deadline, so that the senders get a 503, and longer than the cluster's own patience.
pub(super) fn broker_frozen(stage: &mut Stage) -> Result<(), String> {
    Cluster::signal(2, "STOP")?;
    pause(8.0);
    Cluster::signal(2, "CONT")?;
    stage.healed();
    Ok(())
}

/// The freeze is longer than a message's lifetime, so that records are given up in doubt, several times.
pub(super) fn two_brokers_frozen_and_thawed(stage: &mut Stage) -> Result<(), String> {
    for _ in 0..4 {
        signal_all(&[2, 3], "STOP")?;
        pause(3.0);
        signal_all(&[2, 3], "CONT")?;
        stage.healed();
        pause(1.5);
    }
    Ok(())
}

/// Restarts brokers as an upgrade does: the next one only after the replicas of the last one are in sync.
pub(super) fn brokers_restarted_in_turn(stage: &mut Stage) -> Result<(), String> {
    for broker in BROKERS {
        Cluster::down(broker)?;
        Cluster::up(&[broker])?;
        Cluster::wait_in_sync(&stage.site.topics())?;
    }
    stage.healed();
    Ok(())
}

/// The broker ends itself when its only log folder is full; later there is room again.
pub(super) fn disk_full(stage: &mut Stage) -> Result<(), String> {
    if let Some(why) = Cluster::fill(3)? {
        stage.not_staged(why);
        return Ok(());
    }
    pause(3.0);
    Cluster::up(&[3])?;
    stage.healed();
    Ok(())
}

/// Freezes the only broker of one topic. No other topic is on that broker.
pub(super) fn slow_topic(stage: &mut Stage) -> Result<(), String> {
    let begin = Instant::now();
    Cluster::signal(3, "STOP")?;
    pause(10.0);
    stage.expect(answered(&[VICTIM], Outcome::Refused, begin..Instant::now()));
    Cluster::signal(3, "CONT")?;
    stage.healed();
    Ok(())
}
