//! The small part of Kafka's protocol that is needed to hide a topic from a client although the broker still has the topic.
//!
//! In the client's requests for metadata, the topic's name is replaced with another name of the same length, which no topic has. In the
//! broker's answer, the right name is put back. So the answer is that of a real broker, in every version of the protocol.

/// The API key of a request for metadata.
const METADATA: [u8; 2] = [0, 3];

/// Returns how many of these bytes are whole requests or answers: each has its length in its first four bytes.
pub(super) fn whole(bytes: &[u8]) -> usize {
    frames(bytes).last().map_or(0, |frame| frame.end)
}

/// Replaces the topic's name in requests for metadata.
pub(super) fn hide(requests: &mut [u8], topic: &str) {
    for frame in frames(requests).collect::<Vec<_>>() {
        let frame = &mut requests[frame];
        if frame.get(4..6) == Some(&METADATA) {
            replace(frame, topic.as_bytes(), alias(topic).as_bytes());
        }
    }
}

/// Puts the right name back into answers.
pub(super) fn unhide(answers: &mut [u8], topic: &str) {
    replace(answers, alias(topic).as_bytes(), topic.as_bytes());
}

fn alias(topic: &str) -> String {
    format!("{}_", &topic[..topic.len() - 1])
}

fn frames(bytes: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        let length = bytes.get(begin..begin + 4)?.try_into().map(u32::from_be_bytes).ok()?;
        let frame = begin..begin + 4 + usize::try_from(length).ok()?;
        begin = frame.end;
        (frame.end <= bytes.len()).then_some(frame)
    })
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let mut begin = 0;
    while let Some(found) = bytes[begin..].windows(from.len()).position(|window| window == from) {
        begin += found;
        bytes[begin..begin + to.len()].copy_from_slice(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(key: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len() + 2).expect("short").to_be_bytes();
        [&length, &[0, key][..], text.as_bytes()].concat()
    }

    #[test]
    fn only_whole_frames_go_on() {
        let two = [frame(3, "ab"), frame(0, "cde")].concat();
        for (bytes, expected) in [(&two[..], two.len()), (&two[..two.len() - 1], 8), (&two[..7], 0), (&two[..3], 0), (b"", 0)] {
            assert_eq!(whole(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn metadata_is_asked_under_another_name_and_nothing_else_is() {
        let mut requests = [frame(0, "to t.x"), frame(3, "of t.x, t.x and t.y")].concat();
        hide(&mut requests, "t.x");
        assert_eq!(requests, [frame(0, "to t.x"), frame(3, "of t._, t._ and t.y")].concat());
        let mut answers = frame(9, "t._ is unknown, t.y is not");
        unhide(&mut answers, "t.x");
        assert_eq!(answers, frame(9, "t.x is unknown, t.y is not"));
    }
}
