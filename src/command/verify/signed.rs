//! What a signed URL says, and why it is refused.

use std::io::Write;

use prost_types::Timestamp;

use super::{Failure, Provider};
use crate::{
    http::gate::values,
    signature::Keys,
    signed_url::{PARAMETER, REFERENCE_BYTES_MAX, SignedUrl, SignedUrls},
};

/// Says what a signed URL signs. The body is not signed.
pub(super) fn fields(out: &mut impl Write, url: &SignedUrl) -> Result<(), Failure> {
    let expiry = url
        .expires
        .and_then(|seconds| i64::try_from(seconds).ok())
        .map_or_else(|| "does not expire".to_owned(), |seconds| format!("is accepted until {}", Timestamp { seconds, nanos: 0 }));
    writeln!(
        out,
        "signed: the URL, which has the reference {:?} and {expiry}; no byte of the body is signed",
        url.reference.text()
    )?;
    Ok(())
}

/// Explains why a URL is refused, if it has a signature or the endpoint demands one. Returns whether it has explained anything.
pub(super) fn url(out: &mut impl Write, provider: &Provider, url: Option<&str>, keys: &Keys) -> Result<bool, Failure> {
    let address = url.and_then(|url| url.split('#').next()).unwrap_or_default();
    let query = address.split_once('?').map(|(_, query)| query).filter(|_| provider.takes_signed_urls);
    let signed: Vec<&str> = values(query, PARAMETER).collect();
    match signed.as_slice() {
        [] if keys.signed_urls == SignedUrls::Optional => return Ok(false),
        [] => writeln!(
            out,
            "the endpoint has signed_urls = \"required\", so a token is no proof; `hookgate url` makes signed URLs"
        )?,
        [text] => match SignedUrl::parse(text) {
            _ if values(query, "token").next().is_some() => {
                writeln!(out, "the URL has {PARAMETER}= and token=, so it is unclear which one counts")?;
            }
            Ok(url) => {
                fields(out, &url)?;
                writeln!(
                    out,
                    "none of the secrets has signed this for this endpoint: the secret or the endpoint is another one, the URL was \
                     changed, or it has a token in its path too"
                )?;
            }
            Err(_) => writeln!(
                out,
                "{PARAMETER}= holds v1, the expiry (\"never\", or ten digits of seconds), the reference (1 to {REFERENCE_BYTES_MAX} \
                 visible ASCII characters, in base64url without padding) and the signature (64 lower-case hex digits), with a dot between \
                 each two; this one does not"
            )?,
        },
        several => writeln!(out, "{PARAMETER}= is there {} times, so it is unclear which one counts", several.len())?,
    }
    Ok(true)
}
