//! The ids of scans that the user names.

use super::Arguments;
use crate::{
    command::{Failure, list_file},
    event::subject,
    provider::filesafety::SCAN_COMPLETE,
};

/// Returns the ids on the command line and in the file, each once, in order.
pub(super) fn named(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let text = match &arguments.ids {
        Some(path) => list_file::read("--ids", path)?,
        None => String::new(),
    };
    let named = ids(arguments.scans.iter().map(String::as_str).chain(text.lines()))?;
    if arguments.ids.is_some() && named.is_empty() {
        return Err(Failure::Failed("--ids: there is no id in it".into()));
    }
    if !named.is_empty() && arguments.provider != "filesafety" {
        return Err(Failure::Usage(format!("{} has no scans: ids are for filesafety only", arguments.provider)));
    }
    if arguments.planned.all && arguments.provider == "filesafety" {
        if named.is_empty() {
            let text = "--all needs the ids of scans, on the command line or with --ids: FileSafety has no list of scans, and --all does not \
                        look at the topics";
            return Err(Failure::Usage(text.into()));
        }
        let types = &arguments.scope.types;
        if !types.is_empty() && !types.iter().any(|it| it == SCAN_COMPLETE) {
            let text = format!(
                "--all publishes each scan as {SCAN_COMPLETE}, because it does not look at the topics; --types leaves that out"
            );
            return Err(Failure::Usage(text));
        }
    }
    Ok(named)
}

fn ids<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Failure> {
    let mut ids: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (number, line) in lines.map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let id = subject(Some(line), "id").ok().filter(|id| id.len() <= 128 && !id.contains(char::is_whitespace));
        let Some(id) = id else {
            return Err(Failure::Usage(format!("the id number {} is none: at most 128 visible characters", number + 1)));
        };
        if seen.insert(id.clone()) {
            ids.push(id);
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_one_a_line() {
        fn check(text: &str, expected: Result<&[&str], &str>) {
            match (ids(text.lines()), expected) {
                (Ok(ids), Ok(expected)) => assert_eq!(ids, expected),
                (Err(Failure::Usage(said)), Err(expected)) => assert!(said.contains(expected), "{said}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        check("", Ok(&[]));
        check("scn_1\r\n\n  scn_2 \nscn_1\n", Ok(&["scn_1", "scn_2"]));
        check("scn_1\nscn_2\treference", Err("the id number 2 is none"));
        check(&"x".repeat(129), Err("the id number 1 is none"));
    }
}
