use super::*;
use crate::{config, kafka::librdkafka_version};

/// Returns a configuration with these lines under `[kafka]`.
fn kafka(lines: &str) -> Kafka {
    let text = format!(
        "[kafka]\nbrokers = [\"kafka:9092\"]\n{lines}\n[topics]\n[endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:S\"]\n"
    );
    let environment = [("S", "a-secret")].into_iter().collect();
    config::parse(&text, "a.toml", &environment, &[]).unwrap_or_else(|problems| panic!("{problems}")).kafka
}

/// The texts are those of this version. At another one, look at the sources of librdkafka (`rdkafka_broker.c`, `rdkafka_ssl.c`, `rdkafka_sasl.c`)
/// for each text of the table, run the tests against a real Kafka, and then change the number here.
#[test]
fn the_texts_are_those_of_the_version_that_is_linked() {
    assert_eq!(librdkafka_version(), "2.12.1");
}

/// A broker that hangs, a proxy without its server, a listener that waits for TLS: nobody can say which one it is.
#[test]
fn a_port_that_never_answers_is_not_explained_as_tls_alone() {
    for kafka in [kafka(""), kafka("security = \"tls\"")] {
        for text in [
            "b:1/bootstrap: ApiVersionRequest failed: Local: Timed out: probably due to broker version < 0.10 (see api.version.request configuration) (after 10007ms in state APIVERSION_QUERY)",
            "ssl://b:1/bootstrap: Connection setup timed out in state SSL_HANDSHAKE (after 30029ms in state SSL_HANDSHAKE)",
            "b:1/1: Connection setup timed out in state APIVERSION_QUERY (after 30029ms in state APIVERSION_QUERY)",
            "b:1/1: 2 request(s) timed out: disconnect (average rtt 1.000ms) (after 61012ms in state UP)",
        ] {
            check(&kafka, text, &["accepts the connection and does not answer", "another reason is TLS"]);
            let meaning = meaning(&kafka, None, text).expect("known");
            assert!(!meaning.contains("closes") && !meaning.contains("firewall"), "{meaning}");
        }
        check(&kafka, "b:1/1: Connection setup timed out in state CONNECT (after 30029ms in state CONNECT)", &["nobody answers"]);
    }
}

/// Checks that the meaning of a text has these parts, and names librdkafka's properties only in the quotation.
#[track_caller]
fn check(kafka: &Kafka, text: &str, expected: &[&str]) {
    let meaning = meaning(kafka, None, text).unwrap_or_else(|| panic!("unknown: {text}"));
    assert!(is_known(text), "{text}");
    for part in expected {
        assert!(meaning.contains(part), "no {part:?} in {meaning:?}");
    }
    for foreign in ["ssl.ca.location", "receive.message", "security.protocol", "ssl.key.location", "api.version"] {
        let (sentence, _) = meaning.split_once(" (librdkafka: ").unwrap_or((&meaning, ""));
        assert!(!sentence.contains(foreign), "{foreign} in {meaning:?}");
    }
}

#[test]
fn a_text_is_said_in_our_keys() {
    let (plain, tls) = (kafka(""), kafka("security = \"tls\""));
    let sasl = kafka("sasl = {mechanism = \"SCRAM-SHA-512\", username = \"writer\", password = \"env:S\"}");
    let response = |size: i32| {
        format!("b:1/bootstrap: Receive failed: Invalid response size {size} (0..100000000): increase receive.message.max.bytes")
    };
    check(&plain, &response(1_213_486_160), &["speaks HTTP", "[kafka] brokers"]);
    check(&plain, &response(352_518_912), &["wants TLS", "security = \"tls\""]);
    check(&plain, &response(1_397_966_893), &["is not Kafka", "[kafka] brokers"]);
    check(
        &plain,
        "b:1/bootstrap: Disconnected: requesting ApiVersion: might be caused by incorrect security.protocol configuration (connecting to a SSL listener?) or broker version is < 0.10 (see api.version.request) (after 2ms in state APIVERSION_QUERY)",
        &["wants TLS", "security = \"tls\"", "(librdkafka: b:1/bootstrap: Disconnected)"],
    );
    check(
        &tls,
        "ssl://b:1/1: Disconnected: verify that security.protocol is correctly configured, broker might require SASL authentication (after 1ms in state UP)",
        &["[kafka.sasl]", "mechanism, username and password"],
    );
    check(
        &tls,
        "ssl://b:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified, verify that ssl.ca.location is correctly configured or root CA certificates are installed (install ca-certificates package) (after 9ms in state SSL_HANDSHAKE)",
        &["[kafka.tls] ca_file", "not one that the system trusts"],
    );
    let closed =
        "b:1/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 2ms in state APIVERSION_QUERY)";
    check(&plain, closed, &["wants TLS", "security = \"tls\""]);
    check(&tls, closed, &["wants a certificate of the client"]);
    let closed = "ssl://b:1/bootstrap: Disconnected: SSL connection closed by peer (after 0ms in state UP)";
    check(&tls, closed, &["(SASL)", "[kafka.sasl] with mechanism, username and password"]);
    check(&sasl, closed, &["its log says why"]);
}

#[test]
fn a_text_of_tls_or_sasl_is_said_in_our_keys() {
    let (plain, tls) = (kafka(""), kafka("security = \"tls\""));
    let sasl = kafka("sasl = {mechanism = \"SCRAM-SHA-512\", username = \"writer\", password = \"env:S\"}");
    let closed = "ssl://b:1/bootstrap: SSL handshake failed: Disconnected: connection closed by peer: connecting to a PLAINTEXT broker listener? (after 1ms in state SSL_HANDSHAKE)";
    check(&tls, closed, &["does not speak TLS", "security = \"plaintext\""]);
    let version = "ssl://b:1/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong version number (after 1ms in state SSL_HANDSHAKE)";
    check(&tls, version, &["does not speak TLS"]);
    let alert = "ssl://b:1/1: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42 (after 8ms in state APIVERSION_QUERY)";
    check(&tls, alert, &["wants a certificate of the client", "certificate_file and key_file"]);
    let none = "SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Request not valid in current SASL state: broker's supported mechanisms:  (after 3ms in state AUTH_HANDSHAKE)";
    check(&sasl, none, &["takes no SASL", "take [kafka.sasl] out"]);
    let other = "SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN,OAUTHBEARER (after 3ms in state AUTH_HANDSHAKE)";
    check(&sasl, other, &["does not take SCRAM-SHA-512", "one of PLAIN, OAUTHBEARER as [kafka.sasl] mechanism"]);
    let refused = "SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 5ms in state AUTH_REQ)";
    check(&sasl, refused, &["the user \"writer\"", "[kafka.sasl] username or password"]);
    check(
        &plain,
        "kafka:9092/bootstrap: Failed to resolve 'kafka:9092': Name or service not known",
        &["kafka:9092 is not known"],
    );
    check(
        &plain,
        "b:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
        &["nothing listens"],
    );
    check(&plain, "b:1/bootstrap: Connection setup timed out in state CONNECT (after 30029ms in state CONNECT)", &["firewall"]);
    check(
        &tls,
        "Client creation error: ssl.ca.location failed: No further error information available",
        &["ca_file", "holds no certificate as PEM"],
    );
    check(&tls, "Client creation error: ssl.key.location failed: error:1E08010C:DECODER routines::unsupported", &["key_file"]);
}

#[test]
fn other_texts_pass_through() {
    for text in ["", "b:1/1: Something that nobody has seen", "1/1 brokers are down"] {
        assert_eq!(meaning(&kafka(""), None, text), None, "{text}");
        assert!(!is_known(text), "{text}");
    }
}

#[test]
fn the_address_of_a_complaint() {
    let check = |text: &str, expected: Option<&str>| assert_eq!(address(text), expected, "{text}");
    check("sasl_ssl://kafka-1:9092/bootstrap: SSL handshake failed: x", Some("kafka-1:9092"));
    check("ssl://[::1]:9092/7: x", Some("[::1]:9092"));
    check("kafka-1:9092/7: x", Some("kafka-1:9092"));
    check("1/1 brokers are down", None);
}
