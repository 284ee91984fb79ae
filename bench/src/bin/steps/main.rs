//! Does one step of a delivery's path again and again, so that `bench/instructions` can count the instructions of it.

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, SystemTime},
};

use clap::{Parser, ValueEnum};
use hookgate::{
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, TopicTable, encode},
    http::classify,
    proto::Origin,
    provider::{self, CredentialSource, Provider},
    signature::{Keys, Secret},
    signed_url::SignedUrls,
};

/// Does a step of a delivery's path so many times, for the sample of a provider's first type.
#[derive(Parser)]
struct Arguments {
    /// The last step to do: each step needs those before it.
    until: Step,
    /// The name of the provider.
    provider: String,
    /// How many deliveries to take that far.
    times: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Step {
    /// Copies the delivery, which all other steps begin with.
    Copy,
    Verify,
    Classify,
    Encode,
}

const SECRET: &str = "a-secret-of-thirty-two-characters";
const NOW: Duration = Duration::from_secs(1_760_000_000);

fn delivery(provider: &Provider, secret: &Secret) -> Result<Delivery, Box<dyn Error>> {
    let body = (provider.sample)(provider.types[0].name).ok_or("no sample")?;
    let received_at = SystemTime::UNIX_EPOCH + NOW;
    let credential = match provider.credential {
        CredentialSource::UrlToken => Credential::Token(SECRET.into()),
        CredentialSource::Hmac(_) => {
            let headers = provider.sign(body.as_bytes(), secret, received_at);
            Credential::Headers(headers.into_iter().map(|(_, value)| value).collect())
        }
    };
    let content_type = "application/json".into();
    Ok(Delivery { endpoint: "endpoint".into(), credential, content_type, body: body.into(), received_at })
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { until, provider, times } = Arguments::parse();
    let provider = provider::by_name(&provider).ok_or("no such provider")?;
    let secret = Secret::new(SECRET.as_bytes()).ok_or("no secret")?;
    let delivery = delivery(provider, &secret)?;
    let keys = Keys {
        secrets: vec![(1, secret)],
        secret_missing: false,
        tolerance: Duration::from_secs(300),
        signed_urls: SignedUrls::Optional,
    };
    let topics = TopicTable::new(provider::ALL.iter().copied(), |kind| kind.name().into_owned());
    let encoding = Encoding { topics, framing: Framing::default(), record_bytes_max: 1 << 20, origin: Origin::Webhook };
    for _ in 0..times {
        let delivery = black_box(delivery.clone());
        if until < Step::Verify {
            continue;
        }
        let verified = black_box(provider.verify(delivery, &keys)?);
        if until < Step::Classify {
            continue;
        }
        let event = black_box(classify(provider, &verified));
        if until == Step::Encode {
            black_box(encode(verified, provider, event, &encoding));
        }
    }
    Ok(())
}
