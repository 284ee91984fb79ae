//! Other services that Hookgate sends HTTP requests to: their URLs, and whom to trust there.

use std::{
    net::{IpAddr, Ipv6Addr},
    path::{Path, PathBuf},
};

use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{
    files::{read_file, readable_file},
    getters::Section,
};

/// The largest bundle of authorities, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The parts of a URL that decide which service is asked, and whether others can listen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Service<'a> {
    pub(super) encrypted: bool,
    /// The host, without the brackets of an IPv6 address.
    pub(super) host: &'a str,
}

impl Service<'_> {
    /// Returns whether the service is on this machine.
    pub(super) fn is_here(&self) -> bool {
        is_here(self.host)
    }
}

/// Returns whether a host, without a port, is this machine. An IPv6 address may be in brackets.
pub fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads `http://` or `https://`, a host, a port or none, and a path or none. Returns `None` if there is anything else, such as a password.
/// A port that is not a number is refused here, because the client would silently use the default one.
pub(super) fn service(url: &str) -> Option<Service<'_>> {
    let (encrypted, rest) = match url.split_once("://")? {
        ("http", rest) => (false, rest),
        ("https", rest) => (true, rest),
        _ => return None,
    };
    if url.contains(['@', '?', '#']) || url.parse::<ureq::http::Uri>().is_err() {
        return None;
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok())?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let reachable = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok_and(|port| port > 0);
    (reachable && !host.is_empty()).then_some(Service { encrypted, host })
}

/// Reads the key `ca_file`: the authorities to trust instead of the built-in ones.
pub(super) fn ca_file(table: &mut Section<'_>) -> Option<PathBuf> {
    let origin = table.written("ca_file");
    let path = readable_file(table, "ca_file", "built in")?;
    // An unreadable file was complained about already.
    if table.is_needed()
        && let (Some(origin), Ok(pem)) = (origin, authorities(&path))
        && !CertificateDer::pem_slice_iter(&pem).any(|certificate| certificate.is_ok())
    {
        table.complain("ca_file", origin, &format!("{:?} holds no certificate as PEM", path.display().to_string()));
    }
    Some(path)
}

/// Returns the current contents of a `ca_file`. Blocks on the file system.
pub(super) fn authorities(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path, FILE_BYTES_MAX).map_err(|fault| format!("the file {:?} {fault}", path.display().to_string()))
}
