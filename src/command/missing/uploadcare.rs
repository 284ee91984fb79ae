//! Uploadcare: the times that the REST API keeps of each file are those of its webhooks, to the microsecond.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use super::{Comparison, Occurrence, OnMissing, Task, doubts, topics};
use crate::{
    api::{Api, uploadcare},
    command::{Failure, output::counted, progress::Progress},
    config::recover::UploadcareApi,
    encode::digest_of_parts,
    event::{instant, timestamp},
    provider::uploadcare::{FileHistory, INFECTED, INFO_UPDATED, STORED, UPLOADED},
};

/// How long Uploadcare keeps a file that nobody stores.
const UNSTORED_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Why changes of metadata and tags are never found.
const NO_TIME: &str = "Uploadcare keeps no time of these changes";

/// An event, as a hash of its type, its file and its time. 16 bytes each, so that a million events fit 50 MiB.
type Mark = [u8; 16];

fn mark(event_type: &str, uuid: &str, at: SystemTime) -> Mark {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    digest_of_parts(b"", &[event_type, uuid, &since.as_micros().to_string()])
}

/// What is known of an event of the window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The topics have it.
    Published,
    /// The books have been seen to have it, too, or have it alone.
    Counted,
}

/// One comparison while it runs.
struct Pass<'a, 't> {
    task: &'a Task<'t>,
    comparison: &'a mut Comparison,
    known: HashMap<Mark, Standing>,
    missing: OnMissing<'a>,
    /// How many events of the window the topics have, of files that were looked at.
    published: u64,
    /// Whether the books have one of them, too.
    matched: bool,
    /// Files that were removed, and so do not say any more whether they were stored within the window.
    silent: u64,
    /// Files that the listing of removed files has without a time of their removal.
    not_removed: u64,
    /// Files without the results of scans.
    unscanned: u64,
    /// Why a listing may lack files.
    contradictions: Vec<String>,
    failure: Option<Failure>,
}

pub(super) fn compare(
    task: &Task<'_>,
    access: &UploadcareApi,
    comparison: &mut Comparison,
    missing: OnMissing<'_>,
) -> Result<(), Failure> {
    let (mut known, mut published) = (HashMap::new(), 0);
    topics::events(task, comparison, task.window.since, &mut |event| {
        let Some(at) = event.occurred_at.and_then(instant) else { return };
        let is_new = known.insert(mark(&event.r#type, &event.subject, at), Standing::Published).is_none();
        // Other events may be of files that were uploaded before.
        let is_looked_at = event.r#type == UPLOADED || task.lookback.is_none() && event.r#type != INFO_UPDATED;
        published += u64::from(is_new && is_looked_at && task.window.holds(at));
    })?;
    for (name, row) in &mut comparison.rows {
        match *name {
            INFO_UPDATED => row.unknown.push(NO_TIME.into()),
            _ => row.found = Some(0),
        }
    }
    let wait = |wait, why: &str| task.wait(wait, why);
    let mut api =
        Api::new(task.client()?, &access.base_url, uploadcare::MANNERS, std::slice::from_ref(&access.secret_key), &wait);
    let from = task.looked_at_since();
    let mut pass = Pass {
        task,
        comparison,
        known,
        missing,
        published,
        matched: false,
        silent: 0,
        not_removed: 0,
        unscanned: 0,
        contradictions: Vec::new(),
        failure: None,
    };
    // A file that is removed between the two listings is in both, and in the other order it would be in neither.
    let mut progress = Progress::new("files of the listings");
    for removed in [false, true] {
        let doubt = uploadcare::files(&mut api, access, (removed, from), task.now, &mut |file| {
            progress.count();
            Ok(pass.take(file, removed))
        })?;
        pass.contradictions.extend(doubt);
        if let Some(failure) = pass.failure.take() {
            return Err(failure);
        }
    }
    pass.doubt(from);
    comparison.doubt();
    Ok(())
}

impl Pass<'_, '_> {
    /// Takes a file of a listing. Returns whether to go on: nothing has happened within the window to files that were uploaded after it.
    fn take(&mut self, file: &str, of_removed: bool) -> bool {
        match FileHistory::of(file) {
            _ if self.failure.is_some() => false,
            Ok(history) if history.uploaded >= self.task.window.until => false,
            Ok(history) => {
                self.not_removed += u64::from(of_removed && history.removed.is_none());
                self.unscanned += u64::from(!history.has_scans);
                self.failure = self.count(&history, file).err();
                self.failure.is_none()
            }
            Err(_) => {
                self.comparison.illegible += 1;
                true
            }
        }
    }

    /// Counts what has happened to a file within the window.
    fn count(&mut self, history: &FileHistory, file: &str) -> Result<(), Failure> {
        let window = self.task.window;
        if let (None, Some(removed)) = (history.stored, history.removed.filter(|removed| *removed >= window.since)) {
            // A file that is removed between the two listings is in both.
            let is_new = self.known.insert(mark("silent", &history.uuid, removed), Standing::Counted).is_none();
            self.silent += u64::from(is_new);
        }
        for (event_type, at) in history.events().filter(|(_, at)| window.holds(*at)) {
            let mark = mark(event_type, &history.uuid, at);
            self.matched |= self.known.get(&mark) == Some(&Standing::Published);
            let Some(row) = self.comparison.rows.get_mut(event_type) else { continue };
            let before = self.known.insert(mark, Standing::Counted);
            if before == Some(Standing::Counted) {
                continue;
            }
            row.found = row.found.map(|found| found + 1);
            if before.is_none() {
                let event = Occurrence { event_type, subject: &history.uuid, at: Some(at), twin: 0, object: file };
                self.comparison.absent(event, self.missing)?;
            }
        }
        Ok(())
    }

    /// Says what the listings do not show.
    fn doubt(&mut self, from: SystemTime) {
        let illegible = self.comparison.illegible;
        if self.published > 0 && !self.matched {
            let events = counted(self.published, "event");
            self.contradictions.push(format!(
                "the topics have {events} of this time, and Uploadcare knows none of them: are these the keys of that project? Where the endpoints \
                 belong to several, name one with --endpoint"
            ));
        }
        self.contradictions.extend(doubts(&[(self.not_removed, "file", "of the removed ones without a time of the removal")]));
        for (name, row) in self.comparison.rows.iter_mut().filter(|(_, row)| row.found.is_some()) {
            row.unknown.extend(doubts(&[(illegible, "file", "of the listing cannot be read")]));
            row.unknown.extend_from_slice(&self.contradictions);
            if *name == INFECTED {
                row.unknown.extend(doubts(&[(self.unscanned, "file", "without the results of scans (appdata)")]));
            }
            if *name == STORED && self.silent > 0 {
                row.unknown
                    .push(format!("nothing says any more when {} may have been stored", counted(self.silent, "removed file")));
            }
            // Files that are not stored live for 24 hours, so within this time all that were stored have been seen.
            let all_stores = self.task.lookback.is_none_or(|lookback| lookback >= UNSTORED_LIFE);
            let seen = *name == UPLOADED || *name == STORED && all_stores || self.task.lookback.is_none();
            if !seen {
                let from = timestamp(from);
                row.unknown.push(format!("files uploaded before {from} were left out: --lookback all"));
            }
        }
    }
}
