//! Kafka's credentials while the daemon runs. A changed password, certificate, key or authority makes a new producer. The new producer
//! replaces the old one when it has shown that it works, and the old one stays until everything that it holds is acknowledged: no delivery
//! is refused because of a rotation.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{ClientConfig, producer::Producer as _};

use super::{
    client::{Producer, build, client_config},
    leaders,
    shared::Shared,
    topics::{self, Found},
};
use crate::{
    config::{
        Kafka,
        credentials::{CertificateEnds, Credentials, CurrentCredentials, Fingerprint},
    },
    metrics::{CertificateUse, Metrics},
};

/// How often the files are read: as often as the endpoints' secrets.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a new producer may take to reach a broker: it connects and authenticates first.
const REACH_TIMEOUT: Duration = Duration::from_secs(5);
/// The first and the longest pause before credentials that do not work are tried again: the broker may learn of them later than Hookgate.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// The files of the credentials, and which of their contents are in force or have failed.
pub(super) struct Reload {
    credentials: Credentials,
    /// The fingerprint of the credentials that the producer was made with; `None` where a file could not be read then.
    in_force: Option<Fingerprint>,
    failed: Option<Failed>,
    /// When the files are read next.
    next: Instant,
    unreadable: Option<String>,
}

/// Credentials that did not work when they were tried.
struct Failed {
    fingerprint: Fingerprint,
    pause: Duration,
    /// When the same credentials may be tried again. Other credentials are tried at once.
    again: Instant,
}

impl Reload {
    /// Reads the credentials in force. Must be called right before the producer is built. Returns `None` where no credential is a file.
    pub(super) fn of(kafka: &Kafka) -> Option<Self> {
        let credentials = Credentials::of(kafka)?;
        let in_force = credentials.in_force(kafka).ok().map(|reading| reading.fingerprint);
        Some(Self { credentials, in_force, failed: None, next: Instant::now() + LOOK_EVERY, unreadable: None })
    }

    /// Reads the files, unless it is too early for that. Returns credentials that are not in force and worth a try.
    fn due(&mut self, shared: &Shared) -> Option<CurrentCredentials> {
        if Instant::now() < self.next {
            return None;
        }
        self.next = Instant::now() + LOOK_EVERY;
        match self.credentials.read() {
            Ok(reading) => {
                self.unreadable = None;
                let changed = Some(reading.fingerprint) != self.in_force;
                shared.metrics.credentials_pending(changed);
                let waits = |failed: &Failed| failed.fingerprint == reading.fingerprint && Instant::now() < failed.again;
                (changed && !self.failed.as_ref().is_some_and(waits)).then_some(reading)
            }
            Err(why) => {
                shared.metrics.credentials_pending(true);
                if self.unreadable.as_ref() != Some(&why) {
                    tracing::warn!(why, "kafka's credentials cannot be read, the last good ones stay in force");
                    self.unreadable = Some(why);
                }
                None
            }
        }
    }

    fn failed(&mut self, fingerprint: Fingerprint, why: &str) {
        let before = self.failed.take().filter(|failed| failed.fingerprint == fingerprint);
        let pause = before.map_or(AGAIN_AFTER.0, |failed| (failed.pause * 2).min(AGAIN_AFTER.1));
        self.failed = Some(Failed { fingerprint, pause, again: Instant::now() + pause });
        let pause_ms = crate::logged::milliseconds(pause);
        tracing::warn!(why, pause_ms, "kafka's changed credentials do not work yet, those in force stay");
    }

    /// Reloads the credentials if they changed and work, and swaps the producer. Returns the settings for clients that are made later.
    pub(super) fn run(&mut self, shared: &Arc<Shared>, kafka: &Kafka) -> Option<(Kafka, ClientConfig)> {
        let reading = self.due(shared)?;
        let kafka = reading.applied_to(kafka);
        let client = client_config(kafka.client_properties());
        let producer = build(&kafka, &client, shared.context()).and_then(|producer| {
            let works = works(shared, &producer);
            works.map(|()| producer)
        });
        let producer = match producer {
            Ok(producer) => producer,
            Err(why) => {
                self.failed(reading.fingerprint, &why);
                return None;
            }
        };
        (self.in_force, self.failed) = (Some(reading.fingerprint), None);
        let old = shared.producer.swap(Arc::new(producer));
        retire(shared, old, kafka.message_timeout);
        shared.metrics.credentials_reloaded();
        show_ends(&shared.metrics, &kafka);
        tracing::info!("kafka's changed credentials are in force");
        Some((kafka, client))
    }
}

/// Checks that a new producer can replace the old one.
fn works(shared: &Shared, producer: &Producer) -> Result<(), String> {
    let old = shared.producer();
    let leaders = RefCell::new(BTreeMap::new());
    let seen = |topic: &str| topics::look_up(producer, topic, REACH_TIMEOUT, &mut leaders.borrow_mut());
    let seen_before = |topic: &str| topics::look_up(&old, topic, REACH_TIMEOUT, &mut BTreeMap::new());
    let any = shared.topics.names().next();
    let present = shared.topics.present().map(|topic| &**topic);
    sees_as_much(any.map(|topic| &**topic), present, seen, seen_before)?;
    let leaders = leaders.into_inner();
    let silent = leaders::silent(producer.client(), leaders.values(), REACH_TIMEOUT);
    if let Some(leader) = silent.first().filter(|_| silent.len() == leaders.len()) {
        return Err(format!("no leader of a topic answers them, not even {}", shared.causes.of(leader.id, &leader.address)));
    }
    match producer.client().fatal_error() {
        Some((code, _)) => Err(format!("{code:?}")),
        None => Ok(()),
    }
}

/// Checks that the new producer can log in, by a request about `any` topic, and that it sees the `present` topics which the old one sees: a
/// certificate for another name may lack a permission, and then every delivery would be refused.
fn sees_as_much<'a>(
    any: Option<&'a str>,
    present: impl Iterator<Item = &'a str>,
    new: impl Fn(&str) -> Option<Found>,
    old: impl Fn(&str) -> Option<Found>,
) -> Result<(), String> {
    if any.is_some_and(|topic| new(topic).is_none()) {
        return Err("no broker lets them in; the log's \"kafka client error\" has the cause".into());
    }
    for topic in present {
        // Without an answer the new producer has not shown that it works, and each other topic would take as long.
        let Some(found) = new(topic) else { return Err(format!("no broker answers for topic {topic}")) };
        if matches!(found, Found::Missing) && matches!(old(topic), Some(Found::Present)) {
            return Err(format!("topic {topic} is not visible with them; grant Describe and Write"));
        }
    }
    Ok(())
}

/// Keeps a producer that is no longer used until what it holds is acknowledged or has failed, so that the deliveries that wait for it get
/// their answer.
fn retire(shared: &Shared, old: Arc<Producer>, message_timeout: Duration) {
    let mut retired = shared.retired.lock().unwrap_or_else(PoisonError::into_inner);
    retired.retain(|producer| producer.strong_count() > 0);
    retired.push(Arc::downgrade(&old));
    drop(retired);
    let keep = move || {
        // A delivery that took the old producer just before may not have passed its record to it yet.
        while Arc::strong_count(&old) > 1 {
            thread::sleep(Duration::from_millis(1));
        }
        // By itself, librdkafka fails everything that is left within that time.
        let _timed_out = old.flush(message_timeout + Duration::from_secs(1));
    };
    if let Err(error) = thread::Builder::new().name("kafka-retired".into()).spawn(keep) {
        tracing::error!(%error, "cannot wait for the old producer, what it held is answered 503");
    }
}

/// Publishes in the metrics when the certificates of the connections end.
pub(super) fn show_ends(metrics: &Metrics, kafka: &Kafka) {
    let CertificateEnds { client, authorities } = CertificateEnds::of(kafka);
    for (used, end) in [(CertificateUse::KafkaClient, client), (CertificateUse::KafkaAuthority, authorities)] {
        if let Some(end) = end {
            metrics.certificate_expiry(used, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{
        Found::{self, Missing, Present, Unsure},
        sees_as_much,
    };

    /// Checks the verdict on new credentials, and how many answers it needed. The first answer of `new` is to the login, the others are for
    /// the topics `a`, `b` and `c`. The old credentials get the same answer for every topic.
    #[track_caller]
    fn check(new: [Option<Found>; 4], old: Option<Found>, said: Result<(), &str>, asked: usize) {
        let questions = RefCell::new(Vec::new());
        let answer = |topic: &str| {
            questions.borrow_mut().push(topic.to_owned());
            new[questions.borrow().len() - 1]
        };
        let result = sees_as_much(Some("any"), ["a", "b", "c"].into_iter(), answer, |_| old);
        let result = result.as_ref().copied().map_err(|why| why.split("; ").next().unwrap_or_default());
        assert_eq!(result, said, "{new:?} {old:?}");
        assert_eq!(*questions.borrow(), ["any", "a", "b", "c"][..asked], "{new:?} {old:?}");
    }

    #[test]
    fn credentials_count_when_they_are_shown_to_work() {
        let (yes, no) = (Some(Present), Some(Missing));
        check([yes, yes, yes, yes], yes, Ok(()), 4);
        check([None, yes, yes, yes], yes, Err("no broker lets them in"), 1);
        // The broker goes away after the login: nothing is shown to work, and no time-out is spent per topic.
        check([yes, None, yes, yes], yes, Err("no broker answers for topic a"), 2);
        check([yes, yes, None, None], yes, Err("no broker answers for topic b"), 3);
        check([yes, None, None, None], None, Err("no broker answers for topic a"), 2);
        check([yes, yes, no, yes], yes, Err("topic b is not visible with them"), 3);
        // A topic that is gone, or in an election, is so for both credentials.
        check([no, no, yes, yes], no, Ok(()), 4);
        check([yes, yes, yes, Some(Unsure)], yes, Ok(()), 4);
        // The credentials in force may not work any more: the new ones must not wait for them.
        check([yes, no, yes, yes], None, Ok(()), 4);
    }
}
