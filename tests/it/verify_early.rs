//! What the daemon refuses whatever the proof is, `verify --request` refuses too: the same bytes go to both.

use crate::{
    binary::Folder,
    commands,
    harness::{Daemon, Setup, fixture, secret},
    lifecycle::serve_configuration,
    raw_http,
    whole_requests::{AT, whole},
};

const LIMITS: &str = "[http]\nmax_body_bytes = \"64KiB\"\nmax_header_bytes = \"8KiB\"\nmax_headers = 20\n";
/// The connection ends after the answer, so that the test need not wait.
const CLOSE: &str = "Connection: close\r\n";

/// A daemon, and a folder with its configuration.
struct Both {
    daemon: Daemon,
    folder: Folder,
    body: Vec<u8>,
}

impl Both {
    fn start() -> Self {
        let daemon = Daemon::with(Setup { tables: LIMITS, ..Setup::default() });
        let folder = Folder::new();
        folder.write("hookgate.toml", serve_configuration("127.0.0.1:1", "").replace("[http]\n", LIMITS));
        Self { daemon, folder, body: fixture("uploadcare/vector1_body.bin") }
    }

    /// Returns a signed request, in which a part of the head is another one.
    fn request(&self, endpoint: &str, from: &str, to: &str) -> Vec<u8> {
        let length = format!("{CLOSE}Content-Length: {}\r\n", self.body.len());
        let whole = whole(endpoint, &length, &self.body, &self.body);
        let (head, body) = whole.split_at(whole.len() - self.body.len());
        let head = String::from_utf8(head.to_vec()).unwrap();
        assert!(head.contains(from), "{from} is not in {head}");
        [head.replacen(from, to, 1).as_bytes(), body].concat()
    }

    /// Checks the daemon's status, that `verify` has its label, and what else `verify` says.
    #[track_caller]
    fn check(&self, request: &[u8], (status, label): (u16, &str), expected: &[&str]) {
        let answer = raw_http::exchange(self.daemon.webhooks, &[request]);
        let shown = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
        // The layer below the daemon's own answers without a label.
        assert!(answer.label().is_empty() || answer.label() == label, "{shown}: {answer:?}");
        self.folder.write("captured.http", request);
        let flags = [&["verify", "--request", "captured.http"], &AT[..]].concat();
        let finished = commands::check(&self.folder, &flags, i32::from(status != 200), expected);
        let verdict = if status == 200 { "\nverified: ".to_owned() } else { format!(": {label} (") };
        assert!(finished.out.contains(&verdict), "{shown}: {finished:?}");
    }
}

/// The path is judged as on the wire, and the proof is explained all the same.
#[test]
fn another_path_is_refused_before_the_proof_is_explained() {
    let both = Both::start();
    let check = |endpoint: &str, path: &str, refused: Option<(&str, &str)>| {
        let request = both.request(endpoint, &format!("/webhooks/{endpoint}"), path);
        match refused {
            None => both.check(&request, (200, ""), &[]),
            Some((wanted, proof)) => {
                let wanted = format!("with 404: it takes /webhooks/{endpoint}{wanted}");
                both.check(&request, (404, "unknown_endpoint"), &[&wanted, &format!("\napart from that, {proof}")]);
            }
        }
    };
    let good = "the proof is good: the secret in slot 1 matches";
    check("uploadcare", "/webhooks/uploadcare", None);
    check("uploadcare", "/webhooks/uploadcare/", None);
    check("uploadcare", "/webhooks/uploadcare?a=b", None);
    for path in [
        "/webhooks/uploadcare&token=x",
        "/webhooks/uploadcare;x",
        "/webhooks/uploadcare/x",
        "/webhooks/uploadcare//",
        "/webhooks//uploadcare",
        "//webhooks/uploadcare",
        "/Webhooks/uploadcare",
        "/webhooks/Uploadcare",
        "/webhooks/UPLOADCARE",
        "/webhooks/u%70loadcare",
        "/webhooks/uploadcare%2F",
        "/in/webhooks/uploadcare",
        "/hooks/uploadcare",
        "/uploadcare",
        "/webhooks/upladcare",
    ] {
        check("uploadcare", path, Some((", and nothing after it", good)));
    }
    let token = secret("FILESAFETY");
    check("filesafety", "/webhooks/filesafety/", None);
    check("filesafety", "/webhooks//filesafety", Some(("?token=… or /webhooks/filesafety/<token>", good)));
    let misplaced = format!("/webhooks/filesafety&token={token}");
    let request = both.request("filesafety", &format!("/webhooks/filesafety?token={token}"), &misplaced);
    let missing = "apart from that, refused before the body is read: missing_signature";
    both.check(&request, (404, "unknown_endpoint"), &["answers /webhooks/filesafety… with 404", missing]);
    // The signature is explained as always.
    let mut changed = both.request("uploadcare", "/webhooks/", "/webhooks//");
    *changed.last_mut().unwrap() ^= 1;
    both.check(
        &changed,
        (404, "unknown_endpoint"),
        &["apart from that, refused: bad_signature", "none of the secrets signs these bytes"],
    );
}

/// Without a configuration, a name is refused that none can have.
#[test]
fn a_name_that_no_endpoint_can_have_is_refused() {
    let (both, folder) = (Both::start(), Folder::new());
    for (name, code) in [("uploadcare", 0), ("photos-2", 0), ("Photos", 1), ("uploadcare&token=x", 1), ("photos--2", 1), ("-", 1)]
    {
        folder.write("captured.http", both.request("uploadcare", "/webhooks/uploadcare", &format!("/webhooks/{name}")));
        let flags = ["verify", "uploadcare", "--secret", "env:UPLOADCARE", "--request", "captured.http"];
        let wanted = "with 404: it takes /webhooks/<endpoint>, and nothing after it; <endpoint> is lower-case letters and digits";
        let expected = if code == 0 { &["verified: "][..] } else { &["unknown_endpoint", wanted, "the proof is good"] };
        commands::check(&folder, &flags, code, expected);
    }
}

/// The rest of the head is judged in the daemon's order.
#[test]
fn a_head_is_judged_as_on_the_wire() {
    let both = Both::start();
    let check = |from: &str, to: &str, answer: (u16, &str), expected: &[&str]| {
        both.check(&both.request("uploadcare", from, to), answer, expected);
    };
    let (host, good) = ("Host: hooks.example.com\r\n", "apart from that, the proof is good");
    check(host, "Host: hooks.example.com:443\r\n", (200, ""), &[]);
    check(host, "", (400, "bad_request"), &["has no Host header", good]);
    check(host, "Host: a b\r\n", (400, "bad_request"), &["its Host header names no host", good]);
    check(host, &host.repeat(2), (400, "bad_request"), &["has 2 Host headers", good]);
    check(&format!("HTTP/1.1\r\n{host}"), "HTTP/1.0\r\n", (200, ""), &[]);
    check("POST", "GET", (405, "method"), &["a delivery is a POST"]);
    check("POST", "post", (405, "method"), &["a delivery is a POST"]);
    check("POST /webhooks/", "GET /webhooks//", (404, "unknown_endpoint"), &[]);
    check("Host", "Content-Encoding: gzip\r\nHost", (415, "encoded_body"), &["turn the compression of requests off"]);
    check("Host", "Content-Encoding: identity\r\nHost", (200, ""), &[]);
    check("Host", &format!("X-Long: {}\r\nHost", "x".repeat(20 << 10)), (431, "headers_too_large"), &["here 8192 and 20", good]);
    check("Host", &format!("{}Host", "X-A: b\r\n".repeat(21)), (431, "headers_too_large"), &["`http.max_headers`", good]);
    check("Host", &format!("{}Host", "X-A: b\r\n".repeat(10)), (200, ""), &[]);
    let framed = |version: &str, bytes: usize| {
        let body = vec![b'x'; bytes];
        let chunked = [format!("{bytes:x}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        let chunked = whole("uploadcare", &format!("Transfer-Encoding: chunked\r\n{CLOSE}"), &body, &chunked);
        let length = whole("uploadcare", &format!("Content-Length: {bytes}\r\n{CLOSE}"), &body, &body);
        [chunked, length].map(|it| [version.as_bytes(), &it[it.iter().position(|b| *b == b'\r').unwrap()..]].concat())
    };
    let line = "POST /webhooks/uploadcare HTTP/1.1";
    for request in framed(line, 64 << 10) {
        both.check(&request, (200, ""), &[]);
    }
    for request in framed(line, (64 << 10) + 1) {
        both.check(&request, (413, "too_large"), &["the body has 65537 bytes", "`http.max_body_bytes`, 65536 here", good]);
    }
    let [chunked, _] = framed("POST /webhooks/uploadcare HTTP/1.0", 2);
    both.check(&chunked, (400, "bad_request"), &["HTTP/1.0 has no transfer-encoding"]);
    // A health check is no delivery.
    both.folder.write("captured.http", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    commands::check(&both.folder, &["verify", "--request", "captured.http"], 1, &["this is a health check, and no delivery"]);
}
