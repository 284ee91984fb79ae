//! Which events a provider's own books know and the topics do not have. `reconcile` reports them, and `recover` publishes them.

mod filesafety;
mod filespin;
mod frameio;
pub(super) mod options;
pub(super) mod report;
pub(super) mod topics;
mod undecided;
mod uploadcare;
mod waiting;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    api::{self, ApiError},
    command::{Failure, output::counted},
    config::{Config, Environment, recover::ProviderAccess},
    outbound::Client,
    provider::Provider,
};

use topics::Gaps;
use undecided::Undecided;
pub(super) use waiting::wait;

/// How far before a window something is looked at: the topics for clocks that differ, days for other zones.
const MARGIN: Duration = Duration::from_secs(2 * 86_400);

/// The times of the events that are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeWindow {
    /// The first instant of the window.
    pub(super) since: SystemTime,
    /// The first instant after the window.
    pub(super) until: SystemTime,
}

impl TimeWindow {
    /// Returns the window between two times; without an end, it ends `grace` before now, and at the latest there.
    pub(super) fn of(since: SystemTime, until: Option<SystemTime>, grace: Duration, now: SystemTime) -> Result<Self, Failure> {
        if since.min(until.unwrap_or(since)) < UNIX_EPOCH + MARGIN {
            return Err(Failure::Usage("a time must be after 1970".into()));
        }
        let latest = now.checked_sub(grace).unwrap_or(UNIX_EPOCH);
        for (flag, time) in [("--since", Some(since)), ("--until", until)] {
            if time.is_some_and(|time| time > now) {
                return Err(Failure::Usage(format!("{flag} is in the future: what has not happened cannot be missing")));
            }
        }
        let until = until.map_or(latest, |until| until.min(latest));
        if since >= until {
            let left_out = match grace.as_secs() {
                0 => String::new(),
                seconds => format!(", and the last {seconds} s before now are left out (--grace)"),
            };
            return Err(Failure::Usage(format!("--since must be before --until{left_out}")));
        }
        Ok(Self { since, until })
    }

    fn holds(self, time: SystemTime) -> bool {
        (self.since..self.until).contains(&time)
    }
}

/// An event that the provider knows of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occurrence<'a> {
    /// One of the provider's types.
    pub(super) event_type: &'static str,
    /// What the event is about.
    pub(super) subject: &'a str,
    /// When it happened, by the provider's clock, if that is known.
    pub(super) at: Option<SystemTime>,
    /// Which one it is among events that are equal in type, subject and time, counted from 0.
    pub(super) twin: u32,
    /// What the API says of it, as JSON; empty if the task does not ask for it.
    pub(super) object: &'a str,
}

impl<'a> Occurrence<'a> {
    /// Returns the place of the event in the order of time; those without a time come first.
    pub(super) fn order(self) -> (Option<SystemTime>, &'a str, &'a str, u32) {
        (self.at, self.event_type, self.subject, self.twin)
    }
}

/// What is known of the events of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// How many the provider knows; none where it keeps no such book.
    pub(super) found: Option<u64>,
    /// How many of these the topics do not have.
    pub(super) missing: u64,
    /// How many more of these the topics do not have any more, or never had: they are of a time of which the topics have deleted records.
    pub(super) forgotten: u64,
    /// What cannot be known, and why.
    pub(super) unknown: Vec<String>,
}

impl Row {
    /// Returns how many of those that the provider knows are on the topics.
    fn on_topics(&self, found: u64) -> u64 {
        found - self.missing - self.forgotten
    }
}

/// A provider's books beside the topics.
#[derive(Debug)]
pub(super) struct Comparison {
    /// The provider.
    pub(super) provider: &'static Provider,
    /// A row for each type that was asked for.
    pub(super) rows: BTreeMap<&'static str, Row>,
    /// How many objects of the API's answers cannot be read.
    pub(super) illegible: u64,
    /// What was asked for by its id and can neither count as there nor as missing.
    pub(super) undecided: Vec<Undecided>,
    /// Whether the topics were looked at; if not, every event of the books counts as missing.
    pub(super) compared: bool,
    /// What the topics cannot say.
    pub(super) gaps: Gaps,
    /// The ids of the events that a replay has published.
    pub(super) replayed: HashSet<String>,
    /// The caller's reference to each subject that the topics have one of.
    pub(super) references: BTreeMap<String, String>,
}

impl Comparison {
    /// Counts an event that the topics do not have, and passes it on if they would have it.
    fn absent(&mut self, event: Occurrence<'_>, missing: OnMissing<'_>) -> Result<(), Failure> {
        let Some(row) = self.rows.get_mut(event.event_type) else { return Ok(()) };
        if self.gaps.may_have_held(event.event_type, event.at) {
            row.forgotten += 1;
            return Ok(());
        }
        row.missing += 1;
        missing(event)
    }

    /// Says of the types that the provider has books of what the topics cannot say.
    fn doubt(&mut self) {
        for (name, row) in self.rows.iter_mut().filter(|(_, row)| row.found.is_some()) {
            row.unknown.extend(self.gaps.text(name, row.forgotten));
        }
    }
}

/// Returns a doubt for each number that is not 0: the number, the noun of one of them, and what is to be said of them.
fn doubts(numbers: &[(u64, &str, &str)]) -> impl Iterator<Item = String> {
    numbers.iter().filter(|(number, ..)| *number > 0).map(|(number, one, rest)| format!("{} {rest}", counted(*number, one)))
}

/// Everything that a comparison needs.
pub(super) struct Task<'a> {
    pub(super) config: &'a Config,
    pub(super) environment: &'a Environment,
    pub(super) window: TimeWindow,
    /// How much earlier than the window a file may have been uploaded to which something happened in it; none is no limit.
    pub(super) lookback: Option<Duration>,
    /// The types to look at; an empty list means all.
    pub(super) types: &'a [String],
    /// The endpoint whose events count; none is every endpoint of the provider.
    pub(super) endpoint: Option<&'a str>,
    /// The scans to look at; an empty list means those that the topics have.
    pub(super) scans: &'a [String],
    /// How long scans that are not complete are asked for again.
    pub(super) patience: Duration,
    /// Whether `file.ready` of Frame.io is rebuilt from the status of files.
    pub(super) rebuild_ready: bool,
    /// Whether what is on the topics counts as missing, too.
    pub(super) everything: bool,
    /// Whether the caller needs what the API says of each missing event.
    pub(super) objects: bool,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) now: fn() -> SystemTime,
}

/// What a comparison calls for each event that is missing.
pub(super) type OnMissing<'a> = &'a mut dyn FnMut(Occurrence<'_>) -> Result<(), Failure>;

impl Task<'_> {
    /// Compares the books of a provider with the topics.
    pub(super) fn compare(&self, provider: &'static Provider, missing: OnMissing<'_>) -> Result<Comparison, Failure> {
        let mut comparison = Comparison {
            provider,
            rows: self.rows(provider),
            illegible: 0,
            undecided: Vec::new(),
            compared: !self.everything,
            gaps: Gaps::default(),
            replayed: HashSet::new(),
            references: BTreeMap::new(),
        };
        match options::access(self.config, provider)? {
            ProviderAccess::Filespin(access) => filespin::compare(self, access, &mut comparison, missing)?,
            ProviderAccess::Filesafety(access) => filesafety::compare(self, access, &mut comparison, missing)?,
            ProviderAccess::Frameio(access) => frameio::compare(self, access, &mut comparison, missing)?,
            ProviderAccess::Uploadcare(access) => uploadcare::compare(self, access, &mut comparison, missing)?,
        }
        Ok(comparison)
    }

    /// Returns an empty row for each type of a provider that was asked for.
    fn rows(&self, provider: &'static Provider) -> BTreeMap<&'static str, Row> {
        let wanted = |name: &&str| self.types.is_empty() || self.types.iter().any(|it| options::means(it, provider, name));
        provider.names().filter(wanted).map(|name| (name, Row::default())).collect()
    }

    /// Returns the time from which files and scans are looked at, because something may have happened to them within the window.
    fn looked_at_since(&self) -> SystemTime {
        let since = self.lookback.and_then(|lookback| self.window.since.checked_sub(lookback));
        since.unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH)
    }

    fn client(&self) -> Result<Client, Failure> {
        Ok(api::client(&self.config.recover, self.environment)?)
    }

    /// Waits, and returns whether to go on. The text says why, unless the wait only keeps the pace.
    fn wait(&self, time: Duration, why: &str) -> bool {
        wait(&self.stop, time, why)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Stopped => Self::Stopped,
            other => Self::Failed(other.to_string()),
        }
    }
}
