//! The accept loop over hyper: connections are bounded in number, their heads in size and time. HTTP/1.1 only.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::Request, response::Response};
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

use super::{Shared, answer, connections::Connections, handle, waiting::Waiting};
use crate::{config::Http, error::Error, metrics::Metrics};

/// At the limit a connection whose peer is waited for makes room for a new one. Where there is none, new ones get a 503, up to this many at once; more are closed unheard.
const TURNED_AWAY_MAX: usize = 256;
/// This near to the limit connections are taken one at a time.
const ONE_BY_ONE: usize = 256;
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
    let connections = Connections::new(port.waiting(), port.metrics().cloned());
    let graceful = GracefulShutdown::new();
    let mut complained: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connect((stream, peer.ip()), &port, limits, &graceful, &connections);
                // In a burst near the limit, who has to make room ends before the next newcomer is counted, and who brings a request begins with
                // it before he could be the one that has waited longest. Below, a busy loop takes in what is there, up to tokio's budget of 128:
                // one at a time they would wait for seconds, and where `delay` does not see them.
                if connections.count() + ONE_BY_ONE >= limits.max_connections {
                    tokio::task::yield_now().await;
                }
            }
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
    connections.count()
}

fn connect(
    (stream, peer): (TcpStream, IpAddr),
    port: &Port,
    limits: &Http,
    graceful: &GracefulShutdown,
    connections: &Arc<Connections>,
) {
    let metrics = port.metrics();
    let (connection, before) = connections.open();
    if before >= limits.max_connections + TURNED_AWAY_MAX {
        fault(metrics, "limit");
        return;
    }
    let full = before >= limits.max_connections && !connections.dismiss_one();
    let connection = Arc::new(connection);
    if !full {
        connection.wait();
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
    let served = Arc::clone(&connection);
    let service = service_fn(move |request: Request<Incoming>| {
        let (port, limits, connection) = (port.clone(), limits.clone(), Arc::clone(&served));
        async move {
            let Some(limits) = limits else {
                connection.work();
                let response = port.answer(request, peer).await;
                connection.wait();
                return Ok::<_, Infallible>(response);
            };
            Ok(answer::refused(&Error::Overloaded, &limits))
        }
    });
    let serving = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
    let metrics = metrics.cloned();
    tokio::spawn(async move {
        let result = tokio::select! {
            // First, so that no request is begun that would be cut off.
            biased;
            () = connection.dismissed() => Err("limit"),
            result = serving => result.map_err(|error| classify(&error)),
        };
        let fault_reason = if full { Some("limit") } else { result.err() };
        if let Some(reason) = fault_reason {
            fault(metrics.as_ref(), reason);
        }
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
    async fn answer(self, request: Request<Incoming>, peer: IpAddr) -> Response {
        match self {
            Self::Webhooks(shared) => handle(shared, request, peer).await,
            Self::Admin(router) => router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {}),
        }
    }

    /// Who waits for a peer on this port.
    fn waiting(&self) -> Arc<Waiting> {
        match self {
            Self::Webhooks(shared) => Arc::clone(&shared.in_flight.waiting),
            Self::Admin(_) => Arc::default(),
        }
    }

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
