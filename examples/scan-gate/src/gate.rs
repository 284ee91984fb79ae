//! The decisions, without Kafka.
//!
//! Whatever arrives only ever raises a part of the state: a verdict to a later one, the scans of an asset by one more, the mark of
//! Uploadcare to "infected". A maximum depends neither on the order in which it is taken nor on how often, so neither do the
//! decisions. There is no list of ids already seen, and none that could be forgotten too early.

use std::collections::{BTreeMap, BTreeSet};

use crate::proto::{
    hookgate::v1::{Event, event::Payload},
    scangate::v1::{Action, Decision, Finding, Scan, Submission},
};

mod verdict;
#[cfg(test)]
mod tests;

use verdict::{Verdict, Verdicts};

/// So many scans of one asset may fail before a person is asked.
const ATTEMPTS: usize = 3;
/// So many scans that nobody submitted are remembered. A flood of forged ones makes the lowest ids be forgotten, and a verdict
/// that is forgotten approves nothing.
const UNKNOWN: usize = 10_000;

/// All that is known, and what of it has changed since that was last taken.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    assets: BTreeMap<String, Asset>,
    /// The scans that were really submitted, each with its asset.
    submitted: BTreeMap<String, String>,
    /// Verdicts on scans that were not, or not yet.
    unknown: BTreeMap<String, Verdicts>,
    changed: BTreeSet<String>,
    changed_unknown: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Asset {
    scans: BTreeMap<String, Verdicts>,
    infected_at_uploadcare: bool,
}

/// What is to be published.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) decisions: Vec<Decision>,
    /// By scan id; `None` takes the report back.
    pub(crate) unknown: Vec<(String, Option<Scan>)>,
}

impl Gate {
    /// A scan was submitted. Its verdict may have been here first.
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

    /// Something that Hookgate published. What says nothing about safety changes nothing.
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
        // The token in FileSafety's URL proves nothing about the body: a scan that nobody submitted is reported, and no more.
        if self.unknown.entry(scan.to_owned()).or_default().raise(revised, verdict) {
            self.changed_unknown.insert(scan.to_owned());
        }
        if self.unknown.len() > UNKNOWN
            && let Some((forgotten, _)) = self.unknown.pop_first()
        {
            self.changed_unknown.insert(forgotten);
        }
    }

    /// What has changed since the last call.
    pub(crate) fn changes(&mut self) -> Changes {
        let decision = |name: &String| Some(self.assets.get(name)?.decision(name));
        let decisions = std::mem::take(&mut self.changed).iter().filter_map(decision).collect();
        let report = |id: String| {
            let scan = self.unknown.get(&id).map(|verdicts| verdicts.scan(&id));
            (id, scan)
        };
        Changes { decisions, unknown: std::mem::take(&mut self.changed_unknown).into_iter().map(report).collect() }
    }

    /// Takes up a decision of an earlier run.
    pub(crate) fn restore(&mut self, decision: Decision) {
        let Decision { asset: name, scans, infected_at_uploadcare, .. } = decision;
        self.submitted.extend(scans.iter().map(|scan| (scan.scan_id.clone(), name.clone())));
        let scans = scans.into_iter().map(|scan| (scan.scan_id.clone(), Verdicts::from(&scan))).collect();
        self.assets.insert(name, Asset { scans, infected_at_uploadcare });
    }

    /// Takes up the report of an unknown scan, or that it was taken back.
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

    /// The worst of all scans counts. Failed ones count only where none was completed.
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

/// `file.infected` says it by its name. The result of the virus scan comes with other events as well, and Uploadcare means to retire
/// `file.infected` for them. A file that was infected once stays so here: only a person lets it go.
fn infected_at_uploadcare(event: &Event) -> bool {
    let found = match &event.payload {
        Some(Payload::UploadcareFile(file)) => file.virus_scan.as_ref().and_then(|scan| scan.infected),
        _ => None,
    };
    event.r#type == "file.infected" || found == Some(true)
}
