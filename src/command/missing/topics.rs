//! Reading the topics of a provider back.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use super::Task;
use crate::{
    app::topic_table,
    command::{Failure, scan, usable_brokers},
    event::{EventKind, milliseconds},
    kafka::read::Start,
    proto::Event,
    provider::Provider,
};

/// How much earlier than an event its record may seem to be: the provider's clock may be ahead of ours.
const CLOCKS: Duration = Duration::from_secs(3600);

/// Calls `visit` with each event of a provider that was published since a time, in no particular order over the partitions.
/// Returns the types of which the topics may have lost records, with the reason.
pub(super) fn events(
    task: &Task<'_>,
    provider: &'static Provider,
    since: SystemTime,
    visit: &mut dyn FnMut(Event),
) -> Result<Vec<(&'static str, String)>, Failure> {
    if task.everything {
        return Ok(Vec::new());
    }
    let table = topic_table(task.config);
    let named: Vec<(&'static str, String)> = provider
        .names()
        .map(|name| (name, table.topic(EventKind::Named { provider: provider.name, name }).to_string()))
        .collect();
    let start = Start::Time(milliseconds(since.checked_sub(CLOCKS).unwrap_or(SystemTime::UNIX_EPOCH)));
    let kafka = usable_brokers(&task.config.kafka)?;
    let topics: BTreeSet<String> = named.iter().map(|(_, topic)| topic.clone()).collect();
    let reader = scan::each(&kafka, topics.into_iter().collect(), start, &task.stop, &mut |_, event| {
        let of_endpoint = task.endpoint.is_none_or(|endpoint| event.endpoint == endpoint);
        if event.provider == provider.name && of_endpoint {
            visit(event);
        }
    })?;
    let why = |topic: &String| {
        if reader.missing().contains(topic) {
            Some(format!("there is no topic {topic}"))
        } else if reader.begins_later().contains(topic) {
            Some(format!("{topic} has deleted records that may be of this time"))
        } else {
            None
        }
    };
    Ok(named.iter().filter_map(|(name, topic)| Some((*name, why(topic)?))).collect())
}
