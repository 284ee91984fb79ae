//! The ids of scans that the user names.

use std::collections::HashSet;

use super::Arguments;
use crate::{
    command::{Failure, list_file, missing::options::means},
    event::subject,
    provider::filesafety::{PROVIDER, SCAN_COMPLETE},
};

/// The longest id of a scan.
const ID_BYTES_MAX: usize = 128;
/// How much of a text that is no id is shown, in characters.
const SHOWN_MAX: usize = 60;

/// Returns the ids on the command line and in the file, each once, in order.
pub(super) fn named(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    if arguments.provider != "filesafety" && (arguments.ids.is_some() || !arguments.scans.is_empty()) {
        return Err(Failure::Usage(format!("{} has no scans: ids are for filesafety only", arguments.provider)));
    }
    let mut all: Vec<String> = Vec::new();
    for text in &arguments.scans {
        let refused = |why| Failure::Usage(format!("the id {:?} on the command line {why}", beginning(text)));
        all.push(id(text.trim()).map_err(refused)?);
    }
    if let Some(path) = &arguments.ids {
        let name = path.display().to_string();
        let of_file =
            in_text(&list_file::read("--ids", path)?).map_err(|why| Failure::Usage(format!("--ids {name:?}, {why}")))?;
        if of_file.is_empty() {
            return Err(Failure::Failed(format!("--ids {name:?}: there is no id in it")));
        }
        all.extend(of_file);
    }
    let mut seen = HashSet::new();
    all.retain(|id| seen.insert(id.clone()));
    checked(arguments, all)
}

/// Refuses ids that do not fit to the other flags.
fn checked(arguments: &Arguments, named: Vec<String>) -> Result<Vec<String>, Failure> {
    if arguments.planned.all && arguments.provider == "filesafety" {
        if named.is_empty() {
            let text = "--all needs the ids of scans, on the command line or with --ids: FileSafety has no list of scans, and --all does not \
                        look at the topics";
            return Err(Failure::Usage(text.into()));
        }
        let types = &arguments.scope.types;
        if !types.is_empty() && !types.iter().any(|it| means(it, &PROVIDER, SCAN_COMPLETE)) {
            let text = format!(
                "--all publishes each scan as {SCAN_COMPLETE}, because it does not look at the topics; --types leaves that out"
            );
            return Err(Failure::Usage(text));
        }
    }
    Ok(named)
}

/// Returns the ids of a file: one a line, or one before a tab. Empty lines and those that begin with # are passed over.
fn in_text(text: &str) -> Result<Vec<String>, String> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let read = |(number, line): (usize, &str)| {
        let first = line.split('\t').next().unwrap_or_default().trim();
        id(first).map_err(|why| format!("line {number}: {:?} {why}", beginning(line)))
    };
    lines.map(read).collect()
}

/// Reads one id, or returns what is wrong with it.
fn id(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("is empty: is a variable not set?");
    }
    if text.contains([',', ';']) {
        return Err("looks like several ids: write each on its own");
    }
    if text.contains(['"', '\'']) {
        return Err("has a quotation mark: write the id without it");
    }
    let visible = |text: &String| text.len() <= ID_BYTES_MAX && !text.contains(char::is_whitespace);
    subject(Some(text), "id").ok().filter(visible).ok_or("is no id of a scan: 1 to 128 visible characters")
}

/// Returns the beginning of a text, for a message.
fn beginning(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_one_a_line() {
        #[track_caller]
        fn check(text: &str, expected: Result<&[&str], &str>) {
            match (in_text(text), expected) {
                (Ok(ids), Ok(expected)) => assert_eq!(ids, expected),
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        check("", Ok(&[]));
        check("scn_1\r\n\n  scn_2 \n", Ok(&["scn_1", "scn_2"]));
        // What stands beside an id is the caller's own.
        check("scn_1\tupl_456\nscn_2\t\nscn_3 \ta b,c\td", Ok(&["scn_1", "scn_2", "scn_3"]));
        check("# yesterday\nscn_1\n \t\n  # today\nscn_2", Ok(&["scn_1", "scn_2"]));
        check("scn_1\n\nscn_2 reference", Err("line 3: \"scn_2 reference\" is no id of a scan: 1 to 128 visible characters"));
        check("scn_1\n\tupl_456", Err("line 2: \"\\tupl_456\" is empty"));
        check("scn_1,scn_2,scn_3", Err("line 1: \"scn_1,scn_2,scn_3\" looks like several ids"));
        check("scn_1;scn_2", Err("looks like several ids"));
        check("\"scn_1\"", Err("line 1: \"\\\"scn_1\\\"\" has a quotation mark"));
        check("'scn_1'", Err("has a quotation mark"));
        check("scn\u{7}1", Err("is no id of a scan"));
        check(&"x".repeat(128), Ok(&[&"x".repeat(128)]));
        check(&"x".repeat(129), Err(&format!("line 1: {:?} is no id of a scan", "x".repeat(60))));
    }
}
