//! What is registered, as a table of at most 80 columns or as JSON.

use std::io::{self, Write};

use serde_json::json;

use super::registration::{Registered, Registration};
use crate::{
    command::output::{LINE, ReportFormat, wrapped},
    logged::printable,
};

/// The widths of the columns before the last.
const WIDTHS: [usize; 5] = [10, 10, 21, 6, 7];
const TITLES: [&str; 6] = ["PROVIDER", "ID", "EVENTS", "STATE", "SIGNED", "ENDPOINT"];
/// How many hosts are named, and how much of each is shown, in characters.
const HOSTS: usize = 3;
const HOST: usize = 50;
/// How many events of a registration JSON has. No provider has more.
const EVENTS: usize = 50;

/// Prints the head of the table, where it has one.
pub(super) fn head(out: &mut impl Write, format: ReportFormat) -> io::Result<()> {
    match format {
        ReportFormat::Pretty => line(out, &TITLES.map(str::to_owned)),
        ReportFormat::Json => Ok(()),
    }
}

/// Prints what is registered at one provider.
pub(super) fn show(out: &mut impl Write, format: ReportFormat, registered: &Registered) -> io::Result<()> {
    let provider = registered.provider.name;
    let hosts: Vec<String> = registered.hosts.iter().take(HOSTS).map(|host| shortened(host, HOST)).collect();
    match format {
        ReportFormat::Pretty => {
            for row in &registered.rows {
                line(out, &cells(provider, row))?;
                row.notes.iter().try_for_each(|note| noted(out, note))?;
            }
            let mut notes = registered.notes.clone();
            if registered.elsewhere > 0 {
                let more = if registered.hosts.len() > HOSTS { ", …" } else { "" };
                notes.push(format!("{} not ours: {}{more}", registered.elsewhere, hosts.join(", ")));
            }
            notes.iter().try_for_each(|note| noted(out, &format!("{provider}: {note}")))?;
        }
        ReportFormat::Json => {
            for row in &registered.rows {
                let events: Vec<String> = row.events.iter().take(EVENTS).map(|event| shortened(event, HOST)).collect();
                let line = json!({
                    "provider": provider, "endpoint": &*row.endpoint, "id": row.id.as_deref().map(|id| shortened(id, HOST)),
                    "events": events, "state": row.state.word(), "proof": row.proof.word(), "finding": row.is_finding(),
                    "notes": row.notes,
                });
                writeln!(out, "{line}")?;
            }
            let line =
                json!({ "provider": provider, "not_ours": registered.elsewhere, "hosts": hosts, "notes": registered.notes });
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}

fn cells(provider: &str, row: &Registration) -> [String; 6] {
    let more = row.events.len().saturating_sub(1);
    let more = if more > 0 { format!(" +{more}") } else { String::new() };
    let first = row.events.first().map_or_else(|| "–".to_owned(), |event| shortened(event, WIDTHS[2] - more.len()));
    [
        provider.to_owned(),
        row.id.as_deref().map_or_else(|| "–".to_owned(), |id| shortened(id, WIDTHS[1])),
        first + &more,
        row.state.text().to_owned(),
        row.proof.text().to_owned(),
        row.endpoint.to_string(),
    ]
}

fn line(out: &mut impl Write, cells: &[String; 6]) -> io::Result<()> {
    let padded = cells.iter().zip(WIDTHS.into_iter().chain([0])).map(|(cell, width)| format!("{cell:width$}"));
    writeln!(out, "{}", padded.collect::<Vec<_>>().join("  "))
}

/// Prints a note below a row.
fn noted(out: &mut impl Write, note: &str) -> io::Result<()> {
    wrapped(out, LINE, ("    ", "    "), &printable(note))
}

/// Returns text from outside for a terminal, at most so many characters of it.
fn shortened(text: &str, characters: usize) -> String {
    let text = printable(text);
    if text.chars().count() <= characters {
        return text;
    }
    text.chars().take(characters - 1).chain(['…']).collect()
}
