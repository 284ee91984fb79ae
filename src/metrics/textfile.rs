//! Metrics of a command that ends: a file for the textfile collector of Prometheus' node exporter.

use std::{fmt::Write as _, time::SystemTime};

/// The metrics of `hookgate reconcile`: name, and help.
pub const RECONCILED: [(&str, &str); 3] = [
    ("hookgate_reconcile_missing", "Events that the provider knows of and the topics do not have."),
    ("hookgate_reconcile_unknown", "1 if not everything about the events of this type can be known."),
    ("hookgate_reconcile_timestamp_seconds", "When the provider was last compared with the topics."),
];

/// Returns the file: for each type its provider, its name, how many are missing and whether something cannot be known; and the providers
/// that were compared at this time.
pub fn reconciled(types: &[(&str, &str, u64, bool)], providers: &[&str], now: SystemTime) -> String {
    let [(missing, _), (unknown, _), (time, _)] = RECONCILED;
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut text = String::new();
    for (name, help) in RECONCILED {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (provider, event_type, number, open) in types {
            let value = match name {
                name if name == missing => *number,
                name if name == unknown => u64::from(*open),
                _ => continue,
            };
            let _ = writeln!(text, "{name}{{provider=\"{provider}\",type=\"{event_type}\"}} {value}");
        }
        if name == time {
            for provider in providers {
                let _ = writeln!(text, "{name}{{provider=\"{provider}\"}} {seconds}");
            }
        }
    }
    text
}
