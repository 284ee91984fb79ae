//! The ledger compares every attempt with every record.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    metadata::{MetadataPartition, MetadataTopic},
};

use crate::{
    delivery::{self, Provider},
    load::{Attempt, FLOOD_FROM, Outcome},
};

/// The longest time for reading all records.
const PATIENCE: Duration = Duration::from_secs(60);

/// A record on a topic.
pub(crate) struct Stored {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) id: String,
    /// The daemon's time of arrival, in seconds since 1970.
    pub(crate) received_at: u64,
    pub(crate) body: Vec<u8>,
}

/// Reads topics from the beginning to the present end.
pub(crate) fn read(brokers: &str, topics: &[String]) -> Result<Vec<Stored>, String> {
    let text = |error: rdkafka::error::KafkaError| format!("reading the topics: {error}");
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .create()
        .map_err(text)?;
    let (mut assignment, mut left) = (TopicPartitionList::new(), BTreeMap::new());
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(text)?;
        for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions).map(MetadataPartition::id) {
            let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE).map_err(text)?;
            if high > low {
                left.insert((topic.clone(), partition), high);
                assignment.add_partition_offset(topic, partition, Offset::Beginning).map_err(text)?;
            }
        }
    }
    consumer.assign(&assignment).map_err(text)?;
    let (mut records, begin) = (Vec::new(), Instant::now());
    while !left.is_empty() {
        if begin.elapsed() > PATIENCE {
            return Err(format!("the topics could not be read to their end: {left:?}"));
        }
        // Errors here are temporary, such as those of a broker that has just restarted. The time above limits how long this tries.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) else { continue };
        let place = (message.topic().to_owned(), message.partition());
        let fields = fields(message.payload().unwrap_or_default());
        let field = |number| fields.get(&number).copied().unwrap_or_default();
        records.push(Stored {
            key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
            id: String::from_utf8_lossy(field(1)).into_owned(),
            received_at: seconds(field(6)),
            body: field(10).to_owned(),
            topic: place.0.clone(),
            partition: place.1,
        });
        if left.get(&place).is_some_and(|high| message.offset() + 1 >= *high) {
            left.remove(&place);
        }
    }
    Ok(records)
}

/// Returns the fields of a protobuf message that are bytes, by their numbers. No other fields of an event are needed. Reading stops at bytes
/// that are not protobuf.
fn fields(mut bytes: &[u8]) -> BTreeMap<u64, &[u8]> {
    let mut fields = BTreeMap::new();
    while let Some(tag) = varint(&mut bytes) {
        let length = match tag & 7 {
            0 => varint(&mut bytes).map(|_| 0),
            1 => Some(8),
            2 => varint(&mut bytes),
            5 => Some(4),
            _ => None,
        };
        let Some((value, rest)) = length.and_then(|length| bytes.split_at_checked(usize::try_from(length).ok()?)) else { break };
        if tag & 7 == 2 {
            fields.insert(tag >> 3, value);
        }
        bytes = rest;
    }
    fields
}

/// Returns the seconds of a `google.protobuf.Timestamp`, which are its first field.
fn seconds(timestamp: &[u8]) -> u64 {
    timestamp.strip_prefix(b"\x08").and_then(|mut value| varint(&mut value)).unwrap_or(0)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Answers 200 whose records are gone for a reason: the provider's topic was deleted, and the answer came before it existed again.
#[derive(Clone, Copy)]
pub(crate) struct Excuse {
    pub(crate) provider: Provider,
    pub(crate) until: Instant,
}

/// The result of the comparison.
#[derive(Default, Debug)]
pub(crate) struct Books {
    pub(crate) sent: usize,
    pub(crate) stored: usize,
    pub(crate) refused: usize,
    pub(crate) other: usize,
    pub(crate) silent: usize,
    /// Deliveries that were not stored by any attempt.
    pub(crate) given_up: usize,
    /// Records after the first one of their delivery.
    pub(crate) duplicates: usize,
    /// Duplicates that no further attempt explains: the producer itself has sent them again.
    pub(crate) resent: usize,
    pub(crate) missing: usize,
    pub(crate) worst: Duration,
    /// Faults that are excused if Kafka was slow by itself, in words.
    pub(crate) excusable: Vec<String>,
    /// Faults, in words.
    pub(crate) faults: Vec<String>,
}

/// Compares the answers with the records.
pub(crate) fn reconcile(attempts: &[Attempt], records: &[Stored], excuse: Option<Excuse>) -> Books {
    let mut books = Books { sent: attempts.len(), ..Books::default() };
    let mut by_number: BTreeMap<u64, (Vec<&Attempt>, Vec<&Stored>)> = BTreeMap::new();
    for attempt in attempts {
        by_number.entry(attempt.number).or_default().0.push(attempt);
        books.worst = books.worst.max(attempt.took);
        match &attempt.outcome {
            Outcome::Stored(_) => books.stored += 1,
            Outcome::Refused => books.refused += 1,
            Outcome::Other(_) => books.other += 1,
            Outcome::Silent(_) => books.silent += 1,
        }
    }
    for record in records {
        let sender = delivery::number(&record.key).and_then(|number| Some((number, by_number.get_mut(&number)?)));
        let Some((number, entry)) = sender else {
            books.faults.push(format!("no sender has sent a record on {}, with the key {}", record.topic, record.key));
            continue;
        };
        if record.body != delivery::body(number).as_bytes() || !record.topic.ends_with(Provider::of(number).name()) {
            books.faults.push(format!("the delivery {number} is damaged or on the wrong topic, {}", record.topic));
        }
        entry.1.push(record);
    }
    for (number, (attempts, records)) in by_number {
        books.settle(number, &attempts, &records, excuse);
    }
    books
}

impl Books {
    /// Compares the attempts of one delivery with its records.
    fn settle(&mut self, number: u64, attempts: &[&Attempt], records: &[&Stored], excuse: Option<Excuse>) {
        let mut stored = false;
        for attempt in attempts {
            let Outcome::Stored(id) = &attempt.outcome else { continue };
            stored = true;
            let excused = excuse.is_some_and(|it| it.provider == Provider::of(number) && attempt.ended() < it.until);
            if !excused && !records.iter().any(|record| record.id == *id) {
                self.missing += 1;
                self.faults.push(format!("the delivery {number} was answered 200 with {id}, and is on no topic"));
            }
        }
        // A flood sends each delivery once, and most of them must be refused.
        self.given_up += usize::from(!stored && number < FLOOD_FROM);
        self.duplicates += records.len().saturating_sub(1);
        // No sender sends again after a 200. So the attempts explain one record each: all but one of them got a 503 or no answer. If
        // there are more records, only librdkafka can have sent one twice, and the two have the same id.
        self.resent += records.len().saturating_sub(attempts.len());
        let ids: BTreeSet<&str> = records.iter().map(|record| &*record.id).collect();
        if ids.len() > attempts.len() {
            self.faults
                .push(format!("the delivery {number} was sent {} times and is stored with the ids {ids:?}", attempts.len()));
        }
    }
}

/// Returns the time from the end of a fault to the first full second in which every answer was a 200 and in which there were enough answers
/// for this rate of deliveries a second.
pub(crate) fn recovery(attempts: &[Attempt], healed: Instant, rate: u32) -> Option<Duration> {
    let mut answers: Vec<_> =
        attempts.iter().map(|it| (it.ended(), matches!(it.outcome, Outcome::Stored(_)))).filter(|it| it.0 >= healed).collect();
    answers.sort_unstable();
    let enough = rate as usize / 2;
    // The full second may begin right after any answer, even if none was refused but too few came.
    let begins = answers.iter().enumerate().map(|(index, (when, stored))| (*when, index + usize::from(!stored)));
    std::iter::once((healed, 0)).chain(begins).find_map(|(begin, first)| {
        let end = begin + Duration::from_secs(1);
        let second = &answers[first..answers.partition_point(|(when, _)| *when < end)];
        let over = answers.last().is_some_and(|(last, _)| *last >= end);
        (over && second.len() >= enough && second.iter().all(|(_, stored)| *stored)).then(|| begin - healed)
    })
}

#[cfg(test)]
mod tests;
