//! Mistakes of people who configured Hookgate for the first time. Hookgate says for each what is wrong, and what to write instead.

mod beside_problems;
mod not_used;
mod not_toml;
mod properties;
mod variables;

use std::process::Command;

use crate::{
    binary::{Finished, Folder, Process},
    harness::{SECRETS, keep_secret},
};

/// A good configuration. A mistake replaces one of its lines or is added at the end.
const GOOD: &str = "[kafka]\nbrokers = [\"a:1\"]\n[endpoints.care]\nprovider = \"uploadcare\"\nsecrets = [\"env:UPLOADCARE\"]\n";

fn run(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    command
        .args(arguments)
        .current_dir(folder.path(""))
        .env_clear()
        .envs(SECRETS.iter().copied())
        .envs(variables.iter().copied());
    Process::of(command).finish()
}

/// Checks the exit code of `hookgate check` with a file, and that it prints this sentence once.
#[track_caller]
fn check_file(what: &str, file: impl AsRef<[u8]>, variables: &[(&str, &str)], code: i32, sentence: &str) {
    let folder = Folder::new();
    folder.write("hookgate.toml", file);
    let finished = run(&folder, variables, &["check"]);
    let output = finished.both();
    assert_eq!(finished.code, Some(code), "{what}: {output}");
    assert_eq!(output.matches(sentence).count(), 1, "{what}: {sentence:?} in {output}");
    assert!(!output.contains("hunter"), "{what} shows a value: {output}");
    if code == 64 {
        assert_eq!(output.lines().count(), sentence.lines().count(), "{what} is one mistake: {output}");
    }
}

/// Does the same with a text of [`GOOD`] replaced.
#[track_caller]
fn check(what: &str, good: &str, bad: &str, code: i32, sentence: &str) {
    assert!(GOOD.contains(good), "{what}: {good:?}");
    check_file(what, GOOD.replacen(good, bad, 1), &[], code, sentence);
}

/// Does the same with lines added at the end. The first of them is line 6.
#[track_caller]
fn check_more(what: &str, more: &str, code: i32, sentence: &str) {
    check_file(what, format!("{GOOD}{more}\n"), &[], code, sentence);
}

#[test]
fn values_of_another_shape() {
    let broker = "[kafka] brokers: ";
    check(
        "brokers as a text",
        "[\"a:1\"]",
        "\"a:1,b:2\"",
        64,
        &format!("{broker}a list of strings was expected, a string was found; write brokers = [\"a:1\", \"b:2\"]"),
    );
    check("brokers in one text", "[\"a:1\"]", "[\"a:1,b:2\"]", 64, "each broker is a text of its own; write \"a:1\", \"b:2\"");
    check(
        "a broker as Kafka writes it",
        "a:1",
        "PLAINTEXT://a:1",
        64,
        "it takes no \"PLAINTEXT://\"; write \"a:1\" and write security = \"plaintext\"",
    );
    let tls = "it takes no \"SASL_SSL://\"; write \"a:1\" and write security = \"tls\", and mechanism, username and password in [kafka.sasl]";
    check("a broker as Kafka writes it, with SASL", "a:1", "SASL_SSL://a:1", 64, tls);
    check("a broker's URL", "a:1", "http://a:1/", 64, "it takes no \"http://\"; write \"a:1\"");
    let login = "[kafka] brokers: a broker is not host:port, such as \"kafka:9092\"; it takes no user and no password; write the host and \
                 the port alone, and mechanism, username and password in [kafka.sasl]";
    for url in ["kafka://user:hunter2@a:1", "user:hunter2@a:1", "hunter2@a:1,b:2", "https://u:hunter2@a:1/?x=hunter3"] {
        check("a broker with a password", "a:1", url, 64, login);
    }
    for text in ["a:1;sasl.password=hunter2", "kafka://a:1?password=hunter2", "a:1/#hunter2"] {
        check("a connection string", "a:1", text, 64, "[kafka] brokers: a broker is not host:port, such as \"kafka:9092\"");
    }
}

#[test]
fn values_that_their_keys_do_not_accept() {
    check("brokers as a URL", "[\"a:1\"]", "\"kafka://user:hunter2@a:1\"", 64, "a string was found; write brokers = [\"…\"]");
    check("no port", "a:1", "a", 64, "\"a\" is not host:port, such as \"kafka:9092\"");
    check(
        "secrets as a text",
        "[\"env:UPLOADCARE\"]",
        "\"env:UPLOADCARE\"",
        64,
        "a string was found; write secrets = [\"env:UPLOADCARE\"]",
    );
    check("a secret as a text", "[\"env:UPLOADCARE\"]", "\"hunter2\"", 64, "a string was found; write secrets = [\"env:NAME\"]");
    check("a secret", "env:UPLOADCARE", "hunter2", 64, "a secret has no place here; write \"env:NAME\" or \"file:/path\"");
    check("a variable of the shell", "env:UPLOADCARE", "$HUNTER", 64, "a variable is written \"env:NAME\", not $NAME");
    check("a path", "env:UPLOADCARE", "/run/hunter2", 64, "[endpoints.care] secrets: a path is written \"file:/path\"");
    check("capitals", "env:UPLOADCARE", "ENV:HUNTER", 64, "\"env:\", \"file:\" and \"dir:\" are written in small letters");
    let twice =
        "warning: [endpoints.care] secrets: secret 2 is the same as secret 1; in a rotation they are the new and the old one";
    check("a secret twice", "[\"env:UPLOADCARE\"]", "[\"env:UPLOADCARE\", \"env:UPLOADCARE\"]", 0, twice);
    let twice = "warning: [kafka] brokers: \"a:1\" is there twice; was another broker meant?";
    check("a broker twice", "[\"a:1\"]", "[\"a:1\", \"a:1\"]", 0, twice);
}

#[test]
fn numbers_sizes_and_durations() {
    check_more(
        "a number in quotes",
        "[topics]\nreplication = \"3\"",
        64,
        "[topics] replication: is in quotes; write replication = 3",
    );
    check(
        "true in quotes",
        "brokers",
        "auto_create = \"true\"\nbrokers",
        64,
        "[kafka] auto_create: is in quotes; write auto_create = true",
    );
    for (size, own) in [("64MB", "64MiB"), ("64M", "64MiB"), ("64Mi", "64MiB"), ("2 gb", "2GiB"), ("900k", "900KiB")] {
        check_more("a size", &format!("[http]\nmax_in_flight_bytes = \"{size}\""), 64, &format!("; write \"{own}\""));
    }
    for (duration, own) in [("4S", "4s"), ("4 s", "4s"), ("1m30s", "90s"), ("5min", "300s"), ("2w", "14d"), ("1 hour", "3600s")] {
        check_more("a duration", &format!("[topics]\nretention = \"{duration}\""), 64, &format!("or \"14d\"; write \"{own}\""));
    }
    check_more("a duration without a unit", "[http]\nanswer_deadline = 4", 64, "a unit is missing; write \"4s\" or \"4ms\"");
    let late = "http.answer_deadline (4s) is not more than kafka.publish_timeout (10s); change kafka.publish_timeout or http.answer_deadline";
    check("a timeout beyond the deadline", "brokers", "publish_timeout = \"10s\"\nbrokers", 64, late);
}

#[test]
fn lists_and_tables() {
    check_more("a list of endpoints", "[[endpoints]]", 64, "hookgate.toml:6: ");
    check(
        "a number as a broker",
        "[\"a:1\"]",
        "[9092]",
        64,
        "[kafka] brokers: a list of strings was expected, an integer was found",
    );
    check(
        "a number as secrets",
        "[\"env:UPLOADCARE\"]",
        "5",
        64,
        "secrets: a list of strings was expected, an integer was found",
    );
    check(
        "a list of lists",
        "[\"env:UPLOADCARE\"]",
        "[[\"env:X\"]]",
        64,
        "secrets: a list of strings was expected, a list was found",
    );
    check("tls as a switch", "brokers", "tls = true\nbrokers", 64, "[kafka.tls]: a table was expected, a boolean was found");
    check(
        "a list of endpoints alone",
        "[endpoints.care]",
        "[[endpoints]]",
        64,
        "[endpoints]: a table was expected, a list was found",
    );
    check(
        "a misspelled table",
        "[endpoints.care]",
        "[endpoint.care]",
        64,
        "[endpoint]: no such table; did you mean \"endpoints\"?",
    );
    check("a table in capitals", "[kafka]", "[Kafka]", 64, "[Kafka]: no such table; did you mean \"kafka\"?");
}

#[test]
fn addresses() {
    for (value, expected) in [
        ("8080", "a string was expected, an integer was found; write \"0.0.0.0:8080\""),
        ("\"8080\"", "; write \"0.0.0.0:8080\""),
        ("\":8081\"", "; write \"0.0.0.0:8081\""),
        ("\"*:8081\"", "; write \"0.0.0.0:8081\""),
        ("\"0.0.0.0\"", "; write \"0.0.0.0:8080\""),
        ("\"localhost:8080\"", "; names are not looked up; write \"127.0.0.1:8080\""),
        ("\"http://localhost:8080/\"", "; names are not looked up; write \"127.0.0.1:8080\""),
        ("\"hooks.example:8080\"", "; names are not looked up; write \"0.0.0.0:8080\" for every address of this machine"),
        ("\"::1:8080\"", "; write \"[::1]:8080\""),
        ("\"127.0.0.1:99999\"", "; a port is 1 to 65535; write \"127.0.0.1:8080\""),
    ] {
        check_more(value, &format!("[http]\nlisten = {value}"), 64, expected);
    }
    check_more(
        "one port for both",
        "[admin]\nlisten = \"0.0.0.0:8080\"",
        64,
        "[admin] listen: port 8080 is [http] listen's already",
    );
}

#[test]
fn words_of_other_programs() {
    let unknown = |table: &str, key: &str| format!("[{table}] {key}: no such key; did you mean ");
    for word in ["bootstrap_servers", "bootstrap-servers", "servers", "broker"] {
        check(
            "brokers",
            "[kafka]",
            &format!("[kafka]\n{word} = [\"a:1\"]"),
            64,
            &format!("{}\"brokers\"?", unknown("kafka", word)),
        );
    }
    check(
        "acks",
        "brokers",
        "acks = 1\nbrokers",
        64,
        "[kafka] acks: no such key; it is fixed: an event counts when every in-sync replica has it",
    );
    check("sasl in one word", "brokers", "sasl_username = \"u\"\nbrokers", 64, "did you mean username in [kafka.sasl]?");
    for (word, expected) in [
        ("PLAINTEXT", "\"PLAINTEXT\" is Kafka's word for it; write security = \"plaintext\""),
        ("SSL", "\"SSL\" is Kafka's word for it; write security = \"tls\""),
        (
            "SASL_SSL",
            "\"SASL_SSL\" is Kafka's word for it; write security = \"tls\", and mechanism, username and password in [kafka.sasl]",
        ),
        ("sasl_plaintext", "\"sasl_plaintext\" is Kafka's word for it; write security = \"plaintext\", and mechanism"),
        ("TLS", "must be one of plaintext, tls; did you mean \"tls\"?"),
    ] {
        check(
            word,
            "brokers",
            &format!("security = \"{word}\"\nbrokers"),
            64,
            &format!("hookgate.toml:2: [kafka] security: {expected}"),
        );
    }
}

#[test]
fn words_of_other_programs_for_what_hookgate_has() {
    let scram =
        "security = \"tls\"\nsasl = {mechanism = \"scram-sha-512\", username = \"u\", password = \"env:FRAMEIO\"}\nbrokers";
    check("a mechanism", "brokers", scram, 64, "; did you mean \"SCRAM-SHA-512\"?");
    check_more("a port", "[http]\nport = 8080", 64, "[http] port: no such key; did you mean \"listen\"?");
    check_more("replicas", "[topics]\nreplication_factor = 3", 64, "no such key; did you mean \"replication\"?");
    check_more("a server", "[server]", 64, "[server]: no such table; did you mean \"http\"?");
    check(
        "a type",
        "provider",
        "type = \"webhook\"\nprovider",
        64,
        "[endpoints.care] type: no such key; did you mean \"provider\"?",
    );
    check(
        "a token",
        "provider",
        "token = \"hunter2\"\nprovider",
        64,
        "[endpoints.care] token: no such key; did you mean \"secrets\"?",
    );
    check_more("a level", "[log]\nlevel = \"warning\"", 64, "[log] level: \"warning\" is no level; did you mean \"warn\"?");
    check_more("no level", "[log]\nlevel = \"off\"", 0, "[log] level: \"off\" hides errors of Hookgate's own; write \"error\"");
    let prefix = "warning: [topics] prefix: topics are called acmeframeio.file.ready and so on; if acme.frameio";
    check_more("a prefix without a dot", "[topics]\nprefix = \"acme\"", 0, prefix);
    let map = "[topics.map]\n\"uploadcare.file.stored\" = \"a.b\"\n\"uploadcare.file.uploaded\" = \"a_b\"";
    check_more(
        "topics that collide",
        map,
        64,
        "differ in \".\" and \"_\" alone, and Kafka refuses the second of two such topics; rename one of them",
    );
}

#[test]
fn secrets() {
    let token = "62409229dbe062409229dbe062409229";
    keep_secret(token);
    let endpoint = "[endpoints.av]\nprovider = \"filesafety\"\nsecrets = [\"file:s\"]\n";
    let check = |what: &str, content: &[u8], warning: &str| {
        let folder = Folder::new();
        folder.write("s", content);
        folder.write("hookgate.toml", format!("{GOOD}{endpoint}"));
        for (arguments, code) in [(&["check"][..], 0), (&["check", "--strict"], if warning.is_empty() { 0 } else { 3 })] {
            let finished = run(&folder, &[], arguments);
            assert_eq!(finished.code, Some(code), "{what}: {finished:?}");
            let warnings: Vec<&str> = finished.out.lines().filter(|line| line.starts_with("warning: ")).collect();
            assert_eq!(warnings.len(), usize::from(!warning.is_empty()), "{what}: {warnings:?}");
            assert!(warnings.iter().all(|line| line.contains(warning)), "{what}: {warnings:?}");
        }
    };
    let around = |before: &str, after: &str| format!("{before}{token}{after}").into_bytes();
    check("a line end", &around("", "\n"), "");
    check("a line end of Windows", &around("", "\r\n"), "");
    check(
        "a blank at the end",
        &around("", " "),
        "file:s ends with a blank: all of that counts as a part of the secret; write the secret alone",
    );
    check("a blank at the beginning", &around(" ", ""), "file:s begins with a blank: ");
    check("two line ends", &around("", "\n\n"), "file:s ends with a second line end: ");
    check("a byte order mark", &around("\u{feff}", "\n"), "file:s begins with a byte order mark: ");
    check("quotes", &around("\"", "\""), "file:s is in quotes: ");
    check("a name", &around("AVATARS_TOKEN=", "\n"), "file:s begins with a name and \"=\": ");
    check("base64", b"NjI0MDkyMjlkYmUwNjI0MDkyMjlkYmUwNjI0MDkyMjkK", "file:s is the base64 of a text: ");
    check("a placeholder", b"changeme-changeme-changeme", "placeholder of an example; write the secret in its place");
    check("what URLs change", &around("", "+a/b"), "file:s holds '+', '/', '%' or another character that URLs change");
    check(
        "few characters",
        b"a1b",
        "file:s is shorter than 16 characters, and the token in the URL is the only proof of the sender; `openssl rand -hex 16`",
    );
}

#[test]
fn secrets_that_are_not_where_they_should_be() {
    let warn = |what: &str, path: &str, expected: &str| {
        let file = GOOD.replace("env:UPLOADCARE", &format!("file:{path}"));
        check_file(
            what,
            file,
            &[],
            0,
            &format!("warning: [endpoints.care] secrets: the file {path:?} cannot be read: {expected}"),
        );
    };
    warn("a home", "~/secret", "no such file; \"~\" is not your home here but a name like any other; write the whole path");
    warn(
        "a URL",
        "//nowhere/secret",
        "no such file; this is a path and no URL, so it means \"/nowhere/secret\"; write \"file:/nowhere/secret\"",
    );
    warn("a variable", "$HOME/secret", "no such file; variables are not replaced in a path; write the whole path");
    warn("a blank", " /nowhere/secret", "no such file; the blank at its end or beginning is a part of the path; remove it");
    warn("no file", "/nowhere/secret", "no such file");
    warn("no file here", "secret", "no such file; a path without \"/\" in front begins in /");
    warn("a folder", "/tmp", "it is a directory, not a file");
    let unset = "the variable NOT_SET is not set; export it where Hookgate starts (systemd: EnvironmentFile=, Kubernetes: env)";
    check("a variable that is not set", "env:UPLOADCARE", "env:NOT_SET", 64, unset);
    let ca = "security = \"tls\"\ntls = {ca_file = \"~/ca.pem\"}\nbrokers";
    check("authorities at home", "brokers", ca, 64, "\"~/ca.pem\" cannot be read: no such file; \"~\" is not your home here");
}

#[test]
fn ports_that_cannot_be_had() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let check = |listen: &str, expected: &str| {
        let folder = Folder::new();
        folder.write("hookgate.toml", format!("{GOOD}[http]\nlisten = \"{listen}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"));
        let finished = run(&folder, &[], &["serve", "--log-format", "text"]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.err.contains(&format!("hookgate: cannot listen on {listen} (http.listen): ")), "{finished:?}");
        assert!(finished.err.contains(expected), "{finished:?}");
    };
    check(&taken, "; another process has the port, `ss -ltnp` names it: end it, or write another port");
    check("192.0.2.1:8080", "; this machine has no such address: write 0.0.0.0 for all that it has");
}
