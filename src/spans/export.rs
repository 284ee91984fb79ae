//! The export of spans to the collector: OTLP over HTTP as protobuf, from a thread of its own. Nothing here ever delays a delivery.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_proto::{
    tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    transform::{common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope},
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};
use prost::Message as _;

use crate::{
    config::{Environment, Tracing},
    metrics::{Metrics, SpanResult},
    outbound,
};

/// The most spans that may wait for the collector; further ones are dropped and counted.
const QUEUE_MAX: usize = 2048;
/// The most spans in one export.
const BATCH_MAX: usize = 512;
/// How long spans are collected before they are exported.
const EVERY: Duration = Duration::from_secs(1);
/// The longest answer of a collector that is read, in bytes; a correct one has a few bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Returns the queue of spans, and starts the thread that exports them.
pub(super) fn processor(
    tracing: &Tracing,
    environment: &Environment,
    resource: &Resource,
    metrics: Arc<Metrics>,
) -> Result<Bounded, String> {
    let environment = tracing.environment_of(environment);
    tracing.read_headers(&environment).map_err(|fault| format!("[tracing] headers: {fault}"))?;
    let client = tracing.authorities().and_then(|authorities| ExportClient::new(tracing, authorities));
    let client = client.map_err(|fault| format!("[tracing] ca_file: {fault}"))?;
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = Exporter {
        client: Mutex::new(client),
        url: tracing.url(),
        tracing: tracing.clone(),
        environment,
        resource: resource.into(),
        waiting: Arc::clone(&waiting),
        metrics: Arc::clone(&metrics),
        failing: AtomicBool::new(false),
    };
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .with_scheduled_delay(EVERY)
        .build();
    let inner = BatchSpanProcessor::new(exporter, config);
    Ok(Bounded { inner, waiting, metrics })
}

/// The SDK's processor. Its queue is bounded, but it does not report what it drops, so spans are counted before they reach it.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: BatchSpanProcessor,
    /// The spans that the processor has and has not exported yet.
    waiting: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.metrics.spans(SpanResult::Dropped, 1);
        } else {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }
}

/// The HTTP client, and the authorities that it was made with.
struct ExportClient {
    http: outbound::Client,
    authorities: Option<Vec<u8>>,
}

impl ExportClient {
    fn new(tracing: &Tracing, authorities: Option<Vec<u8>>) -> Result<Self, String> {
        let http = outbound::Client::new(tracing.timeout, authorities.as_deref())?;
        Ok(Self { http, authorities })
    }
}

/// Posts batches of spans. It runs on the processor's thread, which may block.
struct Exporter {
    client: Mutex<ExportClient>,
    url: String,
    tracing: Tracing,
    environment: Environment,
    resource: ResourceAttributesWithSchema,
    waiting: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    /// Whether the last export failed. So an outage is only two lines in the log.
    failing: AtomicBool,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("url", &self.url).finish_non_exhaustive()
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let request = ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(batch, &self.resource) }
            .encode_to_vec();
        let result = self.post(&request);
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        match &result {
            Ok(rejected) => {
                let rejected = (*rejected).min(spans);
                self.metrics.spans(SpanResult::Exported, spans - rejected);
                self.metrics.spans(SpanResult::Failed, rejected);
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("spans are exported again");
                }
            }
            Err(reason) => {
                self.metrics.spans(SpanResult::Failed, spans);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(reason, "spans cannot be exported, they are lost until that changes");
                }
            }
        }
        result.map(drop).map_err(OTelSdkError::InternalFailure)
    }
}

impl Exporter {
    /// Posts a request. Returns how many of its spans the collector rejected, or why the request failed.
    fn post(&self, body: &[u8]) -> Result<usize, String> {
        let headers = self.tracing.read_headers(&self.environment)?;
        let headers = headers.iter().map(|(name, value)| (&**name, value.reveal()));
        let headers: Vec<(&str, &str)> = [("content-type", "application/x-protobuf")].into_iter().chain(headers).collect();
        let authorities = self.tracing.authorities()?;
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        // While the authorities stay the same, the client keeps its connections.
        if client.authorities != authorities {
            *client = ExportClient::new(&self.tracing, authorities)?;
        }
        let answer = client.http.post(&self.url, &headers, body, ANSWER_BYTES_MAX).map_err(|fault| fault.to_string())?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("the collector answered {}", answer.status));
        }
        let answer = ExportTraceServiceResponse::decode(&answer.body[..]).unwrap_or_default();
        let rejected = answer.partial_success.map_or(0, |it| it.rejected_spans);
        Ok(usize::try_from(rejected).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, time::Instant};

    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;
    use crate::metrics::Limits;

    /// Returns how many spans were counted with this result.
    fn counted(metrics: &Metrics, result: &str) -> usize {
        let series = format!("hookgate_spans_total{{result=\"{result}\"}} ");
        metrics.render().lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
    }

    #[test]
    fn what_does_not_fit_the_queue_is_dropped_and_counted_at_once() {
        // This collector accepts connections and never answers.
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let tracing = Tracing {
            endpoint: format!("http://{}", collector.local_addr().unwrap()),
            headers: Vec::new(),
            ca_file: None,
            service_name: "hookgate".into(),
            resource: Vec::new(),
            sample: 1,
            timeout: Duration::from_secs(60),
        };
        let metrics = Arc::new(Metrics::new([], [], &Limits::default()).unwrap());
        let resource = Resource::builder_empty().build();
        let processor = processor(&tracing, &Environment::default(), &resource, Arc::clone(&metrics)).unwrap();
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let (tracer, begin) = (provider.tracer("test"), Instant::now());
        for _ in 0..QUEUE_MAX + 100 {
            drop(tracer.start("span"));
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "it waits for the collector: {:?}", begin.elapsed());
        assert_eq!(counted(&metrics, "dropped"), 100);
        assert_eq!((counted(&metrics, "exported"), counted(&metrics, "failed")), (0, 0));
        let begin = Instant::now();
        assert!(provider.shutdown_with_timeout(Duration::from_millis(50)).is_err(), "nothing could be exported");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}
