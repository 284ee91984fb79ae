//! The faults of a configuration file's text, in words for somebody who wrote something else than TOML. The parser's own words say what it
//! expected at a place; this module recognizes mistakes that people make. No value is ever quoted, because it may be a secret.

use toml::de::Error;

/// What editors make of a straight quote.
pub(super) const TYPOGRAPHIC_QUOTES: [char; 10] = ['“', '”', '„', '‟', '‘', '’', '‚', '«', '»', '″'];

/// The beginning of a sentence that only quotes the parser.
const UNKNOWN: &str = "is not TOML";

/// Returns the faults of a text in which the parser found errors: the line of each, counted from 1 (0 is the whole file), and what to
/// change.
pub(super) fn faults(text: &str, errors: &[Error]) -> Vec<(usize, String)> {
    if errors.is_empty() {
        return Vec::new();
    }
    if let Some(fault) = of_file(text) {
        return vec![fault];
    }
    let lines: Vec<&str> = text.lines().collect();
    let line = |at: usize| lines.get(at).copied().unwrap_or_default();
    // The line ends are found once for all errors, because a broken file can have thousands.
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let place = |error: &Error| {
        let begin = error.span().map_or(0, |span| span.start);
        // Something that is missing at the end of the file is missing in its last line.
        ends.partition_point(|end| *end < begin).min(lines.len().saturating_sub(1))
    };
    let mut places: Vec<(usize, &Error)> = errors.iter().map(|error| (place(error), error)).collect();
    places.sort_by_key(|(at, _)| *at);
    // Other errors are likely to come from these quotes.
    let typographic: Vec<usize> = places.iter().map(|(at, _)| *at).filter(|at| line(*at).contains(TYPOGRAPHIC_QUOTES)).collect();
    if !typographic.is_empty() {
        let fault = "holds typographic quotes (“ ” or ‘ ’), as word processors write them; write straight ones: \"";
        return typographic.into_iter().map(|at| (at + 1, fault.to_owned())).collect();
    }
    // A list or a table in braces that does not end makes everything after it look like its entries.
    let is_unclosed = |what: &str| errors.iter().any(|error| error.message().contains(what));
    let unclosed_kinds = [("unclosed array", '[', ']', "list"), ("unclosed inline table", '{', '}', "table")];
    if let Some((_, opens, closes, name)) = unclosed_kinds.into_iter().find(|(what, ..)| is_unclosed(what)) {
        let (at, error) = places[0];
        return vec![unclosed(&lines, at, error, [opens, closes], name)];
    }
    let mut faults: Vec<(usize, String)> = Vec::new();
    let (mut doubled_header, mut last_faulty) = (None, None);
    for (at, error) in places {
        let before = last_faulty.replace(at);
        if before == Some(at) {
            continue;
        }
        let is_double = error.message().contains("duplicate key");
        // The keys of a table that is there twice are doubled too, so only the header is reported.
        if is_double && doubled_header.is_some_and(|header| header == header_of(&lines, at)) {
            continue;
        }
        if is_double && line(at).trim_start().starts_with('[') {
            doubled_header = Some(Some(at));
        }
        let fault = if is_double { doubled(&lines, at) } else { of_line(line(at), error.message()) };
        // After a fault the parser misreads the following lines: for example, it does not accept a list that goes on as a key.
        let lost = fault.starts_with(UNKNOWN)
            || ["key with no value", "missing comma"].iter().any(|words| error.message().contains(words));
        if lost && before.is_some_and(|before| before + 1 == at) {
            continue;
        }
        faults.push((at + 1, fault));
    }
    faults
}

/// Returns a fault that explains all that the parser found: another language, or a merge that was not finished.
fn of_file(text: &str) -> Option<(usize, String)> {
    if let Some(fault) = other_language(text) {
        return Some((0, fault));
    }
    let mark = text.lines().position(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> "))?;
    Some((mark + 1, "holds the marks of a merge that is not finished; take one of the two sides".into()))
}

/// Returns what the file is instead of TOML, as far as its first line shows.
fn other_language(text: &str) -> Option<String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"));
    let first = lines.next()?;
    let key = first.split_once("\":").map_or(first, |(key, _)| key.trim_start_matches('"'));
    let is_quoted_key = key != first && !key.contains(['"', '=', '{']) && first.starts_with('"');
    let is_yaml =
        first == "---" || first.starts_with("- ") || first.starts_with('%') || is_quoted_key || key_before(first, ':').is_some();
    let is_list = first.starts_with('[') && serde_json::from_str::<Vec<serde_json::Value>>(text).is_ok();
    let is_block = first.strip_suffix('{').is_some_and(|name| name.ends_with(' ') && !name.contains(['=', '"', '[']));
    let name = match first {
        _ if first.starts_with('{') || is_list => "JSON",
        _ if first.starts_with('<') && !first.starts_with("<<<") => "XML or HTML",
        _ if first.starts_with("```") => "Markdown",
        _ if is_block => "HCL",
        _ if is_yaml => "YAML",
        _ => return None,
    };
    Some(format!(
        "is {name}, and Hookgate reads TOML; write a table as [kafka] on a line of its own and a key as brokers = [\"kafka:9092\"] \
         (docs/configuration.md has an example)"
    ))
}

/// Returns the key before a sign, if the line begins with one.
fn key_before(line: &str, sign: char) -> Option<&str> {
    let (key, rest) = line.trim_start().split_once(sign)?;
    let key = key.trim_end();
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    let ends = sign != ':' || rest.is_empty() || rest.starts_with([' ', '[', '"']);
    (is_key && ends).then_some(key)
}

/// Returns the header of the table that a line belongs to.
fn header_of(lines: &[&str], at: usize) -> Option<usize> {
    (0..=at).rev().find(|index| lines.get(*index).is_some_and(|line| line.trim_start().starts_with('[')))
}

/// Returns a sentence that names both places of a doubled key or table.
fn doubled(lines: &[&str], at: usize) -> String {
    let line = lines.get(at).copied().unwrap_or_default();
    let without_comment = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    if line.trim_start().starts_with('[') {
        let header = without_comment(line);
        let first = lines[..at].iter().position(|earlier| without_comment(earlier) == header);
        let place = first.map_or_else(String::new, |first| format!(" and in line {}", first + 1));
        return format!(
            "the table {header} is there twice, here{place}; put their keys into one, or give one of them another name"
        );
    }
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
    let (wanted, header) = (key(line), header_of(lines, at));
    let first = lines[..at]
        .iter()
        .enumerate()
        .find(|(index, earlier)| wanted.is_some() && key(earlier) == wanted && header_of(lines, *index) == header);
    let place = first.map_or_else(String::new, |(first, _)| format!(" and in line {}", first + 1));
    match wanted {
        Some(key) => format!("{key} is there twice in the same table, here{place}; take one of them out"),
        None => "a key is there twice in the same table; take one of them out".into(),
    }
}

/// Returns where a list or a table begins that does not end, or a text within it. `signs` are those that open and close it.
fn unclosed(lines: &[&str], at: usize, error: &Error, signs: [char; 2], name: &str) -> (usize, String) {
    if error.message().contains("basic string") || error.message().contains("literal string, expected `'`") {
        return (at + 1, "a text does not end: a quote is missing".into());
    }
    let [opens, closes] = signs;
    let begins = |line: &str| line.split_once('=').is_some_and(|(_, value)| value.contains(opens) && !value.contains(closes));
    let begin = (0..=at).rev().find(|index| lines.get(*index).is_some_and(|line| begins(line)));
    (begin.unwrap_or(at) + 1, format!("the {name} that begins here does not end: a \"{closes}\" is missing"))
}

/// Returns what is wrong with one line.
fn of_line(line: &str, message: &str) -> String {
    let trimmed = line.trim();
    if trimmed.starts_with("//") || trimmed.starts_with(';') {
        return "a comment begins with \"#\"".into();
    }
    if let Some(key) = key_before(trimmed, ':') {
        return format!("a key and its value have \"=\" between them; write {key} = … for {key}: …");
    }
    if message.contains("basic string") {
        return "a text does not end: a quote is missing".into();
    }
    if message.contains("missing opening quote") {
        return "a text needs two quotes, and one is missing".into();
    }
    if message.contains("unexpected key or value") && trimmed.contains(']') && !trimmed.contains('[') {
        return "a list stands in brackets, and the \"[\" is missing".into();
    }
    if message.contains("unclosed table") {
        return "the name of the table does not end: a \"]\" is missing".into();
    }
    if trimmed.ends_with([';', ',']) && message.contains("unexpected key or value") {
        return "nothing may follow a value; take the last character of the line off".into();
    }
    let value = trimmed.split_once('=').map(|(_, value)| value.trim_start());
    let is_bare = value.is_some_and(|value| value.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '$' | '~')));
    match key_before(trimmed, '=') {
        Some(key) if is_bare => format!("a text needs quotes; write {key} = \"…\""),
        _ if message.contains("missing comma") => "a comma is missing between two values, or a quote".into(),
        _ if message.contains("key with no value") && trimmed.ends_with(']') => {
            "the name of a table stands in brackets, such as [kafka]".into()
        }
        _ if message.contains("key with no value") => {
            "a key has \"=\" and a value after it, such as brokers = [\"kafka:9092\"]".into()
        }
        _ => format!("{UNKNOWN}: {}", message.replace('\n', ", ")),
    }
}
