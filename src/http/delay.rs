//! How late the webhooks' event loop is, and how many deliveries are refused while it stays late.
//!
//! A request lies in its socket until the event loop reads it, and a deadline that starts with the handler does not see that time. A timer
//! does: it goes through the same poll and the same queue as a request, so it is as late as a request that arrived when the timer was due.
//! What counts is the *standing* delay, the least delay within a window, as in `CoDel` (RFC 8289): the loop works off a burst or a single
//! stall by itself, but a queue that does not empty within a window is more work than the loop can do.
//!
//! While a delay stands, endpoints share what the loop can do: no endpoint begins more than `cap` deliveries in a window, so the busiest
//! are slowed down and a quiet one notices nothing. The cap sinks after each window in which the delay stands, and rises after each other
//! window.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync;

use super::Endpoints;
use crate::{config::Http, error::Error, metrics::Metrics};

/// The shortest length of a window.
const WINDOW: Duration = Duration::from_millis(200);
/// How often the delay is measured. A measurement costs a few microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The cap is never less than 1/16 of what the busiest endpoint brings: if even refusing fills the loop, refusing everything gains nothing.
const ALWAYS_BEGUN: u32 = 16;
/// The cap is never less than this, so an endpoint that brings no more than this in a window is never slowed down.
const CAP_MIN: u32 = 8;
/// No cap.
const NO_CAP: u32 = u32::MAX;

/// The measured delay of the event loop, and the cap that follows from it.
pub struct Delay {
    start: Instant,
    /// How late the loop may stay before deliveries are refused.
    target: Duration,
    /// When the next measurement is due, in microseconds since `start`.
    due: AtomicU64,
    /// How late the last measurement was, in microseconds.
    last: AtomicU64,
    /// How many deliveries each endpoint may begin in this window.
    cap: AtomicU32,
}

impl Delay {
    /// Returns a loop without delay. The target is a small part of the deadline: a delivery that begins no later than that can still be
    /// answered in time, unless Kafka takes nearly all the rest; and a late 200 serves its sender better than an early 503.
    pub fn new(limits: &Http) -> Self {
        Self {
            start: Instant::now(),
            target: limits.event_loop_delay_max,
            due: AtomicU64::new(u64::MAX),
            last: AtomicU64::new(0),
            cap: AtomicU32::new(NO_CAP),
        }
    }

    /// Returns how long a request that begins now may have waited: as late as the last measurement was, or as the one is that is overdue.
    pub(super) fn current(&self) -> Duration {
        let overdue = micros(self.start.elapsed()).saturating_sub(self.due.load(Ordering::Relaxed));
        Duration::from_micros(overdue.max(self.last.load(Ordering::Relaxed)))
    }

    /// Lets an endpoint begin a delivery, or returns [`Error::Overloaded`]. Both are counted in `begun`.
    pub(super) fn admit(&self, begun: &AtomicU32) -> Result<(), Error> {
        let before = begun.fetch_add(1, Ordering::Relaxed);
        if before >= self.cap.load(Ordering::Relaxed) { Err(Error::Overloaded) } else { Ok(()) }
    }

    /// Waits until the next measurement is due, and returns how late it is.
    async fn look(&self) -> Duration {
        let due = Instant::now() + LOOK_EVERY;
        self.due.store(micros(due - self.start), Ordering::Relaxed);
        tokio::time::sleep_until(due.into()).await;
        let late = due.elapsed();
        self.last.store(micros(late), Ordering::Relaxed);
        late
    }

    /// Waits until a connection is open, without any measurement: while there is none, no request can be late. Returns whether it waited.
    async fn rest(&self, open: &mut sync::watch::Receiver<usize>) -> bool {
        if *open.borrow() > 0 || self.cap.load(Ordering::Relaxed) != NO_CAP {
            return false;
        }
        self.due.store(u64::MAX, Ordering::Relaxed);
        self.last.store(0, Ordering::Relaxed);
        // The sender is dropped only together with the event loop, which ends this wait too.
        open.wait_for(|open| *open > 0).await.is_ok()
    }
}

/// Measures the event loop that this future runs on while a connection is `open`, and sets the cap after each window. Never returns.
pub async fn watch(delay: Arc<Delay>, endpoints: Arc<Endpoints>, metrics: Arc<Metrics>, mut open: sync::watch::Receiver<usize>) {
    let mut window = Window::begin(Instant::now());
    loop {
        let late = delay.look().await;
        let Some(standing) = window.add(late, Instant::now()) else { continue };
        let busiest = endpoints.each().map(|endpoint| endpoint.begun.swap(0, Ordering::Relaxed)).max();
        let cap = next_cap(delay.cap.load(Ordering::Relaxed), busiest.unwrap_or(0), standing > delay.target);
        delay.cap.store(cap, Ordering::Relaxed);
        metrics.event_loop_delay(standing.as_secs_f64());
        if delay.rest(&mut open).await {
            window = Window::begin(Instant::now());
        }
    }
}

/// The measurements of a window.
struct Window {
    begin: Instant,
    looks: u32,
    least: Duration,
}

impl Window {
    fn begin(now: Instant) -> Self {
        Self { begin: now, looks: 0, least: Duration::MAX }
    }

    /// Adds a measurement. At the end of the window it begins the next one and returns the delay that stood through all of it. A single
    /// measurement makes no window: it cannot distinguish a stall from a queue.
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

/// Returns the cap of the next window, from the cap of the last one, from what the busiest endpoint brought in it, and from whether the
/// delay stood.
fn next_cap(cap: u32, busiest: u32, standing: bool) -> u32 {
    if standing {
        let begun = cap.min(busiest);
        (begun - begun / 4).max(busiest / ALWAYS_BEGUN).max(CAP_MIN)
    } else if busiest <= cap {
        // The cap has refused no delivery.
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
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    /// Each measurement is its time and how late it was, in milliseconds.
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

    fn delay() -> Delay {
        let (start, target) = (Instant::now(), Duration::ZERO);
        Delay { start, target, due: AtomicU64::new(0), last: AtomicU64::new(0), cap: AtomicU32::new(NO_CAP) }
    }

    #[test]
    fn a_loop_without_connections_rests() {
        /// Checks whether the loop rests, and whether it then goes on once a connection opens.
        fn check(what: &str, open: usize, cap: u32, rests: bool) {
            let delay = delay();
            delay.last.store(1_000_000, Ordering::Relaxed);
            delay.cap.store(cap, Ordering::Relaxed);
            let (sender, mut receiver) = sync::watch::channel(open);
            let (mut resting, mut context) = (pin!(delay.rest(&mut receiver)), Context::from_waker(Waker::noop()));
            let expected = if rests { Poll::Pending } else { Poll::Ready(false) };
            assert_eq!(resting.as_mut().poll(&mut context), expected, "{what}");
            if rests {
                assert_eq!(delay.current(), Duration::ZERO, "{what}: nobody was late");
                sender.send_modify(|open| *open += 1);
                assert_eq!(resting.poll(&mut context), Poll::Ready(true), "{what}");
            }
        }
        check("nobody is connected", 0, NO_CAP, true);
        check("somebody is", 1, NO_CAP, false);
        check("nobody is any more, but the cap has to rise first", 0, CAP_MIN, false);
    }

    #[test]
    fn each_endpoint_may_begin_as_many() {
        let delay = delay();
        let begin = |begun: &AtomicU32| (0..10).filter(|_| delay.admit(begun).is_ok()).count();
        assert_eq!(begin(&AtomicU32::new(0)), 10);
        delay.cap.store(3, Ordering::Relaxed);
        let (one, other) = (AtomicU32::new(0), AtomicU32::new(0));
        assert_eq!((begin(&one), begin(&other)), (3, 3));
        assert_eq!(one.load(Ordering::Relaxed), 10, "what is refused counts as brought");
    }
}
