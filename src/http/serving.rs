//! The life of one connection: a handshake where there is TLS, then HTTP/1.1 until one side ends it.

use std::{convert::Infallible, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use axum::{http::Request, response::Response};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch};

use super::{
    answer,
    connections::Connection,
    inbound::Inbound,
    server::{Port, fault},
};
use crate::{config::Http, error::Error};

/// How long a connection above the limit may take to ask.
const TURNED_AWAY_TIMEOUT: Duration = Duration::from_secs(1);

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
        self.http1(TokioIo::new(Inbound(stream))).await
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
            let working = (!asked.full).then(|| connection.begin());
            let answered = asked.clone().answer(request);
            async move {
                let response = answered.await;
                drop(working);
                Ok::<_, Infallible>(response)
            }
        });
        let mut serving = pin!(builder.serve_connection(io, service));
        let mut stopping = self.stopping.clone();
        let mut finishing = false;
        loop {
            tokio::select! {
                // First, so that no request is begun that would be cut off.
                biased;
                () = self.connection.dismissed() => return Err("limit"),
                result = serving.as_mut() => return result.map_err(|error| classify(&error)),
                _ = stopping.changed(), if !finishing => {
                    serving.as_mut().graceful_shutdown();
                    finishing = true;
                }
            }
        }
    }

    fn asked(&self) -> Asked {
        Asked { port: self.port.clone(), limits: Arc::clone(&self.limits), peer: self.peer, full: self.full }
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
}

/// What ended a connection.
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
