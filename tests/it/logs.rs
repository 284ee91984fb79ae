//! The log: docs/logging.md has its messages and fields, and a signal makes it more detailed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    sync::atomic::Ordering,
};

use serde_json::Value;

use crate::{
    binary::{Folder, Process, hookgate},
    docs::{document, rows},
    harness::{Daemon, LINES_SEARCHED, hmac_hex, leak, request, secret, wait_until},
    lifecycle::{mock, serve_configuration},
    tidy::{is_test, rust},
};

/// The levels of a message, and its fields.
type Message = (BTreeSet<String>, BTreeSet<String>);

fn documented() -> BTreeMap<String, Message> {
    let set = |cell: &str| {
        let words = cell.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let text = document("docs/logging.md");
    let rows = rows(&text).filter(|row| row.len() == 4 && row[1].chars().all(|c| c.is_ascii_uppercase() || c == ' '));
    rows.map(|row| (row[0].trim_matches(['`', ' ']).to_owned(), (set(&row[1]), set(&row[2])))).collect()
}

/// Returns the arguments of a macro call. The text begins after the opening parenthesis. `None` means that the call does not end.
fn arguments(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part, mut depth) = (Vec::new(), String::new(), 0);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                part.push(c);
                loop {
                    let inner = rest.next()?;
                    part.push(inner);
                    match inner {
                        '\\' => part.push(rest.next()?),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ')' if depth == 0 => {
                parts.push(part);
                return Some(parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect());
            }
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => {
                depth += i32::from("([{".contains(c)) - i32::from(")]}".contains(c));
                part.push(c);
            }
        }
    }
    None
}

/// Returns every message that the source can log.
fn written() -> BTreeMap<String, Message> {
    let mut messages: BTreeMap<String, Message> = BTreeMap::new();
    for (name, text) in rust().into_iter().filter(|(name, _)| name.starts_with("src/") && !is_test(name)) {
        for call in text.split("tracing::").skip(1) {
            let Some((level, rest)) = call.split_once("!(") else { continue };
            if !["error", "warn", "info", "debug", "trace"].contains(&level) {
                continue;
            }
            let mut parts = arguments(rest).unwrap_or_else(|| panic!("{name}: cannot read {rest}"));
            let message = parts.pop().unwrap();
            assert!(message.starts_with('"') && !message.contains('{'), "{name}: a message must be a constant text: {message}");
            // The text of a continued line begins after its indentation.
            let message: String = message.trim_matches('"').split("\\\n").map(str::trim_start).collect();
            let (levels, fields) = messages.entry(message).or_default();
            levels.insert(level.to_uppercase());
            let fields_here = parts.iter().map(|part| part.split('=').next().unwrap().trim().trim_start_matches(['%', '?']));
            fields.extend(fields_here.map(str::to_owned));
        }
    }
    messages
}

#[test]
fn every_message_is_documented_with_its_fields() {
    let (written, documented) = (written(), documented());
    assert!(written.len() > 25, "the search finds too little: {written:?}");
    for (message, logged) in &written {
        assert_eq!(documented.get(message), Some(logged), "the row of {message:?}");
        for field in ["timestamp", "level", "message", "target"] {
            assert!(!logged.1.contains(field), "{message:?} has a field {field} of its own");
        }
    }
    let stale: Vec<_> = documented.keys().filter(|message| !written.contains_key(*message)).collect();
    assert_eq!(stale, Vec::<&String>::new(), "documented, and never logged");
    assert_eq!(arguments("a, %b = c(d, \"e)\\\"\"), \"f\") g").unwrap(), ["a", "%b = c(d, \"e)\\\"\")", "\"f\""]);
}

/// A daemon that logs no published deliveries, and its log.
struct Bench {
    process: Process,
    webhooks: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    _mock: hookgate::kafka::mock::Mock,
    _folder: Folder,
}

impl Bench {
    fn start(level: &str) -> Self {
        let (folder, mock) = (Folder::new(), mock());
        let tables = format!("[shutdown]\npre_stop = \"0s\"\n[log]\nsuccess_sample = 0\nlevel = \"{level}\"");
        folder.write("hookgate.toml", serve_configuration(mock.brokers(), &tables));
        let process = Process::spawn(&folder, &["serve"]);
        let (webhooks, admin) = process.addresses();
        wait_until("ready", || request(admin, "GET", "/readyz", &[], b"").status == 200);
        Self { process, webhooks, admin, _mock: mock, _folder: folder }
    }

    fn deliver(&self, secret: &str, body: &str) -> u16 {
        let signature = format!("v1={}", hmac_hex(secret, &[body.as_bytes()]));
        request(self.webhooks, "POST", "/webhooks/uploadcare", &[("x-uc-signature", &signature)], body.as_bytes()).status
    }

    fn published(&self) {
        assert_eq!(self.deliver(secret("UPLOADCARE"), r#"{"hook":{"event":"file.uploaded"},"data":{"uuid":"logs"}}"#), 200);
    }

    /// Sends the signal, and waits until the log has its message that many times.
    fn toggle(&self, message: &str, times: usize) {
        self.process.signal("USR1");
        wait_until(message, || self.process.err().matches(message).count() == times);
    }

    /// Stops the daemon and returns the lines of its log.
    fn lines(self) -> Vec<Value> {
        self.process.signal("TERM");
        let log = self.process.finish().err;
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }
}

#[test]
fn a_signal_makes_the_log_more_detailed_and_another_one_ends_that() {
    let bench = Bench::start("info");
    bench.published();
    for times in 1..=2 {
        bench.toggle("logging more, because of SIGUSR1", times);
        bench.published();
        bench.toggle("logging as configured again", times);
        bench.published();
    }
    let stored = |line: &&Value| line["message"] == "stored a delivery";
    let lines = bench.lines();
    let levels: Vec<&Value> = lines.iter().filter(stored).map(|line| &line["level"]).collect();
    assert_eq!(levels, ["DEBUG", "DEBUG"], "one line for each time that the log was more detailed: {lines:?}");
    assert_eq!(lines.last().unwrap()["message"], "stopped", "the signal does not stop the daemon");
    assert!(hookgate(&Folder::new(), &["serve", "--help"]).out.contains("SIGUSR1"), "the help does not name the signal");
    assert!(lines.iter().any(|line| line["directives"] == "info,hookgate=debug"), "{lines:?}");
}

/// The harness searches for secrets in the log of the daemons in this process. The search sees lines, and finds a secret.
#[test]
fn the_search_for_secrets_works() {
    let daemon = Daemon::start();
    assert_eq!(daemon.deliver("filespin", br#"{"id":"a","status":"OK"}"#).status, 200);
    drop(daemon);
    assert!(LINES_SEARCHED.load(Ordering::Relaxed) > 0);
    assert_eq!(leak("nothing\nof note"), None);
    let line = format!("GET /webhooks/filespin?token={}", secret("FILESPIN"));
    assert_eq!(leak(&format!("first\n{line}\nthird")), Some(line));
}

/// A listener for IPv6 and IPv4 gets IPv4 senders with mapped addresses. The log and the trusted proxies use their IPv4 addresses.
#[test]
fn an_ipv4_sender_has_its_own_address_on_a_listener_for_both_families() {
    let check = |trusted: &str, source: &str| {
        let (folder, mock) = (Folder::new(), mock());
        let configuration = serve_configuration(mock.brokers(), "[shutdown]\npre_stop = \"0s\"");
        let trusted = format!("[http]\ntrusted_proxies = [{trusted}]");
        folder.write("hookgate.toml", configuration.replace("[http]", &trusted));
        let process = Process::spawn(&folder, &["serve", "--listen", "[::]:0"]);
        let address = (std::net::Ipv4Addr::LOCALHOST, process.addresses().0.port()).into();
        assert_eq!(request(address, "GET", "/webhooks/nobody", &[("x-forwarded-for", "192.0.2.1")], b"").status, 404);
        process.signal("TERM");
        let log = process.finish().err;
        let line = log.lines().find(|line| line.contains("refused a delivery")).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains(&format!("\"source\":\"{source}\"")), "{trusted}: {line}");
    };
    check("", "127.0.0.1");
    check("\"127.0.0.1\"", "192.0.2.1");
    check("\"10.0.0.0/8\"", "127.0.0.1");
}

#[test]
fn a_run_logs_only_documented_messages() {
    let bench = Bench::start("info");
    bench.toggle("logging more, because of SIGUSR1", 1);
    bench.published();
    assert_eq!(bench.deliver(secret("UPLOADCARE"), r#"{"hook":{"event":"no.such.event"},"data":{"uuid":"logs"}}"#), 200);
    assert_eq!(bench.deliver(secret("UPLOADCARE"), "not JSON"), 200);
    assert_eq!(bench.deliver("another", "{}"), 401);
    assert_eq!(request(bench.webhooks, "GET", "/webhooks/nobody", &[], b"").status, 404);
    let (documented, mut seen) = (documented(), BTreeSet::new());
    for line in bench.lines() {
        let message = line["message"].as_str().unwrap().to_owned();
        let (levels, fields) = documented.get(&message).unwrap_or_else(|| panic!("{message:?} is not documented: {line}"));
        assert!(levels.contains(line["level"].as_str().unwrap()), "{line}");
        for field in line.as_object().unwrap().keys().filter(|key| !["timestamp", "level", "message"].contains(&key.as_str())) {
            assert!(fields.contains(field), "{field} of {message:?} is not documented: {line}");
        }
        // A refusal is logged with the address of its sender, so that an operator can find out who sends wrong deliveries.
        assert_eq!(line["source"] == "127.0.0.1", message == "refused a delivery", "{line}");
        seen.insert(message);
    }
    for message in ["starting", "listening", "read a secret", "stored a delivery", "refused a delivery", "stopped"] {
        assert!(seen.contains(message), "{message} in {seen:?}");
    }
}

/// A stranger must not decide how fast the log grows. Lines that are left out are counted, and lines about proven deliveries stay.
#[test]
fn a_flood_of_refusals_has_few_lines() {
    const FLOOD: usize = 3000;
    let bench = Bench::start("info");
    let mut stream = std::net::TcpStream::connect(bench.webhooks).unwrap();
    let reader = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || {
        let answers = BufReader::new(reader).lines().map_while(Result::ok).filter(|line| line.contains("HTTP/1.1 404"));
        answers.take(FLOOD).count()
    });
    for _ in 0..FLOOD {
        stream.write_all(b"GET /nothing HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    }
    assert_eq!(reading.join().unwrap(), FLOOD);
    assert_eq!(bench.deliver("another", "{}"), 401);
    let dropped = |reason: &str| {
        let series = format!("hookgate_log_lines_dropped_total{{reason=\"{reason}\"}} ");
        let metrics = request(bench.admin, "GET", "/metrics", &[], b"").body;
        metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<usize>().ok()).unwrap()
    };
    let (left_out, slow_reader) = (dropped("rate"), dropped("slow_reader"));
    assert_eq!(slow_reader, 0);
    // The limit applies to each second. A slow machine needs some seconds for the flood.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(request(bench.webhooks, "GET", "/nothing", &[], b"").status, 404);
    let lines = bench.lines();
    let refused = |outcome: &str| lines.iter().filter(|line| line["outcome"] == outcome).cloned().collect::<Vec<_>>();
    let strangers = refused("unknown_endpoint");
    assert_eq!(strangers.len() + left_out, FLOOD + 1, "each has a line or is counted");
    assert!(left_out > FLOOD / 2, "{left_out} of {FLOOD} left out");
    let suppressed: u64 = strangers.iter().filter_map(|line| line["suppressed"].as_u64()).sum();
    assert_eq!(suppressed, left_out as u64, "the lines say how many were left out");
    assert_eq!(refused("bad_signature").len(), 1, "another outcome is not hidden");
}
