//! Waits for conditions, on a machine that may be busy.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// The longest wait for a condition that has no deadline of its own. Even a busy machine needs less.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a condition holds, for at most [`PATIENCE`].
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "not {what} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sets its flag when it is dropped. So threads that watch the flag end also when the test fails.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does some work. Returns its result, and the longest time for which the machine kept a thread beside it waiting.
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
