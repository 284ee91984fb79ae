//! Durations and sizes as people write them.

use std::time::Duration;

/// The units of durations, by falling size, in milliseconds.
const DURATION_UNITS: &[(&str, f64)] = &[("ms", 1.0), ("d", 86_400_000.0), ("h", 3_600_000.0), ("m", 60_000.0), ("s", 1_000.0)];

/// The units of sizes. "KiB" ends in "B", so the longer ones come first.
const SIZE_UNITS: &[(&str, u64)] = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// Reads "3.5s", "500ms", "5m", "2h" or "14d".
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = DURATION_UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    // `f64` would also read "inf", "1e9" and "-0".
    if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let milliseconds = number.parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(milliseconds / 1_000.0).ok()
}

/// Writes a duration so that [`parse_duration`] reads it again.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match duration.subsec_nanos() {
        0 if seconds >= 86_400 && seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        0 => format!("{seconds}s"),
        _ if seconds == 0 => format!("{}ms", duration.as_secs_f64() * 1_000.0),
        _ => format!("{}s", duration.as_secs_f64()),
    }
}

/// Reads "768KiB", "64MiB", "1GiB", "512B" or a plain number of bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = SIZE_UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).unwrap_or((text, 1));
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Writes a size in the largest unit that divides it.
pub(super) fn show_size(bytes: u64) -> String {
    let unit = SIZE_UNITS.iter().rev().skip_while(|(name, _)| *name == "B").find(|(_, unit)| {
        // Every unit divides zero.
        bytes > 0 && bytes.is_multiple_of(*unit)
    });
    match unit {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Returns a regular expression for what [`parse_duration`] reads.
pub fn duration_pattern() -> String {
    let units: Vec<&str> = DURATION_UNITS.iter().map(|(name, _)| *name).collect();
    format!(r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)({})$", units.join("|"))
}

/// Returns a regular expression for the strings that [`parse_size`] reads.
pub fn size_pattern() -> String {
    let units: Vec<&str> = SIZE_UNITS.iter().map(|(name, _)| *name).collect();
    format!("^[0-9]+({})?$", units.join("|"))
}
