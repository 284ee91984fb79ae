//! Webhooks that arrive while their events are recovered: before the topics are read, while they are read, between the answers of the
//! provider, and after the publishing. Whatever the order: nothing is lost, an event is recovered only if no webhook of it was there before, a
//! second run publishes nothing, and consumers that follow docs/consumers.md end in the right state.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::RangeInclusive,
    thread,
};

use hookgate_stubs::time::Micros;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::Value;

use crate::{
    recovery::world,
    recovery_world::{ArrivingWebhook, World},
};

mod of_providers;

/// The cases are the same in every run.
const SEED: u64 = 14;

/// When a webhook arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// Before the first run.
    Before,
    /// During the first run, which may or may not read it.
    Beside,
    /// After the first run has read the topics, before this request of it is answered; after the run, if it does not ask so often.
    Request(usize),
    /// After the first run.
    Between,
    /// As `Request`, of the second run.
    Again(usize),
}

/// The moments at which the webhook of an event arrives: never, or several times, because the provider tries again what was stored.
fn moments() -> impl Strategy<Value = Vec<Moment>> {
    use Moment::{Again, Before, Beside, Between, Request};
    let moment = prop_oneof![
        2 => Just(Before),
        1 => Just(Beside),
        2 => (1_usize..4).prop_map(Request),
        1 => Just(Between),
        1 => (1_usize..3).prop_map(Again),
    ];
    vec(moment, 0..3)
}

/// Type and subject of an event.
type Kind = (String, String);

/// What a case is made of.
#[derive(Default)]
struct Case<'a> {
    /// What events are about.
    subjects: BTreeSet<String>,
    webhooks: Vec<(Moment, ArrivingWebhook<'a>)>,
    /// How many events of each kind the first run publishes, and no others.
    recovered: BTreeMap<Kind, RangeInclusive<usize>>,
}

impl<'a> Case<'a> {
    fn add(&mut self, subject: &str, moments: &[Moment], webhook: &ArrivingWebhook<'a>) {
        self.subjects.insert(subject.to_owned());
        self.webhooks.extend(moments.iter().map(|moment| (*moment, webhook.clone())));
    }

    fn expect(&mut self, event_type: &str, subject: &str, published: RangeInclusive<usize>) {
        self.recovered.insert((event_type.to_owned(), subject.to_owned()), published);
    }

    /// Delivers the webhooks of these moments.
    fn deliver(&self, world: &World, of: impl Fn(Moment) -> bool) {
        let webhooks = self.webhooks.iter().filter(|(moment, _)| of(*moment)).map(|(_, webhook)| webhook.clone());
        world.deliver_all(&webhooks.collect::<Vec<_>>());
    }

    /// Runs `recover` twice, and checks what each run publishes. Returns the events of this case, in the order of the topics.
    fn run(&self, world: &World, line: &str, change: impl Fn(usize) + Sync) -> Vec<Value> {
        world.stub.asked();
        self.deliver(world, |moment| moment == Moment::Before);
        let beside = || self.webhooks.iter().filter(|(moment, _)| *moment == Moment::Beside);
        let first = world.stub.before_answers(
            |number| {
                change(number);
                self.deliver(world, |moment| moment == Moment::Request(number));
            },
            || {
                thread::scope(|scope| {
                    scope.spawn(|| beside().for_each(|(_, webhook)| world.deliver_all(std::slice::from_ref(webhook))));
                    published(world, line)
                })
            },
        );
        let asked = world.stub.asked().len();
        self.deliver(world, |moment| match moment {
            Moment::Request(number) => number > asked,
            moment => moment == Moment::Between,
        });
        let kinds = first.keys().chain(self.recovered.keys());
        for kind in kinds {
            let (found, expected) = (first.get(kind).copied().unwrap_or(0), self.recovered.get(kind).cloned().unwrap_or(0..=0));
            assert!(expected.contains(&found), "{kind:?}: {found} and not {expected:?} are published");
        }
        let again = |number| self.deliver(world, |moment| moment == Moment::Again(number));
        let second = world.stub.before_answers(again, || published(world, line));
        assert_eq!(second, BTreeMap::new(), "the second run publishes something");
        let asked = world.stub.asked().len();
        self.deliver(world, |moment| matches!(moment, Moment::Again(number) if number > asked));
        assert_eq!(published(world, line), BTreeMap::new(), "the third run publishes something");
        let events = world.events().into_iter().map(|line| line["event"].clone());
        let events: Vec<Value> = events.filter(|event| self.subjects.contains(event["subject"].as_str().unwrap())).collect();
        self.check_duplicates(&events, &first);
        events
    }

    /// Each delivery is there as often as it came, and each recovered event once, under another id.
    fn check_duplicates(&self, events: &[Value], first: &BTreeMap<Kind, usize>) {
        let mut recovered: BTreeMap<Kind, BTreeSet<&str>> = BTreeMap::new();
        let mut arrived: BTreeMap<&str, usize> = BTreeMap::new();
        for event in events {
            let (text, id) = (|name: &str| event[name].as_str().unwrap().to_owned(), event["id"].as_str().unwrap());
            if event["origin"] == "ORIGIN_RECOVERED" {
                assert!(recovered.entry((text("type"), text("subject"))).or_default().insert(id), "recovered twice: {event}");
            } else {
                *arrived.entry(id).or_default() += 1;
            }
        }
        let counts = |(kind, ids): (&Kind, &BTreeSet<&str>)| (kind.clone(), ids.len());
        assert_eq!(&recovered.iter().map(counts).collect::<BTreeMap<_, _>>(), first);
        let mut delivered: BTreeMap<(&[u8], Micros), usize> = BTreeMap::new();
        for (_, (_, provider, body, at)) in &self.webhooks {
            // Only Frame.io signs the time.
            *delivered.entry((body, if *provider == "frameio" { *at } else { 0 })).or_default() += 1;
        }
        let sorted = |mut counts: Vec<usize>| {
            counts.sort_unstable();
            counts
        };
        assert_eq!(sorted(arrived.values().copied().collect()), sorted(delivered.into_values().collect()));
        assert!(recovered.values().flatten().all(|id| !arrived.contains_key(id)), "a recovered event has the id of a webhook");
    }
}

/// Runs `recover`, and returns how many events of each kind it has published.
fn published(world: &World, line: &str) -> BTreeMap<Kind, usize> {
    let finished = world.run(&format!("recover {line} {} --yes", world.window()));
    assert!(matches!(finished.code, Some(0 | 3)), "{line}: {finished:?}");
    let mut published = BTreeMap::new();
    for line in finished.json_lines() {
        let (kind, subject) = (line["published"]["kind"].as_str().unwrap(), line["published"]["subject"].as_str().unwrap());
        let (_, event_type) = kind.split_once('.').unwrap();
        *published.entry((event_type.to_owned(), subject.to_owned())).or_default() += 1;
    }
    published
}

/// How many of one event the first run publishes whose webhook arrives at these moments.
fn once_unless_known(moments: &[Moment]) -> RangeInclusive<usize> {
    if moments.contains(&Moment::Before) {
        0..=0
    } else if moments.contains(&Moment::Beside) {
        0..=1
    } else {
        1..=1
    }
}

/// Checks a property with cases of one world. Each case has a number of its own, for ids that no other has.
fn check<S: Strategy>(cases: u32, inputs: S, holds: impl Fn(&World, usize, S::Value)) {
    let (world, number) = (world(), std::cell::Cell::new(0));
    let mut runner = TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        max_shrink_iters: 50,
        ..Config::default()
    });
    let checked = runner.run(&inputs, |input| {
        number.set(number.get() + 1);
        holds(&world, number.get(), input);
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

/// Calls a consumer with the events in the order of the topics, and in the opposite one. It skips equal ids, as the pages of all providers
/// but Frame.io allow.
fn check_consumer<T: PartialEq + std::fmt::Debug>(events: &[Value], consume: impl Fn(&[&Value]) -> T, state: &T) {
    let once = |events: &mut dyn Iterator<Item = &Value>| {
        let mut seen = HashSet::new();
        consume(&events.filter(|event| seen.insert(event["id"].as_str().unwrap())).collect::<Vec<_>>())
    };
    assert_eq!(&once(&mut events.iter()), state);
    assert_eq!(&once(&mut events.iter().rev()), state);
}
