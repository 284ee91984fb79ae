//! Reading topics back, for `hookgate tail` and `hookgate dev`. Partitions are assigned, never subscribed: no consumer group appears in
//! the cluster and nothing is committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _},
};

pub use self::selection::{Partition, Selection, Start, matches};
use super::{causes, client::client_config, leaders, listener::Listener};
use crate::config::Kafka;

mod selection;

/// How long one question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the search for new topics may hold up the reading.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an outage must be over to be over: librdkafka reports the same one several times, with records in between.
const CALM: Duration = Duration::from_secs(5);

/// So many times as many offsets are looked at where too few of them were records.
const WIDER: u64 = 8;

/// One record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record timestamp in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The key; none is null.
    pub key: Option<Vec<u8>>,
    /// The headers in order, of which several may have one name; a value that is none is null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The value; none is null.
    pub value: Option<Vec<u8>>,
}

impl StoredRecord {
    /// The value of the first header of a name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(it, _)| it == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// The key's bytes, none of them where it is null.
    pub fn key_bytes(&self) -> &[u8] {
        self.key.as_deref().unwrap_or_default()
    }

    /// The value's bytes, none of them where it is null.
    pub fn value_bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }
}

/// Reads records of a set of topics.
pub struct TopicReader {
    consumer: BaseConsumer<Listener>,
    selection: Selection,
    /// What is read, with the offset behind the last record to read when reading began.
    ends: BTreeMap<Partition, i64>,
    /// The partitions that have not been read so far.
    pending: BTreeSet<Partition>,
    /// How many records are still wanted of partitions that have older ones than where reading began.
    owed: BTreeMap<Partition, u64>,
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
    Record(StoredRecord),
    /// Nothing within the time.
    Nothing,
    /// Every record that was there when reading began has been read.
    CaughtUp,
}

impl TopicReader {
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
        let listener = Listener::new(kafka);
        let consumer = listener.clone().consumer(client)?;
        let metadata = consumer.fetch_metadata(None, TIMEOUT).map_err(|error| listener.explain(&consumer, &error))?;
        let places = selection.places(&metadata);
        let names = |topic: &&String| !topic.contains('*') && !metadata.topics().iter().any(|it| it.name() == topic.as_str());
        let missing: Vec<String> = selection.topics.iter().filter(names).cloned().collect();
        if places.is_empty() {
            return Err(selection.nothing_there(&metadata));
        }
        let wanted = |name: &str| places.iter().any(|(topic, _)| topic == name);
        let unreachable = leaders::unreachable(&consumer, &metadata, wanted, TIMEOUT);
        if !unreachable.is_empty() {
            return Err(causes::sentence(kafka, &unreachable));
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
    pub fn pending(&self) -> &BTreeSet<Partition> {
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

fn add(assignment: &mut TopicPartitionList, (topic, partition): &Partition, offset: Offset) -> Result<(), String> {
    assignment.add_partition_offset(topic, *partition, offset).map_err(|error| error.to_string())
}

/// The first few topics of these places, for a message.
fn some(places: &[Partition]) -> String {
    let topics: BTreeSet<&str> = places.iter().map(|(topic, _)| topic.as_str()).collect();
    let shown: Vec<&str> = topics.iter().take(3).copied().collect();
    let more = topics.len() - shown.len();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

fn stored(message: &BorrowedMessage<'_>) -> StoredRecord {
    let headers = message
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect());
    StoredRecord {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        value: message.payload().map(<[u8]>::to_vec),
    }
}
