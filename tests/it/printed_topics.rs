//! What `hookgate topics --format` prints for each tool. tests/kafka/printed.rs runs the commands, and `make deploy-check` validates the rest.

use crate::{
    commands::{check, configured},
    lifecycle::serve_configuration,
};

/// Those who may create topics get the same topics and permissions from each tool.
#[test]
fn topics_and_permissions_are_printed_for_each_tool() {
    let folder = configured("kafka-1:9092");
    let listed = check(&folder, &["topics"], 0, &[]).out.lines().count();
    let printed = |format: &str, counted: &str, expected: &[&str]| {
        let arguments = ["topics", "--format", format, "--user", "hg", "--consumer", "billing", "--group", "eu."];
        let out = check(&folder, &arguments, 0, expected).out;
        assert_eq!(out.matches(counted).count(), listed, "{format}: {out}");
        assert!(!out.contains("your-consumer"), "{format}: {out}");
    };
    let grant = "--allow-principal 'User:hg' --operation Write --operation Describe --operation DescribeConfigs \
                 --resource-pattern-type prefixed --topic 'hookgate.'";
    let group = "--allow-principal 'User:billing' --operation Read --resource-pattern-type prefixed --group 'eu.'";
    printed("commands", "kafka-topics.sh ", &[grant, group]);
    let acl = "      - resource: {type: topic, name: \"hookgate.\", patternType: prefix}\n        operations: [Read, Describe]\n";
    let renamed = "  name: \"hookgate.uploadcare.file.info-updated\"\n";
    let settings = "    retention.ms: 1209600000\n    max.message.bytes: 1000000\n    min.insync.replicas: 2\n";
    printed("strimzi", "kind: KafkaTopic", &[acl, renamed, settings, "strimzi.io/cluster: \"your-cluster\""]);
    let acl = "resource \"kafka_acl\" \"billing_group_eu_\" {\n  for_each                     = toset([\"Read\"])\n";
    printed("terraform", "resource \"kafka_topic\"", &[acl, "\"min.insync.replicas\" = \"2\"", "prevent_destroy = true"]);

    check(&folder, &["topics", "--format", "commands"], 0, &["name the users with --user and --consumer"]);
    check(&folder, &["topics", "--format", "commands", "--user", "hg"], 0, &["# Replace your-consumer", "'User:your-consumer'"]);
    check(&folder, &["topics", "--format", "strimzi", "--user", "A user"], 1, &["no name of a KafkaUser", "--user"]);
    check(&folder, &["topics", "--user", "hg"], 2, &["--format"]);
    check(&folder, &["topics", "--format", "yaml"], 2, &["commands, strimzi, terraform"]);
    let with = |topics: &str| folder.write("hookgate.toml", serve_configuration("kafka-1:9092", topics));
    with("[topics.partitions_of]\nquarantine = 2\n[topics.retention_of]\nquarantine = \"90d\"\n");
    let quarantine = "--topic hookgate.quarantine --partitions 2 --replication-factor 3 --config retention.ms=7776000000";
    check(&folder, &["topics", "--format", "commands"], 0, &[quarantine]);
    check(
        &folder,
        &["topics", "--format", "strimzi"],
        0,
        &["partitions: 2\n  replicas: 3\n  config:\n    retention.ms: 7776000000"],
    );
    check(&folder, &["topics", "--format", "terraform"], 0, &["partitions         = 2\n", "= \"7776000000\""]);
    with("[topics]\nreplication = -1\n");
    check(&folder, &["topics", "--format", "terraform"], 1, &["replication is -1", "write a number"]);
    let strimzi = check(&folder, &["topics", "--format", "strimzi"], 0, &["partitions: 6"]).out;
    assert!(!strimzi.contains("replicas:") && !strimzi.contains("min.insync"), "{strimzi}");
    with("[topics.map]\n\"filespin.*\" = \"a-b\"\n\"frameio.*\" = \"A-b\"\n");
    check(&folder, &["topics", "--format", "strimzi"], 1, &["would both be the KafkaTopic a-b", "[topics.map]"]);
    check(&folder, &["topics", "--format", "terraform"], 0, &["\"A-b\""]);
}
