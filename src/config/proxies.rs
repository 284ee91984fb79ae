//! `http.trusted_proxies`: the proxies that are believed about a sender's address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::getters::Section;

/// The networks of the proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Returns whether an address is that of a trusted proxy.
    pub fn trust(&self, address: IpAddr) -> bool {
        // Mostly the list is empty.
        !self.0.is_empty() && {
            let address = address.to_canonical();
            self.0.iter().any(|network| network.contains(&address))
        }
    }

    /// Returns the sender of a request that came through a trusted proxy: of the addresses in its `X-Forwarded-For`, oldest first, the last
    /// one that is not a trusted proxy's. An untrusted sender may have written the addresses before that one. `None` if the list cannot be
    /// read that far.
    pub fn sender<'a>(&self, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> Option<IpAddr> {
        let mut first = None;
        for written in forwarded.rev() {
            let address = address(written)?;
            if !self.trust(address) {
                return Some(address);
            }
            first = Some(address);
        }
        // If all addresses are trusted proxies, the first is the sender.
        first
    }
}

/// Reads an address as proxies write it: bare, with a port, or in brackets.
fn address(written: &str) -> Option<IpAddr> {
    let written = written.trim();
    let inner = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match inner {
        Some(inner) => IpAddr::V6(inner.parse::<Ipv6Addr>().ok()?),
        None => written.parse::<IpAddr>().or_else(|_| written.parse::<SocketAddr>().map(|it| it.ip())).ok()?,
    };
    Some(address.to_canonical())
}

/// Reads the list.
pub(super) fn read(section: &mut Section<'_>) -> TrustedProxies {
    TrustedProxies(section.list_of("trusted_proxies", |_, text| network(text), ToString::to_string))
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| format!("{text:?} is not an address or a network, such as \"10.0.0.0/8\""))?;
    if network.addr() != network.network() {
        return Err(format!("{text:?} has more bits than its length says; write \"{}\"", network.trunc()));
    }
    let network = canonical(network);
    if network.prefix_len() == 0 {
        return Err(format!("{text:?} would let every sender choose its address"));
    }
    Ok(network)
}

/// Returns an IPv4 network that is written as IPv6 in its IPv4 form.
fn canonical(network: IpNet) -> IpNet {
    let mapped = |it: Ipv6Net| Ipv4Net::new(it.addr().to_ipv4_mapped()?, it.prefix_len().checked_sub(96)?).ok();
    match network {
        IpNet::V6(it) => mapped(it).map_or(network, IpNet::V4),
        IpNet::V4(_) => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl TrustedProxies {
        /// Returns the proxies of these networks, for tests.
        pub(crate) fn of(networks: &[&str]) -> Self {
            Self(networks.iter().map(|text| network(text).unwrap()).collect())
        }
    }

    #[test]
    fn a_peer_is_trusted_by_its_network() {
        fn check(network: &str, peer: &str, trust: bool) {
            assert_eq!(TrustedProxies::of(&[network]).trust(peer.parse().unwrap()), trust, "{peer} in {network}");
        }
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.7", "10.0.0.7", true);
        check("10.0.0.7", "10.0.0.8", false);
        check("2001:db8::/32", "2001:db8:1::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
        // A socket for both families shows an IPv4 peer like this, and somebody may write a network like this.
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        check("::ffff:10.0.0.0/104", "10.0.0.1", true);
        check("::ffff:10.0.0.0/104", "11.0.0.1", false);
        check("2001:db8::/32", "10.0.0.1", false);
        assert!(!TrustedProxies::default().trust("127.0.0.1".parse().unwrap()), "nobody by default");
    }

    #[test]
    fn a_list_that_means_something_else_is_refused() {
        fn check(text: &str, said: &str) {
            let fault = network(text).unwrap_err();
            assert!(fault.contains(said), "{text}: {fault}");
        }
        check("10.0.0.1/8", "10.0.0.0/8");
        check("0.0.0.0/0", "every sender");
        check("::/0", "every sender");
        check("::ffff:0.0.0.0/96", "every sender");
        check("10.0.0.0/33", "not an address");
        check("proxy.example", "not an address");
        check("", "not an address");
    }

    #[test]
    fn the_last_address_that_is_no_proxys_has_sent_it() {
        fn check(forwarded: &[&str], sender: Option<&str>) {
            let proxies = TrustedProxies::of(&["10.0.0.0/8", "2001:db8:1::/48"]);
            let sender = sender.map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!(proxies.sender(forwarded.iter().copied()), sender, "{forwarded:?}");
        }
        check(&["192.0.2.1"], Some("192.0.2.1"));
        // The entries before the sender's address, which the sender may have written, do not count.
        check(&["198.51.100.9", "192.0.2.1"], Some("192.0.2.1"));
        check(&["nonsense", "192.0.2.1"], Some("192.0.2.1"));
        check(&["192.0.2.1", "10.0.0.1", "10.9.9.9"], Some("192.0.2.1"));
        check(&["192.0.2.1", "2001:db8:1::5"], Some("192.0.2.1"));
        // This client is within the trusted networks.
        check(&["10.0.0.5", "10.0.0.1"], Some("10.0.0.5"));
        // Proxies write addresses in these forms.
        check(&[" 192.0.2.1 "], Some("192.0.2.1"));
        check(&["192.0.2.1:4711"], Some("192.0.2.1"));
        check(&["2001:db8::1"], Some("2001:db8::1"));
        check(&["[2001:db8::1]"], Some("2001:db8::1"));
        check(&["[2001:db8::1]:443"], Some("2001:db8::1"));
        check(&["::ffff:192.0.2.1"], Some("192.0.2.1"));
        check(&["192.0.2.1", "::ffff:10.0.0.1"], Some("192.0.2.1"));
        // An unreadable entry is not guessed.
        check(&["192.0.2.1", "unknown"], None);
        check(&["192.0.2.1", ""], None);
        check(&["nonsense", "10.0.0.1"], None);
        check(&["[192.0.2.1]"], None);
        check(&["192.0.2.1:http"], None);
        check(&[], None);
    }
}
