//! The result as metrics.

use std::{path::Path, time::SystemTime};

use crate::{
    command::{Failure, missing::Comparison, textfile},
    metrics::textfile::{ReconciledProvider, reconciled},
    provider::Provider,
};

/// Writes the results as metrics; a provider without a comparison keeps its numbers of the file before.
pub(super) fn write(
    file: &Path,
    endpoint: Option<&str>,
    results: &[(&Provider, Option<Comparison>)],
    now: SystemTime,
) -> Result<(), Failure> {
    let of = |comparison: &Comparison| {
        comparison.rows.iter().map(|(event_type, row)| (*event_type, row.missing, !row.unknown.is_empty())).collect()
    };
    let results = results
        .iter()
        .map(|(provider, comparison)| ReconciledProvider { name: provider.name, types: comparison.as_ref().map(of) });
    textfile::write(file, &reconciled(&results.collect::<Vec<_>>(), endpoint, &textfile::before(file), now))
}
