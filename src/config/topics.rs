//! `[topics]`: which topic a kind of event goes to, and how topics are created.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    EndpointConfig,
    getters::{Section, values},
    keys::Kind,
    problem::suggestion,
    reader::Value,
    units::show_duration,
};
use crate::{event::EventKind, provider};

/// The longest topic name that Kafka accepts, in bytes.
const NAME_BYTES_MAX: usize = 249;

const DAY: Duration = Duration::from_secs(86_400);
/// The longest retention that can be configured.
const RETENTION_MAX: Duration = DAY.saturating_mul(3650);

/// What is said of names that brokers give their own topics, in which they keep their own records.
const INTERNAL: &str = "begins with \"__\", as the brokers' own topics do, such as __consumer_offsets; choose another name";

/// The values of the table `[topics]`.
#[derive(Clone, Debug)]
pub struct Topics {
    /// The beginning of every topic's name, except where `map` says otherwise.
    pub prefix: String,
    /// The prefixes of endpoints that have topics of their own. None of them begins another, or a topic of any other endpoint.
    pub endpoint_prefixes: BTreeSet<String>,
    /// Topics by kind (`frameio.file.ready`), by provider (`frameio.*`) or for `quarantine`.
    pub map: BTreeMap<String, String>,
    /// How many partitions `hookgate topics --apply` gives a new topic, except where `partitions_of` says otherwise.
    pub partitions: i32,
    /// Partitions of new topics, by the same names as `map`.
    pub partitions_of: BTreeMap<String, i32>,
    /// How many replicas `hookgate topics --apply` gives a new topic; -1 is the broker's default.
    pub replication: i32,
    /// `min.insync.replicas` of a new topic: how many replicas hold an event before the sender gets its 200; -1 is the broker's default.
    pub min_insync_replicas: i32,
    /// How long a new topic keeps records, except where `retention_of` says otherwise.
    pub retention: Duration,
    /// Retentions of new topics, by the same names as `map`.
    pub retention_of: BTreeMap<String, Duration>,
    /// `max.message.bytes` of the topics: the largest record, in bytes.
    pub max_message_bytes: usize,
}

/// What a new topic is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// How many partitions it gets.
    pub partitions: i32,
    /// How long it keeps records.
    pub retention: Duration,
    /// How many replicas it gets; `None` leaves that to the brokers.
    pub replicas: Option<i32>,
    /// Its settings, by Kafka's names.
    pub settings: Vec<(&'static str, String)>,
}

impl Topics {
    /// Returns what a new topic is created with, also by another tool. A topic that no kind goes to gets what holds for most.
    pub fn spec(&self, topic: &str) -> TopicSpec {
        let own = self.endpoint_prefixes.iter().find(|prefix| topic.starts_with(&**prefix));
        let name = |kind| own.map_or_else(|| self.name(kind), |prefix| self.name_under(prefix, kind));
        let kind = kinds().find(|kind| name(*kind) == topic);
        let (partitions, retention) =
            kind.map_or((self.partitions, self.retention), |kind| (self.partitions(kind), self.retention(kind)));
        let mut settings =
            vec![("retention.ms", retention.as_millis().to_string()), ("max.message.bytes", self.max_message_bytes.to_string())];
        // With -1 the brokers decide. Kafka's own default is 1.
        if self.min_insync_replicas > 0 {
            settings.push(("min.insync.replicas", self.min_insync_replicas.to_string()));
        }
        let replicas = Some(self.replication).filter(|number| *number > 0);
        TopicSpec { partitions, retention, replicas, settings }
    }

    fn partitions(&self, kind: EventKind) -> i32 {
        of_kind(&self.partitions_of, kind).copied().unwrap_or(self.partitions)
    }

    /// Returns how long the topic of a kind keeps records. The quarantine waits for a person, so by default it is kept twice as long as
    /// anything else.
    fn retention(&self, kind: EventKind) -> Duration {
        let longest = || self.retention_of.values().copied().fold(self.retention, Duration::max);
        match (of_kind(&self.retention_of, kind), kind) {
            (Some(retention), _) => *retention,
            (None, EventKind::Quarantine) => longest().saturating_mul(2).min(RETENTION_MAX),
            (None, _) => self.retention,
        }
    }

    /// Returns the topic of a kind: that of the map, or the prefix and the kind's name.
    pub fn name(&self, kind: EventKind) -> String {
        of_kind(&self.map, kind).cloned().unwrap_or_else(|| format!("{}{}", self.prefix, kind.name()))
    }

    /// Returns the topic of a kind for endpoints with this prefix of their own. It takes the place of `prefix`, also in the map.
    pub(super) fn name_under(&self, prefix: &str, kind: EventKind) -> String {
        let name = self.name(kind);
        format!("{prefix}{}", name.strip_prefix(&self.prefix).unwrap_or(&name))
    }

    /// Returns the topic of a kind for an endpoint.
    pub fn name_of(&self, endpoint: &EndpointConfig, kind: EventKind) -> String {
        endpoint.topic_prefix.as_deref().map_or_else(|| self.name(kind), |prefix| self.name_under(prefix, kind))
    }

    /// Returns the prefix that a topic begins with: that of an endpoint, or the one of all others. None for a topic of the map with a name
    /// of another kind, and where the prefix is empty.
    pub fn prefix_of(&self, topic: &str) -> Option<&str> {
        let mut prefixes = self.endpoint_prefixes.iter().chain([&self.prefix]);
        prefixes.find(|prefix| !prefix.is_empty() && topic.starts_with(&***prefix)).map(String::as_str)
    }

    /// Returns how many replicas must hold an event before it is acknowledged, whoever created the topic. If the brokers decide, two: with
    /// one, an acknowledged event can be lost together with one broker.
    pub fn in_sync_wanted(&self) -> usize {
        usize::try_from(self.min_insync_replicas).unwrap_or(2)
    }
}

/// Returns the entry of a kind. The most specific wins: the kind itself, then `<provider>.*`, which covers unclassified events too.
fn of_kind<T>(table: &BTreeMap<String, T>, kind: EventKind) -> Option<&T> {
    let all = || kind.provider().and_then(|provider| table.get(&format!("{provider}.*")));
    table.get(kind.name().as_ref()).or_else(all)
}

/// Returns every kind that an event can be.
pub(super) fn kinds() -> impl Iterator<Item = EventKind> {
    provider::ALL.iter().copied().flat_map(provider::Provider::kinds).chain([EventKind::Quarantine])
}

/// Returns every key that `[topics.map]`, `[topics.partitions_of]` and `[topics.retention_of]` accept.
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
    let narrow = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    let (partitions, retention) = (1..=10_000, Duration::from_secs(60)..=RETENTION_MAX);
    let prefix = prefix(&mut section);
    let map = by_kind(section.map("map", map_names(), Kind::Text), |_, value| topic_name(value), |name| name.as_str().into());
    let partitions_of = by_kind(
        section.map("partitions_of", map_names(), Kind::Integer(partitions.clone())),
        |name, value| values::integer(&format!("{name:?}"), value, &partitions).map(narrow),
        |number| (*number).into(),
    );
    let retention_of = by_kind(
        section.map("retention_of", map_names(), Kind::Duration(retention.clone())),
        |_, value| values::duration(value, &retention),
        |time| show_duration(*time).into(),
    );
    let replication = replication(&mut section);
    let topics = Topics {
        prefix,
        endpoint_prefixes: BTreeSet::new(),
        map,
        partitions: narrow(section.integer("partitions", 6, &partitions)),
        partitions_of,
        replication,
        min_insync_replicas: min_insync_replicas(&mut section, replication, warnings),
        retention: section.duration("retention", DAY * 14, &retention),
        retention_of,
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
    disagreement(&section, "partitions_of", &topics, |kind| topics.partitions(kind).to_string());
    disagreement(&section, "retention_of", &topics, |kind| show_duration(topics.retention(kind)));
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
    let mut each = kinds().map(|kind| topics.name(kind));
    each.find_map(|name| {
        let other = names.insert(name.replace('.', "_"), name.clone()).filter(|other| *other != name)?;
        Some((other, name))
    })
}

/// Complains of two kinds that share a topic and have different values in the table `key`, because a topic can have only one.
fn disagreement(section: &Section<'_>, key: &str, topics: &Topics, value: impl Fn(EventKind) -> String) {
    let Some(origin) = section.written(key) else { return };
    let mut seen = BTreeMap::new();
    for kind in kinds() {
        let (topic, value) = (topics.name(kind), value(kind));
        match seen.get(&topic) {
            None => drop(seen.insert(topic, (kind, value))),
            Some((_, known)) if *known == value => {}
            Some((other, known)) => {
                let message = format!(
                    "[topics.{key}]: {} ({known}) and {} ({value}) share the topic {topic:?}, which can have only one value; give both the same",
                    other.name(),
                    kind.name()
                );
                return section.reader.problem(origin, message);
            }
        }
    }
}

fn prefix(section: &mut Section<'_>) -> String {
    let (prefix, origin) = section.text_or("prefix", "hookgate.");
    if let Some(fault) = prefix_fault(&prefix, map_names().iter().map(String::len)) {
        section.complain("prefix", origin, &fault);
    } else if let Some(warning) = no_separator(&prefix) {
        section.warn("prefix", &warning);
    }
    prefix
}

/// Returns what is wrong with a prefix of topics, after which so many more bytes follow.
pub(super) fn prefix_fault(prefix: &str, rests: impl Iterator<Item = usize>) -> Option<String> {
    let longest = rests.max().unwrap_or(0);
    // Even "." is allowed, because something always follows it.
    if !prefix.bytes().all(is_legal_byte) || prefix.len() + longest > NAME_BYTES_MAX {
        return Some(format!(
            "must be letters, digits, '.', '_' and '-', at most {} of them: Kafka takes no other topic names",
            NAME_BYTES_MAX.saturating_sub(longest)
        ));
    }
    prefix.starts_with("__").then(|| INTERNAL.into())
}

/// Returns what is said of a prefix that nothing separates from what follows.
pub(super) fn no_separator(prefix: &str) -> Option<String> {
    prefix.ends_with(|c: char| c.is_ascii_alphanumeric()).then(|| {
        format!(
            "topics are called {prefix}frameio.file.ready and so on; if {prefix}.frameio.file.ready is meant, write \"{prefix}.\""
        )
    })
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

/// Reads a table whose keys are kinds of events. `read` returns the value of an entry, or what is wrong with it.
fn by_kind<T>(
    mut section: Section<'_>,
    read: impl Fn(&str, &Value) -> Result<T, String>,
    show: impl Fn(&T) -> serde_json::Value,
) -> BTreeMap<String, T> {
    let names = map_names();
    let mut table = BTreeMap::new();
    for (name, item) in section.drain() {
        let value = match &item.value {
            // TOML reads an unquoted dotted key as a table.
            Value::Table(_) => Err("is a table; quote the whole name, such as \"frameio.file.ready\"".into()),
            _ if !names.contains(&name) => {
                let hint = match suggestion(&name, names.iter().map(String::as_str)) {
                    Some(close) => format!("did you mean \"{close}\"?"),
                    None => "`hookgate topics` lists them all".into(),
                };
                Err(format!("no such kind of event; {hint}"))
            }
            value => read(&name, value),
        };
        match value {
            Ok(value) => drop(table.insert(name, value)),
            Err(message) => section.complain(&name, item.origin, &message),
        }
    }
    section.show_all(table.iter().map(|(name, value)| (name, show(value))));
    table
}

fn topic_name(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(topic) | Value::Given(topic) if topic.starts_with("__") => Err(INTERNAL.into()),
        Value::Text(topic) | Value::Given(topic) if is_legal(topic) && topic.len() <= NAME_BYTES_MAX => Ok(topic.clone()),
        Value::Text(_) | Value::Given(_) => {
            Err("is not the name of a topic: 1 to 249 letters, digits, '.', '_' and '-', and neither \".\" nor \"..\"".into())
        }
        _ => Err("a string was expected".into()),
    }
}

fn is_legal(name: &str) -> bool {
    name.bytes().all(is_legal_byte) && !matches!(name, "" | "." | "..")
}

fn is_legal_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}
