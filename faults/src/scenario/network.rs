//! The network between the daemon and the brokers.

use std::time::Duration;

use super::pause;
use crate::{proxy::Mode, stage::Stage};

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
