//! The audit log, read day by day: no question is about a long time, so no cursor has to last.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use super::{Likeness, SKEW, WITHIN, since, uploads_since};
use crate::{
    api::{
        ApiError,
        frameio::{DAY, Frameio, day},
    },
    command::{Failure, missing::Task, note, progress::Progress},
    config::recover::FrameioApi,
    event::timestamp,
    provider::frameio::{AuditEntry, Counterpart, UPLOAD_COMPLETED},
};

/// What the log has.
#[derive(Default)]
pub(super) struct Logged {
    /// The time of each entry, and its text if that is needed.
    pub(super) entries: BTreeMap<Likeness, Vec<(SystemTime, Box<str>)>>,
    pub(super) illegible: u64,
    /// Entries that do not say of which type they are, or of which resources, for each type that they may be.
    pub(super) vague: BTreeMap<&'static str, (u64, u64)>,
    /// The files that were uploaded in the window or not long before it, if the task asks for them.
    pub(super) uploads: BTreeSet<String>,
    /// How many entries have a type that Hookgate does not know, for each such type.
    pub(super) strange: BTreeMap<String, u64>,
    /// How many entries of the window are of the configured workspaces.
    pub(super) own: u64,
    /// How many are of other workspaces.
    pub(super) foreign: u64,
    answers: Answers,
}

/// Reads what the log has of a task's window, and of the days beside it: days may be those of another zone, and the last one may be left
/// out.
pub(super) fn read(task: &Task<'_>, access: &FrameioApi, api: &mut Frameio<'_, '_>) -> Result<Logged, Failure> {
    let (mut logged, mut progress) = (Logged::default(), Progress::new("days of the audit log"));
    for of in days(since(task) - DAY, task.window.until + DAY) {
        logged.answers.next();
        let read = api.audit_log(of, &mut |entry| {
            logged.take(task, &access.workspaces, entry);
            Ok(())
        });
        if let Err(error) = read {
            part(task, of, &error);
            return Err(error.into());
        }
        progress.count();
    }
    Ok(logged)
}

/// Returns the beginning of each day from one time to another, both days included.
fn days(from: SystemTime, to: SystemTime) -> impl Iterator<Item = SystemTime> {
    let number = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY.as_secs();
    (number(from)..=number(to)).map(|number| UNIX_EPOCH + Duration::from_secs(number * DAY.as_secs()))
}

/// Says which part of the window needs only the days before one that Frame.io does not answer about.
fn part(task: &Task<'_>, failed: SystemTime, error: &ApiError) {
    // For a window that ends here, the last question is about the day before.
    let until = failed - 2 * DAY;
    if *error != ApiError::Stopped && until > task.window.since {
        let (day, until) = (day(failed), timestamp(until));
        note(&format!("the audit log was read up to the day {day}: with --until {until} only days before it are asked for"));
    }
}

/// An entry, or the text of one that cannot be read.
type LoggedLine = Result<AuditEntry, Box<str>>;

/// Puts the answers about single days together. An entry may come with the question about its day and with the one before. Entries have no
/// ids and may be equal, so they are counted: there are as many of them as one answer has, at most.
#[derive(Default)]
struct Answers {
    /// How many equal entries the answer before has.
    before: HashMap<LoggedLine, u32>,
    /// How many equal entries this answer has so far.
    now: HashMap<LoggedLine, u32>,
}

impl Answers {
    /// Begins the next answer.
    fn next(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// Returns whether an entry of this answer is not one of the answer before.
    fn is_new(&mut self, line: &LoggedLine) -> bool {
        let known = self.before.get(line).copied().unwrap_or_default();
        let count = self.now.entry(line.clone()).or_default();
        *count += 1;
        *count > known
    }
}

impl Logged {
    fn take(&mut self, task: &Task<'_>, workspaces: &[String], text: &str) {
        let line = AuditEntry::of(text).map_err(|_| Box::from(text));
        // The log is that of the whole account, and a webhook is of one workspace.
        let is_foreign = |entry: &AuditEntry| {
            !entry.workspace_id.is_empty() && !workspaces.is_empty() && !workspaces.contains(&entry.workspace_id)
        };
        if let Ok(entry) = &line {
            if !is_foreign(entry) && is_upload(task, entry) {
                self.uploads.insert(entry.resource_id.clone());
            }
            // A delivery within the window may be that of an entry near it.
            if entry.at + WITHIN + SKEW < task.window.since || entry.at >= task.window.until + WITHIN + SKEW {
                return;
            }
        }
        if !self.answers.is_new(&line) {
            return;
        }
        match line {
            Ok(entry) if is_foreign(&entry) => self.foreign += u64::from(task.window.holds(entry.at)),
            Ok(entry) => {
                // Some entries are of the account alone, which says nothing of the workspaces.
                self.own += u64::from(task.window.holds(entry.at) && !entry.workspace_id.is_empty());
                self.add(task, entry, text);
            }
            Err(_) => self.illegible += 1,
        }
    }

    fn add(&mut self, task: &Task<'_>, entry: AuditEntry, text: &str) {
        let within = task.window.holds(entry.at);
        match Counterpart::of(&entry.event_type, &entry.resource_type) {
            Counterpart::Webhook(name) => {
                let text = if task.objects { without_address(text) } else { Box::default() };
                self.entries.entry((name, entry.resource_id, entry.user_id)).or_default().push((entry.at, text));
            }
            Counterpart::OneOf(_) | Counterpart::Several(_) | Counterpart::Unknown if !within => {}
            Counterpart::OneOf(types) => types.iter().for_each(|name| self.vague.entry(name).or_default().0 += 1),
            Counterpart::Several(types) => types.iter().for_each(|name| self.vague.entry(name).or_default().1 += 1),
            Counterpart::Unknown => *self.strange.entry(entry.event_type).or_default() += 1,
            Counterpart::None => {}
        }
    }
}

/// Returns whether an entry says that a file was uploaded whose status the task wants to know.
fn is_upload(task: &Task<'_>, entry: &AuditEntry) -> bool {
    let counterpart = Counterpart::of(&entry.event_type, &entry.resource_type);
    task.rebuild_ready
        && counterpart == Counterpart::Webhook(UPLOAD_COMPLETED)
        && (uploads_since(task)..task.window.until).contains(&entry.at)
}

/// Returns an entry without the addresses of users, which are nobody's business on the topics.
fn without_address(entry: &str) -> Box<str> {
    let mut entry: Value = serde_json::from_str(entry).unwrap_or_default();
    remove_addresses(&mut entry);
    entry.to_string().into()
}

/// Removes the fields for an address at any depth: Frame.io may nest them, or write them in another way.
fn remove_addresses(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.replace('_', "").eq_ignore_ascii_case("ipaddress"));
            fields.values_mut().for_each(remove_addresses);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_addresses),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
