use std::time::{Duration, UNIX_EPOCH};

use super::*;

const ASSET: &str = r#"{"id":"a","status":"OK","upload_time":"2018-11-05T13:14:41Z","update_time":"2018-11-05T13:14:43Z"}"#;

#[test]
fn an_asset_says_when_it_was_changed() {
    #[track_caller]
    fn check(from: &str, to: &str, event_type: &str, changed: u64) {
        let asset = AssetState::of(&ASSET.replace(from, to)).expect("an asset");
        let time = UNIX_EPOCH + Duration::from_secs(1_541_423_681 + changed);
        assert_eq!((asset.event_type, asset.changed), (event_type, time), "{to}");
    }
    check("", "", FILE_PROCESSED, 2);
    check("OK", "NOT_READY", FILE_SAVED, 2);
    check("OK", "ERROR", FILE_ERROR, 2);
    check("OK", "ARCHIVED", FILE_ARCHIVED, 2);
    check(",\"update_time\":\"2018-11-05T13:14:43Z\"", "", FILE_PROCESSED, 0);
    check("\"2018-11-05T13:14:43Z\"", "null", FILE_PROCESSED, 0);
    check("2018-11-05T13:14:43Z", "2018-11-05T13:14:40Z", FILE_PROCESSED, 0);
}

#[test]
fn an_asset_is_read_wholly_or_not_at_all() {
    for (from, to) in [("\"id\"", "\"x\""), ("OK", "FINE"), ("13:14:41Z", "noon"), ("13:14:43Z", "noon"), ("\"OK\"", "7")] {
        assert!(AssetState::of(&ASSET.replace(from, to)).is_err(), "{from} {to}");
    }
    let documented = include_str!("../../../../tests/fixtures/filespin/docs_asset_data_format.json");
    assert_eq!(AssetState::of(documented).map(|asset| asset.event_type), Ok(FILE_PROCESSED));
}
