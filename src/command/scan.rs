//! Reading topics from a place to their end.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::{
    command::{Failure, note, progress::Progress},
    config::Kafka,
    kafka::read::{Read, Selection, Start, StoredRecord, TopicReader},
    proto::{self, Event},
};

/// How long one wait for a record is.
const WAIT: Duration = Duration::from_millis(200);
/// How long Kafka may be away before the reading ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `visit` with each event that was there when reading began, in no particular order over the partitions. Values that are not events
/// are skipped. Returns the reader, which knows what it could not read.
pub(super) fn each(
    kafka: &Kafka,
    topics: Vec<String>,
    start: Start,
    stop: &AtomicBool,
    visit: &mut dyn FnMut(&StoredRecord, Event),
) -> Result<TopicReader, Failure> {
    let mut reader = open(kafka, topics, start)?;
    records(&mut reader, stop, &mut |stored, event| {
        if let Some(event) = event {
            visit(stored, event);
        }
    })?;
    Ok(reader)
}

/// Opens topics, to be read to their ends. Fails when none of them exists.
pub(super) fn open(kafka: &Kafka, topics: Vec<String>, start: Start) -> Result<TopicReader, Failure> {
    // The end is never a time: a record may be older than those before it.
    let selection = Selection { topics, partitions: Vec::new(), start, until: None, follow: false };
    Ok(TopicReader::select(kafka, selection)?)
}

/// Calls `visit` with each record that was there when reading began, and with its event if its value is one, in no particular order over the
/// partitions.
pub(super) fn records(
    reader: &mut TopicReader,
    stop: &AtomicBool,
    visit: &mut dyn FnMut(&StoredRecord, Option<Event>),
) -> Result<(), Failure> {
    let (mut arrived, mut progress) = (Instant::now(), Progress::new("records of the topics"));
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Failure::Stopped);
        }
        match reader.next(WAIT)? {
            Read::CaughtUp => return Ok(()),
            Read::Nothing => {
                if let Some(trouble) = reader.take_trouble() {
                    note(&trouble);
                }
                if arrived.elapsed() > PATIENCE {
                    let text = "Kafka stays away: `hookgate check --cluster` says why";
                    return Err(Failure::Failed(text.into()));
                }
            }
            Read::Record(stored) => {
                arrived = Instant::now();
                progress.count();
                let value = proto::unframe(stored.value_bytes()).map_or(stored.value_bytes(), |(_, event)| event);
                visit(&stored, proto::read_event(value));
            }
        }
    }
}
