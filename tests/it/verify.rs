//! `hookgate verify`: why a captured delivery passes or fails.

use crate::{
    binary::{Folder, hookgate},
    commands::{self, check, configured},
    harness::{self, Daemon, NOW, SECRETS, fixture, fixtures, secret},
};

/// Runs `verify` with a body and flags, and checks its exit code and that it prints these texts.
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

/// The tolerance is written as in the configuration, and has its limits. A configured endpoint keeps its own, unless another one is given.
#[test]
fn verify_takes_a_tolerance() {
    let body = br#"{"type":"file.ready"}"#;
    let (_, headers) = harness::signed("frameio", body);
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let headers: Vec<&str> = headers.iter().flat_map(|header| ["--header", header]).collect();
    let (bare, configured) = (Folder::new(), Folder::new());
    let endpoint = "[endpoints.frameio]\nprovider = \"frameio\"\nsecrets = [\"env:FRAMEIO\"]\ntolerance = \"1h\"\n";
    configured.write("hookgate.toml", format!("[kafka]\nbrokers = [\"127.0.0.1:1\"]\n{endpoint}"));
    let check = |folder: &Folder, at: &str, tolerance: Option<&str>, code: i32, expected: &str| {
        folder.write("body", body);
        let tolerance: Vec<&str> = tolerance.into_iter().flat_map(|it| ["--tolerance", it]).collect();
        let flags = ["verify", "frameio", "--body", "body", "--secret", "env:FRAMEIO", "--at", at];
        check(folder, &[&flags[..], &headers, &tolerance].concat(), code, &[expected]);
    };
    // It was signed at 08:53:20 on the 9th.
    check(&bare, "2025-10-09T08:58:20Z", None, 0, "verified");
    check(&bare, "2025-10-09T08:58:21Z", None, 1, "it may be 300 s away at most");
    check(&bare, "2025-10-10T08:53:20Z", Some("1d"), 0, "verified");
    check(&bare, "2025-10-10T08:53:21Z", Some("1d"), 1, "it may be 86400 s away at most");
    check(&bare, "2025-10-09T08:51:49Z", Some("1.5m"), 1, "it may be 90 s away at most");
    check(&configured, "2025-10-09T09:53:20Z", None, 0, "verified");
    check(&configured, "2025-10-09T09:53:21Z", None, 1, "it may be 3600 s away at most");
    check(&configured, "2025-10-09T09:53:21Z", Some("2h"), 0, "verified");
    check(&configured, "2025-10-09T09:53:20Z", Some("5m"), 1, "it may be 300 s away at most");
    for wrong in ["300", "500ms", "25h", "1 day", ""] {
        check(&bare, "2025-10-09T08:53:20Z", Some(wrong), 2, "from 1s to 1d");
    }
    let signs_none = ["--secret", "env:UPLOADCARE", "--tolerance", "1d"];
    verify("uploadcare", body, &signs_none, 2, &["--tolerance has no effect: Uploadcare signs no timestamp"]);
}

/// As JSON, `verify` gives programs the same verdict and the same explanation, also for a body with control characters.
#[test]
fn verify_prints_the_same_as_json() {
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
        let mut report: serde_json::Value = serde_json::from_str(&finished.out).unwrap();
        assert_eq!((&report["provider"], &report["endpoint"]), (&"uploadcare".into(), &"uploadcare".into()));
        let (tried, not_tried) = match first {
            "env:NOT_SET" => (
                vec![2],
                vec![
                    "slot 1: the variable NOT_SET is not set; export it where Hookgate starts (systemd: EnvironmentFile=, Kubernetes: env)",
                ],
            ),
            _ => (vec![1, 2], Vec::new()),
        };
        assert_eq!((&report["slots_tried"], &report["not_tried"]), (&tried.into(), &not_tried.into()));
        let lines = report["explanation"].as_array().unwrap();
        assert!(lines.iter().any(|line| line.as_str().unwrap().contains(explained)), "{explained}: {report}");
        if let Some(event) = report["event"].as_object_mut() {
            assert_eq!(event.remove("id").unwrap().as_str().map(str::len), Some(36));
            assert!(event.remove("value_bytes").unwrap().as_u64() > Some(body.len() as u64), "{event:?}");
        }
        assert_eq!(serde_json::json!({"refused": report["refused"], "event": report["event"]}), expected);
    };
    let body = "{\"hook\":{\"event\":\"file.stored\"},\"data\":{\"uuid\":\"a\u{9b}b\"}}";
    let quarantined = serde_json::json!({"reason": "bad_subject", "detail": "data.uuid: holds control characters"});
    let event = |kind: &str, fault: serde_json::Value, name: &str, key: &str| {
        let event = serde_json::json!({
            "slot": 2, "seconds_after_signing": null, "kind": kind, "topic": null, "quarantined": fault, "type": name, "key": key,
        });
        serde_json::json!({"refused": null, "event": event})
    };
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
    // The secret that cannot be read may be the right one.
    check("env:NOT_SET", &good, "another", 1, refused("no_secret"), "no_secret");
    check("env:UPLOADCARE_OLD", &good, "another", 1, refused("bad_signature"), "none of the secrets signs these bytes");
    check("env:UPLOADCARE_OLD", &good, "", 1, refused("missing_signature"), "x-uc-signature: missing");
    // The key of a quarantined event is its id, which depends on the body.
    let id = hookgate::encode::delivery_id("uploadcare", "", body.as_bytes());
    check("env:UPLOADCARE_OLD", body, body, 0, event("quarantine", quarantined, "file.stored", &id), "signed: ");
}

/// A secret with other characters around it verifies nothing, and people do not see a blank. So `verify` tries the secret without them.
#[test]
fn verify_tries_the_secret_without_characters_around_it() {
    const HINT: &str = "but the secret would fit without what is around it: file:secret ";
    let (secret, body) = ("hunter2-hunter2-hunter2", br#"{"hook":{"event":"file.stored"},"data":{"uuid":"a"}}"#);
    crate::harness::keep_secret(secret);
    let check = |content: &str, signed_with: &str, code: i32, remark: Option<&str>| {
        let folder = Folder::new();
        folder.write("body", body);
        folder.write("secret", content);
        let signature = format!("X-Uc-Signature: v1={}", crate::harness::hmac_hex(signed_with, &[body]));
        let url = format!("https://a/webhooks/filesafety?token={signed_with}");
        for (provider, proof) in [("uploadcare", ["--header", &*signature]), ("filesafety", ["--url", &*url])] {
            for json in [&[][..], &["--json"]] {
                let flags = ["verify", provider, "--body", "body", "--secret", "file:secret"];
                let finished = commands::check(&folder, &[&flags, &proof[..], json].concat(), code, &[]);
                let out = finished.out.replace("\\\"", "\"");
                assert_eq!(out.contains(HINT), remark.is_some(), "{content:?}: {out}");
                assert!(remark.is_none_or(|remark| out.contains(&format!("{HINT}{remark}; "))), "{content:?}: {out}");
                assert!(!out.contains(secret), "{out}");
            }
        }
    };
    check(secret, secret, 0, None);
    check(&format!("{secret}\n"), secret, 0, None);
    check(&format!("{secret} \n"), secret, 1, Some("ends with a blank"));
    check(&format!("\u{feff}{secret}"), secret, 1, Some("begins with a byte order mark"));
    check(&format!("TOKEN='{secret}'\n"), secret, 1, Some("begins with a name and \"=\" and is in quotes"));
    check(&format!("{secret}\n\n"), secret, 1, Some("ends with a second line end"));
    check(&format!("{secret}\u{a0}"), secret, 1, Some("ends with a character that is not seen (U+00A0)"));
    check(&format!("TOKEN = {secret}\n"), secret, 1, Some("begins with a name and \"=\""));
    check(&format!("{{\"token\": \"{secret}\"}}\n"), secret, 1, Some("is JSON"));
    check(&format!("another-one\n{secret}\n"), secret, 1, Some("has several lines"));
    // Another secret is wrong, also without the characters around it.
    check(&format!("{secret} "), "another-one-another-one", 1, None);
    check(secret, "another-one-another-one", 1, None);
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
        (&utf8, &line(&utf8), Some("the line break at the end is removed")),
        (&line(&utf8), &utf8, Some("a line break is put at the end")),
        (&utf8, &pretty, Some("white space between the parts is removed")),
        (&spaced, &pretty, Some("with a space after each colon and comma")),
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
    let passed =
        ["signed: \"v0:1760000000:\" and then the body's 21 bytes: {\"type\":\"file.ready\"}\n", "slot 1 matches, env:FRAMEIO"];
    check(&[&signature, &stamp], 0, &[&passed[..], &["signed 0 s before the arrival", "type: file.ready"]].concat());
    check(&[&signature], 1, &["missing_signature", "x-frameio-request-timestamp: missing\n"]);
    check(&[&stamp], 1, &["missing_signature", "x-frameio-signature: missing\n"]);
    check(&["X-Frameio-Signature:", &stamp], 1, &["missing_signature", "x-frameio-signature: empty"]);
    // The title says what is wrong: a malformed signature is no matter of the secret.
    check(
        &[&signature, &signature, &stamp],
        1,
        &["bad_signature (a header of the proof is there more than once)", "is there 2 times"],
    );
    let malformed = "bad_signature (the signature is malformed)";
    check(&[&signature.to_uppercase().replace("V0=", "v0="), &stamp], 1, &[malformed, "upper case"]);
    check(&[&signature.replace("v0=", ""), &stamp], 1, &[malformed, "the version before the hex digits is missing: `v0=`"]);
    check(&[&signature.replace("v0=", "v1="), &stamp], 1, &[malformed, "is another one than `v0=`"]);
    let wanted = "the signature must be `v0=` and 64 hex digits; this one has ";
    check(&[&signature[..signature.len() - 1], &stamp], 1, &[malformed, &format!("{wanted}63 hex digits")]);
    check(&["X-Frameio-Signature: v0=a/é", &stamp], 1, &[malformed, &format!("{wanted}other characters")]);
    let malformed = "bad_signature (the timestamp is malformed)";
    check(&[&signature, "X-Frameio-Request-Timestamp: noon"], 1, &[malformed, "not a number of whole seconds"]);
    let [old, stamp_in_ms] = frameio(&milliseconds);
    check(&[&old, &stamp_in_ms], 1, &[malformed, "the timestamp looks like milliseconds"]);
    // The title of a signature that is well-formed and wrong stays.
    check(&[&old, &stamp], 1, &["bad_signature (the signature does not match)", "the secret is another one"]);
    // A header that may be meant is named; others are not.
    for near in ["X-Frame-Signature", "Frameio-Signatur", "X_Frameio_Signature", "X-Original-Signature-V0"] {
        let renamed = signature.replace("X-Frameio-Signature", near);
        let expected = format!("x-frameio-signature: missing; there is {}, which does not count", near.to_lowercase());
        check(&[&renamed, &stamp], 1, &["missing_signature", &expected]);
    }
    for other in ["X-Request-Id: 1", "Signed-By: a", "X-Frameio-Request-Id: 1", "Content-Type: a"] {
        check(&[other, &stamp], 1, &["x-frameio-signature: missing\n"]);
    }
}

#[test]
fn verify_checks_tokens_in_urls() {
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
    check(
        Some("https://hooks.example.com/webhooks/avatars?tokn=another"),
        1,
        &["missing_signature", "--url has the parameter tokn="],
    );
    check(Some("https://hooks.example.com/webhooks/avatars"), 1, &["missing_signature", "--url has none; it must be there once"]);
    check(None, 1, &["missing_signature", "give the URL as it was called with --url"]);
    check(Some(&format!("https://hooks.example.com/webhooks/avatars/{token}/")), 0, &["verified"]);
    check(Some(&format!("::: no url{token}")), 1, &["--url takes a URL"]);
    for path in ["//webhooks/avatars", "/x/webhooks/avatars", "/webhooks/Avatars", "/webhooks/ava%74ars"] {
        let wanted = "the daemon answers the path of --url with 404: it takes /webhooks/<endpoint>?token=…";
        let url = format!("https://hooks.example.com{path}?token=");
        check(Some(&format!("{url}{token}")), 1, &["unknown_endpoint", wanted, "apart from that, the proof is good"]);
        check(Some(&format!("{url}another")), 1, &["unknown_endpoint", wanted, "apart from that, refused", "bad_token"]);
    }
    // There is one token, and something in it.
    let (url, twice) = ("https://hooks.example.com/webhooks/avatars", ["bad_token", "--url has 2 of them, so it is unclear"]);
    check(Some(&format!("{url}/{token}?token={token}")), 1, &twice);
    check(Some(&format!("{url}?token={token}&token={token}")), 1, &twice);
    check(Some(&format!("{url}?token=&token={token}")), 1, &twice);
    check(Some(&format!("{url}?token=")), 1, &["missing_signature", "the one in --url is empty; was the variable"]);
}

/// For a configured endpoint, `verify --url` accepts the paths of that endpoint in the daemon, and no others.
#[test]
fn verify_reads_a_url_as_the_daemon_does() {
    let (daemon, folder) = (Daemon::start(), configured("127.0.0.1:1"));
    let bodies = [("uploadcare", "uploadcare/vector1_body.bin"), ("filesafety", "filesafety/docs_scan.complete_current.json")];
    let bodies = bodies.map(|(endpoint, file)| (endpoint, fixture(file)));
    // `answer` is the daemon's answer to a delivery at this path that is signed for this endpoint.
    let check = |endpoint: &str, path: &str, answer: u16| {
        let body = &bodies.iter().find(|(name, _)| *name == endpoint).unwrap().1;
        folder.write("body", body);
        let path = path.replace("TOKEN", secret("FILESAFETY"));
        let headers = harness::signed(endpoint, body).1;
        let pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(daemon.post(&path, &pairs, body).status, answer, "{endpoint}: {path}");
        let url = format!("https://hooks.example.com{path}");
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let headers: Vec<&str> = headers.iter().flat_map(|header| ["--header", header]).collect();
        let flags = [&["verify", endpoint, "--body", "body", "--url", &url], &headers[..]].concat();
        let (code, texts): (i32, &[&str]) = match answer {
            200 => (0, &["verified"]),
            404 => (1, &["refused before the body is read: unknown_endpoint", "the daemon answers the path of --url with 404"]),
            _ => (1, &["--url is for /webhooks/f", "and not for the endpoint"]),
        };
        commands::check(&folder, &flags, code, texts);
    };
    for path in ["/webhooks/uploadcare", "/webhooks/uploadcare/", "/webhooks/uploadcare?x=/webhooks/nosuch"] {
        check("uploadcare", path, 200);
    }
    for path in ["/webhooks/filesafety?token=TOKEN", "/webhooks/filesafety/TOKEN", "/webhooks/filesafety/TOKEN/"] {
        check("filesafety", path, 200);
    }
    for name in ["nosuch", "UPLOADCARE", "u%70loadcare", "uploadcare%2F", "uploadcare;x", "uploadcare/x", "uploadcare.", "upload"]
    {
        check("uploadcare", &format!("/webhooks/{name}"), 404);
    }
    for path in ["nosuch?token=TOKEN", "nosuch/TOKEN", "FileSafety/TOKEN", "filesafety%2FTOKEN", "filesafety/x/TOKEN"] {
        check("filesafety", &format!("/webhooks/{path}"), 404);
    }
    // These paths are of other endpoints, which demand their own proofs.
    check("uploadcare", "/webhooks/frameio", 401);
    check("filesafety", "/webhooks/filespin?token=TOKEN", 401);
}

/// A token that stands in the place of an endpoint's name is not shown, and no control character reaches the terminal.
#[test]
fn what_stands_in_the_place_of_a_name_is_not_shown() {
    let folder = Folder::new();
    let (token, secret) = ("1b0e6cf2f8a94d6f8e0c2a57c1d9e3b4", secret("FILESPIN"));
    folder.write("secret", secret);
    let given = ["filespin", "--secret", "file:secret"];
    let check = |target: &str, more: &[&str], code: i32| {
        folder.write("a.http", format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{{}}"));
        let finished = hookgate(&folder, &[&["verify", "--request", "a.http"], more].concat());
        assert_eq!(finished.code, Some(code), "{target}: {finished:?}");
        let text = finished.both();
        assert!(!text.contains(token) && !text.contains(['\u{9d}', '\u{202e}']), "{target}: {text:?}");
    };
    for (target, code) in [
        // This endpoint is probably meant, and has no secret here.
        (format!("/webhooks/filespin&token={token}"), 1),
        (format!("/webhooks/{token}/filespin"), 1),
        (format!("/{token}"), 2),
        ("/webhooks/\u{9d}0;x".into(), 2),
        ("/webhooks/\u{202e}x".into(), 2),
    ] {
        check(&target, &[], code);
        check(&target, &given, 1);
        check(&target, &[&given[..], &["--json"]].concat(), 1);
    }
}

/// A device has no end.
#[test]
fn what_has_no_end_is_refused() {
    let folder = Folder::new();
    folder.write("secret", secret("FILESPIN"));
    for flag in ["--request", "--body"] {
        let finished = hookgate(&folder, &["verify", "filespin", "--secret", "file:secret", flag, "/dev/zero"]);
        assert!(finished.code == Some(1) && finished.err.contains("/dev/zero is larger than 64 MiB"), "{finished:?}");
    }
}
