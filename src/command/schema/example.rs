//! Example records: the providers' samples, proven, read and encoded by the code that does this with deliveries.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    app::topic_table,
    config::Config,
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, Record, encode},
    event::EventKind,
    proto::Origin,
    provider::{CredentialSource, Provider},
    signature::{Keys, Secret},
    signed_url::SignedUrls,
};

/// The secret that the examples are signed with. It protects nothing.
const SECRET: &str = "the-secret-of-the-examples";
/// When the examples arrived, in milliseconds since the epoch: after all times in the samples, and fixed, so that the same program prints
/// the same examples.
const RECEIVED_AT_MS: u64 = 1_790_000_000_123;
/// A type that no provider knows.
const UNKNOWN: &str = "something.new";

/// Returns a record of every kind that the configuration's endpoints can produce.
pub(super) fn records(config: &Config) -> BTreeMap<EventKind, Record> {
    let topics = topic_table(config);
    let record_bytes_max = config.topics.max_message_bytes;
    let encoding = Encoding { topics, framing: Framing::default(), record_bytes_max, origin: Origin::Sample };
    let mut records = BTreeMap::new();
    for endpoint in &config.endpoints {
        for body in bodies(endpoint.provider) {
            if let Some(record) = record(endpoint.provider, &endpoint.name, body, &encoding) {
                records.entry(record.kind).or_insert(record);
            }
        }
    }
    records
}

/// Returns a body of each documented type, one of a type that is not on the list, and one that cannot be read.
fn bodies(provider: &Provider) -> Vec<String> {
    let samples = provider.names().filter_map(provider.sample);
    // The first sample names its type; not all samples do.
    let first = provider.names().next().unwrap_or_default();
    let unknown = (provider.sample)(first).unwrap_or_default().replace(first, UNKNOWN);
    samples.chain([unknown, "not JSON".into()]).collect()
}

fn record(provider: &'static Provider, endpoint: &str, body: String, encoding: &Encoding) -> Option<Record> {
    let received_at = SystemTime::UNIX_EPOCH + Duration::from_millis(RECEIVED_AT_MS);
    let secret = Secret::new(SECRET.as_bytes())?;
    let credential = match provider.credential {
        CredentialSource::UrlToken => Credential::Token(SECRET.into()),
        CredentialSource::Hmac(_) => {
            let headers = provider.sign(body.as_bytes(), &secret, received_at);
            Credential::Headers(headers.into_iter().map(|(_, value)| value).collect())
        }
    };
    let delivery = Delivery {
        endpoint: endpoint.into(),
        credential,
        content_type: "application/json".into(),
        body: body.into_bytes().into(),
        received_at,
    };
    let keys = Keys {
        secrets: vec![(1, secret)],
        secret_missing: false,
        tolerance: Duration::from_secs(300),
        signed_urls: SignedUrls::Optional,
    };
    let verified = provider.verify(delivery, &keys).ok()?;
    let event = (provider.classify)(&verified);
    Some(encode(verified, provider, event, encoding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, provider};

    /// What Kafka stores of a record that is alone in a batch and not compressed: the head of the batch, the record's own fields, and
    /// three bytes beside each header.
    fn stored_bytes(record: &Record) -> usize {
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
        61 + 12 + record.key.len() + record.value.len() + headers
    }

    /// Operators plan their storage with this table.
    #[test]
    fn docs_capacity_has_the_sizes_of_the_records() {
        let page = include_str!("../../../docs/capacity.md");
        let environment = [("S", SECRET)].into_iter().collect();
        let row = |provider: &&'static Provider| {
            let name = provider.name;
            let text =
                format!("[kafka]\nbrokers = [\"k:9092\"]\n[endpoints.{name}]\nprovider = \"{name}\"\nsecrets = [\"env:S\"]\n");
            let config = config::parse(&text, "a.toml", &environment, &[]).expect("it is good");
            let named = records(&config).into_iter().filter(|(kind, _)| matches!(kind, EventKind::Named { .. }));
            let sizes: Vec<usize> = named.map(|(_, record)| stored_bytes(&record)).collect();
            let bodies: Vec<usize> = provider.names().filter_map(provider.sample).map(|body| body.len()).collect();
            let most = |sizes: &[usize]| sizes.iter().max().copied().unwrap_or_default();
            assert!(most(&sizes) <= 2 * most(&bodies) + 600, "{name}: {sizes:?} {bodies:?}");
            let range = |sizes: &[usize]| format!("{} to {}", sizes.iter().min().unwrap_or(&0), most(sizes));
            format!("| {} | {} | {} |\n", provider.title, range(&bodies), range(&sizes))
        };
        let rows: String = provider::ALL.iter().map(row).collect();
        assert!(page.contains(&rows), "docs/capacity.md must have these rows:\n{rows}");
    }
}
