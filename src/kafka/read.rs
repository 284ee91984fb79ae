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

/// How long one request to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the search for new topics may delay the reading.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(1);
/// An outage counts as over after this long without an error: librdkafka reports the same outage several times, with records in between.
const CALM: Duration = Duration::from_secs(5);

/// How much librdkafka may fetch ahead, in KiB, and the size of one answer of a broker, in bytes. Its own limits are 64 MiB and 50 MiB. A
/// larger record still comes: both are limits for the second record.
const QUEUED_KIB: &str = "8192";
const FETCHED_BYTES: &str = "4194304";

/// By this factor more offsets are read where too few of them were records.
const WIDER: u64 = 8;

/// One record, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The topic that holds the record.
    pub topic: String,
    /// The partition that holds the record.
    pub partition: i32,
    /// The offset of the record within the partition.
    pub offset: i64,
    /// The record timestamp in milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// The headers in order. Several may have one name, and a value of `None` is null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The value; `None` is null.
    pub value: Option<Vec<u8>>,
}

impl StoredRecord {
    /// Returns the value of the first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(it, _)| it == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// Returns the values of all headers of a name, as far as they are text.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(it, _)| it == name);
        named.filter_map(|(_, value)| std::str::from_utf8(value.as_deref()?).ok())
    }

    /// Returns the key's bytes, or an empty slice where the key is null.
    pub fn key_bytes(&self) -> &[u8] {
        self.key.as_deref().unwrap_or_default()
    }

    /// Returns the value's bytes, or an empty slice where the value is null.
    pub fn value_bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }
}

/// Reads records of a set of topics.
pub struct TopicReader {
    consumer: BaseConsumer<Listener>,
    selection: Selection,
    /// The partitions that are read. Each has the offset after the last record that was there when reading began, or after the last one to
    /// read.
    ends: BTreeMap<Partition, i64>,
    /// The partitions that have not been read up to that offset yet.
    pending: BTreeSet<Partition>,
    /// How many records are still wanted of each partition that has older ones than where reading began.
    owed: BTreeMap<Partition, u64>,
    missing: Vec<String>,
    /// All topics of the cluster.
    known: BTreeSet<String>,
    /// The partitions that are read from a time, have deleted records, and are read from the oldest one that they have.
    begin_later: BTreeSet<Partition>,
    /// A failure that may pass, until [`TopicReader::take_trouble`] returns it.
    trouble: Option<String>,
    /// The last error of an outage that is not over.
    troubled: Option<Instant>,
}

/// What a wait for a record brought.
#[derive(Debug)]
pub enum Read {
    /// A record came.
    Record(StoredRecord),
    /// No record came within the time.
    Nothing,
    /// Every record that was there when reading began has been read.
    CaughtUp,
}

impl TopicReader {
    /// Opens topics with all their partitions, to be followed. Fails when none of the topics exists.
    pub fn open(kafka: &Kafka, topics: &[String], start: Start) -> Result<Self, String> {
        let topics = topics.to_vec();
        Self::select(kafka, Selection { topics, partitions: Vec::new(), start, until: None, follow: true })
    }

    /// Opens the selected partitions. Fails when the selection matches none.
    pub fn select(kafka: &Kafka, selection: Selection) -> Result<Self, String> {
        let mut client = client_config(kafka.connection_properties());
        client.set("group.id", "hookgate-tail").set("enable.auto.commit", "false").set("enable.partition.eof", "false");
        client.set("isolation.level", "read_committed").set("auto.offset.reset", "earliest").set("fetch.wait.max.ms", "100");
        client.set("queued.max.messages.kbytes", QUEUED_KIB).set("fetch.max.bytes", FETCHED_BYTES);
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
        let mut reader = Self {
            consumer,
            selection,
            ends,
            pending,
            owed,
            missing,
            known: metadata.topics().iter().map(|topic| topic.name().to_owned()).collect(),
            begin_later: BTreeSet::new(),
            trouble: None,
            troubled: None,
        };
        for (place, (low, start, end)) in places.into_iter().zip(bounds) {
            add(&mut assignment, &place, Offset::Offset(start))?;
            if let Start::Last { records, .. } = reader.selection.start
                && low < start
            {
                reader.owed.insert(place.clone(), records);
            }
            if matches!(reader.selection.start, Start::Time(_)) && low > 0 && start == low {
                reader.begin_later.insert(place.clone());
            }
            if start < end {
                reader.pending.insert(place.clone());
            }
            reader.ends.insert(place, end);
        }
        reader.consumer.assign(&assignment).map_err(|error| error.to_string())?;
        Ok(reader)
    }

    /// Returns the topics that are read.
    pub fn topics(&self) -> BTreeSet<&str> {
        self.ends.keys().map(|(topic, _)| topic.as_str()).collect()
    }

    /// Returns whether the cluster had a topic, and this client might see it, when reading began.
    pub fn exists(&self, topic: &str) -> bool {
        self.known.contains(topic)
    }

    /// Returns the topics that were named and do not exist.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Returns the partitions that are read from a time and begin with a later record, or have none, because older ones were deleted. Some of
    /// the deleted ones may be of this time.
    pub fn begin_later(&self) -> &BTreeSet<Partition> {
        &self.begin_later
    }

    /// Returns the partitions with records that were there when reading began and have not been read yet.
    pub fn pending(&self) -> &BTreeSet<Partition> {
        &self.pending
    }

    /// Returns whether every record that was there when reading began has been read.
    pub fn caught_up(&self) -> bool {
        self.pending.is_empty()
    }

    /// Returns a reader that begins earlier, if everything has been read, fewer records have come than were wanted, and there are older
    /// ones. In a compacted topic, and where transactions end, not every offset is a record, and how many are is known only after reading.
    pub fn wider(&self, kafka: &Kafka) -> Result<Option<Self>, String> {
        let mut selection = self.selection.clone();
        let Start::Last { offsets, .. } = &mut selection.start else { return Ok(None) };
        if self.owed.is_empty() || !self.pending.is_empty() {
            return Ok(None);
        }
        *offsets = offsets.saturating_mul(WIDER);
        Self::select(kafka, selection).map(Some)
    }

    /// Returns, once, a failure that may pass. An outage is reported once.
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
                // A topic that was created later has no end.
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

    /// Handles an error of the whole client or of a partition. Returns `Err` only where librdkafka does not go on trying by itself.
    fn fail(&mut self, error: &KafkaError) -> Result<Read, String> {
        use RDKafkaErrorCode::{
            AllBrokersDown, BrokerTransportFailure, GroupAuthorizationFailed, Resolve, TopicAuthorizationFailed, UnknownTopic,
            UnknownTopicOrPartition,
        };
        let trouble = match error.rdkafka_error_code() {
            // Other brokers may still answer. librdkafka also looks for the coordinator of the group, which nothing here uses.
            Some(BrokerTransportFailure | Resolve | GroupAuthorizationFailed) => return Ok(Read::Nothing),
            Some(TopicAuthorizationFailed) => {
                let places: Vec<Partition> = self.ends.keys().cloned().collect();
                return Err(format!("no permission to read all of {}: grant Read on them ({error})", some(&places)));
            }
            Some(AllBrokersDown) => "no broker answers; still trying".to_owned(),
            Some(UnknownTopicOrPartition | UnknownTopic) if self.caught_up() => format!("a topic has gone ({error})"),
            _ => return Err(error.to_string()),
        };
        if self.troubled.replace(Instant::now()).is_none() {
            self.trouble = Some(trouble);
        }
        Ok(Read::Nothing)
    }

    /// Notes that the cluster has answered: a later failure may be a new outage.
    fn answered(&mut self) {
        self.troubled = self.troubled.filter(|reported| reported.elapsed() < CALM);
    }

    /// Marks partitions as read whose position has reached the end. The last offset of a partition may not be a record but a transaction's
    /// mark, which librdkafka skips silently.
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

    /// Looks for topics and partitions that were created since, and reads them from their beginning. An outage is not an error here.
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

/// Returns the first few topics of these partitions, for a message.
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
