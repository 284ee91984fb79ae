//! The life of one connection: a handshake where there is TLS, HTTP/1.1 until one side ends it, and where an answer was given before the
//! request had come to its end, a while of reading on.

use std::{convert::Infallible, io::ErrorKind, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    http::{Request, header::CONNECTION},
    response::Response,
};
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
    Webhooks, answer,
    connections::{Connection, Stage},
    deliver::handle,
    patience::{Overdue, Patience},
    stream::ConnectionStream,
};
use crate::{
    config::{Http, deadlines::LAST_WORDS},
    metrics::ConnectionFault,
};

/// How long a connection above the limit may take to ask.
const TURNED_AWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a head that has begun may take to its end, once the port stops. A slow sender's needs a round trip or two; one that never ends must
/// not hold up the shutdown.
const LAST_HEAD: Duration = Duration::from_secs(2);

/// How much of what comes after the last answer is thrown away. A proxy that has taken in a whole body sends it to its end, and counts a reset against
/// this replica: so it is more than any proxy lets pass that is set up for webhooks. What it costs is the sender's own bandwidth for `LINGER_TIME`.
const LINGER_BYTES: usize = 16 << 20;
/// For how long in all, and for how long where nothing comes. A round trip around the world is a third of a second.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_SILENCE: Duration = Duration::from_millis(500);
/// So much is read at once.
const LINGER_READ: usize = 16 << 10;

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) connection: Arc<Connection>,
    pub(super) peer: IpAddr,
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) limits: Arc<Http>,
    /// There is no room for it: it hears that and is closed.
    pub(super) full: bool,
    /// Turns true when the port stops.
    pub(super) stopping: watch::Receiver<bool>,
}

/// How a connection ended.
type ServeResult = Result<(), ConnectionFault>;

impl Accepted {
    /// Serves the connection to its end, and counts how it ended.
    pub(super) async fn serve(self, stream: TcpStream) {
        let webhooks = Arc::clone(&self.webhooks);
        let (ended, rest) = match &webhooks.tls {
            None => self.http1(stream, |stream| stream).await,
            Some(tls) => match self.shake_hands(tls.accept(stream)).await {
                Ok(Some(stream)) => self.http1(stream, |stream| stream.into_inner().0).await,
                Ok(None) => (Ok(()), None),
                Err(reason) => (Err(reason), None),
            },
        };
        let reason = if self.full { Some(ConnectionFault::Limit) } else { ended.err() };
        if let Some(reason) = reason {
            webhooks.metrics.connection_fault(reason);
        }
        if let Some(stream) = rest {
            let _lingering = self.connection.linger();
            tokio::select! {
                () = self.connection.dismissed() => {}
                () = linger(&stream) => {}
            }
        }
    }

    /// How long the peer may take for a head or a handshake, and how long it may be silent before.
    fn patience(&self) -> (Duration, Duration) {
        if self.full {
            (TURNED_AWAY_TIMEOUT, TURNED_AWAY_TIMEOUT)
        } else {
            (self.limits.header_timeout, self.limits.idle_timeout)
        }
    }

    /// None where the port stops before anything was asked.
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

    /// What hyper may take and do.
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

    /// Serves requests until one side ends. Where the peer may still be sending what nobody reads, its socket comes back with this side closed.
    async fn http1<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        socket: impl FnOnce(S) -> TcpStream,
    ) -> (ServeResult, Option<TcpStream>) {
        let (context, connection) = (self.request_context(), Arc::clone(&self.connection));
        let service = service_fn(move |request| {
            let connection = Arc::clone(&connection);
            let guard = (!context.full).then(|| connection.begin());
            // In a box, because it would lie twice in the future of every connection, of those that never ask as well.
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
                // First, so that no request is begun that would be cut off.
                biased;
                () = self.connection.dismissed() => return (Err(ConnectionFault::Limit), None),
                result = &mut serving => break result,
                // After what has come was looked at.
                overdue = patience.over(&self.connection), if !silent => match overdue {
                    Overdue::Head => return (Err(ConnectionFault::HeaderTimeout), None),
                    Overdue::Request => silent = true,
                },
                // hyper would wait for the rest of a head for as long as it comes.
                () = &mut stopped, if !finishing => match self.connection.stage() {
                    Stage::Head(_) => return (Err(ConnectionFault::HeaderTimeout), None),
                    Stage::Silent(_) | Stage::Working => finishing = true,
                },
            }
            // In either case what has come is still answered.
            std::pin::Pin::new(&mut serving).graceful_shutdown();
        };
        let ended = result.map_err(|error| classify(&error));
        // A head that is no request is answered too, by hyper. By now the last answer is out and this side of the connection closed.
        let unread = match ended {
            Ok(()) => self.connection.closing(),
            Err(reason) => matches!(reason, ConnectionFault::BadRequest | ConnectionFault::HeadersTooLarge),
        };
        (ended, unread.then(|| socket(serving.into_parts().io.into_inner().stream)))
    }

    /// Ends when the port has stopped, and what was on its way by then has had its time.
    async fn stopped(&self) {
        // The other end goes only after it has said so.
        drop(self.stopping.clone().wait_for(|stopping| *stopping).await);
        // Between requests it is enough that hyper gets to read once more: what had come by then is answered.
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

/// What every request of a connection is answered with.
#[derive(Clone)]
struct RequestContext {
    webhooks: Arc<Webhooks>,
    limits: Arc<Http>,
    peer: IpAddr,
    full: bool,
}

impl RequestContext {
    /// The answer, and whether the request has proven its sender.
    async fn answer(self, request: Request<Incoming>) -> (Response, bool) {
        if self.full { (answer::turned_away(&self.limits), false) } else { handle(self.webhooks, request, self.peer).await }
    }
}

/// What ended a connection.
fn classify(error: &hyper::Error) -> ConnectionFault {
    if error.is_parse_too_large() {
        ConnectionFault::HeadersTooLarge
    } else if error.is_parse() {
        ConnectionFault::BadRequest
    } else {
        ConnectionFault::CutOff
    }
}

/// Throws away what a peer still sends, until it ends or takes too much. To close a socket with something unread in it resets the connection,
/// and the reset overtakes the answer (RFC 9112, section 9.6).
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
