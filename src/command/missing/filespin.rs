//! FileSpin keeps states and not events: the search shows each asset as it is now. An asset is missing if no event on the topics is as new
//! as its last change; of equal times, `NOT_READY` is the older state.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::SystemTime,
};

use super::{Comparison, Occurrence, OnMissing, Task, doubts, topics};
use crate::{
    api::{Api, ApiError, filespin},
    command::{Failure, progress::Progress},
    config::recover::KeyedApi,
    event::{instant, timestamp},
    proto::{Event, FilespinAssetStatus, event::Payload},
    provider::filespin::{AssetState, FILE_ARCHIVED, FILE_DELETED, FILE_ERROR, FILE_PROCESSED, FILE_SAVED},
};

/// The types that a status stands for.
const STATES: [&str; 4] = [FILE_SAVED, FILE_PROCESSED, FILE_ERROR, FILE_ARCHIVED];

/// How new the state of an asset is: when it was changed, in whole seconds as FileSpin writes times, and whether it is another state than
/// `NOT_READY`. A small asset is saved and processed within a second.
type StateAge = (SystemTime, bool);

/// What the topics have.
#[derive(Default)]
struct PublishedAssets {
    /// The newest state of each asset.
    newest: HashMap<String, StateAge>,
    deleted: HashSet<String>,
}

impl PublishedAssets {
    fn take(&mut self, event: Event) {
        match event.payload {
            Some(Payload::FilespinDeletion(_)) if event.r#type == FILE_DELETED => {
                self.deleted.insert(event.subject);
            }
            Some(Payload::FilespinAsset(asset)) => {
                if let Some(at) = event.occurred_at.and_then(instant) {
                    let age = (at, asset.status() != FilespinAssetStatus::NotReady);
                    let newest = self.newest.entry(event.subject).or_insert(age);
                    *newest = age.max(*newest);
                }
            }
            _ => {}
        }
    }
}

pub(super) fn compare(
    task: &Task<'_>,
    access: &KeyedApi,
    comparison: &mut Comparison,
    missing: OnMissing<'_>,
) -> Result<(), Failure> {
    let mut published = PublishedAssets::default();
    topics::events(task, comparison, task.window.since, &mut |event| published.take(event))?;
    for (name, row) in &mut comparison.rows {
        // An asset whose state is on the topics may have had events before, which nobody knows of: no type is ever complete.
        if *name != FILE_DELETED {
            row.unknown.push("FileSpin keeps the state of an asset, and not what has happened to it".into());
        }
        if STATES.contains(name) {
            row.found = Some(0);
        }
    }
    let wait = |wait, why: &str| task.wait(wait, why);
    let mut api = Api::new(task.client()?, &access.base_url, filespin::MANNERS, std::slice::from_ref(&access.api_key), &wait);
    let from = task.looked_at_since();
    let range = (from, task.window.until);
    let (mut failure, mut progress) = (None, Progress::new("assets of the search"));
    let mut shown = HashMap::new();
    filespin::assets(&mut api, access, range, false, &mut |text| {
        progress.count();
        let Ok(asset) = AssetState::of(text) else {
            comparison.illegible += 1;
            return Ok(());
        };
        let Some(row) = comparison.rows.get_mut(asset.event_type).filter(|_| task.window.holds(asset.changed)) else {
            return Ok(());
        };
        let age = (asset.changed, asset.event_type != FILE_SAVED);
        if !is_newer(&mut shown, &asset.id, age) {
            return Ok(());
        }
        row.found = row.found.map(|found| found + 1);
        if published.newest.get(&asset.id).is_none_or(|newest| *newest < age) {
            let event =
                Occurrence { event_type: asset.event_type, subject: &asset.id, at: Some(asset.changed), twin: 0, object: text };
            failure = comparison.absent(event, missing).err();
        }
        if failure.is_some() { Err(ApiError::Stopped) } else { Ok(()) }
    })
    .or_else(|error| failure.take().map_or(Err(Failure::from(error)), Err))?;
    for (_, row) in comparison.rows.iter_mut().filter(|(name, _)| STATES.contains(name)) {
        row.unknown.extend(doubts(&[(comparison.illegible, "asset", "of the search cannot be read")]));
        if task.lookback.is_some() {
            let from = timestamp(from);
            row.unknown.push(format!("assets uploaded before {from} were left out: --lookback all"));
        }
    }
    deleted(comparison, &mut api, access, (task.window.since, task.window.until), &published, missing)?;
    comparison.doubt();
    Ok(())
}

/// Notes the state of an asset, and returns whether it is newer than the one shown before. An asset may move to a later page while pages are read.
fn is_newer(shown: &mut HashMap<String, StateAge>, id: &str, age: StateAge) -> bool {
    let newer = shown.get(id).is_none_or(|before| *before < age);
    if newer {
        shown.insert(id.to_owned(), age);
    }
    newer
}

/// Compares the assets that are deleted now. When they were deleted is not known, so only those that were uploaded in the time are counted.
fn deleted(
    comparison: &mut Comparison,
    api: &mut Api<'_>,
    access: &crate::config::recover::KeyedApi,
    range: (SystemTime, SystemTime),
    published: &PublishedAssets,
    missing: OnMissing<'_>,
) -> Result<(), Failure> {
    let Some(row) = comparison.rows.get_mut(FILE_DELETED) else { return Ok(()) };
    row.unknown.push("FileSpin does not say when an asset was deleted, and nothing of deleted conversions".into());
    let (mut gone, mut illegible) = (BTreeSet::new(), 0_u64);
    let searched = filespin::assets(api, access, range, true, &mut |asset| {
        match AssetState::of(asset) {
            Ok(asset) => drop(gone.insert(asset.id)),
            Err(_) => illegible += 1,
        }
        Ok(())
    });
    match searched {
        Ok(()) => {}
        Err(ApiError::Refused { status: 401 | 403, text }) => {
            row.unknown.push(format!("{text}; only an administrator's key sees deleted assets"));
            return Ok(());
        }
        Err(other) => return Err(other.into()),
    }
    row.unknown.extend(doubts(&[(illegible, "asset", "of the search cannot be read")]));
    comparison.illegible += illegible;
    row.found = Some(gone.len() as u64);
    for id in gone.iter().filter(|id| !published.deleted.contains(*id)) {
        comparison.absent(Occurrence { event_type: FILE_DELETED, subject: id, at: None, twin: 0, object: "" }, missing)?;
    }
    Ok(())
}
