//! The regular work of a running daemon beside its deliveries: it reads secrets and the certificate again, folds metrics and forgets
//! addresses.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use crate::{
    config::{
        Config, Environment,
        secret_ring::{SecretEvent, SecretRing, put_in_force, read_all, shared_secrets},
        tls::{Pair, PairEvent, PairWatch},
    },
    http::{ServerTls, Webhooks},
    metrics::{CertificateUse, Metrics},
};

/// How often secret files are read, metrics are folded and addresses are forgotten.
const UPKEEP_EVERY: Duration = Duration::from_secs(2);

/// Reads every secret for the first time. A file that is not there yet is a warning. A secret that two endpoints share is an error, because
/// a signature does not say which URL it was made for.
pub(crate) fn read_secrets(config: &Config, environment: &Environment) -> Result<Vec<SecretRing>, String> {
    let (mut rings, clashes) = read_all(&config.endpoints, environment);
    let events: Vec<_> = rings.iter_mut().map(SecretRing::refresh).collect();
    // Secrets that have changed since the rings were made.
    let changed = put_in_force(&mut rings);
    for (ring, events) in rings.iter().zip(&events) {
        report(ring, events);
    }
    for clash in clashes {
        report_clash(&clash);
    }
    if !changed.is_empty() {
        return Err(changed.join("\n"));
    }
    match shared_secrets(&rings).as_slice() {
        [] => Ok(rings),
        shared => Err(shared.join("\n")),
    }
}

/// Makes the metrics of the secrets and the certificate that were read at the start.
pub(crate) fn show(metrics: &Metrics, rings: &[SecretRing], pair: Option<&Pair>) {
    for ring in rings {
        metrics.has_secrets(ring.endpoint(), ring.slot_max());
    }
    if let Some(pair) = pair {
        metrics.certificate_expiry(CertificateUse::Inbound, pair.not_after);
    }
}

fn report_clash(clash: &str) {
    tracing::error!(clash, "a secret that two endpoints have is not used; all others are");
}

fn report(ring: &SecretRing, events: &[SecretEvent]) {
    let endpoint = ring.endpoint();
    for event in events {
        match event {
            // The sentence about the other endpoint says so, and this one is reported when it comes into force.
            SecretEvent::Loaded { slot } | SecretEvent::Changed { slot } if ring.is_held_back(*slot) => {}
            SecretEvent::Loaded { slot } => tracing::info!(endpoint, slot, source = ring.source(*slot), "read a secret"),
            SecretEvent::Changed { slot } => tracing::info!(endpoint, slot, source = ring.source(*slot), "a secret has changed"),
            SecretEvent::Revoked { slot, source } => {
                tracing::info!(endpoint, slot, source, "a secret counts no longer, because its file is gone");
            }
            SecretEvent::Folder { why } => tracing::warn!(endpoint, why, "not every file of a folder of secrets can be used"),
            SecretEvent::Mistaken { slot, why } => {
                tracing::warn!(endpoint, slot, why, "a secret was read that is probably written down wrongly");
            }
            SecretEvent::Kept { slot, in_force: true, why } => {
                tracing::warn!(endpoint, slot, why, "a secret cannot be read, the last good one stays in force");
            }
            SecretEvent::Kept { slot, in_force: false, why } => {
                tracing::warn!(
                    endpoint,
                    slot,
                    why,
                    "a secret cannot be read, what it would prove is answered 503 until it can be"
                );
            }
        }
    }
}

/// Files that are read again when they change.
pub(crate) struct Watched {
    /// The secrets of each endpoint.
    pub(crate) rings: Vec<SecretRing>,
    /// The certificate of the webhook port, if it has one.
    pub(crate) pair: Option<PairWatch>,
}

/// Folds metrics and forgets addresses, for as long as the admin port runs.
pub(crate) async fn fold(webhooks: Arc<Webhooks>) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        webhooks.metrics.upkeep();
        webhooks.refusals.forget();
    }
}

/// Re-reads secret files and certificates on a thread of its own, because a file system may be slow. The thread ends after the returned
/// sender is dropped; nobody waits for it.
pub(crate) fn spawn_files(webhooks: Arc<Webhooks>, mut watched: Watched) -> Result<mpsc::Sender<()>, String> {
    let (alive, inbox) = mpsc::channel();
    let watch = move || {
        while inbox.recv_timeout(UPKEEP_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
            refresh_secrets(&webhooks, &mut watched.rings);
            if let (Some(tls), Some(pair)) = (&webhooks.tls, &mut watched.pair) {
                refresh_certificate(&webhooks.metrics, tls, pair, (webhooks.clock)());
            }
        }
    };
    let spawned = thread::Builder::new().name("files".into()).spawn(watch);
    spawned.map_err(|error| format!("cannot start the thread that reads files: {error}"))?;
    Ok(alive)
}

fn refresh_secrets(webhooks: &Webhooks, rings: &mut [SecretRing]) {
    let events: Vec<_> = rings.iter_mut().map(SecretRing::refresh).collect();
    if events.iter().all(Vec::is_empty) {
        return;
    }
    let clashes = put_in_force(rings);
    for (ring, events) in rings.iter().zip(&events) {
        report(ring, events);
    }
    for clash in clashes {
        report_clash(&clash);
    }
    for ring in rings {
        if let Some(endpoint) = webhooks.endpoints.get(ring.endpoint()) {
            webhooks.metrics.has_secrets(ring.endpoint(), ring.slot_max());
            endpoint.set_keys(ring.keys());
        }
    }
}

fn refresh_certificate(metrics: &Metrics, tls: &ServerTls, pair: &mut PairWatch, now: SystemTime) {
    match pair.refresh(now) {
        None => {}
        Some(PairEvent::Changed(pair)) => {
            tls.show(Arc::clone(&pair.certified));
            metrics.certificate_expiry(CertificateUse::Inbound, pair.not_after);
            tracing::info!("the certificate has changed");
        }
        Some(PairEvent::Kept { why }) => {
            tracing::warn!(why, "the changed certificate is not used, the last good one stays in force");
        }
    }
}
