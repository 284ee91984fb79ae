//! Getters of strings: texts, lists, files and references to secrets.

use std::fmt::Display;

use super::{
    super::{
        Environment, hints,
        keys::{Absent, Kind},
        problem::ValueOrigin,
        reader::Value,
        secrets::{self, SecretSource, SecretText},
    },
    Section,
};

/// A string and where it was written.
type Written = (String, ValueOrigin);

/// What is shown of a key without a default.
const NONE: Absent = Absent::Without("none");

impl Section<'_> {
    /// Reads a string, if there is one.
    pub(in super::super) fn text(&mut self, key: &'static str) -> Option<Written> {
        self.string(key, Kind::Text, NONE)
    }

    /// Reads a string, or returns its default.
    pub(in super::super) fn text_or(&mut self, key: &'static str, default: &str) -> Written {
        self.kind_or(key, Kind::Text, default)
    }

    /// A string of a kind, or its default. What the kind asks for beyond that is not checked.
    pub(in super::super) fn kind_or(&mut self, key: &'static str, kind: Kind, default: &str) -> Written {
        let found = self.string(key, kind, Absent::Default(default.into()));
        found.unwrap_or_else(|| (default.to_owned(), self.origin.clone()))
    }

    /// Reads the path of a file, if there is one. `otherwise` says, in a word or two, what is used without a file.
    pub(in super::super) fn file(&mut self, key: &'static str, otherwise: &'static str) -> Option<Written> {
        self.string(key, Kind::File, Absent::Without(otherwise))
    }

    /// Reads a string that must be there; `missing` is the complaint if it is not.
    pub(in super::super) fn required_text(&mut self, key: &'static str, missing: &str) -> Option<Written> {
        self.required(key, Kind::Text, missing)
    }

    /// Reads a string of a kind that must be there. What the kind demands beyond a string is not checked.
    pub(in super::super) fn required(&mut self, key: &'static str, kind: Kind, missing: &str) -> Option<Written> {
        let found = self.string(key, kind, Absent::Required);
        if self.written(key).is_none() {
            self.missing(key, missing);
        }
        found
    }

    fn string(&mut self, key: &'static str, kind: Kind, absent: Absent) -> Option<Written> {
        let is_text = kind == Kind::Text;
        self.describe(key, kind, absent);
        let found = self.take_text(key)?;
        if is_text && SecretSource::parse(&found.0).is_ok() {
            let variable = self.variable(key);
            self.warn(
                key,
                &format!(
                    "{:?} is taken as it is: only secrets are references; write the text itself, or set {variable}",
                    found.0
                ),
            );
        }
        self.show(key, found.0.as_str());
        Some(found)
    }

    /// Reads a string, of which nothing is shown.
    pub(super) fn take_text(&mut self, key: &'static str) -> Option<Written> {
        let item = self.take(key)?;
        match item.value {
            Value::Text(text) | Value::Given(text) => Some((text, item.origin)),
            _ => {
                self.mistyped(key, &item, "a string");
                None
            }
        }
    }

    /// Reads a list of strings, each with the place where it was written; empty if the key is absent or not a list.
    pub(in super::super) fn list(&mut self, key: &'static str) -> Vec<Written> {
        self.describe(key, Kind::List, NONE);
        let texts = self.take_list(key).unwrap_or_default();
        self.show_texts(key, texts.iter().map(|(text, _)| text));
        texts
    }

    /// Reads a list of strings and converts each with `read`. An error of `read` is the complaint, and nothing of the string is shown.
    pub(in super::super) fn list_of<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Self, &str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Vec<T> {
        self.describe(key, Kind::List, NONE);
        let mut list = Vec::new();
        for (text, origin) in self.take_list(key).unwrap_or_default() {
            match read(self, &text) {
                Ok(item) => list.push(item),
                Err(fault) => self.complain(key, origin, &fault),
            }
        }
        self.show_texts(key, list.iter().map(show));
        list
    }

    /// Reads a list of strings that must be there and not be empty; `missing` and `empty` are the complaints if it is not.
    pub(in super::super) fn required_list(&mut self, key: &'static str, missing: &str, empty: &str) -> Option<Vec<Written>> {
        self.describe(key, Kind::List, Absent::Required);
        let found = self.take_required_list(key, missing, empty)?;
        self.show_texts(key, found.iter().map(|(text, _)| text));
        Some(found)
    }

    fn take_required_list(&mut self, key: &'static str, missing: &str, empty: &str) -> Option<Vec<Written>> {
        let found = self.take_list(key);
        match (self.written(key), &found) {
            (None, _) => self.missing(key, missing),
            // An item that is not a text has its own complaint.
            (Some(origin), Some(list)) if list.is_empty() && !self.is_faulty(key) => self.complain(key, origin, empty),
            _ => {}
        }
        found
    }

    /// Shows a list as these strings.
    pub(in super::super) fn show_texts(&self, key: &str, texts: impl Iterator<Item = impl Display>) {
        self.show(key, texts.map(|text| text.to_string()).collect::<Vec<_>>());
    }

    /// Reads a list of strings, each with the place where it was written; `None` if the key is absent or not a list.
    fn take_list(&mut self, key: &'static str) -> Option<Vec<Written>> {
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

    /// Reads a reference to a secret. Returns the secret, and where the reference was written. Warns of signs that the secret was written
    /// down wrongly.
    pub(in super::super) fn secret(&mut self, key: &'static str, environment: &Environment) -> Option<(SecretText, ValueOrigin)> {
        self.resolve(key, environment, NONE)
    }

    /// Reads a [`Section::secret`] that must be there.
    pub(in super::super) fn required_secret(&mut self, key: &'static str, environment: &Environment) -> Option<SecretText> {
        let secret = self.resolve(key, environment, Absent::Required);
        if self.written(key).is_none() {
            self.missing(key, "is missing; write \"env:NAME\" or \"file:/path\"");
        }
        secret.map(|(secret, _)| secret)
    }

    fn resolve(&mut self, key: &'static str, environment: &Environment, absent: Absent) -> Option<(SecretText, ValueOrigin)> {
        self.describe(key, Kind::Secret, absent);
        let (reference, origin) = self.take_text(key)?;
        match secrets::resolve(self, key, &reference, environment) {
            Ok(secret) => {
                self.show(key, secret.source());
                Some((secret, origin))
            }
            Err(fault) => {
                self.complain(key, origin, &fault);
                None
            }
        }
    }

    /// Reads references to secrets, at least one and at most `most`, and follows none of them. `missing` and `empty` are the complaints if
    /// there is none.
    pub(in super::super) fn secrets(
        &mut self,
        key: &'static str,
        most: usize,
        missing: &str,
        empty: &str,
    ) -> Vec<(SecretSource, ValueOrigin)> {
        self.describe(key, Kind::Secrets(most), Absent::Required);
        let references = self.take_required_list(key, missing, empty).unwrap_or_default();
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
        self.show_texts(key, sources.iter().map(|(source, _)| source));
        sources
    }
}
