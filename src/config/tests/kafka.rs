//! `[kafka]`: what it refuses, and the properties that clients get.

use std::fs;

use super::*;

#[test]
fn refusals() {
    for (more, expected) in [
        ("compression = \"lzo\"", "hookgate.toml:3: [kafka] compression: must be one of none, gzip, snappy, lz4, zstd"),
        ("client_id = \"a b\"", "hookgate.toml:3: [kafka] client_id: must be letters, digits, '.', '-' and '_'"),
        (
            "tls.ca_file = \"/nowhere\"\nsecurity = \"tls\"",
            "hookgate.toml:3: [kafka.tls] ca_file: \"/nowhere\" cannot be read: no such file",
        ),
        ("tls = {}", "hookgate.toml:3: [kafka.tls]: has no effect without [kafka] security = \"tls\""),
        (
            "sasl = {mechanism = \"PLAIN\", username = \"u\", password = \"env:AVATARS_TOKEN\"}",
            "hookgate.toml:3: [kafka.sasl] mechanism: PLAIN would send the password unencrypted; set [kafka] security = \"tls\" or use SCRAM-SHA-512",
        ),
        (
            "sasl = {mechanism = \"SCRAM-SHA-512\", username = \"u\", password = \"hunter2\"}",
            "hookgate.toml:3: [kafka.sasl] password: a secret has no place here; write \"env:NAME\" or \"file:/path\", which say where it is",
        ),
        (
            "sasl = {mechanism = \"SCRAM-SHA-512\", username = \"u\", password = \"env:GONE\"}",
            "hookgate.toml:3: [kafka.sasl] password: the variable GONE is not set",
        ),
        (
            "sasl = {mechanism = \"SCRAM-SHA-512\", password = \"env:AVATARS_TOKEN\"}",
            "hookgate.toml:3: [kafka.sasl] username: is missing",
        ),
        (
            "properties.\"request.required.acks\" = 1",
            "hookgate.toml:3: [kafka.properties] request.required.acks: is not passed through: always all: 200 means that every in-sync replica has the record",
        ),
        (
            "properties.\"sasl.password\" = \"hunter2\"",
            "hookgate.toml:3: [kafka.properties] sasl.password: is not passed through: use [kafka.sasl]; PLAIN and SCRAM are supported",
        ),
        (
            "properties.\"delivery.timeout.ms\" = 1",
            "hookgate.toml:3: [kafka.properties] delivery.timeout.ms: is not passed through: a link of the deadline chain; use [kafka] message_timeout",
        ),
        (
            "properties.\"test.mock.num.brokers\" = 3",
            "hookgate.toml:3: [kafka.properties] test.mock.num.brokers: is not passed through: replaces Kafka by a mock in memory, which acknowledges what it then forgets",
        ),
        ("properties.dr_cb = 1", "hookgate.toml:3: [kafka.properties] dr_cb: is not passed through: cannot be set by text"),
        (
            "properties.statistics.interval.ms = 1",
            "hookgate.toml:3: [kafka.properties] statistics: is a table; quote the property's whole name, such as \"statistics.interval.ms\"",
        ),
        ("properties.\"a b\" = 1", "hookgate.toml:3: [kafka.properties] a b: is not the name of a librdkafka property"),
        ("properties.debug = \"a\\nb\"", "hookgate.toml:3: [kafka.properties] debug: holds control characters"),
    ] {
        check_kafka(more, &[expected]);
    }
    check_kafka(
        "sasl = {mechanism = \"GSSAPI\", username = \"\"}",
        &[
            "hookgate.toml:3: [kafka.sasl] mechanism: must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
            "hookgate.toml:3: [kafka.sasl] password: is missing; write \"env:NAME\" or \"file:/path\"",
            "hookgate.toml:3: [kafka.sasl] username: is empty",
        ],
    );
    for (brokers, expected) in [
        ("[]", "is empty; for example: brokers = [\"kafka:9092\"]"),
        ("\"kafka:9092\"", "a list of strings was expected, a string was found"),
    ] {
        let text = MINIMAL.replace("[\"kafka:9092\"]", brokers);
        check(&text, &[&format!("hookgate.toml:3: [kafka] brokers: {expected}")]);
    }
    for broker in ["kafka", "kafka:", ":9092", "kafka:0", "PLAINTEXT://kafka:9092", "kafka:65536", "[::g]:1", "a b:1"] {
        let text = MINIMAL.replace("kafka:9092", broker);
        check(&text, &[&format!("hookgate.toml:3: [kafka] brokers: {broker:?} is not host:port, such as \"kafka:9092\"")]);
    }
    for broker in ["kafka-1.example:9092", "[::1]:9092", "10.0.0.1:1"] {
        accept(&MINIMAL.replace("kafka:9092", broker), &[], &[]);
    }
}

#[test]
fn properties_of_clients() {
    let extra = "security = \"tls\"\nsasl = {mechanism = \"PLAIN\", username = \"u\", password = \"env:AVATARS_TOKEN\"}\nproperties = {\"batch.size\" = 5, debug = \"broker\"}";
    let config = accept(&MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{extra}\n"), 1), &[], &[]);
    let lines = |properties: Vec<(String, String)>| {
        properties.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let shared = [
        "bootstrap.servers=kafka:9092",
        "client.id=hookgate",
        "socket.timeout.ms=1500",
        "socket.nagle.disable=true",
        "reconnect.backoff.max.ms=500",
        "reconnect.backoff.ms=100",
        "security.protocol=sasl_ssl",
        "enable.ssl.certificate.verification=true",
        "ssl.endpoint.identification.algorithm=https",
        "sasl.mechanism=PLAIN",
        "sasl.username=u",
        "sasl.password=avatars-token-of-some-length",
    ];
    let own = [
        "acks=all",
        "enable.idempotence=true",
        "partitioner=murmur2_random",
        "compression.type=lz4",
        "linger.ms=5",
        "message.timeout.ms=2000",
        "queue.buffering.max.kbytes=65536",
        "message.max.bytes=1000000",
        "allow.auto.create.topics=false",
        "statistics.interval.ms=5000",
        "batch.size=5",
        "debug=broker",
    ];
    assert_eq!(lines(config.kafka.client_properties()), [&shared[..], &own[..]].concat());
    let limit = accept(&format!("{MINIMAL}\n[topics]\nmax_message_bytes = \"2MiB\"\n"), &[], &[]).kafka;
    assert!(lines(limit.client_properties()).contains(&"message.max.bytes=2097152".to_owned()));
    let consumer = ["allow.auto.create.topics=false", "debug=broker"];
    assert_eq!(lines(config.kafka.connection_properties()), [&shared[..], &consumer[..]].concat());
}

#[test]
fn scram_without_tls_is_a_warning() {
    let sasl = "sasl = {mechanism = \"SCRAM-SHA-256\", username = \"u\", password = \"env:AVATARS_TOKEN\"}";
    let config = accept(&MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{sasl}\n"), 1), &[], &[]);
    assert_eq!(config.warnings, ["[kafka.sasl] without security = \"tls\": records travel unencrypted"]);
}

#[test]
fn tls_files_and_load() {
    let directory = directory("load");
    let (path, pem) = (directory.join("hookgate.toml"), directory.join("some.pem"));
    fs::write(&pem, "pem").unwrap();
    let tls = format!("[kafka]\nsecurity = \"tls\"\ntls.certificate_file = {pem:?}\n");
    fs::write(&path, MINIMAL.replacen("[kafka]\n", &tls, 1)).unwrap();
    let problems = load(&path, &environment(&[]), &[]).expect_err("accepted").to_string();
    assert_eq!(problems, format!("{}:4: [kafka.tls] key_file: is missing beside certificate_file", path.display()));

    let tls = format!("{tls}tls.key_file = {pem:?}\n");
    fs::write(&path, MINIMAL.replacen("[kafka]\n", &tls, 1)).unwrap();
    let properties = load(&path, &environment(&[]), &[]).unwrap().kafka.connection_properties();
    assert!(properties.contains(&("ssl.key.location".into(), pem.display().to_string())), "{properties:?}");

    fs::remove_dir_all(&directory).unwrap();
    let problems = load(&path, &environment(&[]), &[]).expect_err("accepted").to_string();
    let expected = "cannot be read: no such file; --config names another file, and `hookgate dev` needs none";
    assert_eq!(problems, format!("{}: {expected}", path.display()));
}
