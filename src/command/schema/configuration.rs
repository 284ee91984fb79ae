//! The JSON Schema of `hookgate.toml`, from what its getters write down of each key.

use serde_json::{Value, json};

use crate::config::{
    all_keys,
    keys::{Absent, Key, Kind},
    units::{duration_pattern, size_pattern},
};

/// Names that the user chooses.
const NAME: &str = "^[a-z0-9]+([_-][a-z0-9]+)*$";

/// What no key alone says, such as that deadlines form a chain, is left to `hookgate check`. Nothing is required, because variables and flags may set it.
/// Draft 7 is what editors know.
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
                "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$",
            },
        },
    });
    for key in all_keys() {
        *place(&mut schema, &key.path) = of(&key);
    }
    schema
}

/// Where a key stands in the schema. Its table stands there already.
fn place<'a>(schema: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(schema, |table, part| match part {
        "<name>" => &mut table["patternProperties"][NAME],
        part => &mut table["properties"][part],
    })
}

fn of(key: &Key) -> Value {
    let mut schema = match &key.kind {
        Kind::Table => return json!({"type": "object", "additionalProperties": false, "properties": {}}),
        Kind::Map(names) => {
            let mut map = json!({"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}});
            if !names.is_empty() {
                map["propertyNames"] = json!({"enum": names});
            }
            return map;
        }
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
    // JSON Schema cannot compare strings.
    if let (Kind::Size(_) | Kind::Duration(_), Some((from, to))) = (&key.kind, key.kind.limits()) {
        schema["description"] = format!("{from} to {to}").into();
    }
    if let Absent::Default(default) = &key.absent {
        schema["default"] = default.clone();
    }
    schema
}
