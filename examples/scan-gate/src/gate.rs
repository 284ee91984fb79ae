//! The decisions, without Kafka.
//!
//! Every input can only raise a part of the state: it replaces a verdict by a later one, adds a scan to an asset, or sets the mark of
//! Uploadcare to "infected". A maximum does not depend on the order or the repetition of its inputs, so the decisions do not either.
//! There is no list of seen ids, so no id can be forgotten too early.

use std::collections::{BTreeMap, BTreeSet};

use crate::proto::{
    hookgate::v1::{Event, event::Payload},
    scangate::v1::{Action, Decision, Finding, Scan, Submission},
};

mod verdict;
#[cfg(test)]
mod tests;

use verdict::{Verdict, Verdicts};

/// How many scans of one asset may fail before a person must decide.
const ATTEMPTS: usize = 3;
/// The most scans that nobody submitted which the gate remembers. With more, it forgets those with the lowest ids. A forgotten verdict
/// approves nothing.
const UNKNOWN: usize = 10_000;

/// The whole state, and the names of its parts that have changed since the last call of `changes`.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    assets: BTreeMap<String, Asset>,
    /// The submitted scans, each with its asset.
    submitted: BTreeMap<String, String>,
    /// Verdicts on scans that were not submitted, or not yet.
    unknown: BTreeMap<String, Verdicts>,
    changed: BTreeSet<String>,
    changed_unknown: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Asset {
    scans: BTreeMap<String, Verdicts>,
    infected_at_uploadcare: bool,
}

/// The records to publish.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) decisions: Vec<Decision>,
    /// The reports by scan id; `None` removes the report.
    pub(crate) unknown: Vec<(String, Option<Scan>)>,
}

impl Gate {
    /// Takes a submission. The verdict on its scan may have come before.
    pub(crate) fn submission(&mut self, submission: Submission) {
        let Submission { scan_id, asset } = submission;
        // A scan stays with the asset that it was first submitted for.
        if scan_id.is_empty() || asset.is_empty() || self.submitted.contains_key(&scan_id) {
            return;
        }
        let verdicts = self.unknown.remove(&scan_id);
        if verdicts.is_some() {
            self.changed_unknown.insert(scan_id.clone());
        }
        self.assets.entry(asset.clone()).or_default().scans.insert(scan_id.clone(), verdicts.unwrap_or_default());
        self.submitted.insert(scan_id, asset.clone());
        self.changed.insert(asset);
    }

    /// Takes an event of Hookgate. An event that says nothing about safety changes nothing.
    pub(crate) fn event(&mut self, event: &Event) {
        if event.provider == "filesafety" {
            self.verdict(&event.subject, event.r#type == "scan.verdict_updated", verdict::read(event));
        } else if event.provider == "uploadcare" && infected_at_uploadcare(event) {
            let asset = self.assets.entry(event.subject.clone()).or_default();
            if !std::mem::replace(&mut asset.infected_at_uploadcare, true) {
                self.changed.insert(event.subject.clone());
            }
        }
    }

    fn verdict(&mut self, scan: &str, revised: bool, verdict: Verdict) {
        if let Some(asset) = self.submitted.get(scan) {
            let verdicts = self.assets.get_mut(asset).and_then(|it| it.scans.get_mut(scan));
            if verdicts.is_some_and(|it| it.raise(revised, verdict)) {
                self.changed.insert(asset.clone());
            }
            return;
        }
        // The token in FileSafety's URL proves nothing about the body: a scan that nobody submitted is only reported.
        if self.unknown.entry(scan.to_owned()).or_default().raise(revised, verdict) {
            self.changed_unknown.insert(scan.to_owned());
        }
        if self.unknown.len() > UNKNOWN
            && let Some((forgotten, _)) = self.unknown.pop_first()
        {
            self.changed_unknown.insert(forgotten);
        }
    }

    /// Returns what has changed since the last call.
    pub(crate) fn changes(&mut self) -> Changes {
        let decision = |name: &String| Some(self.assets.get(name)?.decision(name));
        let decisions = std::mem::take(&mut self.changed).iter().filter_map(decision).collect();
        let report = |id: String| {
            let scan = self.unknown.get(&id).map(|verdicts| verdicts.scan(&id));
            (id, scan)
        };
        Changes { decisions, unknown: std::mem::take(&mut self.changed_unknown).into_iter().map(report).collect() }
    }

    /// Restores the state from a decision of an earlier run.
    pub(crate) fn restore(&mut self, decision: Decision) {
        let Decision { asset: name, scans, infected_at_uploadcare, .. } = decision;
        self.submitted.extend(scans.iter().map(|scan| (scan.scan_id.clone(), name.clone())));
        let scans = scans.into_iter().map(|scan| (scan.scan_id.clone(), Verdicts::from(&scan))).collect();
        self.assets.insert(name, Asset { scans, infected_at_uploadcare });
    }

    /// Restores the report of an unknown scan, or its removal.
    pub(crate) fn restore_unknown(&mut self, id: String, scan: Option<&Scan>) {
        match scan {
            Some(scan) => drop(self.unknown.insert(id, scan.into())),
            None => drop(self.unknown.remove(&id)),
        }
    }
}

impl Asset {
    fn decision(&self, name: &str) -> Decision {
        let scans = self.scans.iter().map(|(id, verdicts)| verdicts.scan(id)).collect();
        let infected_at_uploadcare = self.infected_at_uploadcare;
        Decision { asset: name.to_owned(), action: self.action().into(), scans, infected_at_uploadcare }
    }

    /// Returns the action. The worst of all scans counts. Failed scans count only where no scan was completed.
    fn action(&self) -> Action {
        let count = |finding| self.scans.values().filter(|it| it.finding() == finding).count();
        if self.infected_at_uploadcare || count(Finding::Infected) > 0 {
            Action::Quarantine
        } else if count(Finding::Doubtful) > 0 {
            Action::Review
        } else if count(Finding::Unspecified) > 0 {
            Action::Wait
        } else if count(Finding::Clean) > 0 {
            Action::Approve
        } else if count(Finding::Failed) < ATTEMPTS {
            Action::Resubmit
        } else {
            Action::Review
        }
    }
}

/// Returns whether an event reports an infection. `file.infected` does so by its name. Other events carry the result of the virus scan as
/// well, and Uploadcare plans to replace `file.infected` by them. A file that was infected once stays so here; only a person releases it.
fn infected_at_uploadcare(event: &Event) -> bool {
    let found = match &event.payload {
        Some(Payload::UploadcareFile(file)) => file.virus_scan.as_ref().and_then(|scan| scan.infected),
        _ => None,
    };
    event.r#type == "file.infected" || found == Some(true)
}
