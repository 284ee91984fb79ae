//! What a command reads: a file, or standard input for `-`.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use super::Failure;
use crate::http::WholeRequest;

/// Reads all bytes.
pub(super) fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    let read = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    read.map_err(|error| Failure::Failed(format!("{}: {error}", name(file))))
}

/// Reads a whole HTTP request.
pub(super) fn request(file: &Path) -> Result<WholeRequest, Failure> {
    WholeRequest::parse(&bytes(file)?).map_err(|why| Failure::Failed(format!("{}: {why}", name(file))))
}

fn name(file: &Path) -> String {
    if file == Path::new("-") { "standard input".into() } else { file.display().to_string() }
}
