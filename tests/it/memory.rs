//! The memory ceiling that `hookgate check` prints is above the memory of a process that reaches every limit at once.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use hookgate::{
    admin::server::CONNECTIONS_MAX,
    config::{
        self, Config,
        deadlines::{Ceiling, memory_ceiling},
    },
    kafka::mock::Mock,
};
use tokio_rustls::rustls::ClientConfig;

use crate::{
    binary::Folder,
    forks,
    harness::{SECRETS, environment, fixture, hmac_hex, request, secret, topics, wait_until},
    tls,
};

const KIB: usize = 1 << 10;

/// The limits that a run reaches, with sizes in bytes.
struct Limits {
    connections: usize,
    head: usize,
    body: usize,
    in_flight: usize,
    queue: usize,
    tls: bool,
}

/// Returns a configuration with one endpoint, whose provider waits long enough for an answer, and two topics, of which each may have half
/// of the queue. No timeout ends anything before the peak is measured.
fn configuration(limits: &Limits, brokers: &str, folder: &Folder) -> String {
    let Limits { connections, head, body, in_flight, queue, .. } = limits;
    let record = body + 64 * KIB;
    let tls = if limits.tls { tls::table(folder) } else { String::new() };
    format!(
        "[kafka]\nbrokers = [\"{brokers}\"]\nqueue_bytes = {queue}\npublish_timeout = \"56s\"\nmessage_timeout = \"50s\"\n\
         socket_timeout = \"45s\"\n[http]\nlisten = \"127.0.0.1:0\"\nmax_connections = {connections}\nmax_in_flight = {connections}\nmax_header_bytes = {head}\n\
         max_body_bytes = {body}\nmax_in_flight_bytes = {in_flight}\nheader_timeout = \"10m\"\nbody_timeout = \"55s\"\n\
         answer_deadline = \"58s\"\n{tls}[admin]\nlisten = \"127.0.0.1:0\"\nscrape_max_age = \"0s\"\n[shutdown]\ndrain = \"58s\"\ngrace = \"90s\"\n\
         [topics]\nmax_message_bytes = {record}\n[topics.map]\n\"uploadcare.*\" = \"files\"\n\
         [endpoints.uploadcare]\nprovider = \"uploadcare\"\nsecrets = [\"env:UPLOADCARE\"]\n"
    )
}

/// A process whose log is not read any more once it listens.
struct Deaf {
    child: Child,
    webhooks: SocketAddr,
    admin: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    _log: BufReader<std::process::ChildStderr>,
}

impl Deaf {
    fn start(file: &str, tls: Option<Arc<ClientConfig>>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        command.args(["serve", "--config", file]).env_clear().envs(SECRETS.iter().copied());
        let mut child = forks::spawn(command.stdin(Stdio::null()).stderr(Stdio::piped())).unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("\"listening\"") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the process has ended");
        }
        let listening: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| listening[name].as_str().unwrap().parse().unwrap();
        Self { webhooks: address("webhooks"), admin: address("admin"), child, tls, _log: log }
    }

    /// Returns a value of the process's memory in the kernel's status file, in bytes.
    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Returns the value of a metric, by its name with its labels.
    fn metric(&self, name: &str) -> Option<u64> {
        let text = request(self.admin, "GET", "/metrics", &[], b"").body;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    fn wait_for(&self, name: &str, enough: impl Fn(u64) -> bool) {
        wait_until(name, || self.metric(name).is_some_and(&enough));
    }

    /// Opens a connection and sends these parts on it. The daemon may have no room for it.
    fn send(&self, parts: &[&[u8]]) -> Box<dyn std::any::Any> {
        match &self.tls {
            None => {
                let mut stream = TcpStream::connect(self.webhooks).unwrap();
                stream.set_nodelay(true).unwrap();
                let _gone = parts.iter().try_for_each(|part| stream.write_all(part));
                Box::new(stream)
            }
            Some(config) => {
                let Ok(mut stream) = tls::shake(self.webhooks, config) else { return Box::new(()) };
                let _gone = parts.iter().try_for_each(|part| stream.write_all(part).and_then(|()| stream.flush()));
                // A TLS record that does not end takes memory, too.
                let _gone = stream.sock.write_all(&[&[0x17, 3, 3, 0x40, 0][..], &[0; 16_000]].concat());
                Box::new(stream)
            }
        }
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Returns a head of nearly that many bytes, without its end. It has many headers, which take more memory than their text.
fn head(bytes: usize, length: usize, proof: &str) -> Vec<u8> {
    let mut head =
        format!("POST /webhooks/uploadcare HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\nx-uc-signature: v1={proof}\r\n");
    let value = "v".repeat((bytes - KIB) / 90);
    let mut number = 0;
    while head.len() + value.len() + 16 < bytes {
        write!(head, "x-{number:02}: {value}\r\n").unwrap();
        number += 1;
    }
    head.into_bytes()
}

/// Returns a whole delivery of a proven sender, with a head of nearly that many bytes.
fn delivery(head_bytes: usize, body: &[u8]) -> Vec<u8> {
    let proof = hmac_hex(secret("UPLOADCARE"), &[body]);
    [head(head_bytes, body.len(), &proof), b"\r\n".to_vec(), body.to_vec()].concat()
}

/// Sends requests that are refused, each with a line for the log, until the queue of the log is full.
fn fill_log(daemon: &Deaf) {
    const REFUSALS: usize = 10_500;
    let mut asking = TcpStream::connect(daemon.webhooks).unwrap();
    let mut answers = asking.try_clone().unwrap();
    let reading = thread::spawn(move || {
        let (mut seen, mut chunk) = (0, [0; 16 * KIB]);
        while seen < REFUSALS {
            let length = answers.read(&mut chunk).unwrap();
            assert_ne!(length, 0, "closed after {seen} answers");
            seen += chunk[..length].windows(8).filter(|it| it == b"HTTP/1.1").count();
        }
    });
    let _enough = asking.write_all(&b"GET /nobody HTTP/1.1\r\nhost: a\r\n\r\n".repeat(REFUSALS + 500));
    reading.join().unwrap();
}

/// Reaches every limit and holds everything until the peak is read. Returns the peak, in bytes.
fn drive(daemon: &Deaf, limits: &Limits) -> u64 {
    let Limits { connections, head: head_bytes, body, in_flight, queue, .. } = *limits;
    let (head_bytes, mut held) = (head_bytes - 200, Vec::new());
    // Records that wait for Kafka fill the producer's queue: small records, which take more memory than their bytes, and large ones.
    let small = delivery(head_bytes, &fixture("uploadcare/guide_file.uploaded_v0.7.json"));
    // Each of the two topics may hold half of the queue.
    let filler = "x".repeat(body - KIB);
    let (broken, unknown) =
        (delivery(head_bytes, filler.as_bytes()), delivery(head_bytes, format!("{{\"x\":\"{filler}\"}}").as_bytes()));
    for _ in 0..queue / body / 2 {
        held.extend([&broken, &unknown, &small].map(|whole| daemon.send(&[whole])));
    }
    daemon.wait_for("hookgate_in_flight_deliveries", |deliveries| deliveries >= (queue / body) as u64);
    // Bodies that do not end are sent in pieces.
    let begun = [head(head_bytes, body, &"0".repeat(64)), b"\r\n".to_vec()].concat();
    let part = vec![b'x'; body - 1];
    for _ in 0..in_flight / body {
        held.push(daemon.send(&[&begun, &part[..body / 3], &part[body / 3..]]));
    }
    daemon.wait_for("hookgate_in_flight_bytes", |bytes| bytes >= in_flight as u64 * 3 / 4);
    // Heads that do not end take the other connections, and then the places of those that have waited for longest.
    let begun = head(head_bytes, 1, "");
    for _ in held.len()..connections + 64 {
        held.push(daemon.send(&[&begun[..head_bytes / 3], &begun[head_bytes / 3..]]));
    }
    daemon.wait_for("hookgate_connections", |open| open >= connections as u64);
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(daemon.admin).unwrap();
        stream.write_all(&head(16 * KIB - 200, 1, "")).unwrap();
        held.push(Box::new(stream));
    }
    // The last body is the one whose JSON takes the most memory to read.
    let (costly, read) = (
        format!("{{{}\"b\":{{}}}}", "\"a\":{},".repeat((body - 16) / 7)),
        "hookgate_body_bytes_total{endpoint=\"uploadcare\",provider=\"uploadcare\"}",
    );
    let before = daemon.metric(read).unwrap();
    held.push(daemon.send(&[&delivery(head_bytes, costly.as_bytes())]));
    daemon.wait_for(read, |bytes| bytes >= before + costly.len() as u64);
    daemon.memory("VmHWM")
}

fn check(limits: &Limits) {
    rlimit::increase_nofile_limit(8192).unwrap();
    let (folder, pair) = (Folder::new(), tls::pair());
    pair.write(&folder);
    let read =
        |text: &str| -> Config { config::parse(text, "a", &environment(), &[]).unwrap_or_else(|problems| panic!("{problems}")) };
    let mock = Mock::start(&topics(&read(&configuration(limits, "127.0.0.1:1", &folder)))).unwrap();
    let text = configuration(limits, mock.brokers(), &folder);
    let ceiling = memory_ceiling(&read(&text));
    let client = limits.tls.then(|| tls::client(&[&pair], tls::BOTH, &["http/1.1"]));
    let daemon = Deaf::start(&folder.write("hookgate.toml", &text), client);
    daemon.wait_for("hookgate_ready", |ready| ready == 1);
    daemon.wait_for("hookgate_topics_missing", |missing| missing == 0);
    let idle = daemon.memory("VmRSS");
    mock.run(|cluster| cluster.broker_round_trip_time(1, Duration::from_secs(100)).unwrap()).unwrap();
    if !limits.tls {
        fill_log(&daemon);
    }
    let (taken, allowed) = (drive(&daemon, limits) - idle, ceiling.total - part(&ceiling, "process"));
    assert!(taken <= allowed, "{taken} bytes beside {idle} of an idle process, {allowed} allowed: {ceiling}");
    // Connections above the limit cannot all be open at once, because some make room for others.
    let connections = part(&ceiling, "connections") + if limits.tls { part(&ceiling, "TLS") } else { 0 };
    let beside = connections * 512 / (limits.connections as u64 + 512);
    assert!(taken * 2 >= allowed - beside, "the limits were not reached: {taken} bytes of {allowed}: {ceiling}");
}

fn part(ceiling: &Ceiling, name: &str) -> u64 {
    ceiling.parts.iter().find_map(|(it, bytes)| (*it == name).then_some(*bytes)).unwrap()
}

#[test]
fn the_ceiling_holds_with_large_heads() {
    check(&Limits { connections: 256, head: 64 * KIB, body: 256 * KIB, in_flight: 8 << 20, queue: 8 << 20, tls: false });
}

#[test]
fn the_ceiling_holds_with_many_connections() {
    check(&Limits { connections: 2048, head: 16 * KIB, body: 64 * KIB, in_flight: 4 << 20, queue: 4 << 20, tls: false });
}

#[test]
fn the_ceiling_holds_with_tls() {
    check(&Limits { connections: 512, head: 16 * KIB, body: 64 * KIB, in_flight: 4 << 20, queue: 4 << 20, tls: true });
}
