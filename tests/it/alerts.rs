//! Alerts, runbooks and the dashboard name metrics and outcomes that exist, and each alert has its runbook.

use std::{collections::BTreeSet, fs, path::Path};

use hookgate::{
    closed::Closed as _,
    metrics::{
        DeliveryOutcome,
        textfile::{RECONCILED, SUBSCRIBED},
    },
};

use crate::docs::every_metric;

const RULES: &str = "deploy/prometheus/rules.yaml";
const DASHBOARD: &str = "deploy/grafana/dashboard.json";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns the words that follow a mark, such as `- alert: `.
fn after<'a>(text: &'a str, mark: &str) -> BTreeSet<&'a str> {
    text.split(mark).skip(1).filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()).collect()
}

#[test]
fn every_alert_has_a_runbook_and_a_test() {
    let rules = read(RULES);
    let alerts = after(&rules, "- alert: ");
    assert!(alerts.len() > 15);
    let tests = read("deploy/prometheus/rules.test.yaml");
    assert_eq!(after(&tests, "alertname=\""), alerts, "alerts and their tests");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks");
    let pages = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<String> = pages.map(|name| name.trim_end_matches(".md").to_owned()).collect();
    assert_eq!(pages, alerts.iter().map(ToString::to_string).collect(), "runbooks and alerts");
    for alert in alerts {
        let page = read(&format!("docs/runbooks/{alert}.md"));
        assert!(
            rules.contains(&format!("runbook_url: http://localhost:9090/runbooks/{alert}.md\n")),
            "{alert} links its runbook"
        );
        let severity = page.lines().nth(2).unwrap().trim_start_matches("Severity: ").trim_end_matches('.');
        let rule = rules.split(&format!("- alert: {alert}\n")).nth(1).unwrap();
        assert!(rule.split("severity: ").nth(1).unwrap().starts_with(severity), "the severity of {alert}");
        for part in ["## Meaning", "## First look", "## Cure"] {
            assert!(page.contains(part), "{alert}: {part}");
        }
    }
}

#[test]
fn rules_runbooks_and_dashboard_name_metrics_and_outcomes_that_exist() {
    let exposition = every_metric();
    let of_commands = RECONCILED.iter().chain(&SUBSCRIBED).map(|(name, _)| *name);
    let known: BTreeSet<&str> = after(&exposition, "# TYPE ").into_iter().chain(of_commands).collect();
    let outcomes: BTreeSet<&str> = DeliveryOutcome::all().map(DeliveryOutcome::text).collect();
    let runbooks =
        after(&read(RULES), "- alert: ").iter().map(|alert| read(&format!("docs/runbooks/{alert}.md"))).collect::<String>();
    for (place, text) in [(RULES, read(RULES)), (DASHBOARD, read(DASHBOARD)), ("docs/runbooks", runbooks)] {
        for prefix in ["hookgate_", "process_"] {
            for name in after(&text, prefix) {
                let name = format!("{prefix}{name}");
                let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
                assert!(known.contains(base) || known.contains(&*name), "{place}: there is no metric {name}");
            }
        }
        for list in text.split("outcome=~").skip(1).map(|rest| rest.trim_start_matches(['\\', '"'])) {
            let list = list.split(['"', '\\']).next().unwrap();
            for outcome in list.split('|') {
                assert!(outcomes.contains(outcome), "{place}: there is no outcome {outcome}");
            }
        }
    }
}
