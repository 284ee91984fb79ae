//! `hookgate doctor` without a public address: the configuration, the secrets, Kafka, and the subscriptions against stand-ins.

use std::fs;

use hookgate_stubs::{Fault, Reply, uploadcare::Webhook};
use serde_json::{Value, json};

use crate::{
    binary::{Finished, Folder, hookgate},
    harness::assert_discreet,
    recovery_world::World,
    subscriptions::{FOREIGN, all_photos, photo},
};

/// The lines of a report as area, subject, state, and everything that is said.
pub struct Diagnosis {
    pub lines: Vec<(String, String, String, String)>,
    pub finished: Finished,
}

impl Diagnosis {
    /// Checks that the report has a line of this area and subject with this state, which says this.
    #[track_caller]
    pub fn has(&self, (area, subject): (&str, &str), state: &str, part: &str) -> &Self {
        let fits = |(its_area, its_subject, its_state, text): &&(String, String, String, String)| {
            its_area == area && its_subject == subject && its_state == state && text.contains(part)
        };
        assert!(self.lines.iter().any(|line| fits(&line)), "{area} {subject}: {state}: {part} is not in {:#?}", self.lines);
        self
    }
}

/// Checks what every report has in common, and returns its lines.
#[track_caller]
fn read(finished: Finished) -> Diagnosis {
    let report = finished.json_lines();
    let [report] = report.as_slice() else { panic!("not one object: {finished:?}") };
    let checks = report["checks"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| value.as_array().expect("a list").iter().map(text).collect::<Vec<_>>().join("\n");
    for line in checks {
        assert!(!texts(&line["texts"]).is_empty(), "{line}");
        assert!(line["state"] == "good" || !texts(&line["remedies"]).is_empty(), "no remedy: {line}");
    }
    let line = |it: &Value| {
        (text(&it["area"]), text(&it["subject"]), text(&it["state"]), texts(&it["texts"]) + "\n" + &texts(&it["remedies"]))
    };
    let lines: Vec<_> = checks.iter().map(line).collect();
    let bad = lines.iter().filter(|(_, _, state, _)| state == "bad").count();
    assert_eq!((report["bad"].as_u64(), finished.code), (Some(bad as u64), Some(if bad == 0 { 0 } else { 3 })), "{finished:?}");
    Diagnosis { lines, finished }
}

/// Searches an output for all secrets, and for what would command a terminal.
#[track_caller]
fn harmless(finished: &Finished) {
    assert_discreet("doctor", &finished.both());
    assert!(!finished.both().contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{finished:?}");
    for secret in FOREIGN {
        assert!(!finished.both().contains(secret), "{secret} is shown: {finished:?}");
    }
    assert!(finished.both().len() < 30_000, "{} bytes", finished.both().len());
}

/// Runs `hookgate doctor` in a folder, for a program.
#[track_caller]
pub fn diagnose(folder: &Folder, flags: &[&str]) -> Diagnosis {
    let finished = hookgate(folder, &[&["doctor", "--json"], flags].concat());
    harmless(&finished);
    read(finished)
}

/// Runs `hookgate doctor` in a folder, for a person, and checks that it fits a terminal of 80 columns.
#[track_caller]
pub fn shown(folder: &Folder, flags: &[&str]) -> Finished {
    let finished = hookgate(folder, &[&["doctor"], flags].concat());
    harmless(&finished);
    // A command stays on one line, to be copied, and a word such as a URL cannot be broken.
    let too_wide = |line: &&str| {
        let text = line.trim_start_matches(['→', ' ']);
        line.chars().count() > 80 && !text.starts_with("hookgate ") && text.contains(' ')
    };
    assert_eq!(finished.out.lines().find(too_wide), None, "{}", finished.out);
    let marked = finished.out.lines().filter(|line| line.starts_with(['✓', '✗', '–'])).count();
    assert!(marked > 4, "{}", finished.out);
    finished
}

/// A password that cannot be read. It stops only what needs it, so that a test about other things does not wait for Kafka.
const NO_PASSWORD: &str = "[kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"u\"\npassword = \"env:NOT_SET\"\n";
const GOOD: &str = "[kafka]\nbrokers = [\"127.0.0.1:1\"]\n";

/// Lets a configuration have no password for Kafka.
pub fn without_kafka(folder: &Folder) {
    let text = fs::read_to_string(folder.path("hookgate.toml")).expect("there");
    folder.write("hookgate.toml", text + NO_PASSWORD);
}

fn endpoint(name: &str, provider: &str, secret: &str) -> String {
    format!("[endpoints.{name}]\nprovider = \"{provider}\"\nsecrets = [\"{secret}\"]\n")
}

/// Writes a configuration, and checks what is said of it.
#[track_caller]
fn says(folder: &Folder, text: &str, expected: &[((&str, &str), &str, &str)]) {
    folder.write("hookgate.toml", text);
    if !expected.iter().any(|((area, _), ..)| *area == "kafka") {
        without_kafka(folder);
    }
    let diagnosis = diagnose(folder, &[]);
    for (line, state, part) in expected {
        diagnosis.has(*line, state, part);
    }
    shown(folder, &[]);
}

#[test]
fn every_problem_of_the_configuration_and_of_the_secrets_has_a_line() {
    let folder = Folder::new();
    folder.write("photos", "photos-secret-of-a-length");
    let file = ("configuration", "");
    let secrets = |name: &'static str| ("secrets", name);
    let photos = endpoint("photos", "uploadcare", "file:photos");
    says(
        &folder,
        "[kafka",
        &[(file, "bad", "hookgate.toml:1"), (("secrets", ""), "not_tried", ""), (("kafka", ""), "not_tried", "")],
    );
    let several = format!("[kafka]\nbrokers = [\"127.0.0.1:1\"]\nlinger = 1\n[topics]\npartitions = \"hunter2\"\n{photos}");
    says(
        &folder,
        &several,
        &[(file, "bad", "[kafka] linger"), (file, "bad", "[topics] partitions"), (("address", ""), "not_tried", "--host")],
    );
    let warned = format!("{GOOD}[topics]\nreplication = 1\n{photos}");
    says(
        &folder,
        &warned,
        &[
            (file, "good", "warning: [topics] replication is 1"),
            (secrets("photos"), "good", "1 secret of a shape that Uploadcare takes"),
            (("kafka", ""), "bad", "the brokers 127.0.0.1:1 do not answer"),
            (("subscriptions", "uploadcare"), "not_tried", "[recover.uploadcare]"),
            (("clock", ""), "not_tried", "give --host"),
        ],
    );
}

#[test]
fn each_secret_that_is_wrong_has_its_remedy() {
    let folder = Folder::new();
    for (name, text) in [
        ("photos", "photos-secret-of-a-length"),
        ("empty", ""),
        ("short", "abc"),
        ("blank", "photos-secret-with-a-blank "),
        ("long", "a secret that has more characters than Uploadcare takes"),
        ("token", "a+token/that=a-url%changes"),
    ] {
        folder.write(name, text);
    }
    fs::create_dir(folder.path("folder")).expect("created");
    let (file, secrets) = (("configuration", ""), |name: &'static str| ("secrets", name));
    for (name, provider, secret, part) in [
        ("late", "uploadcare", "file:missing", "no such file"),
        ("late", "uploadcare", "file:missing", "write the secret that Uploadcare has into missing"),
        ("late", "uploadcare", "env:NOT_SET", "the variable NOT_SET is not set"),
        ("review", "frameio", "file:empty", "hookgate subscribe review --secret-file empty --host https://…"),
        ("review", "frameio", "file:missing", "hookgate subscribe review --secret-file missing --host https://…"),
        ("review", "frameio", "dir:folder", "hookgate subscribe review --secret-file folder/1 --host https://…"),
        ("review", "frameio", "dir:folder", "add --another"),
        ("review", "frameio", "dir:not/there", "mkdir -p -m 700 not/there"),
        ("review", "frameio", "file:empty", "chmod 600 empty"),
        ("review", "frameio", "file:short", "write down the whole secret that Frame.io has shown"),
        // What cannot be read may be there already, and a second webhook would not help.
        ("review", "frameio", "file:folder", "\nchange the secret where it is"),
        ("photos", "uploadcare", "file:short", "is shorter than"),
        ("photos", "uploadcare", "file:blank", "ends with a blank"),
        ("photos", "uploadcare", "file:long", "is longer than 32 characters"),
        ("assets", "filespin", "file:token", "or another character that URLs change"),
        (
            "assets",
            "filespin",
            "dir:nowhere",
            "write the secret that FileSpin has into nowhere/1; for a new one: openssl rand -hex 16",
        ),
    ] {
        let password = (file, "bad", "[kafka.sasl] password");
        says(&folder, &(GOOD.to_owned() + &endpoint(name, provider, secret)), &[password, (secrets(name), "bad", part)]);
    }
}

/// What stops the daemon does not stop the question to Kafka, and the other way round.
#[test]
fn what_cannot_be_used_stops_only_what_needs_it() {
    let folder = Folder::new();
    folder.write("photos", "photos-secret-of-a-length");
    let photos = endpoint("photos", "uploadcare", "file:photos");
    let (file, secrets) = (("configuration", ""), |name: &'static str| ("secrets", name));
    let unset = GOOD.to_owned() + &endpoint("late", "uploadcare", "env:NOT_SET");
    says(&folder, &unset, &[(file, "bad", "only because of its secrets"), (("kafka", ""), "bad", "do not answer")]);
    let alone = format!("{GOOD}{NO_PASSWORD}{photos}");
    says(&folder, &alone, &[(("kafka", ""), "not_tried", "cannot be used"), (secrets("photos"), "good", "1 secret")]);
    let shared = GOOD.to_owned() + &photos + &endpoint("other", "uploadcare", "file:photos");
    says(&folder, &shared, &[(("secrets", ""), "bad", "is also secret 1 of endpoint"), (secrets("other"), "good", "1 secret")]);
    // What the daemon would not use at its start is not good.
    for name in ["one", "two"] {
        fs::create_dir(folder.path(name)).expect("created");
        folder.write(&format!("{name}/1"), "a-secret-of-both-endpoints");
    }
    folder.write("two/2", "a-secret-of-this-endpoint");
    let folders = GOOD.to_owned() + &endpoint("photos", "uploadcare", "dir:one") + &endpoint("other", "uploadcare", "dir:two");
    says(
        &folder,
        &folders,
        &[
            (("secrets", ""), "bad", "it is not used by "),
            (secrets("photos"), "bad", "1 secret not used, because another endpoint has the same; 0 used"),
            (secrets("other"), "bad", "1 secret not used, because another endpoint has the same; 1 used"),
        ],
    );
}

#[test]
fn wrong_usage_is_refused() {
    let folder = Folder::new();
    for (flags, part) in [
        (&["--host", "http://hooks.example.com"][..], "https://"),
        (&["--host", "https://hooks.example.com/webhooks/a"], "https://"),
        (&["--events", "file.uploadde"], "did you mean file.uploaded?"),
        (&["--timeout", "0"], "--timeout"),
    ] {
        let finished = hookgate(&folder, &[&["doctor"], flags].concat());
        assert_eq!((finished.code, finished.err.contains(part)), (Some(2), true), "{flags:?}: {finished:?}");
    }
    let finished = hookgate(&folder, &["doctor", "--ca-file", "nowhere.pem"]);
    assert_eq!((finished.code, finished.err.contains("--ca-file: ")), (Some(1), true), "{finished:?}");
}

/// Only numbers are shown of what is registered, and the command that shows the rest.
#[test]
fn subscriptions_are_counted() {
    let world = World::mock();
    without_kafka(&world.stage.folder);
    let host = ["--host", "https://127.0.0.1:1"];
    let ask = |change: &dyn Fn(&mut Vec<Webhook>)| {
        let mut webhooks = all_photos();
        for webhook in &mut webhooks {
            webhook.target_url = "https://127.0.0.1:1/webhooks/photos".into();
        }
        change(&mut webhooks);
        world.stub.books().uploadcare.webhooks = webhooks;
        diagnose(&world.stage.folder, &host)
    };
    let uploadcare = ("subscriptions", "uploadcare");
    let good = ask(&|_| {});
    good.has(uploadcare, "good", "5 registered, on, with a proof that is accepted");
    good.has(("subscriptions", "filesafety"), "not_tried", "hookgate subscribe scans");
    good.has(("subscriptions", "frameio"), "bad", "hookgate subscriptions frameio --host https://127.0.0.1:1");
    // The stand-ins send no Date.
    good.has(("clock", ""), "not_tried", "no answer has said what time it is");
    let command = "hookgate subscriptions uploadcare --host https://127.0.0.1:1";
    for (number, part) in
        [(0, command), (1, "1 off, 0 that are refused, 1 missing"), (2, "0 off, 1 that are refused, 0 missing; 1 more")]
    {
        let found = ask(&|all| match number {
            0 => all.clear(),
            1 => {
                all[0].is_active = false;
                drop(all.remove(1));
            }
            _ => {
                all[3].signing_secret = Some("another-secret-of-length".into());
                let foreign = "https://elsewhere.example.com/hunter2-of-somebody?token=hunter2-of-somebody";
                all.push(Webhook { target_url: foreign.into(), ..photo(9, "file.stored") });
            }
        });
        found.has(uploadcare, "bad", part);
    }
    // An address of this machine is nobody's webhook URL, so it says nothing about which of them are ours.
    world.stub.books().uploadcare.webhooks = all_photos();
    let here = diagnose(&world.stage.folder, &["--host", "http://127.0.0.1:1"]);
    here.has(uploadcare, "good", "5 registered, on, with a proof that is accepted");
    // Only what is wanted must be there.
    world.stub.books().uploadcare.webhooks = vec![photo(1, "file.stored")];
    diagnose(&world.stage.folder, &["--events", "file.stored"]).has(uploadcare, "good", "1 registered");
    diagnose(&world.stage.folder, &["--events", "file.stored,file.deleted"]).has(uploadcare, "bad", "1 missing");
    let asked = world.stub.asked();
    assert!(asked.iter().all(|it| it.starts_with("GET ") || it.starts_with("POST /ims/token")), "only read: {asked:?}");
    // A key that cannot be read leaves the other lines.
    fs::remove_file(world.stage.folder.path("uploadcare.key")).expect("there");
    let unread = diagnose(&world.stage.folder, &[]);
    unread.has(("configuration", ""), "bad", "uploadcare.key").has(("subscriptions", ""), "not_tried", "");
    unread.has(("secrets", "photos"), "good", "1 secret").has(("kafka", ""), "not_tried", "");
    assert!(world.events().is_empty(), "something was published");
}

#[test]
fn a_hostile_provider_shows_nothing_and_stops_nothing() {
    let world = World::mock();
    let folder = &world.stage.folder;
    without_kafka(folder);
    let reply = |status: u16, headers: &[(&'static str, &str)], body: String| Reply {
        status,
        headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        body: body.into_bytes(),
        fault: None,
    };
    let secret = "hunter2-of-somebody";
    let place = format!("https://elsewhere.example.com/{secret}?token={secret}");
    for (name, reply, part) in [
        ("a redirect", reply(302, &[("location", &place)], String::new()), "a redirect"),
        ("a wrong type", reply(200, &[], format!("\"{secret}\"")), "has not the form"),
        ("half a list", reply(200, &[], format!("[{{\"id\":1,\"signing_secret\":\"{secret}\"")), ""),
        ("a long answer", reply(200, &[], " ".repeat(9 << 20)), "longer than"),
        ("a fault", reply(503, &[("retry-after", "500")], String::new()), "answered 503"),
        ("patience", reply(429, &[("retry-after", "500")], String::new()), "answered 429"),
        ("no date", reply(403, &[("date", "yesterday")], String::new()), "answered 403"),
    ] {
        world.stub.books().faults = vec![Some(Fault::Instead(Box::new(reply)))];
        // The first that is asked is FileSpin.
        let diagnosis = diagnose(folder, &[]);
        diagnosis.has(("subscriptions", "filespin"), "bad", part).has(("subscriptions", "uploadcare"), "bad", "");
        assert!(diagnosis.finished.err.is_empty(), "{name}: {:?}", diagnosis.finished);
    }
    // It may repeat what it was asked with, and what the endpoints have.
    let words =
        "0123456789abcdef0123456789abcdef assets-token-of-some-length photos%2Dsecret%2Dof%2Dsome%2Dlength \u{1b}[2J\u{202e}";
    for status in [400, 500] {
        let answer = reply(status, &[], json!({ "detail": words }).to_string());
        world.stub.books().faults = vec![Some(Fault::Instead(Box::new(answer)))];
        diagnose(folder, &[]).has(("subscriptions", "filespin"), "bad", "…");
    }
    // Its clock is its own.
    let day = reply(200, &[("date", "Thu, 01 Jan 1970 00:00:00 GMT")], "{}".into());
    world.stub.books().faults = vec![Some(Fault::Instead(Box::new(day)))];
    diagnose(folder, &[]).has(("clock", "127.0.0.1"), "bad", "deliveries to review are refused as stale above 300 s");
    let long =
        |id: u64| Webhook { signing_secret: Some("another-secret-of-length".into()), ..photo(id, "\u{1b}[2Jfile\u{202e}") };
    world.stub.books().uploadcare.webhooks = (0..5_000).map(long).collect();
    diagnose(folder, &[]).has(("subscriptions", "uploadcare"), "bad", "5000 that are refused");
    shown(folder, &[]);
}
