//! FileSafety keeps no list of scans. A scan that is on the topics can be asked for again: another verdict is a revision that never came.

use std::{collections::BTreeMap, time::SystemTime};

use super::{Comparison, Occurrence, OnMissing, Task, topics};
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
    /// When the scan ended, and when the event arrived: the later one counts.
    order: (Option<SystemTime>, Option<SystemTime>),
    /// Whether an event of the scan is within the window.
    within: bool,
}

pub(super) fn compare(task: &Task<'_>, comparison: &mut Comparison, missing: OnMissing<'_>) -> Result<(), Failure> {
    let Some(access) = &task.config.recover.filesafety else { return Ok(()) };
    let mut verdicts = BTreeMap::new();
    let topics = topics::events(task, &PROVIDER, &mut |event| take(task, &mut verdicts, event))?;
    verdicts.retain(|_, verdict| verdict.within);
    let wait = |wait| task.wait(wait);
    let mut api = Api::new(task.client()?, &access.base_url, filesafety::MANNERS, vec![access.api_key.clone()], &wait);
    if let Some(row) = comparison.rows.get_mut(SCAN_COMPLETE) {
        let usage = filesafety::usage(&mut api, access)?;
        row.unknown.push(format!(
            "FileSafety has no list of scans; it counts {} in the period that ends on {}, and the topics have {} of this time",
            usage.scans_used,
            usage.period_ends,
            verdicts.len()
        ));
    }
    let Some(row) = comparison.rows.get_mut(SCAN_VERDICT_UPDATED) else { return Ok(()) };
    let (mut found, mut unknown) = (0, 0_u64);
    for (scan_id, verdict) in &verdicts {
        match filesafety::scan(&mut api, access, scan_id)? {
            None => unknown += 1,
            Some((ScanState::Open, _)) => {}
            Some((ScanState::Ended { verdict: now, at }, object)) => {
                found += 1;
                if now != verdict.text {
                    row.missing += 1;
                    missing(Occurrence { event_type: SCAN_VERDICT_UPDATED, subject: scan_id, at, twin: 0, object: &object })?;
                }
            }
        }
    }
    row.found = Some(found);
    if unknown > 0 {
        row.unknown.push(format!("FileSafety does not know {unknown} of the scans any more"));
    }
    row.unknown.extend(topics.uncertain.into_iter().map(|(_, why)| why));
    Ok(())
}

/// Takes an event of the topics, which come in no particular order. A scan counts if one of its events is within the window, and then with its
/// last verdict, whenever that came.
fn take(task: &Task<'_>, verdicts: &mut BTreeMap<String, LastVerdict>, event: Event) {
    let (ended, received) = (event.occurred_at.and_then(instant), event.received_at.and_then(instant));
    let Some(Payload::FilesafetyScan(scan)) = event.payload else { return };
    let within = received.is_some_and(|received| task.window.holds(received));
    let newer = LastVerdict { text: scan.verdict_text, order: (ended, received), within };
    let known = verdicts.entry(event.subject).or_insert_with(|| newer.clone());
    let within = known.within || within;
    if known.order < newer.order {
        *known = newer;
    }
    known.within = within;
}
