//! The permissions that the daemon and its consumers need, whichever tool grants them.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use clap::{Args, builder::NonEmptyStringValueParser};

use crate::{
    command::{Failure, scripts},
    config::{Config, Sasl, suggestion},
};

/// The consumer that is printed until a name is given.
const PLACEHOLDER: &str = "your-consumer";

/// Whose permissions are printed.
#[derive(Debug, Args)]
pub(super) struct Users {
    /// The user of the daemon. By default the one that `[kafka]` logs in as.
    #[arg(long, value_name = "NAME", requires = "format")]
    user: Option<String>,
    /// A user that reads the topics; may be repeated. By default a placeholder is printed.
    #[arg(long, value_name = "NAME", requires = "format")]
    consumer: Vec<String>,
    /// A user that reads only the topics of an endpoint with a `topic_prefix`, and of all that have the same; may be repeated.
    #[arg(long, value_name = "ENDPOINT=NAME", requires = "format")]
    consumer_of: Vec<ConsumerOf>,
    /// What the consumer groups of those who read begin with. By default each user's own name.
    #[arg(long, value_name = "PREFIX", requires = "format", value_parser = NonEmptyStringValueParser::new())]
    group: Option<String>,
}

/// A user that reads the topics of one endpoint.
#[derive(Clone, Debug)]
struct ConsumerOf {
    endpoint: String,
    user: String,
}

impl FromStr for ConsumerOf {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((_, user)) if user == "*" || user.starts_with("User:") => {
                Err("the name of one user is expected, without \"User:\"")
            }
            Some((endpoint, user)) if !endpoint.is_empty() && !user.is_empty() => {
                Ok(Self { endpoint: endpoint.to_owned(), user: user.to_owned() })
            }
            _ => Err("ENDPOINT=NAME is expected: an endpoint, and the user that reads its topics"),
        }
    }
}

/// What a user may do with topics or consumer groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permission {
    /// The user, without `User:`.
    pub(super) user: String,
    /// The operations, by Kafka's names.
    pub(super) operations: &'static [&'static str],
    /// `topic` or `group`.
    pub(super) on: &'static str,
    /// The names of the topics or groups, or what the names begin with.
    pub(super) names: Vec<String>,
    /// Whether the names are the beginnings of names.
    pub(super) prefixed: bool,
}

impl Users {
    /// Returns the user of the daemon, or `None` where it logs in as nobody.
    fn daemon(&self, config: &Config) -> Option<String> {
        self.user.clone().or_else(|| scripts::user(config))
    }

    /// Returns the users that read, with what the topics of each begin with; all topics where that is empty.
    fn consumers(&self, config: &Config) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
        let mut consumers = BTreeMap::<String, BTreeSet<String>>::new();
        for ConsumerOf { endpoint, user } in &self.consumer_of {
            consumers.entry(user.clone()).or_default().insert(own_prefix(config, endpoint)?);
        }
        consumers.extend(self.consumer.iter().map(|user| (user.clone(), BTreeSet::new())));
        if consumers.is_empty() {
            consumers.insert(PLACEHOLDER.to_owned(), BTreeSet::new());
        }
        if !self.consumer_of.is_empty() {
            self.tell_groups_apart(&consumers)?;
        }
        Ok(consumers)
    }

    /// Refuses users of which one could join a consumer group of another, and take its partitions away.
    fn tell_groups_apart(&self, consumers: &BTreeMap<String, BTreeSet<String>>) -> Result<(), Failure> {
        if let (Some(group), 2..) = (&self.group, consumers.len()) {
            let why = format!("--group: all {} users would have the groups that begin with {group}", consumers.len());
            return Err(Failure::Usage(format!("{why}, and each could take the others' partitions away; print them one by one")));
        }
        // A name that begins with another one comes directly after it, or after others that do.
        let mut pairs = consumers.keys().zip(consumers.keys().skip(1));
        match pairs.find(|(one, other)| other.starts_with(one.as_str())) {
            Some((one, other)) => Err(Failure::Usage(format!(
                "the groups of {other} begin with {one}, so that {one} could join them and take their partitions away; name users of which \
                 none begins another, or print each with a --group of its own"
            ))),
            None => Ok(()),
        }
    }

    /// Returns the permissions on these topics, user by user. There are none where the daemon logs in as nobody.
    pub(super) fn permissions(&self, config: &Config, topics: &[&str]) -> Result<Vec<Permission>, Failure> {
        const PRODUCE: &[&str] = &["Write", "Describe", "DescribeConfigs", "Create"];
        let produce = if config.kafka.auto_create { PRODUCE } else { &PRODUCE[..3] };
        let consumers = self.consumers(config)?;
        let Some(daemon) = self.daemon(config) else { return Ok(Vec::new()) };
        let mut all = on_topics(config, &daemon, produce, topics);
        for (consumer, prefixes) in consumers {
            let reads = |topic: &&str| prefixes.is_empty() || prefixes.iter().any(|prefix| topic.starts_with(prefix));
            let topics: Vec<&str> = topics.iter().copied().filter(reads).collect();
            all.extend(on_topics(config, &consumer, &["Read", "Describe"], &topics));
            let group = self.group.clone().unwrap_or_else(|| consumer.clone());
            all.push(Permission { user: consumer, operations: &["Read"], on: "group", names: vec![group], prefixed: true });
        }
        Ok(all)
    }

    /// Returns what a reader must know before the output is used, a line each.
    pub(super) fn notes(&self, config: &Config) -> Vec<String> {
        let daemon = self.daemon(config);
        if daemon.is_none() && matches!(config.kafka.sasl, Some(Sasl::Iam(_))) {
            return vec!["No permissions: with AWS_MSK_IAM the policies of AWS give them; docs/kafka.md has one.".into()];
        }
        if daemon.is_none() {
            return vec!["No permissions: [kafka] logs in as nobody. Where brokers ask for them, name the users with --user and --consumer.".into()];
        }
        let mut notes = Vec::new();
        if self.consumer.is_empty() && self.consumer_of.is_empty() {
            notes.push(format!("Replace {PLACEHOLDER} by the user of your service, or name it with --consumer."));
        }
        let groups = self.group.as_deref().unwrap_or("the user's name");
        notes.push(format!("Consumers may use the consumer groups that begin with {groups}, and no others."));
        notes
    }
}

/// Returns what the topics of an endpoint begin with, and those of no other.
fn own_prefix(config: &Config, name: &str) -> Result<String, Failure> {
    let Some(endpoint) = config.endpoints.iter().find(|endpoint| *endpoint.name == *name) else {
        let close = suggestion(name, config.endpoints.iter().map(|endpoint| &*endpoint.name));
        let hint = close.map_or_else(String::new, |close| format!("; did you mean {close}?"));
        return Err(Failure::Usage(format!("--consumer-of: there is no endpoint {name}{hint}")));
    };
    endpoint.topic_prefix.clone().ok_or_else(|| {
        Failure::Usage(format!(
            "--consumer-of: the endpoint {name} shares its topics with others; give it a topic_prefix, or use --consumer"
        ))
    })
}

/// Returns a user's permissions on these topics: one for all names that begin with a prefix, and one for all others.
fn on_topics(config: &Config, user: &str, operations: &'static [&'static str], topics: &[&str]) -> Vec<Permission> {
    let (mut prefixes, mut others) = (BTreeSet::new(), Vec::new());
    for topic in topics {
        match config.topics.prefix_of(topic) {
            Some(prefix) => drop(prefixes.insert(prefix.to_owned())),
            None => others.push((*topic).to_owned()),
        }
    }
    let permission = |names, prefixed| Permission { user: user.to_owned(), operations, on: "topic", names, prefixed };
    let all = [permission(prefixes.into_iter().collect(), true), permission(others, false)];
    all.into_iter().filter(|permission| !permission.names.is_empty()).collect()
}

/// Refuses names of which two become the same in another tool. `key` is how the other tool calls a name.
pub(super) fn distinct<'a>(names: impl IntoIterator<Item = (String, &'a str)>, what: &str) -> Result<(), Failure> {
    let mut seen = BTreeMap::new();
    for (key, name) in names {
        if let Some(other) = seen.insert(key.clone(), name) {
            return Err(Failure::Failed(format!(
                "{other} and {name} would both be the {what} {key}; rename one with [topics.map] or another prefix"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::misfits::tests::{SCRAM, config_with};

    /// Checks the permissions, each as `user operations on names`, with `*` after the beginning of a name.
    #[track_caller]
    fn check(kafka: &str, prefix: &str, users: &Users, expected: &[&str]) {
        let config = config_with(kafka, &format!("prefix = \"{prefix}\""));
        let permissions = users.permissions(&config, &["hookgate.a", "hookgate.b", "other.c"]).expect("they are good");
        let shown = permissions.iter().map(|it| {
            let names = it.names.join("+") + if it.prefixed { "*" } else { "" };
            format!("{} {} {} {names}", it.user, it.operations.join("+"), it.on)
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    fn users(user: Option<&str>, consumer: &[&str], group: Option<&str>) -> Users {
        Users {
            user: user.map(str::to_owned),
            consumer: consumer.iter().map(|name| (*name).to_owned()).collect(),
            consumer_of: Vec::new(),
            group: group.map(str::to_owned),
        }
    }

    #[test]
    fn each_user_gets_what_it_needs() {
        let of_daemon =
            |user: &str| ["hookgate.*", "other.c"].map(|topic| format!("{user} Write+Describe+DescribeConfigs topic {topic}"));
        let placeholder = [
            "your-consumer Read+Describe topic hookgate.*",
            "your-consumer Read+Describe topic other.c",
            "your-consumer Read group your-consumer*",
        ];
        let [with, other] = of_daemon("writer");
        check(SCRAM, "hookgate.", &users(None, &[], None), &[&[&*with, &other][..], &placeholder].concat());
        let [with, other] = of_daemon("hg");
        check("", "hookgate.", &users(Some("hg"), &[], None), &[&[&*with, &other][..], &placeholder].concat());
        check("", "hookgate.", &users(None, &["a"], None), &[]);
        check(
            SCRAM,
            "",
            &users(None, &["a", "b"], Some("eu.")),
            &[
                "writer Write+Describe+DescribeConfigs topic hookgate.a+hookgate.b+other.c",
                "a Read+Describe topic hookgate.a+hookgate.b+other.c",
                "a Read group eu.*",
                "b Read+Describe topic hookgate.a+hookgate.b+other.c",
                "b Read group eu.*",
            ],
        );
        let creating = "writer Write+Describe+DescribeConfigs+Create topic ";
        check(
            &format!("auto_create = true\n{SCRAM}"),
            "hookgate.",
            &users(None, &[], None),
            &[&[&*format!("{creating}hookgate.*"), &format!("{creating}other.c")][..], &placeholder].concat(),
        );
    }

    #[test]
    fn names_that_become_the_same_are_refused() {
        let check = |names: &[(&str, &'static str)], good: bool| {
            let names = names.iter().map(|(key, name)| ((*key).to_owned(), *name));
            assert_eq!(distinct(names, "KafkaTopic").is_ok(), good);
        };
        check(&[("a-b", "a_b"), ("a-c", "a-c")], true);
        check(&[("a-b", "a_b"), ("a-b", "a-b")], false);
    }
}
