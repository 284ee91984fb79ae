//! Why a delivery fails: what was signed, and which change on its way would explain it.

use std::{
    io::Write,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{Delivery, Failure, Provider, given::GivenDelivery, signed, token};
use crate::{
    command::output::counted,
    config::suggestion,
    delivery::Credential,
    error::Error,
    logged::printable,
    provider::CredentialSource,
    signature::{HmacScheme, Keys, is_signature},
};

/// How much of the body is shown, in characters.
const PREVIEW_CHARACTERS: usize = 60;

/// What to give to judge a delivery of another day. The page has that already.
pub(in crate::command) const AT_ANOTHER_TIME: &str =
    "; give the time of a captured delivery with --at, and how far away the signed time may be with --tolerance";

/// A window that includes every signed time: with it only the HMAC decides.
pub(super) const ANY_TIME: Duration = Duration::from_secs(u32::MAX as u64);

/// Returns what is wrong with an offered proof in a few words. The error itself would say that a malformed signature does not match.
pub(in crate::command) fn cause(provider: &Provider, headers: &[(String, String)], error: &Error) -> String {
    let CredentialSource::Hmac(scheme) = provider.credential else { return error.to_string() };
    if !matches!(error, Error::BadSignature) {
        return error.to_string();
    }
    let values = |name: &str| headers.iter().filter(|(it, _)| it == name).map(|(_, value)| &**value).collect::<Vec<_>>();
    if scheme.headers.iter().any(|name| values(name).len() > 1) {
        return "a header of the proof is there more than once".into();
    }
    let is_good = |value: &&str| value.strip_prefix(scheme.version).is_some_and(is_signature);
    let malformed = if values(scheme.headers[0]).iter().all(is_good) { "timestamp" } else { "signature" };
    format!("the {malformed} is malformed")
}

/// Returns a header that may be meant by a name that is missing: one that also speaks of a signature, or of a timestamp.
fn near<'h>(headers: &'h [(String, String)], name: &str, scheme: &HmacScheme) -> Option<&'h str> {
    let last = name.rsplit('-').next().unwrap_or(name);
    let speaks_of_it = |it: &&str| it.split(['-', '_']).any(|part| suggestion(last, [part]).is_some());
    headers.iter().map(|(it, _)| it.as_str()).filter(|it| !scheme.headers.contains(it)).find(speaks_of_it)
}

/// Explains why what is offered as proof is refused without a look at the body.
pub(super) fn offered(
    out: &mut impl Write,
    provider: &Provider,
    given: &GivenDelivery,
    keys: &Keys,
    error: &Error,
) -> Result<(), Failure> {
    if signed::url(out, provider, given.url.as_deref(), keys)? {
        return Ok(());
    }
    proof(out, provider, given, error)
}

/// Explains why the offered proof is refused.
fn proof(out: &mut impl Write, provider: &Provider, given: &GivenDelivery, error: &Error) -> Result<(), Failure> {
    let headers = &given.headers;
    let scheme = match provider.credential {
        CredentialSource::UrlToken => return token::refused(out, provider, given, error),
        CredentialSource::Hmac(scheme) => scheme,
    };
    for name in scheme.headers {
        let values: Vec<&str> = headers.iter().filter(|(it, _)| it == name).map(|(_, value)| value.as_str()).collect();
        match values.as_slice() {
            [""] => writeln!(out, "header {name}: empty")?,
            [] => match near(headers, name, &scheme) {
                Some(other) => {
                    let other = printable(other);
                    writeln!(
                        out,
                        "header {name}: missing; there is {other}, which does not count: is it misspelled, or has a proxy renamed it?"
                    )?;
                }
                // Of flags nothing follows: only the headers of the signature have to be given.
                None if given.is_whole() => writeln!(
                    out,
                    "header {name}: missing, and none of the request's {} is like it: a proxy has removed it, or the sender signs nothing",
                    counted(headers.len() as u64, "header")
                )?,
                None => writeln!(out, "header {name}: missing")?,
            },
            [value] => {
                writeln!(out, "header {name}: {}", counted(value.len() as u64, "character"))?;
                let remarks =
                    if *name == scheme.headers[0] { signature_remarks(value, scheme.version) } else { timestamp_remarks(value) };
                for remark in remarks {
                    writeln!(out, "  {remark}")?;
                }
            }
            several => {
                writeln!(out, "header {name}: is there {} times, so it is unclear which one counts", several.len())?;
            }
        }
    }
    Ok(())
}

/// Returns remarks on a timestamp, which do not repeat it.
fn timestamp_remarks(value: &str) -> Vec<String> {
    if !value.bytes().all(|b| b.is_ascii_digit()) {
        return vec!["the timestamp is not a number of whole seconds since 1970".to_owned()];
    }
    let unit = match value.len() {
        13 => "milliseconds",
        16 => "microseconds",
        19 => "nanoseconds",
        _ => return Vec::new(),
    };
    vec![format!("the timestamp looks like {unit}; the header holds whole seconds")]
}

/// Returns remarks on a signature, which do not repeat it.
fn signature_remarks(value: &str, version: &str) -> Vec<String> {
    let (found, digits) = value.split_at(value.find('=').map_or(0, |at| at + 1));
    let mut remarks = Vec::new();
    if !is_signature(&digits.to_ascii_lowercase()) {
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let has = if is_hex { counted(digits.len() as u64, "hex digit") } else { "other characters".to_owned() };
        remarks.push(format!("the signature must be `{version}` and 64 hex digits; this one has {has}"));
    } else if digits.bytes().any(|b| b.is_ascii_uppercase()) {
        remarks.push("the hex digits are upper case; they are sent in lower case".to_owned());
    }
    if found.is_empty() {
        remarks.push(format!("the version before the hex digits is missing: `{version}`"));
    } else if found != version {
        remarks.push(format!("the version before the hex digits is another one than `{version}`"));
    }
    remarks
}

/// Explains which bytes the signature covers.
pub(super) fn signed_bytes(out: &mut impl Write, provider: &Provider, delivery: &Delivery) -> Result<(), Failure> {
    let Some((scheme, timestamp)) = hmac(provider, delivery) else {
        match &delivery.credential {
            Credential::SignedUrl(url) => signed::fields(out, url)?,
            _ => writeln!(out, "signed: nothing, the token is the whole proof")?,
        }
        return Ok(());
    };
    let prefix = scheme.prefix(timestamp);
    let text = String::from_utf8_lossy(&delivery.body);
    let preview: String = text.chars().take(PREVIEW_CHARACTERS).collect();
    let bytes = counted(delivery.body.len() as u64, "byte");
    let before = if prefix.is_empty() { String::new() } else { format!("{prefix:?} and then ") };
    let more = if text.chars().nth(PREVIEW_CHARACTERS).is_some() { "…" } else { "" };
    writeln!(out, "signed: {before}the body's {bytes}: {}{more}", printable(&preview))?;
    Ok(())
}

/// Explains why the verification failed.
pub(super) fn refusal(
    out: &mut impl Write,
    provider: &Provider,
    delivery: &Delivery,
    keys: &Keys,
    error: &Error,
) -> Result<(), Failure> {
    match error {
        Error::Stale { .. } => stale(out, provider, delivery, keys),
        Error::Expired { .. } => {
            writeln!(out, "the signature is right, but the URL has expired; give the time of a captured delivery with --at")?;
            Ok(())
        }
        Error::BadSignature => bad_signature(out, provider, delivery, keys),
        _ => Ok(()),
    }
}

fn stale(out: &mut impl Write, provider: &Provider, delivery: &Delivery, keys: &Keys) -> Result<(), Failure> {
    writeln!(out, "the signature is right, but the time is not: it may be {} s away at most", keys.tolerance.as_secs())?;
    let signed_at: Option<u64> = hmac(provider, delivery).and_then(|(_, text)| text?.parse().ok());
    let arrival = delivery.received_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if let Some(signed_at) = signed_at {
        let (apart, side) = (arrival.abs_diff(signed_at), if signed_at > arrival { "after" } else { "before" });
        writeln!(out, "signed {apart} s {side} the arrival{AT_ANOTHER_TIME}")?;
        if [1000, 1_000_000].into_iter().any(|unit| (signed_at / unit).abs_diff(arrival) < arrival / 100) {
            writeln!(out, "the timestamp is off by a unit: whole seconds are expected")?;
        }
    }
    Ok(())
}

/// Returns the HMAC scheme and the text of the signed timestamp; `None` where the proof is a token.
fn hmac<'a>(provider: &Provider, delivery: &'a Delivery) -> Option<(HmacScheme, Option<&'a str>)> {
    match (provider.credential, &delivery.credential) {
        (CredentialSource::Hmac(scheme), Credential::Headers(headers)) => {
            scheme.parts(headers).ok().map(|(_, timestamp)| (scheme, timestamp))
        }
        _ => None,
    }
}

fn bad_signature(out: &mut impl Write, provider: &Provider, delivery: &Delivery, keys: &Keys) -> Result<(), Failure> {
    writeln!(out, "none of the secrets signs these bytes to this signature")?;
    if let Some(begin) = request_line(&delivery.body) {
        writeln!(
            out,
            "the file begins with {begin:?}, the head of an HTTP request: --body takes only the body, which is what follows the first \
             blank line; --request takes all of it"
        )?;
    }
    let keys = Keys { tolerance: ANY_TIME, ..keys.clone() };
    for (change, body) in variants(&delivery.body) {
        let other = Delivery { body: body.into(), ..delivery.clone() };
        if provider.verify(other, &keys).is_ok() {
            writeln!(out, "but it fits after this change: {change}")?;
            writeln!(
                out,
                "so the body was changed between the sender and the file: sign and compare the raw bytes, before any parsing"
            )?;
            return Ok(());
        }
    }
    if looks_reserialised(&delivery.body) {
        writeln!(
            out,
            "the body is laid out for reading, with line breaks or spaces between its parts; {} sends none: it looks re-serialised",
            provider.title
        )?;
    }
    writeln!(
        out,
        "likely: the secret is another one (each subscription has its own), or the body is not the one that was signed"
    )?;
    Ok(())
}

/// Returns JSON with other white space between its parts, as a program that reads and writes it makes of it.
pub(in crate::command) fn respaced(json: &[u8]) -> Option<Vec<u8>> {
    [spaced(json), without_white_space(json)].into_iter().find(|other| other != json)
}

fn looks_reserialised(body: &[u8]) -> bool {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    is_json && without_white_space(body).len() < body.len()
}

/// Returns the method and version that a body begins with, if it is a whole HTTP request. The path between them is left out, because it may
/// hold a token.
fn request_line(body: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(body.split(|byte| *byte == b'\n').next()?).ok()?.trim_end();
    let (method, rest) = line.split_once(' ')?;
    let (_, version) = rest.rsplit_once(' ')?;
    let shaped = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase()) && version.starts_with("HTTP/");
    (shaped && version.len() <= 8).then(|| format!("{method} … {version}"))
}

/// Returns the bytes after the first blank line.
fn after_head(body: &[u8]) -> &[u8] {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let cut = ends.iter().filter_map(|end| memchr::memmem::find(body, end).map(|at| at + end.len())).min();
    cut.filter(|_| request_line(body).is_some()).map_or(body, |at| &body[at..])
}

/// Returns other forms of a body, because proxies, frameworks and editors change bodies. Each comes with the change that leads to it.
fn variants(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        ("the line break at the end is removed".to_owned(), body.trim_ascii_end().to_vec()),
        ("a line break is put at the end".to_owned(), [body, b"\n"].concat()),
        ("the head of the HTTP request is removed".to_owned(), after_head(body).to_vec()),
        ("line breaks are CR LF".to_owned(), replace(body, b"\n", b"\r\n")),
        ("line breaks are LF".to_owned(), replace(body, b"\r\n", b"\n")),
    ];
    let compact = without_white_space(body);
    let mut forms = vec![("white space between the parts is removed".to_owned(), compact)];
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        value.sort_all_objects();
        forms.push(("re-serialised with sorted keys".to_owned(), value.to_string().into_bytes()));
    }
    for (name, form) in forms {
        for (how, text) in spellings(&form) {
            all.push((format!("{name}{how}"), text.clone()));
            all.push((format!("{name}{how}, with a space after each colon and comma"), spaced(&text)));
        }
    }
    all
}

/// Returns the same JSON with other escapes.
fn spellings(form: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let text = String::from_utf8_lossy(form);
    let escape = |c: char| match c {
        c if c.is_ascii() => c.to_string(),
        c => c.encode_utf16(&mut [0; 2]).iter().fold(String::new(), |text, unit| format!("{text}\\u{unit:04x}")),
    };
    let escaped: String = text.chars().map(escape).collect();
    let html = ["<", ">", "&"].into_iter().zip(["\\u003c", "\\u003e", "\\u0026"]);
    let html = html.fold(text.to_string(), |text, (plain, escape)| text.replace(plain, escape));
    vec![
        ("", form.to_vec()),
        (", all but ASCII as \\u escapes", escaped.clone().into_bytes()),
        (", slashes as \\/", replace(form, b"/", b"\\/")),
        (", all but ASCII as \\u escapes and slashes as \\/", replace(escaped.as_bytes(), b"/", b"\\/")),
        (", slashes plain", replace(form, b"\\/", b"/")),
        (", <, > and & as \\u escapes", html.into_bytes()),
    ]
}

/// Returns JSON without the white space outside of its strings.
fn without_white_space(json: &[u8]) -> Vec<u8> {
    outside_strings(json, |byte, out| {
        if !byte.is_ascii_whitespace() {
            out.push(byte);
        }
    })
}

/// Returns JSON with a space after each colon and comma, as Python writes it.
fn spaced(json: &[u8]) -> Vec<u8> {
    outside_strings(json, |byte, out| {
        out.push(byte);
        if matches!(byte, b':' | b',') {
            out.push(b' ');
        }
    })
}

fn outside_strings(json: &[u8], write: impl Fn(u8, &mut Vec<u8>)) -> Vec<u8> {
    let (mut out, mut in_string, mut escaped) = (Vec::with_capacity(json.len()), false, false);
    for &byte in json {
        if in_string {
            out.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else {
            write(byte, &mut out);
            in_string = byte == b'"';
        }
    }
    out
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some((&first, after_first)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(from) {
            out.extend_from_slice(to);
            rest = after;
        } else {
            out.push(first);
            rest = after_first;
        }
    }
    out
}
