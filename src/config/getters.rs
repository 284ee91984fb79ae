//! Typed getters over one table. Each takes its key out, records what is known of the key ([`super::keys`]), checks the value, and
//! complains with the place where it was written. The getters of strings are in `texts`, the others in `values`.

mod texts;
pub(super) mod values;

use super::{
    hints,
    keys::{Absent, Key, Kind},
    problem::{ValueOrigin, suggestion},
    reader::{Entries, Item, Reader, Value, plain},
};

/// A table that is being read. Each getter takes its key out; [`Section::finish`] complains about what is left.
pub(super) struct Section<'a> {
    pub(super) reader: &'a Reader,
    path: String,
    /// The path, with `<name>` in the place of each name that the user chose.
    shape: String,
    pub(super) origin: ValueOrigin,
    entries: Entries,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn root(reader: &'a Reader, entries: Entries) -> Self {
        Self { reader, path: String::new(), shape: String::new(), origin: reader.file(), entries, known: Vec::new() }
    }

    /// Returns a table in this one, empty where it was not written.
    pub(super) fn table(&mut self, key: &'static str) -> Self {
        self.table_of(key, Kind::Table)
    }

    /// Returns a table of keys that the user chooses, empty where it was not written. Where there are `names`, each key is one of them. What
    /// is read of the table must be [shown](Section::show_all).
    pub(super) fn map(&mut self, key: &'static str, names: Vec<String>, values: Kind) -> Self {
        self.table_of(key, Kind::Map(names, Box::new(values)))
    }

    fn table_of(&mut self, key: &'static str, kind: Kind) -> Self {
        let item = self.take(key);
        if item.is_none() && self.is_misspelled(key) {
            self.reader.faulty.borrow_mut().insert(join(&self.path, key));
        }
        let item = item.unwrap_or_else(|| Item { origin: self.reader.file(), value: Value::Table(Entries::new()) });
        self.open(key, key, kind, item)
    }

    pub(super) fn optional_table(&mut self, key: &'static str) -> Option<Self> {
        let item = self.take(key);
        if item.is_none() {
            self.describe(key, Kind::Table, Absent::Without("none"));
        }
        item.map(|item| self.open(key, key, Kind::Table, item))
    }

    /// Takes every entry out, each as a table: for names that the user chooses.
    pub(super) fn tables(&mut self) -> Vec<(String, Self)> {
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().map(|(key, item)| (key.clone(), self.open(&key, "<name>", Kind::Table, item))).collect()
    }

    /// Takes every entry out as it is: for names that the user chooses.
    pub(super) fn drain(&mut self) -> Entries {
        std::mem::take(&mut self.entries)
    }

    /// Returns where a key of this table was written, whether or not it has been read yet.
    pub(super) fn written(&self, key: &str) -> Option<ValueOrigin> {
        let read = self.reader.origins.borrow().get(&format!("{}.{key}", self.path)).cloned();
        read.or_else(|| self.entries.get(key).map(|item| item.origin.clone()))
    }

    fn open(&self, key: &str, shape: &str, kind: Kind, item: Item) -> Self {
        let (path, shape) = (join(&self.path, key), join(&self.shape, shape));
        let described = Key { path: shape.clone(), kind, absent: Absent::Default(serde_json::json!({})) };
        self.reader.records.describe(path.clone(), described);
        let entries = match item.value {
            Value::Table(entries) => entries,
            other => {
                let message = format!("[{path}]: a table was expected, {} was found", other.type_name());
                self.reader.problem(item.origin.clone(), message);
                self.reader.faulty.borrow_mut().insert(path.clone());
                Entries::new()
            }
        };
        Self { reader: self.reader, path, shape, origin: item.origin, entries, known: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<Item> {
        self.known.push(key);
        let item = self.entries.remove(key)?;
        self.reader.origins.borrow_mut().insert(format!("{}.{key}", self.path), item.origin.clone());
        Some(item)
    }

    /// Records what is known of a key.
    fn describe(&self, key: &str, kind: Kind, absent: Absent) {
        self.reader.records.describe(join(&self.path, key), Key { path: join(&self.shape, key), kind, absent });
    }

    /// Sets how the value of a key is shown, if not as it was written.
    pub(super) fn show(&self, key: &str, shown: impl Into<serde_json::Value>) {
        self.reader.records.show(&join(&self.path, key), Some(shown.into()));
    }

    /// Leaves a key out of the redacted view.
    pub(super) fn hide(&self, key: &str) {
        self.reader.records.show(&join(&self.path, key), None);
    }

    /// Sets how this table is shown, which must be a [`Section::map`].
    pub(super) fn show_all<'t>(&self, entries: impl Iterator<Item = (&'t String, impl Into<serde_json::Value>)>) {
        let shown = entries.map(|(name, value)| (name.clone(), value.into())).collect();
        self.reader.records.show(&self.path, Some(shown));
    }

    /// Returns a value without taking it out.
    pub(super) fn peek(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|item| &item.value)
    }

    /// Returns whether the command that reads the configuration uses the secrets and files that this table names.
    pub(super) fn is_needed(&self) -> bool {
        self.reader.needs.include(&self.path)
    }

    /// Takes a key out without reading it. Returns where it was written, if it was.
    pub(super) fn skip(&mut self, key: &'static str) -> Option<ValueOrigin> {
        self.take(key).map(|item| item.origin)
    }

    /// Complains about a key of this table.
    pub(super) fn complain(&self, key: &str, origin: ValueOrigin, message: &str) {
        self.reader.faulty.borrow_mut().insert(format!("{}.{key}", self.path));
        self.reader.problem(origin, format!("[{}] {key}: {message}", self.path));
    }

    /// The variable that sets a key of this table.
    fn variable(&self, key: &str) -> String {
        let path: Vec<String> = self.path.split('.').chain([key]).map(plain).collect();
        format!("HOOKGATE_{}", path.join("__").to_ascii_uppercase())
    }

    /// Whether the secrets of this table go to librdkafka.
    pub(super) fn is_for_librdkafka(&self) -> bool {
        self.path.starts_with("kafka.")
    }

    /// Whether there is a complaint about a key of this table.
    pub(super) fn is_faulty(&self, key: &str) -> bool {
        self.reader.faulty.borrow().contains(&format!("{}.{key}", self.path))
    }

    /// Whether there is a complaint about a key of this table or of one in it.
    pub(super) fn has_faults(&self) -> bool {
        self.reader.faulty.borrow().iter().any(|key| key.strip_prefix(&*self.path).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Warns of what a key of this table says.
    pub(super) fn warn(&self, key: &str, warning: &str) {
        self.reader.warn(format!("[{}] {key}: {warning}", self.path));
    }

    /// Complains about a key that this table should have, unless the table itself is wrong.
    pub(super) fn missing(&self, key: &str, message: &str) {
        if !self.is_no_table() {
            self.complain(key, self.origin.clone(), message);
        }
    }

    /// Returns whether something else was written in the place of this table, or its name is misspelled. A key that is missing in it is then
    /// not a mistake of its own.
    pub(super) fn is_no_table(&self) -> bool {
        self.reader.faulty.borrow().contains(&self.path)
    }

    /// Returns whether there is an entry whose name is probably a misspelling of this one.
    fn is_misspelled(&self, name: &str) -> bool {
        self.entries.keys().any(|key| key.eq_ignore_ascii_case(name) || suggestion(key, [name]).is_some())
    }

    fn mistyped(&self, key: &str, item: &Item, expected: &str) {
        self.complain(key, item.origin.clone(), &format!("{expected} was expected, {} was found", item.value.type_name()));
    }

    /// Complains about every entry that no getter has taken out.
    pub(super) fn finish(self) {
        for (key, item) in &self.entries {
            let kind = if self.path.is_empty() { "table" } else { "key" };
            let known = self.known.iter().copied();
            let other_case = known.clone().find(|name| name.eq_ignore_ascii_case(key));
            let close = other_case.or_else(|| suggestion(key, known)).map(|name| format!("did you mean \"{name}\"?"));
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

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
