//! What the admin port tells of the daemon itself.

use serde_json::Value;

use crate::harness::{Daemon, SECRETS, Setup, request};

/// One value of each kind that must not be shown, beside the endpoints' secrets: a password, and a property that may be one.
const TABLES: &str = "[kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"somebody\"\npassword = \"env:FRAMEIO_KIT\"\n\
                      [kafka.properties]\n\"client.rack\" = \"a-value-that-may-be-secret\"\n";

fn unready() -> Daemon {
    let flags = vec![("kafka.brokers", "127.0.0.1:1".to_owned()), ("http.max_in_flight", "77".to_owned())];
    Daemon::with(Setup { tables: TABLES, flags, wait: false, ..Setup::default() })
}

fn json(daemon: &Daemon, path: &str) -> Value {
    let answer = daemon.admin(path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn it_tells_what_is_running() {
    let version = json(&unready(), "/version");
    assert_eq!((&version["name"], &version["version"]), (&"hookgate".into(), &env!("CARGO_PKG_VERSION").into()));
    assert!(version["librdkafka"].as_str().unwrap().starts_with("2."), "{version}");
    assert_eq!(version["debug_build"], cfg!(debug_assertions), "{version}");
}

#[test]
fn it_tells_the_configuration_in_force_without_any_secret() {
    let daemon = unready();
    let shown = json(&daemon, "/configz");
    assert_eq!(shown, daemon.config.redacted(), "all of it");
    for (pointer, value) in [
        ("/http/max_in_flight", Value::from(77)),
        ("/kafka/brokers/0", "127.0.0.1:1".into()),
        ("/kafka/sasl/username", "somebody".into()),
        ("/kafka/sasl/password", "env:FRAMEIO_KIT".into()),
        ("/kafka/properties/client.rack", "…".into()),
        ("/endpoints/uploadcare/secrets/1", "env:UPLOADCARE".into()),
    ] {
        assert_eq!(shown.pointer(pointer), Some(&value), "{pointer}");
    }
    for path in ["/configz", "/version", "/metrics", "/livez", "/readyz"] {
        let told = format!("{:?}", daemon.admin(path));
        for secret in SECRETS.iter().map(|(_, secret)| *secret).chain(["a-value-that-may-be-secret"]) {
            assert!(!told.contains(secret), "{path} tells {secret}");
        }
    }
}

#[test]
fn it_takes_no_command() {
    let daemon = unready();
    for path in ["/configz", "/version", "/metrics", "/livez", "/readyz"] {
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(request(daemon.admin, method, path, &[], b"{}").status, 405, "{method} {path}");
        }
        assert_ne!(request(daemon.webhooks, "GET", path, &[], b"").status, 200, "{path} on the webhook port");
    }
}
