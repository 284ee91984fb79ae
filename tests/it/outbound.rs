//! Whoever Hookgate asks may be hostile: every caller of the outbound client against every kind of answer. The callers are those of the real
//! binary: `serve`, which asks a schema registry and exports spans, and `hookgate send`.

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

/// What the daemon may need at most while hostile peers answer it, in KiB. It needs about a third of that; each bomb holds twice as much.
const PEAK_KIB_MAX: usize = 128 << 10;
/// What one answer may cost at most in bytes taken from the wire: the limit of 1 MiB, and what lies in the kernel's buffers.
const TAKEN_MAX: usize = 16 << 20;
/// How the three callers take an answer: the reason, of which each tells one.
struct Case {
    name: &'static str,
    script: Script,
    /// What stands in the registry's log line, the exporter's, and on the stderr of `send`; nothing where the answer counts.
    registry: &'static str,
    spans: Option<&'static str>,
    send: Option<&'static str>,
}

impl Case {
    /// Long enough for a busy machine, except where it is what is waited for.
    fn timeout_seconds(&self) -> u64 {
        if self.registry == LATE { 1 } else { 15 }
    }
}

/// An answer that no caller can use, for one reason.
const fn unusable(name: &'static str, why: &'static str, script: Script) -> Case {
    Case { name, script, registry: why, spans: Some(why), send: Some(why) }
}

const ENCODED: &str = "encoded as";
const REDIRECT: &str = "a redirect to http://127.0.0.1:";
const LONG_HEAD: &str = "the head of its answer is longer than";
const LONG: &str = "its answer is longer than";
const LATE: &str = "timeout";

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
    unusable("a redirect that makes a GET of it", REDIRECT, |wire| redirect(wire, 302)),
    unusable("another one", REDIRECT, |wire| redirect(wire, 303)),
    unusable("a redirect that repeats the request", REDIRECT, |wire| redirect(wire, 307)),
    unusable("a permanent one", REDIRECT, |wire| redirect(wire, 308)),
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
    // These are answers, and what they mean is each caller's matter: a collector's and a daemon's status decides.
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

/// Nobody must come here.
fn trap() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, caught) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&caught);
    thread::spawn(move || listener.incoming().flatten().for_each(|_| _ = counter.fetch_add(1, Ordering::SeqCst)));
    (address, caught)
}

/// A registry and a collector that answer by a script, and a daemon that asks them: its tables come from their addresses.
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

    /// The status of a delivery with a proof, which is traced whatever becomes of it.
    fn deliver(&self) -> u16 {
        let signature = format!("v1={}", hmac_hex(secret("UPLOADCARE"), &[b"{}"]));
        request(self.webhooks, "POST", "/webhooks/uploadcare", &[("x-uc-signature", &signature)], b"{}").status
    }
}

/// The daemon, whose registry and collector answer by a script: it stays up, small and talkative.
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
    wait_until("the registry's answer is told", || process.err().contains("schema ids are missing"));
    wait_until("it is asked again", || registry.requests().len() > 1);
    // Refused for want of an id, and traced all the same, because its sender is proven.
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
    assert!(process.peak_kib() < PEAK_KIB_MAX, "{}: {} KiB", case.name, process.peak_kib());
    assert_eq!(request(*admin, "GET", "/livez", &[], b"").status, 200, "{}", case.name);
    process.signal("TERM");
    assert_eq!(bench.process.finish().code, Some(0), "{}", case.name);
    check_wire(case, &[&bench.registry, &bench.collector]);
}

/// A delivery by hand: whatever it meets, it ends, and with 0 only where the answer was 200.
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

/// What the peers have seen: no coding asked for, and not more taken than an answer may have.
fn check_wire(case: &Case, peers: &[&Hostile]) {
    for peer in peers {
        for head in peer.requests() {
            assert!(head.starts_with("post ") && !head.contains("accept-encoding"), "{}: {head}", case.name);
        }
        // Those that end by time alone may be read until then.
        let bounded = case.registry != LATE;
        let taken = peer.taken.load(Ordering::SeqCst);
        assert!(!bounded || taken < TAKEN_MAX, "{}: {taken} bytes taken", case.name);
    }
}

#[test]
fn every_caller_bounds_and_refuses_what_a_hostile_peer_answers() {
    let (mock, (address, caught)) = (mock(), trap());
    let brokers = mock.brokers();
    let begin = Instant::now();
    // Made first, as it takes longer than a client waits.
    bomb();
    // A few at once: each mostly waits.
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

/// At no level, and with no directive, does the log tell what proves us to those who are asked. That it tells nothing is checked where the process ends.
#[test]
fn no_level_of_the_log_tells_what_is_sent() {
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
        let told = bench.process.finish().err;
        assert!(told.contains("\"level\":\"DEBUG\""), "{level}: nothing was told: {told}");
    };
    for level in ["debug", "trace", "trace,ureq=trace,ureq_proto=trace,ureq_proto::util=trace,log=trace"] {
        check(level);
    }
}
