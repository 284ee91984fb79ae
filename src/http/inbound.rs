//! What comes in over TLS: its end, and with HTTP/2 how much of it serves no request.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much a peer may still send. Frames that cost a few bytes and much work (settings, pings, priorities, empty data) are bounded by it as
/// well as frames that nobody has thought of.
pub(super) struct Allowance {
    /// While no request is in work.
    idle: i64,
    /// For each request that begins.
    request: i64,
    left: AtomicI64,
}

impl Allowance {
    /// What a peer may send while none of its requests is in work, and for each that begins, in bytes.
    pub(super) fn new(idle: usize, request: usize) -> Self {
        let wide = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX / 2);
        Self { idle: wide(idle), request: wide(request), left: AtomicI64::new(wide(idle)) }
    }

    /// A request begins.
    pub(super) fn begin(&self) {
        self.left.fetch_add(self.request, Ordering::Relaxed);
    }

    /// The last of its requests has ended.
    pub(super) fn rest(&self) {
        self.left.store(self.idle, Ordering::Relaxed);
    }

    fn spend(&self, bytes: usize) {
        self.left.fetch_sub(i64::try_from(bytes).unwrap_or(i64::MAX / 2), Ordering::Relaxed);
    }

    /// Whether the peer has sent more.
    pub(super) fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) < 0
    }
}

/// A stream whose inbound side is watched.
pub(super) struct Inbound<S> {
    stream: S,
    /// With HTTP/1.1 there is none: its head and its body have their own limits, and there is nothing else.
    allowance: Option<Arc<Allowance>>,
}

impl<S> Inbound<S> {
    pub(super) fn new(stream: S, allowance: Option<Arc<Allowance>>) -> Self {
        Self { stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Inbound<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = std::task::ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if let Some(allowance) = &self.allowance {
            allowance.spend(buffer.filled().len() - before);
            if allowance.is_spent() {
                return Poll::Ready(Err(io::Error::other("more than the peer may send")));
            }
        }
        Poll::Ready(match result {
            // Many a sender ends its side without telling so in TLS. Whether it had said everything is for HTTP to see: both versions frame what
            // they carry.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            result => result,
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Inbound<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}
