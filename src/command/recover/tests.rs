use std::time::Duration;

use super::*;

#[test]
fn a_cursor_says_where_to_go_on() {
    let at = UNIX_EPOCH + Duration::from_micros(1_541_423_681_123_450);
    assert_eq!(cursor("uploadcare", at), "uploadcare/1/2018-11-05T13:14:41.123450Z");
    assert_eq!(resumed(&cursor("uploadcare", at), "uploadcare").ok(), Some(1_541_423_681_123));
    for wrong in ["", "uploadcare/1/", "uploadcare/2/2018-11-05T13:14:41Z", "frameio/1/2018-11-05T13:14:41Z", "uploadcare/1/soon"]
    {
        assert!(matches!(resumed(wrong, "uploadcare"), Err(Failure::Usage(_))), "{wrong}");
    }
}
