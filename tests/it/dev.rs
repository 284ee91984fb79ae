//! `hookgate dev`: what it shows, whether its secrets work, and how it ends.

use std::process::Command;

use crate::{
    binary::{Folder, Process},
    commands::check,
    harness::wait_until,
    providers::{PROVIDERS, names},
};

#[test]
fn dev_shows_an_event_of_each_provider() {
    let folder = Folder::new();
    let any = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let finished = check(&folder, &[&["dev", "--exit"], &any[..]].concat(), 0, &["Hookgate is running.", "kcat -b "]);
    assert_eq!(finished.out.lines().filter(|line| line.starts_with("curl ")).count(), PROVIDERS.len(), "{}", finished.out);
    assert!(finished.out.contains(&format!("\n{} tail --brokers ", env!("CARGO_BIN_EXE_hookgate"))), "the command to type");
    // The second column, after the time, is the topic with partition and offset.
    let events: Vec<&str> =
        finished.out.lines().filter(|line| line.contains("[0] @0  key ")).filter_map(|line| line.split("  ").nth(1)).collect();
    assert_eq!(events.len(), PROVIDERS.len(), "{}", finished.out);
    for provider in names() {
        assert!(events.iter().any(|line| line.starts_with(&format!("hookgate.{provider}."))), "{events:?}");
    }

    let process = Process::spawn(&folder, &[&["dev"], &any[..]].concat());
    wait_until("waiting", || process.out().contains("Waiting for deliveries"));
    let out = process.out();
    let shown = out.lines().take_while(|line| !line.starts_with("Waiting")).filter(|line| line.contains("[0] @0  key ")).count();
    assert_eq!(shown, PROVIDERS.len(), "the samples come first: {out}");
    process.signal("INT");
    let finished = process.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

/// The secrets that `dev` prints can sign any other sample, and verify the events on its topics again.
#[test]
fn the_secrets_of_dev_sign_and_verify() {
    let folder = Folder::new();
    let process = Process::spawn(&folder, &["dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    wait_until("waiting", || process.out().contains("Waiting for deliveries"));
    let out = process.out();
    let lines = |start: &str| out.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>().join("\n");
    let shell = |script: String| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]);
        Process::of(shell).finish()
    };
    let (export, send) = (lines("export DEV_SECRET_"), lines(&format!("{} send ", env!("CARGO_BIN_EXE_hookgate"))));
    let posted = shell(format!("{export}\n{send}"));
    assert_eq!(posted.code, Some(0), "{posted:?}");

    // docs/consumers.md describes this proof: an HMAC of the body with the printed secret.
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

/// A reader of the first lines only (`hookgate dev | head`) sees no error.
#[test]
fn dev_ends_quietly_when_its_reader_ends() {
    let binary = env!("CARGO_BIN_EXE_hookgate");
    let mut shell = Command::new("sh");
    let any = "--listen 127.0.0.1:0 --admin-listen 127.0.0.1:0";
    shell.args(["-c", &format!("{{ {binary} dev {any}; echo \"exit $?\" >&2; }} | true")]);
    let finished = Process::of(shell).finish();
    assert_eq!(finished.err, "exit 0\n", "{finished:?}");
}
