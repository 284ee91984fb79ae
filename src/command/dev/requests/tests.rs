use super::*;
use crate::{command::dev::seen::SeenParts, event::EventKind};

const SECOND: Duration = Duration::from_secs(1);

/// A request that arrived after so many milliseconds, and its answer came after so many more.
fn request(arrived: u64, took: u64, fate: Fate) -> SeenRequest {
    let took = Duration::from_millis(took);
    let arrived = SystemTime::UNIX_EPOCH + Duration::from_millis(arrived);
    SeenRequest {
        number: 0,
        arrived,
        took,
        endpoint: "uploadcare".into(),
        fate,
        record: None,
        ended: Instant::now(),
        what: SeenParts::default(),
    }
}

fn stored(id: &str) -> Fate {
    Fate::Stored { id: id.into(), kind: EventKind::Named { provider: "uploadcare", name: "file.stored" } }
}

fn refused() -> Fate {
    Fate::Refused(Error::BadSignature)
}

fn record(id: &str, offset: i64, value: usize) -> StoredRecord {
    StoredRecord {
        topic: "hookgate.uploadcare.file.stored".into(),
        partition: 0,
        offset,
        timestamp_ms: None,
        key: Some(b"key".to_vec()),
        headers: vec![("ce_id".into(), Some(id.as_bytes().to_vec()))],
        value: Some(vec![b'x'; value]),
    }
}

/// The arrivals of those that are due, with the offset of their record.
fn due(requests: &mut Requests, now: Instant) -> Vec<(u128, Option<i64>)> {
    let mut due = Vec::new();
    while let Some(request) = requests.next_due(now) {
        let arrived = request.arrived.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        due.push((arrived, request.record.as_ref().map(|record| record.offset)));
    }
    due
}

#[test]
fn requests_are_due_in_order_of_arrival() {
    let mut requests = Requests::new();
    requests.ended(request(2, 0, refused()));
    requests.ended(request(1, 5, stored("a")));
    requests.ended(request(3, 0, refused()));
    let now = Instant::now();
    assert_eq!(due(&mut requests, now), [], "another one may have arrived before");
    assert_eq!(due(&mut requests, now + SECOND), [], "the first one waits for its record, and the others for it");
    requests.stored(record("a", 7, 1));
    assert_eq!(due(&mut requests, now + SECOND), [(1, Some(7)), (2, None), (3, None)]);
    assert_eq!((requests.number(), requests.joined()), (3, 1));
    requests.ended(request(0, 9, refused()));
    assert_eq!(due(&mut requests, now + SECOND), [(0, None)], "what was shown stays where it is");
}

#[test]
fn a_record_finds_its_request() {
    let mut requests = Requests::new();
    let late = Instant::now() + Duration::from_secs(60);
    // Read before the answer, twice the same delivery, of somebody else, and never read.
    requests.stored(record("early", 1, 1));
    requests.stored(record("foreign", 2, 1));
    for (arrived, id) in [(1, "early"), (2, "twice"), (3, "twice"), (4, "never")] {
        requests.ended(request(arrived, 1, stored(id)));
    }
    requests.stored(record("twice", 3, 1));
    requests.stored(record("twice", 4, 1));
    assert_eq!(due(&mut requests, late), [(1, Some(1)), (2, Some(3)), (3, Some(4)), (4, None)]);
    assert_eq!(requests.joined(), 3);
}

#[test]
fn what_is_kept_is_bounded() {
    let mut requests = Requests::new();
    let late = Instant::now() + Duration::from_secs(60);
    for arrived in 0..REQUESTS_MAX as u64 + 10 {
        requests.ended(request(arrived, 0, refused()));
    }
    assert_eq!((requests.waiting.len(), requests.take_missed(), requests.take_missed()), (REQUESTS_MAX, 10, 0));
    assert_eq!(due(&mut requests, late).first(), Some(&(10, None)));
    assert_eq!(requests.number(), REQUESTS_MAX as u64 + 10);
    let megabyte = 1 << 20;
    for at in 0..100 {
        requests.stored(record("foreign", at, megabyte));
        requests.ended(request(10_000, 0, stored("own")));
        requests.stored(record("own", at, megabyte));
    }
    let bytes = |requests: &Requests| requests.waiting.iter().map(SeenRequest::bytes).sum::<usize>();
    assert_eq!(requests.bytes, bytes(&requests));
    assert!(requests.bytes <= BYTES_MAX && requests.bytes > BYTES_MAX - 2 * megabyte, "{}", requests.bytes);
    assert_eq!(requests.early_bytes, requests.early.iter().map(bytes_of).sum::<usize>());
    assert!(requests.early_bytes <= EARLY_BYTES_MAX && requests.early.len() > 1, "{}", requests.early_bytes);
}

#[test]
fn the_summary_counts_every_outcome() {
    let mut requests = Requests::new();
    assert_eq!(requests.summary(), "0 requests");
    requests.ended(request(1, 0, stored("a")));
    assert_eq!(requests.summary(), "1 request: 1 published");
    let unclassified = Fate::Stored { id: "b".into(), kind: EventKind::Unclassified { provider: "uploadcare" } };
    let quarantined = Fate::Stored { id: "c".into(), kind: EventKind::Quarantine };
    let not_found = Fate::NotFound { path: "/".into(), meant: None };
    for fate in [unclassified, quarantined, not_found, refused(), refused(), Fate::HungUp] {
        requests.ended(request(1, 0, fate));
    }
    assert_eq!(
        requests.summary(),
        "7 requests: 1 published, 1 unclassified, 1 quarantined, 1 cancelled, 3 refused (2 bad_signature, 1 unknown_endpoint)"
    );
}
