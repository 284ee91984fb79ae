//! How many requests of one address may be refused. It bounds what a stranger costs beside the capacity: lines in the log, and connections
//! that go on. It keeps out nothing that can be proven: whoever shares an address with a forger, behind a balancer perhaps, is verified
//! and answered as ever.

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

/// The most addresses that are told apart. Who is refused while there are as many shares one quota.
const SOURCES_MAX: usize = 16_384;
/// What they share; nobody can send from there.
const EVERYBODY_ELSE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The quotas of all addresses, if there is one.
pub struct Refusals<C: Clock = DefaultClock>(Option<Limiter<C>>);

type Limiter<C> = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, C, NoOpMiddleware<<C as Clock>::Instant>>;

impl Refusals {
    /// So many a second for each address, and as many at once; 0 is no limit.
    pub fn new(per_second: u32) -> Self {
        Self::with_clock(per_second, DefaultClock::default())
    }
}

impl<C: Clock> Refusals<C> {
    fn with_clock(per_second: u32, clock: C) -> Self {
        let per_second = NonZeroU32::new(per_second);
        Self(per_second.map(|quota| RateLimiter::hashmap_with_clock(Quota::per_second(quota), clock)))
    }

    /// What a request is refused with: the error that it is, or that there were too many from this address.
    /// Only what is the sender's own fault counts.
    pub(super) fn judge(&self, peer: IpAddr, error: Error) -> Error {
        let Some(limiter) = self.0.as_ref().filter(|_| error.answer().status < 500) else { return error };
        let source = if limiter.len() < SOURCES_MAX { source(peer) } else { EVERYBODY_ELSE };
        limiter.check_key(&source).map_or(Error::SourceLimited, |()| error)
    }

    /// Forgets the addresses whose quota is whole again. To be called regularly.
    pub fn forget(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
        }
    }
}

/// Whoever has one IPv6 address mostly has the 2^64 beside it as well.
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
        // As a socket for both kinds of addresses tells it.
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
