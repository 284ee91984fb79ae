//! Deliveries with something wrong, each of which must be refused: what an attacker or a careless proxy makes of a good one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    clock,
    command::{send::Request, verify::respaced},
    provider::{self, CredentialSource, Provider},
};

/// How long ago a forged time is: more than any tolerance of a session.
const LONG_AGO: Duration = Duration::from_secs(7 * 86_400);
/// Signs the forgery with another secret. It is public, and good for nothing.
const OTHER_SECRET: &str = "another-secret-than-that-of-the-endpoint";

/// A kind of forgery.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forgery {
    name: &'static str,
    label: &'static str,
    kind: ForgeryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForgeryKind {
    FlippedByte,
    Respaced,
    OtherSecret,
    OldTime,
    NoProof,
    Twice,
    Compressed,
}

/// Every kind.
pub(super) const ALL: &[Forgery] = &[
    Forgery { name: "flipped_byte", label: "one byte of the body changed", kind: ForgeryKind::FlippedByte },
    Forgery {
        name: "respaced",
        label: "the body's white space changed, as by a proxy that reads JSON",
        kind: ForgeryKind::Respaced,
    },
    Forgery { name: "other_secret", label: "another secret", kind: ForgeryKind::OtherSecret },
    Forgery { name: "old_time", label: "signed a week ago", kind: ForgeryKind::OldTime },
    Forgery { name: "no_proof", label: "no signature or token", kind: ForgeryKind::NoProof },
    Forgery { name: "twice", label: "the signature or token twice", kind: ForgeryKind::Twice },
    Forgery { name: "compressed", label: "announced as compressed", kind: ForgeryKind::Compressed },
];

/// Returns the kind of this name.
pub(super) fn by_name(name: &str) -> Option<&'static Forgery> {
    ALL.iter().find(|it| it.name == name)
}

impl Forgery {
    /// Returns whether a provider's proof has what this forges: without a signature, nobody notices another body.
    pub(super) fn suits(&self, provider: &Provider) -> bool {
        match self.kind {
            ForgeryKind::FlippedByte | ForgeryKind::Respaced => matches!(provider.credential, CredentialSource::Hmac(_)),
            ForgeryKind::OldTime => provider.signs_time(),
            ForgeryKind::OtherSecret | ForgeryKind::NoProof | ForgeryKind::Twice | ForgeryKind::Compressed => true,
        }
    }

    pub(super) fn shown(&self) -> Value {
        let suited = provider::ALL.iter().filter(|it| self.suits(it)).map(|it| it.name);
        json!({ "name": self.name, "label": self.label, "endpoints": suited.collect::<Vec<_>>() })
    }
}

/// Makes the forgery of a good delivery with this body.
pub(super) fn make(forgery: &Forgery, provider: &Provider, url: &str, secret: &str, body: &[u8]) -> Result<Request, String> {
    let now = clock::system();
    let (key, at) = match forgery.kind {
        ForgeryKind::OtherSecret => (OTHER_SECRET, now),
        ForgeryKind::OldTime => (secret, now.checked_sub(LONG_AGO).unwrap_or(now)),
        _ => (secret, now),
    };
    let mut request = Request::signed_at(provider, url, key, body.to_vec(), at)?;
    match forgery.kind {
        ForgeryKind::OtherSecret | ForgeryKind::OldTime => {}
        ForgeryKind::FlippedByte => {
            let last = request.body.iter_mut().rev().find(|byte| byte.is_ascii_alphanumeric());
            *last.ok_or("the body has no letter or digit to change")? ^= 1;
        }
        ForgeryKind::Respaced => {
            request.body = respaced(body).ok_or("another white space makes no other body")?;
        }
        ForgeryKind::NoProof => {
            url.clone_into(&mut request.url);
            // The first one is the type of the body.
            request.headers.truncate(1);
        }
        ForgeryKind::Twice => match request.url.split_once('?').map(|(_, query)| query.to_owned()) {
            Some(query) => request.url = format!("{}&{query}", request.url),
            None => request.headers.extend(request.headers.get(1).cloned()),
        },
        ForgeryKind::Compressed => request.headers.push(("content-encoding".into(), "gzip".into())),
    }
    Ok(request)
}
