//! The ids of scans that the user names, and the caller's references to them.

use std::collections::{BTreeMap, HashSet};

use super::Arguments;
use crate::{
    command::{Failure, list_file, missing::options::means},
    event::subject,
    provider::filesafety::{PROVIDER, SCAN_COMPLETE},
    signed_url::{CallerReference, REFERENCE_BYTES_MAX},
};

/// The longest id of a scan.
const ID_BYTES_MAX: usize = 128;
/// How much of a text that is no id is shown, in characters.
const SHOWN_MAX: usize = 60;

/// The scans that the user names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NamedScans {
    /// The ids, each once, in order.
    pub(super) ids: Vec<String>,
    /// The caller's references to them, by id, where the file has them. They count more than what the topics have.
    pub(super) references: BTreeMap<String, String>,
}

/// Returns the scans on the command line and in the file.
pub(super) fn named(arguments: &Arguments) -> Result<NamedScans, Failure> {
    if arguments.provider != "filesafety" && (arguments.ids.is_some() || !arguments.scans.is_empty()) {
        return Err(Failure::Usage(format!("{} has no scans: ids are for filesafety only", arguments.provider)));
    }
    let mut named = NamedScans::default();
    for text in &arguments.scans {
        let refused = |why| Failure::Usage(format!("the id {:?} on the command line {why}", beginning(text)));
        named.ids.push(id(text.trim()).map_err(refused)?);
    }
    if let Some(path) = &arguments.ids {
        let name = path.display().to_string();
        let of_file =
            in_text(&list_file::read("--ids", path)?).map_err(|why| Failure::Usage(format!("--ids {name:?}, {why}")))?;
        if of_file.ids.is_empty() {
            return Err(Failure::Failed(format!("--ids {name:?}: there is no id in it")));
        }
        named.ids.extend(of_file.ids);
        named.references = of_file.references;
    }
    let mut seen = HashSet::new();
    named.ids.retain(|id| seen.insert(id.clone()));
    checked(arguments, named)
}

/// Refuses ids that do not fit to the other flags.
fn checked(arguments: &Arguments, named: NamedScans) -> Result<NamedScans, Failure> {
    if arguments.planned.all && arguments.provider == "filesafety" {
        if named.ids.is_empty() {
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

/// Returns the scans of a file: an id a line, and the caller's reference after a tab where there is one. Empty lines and those that begin with
/// # are passed over.
fn in_text(text: &str) -> Result<NamedScans, String> {
    let mut named = NamedScans::default();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let (first, reference) = line.split_once('\t').unwrap_or((line, ""));
        let id = id(first.trim()).map_err(|why| format!("line {number}: {:?} {why}", beginning(line)))?;
        if let Some(reference) = Some(reference.trim()).filter(|text| !text.is_empty()) {
            let shown = beginning(reference);
            if CallerReference::new(reference.into()).is_none() {
                return Err(format!(
                    "line {number}: {shown:?} is no reference: 1 to {REFERENCE_BYTES_MAX} visible ASCII characters"
                ));
            }
            let known = named.references.entry(id.clone()).or_insert_with(|| reference.to_owned());
            if known != reference {
                return Err(format!(
                    "line {number}: the reference {shown:?} is not that of an earlier line, {:?}",
                    beginning(known)
                ));
            }
        }
        named.ids.push(id);
    }
    Ok(named)
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
    if text.contains(char::is_whitespace) {
        return Err("has a space in it: write one id, in a file one on each line, and a reference after a tab");
    }
    if text.len() > ID_BYTES_MAX {
        return Err("is longer than the 128 bytes that an id of a scan may have");
    }
    subject(Some(text), "id").map_err(|_| "has a character that shows nothing: type the id, or copy it anew")
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
                (Ok(named), Ok(expected)) => {
                    let with_reference = |id: &String| match named.references.get(id) {
                        Some(reference) => format!("{id} {reference}"),
                        None => id.clone(),
                    };
                    assert_eq!(named.ids.iter().map(with_reference).collect::<Vec<_>>(), expected);
                }
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        check("", Ok(&[]));
        check("scn_1\r\n\n  scn_2 \n", Ok(&["scn_1", "scn_2"]));
        check("scn_1\tupl_456\nscn_2\t\nscn_3 \t upl,\"7\" \r\n", Ok(&["scn_1 upl_456", "scn_2", "scn_3 upl,\"7\""]));
        check("scn_1\nscn_1\tupl_1\nscn_1\nscn_1\tupl_1", Ok(&["scn_1 upl_1"; 4]));
        check("scn_1\tupl_1\nscn_1\tupl_2", Err("line 2: the reference \"upl_2\" is not that of an earlier line, \"upl_1\""));
        check("scn_1\tupl 1", Err("line 1: \"upl 1\" is no reference: 1 to 128 visible ASCII characters"));
        check("scn_1\tupl_1\tmore", Err("is no reference"));
        check(&format!("scn_1\t{}", "x".repeat(129)), Err("is no reference"));
        check("# yesterday\nscn_1\n \t\n  # today\nscn_2", Ok(&["scn_1", "scn_2"]));
        check("scn_1\n\nscn_2 reference", Err("line 3: \"scn_2 reference\" has a space in it: write one id"));
        check("scn_1\n\tupl_456", Err("line 2: \"\\tupl_456\" is empty"));
        check("scn_1,scn_2,scn_3", Err("line 1: \"scn_1,scn_2,scn_3\" looks like several ids"));
        check("scn_1;scn_2", Err("looks like several ids"));
        check("\"scn_1\"", Err("line 1: \"\\\"scn_1\\\"\" has a quotation mark"));
        check("'scn_1'", Err("has a quotation mark"));
        check("scn\u{7}1", Err("has a character that shows nothing"));
        check("scn\u{200b}1", Err("has a character that shows nothing"));
        check(&"x".repeat(128), Ok(&[&"x".repeat(128)]));
        // 130 bytes.
        check(&"ü".repeat(65), Err("is longer than the 128 bytes"));
        check(&"x".repeat(129), Err(&format!("line 1: {:?} is longer than the 128 bytes", "x".repeat(60))));
    }
}
