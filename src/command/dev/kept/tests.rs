use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::{
    command::dev::seen::{Fate, SeenParts},
    error::Error,
    event::EventKind,
    http::WholeRequest,
};

fn request(number: u64, is_refused: bool, body: usize) -> Arc<SeenRequest> {
    let stored = Fate::Stored { id: number.to_string(), kind: EventKind::Quarantine };
    let fate = if is_refused { Fate::Refused(Error::BadSignature) } else { stored };
    let whole = WholeRequest { body: vec![b'x'; body].into(), ..WholeRequest::default() };
    let what = SeenParts { request: whole, ..SeenParts::default() };
    let (arrived, took, ended) = (SystemTime::UNIX_EPOCH, Duration::ZERO, Instant::now());
    Arc::new(SeenRequest { number, arrived, took, endpoint: "uploadcare".into(), fate, record: None, ended, what })
}

fn numbers(kept: &Kept, after: u64) -> Vec<u64> {
    kept.after(after).iter().map(|it| it.number).collect()
}

#[test]
fn good_deliveries_do_not_push_out_refusals() {
    let mut kept = Kept::new();
    kept.push(request(1, true, 0));
    for number in 2..=3000 {
        kept.push(request(number, false, 0));
    }
    assert_eq!((kept.len(), kept.last()), (1 + DELIVERIES.requests, 3000));
    assert_eq!(numbers(&kept, 0)[..2], [1, 1001]);
    assert_eq!(numbers(&kept, 2998), [2999, 3000]);
    let found = |number| kept.get(number).map(|it| it.number);
    assert_eq!([0, 1, 2, 1000, 1001, 3000, 3001].map(found), [None, Some(1), None, None, Some(1001), Some(3000), None]);
}

/// A request that was refused with an error, and the bytes of its body.
fn refused(number: u64, error: Error, body: usize) -> Arc<SeenRequest> {
    let mut refused = Arc::into_inner(request(number, true, body)).expect("the only one");
    refused.fate = Fate::Refused(error);
    Arc::new(refused)
}

#[test]
fn many_refusals_of_one_kind_do_not_push_out_the_others() {
    let mut kept = Kept::new();
    kept.push(refused(1, Error::BadToken, 0));
    kept.push(refused(2, Error::BadToken, 0));
    for number in 3..=3000 {
        kept.push(refused(number, Error::UnknownEndpoint, 0));
    }
    assert_eq!((kept.len(), kept.last()), (REFUSALS.requests, 3000));
    assert_eq!(numbers(&kept, 0)[..3], [1, 2, 2503]);
    // When the others become the many, they make room themselves: each kind has half.
    for number in 3001..=4000 {
        kept.push(refused(number, Error::BadToken, 0));
    }
    assert_eq!(kept.len(), REFUSALS.requests);
    assert_eq!(numbers(&kept, 0)[..2], [2751, 2752]);
    assert_eq!(numbers(&kept, 3000)[0], 3751);
}

#[test]
fn large_refusals_do_not_push_out_small_ones_of_another_kind() {
    let mut kept = Kept::new();
    kept.push(refused(1, Error::BadToken, 100));
    for number in 2..=100 {
        kept.push(refused(number, Error::TooLarge, 1 << 20));
    }
    assert_eq!(numbers(&kept, 0), [vec![1], (94..=100).collect()].concat());
    for number in 101..=110 {
        kept.push(refused(number, Error::BadToken, 100));
    }
    assert_eq!(numbers(&kept, 0), [vec![1], (94..=110).collect()].concat());
}

#[test]
fn bodies_have_a_bound_of_their_own() {
    for (is_refused, bounds) in [(false, DELIVERIES), (true, REFUSALS)] {
        let mut kept = Kept::new();
        for number in 1..=100 {
            kept.push(request(number, is_refused, 1 << 20));
        }
        assert_eq!(kept.len(), bounds.bytes >> 20, "{is_refused}");
        // One that is larger than everything is not kept either.
        kept.push(request(101, is_refused, bounds.bytes + 1));
        assert_eq!((kept.len(), kept.last()), (0, 101));
    }
}

#[test]
fn what_was_cleared_does_not_come_back() {
    let mut kept = Kept::new();
    kept.push(request(1, false, 10));
    kept.push(request(2, true, 10));
    assert_eq!((kept.clear(), kept.len(), kept.cleared()), (2, 0, 2));
    kept.push(request(3, false, 10));
    assert_eq!(numbers(&kept, 0), [3]);
}
