//! Commands of Kafka's own scripts, which Hookgate prints for an operator to run.

use std::collections::BTreeSet;

use super::output::quote;
use crate::config::{Config, Sasl, Security, tls};

/// The most topics that a sentence names. With more, it names this many and the number of the others.
pub(super) const NAMED_MAX: usize = 3;

/// Returns a script with the addresses of the brokers. For a secured cluster it also gets the administrator's own file, which docs/kafka.md shows.
fn script(config: &Config, name: &str) -> String {
    let secured = config.kafka.sasl.is_some() || !matches!(config.kafka.security, Security::Plaintext);
    let how = if secured { " --command-config admin.properties" } else { "" };
    format!("{name} --bootstrap-server {}{how}", config.kafka.brokers.join(","))
}

/// Returns the command that gives this client permissions on topics.
pub(super) fn grant(config: &Config, operations: &[&str], topics: &[&str]) -> String {
    let prefixes: Option<BTreeSet<&str>> = topics.iter().map(|topic| config.topics.prefix_of(topic)).collect();
    let pattern = match prefixes {
        Some(prefixes) if topics.len() > NAMED_MAX => {
            let prefixes: Vec<&str> = prefixes.into_iter().collect();
            format!("--resource-pattern-type prefixed --topic {}", prefixes.join(" --topic "))
        }
        _ => format!("--topic {}", topics.join(" --topic ")),
    };
    let user = user(config).unwrap_or_else(|| "ANONYMOUS".into());
    format!("`{}`", allow(config, &user, operations, &pattern))
}

/// Returns the command that allows a user these operations on a pattern of resources.
pub(super) fn allow(config: &Config, user: &str, operations: &[&str], pattern: &str) -> String {
    let (script, user) = (script(config, "kafka-acls.sh"), quote(&format!("User:{user}")));
    format!("{script} --add --allow-principal {user} --operation {} {pattern}", operations.join(" --operation "))
}

/// Returns the user that this client is for the brokers, unless they map names to others; `None` where it does not log in.
pub(super) fn user(config: &Config) -> Option<String> {
    match (&config.kafka.sasl, &config.kafka.security) {
        (Some(Sasl::Password { username, .. }), _) => Some(username.clone()),
        (Some(Sasl::Token(source)), _) => Some(source.client_id.clone()),
        (None, Security::Tls { certificate_file: Some(file), .. }) => {
            Some(tls::subject(file).unwrap_or_else(|| "<subject of [kafka.tls] certificate_file>".into()))
        }
        // Amazon's policies give permissions, and not the users of Kafka.
        (Some(Sasl::Iam(_)) | None, _) => None,
    }
}

/// Returns the command that changes a setting of topics. The script takes one topic at a time.
pub(super) fn alter(config: &Config, topics: &[&str], setting: &str) -> String {
    let alter = |topic: &str| format!("{} --alter --topic {topic} --add-config {setting}", script(config, "kafka-configs.sh"));
    match topics {
        [topic] => format!("`{}`", alter(topic)),
        topics => format!("`for topic in {}; do {}; done`", topics.join(" "), alter("$topic")),
    }
}

/// Returns the command that creates a topic as `hookgate topics --apply` would.
pub(super) fn create(config: &Config, topic: &str) -> String {
    let spec = config.topics.spec(topic);
    let replication = spec.replicas.map_or_else(String::new, |replicas| format!(" --replication-factor {replicas}"));
    let settings: Vec<String> = spec.settings.iter().map(|(name, value)| format!(" --config {name}={value}")).collect();
    format!(
        "{} --create --if-not-exists --topic {topic} --partitions {}{replication}{}",
        script(config, "kafka-topics.sh"),
        spec.partitions,
        settings.concat()
    )
}

#[cfg(test)]
mod tests {
    use crate::command::misfits::tests::{SCRAM, config_with};

    /// Checks that commands name the file that docs/kafka.md describes. Without it, the scripts wait for a secured broker until they time out.
    #[test]
    fn commands_for_a_secured_cluster_take_an_administrators_file() {
        let check = |kafka: &str, secured: bool| {
            let config = config_with(kafka, "");
            let commands = [
                super::grant(&config, &["Write"], &["a"]),
                super::alter(&config, &["a"], "x=y"),
                super::alter(&config, &["a", "b"], "x=y"),
                super::create(&config, "a"),
            ];
            for command in commands {
                let how = if secured { "kafka:9092 --command-config admin.properties --" } else { "kafka:9092 --" };
                assert!(command.contains(how), "{kafka}: {command}");
            }
        };
        check("", false);
        check(SCRAM, true);
        check("security = \"tls\"", true);
    }

    #[test]
    fn many_topics_are_one_command() {
        let config = config_with("", "");
        assert_eq!(
            super::alter(&config, &["a"], "x=y"),
            "`kafka-configs.sh --bootstrap-server kafka:9092 --alter --topic a --add-config x=y`"
        );
        assert_eq!(
            super::alter(&config, &["a", "b"], "x=y"),
            "`for topic in a b; do kafka-configs.sh --bootstrap-server kafka:9092 --alter --topic $topic --add-config x=y; done`"
        );
    }
}
