//! Kafka's credentials change while deliveries arrive. No delivery is refused, no matter which side gets the new credentials first.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use crate::{
    harness::{keep_secret, wait_until},
    secured::{Topics, brokers, tls},
    support::{Served, consume, scan, script, variable},
};

pub const IN_FORCE: &[&str] = &["kafka's changed credentials are in force"];
pub const NOT_YET: &str = "kafka's changed credentials do not work yet";

/// Delivers all the time while `act` runs. Checks that every delivery is answered 200 and is on the topic once.
pub fn under_load(topics: &Topics, daemon: &Served, act: impl FnOnce()) {
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let sender = || {
        while !stop.load(Ordering::SeqCst) {
            let answer = daemon.deliver("filesafety", &scan(&format!("load-{}", sent.fetch_add(1, Ordering::SeqCst))));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    let more = || {
        let before = sent.load(Ordering::SeqCst);
        wait_until("more traffic", || sent.load(Ordering::SeqCst) > before + 50);
    };
    thread::scope(|scope| {
        let senders = [scope.spawn(sender), scope.spawn(sender)];
        // If `act` fails, the senders must end nevertheless.
        let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            more();
            act();
            more();
        }));
        stop.store(true, Ordering::SeqCst);
        for sender in senders {
            sender.join().unwrap();
        }
        acted.unwrap();
    });
    let (brokers, ca, password) = (brokers(), variable("KAFKA_CA"), variable("KAFKA_READER_PASSWORD"));
    let mut arguments = vec!["--brokers", &brokers, "--prefix", &topics.prefix, "--security", "sasl_ssl", "--ca", &ca];
    arguments.extend(["--sasl-mechanism", "SCRAM-SHA-256", "--username", "reader", "--password", &password]);
    assert_eq!(consume(&arguments).len(), sent.load(Ordering::SeqCst));
}

#[test]
fn a_changed_password_is_used_under_load() {
    let (topics, user) = (Topics::create(), "rotating");
    let passwords = ["first-of-rotating", "second-of-rotating"];
    passwords.into_iter().for_each(keep_secret);
    let port = brokers().rsplit(':').next().unwrap().to_owned();
    let tool =
        |arguments: &[&str]| script("scripts/kafka/broker", &[&["tool", "--secured", "--port", &port], arguments].concat());
    let at_the_broker = |password: &str| {
        let change = format!("SCRAM-SHA-512=[password={password}]");
        tool(&["kafka.admin.ConfigCommand", "--alter", "--add-config", &change, "--entity-type", "users", "--entity-name", user]);
    };
    at_the_broker(passwords[0]);
    let (allowed, pattern) = (format!("User:{user}"), ["--resource-pattern-type", "prefixed", "--topic", &topics.prefix]);
    let grant = ["AclCommand", "--add", "--allow-principal", &allowed, "--operation", "Write", "--operation", "Describe"];
    tool(&[&grant[..], &pattern[..]].concat());

    let sasl = format!("[kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"{user}\"\npassword = \"file:password\"\n");
    let site = topics.site(&tls(&brokers(), &sasl));
    site.write("password", passwords[0]);
    let daemon = site.serve();
    daemon.wait_until_ready();
    under_load(&topics, &daemon, || {
        // The daemon gets the new password before the broker.
        site.write("password", passwords[1]);
        daemon.wait_for_line(&[NOT_YET, "no broker lets them in"]);
        at_the_broker(passwords[1]);
        daemon.wait_for_line(IN_FORCE);
    });
    assert_eq!(daemon.lines(IN_FORCE), 1);
}

/// Makes a certificate and a key for a client, signed by the authority of the brokers.
fn certificate(user: &str) -> (Vec<u8>, Vec<u8>) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(crate::support::prefix("certificate-"));
    std::fs::create_dir_all(&folder).unwrap();
    let ca = variable("KAFKA_CA");
    let key = ca.replace("ca.crt", "ca.key");
    let make = "openssl req -newkey rsa:2048 -nodes -keyout key -out request -subj \"/CN=$1\" && \
                openssl x509 -req -in request -CA \"$2\" -CAkey \"$3\" -days 30 -out certificate";
    let output = Command::new("sh").args(["-ec", make, "sh", user, &ca, &key]).current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let pair = (read("certificate"), read("key"));
    std::fs::remove_dir_all(&folder).unwrap();
    pair
}

#[test]
fn a_changed_certificate_key_or_authority_is_used_under_load() {
    let topics = Topics::create();
    let files = "certificate_file = \"client.crt\"\nkey_file = \"client.key\"\n";
    let kafka = tls(&variable("KAFKA_BROKERS_MTLS"), files).replace(&variable("KAFKA_CA"), "ca.crt");
    let site = topics.site(&kafka);
    let authority = std::fs::read(variable("KAFKA_CA")).unwrap();
    let ((first, first_key), (second, second_key), (strange, strange_key)) =
        (certificate("writer"), certificate("writer"), certificate("stranger"));
    for (name, content) in [("ca.crt", &authority), ("client.crt", &first), ("client.key", &first_key)] {
        site.write(name, content);
    }
    let daemon = site.serve();
    daemon.wait_until_ready();
    for used in ["kafka_client", "kafka_authority"] {
        let series = format!("hookgate_certificate_expiry_timestamp_seconds{{use=\"{used}\"}} ");
        assert!(daemon.metrics().contains(&series), "no {series}");
    }
    under_load(&topics, &daemon, || {
        site.write("client.crt", &second);
        // The key does not belong to the new certificate yet.
        daemon.wait_for_line(&[NOT_YET, "librdkafka"]);
        site.write("client.key", &second_key);
        daemon.wait_for_line(IN_FORCE);

        site.write("client.key", &strange_key);
        site.write("client.crt", &strange);
        daemon.wait_for_line(&[NOT_YET, "is not visible with them"]);
        site.write("ca.crt", "no certificate");
        site.write("client.key", &second_key);
        site.write("client.crt", &second);
        let not_yet = daemon.lines(&[NOT_YET]);
        wait_until("no authority", || daemon.lines(&[NOT_YET]) > not_yet);
        assert_eq!(daemon.lines(IN_FORCE), 1);
        site.write("ca.crt", [&authority[..], &authority[..]].concat());
        wait_until("the authority in force", || daemon.lines(IN_FORCE) == 2);
    });
}
