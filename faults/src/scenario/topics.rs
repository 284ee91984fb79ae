//! Topics that go, that are not to be seen, and that may not be written to.

use std::time::Instant;

use super::{VICTIM, pause};
use crate::{cluster::Cluster, delivery::PROVIDERS, expect::answered, load::Outcome, proxy::Mode, stage::Stage};

/// What was on the topic is gone with it; what is answered 200 afterwards is not.
pub(super) fn topic_recreated(stage: &mut Stage) -> Result<(), String> {
    let topic = stage.site.topic(VICTIM);
    Cluster::delete(&topic)?;
    pause(4.0);
    Cluster::create(&topic)?;
    stage.excuse(VICTIM);
    stage.healed();
    Ok(())
}

/// No record fits any more, which no sender can mend.
pub(super) fn limit_lowered(stage: &mut Stage) -> Result<(), String> {
    let topic = stage.site.topic(VICTIM);
    Cluster::limit(&topic, Some(100))?;
    pause(5.0);
    Cluster::limit(&topic, None)?;
    stage.healed();
    Ok(())
}

/// The brokers still have it and would take its records. A client that believes their answer fails what it holds for it
/// (confluentinc/librdkafka#3712).
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

/// One topic's right is taken away; that of the others is not.
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

/// Nothing may be written any more, and a producer without any right may not begin either, should one be built anew.
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
