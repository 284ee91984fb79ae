//! What a command reads: a file, or standard input for `-`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::Failure;
use crate::http::WholeRequest;

/// The most that is read. No topic takes as much by default, and a device has no end.
const BYTES_MAX: u64 = 64 << 20;

/// Reads all bytes, which must not be too many.
pub(super) fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    let read = if file == Path::new("-") { at_most(io::stdin().lock()) } else { File::open(file).and_then(at_most) };
    let bytes = read.map_err(|error| Failure::Failed(format!("{}: {error}", name(file))))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Failure::Failed(format!("{} is larger than {} MiB", name(file), BYTES_MAX >> 20)));
    }
    Ok(bytes)
}

/// Reads one byte more than may be, so that the caller notices.
fn at_most(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a whole HTTP request.
pub(super) fn request(file: &Path) -> Result<WholeRequest, Failure> {
    WholeRequest::parse(&bytes(file)?).map_err(|why| Failure::Failed(format!("{}: {why}", name(file))))
}

fn name(file: &Path) -> String {
    if file == Path::new("-") { "standard input".into() } else { file.display().to_string() }
}
