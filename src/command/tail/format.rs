//! The formats in which a record is printed.

use std::io::{self, IsTerminal as _, Write};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::{
    command::{
        Failure,
        colour::{self, BOLD_CYAN, DIM, GREEN, Paint, RED, YELLOW},
        output::counted,
    },
    config::Environment,
    kafka::read::StoredRecord,
    logged::printable,
    proto,
};

/// How much of a value that is not an event is shown to people, in bytes.
const HEX_BYTES_MAX: usize = 64;

/// The format in which a record is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One JSON object per line.
    Json,
    /// For people: a head line, then the fields.
    Pretty,
    /// The value's bytes as they are, nothing between them: for one record.
    Raw,
    /// The event's bytes after their length as a varint, as protobuf libraries read and write streams.
    Delimited,
    /// The webhook's body as it was received; a newline between two of them.
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

/// The flags that decide how records are printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Output {
    /// By default pretty on a terminal, json elsewhere.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Show the body too: pretty shows its text, json adds it as `body_text`.
    #[arg(long)]
    body: bool,
    /// Colours of pretty; auto is on a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Colour,
}

impl Output {
    /// Returns the printer. Fails if raw bytes would go to a terminal.
    pub(super) fn printer(&self, environment: &Environment) -> Result<Printer, Failure> {
        let terminal = io::stdout().is_terminal();
        let format = self.format.unwrap_or(if terminal { Format::Pretty } else { Format::Json });
        if terminal && matches!(format, Format::Raw | Format::Delimited) {
            return Err(Failure::Failed("bytes are nothing for a terminal: send the output to a file or a program".into()));
        }
        let colour = match self.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && colour::is_allowed(environment),
        };
        Ok(Printer { format, body: self.body, colour, terminal, separator: b"" })
    }
}

/// Prints records.
#[derive(Clone, Copy)]
pub(in crate::command) struct Printer {
    format: Format,
    body: bool,
    colour: bool,
    terminal: bool,
    /// The bytes to print before the next body.
    separator: &'static [u8],
}

impl Printer {
    /// Returns a printer for people who watch.
    pub(in crate::command) fn pretty(environment: &Environment) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            format: Format::Pretty,
            body: false,
            colour: terminal && colour::is_allowed(environment),
            terminal,
            separator: b"",
        }
    }

    /// Returns a printer for people, without colours.
    pub(in crate::command) fn plain() -> Self {
        Self { format: Format::Pretty, body: false, colour: false, terminal: false, separator: b"" }
    }

    /// Writes one record. Returns whether there was anything to show: a value that is not an event has no body, and no place in a stream of
    /// events.
    pub(in crate::command) fn print(&mut self, out: &mut impl Write, stored: &StoredRecord) -> io::Result<bool> {
        match self.format {
            Format::Json => writeln!(out, "{}", printable(&to_json(stored, self.body).to_string()))?,
            Format::Pretty => self.show(out, stored)?,
            Format::Raw => out.write_all(stored.value_bytes())?,
            Format::Delimited => {
                let (_, event) = event_of(stored);
                if proto::read_event(event).is_none() {
                    return Ok(false);
                }
                let mut length = Vec::new();
                prost::encode_length_delimiter(event.len(), &mut length).map_err(io::Error::other)?;
                out.write_all(&length)?;
                out.write_all(event)?;
            }
            Format::Body => {
                let Some(event) = proto::read_event(event_of(stored).1) else { return Ok(false) };
                if self.terminal {
                    lines(&event.body).try_for_each(|line| writeln!(out, "{line}"))?;
                } else {
                    // The separator comes between two bodies and not after each, so that a single body is exactly what was signed.
                    out.write_all(self.separator)?;
                    out.write_all(&event.body)?;
                    self.separator = b"\n";
                }
            }
        }
        Ok(true)
    }

    fn paint(self, colour: &str, text: &str) -> String {
        Paint(self.colour).text(colour, &printable(text))
    }

    /// Writes the head line, then field by field, with a blank line at the end.
    fn show(self, out: &mut impl Write, stored: &StoredRecord) -> io::Result<()> {
        let time = stored.timestamp_ms.map(|milliseconds| {
            let (seconds, rest) = (milliseconds.div_euclid(1_000), milliseconds.rem_euclid(1_000));
            let nanos = i32::try_from(rest).unwrap_or_default() * 1_000_000;
            prost_types::Timestamp { seconds, nanos }.to_string()
        });
        let place = format!("{}[{}] @{}", stored.topic, stored.partition, stored.offset);
        write!(
            out,
            "{}  {}  key {}",
            self.paint(DIM, time.as_deref().unwrap_or("-")),
            self.paint(BOLD_CYAN, &place),
            self.paint(YELLOW, &String::from_utf8_lossy(stored.key_bytes()))
        )?;
        if let Some(verdict) = stored.header("hookgate-verdict").or(stored.header("hookgate-reason")) {
            write!(out, "  {}", self.paint(if verdict == "clean" { GREEN } else { RED }, verdict))?;
        }
        writeln!(out)?;
        for (name, value) in &stored.headers {
            // The other headers repeat what the event says.
            if matches!(name.as_str(), "hookgate-detail" | "traceparent") {
                self.field(out, 1, name, &text_or_bytes(value.as_deref()))?;
            }
        }
        if stored.value.is_none() {
            self.field(out, 1, "value", &Value::Null)?;
            return writeln!(out);
        }
        let (schema, event) = event_of(stored);
        if let Some(schema) = schema {
            self.field(out, 1, "schema_id", &json!(schema))?;
        }
        if let Some(Value::Object(fields)) = proto::event_to_json(event) {
            self.event(out, event, fields)?;
        } else {
            let value = stored.value_bytes();
            let shown = &value[..value.len().min(HEX_BYTES_MAX)];
            let more = if shown.len() < value.len() { "…" } else { "" };
            let text = format!("{}: {}{more}", counted(value.len() as u64, "byte"), hex::encode(shown));
            self.field(out, 1, "not an event", &json!(text))?;
        }
        writeln!(out)
    }

    fn event(self, out: &mut impl Write, event: &[u8], mut fields: Map<String, Value>) -> io::Result<()> {
        let body = proto::read_event(event).map(|event| event.body).unwrap_or_default();
        fields.shift_remove("body");
        // The subject is in the head line, as the key.
        fields.shift_remove("subject");
        for (name, value) in &fields {
            self.field(out, 1, name, value)?;
        }
        if !body.is_empty() {
            self.field(out, 1, "body", &json!(counted(body.len() as u64, "byte")))?;
        }
        if self.body {
            lines(&body).try_for_each(|line| writeln!(out, "    {line}"))?;
        }
        Ok(())
    }

    /// Writes a field on a line of its own, with its contents indented below it.
    fn field(self, out: &mut impl Write, depth: usize, name: &str, value: &Value) -> io::Result<()> {
        write!(out, "{}{}", "  ".repeat(depth), self.paint(DIM, name))?;
        match value {
            Value::Object(fields) => {
                writeln!(out)?;
                fields.iter().try_for_each(|(name, value)| self.field(out, depth + 1, name, value))
            }
            Value::Array(items) => {
                writeln!(out)?;
                items.iter().try_for_each(|item| self.field(out, depth + 1, "-", item))
            }
            Value::String(value) => writeln!(out, "  {}", printable(value)),
            other => writeln!(out, "  {other}"),
        }
    }
}

/// Returns the schema's id, if a registry's frame is around the event, and the event.
fn event_of(stored: &StoredRecord) -> (Option<u32>, &[u8]) {
    match proto::unframe(stored.value_bytes()) {
        Some((schema, event)) => (Some(schema), event),
        None => (None, stored.value_bytes()),
    }
}

/// Returns the lines of a body, safe for a terminal. JSON is laid out.
fn lines(body: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(body);
    // This check also bounds the depth of the JSON.
    let text = if serde_json::from_str::<Value>(&text).is_ok() { laid_out(&text) } else { text.into_owned() };
    text.lines().map(printable).collect::<Vec<_>>().into_iter()
}

/// Returns JSON with a line for each member, each as it was written: reading and writing the JSON would lose keys that appear twice, which
/// are a reason for quarantine, and the digits of numbers.
fn laid_out(json: &str) -> String {
    let (mut out, mut depth, mut before) = (String::with_capacity(json.len()), 0_usize, ' ');
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            out.push(c);
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        let (opened, closes) = (matches!(before, '{' | '['), matches!(c, '}' | ']'));
        depth -= usize::from(closes);
        if before == ',' || opened != closes {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
        depth += usize::from(matches!(c, '{' | '['));
        out.push(c);
        if c == ':' {
            out.push(' ');
        }
        (in_string, before) = (c == '"', c);
    }
    out
}

/// Returns a string, null, or an object with the base64 of bytes that are not UTF-8.
fn text_or_bytes(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => Value::Null,
        Some((Ok(text), _)) => text.into(),
        Some((Err(_), bytes)) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}

/// Returns the headers by name; a header that appears several times is a list.
fn headers(stored: &StoredRecord) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in &stored.headers {
        let value = text_or_bytes(value.as_deref());
        match headers.get_mut(name) {
            None => drop(headers.insert(name.clone(), value)),
            // A single value is never a list, so this list holds several values.
            Some(Value::Array(several)) => several.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    headers.into()
}

/// Returns a record as one JSON object. A value that is not an event is marked as such and kept as hex.
fn to_json(stored: &StoredRecord, with_body: bool) -> Value {
    let mut line = Map::new();
    line.insert("topic".into(), json!(stored.topic));
    line.insert("partition".into(), json!(stored.partition));
    line.insert("offset".into(), json!(stored.offset));
    line.insert("timestamp_ms".into(), json!(stored.timestamp_ms));
    line.insert("key".into(), text_or_bytes(stored.key.as_deref()));
    line.insert("headers".into(), headers(stored));
    if stored.value.is_none() {
        line.insert("event".into(), Value::Null);
        return line.into();
    }
    let (schema, event) = event_of(stored);
    if let Some(schema) = schema {
        line.insert("schema_id".into(), json!(schema));
    }
    match proto::event_to_json(event) {
        Some(mut fields) => {
            // The text itself and not what it reads as: numbers and double keys would not survive that.
            let body = with_body.then(|| proto::read_event(event)).flatten();
            if let Some(text) = body.and_then(|event| String::from_utf8(event.body.into()).ok()) {
                fields["body_text"] = text.into();
            }
            line.insert("event".into(), fields)
        }
        None => line.insert("not_an_event_hex".into(), json!(hex::encode(stored.value_bytes()))),
    };
    line.into()
}

#[cfg(test)]
mod tests;
