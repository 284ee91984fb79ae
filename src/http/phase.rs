//! The daemon's phase: serving, or one of the two steps of a shutdown.

use std::sync::atomic::{AtomicU8, Ordering};

/// The phase of the daemon after its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The daemon serves everything.
    Serving = 0,
    /// The daemon shuts down: it is no longer ready, but still serves everything, and each answer closes its connection.
    PreStop = 1,
    /// The daemon shuts down: it finishes what is in flight, and answers 503 to new deliveries.
    Draining = 2,
}

/// The phase, shared between threads.
pub struct PhaseCell(AtomicU8);

impl Default for PhaseCell {
    fn default() -> Self {
        Self(AtomicU8::new(Phase::Serving as u8))
    }
}

impl PhaseCell {
    /// Returns the current phase.
    pub fn get(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Serving,
            1 => Phase::PreStop,
            _ => Phase::Draining,
        }
    }

    /// Enters a phase.
    pub fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }
}
