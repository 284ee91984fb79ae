//! The faults in the settings of existing topics, and the commands that change the settings. Topics with the same fault are one sentence with
//! one command.

use std::time::Duration;

use super::{
    output::counted,
    output::some,
    scripts::{NAMED_MAX, alter},
};
use crate::{
    config::{Config, units::show_duration},
    kafka::{
        admin::{Settings, Topic, Unread},
        guarantee::Guarantee,
    },
};

/// The shortest retention that is no fault. A topic that keeps records for less loses events before anybody has noticed that a consumer has
/// stopped. Everybody may choose a longer retention for a topic.
const RETENTION_MIN: Duration = Duration::from_secs(86_400);

/// A fault of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The fault, and what to do about it. If there is a setting, the command for it follows.
    text: String,
    /// The setting that fixes the fault, as `name=value`.
    setting: Option<String>,
}

/// Returns the faults of existing topics. `misfits::unwritable` reports whether they take records.
pub(super) fn misfits<'a>(config: &Config, topics: impl IntoIterator<Item = (&'a str, &'a Topic)>) -> Vec<String> {
    let each = |(name, topic)| faults(config, name, topic).into_iter().map(move |fault| (name, fault));
    sentences(config, topics.into_iter().flat_map(each))
}

/// Returns one sentence for each fault, in the order in which they were found.
pub(super) fn sentences<'a>(config: &Config, found: impl IntoIterator<Item = (&'a str, Misfit)>) -> Vec<String> {
    let mut faults: Vec<(Misfit, Vec<&str>)> = Vec::new();
    for (name, fault) in found {
        match faults.iter_mut().find(|(known, _)| *known == fault) {
            Some((_, names)) => names.push(name),
            None => faults.push((fault, vec![name])),
        }
    }
    let sentence = |(Misfit { text, setting }, names): (Misfit, Vec<&str>)| {
        let topics = if names.len() == 1 { "topic" } else { "topics" };
        match setting {
            Some(setting) => format!("{topics} {}: {text} {}", some(&names, " ", NAMED_MAX), alter(config, &names, &setting)),
            None => format!("{topics} {}: {text}", names.join(" ")),
        }
    };
    faults.into_iter().map(sentence).collect()
}

fn faults(config: &Config, name: &str, topic: &Topic) -> Vec<Misfit> {
    let mut faults = Vec::new();
    let mut add = |text: String, setting: Option<String>| faults.push(Misfit { text, setting });
    if let Err(Unread::Failed(why)) = &topic.settings {
        add(format!("the settings cannot be read: {why}"), None);
    }
    let settings = topic.settings.clone().unwrap_or_default();
    let wanted = config.topics.max_message_bytes;
    if let Some(limit) = settings.max_message_bytes.filter(|limit| *limit < wanted as u64) {
        let text = format!("max.message.bytes is {limit}, below [topics] max_message_bytes ({wanted}); change it with");
        add(text, Some(format!("max.message.bytes={wanted}")));
    }
    losses(config.topics.spec(name).retention, &settings, &mut add);
    if lacks_in_sync(topic) {
        let Misfit { text, setting } = few_in_sync(topic);
        add(text, setting);
    }
    let wanted = config.topics.in_sync_wanted();
    let setting = || Some(format!("min.insync.replicas={wanted}"));
    match Guarantee::of(topic, wanted) {
        Guarantee::Kept | Guarantee::Unknown => {}
        Guarantee::FewReplicas(replicas) => add(
            format!(
                "{} where {wanted} must be in sync, so an acknowledged event can be lost with a broker; add replicas with \
                 `kafka-reassign-partitions.sh`, then run",
                counted(replicas as u64, "replica"),
            ),
            setting(),
        ),
        Guarantee::FewInSync(least) => add(
            format!(
                "min.insync.replicas is {least} where {wanted} are wanted, so an acknowledged event can be lost with a broker; change it with"
            ),
            setting(),
        ),
    }
    faults
}

/// Adds the settings with which a topic deletes events that somebody may still need. `wanted` is the retention that a new topic would get.
fn losses(wanted: Duration, settings: &Settings, add: &mut impl FnMut(String, Option<String>)) {
    let compacted = |policy: &&str| policy.split(',').any(|word| word.trim() == "compact");
    if let Some(policy) = settings.cleanup_policy.as_deref().filter(compacted) {
        let text = format!("cleanup.policy is {policy}, so the topic keeps only the last event of each subject; change it with");
        // The script needs brackets around a list, but not around one word.
        add(text, Some("cleanup.policy=delete".into()));
    }
    let least = wanted.min(RETENTION_MIN).as_millis();
    // -1 means for ever.
    let retention = settings.retention_ms.and_then(|number| u128::try_from(number).ok());
    if let Some(retention) = retention.filter(|retention| *retention < least) {
        let text = format!(
            "retention.ms is {retention}, so events are deleted after {}, whether or not anybody has read them; change it with",
            show_duration(Duration::from_millis(u64::try_from(retention).unwrap_or(u64::MAX)))
        );
        add(text, Some(format!("retention.ms={}", wanted.as_millis())));
    }
}

/// Returns the fault of a topic whose broker has refused a record because too few replicas are in sync.
pub(super) fn few_in_sync(topic: &Topic) -> Misfit {
    let least = least(topic);
    let (replicas, in_sync) = (topic.replicas, topic.in_sync);
    let text = format!("records are refused (NotEnoughReplicas): {in_sync} of {least} replicas that must be in sync are;");
    if replicas < least {
        Misfit {
            text: format!(
                "{text} it has {}: add some with `kafka-reassign-partitions.sh`, or run",
                counted(replicas as u64, "replica")
            ),
            setting: Some(format!("min.insync.replicas={}", replicas.max(1))),
        }
    } else {
        let text = format!(
            "{text} bring the brokers of the others back, which `kafka-topics.sh --describe --under-min-isr-partitions` shows"
        );
        Misfit { text, setting: None }
    }
}

/// Returns `min.insync.replicas` of a topic, or 1 where it is not known.
fn least(topic: &Topic) -> usize {
    topic.settings.as_ref().ok().and_then(|settings| settings.min_insync_replicas).unwrap_or(1) as usize
}

/// Returns whether fewer replicas are in sync than every broker needs. New brokers need no more than there are replicas, whatever
/// `min.insync.replicas` is. Kafka 3.3 may need more, which only a probe shows.
pub(super) fn lacks_in_sync(topic: &Topic) -> bool {
    topic.in_sync < least(topic).min(topic.replicas)
}

#[cfg(test)]
mod tests {
    use crate::{
        command::misfits::tests::config_with,
        kafka::admin::{Settings, Topic, Unread},
    };

    /// Checks the findings on a topic, by a word of each. `topics` is a line of `[topics]`.
    fn check_with(topics: &str, replicas: usize, in_sync: usize, settings: Result<Settings, Unread>, found: &[&str]) {
        let topic = Topic { partitions: 1, replicas, in_sync, settings };
        let findings = super::misfits(&config_with("", topics), [("t", &topic)]);
        assert_eq!(findings.len(), found.len(), "{findings:?}");
        for (finding, word) in findings.iter().zip(found) {
            assert!(finding.contains(word), "{word:?} is not in {finding:?}");
        }
    }

    fn settings(limit: Option<u64>, least: Option<u32>) -> Settings {
        Settings { max_message_bytes: limit, min_insync_replicas: least, ..Settings::default() }
    }

    #[test]
    fn faults_need_settings_that_can_be_read() {
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
        // More than there are replicas. Whether the broker accepts that depends on its version, which a probe shows.
        check(3, Some(1_000_000), Some(4), &[]);
        // The settings may not or could not be read, so nobody knows whether they fit.
        check_with("", 3, 3, Err(Unread::Denied), &[]);
        check_with("", 3, 3, Err(Unread::Failed("timed out".into())), &["cannot be read: timed out"]);
    }

    /// Checks the rule of `kafka::guarantee`, and the command that fixes the fault.
    #[test]
    fn a_topic_that_can_lose_acknowledged_events_is_found() {
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
            check(topics, 1, Some(1), &["1 replica where 2 must be in sync"]);
            check(topics, 1, None, &["1 replica where 2 must be in sync"]);
        }
        check("min_insync_replicas = 3", 3, Some(2), &[&alter(3)]);
        check("min_insync_replicas = 3", 3, Some(3), &[]);
        // The user has chosen this, and the configuration warns of it when it is read.
        check("min_insync_replicas = 1", 3, Some(1), &[]);
        check("replication = 1", 1, Some(1), &[]);
        check("replication = 2", 2, Some(1), &[]);
        // The number of replicas may be known although the settings are not.
        check_with("", 1, 1, Err(Unread::Denied), &["1 replica where 2 must be in sync"]);
    }

    #[test]
    fn a_topic_that_deletes_events_is_found() {
        const DAY: i64 = 86_400_000;
        let check = |topics: &str, policy: Option<&str>, retention_ms: Option<i64>, found: &[&str]| {
            let settings = Settings { cleanup_policy: policy.map(str::to_owned), retention_ms, ..settings(None, Some(2)) };
            check_with(topics, 3, 3, Ok(settings), found);
        };
        check("", None, None, &[]);
        check("", Some("delete"), Some(14 * DAY), &[]);
        // A longer retention is a choice, and a topic may keep everything.
        check("", Some("delete"), Some(DAY), &[]);
        check("", Some("delete"), Some(-1), &[]);
        check("", Some("delete"), Some(DAY - 1), &["--add-config retention.ms=1209600000`"]);
        check("", Some("delete"), Some(1000), &["events are deleted after 1s"]);
        check("retention = \"1h\"", Some("delete"), Some(DAY / 24), &[]);
        check("retention = \"1h\"", Some("delete"), Some(DAY / 24 - 1), &["--add-config retention.ms=3600000`"]);
        for policy in ["compact", "compact,delete", "delete,compact", "delete, compact"] {
            check("", Some(policy), Some(14 * DAY), &["--add-config cleanup.policy=delete`"]);
        }
        check("", Some("compact,delete"), Some(1000), &["cleanup.policy is compact,delete", "retention.ms is 1000"]);
        check("", Some("compaction"), None, &[]);
    }

    /// Topics with the same fault are one line and one command.
    #[test]
    fn topics_with_the_same_fault_are_one_sentence() {
        let topic = |limit| Topic { partitions: 1, replicas: 3, in_sync: 3, settings: Ok(settings(Some(limit), Some(2))) };
        let (small, smaller, good) = (topic(500), topic(400), topic(1_000_000));
        let config = config_with("", "");
        let topics = [("a", &small), ("b", &good), ("c", &small), ("d", &smaller), ("e", &small), ("f", &small)];
        let findings = super::misfits(&config, topics);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("topics a c e and 1 more: max.message.bytes is 500, "), "{findings:?}");
        assert!(findings[0].contains("`for topic in a c e f; do kafka-configs.sh "), "{findings:?}");
        assert!(findings[1].starts_with("topic d: max.message.bytes is 400, "), "{findings:?}");
        let unread = Topic { settings: Err(Unread::Failed("timed out".into())), ..good };
        let findings = super::misfits(&config, ["a", "b", "c", "d"].map(|name| (name, &unread)));
        assert_eq!(findings, ["topics a b c d: the settings cannot be read: timed out"]);
    }
}
