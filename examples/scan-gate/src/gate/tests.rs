use prost_types::Timestamp;

use super::*;
use crate::proto::hookgate::v1::{FilesafetyScan, FilesafetyVerdict, FilesafetyVirus, UploadcareFile, UploadcareVirusScan};

const NOW: i64 = 1_800_000_000;

/// An input about the asset `a`.
#[derive(Clone, Debug)]
enum Input {
    Submitted(&'static str),
    Event(Box<Event>),
}

use Input::{Event as Happened, Submitted};

fn event(provider: &str, kind: &str, subject: &str, occurred_at: Option<i64>, payload: Option<Payload>) -> Input {
    let time = |seconds| Timestamp { seconds, nanos: 0 };
    Happened(Box::new(Event {
        provider: provider.into(),
        r#type: kind.into(),
        subject: subject.into(),
        received_at: Some(time(NOW)),
        occurred_at: occurred_at.map(time),
        payload,
        ..Event::default()
    }))
}

fn scan(kind: &str, id: &str, occurred_at: Option<i64>, verdict: FilesafetyVerdict, virus_clean: Option<bool>) -> Input {
    let virus = Some(FilesafetyVirus { clean: virus_clean, ..FilesafetyVirus::default() });
    let scan = FilesafetyScan { scan_id: id.into(), verdict: verdict.into(), virus, ..FilesafetyScan::default() };
    event("filesafety", kind, id, occurred_at, Some(Payload::FilesafetyScan(scan)))
}

fn complete(id: &str, second: i64, verdict: FilesafetyVerdict) -> Input {
    scan("scan.complete", id, Some(NOW - 100 + second), verdict, None)
}

fn revised(id: &str, second: i64, verdict: FilesafetyVerdict) -> Input {
    scan("scan.verdict_updated", id, Some(NOW - 100 + second), verdict, None)
}

fn uploadcare(kind: &str, infected: Option<bool>) -> Input {
    let virus_scan = Some(UploadcareVirusScan { infected, ..UploadcareVirusScan::default() });
    event(
        "uploadcare",
        kind,
        "a",
        None,
        Some(Payload::UploadcareFile(Box::new(UploadcareFile { virus_scan, ..UploadcareFile::default() }))),
    )
}

fn feed(gate: &mut Gate, input: &Input) {
    match input {
        Submitted(id) => gate.submission(Submission { scan_id: (*id).into(), asset: "a".into() }),
        Happened(event) => gate.event(event),
    }
}

/// Returns every order of the inputs.
fn orders(inputs: &[Input]) -> Vec<Vec<Input>> {
    if inputs.is_empty() {
        return vec![Vec::new()];
    }
    (0..inputs.len())
        .flat_map(|at| {
            let mut rest = inputs.to_vec();
            let first = rest.remove(at);
            orders(&rest).into_iter().map(move |rest| [vec![first.clone()], rest].concat())
        })
        .collect()
}

/// Checks the action that follows from the inputs in any order, when all are repeated, and with a restart at any place.
fn check(inputs: &[Input], wanted: Option<Action>) {
    for order in orders(inputs) {
        for restart in 0..=order.len() {
            let mut gate = Gate::default();
            let mut last = None;
            for (at, event) in order.iter().chain(&order).enumerate() {
                if at == restart {
                    gate = restarted(&mut gate, last.clone());
                }
                feed(&mut gate, event);
                last = gate.changes_kept().or(last);
            }
            assert_eq!(last.map(|it: Decision| it.action()), wanted, "{order:?}, restarted before {restart}");
        }
    }
}

/// Returns a gate that knows only what was published.
fn restarted(gate: &mut Gate, last: Option<Decision>) -> Gate {
    let mut new = Gate::default();
    if let Some(decision) = last {
        new.restore(decision);
    }
    for (id, verdicts) in &gate.unknown {
        new.restore_unknown(id.clone(), Some(&verdicts.scan(id)));
    }
    new
}

impl Gate {
    /// Takes the changes, as publishing does, and returns the decision among them.
    fn changes_kept(&mut self) -> Option<Decision> {
        let Changes { decisions, unknown } = self.changes();
        for (id, scan) in unknown {
            assert_eq!(scan.is_some(), self.unknown.contains_key(&id), "a report stays as long as its scan is unknown");
        }
        decisions.into_iter().next()
    }
}

#[test]
fn decisions_depend_on_neither_order_nor_repetition_nor_restarts() {
    use FilesafetyVerdict::{Clean, Failed, Infected, Mixed, Nsfw, Toxic, Unspecified};
    check(&[], None);
    check(&[Submitted("1")], Some(Action::Wait));
    for (verdict, action) in [
        (Clean, Action::Approve),
        (Infected, Action::Quarantine),
        (Nsfw, Action::Review),
        (Toxic, Action::Review),
        (Mixed, Action::Quarantine),
        (Failed, Action::Resubmit),
        (Unspecified, Action::Review),
    ] {
        check(&[Submitted("1"), complete("1", 0, verdict)], Some(action));
    }
    check(&[Submitted("1"), complete("1", 0, Clean), revised("1", 5, Infected)], Some(Action::Quarantine));
    check(&[Submitted("1"), complete("1", 0, Clean), revised("1", 0, Infected)], Some(Action::Quarantine));
    check(&[Submitted("1"), complete("1", 0, Infected), revised("1", 5, Clean)], Some(Action::Approve));
    check(&[Submitted("1"), revised("1", 5, Infected), revised("1", 9, Clean)], Some(Action::Approve));
    check(&[Submitted("1"), revised("1", 5, Clean), revised("1", 9, Infected)], Some(Action::Quarantine));
    check(&[Submitted("1"), revised("1", 5, Clean), revised("1", 5, Infected)], Some(Action::Quarantine));
    check(&[Submitted("1"), complete("1", 5, Infected), revised("1", 0, Clean)], Some(Action::Quarantine));
    check(&[Submitted("1"), complete("1", 5, Clean), revised("1", 0, Infected)], Some(Action::Quarantine));
    check(&[Submitted("1"), complete("1", 0, Failed), Submitted("2")], Some(Action::Wait));
    check(&[Submitted("1"), complete("1", 0, Failed), Submitted("2"), complete("2", 5, Clean)], Some(Action::Approve));
    check(&[Submitted("1"), complete("1", 0, Failed), Submitted("2"), complete("2", 5, Failed)], Some(Action::Resubmit));
}

#[test]
fn a_scan_that_keeps_failing_needs_a_person() {
    let mut gate = Gate::default();
    for (id, action) in [("1", Action::Resubmit), ("2", Action::Resubmit), ("3", Action::Review), ("4", Action::Review)] {
        feed(&mut gate, &Submitted(id));
        feed(&mut gate, &complete(id, 0, FilesafetyVerdict::Failed));
        assert_eq!(gate.changes_kept().map(|it| it.action()), Some(action), "{id}");
    }
}

#[test]
fn only_submitted_scans_approve() {
    use FilesafetyVerdict::{Clean, Infected};
    check(&[complete("1", 0, Clean)], None);
    check(&[Submitted("1"), complete("2", 0, Clean)], Some(Action::Wait));
    check(&[Submitted("1"), complete("1", 0, Infected), revised("2", 5, Clean)], Some(Action::Quarantine));
}

#[test]
fn clean_must_be_said_in_every_way() {
    use FilesafetyVerdict::{Clean, Infected, Mixed};
    let said = |verdict, virus| scan("scan.complete", "1", Some(NOW), verdict, virus);
    check(&[Submitted("1"), said(Clean, Some(true))], Some(Action::Approve));
    check(&[Submitted("1"), said(Clean, Some(false))], Some(Action::Quarantine));
    check(&[Submitted("1"), said(Mixed, Some(true))], Some(Action::Review));
    // The payload was too large for the topic.
    check(&[Submitted("1"), event("filesafety", "scan.complete", "1", Some(NOW), None)], Some(Action::Review));
    // Times that no revision could override, and no time.
    let at = |kind, at, verdict| scan(kind, "1", at, verdict, None);
    check(&[Submitted("1"), at("scan.complete", Some(NOW + 3600), Clean)], Some(Action::Approve));
    check(&[Submitted("1"), at("scan.complete", Some(NOW + 3601), Clean)], Some(Action::Review));
    check(&[Submitted("1"), at("scan.complete", None, Clean)], Some(Action::Approve));
    check(&[Submitted("1"), at("scan.verdict_updated", None, Clean)], Some(Action::Review));
    check(&[Submitted("1"), at("scan.verdict_updated", None, Infected), revised("1", 5, Clean)], Some(Action::Quarantine));
}

#[test]
fn an_infection_at_uploadcare_stays() {
    let clean = || complete("1", 50, FilesafetyVerdict::Clean);
    check(&[Submitted("1"), clean(), uploadcare("file.uploaded", Some(false))], Some(Action::Approve));
    check(&[Submitted("1"), clean(), uploadcare("file.uploaded", None)], Some(Action::Approve));
    check(&[Submitted("1"), clean(), uploadcare("file.info_updated", Some(true))], Some(Action::Quarantine));
    check(&[uploadcare("file.infected", None), uploadcare("file.info_updated", Some(false))], Some(Action::Quarantine));
    check(&[event("uploadcare", "file.infected", "a", None, None)], Some(Action::Quarantine));
}

#[test]
fn a_flood_of_forged_scans_is_bounded() {
    let mut gate = Gate::default();
    let ids = (0..UNKNOWN + 10).map(|number| format!("{number:06}"));
    for id in ids {
        feed(&mut gate, &complete(&id, 0, FilesafetyVerdict::Clean));
    }
    let Changes { decisions, unknown } = gate.changes();
    assert!(decisions.is_empty());
    assert_eq!(unknown.iter().filter(|(_, scan)| scan.is_some()).count(), UNKNOWN);
    assert_eq!(unknown.iter().filter(|(_, scan)| scan.is_none()).count(), 10, "the reports of forgotten scans are removed");
}
