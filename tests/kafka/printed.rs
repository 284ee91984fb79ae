//! What `hookgate topics --format commands` prints, run as it is by Kafka's own scripts.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::Message as _,
    types::RDKafkaErrorCode,
};

use crate::{
    secured::{Topics, brokers, sasl},
    support::{PATIENCE, Site, prefix, scan, script, succeeded, variable},
};

/// Runs lines in a folder that has an administrator's file, with Kafka's scripts as its distribution names them.
fn run(site: &Site, lines: &str) {
    let jars = script("scripts/kafka/broker", &["jars"]);
    for (name, class) in [("kafka-topics.sh", "TopicCommand"), ("kafka-acls.sh", "AclCommand")] {
        site.write(name, format!("java -cp '{}/*' org.apache.kafka.tools.{class} \"$@\"\n", jars.trim()));
    }
    let data = Path::new(&variable("KAFKA_CA")).ancestors().nth(2).unwrap().to_owned();
    fs::copy(data.join("admin.properties"), site.folder().join("admin.properties")).unwrap();
    let functions = "kafka-topics.sh() { sh ./kafka-topics.sh \"$@\"; }\nkafka-acls.sh() { sh ./kafka-acls.sh \"$@\"; }\n";
    let output = Command::new("bash").args(["-ec", &format!("{functions}{lines}")]).current_dir(site.folder()).output();
    succeeded(lines, &output.unwrap());
}

/// Reads the first record of a topic as a member of a group.
fn read(topic: &str, group: &str) -> Result<Vec<u8>, KafkaError> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers()).set("security.protocol", "sasl_ssl").set("ssl.ca.location", variable("KAFKA_CA"));
    client.set("sasl.mechanism", "SCRAM-SHA-512").set("sasl.username", "reader");
    client.set("sasl.password", variable("KAFKA_READER_PASSWORD"));
    client.set("group.id", group).set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = client.create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    // A call also ends when the consumer has got its partitions.
    let begin = Instant::now();
    loop {
        if let Some(polled) = consumer.poll(Duration::from_secs(1)) {
            return polled.map(|record| record.key().unwrap_or_default().to_vec());
        }
        assert!(begin.elapsed() < PATIENCE, "{group} reads nothing from {topic} within {PATIENCE:?}");
    }
}

#[test]
fn the_commands_create_the_topics_and_grant_what_daemon_and_consumer_need() {
    // The permissions that the brokers of the tests have are on other topics and groups.
    let topics = Topics { prefix: prefix("printed.") };
    let site = topics.site(&sasl("SCRAM-SHA-512", "writer", "KAFKA_WRITER_PASSWORD"));
    let before = site.run(&["check", "--cluster"]);
    assert!(before.code == Some(3) && before.stdout.contains("5 topics missing or not visible"), "{before:?}");

    let printed = site.run(&["topics", "--format", "commands", "--consumer", "reader", "--group", "printed-readers"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    run(&site, &printed.stdout);

    let after = site.run(&["check", "--cluster"]);
    assert!(after.code == Some(0) && after.stdout.contains("cluster: fits the configuration"), "{after:?}");
    let topic = format!("{}filesafety", topics.prefix);
    let port = brokers().rsplit(':').next().unwrap().to_owned();
    let described =
        script("scripts/kafka/broker", &["tool", "--secured", "--port", &port, "TopicCommand", "--describe", "--topic", &topic]);
    for part in [
        "PartitionCount: 1",
        "ReplicationFactor: 1",
        "retention.ms=1209600000",
        "max.message.bytes=1000000",
        "min.insync.replicas=1",
    ] {
        assert!(described.contains(part), "no {part} in {described}");
    }
    let daemon = site.serve();
    daemon.wait_until_ready();
    assert_eq!(daemon.deliver("filesafety", &scan("printed")).status, 200);
    assert_eq!(read(&topic, "printed-readers.1"), Ok(b"printed".to_vec()));
    let refused = read(&topic, "other-readers");
    assert!(
        matches!(&refused, Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)),
        "{refused:?}"
    );
}

/// The rules for one endpoint's topics cover none of the others.
#[test]
fn a_consumer_of_one_endpoint_reads_no_other() {
    let topics = Topics { prefix: prefix("printed.") };
    let own = prefix("acme.");
    let site = topics.site(&sasl("SCRAM-SHA-512", "writer", "KAFKA_WRITER_PASSWORD"));
    let text = fs::read_to_string(site.folder().join("hookgate.toml")).unwrap();
    let table = "[endpoints.filesafety]\n";
    site.write("hookgate.toml", text.replace(table, &format!("{table}topic_prefix = \"{own}\"\n")));

    let reader = ["--consumer-of", "filesafety=reader", "--group", "acme-readers"];
    let printed = site.run(&[&["topics", "--format", "commands"][..], &reader].concat());
    assert_eq!(printed.code, Some(0), "{printed:?}");
    run(&site, &printed.stdout);
    let after = site.run(&["check", "--cluster"]);
    assert!(after.code == Some(0) && after.stdout.contains("cluster: fits the configuration"), "{after:?}");

    let daemon = site.serve();
    daemon.wait_until_ready();
    assert_eq!(daemon.deliver("filesafety", &scan("acme")).status, 200);
    assert_eq!(read(&format!("{own}filesafety"), "acme-readers"), Ok(b"acme".to_vec()));
    let refused = read(&format!("{}quarantine", topics.prefix), "acme-readers");
    assert!(
        matches!(&refused, Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed)),
        "{refused:?}"
    );
}
