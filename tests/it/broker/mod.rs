//! The table of faults of brokers: for every fault of Kafka a sender gets 200 or 503 in time, and what was answered 200 is on the topic.

mod topics;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hookgate::{
    app::{self, Options},
    config::{Config, Shutdown},
    kafka::mock::{Mock, MockedCluster},
};
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Kafka};

use crate::harness::{self, Answer, Daemon, Setup, configuration, environment, request, signed, take_down, wait_until};

/// Makes all deadlines short enough for a table of faults. The configuration would refuse so little time between `socket_timeout` and
/// `message_timeout`, which a connection needs that is lost silently. Here no connection is, and a record has to expire soon.
fn short(config: &mut Config) {
    config.kafka.socket_timeout = Duration::from_millis(300);
    config.kafka.message_timeout = Duration::from_millis(500);
    config.kafka.reconnect_backoff_max = Duration::from_millis(200);
    config.kafka.publish_timeout = Duration::from_millis(1300);
    config.http.answer_deadline = Duration::from_millis(1500);
}
/// Twenty times the deadline of [`short`], so that a busy machine stays below it, and less than the harness waits for any answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// More errors than librdkafka makes attempts before a record expires.
const ALWAYS: usize = 200;

/// The topic of the deliveries of [`body`].
const TOPIC: &str = "hookgate.uploadcare.file.uploaded";

/// What librdkafka does after one injected error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The record fails, and the next one is stored.
    Refused,
    /// The record is sent again. The delivery is refused only if the error stays.
    Retried,
    /// The producer cannot be used any more.
    Fatal,
}
use Fate::{Fatal, Refused, Retried};

/// Returns the body of a delivery to one topic. Each number gives another body.
fn body(number: usize) -> Vec<u8> {
    let uuid = format!("{number:08}-0000-4000-8000-000000000000");
    format!(r#"{{"hook":{{"event":"file.uploaded"}},"data":{{"uuid":"{uuid}"}}}}"#).into_bytes()
}

/// A daemon, and the ids of the deliveries that it has answered 200.
struct Bench {
    daemon: Daemon,
    promised: Vec<String>,
    sent: usize,
}

impl Bench {
    fn new(daemon: Daemon) -> Self {
        Self { daemon, promised: Vec::new(), sent: 0 }
    }

    fn short() -> Self {
        Self::new(Daemon::with(Setup { change: short, ..Setup::default() }))
    }

    fn cluster(&self, job: impl FnOnce(&MockedCluster) + Send + 'static) {
        self.daemon.mock.as_ref().unwrap().run(job).unwrap();
    }

    /// Sends one delivery, which must be answered in time: 200, or a 503 of Hookgate.
    fn deliver(&mut self) -> Answer {
        self.sent += 1;
        let begin = Instant::now();
        let answer = self.daemon.deliver("uploadcare", &body(self.sent));
        assert!(begin.elapsed() < DEADLINE, "answered after {:?}: {answer:?}", begin.elapsed());
        match answer.status {
            200 => {
                let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                self.promised.push(answer["id"].as_str().unwrap().to_owned());
            }
            503 => assert_eq!(answer.header("retry-after"), Some("5"), "{answer:?}"),
            status => panic!("{status} for a fault of Kafka: {answer:?}"),
        }
        answer
    }

    fn refused(&mut self, labels: &[&str], what: &str) {
        let answer = self.deliver();
        assert!(answer.status == 503 && labels.contains(&&*answer.label()), "{what}: {answer:?}");
    }

    /// Checks that deliveries work again soon after a fault, without a restart.
    fn heals(&mut self, what: &str) {
        let begin = Instant::now();
        while self.deliver().status != 200 {
            assert!(begin.elapsed() < Duration::from_secs(60), "{what}: not healed");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Checks that every delivery that was answered 200 is on the topic.
    fn kept(&self) {
        let records = self.daemon.records_of(&[TOPIC]);
        let ids: Vec<&String> =
            records.iter().flat_map(|record| &record.headers).filter(|(name, _)| name == "ce_id").map(|(_, id)| id).collect();
        for id in &self.promised {
            assert!(ids.contains(&id), "{id} was answered 200 and is on no topic");
        }
        assert!(!self.promised.is_empty());
    }
}

const PUBLISH: [&str; 2] = ["publish_failed", "publish_timeout"];

/// Injects one error once, and then again and again if the record has survived it once.
fn check(bench: &mut Bench, error: Kafka, fate: Fate) {
    let what = format!("{error:?}");
    let rebuilds = |bench: &Bench| bench.daemon.metric("hookgate_producer_rebuilds_total").unwrap();
    let before = rebuilds(bench);
    bench.cluster(move |cluster| cluster.request_errors(Api::Produce, &[error]));
    let once = bench.deliver();
    bench.cluster(|cluster| cluster.clear_request_errors(Api::Produce));
    match fate {
        Retried => assert_eq!(once.status, 200, "{what}: once"),
        Refused => assert_eq!(once.label(), "publish_failed", "{what}: once"),
        Fatal => assert!(PUBLISH.contains(&&*once.label()), "{what}: {once:?}"),
    }
    if fate == Retried {
        bench.cluster(move |cluster| cluster.request_errors(Api::Produce, &[error; ALWAYS]));
        bench.refused(&PUBLISH, &what);
        bench.cluster(|cluster| cluster.clear_request_errors(Api::Produce));
    }
    bench.heals(&what);
    assert_eq!(rebuilds(bench) > before, fate == Fatal, "{what}: rebuilt");
}

fn table(rows: &[(Kafka, Fate)]) {
    let mut bench = Bench::short();
    assert_eq!(bench.deliver().status, 200, "no fault");
    for (error, fate) in rows {
        check(&mut bench, *error, *fate);
    }
    bench.kept();
}

#[test]
fn a_record_that_a_broker_refuses_for_good_is_503_at_once() {
    use Kafka::*;
    table(&[
        (RD_KAFKA_RESP_ERR_UNKNOWN, Refused),
        (RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, Refused),
        (RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, Refused),
        (RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Refused),
        (RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, Refused),
        (RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, Refused),
        (RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, Refused),
        (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Refused),
        (RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, Refused),
        (RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, Refused),
        (RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, Refused),
        (RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, Refused),
        (RD_KAFKA_RESP_ERR_POLICY_VIOLATION, Refused),
        (RD_KAFKA_RESP_ERR_INVALID_REQUEST, Refused),
        (RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, Refused),
        (RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Refused),
        (RD_KAFKA_RESP_ERR_SECURITY_DISABLED, Refused),
        (RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, Refused),
        (RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, Refused),
        (RD_KAFKA_RESP_ERR_INVALID_RECORD, Refused),
        (RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, Refused),
        (RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, Refused),
        (RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH, Refused),
        (RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH, Refused),
    ]);
}

#[test]
fn a_broker_in_trouble_is_tried_again_until_the_time_is_up() {
    use Kafka::*;
    table(&[
        (RD_KAFKA_RESP_ERR_INVALID_MSG, Retried),
        (RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, Retried),
        (RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, Retried),
        (RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, Retried),
        (RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, Retried),
        (RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, Retried),
    ]);
}

#[test]
fn too_few_replicas_and_storage_faults_are_tried_again() {
    use Kafka::*;
    table(&[
        (RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, Retried),
        (RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, Retried),
        (RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, Retried),
        (RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, Retried),
        // The broker cuts the connection instead of answering.
        (RD_KAFKA_RESP_ERR__TRANSPORT, Retried),
    ]);
}

#[test]
fn a_producer_that_cannot_be_used_any_more_is_replaced() {
    use Kafka::*;
    table(&[
        (RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, Fatal),
        (RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, Retried),
        (RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, Refused),
        (RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, Fatal),
    ]);
}

#[test]
fn a_missing_permission_at_the_start_heals_without_a_restart() {
    let mock = mock();
    let denied = [Kafka::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; ALWAYS];
    mock.run(move |cluster| cluster.request_errors(Api::InitProducerId, &denied)).unwrap();
    let mut bench = Bench::new(Daemon::with(Setup { change: short, mock: Some(mock), ..Setup::default() }));
    bench.refused(&PUBLISH, "denied");
    wait_until("rebuilt", || bench.daemon.metric("hookgate_producer_rebuilds_total").unwrap() >= 1.0);
    bench.refused(&PUBLISH, "still denied");
    bench.cluster(|cluster| cluster.clear_request_errors(Api::InitProducerId));
    bench.heals("granted");
    bench.kept();
}

#[test]
fn kafka_may_be_away_at_the_start_and_later() {
    let mock = mock();
    take_down(&mock);
    // The configuration would refuse this interval. It keeps the test short.
    let change = |config: &mut Config| {
        short(config);
        config.kafka.properties.0.insert("statistics.interval.ms".into(), "100".into());
    };
    let mut bench = Bench::new(Daemon::with(Setup { change, mock: Some(mock), wait: false, ..Setup::default() }));
    let shows = |bench: &Bench, series: &str, value: f64| {
        wait_until(&format!("{series} {value}"), || bench.daemon.metric(series).is_some_and(|it| (it - value).abs() < 0.1));
    };
    assert_eq!(bench.daemon.admin("/readyz").status, 503);
    assert_eq!(bench.daemon.admin("/livez").status, 200);
    shows(&bench, "hookgate_kafka_reachable", 0.0);
    bench.refused(&["publish_failed"], "never reached");
    bench.cluster(|cluster| cluster.broker_up(1).unwrap());
    bench.daemon.wait_until("ready", |it| it.unready().is_none() && it.missing_topics().is_empty());
    bench.heals("up");
    shows(&bench, "hookgate_kafka_reachable", 1.0);
    shows(&bench, "hookgate_kafka_broker_up{broker=\"1\"}", 1.0);

    take_down(bench.daemon.mock.as_ref().unwrap());
    bench.refused(&PUBLISH, "down");
    shows(&bench, "hookgate_kafka_reachable", 0.0);
    shows(&bench, "hookgate_kafka_broker_up{broker=\"1\"}", 0.0);
    assert_eq!(bench.daemon.admin("/readyz").status, 200, "an outage does not empty the Service");
    bench.refused(&PUBLISH, "still down");
    assert!(bench.daemon.metric("hookgate_kafka_errors_total").unwrap() > 0.0, "the errors of librdkafka are counted");
    bench.cluster(|cluster| cluster.broker_up(1).unwrap());
    bench.heals("up again");
    shows(&bench, "hookgate_kafka_reachable", 1.0);
    shows(&bench, "hookgate_kafka_broker_up{broker=\"1\"}", 1.0);
    bench.kept();
}

#[test]
fn an_acknowledgement_that_comes_too_late_is_no_200() {
    let mut bench = Bench::short();
    assert_eq!(bench.deliver().status, 200);
    bench.cluster(|cluster| cluster.broker_round_trip_time(1, Duration::from_secs(100)).unwrap());
    bench.refused(&["publish_timeout"], "slow");
    bench.cluster(|cluster| cluster.broker_round_trip_time(1, Duration::ZERO).unwrap());
    bench.heals("fast again");
    bench.kept();
}

/// Kafka gets only the time that is left until the deadline of the answer.
#[test]
fn the_deadline_of_the_answer_counts_from_the_head() {
    let mut config = configuration("", &[]);
    let mock = mock();
    config.kafka.brokers = vec![mock.brokers().to_owned()];
    // The configuration would refuse this. Only the deadline of the answer can end the wait here: every other deadline is a minute away.
    config.http.answer_deadline = Duration::from_millis(800);
    config.kafka.socket_timeout = Duration::from_secs(60);
    config.kafka.message_timeout = Duration::from_secs(60);
    config.kafka.publish_timeout = Duration::from_secs(60);
    let running = app::start(&config, Options::production(environment())).unwrap();
    wait_until("ready", || running.unready().is_none() && running.missing_topics().is_empty());
    mock.run(|cluster| cluster.broker_round_trip_time(1, Duration::from_secs(600)).unwrap()).unwrap();
    let ((path, headers), begin) = (signed("uploadcare", &body(1)), Instant::now());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = request(running.webhooks, "POST", &path, &headers, &body(1));
    assert_eq!((answer.status, &*answer.label()), (503, "publish_timeout"));
    assert!(begin.elapsed() < DEADLINE, "{:?}", begin.elapsed());
    running.stop(&Shutdown { flush: Duration::ZERO, ..config.shutdown });
}

#[test]
fn a_full_queue_is_overloaded_and_empties() {
    // A record that is not acknowledged stays in the queue, however late the next delivery comes.
    let change = |config: &mut Config| {
        short(config);
        config.kafka.message_timeout = Duration::from_secs(60);
    };
    let tables = "[kafka]\nqueue_bytes = \"1MiB\"";
    let mut bench = Bench::new(Daemon::with(Setup { tables, change, ..Setup::default() }));
    take_down(bench.daemon.mock.as_ref().unwrap());
    let large = format!(r#"{{"hook":{{"event":"file.uploaded"}},"data":{{"uuid":"x"}},"x":"{}"}}"#, "x".repeat(300 << 10));
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| bench.daemon.deliver("uploadcare", large.as_bytes()))).collect();
        all.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let count = |label: &str| answers.iter().filter(|answer| answer.status == 503 && answer.label() == label).count();
    assert!(count("overloaded") >= 1, "{answers:?}");
    assert!(count("publish_timeout") + count("publish_failed") >= 1, "{answers:?}");
    assert_eq!(count("overloaded") + count("publish_timeout") + count("publish_failed"), answers.len(), "{answers:?}");
    bench.cluster(|cluster| cluster.broker_up(1).unwrap());
    bench.heals("up");
    bench.kept();
}

#[test]
fn a_record_above_the_limit_of_its_topic_omits_the_payload() {
    let tables = "[http]\nmax_body_bytes = \"100KiB\"\n[topics]\nmax_message_bytes = \"192KiB\"\n";
    let mut bench = Bench::new(Daemon::with(Setup { tables, change: short, ..Setup::default() }));
    let fits = |kilobytes: usize| {
        let filler = "x".repeat(kilobytes << 10);
        format!(r#"{{"hook":{{"event":"file.uploaded"}},"data":{{"uuid":"a","metadata":{{"note":"{filler}"}}}}}}"#)
    };
    for (kilobytes, omitted) in [(50, false), (98, true)] {
        let answer = bench.daemon.deliver("uploadcare", fits(kilobytes).as_bytes());
        assert_eq!(answer.status, 200, "{kilobytes} KiB: {answer:?}");
        let last = bench.daemon.records_of(&[TOPIC]).pop().unwrap();
        let event = hookgate::proto::event_to_json(&last.value).unwrap();
        assert_eq!(event.get("payload_omitted").is_some_and(|it| it == true), omitted, "{kilobytes} KiB");
        assert_eq!(event.get("uploadcare_file").is_none(), omitted, "{kilobytes} KiB");
    }
    bench.cluster(|cluster| cluster.request_errors(Api::Produce, &[Kafka::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]));
    bench.refused(&["publish_failed"], "the broker accepts less than the configuration says");
    bench.heals("small");
    bench.kept();
}

/// Starts a cluster with every topic.
fn mock() -> Arc<Mock> {
    Arc::new(Mock::start(&harness::topics(&configuration("", &[]))).unwrap())
}
