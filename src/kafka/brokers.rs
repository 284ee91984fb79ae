//! What librdkafka's statistics say about each broker and about Kafka as a whole.
//!
//! librdkafka closes a connection that nobody needs and opens it again on demand, so "no connection" says nothing. An open connection says
//! that a broker works; attempts to connect and requests that failed say that it does not. While neither is reported, the last known state
//! stays.

use std::{collections::HashMap, time::Duration};

use rdkafka::statistics::{Broker, Window};

use crate::metrics::BrokerStatistics;

/// How long a round trip or a delay by a quota is shown after the report that measured it: longer than the time between two scrapes.
const MEASURED_FOR: Duration = Duration::from_secs(60);
/// Requests that only set up a connection. A broker that answers these and then refuses the password does not serve.
const HANDSHAKES: [&str; 3] = ["ApiVersion", "SaslHandshake", "SaslAuthenticate"];
/// The states of an attempt to connect that has not ended yet.
const CONNECTING: [&str; 6] = ["CONNECT", "SSL_HANDSHAKE", "AUTH_LEGACY", "APIVERSION_QUERY", "AUTH_HANDSHAKE", "AUTH_REQ"];

/// The state that the reports of one producer have shown so far.
#[derive(Debug, Default)]
pub(super) struct Brokers {
    /// The brokers by librdkafka's names for them. Their ids would not do, because all configured addresses share one id.
    known: HashMap<String, Known>,
    reachable: bool,
    /// Whether Kafka works, by the last report alone; `None` where it did not say.
    news: Option<bool>,
}

/// What is known of one broker after a report. Times are librdkafka's, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Known {
    counts: Counts,
    up: bool,
    /// The last measured round trip: its time, and the median and the 99th percentile in seconds.
    round_trip: Option<(i64, (f64, f64))>,
    /// The last measured delay by a quota: its time, and the longest delay in seconds.
    throttle: Option<(i64, f64)>,
}

impl Default for Known {
    /// Returns a broker that the cluster names. It counts as up until something fails.
    fn default() -> Self {
        Self { counts: Counts::default(), up: true, round_trip: None, throttle: None }
    }
}

/// What librdkafka has counted for a broker since it first saw it.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Attempts to connect that have succeeded or failed.
    attempts: u64,
    /// Answers to requests other than handshakes.
    served: u64,
    send_errors: u64,
    receive_errors: u64,
    timeouts: u64,
    /// Requests that were sent and can get no answer any more.
    unanswered: u64,
}

impl Brokers {
    /// Evaluates a report. Returns the state of each broker that the cluster names, and whether Kafka can be reached: that is false before
    /// the first contact, and while everything that is tried fails.
    pub(super) fn report(&mut self, time: i64, brokers: &HashMap<String, Broker>) -> (Vec<BrokerStatistics>, bool) {
        let (mut connected, mut before, mut now) = (false, Counts::default(), Counts::default());
        let (mut known, mut statistics) = (HashMap::new(), Vec::new());
        for (name, broker) in brokers {
            let last = self.known.get(name).copied().unwrap_or_default();
            let next = step(last, time, broker);
            connected |= is_connected(broker);
            (before, now) = (before.plus(last.counts), now.plus(next.counts));
            // Ids below 0 are the configured addresses, which librdkafka leaves once it knows the brokers.
            if broker.nodeid >= 0 {
                statistics.push(BrokerStatistics {
                    id: broker.nodeid,
                    up: next.up,
                    round_trip: next.round_trip.map(|(_, seconds)| seconds),
                    throttle: next.throttle.map_or(0.0, |(_, seconds)| seconds),
                    failures: failures(last.counts, next.counts),
                });
            }
            known.insert(name.clone(), next);
        }
        self.known = known;
        self.news = works(connected, before, now);
        self.reachable = self.news.unwrap_or(self.reachable);
        (statistics, self.reachable)
    }

    /// Returns whether Kafka works, by the last report. `None` means that nothing was tried and nothing is connected.
    pub(super) fn news(&self) -> Option<bool> {
        self.news
    }
}

/// Returns what is known of a broker after one more report.
fn step(last: Known, time: i64, broker: &Broker) -> Known {
    let counts = Counts::of(broker);
    let measured = |window: &Option<Window>| window.clone().filter(|window| window.cnt > 0);
    let round_trip = measured(&broker.rtt).map(|window| (time, (seconds(window.p50, 1e6), seconds(window.p99, 1e6))));
    let throttle = measured(&broker.throttle).map(|window| (time, seconds(window.max, 1e3)));
    let recent = |when: i64| i128::from(time) - i128::from(when) < MEASURED_FOR.as_micros().cast_signed();
    Known {
        counts,
        up: works(is_connected(broker), last.counts, counts).unwrap_or(last.up),
        round_trip: round_trip.or(last.round_trip).filter(|(when, _)| recent(*when)),
        throttle: throttle.or(last.throttle).filter(|(when, _)| recent(*when)),
    }
}

fn is_connected(broker: &Broker) -> bool {
    broker.state == "UP"
}

/// Returns whether a broker works, or `None` where the counts do not say.
fn works(connected: bool, before: Counts, now: Counts) -> Option<bool> {
    let tried = now.attempts > before.attempts || now.timeouts > before.timeouts || now.send_errors > before.send_errors;
    match (connected, tried, now.served > before.served) {
        (true, ..) => Some(true),
        (false, true, false) => Some(false),
        (false, ..) => None,
    }
}

/// Returns how many requests failed between two reports. A connection that ends while no request waits for an answer counts as no failure.
fn failures(before: Counts, now: Counts) -> u64 {
    let rise = |count: fn(&Counts) -> u64| count(&now).saturating_sub(count(&before));
    let broken = rise(|it| it.receive_errors).min(rise(|it| it.unanswered));
    rise(|it| it.timeouts) + rise(|it| it.send_errors) + broken
}

impl Counts {
    fn of(broker: &Broker) -> Self {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        let handshakes = HANDSHAKES.iter().filter_map(|name| broker.req.get(*name)).sum();
        let connecting = u64::from(CONNECTING.contains(&broker.state.as_str()));
        Self {
            attempts: count(broker.connects.unwrap_or(0)).saturating_sub(connecting),
            served: broker.rx.saturating_sub(count(handshakes)),
            send_errors: broker.txerrs,
            receive_errors: broker.rxerrs,
            timeouts: broker.req_timeouts,
            unanswered: count(broker.req.values().sum()).saturating_sub(broker.rx + count(broker.waitresp_cnt)),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            attempts: self.attempts + other.attempts,
            served: self.served + other.served,
            send_errors: self.send_errors + other.send_errors,
            receive_errors: self.receive_errors + other.receive_errors,
            timeouts: self.timeouts + other.timeouts,
            unanswered: self.unanswered + other.unanswered,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn seconds(value: i64, per_second: f64) -> f64 {
    value.max(0) as f64 / per_second
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rdkafka::statistics::{Broker, Window};

    use super::Brokers;

    /// Returns a broker as a report shows it: its state, the attempts to connect, the answers to requests other than handshakes, the
    /// requests without an answer, and whether a receive has failed.
    fn broker(id: i32, state: &str, connects: i64, served: u64, unanswered: i64, broken: u64) -> Broker {
        let handshakes = u64::from(state == "UP" || served > 0) * connects.cast_unsigned();
        let req = HashMap::from([
            ("ApiVersion".to_owned(), handshakes.cast_signed()),
            ("Produce".to_owned(), served.cast_signed() + unanswered),
        ]);
        let (connects, rx) = (Some(connects), served + handshakes);
        Broker { nodeid: id, state: state.into(), connects, rx, req, rxerrs: broken, ..Broker::default() }
    }

    fn idle(connects: i64, served: u64) -> Broker {
        broker(1, "INIT", connects, served, 0, 0)
    }

    fn up(connects: i64, served: u64) -> Broker {
        broker(1, "UP", connects, served, 0, 0)
    }

    /// Evaluates reports of a single broker, five seconds apart: whether it is up and Kafka reachable after each, and the sum of its
    /// failures.
    #[track_caller]
    fn check(what: &str, reports: &[(Broker, bool, bool)], failures: u64) {
        let (mut brokers, mut failed) = (Brokers::default(), 0);
        for (turn, (broker, up, reachable)) in reports.iter().enumerate() {
            let time = i64::try_from(turn).unwrap() * 5_000_000;
            let (seen, reached) = brokers.report(time, &HashMap::from([("b:9092/1".to_owned(), broker.clone())]));
            assert_eq!((seen[0].id, seen[0].up, reached), (1, *up, *reachable), "{what}: report {turn}");
            failed += seen[0].failures;
        }
        assert_eq!(failed, failures, "{what}: failures");
    }

    /// The sequences are those that a real librdkafka has reported.
    #[test]
    fn an_idle_broker_is_up_and_one_that_does_not_serve_is_down() {
        let state = |state: &str, connects, served| broker(1, state, connects, served, 0, 0);
        check("never needed", &[(idle(0, 0), true, false), (idle(0, 0), true, false)], 0);
        check("in use", &[(up(1, 3), true, true), (up(1, 9), true, true)], 0);
        check("idle, closed by us, back", &[(up(1, 3), true, true), (idle(1, 3), true, true), (up(2, 3), true, true)], 0);
        let closed = broker(1, "INIT", 1, 3, 0, 1);
        check("idle, closed by the broker", &[(up(1, 3), true, true), (closed.clone(), true, true), (closed, true, true)], 0);
        let short = [(up(1, 3), true, true), (idle(2, 5), true, true)];
        check("opened, used and closed between two reports", &short, 0);
        let lost = broker(1, "INIT", 1, 3, 2, 1);
        let refused = broker(1, "TRY_CONNECT", 4, 3, 2, 1);
        let back = broker(1, "UP", 5, 3, 2, 1);
        let killed = [
            (up(1, 3), true, true),
            (lost.clone(), true, true),
            (refused, false, false),
            (lost, false, false),
            (back, true, true),
        ];
        check("killed under load, back", &killed, 1);
        let never = [
            (state("CONNECT", 1, 0), true, false),
            (state("CONNECT", 2, 0), false, false),
            (state("CONNECT", 2, 0), false, false),
        ];
        check("swallows every attempt", &never, 0);
        let new = [(state("CONNECT", 1, 0), true, false), (up(1, 1), true, true), (state("APIVERSION_QUERY", 2, 1), true, true)];
        check("a report in the middle of an attempt", &new, 0);
        let frozen = |state: &str, connects, timeouts| Broker { req_timeouts: timeouts, ..broker(1, state, connects, 3, 2, 0) };
        check("frozen", &[(up(1, 3), true, true), (frozen("INIT", 1, 2), false, false), (frozen("INIT", 1, 2), false, false)], 2);
        let unsent = Broker { txerrs: 1, ..idle(1, 3) };
        check("cannot be sent to", &[(up(1, 3), true, true), (unsent, false, false)], 1);
        let denied =
            |connects: i64| Broker { rx: 2 * connects.cast_unsigned(), req: handshakes(connects), ..state("DOWN", connects, 0) };
        check("answers, but refuses the password", &[(denied(1), false, false), (denied(3), false, false)], 0);
        let forgotten = [(up(4, 30), true, true), (idle(0, 0), true, true), (up(1, 0), true, true)];
        check("gone and known anew between two reports", &forgotten, 0);
    }

    fn handshakes(each: i64) -> HashMap<String, i64> {
        HashMap::from([("ApiVersion".to_owned(), each), ("SaslHandshake".to_owned(), each)])
    }

    /// Of several brokers, those that the cluster names are reported. One that serves is enough.
    #[test]
    fn kafka_is_reachable_while_anything_that_is_tried_serves() {
        let mut brokers = Brokers::default();
        let mut check = |what: &str, report: &[Broker], ups: &[(i32, bool)], reachable: bool| {
            let named = report.iter().enumerate().map(|(index, broker)| (format!("b:{index}/{}", broker.nodeid), broker.clone()));
            let (seen, reached) = brokers.report(0, &named.collect());
            let mut seen: Vec<(i32, bool)> = seen.iter().map(|broker| (broker.id, broker.up)).collect();
            seen.sort_unstable();
            assert_eq!((&*seen, reached), (ups, reachable), "{what}");
        };
        let bootstrap = |state: &str, connects, served| broker(-1, state, connects, served, 0, 0);
        check("before the first attempt", &[bootstrap("INIT", 0, 0)], &[], false);
        check("refused", &[bootstrap("TRY_CONNECT", 2, 0), bootstrap("TRY_CONNECT", 2, 0)], &[], false);
        check("one answers", &[bootstrap("TRY_CONNECT", 3, 0), bootstrap("UP", 3, 0)], &[], true);
        let named = |first: Broker, second: &str, connects| [Broker { nodeid: 1, ..first }, broker(2, second, connects, 0, 0, 0)];
        check("named by the cluster", &named(idle(0, 0), "INIT", 0), &[(1, true), (2, true)], true);
        check("one does not serve", &named(up(1, 2), "TRY_CONNECT", 1), &[(1, true), (2, false)], true);
        check("and the other is idle", &named(idle(1, 2), "INIT", 1), &[(1, true), (2, false)], true);
        check("none serves", &named(idle(3, 2), "INIT", 3), &[(1, false), (2, false)], false);
        check("one is gone", &[up(4, 3)], &[(1, true)], true);
    }

    #[test]
    fn measurements_are_shown_for_a_minute() {
        let window = |cnt, p50, p99, max| Some(Window { cnt, p50, p99, max, ..Window::default() });
        let (mut brokers, quiet) =
            (Brokers::default(), Broker { rtt: window(0, 0, 0, 0), throttle: window(0, 0, 0, 0), ..up(1, 1) });
        let busy = Broker { rtt: window(7, 2_000, 31_000, 40_000), throttle: window(2, 100, 200, 250), ..up(1, 1) };
        let mut check = |second: i64, broker: &Broker, round_trip: Option<(f64, f64)>, throttle: f64| {
            let (seen, _) = brokers.report(second * 1_000_000, &HashMap::from([("b:9092/1".to_owned(), broker.clone())]));
            assert_eq!(seen[0].round_trip, round_trip, "after {second} s");
            assert!((seen[0].throttle - throttle).abs() < 1e-9, "after {second} s: {}", seen[0].throttle);
        };
        check(0, &quiet, None, 0.0);
        check(5, &busy, Some((0.002, 0.031)), 0.25);
        check(10, &quiet, Some((0.002, 0.031)), 0.25);
        check(64, &quiet, Some((0.002, 0.031)), 0.25);
        check(65, &quiet, None, 0.0);
    }
}
