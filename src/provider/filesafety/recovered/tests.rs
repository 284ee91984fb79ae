use super::*;

#[test]
fn the_state_of_a_scan_is_read_wholly_or_not_at_all() {
    #[track_caller]
    fn check(answer: &str, expected: Result<Option<&str>, &str>) {
        let state = ScanState::of(answer.as_bytes(), "scn_1").map(|state| match state {
            ScanState::Open => None,
            ScanState::Ended { verdict, .. } => Some(verdict),
        });
        assert_eq!(state.as_ref().map(Option::as_deref).map_err(|why| *why), expected, "{answer}");
    }
    let scan = |rest: &str| format!("{{\"scan_id\":\"scn_1\",{rest}}}");
    for open in ["awaiting_upload", "pending", "scanning"] {
        check(&scan(&format!("\"status\":\"{open}\"")), Ok(None));
    }
    check(&scan("\"status\":\"complete\",\"verdict\":\"clean\",\"completed_at\":\"2026-11-22T10:00:00Z\""), Ok(Some("clean")));
    check(&scan("\"status\":\"complete\",\"verdict\":\"something new\""), Ok(Some("something new")));
    check(&scan("\"status\":\"failed\""), Ok(Some("failed")));
    check(&scan("\"status\":\"failed\",\"verdict\":\"\""), Ok(Some("failed")));
    check(&scan("\"status\":\"complete\""), Err("is complete without a verdict"));
    check(&scan("\"status\":\"complete\",\"verdict\":\"\""), Err("is complete without a verdict"));
    check(&scan("\"status\":\"complete\",\"verdict\":\" \""), Err("is complete without a verdict"));
    check(&scan("\"status\":\"COMPLETE\",\"verdict\":\"clean\""), Err("has an unknown status"));
    check(&scan("\"status\":\"complete\",\"verdict\":\"clean\",\"completed_at\":\"soon\""), Err("has an unreadable time"));
    check("{\"scan_id\":\"scn_2\",\"status\":\"complete\",\"verdict\":\"clean\"}", Err("is about another scan"));
    for no_scan in ["", "[]", "{}", "{\"scan_id\":\"scn_1\"}", "{\"scan_id\":\"scn_1\",\"status\":\"complete\",\"verdict\":true}"]
    {
        check(no_scan, Err("is no JSON, or a field is missing or of the wrong type"));
    }
}

#[test]
fn the_documented_answer_is_read() {
    let answer = include_str!("../../../../tests/fixtures/filesafety/docs_get_scan_complete_current.json");
    let json: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    let scan_id = json["scan_id"].as_str().expect("an id");
    let ScanState::Ended { verdict, at } = ScanState::of(answer.as_bytes(), scan_id).expect("a state") else { panic!("open") };
    assert_eq!((Some(&*verdict), at.is_some()), (json["verdict"].as_str(), true));
}
