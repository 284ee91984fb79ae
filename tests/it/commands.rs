//! What people type, through the real binary.

use std::process::Command;

use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Kafka};

use crate::{
    binary::{Finished, Folder, Process, hookgate},
    harness::{Daemon, NOW, SECRETS, Setup, fixture, fixtures, wait_until},
    life::serve_configuration,
};

const COMMANDS: [&str; 9] = ["serve", "dev", "send", "tail", "verify", "check", "topics", "schema", "completions"];

/// A folder with a good configuration; its daemon would listen where no other does.
pub fn configured(brokers: &str) -> Folder {
    let folder = Folder::new();
    folder.write("hookgate.toml", serve_configuration(brokers, ""));
    folder
}

fn check(folder: &Folder, arguments: &[&str], code: i32, expected: &[&str]) -> Finished {
    let finished = hookgate(folder, arguments);
    assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
    for text in expected {
        assert!(finished.both().contains(text), "{arguments:?}: {text:?} is not in {finished:?}");
    }
    for (name, secret) in SECRETS {
        // A printed curl command is the one place where a token stands: it is what was asked for.
        assert!(arguments.contains(&"--curl") || !finished.both().contains(secret), "{arguments:?}: {name}: {finished:?}");
    }
    finished
}

#[test]
fn exit_codes() {
    let (good, empty) = (configured("127.0.0.1:1"), Folder::new());
    check(&good, &["check"], 0, &["hookgate.toml is good"]);
    check(&good, &["--version"], 0, &["hookgate 0.1.0"]);
    check(&good, &["send", "uploadcare", "no.such.type"], 1, &["has no event type"]);
    check(&good, &["send", "nobody", "file.uploaded"], 1, &["neither a provider"]);
    // What there is can be listed before there is a configuration or a secret.
    check(&empty, &["send", "frameio", "--list"], 0, &["file.ready"]);
    check(&empty, &["send", "nobody", "--list"], 1, &["neither a provider"]);
    check(&empty, &["send", "frameio", "file.ready"], 1, &["no secret for frameio", "--secret env:NAME"]);
    check(&good, &[], 2, &["Usage: hookgate"]);
    check(&good, &["chekc"], 2, &["check"]);
    check(&good, &["check", "--clutser"], 2, &["--cluster"]);
    check(&good, &["send", "uploadcare"], 2, &["TYPE"]);
    check(&good, &["topics", "--apply", "--commands"], 2, &["cannot be used with"]);
    for command in ["serve", "check", "topics", "tail"] {
        check(&empty, &[command], 64, &["hookgate.toml", "--config", "hookgate dev"]);
    }
    check(&good, &["serve", "--log-level", "hookgate=loud"], 64, &["level"]);
    check(&good, &["serve", "--listen", "nowhere"], 64, &["[http] listen", "is not an address"]);
}

/// Each waits for brokers as long as it may, so all wait together.
#[test]
fn a_cluster_that_does_not_answer_is_a_failure() {
    let folder = configured("127.0.0.1:1");
    std::thread::scope(|scope| {
        for arguments in [&["check", "--cluster"][..], &["tail"], &["topics", "--apply"]] {
            scope.spawn(|| check(&folder, arguments, 1, &["the brokers 127.0.0.1:1 do not answer"]));
        }
    });
}

#[test]
fn every_command_has_help_with_an_example_and_every_shell_its_completions() {
    let folder = Folder::new();
    for command in COMMANDS {
        check(&folder, &[command, "--help"], 0, &["Usage: hookgate", &format!("  hookgate {command}"), "Example"]);
    }
    check(&folder, &["--help"], 0, &COMMANDS);
    for (shell, mark) in [("bash", "complete "), ("zsh", "#compdef hookgate"), ("fish", "complete -c hookgate")] {
        let script = check(&folder, &["completions", shell], 0, &[mark]);
        assert!(script.err.is_empty() && COMMANDS.iter().all(|command| script.out.contains(command)), "{shell}");
    }
    check(&folder, &["completions", "tcsh"], 2, &["bash", "fish", "zsh"]);
}

#[test]
fn check_tells_every_problem_at_once_or_what_the_configuration_means() {
    let folder = configured("127.0.0.1:1");
    let good =
        check(&folder, &["check"], 0, &["deadlines", "memory ceiling: ", "http.answer_deadline (4s) > kafka.publish_timeout"]);
    assert!(good.err.is_empty(), "{good:?}");
    let report = check(&folder, &["check", "--json"], 0, &[]).json_lines().remove(0);
    assert!(report["memory_ceiling_bytes"].as_u64().unwrap() > 64 << 20, "{report}");
    assert!(report["deadlines"].as_array().unwrap().len() >= 5, "{report}");
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report}");

    let bad = "[kafka]\nbrokesr = [\"kafka:9092\"]\npublish_timeout = \"9s\"\n[http]\nlisten = \"somewhere\"\n\
               [endpoints.uploadcare]\nprovider = \"uplaodcare\"\nsecrets = [\"a-secret-right-here\"]\n\
               [endpoints.frameio]\nprovider = \"frameio\"\nsecrets = [\"env:NOT_SET_ANYWHERE\"]\n";
    folder.write("bad.toml", bad);
    let expected = [
        "bad.toml:2",
        "brokesr",
        "brokers",
        "bad.toml:5",
        "listen",
        "bad.toml:7",
        "uploadcare",
        "bad.toml:8",
        "env:NAME",
        "bad.toml:11",
        "NOT_SET_ANYWHERE",
    ];
    for command in ["check", "serve"] {
        let finished = check(&folder, &[command, "--config", "bad.toml"], 64, &expected);
        assert!(finished.out.is_empty() && !finished.err.contains("a-secret-right-here"), "{finished:?}");
    }
}

#[test]
fn topics_are_listed_for_people_shells_and_programs() {
    let folder = configured("kafka-1:9092");
    let plain = check(&folder, &["topics"], 0, &["hookgate.quarantine\tquarantine", "hookgate.frameio.action\t"]).out;
    let json = check(&folder, &["topics", "--json"], 0, &[]).json_lines();
    let commands =
        check(&folder, &["topics", "--commands"], 0, &["--bootstrap-server kafka-1:9092", "--replication-factor 3"]).out;
    let listed: Vec<&str> = plain.lines().filter_map(|line| line.split('\t').next()).collect();
    assert!(listed.len() > 30, "{plain}");
    assert_eq!(json.iter().map(|line| line["topic"].as_str().unwrap()).collect::<Vec<_>>(), listed);
    assert_eq!(commands.lines().count(), listed.len());
    for (line, topic) in commands.lines().zip(&listed) {
        assert!(line.starts_with("kafka-topics.sh ") && line.contains(&format!(" --topic {topic} ")), "{line}");
    }
}

/// A daemon of this process, and a folder whose configuration points at it.
fn with_daemon() -> (Daemon, Folder) {
    let daemon = Daemon::with(Setup { clock: std::time::SystemTime::now, ..Setup::default() });
    let folder = configured(daemon.mock.as_ref().unwrap().brokers());
    (daemon, folder)
}

#[test]
fn send_posts_what_its_provider_would() {
    let (daemon, folder) = with_daemon();
    let url = |name: &str| format!("http://{}/webhooks/{name}", daemon.webhooks);
    for provider in ["filespin", "filesafety", "frameio", "uploadcare"] {
        let types = check(&folder, &["send", provider, "--list"], 0, &[]).out;
        assert!(types.lines().count() >= 3 || provider == "filesafety", "{provider}: {types}");
        let first = types.lines().next().unwrap();
        check(&folder, &["send", provider, first, "--url", &url(provider)], 0, &["200 {\"id\":\""]);
        let answer = check(&folder, &["send", provider, first, "--url", &url(provider), "--json"], 0, &[]).json_lines().remove(0);
        assert_eq!(answer["status"], 200, "{answer}");
        // The printed line does the same, where there is a curl.
        let line = check(&folder, &["send", provider, first, "--url", &url(provider), "--curl"], 0, &["curl -sS '"]).out;
        if Command::new("curl").arg("--version").output().is_ok() {
            let told = Command::new("sh").args(["-c", &line]).output().unwrap();
            assert!(String::from_utf8_lossy(&told.stdout).starts_with("{\"id\":\""), "{provider}: {told:?}");
        }
        // A secret of another endpoint: refused, and said so.
        let other = if provider == "uploadcare" { "env:UPLOADCARE_OLD" } else { "env:UPLOADCARE" };
        let refused = if provider == "uploadcare" { (0, "200 ") } else { (1, "401 ") };
        check(&folder, &["send", provider, first, "--url", &url(provider), "--secret", other], refused.0, &[refused.1]);
    }
    folder.write("mine.json", "{\"it's\": \"mine\"}\n");
    check(&folder, &["send", "uploadcare", "--file", "mine.json", "--url", &url("uploadcare")], 0, &["200 "]);
    assert!(
        daemon
            .records_of(&["hookgate.uploadcare.unclassified"])
            .iter()
            .any(|it| it.value.windows(17).any(|part| part == b"{\"it's\": \"mine\"}\n"))
    );
    check(&folder, &["send", "uploadcare", "--file", "missing.json", "--url", &url("uploadcare")], 1, &["missing.json"]);
    // The token is part of the URL, and a failure must not repeat it.
    check(
        &folder,
        &["send", "filesafety", "scan.complete", "--url", "http://127.0.0.1:1/webhooks/filesafety"],
        1,
        &["the request to 127.0.0.1:1 failed", "is the daemon there?"],
    );
    for url in ["127.0.0.1:8080/webhooks/filesafety", "no url", "ftp://127.0.0.1/webhooks/filesafety"] {
        check(&folder, &["send", "filesafety", "scan.complete", "--url", url], 1, &["--url takes a URL like http://"]);
    }
}

#[test]
fn tail_decodes_topics_to_json_lines() {
    let (daemon, folder) = with_daemon();
    let body = fixture("uploadcare/constructed/file.infected_v0.7.json");
    for _ in 0..2 {
        assert_eq!(daemon.deliver("uploadcare", &body).status, 200);
    }
    let topic = "hookgate.uploadcare.file.infected";
    let lines = check(&folder, &["tail", topic, "--from-beginning", "--exit"], 0, &[]).json_lines();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!((&line["topic"], &line["event"]["type"]), (&topic.into(), &"file.infected".into()), "{line}");
        assert_eq!(line["key"], line["event"]["subject"], "{line}");
        assert!(line["event"]["uploadcare_file"].is_object() && line["headers"]["ce_id"] == line["event"]["id"], "{line}");
    }
    let limited = check(&folder, &["tail", topic, "--from-beginning", "--limit", "1"], 0, &[]).json_lines();
    assert_eq!(limited.len(), 1);
    // Without a configuration, by a pattern.
    let brokers = daemon.mock.as_ref().unwrap().brokers();
    let bare = Folder::new();
    let arguments = ["tail", "hookgate.uploadcare.*", "--brokers", brokers, "--from-beginning", "--exit"];
    assert_eq!(check(&bare, &arguments, 0, &[]).json_lines().len(), 2);
    check(&folder, &["tail", "no.such.topic", "--exit"], 1, &["no such topic", "hookgate topics"]);

    // A topic that was just created is listed before its leader knows of it.
    let mock = daemon.mock.as_ref().unwrap();
    let not_yet = [Kafka::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, Kafka::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART];
    mock.run(move |cluster| cluster.request_errors(Api::ListOffsets, &not_yet)).unwrap();
    assert_eq!(check(&folder, &["tail", topic, "--from-beginning", "--exit"], 0, &[]).json_lines().len(), 2);
    // What no waiting mends is told at once.
    let denied = [Kafka::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 9];
    mock.run(move |cluster| cluster.request_errors(Api::ListOffsets, &denied)).unwrap();
    check(&folder, &["tail", topic, "--from-beginning", "--exit"], 1, &["cannot read the offsets of", topic]);
    mock.run(|cluster| cluster.clear_request_errors(Api::ListOffsets)).unwrap();

    // A reader that has seen enough is no failure of ours.
    let binary = env!("CARGO_BIN_EXE_hookgate");
    let script = format!(
        "{{ {binary} tail 'hookgate.uploadcare.*' --brokers {brokers} --from-beginning --exit; echo \"exit $?\" >&2; }} | head -1"
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    let finished = Process::of(shell).finish();
    assert_eq!((finished.out.lines().count(), &*finished.err), (1, "exit 0\n"), "{finished:?}");
}

#[test]
fn dev_shows_an_event_of_each_provider() {
    let folder = Folder::new();
    let any = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let finished = check(&folder, &[&["dev", "--exit"], &any[..]].concat(), 0, &["Hookgate is running.", "kcat -b "]);
    assert_eq!(finished.out.lines().filter(|line| line.starts_with("curl ")).count(), 4, "{}", finished.out);
    assert!(finished.out.contains(&format!("\n{} tail --brokers ", env!("CARGO_BIN_EXE_hookgate"))), "what to type");
    // Behind the time stands the place.
    let events: Vec<&str> =
        finished.out.lines().filter(|line| line.contains("[0] @0  key ")).filter_map(|line| line.split("  ").nth(1)).collect();
    assert_eq!(events.len(), 4, "{}", finished.out);
    for provider in ["filespin", "filesafety", "frameio", "uploadcare"] {
        assert!(events.iter().any(|line| line.starts_with(&format!("hookgate.{provider}."))), "{events:?}");
    }

    let process = Process::spawn(&folder, &[&["dev"], &any[..]].concat());
    wait_until("waiting", || process.out().contains("Waiting for deliveries"));
    let told = process.out();
    let shown = told.lines().take_while(|line| !line.starts_with("Waiting")).filter(|line| line.contains("[0] @0  key ")).count();
    assert_eq!(shown, 4, "the samples come first: {told}");
    process.signal("INT");
    let finished = process.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

/// The secrets that `dev` prints sign every other sample, and verify again what lies on its topics.
#[test]
fn the_secrets_of_dev_sign_and_verify() {
    let folder = Folder::new();
    let process = Process::spawn(&folder, &["dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    wait_until("waiting", || process.out().contains("Waiting for deliveries"));
    let told = process.out();
    let lines = |start: &str| told.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>().join("\n");
    let shell = |script: String| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]);
        Process::of(shell).finish()
    };
    let (export, send) = (lines("export DEV_SECRET_"), lines(&format!("{} send ", env!("CARGO_BIN_EXE_hookgate"))));
    let posted = shell(format!("{export}\n{send}"));
    assert_eq!(posted.code, Some(0), "{posted:?}");

    // As docs/consumers.md has it: an HMAC over the body, and the secret that was printed.
    let stored = "hookgate.uploadcare.file.stored[0] @0  key ";
    wait_until("read back", || process.out().contains(stored));
    let tail = lines(&format!("{} tail ", env!("CARGO_BIN_EXE_hookgate")));
    let stored = shell(format!("{tail} --exit --type file.stored --format json --body"));
    let [event] = stored.json_lines().try_into().unwrap();
    folder.write("body", event["event"]["body_text"].as_str().unwrap());
    let header = &event["event"]["proof"]["headers"][0];
    let header = format!("{}: {}", header["name"].as_str().unwrap(), header["value"].as_str().unwrap());
    let verify = format!("{} verify uploadcare --body {}", env!("CARGO_BIN_EXE_hookgate"), folder.path("body"));
    for (slot, code) in [("UPLOADCARE", 0), ("FRAMEIO", 1)] {
        let verified = shell(format!("{export}\n{verify} --secret env:DEV_SECRET_{slot} --header '{header}'"));
        assert_eq!(verified.code, Some(code), "{verified:?}");
    }
    process.signal("INT");
    assert_eq!(process.finish().code, Some(0));
}

/// Whoever looks at the first lines alone (`hookgate dev | head`) is told of no defect.
#[test]
fn dev_ends_quietly_where_nobody_reads_it() {
    let binary = env!("CARGO_BIN_EXE_hookgate");
    let mut shell = Command::new("sh");
    let any = "--listen 127.0.0.1:0 --admin-listen 127.0.0.1:0";
    shell.args(["-c", &format!("{{ {binary} dev {any}; echo \"exit $?\" >&2; }} | true")]);
    let finished = Process::of(shell).finish();
    assert_eq!(finished.err, "exit 0\n", "{finished:?}");
}

/// `verify` over one body and one set of flags; `at` is in seconds since the epoch.
fn verify(target: &str, body: &[u8], flags: &[&str], code: i32, expected: &[&str]) {
    let folder = Folder::new();
    folder.write("body", body);
    check(&folder, &[&["verify", target, "--body", "body"], flags].concat(), code, expected);
}

#[test]
fn verify_passes_the_vectors_of_the_providers() {
    let field = |file: &str, name: &str| {
        let vector: serde_json::Value = serde_json::from_slice(&fixture(file)).unwrap();
        vector[name].as_str().unwrap().to_owned()
    };
    let signature = format!("X-Uc-Signature: {}", field("uploadcare/vector1.json", "header_value"));
    let body = fixture("uploadcare/vector1_body.bin");
    verify("uploadcare", &body, &["--secret", "env:UPLOADCARE_OLD", "--header", &signature], 0, &["verified", "slot 1"]);
    verify(
        "uploadcare",
        &body,
        &["--secret", "env:FRAMEIO", "--secret", "env:UPLOADCARE_OLD", "--header", &signature],
        0,
        &["slot 2"],
    );
    verify(
        "uploadcare",
        &body,
        &["--secret", "env:UPLOADCARE", "--header", &signature],
        1,
        &["bad_signature", "the secret is another one"],
    );

    let file = "frameio/vector1_legacy.json";
    let signature = format!("X-Frameio-Signature: {}", field(file, "X-Frameio-Signature"));
    let timestamp = format!("X-Frameio-Request-Timestamp: {}", field(file, "X-Frameio-Request-Timestamp"));
    let body = fixture("frameio/vector1_legacy_body.bin");
    let flags = ["--secret", "env:FRAMEIO", "--header", &signature, "--header", &timestamp];
    let at = |time: &'static str| [&flags[..], &["--at", time]].concat();
    verify("frameio", &body, &at("2020-10-29T20:48:19Z"), 0, &["verified"]);
    verify("frameio", &body, &at("2020-10-29T20:53:19Z"), 0, &["verified"]);
    verify("frameio", &body, &at("2020-10-29T20:53:20Z"), 1, &["stale", "signed 301 s before the arrival", "--at"]);
    verify("frameio", &body, &at("2020-10-29T20:38:19Z"), 1, &["stale", "signed 600 s after the arrival"]);
    verify("frameio", &body, &flags, 1, &["stale", "the signature is right"]);
    verify("frameio", &body, &at("yesterday"), 1, &["--at takes a time"]);
    assert!(fixtures().exists());
}

/// For programs: the same verdict and the same explanation, whatever is in the body.
#[test]
fn verify_tells_programs_the_same() {
    let check = |first: &str, body: &str, sign: &str, code: i32, expected: serde_json::Value, explained: &str| {
        let folder = Folder::new();
        folder.write("body", body);
        let signature = format!("X-Uc-Signature: v1={}", crate::harness::hmac_hex("7kMVZivndx0ErgvhRKAr", &[sign.as_bytes()]));
        let headers: &[&str] = if sign.is_empty() { &[] } else { &["--header", &signature] };
        let secrets = ["--secret", first, "--secret", "env:UPLOADCARE"];
        let flags = [&["verify", "uploadcare", "--body", "body", "--json"], &secrets[..], headers].concat();
        let finished = check(&folder, &flags, code, &[]);
        assert_eq!(finished.out.lines().count(), 1, "{finished:?}");
        assert!(!finished.out.trim_end().contains(char::is_control), "{finished:?}");
        let mut told: serde_json::Value = serde_json::from_str(&finished.out).unwrap();
        assert_eq!((&told["provider"], &told["endpoint"]), (&"uploadcare".into(), &"uploadcare".into()));
        let (tried, not_tried) = match first {
            "env:NOT_SET" => (vec![2], vec!["slot 1: the variable NOT_SET is not set"]),
            _ => (vec![1, 2], Vec::new()),
        };
        assert_eq!((&told["slots_tried"], &told["not_tried"]), (&tried.into(), &not_tried.into()));
        let lines = told["explanation"].as_array().unwrap();
        assert!(lines.iter().any(|line| line.as_str().unwrap().contains(explained)), "{explained}: {told}");
        if let Some(event) = told["event"].as_object_mut() {
            assert_eq!(event.remove("id").unwrap().as_str().map(str::len), Some(36));
        }
        assert_eq!(serde_json::json!({"refused": told["refused"], "event": told["event"]}), expected);
    };
    let body = "{\"hook\":{\"event\":\"file.stored\"},\"data\":{\"uuid\":\"a\u{9b}b\"}}";
    let quarantined = serde_json::json!({"reason": "bad_subject", "detail": "data.uuid: holds control characters"});
    let event = |kind: &str, fault: serde_json::Value, name: &str, key: &str| serde_json::json!({"refused": null, "event": {"slot": 2, "kind": kind, "quarantined": fault, "type": name, "key": key}});
    let good = body.replace('\u{9b}', "");
    check(
        "env:NOT_SET",
        &good,
        &good,
        0,
        event("uploadcare.file.stored", serde_json::Value::Null, "file.stored", "ab"),
        "signed: ",
    );
    let refused = |label: &str| serde_json::json!({"refused": label, "event": null});
    // The one that cannot be read may be right.
    check("env:NOT_SET", &good, "another", 1, refused("no_secret"), "no_secret");
    check("env:UPLOADCARE_OLD", &good, "another", 1, refused("bad_signature"), "none of the secrets signs these bytes");
    check("env:UPLOADCARE_OLD", &good, "", 1, refused("missing_signature"), "x-uc-signature: missing");
    // Its key is its id, which is another for each body.
    let id = hookgate::encode::delivery_id("uploadcare", "", body.as_bytes());
    check("env:UPLOADCARE_OLD", body, body, 0, event("quarantine", quarantined, "file.stored", &id), "signed: ");
}

#[test]
fn verify_explains_what_changed_a_body() {
    let sign = |body: &[u8]| format!("X-Uc-Signature: v1={}", crate::harness::hmac_hex("7kMVZivndx0ErgvhRKAr", &[body]));
    let [utf8, escaped, spaced] = ["unicode_utf8", "unicode_escaped", "spaced"]
        .map(|name| fixture(&format!("uploadcare/constructed/vector_{name}_body.bin")));
    let pretty = serde_json::to_vec_pretty(&serde_json::from_slice::<serde_json::Value>(&utf8).unwrap()).unwrap();
    let line = |body: &[u8]| [body, b"\n"].concat();
    for (signed, stored, expected) in [
        (&utf8, &utf8, None),
        (&utf8, &line(&utf8), Some("the line break at the end is taken off")),
        (&line(&utf8), &utf8, Some("a line break is put at the end")),
        (&utf8, &pretty, Some("white space between the parts is taken out")),
        (&spaced, &pretty, Some("with a space behind each colon and comma")),
        (&escaped, &utf8, Some("all but ASCII as \\u escapes")),
        (&utf8, &b"{\"another\": 1}".to_vec(), Some("it looks re-serialised")),
        (&utf8, &b"{\"another\":1}".to_vec(), Some("the body is not the one that was signed")),
    ] {
        let (code, text) = expected.map_or((0, "verified"), |text| (1, text));
        verify("uploadcare", stored, &["--secret", "env:UPLOADCARE", "--header", &sign(signed)], code, &[text]);
    }
}

#[test]
fn verify_explains_what_is_wrong_with_a_request() {
    let body = br#"{"type":"file.ready"}"#;
    let (seconds, milliseconds) = (NOW.to_string(), format!("{NOW}000"));
    let frameio = |stamp: &str| {
        let secret = SECRETS.iter().find(|(name, _)| *name == "FRAMEIO").unwrap().1;
        let signature = crate::harness::hmac_hex(secret, &[b"v0:", stamp.as_bytes(), b":", body]);
        [format!("X-Frameio-Signature: v0={signature}"), format!("X-Frameio-Request-Timestamp: {stamp}")]
    };
    let check = |headers: &[&str], code: i32, expected: &[&str]| {
        let headers: Vec<&str> = headers.iter().flat_map(|header| ["--header", header]).collect();
        let flags = [&["--secret", "env:FRAMEIO", "--at", "2025-10-09T08:53:20Z"], &headers[..]].concat();
        verify("frameio", body, &flags, code, expected);
    };
    let [signature, stamp] = frameio(&seconds);
    check(&[&signature, &stamp], 0, &["verified", "type: file.ready"]);
    check(&[&signature], 1, &["missing_signature", "x-frameio-request-timestamp: missing"]);
    check(&[&stamp], 1, &["missing_signature", "x-frameio-signature: missing"]);
    check(&[&signature, &signature, &stamp], 1, &["bad_signature", "stands there 2 times"]);
    check(&[&signature.to_uppercase().replace("V0=", "v0="), &stamp], 1, &["upper case"]);
    check(&[&signature.replace("v0=", ""), &stamp], 1, &["the version in front"]);
    check(&[&signature[..signature.len() - 1], &stamp], 1, &["not exactly 64 hex digits"]);
    check(&[&signature, "X-Frameio-Request-Timestamp: noon"], 1, &["not a number of whole seconds"]);
    let [signature, stamp] = frameio(&milliseconds);
    check(&[&signature, &stamp], 1, &["the timestamp looks like milliseconds"]);
}

#[test]
fn verify_knows_tokens_in_urls() {
    let body = br#"{"event":"scan.complete","scan_id":"s-1"}"#;
    let token = SECRETS.iter().find(|(name, _)| *name == "FILESAFETY").unwrap().1;
    let check = |url: Option<&str>, code: i32, expected: &[&str]| {
        let url: Vec<&str> = url.into_iter().flat_map(|url| ["--url", url]).collect();
        verify("filesafety", body, &[&["--secret", "env:FILESAFETY"], &url[..]].concat(), code, expected);
    };
    check(
        Some(&format!("https://hooks.example.com/webhooks/avatars?token={token}")),
        0,
        &["verified", "the token is the whole proof"],
    );
    check(Some(&format!("https://hooks.example.com/webhooks/avatars/{token}")), 0, &["verified"]);
    check(Some("https://hooks.example.com/webhooks/avatars?token=another"), 1, &["bad_token", "is none of the secrets"]);
    check(Some("::: no url"), 1, &["--url takes a URL"]);
    check(Some("https://hooks.example.com/webhooks/avatars"), 1, &["missing_signature", "--url"]);
    check(Some(&format!("https://hooks.example.com/webhooks/avatars/{token}?token={token}")), 1, &["bad_token"]);
    check(None, 1, &["missing_signature", "--url"]);
}
