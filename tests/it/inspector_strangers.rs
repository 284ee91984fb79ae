//! Who may talk to the page of `hookgate dev`, and what nobody sees there.

use crate::{
    binary::Folder,
    harness::{request, signed_with},
    inspector::Session,
    raw_http::exchange,
    secret_search::{assert_discreet, keep_secret},
};

/// Sends requests to the page as text, and checks their status.
struct Asking<'a> {
    session: &'a Session,
    host: String,
}

impl Asking<'_> {
    /// Checks the status of a request with these lines, and what every answer must have or must not have.
    #[track_caller]
    fn check(&self, status: u16, line: &str, host: &str, headers: &str, body: &str) {
        let text = format!("{line} HTTP/1.1\r\n{host}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        let answer = exchange(self.session.page, &[text.as_bytes()]);
        assert_eq!(answer.status, status, "{text:?}: {answer:?}");
        if status >= 400 {
            let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
            assert!(said["error"].is_string(), "{text:?}: {answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
        for name in ["content-security-policy", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy"] {
            assert!(answer.header(name).is_some(), "{text:?}: no {name}");
        }
        assert_eq!(answer.headers.iter().find(|(name, _)| name.starts_with("access-control")), None, "{text:?}");
        let has_data = answer.body.contains("\"webhooks\"") || answer.body.contains("\"rows\"");
        assert!(!has_data || status == 200, "{text:?}: {answer:?}");
    }

    #[track_caller]
    fn get(&self, status: u16, headers: &str) {
        self.check(status, "GET /api/session", &self.host, &self.with(headers), "");
    }

    #[track_caller]
    fn post(&self, status: u16, headers: &str) {
        self.check(status, "POST /api/clear", &self.host, &self.with(headers), "{}");
    }

    /// Returns headers with the key.
    fn with(&self, headers: &str) -> String {
        format!("hookgate-session: {}\r\n{headers}", self.session.key)
    }
}

const JSON: &str = "content-type: application/json\r\n";

/// Each rule has a request that keeps it and one that breaks it.
#[test]
fn strangers_get_nothing() {
    let folder = Folder::new();
    let session = &Session::start(&folder);
    let (page, key) = (session.page, &session.key);
    let asking = Asking { session, host: format!("Host: {page}") };
    let host = &*asking.host;
    let get = "GET /api/session";
    // The page itself needs no key and has no data.
    asking.check(200, "GET /", host, "", "");
    // The key.
    asking.get(200, "");
    asking.get(403, &asking.with(""));
    let another: String = key.chars().rev().collect();
    for headers in [String::new(), format!("hookgate-session: {another}\r\n"), "hookgate-session: \r\n".into()] {
        asking.check(403, get, host, &headers, "");
    }
    asking.check(403, &format!("{get}?key={key}"), host, "", "");
    // The name: a page that has its own name resolved to this address.
    let with_key = asking.with("");
    asking.check(200, get, &format!("Host: localhost:{}", page.port()), &with_key, "");
    for other in
        ["evil.example", &format!("evil.example:{}", page.port()), "127.0.0.1:1", &format!("{page}\r\nHost: evil.example")]
    {
        let other = format!("Host: {other}");
        for line in [get, "GET /", "GET /%61pi/session"] {
            asking.check(421, line, &other, &with_key, "");
        }
    }
    asking.check(421, &format!("GET http://{page}/api/session"), host, &with_key, "");
    // A tunnel to the wrong port.
    for name in ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "CF-Connecting-IP", "Via"] {
        asking.get(403, &format!("{name}: a\r\n"));
    }
}

/// A page of another site can send requests through the same browser.
#[test]
fn other_pages_get_nothing() {
    let folder = Folder::new();
    let session = &Session::start(&folder);
    let page = session.page;
    let asking = Asking { session, host: format!("Host: {page}") };
    let (host, own) = (&*asking.host, format!("http://{page}"));
    asking.get(200, "sec-fetch-site: same-origin\r\n");
    asking.check(200, "GET /", host, "sec-fetch-site: none\r\n", "");
    for site in ["cross-site", "same-site", "same-origin\r\nsec-fetch-site: same-origin"] {
        asking.get(403, &format!("sec-fetch-site: {site}\r\n"));
        asking.check(403, "GET /", host, &format!("sec-fetch-site: {site}\r\n"), "");
    }
    asking.post(200, &format!("{JSON}origin: {own}\r\n"));
    for origin in ["null", "http://evil.example", &format!("https://{page}"), &format!("{own}.evil.example")] {
        asking.post(403, &format!("{JSON}origin: {origin}\r\n"));
    }
    // A form cannot send JSON, and no other page may ask whether it could.
    asking.post(200, JSON);
    asking.post(415, "content-type: text/plain\r\n");
    asking.post(415, "");
    asking.post(403, &format!("{JSON}sec-fetch-site: none\r\n"));
    let with_key = asking.with("");
    for (status, line) in [
        (405, "OPTIONS /api/clear"),
        (405, "DELETE /api/requests/1"),
        (405, "GET /api/clear"),
        (404, "GET /api/nothing"),
        (404, "GET /api/requests/99"),
        (400, "GET /api/requests/first"),
        (400, "GET /api/requests/%FF/body"),
        (400, "GET /api/requests/99999999999999999999"),
    ] {
        asking.check(status, line, host, &with_key, "");
    }
    asking.check(400, "POST /api/requests/first/replay", host, &asking.with(JSON), "{}");
    // A body that is too long is none.
    asking.check(400, "POST /api/send", host, &asking.with(JSON), &"x".repeat(5000));
}

/// Sends the secrets of the session, and what may be one of production: in the URL, in headers, and encoded.
fn send_secrets(session: &Session, secrets: &[String], production: &str) {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let hidden = [production, &encoded(production), &secrets[0], &encoded(&secrets[0])];
    for token in hidden {
        for path in [
            format!("/webhooks/filespin?token={token}"),
            format!("/webhooks/filespin?a=b&tok={token}&token={token}"),
            format!("/webhooks/filespin/{}", token.replace('/', "%2F")),
            format!("/webhooks/filepsin?{token}"),
            format!("/webhooks/{}", token.replace('/', "%2F")),
            format!("/{}/webhooks/filespin", token.replace('/', "%2F")),
        ] {
            request(session.webhooks, "POST", &path, &[], b"{}");
        }
    }
    let basic = |text: &str| {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        BASE64_STANDARD.encode(format!("us:{text}"))
    };
    for secret in secrets {
        let url = format!("https://hooks.example.com/webhooks/filespin?token={secret}");
        let headers = [
            ("authorization", format!("Bearer {secret}")),
            ("cookie", format!("a={secret}")),
            ("referer", url.clone()),
            ("x-original-url", url.clone()),
            ("x-some-proxy", url.clone()),
            ("x-encoded", encoded(&url)),
            ("x-jwt-assertion", "prodjwt".into()),
            ("x-any", format!("Bearer {secret}")),
            ("hookgate-sample", secret.clone()),
        ];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        request(session.webhooks, "POST", "/webhooks/uploadcare", &headers, b"{}");
        if secret != production {
            let some: String = secret.chars().take(3).collect();
            let headers = [
                ("x-plain", secret.clone()),
                ("x-base64", basic(secret)),
                ("x-hex", hex::encode(secret)),
                ("x-partly-encoded", format!("{}{}", encoded(&some).to_lowercase(), &secret[3..])),
                // Bytes that are no UTF-8 follow.
                ("x-latin", format!("{secret} é")),
                (secret.as_str(), "as a name".into()),
            ];
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            request(session.webhooks, "POST", "/webhooks/uploadcare", &headers, b"{}");
        }
    }
}

/// Sends an event that takes headers over, of which a sender has made a place for the secrets of the session.
fn store_secrets(session: &Session) {
    let (secret, key) = (session.secret("uploadcare"), &session.key);
    let body = b"{\"hook\":{\"event\":\"file.stored\"}}";
    let (path, mut headers) = signed_with("uploadcare", &secret, "", body);
    headers.extend(
        [
            ("content-type", format!("a/b; x={secret}")),
            ("traceparent", format!("00-{secret}-00f067aa0ba902b7-01")),
            ("tracestate", format!("a={key}")),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(request(session.webhooks, "POST", &path, &headers, body).status, 200);
}

/// No secret of the session is in an answer, and no token that may be one of production.
#[test]
fn no_answer_shows_a_secret() {
    let folder = Folder::new();
    let session = Session::start(&folder);
    let production = "f00dfeed-token/of+production";
    let secrets = [session.secret("filespin"), session.secret("uploadcare"), session.key.clone(), production.to_owned()];
    send_secrets(&session, &secrets, production);
    let sent = 4 * 6 + 4 + 3 + 1;
    store_secrets(&session);
    session.rows(sent);
    let stored = session.detail(sent);
    let headers = stored["kafka"]["headers"].to_string();
    assert!(headers.contains("00-…-00f067aa0ba902b7-01") && headers.contains("a=…"), "{headers}");
    assert!(stored["event"]["text"].as_str().unwrap().contains("a/b; x=…"), "{stored}");
    // From here on, an answer with one of them is a failure.
    let mut answers = vec![session.get("/"), session.get("/api/session"), session.get("/api/requests?after=0")];
    for number in 1..=sent {
        for what in ["", "/body", "/fixture"] {
            answers.push(session.get(&format!("/api/requests/{number}{what}")));
        }
    }
    // The search is of the whole process, where other tests print secrets of theirs.
    for secret in &secrets {
        keep_secret(secret);
    }
    for answer in &answers {
        assert_eq!(answer.status, 200);
        assert_discreet("an answer of the page", &answer.body);
    }
}
