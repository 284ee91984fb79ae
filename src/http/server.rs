//! The accept loop over hyper: connections are bounded in number, their heads in size and time. HTTP/1.1 only.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower::ServiceExt as _;

use super::{Shared, answer, handle};
use crate::{config::Http, error::Error, metrics::Metrics};

/// Connections above the limit get a 503 for their first request, up to this many at once; more are closed unheard.
const TURNED_AWAY_MAX: usize = 256;
/// How long a connection above the limit may take to ask.
const TURNED_AWAY_TIMEOUT: Duration = Duration::from_secs(1);
/// A failed accept is mostly the process's limit of open files; connections that end make room.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// It would go on twenty times a second: one line in this time is enough.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

/// What a port answers.
#[derive(Clone)]
pub enum Port {
    /// Webhooks.
    Webhooks(Arc<Shared>),
    /// The admin routes.
    Admin(Router),
}

/// Serves a port until `stop` turns true, then lets what is in flight finish for at most `drain`. Returns how many connections
/// were still open then.
pub async fn serve(listener: TcpListener, port: Port, limits: &Http, mut stop: watch::Receiver<bool>, drain: Duration) -> usize {
    let open = Arc::new(AtomicUsize::new(0));
    let graceful = GracefulShutdown::new();
    let mut complained: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => connect(stream, &port, limits, &graceful, &open),
            Err(error) => {
                if complained.is_none_or(|when| when.elapsed() > COMPLAIN_EVERY) {
                    complained = Some(Instant::now());
                    tracing::error!(%error, "cannot accept connections; is the limit of open files above http.max_connections?");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // A drain that takes too long is cut off; the count tells.
    let _timed_out = tokio::time::timeout(drain, graceful.shutdown()).await;
    open.load(Ordering::Relaxed)
}

/// Counts a connection for as long as it lives.
struct Open(Arc<AtomicUsize>, Option<Arc<Metrics>>);

impl Open {
    fn new(open: &Arc<AtomicUsize>, metrics: Option<&Arc<Metrics>>) -> (Self, usize) {
        let before = open.fetch_add(1, Ordering::Relaxed);
        let guard = Self(Arc::clone(open), metrics.cloned());
        guard.publish();
        (guard, before)
    }

    fn publish(&self) {
        if let Some(metrics) = &self.1 {
            metrics.connections(self.0.load(Ordering::Relaxed));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        self.publish();
    }
}

fn connect(stream: TcpStream, port: &Port, limits: &Http, graceful: &GracefulShutdown, open: &Arc<AtomicUsize>) {
    let metrics = port.metrics();
    let (guard, before) = Open::new(open, metrics);
    let full = before >= limits.max_connections;
    if before >= limits.max_connections + TURNED_AWAY_MAX {
        fault(metrics, "limit");
        return;
    }
    // An answer is one small segment, which must not wait for the next one. A failure costs latency, nothing else.
    let _refused = stream.set_nodelay(true);
    give_up_after(&stream, limits.header_timeout);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(if full { TURNED_AWAY_TIMEOUT } else { limits.header_timeout })
        .max_buf_size(limits.max_header_bytes)
        .max_headers(limits.max_headers)
        // A sender that closes its side behind the request still gets its answer.
        .half_close(true)
        .keep_alive(!full);
    let (port, limits) = (port.clone(), full.then(|| limits.clone()));
    let service = service_fn(move |request: Request<Incoming>| {
        let (port, limits) = (port.clone(), limits.clone());
        async move {
            Ok::<_, Infallible>(match (limits, port) {
                (Some(limits), _) => answer::refused(&Error::Overloaded, &limits),
                (None, Port::Webhooks(shared)) => handle(shared, request).await,
                (None, Port::Admin(router)) => {
                    router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {})
                }
            })
        }
    });
    let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
    let metrics = metrics.cloned();
    tokio::spawn(async move {
        let result = connection.await;
        if full {
            fault(metrics.as_ref(), "limit");
        } else if let Err(error) = result {
            fault(metrics.as_ref(), classify(&error));
        }
        drop(guard);
    });
}

/// A peer that takes none of an answer for this long loses its connection: hyper waits for it without an end. The kernel counts it; where
/// it cannot, a peer like this is held off by the limit of connections alone.
fn give_up_after(stream: &TcpStream, patience: Duration) {
    #[cfg(target_os = "linux")]
    let _refused = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(patience));
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, patience);
}

impl Port {
    /// Connections to the admin port are not counted: the metrics are about what senders see.
    fn metrics(&self) -> Option<&Arc<Metrics>> {
        match self {
            Self::Webhooks(shared) => Some(&shared.metrics),
            Self::Admin(_) => None,
        }
    }
}

fn fault(metrics: Option<&Arc<Metrics>>, reason: &'static str) {
    if let Some(metrics) = metrics {
        metrics.connection_fault(reason);
    }
}

/// What ended a connection, in the closed vocabulary of the metric.
fn classify(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "headers_too_large"
    } else if error.is_timeout() {
        "header_timeout"
    } else if error.is_parse() {
        "bad_request"
    } else {
        "cut_off"
    }
}
