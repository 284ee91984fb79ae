//! Reading the topics of a provider back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Comparison, Task};
use crate::{
    app::topic_table,
    command::{Failure, output::counted, scan, usable_brokers},
    event::{EventKind, milliseconds, timestamp},
    kafka::{
        admin,
        read::{Partition, Start, TopicReader},
    },
    proto::{Event, Origin},
};

/// How much earlier than an event its record may seem to be: the provider's clock may be ahead of ours.
const CLOCKS: Duration = Duration::from_secs(3600);
/// How much the clocks differ at most where a topic begins.
const SKEW: Duration = Duration::from_secs(60);

/// What the topics of a provider cannot say.
#[derive(Debug, Default)]
pub(in crate::command) struct Gaps {
    /// The topics that do not exist, for each type.
    absent: BTreeMap<&'static str, String>,
    /// The topics that have deleted records of the time, for each type, and from when on they have all.
    begins: BTreeMap<&'static str, (String, SystemTime)>,
}

impl Gaps {
    /// Returns whether a topic may have had an event of this type and time, and has deleted it.
    pub(super) fn may_have_held(&self, event_type: &str, at: Option<SystemTime>) -> bool {
        let begin = self.begins.get(event_type);
        begin.is_some_and(|(_, begin)| at.is_none_or(|at| at < *begin + SKEW))
    }

    /// Returns what is said of a type, of whose events a topic may have had so many.
    pub(super) fn text(&self, event_type: &str, forgotten: u64) -> Option<String> {
        if let Some(topic) = self.absent.get(event_type) {
            return Some(format!("there is no topic {topic}"));
        }
        let (topic, begin) = self.begins.get(event_type).filter(|_| forgotten > 0)?;
        let (events, begin) = (counted(forgotten, "event"), timestamp(*begin));
        Some(format!("{events} may have been on {topic}, which has deleted records from before {begin}"))
    }
}

/// Calls `visit` with each event of a provider that was published since a time, in no particular order over the partitions, and notes what
/// the topics cannot say.
pub(super) fn events(
    task: &Task<'_>,
    comparison: &mut Comparison,
    since: SystemTime,
    visit: &mut dyn FnMut(Event),
) -> Result<(), Failure> {
    if task.everything {
        return Ok(());
    }
    let provider = comparison.provider;
    let table = topic_table(task.config);
    let named: Vec<(&'static str, String)> = provider
        .names()
        .map(|name| (name, table.topic(EventKind::Named { provider: provider.name, name }).to_string()))
        .collect();
    let start = Start::Time(milliseconds(since.checked_sub(CLOCKS).unwrap_or(UNIX_EPOCH)));
    let kafka = usable_brokers(&task.config.kafka)?;
    let topics: BTreeSet<String> = named.iter().map(|(_, topic)| topic.clone()).collect();
    let mut oldest = BTreeMap::new();
    let reader = scan::each(&kafka, topics.into_iter().collect(), start, &task.stop, &mut |stored, event| {
        // A replayed record has the time of its delivery, which may be long before the records beside it.
        if event.origin() == Origin::Replayed {
            comparison.replayed.insert(event.id.clone());
        } else if let Some(time) = stored.timestamp_ms.and_then(|time| u64::try_from(time).ok()) {
            let place = (stored.topic.clone(), stored.partition);
            oldest.entry(place).or_insert(UNIX_EPOCH + Duration::from_millis(time));
        }
        let of_endpoint = task.endpoint.is_none_or(|endpoint| event.endpoint == endpoint);
        if event.provider == provider.name && of_endpoint {
            visit(event);
        }
    })?;
    let begins = begins(task, &reader, &oldest);
    for (name, topic) in named {
        if reader.missing().contains(&topic) {
            comparison.gaps.absent.insert(name, topic);
        } else if let Some(begin) = begins.get(&topic).filter(|begin| **begin + SKEW > since) {
            comparison.gaps.begins.insert(name, (topic, *begin));
        }
    }
    Ok(())
}

/// Returns the topics that have deleted records, and from when on they have all. `oldest` is the time of the oldest record of each partition.
fn begins(task: &Task<'_>, reader: &TopicReader, oldest: &BTreeMap<Partition, SystemTime>) -> BTreeMap<String, SystemTime> {
    let late = reader.begin_later();
    let bare: BTreeSet<&String> = late.iter().filter(|place| !oldest.contains_key(*place)).map(|(topic, _)| topic).collect();
    let retention = retention(task, bare);
    let mut begins = BTreeMap::new();
    for place in late {
        let begin = begin(oldest.get(place).copied(), retention.get(&place.0).copied(), (task.now)());
        let of_topic = begins.entry(place.0.clone()).or_insert(begin);
        *of_topic = begin.max(*of_topic);
    }
    begins
}

/// Returns from when on a partition that has deleted records has all of them: from its oldest one. Where it has none left, all that has
/// expired is older than the retention; without one, any record may have been deleted.
fn begin(oldest: Option<SystemTime>, retention: Option<Duration>, now: SystemTime) -> SystemTime {
    oldest.or_else(|| now.checked_sub(retention?)).unwrap_or(now)
}

/// Returns for how long topics keep records, as far as that may be read and is not for ever.
fn retention(task: &Task<'_>, topics: BTreeSet<&String>) -> BTreeMap<String, Duration> {
    let names: Vec<String> = topics.into_iter().cloned().collect();
    if names.is_empty() {
        return BTreeMap::new();
    }
    let found = admin::look_at(task.config, &names).unwrap_or_default();
    let of = |(name, topic): (String, admin::Topic)| {
        let time = topic.settings.ok()?.retention_ms.and_then(|time| u64::try_from(time).ok())?;
        Some((name, Duration::from_millis(time)))
    };
    found.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_partition_begins_with_its_oldest_record_or_with_its_retention() {
        #[track_caller]
        fn check(oldest: Option<u64>, retention: Option<u64>, expected: u64) {
            assert_eq!(begin(oldest.map(at), retention.map(Duration::from_secs), at(10_000)), at(expected));
        }
        check(Some(700), None, 700);
        check(Some(700), Some(1000), 700);
        check(None, Some(1000), 9000);
        check(None, None, 10_000);
        // Longer than the clock has run.
        check(None, Some(u64::MAX), 10_000);
    }

    #[test]
    fn only_what_is_older_than_the_topic_may_have_been_on_it() {
        let gaps = Gaps {
            absent: [("file.stored", "t.stored".to_owned())].into(),
            begins: [("file.uploaded", ("t.uploaded".to_owned(), at(1000)))].into(),
        };
        let check = |event_type: &str, time: Option<u64>, expected: bool| {
            assert_eq!(gaps.may_have_held(event_type, time.map(at)), expected, "{event_type} {time:?}");
        };
        check("file.uploaded", Some(0), true);
        check("file.uploaded", Some(1000), true);
        check("file.uploaded", Some(1059), true);
        check("file.uploaded", Some(1060), false);
        check("file.uploaded", None, true);
        for other in ["file.stored", "file.deleted"] {
            check(other, Some(0), false);
            check(other, None, false);
        }
        let text = |name, forgotten| gaps.text(name, forgotten);
        assert_eq!(text("file.uploaded", 0), None);
        assert_eq!(
            text("file.uploaded", 2).as_deref(),
            Some("2 events may have been on t.uploaded, which has deleted records from before 1970-01-01T00:16:40Z")
        );
        assert_eq!(text("file.stored", 0).as_deref(), Some("there is no topic t.stored"));
        assert_eq!(text("file.deleted", 0), None);
    }
}
