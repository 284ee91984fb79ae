//! Spans: the only module that knows OpenTelemetry.
//!
//! A delivery whose sender is proven becomes two spans. The first is the request (`SERVER`), a child of the sender's `traceparent`. The
//! second, within it, is the sending to Kafka (`PRODUCER`), whose `traceparent` the record carries. A request that proves nothing becomes
//! no span, so that a stranger can neither cause an export nor choose what is traced. Attributes are set one by one, here: no log field and
//! no part of a request gets into a span by itself.

mod export;

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
        Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider, Span},
};

use crate::{
    clock,
    config::{Environment, Tracing},
    encode::Record,
    error::Error,
    kafka::Acknowledgement,
    metrics::Metrics,
};

/// The name of a delivery's span and its route; never the path, which may hold a token.
const ROUTE: &str = "/webhooks/{endpoint}";
const DELIVERY: &str = "POST /webhooks/{endpoint}";

/// Makes spans. Without `[tracing]` there is no such value.
pub struct Spans {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    scheme: &'static str,
}

impl Spans {
    /// Starts the thread that exports. The collector need not be there yet, but headers and authorities must be readable. `tls` says
    /// whether deliveries come over TLS.
    pub fn start(tracing: &Tracing, environment: &Environment, tls: bool, metrics: Arc<Metrics>) -> Result<Self, String> {
        let attributes = tracing.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
        // OTEL_… variables are not read: everything is in the configuration.
        let resource = Resource::builder_empty()
            .with_attributes(attributes)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_service_name(tracing.service_name.clone())
            .build();
        let ratio = if tracing.sample == 0 { 0.0 } else { 1.0 / f64::from(tracing.sample) };
        let provider = SdkTracerProvider::builder()
            .with_span_processor(export::processor(tracing, environment, &resource, metrics)?)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
            .with_resource(resource)
            .build();
        let scheme = if tls { "https" } else { "http" };
        Ok(Self { tracer: provider.tracer("hookgate"), provider, scheme })
    }

    /// Begins the span of a delivery that came in `ago` earlier and whose sender is proven now.
    pub fn delivery(&self, origin: &SpanOrigin<'_>, ago: Duration) -> DeliverySpan {
        let parent = origin.traceparent.and_then(|text| remote(text, origin.tracestate));
        let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        // The library ends spans by the machine's clock, so they begin by it too.
        let now = clock::system();
        let builder =
            SpanBuilder::from_name(DELIVERY).with_kind(SpanKind::Server).with_start_time(now.checked_sub(ago).unwrap_or(now));
        let mut span = self.tracer.build_with_context(builder, &parent);
        if span.is_recording() {
            span.set_attributes([
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("http.route", ROUTE),
                KeyValue::new("url.scheme", self.scheme),
                KeyValue::new("hookgate.endpoint", origin.endpoint.to_owned()),
                KeyValue::new("hookgate.provider", origin.provider),
            ]);
        }
        // The span is boxed, because most requests have none and must hold no room for it.
        DeliverySpan(Box::new(span))
    }

    /// Begins the span of sending a delivery's record to Kafka.
    pub fn publish(&self, delivery: &DeliverySpan, record: &Record) -> PublishSpan {
        let parent = Context::new().with_remote_span_context(delivery.0.span_context().clone());
        let builder = SpanBuilder::from_name(format!("send {}", record.topic)).with_kind(SpanKind::Producer);
        let mut span = self.tracer.build_with_context(builder, &parent);
        if span.is_recording() {
            span.set_attributes([
                KeyValue::new("messaging.system", "kafka"),
                KeyValue::new("messaging.operation.name", "send"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.destination.name", record.topic.to_string()),
                KeyValue::new("messaging.message.id", record.id.clone()),
                KeyValue::new("messaging.message.body.size", i64::try_from(record.value.len()).unwrap_or(i64::MAX)),
            ]);
        }
        PublishSpan(Box::new(span))
    }

    /// Exports the spans that still wait, for at most `within`. Blocks.
    pub fn close(&self, within: Duration) {
        // Spans that are left then are lost with the process, as they are without a collector.
        let _left_over = self.provider.shutdown_with_timeout(within);
    }
}

/// The origin of a delivery, for its span.
pub struct SpanOrigin<'a> {
    /// The name of the endpoint.
    pub endpoint: &'a str,
    /// The name of the provider.
    pub provider: &'static str,
    /// A well-formed `traceparent`, if one was sent.
    pub traceparent: Option<&'a str>,
    /// A well-formed `tracestate`, if one was sent with the `traceparent`.
    pub tracestate: Option<&'a str>,
}

/// The span of a delivery. It ends when it is dropped.
pub struct DeliverySpan(Box<Span>);

impl DeliverySpan {
    /// Returns the id of the trace that the span belongs to, in hex.
    pub fn trace_id(&self) -> String {
        self.0.span_context().trace_id().to_string()
    }

    /// Notes how the request was answered. A status of 0 means that the sender hung up before the answer.
    pub fn answered(&mut self, outcome: &'static str, status: u16) {
        if !self.0.is_recording() {
            return;
        }
        self.0.set_attribute(KeyValue::new("hookgate.outcome", outcome));
        if status > 0 {
            self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        if status >= 500 {
            self.0.set_attribute(KeyValue::new("error.type", outcome));
            self.0.set_status(Status::error(""));
        }
    }
}

/// The span of sending a record to Kafka. It ends when it is dropped.
pub struct PublishSpan(Box<Span>);

impl PublishSpan {
    /// Returns the `traceparent` from which the record's consumers continue the trace.
    pub fn traceparent(&self) -> String {
        let context = self.0.span_context();
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
    }

    /// Ends the span with the result of the sending.
    pub fn ended(mut self, result: &Result<Acknowledgement, Error>) {
        if !self.0.is_recording() {
            return;
        }
        match result {
            Ok(stored) => self.0.set_attributes([
                KeyValue::new("messaging.destination.partition.id", stored.partition.to_string()),
                KeyValue::new("messaging.kafka.offset", stored.offset),
            ]),
            Err(error) => {
                self.0.set_attribute(KeyValue::new("error.type", error.answer().label()));
                self.0.set_status(Status::error(""));
            }
        }
    }
}

/// Returns the sender's span context. The text was checked before, so that there is only one rule for what is well-formed.
fn remote(traceparent: &str, tracestate: Option<&str>) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    let state = tracestate.and_then(|text| text.parse::<TraceState>().ok()).unwrap_or_default();
    Some(SpanContext::new(trace, span, flags, true, state))
}
