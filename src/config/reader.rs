//! The layers of a configuration, merged: the file, the variables over it, the flags over both. Every value remembers where
//! it was written, and every complaint is collected instead of returned.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use toml::de::{DeTable, DeValue};

use super::{
    ClientLibrary, Environment, Needs,
    keys::KeyRecords,
    problem::{Problem, Problems, ValueOrigin},
    syntax,
};

/// The tables of `[topics]` whose keys are kinds of events.
const OF_KINDS: [&str; 3] = ["map", "partitions_of", "retention_of"];

/// A table whose keys are not checked yet.
pub(super) type Entries = BTreeMap<String, Item>;

/// A value and where it was written.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) origin: ValueOrigin,
    pub(super) value: Value,
}

/// A value whose type is not checked yet. It may be a secret by mistake, so it is never printed.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Item>),
    Table(Entries),
    /// The text of a variable or flag, which is read as the type that the key expects.
    Given(String),
    /// A value of a type that no key accepts.
    Other(&'static str),
}

impl Value {
    /// Returns the name of the value's type, for a complaint.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Given(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(name) => name,
        }
    }
}

/// Collects problems and remembers which keys were written where.
pub(super) struct Reader {
    file: Arc<str>,
    pub(super) needs: Needs,
    /// Asked about what goes to it.
    pub(super) client: ClientLibrary,
    problems: RefCell<Vec<Problem>>,
    /// Warnings about values that work but are probably not meant.
    pub(super) warnings: RefCell<Vec<String>>,
    /// The keys (`http.listen`) that were written, and where.
    pub(super) origins: RefCell<BTreeMap<String, ValueOrigin>>,
    /// The record of the keys that were read.
    pub(super) records: KeyRecords,
    /// The keys that have a complaint of their own.
    pub(super) faulty: RefCell<BTreeSet<String>>,
}

impl Reader {
    pub(super) fn new(file_name: &str, needs: Needs) -> Self {
        Self {
            file: file_name.into(),
            needs,
            client: ClientLibrary::LENIENT,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            origins: RefCell::default(),
            records: KeyRecords::default(),
            faulty: RefCell::default(),
        }
    }

    /// Returns the origin that stands for the file as a whole.
    pub(super) fn file(&self) -> ValueOrigin {
        ValueOrigin::File { name: self.file.clone(), line: 0 }
    }

    pub(super) fn problem(&self, origin: ValueOrigin, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { origin, message: message.into() });
    }

    /// Complains that the values of these keys (`http.listen`) do not fit together, at the first key that was written at all, or else about
    /// the file. If one of them has a complaint of its own, its default is used instead, and then whether the values fit says nothing.
    pub(super) fn complain(&self, keys: &[&str], message: impl Into<String>) {
        if keys.iter().any(|key| self.faulty.borrow().contains(*key)) {
            return;
        }
        let origin = keys.iter().find_map(|key| self.origins.borrow().get(*key).cloned());
        self.problem(origin.unwrap_or_else(|| self.file()), message);
    }

    /// Warns of a value that works but is probably not meant.
    pub(super) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    /// Everything that was complained about, in order, and everything that was warned of.
    pub(super) fn into_problems(self) -> Problems {
        let mut problems = self.problems.into_inner();
        problems.sort();
        problems.dedup();
        Problems { problems, warnings: self.warnings.into_inner() }
    }

    pub(super) fn has_problems(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Reads the file's tables. After syntax errors, which are complained about, the rest is not worth reading.
    pub(super) fn parse(&self, text: &str) -> Entries {
        let (table, errors) = DeTable::parse_recoverable(text);
        for (line, fault) in syntax::faults(text, &errors) {
            self.problem(ValueOrigin::File { name: self.file.clone(), line }, fault);
        }
        self.entries(text, table.get_ref())
    }

    fn line(&self, text: &str, offset: usize) -> ValueOrigin {
        ValueOrigin::File { name: self.file.clone(), line: text.get(..offset).unwrap_or_default().matches('\n').count() + 1 }
    }

    fn entries(&self, text: &str, table: &DeTable<'_>) -> Entries {
        (table.iter())
            .map(|(key, value)| {
                let origin = self.line(text, key.span().start);
                (key.get_ref().to_string(), Item { origin, value: self.value(text, value.get_ref()) })
            })
            .collect()
    }

    fn value(&self, text: &str, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or(Value::Other("an integer beyond 64 bits"), Value::Integer),
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Float(_) => Value::Other("a decimal number"),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(items) => Value::List(
                (items.iter())
                    .map(|item| Item { origin: self.line(text, item.span().start), value: self.value(text, item.get_ref()) })
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.entries(text, table)),
        }
    }

    /// Lays the `HOOKGATE_<TABLE>__<KEY>` variables over the file. A variable without `__` is not Hookgate's: Kubernetes sets
    /// `HOOKGATE_PORT` and the like for a Service of that name.
    pub(super) fn lay_variables(&self, root: &mut Entries, environment: &Environment, map_names: &[String]) {
        for (name, text) in environment.variables() {
            let Some(path) = name.strip_prefix("HOOKGATE_").filter(|path| path.contains("__")) else { continue };
            let mut path: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
            if let [table, inner, key] = path.as_mut_slice() {
                spell(table, inner, key, map_names);
            }
            self.lay(root, &path, Item { origin: ValueOrigin::Variable(name.to_owned()), value: Value::Given(text.to_owned()) });
        }
    }

    /// Lays one flag over the rest. `path` is `http.listen`, or `kafka.properties.` or a table of event kinds, such as
    /// `topics.map.`, and a dotted name.
    pub(super) fn lay_flag(&self, root: &mut Entries, path: &str, text: &str) {
        let dotted_name = match path.split('.').collect::<Vec<_>>()[..] {
            ["kafka", "properties", ..] => true,
            ["topics", table, ..] => OF_KINDS.contains(&table),
            _ => false,
        };
        let path: Vec<String> = path.splitn(if dotted_name { 3 } else { usize::MAX }, '.').map(str::to_owned).collect();
        self.lay(root, &path, Item { origin: ValueOrigin::CommandLine, value: Value::Given(text.to_owned()) });
    }

    fn lay(&self, table: &mut Entries, path: &[String], item: Item) {
        let Some((first, rest)) = path.split_first() else { return };
        let mut matching = table.keys().filter(|key| plain(key) == plain(first)).cloned();
        let key = matching.next().unwrap_or_else(|| first.clone());
        if let Some(other) = matching.next() {
            self.problem(item.origin, format!("\"{key}\" and \"{other}\" cannot be distinguished in a variable's name"));
            return;
        }
        if rest.is_empty() {
            table.insert(key, item);
            return;
        }
        let inner = table.entry(key).or_insert_with(|| Item { origin: item.origin.clone(), value: Value::Table(Entries::new()) });
        // An entry that is not a table is complained about where its table is read.
        if let Value::Table(inner) = &mut inner.value {
            self.lay(inner, rest, item);
        }
    }
}

/// Returns a name in the form that a variable can have.
pub(super) fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '.'], "_")
}

/// Gives the last part of a variable's name the dots and hyphens that a variable's name cannot hold.
fn spell(table: &str, inner: &str, key: &mut String, map_names: &[String]) {
    match (table, inner) {
        // This is the one allowed property with an underscore.
        ("kafka", "properties") if key != "log_level" => *key = key.replace('_', "."),
        ("topics", inner) if OF_KINDS.contains(&inner) => {
            if let Some(name) = map_names.iter().find(|name| plain(name) == *key) {
                key.clone_from(name);
            }
        }
        _ => {}
    }
}
