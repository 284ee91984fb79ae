//! The guides for consumers and for operators of Kafka say what the program does: events, headers, reasons, and configurations that are
//! accepted.

use std::collections::BTreeSet;

use hookgate::{
    config::{Kafka, Security},
    encode::RUN_HEADER,
    event::FaultReason,
    proto::{Event, event::Payload},
    provider,
};
use prost::Message as _;
use rdkafka::{ClientConfig, producer::BaseProducer};
use serde_json::Value;

use crate::{
    docs::{document, parse, rows},
    harness::{Stored, configuration, topics},
    request_table::{Ask, Table, header},
};

/// Returns the text under a heading, up to the next heading of the same level.
fn under<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no chapter {heading}"));
    after.split("\n## ").next().unwrap_or_default()
}

/// Returns the name of the message in a payload.
fn message(payload: Option<&Payload>) -> &'static str {
    match payload {
        Some(Payload::FilespinAsset(_)) => "FilespinAsset",
        Some(Payload::FilespinDeletion(_)) => "FilespinDeletion",
        Some(Payload::FilesafetyScan(_)) => "FilesafetyScan",
        Some(Payload::FrameioEvent(_)) => "FrameioEvent",
        Some(Payload::FrameioAction(_)) => "FrameioAction",
        Some(Payload::UploadcareFile(_)) => "UploadcareFile",
        None => "none",
    }
}

/// Returns the daemon's records of one sample of every type, sent with a trace, and of bodies without a type.
fn records() -> Vec<Stored> {
    let mut table = Table::new();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for provider in provider::ALL {
        for name in provider.names() {
            let body = (provider.sample)(name).unwrap();
            let ask = Ask::signed(provider.name, body.as_bytes()).header("traceparent", trace).header("tracestate", "rojo=1");
            table.check(name, &ask, "200 published");
        }
        table.check("no JSON", &Ask::signed(provider.name, b"{"), "200 quarantined");
    }
    table.check("no type", &Ask::signed("filespin", b"{}"), "200 unclassified");
    table.finish()
}

#[test]
fn every_event_type_has_its_topic_key_and_payload_in_the_contract() {
    let text = document("docs/consumers.md");
    let records = records();
    for provider in provider::ALL {
        let rows: Vec<Vec<String>> =
            rows(under(&text, provider.title)).filter(|row| row.len() >= 5 && row[0] != "type").collect();
        let listed: BTreeSet<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!((listed, rows.len()), (provider.names().collect(), provider.types.len()), "{}", provider.title);
        for row in rows {
            let record = records.iter().find(|record| record.topic == row[1]).unwrap_or_else(|| panic!("no topic {}", row[1]));
            let event = Event::decode(&*record.value).unwrap();
            assert_eq!(header(record, "ce_type"), format!("hookgate.{}.{}", provider.name, row[0]));
            let body: Value = serde_json::from_slice(&event.body).unwrap();
            let key = body.pointer(&format!("/{}", row[2].replace('.', "/"))).and_then(Value::as_str);
            assert_eq!(key.map(str::as_bytes), Some(&*record.key), "{}: the key", row[0]);
            assert_eq!(message(event.payload.as_ref()), row[3], "{}: the payload", row[0]);
            assert_eq!(row[2], provider.subject, "{}: where the key is", row[0]);
            assert_eq!(row[4], provider::trigger(provider.kind(&row[0])), "{}: what triggers it", row[0]);
        }
    }
}

#[test]
fn every_record_header_is_in_the_contract() {
    let text = document("docs/consumers.md");
    let listed: BTreeSet<String> =
        rows(under(&text, "The record")).map(|row| row[0].clone()).filter(|name| name != "header").collect();
    let records = records();
    let sent = records.iter().flat_map(|record| record.headers.iter().map(|(name, _)| name.clone()));
    // The daemon never writes this header. tests/kafka has records with it.
    let sent: BTreeSet<String> = sent.chain([RUN_HEADER.to_owned()]).collect();
    assert_eq!(listed, sent);
    let described: Value = serde_json::from_str(&document("docs/asyncapi.json")).unwrap();
    let parts =
        ["messageTraits", "messages"].into_iter().flat_map(|kind| described["components"][kind].as_object().unwrap().values());
    let described = parts.flat_map(|part| part["headers"]["properties"].as_object().unwrap().keys().cloned());
    assert_eq!(described.collect::<BTreeSet<_>>(), sent, "the AsyncAPI document lacks one");
    for row in rows(under(&text, "The record")).filter(|row| row[1] == "every record") {
        // A cell without backticks is the literal value itself, except where it is the name of a field of the event.
        let literal = !row[2].contains(['`', '<']) && !["id", "subject"].contains(&row[2].as_str());
        for record in &records {
            let value = header(record, &row[0]);
            assert!(!literal || value == row[2], "{}: {value}", row[0]);
        }
    }
}

#[test]
fn every_reason_of_quarantine_is_in_the_contract() {
    use FaultReason::{BadSubject, NoSubject, NotAnObject, NotJson, Panic};
    let all = [NotJson, NotAnObject, NoSubject, BadSubject, Panic];
    for reason in all {
        // A new reason does not compile until it is listed here.
        match reason {
            NotJson | NotAnObject | NoSubject | BadSubject | Panic => {}
        }
    }
    let text = document("docs/consumers.md");
    let rows = rows(under(&text, "Unclassified and quarantine")).filter(|row| row[0] != "reason");
    assert_eq!(rows.map(|row| row[0].clone()).collect::<BTreeSet<_>>(), all.map(|it| it.label().to_owned()).into());
}

/// Checks that librdkafka accepts the properties, too. There are no brokers, and properties that name files are left out, because the
/// files are no certificates.
fn check_client(provider: &str, kafka: &Kafka) {
    let mut client = ClientConfig::new();
    for (name, value) in kafka.client_properties() {
        if !name.ends_with(".location") {
            client.set(name, value);
        }
    }
    let producer: Result<BaseProducer, _> = client.set("bootstrap.servers", "127.0.0.1:1").create();
    assert!(producer.is_ok(), "{provider}: {:?}", producer.err());
}

/// The environment variables that the recipes of docs/kafka.md use.
const VARIABLES: &[(&str, &str)] = &[
    ("KAFKA_PASSWORD", "kafka-password"),
    ("CONFLUENT_API_SECRET", "confluent-secret"),
    (
        "EVENT_HUBS_CONNECTION_STRING",
        "Endpoint=sb://example.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0",
    ),
    ("OAUTH_CLIENT_SECRET", "client-secret"),
    ("UPLOADCARE_SECRET", "7kMVZivndx0ErgvhRKAr"),
];

#[test]
fn the_recipes_for_kafka_are_accepted() {
    let text = document("docs/kafka.md");
    let endpoint = "\n[endpoints.uploadcare]\nprovider = \"uploadcare\"\nsecrets = [\"env:UPLOADCARE_SECRET\"]\n";
    let topics: usize = 1 + provider::ALL.iter().map(|provider| provider.kinds().count()).sum::<usize>();
    assert!(text.contains(&format!("up to {topics} topics")), "docs/kafka.md: there are {topics} topics");
    for (_, after) in text.match_indices("up to ").map(|(at, before)| text.split_at(at + before.len())) {
        let number: Option<usize> = after.split_once(" topics").and_then(|(number, _)| number.parse().ok());
        assert!(number.is_none_or(|number| number == topics), "docs/kafka.md: there are {topics} topics, and not {number:?}");
    }
    let partitions = topics * 6;
    assert!(text.contains(&format!("by default: {partitions} for")), "docs/kafka.md: there are {partitions} partitions");
    // The files that the recipes mount do not exist here. A readable file replaces each.
    let readable = format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    for provider in ["Amazon MSK", "Google Cloud", "Confluent Cloud", "Redpanda", "Azure Event Hubs", "Strimzi"] {
        let recipes: Vec<&str> =
            under(&text, provider).split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!recipes.is_empty(), "{provider}");
        for recipe in recipes {
            let file = |line: &str| match line.split_once("_file = ") {
                Some((key, _)) => format!("{key}_file = '{readable}'"),
                None => line.replace("file:/etc/hookgate/kafka/password", "env:KAFKA_PASSWORD"),
            };
            let recipe: Vec<String> = recipe.lines().map(file).collect();
            let config = parse(&(recipe.join("\n") + endpoint), VARIABLES);
            assert_eq!(config.warnings, Vec::<String>::new(), "{provider}");
            assert_ne!(config.kafka.security, Security::Plaintext, "{provider}");
            check_client(provider, &config.kafka);
        }
    }
}

#[test]
fn the_small_layout_has_as_few_topics_as_the_document_says() {
    let text = document("docs/kafka.md");
    let text = under(&text, "A small layout");
    let recipe = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = configuration(recipe, &[]);
    let topics = topics(&config);
    assert_eq!(topics.len(), 5, "{topics:?}");
    assert!(text.contains("five topics. Three partitions each make 15:"), "{text}");
    assert_eq!(config.topics.partitions, 3);
}
