//! Mistakes of people at the command line. Hookgate says for each what is wrong, and what to type instead.
//! Mistakes that need a real Kafka are in `tests/kafka/mistakes.rs`, mistakes in the configuration in `mistakes`.

use std::{
    io::{self, Write as _},
    net::{Shutdown, TcpListener},
    thread,
};

use crate::{
    binary::{Folder, hookgate},
    commands::{check as run, configured},
    harness::{Daemon, SECRETS, Setup},
    lifecycle::serve_configuration,
    providers::names,
    tls,
};

/// Checks the exit code of a command in a folder with a good configuration, and that it prints these texts.
#[track_caller]
fn check(line: &str, code: i32, expected: &[&str]) {
    run(&configured("127.0.0.1:1"), &line.split(' ').collect::<Vec<_>>(), code, expected);
}

#[test]
fn words_that_are_neither_command_nor_flag() {
    check("version", 0, &["hookgate 0.1.0"]);
    check("srve", 2, &["similar subcommand exists: 'serve'"]);
    check("serve --lissten 127.0.0.1:0", 2, &["'--listen'"]);
    check("check hookgate.toml", 2, &["unexpected argument 'hookgate.toml'"]);
    check("topics --apply --format commands", 2, &["cannot be used with"]);
    check("completions tcsh", 2, &["bash", "zsh", "fish"]);
    check("send uploadcare file.uploaded --timeout 0", 2, &["1..=3600"]);
    check("check --config nowhere.toml", 64, &["nowhere.toml: cannot be read: no such file", "--config"]);
}

/// Returns the endpoints of the configuration as messages list them.
fn endpoints() -> String {
    let mut names: Vec<&str> = names().collect();
    names.sort_unstable();
    names.join(", ")
}

#[test]
fn send_says_what_there_is_to_send() {
    check("send uploadcare", 2, &["a TYPE is missing", "--file", "Uploadcare has: file.uploaded"]);
    check("send uploadcare file.uploadde", 1, &["no event type \"file.uploadde\"", "did you mean file.uploaded?", "there are: "]);
    check("send uploadcare nothing", 1, &["no event type \"nothing\"", "there are: file.uploaded"]);
    let endpoints = format!("has the endpoints {}", endpoints());
    check("send uploadcar file.uploaded", 1, &["did you mean uploadcare?", &endpoints]);
    check("send something file.uploaded", 1, &["neither a provider (", &endpoints]);
    check("send uploadcare --file nowhere.json", 1, &["nowhere.json", "No such file"]);
    check("send uploadcare file.uploaded --secret UPLOADCARE", 1, &["--secret", "env:NAME"]);
    check("send uploadcare file.uploaded --url 127.0.0.1:8080", 1, &["--url takes a URL like http://"]);
    check("send uploadcare file.uploaded --url http://127.0.0.1:1/", 1, &["127.0.0.1:1 failed", "is the daemon there?", "--url"]);
    check("send uploadcare file.uploaded --ca-file nowhere.pem", 1, &["--ca-file nowhere.pem", "No such file"]);
    check("send uploadcare file.uploaded --ca-file hookgate.toml", 1, &["--ca-file holds no certificate as PEM"]);
}

/// Starts a server that gives every client the same answer until the test ends. Returns its address.
fn says(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _gone = stream.write_all(answer.as_bytes()).and_then(|()| stream.shutdown(Shutdown::Write));
            // If a connection is closed with unread bytes, its answer is lost.
            let _rest = io::copy(&mut stream, &mut io::sink());
        }
    });
    address
}

#[test]
fn send_says_what_is_wrong_with_a_connection() {
    let daemon = Daemon::with(Setup { clock: hookgate::clock::system, ..Setup::default() });
    let token = SECRETS.iter().find(|(name, _)| *name == "FILESAFETY").unwrap().1;
    let check = |url: &str, more: &[&str], code: i32, expected: &[&str]| {
        let arguments = [&["send", "filesafety", "scan.complete", "--url", url], more].concat();
        let finished = run(&configured("127.0.0.1:1"), &arguments, code, expected);
        assert!(!finished.both().contains(token), "{finished:?}");
    };
    let at = |scheme: &str, address: &str| format!("{scheme}://{address}/webhooks/filesafety");
    let plain = daemon.webhooks.to_string();
    check(&at("http", &plain), &[], 0, &["200 "]);
    check(&at("https", &plain), &[], 1, &["does not speak TLS", "write http:// in the URL"]);
    let redirect = format!(
        "HTTP/1.1 301 X\r\nlocation: https://hooks.example.com:8443/webhooks/filesafety?token={token}\r\ncontent-length: 0\r\n\r\n"
    );
    check(&at("http", &says(redirect)), &[], 1, &["301, a redirect to https://hooks.example.com:8443, which is not followed"]);
    check(&at("http", &says("\u{15}\u{3}\u{3}\0\u{2}\u{2}F".into())), &[], 1, &["write https:// in the URL"]);

    let folder = Folder::new();
    let pair = tls::pair();
    pair.write(&folder);
    let secure = Daemon::with(Setup { tables: &tls::table(&folder), clock: hookgate::clock::system, ..Setup::default() });
    let port = secure.webhooks.port();
    let localhost = at("https", &format!("localhost:{port}"));
    check(&localhost, &[], 1, &["no authority that is trusted has signed its certificate", "CA file"]);
    check(&localhost, &["--ca-file", &folder.path("certificate.pem")], 0, &["200 "]);
    let other = folder.write("other.pem", tls::pair().certificate);
    check(&localhost, &["--ca-file", &other], 1, &["CA file"]);
}

#[test]
fn tail_says_what_a_filter_cannot_find() {
    let mock = crate::lifecycle::mock();
    let folder = configured(mock.brokers());
    let check = |line: &str, code: i32, expected: &str| {
        let arguments = [&["tail", "--from-beginning", "--exit"], &line.split(' ').collect::<Vec<_>>()[..]].concat();
        let finished = hookgate(&folder, &arguments);
        assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
        let silent = expected.is_empty();
        assert!(finished.err.is_empty() == silent && finished.err.contains(expected), "{line}: {expected:?} in {finished:?}");
    };
    check("--type scan.complet", 0, "no known type is called so; did you mean scan.complete?");
    check("--type hookgate.filesafety.scan.complet", 0, "did you mean hookgate.filesafety.scan.complete?");
    check("--type nothing", 0, "--type nothing: no known type is called so; `hookgate send PROVIDER --list` lists them");
    for known in ["scan.complete", "filesafety.*", "hookgate.filesafety.scan.complete", "unclassified", "*.infected"] {
        check(&format!("--type {known}"), 0, "");
    }
    let there_are = format!("the configuration has no such endpoint; there are {}", endpoints());
    check("--endpoint avatar", 0, &format!("--endpoint avatar: {there_are}"));
    check("--endpoint uploadcare", 0, "");
    check("--provider uploadcar", 2, "uploadcare");
    check("--origin web", 2, "webhook");
    check("--format yaml", 2, "json");
    check("--limit no", 2, "a number of records is wanted, such as 10");
    check("--partition one", 2, "--partition");
    let refused = hookgate(&folder, &["tail", "--last", "abc"]);
    assert!(refused.code == Some(2) && refused.err.contains("a number of records is wanted, such as 10"), "{refused:?}");
    let refused = hookgate(&folder, &["tail", "--last", "0"]);
    assert!(refused.code == Some(2) && refused.err.contains("a number of records is wanted, such as 10"), "{refused:?}");
    let refused = hookgate(&folder, &["tail", "--since", "yesterday"]);
    assert!(refused.code == Some(2) && refused.err.contains("a time is like"), "{refused:?}");
}

#[test]
fn verify_recognizes_the_head_of_a_request() {
    let body = br#"{"hook": {"event": "file.uploaded"}}"#;
    let secret = SECRETS.iter().find(|(name, _)| *name == "UPLOADCARE").unwrap().1;
    let signature = format!("X-Uc-Signature: v1={}", crate::harness::hmac_hex(secret, &[body]));
    let folder = configured("127.0.0.1:1");
    let check = |file: &[u8], code: i32, expected: &[&str]| {
        folder.write("body", file);
        run(&folder, &["verify", "uploadcare", "--body", "body", "--header", &signature], code, expected);
    };
    check(body, 0, &["verified"]);
    for end in ["\r\n", "\n"] {
        let head = format!("POST /webhooks/uploadcare HTTP/1.1{end}host: hooks.example.com{end}{signature}{end}{end}");
        let expected = [
            "the head of an HTTP request: --body takes only the body",
            "it fits after this change: the head of the HTTP request",
        ];
        check(&[head.as_bytes(), body].concat(), 1, &expected);
        check(&[head.as_bytes(), b"{}"].concat(), 1, &["the head of an HTTP request", "\"POST … HTTP/1.1\""]);
    }
    check(b"", 1, &["none of the secrets signs these bytes"]);
    run(&folder, &["verify", "uploadcare", "--body", "nowhere"], 1, &["nowhere", "No such file"]);
    run(&folder, &["verify", "uploadcare"], 2, &["--body <FILE>"]);
    run(&folder, &["verify", "uploadcar", "--body", "body"], 1, &["did you mean uploadcare?"]);
    run(&folder, &["verify", "uploadcare", "--body", "body", "--header", "X-Uc-Signature"], 1, &["Name: value"]);
}

/// One port belongs to another process, and one address does not belong to this machine.
#[test]
fn serve_says_what_to_do_about_a_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(&format!("serve --listen {address}"), 1, &["cannot listen on", &address, "`ss -ltnp` names it"]);
    check("serve --listen 192.0.2.1:0", 1, &["this machine has no such address"]);
}

/// `check` has librdkafka read the files, so `serve` accepts what `check` calls good.
#[test]
fn files_that_kafka_clients_cannot_use_are_refused_by_check_too() {
    let folder = Folder::new();
    let (pair, other) = (tls::pair(), tls::pair());
    for (name, content) in [("empty.pem", ""), ("ca.pem", &pair.certificate), ("key.pem", &pair.key), ("other.key", &other.key)] {
        folder.write(name, content);
    }
    folder.write("ca.der", pair.der());
    let check = |keys: &[(&str, &str)], code: i32, expected: &str| {
        let keys: Vec<String> = keys.iter().map(|(key, file)| format!("{key} = '{}'", folder.path(file))).collect();
        let kafka = format!("security = \"tls\"\ntls = {{{}}}\n[http]\n", keys.join(", "));
        folder.write("hookgate.toml", serve_configuration("127.0.0.1:1", "").replacen("[http]\n", &kafka, 1));
        for command in ["check", "serve"].into_iter().take(if code == 0 { 1 } else { 2 }) {
            run(&folder, &[command], code, &[expected]);
        }
    };
    check(&[("ca_file", "ca.pem")], 0, "is good");
    check(&[("ca_file", "ca.pem"), ("certificate_file", "ca.pem"), ("key_file", "key.pem")], 0, "is good");
    check(&[("ca_file", "empty.pem")], 64, "hookgate.toml:4: [kafka.tls] ca_file: ");
    check(&[("ca_file", "ca.der")], 64, " holds no certificate as PEM; `openssl x509 -inform der");
    check(&[("certificate_file", "key.pem"), ("key_file", "key.pem")], 64, "hookgate.toml:4: [kafka.tls] certificate_file: ");
    check(&[("certificate_file", "ca.pem"), ("key_file", "ca.pem")], 64, "hookgate.toml:4: [kafka.tls] key_file: ");
    check(&[("certificate_file", "ca.pem"), ("key_file", "other.key")], 64, "hookgate.toml:4: [kafka.tls] key_file: ");
}
