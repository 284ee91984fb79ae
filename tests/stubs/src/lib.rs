//! Stand-ins for the APIs of FileSpin, FileSafety, Frame.io and Uploadcare. They follow what the providers document, so that a client that
//! asks wrongly gets what it would get there. They have no code in common with Hookgate.
//!
//! One server has all four: their paths differ. A test fills the books, switches faults on, and looks at what was asked.

mod control;
pub mod faults;
pub mod filesafety;
pub mod filespin;
pub mod frameio;
mod http;
pub mod make;
pub mod time;
pub mod uploadcare;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender},
    },
    thread,
};

pub use http::{Fault, Reply, Request};

/// Everything that the server knows.
#[derive(Debug, Default)]
pub struct Books {
    /// Uploadcare's project.
    pub uploadcare: uploadcare::Project,
    /// FileSafety's account.
    pub filesafety: filesafety::Account,
    /// Frame.io's account.
    pub frameio: frameio::Account,
    /// FileSpin's account.
    pub filespin: filespin::Account,
    /// What goes wrong with the next requests, one each, in this order; a request for which `None` comes up is answered as usual.
    pub faults: Vec<Option<Fault>>,
    /// What goes wrong with the next requests to one provider, after those faults.
    pub faults_of: Vec<(Provider, Fault)>,
    /// The requests so far: method and target.
    pub log: Vec<String>,
    /// The names of the headers of those requests, as they were sent.
    pub header_names: Vec<Vec<String>>,
    /// What `make` has made.
    pub happened: Vec<make::Happened>,
    /// Who does something before each answer: gets what it drops when it has done it.
    watcher: Option<Sender<Sender<()>>>,
}

/// Whose API a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Uploadcare.
    Uploadcare,
    /// Frame.io, and Adobe's tokens for it.
    Frameio,
    /// FileSpin.
    Filespin,
    /// FileSafety.
    Filesafety,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Uploadcare, Self::Frameio, Self::Filespin, Self::Filesafety];

    /// Returns the name, as Hookgate's configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uploadcare => "uploadcare",
            Self::Frameio => "frameio",
            Self::Filespin => "filespin",
            Self::Filesafety => "filesafety",
        }
    }

    /// Returns the provider of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Returns whose API has this path.
    fn of_path(path: &str) -> Option<Self> {
        let starts = |starts: &[&str]| starts.iter().any(|start| path.starts_with(start));
        match path {
            _ if starts(&["/files/", "/webhooks/"]) => Some(Self::Uploadcare),
            _ if starts(&["/ims/", "/v4/"]) => Some(Self::Frameio),
            _ if starts(&["/v1/"]) => Some(Self::Filesafety),
            _ if starts(&["/api/v1/"]) => Some(Self::Filespin),
            _ => None,
        }
    }
}

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub struct Stub {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    stopping: Arc<AtomicBool>,
}

impl Stub {
    /// Starts a server on a free port of this machine.
    ///
    /// # Panics
    ///
    /// Panics if there is no free port.
    pub fn start() -> Self {
        Self::listen("127.0.0.1:0").expect("a free port")
    }

    /// Starts a server at an address of this machine.
    ///
    /// # Errors
    ///
    /// Fails if nothing can listen there.
    pub fn listen(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (books, stopping) = (Arc::<Mutex<Books>>::default(), Arc::<AtomicBool>::default());
        let (shared, stop) = (Arc::clone(&books), Arc::clone(&stopping));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || http::serve(stream, |request| answer(&shared, request)));
            }
        });
        Ok(Self { address, books, stopping })
    }

    /// Returns the base URL of all four APIs.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the books, which no request sees while they are held.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does some work, and before each request of this time is answered, calls a function with the request's number, counted from 1.
    pub fn before_answers<T>(&self, mut act: impl FnMut(usize) + Send, work: impl FnOnce() -> T) -> T {
        let (watcher, requests) = mpsc::channel();
        self.books().watcher = Some(watcher);
        thread::scope(|scope| {
            let _watched = Watched(self);
            scope.spawn(move || (1..).zip(requests).for_each(|(number, _dropped_when_done)| act(number)));
            work()
        })
    }

    /// Returns the targets of the requests so far, and forgets them.
    pub fn asked(&self) -> Vec<String> {
        self.books().header_names.clear();
        std::mem::take(&mut self.books().log)
    }
}

/// Ends the watch over requests, also where the work panics.
struct Watched<'a>(&'a Stub);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.books().watcher = None;
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // The listener waits for a connection.
        let _ended = std::net::TcpStream::connect(self.address);
    }
}

fn answer(books: &Mutex<Books>, request: &Request) -> Reply {
    if request.path.starts_with("/_stub/") {
        return control::answer(books, request);
    }
    let watcher = books.lock().unwrap_or_else(PoisonError::into_inner).watcher.clone();
    if let Some(watcher) = watcher {
        let (dropped, done) = mpsc::channel();
        // One that has ended lets every request go.
        let _ended = watcher.send(dropped);
        let _done = done.recv();
    }
    let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
    books.log.push(format!("{} {}", request.method, request.target));
    books.header_names.push(request.headers.iter().map(|(name, _)| name.clone()).collect());
    let provider = Provider::of_path(&request.path);
    let fault = if books.faults.is_empty() {
        let place = books.faults_of.iter().position(|(it, _)| Some(*it) == provider);
        place.map(|place| books.faults_of.remove(place).1)
    } else {
        books.faults.remove(0)
    };
    if let Some(Fault::Instead(reply)) = fault {
        return *reply;
    }
    let host = request.header("host").unwrap_or_default().to_owned();
    let reply = match provider {
        Some(Provider::Uploadcare) if request.path.starts_with("/webhooks/") => books.uploadcare.answer_webhooks(request),
        Some(Provider::Uploadcare) => books.uploadcare.answer(request, &host),
        Some(Provider::Frameio) => books.frameio.answer(request),
        Some(Provider::Filesafety) => books.filesafety.answer(request),
        Some(Provider::Filespin) => books.filespin.answer(request),
        None => Reply::json(404, &serde_json::json!({ "detail": "Not found." })),
    };
    Reply { fault, ..reply }
}

#[cfg(test)]
mod tests;
