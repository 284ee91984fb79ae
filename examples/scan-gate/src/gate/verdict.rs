//! The verdicts on one scan, and the finding that follows from them.

use prost_types::Timestamp;

use crate::proto::{
    hookgate::v1::{Event, FilesafetyScan, FilesafetyVerdict, event::Payload},
    scangate::v1::{self, Finding, Scan},
};

/// 9999-12-31T23:59:59Z, the last second that a protobuf timestamp may have.
const LAST: i64 = 253_402_300_799;
/// The most seconds by which a clock may be ahead of Hookgate's.
const AHEAD: i64 = 3600;

/// One verdict. Of two the later counts, and of two with the same time the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Verdict {
    at: (i64, i32),
    finding: Finding,
}

/// The latest verdict of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Verdicts {
    first: Option<Verdict>,
    revised: Option<Verdict>,
}

impl Verdicts {
    /// Takes a verdict, and returns whether that changed anything.
    pub(super) fn raise(&mut self, revised: bool, verdict: Verdict) -> bool {
        let latest = if revised { &mut self.revised } else { &mut self.first };
        let raised = Some(verdict) > *latest;
        if raised {
            *latest = Some(verdict);
        }
        raised
    }

    /// Returns the finding. A revision overrides the first verdict. One that claims to be older contradicts itself: then the worse counts.
    pub(super) fn finding(self) -> Finding {
        match (self.first, self.revised) {
            (Some(first), Some(revised)) if revised.at < first.at => first.finding.max(revised.finding),
            (_, Some(verdict)) | (Some(verdict), None) => verdict.finding,
            (None, None) => Finding::Unspecified,
        }
    }

    pub(super) fn scan(self, id: &str) -> Scan {
        let finding = self.finding().into();
        Scan { scan_id: id.to_owned(), finding, first: self.first.map(Into::into), revised: self.revised.map(Into::into) }
    }
}

impl From<&Scan> for Verdicts {
    fn from(scan: &Scan) -> Self {
        Self { first: scan.first.as_ref().map(Into::into), revised: scan.revised.as_ref().map(Into::into) }
    }
}

impl From<Verdict> for v1::Verdict {
    fn from(verdict: Verdict) -> Self {
        let (seconds, nanos) = verdict.at;
        Self { finding: verdict.finding.into(), at: Some(Timestamp { seconds, nanos }) }
    }
}

impl From<&v1::Verdict> for Verdict {
    fn from(verdict: &v1::Verdict) -> Self {
        let at = verdict.at.unwrap_or_default();
        Self { at: (at.seconds, at.nanos), finding: verdict.finding() }
    }
}

/// Returns the verdict of an event.
pub(super) fn read(event: &Event) -> Verdict {
    let finding = match &event.payload {
        Some(Payload::FilesafetyScan(scan)) => finding(scan),
        // The payload was left out because the record would have been too large for the topic, so nothing can approve the file.
        _ => Finding::Doubtful,
    };
    let revised = event.r#type == "scan.verdict_updated";
    let now = event.received_at.unwrap_or_default().seconds;
    // A verdict that no revision can override must not be "clean". That is one with a time in the future, or a revision without a time,
    // which must count as the latest.
    match event.occurred_at {
        Some(at) if at.seconds > now + AHEAD => Verdict { at: (at.seconds, at.nanos), finding: finding.max(Finding::Doubtful) },
        Some(at) => Verdict { at: (at.seconds, at.nanos), finding },
        None if revised => Verdict { at: (LAST, 0), finding: finding.max(Finding::Doubtful) },
        // Older than every verdict that has a time.
        None => Verdict { at: (0, 0), finding },
    }
}

/// Returns the finding of a scan. Only the exact word `clean` is clean, and only where no part of the scan contradicts it.
fn finding(scan: &FilesafetyScan) -> Finding {
    let virus = scan.virus.as_ref().and_then(|it| it.clean);
    let others = [scan.nsfw.as_ref().and_then(|it| it.clean), scan.text.as_ref().and_then(|it| it.clean)];
    match scan.verdict() {
        _ if virus == Some(false) => Finding::Infected,
        FilesafetyVerdict::Infected => Finding::Infected,
        // There is more than one finding. One of them may be malware, unless the virus scan says that none is.
        FilesafetyVerdict::Mixed if virus.is_none() => Finding::Infected,
        FilesafetyVerdict::Clean if !others.contains(&Some(false)) => Finding::Clean,
        FilesafetyVerdict::Failed => Finding::Failed,
        _ => Finding::Doubtful,
    }
}
