//! Deliveries in the first seconds of a daemon wait for Kafka, and the log says when Kafka is reached, lost and back.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use hookgate::kafka::mock::Mock;

use crate::{
    binary::{Folder, Process},
    harness::{Answer, Daemon, Setup, configuration, hmac_hex, request, secret, take_down, topics, wait_until},
    lifecycle::serve_configuration,
};

const BODY: &[u8] = br#"{"hook":{"event":"file.uploaded"},"data":{"uuid":"00000001-0000-4000-8000-000000000000"}}"#;
/// For how long after its start a daemon lets deliveries wait for Kafka. The tests beside its code check the exact limits.
const FIRST_SECONDS: Duration = Duration::from_secs(5);

/// Returns a cluster whose broker does not answer.
fn away() -> Arc<Mock> {
    let mock = Arc::new(Mock::start(&topics(&configuration("", &[]))).unwrap());
    take_down(&mock);
    mock
}

fn daemon(mock: &Arc<Mock>) -> Daemon {
    let tables = "[kafka]\nreconnect_backoff_max = \"100ms\"\n";
    Daemon::with(Setup { tables, mock: Some(Arc::clone(mock)), wait: false, ..Setup::default() })
}

#[test]
fn a_delivery_of_the_first_seconds_waits_for_kafka() {
    for attempt in 0.. {
        let (mock, begin) = (away(), Instant::now());
        let daemon = daemon(&mock);
        assert!(daemon.running().unready().is_some());
        let (answer, after) = thread::scope(|scope| {
            let answer = scope.spawn(|| (daemon.deliver("uploadcare", BODY), begin.elapsed()));
            daemon
                .wait_until("it waits", |_| daemon.metric("hookgate_in_flight_deliveries") == Some(1.0) || answer.is_finished());
            mock.run(|cluster| cluster.broker_up(1)).unwrap().unwrap();
            answer.join().unwrap()
        });
        if answer.status == 200 {
            break;
        }
        // When a busy machine takes longer than that to reach Kafka, the delivery is refused, and the test tries again.
        assert!(after > FIRST_SECONDS && attempt < 20, "answered after {after:?}: {answer:?}");
    }
}

#[test]
fn kafka_that_never_comes_costs_no_more_than_the_first_seconds() {
    let begin = Instant::now();
    let daemon = daemon(&away());
    let refused = || {
        let answer = daemon.deliver("uploadcare", BODY);
        assert_eq!((answer.status, &*answer.label(), answer.header("retry-after")), (503, "publish_failed", Some("5")));
        begin.elapsed()
    };
    let first = refused();
    assert!(first >= FIRST_SECONDS, "an instant refusal, after {first:?}");
    // The deadline of its answer is far away. The first delivery does not wait that long, and a later one neither.
    assert!(refused() < daemon.config.http.answer_deadline / 2);
}

/// The log has one line for each change, however long a state lasts.
#[test]
fn the_log_says_when_kafka_is_reached_lost_and_back() {
    let (folder, mock) = (Folder::new(), away());
    let tables = "[shutdown]\npre_stop = \"0s\"\n[log]\nsuccess_sample = 0";
    folder.write("hookgate.toml", serve_configuration(mock.brokers(), tables));
    let process = Process::spawn(&folder, &["serve"]);
    let (webhooks, _) = process.addresses();
    let deliver = || -> Answer {
        let signature = format!("v1={}", hmac_hex(secret("UPLOADCARE"), &[BODY]));
        request(webhooks, "POST", "/webhooks/uploadcare", &[("x-uc-signature", &signature)], BODY)
    };
    let lines = || {
        let log = process.err();
        let said = |text: &str| log.matches(&format!("\"message\":\"{text}")).count();
        [said("kafka is reached for the first time"), said("ready\""), said("kafka is lost"), said("kafka is back")]
    };
    assert_eq!(deliver().status, 503);
    assert_eq!(lines(), [0, 0, 0, 0], "Kafka that was never reached is not lost");
    mock.run(|cluster| cluster.broker_up(1)).unwrap().unwrap();
    wait_until("ready", || lines() == [1, 1, 0, 0]);
    assert_eq!(deliver().status, 200);

    take_down(&mock);
    wait_until("lost", || deliver().status == 503 && lines()[2] == 1);
    mock.run(|cluster| cluster.broker_up(1)).unwrap().unwrap();
    wait_until("back", || {
        let _any = deliver();
        lines()[3] == 1
    });
    assert_eq!(lines(), [1, 1, 1, 1]);
    process.signal("TERM");
    assert_eq!(process.finish().code, Some(0));
}
