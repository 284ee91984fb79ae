//! A request as one line for a person.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::seen::{Fate, SeenRequest};
use crate::{
    command::{
        colour::{CYAN, DIM, GREEN, Paint, RED, YELLOW},
        verify,
    },
    error::Error,
    event::EventKind,
    http,
    kafka::read::StoredRecord,
    logged::{milliseconds, printable},
    proto,
    provider::{self, CredentialSource},
};

/// From this many columns on, a line has the time, the type and the whole topic.
const WIDE: usize = 120;
/// The columns of what has the same place in each line.
const ENDPOINT: usize = 10;
const TYPE: usize = 22;
const NARROW_PLACE: usize = 28;
const WIDE_PLACE: usize = 48;
/// The columns of the milliseconds and the number, with the blank before them.
const RIGHT: usize = 14;

/// How lines are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// The columns of the terminal; none where the output is none, and then nothing is shortened.
    pub(super) columns: Option<usize>,
    pub(super) colour: bool,
    /// Where the page is. On a coloured terminal, the number of a request leads there.
    pub(super) page: Option<SocketAddr>,
}

impl Style {
    fn paint(self, colour: &str, text: &str) -> String {
        Paint(self.colour).text(colour, text)
    }

    /// Returns the number of a request, as a link to the page where a terminal can follow one.
    fn number(self, number: u64) -> String {
        let text = format!("#{number}");
        let blanks = " ".repeat(6_usize.saturating_sub(text.len()).max(1));
        match self.page.filter(|_| self.colour) {
            Some(page) => format!("{blanks}\u{1b}]8;;http://{page}/{text}\u{1b}\\{text}\u{1b}]8;;\u{1b}\\"),
            None => format!("{blanks}{text}"),
        }
    }

    /// Returns a text of exactly so many columns: filled with blanks, or shortened in its middle. Without a terminal it is only filled.
    fn fitted(self, text: &str, columns: usize) -> String {
        let text = if self.columns.is_some() { shortened(text, columns) } else { text.to_owned() };
        let blanks = columns.saturating_sub(text.width());
        format!("{text}{:blanks$}", "")
    }

    /// Returns the beginning of a sentence in exactly so many columns, and the rest of it. Without a terminal there is no rest.
    fn begun(self, sentence: &str, columns: usize) -> (String, String) {
        let (begin, rest) = if self.columns.is_some() { broken(sentence, columns) } else { (sentence, "") };
        (self.fitted(begin, columns), rest.to_owned())
    }

    /// Returns a line, and below it the rest of its sentence, from this column on: a person needs a reason as a whole.
    fn continued(self, line: &str, mut rest: &str, column: usize) -> String {
        let columns = self.columns.unwrap_or(usize::MAX).saturating_sub(column);
        let mut lines = line.to_owned();
        while !rest.is_empty() {
            let (part, more) = broken(rest, columns);
            let _in_memory = write!(lines, "\n{:column$}{part}", "");
            rest = more;
        }
        lines
    }
}

/// Returns a text in two parts, of which the first has at most so many columns. It is broken at a blank, if there is one.
fn broken(text: &str, most: usize) -> (&str, &str) {
    let widths = text.char_indices().scan(0, |sum, (at, c)| {
        *sum += c.width().unwrap_or_default();
        Some((*sum, at))
    });
    // A single character that is too wide stays, so that there is an end.
    let Some((_, end)) = widths.skip(1).find(|(sum, _)| *sum > most) else { return (text, "") };
    let at = if text[end..].starts_with(' ') { end } else { text[..end].rfind(' ').unwrap_or(end) };
    (text[..at].trim_end(), text[at..].trim_start())
}

/// Returns a text of at most so many columns. A longer one loses its middle.
fn shortened(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let of_end = most.saturating_sub(1) / 2;
    // A character of two columns may not fit where one column is left.
    let fitting = |characters: &mut dyn Iterator<Item = char>, columns: usize| -> Vec<char> {
        let widths = characters.scan(0, |sum, c| {
            *sum += c.width().unwrap_or_default();
            Some((*sum, c))
        });
        widths.take_while(|(sum, _)| *sum <= columns).map(|(_, c)| c).collect()
    };
    let begin = fitting(&mut text.chars(), most.saturating_sub(1 + of_end));
    let end = fitting(&mut text.chars().rev(), of_end);
    begin.iter().chain(&['…']).chain(end.iter().rev()).collect()
}

/// Returns the line of a request, and further lines where its reason is longer.
pub(super) fn line(request: &SeenRequest, style: Style) -> String {
    let (mark, status, colour) = match &request.fate {
        Fate::Stored { kind: EventKind::Named { .. }, .. } => ('✓', 200, GREEN),
        Fate::Stored { kind: EventKind::Unclassified { .. }, .. } => ('?', 200, YELLOW),
        Fate::Stored { kind: EventKind::Quarantine, .. } => ('!', 200, YELLOW),
        Fate::Refused(error) => ('✗', error.answer().status, RED),
        Fate::NotFound { .. } => ('✗', Error::UnknownEndpoint.answer().status, RED),
        Fate::HungUp => ('✗', 0, RED),
        Fate::NoRequest { status, .. } => ('✗', *status, RED),
    };
    let status = if status == 0 { "–".to_owned() } else { status.to_string() };
    let status = style.paint(colour, &format!("{mark} {status:3}"));
    let endpoint = if request.endpoint.is_empty() { "–" } else { &request.endpoint };
    let endpoint = style.fitted(&printable(endpoint), ENDPOINT);
    let right = format!("{:>7}{}", format!("{} ms", milliseconds(request.took)), style.number(request.number));
    // The longer numbers of a long session take their room from the middle.
    let right_columns = RIGHT + request.number.to_string().len().saturating_sub(4);
    let right = style.paint(DIM, &right);
    let columns = style.columns.unwrap_or(usize::MAX);
    if columns < WIDE {
        let left = 5 + 1 + ENDPOINT + 1;
        let (middle, rest) = narrow(request, style, columns.saturating_sub(left + right_columns));
        return style.continued(&format!("{status} {endpoint} {middle} {right}"), &rest, left);
    }
    let time = style.paint(DIM, &time_of_day(request.arrived));
    let left = 12 + 2 + 5 + 2 + ENDPOINT + 2 + TYPE + 2;
    // Without a terminal, the columns are those of a screen that holds the longest usual line.
    let (middle, rest) = wide(request, style, style.columns.unwrap_or(160) - (left + right_columns));
    style.continued(&format!("{time}  {status}  {endpoint}  {middle} {right}"), &rest, left)
}

/// Returns what a narrow line says of a request: the end of the topic, which is the type, with partition and offset, and what the event is about.
/// The second text has no room there.
fn narrow(request: &SeenRequest, style: Style, columns: usize) -> (String, String) {
    match &request.fate {
        Fate::Stored { kind, .. } => {
            let place = request.record.as_ref().map_or_else(String::new, |it| format!("[{}]@{}", it.partition, it.offset));
            let place = format!("{}{place}", short_name(*kind));
            // The reason for a quarantine needs the room more than anything that stands below something else.
            let place_columns = if *kind == EventKind::Quarantine { place.len().min(NARROW_PLACE) } else { NARROW_PLACE };
            let place = style.fitted(&place, place_columns);
            let (about, rest) = about(request, *kind, style, columns.saturating_sub(place_columns + 1));
            (format!("{} {about}", style.paint(CYAN, &place)), rest)
        }
        _ => style.begun(&reason(request), columns),
    }
}

/// Returns what a wide line says of a request, in so many columns beside that of the type. The second text has no room there.
fn wide(request: &SeenRequest, style: Style, columns: usize) -> (String, String) {
    let Fate::Stored { kind, .. } = &request.fate else {
        let (reason, rest) = style.begun(&reason(request), columns);
        return (format!("{}  {reason}", style.fitted(request.outcome_text(), TYPE)), rest);
    };
    let place = request.record.as_ref().map_or_else(String::new, |it| format!("{}[{}]@{}", it.topic, it.partition, it.offset));
    let place_columns = WIDE_PLACE.min(columns * 2 / 3);
    let place = style.fitted(&printable(&place), place_columns);
    let (about, rest) = about(request, *kind, style, columns.saturating_sub(place_columns + 2));
    (format!("{}  {about}  {}", style.fitted(short_name(*kind), TYPE), style.paint(CYAN, &place)), rest)
}

pub(super) fn short_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Named { name, .. } => name,
        EventKind::Unclassified { .. } => "unclassified",
        EventKind::Quarantine => "quarantine",
    }
}

/// Returns what an event is about, safe for a terminal: its subject, the provider's word for a type that has no topic, or why it is in quarantine.
/// The second text has no room in the columns.
fn about(request: &SeenRequest, kind: EventKind, style: Style, columns: usize) -> (String, String) {
    let Some(record) = &request.record else { return style.begun("not read back from its topic", columns) };
    match kind {
        EventKind::Named { .. } => {
            (style.fitted(&printable(&String::from_utf8_lossy(record.key_bytes())), columns), String::new())
        }
        EventKind::Unclassified { .. } => style.begun(&printable(&said_type(record)), columns),
        EventKind::Quarantine => style.begun(&printable(record.header("hookgate-detail").unwrap_or_default()), columns),
    }
}

/// Says what the provider's own word for the type is. An event has none where that is too long or empty.
fn said_type(record: &StoredRecord) -> String {
    let word = type_of(record);
    if word.is_empty() { "its type is empty, or too long to be kept".into() } else { format!("type {word}") }
}

/// Returns the provider's own word for the type.
pub(super) fn type_of(record: &StoredRecord) -> String {
    let value = record.value_bytes();
    let event = proto::unframe(value).map_or(value, |(_, event)| event);
    proto::read_event(event).map(|event| event.r#type).unwrap_or_default()
}

/// Returns why there is no event, in words for a person, safe for a terminal.
pub(super) fn reason(request: &SeenRequest) -> String {
    let text = match &request.fate {
        Fate::Stored { .. } => String::new(),
        Fate::HungUp => "the sender hung up before the answer".into(),
        Fate::NotFound { path, meant: Some(meant) } => format!("{path}  try /webhooks/{meant}"),
        Fate::NotFound { path, meant: None } => format!("{path}  is no endpoint"),
        Fate::NoRequest { why, .. } => why.clone(),
        Fate::Refused(error) => misshapen(request, error).unwrap_or_else(|| in_words(error, &request.endpoint)),
    };
    printable(&text)
}

/// Returns what is wrong with the shape of a proof, which the name of the error does not say.
fn misshapen(request: &SeenRequest, error: &Error) -> Option<String> {
    let what = &request.what;
    match error {
        Error::BadSignature if what.is_body_extra => {
            Some(verify::cause(provider::by_name(&request.endpoint)?, &what.request.header_texts(), error))
        }
        Error::BadToken if http::tokens(&what.request.target).len() > 1 => Some("the token is in the URL more than once".into()),
        _ => None,
    }
}

fn in_words(error: &Error, endpoint: &str) -> String {
    match error {
        Error::MissingSignature => match provider::by_name(endpoint).map(|provider| &provider.credential) {
            Some(CredentialSource::Hmac(scheme)) if scheme.headers.len() == 1 => {
                format!("not signed: no header {}", scheme.headers[0])
            }
            Some(CredentialSource::Hmac(_)) => "not signed: a header of the signature is missing".into(),
            _ => "no token in the URL: ?token=… is missing".into(),
        },
        Error::BadSignature => "signed with another secret, or the body changed".into(),
        Error::BadToken => "the token in the URL is another one".into(),
        Error::Stale { offset } if *offset < 0 => format!("signed {} s ahead of the clock here", offset.unsigned_abs()),
        Error::Stale { offset } => format!("signed {offset} s ago by the clock here"),
        Error::Expired { ago } => format!("the signed URL expired {ago} s ago"),
        Error::Method => "webhooks are delivered with POST".into(),
        Error::EncodedBody => "the body is compressed, and must not be".into(),
        Error::PublishFailed(cause) => cause.clone(),
        other => other.to_string(),
    }
}

/// Returns the time of day, in UTC as in the log.
fn time_of_day(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs() % 86_400, since.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests;
