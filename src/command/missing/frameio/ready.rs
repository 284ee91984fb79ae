//! `file.ready`, which the audit log does not have: the status of a file says that it is ready, and not since when.

use std::collections::{BTreeSet, HashSet};

use super::uploads_since;
use crate::{
    api::frameio::{FileFound, Frameio},
    command::{
        Failure,
        missing::{Comparison, Occurrence, OnMissing, Task, doubts},
        note,
        output::counted,
    },
    event::timestamp,
    provider::frameio::{FILE_READY, FileState},
};

/// Asks for the status of each file that was uploaded and of which no event says that it is ready.
pub(super) fn compare(
    task: &Task<'_>,
    comparison: &mut Comparison,
    api: &mut Frameio<'_, '_>,
    (uploads, published): (&BTreeSet<String>, &HashSet<String>),
    missing: OnMissing<'_>,
) -> Result<(), Failure> {
    if !comparison.rows.contains_key(FILE_READY) {
        return Ok(());
    }
    let (known, open): (Vec<_>, Vec<_>) = uploads.iter().partition(|id| published.contains(*id));
    let mut found = known.len() as u64;
    if !open.is_empty() {
        let files = counted(open.len() as u64, "file");
        note(&format!("Frame.io is asked for the status of {files}, at most 10 a second"));
    }
    let (mut unready, mut gone, mut hidden, mut illegible) = (0_u64, 0_u64, 0_u64, 0_u64);
    for id in open {
        let object = match api.file(id)? {
            FileFound::Here(object) => object,
            FileFound::Gone => {
                gone += 1;
                continue;
            }
            FileFound::Hidden => {
                hidden += 1;
                continue;
            }
        };
        match FileState::of(&object) {
            Ok(file) if file.id != *id => illegible += 1,
            Ok(file) if !file.ready => unready += 1,
            Ok(_) => {
                found += 1;
                let event = Occurrence { event_type: FILE_READY, subject: id, at: None, twin: 0, object: &object };
                comparison.absent(event, missing)?;
            }
            Err(_) => illegible += 1,
        }
    }
    comparison.illegible += illegible;
    let Some(row) = comparison.rows.get_mut(FILE_READY) else { return Ok(()) };
    row.found = Some(found);
    row.unknown.push("rebuilt from the status of the files, time not known".into());
    row.unknown.push(format!("files uploaded before {} were not looked at", timestamp(uploads_since(task))));
    row.unknown.extend(doubts(&[
        (unready, "file", "not ready yet"),
        (gone, "file", "not there any more"),
        (hidden, "file", "that may not be read"),
        (illegible, "file", "whose status cannot be read"),
    ]));
    Ok(())
}
