//! FileSafety keeps no list of scans. A scan that is on the topics can be asked for again: another verdict is a revision that never came.

use std::{collections::BTreeMap, time::SystemTime};

use super::{Comparison, Occurrence, OnMissing, Task, doubts, topics};
use crate::{
    api::{Api, filesafety},
    command::Failure,
    event::instant,
    proto::{Event, event::Payload},
    provider::filesafety::{PROVIDER, SCAN_COMPLETE, SCAN_VERDICT_UPDATED, ScanState},
};

/// The last verdict of a scan that the topics have.
#[derive(Clone)]
struct LastVerdict {
    text: String,
    /// When the scan ended, which a failed one does not say, and when the event arrived: the later one counts.
    order: (Option<SystemTime>, Option<SystemTime>),
    /// Whether the scan ended within the window, or an event of it arrived then.
    within: bool,
}

pub(super) fn compare(task: &Task<'_>, comparison: &mut Comparison, missing: OnMissing<'_>) -> Result<(), Failure> {
    let Some(access) = &task.config.recover.filesafety else { return Ok(()) };
    let mut verdicts = BTreeMap::new();
    // A scan that was published long ago may have another verdict since.
    let uncertain = topics::events(task, &PROVIDER, task.looked_at_since(), &mut |event| take(task, &mut verdicts, event))?;
    let wait = |wait, why: &str| task.wait(wait, why);
    let mut api = Api::new(task.client()?, &access.base_url, filesafety::MANNERS, vec![access.api_key.clone()], &wait);
    let asked = if task.scans.is_empty() {
        verdicts.retain(|_, verdict| verdict.within);
        verdicts.keys().cloned().collect()
    } else {
        task.scans.to_vec()
    };
    if let Some(row) = comparison.rows.get_mut(SCAN_COMPLETE).filter(|_| task.scans.is_empty()) {
        let usage = filesafety::usage(&mut api, access)?;
        row.unknown.push(format!(
            "FileSafety has no list of scans; it counts {} in the period that ends on {}, and the topics have {} of this time",
            usage.scans_used,
            usage.period_ends,
            verdicts.len()
        ));
    }
    let (mut open, mut unknown, mut left_out) = (0_u64, 0_u64, 0_u64);
    for scan_id in &asked {
        // A scan that no topic has can only be one that was named.
        let published = verdicts.get(scan_id);
        let event_type = if published.is_some() { SCAN_VERDICT_UPDATED } else { SCAN_COMPLETE };
        let Some(row) = comparison.rows.get_mut(event_type) else {
            left_out += u64::from(!task.scans.is_empty());
            continue;
        };
        match filesafety::scan(&mut api, access, scan_id)? {
            None => unknown += 1,
            Some((ScanState::Open, _)) => open += 1,
            Some((ScanState::Ended { verdict, at }, object)) => {
                row.found = Some(row.found.unwrap_or_default() + 1);
                if published.is_none_or(|published| published.text != verdict) {
                    row.missing += 1;
                    missing(Occurrence { event_type, subject: scan_id, at, twin: 0, object: &object })?;
                }
            }
        }
    }
    let silent = "scans that no topic has in this time were not looked at: name them, or choose an earlier --lookback";
    let numbers = [
        (unknown, "scans are not known to FileSafety"),
        (open, "scans have not ended yet"),
        (left_out, "scans were not looked at, because their event is of a type that --types leaves out"),
    ];
    for (name, row) in &mut comparison.rows {
        if *name == SCAN_VERDICT_UPDATED || !task.scans.is_empty() {
            row.found = Some(row.found.unwrap_or_default());
            row.unknown.extend(doubts(&numbers));
            row.unknown.extend(Some(silent.to_owned()).filter(|_| task.scans.is_empty()));
        }
    }
    comparison.doubt(uncertain);
    Ok(())
}

/// Takes an event of the topics, which come in no particular order. A scan counts if it ended, or one of its events arrived, within the
/// window or the time before it that is looked at, and then with its last verdict, whenever that came.
fn take(task: &Task<'_>, verdicts: &mut BTreeMap<String, LastVerdict>, event: Event) {
    let (ended, received) = (event.occurred_at.and_then(instant), event.received_at.and_then(instant));
    let Some(Payload::FilesafetyScan(scan)) = event.payload else { return };
    let since = task.looked_at_since();
    // The webhook of a scan that ended at the end of the window arrives after it.
    let within = [ended, received].into_iter().flatten().any(|time| (since..task.window.until).contains(&time));
    let newer = LastVerdict { text: scan.verdict_text, order: (ended.or(received), received), within };
    let known = verdicts.entry(event.subject).or_insert_with(|| newer.clone());
    let within = known.within || within;
    if known.order < newer.order {
        *known = newer;
    }
    known.within = within;
}
