//! Scenarios in which topics are deleted, hidden, or may not be written to.

use std::time::{Duration, Instant};

use super::pause;
use crate::{cluster::Cluster, delivery::PROVIDERS, expect::answered, load::Outcome, plan::VICTIM, proxy::Mode, stage::Stage};

/// The settings that `hookgate topics --apply` gives each topic.
const IN_SYNC: (&str, &str) = ("min.insync.replicas", "2");

/// Deletes a topic. The records on it are lost, but none that is answered 200 after the topic exists again.
pub(super) fn topic_recreated(stage: &mut Stage) -> Result<(), String> {
    let topic = stage.site.topic(VICTIM);
    Cluster::delete(&topic)?;
    pause(4.0);
    stage.site.create_topics()?;
    stage.excuse(VICTIM);
    stage.healed();
    Ok(())
}

/// Somebody creates the topic with Kafka's own settings: its records would be lost with one broker. A delivery does not show that, so the
/// daemon must report it, and so must `check --cluster`.
pub(super) fn topic_recreated_by_hand(stage: &mut Stage) -> Result<(), String> {
    let topic = stage.site.topic(VICTIM);
    Cluster::delete(&topic)?;
    pause(4.0);
    Cluster::create(&topic)?;
    stage.excuse(VICTIM);
    stage.healed();
    let said = |line: &str| line.contains("acknowledge what fewer replicas have") && line.contains(&topic);
    let begin = Instant::now();
    while !stage.site.log(0)?.lines().any(said) {
        if begin.elapsed() > Duration::from_secs(30) {
            return Err(format!("the daemon does not log that {topic} acknowledges records that only one replica has"));
        }
        pause(0.2);
    }
    let found = stage.site.check_cluster().err().unwrap_or_default();
    let problems = found.lines().filter(|line| line.starts_with("problem: ")).collect::<Vec<_>>();
    if !matches!(problems.as_slice(), [one] if one.contains(&topic) && one.contains("--add-config min.insync.replicas=2")) {
        return Err(format!("hookgate check --cluster reports other problems than {topic}'s min.insync.replicas: {found}"));
    }
    Cluster::set(&topic, &[IN_SYNC])?;
    stage.site.check_cluster()
}

/// Makes the topic's limit so small that no record fits any more. No sender can fix that.
pub(super) fn limit_lowered(stage: &mut Stage) -> Result<(), String> {
    let topic = stage.site.topic(VICTIM);
    Cluster::set(&topic, &[("max.message.bytes", "100"), IN_SYNC])?;
    pause(5.0);
    Cluster::set(&topic, &[IN_SYNC])?;
    stage.healed();
    Ok(())
}

/// The brokers still have the topic and would take its records. But a client that believes their answer fails the records that it holds for
/// the topic (confluentinc/librdkafka#3712).
pub(super) fn topic_vanishes_from_metadata(stage: &mut Stage) -> Result<(), String> {
    let begin = Instant::now();
    for _ in 0..2 {
        stage.network(&Mode::Hide(stage.site.topic(VICTIM)))?;
        pause(4.0);
        stage.network(&Mode::Pass)?;
        stage.healed();
        pause(3.0);
    }
    stage.expect(answered(&[VICTIM], Outcome::Refused, begin..Instant::now()));
    Ok(())
}

/// Removes the right to write to one topic; the others keep theirs.
pub(super) fn acl_removed(stage: &mut Stage) -> Result<(), String> {
    let begin = Instant::now();
    let topics = [stage.site.topic(VICTIM)];
    Cluster::access(&topics, false)?;
    pause(5.0);
    stage.expect(answered(&[VICTIM], Outcome::Refused, begin..Instant::now()));
    Cluster::access(&topics, true)?;
    stage.healed();
    Ok(())
}

/// Removes the right to write to any topic. A new producer without any right could not start either.
pub(super) fn all_acls_removed(stage: &mut Stage) -> Result<(), String> {
    let begin = Instant::now();
    let topics = stage.site.topics();
    Cluster::access(&topics, false)?;
    pause(5.0);
    stage.expect(answered(&PROVIDERS, Outcome::Refused, begin..Instant::now()));
    Cluster::access(&topics, true)?;
    stage.healed();
    Ok(())
}
