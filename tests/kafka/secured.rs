//! TLS, SASL and permissions: each way to log in works, and a failure says why.

use std::{collections::BTreeSet, thread};

use crate::{
    harness::{keep_secret, wait_until},
    providers::names,
    support::{Site, assert_503, assert_kept_out, consume, one_topic_per_provider, prefix, scan, script, variable},
};

/// The topics of a test with secured brokers. The permissions of the brokers cover topics that begin with `hookgate.`.
pub struct Topics {
    pub prefix: String,
}

impl Topics {
    /// Creates topics with a prefix of their own, as an administrator.
    pub fn create() -> Self {
        let topics = Self { prefix: prefix("hookgate.") };
        topics.site(&sasl("SCRAM-SHA-512", "admin", "KAFKA_ADMIN_PASSWORD")).create_topics();
        topics
    }

    /// Returns a site with these topics and this `[kafka]` table.
    pub fn site(&self, kafka: &str) -> Site {
        Site::new(&self.tables(kafka))
    }

    /// Returns the configuration of such a site.
    pub fn tables(&self, kafka: &str) -> String {
        let Self { prefix } = self;
        let map = one_topic_per_provider(prefix);
        format!("{kafka}[topics]\nprefix = \"{prefix}\"\npartitions = 1\nreplication = 1\n{map}")
    }
}

pub fn brokers() -> String {
    variable("HOOKGATE_TEST_KAFKA_SECURED")
}

/// Returns a `[kafka]` table with TLS that trusts the authority of the brokers.
pub fn tls(brokers: &str, more: &str) -> String {
    let ca = variable("KAFKA_CA");
    format!("[kafka]\nbrokers = [\"{brokers}\"]\nsecurity = \"tls\"\n[kafka.tls]\nca_file = \"{ca}\"\n{more}")
}

/// Returns a `[kafka]` table with TLS and a user, whose password is in an environment variable.
pub fn sasl(mechanism: &str, user: &str, password: &str) -> String {
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
fn a_broker_that_cannot_be_used_is_a_503_and_the_cause_is_logged() {
    let topics = Topics { prefix: prefix("hookgate.") };
    let check = |kafka: &str, cause: &str| assert_kept_out(&topics.site(kafka), cause);
    let untrusted = format!("[kafka]\nbrokers = [\"{}\"]\nsecurity = \"tls\"\n", brokers());
    let untrusted = untrusted + &credentials("SCRAM-SHA-512", "writer", "KAFKA_WRITER_PASSWORD");
    let wrong_password = MECHANISMS.map(|mechanism| sasl(mechanism, "writer", "KAFKA_READER_PASSWORD"));
    let unknown_user = sasl("SCRAM-SHA-512", "nobody", "KAFKA_WRITER_PASSWORD");
    // The cases run at once, because each waits for a timeout.
    thread::scope(|scope| {
        for kafka in wrong_password.iter().chain([&unknown_user]) {
            scope.spawn(|| check(kafka, "uthentication failed"));
        }
        scope.spawn(|| check(&untrusted, "certificate verify failed"));
    });
}

/// A port with TLS closes other connections without an answer, so the message can only give a hint.
#[test]
fn a_port_with_tls_leads_to_a_hint() {
    let topics = Topics { prefix: prefix("hookgate.") };
    let checked = topics.site(&format!("[kafka]\nbrokers = [\"{}\"]\n", brokers())).run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("it probably wants TLS: write security = \"tls\" under [kafka]"), "{checked:?}");
}

/// Gives the user `stranger` these permissions on a pattern of resources.
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

/// Whether topics keep acknowledged events depends on their settings. If the settings may not be read, the daemon does not guess.
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

/// Checks that `check --cluster` reports a problem that contains all of these texts.
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

    // Without any permission a topic looks as if it did not exist.
    let daemon = site.serve();
    daemon.wait_until_ready();
    daemon.wait_for_line(&["ERROR", "grant Describe and Write", &topic]);
    assert_503(&daemon.deliver("filesafety", &scan("unseen")), &["publish_failed"]);

    let found = |texts: &[&str]| check_reports(&site, texts);
    found(&["5 topics missing or not visible", "hookgate topics --apply", &topic]);
    found(&["no permission to create", "kafka-acls.sh ", "--operation Create", "hookgate topics --format commands", &topic]);
    // A user with the permission to create topics learns that they exist. The question creates nothing.
    let elsewhere = crate::support::prefix("hookgate.");
    let pattern = ["--resource-pattern-type", "prefixed", "--topic"];
    grant(&["Create"], &[&pattern[..], &[&topics.prefix]].concat());
    found(&["topics that exist are not visible", "--operation Describe", &format!("--topic {}`", topics.prefix)]);
    grant(&["Create", "Describe"], &[&pattern[..], &[&elsewhere]].concat());
    let absent = Topics { prefix: elsewhere }.site(&sasl("SCRAM-SHA-512", "stranger", "KAFKA_STRANGER_PASSWORD"));
    for _ in 0..2 {
        let checked = absent.run(&["check", "--cluster"]);
        assert!(checked.stdout.contains("5 topics missing or not visible"), "{checked:?}");
        assert!(!checked.stdout.contains("no permission") && !checked.stdout.contains("exist"), "{checked:?}");
    }
}

/// Partitions are assigned, and no group is joined: the permission to read the topics is enough.
#[test]
fn reading_topics_needs_no_permission_on_a_group() {
    let topics = Topics::create();
    let all = ["--resource-pattern-type", "prefixed", "--topic", &topics.prefix];
    let site = topics.site(&sasl("SCRAM-SHA-512", "stranger", "KAFKA_STRANGER_PASSWORD"));
    let daemon = topics.site(&sasl("SCRAM-SHA-512", "writer", "KAFKA_WRITER_PASSWORD")).serve();
    daemon.wait_until_ready();
    assert_eq!(daemon.deliver("filesafety", &scan("read")).status, 200);
    assert_eq!(daemon.deliver("filesafety", b"not JSON").status, 200);
    let check = |arguments: &[&str], code: i32, said: &str| {
        let ran = site.run(arguments);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(said), "no {said:?} in {ran:?}");
    };
    let (tail, replay) = (["tail", "--from-beginning", "--exit"], ["replay", "--all", "--yes"]);
    grant(&["Describe"], &all);
    check(&tail, 1, &format!("no permission to read all of {}", topics.prefix));
    check(&replay, 1, "grant Read on them");
    grant(&["Read"], &["--topic", &format!("{}filesafety", topics.prefix)]);
    check(&["tail", &format!("{}filesafety", topics.prefix), "--from-beginning", "--exit"], 0, "\"key\":\"read\"");
    grant(&["Read"], &all);
    check(&tail, 0, "\"key\":\"read\"");
    check(&replay, 3, "still fails");
}

/// Once the topics are visible, each permission that is still missing is named with the command that grants it.
#[test]
fn check_names_each_permission_that_is_missing_for_visible_topics() {
    let topics = Topics::create();
    let topic = format!("{}filesafety", topics.prefix);
    let site = topics.site(&sasl("SCRAM-SHA-512", "stranger", "KAFKA_STRANGER_PASSWORD"));
    let all = ["--resource-pattern-type", "prefixed", "--topic", &topics.prefix];
    grant(&["Describe"], &all);
    let daemon = site.serve();
    daemon.wait_until_ready();
    check_reports(
        &site,
        &["no permission to read the settings of", &topic, "kafka-acls.sh ", "'User:stranger'", "--operation DescribeConfigs"],
    );
    grant(&["DescribeConfigs"], &all);
    let checked = site.run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    // There is one line and one command for all topics.
    let lines: Vec<&str> = checked.stdout.lines().filter(|line| line.contains("no permission to write to")).collect();
    assert_eq!(lines.len(), 1, "{checked:?}");
    for name in names().chain(["quarantine"]) {
        assert!(lines[0].contains(&format!("{}{name}", topics.prefix)), "{checked:?}");
    }
    let command = format!(
        "--add --allow-principal 'User:stranger' --operation Describe --operation Write --resource-pattern-type prefixed --topic {}`",
        topics.prefix
    );
    assert!(lines[0].contains(&command), "no {command} in {checked:?}");
    // Now the topics are visible, and the broker denies each attempt to write.
    wait_until("denied by the broker", || {
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
