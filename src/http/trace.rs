//! The trace of a request: the sender's `traceparent`, which is passed on as it came, and the spans if `[tracing]` is configured.

use std::time::Duration;

use axum::http::HeaderMap;

use super::Endpoint;
use crate::{
    encode::Record,
    spans::{DeliverySpan, PublishSpan, SpanOrigin, Spans},
};

/// The longest `tracestate` that is passed on, in bytes and in members: the standard demands this much. No signature covers it, and it goes
/// into the record.
const TRACESTATE_BYTES_MAX: usize = 512;
const TRACESTATE_MEMBERS_MAX: usize = 32;

/// The trace of one request.
#[derive(Default)]
pub(super) struct Trace {
    /// The sender's `traceparent`, if it is well-formed. No signature covers it.
    parent: Option<String>,
    /// The `tracestate` that came with it, until the record takes it.
    state: Option<String>,
    span: Option<DeliverySpan>,
}

impl Trace {
    /// Reads the trace from a request's headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let parent = traceparent(headers);
        let state = parent.as_ref().and_then(|_| tracestate(headers));
        Self { parent, state, span: None }
    }

    /// Returns the trace's id, for the log.
    pub(super) fn id(&self) -> Option<String> {
        let parent = || self.parent.as_ref().and_then(|text| text.get(3..35)).map(str::to_owned);
        self.span.as_ref().map(DeliverySpan::trace_id).or_else(parent)
    }

    /// Notes that the sender is proven, and begins the delivery's span if tracing is configured. The request came `ago` earlier.
    pub(super) fn proven(&mut self, spans: Option<&Spans>, endpoint: &Endpoint, ago: Duration) {
        self.span = spans.map(|spans| {
            let origin = SpanOrigin {
                endpoint: &endpoint.name,
                provider: endpoint.provider.name,
                traceparent: self.parent.as_deref(),
                tracestate: self.state.as_deref(),
            };
            spans.delivery(&origin, ago)
        });
    }

    /// Writes the trace into the headers of the record that is about to be sent. It is the sender's own trace, or that of the publishing
    /// span, which begins here and is returned.
    pub(super) fn publishing(&mut self, spans: Option<&Spans>, record: &mut Record) -> Option<PublishSpan> {
        let publishing = spans.zip(self.span.as_ref()).map(|(spans, span)| spans.publish(span, record));
        let traceparent = publishing.as_ref().map(PublishSpan::traceparent).or_else(|| self.parent.clone());
        let headers = [("traceparent", traceparent), ("tracestate", self.state.take())];
        record.headers.extend(headers.into_iter().filter_map(|(name, value)| Some((name, value?.into()))));
        publishing
    }

    /// Notes the status of the answer; 0 means that the sender hung up before the answer.
    pub(super) fn answered(&mut self, outcome: &'static str, status: u16) {
        if let Some(span) = &mut self.span {
            span.answered(outcome, status);
        }
    }
}

/// Returns a W3C `traceparent` of version 00, for the record's header. Any other value is left out.
pub fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let mut hex = |length: usize| {
        let part = parts.next()?;
        let is_hex = part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_hex.then_some(part)
    };
    let (version, trace, parent, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    (version == "00" && !zero(trace) && !zero(parent) && parts.next().is_none()).then(|| text.to_owned())
}

/// Returns a W3C `tracestate`, for the record's header beside a `traceparent`. A malformed one is left out, and so is one that is longer
/// than the standard demands.
fn tracestate(headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all("tracestate").iter();
    let mut text = lines.next()?.to_str().ok()?.to_owned();
    for line in lines {
        text.push(',');
        text.push_str(line.to_str().ok()?);
    }
    let members: Vec<&str> = text.split(',').map(str::trim).filter(|member| !member.is_empty()).collect();
    let text = members.join(",");
    let usable = !members.is_empty() && members.len() <= TRACESTATE_MEMBERS_MAX && text.len() <= TRACESTATE_BYTES_MAX;
    (usable && members.into_iter().all(is_tracestate_member)).then_some(text)
}

fn is_tracestate_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let in_key = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'*' | b'/' | b'@');
    key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.bytes().all(in_key)
        && !value.is_empty()
        && value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=')
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_a_well_formed_trace_goes_on() {
        fn check(text: &str, taken: bool) {
            let headers = HeaderMap::from_iter([(HeaderName::from_static("traceparent"), HeaderValue::from_str(text).unwrap())]);
            assert_eq!(traceparent(&headers), taken.then(|| text.to_owned()), "{text}");
        }
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true);
        check("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false);
        check("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", false);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false);
        check("", false);
    }

    #[test]
    fn only_a_well_formed_trace_state_goes_on() {
        fn check(lines: &[&str], taken: Option<&str>) {
            let name = HeaderName::from_static("tracestate");
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(&name, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(tracestate(&headers).as_deref(), taken, "{lines:?}");
        }
        check(&["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
        check(&["a=1", "b=2 , tenant@system=3"], Some("a=1,b=2,tenant@system=3"));
        check(&["a=1,,b=2"], Some("a=1,b=2"));
        check(&[], None);
        check(&[""], None);
        check(&["a"], None);
        check(&["A=1"], None);
        check(&["=1"], None);
        check(&["a="], None);
        check(&["a=1=2"], None);
        check(&["a=\t1"], None);
        let long = |bytes: usize| format!("a={}", "x".repeat(bytes - 2));
        check(&[&long(512)], Some(&long(512)));
        check(&[&long(513)], None);
        let many = |count: usize| (0..count).map(|number| format!("k{number}=1")).collect::<Vec<_>>().join(",");
        check(&[&many(32)], Some(&many(32)));
        check(&[&many(33)], None);
    }
}
