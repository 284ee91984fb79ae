//! Wrong ports and wrong credentials: `hookgate check --cluster` says in one sentence what is wrong, and which key of Hookgate to change.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

use crate::{
    secured::{brokers, tls},
    support::{Site, plain, prefix, variable},
};

/// Properties that librdkafka's own messages recommend. Hookgate sets or refuses them, so its messages must not name them.
const FOREIGN: [&str; 5] =
    ["ssl.ca.location", "receive.message.max.bytes", "security.protocol", "ssl.key.location", "api.version.request"];

/// Returns an address with the port number increased.
fn above(address: &str, ports: u16) -> String {
    let (host, port) = address.rsplit_once(':').unwrap();
    format!("{host}:{}", port.parse::<u16>().unwrap() + ports)
}

fn user(mechanism: &str) -> String {
    format!("[kafka.sasl]\nmechanism = \"{mechanism}\"\nusername = \"writer\"\npassword = \"env:KAFKA_WRITER_PASSWORD\"\n")
}

fn check(kafka: &str, code: i32, expected: &[&str]) {
    let tables = format!("{kafka}[topics]\nprefix = \"{}\"\npartitions = 1\nreplication = 1\n", prefix("hookgate."));
    let checked = Site::new(&tables).run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(code), "{kafka}{checked:?}");
    let problems: Vec<&str> = checked.stdout.lines().filter(|line| line.starts_with("problem: ")).collect();
    let found = problems.iter().any(|line| expected.iter().all(|text| line.contains(text)));
    assert!(found, "{kafka}no {expected:?} in {problems:?}");
    for foreign in FOREIGN {
        assert!(!checked.stdout.contains(foreign), "{kafka}{foreign} in {problems:?}");
    }
    // No broker answers, which is one problem.
    assert!(code != 1 || problems.len() == 1, "{kafka}{problems:?}");
}

/// Starts a server that answers a Kafka client as a web server does, until the test ends. Returns its address.
fn web_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _request = stream.read(&mut [0; 1024]);
            let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    address
}

/// Forwards connections from a new port of one address to another address, until the test ends. Returns the new address.
fn forwarded(from: &str, to: &str) -> String {
    let (listener, to) = (TcpListener::bind((from, 0)).unwrap(), to.to_owned());
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect(&*to).unwrap();
            for (mut from, mut into) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                thread::spawn(move || {
                    let _ended = io::copy(&mut from, &mut into);
                    let _closed = into.shutdown(Shutdown::Both);
                });
            }
        }
    });
    address
}

#[test]
fn a_wrong_port_is_named() {
    let plaintext = |broker: &str| format!("[kafka]\nbrokers = [\"{broker}\"]\n");
    check(&plaintext(&web_server()), 1, &["speaks HTTP, not Kafka", "[kafka] brokers"]);
    check(&plaintext(&above(&plain(), 1)), 1, &["no broker, probably the controller", "[kafka] brokers"]);
    check(&plaintext("127.0.0.1:1"), 1, &["127.0.0.1:1", "nothing listens at this port"]);
    check(&plaintext("no-such-host.invalid:9092"), 1, &["no-such-host.invalid:9092 is not known"]);
    check(&plaintext(&brokers()), 1, &["wants TLS", "security = \"tls\""]);
    check(&tls(&plain(), ""), 1, &["does not speak TLS", "security = \"plaintext\""]);
    check(&tls(&web_server(), ""), 1, &["does not speak TLS"]);
}

#[test]
fn wrong_credentials_are_named() {
    let sasl = format!("[kafka]\nbrokers = [\"{}\"]\n{}", plain(), user("SCRAM-SHA-512"));
    check(&sasl, 1, &["takes no SASL", "take [kafka.sasl] out"]);
    check(&tls(&brokers(), ""), 1, &["(SASL)", "write [kafka.sasl] with mechanism, username and password"]);
    let password = user("SCRAM-SHA-256").replace("WRITER", "READER");
    check(&tls(&brokers(), &password), 1, &["the user \"writer\"", "[kafka.sasl] username or password"]);
    check(&tls(&variable("KAFKA_BROKERS_MTLS"), ""), 1, &["wants a certificate of the client", "certificate_file and key_file"]);
}

#[test]
fn a_certificate_that_is_refused_says_why() {
    let sasl = user("SCRAM-SHA-512");
    // The certificate of the broker is for 127.0.0.1 and localhost. This test reaches the broker at another address.
    check(
        &tls(&forwarded("127.0.0.2", &brokers()), &sasl),
        1,
        &["certificate is for", "localhost", "not for 127.0.0.2", "[kafka] brokers"],
    );
    let system = format!("[kafka]\nbrokers = [\"{}\"]\nsecurity = \"tls\"\n{sasl}", brokers());
    check(&system, 1, &["Hookgate test authority", "not one that the system trusts", "[kafka.tls] ca_file"]);
    let other = tls(&brokers(), &sasl).replace(&variable("KAFKA_CA"), &variable("KAFKA_WRITER_CERTIFICATE"));
    check(&other, 1, &["Hookgate test authority", "is not in [kafka.tls] ca_file"]);
}

/// A typo in one of several brokers leads to a warning, because the others still work.
#[test]
fn one_wrong_broker_of_two_leads_to_a_warning() {
    let kafka = format!("[kafka]\nbrokers = [\"127.0.0.1:1\", \"{}\"]\n", plain());
    let site = Site::new(&format!("{kafka}[topics]\nprefix = \"{}\"\npartitions = 1\nreplication = 1\n", prefix("")));
    site.create_topics();
    let checked = site.run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let warned = checked.stdout.lines().find(|line| line.starts_with("warning: ") && line.contains("127.0.0.1:1"));
    assert!(warned.is_some_and(|line| line.contains("nothing listens")), "{checked:?}");
    assert_eq!(site.run(&["check", "--cluster", "--strict"]).code, Some(3));
}

/// librdkafka chooses an address by chance. An address that is not of a broker leads to a warning, and everything else works.
#[test]
fn a_wrong_address_beside_a_broker_is_only_a_warning() {
    let (controller, prefix) = (above(&plain(), 1), prefix(""));
    let site = |brokers: &[&str]| {
        let topics = format!("[topics]\nprefix = \"{prefix}\"\npartitions = 1\nreplication = 1\n");
        Site::new(&format!("[kafka]\nbrokers = {brokers:?}\n{topics}"))
    };
    site(&[&plain()]).create_topics();
    let check = |brokers: &[&str], runs: usize, wrong: &str, why: &str| {
        let site = site(brokers);
        for _ in 0..runs {
            let checked = site.run(&["check", "--cluster"]);
            assert_eq!(checked.code, Some(0), "{brokers:?}: {checked:?}");
            let about = |line: &&str| line.starts_with("warning: ") && line.contains("[kafka] brokers");
            let warnings: Vec<&str> = checked.stdout.lines().filter(about).collect();
            let [warning] = *warnings else { panic!("{brokers:?}: {checked:?}") };
            assert!(warning.contains(wrong) && warning.contains(why) && !warning.contains(&plain()), "{brokers:?}: {warning}");
        }
        for command in [&["topics", "--apply"][..], &["tail", "--last", "1", "--exit"]] {
            let ran = site.run(command);
            assert_eq!(ran.code, Some(0), "{brokers:?}: {ran:?}");
            assert!(ran.stderr.contains(why) && ran.stderr.contains(wrong), "{brokers:?}: {ran:?}");
        }
    };
    let web = web_server();
    check(&[&plain(), &controller], 6, &controller, "no broker, probably the controller");
    check(&[&controller, &plain()], 6, &controller, "no broker, probably the controller");
    check(&[&plain(), &web], 1, &web, "speaks HTTP, not Kafka");
    check(&["127.0.0.1:1", &plain()], 1, "127.0.0.1:1", "nothing listens at this port");
    // Without any usable address, each address is reported.
    let checked = site(&[&controller, &web]).run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let problems: Vec<&str> = checked.stdout.lines().filter(|line| line.starts_with("problem: ")).collect();
    assert!(problems.len() == 2 && problems[0].contains(&controller) && problems[1].contains(&web), "{checked:?}");
}
