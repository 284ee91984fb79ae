//! What is measured of the pure part of a delivery's path: here its instructions, in `tests/allocations.rs` its allocations.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use hookgate::{
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, TopicTable},
    proto::Origin,
    provider::{self, CredentialSource, Provider},
    signature::{Keys, Secret},
    signed_url::SignedUrls,
};

const SECRET: &str = "a-secret-of-thirty-two-characters";
const NOW: Duration = Duration::from_secs(1_760_000_000);

/// Returns the delivery of the sample of a provider's first type, and the keys that prove it.
pub(crate) fn delivery(provider: &Provider) -> Result<(Delivery, Keys), Box<dyn Error>> {
    let secret = Secret::new(SECRET.as_bytes()).ok_or("no secret")?;
    let body = (provider.sample)(provider.types[0].name).ok_or("no sample")?;
    let received_at = SystemTime::UNIX_EPOCH + NOW;
    let credential = match provider.credential {
        CredentialSource::UrlToken => Credential::Token(SECRET.into()),
        CredentialSource::Hmac(_) => {
            let headers = provider.sign(body.as_bytes(), &secret, received_at);
            Credential::Headers(headers.into_iter().map(|(_, value)| value).collect())
        }
    };
    let keys = Keys {
        secrets: vec![(1, secret)],
        secret_missing: false,
        tolerance: Duration::from_secs(300),
        signed_urls: SignedUrls::Optional,
    };
    let content_type = "application/json".into();
    Ok((Delivery { endpoint: "endpoint".into(), credential, content_type, body: body.into(), received_at }, keys))
}

/// Returns how the events of all providers are encoded.
pub(crate) fn encoding() -> Encoding {
    let topics = TopicTable::new(provider::ALL.iter().copied(), |kind| kind.name().into_owned());
    Encoding { topics, framing: Framing::default(), record_bytes_max: 1 << 20, origin: Origin::Webhook }
}
