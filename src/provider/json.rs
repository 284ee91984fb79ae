//! Reading bodies leniently and in one pass: a field of the wrong type is an empty field, never a refused event. Free-form
//! JSON is kept as its exact text.
//!
//! Every wire struct derives `Deserialize` with `#[serde(default)]` on the struct and wraps each field in [`Lenient`]; a free-form field is
//! `Option<&'a RawValue>`. A key that appears twice in one object is an error, because readers disagree on which one counts. If only the
//! text is broken, it is repaired where the repair decides nothing: see [`classify`].

mod repair;

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use prost_types::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

use crate::event::{Fault, FaultReason, parse_time};
pub use repair::classify;

/// Reads a body that must be a JSON object.
pub fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    // Text is checked once as a whole, which is cheaper than string by string. Even if the check fails, the broken bytes may be in a field
    // that is not read.
    let read = match str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    // Derived structs would also accept an array.
    let is_object = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    match read {
        Ok(value) if is_object => Ok(value),
        Err(error) if is_object => Err(not_json(&error)),
        _ => Err(match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => Fault { reason: FaultReason::NotAnObject, detail: "an object was expected".into() },
            Err(error) => not_json(&error),
        }),
    }
}

/// Returns the fault of a body that is not JSON. It names the position, but not the library's message, which quotes the payload.
fn not_json(error: &serde_json::Error) -> Fault {
    let (line, column, class) = (error.line(), error.column(), class(error));
    Fault { reason: FaultReason::NotJson, detail: format!("line {line} column {column}: cannot be read as JSON ({class})") }
}

fn class(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "a key twice",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "syntax",
    }
}

/// A field that may be of any type: `Some` if it has the documented type, `None` if it is absent, null or anything else.
#[derive(Clone, Debug, PartialEq)]
pub struct Lenient<T>(pub Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Field<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData)).map(Self)
    }
}

/// A type that a lenient field can hold. Each method reads one JSON type, and returns `None` for values that do not fit.
pub trait Field<'de>: Sized {
    /// Reads a string.
    fn string(_: &str) -> Option<Self> {
        None
    }
    /// Reads `true` or `false`.
    fn boolean(_: bool) -> Option<Self> {
        None
    }
    /// Reads an integer.
    fn integer(_: i128) -> Option<Self> {
        None
    }
    /// Reads a number with a fraction or an exponent.
    fn float(_: f64) -> Option<Self> {
        None
    }
    /// Reads an object, and must consume it.
    fn map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        drain_map(map).map(|()| None)
    }
    /// Reads an array, and must consume it.
    fn seq<A: SeqAccess<'de>>(seq: A) -> Result<Option<Self>, A::Error> {
        drain_seq(seq).map(|()| None)
    }
}

fn drain_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

fn drain_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

struct FieldVisitor<T>(PhantomData<T>);

impl<'de, T: Field<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::string(text))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(T::boolean(value))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(T::integer(number.into()))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(T::integer(number.into()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(T::float(number))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::map(map)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        T::seq(seq)
    }
}

impl Field<'_> for String {
    fn string(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Field<'_> for bool {
    fn boolean(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Field<'_> for u64 {
    fn integer(number: i128) -> Option<Self> {
        number.try_into().ok()
    }
}

impl Field<'_> for i64 {
    fn integer(number: i128) -> Option<Self> {
        number.try_into().ok()
    }
}

impl Field<'_> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "a number that a provider writes without a fraction")]
    fn integer(number: i128) -> Option<Self> {
        Some(number as f64)
    }
    fn float(number: f64) -> Option<Self> {
        Some(number)
    }
}

/// A nested object, read as a wire struct.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Field<'de> for Object<T> {
    fn map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Some(Self(value)))
    }
}

/// An array; elements of the wrong type are left out.
impl<'de, T: Field<'de>> Field<'de> for Vec<T> {
    fn seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(item) = seq.next_element::<Lenient<T>>()? {
            items.extend(item.0);
        }
        Ok(Some(items))
    }
}

/// An object with free keys, in the order of its keys; values of the wrong type are left out.
impl<'de, T: Field<'de>> Field<'de> for BTreeMap<String, T> {
    fn map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        let entries = entries::<A, Lenient<T>>(map)?;
        Ok(Some(entries.into_iter().filter_map(|(key, value)| Some((key, value.0?))).collect()))
    }
}

/// Returns the entries of an object with free keys. A key that appears twice is an error.
pub fn entries<'de, A: MapAccess<'de>, T: Deserialize<'de>>(mut map: A) -> Result<BTreeMap<String, T>, A::Error> {
    let mut entries = BTreeMap::new();
    while let Some((key, value)) = map.next_entry()? {
        if entries.insert(key, value).is_some() {
            return Err(A::Error::custom("a key twice"));
        }
    }
    Ok(entries)
}

/// An array that counts only as a whole: if one element has the wrong type, the whole field has the wrong type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whole<T>(pub Vec<T>);

impl<'de, T: Field<'de>> Field<'de> for Whole<T> {
    fn seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Option<Self>, A::Error> {
        let mut items = Some(Vec::new());
        while let Some(item) = seq.next_element::<Lenient<T>>()? {
            items = items.zip(item.0).map(|(mut items, item)| {
                items.push(item);
                items
            });
        }
        Ok(items.map(Self))
    }
}

/// A provider's time. Text that is not a time still counts as present: it is not read as if the field were absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(pub Option<Timestamp>);

impl Field<'_> for Time {
    fn string(text: &str) -> Option<Self> {
        Some(Self(parse_time(text)))
    }
}

impl Lenient<Time> {
    /// Returns the time, if it is there and can be read.
    pub fn time(&self) -> Option<Timestamp> {
        self.0.and_then(|time| time.0)
    }
}

/// A free-form field of which a part is typed: its exact text, and the typed part. The text is read a second time, because serde cannot
/// give both in one pass, and it is short.
#[derive(Clone, Debug)]
pub struct Exact<'a, T> {
    /// The exact text of the field.
    pub text: Option<&'a RawValue>,
    /// The typed part; `None` where the field is absent or of another type.
    pub value: Option<T>,
}

impl<T> Default for Exact<'_, T> {
    fn default() -> Self {
        Self { text: None, value: None }
    }
}

impl<'de: 'a, 'a, T: for<'b> Field<'b>> Deserialize<'de> for Exact<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Option<&'a RawValue> = Deserialize::deserialize(deserializer)?;
        let value = match text {
            Some(text) => second_look::<Lenient<T>>(text).map_err(D::Error::custom)?.0,
            None => None,
        };
        Ok(Self { text, value })
    }
}

impl<T> Lenient<Object<T>> {
    /// Returns the nested struct.
    pub fn into_inner(self) -> Option<T> {
        self.0.map(|object| object.0)
    }
}

/// Returns the exact text of a free-form field, empty where it is absent.
pub fn text(raw: Option<&RawValue>) -> String {
    raw.map(|raw| raw.get().to_owned()).unwrap_or_default()
}

/// Reads the exact text of a free-form field. A number that no 64-bit type holds is valid JSON there, and must not make more than its own
/// field unreadable.
fn second_look<T: DeserializeOwned>(raw: &RawValue) -> serde_json::Result<T> {
    let strict = serde_json::from_str(raw.get());
    strict.or_else(|error| repair::numbers(raw.get()).map_or(Err(error), |text| serde_json::from_str(&text)))
}

#[cfg(test)]
mod tests;
