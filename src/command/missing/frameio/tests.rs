use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

/// How many entries can have an arrival each, by trying everything: the bits of `used` are the arrivals that are taken.
fn most(entries: &[u64], arrivals: &[u64], used: u32) -> usize {
    let Some((entry, rest)) = entries.split_first() else { return 0 };
    let fits = |arrival: u64| arrival + SKEW.as_secs() >= *entry && arrival <= entry + WITHIN.as_secs();
    let free = (0..arrivals.len()).filter(|it| used & (1 << it) == 0 && fits(arrivals[*it]));
    let with = free.map(|it| 1 + most(rest, arrivals, used | 1 << it)).max().unwrap_or_default();
    with.max(most(rest, arrivals, used))
}

proptest! {
    /// No arrival counts for two entries, and no entry is reported that could have one.
    #[test]
    fn each_arrival_stands_for_one_entry(
        mut entries in prop::collection::vec(0_u64..2400, 0..6),
        mut arrivals in prop::collection::vec(0_u64..2400, 0..6),
    ) {
        entries.sort_unstable();
        arrivals.sort_unstable();
        let times = |seconds: &[u64]| seconds.iter().map(|it| at(*it)).collect::<Vec<_>>();
        let numbered: Vec<_> = times(&entries).into_iter().enumerate().collect();
        let open = unmatched(&numbered, &mut times(&arrivals));
        prop_assert_eq!(entries.len() - open.len(), most(&entries, &arrivals, 0));
    }
}

#[test]
fn an_arrival_belongs_to_an_entry_shortly_before_it() {
    fn check(entries: &[u64], arrivals: &[u64], open: &[u64]) {
        let times = |seconds: &[u64]| seconds.iter().map(|it| at(*it)).collect::<Vec<_>>();
        let numbered: Vec<_> = times(entries).into_iter().enumerate().collect();
        let found: Vec<_> = unmatched(&numbered, &mut times(arrivals)).into_iter().map(|place| entries[place]).collect();
        assert_eq!(found, open);
    }
    check(&[100], &[100], &[]);
    check(&[100], &[700], &[]);
    check(&[100], &[701], &[100]);
    check(&[100], &[40], &[]);
    check(&[100], &[39], &[100]);
    check(&[100], &[], &[100]);
    // Two changes and one delivery: one is lost, and which one cannot be said.
    check(&[100, 200], &[210], &[200]);
    // The delivery of the first came and that of the second did not.
    check(&[100, 900], &[110], &[900]);
    check(&[100, 900], &[910], &[100]);
    check(&[100, 100], &[100, 101], &[]);
    check(&[100, 100], &[100], &[100]);
}

fn event(id: &str, resource: &str, received: u64, origin: Origin, occurred: Option<u64>) -> Event {
    let time = |seconds| Some(crate::event::timestamp(at(seconds)));
    let payload = crate::proto::FrameioEvent { resource_id: resource.into(), user_id: "u".into(), ..Default::default() };
    Event {
        id: id.into(),
        r#type: "comment.created".into(),
        received_at: time(received),
        occurred_at: occurred.and_then(time),
        origin: origin.into(),
        payload: Some(Payload::FrameioEvent(payload)),
        ..Event::default()
    }
}

#[test]
fn what_was_recovered_counts_once_for_its_own_time() {
    #[track_caller]
    fn check(key: &Likeness, events: Vec<Event>, entries: &[u64], open: &[u64]) {
        let mut published = PublishedActivity::default();
        for event in events {
            published.take(event);
        }
        let times = |seconds: &[u64]| seconds.iter().map(|it| at(*it)).collect::<Vec<_>>();
        let found: Vec<_> = published.without(key, &times(entries), at(50_000)).into_iter().map(|place| entries[place]).collect();
        assert_eq!(found, open);
    }
    let key: Likeness = ("comment.created", "r".into(), "u".into());
    let recovered = |id, time| event(id, "r", 90_000, Origin::Recovered, Some(time));
    check(&key, vec![recovered("a", 100)], &[100], &[]);
    check(&key, vec![recovered("a", 100)], &[101], &[101]);
    check(&key, vec![recovered("a", 100)], &[100, 100], &[100]);
    check(&key, vec![recovered("a", 100), recovered("b", 100)], &[100, 100], &[]);
    // A second run has written the same event again.
    check(&key, vec![recovered("a", 100), recovered("a", 100)], &[100, 100], &[100]);
    check(&key, vec![event("a", "r", 110, Origin::Webhook, None), recovered("b", 100)], &[100, 105], &[]);
    check(&key, vec![event("a", "other", 110, Origin::Webhook, None)], &[100], &[100]);
    check(&key, vec![event("a", "r", 110, Origin::Webhook, None); 2], &[100, 105], &[105]);
}

/// The delivery after the window may be that of the entry after the window.
#[test]
fn an_arrival_for_a_later_entry_hides_no_loss() {
    let key: Likeness = ("comment.created", "r".into(), "u".into());
    let mut published = PublishedActivity::default();
    published.take(event("a", "r", 205, Origin::Webhook, None));
    assert_eq!(published.without(&key, &[at(100), at(200)], at(150)), [0]);
}

#[test]
fn twins_are_counted_from_zero() {
    let times: Vec<SystemTime> = [1, 2, 2, 2, 3].into_iter().map(at).collect();
    assert_eq!((0..times.len()).map(|place| twin(&times, place)).collect::<Vec<_>>(), [0, 0, 1, 2, 0]);
}
