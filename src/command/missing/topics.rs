//! Reading the topics of a provider back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Comparison, Task};
use crate::{
    command::{Failure, output::counted, scan, usable_brokers},
    config::EndpointConfig,
    event::{EventKind, milliseconds, timestamp},
    kafka::{
        admin::{self, Settings},
        read::{Partition, Start, TopicReader},
    },
    proto::{Event, Origin},
    provider::Provider,
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
    let named = named(task, provider);
    let start = Start::Time(milliseconds(since.checked_sub(CLOCKS).unwrap_or(UNIX_EPOCH)));
    let kafka = usable_brokers(&task.config.kafka)?;
    let topics: BTreeSet<String> = named.iter().map(|(_, topic)| topic.clone()).chain(former(task, provider)).collect();
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
            comparison.gaps.absent.entry(name).or_insert(topic);
        } else if let Some(begin) = begins.get(&topic).filter(|begin| **begin + SKEW > since) {
            // Of endpoints with topics of their own, nobody knows on which an event was.
            let known = comparison.gaps.begins.entry(name).or_insert_with(|| (topic.clone(), *begin));
            if known.1 < *begin {
                *known = (topic, *begin);
            }
        }
    }
    Ok(())
}

/// Returns the topics of each type of a provider that the task is about, in order: several where endpoints have topics of their own.
fn named(task: &Task<'_>, provider: &Provider) -> BTreeSet<(&'static str, String)> {
    let asked = |it: &&EndpointConfig| it.provider.name == provider.name && task.endpoint.is_none_or(|name| *it.name == *name);
    let topic = |it, name| task.config.topics.name_of(it, EventKind::Named { provider: provider.name, name });
    let endpoints = task.config.endpoints.iter().filter(asked);
    endpoints.flat_map(|it| provider.names().map(move |name| (name, topic(it, name)))).collect()
}

/// Returns the topics on which events of endpoints with topics of their own were before they had these. Events there are not missing.
fn former(task: &Task<'_>, provider: &'static Provider) -> impl Iterator<Item = String> {
    let has_own = task.config.endpoints.iter().any(|it| it.provider.name == provider.name && it.topic_prefix.is_some());
    let kinds = provider.names().filter(move |_| has_own).map(|name| EventKind::Named { provider: provider.name, name });
    kinds.map(|kind| task.config.topics.name(kind))
}

/// Returns the topics that have deleted records, and from when on they have all. `oldest` is the time of the oldest record of each partition.
fn begins(task: &Task<'_>, reader: &TopicReader, oldest: &BTreeMap<Partition, SystemTime>) -> BTreeMap<String, SystemTime> {
    let late = reader.begin_later();
    let retention = retention(task, late.iter().map(|(topic, _)| topic).collect());
    let mut begins = BTreeMap::new();
    for place in late {
        let begin = begin(oldest.get(place).copied(), retention.get(&place.0).copied(), (task.now)());
        let of_topic = begins.entry(place.0.clone()).or_insert(begin);
        *of_topic = begin.max(*of_topic);
    }
    begins
}

/// Why a topic deletes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Retention {
    /// How old a record is at least when it expires. Its time is that of the arrival of its webhook, or later, whether this or the broker's is
    /// stored, and a broker deletes a segment only when the latest time in it has expired.
    time: Duration,
    /// Whether records are deleted for the size of a partition, too, however young they are.
    by_size: bool,
}

/// Returns from when on a partition that has deleted records has all of them: from its oldest one, or from what cannot have expired yet by the
/// broker's clock. A quiet partition may have a young oldest record. Without a retention, somebody has deleted records, of any time.
fn begin(oldest: Option<SystemTime>, retention: Option<Retention>, now: SystemTime) -> SystemTime {
    let unexpired = retention.and_then(|it| now.checked_sub(it.time)).map(|time| time + SKEW);
    match (oldest, unexpired) {
        (Some(oldest), Some(unexpired)) if retention.is_some_and(|it| !it.by_size) => oldest.min(unexpired),
        (Some(oldest), _) => oldest,
        // What is deleted for the size leaves the newest.
        (None, unexpired) => unexpired.unwrap_or(now),
    }
}

/// Returns the retention of topics, as far as it may be read.
fn retention(task: &Task<'_>, topics: BTreeSet<&String>) -> BTreeMap<String, Retention> {
    let names: Vec<String> = topics.into_iter().cloned().collect();
    if names.is_empty() {
        return BTreeMap::new();
    }
    let found = admin::look_at(task.config, &names).unwrap_or_default();
    let of = |(name, topic): (String, admin::Topic)| Some((name, expiry(&topic.settings.ok()?)?));
    found.into_iter().filter_map(of).collect()
}

/// Returns when a topic with these settings deletes records, if that depends on their age.
fn expiry(settings: &Settings) -> Option<Retention> {
    let time = Duration::from_millis(u64::try_from(settings.retention_ms?).ok()?);
    // A topic that is compacted may lose any record but the newest of each key.
    let by_age = settings.cleanup_policy.as_deref() == Some("delete");
    by_age.then_some(Retention { time, by_size: settings.retention_bytes != Some(-1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_partition_begins_with_its_oldest_record_or_with_what_has_not_expired() {
        #[track_caller]
        fn check(oldest: Option<u64>, retention: Option<(u64, bool)>, expected: u64) {
            let retention = retention.map(|(time, by_size)| Retention { time: Duration::from_secs(time), by_size });
            assert_eq!(begin(oldest.map(at), retention, at(10_000)), at(expected));
        }
        check(Some(700), None, 700);
        check(Some(700), Some((1000, false)), 700);
        check(Some(9500), Some((1000, false)), 9060);
        // A partition that was too large.
        check(Some(9500), Some((1000, true)), 9500);
        check(Some(9500), None, 9500);
        check(None, Some((1000, false)), 9060);
        check(None, Some((1000, true)), 9060);
        check(None, None, 10_000);
        // Longer than the clock has run.
        check(None, Some((u64::MAX, false)), 10_000);
        check(Some(9500), Some((u64::MAX, false)), 9500);
    }

    #[test]
    fn only_a_topic_that_deletes_by_age_has_an_expiry() {
        #[track_caller]
        fn check(policy: Option<&str>, time: Option<i64>, bytes: Option<i64>, expected: Option<(u64, bool)>) {
            let cleanup_policy = policy.map(str::to_owned);
            let settings = Settings { cleanup_policy, retention_ms: time, retention_bytes: bytes, ..Settings::default() };
            let expected = expected.map(|(time, by_size)| Retention { time: Duration::from_secs(time), by_size });
            assert_eq!(expiry(&settings), expected, "{settings:?}");
        }
        check(Some("delete"), Some(9000), Some(-1), Some((9, false)));
        check(Some("delete"), Some(9000), Some(1 << 30), Some((9, true)));
        check(Some("delete"), Some(9000), None, Some((9, true)));
        check(Some("delete"), Some(-1), Some(-1), None);
        check(Some("delete"), None, Some(-1), None);
        check(Some("compact"), Some(9000), Some(-1), None);
        check(Some("compact,delete"), Some(9000), Some(-1), None);
        check(None, Some(9000), Some(-1), None);
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
