//! TLS, SASL and permissions: what works, and that what does not says why.

use std::{collections::BTreeSet, thread};

use crate::{
    harness::{keep_secret, wait_until},
    providers::names,
    support::{Site, assert_503, assert_kept_out, consume, one_topic_per_provider, prefix, scan, script, variable},
};

/// A secured test's topics; the brokers' permissions cover what begins with `hookgate.`.
pub struct Topics {
    pub prefix: String,
}

impl Topics {
    /// Makes a prefix of its own and creates the topics as an administrator.
    pub fn create() -> Self {
        let topics = Self { prefix: prefix("hookgate.") };
        topics.site(&sasl("SCRAM-SHA-512", "admin", "KAFKA_ADMIN_PASSWORD")).create_topics();
        topics
    }

    /// A site that reaches the brokers like this.
    pub fn site(&self, kafka: &str) -> Site {
        Site::new(&self.tables(kafka))
    }

    /// The tables of such a site.
    pub fn tables(&self, kafka: &str) -> String {
        let Self { prefix } = self;
        let map = one_topic_per_provider(prefix);
        format!("{kafka}[topics]\nprefix = \"{prefix}\"\npartitions = 1\nreplication = 1\n{map}")
    }
}

pub fn brokers() -> String {
    variable("HOOKGATE_TEST_KAFKA_SECURED")
}

/// `[kafka]` with TLS, trusting the brokers' authority.
pub fn tls(brokers: &str, more: &str) -> String {
    let ca = variable("KAFKA_CA");
    format!("[kafka]\nbrokers = [\"{brokers}\"]\nsecurity = \"tls\"\n[kafka.tls]\nca_file = \"{ca}\"\n{more}")
}

/// `[kafka]` with TLS and a user, whose password is in a variable.
fn sasl(mechanism: &str, user: &str, password: &str) -> String {
    tls(&brokers(), &credentials(mechanism, user, password))
}

fn credentials(mechanism: &str, user: &str, password: &str) -> String {
    keep_secret(&variable(password));
    format!("[kafka.sasl]\nmechanism = \"{mechanism}\"\nusername = \"{user}\"\npassword = \"env:{password}\"\n")
}

const MECHANISMS: [&str; 3] = ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"];

#[test]
fn each_way_to_log_in_delivers() {
    let topics = Topics::create();
    let check = |name: &str, kafka: &str| {
        let daemon = topics.site(kafka).serve();
        daemon.wait_until_ready();
        let answer = daemon.deliver("filesafety", &scan(name));
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    };
    for mechanism in MECHANISMS {
        check(mechanism, &sasl(mechanism, "writer", "KAFKA_WRITER_PASSWORD"));
    }
    let (certificate, key) = (variable("KAFKA_WRITER_CERTIFICATE"), variable("KAFKA_WRITER_KEY"));
    let files = format!("certificate_file = \"{certificate}\"\nkey_file = \"{key}\"\n");
    check("certificate", &tls(&variable("KAFKA_BROKERS_MTLS"), &files));

    let (brokers, ca, password) = (brokers(), variable("KAFKA_CA"), variable("KAFKA_READER_PASSWORD"));
    let records = consume(&[
        "--brokers",
        &brokers,
        "--prefix",
        &topics.prefix,
        "--security",
        "sasl_ssl",
        "--sasl-mechanism",
        "SCRAM-SHA-256",
        "--username",
        "reader",
        "--password",
        &password,
        "--ca",
        &ca,
    ]);
    let keys: BTreeSet<&str> = records.iter().map(|record| record["key"].as_str().unwrap()).collect();
    assert_eq!(keys, MECHANISMS.into_iter().chain(["certificate"]).collect());
}

#[test]
fn a_broker_that_cannot_be_used_is_a_503_and_the_cause_is_told() {
    let topics = Topics { prefix: prefix("hookgate.") };
    let check = |kafka: &str, cause: &str| assert_kept_out(&topics.site(kafka), cause);
    let untrusted = format!("[kafka]\nbrokers = [\"{}\"]\nsecurity = \"tls\"\n", brokers());
    let untrusted = untrusted + &credentials("SCRAM-SHA-512", "writer", "KAFKA_WRITER_PASSWORD");
    let wrong_password = MECHANISMS.map(|mechanism| sasl(mechanism, "writer", "KAFKA_READER_PASSWORD"));
    let unknown_user = sasl("SCRAM-SHA-512", "nobody", "KAFKA_WRITER_PASSWORD");
    // Each waits for a time-out of its own.
    thread::scope(|scope| {
        for kafka in wrong_password.iter().chain([&unknown_user]) {
            scope.spawn(|| check(kafka, "uthentication failed"));
        }
        scope.spawn(|| check(&untrusted, "certificate verify failed"));
    });
}

/// A port that wants TLS closes other connections without a word, so that only a hint can be given.
#[test]
fn a_port_that_speaks_something_else_is_hinted_at() {
    let topics = Topics { prefix: prefix("hookgate.") };
    let checked = topics.site(&format!("[kafka]\nbrokers = [\"{}\"]\n", brokers())).run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("it probably wants TLS: write security = \"tls\" under [kafka]"), "{checked:?}");
}

/// Gives the user `stranger` these permissions on what the pattern says.
fn grant(operations: &[&str], pattern: &[&str]) {
    let port = brokers().rsplit(':').next().unwrap().to_owned();
    let mut arguments = vec!["tool", "--secured", "--port", &port, "AclCommand", "--add"];
    arguments.extend(["--allow-principal", "User:stranger"]);
    for operation in operations {
        arguments.extend(["--operation", operation]);
    }
    arguments.extend(pattern);
    script("scripts/kafka/broker", &arguments);
}

/// Whether topics keep what they acknowledge cannot be known without their settings, and is not guessed.
#[test]
fn settings_that_may_not_be_read_are_unknown_until_they_may() {
    let topics = Topics::create();
    let all = ["--resource-pattern-type", "prefixed", "--topic", &topics.prefix];
    grant(&["Describe"], &all);
    let daemon = topics.site(&sasl("SCRAM-SHA-512", "stranger", "KAFKA_STRANGER_PASSWORD")).serve();
    let unread = ["WARN", "the settings of topics may not be read", &format!("{}filesafety", topics.prefix)];
    daemon.wait_for_line(&unread);
    let topics_of = |guarantee: &str| {
        let name = format!("hookgate_topics_guarantee{{guarantee=\"{guarantee}\"}} ");
        let number = daemon.metrics().lines().find_map(|line| line.strip_prefix(&name).map(ToOwned::to_owned));
        number.unwrap_or_else(|| panic!("there is no {name}"))
    };
    assert_eq!(["kept", "weak", "unknown"].map(topics_of), ["0", "0", "5"]);
    grant(&["DescribeConfigs"], &all);
    // A topic that refuses a record is looked up and compared again.
    wait_until("compared", || {
        daemon.deliver("filesafety", &scan("denied"));
        topics_of("kept") == "5"
    });
    assert_eq!(["weak", "unknown"].map(topics_of), ["0", "0"]);
    assert_eq!(daemon.lines(&unread), 1);
}

/// `check --cluster` reports a problem that holds all of these texts.
#[track_caller]
fn check_reports(site: &Site, texts: &[&str]) {
    let checked = site.run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    let mut problems = checked.stdout.lines().filter(|line| line.starts_with("problem: "));
    assert!(problems.any(|line| texts.iter().all(|text| line.contains(text))), "no {texts:?} in {checked:?}");
}

#[test]
fn a_missing_permission_is_a_503_and_check_prints_what_grants_it() {
    let topics = Topics::create();
    let topic = format!("{}filesafety", topics.prefix);
    let site = topics.site(&sasl("SCRAM-SHA-512", "stranger", "KAFKA_STRANGER_PASSWORD"));

    // Without any permission a topic looks as if it were not there.
    let daemon = site.serve();
    daemon.wait_until_ready();
    daemon.wait_for_line(&["ERROR", "grant Describe and Write", &topic]);
    assert_503(&daemon.deliver("filesafety", &scan("unseen")), &["publish_failed"]);

    let found = |texts: &[&str]| check_reports(&site, texts);
    found(&["5 topics are missing or not visible", "hookgate topics --apply", &topic]);
    found(&["no permission to create", "kafka-acls.sh ", "--operation Create", "hookgate topics --commands", &topic]);
    // Who may create them is told that they are there. Nothing is created by asking.
    let elsewhere = crate::support::prefix("hookgate.");
    let pattern = ["--resource-pattern-type", "prefixed", "--topic"];
    grant(&["Create"], &[&pattern[..], &[&topics.prefix]].concat());
    found(&["topics that exist are not visible", "--operation Describe", &format!("--topic {}`", topics.prefix)]);
    grant(&["Create", "Describe"], &[&pattern[..], &[&elsewhere]].concat());
    let absent = Topics { prefix: elsewhere }.site(&sasl("SCRAM-SHA-512", "stranger", "KAFKA_STRANGER_PASSWORD"));
    for _ in 0..2 {
        let checked = absent.run(&["check", "--cluster"]);
        assert!(checked.stdout.contains("5 topics are missing or not visible"), "{checked:?}");
        assert!(!checked.stdout.contains("no permission") && !checked.stdout.contains("exist"), "{checked:?}");
    }
}

/// Once the topics may be seen, a permission that is still missing is named, with the command that grants it.
#[test]
fn check_names_each_permission_that_is_missing_for_topics_that_may_be_seen() {
    let topics = Topics::create();
    let topic = format!("{}filesafety", topics.prefix);
    let site = topics.site(&sasl("SCRAM-SHA-512", "stranger", "KAFKA_STRANGER_PASSWORD"));
    let all = ["--resource-pattern-type", "prefixed", "--topic", &topics.prefix];
    grant(&["Describe"], &all);
    let daemon = site.serve();
    daemon.wait_until_ready();
    check_reports(
        &site,
        &["no permission to read the settings of", &topic, "kafka-acls.sh ", "\"User:stranger\"", "--operation DescribeConfigs"],
    );
    grant(&["DescribeConfigs"], &all);
    let checked = site.run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    // One line and one command for all of them.
    let lines: Vec<&str> = checked.stdout.lines().filter(|line| line.contains("no permission to write to")).collect();
    assert_eq!(lines.len(), 1, "{checked:?}");
    for name in names().chain(["quarantine"]) {
        assert!(lines[0].contains(&format!("{}{name}", topics.prefix)), "{checked:?}");
    }
    let command = format!(
        "--add --allow-principal \"User:stranger\" --operation Describe --operation Write --resource-pattern-type prefixed --topic {}`",
        topics.prefix
    );
    assert!(lines[0].contains(&command), "no {command} in {checked:?}");
    // Now the topics are seen, and each try to write is denied.
    wait_until("told that the broker denies it", || {
        assert_503(&daemon.deliver("filesafety", &scan("denied")), &["publish_failed", "publish_timeout"]);
        daemon.line(&["kafka client error", "uthorization"]).is_some()
    });

    grant(&["Write"], &["--topic", &topic]);
    wait_until("taking deliveries", || daemon.deliver("filesafety", &scan("granted")).status == 200);

    assert_503(&daemon.deliver("uploadcare", b"{}"), &["publish_failed", "publish_timeout"]);
    let checked = site.run(&["check", "--cluster"]);
    let denied = checked.stdout.lines().find(|line| line.contains("no permission to write to"));
    assert!(denied.is_some_and(|line| !line.contains(&topic)), "{checked:?}");
}
