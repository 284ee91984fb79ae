use bytes::Bytes;

use super::*;
use crate::{config, delivery::Recovered, encode::encode_recovered, kafka::mock::Mock, provider::uploadcare::PROVIDER};

fn config(brokers: &str) -> Config {
    let text = format!(
        "[kafka]\nbrokers = [\"{brokers}\"]\n[endpoints.uploadcare]\nprovider = \"uploadcare\"\nsecrets = [\"env:SECRET\"]\n"
    );
    config::parse(&text, "t", &[("SECRET", "a-secret-of-some-length")].into_iter().collect(), &[]).expect("a configuration")
}

fn record(run: &Run, number: usize) -> Record {
    let file = format!("{{\"uuid\":\"{number:08}\",\"datetime_uploaded\":\"2026-11-22T10:00:00Z\"}}");
    let event = (PROVIDER.recovered.expect("there"))("file.uploaded", file.as_bytes());
    let (received_at, reference) = (std::time::UNIX_EPOCH, String::new());
    let found = Recovered { endpoint: "uploadcare".into(), body: Bytes::from(file), received_at, twin: 0, reference };
    encode_recovered(found, &PROVIDER, event, &run.encoding)
}

fn begin(config: &Config, stop: &Arc<AtomicBool>) -> Run {
    Run::begin(config, &Environment::default(), (Origin::Recovered, "a test"), None, Arc::clone(stop)).expect("begun")
}

/// More than may be under way at once.
#[test]
fn each_record_counts_once_it_is_acknowledged() {
    let mock = Mock::start(&["hookgate.uploadcare.file.uploaded".to_owned()]).expect("a cluster");
    let (config, stop) = (config(mock.brokers()), Arc::default());
    let run = begin(&config, &stop);
    let records: Vec<Record> = (0..3 * IN_FLIGHT_MAX).map(|number| record(&run, number)).collect();
    let mut keys = Vec::new();
    let published = run.publish(records, &mut |record, _| {
        assert!(record.headers.iter().any(|(name, value)| *name == RUN_HEADER && *value == run.id));
        keys.push(record.key.clone());
        Ok(())
    });
    let expected: Vec<String> = (0..3 * IN_FLIGHT_MAX).map(|number| format!("{number:08}")).collect();
    assert_eq!(keys, expected);
    assert_eq!(published.expect("published"), Published { records: expected.len() as u64, ..Published::default() });
}

#[test]
fn a_stop_ends_the_run_after_what_is_under_way() {
    let mock = Mock::start(&["hookgate.uploadcare.file.uploaded".to_owned()]).expect("a cluster");
    let (config, stop) = (config(mock.brokers()), Arc::<AtomicBool>::default());
    let run = begin(&config, &stop);
    let records = (0..100).map(|number| {
        stop.store(number == 10, Ordering::Relaxed);
        record(&run, number)
    });
    let published = run.publish(records, &mut |_, _| Ok(())).expect("published");
    assert_eq!(published, Published { records: 10, stopped: true, unreported: false });
}

/// What Kafka has acknowledged is counted, although it could not be reported.
#[test]
fn a_report_that_fails_ends_the_run_after_what_is_under_way() {
    let mock = Mock::start(&["hookgate.uploadcare.file.uploaded".to_owned()]).expect("a cluster");
    let (config, stop) = (config(mock.brokers()), Arc::<AtomicBool>::default());
    let run = begin(&config, &stop);
    let records = (0..3 * IN_FLIGHT_MAX).map(|number| record(&run, number));
    let mut reported = 0;
    let published = run.publish(records, &mut |_, _| {
        reported += 1;
        if reported > 10 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    });
    let published = published.expect("published");
    assert_eq!((published.stopped, published.unreported, published.records), (true, true, reported));
    assert!((11..3 * IN_FLIGHT_MAX as u64).contains(&reported), "{reported}");
}

/// Nobody reads the output any more: the run ends as after a signal, and says how much it has published.
#[test]
fn a_closed_output_stops_the_run() {
    let mock = Mock::start(&["hookgate.uploadcare.file.uploaded".to_owned()]).expect("a cluster");
    let (config, stop) = (config(mock.brokers()), Arc::<AtomicBool>::default());
    let run = begin(&config, &stop);
    let records: Vec<Record> = (0..3 * IN_FLIGHT_MAX).map(|number| record(&run, number)).collect();
    let published = run.publish(records, &mut |_, _| Err(io::ErrorKind::BrokenPipe.into())).expect("published");
    assert!(published.stopped && (1..=IN_FLIGHT_MAX as u64 + 1).contains(&published.records), "{published:?}");
    assert!(run.publish(Vec::new(), &mut |_, _| Ok(())).is_ok_and(|it| !it.stopped), "nothing is left under way");
    let other = begin(&config, &Arc::default());
    let full = other.publish([record(&other, 0)], &mut |_, _| Err(io::ErrorKind::StorageFull.into()));
    assert!(full.as_ref().is_ok_and(|full| full.unreported && full.records == 1), "{full:?}");
}

/// A stop while Kafka is not reached yet does not blame Kafka.
#[test]
fn a_stop_before_the_first_contact_says_so() {
    let (config, stop) = (config("127.0.0.1:1"), Arc::new(AtomicBool::new(true)));
    let begun = Run::begin(&config, &Environment::default(), (Origin::Recovered, "a test"), None, stop);
    let Err(Failure::Failed(text)) = begun.map(drop) else { panic!("begun") };
    assert_eq!(text, "stopped; nothing was published");
}

/// A stop is noticed although the terminal gives no line, and it comes before an answer.
#[test]
fn a_question_ends_at_an_answer_or_a_stop() {
    fn check(line: Option<&str>, stop: bool, expected: bool) {
        let (sender, answers) = mpsc::channel();
        if let Some(line) = line {
            sender.send(Ok(line.to_owned())).expect("open");
        }
        let yes = answer(&answers, &AtomicBool::new(stop)).expect("an answer");
        assert_eq!(yes, expected, "{line:?} {stop}");
        drop(sender);
    }
    check(Some("y\n"), false, true);
    check(Some(" YES \n"), false, true);
    check(Some("n\n"), false, false);
    check(Some("\n"), false, false);
    // The end of the input.
    check(Some(""), false, false);
    check(None, true, false);
    check(Some("y\n"), true, false);
    let (sender, answers) = mpsc::channel::<io::Result<String>>();
    let stop = Arc::new(AtomicBool::new(false));
    let later = Arc::clone(&stop);
    let asked = thread::spawn(move || answer(&answers, &later).expect("an answer"));
    stop.store(true, Ordering::Relaxed);
    assert!(!asked.join().expect("ended"));
    drop(sender);
}

/// A process that ends at once says what it knows.
#[test]
fn what_a_run_has_done_so_far_is_kept() {
    let mock = Mock::start(&["hookgate.uploadcare.file.uploaded".to_owned()]).expect("a cluster");
    let config = config(mock.brokers());
    let run = begin(&config, &Arc::default());
    let id = run.id.clone();
    run.remember(7, Some("go on with --resume x".into()));
    let expected =
        format!("run {id}: ended at once; 7 were published, and what was under way may be there, too; go on with --resume x");
    assert_eq!(so_far(), Some(expected));
}
