//! The result as metrics.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    time::SystemTime,
};

use crate::{
    command::{Failure, missing::Comparison},
    metrics::textfile::{self, ReconciledProvider},
    provider::Provider,
};

/// The most bytes of the file before this one that are read.
const BYTES_MAX: u64 = 1 << 20;

/// Writes the results as metrics; a provider without a comparison keeps its numbers of the file before. The file appears whole or not at all:
/// the collector may read at any time.
pub(super) fn write(file: &Path, results: &[(&Provider, Option<Comparison>)], now: SystemTime) -> Result<(), Failure> {
    let of = |comparison: &Comparison| {
        comparison.rows.iter().map(|(event_type, row)| (*event_type, row.missing, !row.unknown.is_empty())).collect()
    };
    let results = results
        .iter()
        .map(|(provider, comparison)| ReconciledProvider { name: provider.name, types: comparison.as_ref().map(of) });
    let text = textfile::reconciled(&results.collect::<Vec<_>>(), &before(file), now);
    // A device or a link would be replaced by the file.
    if fs::symlink_metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(Failure::Failed(format!("--metrics {:?}: is no regular file", file.display().to_string())));
    }
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".tmp");
    let failed = |error: io::Error| Failure::Failed(format!("cannot write {:?}: {error}", file.display().to_string()));
    let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, file));
    if written.is_err() {
        // The error that counts is the one before.
        let _not_there = fs::remove_file(&unfinished);
    }
    written.map_err(failed)
}

/// Returns what the file says now. Nothing of a file that is not there, or that Hookgate has not written, can be kept.
fn before(file: &Path) -> String {
    let mut text = String::new();
    match File::open(file).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text)) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}
