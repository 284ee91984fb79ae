//! Frame.io: its webhooks carry no time and its audit log no ids, so an entry belongs to a delivery with the same type, resource and user
//! that arrived soon after it. Each delivery is used once.

mod log;
mod ready;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::{Duration, SystemTime},
};

use self::log::Logged;
use super::{Comparison, Occurrence, OnMissing, Task, TimeWindow, doubts, topics};
use crate::{
    api::frameio::Frameio,
    command::{
        Failure, note,
        output::{counted, some},
    },
    config::recover::FrameioApi,
    encode::recovered_id,
    event::{instant, timestamp},
    proto::{Event, Origin, event::Payload},
    provider::frameio::{FILE_READY, PROVIDER, UNLOGGED, could_be},
};

/// How long after its entry a delivery may arrive: Frame.io's last attempt is after 4 minutes.
const WITHIN: Duration = Duration::from_secs(600);
/// How much earlier than its entry a delivery may seem to arrive: the clocks may differ.
const SKEW: Duration = Duration::from_secs(60);
/// How long the log keeps entries, as far as that is documented.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// How many types that Hookgate does not know are named.
const NAMED: usize = 5;
/// How much of the name of such a type is shown, in characters.
const NAME_MAX: usize = 60;

/// What distinguishes an event: type, resource and user.
type Likeness = (&'static str, String, String);

/// What the topics have.
#[derive(Default)]
struct PublishedActivity {
    /// When deliveries arrived.
    arrivals: HashMap<Likeness, Vec<SystemTime>>,
    /// The ids of deliveries, because a topic may have one twice.
    ids: HashSet<String>,
    /// The ids of recovered events, each with its user.
    recovered: HashSet<(String, String)>,
    /// When these happened.
    recovered_at: Vec<SystemTime>,
    /// The endpoints of recovered events, on which their ids depend.
    endpoints: BTreeSet<String>,
    /// The files of which an event says that they are ready.
    ready: HashSet<String>,
}

/// Returns the time from which uploads count as those of files that became ready within the window. The log is not asked for more than what
/// is promised before the window.
fn uploads_since(task: &Task<'_>) -> SystemTime {
    let earliest = task.window.since.checked_sub(KEPT).unwrap_or(SystemTime::UNIX_EPOCH);
    task.looked_at_since().max(earliest)
}

/// Returns the time from which the topics and the log are read: a file that was uploaded before the window may be ready since then.
fn since(task: &Task<'_>) -> SystemTime {
    if task.rebuild_ready { uploads_since(task) } else { task.window.since }
}

pub(super) fn compare(
    task: &Task<'_>,
    access: &FrameioApi,
    comparison: &mut Comparison,
    missing: OnMissing<'_>,
) -> Result<(), Failure> {
    let mut published = PublishedActivity::default();
    topics::events(task, comparison, since(task), &mut |event| published.take(event))?;
    let wait = |wait, why: &str| task.wait(wait, why);
    let mut api = Frameio::new(access, &task.client()?, &[], &wait);
    let mut logged = log::read(task, access, &mut api)?;
    let is_silent = logged.own == 0 && !logged.entries.values().flatten().any(|(at, _)| task.window.holds(*at));
    let unlogged = if is_silent { published.logged_within(task.window) } else { 0 };
    for (name, row) in &mut comparison.rows {
        if !UNLOGGED.contains(name) {
            row.found = Some(0);
        } else if !task.rebuild_ready || *name != FILE_READY {
            row.unknown.push("Frame.io's audit log has no such entries".into());
        }
    }
    let mut twins = Twins::default();
    for (key, entries) in &mut logged.entries {
        let Some(row) = comparison.rows.get_mut(key.0) else { continue };
        entries.sort_unstable();
        let counted = entries.iter().filter(|(at, _)| task.window.holds(*at)).count();
        row.found = row.found.map(|found| found + counted as u64);
        let numbered: Vec<_> = entries.iter().map(|(at, _)| (*at, twins.next(key, *at))).collect();
        for place in published.without(key, &numbered, task.window.until) {
            let ((at, twin), object) = (numbered[place], &entries[place].1);
            // An entry near the window is there only because it may be the one that an arrival belongs to.
            if !task.window.holds(at) {
                continue;
            }
            comparison.absent(Occurrence { event_type: key.0, subject: &key.1, at: Some(at), twin, object }, missing)?;
        }
    }
    comparison.illegible = logged.illegible;
    if task.rebuild_ready {
        ready::compare(task, comparison, &mut api, (&logged.uploads, &published.ready), missing)?;
    }
    doubt(task, comparison, &logged, unlogged);
    comparison.doubt();
    Ok(())
}

/// Says what the log does not show. `unlogged` is the number of events that the topics have of a time in which the log has none.
fn doubt(task: &Task<'_>, comparison: &mut Comparison, logged: &Logged, unlogged: u64) {
    if logged.foreign > 0 {
        note(&format!(
            "{} of Frame.io's audit log not counted: of other workspaces than those in [recover.frameio] workspaces",
            counted(logged.foreign, "entry")
        ));
    }
    // The account is in use and the workspaces are not, so their ids may be wrong.
    let misnamed = logged.foreign > 0 && logged.own == 0;
    let old = (task.now)().duration_since(task.window.since).is_ok_and(|age| age > KEPT);
    for (name, row) in comparison.rows.iter_mut().filter(|(_, row)| row.found.is_some()) {
        if old {
            row.unknown.push("the audit log is only promised for 30 days".into());
        }
        if unlogged > 0 {
            row.unknown.push(format!(
                "the topics have {} of this time, and the log has none: are account and workspaces the right ones?",
                counted(unlogged, "event")
            ));
        }
        if misnamed {
            row.unknown.push(format!(
                "{} of other workspaces, and none of those in the configuration",
                counted(logged.foreign, "entry")
            ));
        }
        let (open, several) = logged.vague.get(name).copied().unwrap_or_default();
        row.unknown.extend(doubts(&[
            (logged.illegible, "entry", "of the log cannot be read"),
            (open, "entry", "about a file or a folder, which the log does not say"),
            (several, "entry", "about several files at once, which the log does not name"),
        ]));
        row.unknown.extend(strange(&logged.strange, name));
    }
}

/// Returns the doubt about entries of types that Hookgate does not know, as far as they may be webhooks of this type.
fn strange(types: &BTreeMap<String, u64>, webhook: &str) -> Option<String> {
    let (names, counts): (Vec<&String>, Vec<u64>) = types.iter().filter(|(name, _)| could_be(name, webhook)).unzip();
    let count: u64 = counts.iter().sum();
    let names: Vec<&str> = names.iter().map(|name| beginning(name)).collect();
    let some = some(&names, ", ", NAMED);
    (count > 0).then(|| format!("{} of types that Hookgate does not know: {some}", counted(count, "entry")))
}

/// Returns the beginning of a name.
fn beginning(name: &str) -> &str {
    name.char_indices().nth(NAME_MAX).map_or(name, |(end, _)| &name[..end])
}

impl PublishedActivity {
    fn take(&mut self, event: Event) {
        let origin = event.origin();
        let Some(Payload::FrameioEvent(payload)) = event.payload else { return };
        let Some(name) = PROVIDER.names().find(|name| *name == event.r#type) else { return };
        if name == FILE_READY {
            self.ready.insert(payload.resource_id.clone());
        }
        if origin == Origin::Recovered {
            let at = event.occurred_at.and_then(instant).filter(|_| !UNLOGGED.contains(&name));
            self.recovered_at.extend(at);
            self.recovered.insert((event.id, payload.user_id));
            self.endpoints.insert(event.endpoint);
        } else if self.ids.insert(event.id)
            && let Some(at) = event.received_at.and_then(instant)
        {
            self.arrivals.entry((name, payload.resource_id, payload.user_id)).or_default().push(at);
        }
    }

    /// Returns how many events the log must have entries for within this window.
    fn logged_within(&self, window: TimeWindow) -> u64 {
        let is_within = |arrival: &&SystemTime| window.holds(**arrival) && **arrival >= window.since + WITHIN;
        let arrivals = self.arrivals.iter().filter(|(key, _)| !UNLOGGED.contains(&key.0)).flat_map(|(_, arrivals)| arrivals);
        let recovered = self.recovered_at.iter().filter(|at| window.holds(**at));
        (arrivals.filter(is_within).count() + recovered.count()) as u64
    }

    /// Returns whether an entry was recovered: its id is there, and as that of its user.
    fn has_recovered(&self, (event_type, resource, user): &Likeness, at: SystemTime, twin: u32) -> bool {
        self.endpoints.iter().any(|endpoint| {
            let id = recovered_id(endpoint, event_type, resource, Some(timestamp(at)), twin);
            self.recovered.contains(&(id, user.clone()))
        })
    }

    /// Returns the places of those entries of the log that no event stands for. Each entry is a time and a twin, and the times are in order.
    ///
    /// Entries after `end`, the end of the window, come first: an arrival that may be theirs must not hide a loss within the window.
    fn without(&mut self, key: &Likeness, entries: &[(SystemTime, u32)], end: SystemTime) -> Vec<usize> {
        let open = entries.iter().enumerate().filter(|(_, (at, twin))| !self.has_recovered(key, *at, *twin));
        let open: Vec<_> = open.map(|(place, (at, _))| (place, *at)).collect();
        let mut arrivals = self.arrivals.remove(key).unwrap_or_default();
        arrivals.sort_unstable();
        let (within, after): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, at)| *at < end);
        let mut open = unmatched(&after, &mut arrivals);
        open.extend(unmatched(&within, &mut arrivals));
        open
    }
}

/// Numbers the entries that are equal in type, resource and time, whoever the user is: an id and a cursor do not have the user. The entries
/// come in the order of users and of texts, so that their order in the log does not count.
#[derive(Default)]
struct Twins<'a>(HashMap<(&'static str, &'a str, SystemTime), u32>);

impl<'a> Twins<'a> {
    /// Returns the number of the next entry, from 0.
    fn next(&mut self, (event_type, resource, _): &'a Likeness, at: SystemTime) -> u32 {
        let count = self.0.entry((event_type, resource, at)).or_default();
        *count += 1;
        *count - 1
    }
}

/// Takes an arrival soon after it for each entry, and returns the places of those that have none. Both are in order. Taking the earliest
/// arrival for the earliest entry leaves the fewest entries without one, because all their windows are of the same length.
fn unmatched(entries: &[(usize, SystemTime)], arrivals: &mut Vec<SystemTime>) -> Vec<usize> {
    let mut open = Vec::new();
    for (place, at) in entries {
        match arrivals.iter().position(|arrival| *arrival + SKEW >= *at) {
            Some(first) if arrivals[first] <= *at + WITHIN => {
                arrivals.remove(first);
            }
            _ => open.push(*place),
        }
    }
    open
}

#[cfg(test)]
mod tests;
