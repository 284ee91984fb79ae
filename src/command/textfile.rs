//! A file with metrics, for the textfile collector of Prometheus' node exporter.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use super::Failure;

/// The most bytes of the file before this one that are read.
const BYTES_MAX: u64 = 1 << 20;

/// Writes metrics. The file appears whole or not at all: the collector may read at any time.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Failure> {
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
pub(super) fn before(file: &Path) -> String {
    let mut text = String::new();
    match File::open(file).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text)) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}
