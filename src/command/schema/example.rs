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
