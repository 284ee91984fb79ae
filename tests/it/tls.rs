//! TLS on the webhook port: HTTP/1.1 over TLS, what is refused, and a certificate that is replaced while deliveries arrive.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hookgate::config;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, date_time_ymd};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};

use crate::{
    binary::Folder,
    harness::{Answer, Daemon, Setup, UNANSWERED, environment, fixture, parse, wait_until},
    limits::{body, connect, next_answer, rest, wait_for_faults, whole},
    request_table::{Ask, id},
};

/// A self-signed certificate for `localhost`, and its key.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

pub fn pair() -> Pair {
    pair_until(2040)
}

pub fn pair_until(year: i32) -> Pair {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_after = date_time_ymd(year, 1, 1);
    Pair { certificate: parameters.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

impl Pair {
    pub fn write(&self, folder: &Folder) {
        folder.replace("key.pem", &self.key);
        folder.replace("certificate.pem", &self.certificate);
    }

    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// Returns the table of the configuration with the certificate and the key in a folder.
pub fn table(folder: &Folder) -> String {
    format!("[http.tls]\ncertificate_file = '{}'\nkey_file = '{}'\n", folder.path("certificate.pem"), folder.path("key.pem"))
}

/// Starts a daemon with TLS. Returns it with its certificate and the folder of the certificate.
pub fn daemon(http: &str) -> (Daemon, Pair, Folder) {
    let (folder, pair) = (Folder::new(), pair());
    pair.write(&folder);
    let tables = format!("[http]\n{http}\n{}", table(&folder));
    (Daemon::with(Setup { tables: &tables, ..Setup::default() }), pair, folder)
}

pub const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// Returns the TLS configuration of a sender: the certificates that it trusts, the versions and the protocols that it offers.
pub fn client(trusted: &[&Pair], versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pair in trusted {
        roots.add(pair.der()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Opens a connection and completes its handshake.
pub fn shake(to: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Stream> {
    let mut tcp = TcpStream::connect(to)?;
    tcp.set_read_timeout(Some(UNANSWERED))?;
    tcp.set_nodelay(true)?;
    let mut tls = ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(tls, tcp))
}

/// Returns the TLS configuration of a stub with a certificate.
pub fn server(pair: &Pair) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let builder = builder.with_protocol_versions(BOTH).unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(vec![pair.der()], key).unwrap())
}

/// Returns the TLS stream of an accepted connection. The first read does the handshake.
pub fn serve(tcp: TcpStream, config: &Arc<ServerConfig>) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), tcp)
}

/// Sends one HTTP/1.1 request as the last one of a connection, and returns the answer.
fn exchange(mut stream: Stream, ask: &Ask) -> Answer {
    let last = ask.clone().header("connection", "close");
    stream.write_all(&whole(&last)).unwrap();
    let mut bytes = Vec::new();
    let _end = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

fn expiry(daemon: &Daemon) -> Option<f64> {
    daemon.metric("hookgate_certificate_expiry_timestamp_seconds{use=\"inbound\"}")
}

#[test]
fn deliveries_come_over_both_versions_of_tls() {
    let (daemon, pair, _folder) = daemon("");
    let ask = Ask::signed("frameio", &fixture("frameio/v4_file.ready.json"));
    let mut ids = Vec::new();
    for version in [&TLS12, &TLS13] {
        // HTTP/2 is not supported. A sender that prefers it gets HTTP/1.1, if it offers that too.
        for (offered, chosen) in [(&["http/1.1"][..], Some("http/1.1")), (&[], None), (&["h2", "http/1.1"], Some("http/1.1"))] {
            let config = client(&[&pair], &[version], offered);
            let stream = shake(daemon.webhooks, &config).unwrap();
            assert_eq!(stream.conn.alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
            assert_eq!(stream.conn.protocol_version(), Some(version.version));
            let answer = exchange(stream, &ask);
            assert_eq!(answer.status, 200, "{:?} {offered:?}: {answer:?}", version.version);
            ids.push(id(&answer));
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "the same delivery has the same id over every version");
    assert_eq!(daemon.records_of(&["hookgate.frameio.file.ready"]).len(), 6);
    assert_eq!(expiry(&daemon), Some(2_208_988_800.0));
}

#[test]
fn connections_without_tls_are_refused_and_counted() {
    let (daemon, pair, _folder) = daemon("");
    let plain = parse(crate::limits::raw(&daemon, &whole(&Ask::signed("filesafety", &body(100)))).as_bytes());
    assert_eq!(plain.status, 0, "{plain:?}");
    wait_for_faults(&daemon, "tls", 1);

    // The two hellos differ only in their version. TLS 1.1 is answered that it is too old (alert 70), TLS 1.2 is not.
    let hello = |version: u8| {
        let head = [[3, version].as_slice(), &[7; 32], &[0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]].concat();
        let handshake = [&[1, 0, 0, u8::try_from(head.len()).unwrap()], head.as_slice()].concat();
        [&[22, 3, 1, 0, u8::try_from(handshake.len()).unwrap()], handshake.as_slice()].concat()
    };
    let too_old = [2, 3].map(|version| {
        let (mut stream, mut answer) = (connect(&daemon), [0; 7]);
        stream.write_all(&hello(version)).unwrap();
        stream.read_exact(&mut answer).unwrap();
        (answer[0], answer[6]) == (21, 70)
    });
    assert_eq!(too_old, [true, false]);
    wait_for_faults(&daemon, "tls", 3);

    for (offered, faults) in [("h2", 4), ("h3", 5)] {
        let nothing_in_common = shake(daemon.webhooks, &client(&[&pair], BOTH, &[offered])).err().map(|error| error.to_string());
        assert!(nothing_in_common.as_ref().is_some_and(|it| it.contains("NoApplicationProtocol")), "{nothing_in_common:?}");
        wait_for_faults(&daemon, "tls", faults);
    }
    let answer = exchange(shake(daemon.webhooks, &client(&[&pair], BOTH, &[])).unwrap(), &Ask::signed("filesafety", &body(100)));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn silent_connections_are_closed() {
    let (daemon, pair, _folder) = daemon("header_timeout = \"2s\"\nidle_timeout = \"2500ms\"");
    let silent = connect(&daemon);
    let mut half = connect(&daemon);
    half.write_all(&[22, 3, 1, 0, 200, 1]).unwrap();
    let mut idle = shake(daemon.webhooks, &client(&[&pair], BOTH, &["http/1.1"])).unwrap();
    assert_eq!((rest(&silent).as_str(), rest(&half).as_str()), ("", ""));
    // The daemon ends a silent TLS connection with a close_notify. Without that, the read would return an error.
    assert_eq!(idle.read_to_end(&mut Vec::new()).unwrap(), 0);
    wait_for_faults(&daemon, "header_timeout", 2);
    wait_until("all are closed", || daemon.metric("hookgate_connections") == Some(0.0));
}

/// As over plain TCP, a sender may close its side of the connection after the request.
#[test]
fn a_sender_that_closes_its_side_is_answered() {
    let (daemon, pair, _folder) = daemon("");
    for notifies in [true, false] {
        let mut stream = shake(daemon.webhooks, &client(&[&pair], BOTH, &[])).unwrap();
        stream.write_all(&whole(&Ask::signed("filesafety", &body(100)))).unwrap();
        if notifies {
            stream.conn.send_close_notify();
        }
        stream.flush().unwrap();
        stream.sock.shutdown(Shutdown::Write).unwrap();
        let mut bytes = Vec::new();
        let _end = stream.read_to_end(&mut bytes);
        assert_eq!(parse(&bytes).status, 200, "with close_notify: {notifies}");
    }
    assert_eq!(daemon.metric("hookgate_connection_faults_total{reason=\"cut_off\"}"), Some(0.0));
}

#[test]
fn a_new_certificate_is_used_without_a_lost_delivery() {
    let (daemon, old, folder) = daemon("");
    let new = pair_until(2039);
    let config = client(&[&old, &new], BOTH, &["http/1.1"]);
    let ask = Ask::signed("filesafety", &body(100));
    let (stop, delivered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let shown =
        || shake(daemon.webhooks, &client(&[&old, &new], BOTH, &[])).unwrap().conn.peer_certificates().unwrap()[0].clone();
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            // This connection stays open during the change.
            let mut kept = shake(daemon.webhooks, &config).unwrap();
            while !stop.load(Ordering::Relaxed) {
                let fresh = exchange(shake(daemon.webhooks, &config).unwrap(), &ask);
                kept.write_all(&whole(&ask)).unwrap();
                assert_eq!((fresh.status, next_answer(&mut kept).status), (200, 200));
                delivered.fetch_add(2, Ordering::Relaxed);
            }
        });
        wait_until("under load", || delivered.load(Ordering::Relaxed) > 20);
        assert_eq!(shown(), old.der());

        // A new key without its certificate is not used.
        folder.replace("key.pem", &new.key);
        thread::sleep(Duration::from_millis(2500));
        assert_eq!(shown(), old.der(), "half of a pair");
        new.write(&folder);
        wait_until("shown", || shown() == new.der());
        assert_eq!(expiry(&daemon), Some(2_177_452_800.0));
        let before = delivered.load(Ordering::Relaxed);
        wait_until("delivered", || load.is_finished() || delivered.load(Ordering::Relaxed) > before + 20);
        stop.store(true, Ordering::Relaxed);
    });
}

/// This test uses a real process, because its log says why a certificate is not used.
#[test]
fn a_bad_new_certificate_is_logged_and_not_used() {
    let (folder, mock) = (Folder::new(), crate::lifecycle::mock());
    let good = pair();
    good.write(&folder);
    folder.write("hookgate.toml", crate::lifecycle::serve_configuration(mock.brokers(), &table(&folder)));
    let process = crate::binary::Process::spawn(&folder, &["serve"]);
    let (webhooks, _) = process.addresses();
    let trusting = client(&[&good], BOTH, &["http/1.1"]);
    let logged = |why: &str| {
        wait_until(why, || {
            process.err().lines().any(|line| line.contains("the changed certificate is not used") && line.contains(why))
        });
        assert!(shake(webhooks, &trusting).is_ok(), "the old certificate is still used: {why}");
    };
    folder.replace("key.pem", pair().key);
    logged("not that of the first certificate");
    folder.replace("certificate.pem", "no certificate");
    logged("holds no certificate");
    pair_until(2020).write(&folder);
    logged("has expired");
    std::fs::remove_file(folder.path("key.pem")).unwrap();
    logged("no such file");
    let new = pair();
    new.write(&folder);
    wait_until("changed", || process.err().contains("the certificate has changed"));
    assert!(shake(webhooks, &client(&[&new], BOTH, &[])).is_ok());
    for secret in [&good.key, &new.key] {
        let line = secret.lines().nth(1).unwrap();
        assert!(!process.err().contains(line), "a key is in the log");
    }
}

/// Checks the problems of a table with these keys and files of a folder.
#[track_caller]
fn check_pair(folder: &Folder, keys: &[(&str, &str)], expected: &[&str]) {
    let lines = keys.iter().map(|(key, file)| format!("{key} = '{}'\n", folder.path(file))).collect::<Vec<_>>().concat();
    let text = format!("[kafka]\nbrokers = [\"k:1\"]\n[http.tls]\n{lines}{}", crate::harness::endpoints());
    let report = config::parse(&text, "t.toml", &environment(), &[]).err().map_or_else(String::new, |it| it.to_string());
    let found: Vec<&str> = report.lines().collect();
    assert_eq!(found.len(), expected.len(), "{keys:?}: {report}");
    for (line, part) in found.iter().zip(expected) {
        assert!(line.contains(part), "{keys:?}: {report}");
    }
}

#[test]
fn a_bad_pair_is_a_problem_at_start() {
    let folder = Folder::new();
    let (one, other) = (pair(), pair());
    for (name, content) in [
        ("one.pem", &one.certificate),
        ("one.key", &one.key),
        ("other.key", &other.key),
        ("late.pem", &pair_until(2020).certificate),
        ("chain.pem", &format!("{}{}", one.certificate, other.certificate)),
        ("marked.pem", &format!("\u{feff}{}", one.certificate)),
        ("marked.key", &format!("\u{feff}{}", one.key)),
        ("empty", &String::new()),
        ("broken.pem", &one.certificate.replace("MII", "AAA")),
    ] {
        folder.write(name, content);
    }
    let files = |certificate, key| [("certificate_file", certificate), ("key_file", key)];
    check_pair(&folder, &files("one.pem", "one.key"), &[]);
    check_pair(&folder, &files("chain.pem", "one.key"), &[]);
    check_pair(&folder, &files("marked.pem", "marked.key"), &[]);
    check_pair(&folder, &files("marked.pem", "other.key"), &["not that of the first certificate"]);
    check_pair(&folder, &files("one.pem", "other.key"), &["t.toml:5: [http.tls] key_file: "]);
    check_pair(&folder, &files("chain.pem", "other.key"), &["not that of the first certificate"]);
    check_pair(&folder, &files("one.key", "one.pem"), &["holds no certificate", "holds no private key"]);
    check_pair(&folder, &files("empty", "no-such"), &["[http.tls] key_file: "]);
    check_pair(
        &folder,
        &files("empty", "empty"),
        &["t.toml:4: [http.tls] certificate_file: ", "t.toml:5: [http.tls] key_file: "],
    );
    check_pair(&folder, &files("broken.pem", "one.key"), &["cannot be read"]);
    check_pair(&folder, &[("certificate_file", "one.pem")], &["[http.tls] key_file: is missing"]);
    check_pair(&folder, &[], &["certificate_file: is missing", "key_file: is missing"]);
    check_pair(&folder, &[("certificate", "one.pem"), ("key_file", "one.key")], &["certificate_file: is missing", "no such key"]);
}
