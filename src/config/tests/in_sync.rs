//! How many replicas must hold an event, for topics with different numbers of replicas.

use super::{MINIMAL, accept};

/// Checks what `[topics]` with these lines demands of a new topic and of an existing one, and a word of each warning.
#[track_caller]
fn check(lines: &str, created: i32, wanted: usize, warned: &[&str]) {
    let config = accept(&format!("{MINIMAL}\n[topics]\n{lines}\n"), &[], &[]);
    assert_eq!((config.topics.min_insync_replicas, config.topics.in_sync_wanted()), (created, wanted), "{lines}");
    assert_eq!(config.warnings.len(), warned.len(), "{lines}: {:?}", config.warnings);
    for (warning, word) in config.warnings.iter().zip(warned) {
        assert!(warning.contains(word), "{lines}: no {word:?} in {warning:?}");
    }
}

#[test]
fn an_acknowledged_event_is_on_two_brokers_unless_that_is_said_or_cannot_be() {
    const LOST: &str = "event can be lost with one broker";
    const STOPS: &str = "while one broker is away, deliveries are answered 503";
    check("", 2, 2, &[]);
    check("replication = 3", 2, 2, &[]);
    check("replication = 5", 2, 2, &[]);
    check("replication = 5\nmin_insync_replicas = 4", 4, 4, &[]);
    check("replication = 1", 1, 1, &[LOST]);
    check("replication = 1\nmin_insync_replicas = 1", 1, 1, &[LOST]);
    check("replication = 2", 1, 1, &[LOST]);
    check("min_insync_replicas = 1", 1, 1, &[LOST]);
    check("replication = 2\nmin_insync_replicas = 2", 2, 2, &[STOPS]);
    check("min_insync_replicas = 3", 3, 3, &[STOPS]);
    // The brokers' default is not changed, but two replicas are wanted. Hookgate does not know yet whether the brokers give that.
    check("replication = -1", -1, 2, &[LOST]);
    check("min_insync_replicas = -1", -1, 2, &[LOST]);
    check("replication = 1\nmin_insync_replicas = -1", -1, 2, &[LOST]);
    check("replication = -1\nmin_insync_replicas = 1", 1, 1, &[LOST]);
    check("replication = -1\nmin_insync_replicas = 2", 2, 2, &[]);
    check("replication = -1\nmin_insync_replicas = 3", 3, 3, &[]);
}
