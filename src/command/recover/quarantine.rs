//! Deliveries that did arrive and could not be read: a replay may publish them yet.

use std::collections::{BTreeSet, HashSet};

use crate::{
    command::{ConfigSource, Failure, missing::Task, note, output::counted, replay, scan, usable_brokers},
    config::EndpointConfig,
    event::{EventKind, milliseconds, timestamp},
    kafka::read::Start,
};

/// Says how many deliveries of the endpoint have arrived since the window began, have no type, and were not replayed: an event that is recovered
/// and replayed later comes twice, with two ids. `replayed` holds the ids of what was replayed.
pub(super) fn mention(
    task: &Task<'_>,
    source: &ConfigSource,
    endpoint: &EndpointConfig,
    replayed: &HashSet<String>,
) -> Result<(), Failure> {
    let kinds = [EventKind::Quarantine, EventKind::Unclassified { provider: endpoint.provider.name }];
    let topics: BTreeSet<String> = kinds.into_iter().map(|kind| task.config.topics.name_of(endpoint, kind)).collect();
    let start = Start::Time(milliseconds(task.window.since));
    let mut held = HashSet::new();
    let read = scan::each(
        &usable_brokers(&task.config.kafka)?,
        topics.into_iter().collect(),
        start,
        &task.stop,
        &mut |stored, event| {
            let of_endpoint = *event.endpoint == *endpoint.name && !replayed.contains(&event.id);
            held.extend(replay::held_back(stored, event).filter(|_| of_endpoint).map(|event| event.id));
        },
    );
    match read {
        Ok(_) => {}
        Err(Failure::Failed(why)) => note(&format!("the quarantine was not looked at: {why}")),
        Err(other) => return Err(other),
    }
    if !held.is_empty() {
        let (deliveries, since) =
            (counted(held.len() as u64, "quarantined or unclassified delivery"), timestamp(task.window.since));
        let name = &endpoint.name;
        note(&format!(
            "since {since}, the endpoint {name} has {deliveries}: an event that is recovered now and replayed later comes twice, with two ids; \
             look first:"
        ));
        note(&source.command(&format!("replay --since {since} --endpoint {name} --dry-run")));
    }
    Ok(())
}
