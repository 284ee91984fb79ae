//! What the commands that compare and publish have in common in their output.

use std::io::{self, IsTerminal as _, StdoutLock, Write};

use clap::ValueEnum;
use serde_json::json;

use super::note;
use crate::{encode::Record, kafka::Acknowledgement, logged::printable};

/// How many characters a line for a person has at most.
pub(super) const LINE: usize = 80;

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// A table for people.
    Pretty,
    /// One JSON object per line.
    Json,
}

impl ReportFormat {
    /// Returns the format that was asked for: by default pretty on a terminal, json elsewhere.
    pub(super) fn of(asked: Option<Self>) -> Self {
        asked.unwrap_or(if io::stdout().is_terminal() { Self::Pretty } else { Self::Json })
    }
}

/// Returns a number of events in words: `1 event`, `2 events`.
pub(super) fn events(number: usize) -> String {
    counted(number as u64, "event")
}

/// Returns a number of things in words: `1 entry`, `2 entries`. `one` ends in the noun.
pub(super) fn counted(number: u64, one: &str) -> String {
    match one.strip_suffix('y') {
        _ if number == 1 => format!("1 {one}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{number} {stem}ies"),
        _ => format!("{number} {one}s"),
    }
}

/// Returns the first names with this text between them, at most so many, and the number of the others.
pub(super) fn some(names: &[&str], between: &str, most: usize) -> String {
    match names.len().checked_sub(most) {
        None | Some(0) => names.join(between),
        Some(more) => format!("{} and {more} more", names[..most].join(between)),
    }
}

/// Prints a text in lines of at most so many characters. The first line and those after it begin with these texts. A command stays on one
/// line, to be copied.
pub(super) fn wrapped(out: &mut impl Write, width: usize, (first, next): (&str, &str), text: &str) -> io::Result<()> {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split(' ') {
        let fits = line.chars().count() + 1 + word.chars().count() <= width;
        if !is_empty && !fits && !is_command(text) {
            writeln!(out, "{}", line.trim_end())?;
            next.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    writeln!(out, "{}", line.trim_end())
}

/// Prints rows: for a person in columns, elsewhere with tabs between the cells.
pub(super) fn table(out: &mut impl Write, rows: &[Vec<String>], for_a_person: bool) -> io::Result<()> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..).map_while(width).collect();
    for row in rows {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", if for_a_person { padded.trim_end().to_owned() } else { row.join("\t") })?;
    }
    Ok(())
}

/// Says something on standard error: for a person in lines of at most [`LINE`] characters, elsewhere in one line. A command stands alone on its
/// line, to be copied.
pub(super) fn say(out: &mut impl Write, for_a_person: bool, text: &str) -> io::Result<()> {
    let width = if for_a_person { LINE } else { usize::MAX };
    wrapped(out, width, (if is_command(text) { "  " } else { "hookgate: " }, "  "), text)
}

/// Returns whether a text is a command that a person copies.
pub(super) fn is_command(text: &str) -> bool {
    ["hookgate ", "mkdir ", "chmod "].iter().any(|program| text.starts_with(program))
}

/// Quotes a word for a POSIX shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns a word for a POSIX shell, quoted only where that is needed.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '@' | ':' | ',');
    if text.chars().all(plain) { text.to_owned() } else { quote(text) }
}

/// Standard output of a command that must come to its end also where nothing can be printed any more. Each line is written at once: a run may take
/// hours.
pub(super) struct Printout {
    out: StdoutLock<'static>,
    failure: Option<io::Error>,
}

impl Printout {
    pub(super) fn new() -> Self {
        Self { out: io::stdout().lock(), failure: None }
    }

    /// Prints something, unless an earlier attempt has failed. [`Self::finish`] reports the first failure, so this one may be passed over.
    pub(super) fn print(&mut self, print: impl FnOnce(&mut StdoutLock<'static>) -> io::Result<()>) -> io::Result<()> {
        if self.failure.is_none() {
            self.failure = print(&mut self.out).err();
        }
        self.failure.as_ref().map_or(Ok(()), |error| Err(error.kind().into()))
    }

    /// Returns whether everything was printed. If not, standard error says why.
    pub(super) fn finish(mut self) -> bool {
        let printed = self.print(Write::flush);
        if let Some(error) = &self.failure {
            note(&format!("the output cannot be written: {error}"));
        }
        printed.is_ok()
    }
}

/// Prints that a record was published, and where it is.
pub(super) fn published(
    out: &mut impl Write,
    format: ReportFormat,
    record: &Record,
    acknowledgement: &Acknowledgement,
) -> io::Result<()> {
    let (kind, key) = (record.kind.name(), printable(&record.key));
    let Acknowledgement { partition, offset } = acknowledgement;
    match format {
        ReportFormat::Pretty => writeln!(out, "published  {kind}  {key}  {}  {partition}:{offset}", record.topic),
        ReportFormat::Json => {
            let place = json!({ "topic": &*record.topic, "partition": partition, "offset": offset });
            writeln!(out, "{}", json!({ "published": { "kind": kind, "id": record.id, "subject": key, "record": place } }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_gets_short_lines_and_whole_commands() {
        #[track_caller]
        fn check(for_a_person: bool, text: &str, expected: &str) {
            let mut out = Vec::new();
            say(&mut out, for_a_person, text).expect("written");
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        }
        check(true, "nothing to publish", "hookgate: nothing to publish\n");
        let (short, long) = ("word ".repeat(12), "word ".repeat(20));
        check(true, short.trim_end(), &format!("hookgate: {}\n", short.trim_end()));
        let expected = format!("hookgate: {}\n  {}\n", "word ".repeat(14).trim_end(), "word ".repeat(6).trim_end());
        check(true, long.trim_end(), &expected);
        check(false, long.trim_end(), &format!("hookgate: {}\n", long.trim_end()));
        // The cursor of a run is one long word.
        let cursor = "x".repeat(90);
        check(
            true,
            &format!("go on with --resume {cursor} --all"),
            &format!("hookgate: go on with --resume\n  {cursor}\n  --all\n"),
        );
        let command = format!("hookgate replay --since 2026-11-22T10:00:00Z --endpoint {}", "x".repeat(60));
        for for_a_person in [true, false] {
            check(for_a_person, &command, &format!("  {command}\n"));
        }
    }

    #[test]
    fn a_person_gets_columns_and_a_program_tabs() {
        let check = |for_a_person: bool, expected: &str| {
            let rows = [vec!["a", "bcd", "e"], vec!["fgh", "i"]].map(|row| row.into_iter().map(str::to_owned).collect());
            let mut out = Vec::new();
            table(&mut out, &rows, for_a_person).expect("written");
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        };
        check(true, "a    bcd  e\nfgh  i\n");
        check(false, "a\tbcd\te\nfgh\ti\n");
    }

    #[test]
    fn a_noun_agrees_with_its_number() {
        let check = |number: u64, one: &str, expected: &str| assert_eq!(counted(number, one), expected);
        check(0, "event", "0 events");
        check(1, "event", "1 event");
        check(2, "event", "2 events");
        check(1, "entry", "1 entry");
        check(3, "entry", "3 entries");
        check(3, "unclassified delivery", "3 unclassified deliveries");
        check(2, "key", "2 keys");
        check(2, "day", "2 days");
    }
}
