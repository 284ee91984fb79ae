//! The result as metrics.

use std::{fs, io, path::Path, time::SystemTime};

use crate::{
    command::{Failure, missing::Comparison},
    metrics::textfile,
};

/// Writes the results as metrics. The file appears whole or not at all: the collector may read at any time.
pub(super) fn write(file: &Path, comparisons: &[Comparison], now: SystemTime) -> Result<(), Failure> {
    let rows = comparisons.iter().flat_map(|comparison| {
        let name = comparison.provider.name;
        comparison.rows.iter().map(move |(event_type, row)| (name, *event_type, row.missing, !row.unknown.is_empty()))
    });
    let names: Vec<&str> = comparisons.iter().map(|comparison| comparison.provider.name).collect();
    let text = textfile::reconciled(&rows.collect::<Vec<_>>(), &names, now);
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
