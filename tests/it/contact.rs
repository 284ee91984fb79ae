//! When Kafka is reached: deliveries of the first seconds wait for it, and the log says when it is reached, lost and back.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use hookgate::publish::mock::Mock;

use crate::{
    binary::{Folder, Process},
    harness::{Answer, Daemon, Setup, configuration, hmac_hex, request, secret, take_down, topics, wait_until},
    life::serve_configuration,
};

const BODY: &[u8] = br#"{"hook":{"event":"file.uploaded"},"data":{"uuid":"00000001-0000-4000-8000-000000000000"}}"#;
/// During so much of its life a daemon lets deliveries wait for Kafka.
const FIRST_SECONDS: Duration = Duration::from_secs(5);
const SHORTLY_BEFORE: Duration = Duration::from_millis(4800);

/// A cluster that is away.
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
    let mock = away();
    let daemon = daemon(&mock);
    assert!(daemon.running().unready().is_some());
    let answer = thread::scope(|scope| {
        let answer = scope.spawn(|| daemon.deliver("uploadcare", BODY));
        thread::sleep(Duration::from_secs(1));
        mock.run(|cluster| cluster.broker_up(1)).unwrap().unwrap();
        answer.join().unwrap()
    });
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn kafka_that_never_comes_costs_no_more_than_the_deadline() {
    let daemon = daemon(&away());
    let begin = Instant::now();
    let timed = || {
        let begin = Instant::now();
        let answer = daemon.deliver("uploadcare", BODY);
        assert_eq!((answer.status, &*answer.label(), answer.header("retry-after")), (503, "publish_failed", Some("5")));
        begin.elapsed()
    };
    let waited = timed();
    let deadline = daemon.config.http.answer_deadline;
    assert!(waited > Duration::from_millis(500), "an instant refusal, after {waited:?}");
    // Room for a busy machine.
    assert!(waited < deadline + Duration::from_secs(2), "{waited:?}");
    // One that begins shortly before the end of these seconds does not wait beyond it.
    thread::sleep(SHORTLY_BEFORE.saturating_sub(begin.elapsed()));
    assert!(timed() < deadline / 2, "the first seconds are over");
    thread::sleep(FIRST_SECONDS.saturating_sub(begin.elapsed()));
    assert!(timed() < deadline / 2, "as later on");
}

/// One line each, however long it lasts.
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
    assert_eq!(lines(), [0, 0, 0, 0], "what was never there is not lost");
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
