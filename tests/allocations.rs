//! How often the pure part of a delivery's path asks the allocator for memory, and for how many bytes, for a typical body of each provider.
//! These are counts, so they are the same on each machine. `make bless` accepts others; say in the commit why they changed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::{
    fmt::Write as _,
    hint::black_box,
    time::{Duration, SystemTime},
};

use allocation_counter::AllocationInfo;
use hookgate::{
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, TopicTable, encode},
    http::classify,
    proto::Origin,
    provider::{self, CredentialSource, Provider},
    signature::{Keys, Secret},
    signed_url::SignedUrls,
};

const SECRET: &str = "a-secret-of-thirty-two-characters";
const NOW: Duration = Duration::from_secs(1_760_000_000);

fn delivery(provider: &Provider, secret: &Secret) -> Delivery {
    let body = (provider.sample)(provider.types[0].name).unwrap();
    let received_at = SystemTime::UNIX_EPOCH + NOW;
    let credential = match provider.credential {
        CredentialSource::UrlToken => Credential::Token(SECRET.into()),
        CredentialSource::Hmac(_) => {
            let headers = provider.sign(body.as_bytes(), secret, received_at);
            Credential::Headers(headers.into_iter().map(|(_, value)| value).collect())
        }
    };
    Delivery { endpoint: "endpoint".into(), credential, content_type: "application/json".into(), body: body.into(), received_at }
}

/// Does some work, and returns its result with what it has asked of the allocator on this thread.
fn counted<T>(work: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(black_box(work())));
    (result.unwrap(), info)
}

#[test]
fn a_delivery_asks_for_no_more_memory_than_before() {
    let topics = TopicTable::new(provider::ALL.iter().copied(), |kind| kind.name().into_owned());
    let encoding = Encoding { topics, framing: Framing::default(), record_bytes_max: 1 << 20, origin: Origin::Webhook };
    let mut table = String::new();
    for provider in provider::ALL {
        let secret = Secret::new(SECRET.as_bytes()).unwrap();
        let delivery = delivery(provider, &secret);
        let keys = Keys {
            secrets: vec![(1, secret)],
            secret_missing: false,
            tolerance: Duration::from_secs(300),
            signed_urls: SignedUrls::Optional,
        };
        writeln!(table, "{}, a body of {} bytes", provider.name, delivery.body.len()).unwrap();
        let (verified, verifying) = counted(|| provider.verify(delivery, &keys).unwrap());
        let (event, classifying) = counted(|| classify(provider, &verified));
        let (_record, encoding) = counted(|| encode(verified, provider, event, &encoding));
        for (stage, info) in [("verify", verifying), ("classify", classifying), ("encode", encoding)] {
            writeln!(table, "  {stage:<9}{:>4} times{:>7} bytes", info.count_total, info.bytes_total).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}
