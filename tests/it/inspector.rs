//! The page of `hookgate dev`: what it shows of each request, and what it can do.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, process::Command, time::Duration};

use hookgate::proto::{Event, Origin};
use prost::Message as _;
use serde_json::{Value, json};

use crate::{
    binary::{Folder, Process},
    commands::check,
    harness::{Daemon, fixture, request, signed, wait_until},
    raw_http::Answer,
};

/// A running session, and its page.
pub struct Session {
    pub process: Process,
    pub page: SocketAddr,
    pub webhooks: SocketAddr,
    pub key: String,
    /// The file with its secrets.
    kept: String,
}

impl Session {
    pub fn start(folder: &Folder) -> Self {
        Self::with(folder, &[])
    }

    pub fn with(folder: &Folder, flags: &[&str]) -> Self {
        Self::with_variables(folder, &[], flags)
    }

    pub fn with_variables(folder: &Folder, variables: &[(&str, &str)], flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        command.args(["dev", "--no-samples", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).args(flags);
        let mut command = with_state(command, folder);
        command.envs(variables.iter().copied());
        let process = Process::of(command).prints_secrets();
        wait_until("waiting", || process.out().contains("Waiting for deliveries"));
        let out = process.out();
        let part = |begin: &str, end: char| out.split_once(begin).unwrap().1.split(end).next().unwrap().to_owned();
        let page = part("  inspect   http://", '/').parse().unwrap();
        let webhooks = part("  webhooks  http://", '/').parse().unwrap();
        let kept = std::fs::read_to_string(folder.path("state/hookgate/dev.env")).unwrap();
        Self { page, webhooks, key: part("/#key=", '\n'), process, kept }
    }

    pub fn secret(&self, provider: &str) -> String {
        let (_, after) = self.kept.split_once(&format!("DEV_SECRET_{}=", provider.to_uppercase())).unwrap();
        after.split_whitespace().next().unwrap().to_owned()
    }

    pub fn get(&self, path: &str) -> Answer {
        request(self.page, "GET", path, &[("hookgate-session", &self.key)], b"")
    }

    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    pub fn post(&self, path: &str, order: &Value) -> (u16, Value) {
        let headers = [("hookgate-session", &*self.key), ("content-type", "application/json")];
        let answer = request(self.page, "POST", path, &headers, order.to_string().as_bytes());
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }

    /// Waits until so many requests have come, and returns their rows.
    pub fn rows(&self, number: usize) -> Vec<Value> {
        let rows = || self.json("/api/requests?after=0")["rows"].as_array().unwrap().clone();
        wait_until("seen", || rows().len() >= number);
        rows()
    }

    /// Does something, and returns the details of the requests that come of it.
    pub fn act(&self, path: &str, order: &Value, number: usize) -> Vec<Value> {
        let (status, answer) = self.post(path, order);
        assert_eq!(status, 202, "{path} {order}: {answer}");
        let of_action = || {
            let rows = self.rows(0);
            rows.into_iter().filter(|row| row["action"] == answer["action"]).collect::<Vec<_>>()
        };
        wait_until("answered", || of_action().len() == number);
        of_action().iter().map(|row| self.json(&format!("/api/requests/{}", row["n"]))).collect()
    }

    pub fn detail(&self, number: usize) -> Value {
        self.rows(number);
        self.json(&format!("/api/requests/{number}"))
    }
}

/// Returns a command whose user keeps the state of programs in a folder.
fn with_state(mut command: Command, folder: &Folder) -> Command {
    command.env_clear().env("XDG_STATE_HOME", folder.path("state")).current_dir(folder.path("."));
    command
}

/// Returns the state of each step, in one word.
pub fn states(detail: &Value) -> String {
    let steps = detail["proof"].as_array().unwrap();
    steps.iter().map(|step| step["state"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// A delivery is shown from its head to its record.
#[test]
fn a_delivery_is_shown_from_its_proof_to_its_record() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let sent = &session.act("/api/send", &json!({ "endpoint": "frameio", "type": "file.ready" }), 1)[0];
    assert_eq!(states(sent), "ok ok ok ok ok ok", "{sent}");
    let record = &sent["kafka"];
    assert_eq!(
        (&record["topic"], &record["partition"], &record["offset"]),
        (&json!("hookgate.frameio.file.ready"), &json!(0), &json!(0))
    );
    assert_eq!(sent["row"]["subject"], record["key"]);
    assert!(sent["event"]["text"].as_str().unwrap().contains("origin  ORIGIN_SAMPLE"), "{sent}");
    assert_eq!(sent["answer"]["body"], json!(format!("{{\"id\":\"{}\"}}", sent["row"]["id"].as_str().unwrap())));
    assert!(sent["times"]["kafka_ms"].as_f64().unwrap() > 0.0, "{sent}");
    // The same delivery again has the same id, and knows where it comes from.
    let again = session.act(&format!("/api/requests/{}/replay", sent["row"]["n"]), &json!({ "times": 3 }), 3);
    for (at, replayed) in again.iter().enumerate() {
        assert_eq!((&replayed["row"]["id"], &replayed["made_from"]), (&sent["row"]["id"], &sent["row"]["n"]));
        assert_eq!(replayed["kafka"]["offset"], json!(at + 1));
    }
    assert_eq!(session.detail(1)["became"], json!([2, 3, 4]));
    for times in [0, 51] {
        assert_eq!(session.post("/api/requests/1/replay", &json!({ "times": times })).0, 400, "{times}");
    }
    assert_eq!(session.post("/api/send", &json!({ "endpoint": "frameio", "type": "file.reddy" })).0, 400);
    assert_eq!(session.post("/api/send", &json!({ "endpoint": "shop", "type": "file.ready" })).0, 400);
    assert_eq!(session.post("/api/requests/99/replay", &json!({})).0, 404);
}

/// A stranger's request is a webhook, whatever it says of itself.
#[test]
fn only_the_session_makes_samples() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let path = format!("/webhooks/filespin?token={}", session.secret("filespin"));
    for (at, (key, origin)) in [("", "WEBHOOK"), ("0123456789abcdef", "WEBHOOK"), (&*session.key, "SAMPLE")].iter().enumerate() {
        assert_eq!(request(session.webhooks, "POST", &path, &[("hookgate-sample", key)], b"{}").status, 200);
        let detail = session.detail(at + 1);
        assert!(detail["event"]["text"].as_str().unwrap().contains(&format!("origin  ORIGIN_{origin}")), "{key}: {detail}");
        assert_eq!(detail["row"]["origin"], json!(origin.to_lowercase()));
        assert!(!detail["request"]["headers"].to_string().contains("hookgate-sample"), "{detail}");
    }
    // In `serve`, the header means nothing.
    let daemon = Daemon::start();
    let body = fixture("uploadcare/vector1_body.bin");
    let (path, mut headers) = signed("uploadcare", &body);
    headers.push(("hookgate-sample".into(), String::new()));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(daemon.post(&path, &headers, &body).status, 200);
    let records = daemon.records_of(&["hookgate.uploadcare.file.uploaded"]);
    let events: Vec<_> = records.iter().map(|it| Event::decode(&*it.value).unwrap().origin).collect();
    assert_eq!(events, [Origin::Webhook as i32]);
}

/// Whatever is forged is refused, at the right step and in the right words.
#[test]
fn every_forgery_is_refused() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let known = session.json("/api/session")["forgeries"].as_array().unwrap().clone();
    let mut forged = 0;
    for endpoint in session.json("/api/session")["endpoints"].as_array().unwrap() {
        let order = json!({ "endpoint": endpoint["name"], "type": endpoint["types"][0] });
        let good = &session.act("/api/send", &order, 1)[0]["row"]["n"];
        let is_token = ["filespin", "filesafety"].contains(&endpoint["name"].as_str().unwrap());
        for forgery in &known {
            let (path, order) = (format!("/api/requests/{good}/forge"), json!({ "forgery": forgery["name"] }));
            if !forgery["endpoints"].as_array().unwrap().contains(&endpoint["name"]) {
                assert_eq!(session.post(&path, &order).0, 409, "{order}");
                continue;
            }
            let detail = &session.act(&path, &order, 1)[0];
            let (outcome, steps, hint) = match forgery["name"].as_str().unwrap() {
                "flipped_byte" => ("bad_signature", "ok ok failed", "should begin with"),
                "respaced" => ("bad_signature", "ok ok failed", "but it fits after this change: white space"),
                "other_secret" if is_token => ("bad_token", "ok ok failed", "Compare the URL in the provider's settings"),
                "twice" if is_token => ("bad_token", "ok ok failed", "leave one"),
                "other_secret" => ("bad_signature", "ok ok failed", "the secret is another one"),
                "old_time" => ("stale", "ok ok failed", "is right, but the time is not: it may be 86400 s away"),
                "no_proof" => ("missing_signature", "ok ok failed", ""),
                "twice" => ("bad_signature", "ok ok failed", "is there 2 times"),
                "compressed" => ("encoded_body", "ok failed skipped", ""),
                other => panic!("{other} is not in this table"),
            };
            assert_eq!(detail["row"]["outcome"], json!(outcome), "{detail}");
            assert!(states(detail).starts_with(steps), "{detail}");
            let hints = detail["proof"].as_array().unwrap().iter().map(|step| step["hint"].as_str().unwrap()).collect::<String>();
            assert!(hints.contains(hint) && !hints.contains("signed: "), "{hint}: {hints}");
            let found = detail["proof"][2]["text"].as_str().unwrap();
            let is_compared = ["bad_signature", "stale"].contains(&outcome) && forgery["name"] != "twice";
            assert_eq!(found.contains("\nsigned: "), is_compared, "{detail}");
            assert_eq!(detail["kafka"], Value::Null, "{detail}");
            forged += 1;
        }
    }
    assert!(forged > 4 * 3, "{forged}");
    // What this session has, it does not give away: at most four digits of a signature that would be right.
    let text = session.rows(0).iter().map(|row| session.get(&format!("/api/requests/{}", row["n"])).body).collect::<String>();
    let body = session.get("/api/requests/1/body").body;
    assert!(!body.is_empty() && !text.contains("another-secret-than"), "the forger's secret is not shown");
}

/// The report and the fixture are read by the other commands, and a body is shown that the daemon does not read.
#[test]
fn what_is_copied_can_be_read_again() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let sent = &session.act("/api/send", &json!({ "endpoint": "uploadcare", "type": "file.stored" }), 1)[0];
    std::fs::write(folder.path("secret"), session.secret("uploadcare")).unwrap();
    let secret = format!("file:{}", folder.path("secret"));
    let fixture = folder.write("1.http", session.get("/api/requests/1/fixture").body);
    let report = folder.write("1.md", sent["commands"]["report"].as_str().unwrap());
    let (cut, _) = sent["commands"]["report"].as_str().unwrap().split_once("\n```http").unwrap();
    let without = folder.write("2.md", cut);
    for file in [&fixture, &report] {
        check(&folder, &["verify", "--request", file, "--secret", &secret], 0, &["verified", "type: file.stored"]);
    }
    check(&folder, &["verify", "--request", &without, "--secret", &secret], 1, &["has no request in it"]);
    check(&folder, &["send", "--request", &fixture, "--url", &format!("http://{}", session.webhooks)], 0, &["200"]);

    let answer = request(session.webhooks, "POST", "/webhooks/uploadcare", &[], b"{\"unsigned\": true}");
    assert_eq!(answer.status, 401);
    let unsigned = session.detail(3);
    assert_eq!(unsigned["body"]["base64"], json!("eyJ1bnNpZ25lZCI6IHRydWV9"));
    assert_eq!(unsigned["body"]["read_for_you_only"], json!(true));
    assert_eq!(sent["body"]["read_for_you_only"], json!(false));
    assert_eq!(session.get("/api/requests/3/body").header("content-disposition"), Some("attachment; filename=\"3.bin\""));
}

/// Where the token or the body is not in what was kept, nothing pretends that it is.
#[test]
fn what_was_not_kept_is_said() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    std::fs::write(folder.path("secret"), session.secret("filespin")).unwrap();
    let secret = format!("file:{}", folder.path("secret"));
    let good = &session.act("/api/send", &json!({ "endpoint": "filespin", "type": "file-deleted" }), 1)[0];
    assert!(good["commands"]["send"].as_str().unwrap().ends_with("?token='\"${DEV_SECRET_FILESPIN}\""), "{good}");
    let fixture = folder.write("1.http", session.get("/api/requests/1/fixture").body);
    let report = folder.write("1.md", good["commands"]["report"].as_str().unwrap());
    for file in [&fixture, &report] {
        check(&folder, &["verify", "--request", file, "--secret", &secret], 1, &["the token was taken out of the URL"]);
        let url = format!("http://{}", session.webhooks);
        check(&folder, &["send", "--request", file, "--url", &url], 1, &["the token was taken out of the URL"]);
        let whole = format!("{url}/webhooks/filespin?token={}", session.secret("filespin"));
        check(&folder, &["send", "--request", file, "--url", &whole], 0, &["200"]);
    }
    // A wrong token is not replaced by the right one.
    request(session.webhooks, "POST", "/webhooks/filespin?token=wrong", &[], b"{}");
    let refused = session.detail(4);
    assert!(refused["commands"]["curl"].as_str().unwrap().contains("/webhooks/filespin?token=HIDDEN'"), "{refused}");
    assert_eq!((session.post("/api/requests/4/replay", &json!({})).0, &refused["commands"]["send"]), (409, &json!("")));
    assert!(refused["proof"][2]["hint"].as_str().unwrap().contains("env:DEV_SECRET_FILESPIN"), "{refused}");
    // Of a body that is too long, the beginning is shown, and nothing is saved.
    let long = vec![b'x'; 1_000_001];
    assert_eq!(request(session.webhooks, "POST", "/webhooks/uploadcare", &[], &long).status, 413);
    let long = session.detail(5);
    assert_eq!(
        (&long["body"]["bytes"], &long["body"]["kept"]),
        (&json!(1_000_001), &json!(256 << 10)),
        "{}",
        long["body"]["bytes"]
    );
    assert_eq!((states(&long).as_str(), &long["commands"]["curl"]), ("ok failed skipped skipped skipped skipped", &json!("")));
    assert!(long["proof"][1]["hint"].as_str().unwrap().starts_with("It has 1000001 bytes. The limit is `http.max_body_bytes`"));
    assert_eq!(session.get("/api/requests/5/fixture").status, 409);
    // What the sender has proven and nobody can read is kept in quarantine, and the step says so.
    let path = format!("/webhooks/filespin?token={}", session.secret("filespin"));
    assert_eq!(request(session.webhooks, "POST", &path, &[], b"{\"event\":").status, 200);
    assert_eq!(states(&session.detail(6)), "ok ok ok failed ok ok");
    // A query says nothing about a proof that is in the headers.
    let sample = &session.act("/api/send", &json!({ "endpoint": "uploadcare", "type": "file.stored" }), 1)[0];
    let body = session.get(&format!("/api/requests/{}/body", sample["row"]["n"])).body;
    let headers = sample["request"]["headers"].as_array().unwrap();
    let signature = headers.iter().find(|it| it[0] == "x-uc-signature").unwrap()[1].as_str().unwrap().to_owned();
    request(session.webhooks, "POST", "/webhooks/uploadcare?source=eu", &[("x-uc-signature", &signature)], body.as_bytes());
    session.rows(8);
    let fixture = folder.write("8.http", session.get("/api/requests/8/fixture").body);
    std::fs::write(folder.path("secret"), session.secret("uploadcare")).unwrap();
    check(&folder, &["verify", "--request", &fixture, "--secret", &secret], 0, &["verified"]);
    check(&folder, &["send", "--request", &fixture, "--url", &format!("http://{}", session.webhooks)], 0, &["200"]);
    let pasted = folder.write(
        "8.md",
        format!("See:\r\n\r\n{}", session.detail(8)["commands"]["report"].as_str().unwrap().replace('\n', "\r\n")),
    );
    check(&folder, &["verify", "--request", &pasted, "--secret", &secret], 0, &["verified"]);
}

/// An empty token is none, so nothing of it is hidden.
#[test]
fn an_empty_token_is_said() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    assert_eq!(request(session.webhooks, "POST", "/webhooks/filespin?token=", &[], b"{}").status, 401);
    let empty = session.detail(1);
    assert_eq!(empty["request"]["path"], json!("/webhooks/filespin?token="));
    assert!(empty["proof"][2]["hint"].as_str().unwrap().contains("is empty; was the variable of the token not set"), "{empty}");
}

/// The page waits for the next request, and what was cleared stays away.
#[test]
fn an_answer_waits_for_the_next_request() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| session.json("/api/requests?after=0&wait=1"));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished(), "nothing has come yet");
        request(session.webhooks, "POST", "/nowhere", &[], b"");
        assert_eq!(waiting.join().unwrap()["rows"][0]["status"], json!(404));
    });
    assert_eq!(session.post("/api/clear", &json!({})), (200, json!({ "cleared": 1 })));
    let cleared = session.json("/api/requests?after=0");
    assert_eq!((&cleared["rows"], &cleared["strip"]["cleared"], &cleared["last"]), (&json!([]), &json!(1), &json!(1)));
    assert_eq!(session.get("/api/requests/1").status, 404);
}

/// Another terminal finds the session by a file that only its user may read.
#[test]
fn send_finds_the_session() {
    let folder = Folder::new();
    let send = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        command.args(["send", "--dev"]).args(arguments);
        Process::of(with_state(command, &folder)).finish()
    };
    assert!(send(&["uploadcare", "file.stored"]).err.contains("no session of `hookgate dev` runs"));
    let session = Session::start(&folder);
    let file = |session: &Session| {
        std::path::PathBuf::from(folder.path(&format!("state/hookgate/session-{}.json", session.page.port())))
    };
    assert_eq!(std::fs::metadata(file(&session)).unwrap().permissions().mode() & 0o777, 0o600);
    let first = send(&["uploadcare", "file.stored"]);
    assert_eq!(first.out, format!("200 hookgate.uploadcare.file.stored[0]@0\nhttp://{}/#1\n", session.page), "{first:?}");
    assert!(!first.both().contains(&session.key), "{first:?}");
    let second = send(&["uploadcare", "file.stored", "--json"]);
    assert_eq!((second.code, &second.json_lines()[0]["offset"]), (Some(0), &json!(1)), "{second:?}");
    for (arguments, code, why) in [
        (&["uploadcar", "file.stored"][..], 2, "did you mean uploadcare?"),
        (&["uploadcare", "file.stord"], 1, "did you mean file.stored?"),
        (&["uploadcare"], 2, "a TYPE is missing"),
        (&["uploadcare", "file.stored", "--url", "http://127.0.0.1:1"], 2, "cannot be used with"),
    ] {
        let refused = send(arguments);
        assert_eq!(refused.code, Some(code), "{refused:?}");
        assert!(refused.err.contains(why), "{refused:?}");
    }
    // Of two sessions, the newer one is meant, also while it is stopped; and when that ends, the other one. One that was killed has left its file.
    let later = Session::start(&folder);
    let page = |session: &Session| session.page.to_string();
    let (of_first, of_later) = (file(&session), file(&later));
    std::fs::write(folder.path("state/hookgate/session-1.json"), "{\"page\":\"http://127.0.0.1:1\",\"key\":\"k\"}").unwrap();
    let used = || send(&["frameio", "file.ready"]).out;
    assert!(used().contains(&page(&later)));
    let end = |session: Session| {
        session.process.signal("INT");
        assert_eq!(session.process.finish().code, Some(0));
    };
    // One that is stopped has its port and says nothing.
    later.process.signal("STOP");
    let silent = send(&["frameio", "file.ready"]);
    let why = format!("the session of `hookgate dev` with the page http://{} does not answer", page(&later));
    assert!(silent.code == Some(1) && silent.words().contains(&why), "{silent:?}");
    later.process.signal("CONT");
    end(later);
    assert!(!of_later.exists());
    assert!(used().contains(&page(&session)));
    end(session);
    assert!(!of_first.exists());
    assert!(send(&["frameio", "file.ready"]).err.contains("no session of `hookgate dev` runs"));
}
