//! A list that the user gives as a file, or on standard input.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::Failure;

/// The most bytes of a list.
const BYTES_MAX: u64 = 64 << 20;

/// Reads the file that a flag names; `-` is standard input.
pub(super) fn read(flag: &str, path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let name = path.display().to_string();
    let failed = |error: io::Error| Failure::Failed(format!("{flag} {name:?}: {error}"));
    let source: Box<dyn Read> =
        if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
    source.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(Failure::Failed(format!("{flag} {name:?}: is larger than {BYTES_MAX} bytes")));
    }
    // Some editors begin a file with a byte order mark.
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}
