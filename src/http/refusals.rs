//! How many requests of one address may be refused. The quota bounds what a stranger costs beside capacity: log lines, and connections that
//! stay open. It keeps out no delivery that can be proven: a sender that shares an address with a forger, perhaps because both come through
//! one balancer, is verified and answered as usual.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};

use crate::error::Error;

/// The most addresses that have their own quota. While there are this many, further addresses share one quota.
const SOURCES_MAX: usize = 16_384;
/// The address that stands for all further ones; nobody can send from it.
const EVERYBODY_ELSE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The quotas of all addresses, or `None` where there is no limit.
pub struct Refusals<C: Clock = DefaultClock>(Option<Limiter<C>>);

type Limiter<C> = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, C, NoOpMiddleware<<C as Clock>::Instant>>;

impl Refusals {
    /// Allows each address this many refusals per second, and as many at once; 0 is no limit.
    pub fn new(per_second: u32) -> Self {
        Self::with_clock(per_second, DefaultClock::default())
    }
}

impl<C: Clock> Refusals<C> {
    fn with_clock(per_second: u32, clock: C) -> Self {
        let per_second = NonZeroU32::new(per_second);
        Self(per_second.map(|quota| RateLimiter::hashmap_with_clock(Quota::per_second(quota), clock)))
    }

    /// Returns the error to answer: `error` itself, or [`Error::SourceLimited`] once this address has used up its quota. Only errors that
    /// are the sender's own fault count.
    pub(super) fn judge(&self, peer: IpAddr, error: Error) -> Error {
        let Some(limiter) = self.0.as_ref().filter(|_| error.answer().status < 500) else { return error };
        let source = if limiter.len() < SOURCES_MAX { source(peer) } else { EVERYBODY_ELSE };
        limiter.check_key(&source).map_or(Error::SourceLimited, |()| error)
    }

    /// Forgets the addresses whose quota is full again. Must be called regularly.
    pub fn forget(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
        }
    }
}

/// Returns the address that a quota belongs to. For IPv6 that is the /64 network, because the owner of one address mostly has all 2^64 of
/// its network.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limited(refusals: &Refusals<FakeRelativeClock>, peer: IpAddr) -> bool {
        refusals.judge(peer, Error::BadToken) == Error::SourceLimited
    }

    #[test]
    fn a_quota_is_per_address_and_fills_again() {
        fn check(first: &str, second: &str, together: bool) {
            let clock = FakeRelativeClock::default();
            let refusals = Refusals::with_clock(2, clock.clone());
            let (first, second) = (first.parse().unwrap(), second.parse().unwrap());
            assert!(!limited(&refusals, first) && !limited(&refusals, first), "{first}");
            assert!(limited(&refusals, first), "{first} has spent its quota");
            assert_eq!(limited(&refusals, second), together, "{second} beside {first}");
            clock.advance(Duration::from_millis(501));
            assert!(!limited(&refusals, first), "{first} has one again");
            assert!(limited(&refusals, first), "{first} has not two");
        }
        check("192.0.2.1", "192.0.2.2", false);
        // A socket for both families shows an IPv4 peer like this.
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
    }

    #[test]
    fn only_the_senders_own_faults_count() {
        fn check(error: &Error, counts: bool) {
            let refusals = Refusals::with_clock(1, FakeRelativeClock::default());
            let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
            assert_eq!(refusals.judge(peer, error.clone()), *error, "the first");
            let second = if counts { Error::SourceLimited } else { error.clone() };
            assert_eq!(refusals.judge(peer, error.clone()), second, "the second");
            let off = Refusals::with_clock(0, FakeRelativeClock::default());
            assert!((0..1000).all(|_| off.judge(peer, error.clone()) == *error), "no limit");
        }
        check(&Error::BadSignature, true);
        check(&Error::UnknownEndpoint, true);
        check(&Error::SlowBody, true);
        check(&Error::Overloaded, false);
        check(&Error::NoSecret, false);
        check(&Error::PublishTimeout, false);
    }

    #[test]
    fn addresses_are_bounded_in_number_and_forgotten() {
        let clock = FakeRelativeClock::default();
        let refusals = Refusals::with_clock(1, clock.clone());
        let remembered = || refusals.0.as_ref().unwrap().len();
        let many = (0..20_000).map(|number| IpAddr::V4(Ipv4Addr::from_bits(number)));
        let counted = many.filter(|peer| !limited(&refusals, *peer)).count();
        assert_eq!((counted, remembered()), (SOURCES_MAX + 1, SOURCES_MAX + 1), "the others share one quota");
        refusals.forget();
        assert_eq!(remembered(), SOURCES_MAX + 1, "none is whole again");
        clock.advance(Duration::from_secs(3));
        refusals.forget();
        assert_eq!(remembered(), 0);
    }
}
