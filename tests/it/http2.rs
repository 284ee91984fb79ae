//! HTTP/2 over TLS: a correct sender, and hostile ones that write their frames by hand.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::http::Request;
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::{net::TcpStream, runtime::Runtime};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, version::TLS13},
};

use crate::{
    binary::{Folder, Process},
    harness::{Answer, Daemon, request, wait_until},
    life::{mock, serve_configuration},
    limits::{PATIENCE, body, wait_for_faults},
    table::Ask,
    tls::{self, Stream, client, shake},
};

/// A connection of a correct sender.
pub struct Client {
    runtime: Runtime,
    send: SendRequest<Bytes>,
}

impl Client {
    pub fn connect(to: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        let send = runtime.block_on(async move {
            let tcp = TcpStream::connect(to).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
            // So many until the peer has told its limit: without this the library has none until then, and what is too much is refused.
            let (send, connection) = Builder::new().initial_max_send_streams(100).handshake(stream).await.unwrap();
            tokio::spawn(connection);
            send
        });
        Self { runtime, send }
    }

    pub fn deliver(&mut self, ask: &Ask) -> Answer {
        self.try_deliver(ask).unwrap()
    }

    pub fn try_deliver(&mut self, ask: &Ask) -> Result<Answer, h2::Error> {
        let answer = exchange(self.send.clone(), ask.clone());
        self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap() })
    }

    /// Several at once; the statuses in their order.
    pub fn deliver_all(&mut self, asks: &[Ask]) -> Vec<u16> {
        let send = self.send.clone();
        self.runtime.block_on(async {
            let all: Vec<_> = asks.iter().map(|ask| tokio::spawn(exchange(send.clone(), ask.clone()))).collect();
            let mut statuses = Vec::new();
            for one in all {
                statuses.push(one.await.unwrap().unwrap().status);
            }
            statuses
        })
    }
}

async fn exchange(send: SendRequest<Bytes>, ask: Ask) -> Result<Answer, h2::Error> {
    let mut request = Request::builder().method(ask.method).uri(format!("https://localhost{}", ask.path));
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let request = request.header("content-length", ask.body.len()).body(()).unwrap();
    let (answer, mut stream) = send.ready().await?.send_request(request, ask.body.is_empty())?;
    if !ask.body.is_empty() {
        // A refusal need not wait for its body.
        let _refused = stream.send_data(Bytes::from(ask.body), true);
    }
    let (head, mut body) = answer.await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Ok(Answer { status: head.status.as_u16(), headers: headers.collect(), body: String::from_utf8(bytes).unwrap() })
}

/// One request on a connection of its own.
pub fn deliver(to: SocketAddr, config: &Arc<ClientConfig>, ask: &Ask) -> Answer {
    Client::connect(to, config).deliver(ask)
}

#[test]
fn one_connection_carries_many_deliveries_at_once() {
    let (daemon, pair, _folder) = tls::daemon("max_connections = 1");
    let config = client(&[&pair], &[&TLS13], &["h2"]);
    let mut client = Client::connect(daemon.webhooks, &config);
    let asks = ["filesafety", "uploadcare"].map(|endpoint| Ask::signed(endpoint, &body(3000)));
    let many: Vec<Ask> = asks.iter().cloned().cycle().take(250).collect();
    assert_eq!(client.deliver_all(&many), vec![200; 250]);
    // The largest body, in as many windows as it takes.
    assert_eq!(client.deliver(&Ask::signed("filesafety", &body(700 << 10))).status, 200);
}

/// A connection whose requests are in work does not wait, whatever became of others on it; one whose requests are over does.
#[test]
fn only_a_connection_without_a_request_makes_room() {
    let (daemon, pair, _folder) = tls::daemon("max_connections = 1");
    let config = client(&[&pair], &[&TLS13], &["h2"]);
    let ask = Ask::signed("filesafety", &body(100));
    let mut first = Client::connect(daemon.webhooks, &config);
    assert_eq!(first.deliver(&ask).status, 200);
    daemon.slow(Duration::from_millis(700));
    thread::scope(|scope| {
        let begun = scope.spawn(|| {
            // The second is refused at once; the first one is still in work then.
            let forged = Ask::post("/webhooks/filesafety?token=x", vec![], b"{}");
            first.deliver_all(&[ask.clone(), forged])
        });
        wait_until("in work", || daemon.metric("hookgate_in_flight_deliveries") == Some(1.0));
        let refused = deliver(daemon.webhooks, &config, &ask);
        assert_eq!((refused.status, refused.label().as_str()), (503, "overloaded"));
        assert_eq!(begun.join().unwrap(), [200, 401]);
    });
    wait_for_faults(&daemon, "limit", 1);
    daemon.slow(Duration::ZERO);
    // Now it is idle, and makes room.
    assert_eq!(deliver(daemon.webhooks, &config, &ask).status, 200);
    assert!(first.try_deliver(&ask).is_err(), "it had to go");
    wait_for_faults(&daemon, "limit", 2);
}

/// With HTTP/2 a refused body ends nothing but its stream. At the limit of connections that would make no room.
#[test]
fn a_slow_body_gives_its_connection_up() {
    let (daemon, pair, _folder) = tls::daemon("max_connections = 1\nbody_timeout = \"3.9s\"");
    let config = client(&[&pair], &[&TLS13], &["h2"]);
    let mut slow = Hostile::connect(&daemon, &config);
    slow.begin(&Ask::signed("uploadcare", &body(1000)), false);
    thread::sleep(PATIENCE + Duration::from_millis(100));
    let begin = Instant::now();
    let ask = Ask::signed("filesafety", &body(100));
    while deliver(daemon.webhooks, &config, &ask).status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(3), "shut out");
    }
    assert_eq!(slow.ended(), Some(0), "told to go, in order");
}

/// A proxy's connection carries other senders' streams, which must not pay for one of them.
#[test]
fn a_slow_body_behind_a_trusted_proxy_ends_its_stream_alone() {
    let slow = |trusted: &str| {
        let (daemon, pair, folder) = tls::daemon(&format!("trusted_proxies = [{trusted}]\nbody_timeout = \"20ms\""));
        let mut connection = Hostile::connect(&daemon, &client(&[&pair], &[&TLS13], &["h2"]));
        connection.begin(&Ask::signed("uploadcare", &body(1000)), false);
        (daemon, connection, folder)
    };
    let (_daemon, mut stranger, _folder) = slow("");
    assert_eq!(stranger.ended(), Some(0), "told to go, in order");
    let (_daemon, mut proxy, _folder) = slow("\"127.0.0.1\"");
    for _ in 0..2 {
        let answered = std::iter::from_fn(|| proxy.next()).find(|(kind, _)| [HEADERS, GOAWAY].contains(kind));
        assert_eq!(answered.map(|(kind, _)| kind), Some(HEADERS), "an answer, and the connection goes on");
        proxy.begin(&Ask::post("/webhooks/filesafety?token=x", vec![], b""), true);
    }
}

#[test]
fn a_shutdown_lets_streams_finish_and_begins_no_other() {
    let (daemon, pair, _folder) = tls::daemon("");
    let config = client(&[&pair], &[&TLS13], &["h2"]);
    let ask = Ask::signed("filesafety", &body(100));
    let (to, in_flight) = (daemon.webhooks, |daemon: &Daemon| daemon.metric("hookgate_in_flight_deliveries"));
    let mut idle = Client::connect(to, &config);
    // The producer asks for all that it needs to know now, and not when each question takes half a second.
    assert_eq!(idle.deliver(&ask).status, 200);
    daemon.slow(Duration::from_millis(500));
    let delivery = thread::spawn(move || Client::connect(to, &config).deliver_all(&[ask.clone(), ask]));
    wait_until("in work", || in_flight(&daemon) == Some(2.0));
    let ending = daemon.stop();
    assert_eq!((ending.cut_off, ending.unflushed), (0, 0));
    assert_eq!(delivery.join().unwrap(), [200, 200]);
    drop(idle);
}

/// A sender that writes its frames by hand.
struct Hostile {
    stream: Stream,
    last: u32,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields without compression, names in full. No text is longer than 126 bytes.
fn fields(ask: &Ask) -> Vec<u8> {
    let pseudo = [(":method", ask.method), (":scheme", "https"), (":authority", "localhost"), (":path", &ask.path)];
    let named = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    pseudo.into_iter().chain(named).flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

impl Hostile {
    fn connect(daemon: &Daemon, config: &Arc<ClientConfig>) -> Self {
        Self::to(daemon.webhooks, config)
    }

    fn to(to: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut stream = shake(to, config).unwrap();
        stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat()).unwrap();
        Self { stream, last: 0 }
    }

    /// The frame that begins a request.
    fn head(&mut self, ask: &Ask, ends: bool) -> Vec<u8> {
        self.last = if self.last == 0 { 1 } else { self.last + 2 };
        frame(HEADERS, END_HEADERS | if ends { END_STREAM } else { 0 }, self.last, &fields(ask))
    }

    fn begin(&mut self, ask: &Ask, ends: bool) {
        let frame = self.head(ask, ends);
        self.stream.write_all(&frame).unwrap();
    }

    /// Writes until the other side takes no more of it; whether it did so.
    fn flood(&mut self, mut bytes: impl FnMut(&mut Self) -> Vec<u8>, most: usize) -> bool {
        let mut written = 0;
        while written < most {
            let next = bytes(self);
            if self.stream.write_all(&next).and_then(|()| self.stream.flush()).is_err() {
                return true;
            }
            written += next.len();
        }
        false
    }

    /// The kind and the payload of the next frame; none where the connection has ended.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some((head[3], payload))
    }

    /// The code of the last GOAWAY before the connection ends; none where it ends without.
    fn ended(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some((kind, payload)) = self.next() {
            if kind == GOAWAY {
                code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
            }
        }
        code
    }
}

/// What a hostile sender writes again and again.
type Attack = fn(&mut Hostile) -> Vec<u8>;

fn rapid_reset(hostile: &mut Hostile) -> Vec<u8> {
    let ask = Ask::signed("uploadcare", &body(1000));
    let pair = |_| [hostile.head(&ask, false), frame(RST_STREAM, 0, hostile.last, &8_u32.to_be_bytes())].concat();
    (0..50).flat_map(pair).collect()
}

fn settings(_: &mut Hostile) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[]).repeat(1000)
}

fn pings(_: &mut Hostile) -> Vec<u8> {
    frame(PING, 0, 0, &[7; 8]).repeat(1000)
}

/// The first fragment of a head and then one empty or small one after the other, without an end.
fn continuations(hostile: &mut Hostile) -> Vec<u8> {
    let fragment = [vec![0, 1, b'x', 100], vec![b'x'; 100]].concat();
    if hostile.last == 0 {
        hostile.last = 1;
        return frame(HEADERS, 0, 1, &fields(&Ask::signed("filesafety", b"")));
    }
    frame(CONTINUATION, 0, 1, &fragment).repeat(100)
}

fn empty_continuations(hostile: &mut Hostile) -> Vec<u8> {
    if hostile.last == 0 { continuations(hostile) } else { frame(CONTINUATION, 0, 1, &[]).repeat(100) }
}

/// A body of no bytes that does not end.
fn empty_data(hostile: &mut Hostile) -> Vec<u8> {
    let ask = Ask::signed("uploadcare", &body(1000));
    let begin = if hostile.last == 0 { hostile.head(&ask, false) } else { Vec::new() };
    [begin, frame(DATA, 0, 1, &[]).repeat(1000)].concat()
}

/// Each flood ends its connection, from several senders at once. A correct sender beside them is answered 200 in time, and memory stays.
#[test]
fn floods_of_frames() {
    let (folder, mock, pair) = (Folder::new(), mock(), tls::pair());
    pair.write(&folder);
    folder.write("hookgate.toml", serve_configuration(mock.brokers(), &tls::table(&folder)));
    let process = Process::spawn(&folder, &["serve"]);
    let (webhooks, admin) = process.addresses();
    wait_until("ready", || request(admin, "GET", "/readyz", &[], b"").status == 200);
    let config = client(&[&pair], &[&TLS13], &["h2"]);
    let metric = |name: &str| -> f64 {
        let text = request(admin, "GET", "/metrics", &[], b"").body;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
    };
    let ask = Ask::signed("uploadcare", &body(15 << 10));
    assert_eq!(deliver(webhooks, &config, &ask).status, 200);
    let before = metric("process_resident_memory_bytes ");
    let attacks: [(&str, Attack); 6] = [
        ("rapid reset", rapid_reset),
        ("settings", settings),
        ("pings", pings),
        ("continuations", continuations),
        ("empty continuations", empty_continuations),
        ("empty data", empty_data),
    ];
    for (what, attack) in attacks {
        let (stop, slowest) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let correct = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    let answer = deliver(webhooks, &config, &ask);
                    assert_eq!(answer.status, 200, "beside {what}: {answer:?}");
                    slowest.fetch_max(usize::try_from(begin.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
                }
            });
            let one = || {
                for _ in 0..3 {
                    assert!(Hostile::to(webhooks, &config).flood(attack, 16 << 20), "{what} goes on");
                }
            };
            let hostile: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            for it in hostile {
                it.join().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            correct.join().unwrap();
        });
        assert!(slowest.load(Ordering::Relaxed) < 5000, "beside {what}: {slowest:?} ms");
    }
    wait_until("all are closed", || metric("hookgate_connections ") < 1.0);
    assert!(metric("hookgate_connection_faults_total{reason=\"bad_request\"}") > 60.0);
    let grown = metric("process_resident_memory_bytes ") - before;
    assert!(grown < f64::from(32 << 20), "grown by {grown} bytes");
}

/// What a flood is not: as many pings, settings and resets as a busy sender has.
#[test]
fn a_busy_sender_is_no_flood() {
    let (daemon, pair, _folder) = tls::daemon("");
    let mut busy = Hostile::connect(&daemon, &client(&[&pair], &[&TLS13], &["h2"]));
    let ask = Ask::signed("uploadcare", &body(1000));
    for _ in 0..100 {
        let reset = [busy.head(&ask, false), frame(RST_STREAM, 0, busy.last, &8_u32.to_be_bytes())].concat();
        let others = [frame(PING, 0, 0, &[7; 8]).repeat(10), frame(SETTINGS, 0, 0, &[])].concat();
        busy.stream.write_all(&[reset, others].concat()).unwrap();
        // Each is looked at before the next one comes, because its answer is waited for.
        let begun = busy.head(&Ask::post("/webhooks/nobody", vec![], b""), true);
        busy.stream.write_all(&begun).unwrap();
        while busy.next().unwrap().0 != HEADERS {}
    }
    let last = busy.head(&ask, false);
    busy.stream.write_all(&[last, frame(DATA, END_STREAM, busy.last, &ask.body)].concat()).unwrap();
    wait_until("delivered", || {
        daemon.metric("hookgate_deliveries_total{endpoint=\"uploadcare\",provider=\"uploadcare\",outcome=\"unclassified\"}")
            == Some(1.0)
    });
}

/// The library below quotes a path that is none, and warns of a frame that any peer may send: not in our log, whatever its level.
#[test]
fn what_the_library_says_of_a_peer_is_not_logged() {
    let (folder, mock, pair) = (Folder::new(), mock(), tls::pair());
    pair.write(&folder);
    let tables = format!("{}[log]\nlevel = \"trace,h2=trace\"\n", tls::table(&folder));
    folder.write("hookgate.toml", serve_configuration(mock.brokers(), &tables));
    let process = Process::spawn(&folder, &["serve"]);
    let (webhooks, _) = process.addresses();
    let mut hostile = Hostile::to(webhooks, &client(&[&pair], &[&TLS13], &["h2"]));
    hostile.stream.write_all(&frame(PING, 1, 0, &[7; 8])).unwrap();
    hostile.begin(&Ask::post("no path <a-token-in-a-path>", vec![], b""), true);
    hostile.begin(&Ask::post("/webhooks/nobody", vec![], b""), true);
    wait_until("refused", || process.err().contains("unknown_endpoint"));
    process.signal("TERM");
    let log = process.finish().both();
    assert!(!log.contains("a-token-in-a-path") && !log.contains("PING"), "{log}");
}
