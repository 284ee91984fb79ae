//! The senders: a steady rate of deliveries that does not depend on the answers, with the retries of each provider, and floods in addition.
//! Every attempt is recorded.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime,
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::delivery::{self, Provider, Secrets};

/// The number of connections that are kept open. While answers are slow, each waiting delivery opens one more.
const CONNECTIONS: usize = 32;
/// The longest time that any sender waits for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The first number of a flood's deliveries, higher than any number of a steady load.
pub(crate) const FLOOD_FROM: u64 = 1 << 32;
/// One in this number of a flood's deliveries stops in the middle of its body.
const HALF_EVERY: u64 = 64;
/// How long a stopped delivery waits for an answer: shorter than the daemon's own patience with a body, 3 s.
const HALF_PATIENCE: Duration = Duration::from_secs(2);

/// How long a connection of a noise waits after a refusal. The noise must use up the room of its endpoint, but not the processor, which
/// brokers and daemon share here.
const NOISE_PAUSE: Duration = Duration::from_millis(200);

/// The kind of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// This number of deliveries a second of all providers, whatever the answers are, each with the retries of its provider.
    Steady(u32),
    /// This number of deliveries a second, without retries. Some stop in the middle of the body and go on only if no answer comes.
    Flood(u32),
    /// One provider's deliveries on this number of connections; each connection sends the next one when the last one is answered.
    Noise(Provider, u64),
}

/// One request and its outcome.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u64,
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
    /// For a delivery that stopped in the middle of its body: whether the answer came there.
    pub(crate) half: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200 with this id.
    Stored(String),
    /// 503 with `Retry-After`.
    Refused,
    /// Any other answer, also a 503 without `Retry-After` or a 200 without an id.
    Other(u16),
    /// No answer, and why.
    Silent(String),
}

impl Attempt {
    pub(crate) fn ended(&self) -> Instant {
        self.begun + self.took
    }
}

/// A running load.
pub(crate) struct Load {
    attempts: Arc<Mutex<Vec<Attempt>>>,
    stop: Arc<AtomicBool>,
    stall_ms: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts the senders. While `quiet` is set, they start no delivery.
    pub(crate) fn start(address: SocketAddr, secrets: Secrets, kind: Kind, quiet: Arc<AtomicBool>) -> Self {
        let (attempts, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (written, stopped) = (Arc::clone(&attempts), Arc::clone(&stop));
        let stall_ms = Arc::new(AtomicU64::new(0));
        let stalled = Arc::clone(&stall_ms);
        let thread = thread::spawn(move || {
            let senders = Rc::new(Senders { address, secrets, kept: Kept::new(address, CONNECTIONS), attempts: written });
            let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
            let work = async {
                let switches = Switches { stop: &stopped, quiet: &quiet };
                match kind {
                    Kind::Steady(rate) => send(rate, 0, switches, &stalled, |it| Rc::clone(&senders).deliver(it)).await,
                    Kind::Flood(rate) => send(rate, FLOOD_FROM, switches, &stalled, |it| Rc::clone(&senders).flood(it)).await,
                    Kind::Noise(provider, connections) => senders.noise(provider, connections, Arc::clone(&stopped)).await,
                }
            };
            LocalSet::new().block_on(&runtime, work);
        });
        Self { attempts, stop, stall_ms, thread: Some(thread) }
    }

    /// Returns the attempts up to now.
    pub(crate) fn attempts(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.attempts.lock().expect("no thread panics while it holds the lock")
    }

    /// Returns the longest time that a delivery was sent late, because this machine had no time for the senders.
    pub(crate) fn stall(&self) -> Duration {
        Duration::from_millis(self.stall_ms.load(Ordering::Relaxed))
    }

    /// Starts no further delivery, waits until each is stored or given up, and returns the attempts.
    pub(crate) fn finish(mut self) -> Result<Vec<Attempt>, String> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| "the senders have panicked")?;
        }
        Ok(std::mem::take(&mut *self.attempts()))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Senders {
    address: SocketAddr,
    secrets: Secrets,
    kept: Kept,
    attempts: Arc<Mutex<Vec<Attempt>>>,
}

/// What a scenario may do to its senders.
#[derive(Clone, Copy)]
struct Switches<'a> {
    stop: &'a AtomicBool,
    quiet: &'a AtomicBool,
}

/// Starts this number of deliveries a second, numbered from `next`, until `stop` is set; then waits for the end of the last one. Deliveries
/// that were left out while it was quiet are not sent later.
async fn send<F: Future<Output = ()> + 'static>(
    rate: u32,
    mut next: u64,
    switches: Switches<'_>,
    stall_ms: &AtomicU64,
    deliver: impl Fn(u64) -> F,
) {
    let (mut begin, mut sent, mut deliveries) = (Instant::now(), 0_u64, JoinSet::new());
    let mut tick = interval(Duration::from_millis(5));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !switches.stop.load(Ordering::Relaxed) {
        let due = tick.tick().await;
        stall_ms.fetch_max(u64::try_from(due.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if switches.quiet.load(Ordering::Relaxed) {
            (begin, sent) = (Instant::now(), 0);
        }
        while u128::from(sent) < begin.elapsed().as_millis() * u128::from(rate) / 1000 {
            deliveries.spawn_local(deliver(next));
            (next, sent) = (next + 1, sent + 1);
        }
        while deliveries.try_join_next().is_some() {}
    }
    while deliveries.join_next().await.is_some() {}
}

impl Senders {
    /// Sends one delivery until it is stored or its provider gives up.
    async fn deliver(self: Rc<Self>, number: u64) {
        for attempts in 1.. {
            let stored = self.attempt(number, false).await;
            match Provider::of(number).pause(attempts) {
                Some(pause) if !stored => sleep(pause).await,
                _ => return,
            }
        }
    }

    /// Sends one delivery of a flood.
    async fn flood(self: Rc<Self>, number: u64) {
        let half = (number / 4).is_multiple_of(HALF_EVERY);
        self.attempt(number, half).await;
    }

    /// Runs all connections of a noise until `stop` is set.
    async fn noise(self: Rc<Self>, provider: Provider, connections: u64, stop: Arc<AtomicBool>) {
        // Every fourth number belongs to this provider.
        let next = Rc::new(Cell::new(FLOOD_FROM + provider as u64));
        let mut senders = JoinSet::new();
        for _ in 0..connections {
            let (this, next, stop) = (Rc::clone(&self), Rc::clone(&next), Arc::clone(&stop));
            senders.spawn_local(async move {
                while !stop.load(Ordering::Relaxed) {
                    if !this.attempt(next.replace(next.get() + 4), false).await {
                        sleep(NOISE_PAUSE).await;
                    }
                }
            });
        }
        while senders.join_next().await.is_some() {}
    }

    /// Makes one attempt and records it. Returns whether the delivery was stored.
    async fn attempt(&self, number: u64, half: bool) -> bool {
        let request = delivery::request(number, &self.secrets);
        let begun = Instant::now();
        let answered_early = Cell::new(None);
        let exchange =
            async { if half { self.exchange_half(&request, &answered_early).await } else { self.kept.exchange(&request).await } };
        let outcome = match timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => answer.outcome(),
            Ok(Err(error)) => Outcome::Silent(error.kind().to_string()),
            Err(_) => Outcome::Silent("no answer in time".into()),
        };
        let stored = matches!(outcome, Outcome::Stored(_));
        let attempt = Attempt { number, begun, took: begun.elapsed(), outcome, half: answered_early.get() };
        self.attempts.lock().expect("no thread panics while it holds the lock").push(attempt);
        stored
    }

    /// Stops in the middle of the body to see whether a refusal comes without the rest of it. An answer ends the attempt.
    async fn exchange_half(&self, request: &[u8], answered_early: &Cell<Option<bool>>) -> io::Result<Answer> {
        let body = request.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |end| end + 4);
        let (first, second) = request.split_at(usize::midpoint(body, request.len()));
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(first).await?;
        if let Ok(answer) = timeout(HALF_PATIENCE, read_answer(&mut stream)).await {
            answered_early.set(Some(true));
            return answer;
        }
        answered_early.set(Some(false));
        stream.write_all(second).await?;
        read_answer(&mut stream).await
    }
}

/// Connections that are kept open, up to a limit. The one that has been idle longest is used first, so that none is idle for long.
pub(crate) struct Kept {
    address: SocketAddr,
    most: usize,
    idle: RefCell<VecDeque<TcpStream>>,
}

impl Kept {
    pub(crate) fn new(address: SocketAddr, most: usize) -> Self {
        Self { address, most, idle: RefCell::default() }
    }

    /// Opens all connections.
    pub(crate) async fn open(&self) {
        for _ in 0..self.most {
            // A connection that cannot be opened now is opened when it is needed.
            let connected = TcpStream::connect(self.address).await;
            self.idle.borrow_mut().extend(connected);
        }
    }

    /// Sends one request over a kept connection or a new one. Keeps the connection afterwards if there is room.
    pub(crate) async fn exchange(&self, request: &[u8]) -> io::Result<Answer> {
        let mut stream = match self.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        let answer = exchange(&mut stream, request).await?;
        let mut idle = self.idle.borrow_mut();
        if !answer.closes && idle.len() < self.most {
            idle.push_back(stream);
        }
        Ok(answer)
    }

    /// Returns a kept connection that the other side has not closed, as far as this side can see.
    fn take(&self) -> Option<TcpStream> {
        let mut idle = self.idle.borrow_mut();
        while let Some(stream) = idle.pop_front() {
            if stream.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                return Some(stream);
            }
        }
        None
    }
}

/// Sends one request and reads its answer.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<Answer> {
    stream.set_nodelay(true)?;
    stream.write_all(request).await?;
    read_answer(stream).await
}

/// The parts of an answer that are needed.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) closes: bool,
    pub(crate) retry_after: bool,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn outcome(&self) -> Outcome {
        let id = || serde_json::from_slice::<serde_json::Value>(&self.body).ok()?.get("id")?.as_str().map(str::to_owned);
        match (self.status, id()) {
            (200, Some(id)) => Outcome::Stored(id),
            (503, _) if self.retry_after => Outcome::Refused,
            (status, _) => Outcome::Other(status),
        }
    }
}

/// Reads one answer with a body of a stated length, as all of Hookgate's are.
async fn read_answer(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        let (Some(status), Some(length)) = (status, length) else { return Err(io::ErrorKind::InvalidData.into()) };
        if bytes.len() >= end + 4 + length {
            let closes = header("connection").is_some_and(|it| it == "close");
            let retry_after = header("retry-after").is_some_and(|it| it.parse::<u32>().is_ok());
            return Ok(Answer { status, closes, retry_after, body: bytes.split_off(end + 4) });
        }
    }
}
