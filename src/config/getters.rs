//! Typed getters over one table: each takes its key out, checks it, and complains with the place where it was written.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use super::{
    Environment, Needs, hints,
    problem::{ValueOrigin, suggestion},
    reader::{Entries, Item, Reader, Value},
    secrets::{self, SecretSource, SecretText},
    units::{parse_duration, parse_size, show_duration, show_size},
};

/// A table that is being read. Each getter takes its key out; [`Section::finish`] complains about what is left.
pub(super) struct Section<'a> {
    pub(super) reader: &'a Reader,
    path: String,
    pub(super) origin: ValueOrigin,
    entries: Entries,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn root(reader: &'a Reader, entries: Entries) -> Self {
        Self { reader, path: String::new(), origin: reader.file(), entries, known: Vec::new() }
    }

    /// A table in this one, empty where it was not written.
    pub(super) fn table(&mut self, key: &'static str) -> Self {
        self.optional_table(key).unwrap_or_else(|| self.inner(key, self.reader.file(), Entries::new()))
    }

    pub(super) fn optional_table(&mut self, key: &'static str) -> Option<Self> {
        let item = self.take(key)?;
        Some(self.open(key, item))
    }

    /// Every entry, as a table each: for names that the user chooses.
    pub(super) fn tables(&mut self) -> Vec<(String, Self)> {
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().map(|(key, item)| (key.clone(), self.open(&key, item))).collect()
    }

    /// Every entry as it is: for names that the user chooses.
    pub(super) fn drain(&mut self) -> Entries {
        std::mem::take(&mut self.entries)
    }

    /// Where a key of this table was written, whether or not it has been read yet.
    pub(super) fn written(&self, key: &str) -> Option<ValueOrigin> {
        let read = self.reader.origins.borrow().get(&format!("{}.{key}", self.path)).cloned();
        read.or_else(|| self.entries.get(key).map(|item| item.origin.clone()))
    }

    fn open(&self, key: &str, item: Item) -> Self {
        let inner = self.inner(key, item.origin.clone(), Entries::new());
        match item.value {
            Value::Table(entries) => Self { entries, ..inner },
            other => {
                let message = format!("[{}]: a table was expected, {} was found", inner.path, other.type_name());
                self.reader.problem(item.origin, message);
                inner
            }
        }
    }

    fn inner(&self, key: &str, origin: ValueOrigin, entries: Entries) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { reader: self.reader, path, origin, entries, known: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<Item> {
        self.known.push(key);
        self.reader.known.borrow_mut().insert(format!("{}.{key}", self.path));
        let item = self.entries.remove(key)?;
        self.reader.origins.borrow_mut().insert(format!("{}.{key}", self.path), item.origin.clone());
        Some(item)
    }

    /// A value that has not been taken out.
    pub(super) fn peek(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|item| &item.value)
    }

    /// Whether the secrets and files that this table names are used by who reads the configuration.
    pub(super) fn is_needed(&self) -> bool {
        let needs = match self.path.split('.').next() {
            Some("kafka") => Needs::Kafka,
            Some("schema_registry") => Needs::Cluster,
            _ => Needs::Everything,
        };
        self.reader.needs >= needs
    }

    /// Takes a key out without reading it; where it was written, if it was.
    pub(super) fn skip(&mut self, key: &'static str) -> Option<ValueOrigin> {
        self.take(key).map(|item| item.origin)
    }

    /// Complains about a key of this table.
    pub(super) fn complain(&self, key: &str, origin: ValueOrigin, message: &str) {
        self.reader.faulty.borrow_mut().insert(format!("{}.{key}", self.path));
        self.reader.problem(origin, format!("[{}] {key}: {message}", self.path));
    }

    /// Warns of what a key of this table says.
    pub(super) fn warn(&self, key: &str, warning: &str) {
        self.reader.warn(format!("[{}] {key}: {warning}", self.path));
    }

    /// Complains about a key that this table should have.
    pub(super) fn missing(&self, key: &str, message: &str) {
        self.complain(key, self.origin.clone(), message);
    }

    fn mistyped(&self, key: &str, item: &Item, expected: &str) {
        self.complain(key, item.origin.clone(), &format!("{expected} was expected, {} was found", item.value.type_name()));
    }

    /// A string and where it was written.
    pub(super) fn text(&mut self, key: &'static str) -> Option<(String, ValueOrigin)> {
        let item = self.take(key)?;
        match item.value {
            Value::Text(text) | Value::Given(text) => Some((text, item.origin)),
            _ => {
                self.mistyped(key, &item, "a string");
                None
            }
        }
    }

    /// A list of strings, each with where it was written; `None` where the key is absent or no list.
    pub(super) fn list(&mut self, key: &'static str) -> Option<Vec<(String, ValueOrigin)>> {
        let item = self.take(key)?;
        match item.value {
            Value::Given(text) => Some(
                (text.split(',').map(str::trim).filter(|part| !part.is_empty()))
                    .map(|part| (part.to_owned(), item.origin.clone()))
                    .collect(),
            ),
            Value::List(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    match item.value {
                        Value::Text(text) => texts.push((text, item.origin)),
                        _ => self.mistyped(key, &item, "a list of strings"),
                    }
                }
                Some(texts)
            }
            Value::Text(text) => {
                let message = format!("a list of strings was expected, a string was found; {}", hints::list(key, &text));
                self.complain(key, item.origin, &message);
                None
            }
            _ => {
                self.mistyped(key, &item, "a list of strings");
                None
            }
        }
    }

    /// A string that has to be there; `missing` is the complaint where it is not.
    pub(super) fn required_text(&mut self, key: &'static str, missing: &str) -> Option<(String, ValueOrigin)> {
        let found = self.text(key);
        if self.written(key).is_none() {
            self.missing(key, missing);
        }
        found
    }

    /// A list of strings that has to be there and to hold something; `missing` and `empty` are the complaints where it does not.
    pub(super) fn required_list(&mut self, key: &'static str, missing: &str, empty: &str) -> Option<Vec<(String, ValueOrigin)>> {
        let found = self.list(key);
        match (self.written(key), &found) {
            (None, _) => self.missing(key, missing),
            (Some(origin), Some(list)) if list.is_empty() => self.complain(key, origin, empty),
            _ => {}
        }
        found
    }

    /// The secret that a reference leads to, and where the reference was written. What is probably not meant about the secret is warned of.
    pub(super) fn secret(&mut self, key: &'static str, environment: &Environment) -> Option<(SecretText, ValueOrigin)> {
        let (reference, origin) = self.text(key)?;
        match secrets::resolve(self, key, &reference, environment) {
            Ok(secret) => Some((secret, origin)),
            Err(fault) => {
                self.complain(key, origin, &fault);
                None
            }
        }
    }

    /// A [`Section::secret`] that has to be there.
    pub(super) fn required_secret(&mut self, key: &'static str, environment: &Environment) -> Option<SecretText> {
        let secret = self.secret(key, environment);
        if self.written(key).is_none() {
            self.missing(key, "is missing; write \"env:NAME\" or \"file:/path\"");
        }
        secret.map(|(secret, _)| secret)
    }

    /// References to secrets, at least one and at most `most`; none of them has been followed. `missing` and `empty` are the complaints
    /// where there is none.
    pub(super) fn secrets(
        &mut self,
        key: &'static str,
        most: usize,
        missing: &str,
        empty: &str,
    ) -> Vec<(SecretSource, ValueOrigin)> {
        let references = self.required_list(key, missing, empty).unwrap_or_default();
        if let Some(origin) = self.written(key).filter(|_| references.len() > most) {
            self.complain(key, origin, &format!("holds {}; at most {most} are tried", references.len()));
        }
        let mut sources = Vec::with_capacity(references.len());
        for (reference, origin) in references {
            match SecretSource::parse(&reference) {
                Ok(source) => sources.push((source, origin)),
                Err(fault) => self.complain(key, origin, &fault),
            }
        }
        sources
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        let Some(item) = self.take(key) else { return default };
        match &item.value {
            Value::Boolean(boolean) => *boolean,
            Value::Given(text) if text == "true" => true,
            Value::Given(text) if text == "false" => false,
            Value::Text(text) if matches!(text.as_str(), "true" | "false") => {
                self.complain(key, item.origin, &format!("stands in quotes; write {key} = {text}"));
                default
            }
            _ => {
                self.mistyped(key, &item, "true or false");
                default
            }
        }
    }

    /// A whole number.
    pub(super) fn integer(&mut self, key: &'static str, default: i64, range: &RangeInclusive<i64>) -> i64 {
        let Some(item) = self.take(key) else { return default };
        let value = match &item.value {
            Value::Integer(integer) => Some(*integer),
            Value::Given(text) => text.parse().ok(),
            _ => None,
        };
        let quoted: Option<i64> = match &item.value {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        match (value, quoted) {
            (None, Some(number)) => self.complain(key, item.origin, &format!("stands in quotes; write {key} = {number}")),
            (None, None) => self.mistyped(key, &item, "an integer"),
            (Some(value), _) if range.contains(&value) => return value,
            (Some(_), _) => {
                self.complain(key, item.origin, &format!("must lie between {} and {}", range.start(), range.end()));
            }
        }
        default
    }

    /// A number of things, of which there must be one.
    pub(super) fn count(&mut self, key: &'static str, default: u32) -> usize {
        let count = self.integer(key, i64::from(default), &(1..=1_000_000));
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// A number of things, of which there may be none.
    pub(super) fn whole(&mut self, key: &'static str, default: u32) -> u32 {
        u32::try_from(self.integer(key, default.into(), &(0..=1_000_000))).unwrap_or(default)
    }

    /// The address and port under `listen`.
    pub(super) fn listen(&mut self, default: &'static str) -> SocketAddr {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        if let (Some(Value::Integer(port)), Some(origin)) = (self.peek("listen"), self.written("listen")) {
            let hint = hints::address(&port.to_string(), default);
            self.skip("listen");
            self.complain("listen", origin, &format!("a string was expected, an integer was found; {hint}"));
            return nowhere;
        }
        let (text, origin) = self.text("listen").unwrap_or_else(|| (default.into(), self.origin.clone()));
        text.parse().unwrap_or_else(|_| {
            let hint = hints::address(&text, default);
            self.complain("listen", origin, &format!("{text:?} is not an address and a port, such as \"{default}\"; {hint}"));
            nowhere
        })
    }

    /// A size in bytes: an integer, or a string with a unit.
    pub(super) fn size(&mut self, key: &'static str, default: u64, range: &RangeInclusive<u64>) -> u64 {
        let Some(item) = self.take(key) else { return default };
        let value = match &item.value {
            Value::Integer(integer) => u64::try_from(*integer).ok(),
            Value::Text(text) | Value::Given(text) => parse_size(text),
            _ => None,
        };
        let message = match value {
            Some(value) if range.contains(&value) => return value,
            Some(_) => format!("must lie between {} and {}", show_size(*range.start()), show_size(*range.end())),
            None => {
                let hint = match &item.value {
                    Value::Text(text) | Value::Given(text) => hints::size(text),
                    _ => None,
                };
                let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
                format!("a size in bytes was expected: an integer, or a string such as \"768KiB\" or \"64MiB\"{hint}")
            }
        };
        self.complain(key, item.origin, &message);
        default
    }

    /// A duration: a string with a unit, because a number alone has been read as milliseconds by one half of its readers.
    pub(super) fn duration(&mut self, key: &'static str, default: Duration, range: &RangeInclusive<Duration>) -> Duration {
        let Some(item) = self.take(key) else { return default };
        let value = match &item.value {
            Value::Text(text) | Value::Given(text) => parse_duration(text),
            _ => None,
        };
        let message = match (value, &item.value) {
            (Some(value), _) if range.contains(&value) => return value,
            (Some(_), _) => {
                format!("must lie between {} and {}", show_duration(*range.start()), show_duration(*range.end()))
            }
            (None, Value::Integer(number)) => format!("a unit is missing; write \"{number}s\" or \"{number}ms\""),
            (None, _) => "a duration was expected, such as \"500ms\", \"3.5s\", \"5m\" or \"14d\"".into(),
        };
        self.complain(key, item.origin, &message);
        default
    }

    /// One word of a few.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)], default: T) -> T {
        let Some((text, origin)) = self.text(key) else { return default };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return *choice;
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let other_case = names.iter().find(|name| name.eq_ignore_ascii_case(&text)).copied();
        let hint = other_case.or_else(|| suggestion(&text, names.iter().copied()));
        let hint = hint.map_or_else(String::new, |name| format!("; did you mean \"{name}\"?"));
        self.complain(key, origin, &format!("must be one of {}{hint}", names.join(", ")));
        default
    }

    /// Complains about every entry that nobody asked for.
    pub(super) fn finish(self) {
        for (key, item) in &self.entries {
            let kind = if self.path.is_empty() { "table" } else { "key" };
            let known = self.known.iter().copied();
            let close = suggestion(key, known).map(|name| format!("did you mean \"{name}\"?"));
            let hint = match close.or_else(|| hints::foreign_key(&self.path, key)) {
                Some(hint) => hint,
                None if self.known.is_empty() => String::new(),
                None => format!("there are {}", self.known.join(", ")),
            };
            let place = if self.path.is_empty() { format!("[{key}]") } else { format!("[{}] {key}", self.path) };
            self.reader.problem(item.origin.clone(), format!("{place}: no such {kind}; {hint}"));
        }
    }
}
