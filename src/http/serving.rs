//! The life of one connection: a handshake where there is TLS, then HTTP/1.1 or HTTP/2 until one side ends it.

use std::{
    convert::Infallible,
    error::Error as _,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{Request, StatusCode, header::CONNECTION},
    response::Response,
};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch};

use super::{
    answer,
    connections::Connection,
    inbound::{Allowance, Inbound},
    server::{Port, fault},
    tls,
};
use crate::{config::Http, error::Error};

/// How long a connection above the limit may take to ask.
const TURNED_AWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// How many requests of one HTTP/2 connection may be in work: the least that RFC 9113 recommends.
const STREAMS_MAX: u32 = 100;
/// How many bytes of bodies an HTTP/2 peer may send ahead, on all its streams together: what arrived and was not read yet is counted nowhere
/// else. It cannot be less.
const WINDOW: u32 = 65_535;
/// How many requests an HTTP/2 peer may take back before they were looked at, and how many streams may be ended from our side. More end the
/// connection (CVE-2023-44487, CVE-2025-8671). h2 ends streams of a correct sender as well, where many are answered at once on a busy machine: with
/// 100 such a connection was cut off now and then.
const RESETS_MAX: usize = 20;
const BROKEN_STREAMS_MAX: usize = 1024;
/// What may wait to be sent on one stream; an answer is smaller.
const SEND_BUFFER_BYTES: usize = 16 << 10;
/// What an HTTP/2 peer may send beside requests: settings, pings, window updates.
const CONTROL_BYTES: usize = 64 << 10;
/// How long an HTTP/2 peer that was told to come again elsewhere may take to end the connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) connection: Arc<Connection>,
    pub(super) peer: IpAddr,
    pub(super) port: Port,
    pub(super) limits: Arc<Http>,
    /// There is no room for it: it hears that and is closed.
    pub(super) full: bool,
    /// Changes when the port stops.
    pub(super) stopping: watch::Receiver<()>,
}

/// Why a connection ended badly, in the closed vocabulary of the metric.
type Ended = Result<(), &'static str>;

impl Accepted {
    /// Serves the connection to its end, and counts how it ended.
    pub(super) async fn serve(mut self, stream: TcpStream) {
        let ended = match self.port.tls() {
            None => self.http1(TokioIo::new(stream)).await,
            Some(tls) => self.shake_hands(tls.accept(stream)).await,
        };
        let reason = if self.full { Some("limit") } else { ended.err() };
        if let Some(reason) = reason {
            fault(self.port.metrics(), reason);
        }
    }

    /// How long the peer may take to ask.
    fn patience(&self) -> Duration {
        if self.full { TURNED_AWAY_TIMEOUT } else { self.limits.header_timeout }
    }

    async fn shake_hands(&mut self, handshake: tokio_rustls::Accept<TcpStream>) -> Ended {
        let handshake = tokio::time::timeout(self.patience(), handshake);
        let stream = tokio::select! {
            biased;
            () = self.connection.dismissed() => return Err("limit"),
            shaken = handshake => shaken.map_err(|_| "header_timeout")?.map_err(|_| "tls")?,
            // Nothing was asked yet.
            _ = self.stopping.changed() => return Ok(()),
        };
        if stream.get_ref().1.alpn_protocol() != Some(tls::HTTP2) {
            return self.http1(TokioIo::new(Inbound::new(stream, None))).await;
        }
        let limits = &self.limits;
        // All heads that may come at once, and with each the double of its body, because frames may be small.
        let heads = limits.max_header_bytes * STREAMS_MAX as usize;
        let allowance = Arc::new(Allowance::new(
            heads + WINDOW as usize + CONTROL_BYTES,
            limits.max_header_bytes + 2 * limits.max_body_bytes,
        ));
        self.http2(TokioIo::new(Inbound::new(stream, Some(Arc::clone(&allowance)))), allowance).await
    }

    async fn http1(&mut self, io: impl Read + Write + Unpin) -> Ended {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience())
            .max_buf_size(self.limits.max_header_bytes)
            .max_headers(self.limits.max_headers)
            // A sender that closes its side behind the request still gets its answer.
            .half_close(true)
            .keep_alive(!self.full);
        let (asked, connection) = (self.asked(), Arc::clone(&self.connection));
        let service = service_fn(move |request| {
            let working = (!asked.full).then(|| connection.begin(None));
            let answered = asked.clone().answer(request);
            async move {
                let response = answered.await;
                drop(working);
                Ok::<_, Infallible>(response)
            }
        });
        let serving = pin!(builder.serve_connection(io, service));
        // hyper itself does not wait longer for a head than it was told.
        self.live(serving, http1::Connection::graceful_shutdown, None).await
    }

    async fn http2(&mut self, io: impl Read + Write + Unpin, allowance: Arc<Allowance>) -> Ended {
        let limits = &self.limits;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(BROKEN_STREAMS_MAX)
            // An idle connection ends by itself; a peer that is gone while it has requests in work is found out by this.
            .keep_alive_interval(limits.header_timeout)
            .keep_alive_timeout(limits.header_timeout);
        let (asked, connection) = (self.asked(), Arc::clone(&self.connection));
        let allowed = Some(Arc::clone(&allowance));
        let service = service_fn(move |request| {
            // Who is turned away is not waited for either.
            let working = (!asked.full).then(|| connection.begin(allowed.clone()));
            let (asked, connection) = (asked.clone(), Arc::clone(&connection));
            async move {
                let mut response = asked.answer_stream(request).await;
                // HTTP/2 has no such header; there it is the connection's GOAWAY.
                if response.headers_mut().remove(CONNECTION).is_some() {
                    connection.finish();
                }
                drop(working);
                Ok::<_, Infallible>(response)
            }
        });
        let serving = pin!(builder.serve_connection(io, service));
        let ended = self.live(serving, http2::Connection::graceful_shutdown, Some(self.patience())).await;
        if allowance.is_spent() { Err("bad_request") } else { ended }
    }

    fn asked(&self) -> Asked {
        Asked { port: self.port.clone(), limits: Arc::clone(&self.limits), peer: self.peer, full: self.full }
    }

    /// Drives the protocol until it ends, or the connection has to. `finish` ends it in order. With `idle`, that long without a request ends it too.
    async fn live<P>(&self, mut protocol: Pin<&mut P>, finish: fn(Pin<&mut P>), idle: Option<Duration>) -> Ended
    where
        P: Future<Output = hyper::Result<()>>,
    {
        let mut stopping = self.stopping.clone();
        let (mut begun, mut finishing, mut timed_out) = (Instant::now(), false, false);
        loop {
            let patience = if finishing { FAREWELL } else { idle.unwrap_or_default() };
            tokio::select! {
                // First, so that no request is begun that would be cut off.
                biased;
                () = self.connection.dismissed() => return Err("limit"),
                result = protocol.as_mut() => return match result {
                    _ if timed_out => Err("header_timeout"),
                    result => result.map_err(|error| classify(&error)),
                },
                _ = stopping.changed(), if !finishing => {}
                () = self.connection.finishing(), if !finishing => {}
                () = self.connection.idle(patience, begun), if idle.is_some() => {
                    if finishing {
                        return if timed_out { Err("header_timeout") } else { Ok(()) };
                    }
                    timed_out = true;
                }
            }
            finish(protocol.as_mut());
            (begun, finishing) = (Instant::now(), true);
        }
    }
}

/// What every request of a connection is answered with.
#[derive(Clone)]
struct Asked {
    port: Port,
    limits: Arc<Http>,
    peer: IpAddr,
    full: bool,
}

impl Asked {
    async fn answer(self, request: Request<Incoming>) -> Response {
        if self.full { answer::refused(&Error::Overloaded, &self.limits) } else { self.port.answer(request, self.peer).await }
    }

    /// The same for HTTP/2, where hyper does not count the fields and a connection does not end with its answer.
    async fn answer_stream(self, request: Request<Incoming>) -> Response {
        if request.headers().len() > self.limits.max_headers {
            fault(self.port.metrics(), "headers_too_large");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return response;
        }
        let full = self.full;
        let mut response = self.answer(request).await;
        if full {
            response.headers_mut().insert(CONNECTION, answer::CLOSE);
        }
        response
    }
}

/// What ended a connection.
fn classify(error: &hyper::Error) -> &'static str {
    // HTTP/2: whatever the peer did beside going away.
    let broken = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(|source| !source.is_io() && !source.is_remote());
    if error.is_parse_too_large() {
        "headers_too_large"
    } else if error.is_timeout() {
        "header_timeout"
    } else if error.is_parse() || broken {
        "bad_request"
    } else {
        "cut_off"
    }
}
