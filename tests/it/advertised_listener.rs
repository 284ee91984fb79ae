//! Kafka answers at its bootstrap address, but not at the address that it advertises. The daemon is ready only once a delivery can be
//! stored, and the commands name the address.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use hookgate::kafka::mock::Mock;

use crate::{
    binary::{Folder, Process, hookgate},
    harness::{Answer, Daemon, Setup, configuration, hmac_hex, request, secret, topics, wait_until},
    lifecycle::serve_configuration,
};

/// The host that the mock cluster advertises.
const HOST: &[u8] = b"127.0.0.1";
/// A host name of the same length that never resolves (RFC 2606).
const WRONG_NAME: &[u8] = b"x.invalid";
const TOPIC: &str = "hookgate.uploadcare.file.uploaded";
const BODY: &[u8] = br#"{"hook":{"event":"file.uploaded"},"data":{"uuid":"00000001-0000-4000-8000-000000000000"}}"#;
const UNREACHABLE: &str = "hookgate_kafka_leaders_unreachable";

/// A mock cluster that clients reach only through two relays: its bootstrap address, which always answers, and the address that it
/// advertises.
struct Cluster {
    _mock: Mock,
    bootstrap: SocketAddr,
    state: Arc<Mutex<State>>,
    /// The socket of the advertised port. It is bound, so no other process can take the port, and refuses connections until it listens.
    socket: socket2::Socket,
}

struct State {
    mock: SocketAddr,
    /// The host that the cluster advertises.
    host: &'static [u8],
    port: u16,
    /// Connections through the advertised address. `None` while they are cut off.
    open: Option<Vec<TcpStream>>,
}

impl Cluster {
    fn start(topics: &[String], host: &'static [u8]) -> Self {
        let mock = Mock::start(topics).unwrap();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let state = Arc::new(Mutex::new(State { mock: mock.brokers().parse().unwrap(), host, port, open: None }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let bootstrap = listener.local_addr().unwrap();
        relay(listener, Arc::clone(&state), false);
        Self { _mock: mock, bootstrap, state, socket }
    }

    /// Makes the advertised address right, and lets it answer.
    fn fix(&self) {
        self.socket.listen(128).unwrap();
        relay(self.socket.try_clone().unwrap().into(), Arc::clone(&self.state), true);
        self.let_through(true);
        self.state.lock().unwrap().host = HOST;
    }

    /// Lets connections through the advertised address pass, or cuts them off.
    fn let_through(&self, open: bool) {
        let before = std::mem::replace(&mut self.state.lock().unwrap().open, open.then(Vec::new));
        for stream in before.into_iter().flatten() {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    fn advertised(&self) -> String {
        let now = self.state.lock().unwrap();
        format!("{}:{}", String::from_utf8_lossy(now.host), now.port)
    }

    fn daemon(&self) -> Daemon {
        // The daemon gets only the address of the relay, not that of the mock cluster.
        let flags = vec![("kafka.brokers", self.bootstrap.to_string())];
        Daemon::with(Setup { tables: "[kafka]\nreconnect_backoff_max = \"200ms\"\n", flags, wait: false, ..Setup::default() })
    }
}

/// Connects each client of a listener with the mock cluster.
fn relay(listener: TcpListener, state: Arc<Mutex<State>>, advertised: bool) {
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut now = state.lock().unwrap();
            let Ok(broker) = TcpStream::connect(now.mock) else { return };
            if advertised {
                let Some(open) = &mut now.open else { continue };
                open.extend([client.try_clone().unwrap(), broker.try_clone().unwrap()]);
            }
            let (mut from, mut to) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
            thread::spawn(move || {
                let _gone = io::copy(&mut from, &mut to);
                let _gone = to.shutdown(Shutdown::Both);
            });
            let state = Arc::clone(&state);
            thread::spawn(move || {
                let _gone = answers(broker, &client, &state);
                let _gone = client.shutdown(Shutdown::Both);
            });
        }
    });
}

/// Passes on the answers, frame by frame, with the advertised address in the place of the real one.
fn answers(mut broker: TcpStream, mut client: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        broker.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        broker.read_exact(&mut frame)?;
        let (real, shown) = {
            let now = state.lock().unwrap();
            let address = |host: &[u8], port: u16| [host, &u32::from(port).to_be_bytes()].concat();
            (address(HOST, now.mock.port()), address(now.host, now.port))
        };
        while let Some(at) = frame.windows(real.len()).position(|window| window == real) {
            frame[at..at + real.len()].copy_from_slice(&shown);
        }
        client.write_all(&[&length[..], &frame].concat())?;
    }
}

/// Starts a cluster whose advertised address answers, and a daemon that has reached it.
fn reached(topics: &[String]) -> (Cluster, Daemon) {
    let cluster = Cluster::start(topics, HOST);
    cluster.fix();
    let daemon = cluster.daemon();
    daemon.wait_until("ready", |it| it.unready().is_none());
    (cluster, daemon)
}

/// Starts a cluster whose advertised address does not answer, and writes a configuration for it into a folder.
fn configured(topics: &[String], host: &'static [u8], tables: &str) -> (Cluster, Folder) {
    let (cluster, folder) = (Cluster::start(topics, host), Folder::new());
    folder.write("hookgate.toml", serve_configuration(&cluster.bootstrap.to_string(), tables));
    (cluster, folder)
}

fn all_topics() -> Vec<String> {
    topics(&configuration("", &[]))
}

/// Checks that the daemon is not ready while nothing answers at the advertised address, and says why; and that it is ready without a
/// restart once the address answers.
fn check(topics: &[String], host: &'static [u8], cause: &str) {
    let (cluster, folder) = configured(topics, host, "[shutdown]\npre_stop = \"0s\"");
    let address = cluster.advertised();
    let process = Process::spawn(&folder, &["serve"]);
    let (webhooks, admin) = process.addresses();
    let said = || {
        let log = process.err();
        log.lines().any(|line| line.contains("where the cluster says it is") && line.contains(&address) && line.contains(cause))
    };
    let ready = || request(admin, "GET", "/readyz", &[], b"").status;
    wait_until("said", said);
    assert_eq!(ready(), 503);
    let refused = deliver(webhooks);
    assert_eq!((refused.status, &*refused.label()), (503, "publish_failed"));
    assert_eq!(ready(), 503, "still");

    cluster.fix();
    wait_until("ready", || ready() == 200);
    assert_eq!(deliver(webhooks).status, if topics.is_empty() { 503 } else { 200 });
}

fn deliver(to: SocketAddr) -> Answer {
    let signature = format!("v1={}", hmac_hex(secret("UPLOADCARE"), &[BODY]));
    request(to, "POST", "/webhooks/uploadcare", &[("x-uc-signature", &signature)], BODY)
}

#[test]
fn a_closed_listener_is_not_ready() {
    check(&all_topics(), HOST, "Connection refused");
}

#[test]
fn a_listener_with_a_wrong_name_is_not_ready() {
    check(&all_topics(), WRONG_NAME, "resolve");
}

#[test]
fn a_closed_listener_without_topics_is_not_ready() {
    check(&[], HOST, "");
}

#[test]
fn the_advertised_address_may_differ_from_the_bootstrap_address() {
    let (_cluster, daemon) = reached(&all_topics());
    daemon.wait_until("all found", |it| it.missing_topics().is_empty());
    assert_eq!(daemon.metric(UNREACHABLE), Some(0.0));
    assert_eq!(daemon.deliver("uploadcare", BODY).status, 200);
}

/// Without topics there is no leader to ask. Their deliveries fail, but that does not concern readiness.
#[test]
fn without_topics_any_broker_at_its_advertised_address_will_do() {
    let (_cluster, daemon) = reached(&[]);
    daemon.wait_until("missing", |it| it.missing_topics().contains(&TOPIC.into()));
    assert_eq!(daemon.deliver("uploadcare", BODY).status, 503, "there is no topic");
}

/// A leader that cannot be reached later is counted, and the replica stays ready.
#[test]
fn a_leader_that_goes_away_later_is_counted() {
    let (cluster, daemon) = reached(&all_topics());
    assert_eq!(daemon.deliver("uploadcare", BODY).status, 200);
    cluster.let_through(false);
    assert_eq!(daemon.deliver("uploadcare", BODY).status, 503);
    wait_until("counted", || daemon.metric(UNREACHABLE) == Some(1.0));
    assert_eq!(daemon.admin("/readyz").status, 200);
    cluster.let_through(true);
    wait_until("reached", || daemon.metric(UNREACHABLE) == Some(0.0));
    assert_eq!(daemon.deliver("uploadcare", BODY).status, 200);
}

/// Checks that each command names the address once, with why it does not answer, and mentions no other cause.
fn check_commands(topics: &[String], host: &'static [u8], cause: &str) {
    let (cluster, folder) = configured(topics, host, "");
    let address = cluster.advertised();
    let check = |arguments: &[&str]| {
        let finished = hookgate(&folder, arguments);
        let output = finished.both();
        assert_eq!(finished.code, Some(1), "{arguments:?}: {output}");
        assert_eq!(output.matches(&format!("{address}: ")).count(), 1, "{arguments:?}: {output}");
        assert!(output.contains(cause), "{arguments:?}: {cause} is not in {output}");
        assert!(!output.contains("permission") && !output.contains("written to"), "{arguments:?}: {output}");
    };
    thread::scope(|scope| {
        scope.spawn(|| check(&["check", "--cluster"]));
        scope.spawn(|| check(&["topics", "--apply"]));
        if !topics.is_empty() {
            scope.spawn(|| check(&["tail"]));
        }
    });
}

#[test]
fn the_commands_name_a_closed_listener() {
    check_commands(&all_topics(), HOST, "Connection refused");
}

#[test]
fn the_commands_name_a_listener_with_a_wrong_name() {
    check_commands(&all_topics(), WRONG_NAME, "resolve");
}

#[test]
fn the_commands_name_a_listener_where_there_are_no_topics() {
    check_commands(&[], HOST, "");
}

/// The same cluster with a right listener.
#[test]
fn the_commands_find_no_fault_with_a_listener_that_answers() {
    let (cluster, folder) = configured(&all_topics(), HOST, "");
    cluster.fix();
    for arguments in [&["check", "--cluster"][..], &["topics", "--apply"], &["tail", "--exit"]] {
        let output = hookgate(&folder, arguments).both();
        assert!(!output.contains("advertises"), "{arguments:?}: {output}");
    }
}
