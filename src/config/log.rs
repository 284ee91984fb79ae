//! `[log]`: the form of log lines, and which lines are written.

use tracing::level_filters::LevelFilter;

use super::{getters::Section, keys::Kind, problem::suggestion};

/// The values of the table `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged: directives with a comma between them and no blanks, such as `info` or `info,hookgate::kafka=debug`.
    pub level: String,
    /// One published delivery in this many is logged; 0 logs none.
    pub success_sample: u32,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text where standard error is a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// The words of `format`.
const FORMATS: [(&str, LogFormat); 3] = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];

/// The levels, from none to all.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The words of other programs for a level, with Hookgate's.
const OTHER_WORDS: [(&str, &str); 10] = [
    ("warning", "warn"),
    ("err", "error"),
    ("fatal", "error"),
    ("critical", "error"),
    ("notice", "info"),
    ("information", "info"),
    ("verbose", "debug"),
    ("all", "trace"),
    ("none", "off"),
    ("silent", "off"),
];

/// What the targets of Hookgate's own lines begin with.
const OWN_TARGET: &str = "hookgate";

/// Reads `[log]`. Warnings go to `warnings`.
pub(super) fn read(mut section: Section<'_>, warnings: &mut Vec<String>) -> Log {
    let log = Log {
        format: section.choice("format", &FORMATS, LogFormat::Auto),
        level: level(&mut section, warnings),
        success_sample: section.whole("success_sample", 100),
    };
    section.finish();
    log
}

/// One directive: a level, and the part of the program that it is for; `None` is the whole program.
struct Directive<'a> {
    target: Option<&'a str>,
    level: LevelFilter,
}

fn level(section: &mut Section<'_>, warnings: &mut Vec<String>) -> String {
    let (text, origin) = section.kind_or("level", Kind::Pattern(pattern()), "info");
    // The filter's own parser takes a blank for a part of the name beside it, and then shows nothing.
    let written: Vec<&str> = text.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    if written.is_empty() {
        section.complain("level", origin, "is empty; write \"info\", or \"off\" for no lines at all");
        return "info".into();
    }
    let (directives, faults): (Vec<_>, Vec<_>) = written.iter().map(|text| directive(text)).partition(Result::is_ok);
    for fault in faults.into_iter().filter_map(Result::err) {
        section.complain("level", origin.clone(), &fault);
    }
    let directives: Vec<Directive<'_>> = directives.into_iter().filter_map(Result::ok).collect();
    if directives.len() == written.len() && silences_errors(&directives) {
        warnings.push(format!(
            "[log] level: {text:?} hides errors of Hookgate's own; write \"error\" or another level in the place of \"off\", and one that is for all lines"
        ));
    }
    let level = written.join(",");
    section.show("level", level.as_str());
    level
}

/// Returns a regular expression for what [`level`] takes. Directives that match may still be refused, such as those for a part that does not exist.
fn pattern() -> String {
    let letter = |letter: char| format!("[{}{letter}]", letter.to_ascii_uppercase());
    let word = |word: &&str| word.chars().map(letter).collect::<String>();
    let words: Vec<String> = LEVELS.iter().map(word).collect();
    // The filter also takes levels as numbers.
    let directive = format!(r"([A-Za-z0-9_:-]+=)?(0*[0-5]|{})", words.join("|"));
    format!(r"^\s*({directive})?(\s*,\s*({directive})?)*\s*$")
}

/// Reads one directive more strictly than the filter, which takes any unknown word for the name of a part of the program: with `warning` it
/// would show only the lines of a part with that name, which does not exist.
fn directive(text: &str) -> Result<Directive<'_>, String> {
    if text.contains(['[', ']', '{', '}']) {
        return Err(format!("{text:?} filters by spans, and Hookgate's lines have none; write \"hookgate::kafka=debug\""));
    }
    let Some((target, word)) = text.split_once('=') else {
        let is_target = text.contains("::") || text == OWN_TARGET;
        return match (word_level(text), is_target) {
            (Ok(level), _) => Ok(Directive { target: None, level }),
            (Err(_), true) => Err(format!("{text:?} names no level; write \"{text}=debug\"")),
            (Err(fault), false) => Err(fault),
        };
    };
    let first = target.split("::").next().unwrap_or_default();
    let is_name = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !target.split("::").all(is_name) {
        return Err(format!("{text:?} is not a directive, such as \"info\" or \"hookgate::kafka=debug\""));
    }
    if first != OWN_TARGET && suggestion(first, [OWN_TARGET]).is_some() {
        return Err(format!("there is no part {first:?}; did you mean \"{OWN_TARGET}\"?"));
    }
    Ok(Directive { target: Some(target), level: word_level(word)? })
}

fn word_level(word: &str) -> Result<LevelFilter, String> {
    let level = if word.is_empty() { None } else { word.parse().ok() };
    level.ok_or_else(|| {
        let lower = word.to_ascii_lowercase();
        let other = OTHER_WORDS.iter().find(|(other, _)| *other == lower).map(|(_, level)| *level);
        match other.or_else(|| suggestion(&lower, LEVELS)) {
            Some(level) => format!("{word:?} is no level; did you mean \"{level}\"?"),
            None => format!("{word:?} is no level; there are {}", LEVELS.join(", ")),
        }
    })
}

/// Whether errors of Hookgate itself, or of a part of it, are not shown. The most specific directive decides, and of two the last.
fn silences_errors(directives: &[Directive<'_>]) -> bool {
    let is_off = |part: &str| {
        let of_part = directives.iter().filter(|it| it.target.is_none_or(|target| part.starts_with(target)));
        of_part.max_by_key(|it| it.target.map(str::len)).is_none_or(|it| it.level == LevelFilter::OFF)
    };
    let parts = directives.iter().filter_map(|it| it.target).filter(|target| target.starts_with(OWN_TARGET));
    [OWN_TARGET].into_iter().chain(parts).any(is_off)
}
