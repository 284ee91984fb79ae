//! The thread that reads the topics back and prints a line for each request.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    kept::History,
    line::{Style, line},
    requests::Requests,
    seen::SeenRequest,
};
use crate::{
    command::{Failure, output::counted, tail::Printer},
    config::Kafka,
    kafka::read::{Read, Start, TopicReader},
};

/// How often the thread looks for requests that are due, and whether it must stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The requests of the session. The webhooks' event loop adds to them, so nobody may hold them while a line is written.
pub(super) type SharedRequests = Arc<Mutex<Requests>>;

/// Returns the requests. A panic elsewhere does not make them unusable.
pub(super) fn locked(requests: &SharedRequests) -> MutexGuard<'_, Requests> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is printed of each request.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    /// Prints the event below its line, where that is wanted.
    pub(super) events: Option<Printer>,
    pub(super) is_terminal: bool,
    pub(super) colour: bool,
    /// Where the page is, which has more of each request.
    pub(super) page: Option<SocketAddr>,
}

impl Screen {
    /// Prints the requests that are due, and puts them where the page finds them.
    pub(super) fn show(&mut self, requests: &SharedRequests, history: &History, now: Instant) {
        let columns = self.is_terminal.then(columns);
        let style = Style { columns, colour: self.colour, page: self.page };
        let mut text = Vec::new();
        let (missed, due): (u64, Vec<Arc<SeenRequest>>) = {
            let mut requests = locked(requests);
            (requests.take_missed(), std::iter::from_fn(|| requests.next_due(now)).map(Arc::new).collect())
        };
        if missed > 0 {
            let _in_memory = writeln!(text, "… {} came too fast to be shown", counted(missed, "request"));
        }
        for request in &due {
            let _in_memory = writeln!(text, "{}", line(request, style));
            if let (Some(printer), Some(record)) = (&mut self.events, &request.record) {
                let _in_memory = printer.print(&mut text, record);
            }
            history.push(Arc::clone(request));
        }
        // A closed output must not stop the daemon.
        let mut out = io::stdout().lock();
        let _closed = out.write_all(&text).and_then(|()| out.flush());
    }
}

/// Returns the columns of the terminal.
fn columns() -> usize {
    rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col.into()).max(80)
}

/// The thread. It ends when this is dropped, before the Kafka that it reads ends.
pub(super) struct Viewer {
    requests: SharedRequests,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Viewer {
    pub(super) fn start(
        kafka: &Kafka,
        topics: &[String],
        requests: &SharedRequests,
        history: &Arc<History>,
        mut screen: Screen,
    ) -> Result<Self, Failure> {
        let mut reader = TopicReader::open(kafka, topics, Start::End)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, shared, history) = (Arc::clone(&stop), Arc::clone(requests), Arc::clone(history));
        let view = move || {
            while !stopped.load(Ordering::Relaxed) {
                match reader.next(LOOK_EVERY) {
                    Ok(Read::Record(stored)) => locked(&shared).stored(stored),
                    Ok(Read::Nothing | Read::CaughtUp) => {}
                    Err(error) => tracing::warn!(error, "cannot read the topics"),
                }
                screen.show(&shared, &history, Instant::now());
            }
        };
        let thread = thread::Builder::new().name("viewer".into()).spawn(view)?;
        Ok(Self { requests: Arc::clone(requests), stop, thread: Some(thread) })
    }

    /// Waits until so many requests were printed, and their events were read back. Returns `false` if that takes too long.
    pub(super) fn wait_for(&self, events: usize, patience: Duration) -> bool {
        let begin = Instant::now();
        let complete = || {
            let requests = locked(&self.requests);
            requests.joined() >= events && requests.number() >= events as u64
        };
        while !complete() && begin.elapsed() < patience {
            thread::sleep(Duration::from_millis(20));
        }
        complete()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
