//! Values as logs and terminals show them: text from outside, and times.

use std::time::Duration;

/// Returns text from outside in a form that is safe for a log or a terminal. Like JSON, it escapes control characters, of which JSON itself
/// escapes only some. It also escapes characters that change the direction of writing, break lines or are invisible, because a text could use
/// them to look like another text.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            // As in JSON, a character has two of them where one is too small.
            c if is_deceptive(c) || is_invisible(c) => {
                safe.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            c => safe.push(c),
        }
        safe
    })
}

/// Returns whether a character can make a text look like another one: control characters, the marks, embeddings, overrides and isolates of
/// the direction of writing, and the separators of lines and paragraphs.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns whether a character is invisible: soft hyphens, joiners, blanks without a width, byte order marks and tags.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns a time as the log shows it, in whole milliseconds.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_printable_commands_a_terminal() {
        fn check(text: &str, safe: &str) {
            assert_eq!(printable(text), safe);
        }
        check("Käse 🧀 \"\\\"", "Käse 🧀 \"\\\"");
        check("a\nb\r\tc", "a\\nb\\r\\tc");
        check("\0\u{1b}[2J\u{7f}\u{9b}2J", "\\u0000\\u001b[2J\\u007f\\u009b2J");
        check("a\u{200b}b\u{e0041}c\u{ad}", "a\\u200bb\\udb40\\udc41c\\u00ad");
        check("\u{202e}gpj.exe\u{2066}\u{200f}\u{2028}", "\\u202egpj.exe\\u2066\\u200f\\u2028");
    }
}
