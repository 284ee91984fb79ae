//! The request that is sent repeatedly: it is made once, and changed for each delivery only if every delivery must differ.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    str::FromStr,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The server and the path that requests are sent to.
pub(crate) struct Target {
    /// A loopback address.
    pub(crate) address: SocketAddr,
    authority: String,
    path: String,
}

impl FromStr for Target {
    type Err = String;

    /// Parses `http://HOST:PORT/PATH`. The host must be this machine, because a load generator must not be used against others.
    fn from_str(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or("expected a URL that begins with http://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let addresses: Vec<SocketAddr> =
            authority.to_socket_addrs().map_err(|error| format!("expected HOST:PORT in the URL: {error}"))?.collect();
        match addresses.first() {
            Some(&address) if addresses.iter().all(|address| address.ip().is_loopback()) => {
                Ok(Self { address, authority: authority.to_owned(), path: format!("/{path}") })
            }
            _ => Err(format!("{authority} is not a loopback address")),
        }
    }
}

/// The bytes of a request, and the places of the parts that change.
pub(crate) struct Template {
    /// Head and body as sent.
    pub(crate) bytes: Vec<u8>,
    signature_at: usize,
    body_at: usize,
    /// Empty if all deliveries are the same.
    uuids_at: Vec<usize>,
    mac: Hmac<Sha256>,
    /// Differs from run to run, so that two runs never send the same uuid.
    run: u64,
}

const UUID_LENGTH: usize = 36;
const SIGNATURE_LENGTH: usize = 64;

impl Template {
    /// Makes a signed request. Fails if every delivery must differ but the body has no `"uuid"` to replace.
    pub(crate) fn new(target: &Target, secret: &str, body: &[u8], unique: bool) -> Result<Self, String> {
        let mac = Hmac::new_from_slice(secret.as_bytes()).map_err(|error| error.to_string())?;
        let Target { authority, path, .. } = target;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             x-uc-signature: v1=",
            body.len()
        );
        let signature_at = head.len();
        let body_at = signature_at + SIGNATURE_LENGTH + 4;
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&[b'0'; SIGNATURE_LENGTH]);
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(body);
        let uuids_at = if unique { find_uuids(body).into_iter().map(|at| body_at + at).collect() } else { Vec::new() };
        if unique && uuids_at.is_empty() {
            return Err("the body holds no \"uuid\" to make each delivery differ by".to_owned());
        }
        let mut template = Self { bytes, signature_at, body_at, uuids_at, mac, run: run_number() };
        let mut signed = template.bytes.clone();
        template.sign(&mut signed);
        template.bytes = signed;
        Ok(template)
    }

    /// Changes `request`, a copy of [`Self::bytes`], to the delivery of this number.
    pub(crate) fn stamp(&self, request: &mut [u8], number: u64) {
        if self.uuids_at.is_empty() {
            return;
        }
        let uuid = uuid(self.run, number);
        for &at in &self.uuids_at {
            request[at..at + UUID_LENGTH].copy_from_slice(uuid.as_bytes());
        }
        self.sign(request);
    }

    fn sign(&self, request: &mut [u8]) {
        let signature = self.mac.clone().chain_update(&request[self.body_at..]).finalize().into_bytes();
        let place = &mut request[self.signature_at..self.signature_at + SIGNATURE_LENGTH];
        // This cannot fail, because the place always has twice the length of a digest.
        let _ = hex::encode_to_slice(signature, place);
    }
}

/// Returns every place in the body that has the value of its first `"uuid"`, because URLs repeat it.
fn find_uuids(body: &[u8]) -> Vec<usize> {
    const NAME: &[u8] = b"\"uuid\"";
    let Some(name_at) = body.windows(NAME.len()).position(|window| window == NAME) else {
        return Vec::new();
    };
    let after = &body[name_at + NAME.len()..];
    let Some(quote_at) = after.iter().position(|&byte| byte == b'"') else {
        return Vec::new();
    };
    let Some(uuid) = after.get(quote_at + 1..quote_at + 1 + UUID_LENGTH) else {
        return Vec::new();
    };
    body.windows(UUID_LENGTH).enumerate().filter(|(_, window)| *window == uuid).map(|(at, _)| at).collect()
}

/// Returns a well-formed version 4 uuid that is made from a run and a number, so that a strict reader accepts it. It contains the lowest
/// 60 bits of the run and the lowest 62 bits of the number.
fn uuid(run: u64, number: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        (run >> 28) & 0xffff_ffff,
        (run >> 12) & 0xffff,
        run & 0xfff,
        0x8000 | ((number >> 48) & 0x3fff),
        number & 0xffff_ffff_ffff
    )
}

fn run_number() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body. The signature below was made with `printf '%s' BODY | openssl dgst -sha256 -hmac 12345X`.
    const BODY: &[u8] =
        br#"{"data":{"uuid":"620ff227-eb36-460f-a809-8ba1ea98b1f3"},"file":"https://a/620ff227-eb36-460f-a809-8ba1ea98b1f3/x"}"#;
    const SIGNATURE: &str = "a7cca5cdf46dee526c64ead9a579517005e4a69a3c45742b29ac2c7242f5fc0c";

    fn template(unique: bool) -> Template {
        let target = "http://127.0.0.1:8080/webhooks/uploadcare".parse().unwrap();
        Template::new(&target, "12345X", BODY, unique).unwrap()
    }

    #[test]
    fn the_signature_is_that_of_openssl() {
        let request = String::from_utf8(template(false).bytes).unwrap();
        assert!(request.contains(&format!("\r\nx-uc-signature: v1={SIGNATURE}\r\n\r\n{{\"data\"")), "{request}");
    }

    #[test]
    fn a_unique_delivery_differs_only_in_uuid_and_signature() {
        let template = template(true);
        let mut request = template.bytes.clone();
        template.stamp(&mut request, 7);
        let uuid = uuid(template.run, 7);
        let body = String::from_utf8(request[template.body_at..].to_vec()).unwrap();
        assert_eq!(body.matches(&uuid).count(), 2);
        assert_eq!(body.replace(&uuid, "620ff227-eb36-460f-a809-8ba1ea98b1f3").as_bytes(), BODY);
        let signature = template.signature_at..template.signature_at + SIGNATURE_LENGTH;
        assert_ne!(request[signature.clone()], template.bytes[signature]);
    }

    #[test]
    fn uuids_of_neighbours_differ_and_are_well_formed() {
        assert_eq!(uuid(0x0123_4567_89ab_cdef, 1), "12345678-9abc-4def-8000-000000000001");
        assert_ne!(uuid(1, 2), uuid(2, 1));
    }

    #[test]
    fn only_this_machine_is_a_target() {
        for good in ["http://127.0.0.1:1/", "http://[::1]:1/a", "http://127.9.9.9:80"] {
            assert!(good.parse::<Target>().is_ok(), "{good}");
        }
        for bad in ["http://192.0.2.1:80/", "https://127.0.0.1:1/", "127.0.0.1:1", "http://127.0.0.1/", "http://0.0.0.0:1/"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
