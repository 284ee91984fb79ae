//! The sender of a request: the connection's peer, or the address that a trusted proxy names.

use std::net::IpAddr;

use axum::http::HeaderMap;

use crate::config::TrustedProxies;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The sender's address, as far as it is known.
    pub(super) address: IpAddr,
    /// Whether the request came through a trusted proxy, whose connection also carries other senders' requests.
    pub(super) proxied: bool,
}

/// Returns the source of a request with these headers. The headers of a peer that is not trusted are ignored. If a trusted peer's header is
/// unreadable, the peer itself is the source.
pub(super) fn source(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> Source {
    if !proxies.trust(peer) {
        return Source { address: peer, proxied: false };
    }
    // Several header lines are one list, in their order. Bytes that are not UTF-8 count as an unreadable entry; later entries of the same
    // line are still read.
    let lines = headers.get_all("x-forwarded-for").iter();
    let written = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let forwarded: Vec<&str> = written.map(|written| str::from_utf8(written).unwrap_or("?")).collect();
    Source { address: proxies.sender(forwarded.into_iter()).unwrap_or(peer), proxied: true }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_sender_writes_in_front_does_not_hide_it() {
        fn check(lines: &[&[u8]], sender: &str) {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
            }
            let proxies = TrustedProxies::of(&["10.0.0.0/8"]);
            let found = source("10.0.0.1".parse().unwrap(), &headers, &proxies);
            assert_eq!(found, Source { address: sender.parse().unwrap(), proxied: true }, "{lines:?}");
        }
        check(&[b"192.0.2.1"], "192.0.2.1");
        check(&["\u{e9}, 192.0.2.1".as_bytes()], "192.0.2.1");
        check(&[b"\xff,,\t192.0.2.1, 10.0.0.2"], "192.0.2.1");
        check(&[b"\xff", b"192.0.2.1"], "192.0.2.1");
        // The unreadable entry is the trusted proxy's own.
        check(&[b"192.0.2.1, \xff"], "10.0.0.1");
        check(&[b"192.0.2.1", b"\xff"], "10.0.0.1");
        check(&[], "10.0.0.1");
    }
}
