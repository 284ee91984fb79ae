//! What consumers build on: the schema that the binary prints, the AsyncAPI document, and the record that tests generated code.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use hookgate::proto;
use serde_json::{Value, json};

use crate::{
    binary::{Folder, Process, hookgate},
    commands::configured,
    forks,
    harness::{Daemon, fixture, topics},
};

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Checks that a derived file is up to date. `make bless` writes it again.
fn check_derived(path: &str, derived: &[u8]) {
    let file = repository(path);
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(&file, derived).unwrap();
    }
    let kept = fs::read(&file).unwrap_or_default();
    assert!(kept == derived, "{path} is stale: `make bless` writes it again");
}

/// Runs `hookgate schema`, which must succeed.
fn schema(folder: &Folder, arguments: &[&str]) -> String {
    let finished = hookgate(folder, &[&["schema"], arguments].concat());
    assert_eq!((finished.code, &*finished.err), (Some(0), ""), "{arguments:?}: {finished:?}");
    finished.out
}

#[test]
fn the_asyncapi_document_is_what_the_program_prints() {
    check_derived("docs/asyncapi.json", schema(&Folder::new(), &["asyncapi"]).as_bytes());
}

/// Collects the targets of all `$ref` values.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// Checks that a document has these topics, that each message has an example of its own kind, and that each reference has a target.
fn check_document(document: &Value, expected: &BTreeSet<String>) {
    let channels = document["channels"].as_object().unwrap();
    assert_eq!(&channels.keys().cloned().collect::<BTreeSet<_>>(), expected);
    let descriptions: BTreeSet<_> = channels.values().map(|channel| channel["description"].as_str().unwrap()).collect();
    assert_eq!(descriptions.len(), channels.len(), "{descriptions:?}");
    let quarantine = "Bodies that cannot be read. The body of a proven delivery cannot be mapped. Keyed by the event's id.";
    assert!(descriptions.contains(quarantine), "{descriptions:?}");
    let mut found = Vec::new();
    references(document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} has no target");
    }
    for (topic, channel) in channels {
        assert!(found.contains(&format!("#/channels/{topic}")), "{topic}: nothing is published there");
        for name in channel["messages"].as_object().unwrap().keys() {
            let message = &document["components"]["messages"][name];
            let example = &message["examples"][0];
            assert_eq!(message["headers"]["properties"]["ce_type"]["const"], format!("hookgate.{name}"));
            assert_eq!(example["headers"]["ce_type"], format!("hookgate.{name}"), "the example of {name} is of another kind");
            assert_eq!(example["payload"]["id"], example["headers"]["ce_id"], "{name}");
            // Both are RFC 3339 in UTC, so the later time is the greater text.
            let [received, occurred] =
                ["received_at", "occurred_at"].map(|time| example["payload"][time].as_str().unwrap_or_default());
            assert!(occurred < received, "the example of {name} was received before it occurred");
            let typed = !(name.ends_with(".unclassified") || name == "quarantine");
            assert_eq!(message["description"].as_str().unwrap().contains("typed reading is"), typed, "{name}");
            let summary = message["summary"].as_str().unwrap();
            assert!(summary.starts_with(char::is_uppercase) && summary.ends_with('.'), "{name}: {summary:?} is no sentence");
            let alone = channel["messages"].as_object().unwrap().len() == 1;
            assert_eq!(channel["description"].as_str().unwrap().contains(summary), alone, "{topic}: what triggers {name}");
        }
    }
}

#[test]
fn the_asyncapi_document_follows_the_configuration() {
    let every: BTreeSet<String> = topics(&crate::harness::configuration("", &[])).into_iter().collect();
    let of_defaults: Value = serde_json::from_str(&schema(&Folder::new(), &["asyncapi"])).unwrap();
    assert!(every.len() > 40);
    check_document(&of_defaults, &every);
    assert!(of_defaults.get("servers").is_none(), "without a configuration no brokers are known");
    for (topic, said) in [
        (
            "filespin.file-processed",
            "FileSpin: file-processed. An asset's conversions are done; or inferred from status OK. Keyed by `id` of the body.",
        ),
        ("uploadcare.unclassified", "Keyed by `data.uuid` of the body, or by the event's id where a delivery has none."),
    ] {
        let description = of_defaults["channels"][format!("hookgate.{topic}")]["description"].as_str().unwrap();
        assert!(description.ends_with(said), "{topic}: {description}");
    }
    assert!(
        of_defaults["components"]["messages"]["filesafety.scan.complete"]["headers"]["properties"]["hookgate-verdict"]
            .is_object()
    );
    assert!(of_defaults["components"]["messages"]["frameio.action"]["headers"]["properties"].get("hookgate-verdict").is_none());

    let folder = Folder::new();
    folder.write(
        "mine.toml",
        "[kafka]\nbrokers = [\"kafka-1:9093\"]\nsecurity = \"tls\"\n[topics]\nprefix = \"media.\"\npartitions = 3\nreplication = -1\n\
         [topics.map]\n\"uploadcare.*\" = \"files\"\n[endpoints.u]\nprovider = \"uploadcare\"\nsecrets = [\"env:UPLOADCARE\"]\n\
         [schema_registry]\nurls = [\"https://registry:8081\"]\n",
    );
    let mine: Value = serde_json::from_str(&schema(&folder, &["asyncapi", "--config", "mine.toml"])).unwrap();
    check_document(&mine, &["files", "media.quarantine"].map(str::to_owned).into());
    assert_eq!(mine["channels"]["files"]["messages"].as_object().unwrap().len(), 6, "{}", mine["channels"]);
    assert_eq!(mine["servers"]["kafka-1"]["host"], "kafka-1:9093");
    assert_eq!(mine["servers"]["kafka-1"]["protocol"], "kafka-secure");
    assert_eq!(mine["servers"]["kafka-1"]["bindings"]["kafka"]["schemaRegistryUrl"], "https://registry:8081");
    let framed = |document: &Value| {
        document["components"]["messageTraits"]["record"]["bindings"]["kafka"].get("schemaIdPayloadEncoding").is_some()
    };
    assert!(framed(&mine) && !framed(&of_defaults));
    let binding = &mine["channels"]["files"]["bindings"]["kafka"];
    assert_eq!((&binding["topic"], &binding["partitions"]), (&"files".into(), &3.into()));
    assert!(binding.get("replicas").is_none(), "the broker's default is not known");
    let missing = hookgate(&folder, &["schema", "asyncapi", "--config", "missing.toml"]);
    assert_eq!((missing.code, &*missing.out), (Some(64), ""), "{missing:?}");
}

#[test]
fn the_schema_of_the_configuration_has_every_key_with_its_limits() {
    let printed: Value = serde_json::from_str(&schema(&Folder::new(), &["config"])).unwrap();
    let mut found = Vec::new();
    references(&printed, &mut found);
    for reference in found {
        assert!(printed.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} has no target");
    }
    let name = "^[a-z0-9]+([_-][a-z0-9]+)*$";
    let at = |path: &str| {
        path.split('.').fold(&printed, |table, part| match part {
            "<name>" => &table["patternProperties"][name],
            part => &table["properties"][part],
        })
    };
    for key in hookgate::config::all_keys() {
        assert!(at(&key.path).is_object(), "the schema has no {}", key.path);
    }
    let check = |path: &str, expected: Value| assert_eq!(*at(path), expected, "{path}");
    check("http.max_headers", json!({"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 100}));
    check("kafka.compression", json!({"enum": ["none", "gzip", "snappy", "lz4", "zstd"], "default": "lz4"}));
    check("kafka.sasl.password", json!({"$ref": "#/definitions/reference"}));
    check("kafka.sasl.token_ca_file", json!({"$ref": "#/definitions/file"}));
    check("kafka.brokers", json!({"type": "array", "items": {"type": "string"}}));
    let size = json!({
        "type": ["integer", "string"], "minimum": 1024, "maximum": 1 << 30, "pattern": "^[0-9]+(KiB|MiB|GiB|B)?$",
        "description": "1KiB to 1GiB", "default": "768KiB",
    });
    check("http.max_body_bytes", size);
    let secrets = json!({"type": "array", "minItems": 1, "maxItems": 16, "items": {"$ref": "#/definitions/reference"}});
    check("endpoints.<name>.secrets", secrets);
    assert_eq!(at("endpoints")["additionalProperties"], false);
    // A pattern refuses wrong levels where it can. The cases of the chart try some.
    assert!(at("log.level")["pattern"].is_string());
    let kinds = at("topics.map")["propertyNames"]["enum"].as_array().unwrap();
    for kind in ["frameio.*", "uploadcare.file.stored", "quarantine"] {
        assert!(kinds.contains(&json!(kind)), "{kind}: {kinds:?}");
    }
    assert_eq!(at("topics.retention_of")["propertyNames"]["enum"], at("topics.map")["propertyNames"]["enum"]);
    assert_eq!(at("topics.map")["additionalProperties"], json!({"type": "string"}));
    assert_eq!(at("topics.partitions_of")["additionalProperties"], json!({"type": "integer", "minimum": 1, "maximum": 10_000}));
    assert_eq!(at("topics.retention_of")["additionalProperties"]["description"], "60s to 3650d");
    assert_eq!(at("kafka.properties")["propertyNames"], Value::Null);
}

#[test]
fn the_schema_is_printed_as_it_was_written() {
    let folder = Folder::new();
    schema(&folder, &["proto", "--out", "tree"]);
    for (name, text) in proto::FILES {
        let written = fs::read_to_string(repository("proto").join(name)).unwrap();
        assert_eq!(*text, written, "{name}");
        assert_eq!(schema(&folder, &["proto", name]), written, "{name}");
        assert_eq!(fs::read_to_string(folder.path(&format!("tree/{name}"))).unwrap(), written, "{name}");
    }
    assert_eq!(schema(&folder, &["proto"]), proto::one_file());
    for (arguments, code, expected) in [
        (&["proto", "hookgate/v1/evnet.proto"][..], 2, "hookgate/v1/event.proto"),
        (&["proto", "hookgate/v1/event.proto", "--out", "tree"], 2, "cannot be used with"),
        (&["proto", "--out", "tree/hookgate/v1/event.proto"], 1, "tree/hookgate/v1/event.proto"),
        (&[], 2, "Usage: hookgate schema"),
    ] {
        let refused = hookgate(&folder, &[&["schema"], arguments].concat());
        assert_eq!(refused.code, Some(code), "{arguments:?}: {refused:?}");
        assert!(refused.err.contains(expected), "{arguments:?}: {refused:?}");
    }
}

#[test]
fn descriptors_go_to_a_file_and_not_to_a_terminal() {
    let print = |flags: &[&str]| {
        let binary = env!("CARGO_BIN_EXE_hookgate");
        let output = forks::output(Command::new(binary).args([&["schema", "descriptors"], flags].concat())).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        output.stdout
    };
    let (whole, bare) = (print(&[]), print(&["--without-comments"]));
    assert_eq!(whole, proto::DESCRIPTOR_SET);
    assert_eq!(bare, proto::bare_descriptor_set());
    assert!(bare.len() * 2 < whole.len());
    // The tool `script` gives the command a terminal, if it is installed.
    if forks::output(Command::new("script").arg("--version")).is_ok_and(|ran| ran.status.success()) {
        let mut shell = Command::new("script");
        shell.args(["-qec", &format!("{} schema descriptors", env!("CARGO_BIN_EXE_hookgate")), "/dev/null"]);
        let refused = Process::of(shell).finish();
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.out.contains("this is a terminal"), "{refused:?}");
    }
    // It is no failure of the command when its reader has seen enough and ends.
    let script = format!("{{ {} schema asyncapi; echo \"exit $?\" >&2; }} | head -c 1", env!("CARGO_BIN_EXE_hookgate"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    assert_eq!(Process::of(shell).finish().err, "exit 0\n");
}

/// scripts/schema/codegen decodes this record in every language.
#[test]
fn the_golden_record_is_what_the_daemon_writes() {
    let daemon = Daemon::start();
    let body = fixture("uploadcare/constructed/file.infected_v0.7.json");
    assert_eq!(daemon.deliver("uploadcare", &body).status, 200);
    let records = daemon.records_of(&["hookgate.uploadcare.file.infected"]);
    check_derived("tests/codegen/event.binpb", &records[0].value);
}

#[test]
fn no_configuration_is_needed_or_read() {
    // Without `--config` the document describes the defaults, also in a folder with a configuration.
    let folder = configured("kafka-9:9092");
    assert!(!schema(&folder, &["asyncapi"]).contains("kafka-9"));
}
