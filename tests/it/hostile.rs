//! What only a hostile or a broken peer does, and no other suite covers.

use std::{
    io::{ErrorKind, Write as _},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use crate::{
    binary::{Folder, Process, hookgate},
    harness::{Daemon, SECRETS, Setup, request, wait_until},
    lifecycle::serve_configuration,
};

/// A peer that asks without end and never reads an answer fills every buffer on the way. No timeout of HTTP applies then, so without a
/// limit such peers would keep all connections for ever.
#[test]
fn a_peer_that_does_not_read_its_answers_loses_its_connection() {
    let daemon = Daemon::with(Setup { tables: "[http]\nheader_timeout = \"1s\"", ..Setup::default() });
    let mut stream = TcpStream::connect(daemon.webhooks).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let questions = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n".repeat(1000);
    let full = loop {
        match stream.write_all(&questions) {
            Ok(()) => {}
            Err(error) => break error.kind(),
        }
    };
    assert_eq!(full, ErrorKind::WouldBlock, "the daemon must stop reading before it ends the connection");
    daemon.wait_until("cut off", |_| {
        daemon.metric("hookgate_connections") == Some(0.0)
            && daemon.metric("hookgate_connection_faults_total{reason=\"cut_off\"}") == Some(1.0)
    });
}

/// What librdkafka refuses is reported before the daemon starts. The message does not contain the value, because it may be a secret.
#[test]
fn a_property_that_librdkafka_refuses() {
    let check = |property: &str, code: i32, expected: &str| {
        let folder = Folder::new();
        let configuration = serve_configuration("127.0.0.1:1", &format!("[kafka.properties]\n{property}\n"));
        folder.write("hookgate.toml", configuration);
        for command in ["check", "serve"].into_iter().take(if code == 0 { 1 } else { 2 }) {
            let finished = hookgate(&folder, &[command]);
            assert_eq!(finished.code, Some(code), "{command} with {property}: {finished:?}");
            // The log of `serve` is JSON.
            let output = finished.both().replace("\\\"", "\"");
            assert!(output.contains(expected), "{command} with {property}: {finished:?}");
            assert!(!output.contains("hunter2"), "{command} with {property}: {finished:?}");
        }
    };
    check("\"client.rack\" = \"hunter2\"", 0, "is good");
    check("debug = \"hunter2\"", 64, "hookgate.toml:9: [kafka.properties] debug: librdkafka refuses it: ");
    check(
        "\"no.such.property\" = \"hunter2\"",
        64,
        "hookgate.toml:9: [kafka.properties] no.such.property: librdkafka refuses it: ",
    );
    let several = "debug = \"hunter2\"\n\"no.such.property\" = 1\n[topics]\npartitions = \"hunter2\"";
    for line in
        ["hookgate.toml:9: ", "hookgate.toml:10: [kafka.properties] no.such.property", "hookgate.toml:12: [topics] partitions"]
    {
        check(several, 64, line);
    }
    check(
        "\"metadata.max.age.ms\" = \"hunter2\"",
        64,
        "hookgate.toml:9: [kafka.properties] metadata.max.age.ms: librdkafka refuses it: ",
    );
}

/// JSON allows characters in strings that a terminal takes for commands: 0x9b begins a command, as ESC [ does.
#[test]
fn tail_prints_no_control_characters() {
    let daemon = Daemon::start();
    let folder = Folder::new();
    folder.write("hookgate.toml", serve_configuration(daemon.mock.as_ref().unwrap().brokers(), ""));
    let body = "{\"id\":\"a\",\"status\":\"OK\",\"name\":\"\u{9b}2J\u{7f}\",\"data\":{\"x\":\"\u{9b}2J\"}}";
    assert_eq!(daemon.deliver("filespin", body.as_bytes()).status, 200);
    let finished = hookgate(&folder, &["tail", "hookgate.filespin.file-processed", "--from-beginning", "--exit"]);
    assert!(!finished.out.trim_end().contains(char::is_control), "{:?}", finished.out);
    // Its meaning as JSON is the same.
    let asset = &finished.json_lines()[0]["event"]["filespin_asset"];
    assert_eq!(asset["name"], "\u{9b}2J\u{7f}", "{asset}");
    assert_eq!(asset["data_json"], "{\"x\":\"\u{9b}2J\"}", "{asset}");
}

/// Both ports share one limit of open files, and many containers start with a soft limit of 1024 and a hard limit of 4096. A flood of
/// connections must not make the probes of a healthy process fail.
#[test]
fn connections_leave_files_for_the_probes() {
    let folder = Folder::new();
    let configuration = folder.write("hookgate.toml", serve_configuration("127.0.0.1:1", "[shutdown]\npre_stop = \"0s\""));
    let serve = |limit: &str| {
        let mut command = Command::new("sh");
        let script = format!("ulimit {limit} 100 && exec \"$0\" serve --config \"$1\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_hookgate"), &configuration]).envs(SECRETS.iter().copied());
        Process::of(command)
    };
    let raised = serve("-S -n");
    let (webhooks, admin) = raised.addresses();
    let held: Vec<_> = (0..150).map(|_| TcpStream::connect(webhooks).unwrap()).collect();
    assert_eq!(request(admin, "GET", "/livez", &[], b"").status, 200, "{}", raised.err());
    assert!(!raised.err().contains("open files"), "{}", raised.err());
    drop(held);

    // The log says where the limit cannot be raised.
    let bound = serve("-n");
    wait_until("logged", || bound.err().contains("too few open files"));
}
