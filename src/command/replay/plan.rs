//! What a run would do, for people and for programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use serde_json::json;

use super::{judge::ReplayOutcome, select::Unmatched};
use crate::{
    command::{
        output::{self, ReportFormat},
        run::Publication,
    },
    logged::printable,
    proto::Event,
};

/// What a run would publish, and what it would leave.
#[derive(Debug, Default)]
pub(super) struct ReplayPlan {
    /// What it would publish, oldest first.
    pub(super) events: Vec<Event>,
    /// The source topics that were read.
    pub(super) read: Vec<String>,
    /// The topics that should be there and are not, or may not be seen: source topics of this configuration, and those that events go to.
    pub(super) absent: BTreeSet<String>,
    /// What the flags name and no chosen record has.
    pub(super) unmatched: Vec<Unmatched>,
    /// The bodies of the events.
    bytes: usize,
    counts: BTreeMap<String, BTreeMap<ReplayOutcome, u64>>,
}

/// The most bytes of bodies that one run publishes.
const BYTES_MAX: usize = 128 << 20;

impl ReplayPlan {
    /// Counts records that are where they are for a reason.
    pub(super) fn count(&mut self, reason: &str, outcome: ReplayOutcome, records: u64) {
        *self.counts.entry(reason.to_owned()).or_default().entry(outcome).or_default() += records;
    }

    /// Counts a record as something else than before.
    pub(super) fn correct(&mut self, reason: &str, before: ReplayOutcome, now: ReplayOutcome) {
        self.count(reason, now, 1);
        if let Some(records) = self.counts.get_mut(reason).and_then(|counts| counts.get_mut(&before)) {
            *records = records.saturating_sub(1);
        }
    }

    /// Takes an event to publish.
    pub(super) fn hold(&mut self, event: Event) {
        self.bytes += event.body.len();
        self.events.push(event);
    }

    /// Returns how many newer events are left, because one run publishes no more.
    fn left(&self) -> u64 {
        let passing: u64 = self.counts.values().filter_map(|counts| counts.get(&ReplayOutcome::Passes)).sum();
        passing.saturating_sub(self.events.len() as u64)
    }

    /// Returns whether the run has as much as it may publish.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.bytes >= BYTES_MAX || self.events.len() >= limit
    }

    /// Returns whether a person should look, although the run itself works.
    pub(super) fn leaves_something(&self) -> bool {
        self.left() > 0 || !self.absent.is_empty() || self.unmatched.iter().any(|it| it.is_finding) || self.leaves_records()
    }

    /// Returns whether records are left that only a person can get further.
    fn leaves_records(&self) -> bool {
        self.counts.values().flatten().any(|(outcome, records)| outcome.is_left() && *records > 0)
    }

    /// Returns what to say beside the plan, a line each.
    pub(super) fn remarks(&self, publication: &Publication) -> Vec<String> {
        let mut remarks = vec![format!("read {}", self.read.join(", "))];
        remarks.extend(self.absent.iter().map(|topic| format!("there is no topic {topic}, or it may not be seen")));
        remarks.extend(self.unmatched.iter().map(|it| it.text.clone()));
        let left = self.left();
        if left > 0 {
            let full = self.bytes >= BYTES_MAX;
            let limit = if full { "the size of the bodies".to_owned() } else { format!("--limit {}", publication.limit) };
            remarks.push(format!("left for another run, because of {limit}: {}", output::counted(left, "newer event")));
        }
        if self.events.is_empty() {
            remarks.push(if self.leaves_records() {
                "nothing can be published".into()
            } else {
                "there is nothing to replay".into()
            });
        } else if publication.dry_run {
            remarks.push(format!("{} would be published", output::events(self.events.len())));
        }
        remarks
    }

    /// Prints how many records of each reason have which outcome.
    pub(super) fn show(&self, out: &mut impl Write, format: ReportFormat) -> io::Result<()> {
        let rows = self
            .counts
            .iter()
            .flat_map(|(reason, counts)| counts.iter().map(move |(outcome, records)| (reason, outcome, records)));
        let rows = rows.filter(|(_, _, records)| **records > 0);
        if format == ReportFormat::Json {
            for (reason, outcome, records) in rows {
                writeln!(
                    out,
                    "{}",
                    json!({ "plan": { "reason": printable(reason), "outcome": outcome.label(), "records": records } })
                )?;
            }
            return out.flush();
        }
        if self.counts.is_empty() {
            return Ok(());
        }
        writeln!(out, "{:16}  {:24}  {:>9}", "reason", "outcome", "records")?;
        for (reason, outcome, records) in rows {
            writeln!(out, "{:16}  {:24}  {records:>9}", printable(reason), outcome.label())?;
        }
        out.flush()
    }
}
