//! A schema registry: values in Confluent's wire format, and a registry that is away, slow, or refuses. It is a stub here; tests/kafka has a
//! real one.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hookgate::proto;
use serde_json::{Value, json};

use crate::{
    binary::{Folder, hookgate},
    harness::{Daemon, Setup, keep_secret, wait_until},
    lifecycle::{mock, serve_configuration},
    providers::{PROVIDERS, one_topic_each},
    request_reader::{header, take_request},
    tls,
};

const BODY: &[u8] = br#"{"id":"a","status":"OK"}"#;
const TOPIC: &str = "hookgate.filespin";
const MISSING: &str = "hookgate_schema_ids_missing";

/// How the stub behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Unavailable,
    Hangs,
    Denies,
    Incompatible,
    NoRegistry,
    /// It answers 500 to questions about the subject of [`SICK`], and the next one does not answer them.
    FailsAtOne,
    HangsAtOne,
}

/// The id of the first schema that is registered. It takes two bytes.
const FIRST_ID: u32 = 258;
/// A part of the path of one subject. The daemon asks for this subject as the third of five.
const SICK: &str = "hookgate%2Eframeio";

struct State {
    mood: Mood,
    /// The ids of the schemas of each subject, in the order of their versions.
    subjects: BTreeMap<String, Vec<u32>>,
    schemas: Vec<Value>,
    /// The paths of the requests, and the credentials of each.
    asked: Vec<(String, String)>,
}

/// A registry in this process. Its ids begin with [`FIRST_ID`].
#[derive(Clone)]
struct Stub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Stub {
    fn start(mood: Mood) -> Self {
        Self::of(mood, |stream| stream)
    }

    fn of<S: Read + Write>(mood: Mood, open: impl Fn(TcpStream) -> S + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State { mood, subjects: BTreeMap::new(), schemas: Vec::new(), asked: Vec::new() };
        let stub = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let serving = stub.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (stub, open) = (serving.clone(), open.clone());
                thread::spawn(move || stub.serve(open(stream)));
            }
        });
        stub
    }

    fn serve(&self, stream: impl Read + Write) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let (head, body) = take_request(&mut reader)?;
        let path = head.split(' ').nth(1)?.to_owned();
        let credentials = header(&head, "authorization").unwrap_or_default().to_owned();
        let (status, answer) = self.answer(&path, credentials, serde_json::from_slice(&body).ok()?);
        let answer = answer.to_string();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
        reader.get_mut().write_all((head + &answer).as_bytes()).ok()?;
        reader.get_mut().flush().ok()
    }

    fn answer(&self, path: &str, credentials: String, schema: Value) -> (u16, Value) {
        let sick = path.contains(SICK);
        self.state.lock().unwrap().asked.push((path.to_owned(), credentials));
        let hangs = || match self.state.lock().unwrap().mood {
            Mood::Hangs => true,
            Mood::HangsAtOne => sick,
            _ => false,
        };
        while hangs() {
            thread::sleep(Duration::from_millis(10));
        }
        let mut state = self.state.lock().unwrap();
        let missing = (404, json!({"error_code": 40401, "message": "no such subject"}));
        match state.mood {
            Mood::Unavailable => return (503, json!({"error_code": 50301, "message": "not now"})),
            Mood::Denies => return (403, json!({"error_code": 40301, "message": "not you\u{1b}[2J\u{202e}"})),
            Mood::NoRegistry => return (404, json!("a page")),
            Mood::FailsAtOne if sick => return (500, json!({"error_code": 50001, "message": "a defect"})),
            Mood::Well | Mood::Hangs | Mood::Incompatible | Mood::FailsAtOne | Mood::HangsAtOne => {}
        }
        let parts: Vec<String> = path.split(['/', '?']).map(|part| part.replace("%2E", ".").replace("%2D", "-")).collect();
        let id = state.schemas.iter().position(|known| *known == schema).map(|at| u32::try_from(at).unwrap() + FIRST_ID);
        match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["", "subjects", subject] => {
                let versions = state.subjects.get(subject);
                let version = versions.and_then(|ids| ids.iter().position(|it| Some(*it) == id));
                version.map_or(missing, |at| (200, json!({"subject": subject, "id": id, "version": at + 1, "schema": "…"})))
            }
            ["", "subjects", subject, "versions"] => {
                let id = id.unwrap_or_else(|| {
                    state.schemas.push(schema);
                    u32::try_from(state.schemas.len()).unwrap() + FIRST_ID - 1
                });
                state.subjects.entry(subject.to_owned()).or_default().push(id);
                (200, json!({"id": id}))
            }
            ["", "compatibility", "subjects", _, "versions", "latest", "verbose=true"] => match state.mood {
                Mood::Incompatible => (200, json!({"is_compatible": false, "messages": ["FIELD_REMOVED: body"]})),
                _ => missing,
            },
            _ => panic!("no caller may ask for {path}"),
        }
    }

    fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    fn subjects(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.subjects.keys().filter(|subject| !subject.contains("%2F")).cloned().collect()
    }

    /// Returns how many schemas were posted for registration.
    fn registrations(&self) -> usize {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|(path, _)| path.ends_with("/versions")).count()
    }
}

/// Returns the table of the registry with these lines, and a table with few topics, so that there are few subjects.
fn tables(stub: &Stub, more: &str) -> String {
    let url = if more.contains("urls") { String::new() } else { format!("urls = [\"http://{}/\"]\n", stub.address) };
    format!("[schema_registry]\n{url}{more}\n{}", one_topic_each("hookgate."))
}

fn start(stub: &Stub, more: &str, wait: bool) -> Daemon {
    Daemon::with(Setup { tables: &tables(stub, more), wait, ..Setup::default() })
}

/// Returns the id of event.proto. It is registered after one file of each provider.
fn id() -> u32 {
    FIRST_ID + u32::try_from(PROVIDERS.len()).unwrap()
}

/// Delivers once and returns the schema id at the beginning of the value.
fn framed(daemon: &Daemon) -> u32 {
    assert_eq!(daemon.deliver("filespin", BODY).status, 200);
    let stored = daemon.records_of(&[TOPIC]).pop().unwrap();
    let (id, message) = proto::unframe(&stored.value).expect("a frame");
    assert_eq!(stored.value[..6], [&[0][..], &id.to_be_bytes(), &[0]].concat());
    assert_eq!(proto::event_to_json(message).unwrap()["subject"], "a");
    id
}

#[test]
fn values_carry_the_schema_id() {
    let stub = Stub::start(Mood::Well);
    let daemon = start(&stub, "register = true", true);
    // The imported files come first.
    assert_eq!(framed(&daemon), id());
    assert_eq!(daemon.metric(MISSING), Some(0.0));
    let registered = stub.registrations();
    let (imports, topics) = (PROVIDERS.len(), PROVIDERS.len() + 1);
    assert_eq!(registered, imports + topics, "the imports, and a subject for each topic");
    assert_eq!(stub.state.lock().unwrap().schemas[imports]["references"][imports - 1]["version"], 1);

    // Once the schemas exist, the daemon registers nothing and needs no permission for that.
    assert_eq!(framed(&start(&stub, "register = true", true)), id());
    assert_eq!(framed(&start(&stub, "", true)), id());
    assert_eq!(stub.registrations(), registered);
}

#[test]
fn without_a_registry_values_are_plain() {
    let daemon = Daemon::start();
    assert_eq!(daemon.deliver("filespin", BODY).status, 200);
    let stored = daemon.records_of(&["hookgate.filespin.file-processed"]).pop().unwrap();
    assert_eq!(proto::unframe(&stored.value), None);
    assert_eq!(proto::event_to_json(&stored.value).unwrap()["subject"], "a");
}

#[test]
fn subjects_are_named_as_configured() {
    fn check(strategy: &str, subject: &str, subjects: usize) {
        let stub = Stub::start(Mood::Well);
        let _daemon = start(&stub, &format!("register = true\n{strategy}"), true);
        assert!(stub.subjects().contains(&subject.to_owned()), "{subject} in {:?}", stub.subjects());
        assert_eq!(stub.subjects().len(), subjects, "{:?}", stub.subjects());
    }
    let topics = PROVIDERS.len() + 1;
    check("", "hookgate.filespin-value", topics);
    check("subject_name_strategy = \"record_name\"", "hookgate.v1.Event", 1);
    check("subject_name_strategy = \"topic_record_name\"", "hookgate.filespin-hookgate.v1.Event", topics);
}

#[test]
fn deliveries_are_refused_until_the_ids_are_known() {
    fn check(mood: Mood, more: &str) {
        let stub = Stub::start(mood);
        let daemon = start(&stub, more, false);
        daemon.wait_until("asked", |_| !stub.state.lock().unwrap().asked.is_empty());
        daemon
            .wait_until("kafka", |it| it.missing_topics().is_empty() && it.unready().is_some_and(|why| why.contains("registry")));
        let asked = || stub.state.lock().unwrap().asked.len();
        let before = asked();
        let answer = daemon.deliver("filespin", BODY);
        assert!(mood != Mood::Hangs || asked() == before, "a delivery waits for the registry");
        assert_eq!((answer.status, &*answer.label()), (503, "publish_failed"), "{mood:?}");
        assert!(answer.header("retry-after").is_some(), "{mood:?}");
        assert_eq!(daemon.admin("/readyz").body, "the schema registry has not given every schema id yet\n");
        let topics = u32::try_from(PROVIDERS.len() + 1).unwrap();
        assert_eq!((daemon.metric(MISSING), daemon.metric("hookgate_ready")), (Some(topics.into()), Some(0.0)), "{mood:?}");
        assert!(stub.subjects().is_empty(), "{mood:?}");

        stub.set(Mood::Well);
        if !more.contains("register = true") {
            let _other = start(&stub, "register = true", true);
        }
        daemon.wait_until("ready", |it| it.unready().is_none());
        assert_eq!(framed(&daemon), id(), "{mood:?}: only the delivery that was not refused is stored");
        assert_eq!(daemon.records_of(&[TOPIC]).len(), 1);
    }
    check(Mood::Hangs, "register = true\ntimeout = \"60s\"");
    for mood in [Mood::Unavailable, Mood::Denies, Mood::Incompatible, Mood::NoRegistry] {
        check(mood, "register = true");
    }
    // The daemon only looks up ids, and no schema is registered.
    check(Mood::Well, "");
}

/// Ids that the registry has given before it fails are kept, so that each attempt gets further. One bad subject does not delay the others.
#[test]
fn one_subject_that_fails_does_not_keep_others_from_their_ids() {
    fn check(mood: Mood, missing: f64) {
        let stub = Stub::start(mood);
        let daemon = start(&stub, "register = true\ntimeout = \"2s\"", false);
        daemon.wait_until("kafka", |it| it.missing_topics().is_empty());
        wait_until("the others are known", || daemon.metric(MISSING) == Some(missing));
        assert_eq!(framed(&daemon), id(), "{mood:?}");
        assert_eq!(daemon.deliver("frameio", br#"{"type":"file.ready","resource":{"id":"a"}}"#).status, 503, "{mood:?}");
        stub.set(Mood::Well);
        daemon.wait_until("ready", |it| it.unready().is_none());
    }
    check(Mood::FailsAtOne, 1.0);
    // After a timeout the daemon does not ask for the subjects after this one in the same attempt.
    check(Mood::HangsAtOne, 3.0);
}

#[test]
fn once_the_ids_are_known_the_registry_is_not_asked() {
    let stub = Stub::start(Mood::Well);
    let daemon = start(&stub, "register = true", true);
    stub.set(Mood::Unavailable);
    let asked = stub.state.lock().unwrap().asked.len();
    assert_eq!(framed(&daemon), id());
    assert_eq!(daemon.admin("/readyz").status, 200);
    assert_eq!(stub.state.lock().unwrap().asked.len(), asked, "the registry is not asked again");
}

#[test]
fn the_next_registry_is_asked_when_one_is_away() {
    let (stub, away) = (Stub::start(Mood::Well), Stub::start(Mood::Unavailable));
    let urls =
        format!("urls = [\"http://127.0.0.1:1\", \"http://{}\", \"http://{}\"]\nregister = true", away.address, stub.address);
    assert_eq!(framed(&start(&stub, &urls, true)), id());
    // A refusal is an answer, and the other registries would give the same one.
    away.set(Mood::Denies);
    let refused = start(&stub, &urls, false);
    wait_until("asked", || away.state.lock().unwrap().asked.len() > stub.state.lock().unwrap().asked.len());
    assert!(refused.running().unready().is_some());
}

#[test]
fn credentials_are_sent_and_never_shown() {
    fn check(more: &str, sent: &str) {
        let stub = Stub::start(Mood::Well);
        let daemon = start(&stub, &format!("register = true\n{more}"), true);
        let shown = daemon.admin("/configz").body;
        assert!(!shown.contains("open sesame") && (sent.is_empty() || !shown.contains(sent)), "{shown}");
        let asked = stub.state.lock().unwrap().asked.clone();
        assert!(asked.iter().all(|(_, credentials)| credentials == sent), "{asked:?}");
    }
    let folder = Folder::new();
    keep_secret("open sesame");
    keep_secret("dTpvcGVuIHNlc2FtZQ==");
    let file = folder.write("secret", "open sesame\n");
    check(&format!("username = \"u\"\npassword = 'file:{file}'"), "Basic dTpvcGVuIHNlc2FtZQ==");
    check(&format!("token = 'file:{file}'"), "Bearer open sesame");
    check("", "");
}

/// The daemon asks only a registry whose certificate is signed by a trusted authority. It reads the file again with each attempt.
#[test]
fn only_a_registry_with_a_trusted_certificate_is_asked() {
    fn refused(more: &str, pair: &tls::Pair) -> (Stub, Daemon) {
        let (config, connections) = (tls::server(pair), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&connections);
        let stub = Stub::of(Mood::Well, move |stream| {
            counter.fetch_add(1, Ordering::SeqCst);
            tls::serve(stream, &config)
        });
        let url = format!("urls = [\"https://localhost:{}\"]\nregister = true\n{more}", stub.address.port());
        let daemon = start(&stub, &url, false);
        wait_until("a second attempt", || connections.load(Ordering::SeqCst) > 1);
        assert!(stub.state.lock().unwrap().asked.is_empty(), "{more}");
        (stub, daemon)
    }
    let (folder, pair) = (Folder::new(), tls::pair());
    refused("", &pair);
    let file = folder.write("ca.pem", tls::pair().certificate);
    let (_stub, daemon) = refused(&format!("ca_file = '{file}'"), &pair);
    folder.replace("ca.pem", &pair.certificate);
    daemon.wait_until("ready", |it| it.unready().is_none());
    assert_eq!(framed(&daemon), id());
}

#[test]
fn check_reports_problems_of_the_registry() {
    let mock = mock();
    let brokers = mock.brokers();
    let check = &|mood: Mood, more: &str, code: i32, expected: &[&str]| {
        let (folder, stub) = (Folder::new(), Stub::start(mood));
        let registry = format!("[schema_registry]\nurls = [\"http://{}\"]\n{more}", stub.address);
        folder.write("hookgate.toml", serve_configuration(brokers, &registry));
        let ran = hookgate(&folder, &["check", "--cluster"]);
        let lines: Vec<&str> = ran.out.lines().filter(|line| line.contains("registry") || line.contains("subject")).collect();
        for text in expected {
            let text = text.replace("URL", &format!("http://{}", stub.address));
            assert!(lines.iter().any(|line| line.contains(&text)), "{text:?} in {lines:#?}");
        }
        assert_eq!(lines.iter().any(|line| line.starts_with("problem")), code != 0, "{lines:#?}");
        assert_eq!(stub.registrations(), 0, "check writes nothing");
    };
    let cases: [(Mood, &str, i32, &[&str]); 6] = [
        (Mood::Unavailable, "", 1, &["problem: schema registry: URL answered 503: not now"]),
        (Mood::Denies, "", 1, &["URL answered 403: not you\\u001b[2J\\u202e; do the credentials permit it?"]),
        (Mood::NoRegistry, "", 1, &["URL answered 404: \"a page\"; is there a path missing, such as /apis/ccompat/v7?"]),
        (Mood::Incompatible, "register = true", 1, &["is incompatible with the newest one there: FIELD_REMOVED: body; "]),
        (Mood::Well, "", 1, &["hold no schema of this version", "`hookgate topics --apply`"]),
        (Mood::Well, "register = true", 0, &["has no id yet, the daemon will register its schema"]),
    ];
    // The cases run at once, because each waits five seconds for the administration, which the mock cluster does not have.
    thread::scope(|scope| {
        for (mood, more, code, expected) in cases {
            scope.spawn(move || check(mood, more, code, expected));
        }
    });
}
