//! A collector of spans in a few lines of HTTP. It keeps what it is sent, also on connections that it does not answer.

use std::{
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;

use crate::{harness::assert_discreet, request_reader::take_request, tls};

/// A status that makes the collector never answer.
pub const HANGS: u16 = 0;

/// A running collector.
pub struct Collector {
    address: SocketAddr,
    scheme: &'static str,
    status: Arc<AtomicU16>,
    exports: Arc<Mutex<Vec<Export>>>,
}

/// One request with spans.
#[derive(Clone)]
pub struct Export {
    pub head: String,
    pub request: ExportTraceServiceRequest,
}

impl Collector {
    pub fn start() -> Self {
        Self::of("http", |stream| stream)
    }

    /// Starts a collector that speaks only TLS.
    pub fn encrypted(pair: &tls::Pair) -> Self {
        let config = tls::server(pair);
        Self::of("https", move |stream| tls::serve(stream, &config))
    }

    fn of<S: Read + Write + Send + 'static>(scheme: &'static str, open: impl Fn(TcpStream) -> S + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self { address, scheme, status: Arc::new(200.into()), exports: Arc::default() };
        let (status, exports) = (Arc::clone(&collector.status), Arc::clone(&collector.exports));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, exports) = (Arc::clone(&status), Arc::clone(&exports));
                let mut reader = BufReader::new(open(stream));
                thread::spawn(move || while answer(&mut reader, &status, &exports).is_some() {});
            }
        });
        collector
    }

    /// Returns the table of the configuration with its address. It has a host name for TLS, because the certificates of the tests name that.
    pub fn table(&self, keys: &str) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("[tracing]\nendpoint = \"{}://{host}:{}\"\n{keys}", self.scheme, self.address.port())
    }

    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap().clone()
    }

    pub fn spans(&self) -> Vec<Span> {
        let resources = self.exports().into_iter().flat_map(|export| export.request.resource_spans);
        resources.flat_map(|it| it.scope_spans).flat_map(|it| it.spans).collect()
    }

    /// Returns the only span of a kind.
    pub fn span(&self, kind: SpanKind) -> Span {
        let found: Vec<Span> = self.spans().into_iter().filter(|span| span.kind() == kind).collect();
        assert_eq!(found.len(), 1, "{kind:?}: {found:?}");
        found.into_iter().next().unwrap()
    }
}

/// Reads one request of a connection and answers it. `None` is the end of the connection.
fn answer<S: Read + Write>(reader: &mut BufReader<S>, status: &AtomicU16, exports: &Mutex<Vec<Export>>) -> Option<()> {
    let (head, body) = take_request(reader)?;
    // Only the body is searched for secrets, because the head contains the credentials of the exporter.
    assert_discreet("an export", &String::from_utf8_lossy(&body));
    exports
        .lock()
        .unwrap()
        .push(Export { head: head.to_lowercase(), request: ExportTraceServiceRequest::decode(&body[..]).ok()? });
    let status = status.load(Ordering::Relaxed);
    if status == HANGS {
        loop {
            thread::park();
        }
    }
    let head = "content-type: application/x-protobuf\r\ncontent-length: 0";
    let answer = format!("HTTP/1.1 {status} chosen\r\n{head}\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes()).ok()?;
    reader.get_mut().flush().ok()
}
