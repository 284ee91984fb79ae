//! Where in its life the daemon is.

use std::sync::atomic::{AtomicU8, Ordering};

/// The life of the daemon after its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everything is served.
    Serving = 0,
    /// Shutting down: no longer ready, but everything is served, each answer closing its connection.
    PreStop = 1,
    /// Shutting down: what is in flight is finished, what begins is answered 503.
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
    /// The phase as of now.
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
