//! What a program that runs the daemon in its own process learns of each request, and of what is none. `hookgate dev` is such a program; in
//! `serve` nobody watches, and nothing here is called.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::http::{HeaderMap, Method, Uri, Version, request::Parts};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::{encode::Encoding, error::Error, event::EventKind, metrics::ConnectionFault};

/// The header of a request that the watching program has made itself. Only a watched daemon looks at it.
pub const SAMPLE_HEADER: &str = "hookgate-sample";
/// The most bytes of a refused body that are read only to be shown.
pub const SHOWN_BYTES_MAX: usize = 256 << 10;

/// Called once for each request that has ended, and for each connection that ended with bytes that are no request. It runs on the thread of the
/// event loop: it must not block.
pub type Watcher = Arc<dyn Fn(&WatchedEnd<'_>) + Send + Sync>;

/// What a watcher learns of.
pub enum WatchedEnd<'a> {
    /// A request has ended.
    Request(EndedRequest<'a>),
    /// What came on a connection is no request.
    NoRequest(NoRequest<'a>),
}

/// What watches the requests of a daemon.
pub struct Watch {
    /// What is called for each end.
    pub watcher: Watcher,
    /// A request with this text in [`SAMPLE_HEADER`] is the program's own: its event is a sample.
    pub sample_key: String,
    /// How samples become records.
    pub samples: Encoding,
}

impl Watch {
    /// Returns whether a request is the program's own.
    pub(super) fn is_sample(&self, headers: &HeaderMap) -> bool {
        headers.get(SAMPLE_HEADER).is_some_and(|value| value.as_bytes() == self.sample_key.as_bytes())
    }
}

/// A request that has ended.
pub struct EndedRequest<'a> {
    /// When the request arrived.
    pub arrived: SystemTime,
    /// How long the answer took.
    pub took: Duration,
    /// The name of the endpoint, if the path names one.
    pub endpoint: Option<&'a str>,
    /// What the request was.
    pub request: &'a WatchedRequest,
    /// How the request ended.
    pub ending: Ending<'a>,
}

/// What came on a connection and is no request, because its head cannot be read or never ended.
pub struct NoRequest<'a> {
    /// When its first byte came, or when that was read which is no head.
    pub arrived: SystemTime,
    /// For how long it came.
    pub took: Duration,
    /// What the metrics count the connection as.
    pub fault: ConnectionFault,
    /// The status of the answer; 0 where there was none.
    pub status: u16,
    /// The bytes that are no head, or those after the head where only a header is wrong. They may hold secrets.
    pub unread: &'a [u8],
    /// What is wrong with them, in words of the HTTP library, which hold nothing of them.
    pub why: Option<String>,
}

/// How a request ended.
pub enum Ending<'a> {
    /// Kafka has acknowledged the event.
    Stored {
        /// The id of the event.
        id: &'a str,
        /// The kind of the event.
        kind: EventKind,
    },
    /// The request was refused.
    Refused(&'a Error),
    /// The sender hung up before the answer.
    Cancelled,
}

/// A request as it came, and when it got where. Its path, its query and its headers may hold tokens.
pub struct WatchedRequest {
    /// The method.
    pub method: Method,
    /// The path and the query.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The headers.
    pub headers: HeaderMap,
    /// Whether the daemon has refused the request by its head, and the body was read only to be shown.
    pub is_body_extra: bool,
    /// Whether the request is the watching program's own.
    pub is_sample: bool,
    /// How long after its beginning the request had its whole body.
    pub read: Option<Duration>,
    /// How long after its beginning the record went to Kafka.
    pub sent: Option<Duration>,
    /// The whole body, once it has been read.
    body: Option<Bytes>,
    /// The first [`SHOWN_BYTES_MAX`] of a body that has not ended.
    begun: BytesMut,
    started: Instant,
}

impl WatchedRequest {
    /// Begins to watch a request.
    pub(super) fn new(head: &Parts, is_sample: bool) -> Self {
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers.clone(),
            is_body_extra: false,
            is_sample,
            read: None,
            sent: None,
            body: None,
            begun: BytesMut::new(),
            started: Instant::now(),
        }
    }

    /// Returns the body, or its first [`SHOWN_BYTES_MAX`] where it was not read to its end; none where nothing of it was read.
    pub fn body(&self) -> Option<&[u8]> {
        let begun = (!self.begun.is_empty()).then_some(&*self.begun);
        self.body.as_deref().or(begun)
    }

    /// Returns whether the body was read to its end.
    pub fn is_body_whole(&self) -> bool {
        self.body.is_some()
    }

    /// Notes that a part of the body has come. Returns `false` where it is not kept, because there is enough to show.
    pub(super) fn has_come(&mut self, part: &[u8]) -> bool {
        let room = SHOWN_BYTES_MAX - self.begun.len();
        self.begun.extend_from_slice(&part[..part.len().min(room)]);
        part.len() <= room
    }

    /// Notes that the daemon has the body.
    pub(super) fn has_read(&mut self, body: &Bytes) {
        self.body = Some(body.clone());
        self.begun = BytesMut::new();
        self.read = Some(self.started.elapsed());
    }

    /// Notes that the record goes to Kafka.
    pub(super) fn is_sending(&mut self) {
        self.sent = Some(self.started.elapsed());
    }

    /// Reads the body of a request that was refused by its head, or its beginning where it is long or slow.
    pub(super) async fn read_refused(&mut self, body: &mut Incoming, timeout: Duration) {
        self.is_body_extra = true;
        let read = async {
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map(|frame| frame.into_data().unwrap_or_default()) else { return false };
                if !self.has_come(&data) {
                    return false;
                }
            }
            true
        };
        if tokio::time::timeout(timeout, read).await == Ok(true) {
            self.body = Some(std::mem::take(&mut self.begun).freeze());
        }
    }
}
