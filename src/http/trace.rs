//! What ties a request to a trace: the sender's `traceparent`, which goes on as it came, and the spans where `[tracing]` asks for them.

use std::time::Duration;

use axum::http::HeaderMap;

use super::{Endpoint, gate};
use crate::{
    encode::Record,
    spans::{DeliverySpan, Origin, PublishSpan, Spans},
};

/// The trace of one request.
#[derive(Default)]
pub(super) struct Trace {
    /// The sender's `traceparent`, where there is a well-formed one. Nobody has signed it.
    parent: Option<String>,
    /// The `tracestate` beside it, until the record has it.
    state: Option<String>,
    span: Option<DeliverySpan>,
}

impl Trace {
    /// What the head tells.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let parent = gate::traceparent(headers);
        let state = parent.as_ref().and_then(|_| gate::tracestate(headers));
        Self { parent, state, span: None }
    }

    /// The sender's `traceparent`.
    pub(super) fn parent(&self) -> Option<String> {
        self.parent.clone()
    }

    /// The trace's id, for the log.
    pub(super) fn id(&self) -> Option<String> {
        let parent = || self.parent.as_ref().and_then(|text| text.get(3..35)).map(str::to_owned);
        self.span.as_ref().map(DeliverySpan::trace_id).or_else(parent)
    }

    /// The sender is proven: from here on there is a span, where there are any.
    pub(super) fn proven(&mut self, spans: Option<&Spans>, endpoint: &Endpoint, ago: Duration) {
        self.span = spans.map(|spans| {
            let origin = Origin {
                endpoint: &endpoint.name,
                provider: endpoint.provider.name,
                traceparent: self.parent.as_deref(),
                tracestate: self.state.as_deref(),
            };
            spans.delivery(&origin, ago)
        });
    }

    /// This is the record, which is about to be sent: it tells the trace to its readers.
    pub(super) fn publishing(&mut self, spans: Option<&Spans>, record: &mut Record) -> Option<PublishSpan> {
        let publishing = spans.zip(self.span.as_ref()).map(|(spans, span)| {
            let publishing = spans.publish(span, record);
            record.set_header("traceparent", publishing.traceparent());
            publishing
        });
        if let Some(state) = self.state.take() {
            record.set_header("tracestate", state);
        }
        publishing
    }

    /// How the request was answered; 0 where nobody waited for it any more.
    pub(super) fn answered(&mut self, outcome: &'static str, status: u16) {
        if let Some(span) = &mut self.span {
            span.answered(outcome, status);
        }
    }
}
