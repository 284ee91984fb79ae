//! What there is to know of each key: which values it takes, its default, and how its value is shown. The getter that reads a key writes it
//! down, so that it stands there once: the redacted view, the JSON Schema and the check of docs/configuration.md are made of it.

use std::{cell::RefCell, ops::RangeInclusive, time::Duration};

use serde_json::{Map, Value};

use super::units::{show_duration, show_size};

/// A key or a table of `hookgate.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its tables and itself, with dots between them. A name that the user chooses is `<name>`: `endpoints.<name>.provider`.
    pub path: String,
    /// Which values it takes.
    pub kind: Kind,
    /// What it is where it is not written.
    pub absent: Absent,
}

/// Which values a key takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Keys of its own, each of which is described.
    Table,
    /// Keys that the user chooses, with a value each.
    Map,
    /// A string.
    Text,
    /// The path of a file.
    File,
    /// A reference to a secret.
    Secret,
    /// References to secrets, from one to so many.
    Secrets(usize),
    /// Strings.
    List,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer(RangeInclusive<i64>),
    /// A size in bytes.
    Size(RangeInclusive<u64>),
    /// A duration.
    Duration(RangeInclusive<Duration>),
    /// One of these words.
    Choice(Vec<&'static str>),
}

/// What a key is where it is not written.
#[derive(Clone, Debug, PartialEq)]
pub enum Absent {
    /// A problem.
    Required,
    /// This value.
    Default(Value),
    /// No value: what there is instead, in a word or two.
    Without(&'static str),
}

impl Kind {
    /// The limits of a number, a size, a duration or a number of secrets, as the configuration takes them.
    pub fn limits(&self) -> Option<(String, String)> {
        match self {
            Self::Integer(range) => Some((range.start().to_string(), range.end().to_string())),
            Self::Size(range) => Some((show_size(*range.start()), show_size(*range.end()))),
            Self::Duration(range) => Some((show_duration(*range.start()), show_duration(*range.end()))),
            Self::Secrets(most) => Some(("1".into(), most.to_string())),
            _ => None,
        }
    }
}

/// What the getters have written down, in the order in which they were called.
#[derive(Default)]
pub(super) struct KeyRecords(RefCell<Vec<KeyRecord>>);

struct KeyRecord {
    /// With the names that the user chose: `endpoints.avatars.provider`.
    path: String,
    key: Key,
    /// How the value is shown, if it is.
    shown: Option<Value>,
}

impl KeyRecords {
    /// Writes down a key; its value is shown as its default until there is another.
    pub(super) fn describe(&self, path: String, key: Key) {
        let shown = match &key.absent {
            Absent::Default(default) => default.clone(),
            Absent::Required | Absent::Without(_) => Value::Null,
        };
        self.0.borrow_mut().push(KeyRecord { path, key, shown: Some(shown) });
    }

    /// How the value of a key is shown, or that it is not.
    pub(super) fn show(&self, path: &str, shown: Option<Value>) {
        // It is one of the last.
        if let Some(record) = self.0.borrow_mut().iter_mut().rev().find(|record| record.path == path) {
            record.shown = shown;
        }
    }

    /// The keys themselves.
    pub(super) fn into_keys(self) -> impl Iterator<Item = Key> {
        self.0.into_inner().into_iter().map(|record| record.key)
    }

    /// All that is shown, in tables.
    pub(super) fn view(&self) -> Value {
        let mut view = Value::Object(Map::new());
        for record in self.0.borrow().iter() {
            if let Some(shown) = &record.shown {
                *record.path.split('.').fold(&mut view, |table, key| &mut table[key]) = shown.clone();
            }
        }
        view
    }
}
