//! What counts as a change of Kafka's credentials.

use std::fs;

use super::*;
use crate::config::credentials::{CertificateEnds, Credentials};

fn with_kafka(kafka: &str) -> Kafka {
    accept(&MINIMAL.replacen("[kafka]\n", &format!("[kafka]\n{kafka}\n"), 1), &[], &[]).kafka
}

#[test]
fn only_files_can_change() {
    assert!(Credentials::of(&with_kafka("")).is_none());
    assert!(Credentials::of(&with_kafka("security = \"tls\"")).is_none());
    let sasl = "sasl = {mechanism = \"SCRAM-SHA-512\", username = \"u\", password = \"env:AVATARS_TOKEN\"}";
    assert!(Credentials::of(&with_kafka(sasl)).is_none());
}

#[test]
fn each_file_counts() {
    let directory = directory("credentials");
    let path = |name: &str| directory.join(name).display().to_string();
    let names = ["password", "ca", "certificate", "key"];
    for name in names {
        fs::write(path(name), format!("the {name}\n")).unwrap();
    }
    let kafka = with_kafka(&format!(
        "security = \"tls\"\ntls = {{ca_file = '{}', certificate_file = '{}', key_file = '{}'}}\n\
         sasl = {{mechanism = \"PLAIN\", username = \"u\", password = 'file:{}'}}",
        path("ca"),
        path("certificate"),
        path("key"),
        path("password")
    ));
    let credentials = Credentials::of(&kafka).unwrap();
    let read = || credentials.read().unwrap().fingerprint;
    let at_start = credentials.in_force(&kafka).unwrap().fingerprint;
    assert_eq!(read(), at_start);
    for name in names {
        let before = read();
        fs::write(path(name), format!("another {name}\n")).unwrap();
        assert_ne!(read(), before, "{name}");
        fs::write(path(name), format!("the {name}\n")).unwrap();
        assert_eq!(read(), at_start, "{name}, as it was");
    }
    // The fingerprint distinguishes the end of a file from the beginning of the next one.
    fs::write(path("certificate"), "the certificate\nthe ").unwrap();
    fs::write(path("key"), "key\n").unwrap();
    assert_ne!(read(), at_start);

    fs::write(path("password"), "hunter-new\r\n").unwrap();
    let reading = credentials.read().unwrap();
    assert_eq!(reading.applied_to(&kafka).sasl.unwrap().secret().unwrap().reveal(), "hunter-new");
    assert!(!format!("{reading:?}").contains("hunter"), "{reading:?}");
    assert_eq!(credentials.in_force(&kafka).unwrap().fingerprint, credentials.in_force(&kafka).unwrap().fingerprint);
    for (name, content, fault) in [
        ("password", Some(""), "is empty"),
        ("password", Some(" \n"), "is empty but for blanks, quotes, line ends or a name"),
        ("password", Some(" hunter"), "which the Kafka client removes, so it would log in with another text; remove it"),
        ("key", None, "cannot be read: no such file"),
    ] {
        match content {
            Some(content) => fs::write(path(name), content).unwrap(),
            None => fs::remove_file(path(name)).unwrap(),
        }
        let error = credentials.read().expect_err("read");
        assert!(error.contains(&path(name)) && error.ends_with(fault), "{error}");
        fs::write(path(name), "again").unwrap();
    }
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_client_secret_and_the_issuers_authorities_count() {
    let directory = directory("client-secret");
    let path = |name: &str| directory.join(name).display().to_string();
    for name in ["secret", "ca"] {
        fs::write(path(name), "first").unwrap();
    }
    let kafka = with_kafka(&format!(
        "security = \"tls\"\nsasl = {{mechanism = \"OAUTHBEARER\", token_url = \"https://issuer.example/\", client_id = \"u\", \
         client_secret = 'file:{}', token_ca_file = '{}'}}",
        path("secret"),
        path("ca")
    ));
    let credentials = Credentials::of(&kafka).unwrap();
    let at_start = credentials.in_force(&kafka).unwrap().fingerprint;
    for name in ["secret", "ca"] {
        fs::write(path(name), "hunter-new").unwrap();
        let reading = credentials.read().unwrap();
        assert_ne!(reading.fingerprint, at_start, "{name}");
        assert_eq!(
            reading.applied_to(&kafka).sasl.unwrap().secret().unwrap().reveal(),
            fs::read_to_string(path("secret")).unwrap()
        );
        fs::write(path(name), "first").unwrap();
    }
    assert_eq!(credentials.read().unwrap().fingerprint, at_start);
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_first_of_a_chain_and_the_last_of_the_authorities_end() {
    let directory = directory("ends");
    let path = |name: &str| directory.join(name).display().to_string();
    let until = |year: i32| {
        let mut parameters = rcgen::CertificateParams::new(["a".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    };
    fs::write(path("chain"), until(2050) + &until(2040)).unwrap();
    fs::write(path("ca"), until(2030) + &until(2060)).unwrap();
    fs::write(path("nothing"), "nothing").unwrap();
    let check = |tls: &str, client: Option<i32>, authorities: Option<i32>| {
        let ends = CertificateEnds::of(&with_kafka(&format!("security = \"tls\"\ntls = {{{tls}}}")));
        let time = |year: i32| rcgen::date_time_ymd(year, 1, 1).into();
        assert_eq!(ends, CertificateEnds { client: client.map(time), authorities: authorities.map(time) }, "{tls}");
    };
    let (chain, ca, nothing) = (path("chain"), path("ca"), path("nothing"));
    check("", None, None);
    check(&format!("ca_file = '{ca}'"), None, Some(2060));
    check(&format!("certificate_file = '{chain}', key_file = '{nothing}'"), Some(2040), None);
    check(&format!("ca_file = '{ca}', certificate_file = '{nothing}', key_file = '{nothing}'"), None, Some(2060));
    fs::remove_dir_all(&directory).unwrap();
}
