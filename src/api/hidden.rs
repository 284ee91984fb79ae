//! Hides credentials in what a provider says. An answer may repeat what was sent, and in another form than that in which it was sent.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};

use crate::config::SecretText;

/// What stands in the place of a credential.
const HIDDEN: char = '…';
/// The fewest characters of base64 that are hidden: fewer may be those of an ordinary text.
const BASE64_MIN: usize = 8;
/// The fewest letters of a secret that is hidden within a word. A shorter one of letters alone may be a part of ordinary words, and is hidden
/// where it stands alone.
const LETTERS_MIN: usize = 8;

/// What must not appear in a message.
pub struct Hidden(Vec<SecretForms>);

/// A text, as each of its characters may be written: as it is, or as one of the escapes, which are compared without regard to case.
struct SecretForms(Vec<(char, Vec<String>)>);

impl Hidden {
    /// Returns what hides these secrets.
    pub fn new(secrets: &[SecretText]) -> Self {
        let mut hidden = Self(Vec::new());
        for secret in secrets {
            hidden.add(secret);
        }
        hidden
    }

    /// Hides a further secret from now on.
    pub fn add(&mut self, secret: &SecretText) {
        if secret.reveal().is_empty() {
            return;
        }
        self.0.push(SecretForms::of(secret.reveal()));
        self.0.extend(base64(secret.reveal()).iter().map(|text| SecretForms::of(text)));
    }

    /// Returns the beginning of a text, at most so many characters of it, without any secret. A secret is never cut, because the part of it
    /// that is left would not be recognized.
    pub fn hide(&self, text: &str, characters_max: usize) -> String {
        let (mut shown, mut rest, mut is_in_word) = (String::new(), text, false);
        for _ in 0..characters_max {
            let Some(first) = rest.chars().next() else { break };
            let begins =
                |secret: &SecretForms| secret.begins(rest).filter(|length| secret.is_whole(is_in_word, &rest[*length..]));
            let hidden = self.0.iter().filter_map(begins).max();
            shown.push(hidden.map_or(first, |_| HIDDEN));
            rest = &rest[hidden.unwrap_or(first.len_utf8())..];
            is_in_word = hidden.is_none() && first.is_lowercase();
        }
        shown
    }
}

impl SecretForms {
    fn of(text: &str) -> Self {
        Self(text.chars().map(|c| (c, escapes(c))).collect())
    }

    /// Returns whether this text is hidden where it begins within a word or not, and `rest` follows it.
    fn is_whole(&self, is_in_word: bool, rest: &str) -> bool {
        let is_like_a_word = self.0.len() < LETTERS_MIN && self.0.iter().all(|(c, _)| c.is_lowercase());
        !is_like_a_word || !is_in_word && !rest.starts_with(char::is_lowercase)
    }

    /// Returns how many bytes of a text are this one, if it begins with it.
    fn begins(&self, text: &str) -> Option<usize> {
        // A percent sign or a backslash of the secret may be itself or begin an escape, all through the text.
        [true, false].into_iter().find_map(|plain_first| {
            let after = self.0.iter().try_fold(text, |rest, (c, escapes)| {
                let plain = || rest.strip_prefix(*c);
                let escaped = || escapes.iter().find_map(|escape| without_case(rest, escape));
                if plain_first { plain().or_else(escaped) } else { escaped().or_else(plain) }
            });
            Some(text.len() - after?.len())
        })
    }
}

fn without_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (begin, rest) = text.split_at_checked(prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Returns how URLs, forms and JSON write a character.
fn escapes(c: char) -> Vec<String> {
    let (mut utf8, mut utf16) = ([0; 4], [0; 2]);
    let percent = c.encode_utf8(&mut utf8).bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let unicode = c.encode_utf16(&mut utf16).iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
    let short = match c {
        ' ' => "+",
        '"' => "\\\"",
        '\\' => "\\\\",
        '/' => "\\/",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => return vec![percent, unicode],
    };
    vec![percent, unicode, short.to_owned()]
}

/// Returns the base64 of a text that stands anywhere within another one: the characters that depend on it alone.
fn base64(text: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(text.as_bytes());
        let (begin, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let form = engine.encode(&bytes).get(begin..end).map(str::to_owned).unwrap_or_default();
            if form.len() >= BASE64_MIN && !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests;
