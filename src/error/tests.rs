use super::*;

/// DESIGN's status table, written down a second time on purpose: a changed status breaks senders.
#[test]
fn the_status_table_stands() {
    let table = [
        (Error::MissingSignature, 401, "missing_signature"),
        (Error::BadSignature, 401, "bad_signature"),
        (Error::Stale { offset: 301 }, 401, "stale"),
        (Error::Expired { ago: 1 }, 401, "expired"),
        (Error::BadToken, 401, "bad_token"),
        (Error::BadRequest, 400, "bad_request"),
        (Error::MalformedBody, 400, "malformed_body"),
        (Error::UnknownEndpoint, 404, "unknown_endpoint"),
        (Error::Method, 405, "method"),
        (Error::SlowBody, 408, "slow_body"),
        (Error::TooLarge, 413, "too_large"),
        (Error::EncodedBody, 415, "encoded_body"),
        (Error::Overloaded, 503, "overloaded"),
        (Error::SourceLimited, 503, "source_limited"),
        (Error::Draining, 503, "draining"),
        (Error::NoSecret, 503, "no_secret"),
        (Error::PublishTimeout, 503, "publish_timeout"),
        (Error::PublishFailed("cause".into()), 503, "publish_failed"),
        (Error::Internal, 503, "internal"),
    ];
    for (error, status, label) in &table {
        let answer = error.answer();
        assert_eq!((answer.status, answer.label()), (*status, *label));
        // The sentence goes to the sender: it must not carry the cause.
        assert!(!error.to_string().contains("cause"), "{error}");
    }
    assert_eq!(table.map(|(_, _, label)| label).to_vec(), Refusal::all().map(Refusal::text).collect::<Vec<_>>());
}

/// A clock that is off is found by how far.
#[test]
fn the_log_says_more_than_the_sender_hears() {
    let check = |error: Error, expected: Option<&str>| assert_eq!(error.cause().as_deref(), expected, "{error}");
    let sentence = |apart: &str| format!("the clock here is {apart} the signed time; is it right, and is it a new delivery?");
    check(Error::Stale { offset: 400 }, Some(&sentence("400 s ahead of")));
    check(Error::Stale { offset: -301 }, Some(&sentence("301 s behind")));
    check(Error::Expired { ago: 1 }, Some("the URL has expired 1 s ago by the clock here; is it right?"));
    check(Error::PublishFailed("why".into()), Some("why"));
    check(Error::BadSignature, None);
}
