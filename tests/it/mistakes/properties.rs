//! Properties and TLS files that librdkafka refuses. All of them are reported at once, each with its line and the key of Hookgate.

use super::*;
use crate::tls;

/// Checks the problems of a configuration with these lines under `[kafka]`, the first of them in line 2. Every problem is one line and
/// begins as expected.
#[track_caller]
fn check_all(what: &str, lines: &str, files: &[(&str, &str)], expected: &[&str]) {
    let folder = Folder::new();
    for (name, content) in files {
        folder.write(name, content);
    }
    folder.write("hookgate.toml", GOOD.replacen("[kafka]\n", &format!("[kafka]\n{lines}\n"), 1));
    for arguments in [&["check"][..], &["serve", "--log-format", "text"]] {
        let finished = run(&folder, &[], arguments);
        assert_eq!(finished.code, Some(64), "{what}: {finished:?}");
        let problems: Vec<&str> = finished.err.trim_start_matches("hookgate: ").lines().collect();
        assert_eq!(problems.len(), expected.len(), "{what}: {problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{what}: {problem:?} does not begin with {expected:?}");
            assert!(!problem.contains("hunter"), "{what} shows a value: {problem}");
        }
    }
}

#[test]
fn files_and_lists_of_tls_come_with_everything_else() {
    let pair = tls::pair();
    let files = [("blank.pem", "\n"), ("ca.pem", &*pair.certificate), ("k.pem", &*pair.key), ("other.pem", &*tls::pair().key)];
    let of_certificate = "holds no certificate as PEM; `openssl x509";
    let of_key = "holds no private key as PEM without a password, or not that of certificate_file";
    let lines = |ca: &str, certificate: &str, key: &str| {
        format!(
            "security = \"tls\"\ntls.ca_file = \"{ca}\"\ntls.certificate_file = \"{certificate}\"\ntls.key_file = \"{key}\"\n\
             properties.\"ssl.cipher.suites\" = \"hunter\"\nproperties.\"ssl.curves.list\" = \"hunter\"\nlinger = 5"
        )
    };
    let others = [
        "hookgate.toml:6: [kafka.properties] ssl.cipher.suites: librdkafka refuses it: ",
        "hookgate.toml:7: [kafka.properties] ssl.curves.list: librdkafka refuses it: ",
        "hookgate.toml:8: [kafka] linger: ",
    ];
    let check = |ca: &str, certificate: &str, key: &str, of_files: &[String]| {
        let expected: Vec<&str> = of_files.iter().map(String::as_str).chain(others).collect();
        check_all(&format!("{ca} {certificate} {key}"), &lines(ca, certificate, key), &files, &expected);
    };
    let problem =
        |line: u32, key: &str, file: &str, what: &str| format!("hookgate.toml:{line}: [kafka.tls] {key}: \"{file}\" {what}");
    check(
        "blank.pem",
        "k.pem",
        "ca.pem",
        &[
            problem(3, "ca_file", "blank.pem", of_certificate),
            problem(4, "certificate_file", "k.pem", of_certificate),
            problem(5, "key_file", "ca.pem", of_key),
        ],
    );
    check("ca.pem", "ca.pem", "other.pem", &[problem(5, "key_file", "other.pem", of_key)]);
    check("ca.pem", "blank.pem", "k.pem", &[problem(4, "certificate_file", "blank.pem", of_certificate)]);
    check("nowhere", "ca.pem", "k.pem", &[problem(3, "ca_file", "nowhere", "cannot be read: no such file")]);
    check("ca.pem", "ca.pem", "k.pem", &[]);
}

#[test]
fn properties_of_java_and_advice_of_librdkafka() {
    let of_java = "is of Kafka's Java clients; use ";
    for (property, expected) in [
        ("\"buffer.memory\" = 1", format!("buffer.memory: {of_java}[kafka] queue_bytes")),
        ("\"max.request.size\" = 1", format!("max.request.size: {of_java}[topics] max_message_bytes, and [http] max_body_bytes")),
        ("\"max.block.ms\" = 1", format!("max.block.ms: {of_java}[kafka] publish_timeout")),
        (
            "\"ssl.truststore.location\" = \"/hunter\"",
            format!("ssl.truststore.location: {of_java}[kafka.tls] ca_file, a PEM file"),
        ),
        (
            "\"ssl.truststore.password\" = \"hunter\"",
            format!("ssl.truststore.password: {of_java}[kafka.tls] ca_file, a PEM file"),
        ),
        (
            "\"ssl.keystore.location\" = \"/hunter\"",
            "ssl.keystore.location: is not passed through: use [kafka.tls] key_file".into(),
        ),
        ("\"batch.num.messages\" = -1", "batch.num.messages: librdkafka refuses it: ".into()),
        ("\"no.such.property\" = \"hunter\"", "no.such.property: librdkafka refuses it: ".into()),
    ] {
        let expected = format!("hookgate.toml:2: [kafka.properties] {expected}");
        check_all(property, &format!("properties.{property}"), &[], &[&expected]);
    }
}
