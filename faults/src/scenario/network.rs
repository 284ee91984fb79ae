//! Scenarios of the network between the daemon and the brokers.

use std::time::Duration;

use super::pause;
use crate::{expect::forgotten, proxy::Mode, stage::Stage};

fn network(stage: &mut Stage, mode: &Mode, seconds: f32) -> Result<(), String> {
    stage.network(mode)?;
    pause(seconds);
    stage.network(&Mode::Pass)?;
    stage.healed();
    Ok(())
}

pub(super) fn network_cut(stage: &mut Stage) -> Result<(), String> {
    network(stage, &Mode::Cut, 6.0)
}

pub(super) fn network_slow(stage: &mut Stage) -> Result<(), String> {
    network(stage, &Mode::Slow(Duration::from_millis(200)), 8.0)
}

pub(super) fn network_half_open(stage: &mut Stage) -> Result<(), String> {
    let seconds = stage.seconds(8.0, 5.0);
    network(stage, &Mode::Stuck, seconds)
}

/// Plays nights: no delivery for longer than the path remembers a connection, then deliveries. With the configuration of this scenario, the
/// daemon (librdkafka) closes idle connections after 2 to 4 s, at most a second later.
pub(super) fn idle_path_dropped(stage: &mut Stage) -> Result<(), String> {
    // The first path remembers connections longer than the daemon keeps them, so the daemon closes first. The second path forgets earlier, which
    // a request without an answer shows.
    for (patience, nights, forgets) in [(6.0, 2, false), (1.0, 5, true)] {
        let before = stage.forgotten();
        stage.network(&Mode::Forget(Duration::from_secs_f32(patience)))?;
        for _ in 0..nights {
            stage.quiet(true);
            pause(patience + 0.8);
            stage.quiet(false);
            pause(4.0);
        }
        let connections = stage.forgotten() - before;
        stage.expect(forgotten(connections, patience, if forgets { Some(nights) } else { None }));
    }
    stage.network(&Mode::Pass)?;
    stage.healed();
    Ok(())
}

pub(super) fn acknowledgements_late(stage: &mut Stage) -> Result<(), String> {
    network(stage, &Mode::SlowAnswers(Duration::from_millis(800)), 10.0)
}
