//! Environment variables that look like those of the configuration, and are not read.

use super::{Folder, GOOD, check_file, run};

#[test]
fn variables_that_are_not_read() {
    let warn = |name: &str, hint: &str| {
        check_file(name, GOOD, &[(name, "hunter2")], 0, &format!("warning: the variable {name} is not read; {hint}\n"));
    };
    let underscores = |name: &str, own: &str| warn(name, &format!("two underscores stand between table and key; write {own}"));
    underscores("HOOKGATE_KAFKA_BROKERS", "HOOKGATE_KAFKA__BROKERS");
    underscores("HOOKGATE_LOG_LEVEL", "HOOKGATE_LOG__LEVEL");
    underscores("HOOKGATE_HTTP_MAX_BODY_BYTES", "HOOKGATE_HTTP__MAX_BODY_BYTES");
    underscores("HOOKGATE_KAFKA_SASL_USERNAME", "HOOKGATE_KAFKA__SASL__USERNAME");
    underscores("HOOKGATE_SCHEMA_REGISTRY_URLS", "HOOKGATE_SCHEMA_REGISTRY__URLS");
    underscores("HOOKGATE_ENDPOINTS_CARE_SECRETS", "HOOKGATE_ENDPOINTS__CARE__SECRETS");
    warn("hookgate_kafka__brokers", "names of variables are in capitals; write HOOKGATE_KAFKA__BROKERS");
    warn("HOOKGATE_CONFIG", "--config names the file");
    warn("HOOKGATE_CONFIG_FILE", "--config names the file");
    for (name, own) in [
        ("HOOKGATE_ENDPOINTS_CARE_SECRET", "HOOKGATE_ENDPOINTS__CARE__SECRETS"),
        ("HOOKGATE_ENDPOINTS_CARE_TOKEN", "HOOKGATE_ENDPOINTS__CARE__SECRETS"),
        ("HOOKGATE_KAFKA_BROKER", "HOOKGATE_KAFKA__BROKERS"),
        ("HOOKGATE_KAFKA_BOOTSTRAP_SERVERS", "HOOKGATE_KAFKA__BROKERS"),
        ("HOOKGATE_BROKERS", "HOOKGATE_KAFKA__BROKERS"),
        ("HOOKGATE_LISTEN", "HOOKGATE_HTTP__LISTEN or HOOKGATE_ADMIN__LISTEN"),
        ("HOOKGATE_LOGLEVEL", "HOOKGATE_LOG__LEVEL"),
        ("HOOKGATE_SCHEMA_REGISTRY_URL", "HOOKGATE_SCHEMA_REGISTRY__URLS"),
    ] {
        warn(name, &format!("did you mean {own}?"));
    }
    let port = [("HOOKGATE_HTTP_PORT", "8080")];
    check_file(
        "a port",
        GOOD,
        &port,
        0,
        "warning: the variable HOOKGATE_HTTP_PORT is not read; did you mean HOOKGATE_HTTP__LISTEN?\n",
    );
    let table = "HOOKGATE_KAFKA_SASL__USERNAME: [kafka_sasl]: no such table; did you mean [kafka.sasl]?";
    check_file("a table in a table", GOOD, &[("HOOKGATE_KAFKA_SASL__USERNAME", "u")], 64, table);
    check_file(
        "an unknown key",
        GOOD,
        &[("HOOKGATE_KAFKA__BROKER", "a:1")],
        64,
        "HOOKGATE_KAFKA__BROKER: [kafka] broker: no such key; did you mean \"brokers\"?",
    );
}

#[test]
fn variables_of_other_programs_lead_to_no_warning() {
    // Kubernetes sets most of these for Services that are named hookgate, hookgate-kafka, hookgate-log and hookgate-tracing.
    for name in [
        "HOOKGATE_PORT",
        "HOOKGATE_SERVICE_HOST",
        "HOOKGATE_SERVICE_PORT_HTTP",
        "HOOKGATE_PORT_8080_TCP_ADDR",
        "HOOKGATE_KAFKA_SERVICE_HOST",
        "HOOKGATE_KAFKA_SASL_PORT_9092_TCP",
        "HOOKGATE_LOG_PORT",
        "HOOKGATE_TRACING_SERVICE_PORT",
        "HOOKGATE_TRACING_PORT_4318_TCP_PROTO",
        "HOOKGATE_VERSION",
        "HOOKGATE_IMAGE_TAG",
        "HOOKGATE_LOG_DIR",
        "HOOKGATE_ANYTHING_ELSE",
        "MY_HOOKGATE_KAFKA_BROKERS",
    ] {
        let folder = Folder::new();
        folder.write("hookgate.toml", GOOD);
        let finished = run(&folder, &[(name, "hunter2")], &["check", "--strict"]);
        assert_eq!(finished.code, Some(0), "{name}: {finished:?}");
    }
    // Only their values show that Kubernetes has set these.
    for (name, value) in [
        ("HOOKGATE_HTTP_PORT", "tcp://10.0.0.1:80"),
        ("HOOKGATE_HTTP_SERVICE_PORT", "80"),
        ("HOOKGATE_HTTP_PORT_80_TCP_PORT", "80"),
    ] {
        let folder = Folder::new();
        folder.write("hookgate.toml", GOOD);
        let finished = run(&folder, &[(name, value)], &["check", "--strict"]);
        assert_eq!(finished.code, Some(0), "{name}: {finished:?}");
    }
}
