//! FileSafety keeps no list of scans. A scan that is on the topics can be asked for again: another verdict is a revision that never came.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Comparison, Occurrence, OnMissing, Task, doubts, topics,
    undecided::{Undecided, Why, summary},
};
use crate::{
    api::{
        Api, ApiError,
        filesafety::{self, ScanFound},
    },
    command::{Failure, note, progress::Progress},
    config::recover::KeyedApi,
    event::instant,
    proto::{Event, event::Payload},
    provider::filesafety::{SCAN_COMPLETE, SCAN_VERDICT_UPDATED, ScanState},
};

/// The pause before scans that are not complete are asked for again; a scan takes 10 to 25 s.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// After faults about this many scans in a row FileSafety itself counts as faulty: each of them is asked for several times.
const FAULTS_MAX: u32 = 3;
/// How many answers that cannot be used are said at once.
const SAID_MAX: usize = 10;

/// Why it is never known whether all revisions of verdicts are there.
const LAST_ONLY: &str =
    "FileSafety keeps only the last verdict of a scan: that it was revised is known where the topics have an earlier one";

/// The last verdict of a scan that the topics have.
#[derive(Clone)]
struct LastVerdict {
    text: String,
    /// When the scan ended, which a failed one does not say, and when the event arrived: the later one counts.
    order: (Option<SystemTime>, Option<SystemTime>),
    /// Whether the scan ended within the window, or an event of it arrived then.
    within: bool,
    /// Whether one of its events says that the verdict was revised.
    revised: bool,
    /// The caller's reference of the first event that has one, and when that arrived. A forger who knows a signed URL can send a later one.
    reference: Option<(Option<SystemTime>, String)>,
}

pub(super) fn compare(
    task: &Task<'_>,
    access: &KeyedApi,
    comparison: &mut Comparison,
    missing: OnMissing<'_>,
) -> Result<(), Failure> {
    let mut verdicts = BTreeMap::new();
    // A scan that was published long ago may have another verdict since.
    topics::events(task, comparison, task.looked_at_since(), &mut |event| take(task, &mut verdicts, event))?;
    let wait = |wait, why: &str| task.wait(wait, why);
    let referred = |(id, verdict): (&String, &LastVerdict)| Some((id.clone(), verdict.reference.clone()?.1));
    comparison.references = verdicts.iter().filter_map(referred).collect();
    let mut api = Api::new(task.client()?, &access.base_url, filesafety::MANNERS, std::slice::from_ref(&access.api_key), &wait);
    let mut asked: Vec<String> = if task.scans.is_empty() {
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
    // A scan that no topic has can only be one that was named.
    let event_type = |id: &String| if verdicts.contains_key(id) { SCAN_VERDICT_UPDATED } else { SCAN_COMPLETE };
    let all = asked.len();
    asked.retain(|id| comparison.rows.contains_key(event_type(id)));
    let left_out = if task.scans.is_empty() { 0 } else { (all - asked.len()) as u64 };
    let undecided = ask(task, (&mut api, access), asked, &mut |id, verdict, at, object| {
        let (event_type, is_missing) = event_of(verdicts.get(id), verdict);
        let listed = event_type == SCAN_VERDICT_UPDATED || !task.scans.is_empty();
        if let Some(row) = comparison.rows.get_mut(event_type).filter(|_| listed) {
            row.found = Some(row.found.unwrap_or_default() + 1);
        }
        if is_missing {
            comparison.absent(Occurrence { event_type, subject: id, at, twin: 0, object }, missing)?;
        }
        Ok(())
    })?;
    let silent = "scans that no topic has in this time were not looked at: name them, or choose an earlier --lookback";
    let left_out = [(left_out, "scan", "not looked at, because of a type that --types leaves out")];
    for (name, row) in &mut comparison.rows {
        if *name == SCAN_VERDICT_UPDATED || !task.scans.is_empty() {
            row.found = Some(row.found.unwrap_or_default());
            // A scan that no topic has counts as complete, although its verdict may have been revised.
            row.unknown.extend(Some(LAST_ONLY.to_owned()).filter(|_| *name == SCAN_VERDICT_UPDATED));
            row.unknown.extend(summary(&undecided).into_iter().chain(doubts(&left_out)));
            row.unknown.extend(Some(silent.to_owned()).filter(|_| task.scans.is_empty()));
        }
    }
    comparison.illegible += undecided.iter().filter(|it| it.why == Why::NoAnswer).count() as u64;
    comparison.undecided = undecided;
    comparison.doubt();
    Ok(())
}

/// Returns the type of the event that a verdict of now stands for, and whether the topics do not have it. What came before, nobody knows.
fn event_of(published: Option<&LastVerdict>, verdict: &str) -> (&'static str, bool) {
    match published {
        None => (SCAN_COMPLETE, true),
        Some(published) if published.text != verdict => (SCAN_VERDICT_UPDATED, true),
        Some(published) => (if published.revised { SCAN_VERDICT_UPDATED } else { SCAN_COMPLETE }, false),
    }
}

/// What is called for each scan that is complete or has failed: with its id, its verdict, when it ended, and the whole answer.
type OnEnded<'a> = &'a mut dyn FnMut(&String, &str, Option<SystemTime>, &str) -> Result<(), Failure>;

/// Asks for scans, and again for those that are not complete, as long as the task waits for them. Returns those of which it is not known what
/// should be on the topics. One odd scan does not hide the others; what concerns all of them is an error.
fn ask(
    task: &Task<'_>,
    (api, access): (&mut Api<'_>, &KeyedApi),
    mut scans: Vec<String>,
    ended: OnEnded<'_>,
) -> Result<Vec<Undecided>, Failure> {
    let (begin, mut undecided, mut waiting, mut faults) = (Instant::now(), Vec::new(), false, 0);
    let mut progress = Progress::new("answers about scans");
    let of = |subject, why, cause| Undecided { subject, why, cause };
    loop {
        let mut open = Vec::new();
        for id in scans {
            let found = filesafety::scan(api, access, &id)?;
            progress.count();
            faults = if matches!(found, ScanFound::Faulty(_)) { faults + 1 } else { 0 };
            match found {
                ScanFound::Here(ScanState::Open, _) => open.push(id),
                ScanFound::Here(ScanState::Ended { verdict, at }, object) => ended(&id, &verdict, at, &object)?,
                ScanFound::Unknown => undecided.push(of(id, Why::NotKnown, None)),
                ScanFound::Faulty(text) if faults >= FAULTS_MAX => {
                    return Err(Failure::Failed(format!("{text}; so it did about the {} scans before", faults - 1)));
                }
                ScanFound::Faulty(text) | ScanFound::Unusable(text) => {
                    if undecided.iter().filter(|it| it.why == Why::NoAnswer).count() < SAID_MAX {
                        note(&format!("{id} is left out: {text}"));
                    }
                    undecided.push(of(id, Why::NoAnswer, Some(text)));
                }
            }
        }
        let left = task.patience.saturating_sub(begin.elapsed());
        if open.is_empty() || left.is_zero() {
            undecided.extend(open.into_iter().map(|id| of(id, Why::NotComplete, None)));
            return Ok(undecided);
        }
        // Said once, not before each round.
        let why = format!("scans that are not complete yet: {}; asked for again for {} s at most", open.len(), left.as_secs());
        if !task.wait(AGAIN_AFTER.min(left), if waiting { "" } else { &why }) {
            return Err(ApiError::Stopped.into());
        }
        waiting = true;
        scans = open;
    }
}

/// Takes an event of the topics, which come in no particular order. A scan counts if it ended, or one of its events arrived, within the
/// window or the time before it that is looked at, and then with its last verdict, whenever that came.
fn take(task: &Task<'_>, verdicts: &mut BTreeMap<String, LastVerdict>, event: Event) {
    let (ended, received) = (event.occurred_at.and_then(instant), event.received_at.and_then(instant));
    let Some(Payload::FilesafetyScan(scan)) = event.payload else { return };
    let revised = event.r#type == SCAN_VERDICT_UPDATED;
    let since = task.looked_at_since();
    // The webhook of a scan that ended at the end of the window arrives after it.
    let within = [ended, received].into_iter().flatten().any(|time| (since..task.window.until).contains(&time));
    let reference = Some((received, event.reference)).filter(|(_, text)| !text.is_empty());
    let newer = LastVerdict { text: scan.verdict_text, order: (ended.or(received), received), within, revised, reference };
    let known = verdicts.entry(event.subject).or_insert_with(|| newer.clone());
    let (within, revised) = (known.within || within, known.revised || revised);
    let reference = [known.reference.take(), newer.reference.clone()].into_iter().flatten().min();
    if known.order < newer.order {
        *known = newer;
    }
    (known.within, known.revised, known.reference) = (within, revised, reference);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A verdict that was never revised is no known event of the type that says so.
    #[test]
    fn a_verdict_stands_for_one_event() {
        let published = |text: &str, revised| {
            Some(LastVerdict { text: text.into(), order: (None, None), within: true, revised, reference: None })
        };
        let check = |published: Option<LastVerdict>, verdict: &str, expected: (&str, bool)| {
            assert_eq!(event_of(published.as_ref(), verdict), expected);
        };
        check(None, "clean", (SCAN_COMPLETE, true));
        check(published("clean", false), "clean", (SCAN_COMPLETE, false));
        check(published("clean", false), "infected", (SCAN_VERDICT_UPDATED, true));
        check(published("infected", true), "infected", (SCAN_VERDICT_UPDATED, false));
        check(published("infected", true), "clean", (SCAN_VERDICT_UPDATED, true));
    }
}
