//! `hookgate dev`: what it shows, whether its secrets work, and how it ends.

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    process::Command,
    thread,
};

use serde_json::Value;

use crate::{
    binary::{Folder, Process},
    commands::check,
    docs::document,
    harness::{request, wait_until},
    hostile_peer::head,
    providers::{PROVIDERS, names},
};

const ANY: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

/// The lines about requests: after the time comes the mark with the status.
fn lines(out: &str) -> Vec<Vec<&str>> {
    let lines = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|words| matches!(words.get(1), Some(&("✓" | "?" | "!" | "✗")))).collect()
}

/// Returns the address of the webhook port that `dev` prints.
fn webhooks(out: &str) -> SocketAddr {
    let (_, after) = out.split_once("  webhooks  http://").expect("the address");
    after.split('/').next().unwrap().parse().unwrap()
}

#[test]
fn dev_shows_a_sample_of_each_provider() {
    let folder = Folder::new();
    let finished = check(&folder, &[&["dev", "--exit"], &ANY[..]].concat(), 0, &["Hookgate is running"]);
    let shown = lines(&finished.out);
    assert_eq!(shown.len(), PROVIDERS.len(), "{}", finished.out);
    for (at, (words, provider)) in shown.iter().zip(names()).enumerate() {
        let [_, "✓", "200", endpoint, event_type, _subject, place, _took, "ms", number] = words.as_slice() else {
            panic!("{words:?}")
        };
        assert_eq!((*endpoint, &*format!("hookgate.{provider}.{event_type}[0]@0")), (provider, *place));
        assert_eq!(*number, format!("#{}", at + 1), "in order of arrival");
    }
    let end = format!("\n\n{0} requests: {0} published\n", PROVIDERS.len());
    assert!(finished.out.ends_with(&end), "{}", finished.out);
    assert!(!finished.both().contains("DEV_SECRET"), "a session that has ended has no use for commands");

    let events = check(&folder, &[&["dev", "--exit", "--events"], &ANY[..]].concat(), 0, &["  origin  ORIGIN_SAMPLE"]);
    let heads = events.out.lines().filter(|line| line.contains("[0] @0  key ")).count();
    assert_eq!(
        (heads, lines(&events.out).len()),
        (PROVIDERS.len(), PROVIDERS.len()),
        "each event below its line: {}",
        events.out
    );
    check(&folder, &[&["dev", "--exit", "--no-samples"], &ANY[..]].concat(), 2, &["cannot be used with"]);
}

/// What comes is one line each, in order of arrival, with the reason in words; at the end they are counted.
#[test]
fn dev_says_what_became_of_each_request() {
    let folder = Folder::new();
    let process = Process::spawn(&folder, &[&["dev", "--no-samples"], &ANY[..]].concat());
    wait_until("waiting", || process.out().contains("Waiting for deliveries"));
    let out = process.out();
    assert_eq!(lines(&out), Vec::<Vec<&str>>::new(), "no samples");
    let webhooks = webhooks(&out);
    let secret = out.split_once("DEV_SECRET_FILESPIN=").unwrap().1.split_whitespace().next().unwrap();
    let token = "0123456789-of-production";
    let cases = [
        ("POST", format!("/webhooks/filespin?token={secret}"), "{\"event\":", 200),
        ("POST", format!("/webhooks/filespin?token={token}"), "", 401),
        ("POST", "/webhooks/uploadcare".into(), "{}", 401),
        ("POST", format!("/webhooks/filepsin/{token}"), "{}", 404),
        ("GET", "/webhooks/frameio".into(), "", 405),
    ];
    for (method, path, body, status) in &cases {
        assert_eq!(request(webhooks, method, path, &[], body.as_bytes()).status, *status, "{method} {path}");
    }
    wait_until("shown", || lines(&process.out()).len() == cases.len());
    let out = process.out();
    let shown: Vec<String> = lines(&out).iter().map(|words| words[1..].join(" ")).collect();
    let expected = [
        ("! 200 filespin quarantine ", " hookgate.quarantine[0]@0 "),
        ("✗ 401 filespin bad_token ", "the token in the URL is another one "),
        ("✗ 401 uploadcare missing_signature ", "not signed: no header x-uc-signature "),
        ("✗ 404 – unknown_endpoint ", "/webhooks/filepsin/… try /webhooks/filespin "),
        ("✗ 405 frameio method ", "webhooks are delivered with POST "),
    ];
    for (at, (begin, part)) in expected.iter().enumerate() {
        let line = &shown[at];
        assert!(line.starts_with(begin) && line.contains(part) && line.ends_with(&format!(" ms #{}", at + 1)), "{line}");
    }
    process.signal("INT");
    let finished = process.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let refused = "4 refused (1 missing_signature, 1 bad_token, 1 unknown_endpoint, 1 method)";
    assert!(finished.out.ends_with(&format!("\n\n5 requests: 1 quarantined, {refused}\n")), "{}", finished.out);
    assert!(!finished.both().contains(token), "{finished:?}");
    assert!(!finished.err.contains("refused a delivery"), "once is enough: {}", finished.err);
}

/// The user's own Kafka gets samples only where somebody has said so.
#[test]
fn dev_asks_before_it_writes_to_a_kafka_of_the_user() {
    let folder = Folder::new();
    let run = |flags: &[&str], code: i32, expected: &str| {
        check(&folder, &[&["dev", "--kafka", "127.0.0.1:1"], &ANY[..], flags].concat(), code, &[expected]);
    };
    run(&["--exit"], 2, "add --yes, or --no-samples");
    run(&[], 2, "add --yes, or --no-samples");
}

/// What is wrong with a flag is said of the flag, and nothing is warned of that the user has not written.
#[test]
fn dev_speaks_of_its_flags() {
    let folder = Folder::new();
    for (flags, expected) in [
        (["--kafka", "localhost"], "hookgate: command line: --kafka: \"localhost\" is not host:port, such as \"kafka:9092\""),
        (["--schema-registry", "nowhere"], "hookgate: command line: --schema-registry: must be http:// or https:// with a host"),
    ] {
        let finished = check(&folder, &[&["dev", "--no-samples"], &ANY[..], &flags].concat(), 64, &[]);
        let said: Vec<&str> = finished.err.lines().filter(|line| !line.contains("new secrets")).collect();
        assert!(said.len() == 1 && said[0].starts_with(expected), "{finished:?}");
    }
}

/// What is waited for is said in one sentence, and not in the words of Kafka's client.
#[test]
fn dev_says_that_it_waits_for_kafka() {
    let folder = Folder::new();
    let process = Process::spawn(&folder, &[&["dev", "--kafka", "127.0.0.1:1", "--yes"], &ANY[..]].concat());
    let waiting = "hookgate: waiting for 127.0.0.1:1, for 30 s at most\n";
    wait_until("said", || process.err().contains(waiting));
    let said = process.err();
    let others: Vec<&str> = said.lines().filter(|line| !waiting.starts_with(line) && !line.contains("new secrets")).collect();
    assert_eq!(others, Vec::<&str>::new());
}

/// The documents show what `dev` prints, and describe its flags.
#[test]
fn the_documents_show_what_dev_prints() {
    let folder = Folder::new();
    let process = Process::spawn(&folder, &[&["dev"], &ANY[..]].concat());
    wait_until("waiting", || process.out().contains("Waiting for deliveries"));
    let (out, readme) = (process.out(), document("README.md"));
    let (_, shown) = readme.split_once("$ make dev\n").expect("the transcript");
    let (shown, _) = shown.split_once("```").expect("its end");
    let sentences: Vec<&str> = shown.lines().filter(|line| line.ends_with([':', '.'])).collect();
    assert!(sentences.len() > 4, "{sentences:?}");
    for sentence in sentences {
        assert!(out.lines().any(|line| line == sentence), "{sentence:?} is not in {out}");
    }
    let (page, help) = (document("docs/dev.md"), check(&folder, &["dev", "--help"], 0, &["--events"]).out);
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")?.split([' ', '<']).next());
    let missing: Vec<&str> = flags.filter(|flag| !page.contains(&format!("`--{flag}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The secrets that `dev` prints can sign any other sample, and verify the events on its topics again.
#[test]
fn the_secrets_of_dev_sign_and_verify() {
    let folder = Folder::new();
    let process = Process::spawn(&folder, &[&["dev", "--events"], &ANY[..]].concat());
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

/// Returns a session with these variables, once it waits for deliveries.
fn session(folder: &Folder, variables: &[(&str, &str)], flags: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    command.args(["dev", "--no-samples"]).args(ANY).args(flags).env_clear();
    command.env("XDG_STATE_HOME", folder.path("state")).envs(variables.iter().copied());
    let process = Process::of(command);
    wait_until("waiting", || process.out().contains("Waiting for deliveries"));
    process
}

/// What was entered at a provider still holds after a restart.
#[test]
fn the_secrets_of_dev_stay() {
    let folder = Folder::new();
    let file = folder.path("state/hookgate/dev.env");
    let kept = || {
        let text = fs::read_to_string(&file).unwrap();
        let pairs = text.lines().map(|line| line.strip_prefix("export DEV_SECRET_").unwrap().split_once('=').unwrap());
        pairs.map(|(name, secret)| (name.to_lowercase(), secret.to_owned())).collect::<Vec<_>>()
    };
    let answer = |process: &Process, secret: &str| {
        let path = format!("/webhooks/filespin?token={secret}");
        request(webhooks(&process.out()), "POST", &path, &[], b"{}").status
    };
    let ends = |process: Process| {
        process.signal("INT");
        let finished = process.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        for (_, secret) in kept() {
            assert!(!finished.both().contains(&secret), "{finished:?}");
        }
    };

    let first = session(&folder, &[], &[]);
    let made = kept();
    assert_eq!(made.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names().collect::<Vec<_>>());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(first.out().contains(&format!("\n. {file}\n")), "{}", first.out());
    let filespin = &made[0].1;
    assert_eq!(answer(&first, filespin), 200);
    // The printed commands work in another terminal.
    let sourced = format!(". {file}");
    let send = first.out().lines().find(|line| line.contains(" send uploadcare ")).unwrap().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{sourced}\n{send}")]);
    assert_eq!(Process::of(shell).finish().code, Some(0));
    ends(first);

    let second = session(&folder, &[], &[]);
    assert_eq!((answer(&second, filespin), kept()), (200, made.clone()));
    ends(second);

    // The user's own come first, and are not written down.
    let own = [("DEV_SECRET_FILESPIN", "of-the-environment-01"), ("FRAMEIO_SECRET", "of-a-reference-012345")];
    let third = session(&folder, &own, &["--secret", "frameio=env:FRAMEIO_SECRET"]);
    assert_eq!((answer(&third, own[0].1), answer(&third, filespin), kept()), (200, 401, made));
    let url = format!("http://{}/webhooks/frameio", webhooks(&third.out()));
    let send = ["send", "frameio", "file.ready", "--url", &url, "--secret"];
    for (secret, code) in [(own[1].1, 0), ("of-nobody-0123456789", 1)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        command.args(send).arg("env:FRAMEIO").current_dir(folder.path("")).env_clear().env("FRAMEIO", secret);
        assert_eq!(Process::of(command).finish().code, Some(code));
    }
    ends(third);
}

/// A file that others may read, or that is not understood, is an error that says what to do and shows nothing of it.
#[test]
fn a_bad_file_of_secrets_is_an_error() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("state/hookgate")).unwrap();
    let file = folder.write("state/hookgate/dev.env", "");
    let run = |text: &str, mode: u32, expected: &str| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        command.args(["dev", "--exit"]).args(ANY).env_clear().env("XDG_STATE_HOME", folder.path("state"));
        let finished = Process::of(command).finish();
        assert!(finished.code == Some(1) && finished.err.contains(expected), "{finished:?}");
        assert!(!finished.both().contains("s3cret"), "{finished:?}");
    };
    run("export DEV_SECRET_FILESPIN=s3cret-0123456789\n", 0o644, &format!("\n  chmod 600 {file}\n"));
    run("# mine\nDEV_SECRET_FILESPIN=s3cret-0123456789\n", 0o600, &format!("{file}:2: write export NAME=SECRET"));
}

/// A reader of the first lines only (`hookgate dev | head`) sees no error.
#[test]
fn dev_ends_quietly_when_its_reader_ends() {
    let binary = env!("CARGO_BIN_EXE_hookgate");
    let (folder, mut shell) = (Folder::new(), Command::new("sh"));
    shell.env("XDG_STATE_HOME", folder.path("state"));
    shell.args(["-c", &format!("{{ {binary} dev {}; echo \"exit $?\" >&2; }} | true", ANY.join(" "))]);
    let finished = Process::of(shell).finish();
    assert_eq!(finished.err, "exit 0\n", "{finished:?}");
}

/// What to enter at the providers is said without a secret; a real webhook's token is there as the name of its variable.
#[test]
fn dev_says_what_to_enter_at_the_providers() {
    let folder = Folder::new();
    let process = session(&folder, &[], &["--public-url", "https://hooks.example.com/"]);
    let (out, page) = (process.out(), document("docs/dev.md"));
    let (_, shown) = page.split_once("$ hookgate dev --public-url https://hooks.example.com\n…\n").expect("the transcript");
    assert!(out.contains(shown.split_once("```").expect("its end").0), "{out}");
    // The page shows the same.
    let (_, link) = out.split_once("  inspect   http://").unwrap();
    let (address, key) = link.lines().next().unwrap().split_once("/#key=").unwrap();
    let answer = request(address.parse().unwrap(), "GET", "/api/session", &[("hookgate-session", key)], b"");
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(told["public_url"], "https://hooks.example.com");
    assert_eq!(told["endpoints"][0]["setup"][1], "https://hooks.example.com/webhooks/filespin?token=${DEV_SECRET_FILESPIN}");
    process.signal("INT");
    assert_eq!(process.finish().code, Some(0));
    for (url, code) in [("http://hooks.example.com", 2), ("https://hooks.example.com/webhooks", 2)] {
        check(&folder, &["dev", "--exit", "--public-url", url], code, &["the public address is https:// and a host"]);
    }
    for local in ["https://localhost", "https://127.0.0.1:8443", "https://[::1]", "https://192.168.1.5"] {
        check(&folder, &["dev", "--exit", "--public-url", local], 2, &["no provider reaches ", "or take --tunnel"]);
    }
    check(&folder, &["dev", "--tunnel", "--public-url", "https://hooks.example.com"], 2, &["cannot be used with"]);
    check(&folder, &["dev", "--tunnel", "--listen", "127.0.0.1:0"], 1, &["choose it with --listen"]);
}

/// Returns the address of a stand-in for cloudflared, whose tunnel leads to a port. One answer is for all its questions.
fn cloudflared(port: u16) -> String {
    let rules = format!(r#"[{{"hostname":"","service":"http://localhost:{port}"}}]"#);
    let body = format!(r#"{{"hostname":"four-words.trycloudflare.com","config":{{"ingress":{rules}}}}}"#);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            head(&mut stream);
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}", body.len());
            let _gone = write!(stream, "{head}\r\n\r\n{body}");
        }
    });
    address
}

/// The agent is asked where its own variable says, and what it says decides.
#[test]
fn dev_takes_the_url_of_a_tunnel() {
    let folder = Folder::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let run = |agent: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
        command.args(["dev", "--tunnel", "--no-samples", "--admin-listen", "127.0.0.1:0", "--listen", &listen]);
        command.env_clear().env("XDG_STATE_HOME", folder.path("state")).env("TUNNEL_METRICS", agent);
        Process::of(command)
    };
    let process = run(&cloudflared(port));
    wait_until("waiting", || process.out().contains("Waiting for deliveries"));
    assert!(process.out().contains("\n  https://four-words.trycloudflare.com/webhooks/uploadcare\n"), "{}", process.out());
    process.signal("INT");
    assert_eq!(process.finish().code, Some(0));
    let finished = run(&cloudflared(1)).finish();
    let why = format!(
        "leads https://four-words.trycloudflare.com to http://localhost:1, and this session takes webhooks on port {port}"
    );
    assert!(finished.code == Some(1) && finished.words().contains(&why), "{finished:?}");
}
