//! `[kafka]`: what it refuses, and the properties that clients get.

use std::{collections::BTreeSet, fs};

use super::*;

#[test]
fn refusals() {
    for (more, expected) in [
        (
            "compression = \"lzo\"",
            "hookgate.toml:3: [kafka] compression: must be one of none, gzip, snappy, lz4, zstd; did you mean \"lz4\"?",
        ),
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
            "hookgate.toml:3: [kafka.sasl] password: the variable GONE is not set; export it where Hookgate starts (systemd: EnvironmentFile=, Kubernetes: env)",
        ),
        (
            "sasl = {mechanism = \"SCRAM-SHA-512\", password = \"env:AVATARS_TOKEN\"}",
            "hookgate.toml:3: [kafka.sasl] username: is missing",
        ),
    ] {
        check_kafka(more, &[expected]);
    }
    check_kafka(
        "sasl = {mechanism = \"GSSAPI\", username = \"\"}",
        &[
            "hookgate.toml:3: [kafka.sasl] mechanism: must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, AWS_MSK_IAM",
            "hookgate.toml:3: [kafka.sasl] password: is missing; write \"env:NAME\" or \"file:/path\"",
            "hookgate.toml:3: [kafka.sasl] username: is empty",
        ],
    );
}

#[test]
fn refused_properties() {
    for (more, expected) in [
        (
            "properties.\"request.required.acks\" = 1",
            "hookgate.toml:3: [kafka.properties] request.required.acks: is not passed through: always all: 200 means that every in-sync replica has the record",
        ),
        (
            "properties.\"sasl.password\" = \"hunter2\"",
            "hookgate.toml:3: [kafka.properties] sasl.password: is not passed through: use [kafka.sasl]; PLAIN, SCRAM, OAUTHBEARER and AWS_MSK_IAM are supported",
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
            "properties.socket.keepalive.enable = true",
            "hookgate.toml:3: [kafka.properties] socket: is a table; quote the property's whole name, such as \"socket.keepalive.enable\"",
        ),
        ("properties.\"a b\" = 1", "hookgate.toml:3: [kafka.properties] a b: is not the name of a librdkafka property"),
        ("properties.debug = \"a\\nb\"", "hookgate.toml:3: [kafka.properties] debug: holds control characters"),
    ] {
        check_kafka(more, &[expected]);
    }
}

#[test]
fn addresses_of_brokers() {
    check(
        &MINIMAL.replace("[\"kafka:9092\"]", "[]"),
        &["hookgate.toml:3: [kafka] brokers: is empty; for example: brokers = [\"kafka:9092\"]"],
    );
    for broker in ["kafka", "kafka:", ":9092", "kafka:0", "kafka:65536", "[::g]:1"] {
        let text = MINIMAL.replace("kafka:9092", broker);
        check(&text, &[&format!("hookgate.toml:3: [kafka] brokers: {broker:?} is not host:port, such as \"kafka:9092\"")]);
    }
    for broker in ["kafka-1.example:9092", "[::1]:9092", "10.0.0.1:1"] {
        accept(&MINIMAL.replace("kafka:9092", broker), &[], &[]);
    }
}

/// With 0 the gauge of a reachable Kafka would stay 0 for ever.
#[test]
fn how_often_the_metrics_are_renewed_is_fixed() {
    for value in ["0", "60000"] {
        check_kafka(
            &format!("properties.\"statistics.interval.ms\" = {value}"),
            &[
                "hookgate.toml:3: [kafka.properties] statistics.interval.ms: is not passed through: the metrics of Kafka and their alerts are read off it; it is always 5 s",
            ],
        );
    }
}

#[test]
fn how_long_a_connection_may_idle_has_one_place() {
    for more in ["connections_max_idle = \"0s\"", "connections_max_idle = \"999ms\"", "connections_max_idle = \"3601s\""] {
        check_kafka(more, &["hookgate.toml:3: [kafka] connections_max_idle: must lie between 1s and 3600s"]);
    }
    check_kafka(
        "properties.\"connections.max.idle.ms\" = 1",
        &["hookgate.toml:3: [kafka.properties] connections.max.idle.ms: is not passed through: use [kafka] connections_max_idle"],
    );
    let text = MINIMAL.replacen("[kafka]\n", "[kafka]\nconnections_max_idle = \"1s\"\n", 1);
    let kafka = accept(&text, &[], &[]).kafka;
    for properties in [kafka.client_properties(), kafka.connection_properties()] {
        assert!(properties.contains(&("connections.max.idle.ms".into(), "1000".into())), "every client closes its own");
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
        "connections.max.idle.ms=60000",
        "reconnect.backoff.max.ms=250",
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
        "message.timeout.ms=3000",
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

/// The benchmark compares programs, so its bare program must have the same client settings as the daemon.
#[test]
fn the_floor_of_the_benchmark_has_the_settings_of_the_daemon() {
    let script = include_str!("../../../bench/run");
    let list = script.split_once("\nlibrdkafka=(\n").expect("the list begins").1.split_once("\n)").expect("and ends").0;
    let floor: BTreeSet<&str> = list.lines().map(str::trim).filter(|line| *line != "statistics.interval.ms=0").collect();
    // The script sets the address and the codec elsewhere, and the bare program has no metrics of its own.
    let elsewhere = ["bootstrap.servers", "client.id", "security.protocol", "compression.type", "statistics.interval.ms"];
    let properties = accept(MINIMAL, &[], &[]).kafka.client_properties();
    let daemon = properties.iter().filter(|(name, _)| !elsewhere.contains(&name.as_str()));
    let daemon: Vec<String> = daemon.map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(floor, daemon.iter().map(String::as_str).collect());
}

/// A complete and correct `[kafka.sasl]` with tokens.
const TOKENS: &str = "security = \"tls\"\nsasl = {mechanism = \"OAUTHBEARER\", token_url = \"https://issuer.example/token\", client_id = \"hookgate\", client_secret = \"env:AVATARS_TOKEN\"}";

#[test]
fn tokens_are_refused_where_they_make_no_sense() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        let text = TOKENS.replacen(from, to, 1);
        assert_ne!(text, TOKENS, "{from} is not there");
        let line = if text.starts_with("sasl") { 3 } else { 4 };
        let expected: Vec<_> = expected.iter().map(|text| format!("hookgate.toml:{line}: [kafka.sasl] {text}")).collect();
        check_kafka(&text, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    };
    check(
        "security = \"tls\"\n",
        "",
        &["mechanism: OAUTHBEARER would send the token unencrypted; set [kafka] security = \"tls\""],
    );
    check(
        "token_url = \"https://issuer.example/token\", ",
        "",
        &["token_url: is missing; the token endpoint of the issuer, as its documentation names it"],
    );
    check("client_id = \"hookgate\", ", "", &["client_id: is missing"]);
    check(", client_secret = \"env:AVATARS_TOKEN\"", "", &["client_secret: is missing; write \"env:NAME\" or \"file:/path\""]);
    check(
        "env:AVATARS_TOKEN",
        "hunter2",
        &["client_secret: a secret has no place here; write \"env:NAME\" or \"file:/path\", which say where it is"],
    );
    check(
        "\"hookgate\"",
        "\"a:b\"",
        &["client_id: holds a colon or control characters, which do not fit HTTP's basic authentication"],
    );
    check("client_id", "scope = \"\", client_id", &["scope: is empty"]);
    let of_passwords = "belongs to PLAIN and SCRAM; OAUTHBEARER takes token_url, client_id and client_secret";
    check("client_id", "username = \"u\", client_id", &[&format!("username: {of_passwords}")]);
    check("client_id", "password = \"env:AVATARS_TOKEN\", client_id", &[&format!("password: {of_passwords}")]);
    let of_tokens = "belongs to mechanism = \"OAUTHBEARER\"; the others take username and password";
    check(
        "OAUTHBEARER",
        "SCRAM-SHA-512",
        &[
            &format!("client_id: {of_tokens}"),
            &format!("client_secret: {of_tokens}"),
            "password: is missing; write \"env:NAME\" or \"file:/path\"",
            &format!("token_url: {of_tokens}"),
            "username: is missing",
        ],
    );
    check("client_id", "token_ca_file = \"/nowhere\", client_id", &["token_ca_file: \"/nowhere\" cannot be read: no such file"]);
    for (extension, expected) in [
        ("logicalCluster", "must be NAME=VALUE each, such as \"logicalCluster=lkc-abc123\""),
        ("a-b=c", "must be NAME=VALUE each, such as \"logicalCluster=lkc-abc123\""),
        ("a=b,c=d", "must be NAME=VALUE each, such as \"logicalCluster=lkc-abc123\""),
        ("a=b c", "must be NAME=VALUE each, such as \"logicalCluster=lkc-abc123\""),
        ("auth=c", "auth is the token itself"),
    ] {
        let to = format!("extensions = [\"a=b\", \"{extension}\"], client_id");
        check("client_id", &to, &[&format!("extensions: {expected}")]);
    }
}

#[test]
fn a_token_endpoint_gets_the_secret_encrypted() {
    let url = "https://issuer.example/token";
    let encrypt = "would send client_secret unencrypted; use https (http is only for this machine)";
    let shape = "is not a URL such as \"https://issuer.example/oauth2/token\"";
    for (refused, expected) in [
        ("http://issuer.example/token", encrypt),
        ("http://localhost.example/token", encrypt),
        ("http://127.0.0.1.example:80/token", encrypt),
        ("http://10.0.0.1:80/token", encrypt),
        ("https://user:hunter2@issuer.example/", "holds a user or a password; write client_id and client_secret instead"),
        ("https://issuer.example/#top", "holds a fragment, which is never sent"),
        ("file:///etc/passwd", shape),
        ("ftp://issuer.example/token", "must begin with https://"),
        ("issuer.example/token", shape),
        ("https://issuer.example/a b", shape),
        ("https://", shape),
        ("https://issuer.example:99999/token", shape),
        ("https://issuer.example:0443x/token", shape),
        ("https://[::1/token", shape),
        ("http://::1/token", shape),
    ] {
        check_kafka(&TOKENS.replace(url, refused), &[&format!("hookgate.toml:4: [kafka.sasl] token_url: {expected}")]);
    }
    for good in ["https://issuer.example:8443/a@b?c=d", "http://localhost/token", "http://127.0.0.1:8080/", "http://[::1]:1/"] {
        accept(&MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{}\n", TOKENS.replace(url, good)), 1), &[], &[]);
    }
}

/// librdkafka accepts all these properties. Without libcurl it would leave OAuth out silently.
#[test]
fn properties_of_tokens() {
    let more = "scope = \"kafka.write a/b\", extensions = [\"logicalCluster=lkc-1\", \"identityPoolId=pool-x\"], client_id";
    let text = TOKENS.replacen("client_id", more, 1);
    let kafka = accept(&MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{text}\n"), 1), &[], &[]).kafka;
    let properties = kafka.connection_properties();
    for (name, value) in [
        ("security.protocol", "sasl_ssl"),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.token.endpoint.url", "https://issuer.example/token"),
        ("sasl.oauthbearer.client.id", "hookgate"),
        ("sasl.oauthbearer.client.secret", "avatars-token-of-some-length"),
        ("sasl.oauthbearer.scope", "kafka.write%20a%2Fb"),
        ("sasl.oauthbearer.extensions", "logicalCluster=lkc-1,identityPoolId=pool-x"),
    ] {
        assert!(properties.contains(&(name.into(), value.into())), "no {name}={value}");
    }
    assert_eq!((crate::kafka::CLIENT_LIBRARY.refuses)(&kafka), None);
    assert!(!format!("{kafka:?}").contains("avatars-token"), "{kafka:?}");
}

/// The Kafka client removes blanks at the beginning, so it would use another user or password than the one that is written.
#[test]
fn what_the_client_would_cut_off_is_refused() {
    const CUT: &str =
        "begins with a blank or a line end, which the Kafka client removes, so it would log in with another text; remove it";
    let sasl = |user: &str| {
        format!("sasl = {{mechanism = \"SCRAM-SHA-512\", username = {}, password = \"env:P\"}}", serde_json::json!(user))
    };
    let text = |user: &str| MINIMAL.replacen("[kafka]\n", &format!("[kafka]\nsecurity = \"tls\"\n{}\n", sasl(user)), 1);
    for blank in [" ", "  \t", "\n", "\r\n", "\x0b", "\x0c"] {
        let report = read(&text("u"), &[("P", &format!("{blank}hunter2"))], &[]).expect_err("accepted");
        assert_eq!(report.to_string(), format!("hookgate.toml:4: [kafka.sasl] password: env:P {CUT}"), "{blank:?}");
        assert_eq!(report.warnings, Vec::<String>::new(), "{blank:?}");
        let report = read(&text(&format!("{blank}u")), &[("P", "hunter2")], &[]).expect_err("accepted").to_string();
        assert_eq!(report, format!("hookgate.toml:4: [kafka.sasl] username: {CUT}"), "{blank:?}");
        let kafka = TOKENS.replace("env:AVATARS_TOKEN", "env:P");
        let tokens = MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{kafka}\n"), 1);
        let report = read(&tokens, &[("P", &format!("{blank}hunter2"))], &[]).expect_err("accepted").to_string();
        assert_eq!(report, format!("hookgate.toml:4: [kafka.sasl] client_secret: env:P {CUT}"), "{blank:?}");
    }
    // A blank at the end counts.
    let config = accept(&text("u "), &[("P", "hunter2 ")], &[]);
    let password = "[kafka.sasl] password: env:P ends with a blank: all of that counts as a part of the secret; write the secret alone, \
                    with one line end at most";
    assert_eq!(config.warnings, [password]);
    let properties = config.kafka.connection_properties();
    assert!(
        properties.contains(&("sasl.username".into(), "u ".into()))
            && properties.contains(&("sasl.password".into(), "hunter2 ".into()))
    );
}

#[test]
fn a_reference_where_there_is_none_is_warned_of() {
    let sasl = "sasl = {mechanism = \"SCRAM-SHA-512\", username = \"env:USER\", password = \"env:AVATARS_TOKEN\"}";
    let text = MINIMAL.replacen("[kafka]\n", &format!("[kafka]\nsecurity = \"tls\"\n{sasl}\n"), 1);
    let said = "is taken as it is: only secrets are references; write the text itself, or set";
    let username = format!("[kafka.sasl] username: \"env:USER\" {said} HOOKGATE_KAFKA__SASL__USERNAME");
    assert_eq!(accept(&text, &[], &[]).warnings, [username]);
    let registry = "[schema_registry]\nurls = [\"https://r\"]\nusername = \"file:/run/user\"\npassword = \"env:AVATARS_TOKEN\"";
    let username = format!("[schema_registry] username: \"file:/run/user\" {said} HOOKGATE_SCHEMA_REGISTRY__USERNAME");
    let report = read(&format!("{MINIMAL}\n{registry}"), &[], &[]).expect_err("a colon").warnings;
    assert_eq!(report, [username]);
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
    let problems =
        load(&path, &environment(&[]), &[], Needs::Everything, ClientLibrary::LENIENT).expect_err("accepted").to_string();
    assert_eq!(problems, format!("{}:4: [kafka.tls] key_file: is missing beside certificate_file", path.display()));

    let tls = format!("{tls}tls.key_file = {pem:?}\n");
    fs::write(&path, MINIMAL.replacen("[kafka]\n", &tls, 1)).unwrap();
    let properties =
        load(&path, &environment(&[]), &[], Needs::Everything, ClientLibrary::LENIENT).unwrap().kafka.connection_properties();
    assert!(properties.contains(&("ssl.key.location".into(), pem.display().to_string())), "{properties:?}");

    fs::remove_dir_all(&directory).unwrap();
    let problems =
        load(&path, &environment(&[]), &[], Needs::Everything, ClientLibrary::LENIENT).expect_err("accepted").to_string();
    let expected = "cannot be read: no such file; --config names another file, and `hookgate dev` needs none";
    assert_eq!(problems, format!("{}: {expected}", path.display()));
}

/// What only shows when a producer is made of everything comes with all other problems; not where it may be the consequence of another one.
#[test]
fn what_the_client_refuses_as_a_whole() {
    let path = directory("whole").join("hookgate.toml");
    let client = ClientLibrary { refuses: |_| Some("two keys do not fit".into()), ..ClientLibrary::LENIENT };
    let check = |needs: Needs, kafka: &str, expected: &[&str]| {
        let text = MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{kafka}\n"), 1) + "[topics]\npartitions = \"1\"\n";
        fs::write(&path, text).unwrap();
        let report = load(&path, &environment(&[]), &[], needs, client).expect_err("accepted").to_string();
        let expected: Vec<String> = expected.iter().map(|line| format!("{}:{line}", path.display())).collect();
        assert_eq!(report.lines().collect::<Vec<_>>(), expected, "{kafka}");
    };
    let partitions = "14: [topics] partitions: is in quotes; write partitions = 1";
    check(Needs::Everything, "", &["2: [kafka]: two keys do not fit", partitions]);
    check(Needs::Kafka, "properties.debug = \"broker\"", &["3: [kafka]: two keys do not fit", partitions]);
    check(Needs::Everything, "linger = 5", &["3: [kafka] linger: a unit is missing; write \"5s\" or \"5ms\"", partitions]);
    check(Needs::Names, "", &[partitions]);
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
}
