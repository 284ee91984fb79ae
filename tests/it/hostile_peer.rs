//! A hostile server: the daemon or a command sends it a request, and it answers wrongly.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::forks;

/// The filler of hostile answers.
pub const FILL: &[u8] = &[b'a'; 4096];

/// Writes one answer. It returns an error when the client has gone, which ends an endless answer.
pub type Script = fn(&mut Wire) -> io::Result<()>;

/// A connection, the number of bytes written to its client, and the address to which a redirect would lead.
pub struct Wire {
    pub stream: TcpStream,
    pub written: usize,
    pub trap: SocketAddr,
}

impl Wire {
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.written += bytes.as_ref().len();
        self.stream.write_all(bytes.as_ref())
    }

    /// Writes the same bytes until the client goes.
    pub fn repeat(&mut self, bytes: &[u8]) -> io::Result<()> {
        loop {
            self.say(bytes)?;
        }
    }

    /// Writes single bytes for as long as the client waits.
    pub fn drip(&mut self) -> io::Result<()> {
        loop {
            self.say("a")?;
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A server that answers every request with one script.
pub struct Hostile {
    pub address: SocketAddr,
    pub requests: Arc<Mutex<Vec<String>>>,
    /// The most bytes that were written to one connection.
    pub written: Arc<AtomicUsize>,
}

impl Hostile {
    pub fn start(trap: SocketAddr, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (requests, written) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let hostile =
            Self { address: listener.local_addr().unwrap(), requests: Arc::clone(&requests), written: Arc::clone(&written) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, written) = (Arc::clone(&requests), Arc::clone(&written));
                thread::spawn(move || {
                    let mut wire = Wire { stream, written: 0, trap };
                    let Some(head) = head(&mut wire.stream) else { return };
                    requests.lock().unwrap().push(head);
                    let _gone = script(&mut wire);
                    written.fetch_max(wire.written, Ordering::SeqCst);
                });
            }
        });
        hostile
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads a request to its end and returns its head, in lower case.
pub fn head(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut chunk).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&chunk[..length]);
        let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        // A request without a body has no length.
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let body: usize = length.map_or(Some(0), |length| length.parse().ok())?;
        if bytes.len() >= end + 4 + body {
            return Some(head);
        }
    }
}

/// Returns 256 MiB of zeros, compressed with gzip.
pub fn bomb() -> &'static [u8] {
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    BOMB.get_or_init(|| {
        let packed = forks::output(Command::new("sh").args(["-c", "head -c 268435456 /dev/zero | gzip -1"])).unwrap().stdout;
        assert!((100_000..4 << 20).contains(&packed.len()), "no gzip: {} bytes", packed.len());
        packed
    })
}

pub fn coded(wire: &mut Wire, coding: &str, body: &[u8]) -> io::Result<()> {
    wire.say(format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n", body.len()))?;
    wire.say(body)
}

pub fn redirect(wire: &mut Wire, status: u16) -> io::Result<()> {
    let trap = wire.trap;
    wire.say(format!("HTTP/1.1 {status} X\r\nlocation: http://{trap}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
}

pub fn whole(wire: &mut Wire, head: &str, body: &[u8]) -> io::Result<()> {
    wire.say(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()))?;
    wire.say(body)
}
