//! The search for secrets in what a daemon or a command has told. A secret that is told in another form is told as well: percent-encoded, as hex or
//! base64, as the numbers of its bytes, or spread over the rows of a dump.

use std::sync::{LazyLock, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::harness::SECRETS;

/// Secrets in all the forms that are looked for as they stand. Those of this list come with every daemon.
static KEPT: LazyLock<Mutex<Vec<Kept>>> =
    LazyLock::new(|| Mutex::new(SECRETS.iter().map(|(_, secret)| Kept::new(secret)).collect()));

struct Kept {
    secret: String,
    encoded: Vec<String>,
}

impl Kept {
    fn new(secret: &str) -> Self {
        // What of base64 depends on nothing that stands before or after the secret, for each of the three places where it can begin.
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

/// From now on nothing may tell this either.
pub fn keep_secret(secret: &str) {
    let mut kept = KEPT.lock().unwrap();
    if !secret.is_empty() && !kept.iter().any(|it| it.secret == secret) {
        kept.push(Kept::new(secret));
    }
}

/// The first line of what was told that holds a secret of any test of this process, or what it is told in pieces.
pub fn leak(told: &str) -> Option<String> {
    let kept = KEPT.lock().unwrap();
    for form in std::iter::once(told.to_owned()).chain(readings(told)) {
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

/// Fails where what a daemon or a command has told holds a secret.
pub fn assert_discreet(what: &str, told: &str) {
    // While a test fails already, a second panic would hide why.
    if !std::thread::panicking() {
        assert_eq!(leak(told), None, "{what} tells a secret");
    }
}

/// What was told, read in every other way in which somebody could.
fn readings(told: &str) -> Vec<String> {
    let messages: Vec<String> = told.lines().map(message).collect();
    let column = |row: &String| row.split(' ').next_back().unwrap_or_default().to_owned();
    let mut readings = vec![
        numbers(&messages, 16),
        numbers(&messages, 10),
        // Text in pieces: whole lines, and the column of a dump that shows characters.
        messages.concat(),
        messages.iter().map(column).collect(),
    ];
    if told.contains('%') {
        readings.push(percent_encoding::percent_decode_str(told).decode_utf8_lossy().into_owned());
    }
    readings
}

/// A line's message without what every line has.
fn message(line: &str) -> String {
    let json: Option<serde_json::Value> = line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten();
    json.and_then(|line| Some(line["message"].as_str()?.to_owned())).unwrap_or_else(|| line.to_owned())
}

/// The longest row of numbers of one byte of each line, one after the other. In hex they may stand together.
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

/// The search itself: it finds each secret in each form, and nothing where there is none.
#[test]
fn the_search_for_secrets_finds_every_form() {
    const SECRET: &str = "a secret of 32 characters/here+x";
    fn check(form: &str, told: &str, found: bool) {
        assert_eq!(leak(told).is_some(), found, "{form}: {told}");
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
        let told = format!("authorization: Basic {}==", STANDARD_NO_PAD.encode(format!("{before}{SECRET}\n")));
        check("base64", &told, true);
        check("base64 for URLs", &told.replace('+', "-").replace('/', "_"), true);
    }
    check("base64 of something else", &STANDARD_NO_PAD.encode("user:another secret of 32 characters"), false);
    check("a part of it", &SECRET[1..], false);
    check("nothing", "nothing\nof note", false);
}
