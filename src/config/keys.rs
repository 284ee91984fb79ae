//! What is known of each key: its values, its default, and how its value is shown. The getter that reads a key records this, so it is
//! written only once: the redacted view, the JSON Schema and the check of docs/configuration.md are made from it.

use std::{cell::RefCell, ops::RangeInclusive, time::Duration};

use serde_json::{Map, Value};

use super::units::{show_duration, show_size};

/// A key or a table of `hookgate.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The names of its tables and of itself, with dots between them. A name that the user chooses is `<name>`:
    /// `endpoints.<name>.provider`.
    pub path: String,
    /// The values that the key accepts.
    pub kind: Kind,
    /// What applies if the key is not written.
    pub absent: Absent,
}

/// The values that a key accepts.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A table of keys, each of which is described.
    Table,
    /// A table of keys that the user chooses, with a value of this kind each. Where there are names, each key is one of them.
    Map(Vec<String>, Box<Kind>),
    /// A string, a whole number, or `true` or `false`.
    Scalar,
    /// A string.
    Text,
    /// A string that a regular expression matches.
    Pattern(String),
    /// The path of a file.
    File,
    /// A reference to a secret.
    Secret,
    /// References to secrets, from one to this many.
    Secrets(usize),
    /// A list of strings.
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

/// What applies if a key is not written.
#[derive(Clone, Debug, PartialEq)]
pub enum Absent {
    /// The key is required, so its absence is a problem.
    Required,
    /// The default value.
    Default(Value),
    /// No value; the text says, in a word or two, what is used instead.
    Without(&'static str),
}

impl Kind {
    /// Returns the limits of a number, a size, a duration or a number of secrets, in the form in which the configuration accepts them.
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

/// The keys that the getters have recorded, in the order of the calls.
#[derive(Default)]
pub(super) struct KeyRecords(RefCell<Vec<KeyRecord>>);

struct KeyRecord {
    /// The path, with the names that the user chose: `endpoints.avatars.provider`.
    path: String,
    key: Key,
    /// How the value is shown, if it is.
    shown: Option<Value>,
}

impl KeyRecords {
    /// Records a key. Its value is shown as its default until there is another.
    pub(super) fn describe(&self, path: String, key: Key) {
        let shown = match &key.absent {
            Absent::Default(default) => default.clone(),
            Absent::Required | Absent::Without(_) => Value::Null,
        };
        self.0.borrow_mut().push(KeyRecord { path, key, shown: Some(shown) });
    }

    /// Sets how the value of a key is shown, or that it is not shown.
    pub(super) fn show(&self, path: &str, shown: Option<Value>) {
        // The key is one of the last, so the search begins at the end.
        if let Some(record) = self.0.borrow_mut().iter_mut().rev().find(|record| record.path == path) {
            record.shown = shown;
        }
    }

    /// Returns the keys themselves.
    pub(super) fn into_keys(self) -> impl Iterator<Item = Key> {
        self.0.into_inner().into_iter().map(|record| record.key)
    }

    /// Returns all that is shown, in tables.
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
