//! Who has sent a request: the connection's peer, or whom a trusted proxy names.

use std::net::IpAddr;

use axum::http::HeaderMap;

use crate::config::TrustedProxies;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The sender's address, as far as it is known.
    pub(super) address: IpAddr,
    /// Whether it came through a trusted proxy, whose connection carries other senders' requests too.
    pub(super) proxied: bool,
}

/// The source of a request with these headers. A header of a peer that is not trusted is not even looked at; what a trusted one sends and nobody can
/// read leaves the peer.
pub(super) fn source(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> Source {
    if !proxies.trust(peer) {
        return Source { address: peer, proxied: false };
    }
    // Several lines are one list, in their order. What is no text is no address either.
    let lines = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("?"));
    let forwarded: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    Source { address: proxies.sender(forwarded.into_iter()).unwrap_or(peer), proxied: true }
}
