//! Waiting for what has to happen, on a machine that may be busy.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// How long something may take that has no deadline of its own: so long that a busy machine does not need it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something holds, for at most [`PATIENCE`].
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "not {what} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Says that it is over when it is dropped, also where a test fails beside the threads that look at it.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does something, and measures for how long at most a thread beside it had to wait for this machine.
pub fn beside_a_clock<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    const TICK: Duration = Duration::from_millis(10);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ends = Over(&over);
        let clock = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let begin = Instant::now();
                std::thread::sleep(TICK);
                longest = longest.max(begin.elapsed().saturating_sub(TICK));
            }
            longest
        });
        let done = work();
        drop(ends);
        (done, clock.join().unwrap())
    })
}
