//! What the page of `hookgate dev` gives to copy, run in a shell as a person would.

use std::{collections::BTreeSet, path::Path, process::Command, time::SystemTime};

use hookgate::clock::system;
use serde_json::json;

use crate::{
    binary::{Finished, Folder, Process},
    harness::{request, signed_with},
    inspector::Session,
};

const BINARY: &str = env!("CARGO_BIN_EXE_hookgate");

/// Runs a copied line in a shell that has read the secrets of the session.
fn run(folder: &Folder, line: &str) -> Finished {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!(". state/hookgate/dev.env && {line}")]).current_dir(folder.path("")).env_clear();
    shell.env("PATH", format!("{}:/usr/bin:/bin", Path::new(BINARY).parent().unwrap().display()));
    Process::of(shell).finish()
}

/// Returns the time of day in seconds, as Frame.io signs it.
fn now() -> u64 {
    system().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Returns the command of a report that reads the report.
fn of_report(report: &str) -> Option<&str> {
    let (_, after) = report.split_once("\n```sh\n")?;
    after.split("\n```").next()
}

/// Sends what is refused and what is stored, of each kind, to the endpoints that sign with headers.
fn send_each_kind(session: &Session) {
    let forgeries = session.json("/api/session")["forgeries"].as_array().unwrap().clone();
    for (endpoint, event_type) in
        [("frameio", "file.ready"), ("uploadcare", "file.stored"), ("filespin", "file-deleted"), ("filesafety", "scan.complete")]
    {
        let good = &session.act("/api/send", &json!({ "endpoint": endpoint, "type": event_type }), 1)[0]["row"]["n"];
        for forgery in forgeries.iter().filter(|it| it["endpoints"].as_array().unwrap().contains(&json!(endpoint))) {
            session.act(&format!("/api/requests/{good}/forge"), &json!({ "forgery": forgery["name"] }), 1);
        }
        let path = format!("/webhooks/{endpoint}");
        request(session.webhooks, "POST", &path, &[], b"{}");
        request(session.webhooks, "GET", &path, &[], b"");
        request(session.webhooks, "POST", &path, &[("x-uc-signature", "v1=abc"), ("x-frameio-signature", "abc")], b"{}");
    }
    // A day is the session's tolerance, and five minutes are the default.
    for ago in [-90_000, -80_000, -400, 400, 80_000, 90_000] {
        let stamp = now().checked_add_signed(-ago).unwrap().to_string();
        let (path, headers) = signed_with("frameio", &session.secret("frameio"), &stamp, b"{\"type\":\"file.ready\"}");
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        request(session.webhooks, "POST", &path, &headers, b"{\"type\":\"file.ready\"}");
    }
}

/// The copied line, and that of the report, have the verdict of the page: for each kind of refusal, and for what was stored.
#[test]
fn the_verify_line_says_what_the_page_says() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    send_each_kind(&session);
    session.post("/api/kafka", &json!({ "away": true }));
    for (endpoint, event_type) in [("frameio", "file.ready"), ("uploadcare", "file.stored")] {
        session.act("/api/send", &json!({ "endpoint": endpoint, "type": event_type }), 1);
    }
    let mut seen = BTreeSet::new();
    for row in session.rows(0) {
        let (number, outcome) = (row["n"].as_u64().unwrap(), row["outcome"].as_str().unwrap().to_owned());
        let detail = session.detail(usize::try_from(number).unwrap());
        let (line, report) = (&detail["commands"]["verify"], detail["commands"]["report"].as_str().unwrap());
        let is_proven = detail["proof"][2]["state"] == "ok";
        if !is_proven && detail["request"]["path"].as_str().unwrap().contains("HIDDEN") {
            assert_eq!((line, of_report(report)), (&json!(""), None), "its proof is not kept: {detail}");
            continue;
        }
        folder.write(&format!("{number}.http"), session.get(&format!("/api/requests/{number}/fixture")).body);
        folder.write(&format!("{number}.md"), report);
        let verdict = if is_proven { "verified: ".to_owned() } else { format!("refused before the body is read: {outcome} (") };
        for line in [line.as_str().unwrap(), of_report(report).unwrap_or_else(|| panic!("{detail}"))] {
            let ran = run(&folder, line);
            assert_eq!(ran.code, Some(i32::from(!is_proven)), "{line}: {ran:?}: {detail}");
            let said = ran.out.replace("refused: ", "refused before the body is read: ");
            assert!(said.contains(&verdict), "{line}: {ran:?}: {detail}");
        }
        seen.insert((row["endpoint"].as_str().unwrap().to_owned(), outcome));
    }
    let of =
        |endpoint: &str| seen.iter().filter(|(it, _)| it == endpoint).map(|(_, outcome)| outcome.as_str()).collect::<Vec<_>>();
    assert_eq!(
        of("frameio"),
        ["bad_signature", "encoded_body", "method", "missing_signature", "publish_timeout", "published", "quarantined", "stale"]
    );
    assert_eq!(
        of("uploadcare"),
        ["bad_signature", "encoded_body", "method", "missing_signature", "publish_timeout", "published"]
    );
    // A token that was refused is not kept.
    for endpoint in ["filespin", "filesafety"] {
        assert_eq!(of(endpoint), ["method", "missing_signature", "published"]);
    }
}

/// A line that could not give the answer of the page is not there.
#[test]
fn a_line_that_sends_gets_the_answer_of_the_page() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let secret = session.secret("uploadcare");
    let sends = |number: usize, status: u16, path: &str, (method, headers): (&str, &[(&str, &str)]), lines: [bool; 2]| {
        let (_, mut signed) = signed_with("uploadcare", &secret, "", b"{}");
        signed.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let signed: Vec<_> = signed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(request(session.webhooks, method, path, &signed, b"{}").status, status);
        let detail = session.detail(number);
        for (command, is_there) in ["curl", "send"].into_iter().zip(lines) {
            let line = detail["commands"][command].as_str().unwrap();
            assert_eq!(!line.is_empty(), is_there, "{detail}");
            if is_there {
                folder.write(&format!("{number}.http"), session.get(&format!("/api/requests/{number}/fixture")).body);
                let ran = run(&folder, line);
                let said = format!("{}{}", ran.out, ran.err);
                assert!(said.contains(if status == 200 { "\"id\"" } else { "urn:hookgate:problem:" }), "{line}: {ran:?}");
            }
        }
    };
    let path = "/webhooks/uploadcare";
    sends(1, 200, path, ("POST", &[]), [true, true]);
    // A value that was not kept is left out.
    sends(4, 200, path, ("POST", &[("authorization", "Bearer of-nobody"), ("cookie", "a=b")]), [true, true]);
    sends(7, 200, path, ("POST", &[("x-latin", "\u{e9}")]), [true, true]);
    sends(10, 405, path, ("PUT", &[]), [true, false]);
    sends(12, 400, path, ("POST", &[("host", "two.example.com")]), [false, false]);
    sends(13, 404, "/webhooks/upladcare", ("POST", &[]), [true, true]);
    sends(16, 404, "/webhooks/upladcare/0123456789abcdef0123", ("POST", &[]), [false, false]);
    sends(17, 404, "/webhooks/uploadcare&token=abcdef", ("POST", &[]), [true, true]);
}

/// A copied line reads the token from where the session has it: the session's file, a variable, or a file of the user's.
#[test]
fn a_copied_line_reads_the_token_from_where_it_is() {
    let folder = Folder::new();
    let place = folder.write("the user's token", "of-filespin-0123456789abcdef\n");
    let filespin = format!("filespin=file:{place}");
    let variables = [("MY_TOKEN", "of-filesafety-0123456789abcdef"), ("DEV_SECRET_UPLOADCARE", "of-uploadcare-0123456789")];
    let flags = ["--secret", &filespin, "--secret", "filesafety=env:MY_TOKEN"];
    let session = Session::with_variables(&folder, &variables, &flags);
    for (endpoint, event_type) in [("filespin", "file-deleted"), ("filesafety", "scan.complete")] {
        let sent = &session.act("/api/send", &json!({ "endpoint": endpoint, "type": event_type }), 1)[0];
        let number = &sent["row"]["n"];
        folder.write(&format!("{number}.http"), session.get(&format!("/api/requests/{number}/fixture")).body);
        folder.write(&format!("{number}.bin"), session.get(&format!("/api/requests/{number}/body")).body);
        for command in ["curl", "send"] {
            let line = sent["commands"][command].as_str().unwrap();
            let ran = run(&folder, &format!("export MY_TOKEN={} && {line}", variables[0].1));
            let id = sent["row"]["id"].as_str().unwrap();
            assert!(ran.code == Some(0) && ran.out.contains(id), "{line}: {ran:?}");
            assert!(!line.contains("0123456789abcdef"), "{line}");
        }
    }
    let sent = &session.act("/api/send", &json!({ "endpoint": "uploadcare", "type": "file.stored" }), 1)[0];
    assert!(sent["commands"]["verify"].as_str().unwrap().contains("--secret env:DEV_SECRET_UPLOADCARE"), "{sent}");
}

/// A replay has the headers of the request, which are a part of the event, and not those that were not kept.
#[test]
fn a_replay_has_the_headers_of_the_request() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let stamp = now().to_string();
    for (endpoint, body) in [("filespin", "{\"event\":\"file-deleted\"}"), ("frameio", "{\"type\":\"file.ready\"}")] {
        let (path, mut headers) = signed_with(endpoint, &session.secret(endpoint), &stamp, body.as_bytes());
        headers.extend(
            [("content-type", "text/x-own"), ("traceparent", trace), ("authorization", "Bearer of-nobody")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let before = session.rows(0).len();
        assert_eq!(request(session.webhooks, "POST", &path, &headers, body.as_bytes()).status, 200);
        let first = session.detail(before + 1);
        let again = &session.act(&format!("/api/requests/{}/replay", before + 1), &json!({}), 1)[0];
        assert_eq!((&again["row"]["id"], &again["row"]["status"]), (&first["row"]["id"], &json!(200)), "{again}");
        let own = |detail: &serde_json::Value, name: &str| {
            let headers = detail["request"]["headers"].as_array().unwrap();
            headers.iter().filter(|it| it[0] == name).map(|it| it[1].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        for (name, value) in [("content-type", "text/x-own"), ("traceparent", trace)] {
            assert_eq!((own(&first, name), own(again, name)), (vec![value.to_owned()], vec![value.to_owned()]), "{again}");
        }
        assert_eq!((own(&first, "authorization"), own(again, "authorization")), (vec!["…".to_owned()], Vec::new()), "{again}");
    }
}
