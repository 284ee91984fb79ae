//! Topics that are missing, are deleted or cannot be looked up: only their own deliveries fail.

use std::sync::Arc;

use hookgate::kafka::mock::Mock;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Kafka};

use super::{ALWAYS, Bench, PUBLISH, TOPIC, mock, short};
use crate::harness::{Daemon, Setup, configuration, topics};

#[test]
fn only_the_deliveries_of_a_missing_topic_fail() {
    let all = topics(&configuration("", &[]));
    let others: Vec<String> = all.into_iter().filter(|topic| topic != TOPIC).collect();
    let mock = Arc::new(Mock::start(&others).unwrap());
    let mut bench = Bench::new(Daemon::with(Setup { change: short, mock: Some(mock), wait: false, ..Setup::default() }));
    bench.daemon.wait_until("missing", |it| it.unready().is_none() && !it.missing_topics().is_empty());
    assert_eq!(bench.daemon.running().missing_topics(), [TOPIC.into()]);
    assert_eq!(bench.daemon.admin("/readyz").status, 200);
    assert_eq!(bench.daemon.metric("hookgate_topics_missing"), Some(1.0));
    bench.refused(&["publish_failed"], "missing");
    assert_eq!(bench.daemon.deliver("uploadcare", b"{").status, 200, "another topic");
    bench.cluster(|cluster| cluster.create_topic(TOPIC, 1, 1).unwrap());
    bench.heals("created");
    assert_eq!(bench.daemon.metric("hookgate_topics_missing"), Some(0.0));
    bench.kept();
}

/// The first delivery that fails shows that its topic has been deleted. From then on senders do not wait for a timeout.
#[test]
fn a_topic_that_is_deleted_later_is_missing_until_it_is_back() {
    let mut bench = Bench::short();
    assert_eq!(bench.deliver().status, 200);
    let gone = Kafka::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    bench.cluster(move |cluster| cluster.topic_error(TOPIC, gone).unwrap());
    bench.cluster(move |cluster| cluster.request_errors(Api::Produce, &[gone; ALWAYS]));
    bench.refused(&PUBLISH, "gone");
    bench.daemon.wait_until("missing", |it| it.missing_topics() == [TOPIC.into()]);
    // The metric counts each wait for an acknowledgement.
    let waits = |bench: &Bench| bench.daemon.metric("hookgate_publish_seconds_count{result=\"refused\"}");
    let before = waits(&bench);
    assert!(before.is_some());
    bench.refused(&["publish_failed"], "known to be gone");
    assert_eq!(waits(&bench), before, "the record was not given to librdkafka");
    bench.cluster(|cluster| cluster.topic_error(TOPIC, Kafka::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap());
    bench.cluster(|cluster| cluster.clear_request_errors(Api::Produce));
    bench.heals("back");
    bench.kept();
}

/// For each error of a look-up at the start: whether the deliveries of that topic are refused. Other deliveries are accepted always.
#[test]
fn only_the_deliveries_of_a_topic_that_cannot_be_looked_up_are_refused() {
    for (error, refused) in [
        (Kafka::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, true),
        (Kafka::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, false),
        (Kafka::RD_KAFKA_RESP_ERR_UNKNOWN, false),
    ] {
        let mock = mock();
        // The daemon looks this topic up first.
        let first = topics(&configuration("", &[])).remove(0);
        mock.run(move |cluster| cluster.topic_error(&first, error)).unwrap().unwrap();
        let mut bench = Bench::new(Daemon::with(Setup { change: short, mock: Some(mock), wait: false, ..Setup::default() }));
        bench.daemon.wait_until("ready", |it| it.unready().is_none());
        assert_eq!(bench.deliver().status, 200, "{error:?}: another topic");
        bench.daemon.wait_until("settled", |it| it.missing_topics().is_empty() != refused);
        bench.kept();
    }
}
