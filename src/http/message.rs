//! A whole HTTP/1.1 request as bytes: how a proxy, `socat` and `hookgate capture` write one.

use std::borrow::Cow;

use axum::http::{
    HeaderName, HeaderValue, Request, Uri, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    request::Parts,
};
use bytes::Bytes;
use httparse::Status;

use super::gate::WebhookPath;
use crate::config::ENDPOINT_NAME_BYTES_MAX;

/// What stands in the place of a token of a URL in the requests that `hookgate dev` saves.
pub const HIDDEN_TOKEN: &str = "HIDDEN";

/// What stands in the place of the value of a header there.
pub const HIDDEN_VALUE: &str = "…";

/// The most headers that a request may have; the daemon takes fewer.
const HEADERS_MAX: usize = 256;

/// A whole request: its head, and its body byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WholeRequest {
    /// The method, such as `POST`.
    pub method: String,
    /// The path and the query as they were called. They may hold a token.
    pub target: String,
    /// The version of HTTP: one without a `Host` is allowed in 1.0.
    pub version: Version,
    /// The headers in their order, with names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, put together where it came in chunks.
    pub body: Bytes,
    /// What is unusual about the bytes of the request, for a person.
    pub remark: Option<String>,
}

impl WholeRequest {
    /// Reads a request from its bytes. Lines of the head may end in LF alone, because people paste. The error says what is wrong, and repeats
    /// nothing of the request.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let bytes = &*of_newer_http(bytes);
        let mut room = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Request::new(&mut room);
        let begin = match head.parse(bytes) {
            Ok(Status::Complete(begin)) => begin,
            Ok(Status::Partial) => {
                return Err(
                    "the head of the request does not end: a blank line must come between the headers and the body".into()
                );
            }
            Err(error) => {
                return Err(format!(
                    "this is no HTTP request ({error}): it must begin with a line like `POST /webhooks/uploadcare HTTP/1.1`, and then come \
                     the headers, a blank line and the body"
                ));
            }
        };
        let headers: Vec<_> = head.headers.iter().map(|it| (it.name.to_ascii_lowercase(), it.value.to_vec())).collect();
        let (body, remark) = body(&headers, &bytes[begin..])?;
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        let version = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
        Ok(Self { method: text(head.method), target: text(head.path), version, headers, body: body.into(), remark })
    }

    /// Returns the bytes from which [`Self::parse`] reads the same request.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {:?}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }

    /// Returns the head as the daemon sees it; `None` if it would not be HTTP there.
    pub(super) fn head(&self) -> Option<Parts> {
        let request = Request::builder().method(&*self.method).uri(&self.target).version(self.version);
        let (mut head, ()) = request.body(()).ok()?.into_parts();
        for (name, value) in &self.headers {
            head.headers.append(HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        let has_coding = head.headers.contains_key(TRANSFER_ENCODING);
        (!has_coding || !self.is_http_10()).then_some(head)
    }

    /// Returns whether this is HTTP/1.0.
    pub fn is_http_10(&self) -> bool {
        self.version == Version::HTTP_10
    }

    /// Returns how long the head is, in bytes.
    pub(super) fn head_bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + ": \r\n".len());
        self.method.len() + self.target.len() + "  HTTP/1.1\r\n\r\n".len() + headers.sum::<usize>()
    }

    /// Returns the value of the first header of a name, which must be in lower case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(it, _)| it == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Returns the headers as text. What is no UTF-8 is replaced.
    pub fn header_texts(&self) -> Vec<(String, String)> {
        self.headers.iter().map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned())).collect()
    }

    /// Returns the request with the length of its body in the place of the framing that it came with.
    #[must_use]
    pub fn with_length(mut self) -> Self {
        self.headers.retain(|(name, _)| *name != CONTENT_LENGTH.as_str() && *name != TRANSFER_ENCODING.as_str());
        self.headers.push((CONTENT_LENGTH.as_str().to_owned(), self.body.len().to_string().into_bytes()));
        self
    }

    /// Returns whether a token was taken out of the URL before the request was saved.
    pub fn lacks_token(&self) -> bool {
        self.target.contains(&format!("={HIDDEN_TOKEN}")) || self.target.contains(&format!("/{HIDDEN_TOKEN}"))
    }

    /// Returns the path without what may be a token: the query, the token of an endpoint's path, and all but the first part of another path.
    pub fn shown_path(&self) -> String {
        let Ok(uri) = self.target.parse::<Uri>() else { return "…".into() };
        let (shown, more) = if let Ok(place) = WebhookPath::of(uri.path()) {
            (format!("webhooks/{}", shown_name(place.endpoint)), place.token.is_some())
        } else {
            let path = uri.path().trim_start_matches('/');
            let (first, rest) = path.split_once('/').unwrap_or((path, ""));
            (shown_name(first), !rest.is_empty())
        };
        format!("/{shown}{}{}", if more { "/…" } else { "" }, uri.query().map_or("", |_| "?…"))
    }
}

/// The most digits in what is shown as a name: a token has more.
const DIGITS_MAX: usize = 4;

/// Returns a part of a path as far as it may be the name of an endpoint. People put a token in its place, or after it with a wrong sign.
pub fn shown_name(part: &str) -> String {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let (name, rest) = part.split_at(part.find(|c| !is_legal(c)).unwrap_or(part.len()));
    let is_name = name.len() <= ENDPOINT_NAME_BYTES_MAX && name.bytes().filter(u8::is_ascii_digit).count() <= DIGITS_MAX;
    let (name, more) = if is_name { (name, !rest.is_empty()) } else { ("", true) };
    format!("{name}{}", if more { "…" } else { "" })
}

/// Returns the bytes with HTTP/1.1 in their first line where that names HTTP/2 or HTTP/3. Proxies and browsers write such a request in the form of
/// HTTP/1.1, and hand it on as that.
fn of_newer_http(bytes: &[u8]) -> Cow<'_, [u8]> {
    let begin = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(0);
    let line = bytes[begin..].split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end();
    let versions: [&[u8]; 4] = [b" HTTP/2", b" HTTP/2.0", b" HTTP/3", b" HTTP/3.0"];
    match versions.iter().find_map(|version| line.strip_suffix(*version)) {
        Some(asked) => [asked, b" HTTP/1.1", &bytes[begin + line.len()..]].concat().into(),
        None => bytes.into(),
    }
}

/// Returns the body, and what is unusual about it.
fn body(headers: &[(String, Vec<u8>)], rest: &[u8]) -> Result<(Vec<u8>, Option<String>), String> {
    let values = |name: &str| headers.iter().filter(|(it, _)| it == name).map(|(_, value)| &**value).collect::<Vec<_>>();
    match values("transfer-encoding").as_slice() {
        [] => {}
        [coding] if coding.eq_ignore_ascii_case(b"chunked") => return Ok((unchunked(rest)?, None)),
        _ => {
            return Err(
                "the request has another transfer-encoding than chunked: put the body together, and remove the header".into()
            );
        }
    }
    let lengths = values("content-length");
    let Some(first) = lengths.first() else {
        let remark = "the request announces no length, so the body is all that comes after the blank line";
        return Ok((rest.to_vec(), (!rest.is_empty()).then(|| remark.to_owned())));
    };
    let length: Option<usize> = std::str::from_utf8(first)
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    let length = length.filter(|_| lengths.iter().all(|it| it == first));
    let length = length.ok_or("content-length of the request is not one number")?;
    match rest.split_at_checked(length) {
        Some((body, [])) => Ok((body.to_vec(), None)),
        Some((body, more)) => {
            let remark =
                format!("after the {length} bytes of content-length come {} more, which are not of this request", more.len());
            Ok((body.to_vec(), Some(remark)))
        }
        None => Err(format!(
            "the body is cut off: content-length announces {length} bytes, and there are {}; one byte less is another body",
            rest.len()
        )),
    }
}

/// Puts a body together from its chunks. What comes after the last one is left out.
fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let cut_off = || "the body is cut off: its last chunk, `0`, is missing".to_owned();
    let broken = || {
        "transfer-encoding is chunked, and the body is not in chunks: where the tool that wrote the file has put them together, remove that \
         header"
            .to_owned()
    };
    let mut body = Vec::new();
    loop {
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(Status::Complete(read)) => read,
            Ok(Status::Partial) => return Err(cut_off()),
            Err(_) => return Err(broken()),
        };
        if size == 0 {
            return Ok(body);
        }
        let size = usize::try_from(size).map_err(|_| broken())?;
        let (chunk, after) = rest[line..].split_at_checked(size).ok_or_else(cut_off)?;
        body.extend(chunk);
        rest = match after {
            [b'\r', b'\n', after @ ..] => after,
            [] | [b'\r'] => return Err(cut_off()),
            _ => return Err(broken()),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_read_as_proxies_and_people_write_it() {
        #[track_caller]
        fn check(text: &str, expected: Result<(&str, Option<&str>), &str>) {
            let read = WholeRequest::parse(text.as_bytes());
            match (&read, expected) {
                (Ok(request), Ok((body, remark))) => {
                    assert_eq!((&*request.method, &*request.target), ("POST", "/webhooks/a?token=t"));
                    assert_eq!((&*request.body, request.headers.len()), (body.as_bytes(), text.matches(": ").count()), "{text}");
                    let said = request.remark.as_deref().unwrap_or_default();
                    assert!(remark.map_or(said.is_empty(), |remark| said.contains(remark)), "{text}: {said}");
                }
                (Err(why), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
                _ => panic!("{text}: {read:?}"),
            }
        }
        let head = "POST /webhooks/a?token=t HTTP/1.1\r\nHost: h\r\n";
        let counted = format!("{head}Content-Length: 3\r\n\r\n");
        let chunked = format!("{head}Transfer-Encoding: Chunked\r\n\r\n");
        check(&format!("{counted}a\r\n"), Ok(("a\r\n", None)));
        check(&format!("{}a\r\n", counted.replace("\r\n", "\n")), Ok(("a\r\n", None)));
        check(&format!("\r\n{counted}abc"), Ok(("abc", None)));
        check(&format!("{counted}abcd\n"), Ok(("abc", Some("come 2 more"))));
        check(&format!("{counted}ab"), Err("announces 3 bytes, and there are 2"));
        check(&counted.replace('3', "-3"), Err("not one number"));
        check(&counted.replace('3', "+3"), Err("not one number"));
        for version in ["HTTP/2", "HTTP/2.0", "HTTP/3"] {
            check(&format!("\r\n{}abc", counted.replace("HTTP/1.1", version)), Ok(("abc", None)));
        }
        check(&format!("{}abc", counted.replace("HTTP/1.1", "HTTP/4")), Err("invalid HTTP version"));
        check(&format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nab"), Err("not one number"));
        check(&format!("{head}content-length: 2\r\ncontent-length: 2\r\n\r\nab"), Ok(("ab", None)));
        check(&format!("{head}\r\nab\n"), Ok(("ab\n", Some("announces no length"))));
        check(&format!("{head}\r\n"), Ok(("", None)));
        check(&format!("{chunked}2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n"), Ok(("abc", None)));
        check(&format!("{chunked}0\r\n"), Ok(("", None)));
        check(&format!("{chunked}2\r\nab\r\n"), Err("its last chunk"));
        check(&format!("{chunked}2\r\na"), Err("its last chunk"));
        check(&format!("{chunked}2\r\nab\r"), Err("its last chunk"));
        check(&format!("{chunked}2\r\nabc\r\n0\r\n\r\n"), Err("is not in chunks"));
        check(&format!("{chunked}{{\"a\": 1}}"), Err("is not in chunks"));
        check(&format!("{chunked}ffffffffffffffff\r\n"), Err("its last chunk"));
        check(&chunked.replace("Chunked", "gzip, chunked"), Err("another transfer-encoding"));
        check(head, Err("does not end"));
        check("{\"hook\": {}}", Err("this is no HTTP request"));
        check("HTTP/1.1 200 OK\r\n\r\n", Err("this is no HTTP request"));
    }

    /// People put the token in the place of the name, or after it with a wrong sign.
    #[test]
    fn what_may_be_a_token_is_not_shown() {
        fn check(target: &str, expected: &str) {
            let (method, headers, body) = (String::new(), Vec::new(), Bytes::new());
            let request = WholeRequest { method, target: target.into(), headers, body, ..WholeRequest::default() };
            assert_eq!(request.shown_path(), expected, "{target}");
        }
        let token = "1b0e6cf2f8a94d6f8e0c2a57c1d9e3b4";
        check("/webhooks/photos-2026", "/webhooks/photos-2026");
        check("/webhooks/photos?token=x", "/webhooks/photos?…");
        check("/webhooks/photos/x", "/webhooks/photos/…");
        check(&format!("/webhooks/photos&token={token}"), "/webhooks/photos…");
        check(&format!("/webhooks/photos;token={token}"), "/webhooks/photos…");
        check(&format!("/webhooks/photos%3Ftoken={token}"), "/webhooks/photos…");
        check(&format!("/webhooks/{token}"), "/webhooks/…");
        check(&format!("/webhooks/{token}/photos"), "/webhooks/…/…");
        check(&format!("/{token}"), "/…");
        check("/WEBHOOKS/photos", "/…/…");
        check("/webhooks/\u{9d}0;x\u{9c}", "/webhooks/…");
        check(&format!("/{}", "a".repeat(60_000)), "/…");
        check("/", "/");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            path in "/[a-z0-9/?=%.]{0,20}",
            is_old in any::<bool>(),
            names in prop::collection::vec("x-[a-z]{1,8}", 0..4),
            value in "[!-~]([ -~]{0,10}[!-~])?",
            body in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let length = ("content-length".to_owned(), body.len().to_string().into_bytes());
            let headers = names.into_iter().map(|name| (name, value.clone().into_bytes())).chain([length]).collect();
            let version = if is_old { Version::HTTP_10 } else { Version::HTTP_11 };
            let request = WholeRequest { method: "POST".into(), target: path, version, headers, body: body.into(), remark: None };
            prop_assert_eq!(request.head_bytes(), request.to_bytes().len() - request.body.len());
            prop_assert_eq!(WholeRequest::parse(&request.to_bytes()), Ok(request));
        }

        #[test]
        fn no_bytes_are_a_defect(head in "(POST /a HTTP/1.1\r\n(transfer-encoding: chunked|content-length: [0-9]{1,20})\r\n\r\n)?", rest in prop::collection::vec(any::<u8>(), 0..60)) {
            let _refused = WholeRequest::parse(&[head.as_bytes(), &rest].concat());
        }
    }
}
