//! The listener of `hookgate capture`. It takes whole requests, and knows nothing of the daemon.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, StatusCode, request::Parts},
    response::Response,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
};

use super::{FailedAccepts, WholeRequest};

/// The most connections at once. Each may hold a body. One on which no whole request has come gives way to a new one.
const CONNECTIONS_MAX: usize = 16;
/// The largest head, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// The largest body, in bytes. Hookgate's own limit is below a megabyte, unless it is configured.
const BODY_BYTES_MAX: usize = 16 << 20;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection may take for its request and its answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last answers may take.
const DRAIN: Duration = Duration::from_secs(1);

/// A request as it came, or why it cannot be taken; and where its status goes.
type Arrival = (Result<WholeRequest, String>, oneshot::Sender<u16>);

/// A connection that may still be open.
struct OpenConnection {
    task: AbortHandle,
    has_request: Arc<AtomicBool>,
}

impl OpenConnection {
    fn is_idle(&self) -> bool {
        !self.has_request.load(Ordering::Relaxed)
    }
}

/// Takes requests until `stop` ends or `keep` wants no more. `keep` gets each request, or why one cannot be taken, in the order of arrival. It
/// returns the status to answer, and whether to go on. A connection has one request.
pub async fn receive(
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    mut keep: impl FnMut(Result<WholeRequest, String>) -> (u16, bool),
) {
    let (arrivals, mut arrived) = mpsc::channel::<Arrival>(1);
    let (mut tasks, failed, mut stop) = (JoinSet::new(), FailedAccepts::default(), std::pin::pin!(stop));
    let mut oldest_first: VecDeque<OpenConnection> = VecDeque::new();
    loop {
        oldest_first.retain(|it| !it.task.is_finished());
        let is_full = oldest_first.len() >= CONNECTIONS_MAX;
        let idle = oldest_first.iter().position(OpenConnection::is_idle);
        tokio::select! {
            () = &mut stop => break,
            Some((request, answer)) = arrived.recv() => {
                let (status, goes_on) = keep(request);
                // Nobody waits for the answer where the sender has hung up.
                let _gone = answer.send(status);
                if !goes_on {
                    break;
                }
            }
            _ = tasks.join_next(), if !tasks.is_empty() => {}
            accepted = listener.accept(), if !is_full || idle.is_some() => match accepted {
                Ok((stream, _)) => {
                    // Its request may have come since.
                    let idle = idle.filter(|at| is_full && oldest_first[*at].is_idle());
                    if let Some(idle) = idle.and_then(|at| oldest_first.remove(at)) {
                        idle.task.abort();
                    }
                    let has_request = Arc::<AtomicBool>::default();
                    let task = tasks.spawn(serve(stream, arrivals.clone(), Arc::clone(&has_request)));
                    oldest_first.push_back(OpenConnection { task, has_request });
                    // Before the next connection is accepted, the requests that have come are read.
                    tokio::task::yield_now().await;
                }
                Err(_) => failed.pause().await,
            }
        }
    }
    drop((listener, arrived));
    // Connections that take longer are cut off when the set is dropped.
    let _timed_out = tokio::time::timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await;
}

/// Serves one request and its answer.
async fn serve(stream: TcpStream, arrivals: mpsc::Sender<Arrival>, has_request: Arc<AtomicBool>) {
    let service = service_fn(|request: Request<Incoming>| {
        let (arrivals, has_request) = (arrivals.clone(), Arc::clone(&has_request));
        async move {
            let (head, body) = request.into_parts();
            let whole = read(body).await.map(|body| whole(&head, body));
            has_request.store(true, Ordering::Relaxed);
            let (answer, answered) = oneshot::channel();
            // Where no more requests are taken, nobody answers this one.
            let _stopped = arrivals.send((whole, answer)).await;
            let status = answered.await.ok().and_then(|status| StatusCode::from_u16(status).ok());
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.keep_alive(false).max_buf_size(HEAD_BYTES_MAX).half_close(true);
    let ended = tokio::time::timeout(CONNECTION_TIMEOUT, builder.serve_connection(TokioIo::new(stream), service)).await;
    // With a request, what is wrong is in its body, and was said.
    if let Ok(Err(error)) = ended
        && !has_request.load(Ordering::Relaxed)
        && let Some(why) = unreadable(&error)
    {
        // It has been answered.
        let _stopped = arrivals.send((Err(why), oneshot::channel().0)).await;
    }
}

/// Returns why a head cannot be read, if that is so. The text holds nothing of the head.
fn unreadable(error: &hyper::Error) -> Option<String> {
    if error.is_parse_too_large() {
        return Some(format!("its head is longer than {HEAD_BYTES_MAX} bytes"));
    }
    if error.is_incomplete_message() {
        return Some("its head is cut off".into());
    }
    error.is_parse().then(|| format!("its head is not HTTP/1.1: {error}"))
}

/// Reads a body to its end. The error says why that is not possible.
async fn read(body: Incoming) -> Result<Bytes, String> {
    let too_long = || format!("its body is longer than {BODY_BYTES_MAX} bytes");
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_long());
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err("its body is cut off".into()),
        Err(_) => Err(format!("its body has not ended within {} s", BODY_TIMEOUT.as_secs())),
    }
}

/// Makes a request of what has come. The length of the body takes the place of its framing.
fn whole(head: &Parts, body: Bytes) -> WholeRequest {
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    let (method, target) = (head.method.to_string(), head.uri.to_string());
    WholeRequest { method, target, version: head.version, headers, body, remark: None }.with_length()
}
