//! Secrets and paths that were probably written down wrongly. They are used as they are, since a secret may be anything; what is noticed is said.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The fewest characters of which to say that they are the base64 of a text; fewer may be by chance.
const BASE64_CHARACTERS_MIN: usize = 16;
/// What people leave in a file that they copied.
const PLACEHOLDERS: [&str; 7] = ["changeme", "change-me", "change_me", "replace-me", "replace_me", "your-secret", "your-token"];

/// A secret with something around it that is probably no part of it.
#[derive(Debug)]
pub(super) struct Mistaken {
    /// What is around it, in words that go on after "it".
    pub(super) remarks: Vec<&'static str>,
    /// The secret without that.
    pub(super) cleaned: Vec<u8>,
}

impl Mistaken {
    /// The remarks as one text.
    pub(super) fn remarks(&self) -> String {
        self.remarks.join(" and ")
    }
}

/// Takes off what is probably no part of a secret, whose own line end is off already; `None` where there is nothing of it.
pub(super) fn look(bytes: &[u8]) -> Option<Mistaken> {
    let mut mistaken = Mistaken { remarks: Vec::new(), cleaned: bytes.to_vec() };
    while let Some((remark, cleaned)) = step(&mistaken.cleaned) {
        if !mistaken.remarks.contains(&remark) {
            mistaken.remarks.push(remark);
        }
        mistaken.cleaned = cleaned;
    }
    (!mistaken.remarks.is_empty()).then_some(mistaken)
}

/// Whether nothing is left of a secret without what is around it: blanks, two quotes, a name without a value. An emptied template leaves that.
pub(super) fn holds_nothing(bytes: &[u8]) -> bool {
    look(bytes).is_some_and(|mistaken| mistaken.cleaned.is_empty())
}

/// One thing that is around a secret, and the secret without it. Each step makes it shorter, so there is an end.
fn step(bytes: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if let Some(text) = utf16(bytes) {
        return Some(("is UTF-16", text));
    }
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return Some(("begins with a byte order mark", rest.to_vec()));
    }
    match bytes {
        [first, rest @ ..] if is_blank(first) => return Some(("begins with a blank", rest.to_vec())),
        [first, rest @ ..] if is_line_end(first) => return Some(("begins with an empty line", rest.to_vec())),
        [rest @ .., last] if is_blank(last) => return Some(("ends with a blank", rest.to_vec())),
        [rest @ .., last] if is_line_end(last) => return Some(("ends with a second line end", rest.to_vec())),
        [b'"', rest @ .., b'"'] | [b'\'', rest @ .., b'\''] => return Some(("stands in quotes", rest.to_vec())),
        _ => {}
    }
    if let Some(value) = assigned(bytes) {
        return Some(("begins with a name and \"=\"", value.to_vec()));
    }
    base64_of_text(bytes).map(|text| ("is the base64 of a text", text))
}

/// What follows `NAME=` or `export NAME=`. The padding of base64 is no value, and the connection string of a vendor is a secret as it is.
fn assigned(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = bytes.strip_prefix(b"export ").unwrap_or(bytes);
    let at = bytes.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&bytes[..at], &bytes[at + 1..]);
    let is_name = !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') && !name[0].is_ascii_digit();
    let is_connection_string = value.contains(&b';') && value.contains(&b'=');
    let is_padding = value.iter().all(|byte| *byte == b'=') && STANDARD.decode(bytes).is_ok();
    (is_name && !is_connection_string && !is_padding).then_some(value)
}

fn utf16(bytes: &[u8]) -> Option<Vec<u8>> {
    let (units, is_little) = match bytes {
        [0xff, 0xfe, units @ ..] => (units, true),
        [0xfe, 0xff, units @ ..] => (units, false),
        _ => return None,
    };
    // The line end that was taken off was half of one.
    let (units, _half) = units.as_chunks::<2>();
    let unit = |pair: &[u8; 2]| if is_little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
    let text = String::from_utf16(&units.iter().map(unit).collect::<Vec<_>>()).ok()?;
    Some(text.into_bytes())
}

/// What Kubernetes users get who encode the `data` of a Secret twice, or fill `stringData` with what is encoded.
fn base64_of_text(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = if bytes.len() < BASE64_CHARACTERS_MIN { None } else { STANDARD.decode(bytes).ok() }?;
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    text.iter().all(u8::is_ascii_graphic).then(|| text.to_vec())
}

/// Whether a secret is what stands in an example.
pub(super) fn is_placeholder(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let brackets = [("<", ">"), ("${", "}"), ("$(", ")"), ("{{", "}}")];
    let in_brackets = brackets.iter().any(|(open, close)| text.starts_with(open) && text.ends_with(close));
    in_brackets || PLACEHOLDERS.iter().any(|word| text.contains(word))
}

/// Whether a token comes out of a URL as another one where it is pasted into it as it is. Of the rest of base64, `=` does no harm.
pub(super) fn changes_in_a_url(token: &[u8]) -> bool {
    !token.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'='))
}

/// What a path means that looks as if it meant something else.
pub(super) fn path_remark(path: &str) -> Option<String> {
    let rest = path.trim_start_matches('/');
    if path.starts_with("file:") || path.starts_with("env:") {
        Some("\"file:\" and \"env:\" stand in front of secrets alone; write the path itself".into())
    } else if path.starts_with('~') {
        Some("\"~\" is not your home here but a name like any other; write the whole path".into())
    } else if path.starts_with("//") && !path.starts_with("///") {
        Some(format!("this is a path and no URL, so it means \"/{rest}\"; write \"file:/{rest}\""))
    } else if path.contains('$') {
        Some("variables are not replaced in a path; write the whole path".into())
    } else if path.trim() != path {
        Some("the blank at its end or beginning is a part of the path; take it off".into())
    } else {
        None
    }
}

/// Where a relative path begins.
pub(super) fn relative_path_remark(path: &Path) -> Option<String> {
    let folder = if path.is_relative() { std::env::current_dir().ok() } else { None }?;
    Some(format!("a path without \"/\" in front begins in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_secret_is_noticed() {
        fn check(secret: &[u8], remarks: &[&str], cleaned: &[u8]) {
            let shown = String::from_utf8_lossy(secret);
            match look(secret) {
                Some(mistaken) => {
                    assert_eq!((&*mistaken.remarks, &*mistaken.cleaned), (remarks, cleaned), "{shown:?}");
                }
                None => assert_eq!((remarks.len(), secret), (0, cleaned), "{shown:?}"),
            }
        }
        const FINE: [&str; 10] = [
            "Endpoint=sb://n.example/;SharedAccessKeyName=send;SharedAccessKey=aGVsbG8=",
            "7kMVZivndx0ErgvhRKAr",
            "62409229dbe062409229dbe062409229",
            "two words",
            "it's \"quoted\" within",
            "c2VjcmV0",
            "q1w2E3r4T5y6U7i8O9p0AA==",
            "=",
            "a+b/c%d",
            "1=2",
        ];
        for fine in FINE {
            check(fine.as_bytes(), &[], fine.as_bytes());
        }
        check(b" s", &["begins with a blank"], b"s");
        check(b"s ", &["ends with a blank"], b"s");
        check(b"s\t ", &["ends with a blank"], b"s");
        check(b"s\n", &["ends with a second line end"], b"s");
        check(b"s\r\n\r", &["ends with a second line end"], b"s");
        check(b"\n\ns", &["begins with an empty line"], b"s");
        check(b"\xef\xbb\xbfs", &["begins with a byte order mark"], b"s");
        check(b"\xff\xfes\0e\0\n", &["is UTF-16"], b"se");
        check(b"\xfe\xff\0s\0e", &["is UTF-16"], b"se");
        check(b"\"s\"", &["stands in quotes"], b"s");
        check(b"'s'", &["stands in quotes"], b"s");
        check(b"TOKEN=s", &["begins with a name and \"=\""], b"s");
        check(b"export TOKEN=\"s\" ", &["ends with a blank", "begins with a name and \"=\"", "stands in quotes"], b"s");
        check(b"dGhlLXNlY3JldC1vZi1tYW55LWNoYXJhY3RlcnM=", &["is the base64 of a text"], b"the-secret-of-many-characters");
        check(b"dGhlLXNlY3JldC1vZi1tYW55LWNoYXJhY3RlcnMK", &["is the base64 of a text"], b"the-secret-of-many-characters");
        // Nothing is left.
        check(b"  ", &["begins with a blank"], b"");
        check(b"\"\"", &["stands in quotes"], b"");
        for nothing in ["", " ", " \t\r\n", "\"\"", "'  '", "TOKEN=\"\"", "export TOKEN= ", "\u{feff}\n"] {
            assert_eq!(holds_nothing(nothing.as_bytes()), !nothing.is_empty(), "{nothing:?}");
        }
        for something in FINE.into_iter().chain([" s", "\"s\"", "TOKEN=s", "c2VjcmV0LXNlY3JldC0="]) {
            assert!(!holds_nothing(something.as_bytes()), "{something:?}");
        }
    }

    #[test]
    fn placeholders_tokens_and_paths() {
        for (text, expected) in
            [("<your token>", true), ("${TOKEN}", true), ("ChangeMe123", true), ("a<b>", false), ("62409229dbe0", false)]
        {
            assert_eq!(is_placeholder(text.as_bytes()), expected, "{text}");
        }
        for (token, expected) in
            [("a+b", true), ("a/b", true), ("a%20", true), ("a b", true), ("a&b", true), ("ä", true), ("aZ0-._~==", false)]
        {
            assert_eq!(changes_in_a_url(token.as_bytes()), expected, "{token}");
        }
        for (path, expected) in [
            ("~/s", Some("\"~\" is not your home")),
            ("file:/run/s", Some("stand in front of secrets alone; write the path itself")),
            ("env:FILE", Some("stand in front of secrets alone; write the path itself")),
            ("//tmp/s", Some("it means \"/tmp/s\"; write \"file:/tmp/s\"")),
            ("$HOME/s", Some("variables are not replaced")),
            (" /run/s", Some("the blank")),
            ("/run/s\n", Some("the blank")),
            ("///run/s", None),
            ("/run/s", None),
            ("s", None),
        ] {
            let remark = path_remark(path);
            assert_eq!(remark.is_some(), expected.is_some(), "{path:?}: {remark:?}");
            assert!(remark.unwrap_or_default().contains(expected.unwrap_or_default()), "{path:?}");
        }
    }
}
