//! What a person sees while a command waits for a provider.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant, SystemTime},
};

use crate::{clock, command::note, event::timestamp};

/// How often a wait looks whether the command should stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The shortest wait that is mentioned.
const MENTIONED: Duration = Duration::from_secs(3);

/// Waits, and returns whether to go on. A wait of some seconds that has a reason is mentioned, with its end; on a terminal the rest of it is
/// counted down.
pub(in crate::command) fn wait(stop: &AtomicBool, time: Duration, why: &str) -> bool {
    let mentioned = !why.is_empty() && time >= MENTIONED;
    if mentioned {
        note(&announcement(time, why, clock::system()));
    }
    let mut countdown = Countdown { out: io::stderr(), shown: None };
    let counted = mentioned && countdown.out.is_terminal();
    let begin = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let left = time.saturating_sub(begin.elapsed());
        if counted {
            countdown.show(left);
        }
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(LOOK_EVERY));
    }
    countdown.clear();
    false
}

fn announcement(wait: Duration, why: &str, now: SystemTime) -> String {
    let mut end = timestamp(now + wait);
    end.nanos = 0;
    format!("{why}; asking again in {} s, at {end}; Ctrl-C stops", wait.as_secs())
}

/// The last line of a terminal, with the seconds that are left.
struct Countdown<W> {
    out: W,
    shown: Option<u64>,
}

impl<W: Write> Countdown<W> {
    fn show(&mut self, left: Duration) {
        if left.is_zero() {
            return self.clear();
        }
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        if self.shown != Some(seconds) {
            self.shown = Some(seconds);
            self.write(&format!("\r\x1b[Khookgate: asking again in {seconds} s"));
        }
    }

    fn clear(&mut self) {
        if self.shown.take().is_some() {
            self.write("\r\x1b[K");
        }
    }

    fn write(&mut self, text: &str) {
        // A terminal that is gone shows nothing, and the wait does not depend on it.
        let _gone = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_wait_is_announced_with_its_end() {
        let now = UNIX_EPOCH + Duration::from_millis(1_800_000_000_999);
        assert_eq!(
            announcement(Duration::from_secs(301), "Uploadcare answered 429", now),
            "Uploadcare answered 429; asking again in 301 s, at 2027-01-15T08:05:01Z; Ctrl-C stops"
        );
    }

    #[test]
    fn each_second_is_counted_once_and_leaves_nothing() {
        let mut countdown = Countdown { out: Vec::new(), shown: None };
        for left in [2000, 1950, 1001, 1000, 950, 1, 0] {
            countdown.show(Duration::from_millis(left));
        }
        let text = String::from_utf8(countdown.out).expect("text");
        assert_eq!(text, "\r\x1b[Khookgate: asking again in 2 s\r\x1b[Khookgate: asking again in 1 s\r\x1b[K");
    }

    #[test]
    fn a_wait_ends_at_its_time_or_when_the_command_stops() {
        let stop = AtomicBool::new(false);
        assert!(wait(&stop, Duration::ZERO, ""));
        assert!(wait(&stop, Duration::from_millis(5), "why"));
        stop.store(true, Ordering::Relaxed);
        assert!(!wait(&stop, Duration::from_secs(3600), "why"));
    }
}
