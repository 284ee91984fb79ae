//! What a command reads: a file, or standard input for `-`.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use super::{Failure, note};
use crate::http::WholeRequest;

/// The most that is read. No topic takes as much by default, and a device has no end.
const BYTES_MAX: u64 = 64 << 20;

/// Reads all bytes, which must not be too many.
pub(super) fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    if file == Path::new("-") && io::stdin().is_terminal() {
        note("reading standard input; Ctrl-D ends it");
    }
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

/// The first words of a report of `hookgate dev`.
pub(super) const REPORT_TITLE: &str = "# Hookgate request";

/// Reads a whole HTTP request, which may be in a report of `hookgate dev`.
pub(super) fn request(file: &Path) -> Result<WholeRequest, Failure> {
    let bytes = bytes(file)?;
    // A report may have been pasted below other text.
    let request = WholeRequest::parse(&bytes).or_else(|why| {
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
        text.find(REPORT_TITLE).map_or(Err(why), |at| reported(&text[at..]))
    });
    request.map_err(|why| Failure::Failed(format!("{}: {why}", name(file))))
}

/// Reads the request of a report: the block between fences that says so.
fn reported(text: &str) -> Result<WholeRequest, String> {
    // No line of a sender's text is a fence alone.
    let is_fence = |line: &&str| line.strip_suffix("http").is_some_and(|it| it.len() >= 3 && it.bytes().all(|b| b == b'`'));
    let opening = text.lines().find(is_fence).ok_or("the report has no request in it; use the fixture")?;
    let fence = opening.trim_end_matches("http");
    let (_, after) = text.split_once(&format!("\n{opening}\n")).unwrap_or_default();
    let block = after.split_once(&format!("\n{fence}\n"));
    let (block, _) = block.ok_or("the request in the report does not end: the last row of backticks is missing")?;
    WholeRequest::parse(block.as_bytes())
}

fn name(file: &Path) -> String {
    if file == Path::new("-") { "standard input".into() } else { file.display().to_string() }
}
