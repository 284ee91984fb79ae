//! `topic_prefix` of an endpoint: topics of its own, so that permissions can tell endpoints apart.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Config, EndpointConfig,
    getters::Section,
    reader::Reader,
    topics::{Topics, kinds, no_separator, prefix_fault},
};
use crate::event::EventKind;

/// Reads the prefix of an endpoint, if it has one.
pub(super) fn read(table: &mut Section<'_>, topics: &Topics) -> Option<String> {
    let (prefix, origin) = table.text("topic_prefix")?;
    let fault = match &*prefix {
        "" => Some("is empty; leave the key out, and the endpoint's topics begin with [topics] prefix".into()),
        prefix => prefix_fault(prefix, kinds().map(|kind| topics.name_under(prefix, kind).len() - prefix.len()))
            .or_else(|| merged(topics, prefix)),
    };
    if let Some(fault) = fault {
        table.complain("topic_prefix", origin, &fault);
        return None;
    }
    if let Some(warning) = no_separator(&prefix) {
        table.warn("topic_prefix", &warning);
    }
    Some(prefix)
}

/// Returns what is wrong where two topics of `[topics.map]` would be one under this prefix.
fn merged(topics: &Topics, prefix: &str) -> Option<String> {
    let mut seen = BTreeMap::new();
    kinds().find_map(|kind| {
        let (own, shared) = (topics.name_under(prefix, kind), topics.name(kind));
        let other = seen.insert(own.clone(), shared.clone()).filter(|other| *other != shared)?;
        Some(format!("makes one topic, {own:?}, of {other:?} and {shared:?} in [topics.map]; rename one of them there"))
    })
}

/// A topic, the prefix of its endpoint, if it has one of its own, and the endpoint. Endpoints with one prefix share their topics.
type Owned<'a> = (String, Option<&'a str>, &'a str);

/// Complains of endpoints whose topics cannot be told apart by what they begin with, or by Kafka's metrics.
pub(super) fn compare(reader: &Reader, config: &Config) {
    if config.topics.endpoint_prefixes.is_empty() {
        return;
    }
    let owned: BTreeSet<Owned<'_>> = config.endpoints.iter().flat_map(|endpoint| owned(&config.topics, endpoint)).collect();
    let complain = |(one, other): (&Owned<'_>, &str), message: String| {
        let keys = [one.2, other].map(|name| format!("endpoints.{name}.topic_prefix"));
        let keys: Vec<&str> = keys.iter().map(String::as_str).chain(["topics.map", "topics.prefix"]).collect();
        reader.complain(&keys, format!("[endpoints] topic_prefix: {message}"));
    };
    for endpoint in &config.endpoints {
        let own = endpoint.topic_prefix.as_deref();
        let prefix = own.unwrap_or(&config.topics.prefix);
        let begin = (prefix.to_owned(), None, "");
        let stranger = owned.range(begin..).take_while(|it| it.0.starts_with(prefix)).find(|it| it.1 != own);
        if let Some(stranger) = stranger.filter(|_| !prefix.is_empty()) {
            let message = format!(
                "the topic {:?} of endpoint {} begins with {prefix:?}, as those of endpoint {} do, so that a permission on all of those \
                 would cover it; choose prefixes of which none begins another",
                stranger.0, stranger.2, endpoint.name
            );
            return complain((stranger, &endpoint.name), message);
        }
    }
    let mut seen = BTreeMap::<String, &Owned<'_>>::new();
    for topic in &owned {
        if let Some(other) = seen.insert(topic.0.replace('.', "_"), topic).filter(|other| other.0 != topic.0) {
            let message = format!(
                "{:?} of endpoint {} and {:?} of endpoint {} differ in \".\" and \"_\" alone, and Kafka refuses the second of two such \
                 topics; choose another prefix",
                topic.0, topic.2, other.0, other.2
            );
            return complain((topic, other.2), message);
        }
    }
}

fn owned<'a>(topics: &'a Topics, endpoint: &'a EndpointConfig) -> impl Iterator<Item = Owned<'a>> {
    let kinds = endpoint.provider.kinds().chain([EventKind::Quarantine]);
    kinds.map(move |kind| (topics.name_of(endpoint, kind), endpoint.topic_prefix.as_deref(), &*endpoint.name))
}
