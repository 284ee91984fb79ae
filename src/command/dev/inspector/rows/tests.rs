use std::time::{Duration, Instant, UNIX_EPOCH};

use super::*;
use crate::{command::dev::seen::SeenParts, error::Error};

fn request(number: u64, endpoint: &str, fate: Fate) -> Arc<SeenRequest> {
    let (took, ended) = (Duration::ZERO, Instant::now());
    Arc::new(SeenRequest {
        number,
        arrived: UNIX_EPOCH,
        took,
        endpoint: endpoint.into(),
        fate,
        record: None,
        ended,
        what: SeenParts::default(),
    })
}

fn stored(number: u64, name: &'static str) -> Arc<SeenRequest> {
    request(number, "uploadcare", Fate::Stored { id: String::new(), kind: EventKind::Named { provider: "uploadcare", name } })
}

fn numbers(requests: &[Arc<SeenRequest>]) -> Vec<u64> {
    requests.iter().map(|it| it.number).collect()
}

#[test]
fn a_flood_leaves_the_refusals_and_one_of_each_type() {
    let few: Vec<_> = (1..=ROWS_MAX as u64).map(|number| stored(number, "file.stored")).collect();
    assert_eq!(sample(few.clone()).len(), ROWS_MAX, "so many are all shown");
    let mut many: Vec<_> = (1..=1000).map(|number| stored(number, "file.stored")).collect();
    many[10] = stored(11, "file.infected");
    for it in &mut many[100..130] {
        *it = request(it.number, "frameio", Fate::Refused(Error::BadSignature));
    }
    let shown = numbers(&sample(many));
    assert_eq!(shown.len(), ROWS_MAX);
    assert!(shown.is_sorted(), "{shown:?}");
    assert_eq!(shown[0], 11, "the only one of its type");
    assert_eq!(shown[1..=REFUSALS_MAX], (111..=130).collect::<Vec<_>>(), "the newest refusals");
    assert_eq!(shown[REFUSALS_MAX + 1..], (972..=1000).collect::<Vec<_>>(), "the newest of the others");
}

#[test]
fn the_state_of_kafka_is_what_is_known_latest() {
    #[track_caller]
    fn check(is_ready: bool, lost: Option<u64>, last_stored: Option<(u64, bool)>, expected: &str) {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(state(is_ready, lost.map(at), last_stored.map(|(seconds, stored)| (at(seconds), stored))), expected);
    }
    check(true, None, None, "ready");
    check(true, None, Some((5, true)), "ready");
    check(true, None, Some((5, false)), "failing");
    check(true, Some(5), None, "lost");
    check(true, Some(5), Some((4, true)), "lost");
    check(true, Some(5), Some((6, true)), "ready");
    check(true, Some(5), Some((6, false)), "lost");
    check(false, None, None, "unready");
    check(false, Some(5), None, "lost");
    check(false, None, Some((5, true)), "unready");
}
