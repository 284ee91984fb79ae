//! Topics and users as resources of Strimzi.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde_json::json;

use super::permissions::{Permission, distinct};
use crate::{
    command::Failure,
    config::{Config, Sasl, Security},
};

/// The cluster that is printed until a name is given.
pub(super) const CLUSTER: &str = "your-cluster";

/// Prints a `KafkaTopic` for each topic and a `KafkaUser` for each user. `cluster` is the name of the `Kafka` resource.
pub(super) fn print(
    out: &mut impl Write,
    config: &Config,
    topics: &[&str],
    permissions: &[Permission],
    cluster: &str,
) -> Result<(), Failure> {
    distinct(topics.iter().map(|topic| (resource_name(topic), *topic)), "KafkaTopic")?;
    for topic in topics {
        print_topic(out, config, topic, cluster)?;
    }
    let mut users = BTreeMap::<&str, Vec<&Permission>>::new();
    for permission in permissions {
        users.entry(&permission.user).or_default().push(permission);
    }
    for (user, permissions) in users {
        print_user(out, config, user, &permissions, cluster)?;
    }
    Ok(())
}

fn head(out: &mut impl Write, kind: &str, name: &str, cluster: &str) -> io::Result<()> {
    // A text of JSON is one of YAML.
    let (name, cluster) = (json!(name), json!(cluster));
    writeln!(out, "---\napiVersion: kafka.strimzi.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n  labels:")?;
    writeln!(out, "    strimzi.io/cluster: {cluster}\nspec:")
}

fn print_topic(out: &mut impl Write, config: &Config, topic: &str, cluster: &str) -> io::Result<()> {
    let (name, spec) = (resource_name(topic), config.topics.spec(topic));
    head(out, "KafkaTopic", &name, cluster)?;
    if name != topic {
        writeln!(out, "  topicName: {}", json!(topic))?;
    }
    writeln!(out, "  partitions: {}", spec.partitions)?;
    if let Some(replicas) = spec.replicas {
        writeln!(out, "  replicas: {replicas}")?;
    }
    writeln!(out, "  config:")?;
    for (name, value) in spec.settings {
        writeln!(out, "    {name}: {value}")?;
    }
    Ok(())
}

fn print_user(
    out: &mut impl Write,
    config: &Config,
    user: &str,
    permissions: &[&Permission],
    cluster: &str,
) -> Result<(), Failure> {
    // Strimzi makes the certificate of the user x for the name CN=x.
    let name = user.strip_prefix("CN=").unwrap_or(user);
    if resource_name(name) != name {
        return Err(Failure::Failed(format!(
            "{name:?} is no name of a KafkaUser: that is small letters, digits, '-' and '.'; name another with --user or --consumer"
        )));
    }
    head(out, "KafkaUser", name, cluster)?;
    if let Some(kind) = authentication(config) {
        writeln!(out, "  authentication:\n    type: {kind}")?;
    }
    writeln!(out, "  authorization:\n    type: simple\n    acls:")?;
    for Permission { operations, on, names, prefixed, .. } in permissions {
        let pattern = if *prefixed { ", patternType: prefix" } else { "" };
        for name in names {
            writeln!(out, "      - resource: {{type: {on}, name: {}{pattern}}}", json!(name))?;
            writeln!(out, "        operations: [{}]", operations.join(", "))?;
        }
    }
    Ok(())
}

/// Returns how Strimzi makes the credentials of users, or `None` where it makes none.
fn authentication(config: &Config) -> Option<&'static str> {
    match (&config.kafka.sasl, &config.kafka.security) {
        (Some(Sasl::Password { mechanism: "SCRAM-SHA-512", .. }), _) => Some("scram-sha-512"),
        (None, Security::Tls { certificate_file: Some(_), .. }) => Some("tls"),
        _ => None,
    }
}

/// Returns a name as Kubernetes allows it: small letters, digits, `-` and `.`, with a letter or a digit before and after each `.`.
fn resource_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let parts = name.split('.').map(|part| part.chars().map(legal).collect::<String>());
    parts.map(|part| part.trim_matches('-').to_owned()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_becomes_one_of_kubernetes() {
        #[track_caller]
        fn check(name: &str, expected: &str) {
            assert_eq!(super::resource_name(name), expected);
        }
        check("hookgate.frameio.file.ready", "hookgate.frameio.file.ready");
        check("hookgate.uploadcare.file.info_updated", "hookgate.uploadcare.file.info-updated");
        check("Events-A_.frameio", "events-a.frameio");
        check("_.a..b.", "a.b");
    }
}
