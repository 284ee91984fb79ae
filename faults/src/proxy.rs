//! A TCP proxy: with a fault of the network's in it, or, with several targets, a load balancer.

use std::{
    io,
    net::SocketAddr,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime,
    sync::{mpsc, watch},
    time::sleep_until,
};

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Every byte comes so much later, in both directions.
    Slow(Duration),
    /// Connections stay open and nothing comes through; it comes later, as TCP would send it again.
    Stuck,
    /// Connections are closed, and so is every new one.
    Cut,
}

/// Where the next connection goes.
type Choose = Box<dyn FnMut() -> SocketAddr + Send>;

/// A running proxy. Dropping it ends it and all of its connections.
pub(crate) struct Proxy {
    /// Without it the thread ends.
    mode: Option<watch::Sender<Mode>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    pub(crate) fn start(listen: SocketAddr, mut choose: Choose) -> Result<Self, String> {
        let text = |error: io::Error| format!("the proxy on {listen}: {error}");
        let listener = std::net::TcpListener::bind(listen).map_err(text)?;
        listener.set_nonblocking(true).map_err(text)?;
        let (mode, watched) = watch::channel(Mode::Pass);
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                let mut ended = watched.clone();
                loop {
                    tokio::select! {
                        accepted = listener.accept() => if let Ok((client, _)) = accepted {
                            tokio::spawn(connection(client, choose(), watched.clone()));
                        },
                        // It fails only where the sender is gone with its proxy.
                        changed = ended.changed() => if changed.is_err() { return },
                    }
                }
            });
        });
        Ok(Self { mode: Some(mode), thread: Some(thread) })
    }

    pub(crate) fn set(&self, mode: Mode) {
        if let Some(sender) = &self.mode {
            sender.send_replace(mode);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.mode = None;
        // The next proxy may listen on the same port.
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

async fn connection(client: TcpStream, target: SocketAddr, mode: watch::Receiver<Mode>) {
    let both = async {
        if *mode.borrow() == Mode::Cut {
            return Ok(());
        }
        let server = TcpStream::connect(target).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let there = pump(from_client, to_server, mode.clone());
        tokio::try_join!(there, pump(from_server, to_client, mode.clone())).map(drop)
    };
    let mut cut = mode.clone();
    tokio::select! {
        // Either side's error ends both, by closing them.
        _ended = both => {}
        _cut = cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

/// Carries bytes in one direction.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<Mode>) -> io::Result<()> {
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let delays = mode.clone();
    let read = async move {
        loop {
            let mut bytes = Vec::with_capacity(16 * 1024);
            if from.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            let delay = if let Mode::Slow(delay) = *delays.borrow() { delay } else { Duration::ZERO };
            if queue.send((Instant::now() + delay, bytes)).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = queued.recv().await {
            if due > Instant::now() {
                sleep_until(due.into()).await;
            }
            // It fails only where the proxy is gone, and the connection with it.
            let _gone = mode.wait_for(|mode| *mode != Mode::Stuck).await.map(drop);
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}
