//! Kafka's credentials change while deliveries arrive. The mock cluster does not check credentials, so these tests look at what the daemon
//! does after a change. The brokers in tests/kafka check them.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use hookgate::config::Config;

use crate::{
    binary::Folder,
    harness::{Answer, Daemon, Setup, keep_secret, take_down, wait_until},
};

const TOPIC: &str = "hookgate.uploadcare.file.uploaded";
const RELOADS: &str = "hookgate_kafka_credentials_reloads_total";
const PENDING: &str = "hookgate_kafka_credentials_pending";

/// Makes the connection to the mock cluster one without a password.
fn plaintext(config: &mut Config) {
    config.kafka.properties.0.insert("security.protocol".into(), "plaintext".into());
}

/// A daemon with a password in a file.
struct Bench {
    daemon: Daemon,
    folder: Folder,
}

impl Bench {
    fn start() -> Self {
        let folder = Folder::new();
        for password in ["first-password", "second-password", "third-password"] {
            keep_secret(password);
        }
        let file = folder.write("password", "first-password\n");
        let sasl = format!(
            "[kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"u\"\npassword = 'file:{file}'\n\
             [topics.map]\n\"filespin.*\" = \"hookgate.a\"\n\"filesafety.*\" = \"hookgate.b\"\n\"frameio.*\" = \"hookgate.c\"\n"
        );
        Self { daemon: Daemon::with(Setup { tables: &sasl, change: plaintext, ..Setup::default() }), folder }
    }

    fn deliver(&self, number: usize) -> Answer {
        let body = format!(r#"{{"hook":{{"event":"file.uploaded"}},"data":{{"uuid":"{number}"}}}}"#);
        self.daemon.deliver("uploadcare", body.as_bytes())
    }

    fn is(&self, metric: &str, value: f64) -> bool {
        self.daemon.metric(metric).is_some_and(|found| (found - value).abs() < 0.5)
    }
}

#[test]
fn no_delivery_is_refused_while_credentials_change() {
    let bench = Bench::start();
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let sender = || {
            while !stop.load(Ordering::SeqCst) {
                let answer = bench.deliver(sent.fetch_add(1, Ordering::SeqCst));
                if answer.status != 200 {
                    return Err(format!("{answer:?}"));
                }
            }
            Ok(())
        };
        let senders = [scope.spawn(sender), scope.spawn(sender), scope.spawn(sender)];
        for (reloads, password) in [(1.0, "second-password"), (2.0, "third-password")] {
            bench.folder.replace("password", password);
            wait_until("reloaded", || bench.is(RELOADS, reloads));
            let before = sent.load(Ordering::SeqCst);
            wait_until("more traffic", || {
                senders.iter().any(thread::ScopedJoinHandle::is_finished) || sent.load(Ordering::SeqCst) > before + 20
            });
        }
        stop.store(true, Ordering::SeqCst);
        for sender in senders {
            sender.join().unwrap().unwrap();
        }
    });
    assert_eq!(bench.daemon.records_of(&[TOPIC]).len(), sent.load(Ordering::SeqCst), "each delivery is stored once");
    assert!(bench.is(PENDING, 0.0) && bench.is("hookgate_producer_rebuilds_total", 0.0));
}

/// A file that is written again with the same content counts as no change.
#[test]
fn a_delivery_that_the_old_producer_holds_is_acknowledged() {
    let bench = Bench::start();
    assert_eq!(bench.deliver(0).status, 200);
    bench.daemon.hold();
    thread::scope(|scope| {
        let held = scope.spawn(|| bench.deliver(1));
        wait_until("in flight", || bench.is("hookgate_in_flight_deliveries", 1.0));
        bench.folder.replace("password", "first-password");
        bench.folder.replace("password", "second-password");
        wait_until("reloaded", || bench.is(RELOADS, 1.0));
        assert!(!held.is_finished(), "the old producer still holds it");
        bench.daemon.release();
        let answer = held.join().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    });
    assert_eq!(bench.deliver(2).status, 200);
    assert_eq!(bench.daemon.records_of(&[TOPIC]).len(), 3);
    assert!(bench.is(RELOADS, 1.0));
}

#[test]
fn credentials_are_used_only_once_they_work() {
    let bench = Bench::start();
    bench.folder.replace("password", "");
    wait_until("noticed", || bench.is(PENDING, 1.0));
    assert_eq!(bench.deliver(1).status, 200, "the last good password is still in use");
    bench.folder.replace("password", "first-password");
    wait_until("nothing pending", || bench.is(PENDING, 0.0));
    assert!(bench.is(RELOADS, 0.0));

    let mock = bench.daemon.mock.as_ref().unwrap();
    take_down(mock);
    bench.folder.replace("password", "second-password");
    wait_until("noticed", || bench.is(PENDING, 1.0));
    assert!(bench.is(RELOADS, 0.0), "no broker has accepted it");
    mock.run(|cluster| cluster.broker_up(1)).unwrap().unwrap();
    wait_until("reloaded", || bench.is(RELOADS, 1.0));
    assert_eq!(bench.deliver(2).status, 200);
}
