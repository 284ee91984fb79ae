//! The JSON Schema of `hookgate.toml`, made from the record of the getters.

use serde_json::{Value, json};

use crate::config::{
    all_keys,
    keys::{Absent, Key, Kind},
    units::{duration_pattern, size_pattern},
};

/// The pattern of names that the user chooses.
const NAME: &str = "^[a-z0-9]+([_-][a-z0-9]+)*$";

/// Returns the schema. Rules between keys, such as that deadlines form a chain, are left to `hookgate check`. No key is required, because
/// variables and flags may set it. The schema is of draft 7, which editors know.
pub(super) fn schema() -> Value {
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "hookgate.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": {},
        "definitions": {
            "file": {"description": "The path of a file", "type": "string"},
            "reference": {
                "description": "Where a secret is; the secret itself is refused",
                "type": "string",
                "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|(file|dir):.+)$",
            },
        },
    });
    for key in all_keys() {
        *place(&mut schema, &key.path) = of(&key);
    }
    schema
}

/// Returns the place of a key in the schema, which must have the key's table already.
fn place<'a>(schema: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(schema, |table, part| match part {
        "<name>" => &mut table["patternProperties"][NAME],
        part => &mut table["properties"][part],
    })
}

fn of(key: &Key) -> Value {
    let mut schema = of_kind(&key.kind);
    if let Absent::Default(default) = &key.absent
        && !matches!(key.kind, Kind::Table | Kind::Map(..))
    {
        schema["default"] = default.clone();
    }
    schema
}

fn of_kind(kind: &Kind) -> Value {
    let mut schema = match kind {
        Kind::Table => json!({"type": "object", "additionalProperties": false, "properties": {}}),
        Kind::Map(names, values) => {
            let mut map = json!({"type": "object", "additionalProperties": of_kind(values)});
            if !names.is_empty() {
                map["propertyNames"] = json!({"enum": names});
            }
            map
        }
        Kind::Scalar => json!({"type": ["string", "integer", "boolean"]}),
        Kind::Pattern(pattern) => json!({"type": "string", "pattern": pattern}),
        Kind::Text => json!({"type": "string"}),
        Kind::File => json!({"$ref": "#/definitions/file"}),
        Kind::Secret => json!({"$ref": "#/definitions/reference"}),
        Kind::Secrets(most) => {
            json!({"type": "array", "minItems": 1, "maxItems": most, "items": {"$ref": "#/definitions/reference"}})
        }
        Kind::List => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Integer(range) => json!({"type": "integer", "minimum": range.start(), "maximum": range.end()}),
        Kind::Size(range) => json!({
            "type": ["integer", "string"],
            "minimum": range.start(),
            "maximum": range.end(),
            "pattern": size_pattern(),
        }),
        Kind::Duration(_) => json!({"type": "string", "pattern": duration_pattern()}),
        Kind::Choice(words) => json!({"enum": words}),
    };
    // JSON Schema cannot compare strings, so the limits go into the description.
    if let (Kind::Size(_) | Kind::Duration(_), Some((from, to))) = (kind, kind.limits()) {
        schema["description"] = format!("{from} to {to}").into();
    }
    schema
}
