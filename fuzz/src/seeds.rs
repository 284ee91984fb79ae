//! The inputs with which fuzzing starts: those that are made from the fixtures and the samples, so that the repository needs no copy; the
//! corpus, which reaches code that these do not; and inputs that have failed before.

use std::{fs, path::Path};

use hookgate::{
    provider::{self, CredentialSource, Provider},
    signature::HmacScheme,
};

use crate::{folder, record};

/// Returns all inputs with which a target starts, in a fixed order.
#[must_use]
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let kept = ["corpus", "regressions"].map(|kind| files(&folder().join(kind).join(target)));
    made(target).into_iter().chain(kept.concat()).collect()
}

/// Returns those inputs of a target that are not in the repository.
#[must_use]
pub fn made(target: &str) -> Vec<Vec<u8>> {
    match target {
        "classify" => bodies(),
        "verify" => proofs(),
        "gate" => heads(),
        "configuration" => configurations(),
        "decode" => records(),
        other => panic!("no target {other}"),
    }
}

/// Returns the contents of all files in a folder and below it, in the order of their names. There are none if the folder does not exist.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().flat_map(|path| if path.is_dir() { files(path) } else { fs::read(path).into_iter().collect() }).collect()
}

/// Returns the fixtures and samples of every provider, each after the byte that selects its provider.
fn bodies() -> Vec<Vec<u8>> {
    let fixtures = folder().join("../tests/fixtures");
    let of = |(first, provider): (u8, &&'static Provider)| {
        let samples = provider.names().filter_map(provider.sample).map(String::into_bytes);
        // Longer files document an API and are no deliveries.
        let fixtures = files(&fixtures.join(provider.name)).into_iter().filter(|body| body.len() < 16 << 10);
        samples.chain(fixtures).map(move |body| [&[first], body.as_slice()].concat()).collect::<Vec<_>>()
    };
    (0..).zip(provider::ALL).flat_map(of).collect()
}

/// Returns values of the signature headers of a scheme. They have the right form, and no secret has made them.
fn forged(scheme: &HmacScheme) -> Vec<String> {
    let signature = format!("{}{}", scheme.version, "5a".repeat(32));
    [signature].into_iter().chain(scheme.around_timestamp.map(|_| "1760000000".to_owned())).collect()
}

/// Returns a body of each provider with a proof by another secret.
fn proofs() -> Vec<Vec<u8>> {
    let of = |(first, provider): (u8, &&'static Provider)| {
        let proof = match &provider.credential {
            CredentialSource::UrlToken if provider.takes_signed_urls => vec![format!("v1.never.dXBsXzQ1Ng.{}", "5a".repeat(32))],
            CredentialSource::UrlToken => vec!["token".to_owned()],
            CredentialSource::Hmac(scheme) => forged(scheme),
        };
        [&[first], format!("{}\n{{}}", proof.join("\n")).as_bytes()].concat()
    };
    (0..).zip(provider::ALL).map(of).collect()
}

/// Returns heads of each provider: with the token in both places, or with only the signature headers and with others.
fn heads() -> Vec<Vec<u8>> {
    let of = |(first, provider): (u8, &&'static Provider)| {
        let heads = match &provider.credential {
            CredentialSource::UrlToken => {
                let signed = format!("/webhooks/a?signed=v1.1790000000.dXBsXzQ1Ng.{}", "5a".repeat(32));
                ["/webhooks/a?x=1&token=to%6ben".to_owned(), "https://hooks.example/webhooks/a/to%2Fken?x".to_owned(), signed]
                    .to_vec()
            }
            CredentialSource::Hmac(scheme) => {
                let lines = scheme.headers.iter().zip(forged(scheme)).map(|(name, value)| format!("\n{name}: {value}"));
                let (signed, digits) = (format!("/webhooks/a{}", lines.collect::<String>()), "5a".repeat(24));
                let more =
                    format!("{signed}\nContent-Type: application/json\ntraceparent: 00-{}-{}-01", &digits[..32], &digits[32..]);
                vec![signed, more]
            }
        };
        heads.into_iter().map(move |head| [&[first], head.as_bytes()].concat())
    };
    (0..).zip(provider::ALL).flat_map(of).collect()
}

/// Returns the configurations that the documents show.
fn configurations() -> Vec<Vec<u8>> {
    let pages = ["../README.md", "../docs/configuration.md", "../docs/providers.md"];
    let text: String = pages.iter().filter_map(|page| fs::read_to_string(folder().join(page)).ok()).collect();
    let blocks = text.split("```toml\n").skip(1).filter_map(|block| block.split("```").next());
    let minimal = "[kafka]\nbrokers = [\"kafka:9092\"]\n[endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:SECRET\"]\n";
    let mut seeds = vec![minimal.as_bytes().to_vec()];
    for block in blocks {
        seeds.push(block.as_bytes().to_vec());
        seeds.push([minimal, block].concat().into_bytes());
    }
    seeds
}

/// Returns the records of some samples of each provider.
fn records() -> Vec<Vec<u8>> {
    let one = |provider: &'static Provider| {
        let bodies = provider.names().take(8).filter_map(provider.sample);
        bodies.map(move |body| record(provider, body.as_bytes()).value)
    };
    provider::ALL.iter().copied().flat_map(one).collect()
}
