//! Every server that Hookgate sends requests to may be hostile. Each caller of the outbound client meets each kind of answer here. The callers
//! are those of the real binary: `serve`, which asks a schema registry and exports spans, and `hookgate send`.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    binary::{Folder, Process, hookgate},
    harness::{hmac_hex, keep_secret, request, secret, wait_until},
    hostile_peer::{FILL, Hostile, Script, bomb, coded, redirect, whole},
    lifecycle::{mock, serve_configuration},
};

/// The most memory that the daemon may use while hostile peers answer it, in KiB. It uses about a third of that, and each bomb has twice as
/// much.
const PEAK_KIB_MAX: usize = 128 << 10;
/// The most bytes that a peer can write for one answer: the caller's limit of 1 MiB, and what fits into the buffers of the kernel.
const WRITTEN_MAX: usize = 16 << 20;
/// A hostile answer, and what each of the three callers reports about it.
struct Case {
    name: &'static str,
    script: Script,
    /// A part of the log line about the registry. The next two are a part of the exporter's log line and of the output of `send`, `None`
    /// where the caller accepts the answer.
    registry: &'static str,
    spans: Option<&'static str>,
    send: Option<&'static str>,
}

impl Case {
    /// Returns the timeout of the callers. It is long enough for a busy machine, and short where the case waits for the timeout itself.
    fn timeout_seconds(&self) -> u64 {
        if self.registry == LATE { 1 } else { 15 }
    }
}

/// Returns a case in which no caller can use the answer, all for the same reason.
const fn unusable(name: &'static str, why: &'static str, script: Script) -> Case {
    Case { name, script, registry: why, spans: Some(why), send: Some(why) }
}

const ENCODED: &str = "encoded as";
const REDIRECT: &str = "a redirect to http://127.0.0.1:";
const LONG_HEAD: &str = "the head of its answer is longer than";
const LONG: &str = "its answer is longer than";
const LATE: &str = "in time";

const CASES: &[Case] = &[
    unusable("a bomb", ENCODED, |wire| coded(wire, "gzip", bomb())),
    unusable("a bomb in another coding", ENCODED, |wire| coded(wire, "identity, GZip", bomb())),
    unusable("a coded transfer", ENCODED, |wire| {
        wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n")?;
        wire.say(format!("{:x}\r\n", bomb().len()))?;
        wire.say(bomb())?;
        wire.say("\r\n0\r\n\r\n")
    }),
    unusable("endless headers", LONG_HEAD, |wire| {
        wire.say("HTTP/1.1 200 OK\r\n")?;
        wire.repeat(&[b"x: ", FILL, b"\r\n"].concat())
    }),
    unusable("an endless header", LONG_HEAD, |wire| {
        wire.say("HTTP/1.1 200 OK\r\nx: ")?;
        wire.repeat(FILL)
    }),
    unusable("endless interim answers", LONG_HEAD, |wire| wire.repeat(&b"HTTP/1.1 102 Processing\r\n\r\n".repeat(4096))),
    unusable("a slow head", LATE, |wire| {
        wire.say("HTTP/1.1 200 OK\r\nx: ")?;
        wire.drip()
    }),
    unusable("a slow body", LATE, |wire| {
        wire.say("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")?;
        wire.drip()
    }),
    unusable("no answer", LATE, |_| {
        thread::sleep(Duration::from_secs(5));
        Ok(())
    }),
    unusable("a redirect that turns the request into a GET", REDIRECT, |wire| redirect(wire, 302)),
    unusable("another redirect", REDIRECT, |wire| redirect(wire, 303)),
    unusable("a redirect that repeats the request", REDIRECT, |wire| redirect(wire, 307)),
    unusable("a permanent redirect", REDIRECT, |wire| redirect(wire, 308)),
    unusable("a redirect without an end", LATE, |wire| {
        let trap = wire.trap;
        wire.say(format!("HTTP/1.1 302 X\r\nlocation: http://{trap}/\r\n"))?;
        thread::sleep(Duration::from_secs(5));
        Ok(())
    }),
    unusable("half an answer", "", |wire| wire.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":")),
    unusable("half a chunk", "", |wire| wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\n{\"id\":")),
    unusable("half a head", "", |wire| wire.say("HTTP/1.1 200 OK\r\ncontent-le")),
    unusable("no HTTP", "", |wire| wire.say("\x16\x03\x01 no HTTP\r\n\r\n")),
    unusable("an endless body", LONG, |wire| {
        wire.say("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n")?;
        wire.repeat(FILL)
    }),
    unusable("an endless body until the connection ends", LONG, |wire| {
        wire.say("HTTP/1.0 200 OK\r\n\r\n")?;
        wire.repeat(FILL)
    }),
    unusable("endless chunks", LONG, |wire| {
        wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        wire.repeat(&[b"1000\r\n", FILL, b"\r\n"].concat())
    }),
    unusable("an endless chunk", LONG, |wire| {
        wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffff\r\n")?;
        wire.repeat(FILL)
    }),
    unusable("endless trailers", LATE, |wire| {
        wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")?;
        wire.repeat(b"x: y\r\n")
    }),
    // These are whole answers. For the exporter and `send` the status decides, so they accept the first two.
    Case {
        name: "a page",
        script: |wire| whole(wire, "200 OK\r\ncontent-type: text/html", b"<html>sign in</html>"),
        registry: "is no schema registry",
        spans: None,
        send: None,
    },
    Case {
        name: "no JSON",
        script: |wire| whole(wire, "200 OK\r\ncontent-type: application/json", b"{\"id\":"),
        registry: "is no schema registry",
        spans: None,
        send: None,
    },
    Case {
        name: "a refusal that is no JSON",
        script: |wire| whole(wire, "500 X\r\ncontent-type: application/json", &[0xff, 0x1b, b'[']),
        registry: "answered 500",
        spans: Some("the collector answered 500"),
        send: Some("500 "),
    },
];

/// Starts a server that no caller may connect to. Returns its address and the number of connections.
fn trap() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, caught) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&caught);
    thread::spawn(move || listener.incoming().flatten().for_each(|_| _ = counter.fetch_add(1, Ordering::SeqCst)));
    (address, caught)
}

/// A registry and a collector that answer with a script, and a daemon that asks both.
struct Bench {
    registry: Hostile,
    collector: Hostile,
    process: Process,
    webhooks: SocketAddr,
    admin: SocketAddr,
}

impl Bench {
    fn start(
        folder: &Folder,
        brokers: &str,
        trap: SocketAddr,
        script: Script,
        tables: impl Fn(SocketAddr, SocketAddr) -> String,
    ) -> Self {
        let (registry, collector) = (Hostile::start(trap, script), Hostile::start(trap, script));
        let tables = format!("[shutdown]\npre_stop = \"0s\"\n{}", tables(registry.address, collector.address));
        folder.write("hookgate.toml", serve_configuration(brokers, &tables));
        let process = Process::spawn(folder, &["serve"]);
        let (webhooks, admin) = process.addresses();
        Self { registry, collector, process, webhooks, admin }
    }

    /// Sends a proven delivery, which is traced whatever its outcome. Returns the status of its answer.
    fn deliver(&self) -> u16 {
        let signature = format!("v1={}", hmac_hex(secret("UPLOADCARE"), &[b"{}"]));
        request(self.webhooks, "POST", "/webhooks/uploadcare", &[("x-uc-signature", &signature)], b"{}").status
    }
}

/// Checks that a daemon stays up, reports each bad answer and uses little memory while its registry and its collector answer with a script.
fn check_serve(case: &Case, brokers: &str, trap: SocketAddr) {
    let timeout = case.timeout_seconds();
    let tables = |registry: SocketAddr, collector: SocketAddr| {
        format!(
            "[log]\nlevel = \"info\"\n\
             [schema_registry]\nurls = [\"http://{registry}\"]\ntimeout = \"{timeout}s\"\n\
             [tracing]\nendpoint = \"http://{collector}\"\ntimeout = \"{timeout}s\"\n"
        )
    };
    let folder = Folder::new();
    let bench = Bench::start(&folder, brokers, trap, case.script, tables);
    let Bench { registry, collector, process, admin, .. } = &bench;
    wait_until("the registry's answer is logged", || process.err().contains("schema ids are missing"));
    wait_until("the registry is asked again", || registry.requests().len() > 1);
    // The delivery is refused because there is no schema id. It is traced all the same, because its sender is proven.
    assert_eq!(bench.deliver(), 503, "{}", case.name);
    wait_until("an export", || !collector.requests().is_empty());
    let counted = |result: &str| {
        let metrics = request(*admin, "GET", "/metrics", &[], b"").body;
        let series = format!("hookgate_spans_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<f64>().ok()).unwrap() > 0.0
    };
    wait_until("the export's end", || counted("exported") || counted("failed"));
    assert_eq!(counted("failed"), case.spans.is_some(), "{}: {}", case.name, process.err());
    let log = process.err();
    let line = |message: &str| log.lines().find(|line| line.contains(message)).unwrap_or_default().to_owned();
    assert!(line("schema ids are missing").contains(case.registry), "{}: {log}", case.name);
    if let Some(why) = case.spans {
        assert!(line("spans cannot be exported").contains(why), "{}: {log}", case.name);
    }
    let peak = process.peak_kib().unwrap();
    assert!(peak < PEAK_KIB_MAX, "{}: {peak} KiB", case.name);
    assert_eq!(request(*admin, "GET", "/livez", &[], b"").status, 200, "{}", case.name);
    process.signal("TERM");
    assert_eq!(bench.process.finish().code, Some(0), "{}", case.name);
    check_wire(case, &[&bench.registry, &bench.collector]);
}

/// Checks that `send` ends with every answer, and with exit code 0 only after a 200.
fn check_send(case: &Case, trap: SocketAddr) {
    let (folder, peer) = (Folder::new(), Hostile::start(trap, case.script));
    let url = format!("http://{}/webhooks/filesafety", peer.address);
    let timeout = case.timeout_seconds().to_string();
    let arguments = ["send", "filesafety", "scan.complete", "--secret", "env:FILESAFETY", "--url", &url, "--timeout", &timeout];
    let ran = hookgate(&folder, &arguments);
    match case.send {
        None => assert_eq!(ran.code, Some(0), "{}: {ran:?}", case.name),
        Some(why) => {
            assert_eq!(ran.code, Some(1), "{}: {ran:?}", case.name);
            assert!(ran.both().contains(why), "{}: {ran:?}", case.name);
        }
    }
    assert!(!ran.both().contains("HTTP/1"), "{}: {ran:?}", case.name);
    check_wire(case, &[&peer]);
}

/// Checks on the side of the peers that no caller asked for a content coding, and that none read more than an answer may have.
fn check_wire(case: &Case, peers: &[&Hostile]) {
    for peer in peers {
        for head in peer.requests() {
            assert!(head.starts_with("post ") && !head.contains("accept-encoding"), "{}: {head}", case.name);
        }
        // An answer that ends only with the timeout may be read until then.
        let bounded = case.registry != LATE;
        let written = peer.written.load(Ordering::SeqCst);
        assert!(!bounded || written < WRITTEN_MAX, "{}: {written} bytes read", case.name);
    }
}

#[test]
fn every_caller_limits_and_refuses_hostile_answers() {
    let (mock, (address, caught)) = (mock(), trap());
    let brokers = mock.brokers();
    let begin = Instant::now();
    // The bomb is made first, because that takes longer than a client waits.
    bomb();
    // A few cases run at once, because each of them mostly waits.
    for cases in CASES.chunks(5) {
        thread::scope(|scope| {
            for case in cases {
                scope.spawn(move || check_serve(case, brokers, address));
                scope.spawn(move || check_send(case, address));
            }
        });
    }
    assert_eq!(caught.load(Ordering::SeqCst), 0, "a redirect was followed");
    assert!(begin.elapsed() < Duration::from_secs(300), "{:?}", begin.elapsed());
}

/// With no level and no directive does the log contain the credentials that are sent to a peer. The search is at the end of the process, in
/// `Process::drop`.
#[test]
fn no_level_of_the_log_shows_credentials() {
    let (mock, (address, _caught)) = (mock(), trap());
    let secrets = ["password-for-the-registry", "Bearer token-for-the-collector", "password-for-kafka"];
    secrets.into_iter().for_each(keep_secret);
    let check = |level: &str| {
        let answer: Script = |wire| whole(wire, "200 OK\r\ncontent-type: application/json", b"{}");
        let folder = Folder::new();
        let [registry_file, collector_file, kafka_file] = ["registry", "collector", "kafka"].map(|name| folder.path(name));
        for (name, secret) in ["registry", "collector", "kafka"].into_iter().zip(secrets) {
            folder.write(name, secret);
        }
        let tables = |registry: SocketAddr, collector: SocketAddr| {
            format!(
                "[log]\nlevel = \"{level}\"\n\
                 [kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"u\"\npassword = \"file:{kafka_file}\"\n\
                 [kafka.properties]\ndebug = \"all\"\n\
                 [schema_registry]\nurls = [\"http://{registry}\"]\nusername = \"u\"\npassword = \"file:{registry_file}\"\n\
                 [tracing]\nendpoint = \"http://{collector}\"\nheaders = [\"authorization=file:{collector_file}\"]\n"
            )
        };
        let bench = Bench::start(&folder, mock.brokers(), address, answer, tables);
        bench.deliver();
        let asked = |peer: &Hostile, proof: &str| peer.requests().iter().any(|head| head.contains(proof));
        wait_until("the registry is asked", || asked(&bench.registry, "authorization: basic dtpwyxnzd29y"));
        wait_until("spans are exported", || asked(&bench.collector, "authorization: bearer token-for-the-collector"));
        bench.process.signal("TERM");
        let log = bench.process.finish().err;
        assert!(log.contains("\"level\":\"DEBUG\""), "{level}: nothing was logged: {log}");
    };
    for level in ["debug", "trace", "trace,ureq=trace,ureq_proto=trace,ureq_proto::util=trace,log=trace"] {
        check(level);
    }
}
