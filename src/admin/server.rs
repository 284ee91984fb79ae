//! The admin port's connections: few, short, and one answer each.
//!
//! Probes and scrapes share one event loop, and a late probe restarts a healthy pod. So no peer can send two requests on a connection:
//! between a probe's request and its answer, every other connection gets at most one answer, and there are at most [`CONNECTIONS_MAX`] of
//! them. At that limit a probe is still served: the connection that has been open for longest ends, whatever it does.

use std::{collections::VecDeque, time::Duration};

use axum::{Router, body::Body, http::Request};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use tower::ServiceExt as _;

use crate::http::FailedAccepts;

/// The most connections at once: enough for probes, a few scrapers and somebody who looks.
pub const CONNECTIONS_MAX: usize = 64;
/// How long a connection may take for its request and its answer: as long as Prometheus waits by default.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest request head, in bytes. A proxy before this port may add cookies and tokens.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The most bytes of a body that are read. No route of the daemon uses one, but an unread one would reset the connection before its answer
/// arrives.
const BODY_BYTES_MAX: usize = 4 << 10;
/// How long open connections may go on once the port stops.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves the port until `stop` turns true.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    let mut failed = FailedAccepts::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                while tasks.try_join_next().is_some() {}
                oldest_first.retain(|task| !task.is_finished());
                if oldest_first.len() >= CONNECTIONS_MAX
                    && let Some(oldest) = oldest_first.pop_front()
                {
                    oldest.abort();
                }
                oldest_first.push_back(tasks.spawn(answer(stream, router.clone())));
                // Before the next connection is accepted, the evicted one ends, and those with a request are answered.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                if failed.is_worth_a_line() {
                    tracing::error!(%error, "cannot accept connections on the admin port; is the limit of open files too low?");
                }
                failed.pause().await;
            }
        }
    }
    drop(listener);
    // Connections that take longer are cut off when the set is dropped.
    let _timed_out = tokio::time::timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await;
}

/// Serves one request and its answer.
async fn answer(stream: TcpStream, router: Router) {
    let service = service_fn(|request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
            // One that is too long or cut off is none.
            let body = body.map_or_else(|_| Body::empty(), |body| Body::from(body.to_bytes()));
            router.oneshot(Request::from_parts(head, body)).await
        }
    });
    let mut builder = http1::Builder::new();
    builder.keep_alive(false).max_buf_size(HEAD_BYTES_MAX).half_close(true);
    let _ended = tokio::time::timeout(CONNECTION_TIMEOUT, builder.serve_connection(TokioIo::new(stream), service)).await;
}
