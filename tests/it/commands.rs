//! The commands as people type them, run with the real binary.

use std::process::Command;

use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Kafka};

use crate::{
    binary::{Finished, Folder, Process, hookgate},
    forks,
    harness::{Daemon, SECRETS, Setup, fixture},
    lifecycle::serve_configuration,
    providers::PROVIDERS,
};

const COMMANDS: [&str; 16] = [
    "serve",
    "dev",
    "init",
    "send",
    "tail",
    "verify",
    "capture",
    "check",
    "doctor",
    "topics",
    "subscribe",
    "subscriptions",
    "url",
    "schema",
    "completions",
    "licenses",
];

/// Returns a folder with a good configuration. A daemon with it listens on free ports.
pub fn configured(brokers: &str) -> Folder {
    let folder = Folder::new();
    folder.write("hookgate.toml", serve_configuration(brokers, ""));
    folder
}

/// Checks that a command ends with a code and prints some texts, and no secret.
pub fn check(folder: &Folder, arguments: &[&str], code: i32, expected: &[&str]) -> Finished {
    let finished = hookgate(folder, arguments);
    assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
    for text in expected {
        assert!(finished.both().contains(text), "{arguments:?}: {text:?} is not in {finished:?}");
    }
    assert!(!finished.both().contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')), "{arguments:?}: {finished:?}");
    for (name, secret) in SECRETS.iter() {
        // Only a printed curl command contains a token, because the user has asked for it.
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
    // Types can be listed before there is a configuration or a secret.
    check(&empty, &["send", "frameio", "--list"], 0, &["file.ready"]);
    check(&empty, &["send", "nobody", "--list"], 1, &["neither a provider"]);
    check(&empty, &["send", "uploadcar", "--list"], 1, &["did you mean uploadcare?"]);
    check(&empty, &["send", "frameio", "file.ready"], 1, &["no secret for frameio", "--secret env:NAME"]);
    check(&good, &[], 2, &["Usage: hookgate"]);
    check(&good, &["chekc"], 2, &["check"]);
    check(&good, &["check", "--clutser"], 2, &["--cluster"]);
    check(&good, &["send", "uploadcare"], 2, &["TYPE"]);
    check(&good, &["topics", "--apply", "--format", "commands"], 2, &["cannot be used with"]);
    for command in ["serve", "check", "topics", "tail"] {
        check(&empty, &[command], 64, &["hookgate.toml", "--config", "hookgate dev"]);
    }
    let brokers = "`hookgate tail --brokers HOST:PORT` needs no configuration";
    check(&empty, &["tail"], 64, &[brokers]);
    assert!(!check(&empty, &["topics"], 64, &[]).both().contains(brokers));
    check(&good, &["serve", "--log-level", "hookgate=loud"], 64, &["[log] level: ", "is no level"]);
    check(&good, &["serve", "--listen", "nowhere"], 64, &["[http] listen", "is not an address"]);
}

/// `check` ends with 64 only for what `serve` refuses, too. A warning is no failure, except with `--strict`.
#[test]
fn exit_codes_of_check() {
    let folder = configured("127.0.0.1:1");
    let check_both = |more: &str, codes: [i32; 2], expected: &str| {
        folder.write("hookgate.toml", serve_configuration("127.0.0.1:1", more));
        check(&folder, &["check"], codes[0], &[expected]);
        check(&folder, &["check", "--strict"], codes[1], &[expected]);
        let json = check(&folder, &["check", "--json"], codes[0], &[]).json_lines();
        assert_eq!((json.len(), json[0]["problems"].as_array().unwrap().is_empty()), (1, codes[0] == 0), "{more}: {json:?}");
        json.into_iter().next().unwrap()
    };
    check_both("", [0, 0], "is good");
    let report = check_both("[topics]\nreplication = 1\n", [0, 3], "warning: [topics] replication is 1");
    assert_eq!(report["warnings"].as_array().unwrap().len(), 1, "{report}");
    let late = "[endpoints.late]\nprovider = \"frameio\"\nsecrets = [\"file:missing\"]\n";
    check_both(late, [0, 3], "warning: endpoint late has no readable secret yet");
    let report = check_both("[log]\nlevel = \"warning\"\n[topics]\nreplication = \"3\"\n", [64, 64], "");
    let problems: Vec<&str> = report["problems"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(
        matches!(problems.as_slice(), [one, two] if one.contains("did you mean \"warn\"?") && two.contains("[topics] replication: ")),
        "{problems:?}"
    );
    folder.write("hookgate.toml", "{");
    assert_eq!(check(&folder, &["check", "--json"], 64, &[]).json_lines()[0]["problems"].as_array().unwrap().len(), 1);
    check(&Folder::new(), &["check", "--json"], 64, &["{\"problems\":[\"hookgate.toml: cannot be read: no such file; "]);
}

/// A program that reads the log can also read why the daemon does not start.
#[test]
fn failures_at_the_start_have_the_form_of_the_log() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("[http]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    let folder = Folder::new();
    let run = |text: &str, flags: &[&str], code: i32, expected: &str| {
        folder.write("hookgate.toml", text);
        let finished = check(&folder, &[&["serve"], flags].concat(), code, &[expected]);
        assert!(finished.out.is_empty(), "{finished:?}");
        finished.err
    };
    let good = serve_configuration("127.0.0.1:1", "").replacen("[http]\nlisten = \"127.0.0.1:0\"\n", &taken, 1);
    for (text, code, expected) in [
        (&*good, 1, "cannot listen on"),
        ("[kafka]\nbrokers = [\"a:1\"]\nlinger = 1\n", 64, "[kafka] linger"),
        ("[kafka", 64, "the name of the table does not end"),
    ] {
        for flags in
            [&[][..], &["--log-format", "json"], &["--log-format", "auto"], &["--log-format", "json", "--log-level", "off"]]
        {
            let log = run(text, flags, code, expected);
            let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let last = lines.last().unwrap();
            assert_eq!((&last["level"], &last["message"]), (&"ERROR".into(), &"cannot start".into()), "{log}");
            assert!(lines.iter().any(|line| line["problem"].as_str().is_some_and(|it| it.contains(expected))), "{log}");
        }
        let log = run(text, &["--log-format", "text"], code, expected);
        assert!(log.lines().any(|line| line.starts_with("hookgate: ")) && !log.contains('{'), "{log}");
        let log = run(&format!("[log]\nformat = \"text\"\n{text}"), &[], code, expected);
        assert!(!log.contains('{'), "{log}");
    }
    // On a terminal the form is for people.
    let script = |flags: &str| {
        folder.write("hookgate.toml", "[kafka");
        let line = format!("cd {} && {} serve {flags}", folder.path(""), env!("CARGO_BIN_EXE_hookgate"));
        let mut terminal = Command::new("script");
        terminal.args(["-qec", &line, "/dev/null"]).env_remove("HOOKGATE_LOG__FORMAT");
        Process::of(terminal).finish().out
    };
    if forks::output(Command::new("script").arg("--version")).is_ok() {
        assert!(script("").starts_with("hookgate: hookgate.toml:1: "), "{}", script(""));
        assert!(script("--log-format json").starts_with("{\"timestamp\""), "{}", script("--log-format json"));
    }
    // A missing file is reported in the form of the log, too.
    assert!(check(&Folder::new(), &["serve"], 64, &[]).err.starts_with("{\"timestamp\""));
}

/// Messages quote what people type or write. Control characters in it must not reach the terminal.
#[test]
fn quoted_control_characters_do_not_reach_the_terminal() {
    let (good, escape) = (configured("127.0.0.1:1"), "a\u{1b}[2J\u{202e}");
    check(&good, &["send", "uploadcare", escape], 1, &["has no event type"]);
    check(&good, &["send", escape, "file.uploaded"], 1, &["a\\u{1b}[2J"]);
    check(&good, &["check", "--config", escape], 64, &["a\\u001b[2J\\u202e"]);
    check(&good, &["tail", "--from", escape], 2, &["--from"]);
    good.write(&format!("{escape}.toml"), serve_configuration("127.0.0.1:1", ""));
    check(&good, &["check", "--config", &format!("{escape}.toml")], 0, &["a\\u001b[2J\\u202e.toml is good"]);
    good.write("key.toml", serve_configuration("127.0.0.1:1", "[topics]\n\"a\\u001b[2J\" = 1\n"));
    check(&good, &["check", "--config", "key.toml"], 64, &["a\\u001b[2J", "no such key"]);
}

/// The commands run at the same time, because each of them waits for brokers until its timeout.
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
fn every_command_has_help_with_an_example() {
    let folder = Folder::new();
    for command in COMMANDS {
        check(&folder, &[command, "--help"], 0, &["Usage: hookgate", &format!("  hookgate {command}"), "Example"]);
    }
    check(&folder, &["--help"], 0, &COMMANDS);
}

/// What the file holds is the matter of `scripts/tools/licenses`.
#[test]
fn the_licences_of_crates_and_c_libraries_are_in_the_binary() {
    let texts = ["Apache License", "Redistributions in binary form", "\nmusl, ", "parts of BoringSSL"];
    let printed = check(&Folder::new(), &["licenses"], 0, &texts);
    for library in ["librdkafka", "libcurl", "OpenSSL", "mimalloc", "zstd", "zlib"] {
        assert!(printed.out.contains(&format!(", with {library} ")), "{library}");
    }
    assert!(["tokio", "rdkafka", "serde"].iter().all(|name| printed.out.contains(&format!("\n{name} "))));
    // A crate that only builds, one that only tests.
    assert!(!printed.out.contains("\nprost-build ") && !printed.out.contains("\nproptest "));
}

#[test]
fn check_prints_every_problem_at_once_or_what_the_configuration_means() {
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
        check(&folder, &["topics", "--format", "commands"], 0, &["--bootstrap-server kafka-1:9092", "--replication-factor 3"])
            .out;
    let listed: Vec<&str> = plain.lines().filter_map(|line| line.split('\t').next()).collect();
    assert!(listed.len() > 30, "{plain}");
    assert_eq!(json.iter().map(|line| line["topic"].as_str().unwrap()).collect::<Vec<_>>(), listed);
    // This configuration logs in as nobody, so there are no permissions.
    let (notes, commands): (Vec<&str>, Vec<&str>) = commands.lines().partition(|line| line.starts_with("# "));
    assert!(notes.len() == 1 && notes[0].contains("--user"), "{notes:?}");
    assert_eq!(commands.len(), listed.len());
    for (line, topic) in commands.iter().zip(&listed) {
        assert!(line.starts_with("kafka-topics.sh ") && line.contains(&format!(" --topic {topic} ")), "{line}");
    }
}

/// With one replica, which is Kafka's own default, an event that was answered 200 can be lost.
#[test]
fn topics_are_created_with_replicas_that_must_be_in_sync() {
    let created = |topics: &str| {
        let folder = Folder::new();
        folder.write("hookgate.toml", serve_configuration("kafka-1:9092", &format!("[topics]\n{topics}\n")));
        check(&folder, &["topics", "--format", "commands"], 0, &[]).out
    };
    let check = |topics: &str, expected: Option<&str>| {
        for line in created(topics).lines().filter(|line| line.starts_with("kafka-topics.sh ")) {
            let setting = line.split_once(" --config min.insync.replicas=").map(|(_, rest)| rest.split(' ').next().unwrap());
            assert_eq!(setting, expected, "{topics}: {line}");
        }
    };
    check("", Some("2"));
    check("replication = 5", Some("2"));
    check("replication = 5\nmin_insync_replicas = 3", Some("3"));
    check("replication = 1", Some("1"));
    check("replication = -1", None);
    check("min_insync_replicas = -1", None);
}

/// Starts a daemon in this process, and returns it with a folder whose configuration names its cluster.
fn with_daemon() -> (Daemon, Folder) {
    let daemon = Daemon::with(Setup { clock: hookgate::clock::system, ..Setup::default() });
    let folder = configured(daemon.mock.as_ref().unwrap().brokers());
    (daemon, folder)
}

#[test]
fn send_posts_what_the_provider_would_post() {
    let (daemon, folder) = with_daemon();
    let url = |name: &str| format!("http://{}/webhooks/{name}", daemon.webhooks);
    for case in PROVIDERS {
        let provider = case.name;
        let types = check(&folder, &["send", provider, "--list"], 0, &[]).out;
        assert!(types.lines().count() >= 2, "{provider}: {types}");
        let first = types.lines().next().unwrap();
        check(&folder, &["send", provider, first, "--url", &url(provider)], 0, &["200 {\"id\":\""]);
        let answer = check(&folder, &["send", provider, first, "--url", &url(provider), "--json"], 0, &[]).json_lines().remove(0);
        assert_eq!(answer["status"], 200, "{answer}");
        // The printed line does the same, if curl is installed.
        let line = check(&folder, &["send", provider, first, "--url", &url(provider), "--curl"], 0, &["curl -sS '"]).out;
        if forks::output(Command::new("curl").arg("--version")).is_ok() {
            let posted = forks::output(Command::new("sh").args(["-c", &line])).unwrap();
            assert!(String::from_utf8_lossy(&posted.stdout).starts_with("{\"id\":\""), "{provider}: {posted:?}");
        }
        // The daemon refuses the secret of another endpoint, and the command says so.
        let other = if provider == "uploadcare" { "env:FRAMEIO" } else { "env:UPLOADCARE" };
        check(&folder, &["send", provider, first, "--url", &url(provider), "--secret", other], 1, &["401 "]);
        let old = format!("env:{}_OLD", provider.to_uppercase());
        check(&folder, &["send", provider, first, "--url", &url(provider), "--secret", &old], 0, &["200 "]);
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
    // The token is part of the URL, so the message of a failure must not contain the URL.
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
    // A pattern works without a configuration.
    let brokers = daemon.mock.as_ref().unwrap().brokers();
    let bare = Folder::new();
    let arguments = ["tail", "hookgate.uploadcare.*", "--brokers", brokers, "--from-beginning", "--exit"];
    assert_eq!(check(&bare, &arguments, 0, &[]).json_lines().len(), 2);
    check(&folder, &["tail", "no.such.topic", "--exit"], 1, &["no such topic", "hookgate topics"]);

    // A new topic is listed before its leader knows it.
    let mock = daemon.mock.as_ref().unwrap();
    let not_yet = [Kafka::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, Kafka::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART];
    mock.run(move |cluster| cluster.request_errors(Api::ListOffsets, &not_yet)).unwrap();
    assert_eq!(check(&folder, &["tail", topic, "--from-beginning", "--exit"], 0, &[]).json_lines().len(), 2);
    // An error that does not end by waiting is reported at once.
    let denied = [Kafka::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 9];
    mock.run(move |cluster| cluster.request_errors(Api::ListOffsets, &denied)).unwrap();
    check(&folder, &["tail", topic, "--from-beginning", "--exit"], 1, &["cannot read the offsets of", topic]);
    mock.run(|cluster| cluster.clear_request_errors(Api::ListOffsets)).unwrap();

    // It is no failure of `tail` when its reader has seen enough and ends.
    let binary = env!("CARGO_BIN_EXE_hookgate");
    let script = format!(
        "{{ {binary} tail 'hookgate.uploadcare.*' --brokers {brokers} --from-beginning --exit; echo \"exit $?\" >&2; }} | head -1"
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    let finished = Process::of(shell).finish();
    assert_eq!((finished.out.lines().count(), &*finished.err), (1, "exit 0\n"), "{finished:?}");
}
