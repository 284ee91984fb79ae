//! Hookgate behind proxies that people use: the real nginx and HAProxy, as Debian and Ubuntu have them. `make test-proxy` runs these tests.
//! They need both programs, but neither Kafka nor root: everything listens on loopback, in folders that are removed after the test.

#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../it/binary.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod binary;
#[path = "../it/forks.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod forks;
#[path = "../it/harness.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod harness;
#[path = "../it/providers.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod providers;
#[path = "../it/secret_search.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod secret_search;
#[path = "../it/waits.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod waits;
#[path = "../it/raw_http.rs"]
#[allow(dead_code, reason = "the fast tests use more of it")]
mod raw_http;
/// The proxies.
mod support;

use std::{
    collections::{BTreeSet, VecDeque},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use binary::{Folder, Process, hookgate};
use harness::{Answer, Daemon, Setup, configuration, parse, signed, topics, wait_until};
use hookgate::kafka::mock::Mock;
use support::{HAPROXY, Kind, NGINX, NGINX_KEPT, NGINX_UNBUFFERED, Proxy};
use waits::Over;

const KIB: usize = 1024;

/// Every kind of proxy in these tests.
const KINDS: [Kind; 4] = [NGINX, NGINX_KEPT, NGINX_UNBUFFERED, HAPROXY];

/// The configuration of an endpoint whose secret does not exist.
const TABLES: &str = "[endpoints.later]\nprovider = \"uploadcare\"\nsecrets = [\"file:/no/such/secret\"]\n";

/// Starts daemons that publish to one cluster, as replicas do.
fn replicas(count: usize) -> Vec<Daemon> {
    let mock = Arc::new(Mock::start(&topics(&configuration(TABLES, &[]))).unwrap());
    (0..count).map(|_| replica(&mock, Vec::new())).collect()
}

fn replica(mock: &Arc<Mock>, flags: Vec<(&str, String)>) -> Daemon {
    Daemon::with(Setup { tables: TABLES, flags, mock: Some(Arc::clone(mock)), ..Setup::default() })
}

fn proxy_for(replicas: &[Daemon], kind: Kind) -> Proxy {
    Proxy::start(kind, &replicas.iter().map(|replica| replica.webhooks).collect::<Vec<_>>())
}

/// Returns a body of that many bytes, such as FileSafety could send it.
fn body(bytes: usize) -> Vec<u8> {
    let frame = r#"{"scan_id":"s","verdict":"clean","metadata":""}"#;
    frame.replace(r#""metadata":"""#, &format!(r#""metadata":"{}""#, "x".repeat(bytes - frame.len()))).into_bytes()
}

/// Returns a whole request, with its length or in chunks.
fn request(method: &str, path: &str, header: &str, body: &[u8], in_chunks: bool) -> Vec<u8> {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n{header}");
    if !in_chunks {
        return [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    }
    let mut bytes = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(8 * KIB) {
        bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// Sends a request on a new connection and reads at the same time, as HTTP clients do, because the answer may come before everything is
/// sent.
fn exchange(to: SocketAddr, sent: Vec<u8>) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut writing = stream.try_clone().unwrap();
    // Once the request is answered, the proxy need not read the rest.
    let writer = thread::spawn(move || drop(writing.write_all(&sent)));
    let mut bytes = Vec::new();
    let mut buffer = [0; 4 * KIB];
    let answer = loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let answer = parse(&bytes);
            let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            assert!(!head.contains("100 Continue"), "{text}");
            if body.len() >= length {
                break answer;
            }
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend(&buffer[..read]),
            _ => break parse(&bytes),
        }
    };
    let _closed = stream.shutdown(std::net::Shutdown::Both);
    writer.join().unwrap();
    answer
}

/// A request and its answer: method, path, one more header, and the expected status and label.
type Row = (&'static str, String, &'static str, &'static str);

/// Returns requests with this body, and the daemon's answers. Most answers are decided before the body is read.
fn rows(body: &[u8], in_chunks: bool) -> Vec<Row> {
    let good = signed("filesafety", body).0;
    let (large, small) = (body.len() > 768 * KIB, body.len() <= 768 * KIB);
    let mut rows = vec![
        ("POST", "/nope".to_owned(), "", "404 unknown_endpoint"),
        ("PUT", good.clone(), "", "405 method"),
        ("POST", good.clone(), "content-encoding: gzip\r\n", "415 encoded_body"),
        ("POST", "/webhooks/later".to_owned(), "", "503 no_secret"),
        ("POST", good, "", if large { "413 too_large" } else { "200 " }),
    ];
    // A chunked body announces no size.
    if small || in_chunks {
        rows.push(("POST", "/webhooks/filespin?token=wrong-token".to_owned(), "", "401 bad_token"));
        rows.push(("POST", "/webhooks/uploadcare".to_owned(), "", "401 missing_signature"));
    }
    rows
}

/// Checks that the proxy passes every answer on unchanged, for every size and framing of the body.
fn answers_come_through(kind: Kind) {
    let replicas = replicas(1);
    let proxy = proxy_for(&replicas, kind);
    for bytes in [KIB, 20 * KIB, 100 * KIB, 300 * KIB, 700 * KIB, 1500 * KIB, 4000 * KIB, 7500 * KIB] {
        let body = body(bytes);
        for in_chunks in [false, true] {
            // A proxy that reads the whole body first announces its length.
            let counted = !in_chunks || kind.buffers();
            for (method, path, header, expected) in rows(&body, !counted) {
                for attempt in 1..=3 {
                    let answer = exchange(proxy.address, request(method, &path, header, &body, in_chunks));
                    let label = if answer.status == 200 { String::new() } else { answer.label() };
                    let what = format!("{kind:?}: {method} {path} with {bytes} bytes, chunks {in_chunks}, attempt {attempt}");
                    assert_eq!(format!("{} {label}", answer.status), expected, "{what}: {answer:?}\n{}", proxy.log());
                    let retry = (answer.status == 503).then_some("5");
                    assert_eq!(answer.header("retry-after"), retry, "{what}");
                }
            }
        }
    }
}

#[test]
fn answers_come_through_nginx() {
    answers_come_through(NGINX);
}

#[test]
fn answers_come_through_nginx_with_kept_connections() {
    answers_come_through(NGINX_KEPT);
}

#[test]
fn answers_come_through_nginx_that_does_not_buffer() {
    answers_come_through(NGINX_UNBUFFERED);
}

#[test]
fn answers_come_through_haproxy() {
    answers_come_through(HAPROXY);
}

/// nginx sends a copy of each request to `hookgate capture`, with the lines of docs/capture.md. The copies verify, and the sender gets the
/// daemon's answer, also while nobody takes copies.
#[test]
fn a_mirrored_request_verifies() {
    let (replicas, folder) = (replicas(1), Folder::new());
    let capture = Process::spawn(&folder, &["capture", "--listen", "127.0.0.1:0", "--limit", "4"]);
    wait_until("listening", || capture.err().contains("; Ctrl-C"));
    let said = capture.err();
    let address = said.split("http://").nth(1).and_then(|rest| rest.split(';').next()).unwrap().parse().unwrap();
    let proxy = proxy_for(&replicas, Kind::NginxMirror(address));
    let post = |endpoint: &str, body: &[u8], change: &str, in_chunks: bool| {
        let (path, headers) = signed(endpoint, body);
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}{change}\r\n")).collect();
        exchange(proxy.address, request("POST", &path, &headers.concat(), body, in_chunks)).status
    };
    let (small, large) = (body(200), body(300 * KIB));
    assert_eq!(post("filesafety", &small, "", false), 200, "{}", proxy.log());
    assert_eq!(post("uploadcare", &large, "", true), 200, "{}", proxy.log());
    assert_eq!(post("uploadcare", &small, "0", false), 401, "{}", proxy.log());
    assert_eq!(post("filespin", &large, "", false), 200, "{}", proxy.log());
    let captured = capture.finish();
    let files = captured.out.lines().filter_map(|line| line.strip_prefix("  hookgate verify --request ")?.split(' ').next());
    let verified = files.map(|file| {
        let text = String::from_utf8(std::fs::read(folder.path(file)).unwrap()).unwrap();
        let (_, path) = text.split_once("/webhooks/").unwrap();
        let provider = path.split(['?', ' ']).next().unwrap().to_owned();
        let secret = format!("env:{}", provider.to_uppercase());
        let code = hookgate(&folder, &["verify", &provider, "--secret", &secret, "--request", file]).code;
        (provider, code.unwrap())
    });
    let verified: BTreeSet<(String, i32)> = verified.collect();
    let expected = [("filesafety", 0), ("filespin", 0), ("uploadcare", 0), ("uploadcare", 1)];
    assert_eq!(verified, expected.map(|(provider, code)| (provider.to_owned(), code)).into(), "{captured:?}");
    assert_eq!(post("filesafety", &small, "", false), 200, "nobody captures: {}", proxy.log());
}

/// The shortest time for which deliveries are sent while large requests are refused. A proxy needs less to take a replica out.
const BESIDE: Duration = Duration::from_secs(5);
/// The longest such time. Even a busy machine needs less for [`DELIVERIES_MIN`] and [`LARGE_MIN`].
const BESIDE_MAX: Duration = Duration::from_secs(120);
/// So many deliveries are sent in any case: fewer could miss a replica that is out for a moment.
const DELIVERIES_MIN: usize = 50;
/// So many large requests are sent in any case.
const LARGE_MIN: usize = 20;

/// A stranger needs no secret for a large request. The proxy must not take a replica out because of it: meanwhile every verified delivery must
/// be answered 200.
#[test]
fn large_refused_requests_cost_no_delivery() {
    for kind in KINDS {
        let replicas = replicas(2);
        let proxy = proxy_for(&replicas, kind);
        let (over, large) = (AtomicBool::new(false), AtomicUsize::new(0));
        let delivered = thread::scope(|scope| {
            let ends = Over(&over);
            let refused = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for (method, path, header, expected) in rows(&body(300 * KIB), false) {
                        let in_chunks = large.load(Ordering::Relaxed) % 2 == 1;
                        let answer = exchange(proxy.address, request(method, &path, header, &body(300 * KIB), in_chunks));
                        assert_eq!(format!("{}", answer.status), expected[..3], "{kind:?}: {answer:?}\n{}", proxy.log());
                        large.fetch_add(1, Ordering::Relaxed);
                    }
                    thread::sleep(Duration::from_millis(100));
                }
            });
            let (begin, mut delivered) = (Instant::now(), 0);
            let enough = |delivered| delivered >= DELIVERIES_MIN && large.load(Ordering::Relaxed) >= LARGE_MIN;
            while (begin.elapsed() < BESIDE || !enough(delivered)) && !refused.is_finished() {
                assert!(begin.elapsed() < BESIDE_MAX, "{kind:?}: {delivered} deliveries beside {large:?} large requests");
                let small = body(100 + delivered % 1000);
                let (path, _) = signed("filesafety", &small);
                let answer = exchange(proxy.address, request("POST", &path, "", &small, false));
                assert_eq!(answer.status, 200, "{kind:?}, delivery {delivered}: {answer:?}\n{}", proxy.log());
                delivered += 1;
            }
            drop(ends);
            refused.join().unwrap();
            delivered
        });
        for replica in &replicas {
            assert!(published(replica) * 4 > delivered, "{kind:?}: a replica was taken out");
        }
    }
}

/// Returns how many deliveries a replica has stored.
fn published(replica: &Daemon) -> usize {
    let metrics = replica.admin("/metrics").body;
    let published = |line: &&str| line.starts_with("hookgate_deliveries_total{") && line.contains("\"published\"");
    metrics.lines().filter(published).map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

/// How long before its end a replica reports that it is not ready. HAProxy notices after 0.3 s. nginx does not ask.
const PRE_STOP: &str = "2s";
/// The longest time for all restarts. nginx sends nothing for 10 s to a replica that has refused a connection, and for twice that if the
/// replica refuses again.
const RESTARTS_TIMEOUT: Duration = Duration::from_secs(120);

/// Sends one delivery after the other, each of which must be stored. Returns how many there were.
fn deliver_until(over: &AtomicBool, kind: Kind, proxy: &Proxy) -> usize {
    let (begin, mut delivered) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) && begin.elapsed() < RESTARTS_TIMEOUT {
        let body = body(100 + delivered % 1000);
        let answer = exchange(proxy.address, request("POST", &signed("filesafety", &body).0, "", &body, false));
        assert_eq!(answer.status, 200, "{kind:?}, delivery {delivered}: {answer:?}\n{}", proxy.log());
        delivered += 1;
    }
    delivered
}

/// Checks that every delivery is answered 200 while one replica after the other stops and starts again, as in an update.
fn a_rolling_restart_costs_no_delivery(kind: Kind) {
    let mock = Arc::new(Mock::start(&topics(&configuration(TABLES, &[]))).unwrap());
    let start = |address: String| replica(&mock, vec![("shutdown.pre_stop", PRE_STOP.into()), ("http.listen", address)]);
    let mut replicas: VecDeque<_> = (0..2).map(|_| start("127.0.0.1:0".into())).collect();
    let proxy = proxy_for(replicas.make_contiguous(), kind);
    let over = AtomicBool::new(false);
    let delivered: usize = thread::scope(|scope| {
        let senders: Vec<_> = (0..4).map(|_| scope.spawn(|| deliver_until(&over, kind, &proxy))).collect();
        for _ in 0..2 {
            let old = replicas.pop_front().unwrap();
            let address = old.webhooks.to_string();
            let ending = old.stop();
            assert_eq!((ending.cut_off, ending.unflushed), (0, 0), "{kind:?}");
            let new = start(address);
            wait_until("in use again", || published(&new) > 0);
            replicas.push_back(new);
        }
        over.store(true, Ordering::Relaxed);
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert!(delivered >= 200, "{kind:?}: {delivered} deliveries");
}

#[test]
fn a_rolling_restart_behind_nginx() {
    a_rolling_restart_costs_no_delivery(NGINX);
}

#[test]
fn a_rolling_restart_behind_nginx_with_kept_connections() {
    a_rolling_restart_costs_no_delivery(NGINX_KEPT);
}

#[test]
fn a_rolling_restart_behind_haproxy() {
    a_rolling_restart_costs_no_delivery(HAPROXY);
}
