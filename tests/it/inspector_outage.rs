//! What the page of `hookgate dev` says of Kafka while that is away.

use hookgate::kafka::mock::Mock;
use serde_json::json;

use crate::{
    binary::Folder,
    harness::{configuration, take_down, topics, wait_until},
    inspector::{Session, states},
};

/// While Kafka is away, the sender is told to try again; nothing else teaches what an outage is.
#[test]
fn the_embedded_kafka_can_be_taken_away() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let state = || session.json("/api/requests?after=0")["strip"]["kafka"].clone();
    assert_eq!(state(), json!({ "away": false, "state": "ready" }));
    let away = json!({ "away": true, "state": "away" });
    assert_eq!(session.post("/api/kafka", &json!({ "away": true })), (200, away.clone()));
    let order = json!({ "endpoint": "uploadcare", "type": "file.stored" });
    let refused = &session.act("/api/send", &order, 1)[0];
    assert_eq!(refused["row"]["status"], json!(503), "{refused}");
    assert_eq!(states(refused), "ok ok ok ok ok failed");
    assert!(refused["answer"]["headers"].to_string().contains("retry-after"), "{refused}");
    assert_eq!(state(), away);
    let failing = json!({ "away": false, "state": "failing" });
    assert_eq!(session.post("/api/kafka", &json!({ "away": false })), (200, failing));
    wait_until("back", || session.act("/api/send", &order, 1)[0]["row"]["status"] == json!(200));
    assert_eq!(state(), json!({ "away": false, "state": "ready" }));
    // With it away, the session still ends in order.
    session.post("/api/kafka", &json!({ "away": true }));
    session.process.signal("INT");
    let finished = session.process.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

/// A daemon stays ready while Kafka is away, so the page says what deliveries and Kafka's client say.
#[test]
fn an_outage_of_another_kafka_is_shown() {
    let folder = Folder::new();
    let mock = Mock::start(&topics(&configuration("", &[]))).unwrap();
    let session = Session::with(&folder, &["--kafka", mock.brokers()]);
    let state = || session.json("/api/requests?after=0")["strip"]["kafka"]["state"].clone();
    let status = || {
        let order = json!({ "endpoint": "uploadcare", "type": "file.stored", "consent": true });
        session.act("/api/send", &order, 1)[0]["row"]["status"].clone()
    };
    assert_eq!((status(), state()), (json!(200), json!("ready")));
    take_down(&mock);
    assert_eq!(status(), json!(503));
    assert!(["failing", "lost"].contains(&state().as_str().unwrap()), "{}", state());
    // Kafka's client reports every five seconds.
    wait_until("lost", || state() == json!("lost"));
    mock.run(|cluster| cluster.broker_up(1)).unwrap().unwrap();
    wait_until("back", || status() == json!(200));
    assert_eq!(state(), json!("ready"));
}
