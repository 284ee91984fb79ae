//! Whole HTTP requests, as `verify --request` and `send --request` read them.

use std::process::Command;

use crate::{
    binary::Folder,
    commands::{check, configured},
    forks,
    harness::{self, fixture, secret},
    raw_http,
};

/// Returns the bytes of a signed request to an endpoint, with these lines in its head, and the body as it is on the wire.
pub fn whole(endpoint: &str, more: &str, body: &[u8], on_the_wire: &[u8]) -> Vec<u8> {
    let (path, signature) = harness::signed(endpoint, body);
    let headers: Vec<String> = signature.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    [format!("POST {path} HTTP/1.1\r\nHost: hooks.example.com\r\n{headers}{more}\r\n").as_bytes(), on_the_wire].concat()
}

/// The time at which [`harness::signed`] signs.
pub const AT: [&str; 2] = ["--at", "2025-10-09T08:53:20Z"];

#[test]
fn verify_reads_a_whole_request() {
    let folder = configured("127.0.0.1:1");
    let body = fixture("uploadcare/vector1_body.bin");
    let length = format!("Content-Length: {}\r\n", body.len());
    let check = |request: &[u8], flags: &[&str], code: i32, expected: &[&str]| {
        folder.write("captured.http", request);
        check(&folder, &[&["verify", "--request", "captured.http"], &AT[..], flags].concat(), code, expected)
    };
    for endpoint in ["uploadcare", "frameio", "filespin", "filesafety"] {
        let shown = if ["uploadcare", "frameio"].contains(&endpoint) { "" } else { "?…" };
        let said = [
            &*format!("endpoint {endpoint}"),
            &format!("request: POST /webhooks/{endpoint}{shown}, {} bytes of body", body.len()),
            "verified: the secret in slot 1 matches, ",
            "topic: hookgate.",
        ];
        check(&whole(endpoint, &length, &body, &body), &[], 0, &said);
        check(&whole(endpoint, &length, &body, &body), &[endpoint], 0, &said);
    }
    let chunks =
        [b"5\r\n", &body[..5], format!("\r\n{:x}\r\n", body.len() - 5).as_bytes(), &body[5..], b"\r\n0\r\n\r\n"].concat();
    check(&whole("uploadcare", "Transfer-Encoding: chunked\r\n", &body, &chunks), &[], 0, &["verified"]);
    // People paste: the head has other line ends, and an editor has put one at the end.
    let good = whole("uploadcare", &length, &body, &body);
    let head = String::from_utf8(good[..good.len() - body.len()].to_vec()).unwrap();
    let pasted = [head.replace("\r\n", "\n").as_bytes(), &body, b"\n"].concat();
    check(&pasted, &[], 0, &["verified", "come 1 more"]);
    check(&whole("uploadcare", "", &body, &body), &[], 0, &["verified", "announces no length"]);

    check(&good[..good.len() - 1], &[], 1, &["captured.http: the body is cut off: content-length announces"]);
    check(&body, &[], 1, &["captured.http: this is no HTTP request"]);
    check(&[&good[..good.len() - 1], b"!"].concat(), &[], 1, &["bad_signature"]);
    check(&good, &["frameio"], 1, &["the request is for /webhooks/uploadcare, and not for the endpoint frameio"]);
    let stripped = b"POST /webhooks/uploadcare HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n{}";
    let said = "x-uc-signature: missing, and none of the request's 2 headers is like it: a proxy has removed it, or";
    check(stripped, &[], 1, &["missing_signature", said]);
    let renamed = String::from_utf8_lossy(stripped).replace("User-Agent", "X-Signature");
    check(renamed.as_bytes(), &[], 1, &["missing_signature", "missing; there is x-signature, which does not count"]);
    // A flag that says what the request says is a mistake. The URL may say more: a token that was not kept.
    for flags in [["--body", "captured.http"], ["--header", "a: b"]] {
        check(&good, &flags, 2, &["cannot be used with"]);
    }
    let report = check(&good, &["--json"], 0, &[]).json_lines().remove(0);
    assert_eq!(report["event"]["topic"], "hookgate.uploadcare.file.uploaded", "{report}");
    let request = &report["request"];
    assert_eq!((&request["method"], &request["path"]), (&"POST".into(), &"/webhooks/uploadcare".into()), "{report}");
    assert_eq!((&request["body_bytes"], &request["remark"]), (&body.len().into(), &serde_json::Value::Null), "{report}");
    // A token in the path is not shown.
    let token = secret("FILESAFETY");
    let without = b"POST /webhooks/filesafety?token=HIDDEN HTTP/1.1\r\nHost: a\r\n\r\n{}";
    check(without, &[], 1, &["give the whole URL with --url"]);
    check(without, &["--url", &format!("https://a/webhooks/filesafety?token={token}")], 0, &["verified"]);
    check(without, &["--url", "https://a/webhooks/filesafety?token=x"], 1, &["bad_token"]);
    check(without, &["--url", "https://a/webhooks/filesafety"], 1, &["missing_signature"]);
    let in_path = format!("POST /webhooks/filesafety/{token} HTTP/1.1\r\nHost: a\r\n\r\n{{}}");
    check(in_path.as_bytes(), &[], 0, &["request: POST /webhooks/filesafety/…, 2 bytes"]);
    check(in_path.replacen(token, "another", 1).as_bytes(), &[], 1, &["bad_token"]);
}

/// What is said of a token is about the request, and not about a flag that was not given.
#[test]
fn verify_explains_the_token_of_a_whole_request() {
    let folder = configured("127.0.0.1:1");
    for (target, expected) in [
        (
            "filesafety?tokn=hunter2-0123456789",
            "the request's URL has the parameter tokn=, which does not count: its name must be token=",
        ),
        ("filesafety?Token=hunter2-0123456789", "the request's URL has the parameter Token=, which does not count"),
        ("filesafety", "the request's URL has none; it must be there once, as ?token= or as the last path segment"),
        ("filesafety?token=hunter2-0123456789", "the one in the request's URL is none of the secrets"),
    ] {
        let request = format!("POST /webhooks/{target} HTTP/1.1\r\nHost: a\r\n\r\n{{}}");
        folder.write("captured.http", request);
        let explained = check(&folder, &["verify", "--request", "captured.http"], 1, &[expected]).both();
        assert!(!explained.contains("--url") && !explained.contains("hunter2"), "{explained}");
    }
}

/// The size of the record is that of the daemon's, without the fraction of the second of its arrival.
#[test]
fn verify_knows_the_size_of_the_record() {
    let (daemon, folder) = (harness::Daemon::start(), configured("127.0.0.1:1"));
    for (endpoint, file, topic) in [
        ("uploadcare", "uploadcare/vector1_body.bin", "hookgate.uploadcare.file.uploaded"),
        ("frameio", "frameio/v4_file.ready.json", "hookgate.frameio.file.ready"),
    ] {
        let body = fixture(file);
        let more = format!("Content-Length: {}\r\nContent-Type: application/json\r\nConnection: close\r\n", body.len());
        let request = whole(endpoint, &more, &body, &body);
        assert_eq!(raw_http::exchange(daemon.webhooks, &[&request]).status, 200);
        let stored = daemon.records_of(&[topic]).remove(0).value.len() as u64;
        folder.write("captured.http", request);
        let verify = [&["verify", "--request", "captured.http"], &AT[..], &["--json"]].concat();
        let report = check(&folder, &verify, 0, &[]).json_lines().remove(0);
        let found = report["event"]["value_bytes"].as_u64().unwrap();
        assert!((stored - 6..=stored).contains(&found), "{endpoint}: {found} of {stored}");
        check(&folder, &verify[..verify.len() - 1], 0, &[&format!("record: about {found} bytes of value")]);
    }
}

/// Without a configuration, the provider is named, and the path says the endpoint, which is a part of the id.
#[test]
fn verify_reads_a_request_without_a_configuration() {
    let (folder, body) = (Folder::new(), fixture("uploadcare/vector1_body.bin"));
    let (_, signature) = harness::signed("uploadcare", &body);
    let (name, value) = &signature[0];
    folder.write("a", [format!("POST /webhooks/avatars HTTP/1.0\n{name}: {value}\n\n").as_bytes(), &body].concat());
    let id = hookgate::encode::delivery_id("avatars", "", &body);
    check(&folder, &["verify", "uploadcare", "--secret", "env:UPLOADCARE", "--request", "a"], 0, &["endpoint avatars", &id]);
    check(&folder, &["verify", "--secret", "env:UPLOADCARE", "--request", "a"], 1, &["\"avatars\" is neither a provider"]);
    check(&folder, &["verify", "--request", "a", "--request", "b"], 2, &["--request"]);
    check(&folder, &["verify", "uploadcare", "--secret", "env:UPLOADCARE"], 2, &["--body"]);
}

/// Standard input is read like a file.
#[test]
fn verify_reads_standard_input() {
    let (folder, body) = (Folder::new(), fixture("uploadcare/vector1_body.bin"));
    let (_, signature) = harness::signed("uploadcare", &body);
    let header = format!("{}: {}", signature[0].0, signature[0].1);
    folder.write("body", &body);
    folder.write("request", [format!("POST /webhooks/uploadcare HTTP/1.1\nHost: a\n{header}\n\n").as_bytes(), &body].concat());
    let run = |flags: &str, file: &str, expected: &str| {
        let line = format!(
            "cd '{}' && '{}' verify uploadcare --secret env:UPLOADCARE {flags} <{file}",
            folder.path(""),
            env!("CARGO_BIN_EXE_hookgate")
        );
        let mut shell = Command::new("sh");
        let ran = forks::output(shell.args(["-c", &line]).env("UPLOADCARE", secret("UPLOADCARE"))).unwrap();
        let out = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert!(out.contains(expected), "{flags}: {out}");
    };
    run(&format!("--body - --header '{header}'"), "body", "verified");
    run("--request -", "request", "verified");
    run("--request -", "body", "standard input: this is no HTTP request");
}

/// A captured request is sent again with its own proof, to the path that it was for.
#[test]
fn send_posts_a_captured_request_again() {
    let (daemon, folder) = (harness::Daemon::start(), configured("127.0.0.1:1"));
    let origin = format!("http://{}", daemon.webhooks);
    let body = b"{\"hook\": {\"event\": \"file.stored\"},\t\"data\": {\"uuid\": \"sent again\"}}\r\n";
    let length = format!("Content-Length: {}\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n", body.len());
    let send = |endpoint: &str, more: &str, flags: &[&str], code: i32, expected: &[&str]| {
        folder.write("a.http", whole(endpoint, more, body, body));
        let finished = check(&folder, &[&["send", "--request", "a.http"], flags].concat(), code, &[]);
        assert!(expected.iter().all(|text| finished.words().contains(text)), "{endpoint}: {expected:?}: {finished:?}");
        finished
    };
    for endpoint in ["uploadcare", "filesafety", "filespin"] {
        let finished = send(endpoint, &length, &["--url", &origin], 0, &["200 {\"id\":\""]);
        assert!(finished.err.is_empty(), "{finished:?}");
    }
    let stored = daemon.records_of(&["hookgate.uploadcare.file.stored"]).remove(0);
    assert!(stored.value.windows(body.len()).any(|part| part == body), "the body is another one");
    // The clock of the daemon under test stands still at the signed time. That of the command does not.
    let warning = ["warning: Frame.io signed this", "--request cannot sign anew", "200 "];
    send("frameio", &length, &["--url", &origin], 0, &warning);
    // A URL with a path takes the place of the captured one.
    let other = format!("{origin}/webhooks/filespin");
    send("uploadcare", &length, &["--url", &other], 1, &["401 ", "hookgate verify --request a.http"]);
    send("uploadcare", &length, &["--url", &format!("{origin}/hooks")], 1, &["404 ", "the daemon has no endpoint at this path"]);
    send("uploadcare", "Content-Length: 500\r\n", &[], 1, &["the body is cut off"]);
    send(
        "uploadcare",
        &length,
        &["--url", "http://127.0.0.1:1"],
        1,
        &["the request to 127.0.0.1:1 failed", "is the daemon there?"],
    );
    for flags in [&["uploadcare"][..], &["--file", "a.http"], &["--secret", "env:A"], &["--list"], &["--curl"]] {
        send("uploadcare", &length, flags, 2, &["cannot be used with"]);
    }
    folder.write("get", "GET /webhooks/uploadcare HTTP/1.1\n\n");
    check(&folder, &["send", "--request", "get", "--url", &origin], 1, &["the request is a GET; only a POST is sent"]);
}
