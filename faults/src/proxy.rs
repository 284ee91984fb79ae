//! A TCP proxy that imitates a fault of the network, or, with several targets, a load balancer.

mod kafka;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
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

/// The fault that the network has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Every byte is delayed by this time, in both directions.
    Slow(Duration),
    /// Every byte of an answer is delayed by this time.
    SlowAnswers(Duration),
    /// A connection that was idle for longer than this is forgotten, as address translators and firewalls do. From then on, all its bytes are
    /// dropped in both directions, and neither side is informed.
    Forget(Duration),
    /// Connections stay open and no byte comes through. The bytes come later, because TCP would send them again.
    Stuck,
    /// Connections are closed, and so is every new one.
    Cut,
    /// Brokers say that they do not know this topic.
    Hide(String),
}

/// The protocol that is carried. Kafka's requests and answers are forwarded whole, because the proxy reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    Bytes,
    Kafka,
}

/// A function that returns the target of the next connection.
type Choose = Box<dyn FnMut() -> SocketAddr + Send>;

/// A running proxy. Dropping it ends it and all of its connections.
pub(crate) struct Proxy {
    /// The current fault. When this is dropped, the thread ends.
    mode: Option<watch::Sender<Mode>>,
    thread: Option<JoinHandle<()>>,
    forgotten: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn start(listen: SocketAddr, carries: Carries, mut choose: Choose) -> Result<Self, String> {
        let text = |error: io::Error| format!("the proxy on {listen}: {error}");
        let listener = std::net::TcpListener::bind(listen).map_err(text)?;
        listener.set_nonblocking(true).map_err(text)?;
        let (mode, watched) = watch::channel(Mode::Pass);
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
        let forgotten = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&forgotten);
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                let mut ended = watched.clone();
                loop {
                    tokio::select! {
                        accepted = listener.accept() => if let Ok((client, _)) = accepted {
                            tokio::spawn(connection(client, choose(), carries, watched.clone(), Memory::new(&count)));
                        },
                        // This fails only if the sender has ended with its proxy.
                        changed = ended.changed() => if changed.is_err() { return },
                    }
                }
            });
        });
        Ok(Self { mode: Some(mode), thread: Some(thread), forgotten })
    }

    /// Returns how many connections the proxy has forgotten that were still used.
    pub(crate) fn forgotten(&self) -> usize {
        self.forgotten.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, mode: &Mode) {
        if let Some(sender) = &self.mode {
            sender.send_replace(mode.clone());
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

/// What the network remembers of one connection.
#[derive(Clone)]
struct Memory {
    /// The time of the last byte, or `None` if the connection is forgotten.
    seen: Arc<Mutex<Option<Instant>>>,
    forgotten: Arc<AtomicUsize>,
}

impl Memory {
    fn new(forgotten: &Arc<AtomicUsize>) -> Self {
        Self { seen: Arc::new(Mutex::new(Some(Instant::now()))), forgotten: Arc::clone(forgotten) }
    }

    /// Records that bytes came. Returns whether they are forwarded.
    fn passes(&self, mode: &Mode) -> bool {
        let mut seen = self.seen.lock().expect("no thread panics while it holds the lock");
        let Some(last) = *seen else { return false };
        *seen = Some(Instant::now());
        if matches!(mode, Mode::Forget(patience) if last.elapsed() > *patience) {
            *seen = None;
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        seen.is_some()
    }

    fn is_forgotten(&self) -> bool {
        self.seen.lock().expect("no thread panics while it holds the lock").is_none()
    }
}

/// The direction of bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

async fn connection(client: TcpStream, target: SocketAddr, carries: Carries, mode: watch::Receiver<Mode>, memory: Memory) {
    let both = async {
        if *mode.borrow() == Mode::Cut {
            return Ok(());
        }
        let server = TcpStream::connect(target).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let there = pump(from_client, to_server, carries, Way::There, mode.clone(), memory.clone());
        tokio::try_join!(there, pump(from_server, to_client, carries, Way::Back, mode.clone(), memory)).map(drop)
    };
    let mut cut = mode.clone();
    tokio::select! {
        // An error of either side closes both sides.
        _ended = both => {}
        _cut = cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

/// Carries bytes in one direction.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    carries: Carries,
    way: Way,
    mut mode: watch::Receiver<Mode>,
    memory: Memory,
) -> io::Result<()> {
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let now = mode.clone();
    let read = async move {
        let mut arrived = Vec::new();
        loop {
            arrived.reserve(16 * 1024);
            if from.read_buf(&mut arrived).await? == 0 {
                if memory.is_forgotten() {
                    // The network does not forward the end of a forgotten connection either.
                    std::future::pending::<()>().await;
                }
                return Ok(());
            }
            if !memory.passes(&now.borrow()) {
                arrived.clear();
                continue;
            }
            let whole = if carries == Carries::Kafka { kafka::whole(&arrived) } else { arrived.len() };
            let rest = arrived.split_off(whole);
            let mut bytes = std::mem::replace(&mut arrived, rest);
            let delay = match &*now.borrow() {
                Mode::Slow(delay) => *delay,
                Mode::SlowAnswers(delay) if way == Way::Back => *delay,
                Mode::Hide(topic) => {
                    match way {
                        Way::There => kafka::hide(&mut bytes, topic),
                        Way::Back => kafka::unhide(&mut bytes, topic),
                    }
                    Duration::ZERO
                }
                Mode::SlowAnswers(_) | Mode::Forget(_) | Mode::Pass | Mode::Stuck | Mode::Cut => Duration::ZERO,
            };
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
            // This fails only if the proxy has ended, and the connection with it.
            let _gone = mode.wait_for(|mode| *mode != Mode::Stuck).await.map(drop);
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}
