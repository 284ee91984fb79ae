//! The schema registry, which gives the schema ids before each value. Hookgate asks it at the daemon's start and never again, so the
//! registry may be away at any other time.
//!
//! [`spawn`] looks ids up, or registers missing schemas, until all ids are known; [`inspect`] reports what it would find.

mod client;
pub mod schema;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{
    config::{Config, SchemaRegistry},
    encode::Framing,
};
use client::{RegistryClient, RegistryFailure, SchemaReference};
use schema::{FILES, MESSAGE, ROOT, SchemaFile};

/// The first and the longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How often the same trouble is logged.
const REPEAT_TROUBLE: Duration = Duration::from_secs(60);

/// The state of one subject in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectState {
    /// The subject holds the schema.
    Known {
        /// The id of the schema.
        id: u32,
    },
    /// The subject does not hold the schema, and would accept it.
    Missing,
    /// The subject does not hold the schema and cannot: the text says why and what to do.
    Trouble(String),
}

/// Returns the subjects of these topics, each with its topics.
pub fn subjects<'a>(registry: &SchemaRegistry, topics: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Vec<&'a str>> {
    let mut subjects = BTreeMap::<_, Vec<_>>::new();
    for topic in topics {
        subjects.entry(registry.strategy.subject(topic, MESSAGE)).or_default().push(topic);
    }
    subjects
}

/// Returns the state of each topic's subject. With `register`, registers missing schemas. The error says why the registry cannot be asked
/// at all.
pub fn inspect(registry: &SchemaRegistry, topics: &[&str], register: bool) -> Result<BTreeMap<String, SubjectState>, String> {
    let sentence = |failure| match failure {
        RegistryFailure::Unreachable(why) | RegistryFailure::Unable(why) | RegistryFailure::Refused(why) => {
            format!("schema registry: {why}")
        }
    };
    let resolver = Resolver { client: RegistryClient::new(registry).map_err(sentence)?, register };
    // Once set, the state of all further subjects.
    let (references, mut all) = match resolver.references().map_err(sentence)? {
        Ok(references) => (references, None),
        Err(state) => (BTreeMap::new(), Some(state)),
    };
    let mut states = BTreeMap::new();
    for subject in subjects(registry, topics.iter().copied()).into_keys() {
        let state = match &all {
            Some(state) => state.clone(),
            // The states so far stay, and a time-out is waited for only once.
            None => resolver
                .state(&subject, &references)
                .unwrap_or_else(|failure| all.insert(SubjectState::Trouble(sentence(failure))).clone()),
        };
        states.insert(subject, state);
    }
    Ok(states)
}

/// Looks up schemas and their ids, or registers them.
struct Resolver<'a> {
    client: RegistryClient<'a>,
    register: bool,
}

/// Whether the registry holds a file, and where.
enum RegisteredFile {
    At { id: u32, version: u32 },
    Missing,
    Trouble(String),
}

impl Resolver<'_> {
    /// Looks up the files that the event's file imports. `Err(state)` if one cannot be had: then every subject is in that state.
    fn references(&self) -> Result<Result<BTreeMap<&'static str, SchemaReference>, SubjectState>, RegistryFailure> {
        let mut references = BTreeMap::new();
        for file in FILES.iter().filter(|file| file.name != ROOT) {
            let Some(imported) = imported(file, &references) else { return Ok(Err(SubjectState::Missing)) };
            match self.place(&file.name, file, &imported) {
                Ok(RegisteredFile::At { version, .. }) => {
                    let reference = SchemaReference { name: file.name.clone(), subject: file.name.clone(), version };
                    references.insert(file.name.as_str(), reference);
                }
                Ok(RegisteredFile::Missing) => return Ok(Err(SubjectState::Missing)),
                Ok(RegisteredFile::Trouble(why)) | Err(RegistryFailure::Refused(why)) => {
                    return Ok(Err(SubjectState::Trouble(why)));
                }
                Err(unanswered) => return Err(unanswered),
            }
        }
        Ok(Ok(references))
    }

    /// Returns the state of a subject for the event's file. Trouble with one subject says nothing about another.
    fn state(&self, subject: &str, references: &BTreeMap<&str, SchemaReference>) -> Result<SubjectState, RegistryFailure> {
        let root = FILES.iter().find(|file| file.name == ROOT);
        let Some((root, imported)) = root.and_then(|root| Some((root, imported(root, references)?))) else {
            return Ok(SubjectState::Missing);
        };
        match self.place(subject, root, &imported) {
            Ok(RegisteredFile::At { id, .. }) => Ok(SubjectState::Known { id }),
            Ok(RegisteredFile::Missing) => Ok(SubjectState::Missing),
            Ok(RegisteredFile::Trouble(why)) | Err(RegistryFailure::Refused(why)) => Ok(SubjectState::Trouble(why)),
            Err(RegistryFailure::Unable(why)) => Ok(SubjectState::Trouble(format!("subject {subject}: {why}"))),
            Err(unreachable) => Err(unreachable),
        }
    }

    fn place(&self, subject: &str, file: &SchemaFile, references: &[SchemaReference]) -> Result<RegisteredFile, RegistryFailure> {
        let at = |found: client::Registered| RegisteredFile::At { id: found.id, version: found.version };
        if let Some(found) = self.client.look_up(subject, file, references)? {
            return Ok(at(found));
        }
        if let Some(why) = self.client.incompatible(subject, file, references)? {
            return Ok(RegisteredFile::Trouble(format!(
                "subject {subject}: the schema of this version is incompatible with the newest one there: {why}; \
                 give the topics another prefix, choose another subject_name_strategy, or change the subject's compatibility"
            )));
        }
        if !self.register {
            return Ok(RegisteredFile::Missing);
        }
        self.client.register(subject, file, references)?;
        // Only a look-up reports the version.
        let found = self.client.look_up(subject, file, references)?;
        found.map(at).ok_or_else(|| RegistryFailure::Refused(format!("subject {subject}: registered, and not found afterwards")))
    }
}

/// Returns the registered files that a file imports, or `None` if one is missing.
fn imported(file: &SchemaFile, references: &BTreeMap<&str, SchemaReference>) -> Option<Vec<SchemaReference>> {
    file.imports.iter().map(|name| references.get(name.as_str()).cloned()).collect()
}

/// Returns every reason why an id is missing, each once.
pub fn obstacles(states: &BTreeMap<String, SubjectState>) -> Vec<String> {
    let missing = states.iter().filter(|(_, state)| **state == SubjectState::Missing).map(|(subject, _)| subject.as_str());
    let missing: Vec<&str> = missing.collect();
    let mut obstacles = Vec::new();
    if !missing.is_empty() {
        let (count, subjects) = (missing.len(), missing.join(" "));
        obstacles.push(format!("{count} subjects hold no schema of this version: {subjects}; {MISSING_HINT}"));
    }
    for state in states.values() {
        if let SubjectState::Trouble(why) = state
            && !obstacles.contains(why)
        {
            obstacles.push(why.clone());
        }
    }
    obstacles
}

/// What to do about a missing schema.
const MISSING_HINT: &str =
    "register it with `hookgate topics --apply`, or let the daemon do it with [schema_registry] register = true";

/// Starts a thread that asks the registry until all ids are known. It ends when the returned sender is dropped.
pub fn spawn(config: &Config, framing: Framing) -> Result<Option<mpsc::Sender<()>>, String> {
    let Some(registry) = config.schema_registry.clone() else { return Ok(None) };
    let (alive, inbox) = mpsc::channel();
    let ask = move || Asking { registry, framing, last_warning: None }.run(&inbox);
    let spawned = thread::Builder::new().name("schema-registry".into()).spawn(ask);
    spawned.map_err(|error| format!("cannot start the schema registry thread: {error}"))?;
    Ok(Some(alive))
}

struct Asking {
    registry: SchemaRegistry,
    framing: Framing,
    /// The trouble that was logged last, and when.
    last_warning: Option<(String, Instant)>,
}

impl Asking {
    fn run(mut self, inbox: &mpsc::Receiver<()>) {
        let mut pause = PAUSES.0;
        loop {
            let trouble = self.attempt();
            if trouble.is_empty() {
                tracing::info!("every schema id is known, the registry is not needed any more");
                return;
            }
            self.tell(&trouble.join("; "), pause);
            match inbox.recv_timeout(pause) {
                Err(mpsc::RecvTimeoutError::Timeout) => pause = (pause * 2).min(PAUSES.1),
                _ => return,
            }
        }
    }

    /// Asks for the ids that are not known yet. Returns what prevents the rest.
    fn attempt(&self) -> Vec<String> {
        let missing = self.framing.missing();
        let topics: Vec<&str> = missing.iter().map(|topic| &**topic).collect();
        let states = match inspect(&self.registry, &topics, self.registry.register) {
            Ok(states) => states,
            Err(why) => return vec![why],
        };
        for (subject, id) in know(&self.framing, &self.registry, &topics, &states) {
            tracing::info!(subject, id, "a schema id is known");
        }
        obstacles(&states)
    }

    /// Logs a reason at once when it changes, and the same reason only from time to time.
    fn tell(&mut self, why: &str, pause: Duration) {
        if self.last_warning.as_ref().is_some_and(|(last, at)| last == why && at.elapsed() < REPEAT_TROUBLE) {
            return;
        }
        self.last_warning = Some((why.to_owned(), Instant::now()));
        let (topics, pause_ms) = (self.framing.missing().len(), crate::logged::milliseconds(pause));
        tracing::error!(why, topics, pause_ms, "schema ids are missing, the deliveries of their topics are answered 503");
    }
}

/// Returns the framing with all ids known, for a command that publishes at once. Missing schemas are registered where the configuration says
/// so. The error says why an id is not known, and what to do.
pub fn known_framing(config: &Config, topics: &[Arc<str>]) -> Result<Framing, String> {
    let framing = framing(config, topics);
    if let Some(registry) = &config.schema_registry {
        let topics: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
        let states = inspect(registry, &topics, registry.register)?;
        know(&framing, registry, &topics, &states);
        if !framing.missing().is_empty() {
            return Err(obstacles(&states).join("; "));
        }
    }
    Ok(framing)
}

/// Sets the ids that are known. Returns the subjects with them.
fn know(
    framing: &Framing,
    registry: &SchemaRegistry,
    topics: &[&str],
    states: &BTreeMap<String, SubjectState>,
) -> Vec<(String, u32)> {
    let mut known = Vec::new();
    for (subject, topics) in subjects(registry, topics.iter().copied()) {
        let Some(SubjectState::Known { id }) = states.get(&subject) else { continue };
        for topic in topics {
            framing.know(topic, *id);
        }
        known.push((subject, *id));
    }
    known
}

/// Returns the framing of values for these topics: none without a registry.
pub fn framing(config: &Config, topics: &[Arc<str>]) -> Framing {
    match config.schema_registry {
        Some(_) => Framing::awaiting(topics.iter().map(Arc::clone)),
        None => Framing::default(),
    }
}
