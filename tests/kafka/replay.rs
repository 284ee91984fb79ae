//! `hookgate replay` by time, on a broker that can look for records by it.

use std::time::Duration;

use hookgate::event::FaultReason;

use crate::{
    replay_world::{Before, Past, row},
    support::{plain, prefix},
};

#[test]
fn a_window_is_replayed_once() {
    let past = Past::on(&plain(), &prefix(""));
    let made = past.run("topics --apply");
    assert_eq!(made.code, Some(0), "{made:?}");
    let not_json = Before::Quarantined(FaultReason::NotJson);
    let at = |seconds: u64| {
        let since = (past.begin + Duration::from_secs(seconds)).duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        since.as_millis()
    };
    let ids: Vec<String> = (0..6).map(|number| past.photo(&format!("u{number}"), number * 10, not_json)).collect();
    let window = format!("--since {} --until {}", at(10), at(40));
    assert_eq!(past.plan(&window, 3), [row("not_json", "would pass now", 3)]);
    assert_eq!(past.replay(&window, 0), ids[1..4]);
    assert_eq!(past.replay(&window, 0), Vec::<String>::new());
    assert_eq!(past.plan(&window, 0), [row("not_json", "already replayed", 3)]);
    // What was replayed has an old time and a late place; it is found by a run over another window, and by one without any.
    let wider = format!("--since {}", at(0));
    assert_eq!(past.replay(&wider, 0), [&ids[..1], &ids[4..]].concat());
    assert_eq!(past.replay("--all", 0), Vec::<String>::new());
    assert_eq!(past.replayed().len(), 6);
}
