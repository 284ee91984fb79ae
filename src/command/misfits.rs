//! The faults of a cluster that answers: everything that does not fit the configuration, each with the command that fixes it, for
//! `check --cluster` and `topics --apply`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    faults::{few_in_sync, lacks_in_sync, sentences},
    output::counted,
    output::some,
    scripts::{self, grant},
};
use crate::{
    config::Config,
    kafka::admin::{self, Cluster, Creation, Topic, Unread, WritePermission},
};

pub(super) use super::faults::misfits;

/// How many missing topics a finding names: what to do must not be lost among fifty names.
const NAMED_MAX: usize = 10;

/// Returns the findings on topics that are missing or not visible. It asks the cluster whether it would create them. The answer shows which
/// are hidden and which this client may not create.
pub(super) fn missing(config: &Config, cluster: &Cluster, topics: &[String]) -> Vec<String> {
    let missing: Vec<String> = topics.iter().filter(|topic| !cluster.topics.contains_key(*topic)).cloned().collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let administration = admin::administration(&config.kafka);
    let fix = if config.kafka.auto_create {
        "kafka.auto_create will create them"
    } else if administration.is_err() {
        "create them with what `hookgate topics --format commands` prints, or allow kafka-cluster:DescribeTopic on them"
    } else {
        "create them with `hookgate topics --apply`, or grant Describe on them"
    };
    let named = some(&missing.iter().map(String::as_str).collect::<Vec<_>>(), " ", NAMED_MAX);
    let rest = if missing.len() > NAMED_MAX { ", which `hookgate topics` lists" } else { "" };
    let mut findings = vec![format!("{} missing or not visible: {named}{rest}; {fix}", counted(missing.len() as u64, "topic"))];
    if administration.is_err() {
        return findings;
    }
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
            "no permission to create {}; grant it with {fix}, or let somebody who may run what `hookgate topics --format commands` prints",
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

/// Returns why topics cannot be created: one sentence for each reason, with what to change.
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
                    "[topics] replication is {}, and the cluster has {}: start more of them, or write replication = {brokers} \
                 under [topics]",
                    config.topics.replication,
                    counted(brokers as u64, "broker"),
                ),
                "InvalidTopic" => {
                    "the names are not legal, or collide with topics that have '.' instead of '_': change [topics] prefix \
                               or [topics.map]"
                        .into()
                }
                "PolicyViolation" => {
                    "the brokers have a rule (create.topic.policy.class.name) that [topics] breaks: ask who runs them".into()
                }
                "TopicAuthorizationFailed" | "ClusterAuthorizationFailed" => {
                    format!(
                        "no permission: grant it with {}, or let somebody who may run what `hookgate topics --format commands` prints",
                        grant(config, &["Create"], &topics)
                    )
                }
                _ => "the brokers' logs say more".into(),
            },
        );
        let number = counted(number as u64, "topic");
        format!(
            "{number} cannot be created with the settings of [topics] ({why}): {fix}: {}",
            some(&topics, " ", scripts::NAMED_MAX)
        )
    };
    reasons.into_iter().map(sentence).collect()
}

/// Returns the permissions that are missing on visible topics, with one command for all of them.
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

/// Returns the findings of the probes of [`admin::probe_writes`], and the topics whose settings this client may not read.
pub(super) fn unwritable(config: &Config, topics: &BTreeMap<String, Topic>, probed: Vec<(&str, WritePermission)>) -> Vec<String> {
    let unreadable: Vec<&str> =
        topics.iter().filter(|(_, topic)| topic.settings == Err(Unread::Denied)).map(|(name, _)| name.as_str()).collect();
    let (mut forbidden, mut unknown, mut refused) = (Vec::new(), BTreeMap::<String, Vec<&str>>::new(), Vec::new());
    for (name, permission) in probed {
        match permission {
            WritePermission::Granted => {}
            WritePermission::Denied => forbidden.push(name),
            // `misfits` has reported the faults that follow from the numbers in every version of Kafka.
            WritePermission::FewInSync => {
                let topic = topics.get(name).filter(|topic| !lacks_in_sync(topic));
                refused.extend(topic.map(|topic| (name, few_in_sync(topic))));
            }
            // `denied` below reports the missing permission.
            WritePermission::Unknown(_) if unreadable.contains(&name) => {}
            WritePermission::Unknown(why) => unknown.entry(why).or_default().push(name),
        }
    }
    let mut findings = sentences(config, refused);
    findings.extend(denied(config, &unreadable, &forbidden));
    for (why, names) in unknown {
        findings.push(format!("cannot find out whether these topics may be written to: {}: {why}", names.join(" ")));
    }
    findings
}

#[cfg(test)]
pub(super) mod tests {
    use crate::{
        config,
        kafka::admin::{Settings, Topic, Unread, WritePermission},
    };

    /// Returns a configuration with more lines of `[kafka]`, and these of `[topics]`.
    pub(in crate::command) fn config_with(kafka: &str, topics: &str) -> config::Config {
        let text = format!(
            "[kafka]\nbrokers = [\"kafka:9092\"]\n{kafka}\n[topics]\n{topics}\n[endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:S\"]\n"
        );
        config::parse(&text, "a.toml", &[("S", "secret")].into_iter().collect(), &[]).expect("it is good")
    }

    pub(in crate::command) const SCRAM: &str =
        "sasl = {mechanism = \"SCRAM-SHA-512\", username = \"writer\", password = \"env:S\"}";

    /// Checks that the findings follow the broker's answers to the probes, and that permissions of many topics are one command.
    #[test]
    fn probes_make_one_line_for_each_reason() {
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
        let few = topic(1, Ok(Settings { min_insync_replicas: Some(2), ..Settings::default() }));
        // New brokers need no more replicas than there are, Kafka 3.3 does.
        check(&few, &names[..1], &WritePermission::Granted, &[]);
        check(
            &few,
            &names[..1],
            &WritePermission::FewInSync,
            &[&["records are refused", "1 of 2 replicas", "it has 1 replica:"]],
        );
        let good = topic(3, Ok(Settings { min_insync_replicas: Some(2), ..Settings::default() }));
        let one = ["to write to hookgate.a", "'User:writer'", "--operation Describe --operation Write --topic hookgate.a`"];
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
            assert!(finding.contains(&format!("--allow-principal 'User:{user}' ")), "{finding}");
        };
        check(SCRAM, "writer");
        check("", "ANONYMOUS");
        check("security = \"tls\"", "ANONYMOUS");
        let token = "security = \"tls\"\nsasl = {mechanism = \"OAUTHBEARER\", token_url = \"https://i.example/t\", client_id = \"hg\", \
                     client_secret = \"env:S\"}";
        check(token, "hg");
    }

    /// Checks that topics that cannot be created for the same reason are one sentence.
    #[test]
    fn a_reason_for_not_creating_topics_is_reported_once() {
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
}
