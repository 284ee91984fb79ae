//! The life of one connection: a TLS handshake where TLS is configured, then HTTP/1.1 until one side ends it. After an answer that was
//! given before the end of its request, the connection reads on for a while.

use std::{convert::Infallible, io::ErrorKind, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    http::{Request, header::CONNECTION},
    response::Response,
};
use bytes::Bytes;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::Instant,
};
use tokio_rustls::server::TlsStream;

use super::{
    NoRequest, Watch, WatchedEnd, Webhooks, answer,
    connections::{Connection, Stage},
    deliver::handle,
    patience::{Overdue, Patience},
    stream::ConnectionStream,
};
use crate::{
    config::{Http, deadlines::LAST_WORDS},
    metrics::ConnectionFault,
};

/// How long a connection beyond the limit may take to send its request.
const TURNED_AWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a head that has begun may still take once the port stops. The head of a slow sender needs a round trip or two; one that never
/// ends must not delay the shutdown.
const LAST_HEAD: Duration = Duration::from_secs(2);

/// How many bytes are thrown away after the last answer. A proxy that has buffered a whole body sends all of it, and counts a reset against
/// this replica: so this is more than any proxy accepts that is set up for webhooks. The sender only spends its own bandwidth, for
/// `LINGER_TIME`.
const LINGER_BYTES: usize = 16 << 20;
/// How long a connection lingers at most. A round trip around the world is a third of a second.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// How long a connection lingers while nothing comes.
const LINGER_SILENCE: Duration = Duration::from_millis(500);
/// How many bytes are read at once.
const LINGER_READ: usize = 16 << 10;

/// An accepted connection, with everything that serves it.
pub(super) struct Accepted {
    pub(super) connection: Arc<Connection>,
    pub(super) peer: IpAddr,
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) limits: Arc<Http>,
    /// Whether the connection is beyond the limit: then it gets an answer that says so, and is closed.
    pub(super) full: bool,
    /// The value turns true when the port stops.
    pub(super) stopping: watch::Receiver<bool>,
}

/// How a connection ended.
type ServeResult = Result<(), ConnectionFault>;

/// How the requests of a connection ended.
struct Served {
    ended: ServeResult,
    /// The socket, with this side closed, where the peer may still be sending bytes that nobody reads.
    rest: Option<TcpStream>,
    /// The bytes that are no head, and why.
    unread: Option<(Bytes, hyper::Error)>,
}

impl From<ServeResult> for Served {
    fn from(ended: ServeResult) -> Self {
        Self { ended, rest: None, unread: None }
    }
}

impl Accepted {
    /// Serves the connection to its end, and counts how it ended.
    pub(super) async fn serve(self, stream: TcpStream) {
        let webhooks = Arc::clone(&self.webhooks);
        let Served { ended, rest, unread } = match &webhooks.tls {
            None => self.http1(stream, |stream| stream).await,
            Some(tls) => match self.shake_hands(tls.accept(stream)).await {
                Ok(Some(stream)) => self.http1(stream, |stream| stream.into_inner().0).await,
                Ok(None) => Ok(()).into(),
                Err(reason) => Err(reason).into(),
            },
        };
        self.count(ended, unread.as_ref());
        // The bytes are not held while the connection lingers.
        drop(unread);
        if let Some(stream) = rest {
            let _lingering = self.connection.linger();
            tokio::select! {
                () = self.connection.dismissed() => {}
                () = linger(&stream) => {}
            }
        }
    }

    /// Counts how the connection ended.
    fn count(&self, ended: ServeResult, unread: Option<&(Bytes, hyper::Error)>) {
        let Some(fault) = (if self.full { Some(ConnectionFault::Limit) } else { ended.err() }) else { return };
        self.webhooks.metrics.connection_fault(fault);
        if let Some(watch) = &self.webhooks.watch {
            let status = match (fault, unread) {
                (ConnectionFault::BadRequest, Some((_, error))) if !error.is_parse_version_h2() => 400,
                (ConnectionFault::HeadersTooLarge, _) => 431,
                (ConnectionFault::Limit, _) if ended.is_ok() => 503,
                _ => 0,
            };
            self.show(watch, fault, status, unread);
        }
    }

    /// Shows the watcher what came on the connection and is no request, if something did.
    fn show(&self, watch: &Watch, fault: ConnectionFault, status: u16, unread: Option<&(Bytes, hyper::Error)>) {
        let since = match self.connection.stage() {
            // After the last answer, only the rest of its request comes.
            Stage::Head(since) if self.full || !self.connection.closing() => Some(since),
            _ => None,
        };
        if since.is_none() && unread.is_none() {
            return;
        }
        let (now, took) = ((self.webhooks.clock)(), since.map_or(Duration::ZERO, |since| since.elapsed()));
        (watch.watcher)(&WatchedEnd::NoRequest(NoRequest {
            arrived: now.checked_sub(took).unwrap_or(now),
            took,
            fault,
            status,
            unread: unread.map(|(bytes, _)| &**bytes).unwrap_or_default(),
            why: unread.map(|(_, error)| error.to_string()),
        }));
    }

    /// Returns how long the peer may take for a head or a handshake, and how long it may be silent before that.
    fn patience(&self) -> (Duration, Duration) {
        if self.full {
            (TURNED_AWAY_TIMEOUT, TURNED_AWAY_TIMEOUT)
        } else {
            (self.limits.header_timeout, self.limits.idle_timeout)
        }
    }

    /// Performs the TLS handshake. Returns `None` if the port stops before it ends.
    async fn shake_hands(
        &self,
        handshake: tokio_rustls::Accept<TcpStream>,
    ) -> Result<Option<TlsStream<TcpStream>>, ConnectionFault> {
        let handshake = tokio::time::timeout(self.patience().0, handshake);
        tokio::select! {
            biased;
            () = self.connection.dismissed() => Err(ConnectionFault::Limit),
            shaken = handshake => shaken.map_err(|_| ConnectionFault::HeaderTimeout)?.map_err(|_| ConnectionFault::Tls).map(Some),
            () = self.stopped() => Ok(None),
        }
    }

    /// Returns the settings and limits of hyper.
    fn builder(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            // hyper has one timeout for a head and for the silence before it; `Patience` has one for each.
            .header_read_timeout(None)
            .max_buf_size(self.limits.max_header_bytes)
            .max_headers(self.limits.max_headers)
            // A sender that closes its side after the request still gets its answer.
            .half_close(true)
            .keep_alive(!self.full);
        builder
    }

    /// Serves requests until one side ends the connection.
    async fn http1<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, socket: impl FnOnce(S) -> TcpStream) -> Served {
        let (context, connection) = (self.request_context(), Arc::clone(&self.connection));
        let service = service_fn(move |request| {
            let connection = Arc::clone(&connection);
            let guard = (!context.full).then(|| connection.begin());
            // The future is boxed: else every connection, also one that never sends a request, would hold room for it twice.
            let answered = Box::pin(context.clone().answer(request));
            async move {
                let (response, proven) = answered.await;
                if proven {
                    connection.prove();
                }
                if response.headers().get(CONNECTION) == Some(&answer::CLOSE) {
                    connection.close();
                }
                drop(guard);
                Ok::<_, Infallible>(response)
            }
        });
        let stream = ConnectionStream { stream, connection: Arc::clone(&self.connection) };
        let mut serving = self.builder().serve_connection(TokioIo::new(stream), service);
        let (head, silence) = self.patience();
        let mut patience = Patience::new(head, silence);
        let mut stopped = std::pin::pin!(self.stopped());
        let (mut finishing, mut silent) = (false, false);
        let result = loop {
            tokio::select! {
                // The eviction comes first, so that no request begins that would be cut off.
                biased;
                () = self.connection.dismissed() => return Err(ConnectionFault::Limit).into(),
                result = &mut serving => break result,
                // The patience comes after the bytes that have come were read.
                overdue = patience.over(&self.connection), if !silent => match overdue {
                    Overdue::Head => return Err(ConnectionFault::HeaderTimeout).into(),
                    Overdue::Request => silent = true,
                },
                // hyper itself would wait without a limit for the rest of a head.
                () = &mut stopped, if !finishing => match self.connection.stage() {
                    Stage::Head(_) => return Err(ConnectionFault::HeaderTimeout).into(),
                    Stage::Silent(_) | Stage::Working => finishing = true,
                },
            }
            // In both cases requests that have come are still answered.
            std::pin::Pin::new(&mut serving).graceful_shutdown();
        };
        let ended = result.as_ref().map_or_else(|error| Err(classify(error)), |()| Ok(()));
        // hyper also answers a head that is not a request. By now the last answer is out, and this side of the connection is closed.
        let is_unread = match ended {
            Ok(()) => self.connection.closing(),
            Err(reason) => matches!(reason, ConnectionFault::BadRequest | ConnectionFault::HeadersTooLarge),
        };
        let parts = is_unread.then(|| serving.into_parts());
        let (rest, bytes) = parts.map(|it| (socket(it.io.into_inner().stream), it.read_buf)).unzip();
        Served { ended, rest, unread: bytes.zip(result.err()) }
    }

    /// Waits until the port has stopped and requests that were on their way have had their time to come.
    async fn stopped(&self) {
        // The sender is dropped only after it has sent `true`, so an error means the same.
        drop(self.stopping.clone().wait_for(|stopping| *stopping).await);
        // Between two requests it is enough that hyper reads once more: requests that have come by then are answered.
        let words = if self.connection.has_asked() { Duration::from_millis(1) } else { LAST_WORDS };
        tokio::time::sleep(words).await;
        if let Stage::Head(_) = self.connection.stage() {
            tokio::time::sleep(LAST_HEAD).await;
        }
    }

    fn request_context(&self) -> RequestContext {
        RequestContext {
            webhooks: Arc::clone(&self.webhooks),
            limits: Arc::clone(&self.limits),
            peer: self.peer,
            full: self.full,
        }
    }
}

/// Everything that answering a request on this connection needs.
#[derive(Clone)]
struct RequestContext {
    webhooks: Arc<Webhooks>,
    limits: Arc<Http>,
    peer: IpAddr,
    full: bool,
}

impl RequestContext {
    /// Returns the answer, and whether the request has proven its sender.
    async fn answer(self, request: Request<Incoming>) -> (Response, bool) {
        if self.full { (answer::turned_away(&self.limits), false) } else { handle(self.webhooks, request, self.peer).await }
    }
}

/// Returns the fault that ended a connection.
fn classify(error: &hyper::Error) -> ConnectionFault {
    if error.is_parse_too_large() {
        ConnectionFault::HeadersTooLarge
    } else if error.is_parse() {
        ConnectionFault::BadRequest
    } else {
        ConnectionFault::CutOff
    }
}

/// Throws away what a peer still sends, until the peer closes or a limit is reached. Closing a socket that has unread bytes resets the
/// connection, and the reset overtakes the answer (RFC 9112, section 9.6).
async fn linger(stream: &TcpStream) {
    let (end, mut left) = (Instant::now() + LINGER_TIME, LINGER_BYTES);
    while left > 0 {
        let silence = end.min(Instant::now() + LINGER_SILENCE);
        let Ok(Ok(())) = tokio::time::timeout_at(silence, stream.readable()).await else { return };
        match stream.try_read(&mut [0; LINGER_READ]) {
            Ok(0) => return,
            Ok(bytes) => left = left.saturating_sub(bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
