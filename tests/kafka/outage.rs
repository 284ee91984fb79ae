//! Outages of Kafka from the start, and later. The daemon is never restarted, and what it answered 200 is on a topic.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Answer, Daemon, Setup, request, signed, wait_until},
    support::{Broker, Site, assert_503, consume, one_topic_per_provider, prefix, scan, topics, variable},
};

/// A delivery of the traffic.
#[derive(Debug)]
struct Delivery {
    begun: Instant,
    took: Duration,
    answer: Answer,
}

/// Delivers one scan after the other until `stop` is set.
fn traffic(daemon: &Daemon, stop: &Arc<AtomicBool>) -> thread::JoinHandle<Vec<Delivery>> {
    let (to, stop) = (daemon.webhooks, Arc::clone(stop));
    thread::spawn(move || {
        let mut deliveries = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let body = scan(&format!("traffic-{}", deliveries.len()));
            let (path, headers) = signed("filesafety", &body);
            assert!(headers.is_empty());
            let begun = Instant::now();
            let answer = request(to, "POST", &path, &[], &body);
            deliveries.push(Delivery { begun, took: begun.elapsed(), answer });
            // The pause leaves the machine to other processes.
            thread::sleep(Duration::from_millis(20));
        }
        deliveries
    })
}

#[test]
fn an_outage_is_a_503_and_heals_without_a_restart() {
    let broker = Broker { port: variable("HOOKGATE_TEST_KAFKA_OUTAGE_PORT") };
    let brokers = format!("127.0.0.1:{}", broker.port);
    let prefix = prefix("");
    let tables = topics(&prefix, 1) + &one_topic_per_provider(&prefix);
    broker.stop();

    // The outage from the start.
    let flags = vec![("kafka.brokers", brokers.clone())];
    let daemon = Daemon::with(Setup { tables: &tables, flags, wait: false, ..Setup::default() });
    assert_503(&daemon.deliver("filesafety", &scan("too early")), &["publish_failed"]);
    assert_eq!(daemon.admin("/readyz").status, 503);
    assert_eq!(daemon.admin("/livez").status, 200);
    broker.start(&[]);
    Site::new(&format!("[kafka]\nbrokers = [\"{brokers}\"]\n{tables}")).create_topics();
    daemon.wait_until("ready", |it| it.unready().is_none() && it.missing_topics().is_empty());
    assert_eq!(daemon.admin("/readyz").status, 200);

    // The outage later on. The same traffic goes to a daemon whose Kafka is up, and shows how slow the machine is meanwhile.
    let stop = Arc::new(AtomicBool::new(false));
    let control = Daemon::start();
    let (traffic, beside) = (traffic(&daemon, &stop), traffic(&control, &stop));
    let stored = |id: &str| daemon.deliver("filesafety", &scan(id));
    assert_eq!(stored("before").status, 200);
    broker.stop();
    assert_503(&stored("during"), &["publish_timeout", "publish_failed"]);
    assert_eq!(daemon.admin("/readyz").status, 200, "an outage later on does not take it out of service");
    broker.start(&["--keep"]);
    wait_until("taking deliveries again", || stored("after").status == 200);
    stop.store(true, Ordering::Relaxed);

    let (deliveries, beside) = (traffic.join().unwrap(), beside.join().unwrap());
    assert!(beside.iter().all(|delivery| delivery.answer.status == 200), "{beside:?}");
    let slowest = beside.windows(2).map(|two| two[1].begun - two[0].begun).max().unwrap();
    // A busy machine may delay both the work before the wait for Kafka and the work after it, each as long as a whole delivery beside it.
    let longest = daemon.config.http.answer_deadline + Duration::from_secs(2) + 2 * slowest;
    for Delivery { took, answer, .. } in &deliveries {
        assert!(*took < longest, "{took:?}, at most {longest:?}: {answer:?}");
        if answer.status != 200 {
            assert_503(answer, &["publish_timeout", "publish_failed"]);
        }
    }
    let ids: BTreeSet<String> = deliveries
        .iter()
        .filter(|delivery| delivery.answer.status == 200)
        .map(|Delivery { answer, .. }| {
            serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(ids.len() < deliveries.len() && !ids.is_empty(), "the traffic has met the outage and its end");
    let records = consume(&["--brokers", &brokers, "--prefix", &prefix]);
    let on_topic: BTreeSet<String> = records.iter().map(|record| record["event"]["id"].as_str().unwrap().to_owned()).collect();
    let lost: Vec<_> = ids.difference(&on_topic).collect();
    assert!(lost.is_empty(), "answered 200 and not stored: {lost:?}");
}
