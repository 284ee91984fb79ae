//! A daemon that has nothing to do costs next to nothing.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::support::{Site, one_topic_per_provider, plain, prefix, topics};

/// How often all threads together may wake up in a second. librdkafka wakes up each of its threads about once, Hookgate looks at the secrets
/// every two seconds.
const WAKES_PER_SECOND: f64 = 12.0;

/// A thread that wakes up often, and finds nothing to do, costs the same on each machine. The number of waits does not depend on how busy the
/// machine is: a busy one makes it smaller.
#[test]
fn a_quiet_daemon_rests() {
    let prefix = prefix("");
    let site =
        Site::new(&format!("[kafka]\nbrokers = [\"{}\"]\n{}{}", plain(), topics(&prefix, 1), one_topic_per_provider(&prefix)));
    site.create_topics();
    let daemon = site.serve();
    daemon.wait_until_ready();
    // The first seconds are those of the start, and of the comparison of the topics.
    thread::sleep(Duration::from_secs(5));
    let (before, begin) = (daemon.waits(), Instant::now());
    thread::sleep(Duration::from_secs(5));
    let (after, seconds) = (daemon.waits(), begin.elapsed().as_secs_f64());
    let since = |(name, waits): (&String, &u64)| (name.clone(), waits - before.get(name).unwrap_or(&0));
    let since: Vec<(String, u64)> = after.iter().map(since).collect();
    let wakes: u64 = since.iter().map(|(_, waits)| waits).sum();
    assert!(after.contains_key("webhooks"), "{since:?}");
    assert!(f64::from(u32::try_from(wakes).unwrap()) <= WAKES_PER_SECOND * seconds, "{wakes} in {seconds} s: {since:?}");
}
