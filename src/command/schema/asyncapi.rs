//! The AsyncAPI 3 document, made from the tables that the daemon itself uses.

use std::{collections::BTreeSet, fmt::Write as _};

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::example;
use crate::{
    app::topic_table,
    command::Failure,
    config::{self, Config, Environment},
    encode::{DATA_SCHEMA, HEADERS, Header, RUN_HEADER, Record},
    event::{EventKind, FaultReason},
    proto,
    provider::{self, by_name, trigger},
};

/// The version of AsyncAPI's bindings for Kafka.
const BINDING: &str = "0.5.0";

/// Describes a deployment of which nothing is known: an endpoint of each provider, and the default topics.
pub(super) fn of_the_defaults() -> Result<Value, Failure> {
    let mut text = "[kafka]\nbrokers = [\"kafka:9092\"]\n".to_owned();
    for provider in provider::ALL {
        let name = provider.name;
        let _infallible = write!(text, "[endpoints.{name}]\nprovider = \"{name}\"\nsecrets = [\"env:{}\"]\n", variable(name));
    }
    let names: Vec<String> = provider::ALL.iter().map(|provider| variable(provider.name)).collect();
    // Only the names are used here, but two equal secrets would be refused.
    let environment: Environment = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let mut document = of(&config::parse(&text, "the defaults", &environment, &[])?);
    // The brokers of this configuration do not exist.
    document.as_object_mut().map(|document| document.shift_remove("servers"));
    Ok(document)
}

fn variable(provider: &str) -> String {
    format!("EXAMPLE_SECRET_OF_{}", provider.to_uppercase())
}

/// Describes the records that a daemon with this configuration writes.
pub(super) fn of(config: &Config) -> Value {
    let topics = topic_table(config).by_topic();
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for (topic, kinds) in &topics {
        let names = kinds.iter().map(|kind| kind.name());
        let refer = |name| (format!("{name}"), json!({ "$ref": format!("#/components/messages/{name}") }));
        let channel = json!({
            "address": &**topic,
            "description": channel_description(kinds),
            "messages": names.map(refer).collect::<Map<_, _>>(),
            "bindings": { "kafka": topic_binding(config, topic) },
        });
        channels.insert(topic.to_string(), channel);
        let operation = json!({ "action": "send", "channel": { "$ref": format!("#/channels/{topic}") } });
        operations.insert(format!("publish.{topic}"), operation);
    }
    let mut examples = example::records(config);
    for kind in topics.values().flatten() {
        messages.insert(kind.name().into_owned(), message(*kind, examples.remove(kind).as_ref()));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": info(),
        "defaultContentType": "application/protobuf",
        "servers": servers(config),
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "messageTraits": { "record": record_trait(config) },
            "schemas": {
                "Event": { "schemaFormat": "application/vnd.google.protobuf;version=3", "schema": proto::one_file() },
            },
        },
    })
}

/// Returns the description of a channel: its events and their key. A channel of one kind says what triggers it; on other channels each
/// message does.
fn channel_description(kinds: &[EventKind]) -> String {
    let titles: Vec<String> = kinds.iter().map(|kind| title(*kind)).collect();
    let trigger = if let [kind] = kinds { format!(" {}", trigger(*kind)) } else { String::new() };
    let fields: BTreeSet<&str> = kinds.iter().filter_map(|kind| Some(by_name(kind.provider()?)?.subject)).collect();
    let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    let without = kinds.iter().any(|kind| !matches!(kind, EventKind::Named { .. }));
    let key = match (fields.is_empty(), without) {
        (true, _) => "the event's id".to_owned(),
        (false, false) => format!("{} of the body", fields.join(" or ")),
        (false, true) => format!("{} of the body, or by the event's id where a delivery has none", fields.join(" or ")),
    };
    format!("{}.{trigger} Keyed by {key}.", titles.join(", "))
}

fn info() -> Value {
    let description = format!(
        "What lies on the topics: webhooks of {}, each verified and typed. Every delivery is there at least once. The value of every \
         record is one serialized `hookgate.v1.Event`. The payloads of the examples are shown in protobuf's JSON mapping, with the \
         schema's own names and 64-bit integers as numbers.",
        provider::all_titles()
    );
    json!({
        "title": "Hookgate",
        "version": env!("CARGO_PKG_VERSION"),
        "description": description,
        "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
    })
}

fn servers(config: &Config) -> Value {
    let protocol = match config.kafka.security {
        config::Security::Plaintext => "kafka",
        config::Security::Tls { .. } => "kafka-secure",
    };
    let server = |(number, host): (usize, &String)| {
        let mut server = json!({ "host": host, "protocol": protocol });
        if let Some(sasl) = &config.kafka.sasl {
            server["description"] = format!("SASL {}", sasl.mechanism()).into();
        }
        if let Some(registry) = &config.schema_registry {
            // The document has room for only one registry.
            server["bindings"] = json!({ "kafka": {
                "schemaRegistryUrl": registry.urls.first(),
                "schemaRegistryVendor": "confluent",
                "bindingVersion": BINDING,
            } });
        }
        (format!("kafka-{number}"), server)
    };
    Value::Object((1..).zip(&config.kafka.brokers).map(server).collect())
}

fn topic_binding(config: &Config, topic: &str) -> Value {
    let spec = config.topics.spec(topic);
    let mut binding = json!({
        "topic": topic,
        "partitions": spec.partitions,
        "topicConfiguration": {
            "retention.ms": u64::try_from(spec.retention.as_millis()).unwrap_or(u64::MAX),
            "max.message.bytes": config.topics.max_message_bytes,
        },
        "bindingVersion": BINDING,
    });
    // -1 leaves the number to the broker.
    if let Some(replicas) = spec.replicas {
        binding["replicas"] = replicas.into();
    }
    binding
}

/// Returns the part that all records have in common.
fn record_trait(config: &Config) -> Value {
    // A command may publish an event of any kind.
    let common = HEADERS.iter().filter(|header| !header.name.starts_with("hookgate-") || header.name == RUN_HEADER);
    let always: Vec<&str> = HEADERS.iter().filter(|header| header.always).map(|header| header.name).collect();
    let mut record = json!({
        "contentType": "application/protobuf",
        "headers": {
            "type": "object",
            "properties": common.map(|header| (header.name.to_owned(), header_schema(header))).collect::<Map<_, _>>(),
            "required": always,
        },
        "bindings": {
            "kafka": {
                "key": {
                    "type": "string",
                    "minLength": 1,
                    "description": "`Event.subject` as UTF-8: the asset, scan or resource that the event is about, or the event's id \
                                    where a delivery has none.",
                },
                "bindingVersion": BINDING,
            },
        },
    });
    if config.schema_registry.is_some() {
        record["bindings"]["kafka"]["schemaIdLocation"] = "payload".into();
        record["bindings"]["kafka"]["schemaIdPayloadEncoding"] = "confluent".into();
    }
    record
}

fn header_schema(header: &Header) -> Value {
    let mut schema = json!({ "type": "string", "description": header.meaning });
    let fixed = match header.name {
        "ce_specversion" => Some("1.0"),
        "ce_dataschema" => Some(DATA_SCHEMA),
        "content-type" => Some("application/protobuf"),
        _ => None,
    };
    if let Some(fixed) = fixed {
        schema["const"] = fixed.into();
    }
    match header.name {
        "ce_time" => schema["format"] = "date-time".into(),
        "hookgate-reason" => schema["enum"] = FaultReason::ALL.iter().map(|reason| reason.label()).collect(),
        _ => {}
    }
    schema
}

/// Returns the message of one kind of event. Its headers and payload are derived from its example.
fn message(kind: EventKind, example: Option<&Record>) -> Value {
    let value = example.and_then(|record| proto::event_to_json(&record.value)).unwrap_or_default();
    let ce_type = format!("hookgate.{}", kind.name());
    let named = |name: &str| example.is_some_and(|record| record.headers.iter().any(|(it, _)| *it == name));
    let own = HEADERS.iter().filter(|header| header.name.starts_with("hookgate-") && named(header.name));
    let mut headers: Map<String, Value> = own.map(|header| (header.name.to_owned(), header_schema(header))).collect();
    headers.insert("ce_type".into(), json!({ "const": ce_type }));
    let mut message = json!({
        "name": ce_type,
        "title": title(kind),
        "summary": trigger(kind),
        "description": description(kind, &value),
        "headers": { "type": "object", "properties": headers },
        "payload": { "$ref": "#/components/schemas/Event" },
        "traits": [{ "$ref": "#/components/messageTraits/record" }],
    });
    if let Some(record) = example {
        let headers: Map<String, Value> =
            record.headers.iter().map(|(name, value)| ((*name).to_owned(), (&**value).into())).collect();
        message["examples"] = json!([{ "name": "sample", "headers": headers, "payload": value }]);
    }
    message
}

fn title(kind: EventKind) -> String {
    let of = |name: &str| by_name(name).map_or("", |provider| provider.title);
    match kind {
        EventKind::Named { provider, name } => format!("{}: {name}", of(provider)),
        EventKind::Unclassified { provider } => format!("{}: any other type", of(provider)),
        EventKind::Quarantine => "Bodies that cannot be read".into(),
    }
}

fn description(kind: EventKind, value: &Value) -> String {
    let payload = proto::EVENT.oneofs().find(|oneof| oneof.name() == "payload");
    let fields = payload.iter().flat_map(prost_reflect::OneofDescriptor::fields);
    let typed = fields.filter(|field| value.get(field.name()).is_some()).find_map(|field| match field.kind() {
        Kind::Message(message) => Some(format!("The typed reading is `{}`: {}", field.name(), comment(&message))),
        _ => None,
    });
    typed.unwrap_or_else(|| match kind {
        EventKind::Quarantine => "There is no typed reading, and the headers say why.".into(),
        _ => "There is no typed reading, `body` is all of it.".into(),
    })
}

/// Returns the schema's comment on a message, on one line.
fn comment(message: &MessageDescriptor) -> String {
    let file = message.parent_file();
    let locations = file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location);
    let text =
        locations.filter(|location| location.path == message.path()).find_map(|location| location.leading_comments.as_deref());
    text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
