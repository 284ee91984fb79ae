//! Reading topics back, for `hookgate tail` and `hookgate dev`. Partitions are assigned, never subscribed: no consumer group appears in
//! the cluster and nothing is committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _},
    metadata::Metadata,
};

use super::{
    client_config,
    context::{self, Listener},
};
use crate::config::Kafka;

/// How long one question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the search for new topics may hold up the reading.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an outage must be over to be over: librdkafka reports the same one several times, with records in between.
const CALM: Duration = Duration::from_secs(5);
/// After how long a question is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// So many times as many offsets are looked at where too few of them were records.
const WIDER: u64 = 8;

/// A topic and one of its partitions.
pub type Place = (String, i32);

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record.
    Beginning,
    /// With the next record to come.
    End,
    /// With the first record of this time or later, in milliseconds since the epoch.
    Time(i64),
    /// With so many records before the next one to come, in each partition that has them.
    Last {
        /// How many.
        records: u64,
        /// Among how many offsets: not each is that of a record, see [`Reader::wider`].
        offsets: u64,
    },
    /// With this offset, in each partition, or the nearest that there is.
    Offset(i64),
    /// With an offset for each of these partitions; the others are not read.
    Offsets(BTreeMap<i32, i64>),
}

/// What to read.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Names and patterns of topics: see [`matches()`].
    pub topics: Vec<String>,
    /// The partitions to read; all where empty.
    pub partitions: Vec<i32>,
    /// Where to begin.
    pub start: Start,
    /// The time of the first record that is not read any more, as its topic's time index says.
    pub until: Option<i64>,
    /// Whether records count that come after reading began.
    pub follow: bool,
}

/// One record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record timestamp in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The key.
    pub key: Vec<u8>,
    /// The headers in order; values that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The value.
    pub value: Vec<u8>,
}

impl Stored {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// Reads records of a set of topics.
pub struct Reader {
    consumer: BaseConsumer<Listener>,
    selection: Selection,
    /// What is read, with the offset behind the last record to read when reading began.
    ends: BTreeMap<Place, i64>,
    /// The partitions that have not been read so far.
    pending: BTreeSet<Place>,
    /// How many records are still wanted of partitions that have older ones than where reading began.
    owed: BTreeMap<Place, u64>,
    missing: Vec<String>,
    /// What went wrong and may pass, until somebody asks.
    trouble: Option<String>,
    /// When an outage was last reported that is not over.
    troubled: Option<Instant>,
}

/// What a wait for a record brought.
#[derive(Debug)]
pub enum Read {
    /// A record.
    Record(Stored),
    /// Nothing within the time.
    Nothing,
    /// Every record that was there when reading began has been read.
    CaughtUp,
}

impl Reader {
    /// Opens topics with all their partitions, to be followed. Fails when none of them exists.
    pub fn open(kafka: &Kafka, topics: &[String], start: Start) -> Result<Self, String> {
        let topics = topics.to_vec();
        Self::select(kafka, Selection { topics, partitions: Vec::new(), start, until: None, follow: true })
    }

    /// Opens what is selected. Fails where that is nothing.
    pub fn select(kafka: &Kafka, selection: Selection) -> Result<Self, String> {
        let mut client = client_config(kafka.connection_properties());
        client.set("group.id", "hookgate-tail").set("enable.auto.commit", "false").set("enable.partition.eof", "false");
        client.set("isolation.level", "read_committed").set("auto.offset.reset", "earliest").set("fetch.wait.max.ms", "100");
        let listener = Listener::default();
        let consumer: BaseConsumer<Listener> =
            client.create_with_context(listener.clone()).map_err(|error| context::explain(&error))?;
        let metadata = consumer.fetch_metadata(None, TIMEOUT).map_err(|error| {
            format!("the brokers {} do not answer: {}", kafka.brokers.join(","), listener.explain(&consumer, &error))
        })?;
        let places = selection.places(&metadata);
        let names = |topic: &&String| !topic.contains('*') && !metadata.topics().iter().any(|it| it.name() == topic.as_str());
        let missing: Vec<String> = selection.topics.iter().filter(names).cloned().collect();
        if places.is_empty() {
            let there = metadata.topics().iter().any(|topic| selection.wants(topic.name()));
            let topics = selection.topics.join(" ");
            return Err(if there {
                format!("no such partition in {topics}")
            } else {
                context::no_such_topic(&selection.topics, &metadata)
            });
        }
        let bounds = selection
            .bounds(&consumer, &places)
            .map_err(|error| format!("cannot read the offsets of {}: {error}", some(&places)))?;
        let mut assignment = TopicPartitionList::new();
        let (ends, pending, owed) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let mut reader = Self { consumer, selection, ends, pending, owed, missing, trouble: None, troubled: None };
        for (place, (low, start, end)) in places.into_iter().zip(bounds) {
            add(&mut assignment, &place, Offset::Offset(start))?;
            if let Start::Last { records, .. } = reader.selection.start
                && low < start
            {
                reader.owed.insert(place.clone(), records);
            }
            if start < end {
                reader.pending.insert(place.clone());
            }
            reader.ends.insert(place, end);
        }
        reader.consumer.assign(&assignment).map_err(|error| error.to_string())?;
        Ok(reader)
    }

    /// The topics that were named and are not there.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The partitions of which not everything has been read that was there when reading began.
    pub fn pending(&self) -> &BTreeSet<Place> {
        &self.pending
    }

    /// Whether every record that was there when reading began has been read.
    pub fn caught_up(&self) -> bool {
        self.pending.is_empty()
    }

    /// Where everything has been read and fewer records have come than were asked for, although there are older ones: the same, begun
    /// earlier. Offsets are no records where a topic is compacted, and where transactions end: what that leaves is known only when it is read.
    pub fn wider(&self, kafka: &Kafka) -> Result<Option<Self>, String> {
        let mut selection = self.selection.clone();
        let Start::Last { offsets, .. } = &mut selection.start else { return Ok(None) };
        if self.owed.is_empty() || !self.pending.is_empty() {
            return Ok(None);
        }
        *offsets = offsets.saturating_mul(WIDER);
        Self::select(kafka, selection).map(Some)
    }

    /// What went wrong since it was last asked for, and may pass: an outage is told once.
    pub fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Waits for the next record, at most `wait`.
    pub fn next(&mut self, wait: Duration) -> Result<Read, String> {
        if self.pending.is_empty() && !self.selection.follow {
            return Ok(Read::CaughtUp);
        }
        let polled = self.consumer.poll(wait).map(|polled| polled.map(|message| stored(&message)));
        match polled {
            None => {
                self.look_at_positions()?;
                Ok(if self.pending.is_empty() { Read::CaughtUp } else { Read::Nothing })
            }
            Some(Ok(stored)) => {
                self.answered();
                let place = (stored.topic.clone(), stored.partition);
                // A topic that came later has no end.
                let end = self.ends.get(&place).copied().unwrap_or(0);
                if stored.offset + 1 >= end {
                    self.pending.remove(&place);
                }
                if let Some(owed) = self.owed.get_mut(&place) {
                    *owed -= 1;
                    if *owed == 0 {
                        self.owed.remove(&place);
                    }
                }
                Ok(if stored.offset >= end && !self.selection.follow { Read::Nothing } else { Read::Record(stored) })
            }
            Some(Err(error)) => self.fail(&error),
        }
    }

    /// An error of the whole client, or of a partition. librdkafka goes on trying by itself.
    fn fail(&mut self, error: &KafkaError) -> Result<Read, String> {
        use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, Resolve, UnknownTopic, UnknownTopicOrPartition};
        let trouble = match error.rdkafka_error_code() {
            // The others may be there.
            Some(BrokerTransportFailure | Resolve) => return Ok(Read::Nothing),
            Some(AllBrokersDown) => "no broker answers; still trying".to_owned(),
            Some(UnknownTopicOrPartition | UnknownTopic) if self.caught_up() => format!("a topic has gone ({error})"),
            _ => return Err(error.to_string()),
        };
        if self.troubled.replace(Instant::now()).is_none() {
            self.trouble = Some(trouble);
        }
        Ok(Read::Nothing)
    }

    /// The cluster has answered: a trouble from now on may be a new one.
    fn answered(&mut self) {
        self.troubled = self.troubled.filter(|reported| reported.elapsed() < CALM);
    }

    /// The last offset of a partition need not be a record: transactions leave marks. librdkafka steps over them without a word.
    fn look_at_positions(&mut self) -> Result<(), String> {
        if !self.pending.is_empty() {
            let positions = self.consumer.position().map_err(|error| error.to_string())?;
            for position in positions.elements() {
                let place = (position.topic().to_owned(), position.partition());
                let end = self.ends.get(&place).copied().unwrap_or(0);
                if matches!(position.offset(), Offset::Offset(offset) if offset >= end) {
                    self.pending.remove(&place);
                }
            }
        }
        Ok(())
    }

    /// Looks for topics and partitions that have come since, and reads them from their beginning. An outage is no failure.
    pub fn look_for_new(&mut self) -> Result<(), String> {
        let Ok(metadata) = self.consumer.fetch_metadata(None, SEARCH_TIMEOUT) else { return Ok(()) };
        self.answered();
        let mut new = self.selection.places(&metadata);
        new.retain(|place| !self.ends.contains_key(place));
        let mut assignment = TopicPartitionList::new();
        for place in new {
            add(&mut assignment, &place, Offset::Beginning)?;
            self.ends.insert(place, 0);
        }
        if assignment.count() > 0 {
            self.consumer.incremental_assign(&assignment).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Of a partition the oldest offset, the first to read, and the one behind the last to read.
type Bounds = (i64, i64, i64);

impl Selection {
    fn wants(&self, topic: &str) -> bool {
        // Kafka's own topics are none that a pattern means.
        let own = topic.starts_with("__");
        self.topics.iter().any(|wanted| matches(wanted, topic) && (!own || wanted.starts_with("__")))
    }

    fn places(&self, metadata: &Metadata) -> Vec<Place> {
        let topics = metadata.topics().iter().filter(|topic| self.wants(topic.name()));
        let places = topics.flat_map(|topic| topic.partitions().iter().map(|it| (topic.name().to_owned(), it.id())));
        let named = |partition: i32| match &self.start {
            Start::Offsets(offsets) => offsets.contains_key(&partition),
            _ => true,
        };
        places.filter(|(_, it)| named(*it) && (self.partitions.is_empty() || self.partitions.contains(it))).collect()
    }

    fn bounds(&self, consumer: &BaseConsumer<Listener>, places: &[Place]) -> Result<Vec<Bounds>, KafkaError> {
        let lows = offsets(consumer, places, Offset::Beginning)?;
        let highs = offsets(consumer, places, Offset::End)?;
        let at_time = |time: i64| -> Result<Vec<i64>, KafkaError> {
            // Below are the protocol's names for the beginning and the end.
            let found = offsets(consumer, places, Offset::Offset(time.max(0)))?;
            // There is none at a time that has not come.
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
        let clamped = starts.iter().zip(lows.iter().zip(&highs)).map(|(start, (low, high))| ((*start).clamp(*low, *high), *low));
        Ok(clamped.zip(ends).map(|((start, low), end)| (low, start, end)).collect())
    }
}

/// Whether a text is what a pattern stands for: `*` for any characters, everything else for itself.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    match rest.rsplit_once('*') {
        None => text.ends_with(rest),
        Some((middle, end)) => {
            let Some(mut text) = text.strip_suffix(end) else { return false };
            // The first place of each part leaves the most for those behind it.
            middle.split('*').all(|part| {
                let found = text.find(part);
                text = found.map_or("", |at| &text[at + part.len()..]);
                found.is_some()
            })
        }
    }
}

/// What the cluster answers for each place: the offset of its oldest record, of the next one, or of the first of a time. All places of a
/// broker are one request. A topic that was just created, or whose leader has just moved, is listed before its leader knows of it.
fn offsets(consumer: &BaseConsumer<Listener>, places: &[Place], at: Offset) -> Result<Vec<i64>, KafkaError> {
    let begin = Instant::now();
    let mut question = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        question.add_partition_offset(topic, *partition, at)?;
    }
    loop {
        let answer = consumer.offsets_for_times(question.clone(), TIMEOUT).and_then(|answer| {
            let of_place = |(topic, partition): &Place| {
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

fn add(assignment: &mut TopicPartitionList, (topic, partition): &Place, offset: Offset) -> Result<(), String> {
    assignment.add_partition_offset(topic, *partition, offset).map_err(|error| error.to_string())
}

/// The first few topics of these places, for a message.
fn some(places: &[Place]) -> String {
    let topics: BTreeSet<&str> = places.iter().map(|(topic, _)| topic.as_str()).collect();
    let shown: Vec<&str> = topics.iter().take(3).copied().collect();
    let more = topics.len() - shown.len();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// Whether an answer is only that of a cluster that is still finding out.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition, UnknownTopicOrPartition};
    matches!(error.rdkafka_error_code(), Some(LeaderNotAvailable | NotLeaderForPartition | UnknownTopicOrPartition))
}

fn stored(message: &BorrowedMessage<'_>) -> Stored {
    let headers = message.headers().map(|headers| {
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
    });
    Stored {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
        value: message.payload().unwrap_or_default().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

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
        // Nothing counts twice.
        check("ab*ba", "aba", false);
        check("*a*a*", "a", false);
        check("*a**a*", "xaay", true);
        check("ü*ü", "üü", true);
    }
}
