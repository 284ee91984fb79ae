use std::time::{Duration, Instant};

use prost::Message as _;
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::{
    command::{colour::RESET, dev::seen::SeenParts},
    proto::Event,
};

const ID: &str = "1c8e5b0a-6f1d-4c1e-9a70-3b1de0a7f2c4";

fn request(endpoint: &str, fate: Fate, record: Option<StoredRecord>) -> SeenRequest {
    let arrived = UNIX_EPOCH + Duration::from_millis(35_269_589);
    let (number, took) = (40, Duration::from_millis(4));
    SeenRequest {
        number,
        arrived,
        took,
        endpoint: endpoint.into(),
        fate,
        record,
        ended: Instant::now(),
        what: SeenParts::default(),
    }
}

fn stored(kind: EventKind, subject: &str, headers: &[(&str, &str)], value: Vec<u8>) -> SeenRequest {
    let record = StoredRecord {
        topic: format!("hookgate.{}", kind.name()),
        partition: 0,
        offset: 12,
        timestamp_ms: None,
        key: Some(subject.as_bytes().to_vec()),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec()))).collect(),
        value: Some(value),
    };
    request(kind.provider().unwrap_or("uploadcare"), Fate::Stored { id: ID.into(), kind }, Some(record))
}

/// Checks the line on a terminal of 80 columns and on one of 160.
#[track_caller]
fn check(request: &SeenRequest, narrow: &str, wide: &str) {
    for (columns, expected) in [(80, narrow), (160, wide)] {
        let plain = line(request, Style { columns: Some(columns), colour: false, page: None });
        assert_eq!(plain, expected, "{columns} columns");
        let widths: Vec<usize> = plain.lines().map(UnicodeWidthStr::width).collect();
        assert!(widths[0] == columns && widths.iter().all(|width| *width <= columns), "{widths:?}: {plain}");
        assert!(!plain.lines().flat_map(str::chars).any(crate::logged::is_deceptive), "{plain:?}");
    }
}

#[test]
fn a_stored_delivery_is_one_line() {
    let stored_as = EventKind::Named { provider: "uploadcare", name: "file.stored" };
    check(
        &stored(stored_as, ID, &[], Vec::new()),
        "✓ 200 uploadcare file.stored[0]@12            1c8e5b0a-6…de0a7f2c4    4 ms   #40",
        "09:47:49.589  ✓ 200  uploadcare  file.stored             1c8e5b0a-6f1d-4c1e-9a70-3b1de0a7f2c4     hookgate.uploadcare.file.stored[0]@12               4 ms   #40",
    );
    // Text from outside commands no terminal, and a long one loses its middle.
    let hostile = format!("a\u{202e}gpj\u{1b}[2J{}", "x".repeat(30));
    check(
        &stored(EventKind::Named { provider: "frameio", name: "metadata.value.updated" }, &hostile, &[], Vec::new()),
        "✓ 200 frameio    metadata.value.updated[0]@12 a\\u202egpj…xxxxxxxxx    4 ms   #40",
        "09:47:49.589  ✓ 200  frameio     metadata.value.updated  a\\u202egpj\\u001b[2J…xxxxxxxxxxxxxxxxxxx  hookgate.frameio.metadata.value.updated[0]@12       4 ms   #40",
    );
    let event = Event { r#type: "file.exploded".into(), ..Event::default() };
    check(
        &stored(EventKind::Unclassified { provider: "uploadcare" }, ID, &[], event.encode_to_vec()),
        "? 200 uploadcare unclassified[0]@12           type file.exploded      4 ms   #40",
        "09:47:49.589  ? 200  uploadcare  unclassified            type file.exploded                       hookgate.uploadcare.unclassified[0]@12              4 ms   #40",
    );
    check(
        &stored(EventKind::Quarantine, ID, &[("hookgate-detail", "data.uuid: a string was expected")], Vec::new()),
        "! 200 uploadcare quarantine[0]@12 data.uuid: a string was expected    4 ms   #40",
        "09:47:49.589  ! 200  uploadcare  quarantine              data.uuid: a string was expected         hookgate.quarantine[0]@12                           4 ms   #40",
    );
    check(
        &request("uploadcare", Fate::Stored { id: ID.into(), kind: stored_as }, None),
        "✓ 200 uploadcare file.stored                  not read back from      4 ms   #40\n                 its topic",
        "09:47:49.589  ✓ 200  uploadcare  file.stored             not read back from its topic                                                                 4 ms   #40",
    );
}

/// A subject may be a text of any language, and a terminal gives some characters two columns.
#[test]
fn wide_characters_keep_the_columns() {
    let stored_as = EventKind::Named { provider: "uploadcare", name: "file.stored" };
    check(
        &stored(stored_as, "写真のファイル名です", &[], Vec::new()),
        "✓ 200 uploadcare file.stored[0]@12            写真のファイル名です    4 ms   #40",
        "09:47:49.589  ✓ 200  uploadcare  file.stored             写真のファイル名です                     hookgate.uploadcare.file.stored[0]@12               4 ms   #40",
    );
    check(
        &stored(stored_as, "写真のファイル名です。📷📷", &[], Vec::new()),
        "✓ 200 uploadcare file.stored[0]@12            写真のファ…す。📷📷     4 ms   #40",
        "09:47:49.589  ✓ 200  uploadcare  file.stored             写真のファイル名です。📷📷               hookgate.uploadcare.file.stored[0]@12               4 ms   #40",
    );
    check(
        &request("frameio", Fate::Refused(Error::PublishFailed("好".repeat(60))), None),
        &format!(
            "✗ 503 frameio    {}     4 ms   #40\n{blank:17}{}\n{blank:17}{}",
            "好".repeat(24),
            "好".repeat(31),
            "好".repeat(5),
            blank = ""
        ),
        &format!(
            "09:47:49.589  ✗ 503  frameio     publish_failed          {}     4 ms   #40\n{:57}{}",
            "好".repeat(44),
            "",
            "好".repeat(16)
        ),
    );
}

/// A line that is longer than the screen takes two rows, in a session of 10,000 requests and more.
#[test]
fn a_long_number_takes_room_from_the_middle() {
    for fate in [Fate::Refused(Error::BadSignature), Fate::Stored { id: ID.into(), kind: EventKind::Quarantine }] {
        let mut request = request("uploadcare", fate, None);
        for (columns, number) in [(80, 9_999), (80, 10_000), (80, 1_234_567), (160, 10_000)] {
            request.number = number;
            let lines = line(&request, Style { columns: Some(columns), colour: false, page: None });
            let line = lines.lines().next().unwrap();
            assert_eq!(line.chars().count(), columns, "{line}");
            assert!(line.ends_with(&format!(" #{number}")), "{line}");
        }
    }
}

#[test]
fn a_refusal_is_one_line_with_its_reason() {
    check(
        &request("uploadcare", Fate::Refused(Error::BadSignature), None),
        "✗ 401 uploadcare signed with another secret, or the body changed      4 ms   #40",
        "09:47:49.589  ✗ 401  uploadcare  bad_signature           signed with another secret, or the body changed                                              4 ms   #40",
    );
    check(
        &request("", Fate::NotFound { path: "/webhooks/upladcare".into(), meant: Some("uploadcare") }, None),
        "✗ 404 –          /webhooks/upladcare  try /webhooks/uploadcare        4 ms   #40",
        "09:47:49.589  ✗ 404  –           unknown_endpoint        /webhooks/upladcare  try /webhooks/uploadcare                                                4 ms   #40",
    );
    check(
        &request("", Fate::NotFound { path: "/wp-login\u{1b}[2J.php".into(), meant: None }, None),
        "✗ 404 –          /wp-login\\u001b[2J.php  is no endpoint               4 ms   #40",
        "09:47:49.589  ✗ 404  –           unknown_endpoint        /wp-login\\u001b[2J.php  is no endpoint                                                       4 ms   #40",
    );
    check(
        &request("frameio", Fate::HungUp, None),
        "✗ –   frameio    the sender hung up before the answer                 4 ms   #40",
        "09:47:49.589  ✗ –    frameio     cancelled               the sender hung up before the answer                                                         4 ms   #40",
    );
    let cause = "Broker: Topic authorization failed: grant Write on hookgate.frameio.file.ready";
    check(
        &request("frameio", Fate::Refused(Error::PublishFailed(cause.into())), None),
        "✗ 503 frameio    Broker: Topic authorization failed: grant Write      4 ms   #40\n                 on hookgate.frameio.file.ready",
        "09:47:49.589  ✗ 503  frameio     publish_failed          Broker: Topic authorization failed: grant Write on hookgate.frameio.file.ready               4 ms   #40",
    );
}

/// Nobody can do what is not wholly there.
#[test]
fn a_long_reason_goes_on_in_the_next_line() {
    let detail = "data.metadata.appdata.aws_rekognition_detect_labels.data.Labels[17].Confidence: a number was expected";
    check(
        &stored(EventKind::Quarantine, ID, &[("hookgate-detail", detail)], Vec::new()),
        "! 200 uploadcare quarantine[0]@12 data.metadata.appdata.aws_rekogn    4 ms   #40\n                 ition_detect_labels.data.Labels[17].Confidence: a number was\n                 expected",
        "09:47:49.589  ! 200  uploadcare  quarantine              data.metadata.appdata.aws_rekognition_d  hookgate.quarantine[0]@12                           4 ms   #40\n                                                         etect_labels.data.Labels[17].Confidence: a number was expected",
    );
    check(
        &request("", Fate::NotFound { path: "/integrations/webhooks/upladcare/…".into(), meant: Some("uploadcare") }, None),
        "✗ 404 –          /integrations/webhooks/upladcare/…  try              4 ms   #40\n                 /webhooks/uploadcare",
        "09:47:49.589  ✗ 404  –           unknown_endpoint        /integrations/webhooks/upladcare/…  try /webhooks/uploadcare                                 4 ms   #40",
    );
}

#[test]
fn each_reason_is_whole_on_a_small_screen() {
    #[track_caller]
    fn check(error: &Error, endpoint: &str, words: &str) {
        assert_eq!(in_words(error, endpoint), words);
        let line =
            line(&request(endpoint, Fate::Refused(error.clone()), None), Style { columns: Some(80), colour: false, page: None });
        assert!(line.contains(words), "{line}");
    }
    check(&Error::MissingSignature, "uploadcare", "not signed: no header x-uc-signature");
    check(&Error::MissingSignature, "frameio", "not signed: a header of the signature is missing");
    check(&Error::MissingSignature, "filespin", "no token in the URL: ?token=… is missing");
    check(&Error::BadToken, "filespin", "the token in the URL is another one");
    check(&Error::Stale { offset: 90_000 }, "frameio", "signed 90000 s ago by the clock here");
    check(&Error::Stale { offset: -90_000 }, "frameio", "signed 90000 s ahead of the clock here");
    check(&Error::Expired { ago: 5 }, "filesafety", "the signed URL expired 5 s ago");
    for error in [Error::BadRequest, Error::MalformedBody, Error::Method, Error::SlowBody, Error::TooLarge, Error::EncodedBody] {
        check(&error, "frameio", &in_words(&error, "frameio"));
    }
    for error in
        [Error::Overloaded, Error::SourceLimited, Error::Draining, Error::NoSecret, Error::PublishTimeout, Error::Internal]
    {
        check(&error, "frameio", &in_words(&error, "frameio"));
    }
}

#[test]
fn without_a_terminal_nothing_is_shortened() {
    let long = "x".repeat(300);
    let request = stored(EventKind::Named { provider: "uploadcare", name: "file.stored" }, &long, &[], Vec::new());
    let plain = line(&request, Style { columns: None, colour: false, page: None });
    assert!(plain.contains(&long) && plain.contains("  hookgate.uploadcare.file.stored[0]@12 "), "{plain}");
}

#[test]
fn colours_change_no_column() {
    let request = request("uploadcare", Fate::Refused(Error::BadSignature), None);
    for columns in [80, 160] {
        let [plain, coloured] = [false, true].map(|colour| line(&request, Style { columns: Some(columns), colour, page: None }));
        assert!(coloured.contains("\x1b[31m✗ 401\x1b[0m"), "{coloured}");
        assert_eq!([RED, DIM, RESET].iter().fold(coloured, |text, colour| text.replace(colour, "")), plain);
    }
}
