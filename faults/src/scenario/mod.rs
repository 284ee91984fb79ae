//! The scenarios. Each is a function that breaks something under load and then repairs it.

mod brokers;
mod daemon;
mod load;
mod network;
mod topics;

use std::{thread, time::Duration};

use crate::{
    daemon::Settings,
    delivery::Provider,
    plan::{Allowed, Plan, Setup, VICTIM},
    stage::Stage,
};

/// A scenario: its plan and the function that plays it.
pub(crate) struct Scenario {
    pub(crate) plan: Plan,
    pub(crate) run: fn(&mut Stage) -> Result<(), String>,
}

/// Only Frame.io signs a time.
const CLOCKED: Provider = Provider::FrameIo;

use Allowed::{Only200, Refusals, RefusalsOf, Silence, UnauthorizedOf};
use Setup::{Apart, Balanced, Direct, Nginx, Proxied, Secured};

/// All scenarios, the most important first.
pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("broker-killed", Direct, Refusals, brokers::broker_killed),
    scenario("leader-killed", Direct, Refusals, brokers::leader_killed).short(),
    scenario("two-brokers-killed", Direct, Refusals, brokers::two_brokers_killed),
    scenario("broker-frozen", Direct, Refusals, brokers::broker_frozen),
    scenario("two-brokers-frozen-and-thawed", Direct, Refusals, brokers::two_brokers_frozen_and_thawed),
    scenario("brokers-restarted-in-turn", Direct, Refusals, brokers::brokers_restarted_in_turn),
    scenario("disk-full", Direct, Refusals, brokers::disk_full),
    scenario("slow-topic", Apart, RefusalsOf(VICTIM), brokers::slow_topic).resends(),
    scenario("topic-recreated", Direct, RefusalsOf(VICTIM), topics::topic_recreated),
    scenario("topic-recreated-by-hand", Direct, RefusalsOf(VICTIM), topics::topic_recreated_by_hand),
    scenario("topic-vanishes-from-metadata", Proxied, RefusalsOf(VICTIM), topics::topic_vanishes_from_metadata)
        .with(METADATA_OFTEN),
    scenario("limit-lowered", Direct, RefusalsOf(VICTIM), topics::limit_lowered),
    scenario("acl-removed", Secured, RefusalsOf(VICTIM), topics::acl_removed).with(USER),
    scenario("all-acls-removed", Secured, Refusals, topics::all_acls_removed).with(USER),
    scenario("daemon-terminated", Direct, Silence, daemon::daemon_terminated),
    scenario("daemon-killed", Direct, Silence, daemon::daemon_killed).short(),
    scenario("replicas-restarted-in-turn", Balanced, Only200, daemon::replicas_restarted_in_turn).short(),
    scenario("secrets-rotated", Direct, Only200, daemon::secrets_rotated),
    scenario("clock-off", Direct, UnauthorizedOf(CLOCKED), daemon::clock_off),
    scenario("network-cut", Proxied, Refusals, network::network_cut),
    scenario("network-slow", Proxied, Refusals, network::network_slow),
    scenario("network-half-open", Proxied, Refusals, network::network_half_open).short(),
    scenario("idle-path-dropped", Proxied, Only200, network::idle_path_dropped).with(IDLE_FOR_4S).at(20),
    scenario("acknowledgements-late", Proxied, Only200, network::acknowledgements_late)
        .at(50)
        .kafka_within(Duration::from_millis(300)),
    scenario("overload", Proxied, Refusals, load::overload).with(ROOM_FOR_16).at(20),
    scenario("stranger-floods-large-bodies", Nginx, Only200, load::stranger_floods_large_bodies).at(50),
    scenario("noisy-endpoint", Direct, RefusalsOf(VICTIM), load::noisy_endpoint).with(ROOM_FOR_256),
];

/// Shortens two intervals of librdkafka that are too long for a scenario: it asks for metadata every five minutes, and it tolerates an
/// unknown topic for the first half minute.
const METADATA_OFTEN: Settings = &[
    ("HOOKGATE_KAFKA__PROPERTIES__TOPIC_METADATA_REFRESH_INTERVAL_MS", "500"),
    ("HOOKGATE_KAFKA__PROPERTIES__TOPIC_METADATA_PROPAGATION_MAX_MS", "0"),
];
/// The user of `scripts/kafka/cluster`.
const USER: Settings = &[
    ("HOOKGATE_KAFKA__SASL__MECHANISM", "SCRAM-SHA-256"),
    ("HOOKGATE_KAFKA__SASL__USERNAME", "hookgate"),
    ("HOOKGATE_KAFKA__SASL__PASSWORD", "env:FAULTS_KAFKA_PASSWORD"),
    ("FAULTS_KAFKA_PASSWORD", "hookgate-secret"),
];
/// The shortest time that librdkafka's jitter of two seconds allows.
const IDLE_FOR_4S: Settings = &[("HOOKGATE_KAFKA__CONNECTIONS_MAX_IDLE", "4s")];
/// If Kafka takes this long although nothing of it is broken on purpose, it may also take longer than the daemon waits.
const KAFKA_MAX: Duration = Duration::from_secs(1);
const ROOM_FOR_16: Settings = &[("HOOKGATE_HTTP__MAX_IN_FLIGHT", "16")];
/// One endpoint's share is a quarter: more than the deliveries that it gets in a second of steady load.
const ROOM_FOR_256: Settings = &[("HOOKGATE_HTTP__MAX_IN_FLIGHT", "256")];

const fn scenario(name: &'static str, setup: Setup, allowed: Allowed, run: fn(&mut Stage) -> Result<(), String>) -> Scenario {
    let resends = matches!(allowed, Refusals);
    let plan = Plan { name, setup, allowed, resends, rate: 200, settings: &[], short: false, kafka_max: KAFKA_MAX };
    Scenario { plan, run }
}

impl Scenario {
    const fn resends(self) -> Self {
        Self { plan: Plan { resends: true, ..self.plan }, ..self }
    }

    const fn at(self, rate: u32) -> Self {
        Self { plan: Plan { rate, ..self.plan }, ..self }
    }

    const fn with(self, settings: Settings) -> Self {
        Self { plan: Plan { settings, ..self.plan }, ..self }
    }

    const fn kafka_within(self, kafka_max: Duration) -> Self {
        Self { plan: Plan { kafka_max, ..self.plan }, ..self }
    }

    const fn short(self) -> Self {
        Self { plan: Plan { short: true, ..self.plan }, ..self }
    }
}

/// The plan of the scenario of this name, for the tests of its judge.
#[cfg(test)]
pub(crate) fn named(name: &str) -> &'static Plan {
    &SCENARIOS.iter().find(|it| it.plan.name == name).expect("there is a scenario of this name").plan
}

fn pause(seconds: f32) {
    thread::sleep(Duration::from_secs_f32(seconds));
}
