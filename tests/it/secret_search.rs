//! The search for secrets in the output of a daemon or a command. It also finds a secret in another form: percent-encoded, as hex or base64,
//! as the numbers of its bytes, or spread over the rows of a dump.

use std::sync::{LazyLock, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::harness::SECRETS;

/// The secrets to search for. The list begins with the secrets of every daemon under test.
static KEPT: LazyLock<Mutex<Vec<Kept>>> =
    LazyLock::new(|| Mutex::new(SECRETS.iter().map(|(_, secret)| Kept::new(secret)).collect()));

/// A secret, and its encoded forms that the search compares literally.
struct Kept {
    secret: String,
    encoded: Vec<String>,
}

impl Kept {
    fn new(secret: &str) -> Self {
        // The part of its base64 that does not depend on the bytes before and after the secret, for each of the three positions in a group.
        let base64 = |before: usize| {
            let whole = STANDARD_NO_PAD.encode([&vec![0; before][..], secret.as_bytes()].concat());
            whole[(before * 8).div_ceil(6)..(before + secret.len()) * 8 / 6].to_owned()
        };
        let base64 = (0..3).map(base64);
        let encoded = base64.flat_map(|text| [text.replace('+', "-").replace('/', "_"), text]);
        let mut encoded: Vec<String> = encoded.chain([hex::encode(secret), hex::encode_upper(secret)]).collect();
        encoded.dedup();
        Self { secret: secret.to_owned(), encoded }
    }
}

/// Adds a secret to the search.
pub fn keep_secret(secret: &str) {
    let mut kept = KEPT.lock().unwrap();
    if !secret.is_empty() && !kept.iter().any(|it| it.secret == secret) {
        kept.push(Kept::new(secret));
    }
}

/// Returns the first line of an output that contains a secret of any test of this process. For a secret in pieces it returns the joined
/// text.
pub fn leak(output: &str) -> Option<String> {
    let kept = KEPT.lock().unwrap();
    for form in std::iter::once(output.to_owned()).chain(readings(output)) {
        for it in kept.iter() {
            let plain = form.contains(&it.secret).then_some(&it.secret);
            if let Some(found) = plain.or_else(|| it.encoded.iter().find(|encoded| form.contains(*encoded))) {
                let line = form.lines().find(|line| line.contains(found)).unwrap_or(&form);
                return Some(line.chars().take(2000).collect());
            }
        }
    }
    None
}

/// Panics if the output of a daemon or a command contains a secret.
pub fn assert_discreet(what: &str, output: &str) {
    // If the test has failed already, a second panic would hide the reason.
    if !std::thread::panicking() {
        assert_eq!(leak(output), None, "{what} contains a secret");
    }
}

/// Returns an output decoded in every other form in which it could contain a secret.
fn readings(output: &str) -> Vec<String> {
    let messages: Vec<String> = output.lines().map(message).collect();
    let column = |row: &String| row.split(' ').next_back().unwrap_or_default().to_owned();
    let mut readings = vec![
        numbers(&messages, 16),
        numbers(&messages, 10),
        // A secret in pieces may be spread over whole lines, or over the column of a dump that shows characters.
        messages.concat(),
        messages.iter().map(column).collect(),
    ];
    if output.contains('%') {
        readings.push(percent_encoding::percent_decode_str(output).decode_utf8_lossy().into_owned());
    }
    readings
}

/// Returns the message of a log line, or the whole line where it is no JSON.
fn message(line: &str) -> String {
    let json: Option<serde_json::Value> = line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten();
    json.and_then(|line| Some(line["message"].as_str()?.to_owned())).unwrap_or_else(|| line.to_owned())
}

/// Takes the longest row of one-byte numbers of each line, and returns all these bytes as a text. Hex numbers may be written without a space.
fn numbers(messages: &[String], radix: u32) -> String {
    let mut bytes = Vec::new();
    for message in messages {
        let (mut longest, mut row) = (Vec::new(), Vec::new());
        for word in message.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
            match number(word, radix) {
                Some(number) => row.extend(number),
                None => row.clear(),
            }
            if row.len() > longest.len() {
                longest.clone_from(&row);
            }
        }
        bytes.extend(longest);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn number(word: &str, radix: u32) -> Option<Vec<u8>> {
    let word = word.strip_prefix("0x").unwrap_or(word);
    let digits = if radix == 16 { 2 } else { word.len() };
    let whole = !word.is_empty() && word.len().is_multiple_of(digits) && word.is_ascii();
    let bytes = || (0..word.len()).step_by(digits).map(|at| u8::from_str_radix(&word[at..at + digits], radix).ok()).collect();
    whole.then(bytes).flatten()
}

/// The search finds a secret in each form, and nothing in a text without a secret.
#[test]
fn the_search_for_secrets_finds_every_form() {
    const SECRET: &str = "a secret of 32 characters/here+x";
    fn check(form: &str, output: &str, found: bool) {
        assert_eq!(leak(output).is_some(), found, "{form}: {output}");
    }
    keep_secret(SECRET);
    let bytes = SECRET.as_bytes();
    let row = |row: &[u8]| {
        let hex: Vec<String> = row.chunks(2).map(hex::encode).collect();
        let padding = "-- ".repeat(16 - row.len());
        let shown: String = row.iter().map(|&b| if b.is_ascii_graphic() { char::from(b) } else { '.' }).collect();
        format!(
            "{{\"timestamp\":\"2026-11-28T10:00:00.123456Z\",\"level\":\"TRACE\",\"message\":\"{} {padding}{shown}\"}}\n",
            hex.join(" ")
        )
    };
    let dump = |text: &[u8]| text.chunks(16).map(row).collect::<String>();
    let request = |secret: &[u8]| [b"POST / HTTP/1.1\r\nx-secret: ".as_slice(), secret, b"\r\n\r\n"].concat();
    check("plain", &format!("first\ntoken={SECRET}&x\nlast"), true);
    check(
        "percent-encoded",
        &percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC).to_string(),
        true,
    );
    check("hex", &format!("token {}", hex::encode(bytes)), true);
    check("hex in upper case", &format!("token {}", hex::encode_upper(bytes)), true);
    check("a dump", &dump(&request(bytes)), true);
    check("a dump of something else", &dump(&request(&[b'x'; 32])), false);
    check("numbers", &format!("{bytes:?}"), true);
    check("hex numbers", &format!("{bytes:#04x?}"), true);
    check("lines", &SECRET.split_inclusive(' ').collect::<Vec<_>>().join("\n"), true);
    for before in ["", "u", "us", "user", "user:"] {
        let output = format!("authorization: Basic {}==", STANDARD_NO_PAD.encode(format!("{before}{SECRET}\n")));
        check("base64", &output, true);
        check("base64 for URLs", &output.replace('+', "-").replace('/', "_"), true);
    }
    check("base64 of something else", &STANDARD_NO_PAD.encode("user:another secret of 32 characters"), false);
    check("a part of the secret", &SECRET[1..], false);
    check("nothing", "nothing\nof note", false);
}
