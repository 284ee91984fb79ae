//! Scenarios in which the daemon ends, its secrets change, or its clock is wrong.

use std::{
    fs,
    time::{Instant, SystemTime},
};

use super::{CLOCKED, pause};
use crate::{
    daemon::addresses,
    delivery::{PROVIDERS, Provider},
    expect::{answered, received_when_sent},
    load::Outcome,
    stage::Stage,
};

pub(super) fn daemon_terminated(stage: &mut Stage) -> Result<(), String> {
    let code = stage.end(0, "TERM")?;
    stage.start(0)?;
    stage.healed();
    if code == Some(0) { Ok(()) } else { Err(format!("SIGTERM ended the daemon with the exit code {code:?}")) }
}

pub(super) fn daemon_killed(stage: &mut Stage) -> Result<(), String> {
    stage.end(0, "KILL")?;
    stage.start(0)?;
    stage.healed();
    Ok(())
}

/// Replaces replicas as Kubernetes does: a replica that is no longer ready gets no new connections and serves those that it has.
pub(super) fn replicas_restarted_in_turn(stage: &mut Stage) -> Result<(), String> {
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

/// Adds the new secret beside the old one, lets the senders use it, and then removes the old one. The daemon reads the files every two
/// seconds.
pub(super) fn secrets_rotated(stage: &mut Stage) -> Result<(), String> {
    let noticed = 3.0;
    let write = |provider: Provider, slot, secret: &str| {
        fs::write(stage.site.secret_file(provider, slot), secret).map_err(|error| error.to_string())
    };
    for turn in 1..=2 {
        for provider in PROVIDERS {
            write(provider, 2, &format!("{}-secret-{turn}\n", provider.name()))?;
        }
        pause(noticed);
        for provider in PROVIDERS {
            stage.secrets.set(provider, &format!("{}-secret-{turn}", provider.name()));
        }
        // Deliveries on their way are still signed with the old secret.
        pause(1.0);
        for provider in PROVIDERS {
            write(provider, 1, &format!("{}-secret-{turn}", provider.name()))?;
        }
        pause(noticed);
    }
    stage.healed();
    Ok(())
}

/// Hookgate compares two clocks, so it does not matter which of them is wrong. Here the senders' clock is wrong, first behind and then
/// ahead, by more than Frame.io's 300 s.
#[expect(clippy::disallowed_methods, reason = "what the daemon has written is compared with the machine's clock")]
#[expect(clippy::unnecessary_wraps, reason = "it is a scenario like the others, and nothing in it can fail")]
pub(super) fn clock_off(stage: &mut Stage) -> Result<(), String> {
    for ahead in [-400, 400] {
        let begin = Instant::now();
        stage.secrets.set_ahead(ahead);
        pause(5.0);
        stage.expect(answered(&[CLOCKED], Outcome::Other(401), begin..Instant::now()));
        stage.secrets.set_ahead(0);
        stage.healed();
        pause(2.0);
    }
    stage.expect(received_when_sent((Instant::now(), SystemTime::now())));
    Ok(())
}
