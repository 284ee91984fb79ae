//! Kafka and the schema registry, as `hookgate check --cluster` sees them.

use std::io::{self, Write};

use super::{CONFIGURATION_FIRST, DoctorLine, DoctorReport, Patient};
use crate::{
    command::check::{self, ClusterReport},
    config::Needs,
};

const KAFKA: &str = "kafka";

/// Looks at the cluster and the registry.
pub(super) fn look(patient: &Patient<'_>, report: &mut DoctorReport<impl Write>) -> io::Result<()> {
    let Some(config) = patient.load(Needs::Cluster) else {
        return report.add(DoctorLine::not_tried(KAFKA, "the configuration cannot be used", CONFIGURATION_FIRST));
    };
    let (mut found, mut warnings) = (ClusterReport::default(), Vec::new());
    check::inspect(&config, &mut found, &mut warnings);
    check::inspect_schemas(&config, &mut found);
    for why in &found.unreachable {
        report.add(
            DoctorLine::bad(KAFKA, why, patient.command("check --cluster"))
                .remedy("asks again; docs/troubleshooting.md has the causes"),
        )?;
    }
    for warning in warnings {
        report.add(DoctorLine::bad(KAFKA, warning, "correct the address in [kafka] brokers, or remove it"))?;
    }
    for finding in &found.findings {
        report.add(
            DoctorLine::bad(KAFKA, finding, patient.command("check --cluster"))
                .remedy("prints it on one line, with its command to copy"),
        )?;
    }
    if found.unreachable.is_empty() && found.findings.is_empty() {
        let brokers = found.brokers.join(" ");
        report.add(DoctorLine::good(KAFKA, format!("topics, sizes and permissions fit; brokers: {brokers}")))?;
    }
    Ok(())
}
