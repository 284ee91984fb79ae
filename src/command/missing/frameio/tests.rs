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

fn event(id: &str, (resource, user): (&str, &str), received: u64, origin: Origin) -> Event {
    let payload = crate::proto::FrameioEvent { resource_id: resource.into(), user_id: user.into(), ..Default::default() };
    Event {
        id: id.into(),
        r#type: "comment.created".into(),
        endpoint: "review".into(),
        received_at: Some(timestamp(at(received))),
        origin: origin.into(),
        payload: Some(Payload::FrameioEvent(payload)),
        ..Event::default()
    }
}

fn delivered(id: &str, resource: &str, received: u64) -> Event {
    event(id, (resource, "u"), received, Origin::Webhook)
}

fn recovered(user: &str, time: u64, twin: u32) -> Event {
    let id = recovered_id("review", "comment.created", "r", Some(timestamp(at(time))), twin);
    event(&id, ("r", user), 90_000, Origin::Recovered)
}

fn key(user: &str) -> Likeness {
    ("comment.created", "r".into(), user.into())
}

fn published(events: Vec<Event>) -> PublishedActivity {
    let mut published = PublishedActivity::default();
    for event in events {
        published.take(event);
    }
    published
}

#[test]
fn what_was_recovered_counts_once_for_its_own_time() {
    #[track_caller]
    fn check(events: Vec<Event>, entries: &[(u64, u32)], open: &[usize]) {
        let entries: Vec<_> = entries.iter().map(|(time, twin)| (at(*time), *twin)).collect();
        assert_eq!(published(events).without(&key("u"), &entries, at(50_000)), open);
    }
    check(vec![recovered("u", 100, 0)], &[(100, 0)], &[]);
    check(vec![recovered("u", 100, 0)], &[(101, 0)], &[0]);
    check(vec![recovered("u", 100, 0)], &[(100, 0), (100, 1)], &[1]);
    check(vec![recovered("u", 100, 0), recovered("u", 100, 1)], &[(100, 0), (100, 1)], &[]);
    // The id says which one of two it is.
    check(vec![recovered("u", 100, 1)], &[(100, 0), (100, 1)], &[0]);
    // A second run has written the same event again.
    check(vec![recovered("u", 100, 0), recovered("u", 100, 0)], &[(100, 0), (100, 1)], &[1]);
    // An event of another user is another one, whatever its id.
    check(vec![recovered("v", 100, 0)], &[(100, 0)], &[0]);
    check(vec![recovered("v", 100, 0), recovered("u", 100, 0)], &[(100, 0)], &[]);
    check(vec![delivered("a", "r", 110), recovered("u", 100, 0)], &[(100, 0), (105, 0)], &[]);
    check(vec![delivered("a", "r", 110), recovered("u", 100, 1)], &[(100, 0), (100, 1)], &[]);
    check(vec![delivered("a", "other", 110)], &[(100, 0)], &[0]);
    check(vec![delivered("a", "r", 110); 2], &[(100, 0), (105, 0)], &[1]);
}

/// The delivery after the window may be that of the entry after the window.
#[test]
fn an_arrival_for_a_later_entry_hides_no_loss() {
    let mut published = published(vec![delivered("a", "r", 205)]);
    assert_eq!(published.without(&key("u"), &[(at(100), 0), (at(200), 0)], at(150)), [0]);
}

#[test]
fn twins_are_counted_from_zero_whoever_the_user_is() {
    let other = ("comment.created", "other".into(), "u".into());
    let (nobody, one, two) = (key(""), key("u"), key("v"));
    let mut twins = Twins::default();
    let mut check = |key, time, twin| assert_eq!(twins.next(key, at(time)), twin, "{key:?} {time}");
    for (key, time, twin) in
        [(&nobody, 1, 0), (&nobody, 2, 0), (&one, 2, 1), (&one, 2, 2), (&one, 3, 0), (&two, 2, 3), (&two, 1, 1), (&other, 2, 0)]
    {
        check(key, time, twin);
    }
}
