//! The report of a comparison, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Comparison, Occurrence, Row, TimeWindow, Undecided};
use crate::{
    command::output::{LINE, ReportFormat, wrapped},
    event::timestamp,
    logged::printable,
    provider::Provider,
};

/// What can be said of a type, for people and for programs.
fn state(row: &Row) -> &'static str {
    match row {
        Row { missing: 1.., .. } => "missing",
        Row { unknown, .. } if !unknown.is_empty() => "unknown",
        _ => "complete",
    }
}

/// Prints one event, and in a word what it is: `missing` or `planned`.
pub(in crate::command) fn event(
    out: &mut impl Write,
    format: ReportFormat,
    what: &str,
    provider: &Provider,
    event: &Occurrence<'_>,
) -> io::Result<()> {
    let (subject, at) = (printable(event.subject), event.at.map(|at| timestamp(at).to_string()));
    match format {
        ReportFormat::Pretty => {
            writeln!(out, "{what}  {}  {}  {}  {subject}", at.as_deref().unwrap_or("–"), provider.name, event.event_type)
        }
        ReportFormat::Json => {
            let line = json!({ what: { "provider": provider.name, "type": event.event_type, "subject": subject, "time": at } });
            writeln!(out, "{line}")
        }
    }
}

/// Prints for people what can neither count as there nor as missing, a line each. Programs have it in the rows.
pub(in crate::command) fn undecided(out: &mut impl Write, comparison: &Comparison) -> io::Result<()> {
    comparison.undecided.iter().try_for_each(|it| writeln!(out, "undecided  {}  {}", comparison.provider.name, it.text()))
}

/// Returns the rows of a provider for programs.
pub(in crate::command) fn rows(window: &TimeWindow, comparison: &Comparison) -> Vec<Value> {
    let [since, until] = [window.since, window.until].map(|time| timestamp(time).to_string());
    let row = |(event_type, row): (&&str, &Row)| {
        let undecided = row.found.map_or_else(Vec::new, |_| comparison.undecided.iter().map(Undecided::json).collect());
        json!({
            "provider": comparison.provider.name, "type": event_type, "since": since, "until": until, "state": state(row),
            "known": row.found, "on_topics": row.found.map(|found| row.on_topics(found)), "missing": row.found.map(|_| row.missing),
            "forgotten": row.found.map(|_| row.forgotten), "unknown": row.unknown, "undecided": undecided,
        })
    };
    comparison.rows.iter().map(row).collect()
}

/// Prints the table of a provider.
pub(in crate::command) fn show(
    out: &mut impl Write,
    format: ReportFormat,
    window: &TimeWindow,
    comparison: &Comparison,
) -> io::Result<()> {
    if format == ReportFormat::Json {
        for row in rows(window, comparison) {
            writeln!(out, "{row}")?;
        }
        return out.flush();
    }
    let name = comparison.provider.name;
    let [since, until] = [window.since, window.until].map(|time| timestamp(time).to_string());
    let how = if comparison.compared { "" } else { ", without a look at the topics (--all)" };
    writeln!(out, "{name}, from {since} to {until}{how}")?;
    let width = comparison.rows.keys().map(|it| it.len()).max().unwrap_or_default();
    writeln!(out, "  {:width$}  {:>9}  {:>9}  {:>9}", "type", "known", "on topics", "missing")?;
    for (event_type, row) in &comparison.rows {
        let number = |of: fn(u64, &Row) -> u64| row.found.map_or_else(|| "–".to_owned(), |found| of(found, row).to_string());
        let compared = |of: fn(u64, &Row) -> u64| if comparison.compared { number(of) } else { "–".to_owned() };
        let said = match state(row) {
            _ if !comparison.compared => if row.unknown.is_empty() { "not compared" } else { "cannot know" }.to_owned(),
            "missing" => format!("{} missing", row.missing),
            "complete" => "complete".to_owned(),
            _ => "cannot know".to_owned(),
        };
        let line = format!(
            "  {event_type:width$}  {:>9}  {:>9}  {:>9}  {said}",
            number(|found, _| found),
            compared(|found, row| row.on_topics(found)),
            compared(|_, row| row.missing),
        );
        with_reasons(out, &line, &row.unknown)?;
    }
    out.flush()
}

/// Prints a line with the reasons for it, below the line where there is no room beside it.
fn with_reasons(out: &mut impl Write, line: &str, reasons: &[String]) -> io::Result<()> {
    if reasons.is_empty() {
        return writeln!(out, "{line}");
    }
    let beside = format!("{line}: {}", printable(&reasons.join("; ")));
    if beside.chars().count() <= LINE {
        return writeln!(out, "{beside}");
    }
    writeln!(out, "{line}:")?;
    reasons.iter().try_for_each(|reason| wrapped(out, LINE, ("    ", "    "), &printable(reason)))
}
