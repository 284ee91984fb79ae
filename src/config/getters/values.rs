//! Getters of booleans, numbers, sizes, durations, addresses and choices.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use super::{
    super::{
        hints,
        keys::{Absent, Kind},
        problem::suggestion,
        reader::Value,
        units::{parse_duration, parse_size, show_duration, show_size},
    },
    Section,
};

impl Section<'_> {
    /// Reads `true` or `false`.
    pub(in super::super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.describe(key, Kind::Boolean, Absent::Default(default.into()));
        let Some(item) = self.take(key) else { return default };
        let value = match &item.value {
            Value::Boolean(boolean) => *boolean,
            Value::Given(text) if text == "true" => true,
            Value::Given(text) if text == "false" => false,
            Value::Text(text) if matches!(text.as_str(), "true" | "false") => {
                self.complain(key, item.origin, &format!("is in quotes; write {key} = {text}"));
                default
            }
            _ => {
                self.mistyped(key, &item, "true or false");
                default
            }
        };
        self.show(key, value);
        value
    }

    /// Reads a whole number.
    pub(in super::super) fn integer(&mut self, key: &'static str, default: i64, range: &RangeInclusive<i64>) -> i64 {
        self.describe(key, Kind::Integer(range.clone()), Absent::Default(default.into()));
        let Some(item) = self.take(key) else { return default };
        match integer(key, &item.value, range) {
            Ok(value) => {
                self.show(key, value);
                value
            }
            Err(message) => {
                self.complain(key, item.origin, &message);
                default
            }
        }
    }

    /// Reads a number of things, which must be at least 1.
    pub(in super::super) fn count(&mut self, key: &'static str, default: u32) -> usize {
        let count = self.integer(key, i64::from(default), &(1..=1_000_000));
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Reads a number of things, which may be 0.
    pub(in super::super) fn whole(&mut self, key: &'static str, default: u32) -> u32 {
        u32::try_from(self.integer(key, default.into(), &(0..=1_000_000))).unwrap_or(default)
    }

    /// Reads the address and port of the key `listen`.
    pub(in super::super) fn listen(&mut self, default: &'static str) -> SocketAddr {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        if let (Some(Value::Integer(port)), Some(origin)) = (self.peek("listen"), self.written("listen")) {
            let hint = hints::address(&port.to_string(), default);
            self.skip("listen");
            self.complain("listen", origin, &format!("a string was expected, an integer was found; {hint}"));
            return nowhere;
        }
        let (text, origin) = self.text_or("listen", default);
        let address = text.parse().unwrap_or_else(|_| {
            let hint = hints::address(&text, default);
            let message = format!("{text:?} is not an address and a port, such as \"{default}\"; {hint}");
            self.complain("listen", origin, &message);
            nowhere
        });
        self.show("listen", address.to_string());
        address
    }

    /// Reads a size in bytes: an integer, or a string with a unit.
    pub(in super::super) fn size(&mut self, key: &'static str, default: u64, range: &RangeInclusive<u64>) -> u64 {
        self.describe(key, Kind::Size(range.clone()), Absent::Default(show_size(default).into()));
        let Some(item) = self.take(key) else { return default };
        let value = match &item.value {
            Value::Integer(integer) => u64::try_from(*integer).ok(),
            Value::Text(text) | Value::Given(text) => parse_size(text),
            _ => None,
        };
        let message = match value {
            Some(value) if range.contains(&value) => {
                self.show(key, show_size(value));
                return value;
            }
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

    /// Reads a duration: a string with a unit, because half of the people read a bare number as milliseconds.
    pub(in super::super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: &RangeInclusive<Duration>,
    ) -> Duration {
        self.describe(key, Kind::Duration(range.clone()), Absent::Default(show_duration(default).into()));
        let Some(item) = self.take(key) else { return default };
        match duration(&item.value, range) {
            Ok(value) => {
                self.show(key, show_duration(value));
                value
            }
            Err(message) => {
                self.complain(key, item.origin, &message);
                default
            }
        }
    }

    /// Reads one of a few words.
    pub(in super::super) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        default: T,
    ) -> T {
        let name = choices.iter().find(|(_, choice)| *choice == default).map(|(name, _)| *name);
        self.chosen(key, choices, Absent::Default(name.into())).unwrap_or(default)
    }

    /// Reads one of a few words, which must be there.
    pub(in super::super) fn required_choice<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let chosen = self.chosen(key, choices, Absent::Required);
        if self.written(key).is_none() {
            self.missing(key, &format!("is missing; must be one of {}", names(choices).join(", ")));
        }
        chosen
    }

    fn chosen<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)], absent: Absent) -> Option<T> {
        let names = names(choices);
        self.describe(key, Kind::Choice(names.clone()), absent);
        let (text, origin) = self.take_text(key)?;
        if let Some((name, choice)) = choices.iter().find(|(name, _)| *name == text) {
            self.show(key, *name);
            return Some(*choice);
        }
        let other_case = names.iter().find(|name| name.eq_ignore_ascii_case(&text)).copied();
        let hint = other_case.or_else(|| suggestion(&text, names.iter().copied()));
        let hint = hint.map_or_else(String::new, |name| format!("; did you mean \"{name}\"?"));
        self.complain(key, origin, &format!("must be one of {}{hint}", names.join(", ")));
        None
    }
}

/// Returns the whole number that is written at `key`, or what is wrong with it.
pub(in super::super) fn integer(key: &str, value: &Value, range: &RangeInclusive<i64>) -> Result<i64, String> {
    let number = match value {
        Value::Integer(integer) => Some(*integer),
        Value::Given(text) => text.parse().ok(),
        Value::Text(text) => match text.parse::<i64>() {
            Ok(number) => return Err(format!("is in quotes; write {key} = {number}")),
            Err(_) => None,
        },
        _ => None,
    };
    match number {
        Some(number) if range.contains(&number) => Ok(number),
        Some(_) => Err(format!("must lie between {} and {}", range.start(), range.end())),
        None => Err(format!("an integer was expected, {} was found", value.type_name())),
    }
}

/// Returns a duration, or what is wrong with its text.
pub(in super::super) fn duration(value: &Value, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let text = match value {
        Value::Text(text) | Value::Given(text) => text,
        Value::Integer(number) => return Err(format!("a unit is missing; write \"{number}s\" or \"{number}ms\"")),
        _ => "",
    };
    match parse_duration(text) {
        Some(duration) if range.contains(&duration) => Ok(duration),
        Some(_) => Err(format!("must lie between {} and {}", show_duration(*range.start()), show_duration(*range.end()))),
        None => {
            let hint = hints::duration(text).map_or_else(String::new, |hint| format!("; {hint}"));
            Err(format!("a duration was expected, such as \"500ms\", \"3.5s\", \"5m\" or \"14d\"{hint}"))
        }
    }
}

fn names<T>(choices: &[(&'static str, T)]) -> Vec<&'static str> {
    choices.iter().map(|(name, _)| *name).collect()
}
