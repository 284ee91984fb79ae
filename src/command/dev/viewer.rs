//! The thread that reads the topics back and prints a line for each request.

use std::{
    io::{self, Write as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    line::{Style, line},
    requests::Requests,
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
}

impl Screen {
    /// Prints the requests that are due.
    pub(super) fn show(&mut self, requests: &SharedRequests, now: Instant) {
        let columns = self.is_terminal.then(columns);
        let style = Style { columns, colour: self.colour };
        let mut text = Vec::new();
        let mut requests = locked(requests);
        let missed = requests.take_missed();
        if missed > 0 {
            let _in_memory = writeln!(text, "… {} came too fast to be shown", counted(missed, "request"));
        }
        while let Some(request) = requests.next_due(now) {
            let _in_memory = writeln!(text, "{}", line(request, style));
            if let (Some(printer), Some(record)) = (&mut self.events, &request.record) {
                let _in_memory = printer.print(&mut text, record);
            }
        }
        drop(requests);
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
        mut screen: Screen,
    ) -> Result<Self, Failure> {
        let mut reader = TopicReader::open(kafka, topics, Start::End)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, shared) = (Arc::clone(&stop), Arc::clone(requests));
        let view = move || {
            while !stopped.load(Ordering::Relaxed) {
                match reader.next(LOOK_EVERY) {
                    Ok(Read::Record(stored)) => locked(&shared).stored(stored),
                    Ok(Read::Nothing | Read::CaughtUp) => {}
                    Err(error) => tracing::warn!(error, "cannot read the topics"),
                }
                screen.show(&shared, Instant::now());
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
