//! Bodies that a strict reader refuses although nothing important in them is in doubt: a byte order mark at the beginning, `NaN` and
//! `Infinity` (Python's encoder writes them), numbers beyond 64 bits, bytes that are not UTF-8, and half of a character (a lone surrogate,
//! which services leave where they cut off file names).
//!
//! An infected verdict must not end in quarantine for any of these reasons. So the same strict reader reads a repaired copy. The repair
//! must decide nothing: if the type, the subject or the verdict depends on a replacement for a broken part, the delivery is quarantined.

use std::fmt::Debug;

use memchr::{memchr2, memmem};

use crate::{
    event::{Event, EventKind, Fault, FaultReason},
    proto::event::Payload,
};

/// The replacements for broken parts.
struct StandIn {
    /// Replaces bytes that are not UTF-8.
    text: &'static str,
    /// Replaces an escape that is half a character.
    escape: &'static str,
    /// Replaces a number that JSON or a 64-bit type does not have.
    number: &'static str,
}

/// The replacements in the copy that is read.
const STAND_IN: StandIn = StandIn { text: "\u{fffd}", escape: "\\ufffd", number: "null" };

/// Other possible replacements: if they change the event, it depends on the broken part.
const OTHERS: [StandIn; 2] = [
    StandIn { text: "\u{fffc}", escape: "\\ufffc", number: "0" },
    StandIn { text: "\u{fffc}", escape: "\\ufffc", number: "\"\\ufffc\"" },
];

/// Classifies a body with `read`, which quarantines what it cannot read. If the text cannot be read as it is, a repaired copy is read
/// instead, and `Event::text_repaired` says so.
pub fn classify(body: &[u8], read: fn(&[u8]) -> Event) -> Event {
    // A byte order mark is removed without any other change.
    let unmarked = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let marked = unmarked.len() != body.len();
    // The strict reader does not look into free-form fields, so half a character in them is found only here. Their exact text goes to
    // consumers, whose readers may refuse it.
    if !may_hold_half_a_character(unmarked) {
        let strict = read(unmarked);
        if strict.fault.as_ref().is_none_or(|fault| fault.reason != FaultReason::NotJson) {
            return Event { text_repaired: marked && strict.fault.is_none(), ..strict };
        }
    }
    let copy = repaired(unmarked, &STAND_IN);
    let event = read(&copy);
    if copy == unmarked {
        return event;
    }
    if event.kind == EventKind::Quarantine {
        // The fault of the strict reading names a position in the body as it was received.
        let strict = read(unmarked);
        return if strict.kind == EventKind::Quarantine { strict } else { event };
    }
    let others = OTHERS.map(|other| read(&repaired(unmarked, &other)));
    if others.iter().any(|other| decided(other) != decided(&event)) {
        let detail = "the type, the subject or the verdict holds text that cannot be read".into();
        return Event::quarantined(Fault { reason: FaultReason::NotJson, detail });
    }
    // Consumers order events by this time, and no time is better than a wrong one.
    let occurred_at = event.occurred_at.filter(|time| others.iter().all(|other| other.occurred_at.as_ref() == Some(time)));
    Event { text_repaired: true, occurred_at, ..event }
}

/// Returns the parts of an event that must not depend on a repair.
fn decided(event: &Event) -> impl PartialEq + Debug + '_ {
    // The header is not enough, because text that not every client reads alike has none.
    let verdict = match &event.payload {
        Some(Payload::FilesafetyScan(scan)) => scan.verdict_text.as_str(),
        _ => "",
    };
    (event.kind, &event.event_type, event.type_inferred, &event.subject, &event.verdict, verdict)
}

/// Returns the text of a free-form field without the numbers that no 64-bit type holds, or `None` if it has no such numbers.
pub(super) fn numbers(text: &str) -> Option<String> {
    let copy = repaired(text.as_bytes(), &STAND_IN);
    (copy != text.as_bytes()).then(|| String::from_utf8(copy).ok()).flatten()
}

fn may_hold_half_a_character(body: &[u8]) -> bool {
    let surrogate = |at: usize| matches!(body.get(at + 2..at + 4), Some([b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F']));
    memmem::find_iter(body, "\\u").any(surrogate)
}

/// Returns the body with replacements for the parts that a strict reader refuses. All other parts stay as they are, byte by byte. A body
/// that is not JSON for other reasons is still not JSON afterwards.
fn repaired(body: &[u8], by: &StandIn) -> Vec<u8> {
    let text = readable(body, by);
    let (mut out, mut at, mut in_string) = (Vec::with_capacity(text.len()), 0, false);
    while let Some(first) = text.get(at) {
        let rest = &text[at..];
        let (length, stand_in) = match first {
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b'\\' if in_string => escape(rest, by),
            _ if in_string => (memchr2(b'"', b'\\', rest).unwrap_or(rest.len()), None),
            _ => number(rest, by),
        };
        let end = text.len().min(at + length);
        out.extend_from_slice(stand_in.map_or(&text[at..end], str::as_bytes));
        at = end;
    }
    out
}

/// Returns the body as UTF-8, with replacements for all other bytes.
fn readable(body: &[u8], by: &StandIn) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            text.extend_from_slice(by.text.as_bytes());
        }
    }
    text
}

/// Returns the length of the escape at the beginning of `rest`, and its replacement if it is half a character.
fn escape(rest: &[u8], by: &StandIn) -> (usize, Option<&'static str>) {
    match (unit(rest), rest.get(6..).and_then(unit)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, None),
        (Some(0xd800..=0xdfff), _) => (6, Some(by.escape)),
        // Both bytes are skipped, because the second may be a quote or a backslash.
        _ => (2, None),
    }
}

/// Returns the UTF-16 unit of the escape at the beginning of a text.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().all(u8::is_ascii_hexdigit).then(|| u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()).flatten()
}

/// Returns the length of the next part outside of strings, and its replacement if it is a number that JSON or a 64-bit type does not have.
fn number(rest: &[u8], by: &StandIn) -> (usize, Option<&'static str>) {
    for word in ["NaN", "Infinity", "-Infinity"] {
        if rest.starts_with(word.as_bytes()) {
            return (word.len(), Some(by.number));
        }
    }
    if !matches!(rest[0], b'-' | b'0'..=b'9') {
        return (1, None);
    }
    let length = rest.iter().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count();
    let value = str::from_utf8(&rest[..length]).ok().and_then(|text| text.parse::<f64>().ok());
    (length, value.filter(|value| value.is_infinite()).map(|_| by.number))
}

#[cfg(test)]
mod tests;
