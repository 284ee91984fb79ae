//! Where another run can go on.

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::candidates::Candidate;
use crate::{
    command::{Failure, missing::Occurrence},
    event::{instant, parse_time, timestamp},
};

/// What stands in the place of a time that is not known.
const NO_TIME: &str = "-";

/// What a shell or the text of a cursor would take for something else. The ids of providers come through as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// How far a run has come. The next one looks at the same time, because what it finds there depends on its beginning. With `--all` it leaves out
/// everything up to the last event of this one. A time alone would not do: several events may have the same one, and some have none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The beginning of the first run's time.
    pub(super) since: SystemTime,
    at: Option<SystemTime>,
    event_type: String,
    subject: String,
    twin: u32,
}

impl Cursor {
    /// Returns the cursor of a run that began with the events of `since`, and whose last event is this one.
    pub(super) fn after(since: SystemTime, last: &Candidate) -> Self {
        let Candidate { at, event_type, subject, twin, .. } = last;
        Self { since, at: *at, event_type: (*event_type).to_owned(), subject: subject.clone(), twin: *twin }
    }

    /// Returns whether an event comes after the last one of the run, in the order of candidates.
    pub(super) fn precedes(&self, event: &Occurrence<'_>) -> bool {
        (self.at, &*self.event_type, &*self.subject, self.twin) < event.order()
    }

    /// Returns the text for `--resume`.
    pub(super) fn text(&self, provider: &str) -> String {
        let at = self.at.map_or_else(|| NO_TIME.to_owned(), |at| timestamp(at).to_string());
        let subject = utf8_percent_encode(&self.subject, ENCODED);
        format!("{provider}/1/{}/{at}/{}/{subject}/{}", timestamp(self.since), self.event_type, self.twin)
    }

    /// Reads the text of a cursor of this provider.
    pub(super) fn read(text: &str, provider: &str) -> Result<Self, Failure> {
        Self::parts(text, provider).ok_or_else(|| {
            Failure::Usage(format!(
                "--resume takes what an earlier run has printed, which begins with {provider}/1/ and is copied whole"
            ))
        })
    }

    fn parts(text: &str, provider: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let [named, "1", since, at, event_type, subject, twin] = *parts else { return None };
        let time = |text: &str| parse_time(text).and_then(instant);
        let at = if at == NO_TIME { None } else { Some(time(at)?) };
        let subject = percent_decode_str(subject).decode_utf8().ok()?.into_owned();
        let (event_type, twin) = (event_type.to_owned(), twin.parse().ok()?);
        (named == provider).then_some(Self { since: time(since)?, at, event_type, subject, twin })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at(microseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_541_423_681) + Duration::from_micros(microseconds)
    }

    fn event<'a>(at: Option<SystemTime>, event_type: &'static str, subject: &'a str, twin: u32) -> Occurrence<'a> {
        Occurrence { event_type, subject, at, twin, object: "{}" }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        fn check(last: Occurrence<'_>, text: &str) {
            let cursor = Cursor::after(at(0), &Candidate::of(last));
            assert_eq!(cursor.text("uploadcare"), text);
            assert_eq!(Cursor::read(text, "uploadcare").ok(), Some(cursor), "{text}");
        }
        let begin = "uploadcare/1/2018-11-05T13:14:41Z";
        check(
            event(Some(at(123_450)), "file.stored", "a-b_1.c", 0),
            &format!("{begin}/2018-11-05T13:14:41.123450Z/file.stored/a-b_1.c/0"),
        );
        check(event(None, "scan.complete", "a/b c%ü", 7), &format!("{begin}/-/scan.complete/a%2Fb%20c%25%C3%BC/7"));
        let good = format!("{begin}/2018-11-05T13:14:42Z/file.stored/ab1/0");
        assert!(Cursor::read(&good, "uploadcare").is_ok());
        for wrong in [
            "",
            "uploadcare/1/",
            begin,
            &good[..good.len() - 1],
            &format!("{good}/"),
            &good.replace("/1/", "/2/"),
            &good.replace("uploadcare", "frameio"),
            &good.replace("42Z", "soon"),
            &good.replace("41Z", "soon"),
            &good.replace("ab1", "%ff"),
        ] {
            assert!(matches!(Cursor::read(wrong, "uploadcare"), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    /// However many events one time has, the next run begins with the first one that this run has not published.
    #[test]
    fn what_comes_after_a_cursor_is_the_rest() {
        let all = [
            event(None, "a", "1", 0),
            event(None, "b", "1", 0),
            event(Some(at(0)), "a", "1", 0),
            event(Some(at(0)), "a", "1", 1),
            event(Some(at(0)), "a", "2", 0),
            event(Some(at(0)), "b", "1", 0),
            event(Some(at(1)), "a", "1", 0),
        ];
        for (place, last) in all.iter().enumerate() {
            let cursor = Cursor::after(at(0), &Candidate::of(*last));
            let rest = all.iter().filter(|event| cursor.precedes(event)).count();
            assert_eq!(rest, all.len() - place - 1, "{last:?}");
        }
    }
}
