//! `[topics]`: which topic a kind of event goes to, and how topics are created.

use std::{collections::BTreeMap, time::Duration};

use super::{
    getters::Section,
    problem::{ValueOrigin, suggestion},
    reader::Value,
};
use crate::{event::EventKind, provider};

/// The longest topic name that Kafka accepts, in bytes.
const NAME_BYTES_MAX: usize = 249;

/// What is said of names that brokers give their own topics, in which they keep their own records.
const INTERNAL: &str = "begins with \"__\", as the brokers' own topics do, such as __consumer_offsets; choose another name";

/// The values of the table `[topics]`.
#[derive(Clone, Debug)]
pub struct Topics {
    /// The beginning of every topic's name, except where `map` says otherwise.
    pub prefix: String,
    /// Topics by kind (`frameio.file.ready`), by provider (`frameio.*`) or for `quarantine`.
    pub map: BTreeMap<String, String>,
    /// How many partitions `hookgate topics --apply` gives a new topic.
    pub partitions: i32,
    /// How many replicas `hookgate topics --apply` gives a new topic; -1 is the broker's default.
    pub replication: i32,
    /// `min.insync.replicas` of a new topic: how many replicas hold an event before the sender gets its 200; -1 is the broker's default.
    pub min_insync_replicas: i32,
    /// How long a new topic keeps records.
    pub retention: Duration,
    /// `max.message.bytes` of the topics: the largest record, in bytes.
    pub max_message_bytes: usize,
}

/// What a new topic is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// How many partitions it gets.
    pub partitions: i32,
    /// How many replicas it gets; `None` leaves that to the brokers.
    pub replicas: Option<i32>,
    /// Its settings, by Kafka's names.
    pub settings: Vec<(&'static str, String)>,
}

impl Topics {
    /// Returns what a new topic is created with, whoever creates it.
    pub fn spec(&self) -> TopicSpec {
        let mut settings = vec![
            ("retention.ms", self.retention.as_millis().to_string()),
            ("max.message.bytes", self.max_message_bytes.to_string()),
        ];
        // With -1 the brokers decide. Kafka's own default is 1.
        if self.min_insync_replicas > 0 {
            settings.push(("min.insync.replicas", self.min_insync_replicas.to_string()));
        }
        let replicas = Some(self.replication).filter(|number| *number > 0);
        TopicSpec { partitions: self.partitions, replicas, settings }
    }

    /// Returns the topic of a kind. The most specific entry of the map wins: the kind itself, then `<provider>.*`, which covers
    /// unclassified events too, then the prefix.
    pub fn name(&self, kind: EventKind) -> String {
        let name = kind.name();
        let all = || kind.provider().and_then(|provider| self.map.get(&format!("{provider}.*")));
        match self.map.get(name.as_ref()).or_else(all) {
            Some(topic) => topic.clone(),
            None => format!("{}{name}", self.prefix),
        }
    }

    /// Returns how many replicas must hold an event before it is acknowledged, whoever created the topic. If the brokers decide, two: with
    /// one, an acknowledged event can be lost together with one broker.
    pub fn in_sync_wanted(&self) -> usize {
        usize::try_from(self.min_insync_replicas).unwrap_or(2)
    }
}

/// Returns every key that `[topics.map]` accepts.
pub(super) fn map_names() -> Vec<String> {
    let of_provider = |provider: &'static provider::Provider| {
        [format!("{}.*", provider.name)].into_iter().chain(provider.kinds().map(|kind| kind.name().into_owned()))
    };
    let mut names: Vec<String> = provider::ALL.iter().copied().flat_map(of_provider).collect();
    names.push(EventKind::Quarantine.name().into_owned());
    names
}

/// Reads `[topics]`. Warnings go to `warnings`.
pub(super) fn read(mut section: Section<'_>, warnings: &mut Vec<String>) -> Topics {
    let day = Duration::from_secs(86_400);
    let narrow = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    let prefix = prefix(&mut section);
    let map = map(section.map("map", map_names()));
    let partitions = narrow(section.integer("partitions", 6, &(1..=10_000)));
    let replication = replication(&mut section);
    let topics = Topics {
        prefix,
        map,
        partitions,
        replication,
        min_insync_replicas: min_insync_replicas(&mut section, replication, warnings),
        retention: section.duration("retention", day * 14, &(Duration::from_secs(60)..=day * 3650)),
        // A smaller record could not hold any body beside the record's own fields; Kafka's sizes have 32 bits.
        max_message_bytes: usize::try_from(section.size("max_message_bytes", 1_000_000, &(128 << 10..=1_000_000_000)))
            .unwrap_or(usize::MAX),
    };
    if let Some(key) = section.written("map")
        && let quarantine = topics.name(EventKind::Quarantine)
        && let Some(other) =
            (provider::ALL.iter().copied()).flat_map(provider::Provider::kinds).find(|kind| topics.name(*kind) == quarantine)
    {
        let message = format!(
            "[topics.map]: quarantine and {} would share the topic {quarantine:?}, but replay reads quarantine's as a whole",
            other.name()
        );
        section.reader.problem(key, message);
    }
    if let Some((one, other)) = collision(&topics) {
        let message = format!(
            "{one:?} and {other:?} differ in \".\" and \"_\" alone, and Kafka refuses the second of two such topics; rename one of them"
        );
        let origin = section.written("map").or_else(|| section.written("prefix")).unwrap_or_else(|| section.origin.clone());
        section.reader.problem(origin, format!("[topics.map]: {message}"));
    }
    section.finish();
    topics
}

/// Returns two topics whose names are the same in the names of Kafka's metrics, so that Kafka refuses to have both.
fn collision(topics: &Topics) -> Option<(String, String)> {
    let mut names = BTreeMap::new();
    let kinds = provider::ALL.iter().copied().flat_map(provider::Provider::kinds).chain([EventKind::Quarantine]);
    let mut each = kinds.map(|kind| topics.name(kind));
    each.find_map(|name| {
        let other = names.insert(name.replace('.', "_"), name.clone()).filter(|other| *other != name)?;
        Some((other, name))
    })
}

fn prefix(section: &mut Section<'_>) -> String {
    let (prefix, origin) = section.text_or("prefix", "hookgate.");
    let longest = map_names().iter().map(String::len).max().unwrap_or(0);
    // Even "." is allowed, because something always follows it.
    if !prefix.bytes().all(is_legal_byte) || prefix.len() + longest > NAME_BYTES_MAX {
        let message = format!(
            "must be letters, digits, '.', '_' and '-', at most {} of them: Kafka takes no other topic names",
            NAME_BYTES_MAX - longest
        );
        section.complain("prefix", origin, &message);
    } else if prefix.starts_with("__") {
        section.complain("prefix", origin, INTERNAL);
    } else if prefix.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        section.warn(
            "prefix",
            &format!("topics are called {prefix}frameio.file.ready and so on; if {prefix}.frameio.file.ready is meant, write \"{prefix}.\""),
        );
    }
    prefix
}

fn replication(section: &mut Section<'_>) -> i32 {
    let origin = section.written("replication");
    let replication = section.integer("replication", 3, &(-1..=1000));
    if replication == 0 {
        section.complain(
            "replication",
            origin.unwrap_or_else(|| section.origin.clone()),
            "must be 1 or more, or -1 for the broker's default",
        );
    }
    i32::try_from(replication).unwrap_or(i32::MAX)
}

/// Reads how many replicas must hold a record, for topics with `replication` replicas. Warns of each choice that costs something.
fn min_insync_replicas(section: &mut Section<'_>, replication: i32, warnings: &mut Vec<String>) -> i32 {
    let default = match replication {
        // The brokers' default is not made worse.
        -1 => -1,
        3.. => 2,
        _ => 1,
    };
    let origin = section.written("min_insync_replicas").unwrap_or_else(|| section.origin.clone());
    let number = section.integer("min_insync_replicas", default.into(), &(-1..=1000));
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    match (number, replication) {
        // A default stands in for what was complained about.
        _ if section.is_faulty("replication") || section.is_faulty("min_insync_replicas") => {}
        (0, _) => section.complain("min_insync_replicas", origin, "must be 1 or more, or -1 for the broker's default"),
        (_, 1..) if number > replication => {
            let message = format!("is above replication ({replication}), so that nothing could ever be written");
            section.complain("min_insync_replicas", origin, &message);
        }
        (1, 1) => warnings.push(
            "[topics] replication is 1: an acknowledged event can be lost with one broker; three replicas prevent that".into(),
        ),
        (1, _) => warnings.push(
            "[topics] min_insync_replicas is 1: an acknowledged event can be lost with one broker; 2 of three replicas prevent that"
                .into(),
        ),
        (-1, _) => warnings.push(
            "[topics] min_insync_replicas is -1: the brokers decide for new topics, and Kafka's default is 1, with which an acknowledged \
             event can be lost with one broker; 2 of three replicas prevent that"
                .into(),
        ),
        (2.., _) if number == replication => warnings.push(format!(
            "[topics] min_insync_replicas is {number}, as is replication: while one broker is away, deliveries are answered 503"
        )),
        _ => {}
    }
    number
}

fn map(mut section: Section<'_>) -> BTreeMap<String, String> {
    let names = map_names();
    let mut topics = BTreeMap::new();
    for (name, item) in section.drain() {
        let complain = |origin: ValueOrigin, message: &str| section.complain(&name, origin, message);
        let origin = item.origin;
        match item.value {
            _ if !names.contains(&name) && !matches!(item.value, Value::Table(_)) => {
                let hint = match suggestion(&name, names.iter().map(String::as_str)) {
                    Some(close) => format!("did you mean \"{close}\"?"),
                    None => "`hookgate topics` lists them all".into(),
                };
                complain(origin, &format!("no such kind of event; {hint}"));
            }
            Value::Text(topic) | Value::Given(topic) if topic.starts_with("__") => complain(origin, INTERNAL),
            Value::Text(topic) | Value::Given(topic) if is_legal(&topic) && topic.len() <= NAME_BYTES_MAX => {
                topics.insert(name, topic);
            }
            Value::Text(_) | Value::Given(_) => complain(
                origin,
                "is not the name of a topic: 1 to 249 letters, digits, '.', '_' and '-', and neither \".\" nor \"..\"",
            ),
            // TOML reads an unquoted dotted key as a table.
            Value::Table(_) => complain(origin, "is a table; quote the whole name, such as \"frameio.file.ready\""),
            _ => complain(origin, "a string was expected"),
        }
    }
    section.show_all(topics.iter().map(|(name, topic)| (name, topic.as_str())));
    topics
}

fn is_legal(name: &str) -> bool {
    name.bytes().all(is_legal_byte) && !matches!(name, "" | "." | "..")
}

fn is_legal_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}
