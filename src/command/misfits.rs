//! What does not fit the configuration in a cluster that answers, each with the command that changes it: for `check --cluster` and
//! `topics --apply`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::{Config, Sasl, Security, tls},
    kafka::{
        admin::{self, Cluster, Creation, Topic, Unread, WritePermission},
        guarantee::Guarantee,
    },
};

/// From so many topics on a command names their common prefix instead of each.
const NAMED_MAX: usize = 3;

/// The command that gives this client permissions on topics.
fn grant(config: &Config, operations: &[&str], topics: &[&str]) -> String {
    let prefix = &config.topics.prefix;
    let pattern = if topics.len() > NAMED_MAX && !prefix.is_empty() && topics.iter().all(|topic| topic.starts_with(prefix)) {
        format!("--resource-pattern-type prefixed --topic {prefix}")
    } else {
        format!("--topic {}", topics.join(" --topic "))
    };
    format!(
        "`kafka-acls.sh --bootstrap-server {} --add --allow-principal \"User:{}\" --operation {} {pattern}`",
        config.kafka.brokers.join(","),
        principal(config),
        operations.join(" --operation "),
    )
}

/// The user that the brokers take this client for, unless they map names to others.
fn principal(config: &Config) -> String {
    match (&config.kafka.sasl, &config.kafka.security) {
        (Some(Sasl::Password { username, .. }), _) => username.clone(),
        (Some(Sasl::Token(source)), _) => source.client_id.clone(),
        (None, Security::Tls { certificate_file: Some(file), .. }) => {
            tls::subject(file).unwrap_or_else(|| "<subject of [kafka.tls] certificate_file>".into())
        }
        (None, _) => "ANONYMOUS".into(),
    }
}

/// The command that changes a setting of a topic.
fn alter(config: &Config, topic: &str, setting: &str) -> String {
    let brokers = config.kafka.brokers.join(",");
    format!("`kafka-configs.sh --bootstrap-server {brokers} --alter --topic {topic} --add-config {setting}`")
}

/// Topics that are not there as far as can be seen. The cluster is asked whether it would create them, which shows those that are hidden
/// and those that we may not create.
pub(super) fn missing(config: &Config, cluster: &Cluster, topics: &[String]) -> Vec<String> {
    let missing: Vec<String> = topics.iter().filter(|topic| !cluster.topics.contains_key(*topic)).cloned().collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let fix = if config.kafka.auto_create {
        "kafka.auto_create will create them"
    } else {
        "create them with `hookgate topics --apply`, or grant Describe on them"
    };
    let mut findings = vec![format!("{} topics are missing or not visible: {}; {fix}", missing.len(), missing.join(" "))];
    let answers = match admin::may_create(config, &missing) {
        Ok(answers) => answers,
        Err(error) => {
            findings.push(format!("cannot find out whether they may be created: {error}"));
            return findings;
        }
    };
    let those = |wanted: &Creation| -> Vec<&str> {
        answers.iter().filter(|(_, answer)| answer == wanted).map(|(topic, _)| topic.as_str()).collect()
    };
    let (hidden, denied) = (those(&Creation::Exists), those(&Creation::Denied));
    if !hidden.is_empty() {
        let fix = grant(config, &["Describe", "DescribeConfigs", "Write"], &hidden);
        findings.push(format!("topics that exist are not visible: {}; grant it with {fix}", hidden.join(" ")));
    }
    if !denied.is_empty() {
        let fix = grant(config, &["Create"], &denied);
        findings.push(format!(
            "no permission to create {}; grant it with {fix}, or let somebody who may run what `hookgate topics --commands` prints",
            denied.join(" ")
        ));
    }
    let refused = answers.iter().filter_map(|(topic, answer)| match answer {
        Creation::Impossible(why) => Some((topic.as_str(), why.as_str())),
        _ => None,
    });
    findings.extend(refusals(config, cluster.brokers.len(), refused));
    findings
}

/// Why topics cannot be created: one sentence for each reason, with what to change.
pub(super) fn refusals<'a>(config: &Config, brokers: usize, refused: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (topic, why) in refused {
        reasons.entry(why).or_default().push(topic);
    }
    let sentence = |(why, topics): (&str, Vec<&str>)| {
        let (number, fix) = (
            topics.len(),
            match why {
                "InvalidReplicationFactor" => format!(
                    "[topics] replication is {}, and the cluster has {brokers} brokers: start more of them, or write replication = {brokers} \
                 under [topics]",
                    config.topics.replication
                ),
                "InvalidTopic" => {
                    "the names are not legal, or collide with topics in which '.' stands for '_': change [topics] prefix \
                               or [topics.map]"
                        .into()
                }
                "PolicyViolation" => {
                    "the brokers have a rule (create.topic.policy.class.name) that [topics] breaks: ask who runs them".into()
                }
                "TopicAuthorizationFailed" | "ClusterAuthorizationFailed" => {
                    format!(
                        "no permission: grant it with {}, or let somebody who may run what `hookgate topics --commands` prints",
                        grant(config, &["Create"], &topics)
                    )
                }
                _ => "the brokers' logs say more".into(),
            },
        );
        format!("{number} topics cannot be created with the settings of [topics] ({why}): {fix}: {}", some(&topics))
    };
    reasons.into_iter().map(sentence).collect()
}

/// The first few names.
fn some(names: &[&str]) -> String {
    match names.len().checked_sub(NAMED_MAX) {
        None | Some(0) => names.join(" "),
        Some(more) => format!("{} and {more} more", names[..NAMED_MAX].join(" ")),
    }
}

/// The permissions that are missing on topics that are visible, with one command for all of them.
pub(super) fn denied(config: &Config, unreadable: &[&str], unwritable: &[&str]) -> Option<String> {
    let mut missing = Vec::new();
    let mut operations = Vec::new();
    if !unwritable.is_empty() {
        missing.push(format!("to write to {}", unwritable.join(" ")));
        operations.extend(["Describe", "Write"]);
    }
    if !unreadable.is_empty() {
        missing.push(format!(
            "to read the settings of {}, so that size and min.insync.replicas are not compared, and writing is not tried",
            unreadable.join(" ")
        ));
        operations.push("DescribeConfigs");
    }
    let topics: BTreeSet<&str> = unreadable.iter().chain(unwritable).copied().collect();
    let fix = || grant(config, &operations, &topics.into_iter().collect::<Vec<_>>());
    (!missing.is_empty()).then(|| format!("no permission {}; grant it with {}", missing.join(", nor "), fix()))
}

/// What the probes of [`admin::probe_writes`] have found, and which topics may not have their settings read.
pub(super) fn unwritable(config: &Config, topics: &BTreeMap<String, Topic>, probed: Vec<(&str, WritePermission)>) -> Vec<String> {
    let unreadable: Vec<&str> =
        topics.iter().filter(|(_, topic)| topic.settings == Err(Unread::Denied)).map(|(name, _)| name.as_str()).collect();
    let (mut forbidden, mut unknown, mut findings) = (Vec::new(), BTreeMap::<String, Vec<&str>>::new(), Vec::new());
    for (name, permission) in probed {
        match permission {
            WritePermission::Granted => {}
            WritePermission::Denied => forbidden.push(name),
            // What follows from the numbers in every version has been said by `misfits`.
            WritePermission::FewInSync => {
                let topic = topics.get(name).filter(|topic| !lacks_in_sync(topic));
                findings.extend(topic.map(|topic| few_in_sync(config, name, topic)));
            }
            // What is missing for it is said below.
            WritePermission::Unknown(_) if unreadable.contains(&name) => {}
            WritePermission::Unknown(why) => unknown.entry(why).or_default().push(name),
        }
    }
    findings.extend(denied(config, &unreadable, &forbidden));
    for (why, names) in unknown {
        findings.push(format!("cannot find out whether these topics may be written to: {}: {why}", names.join(" ")));
    }
    findings
}

/// A broker has refused a record because too few replicas are in sync.
fn few_in_sync(config: &Config, name: &str, topic: &Topic) -> String {
    let least = least(topic);
    let (replicas, in_sync) = (topic.replicas, topic.in_sync);
    let fix = if replicas < least {
        format!(
            "it has {replicas} replicas: add some with `kafka-reassign-partitions.sh`, or run {}",
            alter(config, name, &format!("min.insync.replicas={}", replicas.max(1)))
        )
    } else {
        "bring the brokers of the others back, which `kafka-topics.sh --describe --under-min-isr-partitions` shows".into()
    };
    format!(
        "topic {name}: records are refused (NotEnoughReplicas): {in_sync} of {least} replicas that must be in sync are; {fix}"
    )
}

/// `min.insync.replicas` of a topic.
fn least(topic: &Topic) -> usize {
    topic.settings.as_ref().ok().and_then(|settings| settings.min_insync_replicas).unwrap_or(1) as usize
}

/// Whether fewer replicas are in sync than any broker wants. Brokers since Kafka 4 want no more than there are replicas, whatever
/// `min.insync.replicas` says; older ones do, which only a probe finds out.
fn lacks_in_sync(topic: &Topic) -> bool {
    topic.in_sync < least(topic).min(topic.replicas)
}

/// What is wrong with a topic that is there, with the command that changes it. Whether it takes records is for [`unwritable`].
pub(super) fn misfits(config: &Config, name: &str, topic: &Topic) -> Vec<String> {
    let mut findings = Vec::new();
    if let Err(Unread::Failed(why)) = &topic.settings {
        findings.push(format!("topic {name}: its settings cannot be read: {why}"));
    }
    let settings = topic.settings.clone().unwrap_or_default();
    let wanted = config.topics.max_message_bytes;
    if let Some(limit) = settings.max_message_bytes.filter(|limit| *limit < wanted as u64) {
        let fix = alter(config, name, &format!("max.message.bytes={wanted}"));
        findings.push(format!(
            "topic {name}: max.message.bytes is {limit}, below [topics] max_message_bytes ({wanted}); change it with {fix}"
        ));
    }
    if lacks_in_sync(topic) {
        findings.push(few_in_sync(config, name, topic));
    }
    let wanted = config.topics.in_sync_wanted();
    let alter = || alter(config, name, &format!("min.insync.replicas={wanted}"));
    match Guarantee::of(topic, wanted) {
        Guarantee::Kept | Guarantee::Unknown => {}
        Guarantee::FewReplicas(replicas) => findings.push(format!(
            "topic {name}: it has {replicas} replicas where {wanted} must be in sync, so an acknowledged event can be lost with a broker; \
             add replicas with `kafka-reassign-partitions.sh`, then run {}",
            alter()
        )),
        Guarantee::FewInSync(least) => findings.push(format!(
            "topic {name}: min.insync.replicas is {least} where {wanted} are wanted, so an acknowledged event can be lost with a broker; \
             change it with {}",
            alter()
        )),
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::{
        config,
        kafka::admin::{Settings, Topic, Unread, WritePermission},
    };

    fn config_with(kafka: &str, topics: &str) -> config::Config {
        let text = format!(
            "[kafka]\nbrokers = [\"kafka:9092\"]\n{kafka}\n[topics]\n{topics}\n[endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:S\"]\n"
        );
        config::parse(&text, "a.toml", &[("S", "secret")].into_iter().collect(), &[]).expect("it is good")
    }

    /// What is found about a topic, by a word of each finding. The first line is of `[topics]`.
    fn check_with(topics: &str, replicas: usize, in_sync: usize, settings: Result<Settings, Unread>, found: &[&str]) {
        let findings = super::misfits(&config_with("", topics), "t", &Topic { partitions: 1, replicas, in_sync, settings });
        assert_eq!(findings.len(), found.len(), "{findings:?}");
        for (finding, word) in findings.iter().zip(found) {
            assert!(finding.contains(word), "{word:?} is not in {finding:?}");
        }
    }

    fn settings(limit: Option<u64>, least: Option<u32>) -> Settings {
        Settings { max_message_bytes: limit, min_insync_replicas: least }
    }

    #[test]
    fn only_what_can_be_read_is_found_fault_with() {
        let check = |in_sync: usize, limit: Option<u64>, least: Option<u32>, found: &[&str]| {
            check_with("", 3, in_sync, Ok(settings(limit, least)), found);
        };
        check(3, Some(1_000_000), Some(2), &[]);
        check(3, Some(999_999), Some(2), &["max.message.bytes is 999999"]);
        check(3, Some(1_000_000), Some(1), &["min.insync.replicas is 1"]);
        check(1, Some(1_000_000), Some(2), &["1 of 2 replicas"]);
        // The cluster has no such setting.
        check(3, Some(1_000_000), None, &[]);
        check(0, Some(1_000_000), None, &["0 of 1 replicas"]);
        // More than there are replicas: whether that is too many is up to the broker, which a probe asks.
        check(3, Some(1_000_000), Some(4), &[]);
        // Nothing may be read or was: whether they fit cannot be told.
        check_with("", 3, 3, Err(Unread::Denied), &[]);
        check_with("", 3, 3, Err(Unread::Failed("timed out".into())), &["cannot be read: timed out"]);
    }

    const SCRAM: &str = "sasl = {mechanism = \"SCRAM-SHA-512\", username = \"writer\", password = \"env:S\"}";

    /// What the broker says to a probe is what is said, and permissions of many topics are one command.
    #[test]
    fn what_the_probes_found_is_one_line_for_each_reason() {
        let config = config_with(SCRAM, "");
        let topic = |replicas, settings| Topic { partitions: 1, replicas, in_sync: replicas, settings };
        let names = ["hookgate.a", "hookgate.b", "hookgate.c", "hookgate.d"];
        let check = |topic: &Topic, names: &[&str], found: &WritePermission, expected: &[&[&str]]| {
            let topics = names.iter().map(|name| ((*name).to_owned(), topic.clone())).collect();
            let probed = names.iter().map(|name| (*name, found.clone())).collect();
            let findings = super::unwritable(&config, &topics, probed);
            assert_eq!(findings.len(), expected.len(), "{findings:?}");
            for (finding, parts) in findings.iter().zip(expected) {
                for part in *parts {
                    assert!(finding.contains(part), "no {part:?} in {finding:?}");
                }
            }
        };
        let few = topic(1, Ok(settings(None, Some(2))));
        // Kafka 4 takes what it can have, older brokers do not.
        check(&few, &names[..1], &WritePermission::Granted, &[]);
        check(
            &few,
            &names[..1],
            &WritePermission::FewInSync,
            &[&["records are refused", "1 of 2 replicas", "it has 1 replicas"]],
        );
        let good = topic(3, Ok(settings(None, Some(2))));
        let one = ["to write to hookgate.a", "\"User:writer\"", "--operation Describe --operation Write --topic hookgate.a`"];
        check(&good, &names[..1], &WritePermission::Denied, &[&one]);
        let all =
            ["to write to hookgate.a hookgate.b hookgate.c hookgate.d", "--resource-pattern-type prefixed --topic hookgate.`"];
        check(&good, &names, &WritePermission::Denied, &[&all]);
        let unread = topic(3, Err(Unread::Denied));
        let both = ["to write to", "nor to read the settings of", "--operation Write --operation DescribeConfigs"];
        check(&unread, &names, &WritePermission::Denied, &[&both]);
        check(
            &unread,
            &names,
            &WritePermission::Unknown("unread".into()),
            &[&["no permission to read the settings", "not compared"]],
        );
        check(&good, &names, &WritePermission::Unknown("it is late".into()), &[&["cannot find out", "hookgate.d: it is late"]]);
    }

    #[test]
    fn a_command_names_the_user_that_brokers_see() {
        let check = |kafka: &str, user: &str| {
            let finding = super::denied(&config_with(kafka, ""), &[], &["x"]).unwrap_or_default();
            assert!(finding.contains(&format!("--allow-principal \"User:{user}\" ")), "{finding}");
        };
        check(SCRAM, "writer");
        check("", "ANONYMOUS");
        check("security = \"tls\"", "ANONYMOUS");
        let token = "security = \"tls\"\nsasl = {mechanism = \"OAUTHBEARER\", token_url = \"https://i.example/t\", client_id = \"hg\", \
                     client_secret = \"env:S\"}";
        check(token, "hg");
    }

    /// Ten topics that cannot be created for one reason are one sentence.
    #[test]
    fn a_reason_for_not_creating_topics_is_said_once() {
        let refused = |why: &'static str| {
            let refused = [("a", why), ("b", why), ("c", "SomethingNew")];
            super::refusals(&config_with("", "replication = 3"), 1, refused.into_iter())
        };
        let findings = refused("InvalidReplicationFactor");
        assert_eq!(findings.len(), 2, "{findings:?}");
        for part in ["2 topics cannot be created", "replication is 3", "write replication = 1 under [topics]", ": a b"] {
            assert!(findings[0].contains(part), "no {part:?} in {findings:?}");
        }
        assert!(findings[1].contains("SomethingNew") && findings[1].ends_with(": c"), "{findings:?}");
        assert!(refused("TopicAuthorizationFailed").iter().any(|it| it.contains("--operation Create")));
    }

    /// The rule of `kafka::guarantee`, and the command that changes what it finds.
    #[test]
    fn a_topic_that_can_lose_what_it_acknowledged_is_found() {
        let check = |topics: &str, replicas: usize, least: Option<u32>, found: &[&str]| {
            check_with(topics, replicas, replicas, Ok(settings(None, least)), found);
        };
        let alter = |number: u32| format!("--topic t --add-config min.insync.replicas={number}`");
        // 2 of three by default, also where the brokers decide.
        for topics in ["", "replication = -1", "min_insync_replicas = -1", "min_insync_replicas = 2"] {
            check(topics, 3, Some(2), &[]);
            check(topics, 2, Some(2), &[]);
            check(topics, 3, Some(3), &[]);
            check(topics, 3, None, &[]);
            check(topics, 3, Some(1), &[&alter(2)]);
            check(topics, 2, Some(1), &[&alter(2)]);
            check(topics, 1, Some(1), &["1 replicas where 2 must be in sync"]);
            check(topics, 1, None, &["1 replicas where 2 must be in sync"]);
        }
        check("min_insync_replicas = 3", 3, Some(2), &[&alter(3)]);
        check("min_insync_replicas = 3", 3, Some(3), &[]);
        // Chosen, which is warned of when the configuration is read.
        check("min_insync_replicas = 1", 3, Some(1), &[]);
        check("replication = 1", 1, Some(1), &[]);
        check("replication = 2", 2, Some(1), &[]);
        // How many replicas there are may be known where the settings are not.
        check_with("", 1, 1, Err(Unread::Denied), &["1 replicas where 2 must be in sync"]);
    }
}
