use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::{publisher::failure, supervisor::pause_after, topics::first_wait};

/// Every error becomes a 503 of one of three labels.
#[test]
fn whatever_kafka_says_is_a_503() {
    let check = |error: &KafkaError, label: &str| {
        let answer = failure(error).answer();
        assert_eq!((answer.status, answer.label()), (503, label), "{error:?}");
    };
    for (code, label) in [
        (Code::QueueFull, "overloaded"),
        (Code::MessageTimedOut, "publish_timeout"),
        (Code::OperationTimedOut, "publish_timeout"),
        (Code::RequestTimedOut, "publish_timeout"),
        (Code::MessageSizeTooLarge, "publish_failed"),
        (Code::TopicAuthorizationFailed, "publish_failed"),
        (Code::UnknownTopicOrPartition, "publish_failed"),
        (Code::NotEnoughReplicas, "publish_failed"),
        (Code::PurgeInflight, "publish_failed"),
        (Code::Fatal, "publish_failed"),
    ] {
        check(&KafkaError::MessageProduction(code), label);
    }
    check(&KafkaError::Canceled, "publish_failed");
    check(&KafkaError::Flush(Code::Unknown), "publish_failed");
}

/// The answer to the sender holds nothing of Kafka's.
#[test]
fn the_cause_is_for_the_log_only() {
    let error = failure(&KafkaError::MessageProduction(Code::TopicAuthorizationFailed));
    assert!(format!("{error:?}").contains("TopicAuthorizationFailed"));
    assert!(!error.to_string().contains("Topic"), "{error}");
}

/// Only deliveries of the first five seconds wait for Kafka to be reached, and none beyond them.
#[test]
fn the_wait_for_the_first_contact_ends_with_the_first_seconds() {
    let check = |age_ms: u64, wait_ms: u64, expected_ms: u64| {
        let waits = first_wait(Duration::from_millis(age_ms), Duration::from_millis(wait_ms));
        assert_eq!(waits, Duration::from_millis(expected_ms), "{age_ms} ms after the start, with {wait_ms} ms");
    };
    check(0, 3800, 3800);
    check(0, 9000, 5000);
    check(4800, 3800, 200);
    check(5000, 3800, 0);
    check(60_000, 3800, 0);
    check(1000, 0, 0);
}

#[test]
fn the_pause_between_producers_grows_and_is_forgotten() {
    let check = |last_ms: u64, lived_s: u64, expected_ms: u64| {
        let pause = pause_after(Duration::from_millis(last_ms), Duration::from_secs(lived_s));
        assert_eq!(pause, Duration::from_millis(expected_ms), "{last_ms} ms, lived {lived_s} s");
    };
    check(0, 0, 100);
    check(100, 0, 200);
    check(200, 59, 400);
    check(6400, 1, 10_000);
    check(10_000, 1, 10_000);
    // Months without a fault are not followed by ten seconds of outage.
    check(10_000, 60, 100);
    check(0, 3600, 100);
}
