//! Secrets and paths that were probably written wrongly. They are used as they are, because a secret may be any text, but the user gets a
//! warning.

use std::{path::Path, str};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

use super::syntax::TYPOGRAPHIC_QUOTES;

/// The fewest characters that are recognized as the base64 of a text; fewer may look like it by chance.
const BASE64_CHARACTERS_MIN: usize = 16;
/// The shortest line into which `base64` and `openssl` break a long one.
const WRAPPED_CHARACTERS_MIN: usize = 40;
/// Words of examples that people forget to replace in a file that they copied.
const PLACEHOLDERS: [&str; 11] = [
    "changeme",
    "change-me",
    "change_me",
    "replace-me",
    "replace_me",
    "your-secret",
    "your_secret",
    "your-token",
    "your_token",
    "placeholder",
    "insert-",
];
/// A secret that repeats a few characters: the most characters, and the fewest repetitions.
const REPEATED: (usize, usize) = (6, 3);
/// Words before a name and its value in shells and in Dockerfiles.
const ASSIGNMENTS: [&str; 5] = ["export ", "set ", "setx ", "$env:", "ENV "];
/// Words before a secret in a header.
const SCHEMES: [&str; 3] = ["Bearer ", "Basic ", "Token "];

/// Returns the value of a header after its scheme, which belongs to the value of an `Authorization` header.
pub(super) fn after_scheme(value: &str) -> &str {
    SCHEMES.iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value)
}

/// Returns why a user, a password or a secret would not reach the brokers unchanged, or `None` if it would. librdkafka removes the characters of
/// C's `isspace` at the beginning.
pub(super) fn cut_by_librdkafka(text: &str) -> Option<&'static str> {
    let is_cut = text.starts_with([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    is_cut.then_some(
        "begins with a blank or a line end, which the Kafka client removes, so it would log in with another text; remove it",
    )
}

/// A secret with characters around it that are probably not a part of it.
#[derive(Debug)]
pub(super) struct Mistaken {
    /// The remarks on what is around the secret. Each continues a sentence that begins with the secret: "ends with a blank".
    pub(super) remarks: Vec<String>,
    /// The secret without the characters around it.
    pub(super) cleaned: Vec<u8>,
}

impl Mistaken {
    /// Returns the remarks as one text.
    pub(super) fn remarks(&self) -> String {
        self.remarks.join(" and ")
    }

    /// Returns what the secret may be: the cleaned secret, and each of its lines if there are several.
    pub(super) fn candidates(&self) -> Vec<Vec<u8>> {
        let lines = self.cleaned.split(|byte| is_line_end(*byte)).filter(|line| !line.is_empty());
        let clean = |line: &[u8]| look(line).map_or_else(|| line.to_vec(), |it| it.cleaned);
        [self.cleaned.clone()].into_iter().chain(lines.map(clean)).collect()
    }
}

/// Removes the characters that are probably not a part of a secret. Its last line end was removed before. Returns `None` if there is nothing to
/// remark.
pub(super) fn look(bytes: &[u8]) -> Option<Mistaken> {
    let mut mistaken = Mistaken { remarks: Vec::new(), cleaned: bytes.to_vec() };
    while let Some((remark, cleaned)) = step(&mistaken.cleaned) {
        if !mistaken.remarks.contains(&remark) {
            mistaken.remarks.push(remark);
        }
        mistaken.cleaned = cleaned;
    }
    mistaken.remarks.extend(other_than_a_secret(&mistaken.cleaned));
    (!mistaken.remarks.is_empty()).then_some(mistaken)
}

/// Returns whether a secret is empty without the characters around it: blanks, two quotes, a name without a value. A template without a value
/// makes such a file.
pub(super) fn holds_nothing(bytes: &[u8]) -> bool {
    look(bytes).is_some_and(|mistaken| mistaken.cleaned.is_empty())
}

/// Returns a remark on one part around a secret, and the secret without that part. Each step makes the secret shorter, so the steps end.
fn step(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t');
    let found = |remark: &str, rest: &[u8]| Some((remark.to_owned(), rest.to_vec()));
    if let Some(text) = utf16(bytes) {
        return found("is UTF-16", &text);
    }
    match bytes {
        [first, rest @ ..] if is_blank(*first) => return found("begins with a blank", rest),
        [first, rest @ ..] if is_line_end(*first) => return found("begins with an empty line", rest),
        [rest @ .., last] if is_blank(*last) => return found("ends with a blank", rest),
        [rest @ .., last] if is_line_end(*last) => return found("ends with a second line end", rest),
        _ => {}
    }
    let text = str::from_utf8(bytes).ok()?;
    let of_text = unseen_around(text).or_else(|| without_colours(text)).or_else(|| without_comment(text));
    let is_line = !bytes.iter().any(|byte| is_line_end(*byte));
    let of_line = || assigned(text).or_else(|| in_quotes(text)).or_else(|| of_header_or_url(text));
    let of_text = of_text.or_else(|| if is_line { of_line() } else { None });
    if let Some((remark, rest)) = of_text {
        return Some((remark, rest.into_bytes()));
    }
    if let Some(value) = json(text) {
        return found("is JSON", value.as_bytes());
    }
    if let Some(joined) = wrapped(text) {
        return found("is broken into lines", joined.as_bytes());
    }
    base64_of_text(bytes).map(|text| ("is the base64 of a text".into(), text))
}

/// Returns a remark on a text that is not a secret and in which no part is known to be one.
fn other_than_a_secret(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    let is_container = text.starts_with(['{', '[']) && serde_json::from_str::<serde_json::Value>(text).is_ok();
    let unseen = text.chars().find(|c| is_unseen(*c) && !matches!(c, '\n' | '\r'));
    let names_another =
        |kind| text.strip_prefix(kind).is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace));
    if text.starts_with("-----BEGIN ") {
        Some("is a PEM file".into())
    } else if names_another("env:") || names_another("file:") {
        Some("is a reference, which is not followed here".into())
    } else if is_container {
        Some("is JSON".into())
    } else if text.starts_with("http://") || text.starts_with("https://") {
        Some("is a URL".into())
    } else if bytes.iter().any(|byte| is_line_end(*byte)) {
        Some("has several lines".into())
    } else {
        unseen.map(|c| format!("holds a character that is not seen ({})", name(c)))
    }
}

/// Returns what a signing secret holds that no generator of secrets makes, or `None` if there is no such character.
pub(super) fn unusual(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let found = text.chars().find(|c| !c.is_ascii_graphic())?;
    Some(if found == ' ' { "a blank".into() } else { format!("a character that is not ASCII ({})", name(found)) })
}

fn name(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Returns whether a character is invisible: blanks other than the space, controls, marks of order and direction, tags.
fn is_unseen(c: char) -> bool {
    let shows_nothing = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}');
    c != ' ' && (c.is_whitespace() || c.is_control() || shows_nothing)
}

fn unseen_around(text: &str) -> Option<(String, String)> {
    let what = |c: char| match c {
        '\u{feff}' => "a byte order mark".into(),
        _ => format!("a character that is not seen ({})", name(c)),
    };
    let (first, last) = (text.chars().next()?, text.chars().next_back()?);
    if is_unseen(first) && first != '\x1b' {
        Some((format!("begins with {}", what(first)), text[first.len_utf8()..].to_owned()))
    } else if is_unseen(last) {
        Some((format!("ends with {}", what(last)), text[..text.len() - last.len_utf8()].to_owned()))
    } else {
        None
    }
}

/// Returns a text without the colour codes of a terminal, or `None` if it has none.
fn without_colours(text: &str) -> Option<(String, String)> {
    let (before, mut parts) = (text.split("\x1b[").next()?, text.split("\x1b[").skip(1).peekable());
    parts.peek()?;
    let shown = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(part.len());
        part.get(end + 1..).unwrap_or_default().to_owned()
    };
    Some(("holds the colours of a terminal".into(), before.to_owned() + &parts.map(shown).collect::<String>()))
}

fn without_comment(text: &str) -> Option<(String, String)> {
    let (comment, rest) = text.split_once('\n')?;
    (comment.starts_with('#') || comment.starts_with("//")).then(|| ("begins with a comment".into(), rest.to_owned()))
}

/// Returns the value after `NAME=`, `NAME = `, `name: ` or `"name": `, with or without a word of a shell before it. The padding of base64 is not
/// a value, and a connection string of a vendor is a whole secret.
fn assigned(text: &str) -> Option<(String, String)> {
    let rest = ASSIGNMENTS.iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
    let quote = rest.chars().next().filter(|c| is_quote(*c));
    let rest = quote.map_or(rest, |quote| &rest[quote.len_utf8()..]);
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.'))?;
    let (word, after) = rest.split_at(end);
    let after = quote.map_or(Some(after), |quote| after.strip_prefix(quote))?;
    let after = after.trim_start_matches([' ', '\t']);
    let (sign, value) = (after.chars().next()?, after.get(1..)?);
    let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_signed = sign == '=' || sign == ':' && (value.is_empty() || value.starts_with([' ', '\t']));
    let is_connection_string = value.contains(';') && value.contains('=');
    let is_base64 =
        STANDARD.decode(text).is_ok() || word.contains(|c: char| c.is_ascii_lowercase()) && URL_SAFE.decode(text).is_ok();
    let is_padding = value.bytes().all(|byte| byte == b'=') && is_base64;
    let holds = is_name && is_signed && !is_connection_string && !is_padding;
    holds.then(|| (format!("begins with a name and \"{sign}\""), value.trim_start_matches([' ', '\t']).to_owned()))
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`') || TYPOGRAPHIC_QUOTES.contains(&c)
}

fn in_quotes(text: &str) -> Option<(String, String)> {
    let (first, last) = (text.chars().next()?, text.chars().next_back()?);
    let (begin, end) = (first.len_utf8(), text.len() - last.len_utf8());
    let is_list = text[..end].contains(';') && text.contains('=');
    if matches!(last, ',' | ';') && !is_list {
        Some((format!("ends with \"{last}\""), text[..end].to_owned()))
    } else if is_quote(first) && is_quote(last) && begin <= end {
        Some(("is in quotes".into(), text[begin..end].to_owned()))
    } else if is_quote(first) {
        Some(("begins with a quote".into(), text[begin..].to_owned()))
    } else if is_quote(last) {
        Some(("ends with a quote".into(), text[..end].to_owned()))
    } else {
        None
    }
}

fn of_header_or_url(text: &str) -> Option<(String, String)> {
    let begins = |scheme: &&&str| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    if let Some(scheme) = SCHEMES.iter().find(begins) {
        return Some((format!("begins with \"{}\"", scheme.trim_end()), text[scheme.len()..].to_owned()));
    }
    let is_url = text.starts_with("http://") || text.starts_with("https://");
    let (_, last) = text.rsplit_once('/').filter(|(_, last)| is_url && !last.is_empty())?;
    Some(("is a URL".into(), last.to_owned()))
}

/// Returns the text of a JSON object or list that holds one text and nothing else.
fn json(text: &str) -> Option<String> {
    let mut values: Vec<serde_json::Value> = if text.starts_with('{') {
        serde_json::from_str::<serde_json::Map<_, _>>(text).ok()?.into_iter().map(|(_, value)| value).collect()
    } else {
        serde_json::from_str(text).ok()?
    };
    match (values.pop()?, values.is_empty()) {
        (serde_json::Value::String(value), true) => Some(value),
        _ => None,
    }
}

/// Joins base64 or hexadecimal digits that a program has broken into lines of the same length.
fn wrapped(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let (first, last) = (lines.first()?.len(), lines.last()?.len());
    let is_even = lines[..lines.len() - 1].iter().all(|line| line.len() == first) && last <= first;
    let is_base64 =
        |line: &&str| line.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_'));
    (lines.len() > 1 && first >= WRAPPED_CHARACTERS_MIN && is_even && lines.iter().all(is_base64)).then(|| lines.concat())
}

/// Returns the text of UTF-16, with or without its byte order mark. Without one it is recognized by its zeros: in Latin letters every other byte
/// is zero.
fn utf16(bytes: &[u8]) -> Option<Vec<u8>> {
    // The line end that was removed before may have been half of a UTF-16 line end.
    let is_every_other = |first: usize| {
        let (zeros, letters): (Vec<_>, Vec<_>) = bytes.iter().enumerate().partition(|(at, _)| at % 2 == first);
        bytes.len() >= 4 && zeros.iter().all(|(_, byte)| **byte == 0) && letters.iter().all(|(_, byte)| **byte != 0)
    };
    let (units, is_little) = match bytes {
        [0xff, 0xfe, units @ ..] => (units, true),
        [0xfe, 0xff, units @ ..] => (units, false),
        units if is_every_other(1) => (units, true),
        units if is_every_other(0) => (units, false),
        _ => return None,
    };
    let (units, _half) = units.as_chunks::<2>();
    let unit = |pair: &[u8; 2]| if is_little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
    let text = String::from_utf16(&units.iter().map(unit).collect::<Vec<_>>()).ok()?;
    let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    Some(text.into())
}

/// Returns the text that base64 encodes. Kubernetes users get such a secret if they encode the `data` of a Secret twice, or write encoded
/// text into `stringData`.
fn base64_of_text(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = if bytes.len() < BASE64_CHARACTERS_MIN { None } else { STANDARD.decode(bytes).ok() }?;
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    text.iter().all(u8::is_ascii_graphic).then(|| text.to_vec())
}

/// Returns whether a secret is the placeholder of an example, or repeats a few characters.
pub(super) fn is_placeholder(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let brackets = [("<", ">"), ("${", "}"), ("$(", ")"), ("{{", "}}")];
    let in_brackets = brackets.iter().any(|(open, close)| text.starts_with(open) && text.ends_with(close));
    let (most, times) = REPEATED;
    let repeats = |width: usize| bytes.len() >= width * times && bytes.iter().zip(&bytes[width..]).all(|(one, next)| one == next);
    in_brackets || text.starts_with("todo") || PLACEHOLDERS.iter().any(|word| text.contains(word)) || (1..=most).any(repeats)
}

/// Returns whether a token changes when it is pasted into a URL as it is. Of the other characters of base64, `=` does no harm.
pub(super) fn changes_in_a_url(token: &[u8]) -> bool {
    !token.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'='))
}

/// Returns a remark on a path that does not mean what it seems to mean.
pub(super) fn path_remark(path: &str) -> Option<String> {
    let rest = path.trim_start_matches('/');
    if path.starts_with("file:") || path.starts_with("env:") {
        Some("only secrets begin with \"file:\" or \"env:\"; write the path itself".into())
    } else if path.starts_with('~') {
        Some("\"~\" is not your home here but a name like any other; write the whole path".into())
    } else if path.starts_with("//") && !path.starts_with("///") {
        Some(format!("this is a path and no URL, so it means \"/{rest}\"; write \"file:/{rest}\""))
    } else if path.contains('$') {
        Some("variables are not replaced in a path; write the whole path".into())
    } else if path.trim() != path {
        Some("the blank at its end or beginning is a part of the path; remove it".into())
    } else {
        None
    }
}

/// Returns a remark that says where a relative path begins.
pub(super) fn relative_path_remark(path: &Path) -> Option<String> {
    let folder = if path.is_relative() { std::env::current_dir().ok() } else { None }?;
    Some(format!("a path without \"/\" in front begins in {}", folder.display()))
}

#[cfg(test)]
mod tests;
