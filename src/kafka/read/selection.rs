//! Which records of a cluster to read: topics by name or pattern, and the range of offsets in each partition.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{Metadata, MetadataTopic},
};

use super::TIMEOUT;
use crate::{config::suggestion, kafka::listener::Listener};

/// How long to wait before a request is repeated.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A topic and one of its partitions.
pub type Partition = (String, i32);

/// The record to begin with, in each partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Begin with the oldest record.
    Beginning,
    /// Begin with the next record to come.
    End,
    /// Begin with the first record of this time or later, in milliseconds since the epoch.
    Time(i64),
    /// Begin this many records before the next one to come, in each partition that has them.
    Last {
        /// How many records to read.
        records: u64,
        /// How many offsets to search for these records: not every offset is a record, see [`super::TopicReader::wider`].
        offsets: u64,
    },
    /// Begin with this offset in each partition, or with the nearest that there is.
    Offset(i64),
    /// Begin with an offset for each of these partitions; the others are not read.
    Offsets(BTreeMap<i32, i64>),
}

/// The topics, partitions and records to read.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Names and patterns of topics, as [`matches()`] compares them.
    pub topics: Vec<String>,
    /// The partitions to read; an empty list means all.
    pub partitions: Vec<i32>,
    /// The record to begin with.
    pub start: Start,
    /// The time of the first record that is not read any more, by the time index of the topic.
    pub until: Option<i64>,
    /// Whether to read records that come after reading began.
    pub follow: bool,
}

/// The oldest offset of a partition, the first offset to read, and the offset after the last to read.
type Bounds = (i64, i64, i64);

impl Selection {
    fn wants(&self, topic: &str) -> bool {
        // A pattern never means Kafka's own topics, unless it begins like their names.
        let own = topic.starts_with("__");
        self.topics.iter().any(|wanted| matches(wanted, topic) && (!own || wanted.starts_with("__")))
    }

    pub(super) fn places(&self, metadata: &Metadata) -> Vec<Partition> {
        let topics = metadata.topics().iter().filter(|topic| self.wants(topic.name()));
        let places = topics.flat_map(|topic| topic.partitions().iter().map(|it| (topic.name().to_owned(), it.id())));
        let named = |partition: i32| match &self.start {
            Start::Offsets(offsets) => offsets.contains_key(&partition),
            _ => true,
        };
        places.filter(|(_, it)| named(*it) && (self.partitions.is_empty() || self.partitions.contains(it))).collect()
    }

    /// Returns why there is nothing to read, with a name that is nearly the same, or with where to look.
    pub(super) fn nothing_there(&self, metadata: &Metadata) -> String {
        let names = || metadata.topics().iter().map(MetadataTopic::name);
        let topics = self.topics.join(" ");
        if names().any(|topic| self.wants(topic)) {
            return format!("no such partition in {topics}");
        }
        let hint = match self.topics.iter().find_map(|wanted| suggestion(wanted, names())) {
            Some(close) => format!("did you mean {close}?"),
            None => "`hookgate topics` lists the configured ones".into(),
        };
        format!("no such topic: {topics}; {hint}")
    }

    pub(super) fn bounds(&self, consumer: &BaseConsumer<Listener>, places: &[Partition]) -> Result<Vec<Bounds>, KafkaError> {
        let lows = offsets(consumer, places, Offset::Beginning)?;
        let highs = offsets(consumer, places, Offset::End)?;
        let at_time = |time: i64| -> Result<Vec<i64>, KafkaError> {
            // Negative values mean the beginning and the end in the protocol.
            let found = offsets(consumer, places, Offset::Offset(time.max(0)))?;
            // No record is of this time or later, so the answer is negative.
            Ok(found.iter().zip(&highs).map(|(found, high)| if *found < 0 { *high } else { *found.min(high) }).collect())
        };
        let starts = match &self.start {
            Start::Beginning => lows.clone(),
            Start::End => highs.clone(),
            Start::Time(time) => at_time(*time)?,
            Start::Last { offsets, .. } => {
                highs.iter().map(|high| high.saturating_sub(i64::try_from(*offsets).unwrap_or(i64::MAX))).collect()
            }
            Start::Offset(offset) => vec![*offset; places.len()],
            Start::Offsets(offsets) => places.iter().map(|(_, partition)| offsets[partition]).collect(),
        };
        let ends = match self.until {
            Some(time) => at_time(time)?,
            None => highs.clone(),
        };
        // If a topic was created anew between two of these requests, its end may lie before its beginning.
        let clamped =
            starts.iter().zip(lows.iter().zip(&highs)).map(|(start, (low, high))| ((*start).min(*high).max(*low), *low));
        Ok(clamped.zip(ends).map(|((start, low), end)| (low, start, end)).collect())
    }
}

/// Returns whether a text fits a pattern: `*` stands for any characters, everything else for itself.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    match rest.rsplit_once('*') {
        None => text.ends_with(rest),
        Some((middle, end)) => {
            let Some(mut text) = text.strip_suffix(end) else { return false };
            // Taking the first place of each part leaves the most text for the parts after it.
            middle.split('*').all(|part| {
                let found = text.find(part);
                text = found.map_or("", |at| &text[at + part.len()..]);
                found.is_some()
            })
        }
    }
}

/// Returns the cluster's answer for each partition: the offset of its oldest record, of the next one, or of the first of a time. All
/// partitions of a broker are one request. The request is repeated for a while, because a topic that was just created, or whose leader has
/// just moved, is listed before its leader knows of it.
fn offsets(consumer: &BaseConsumer<Listener>, places: &[Partition], at: Offset) -> Result<Vec<i64>, KafkaError> {
    let begin = Instant::now();
    let mut question = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        question.add_partition_offset(topic, *partition, at)?;
    }
    loop {
        let answer = consumer.offsets_for_times(question.clone(), TIMEOUT).and_then(|answer| {
            let of_place = |(topic, partition): &Partition| {
                let element = answer.find_partition(topic, *partition);
                element.map_or(Ok(-1), |element| element.error().map(|()| element.offset().to_raw().unwrap_or(-1)))
            };
            places.iter().map(of_place).collect()
        });
        match answer {
            Err(error) if passes(&error) && begin.elapsed() < TIMEOUT => thread::sleep(AGAIN_AFTER),
            result => return result,
        }
    }
}

/// Returns whether an error will pass, because the cluster is still finding out who leads the partition, and up to where. A broker that has
/// just started reports each of these.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        FencedLeaderEpoch, LeaderNotAvailable, NotLeaderForPartition, OffsetNotAvailable, ReplicaNotAvailable,
        UnknownLeaderEpoch, UnknownTopicOrPartition,
    };
    matches!(
        error.rdkafka_error_code(),
        Some(
            LeaderNotAvailable
                | NotLeaderForPartition
                | ReplicaNotAvailable
                | UnknownTopicOrPartition
                | FencedLeaderEpoch
                | UnknownLeaderEpoch
                | OffsetNotAvailable
        )
    )
}

#[cfg(test)]
mod tests {
    use rdkafka::error::{KafkaError, RDKafkaErrorCode};

    use super::{matches, passes};

    #[test]
    fn what_a_broker_reports_while_a_leader_is_found_passes() {
        #[track_caller]
        fn check(code: RDKafkaErrorCode, expected: bool) {
            assert_eq!(passes(&KafkaError::OffsetFetch(code)), expected, "{code:?}");
        }
        for code in [
            RDKafkaErrorCode::LeaderNotAvailable,
            RDKafkaErrorCode::NotLeaderForPartition,
            RDKafkaErrorCode::ReplicaNotAvailable,
            RDKafkaErrorCode::UnknownTopicOrPartition,
            RDKafkaErrorCode::FencedLeaderEpoch,
            RDKafkaErrorCode::UnknownLeaderEpoch,
            RDKafkaErrorCode::OffsetNotAvailable,
        ] {
            check(code, true);
        }
        check(RDKafkaErrorCode::TopicAuthorizationFailed, false);
        check(RDKafkaErrorCode::BrokerTransportFailure, false);
    }

    #[test]
    fn a_star_stands_for_anything() {
        fn check(pattern: &str, text: &str, matched: bool) {
            assert_eq!(matches(pattern, text), matched, "{pattern} {text}");
        }
        check("a.b", "a.b", true);
        check("a.b", "a.bc", false);
        check("", "", true);
        check("*", "", true);
        check("a.*", "a.b", true);
        check("a.*", "a.", true);
        check("a.*", "b.a.", false);
        check("*.infected", "hookgate.uploadcare.file.infected", true);
        check("*.infected", "hookgate.uploadcare.file.infected.x", false);
        check("*.scan.*", "hookgate.filesafety.scan.complete", true);
        check("*.scan.*", "hookgate.filesafety.scan", false);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        // No character counts for two parts of a pattern.
        check("ab*ba", "aba", false);
        check("*a*a*", "a", false);
        check("*a**a*", "xaay", true);
        check("ü*ü", "üü", true);
    }
}
