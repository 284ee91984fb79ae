//! Topics and permissions as resources of Terraform, for the provider Mongey/kafka.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use super::permissions::{Permission, distinct};
use crate::{
    command::Failure,
    config::{Config, topics::TopicSpec},
};

/// Prints a `kafka_topic` for each topic and a `kafka_acl` for each permission. The address of the brokers and the credentials of an
/// administrator are in the user's own `provider "kafka"`.
pub(super) fn print(out: &mut impl Write, config: &Config, topics: &[&str], permissions: &[Permission]) -> Result<(), Failure> {
    distinct(topics.iter().map(|topic| (identifier(topic), *topic)), "kafka_topic")?;
    writeln!(out, "terraform {{\n  required_providers {{\n    kafka = {{\n      source = \"Mongey/kafka\"\n    }}\n  }}\n}}")?;
    for topic in topics {
        let TopicSpec { partitions, replicas, settings, .. } = config.topics.spec(topic);
        let Some(replicas) = replicas else {
            return Err(Failure::Failed(
                "[topics] replication is -1, and Terraform would create a topic with another number again; write a number".into(),
            ));
        };
        print_topic(out, topic, partitions, replicas, &settings)?;
    }
    let mut printed = BTreeSet::new();
    for permission in permissions {
        for name in &permission.names {
            let key = rule(permission, name);
            if !printed.insert(key.clone()) {
                return Err(Failure::Failed(format!(
                    "two rules would be the kafka_acl {key}: the daemon and each reader need users of their own, whose names differ in letters \
                     or digits"
                )));
            }
            print_permission(out, permission, name)?;
        }
    }
    Ok(())
}

fn print_topic(
    out: &mut impl Write,
    topic: &str,
    partitions: i32,
    replicas: i32,
    settings: &[(&'static str, String)],
) -> io::Result<()> {
    writeln!(out, "\nresource \"kafka_topic\" \"{}\" {{", identifier(topic))?;
    writeln!(out, "  name               = {}", text(topic))?;
    writeln!(out, "  partitions         = {partitions}\n  replication_factor = {replicas}\n  config = {{")?;
    let width = settings.iter().map(|(name, _)| name.len() + 2).max().unwrap_or(0);
    for (name, value) in settings {
        writeln!(out, "    {:width$} = {}", text(name), text(value))?;
    }
    // Terraform replaces a topic that gets fewer partitions, and its events would be gone.
    writeln!(out, "  }}\n  lifecycle {{\n    prevent_destroy = true\n  }}\n}}")
}

/// Returns how the rule of a permission on a name is called.
fn rule(permission: &Permission, name: &str) -> String {
    identifier(&format!("{}_{}_{name}", permission.user, permission.on))
}

fn print_permission(out: &mut impl Write, permission: &Permission, name: &str) -> io::Result<()> {
    let Permission { user, operations, on, prefixed, .. } = permission;
    let operations: Vec<String> = operations.iter().map(|operation| text(operation)).collect();
    let (kind, pattern) = (if *on == "topic" { "Topic" } else { "Group" }, if *prefixed { "Prefixed" } else { "Literal" });
    writeln!(out, "\nresource \"kafka_acl\" \"{}\" {{", rule(permission, name))?;
    writeln!(out, "  for_each                     = toset([{}])", operations.join(", "))?;
    writeln!(out, "  resource_type                = \"{kind}\"")?;
    writeln!(out, "  resource_name                = {}", text(name))?;
    writeln!(out, "  resource_pattern_type_filter = \"{pattern}\"")?;
    writeln!(out, "  acl_principal                = {}", text(&format!("User:{user}")))?;
    writeln!(out, "  acl_host                     = \"*\"")?;
    writeln!(out, "  acl_operation                = each.value\n  acl_permission_type          = \"Allow\"\n}}")
}

/// Returns a name as Terraform names resources: letters, digits, `_` and `-`, and first a letter.
fn identifier(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().map(legal).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("_{name}") }
}

/// Returns a text in quotes, as HCL reads it.
fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_and_names_are_those_of_hcl() {
        #[track_caller]
        fn check(function: fn(&str) -> String, name: &str, expected: &str) {
            assert_eq!(function(name), expected);
        }
        check(super::text, "CN=a,O=\"b\\c\"", r#""CN=a,O=\"b\\c\"""#);
        check(super::text, "${x} %{if} $y\u{7}", r#""$${x} %%{if} $y\u0007""#);
        check(super::identifier, "hookgate.uploadcare.file.info_updated", "hookgate_uploadcare_file_info_updated");
        check(super::identifier, "4-eyes.x", "_4-eyes_x");
    }
}
