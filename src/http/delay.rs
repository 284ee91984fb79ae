//! How late the webhooks' event loop is, and what it refuses while it stays so.
//!
//! A request lies in its socket until the loop gets to it, and no deadline that starts with its handler sees that time. A timer does: it comes
//! through the same poll and the same queue as a request, so it is as late as a request that arrived when it was due. What counts is the
//! *standing* delay, the least of a window, as in `CoDel` (RFC 8289): a burst or one stall is worked off by itself, a queue that does not empty
//! within a window is more work than the loop can do.
//!
//! While a delay stands, endpoints share what the loop can do: no endpoint begins more than `cap` deliveries in a window, so that the busiest
//! give way and a quiet one notices nothing. The cap sinks with each window in which the delay stands, and rises with each in which it does not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::Endpoints;
use crate::{config::Http, error::Error, metrics::Metrics};

/// The least length of a window.
const WINDOW: Duration = Duration::from_millis(200);
/// How often the loop is looked at. A look costs a few microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A sixteenth of what the busiest endpoint brings is always begun: where refusing alone fills the loop, refusing all of it would help nobody.
const ALWAYS_BEGUN: u32 = 16;
/// So many are begun in any case: whoever brings no more is never the one who has to give way.
const CAP_MIN: u32 = 8;
/// No cap.
const NO_CAP: u32 = u32::MAX;

/// What is known of the event loop's delay.
pub struct Delay {
    start: Instant,
    /// How late the loop may stay before deliveries are refused.
    target: Duration,
    /// When the loop is looked at next, and how late the last look was; in microseconds, the former since `start`.
    due: AtomicU64,
    last: AtomicU64,
    /// How many deliveries each endpoint may begin in this window.
    cap: AtomicU32,
}

impl Delay {
    /// No delay yet. The target is a small part of the deadline: what is begun no later can still be answered in time, unless Kafka takes
    /// nearly all there is, and a late 200 serves its sender better than an early 503.
    pub fn new(limits: &Http) -> Self {
        Self {
            start: Instant::now(),
            target: limits.event_loop_delay_max,
            due: AtomicU64::new(u64::MAX),
            last: AtomicU64::new(0),
            cap: AtomicU32::new(NO_CAP),
        }
    }

    /// For how long a request that is begun now may have waited: as late as the last look was, or as the one is that is due.
    pub(super) fn current(&self) -> Duration {
        let overdue = micros(self.start.elapsed()).saturating_sub(self.due.load(Ordering::Relaxed));
        Duration::from_micros(overdue.max(self.last.load(Ordering::Relaxed)))
    }

    /// Lets an endpoint begin a delivery, or refuses it; `begun` counts both.
    pub(super) fn admit(&self, begun: &AtomicU32) -> Result<(), Error> {
        let before = begun.fetch_add(1, Ordering::Relaxed);
        if before >= self.cap.load(Ordering::Relaxed) { Err(Error::Overloaded) } else { Ok(()) }
    }

    /// Waits for the next look, and tells how late it is.
    async fn look(&self) -> Duration {
        let due = Instant::now() + LOOK_EVERY;
        self.due.store(micros(due - self.start), Ordering::Relaxed);
        tokio::time::sleep_until(due.into()).await;
        let late = due.elapsed();
        self.last.store(micros(late), Ordering::Relaxed);
        late
    }
}

/// Watches the event loop that it runs on, for as long as that runs.
pub async fn watch(delay: Arc<Delay>, endpoints: Arc<Endpoints>, metrics: Arc<Metrics>) {
    let mut window = Window::begin(Instant::now());
    loop {
        let late = delay.look().await;
        let Some(standing) = window.add(late, Instant::now()) else { continue };
        let busiest = endpoints.each().map(|endpoint| endpoint.begun.swap(0, Ordering::Relaxed)).max();
        let cap = next_cap(delay.cap.load(Ordering::Relaxed), busiest.unwrap_or(0), standing > delay.target);
        delay.cap.store(cap, Ordering::Relaxed);
        metrics.event_loop_delay(standing.as_secs_f64());
    }
}

/// The looks of a window.
struct Window {
    begin: Instant,
    looks: u32,
    least: Duration,
}

impl Window {
    fn begin(now: Instant) -> Self {
        Self { begin: now, looks: 0, least: Duration::MAX }
    }

    /// One more look. At the window's end the delay that stood through all of it, and the next one begins. A single look is none: it cannot
    /// tell a stall from a queue.
    fn add(&mut self, late: Duration, now: Instant) -> Option<Duration> {
        self.looks += 1;
        self.least = self.least.min(late);
        if self.looks < 2 || now - self.begin < WINDOW {
            return None;
        }
        let standing = self.least;
        *self = Self::begin(now);
        Some(standing)
    }
}

/// The cap of the next window, from that of the last one, from what the busiest endpoint brought in it, and from whether the delay stood.
fn next_cap(cap: u32, busiest: u32, standing: bool) -> u32 {
    if standing {
        let begun = cap.min(busiest);
        (begun - begun / 4).max(busiest / ALWAYS_BEGUN).max(CAP_MIN)
    } else if busiest <= cap {
        // It has refused nobody.
        NO_CAP
    } else {
        cap.saturating_add(cap / 4 + 1)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each look as its time and how late it was, in milliseconds.
    #[test]
    fn only_what_lasts_stands() {
        fn check(what: &str, looks: &[(u64, u64)], standing: &[u64]) {
            let begin = Instant::now();
            let mut window = Window::begin(begin);
            let ended = looks
                .iter()
                .filter_map(|(at, late)| window.add(Duration::from_millis(*late), begin + Duration::from_millis(*at)));
            let standing: Vec<Duration> = standing.iter().map(|ms| Duration::from_millis(*ms)).collect();
            assert_eq!(ended.collect::<Vec<_>>(), standing, "{what}");
        }
        check("a quiet loop", &[(50, 1), (100, 0), (150, 1), (200, 1), (250, 2), (450, 3)], &[0, 2]);
        check("a stall in a window", &[(50, 1), (2000, 1930), (2020, 0)], &[1]);
        check("a stall at its begin", &[(2000, 1980), (2020, 1), (2040, 0), (2240, 0)], &[1, 0]);
        check("a queue", &[(150, 130), (300, 130), (460, 140), (620, 140)], &[130, 140]);
        check("a queue that empties", &[(150, 130), (170, 0), (320, 130)], &[0]);
    }

    #[test]
    fn the_busiest_give_way() {
        fn check(what: &str, cap: u32, busiest: u32, standing: bool, next: u32) {
            assert_eq!(next_cap(cap, busiest, standing), next, "{what}");
        }
        check("nothing stands", NO_CAP, 1000, false, NO_CAP);
        check("it begins to", NO_CAP, 1000, true, 750);
        check("it still does", 750, 1000, true, 563);
        check("fewer have come than may", 750, 100, true, 75);
        check("refusing alone is too much", 63, 1000, true, 62);
        check("nobody has come", NO_CAP, 0, true, CAP_MIN);
        check("a few are always begun", 9, 100, true, CAP_MIN);
        check("it is over, and they still come", 563, 1000, false, 704);
        check("from the least", CAP_MIN, 1000, false, 11);
        check("it is over, and nobody was refused", 563, 563, false, NO_CAP);
    }

    #[test]
    fn each_endpoint_may_begin_as_many() {
        let (start, target) = (Instant::now(), Duration::ZERO);
        let delay = Delay { start, target, due: AtomicU64::new(0), last: AtomicU64::new(0), cap: AtomicU32::new(NO_CAP) };
        let begin = |begun: &AtomicU32| (0..10).filter(|_| delay.admit(begun).is_ok()).count();
        assert_eq!(begin(&AtomicU32::new(0)), 10);
        delay.cap.store(3, Ordering::Relaxed);
        let (one, other) = (AtomicU32::new(0), AtomicU32::new(0));
        assert_eq!((begin(&one), begin(&other)), (3, 3));
        assert_eq!(one.load(Ordering::Relaxed), 10, "what is refused counts as brought");
    }
}
