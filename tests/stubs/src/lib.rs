//! Stand-ins for the APIs of FileSpin, FileSafety, Frame.io and Uploadcare. They follow what the providers document, so that a client that
//! asks wrongly gets what it would get there. They have no code in common with Hookgate.
//!
//! One server has all four: their paths differ. A test fills the books, switches faults on, and looks at what was asked.

pub mod filesafety;
pub mod filespin;
pub mod frameio;
mod http;
pub mod time;
pub mod uploadcare;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
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
    /// The requests so far: method and target.
    pub log: Vec<String>,
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
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
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
        Self { address, books, stopping }
    }

    /// Returns the base URL of all four APIs.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the books, which no request sees while they are held.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the targets of the requests so far, and forgets them.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.books().log)
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
    let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
    books.log.push(format!("{} {}", request.method, request.target));
    let fault = if books.faults.is_empty() { None } else { books.faults.remove(0) };
    if let Some(Fault::Instead(reply)) = fault {
        return *reply;
    }
    let host = request.header("host").unwrap_or_default().to_owned();
    let reply = match request.path.as_str() {
        path if path.starts_with("/files/") => books.uploadcare.answer(request, &host),
        path if path.starts_with("/ims/") || path.starts_with("/v4/") => books.frameio.answer(request),
        path if path.starts_with("/v1/") => books.filesafety.answer(request),
        path if path.starts_with("/api/v1/") => books.filespin.answer(request),
        _ => Reply::json(404, &serde_json::json!({ "detail": "Not found." })),
    };
    Reply { fault, ..reply }
}
