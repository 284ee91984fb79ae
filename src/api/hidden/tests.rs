use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::{Duration, UNIX_EPOCH},
};

use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::*;
use crate::{
    api::{
        Api, ApiError, filesafety, filespin,
        frameio::{FileFound, Frameio},
        uploadcare,
    },
    config::recover::{FrameioApi, FrameioLogin, KeyedApi, UploadcareApi},
    outbound::Client,
};

/// A key that a header can hold, with what the encodings change.
const KEY: &str = "k/e+y%2F\"of\\some=length";
/// A secret that stands in a form.
const SECRET: &str = "client secret/\"of\\some\"lengthü%2F\t🔑";
/// Access tokens are long.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.";

/// What an encoding makes of a text.
const FORMS: [fn(&str) -> String; 8] = [
    str::to_owned,
    |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
    |text| {
        url_encoded(text, b"", "%20")
            .replace("%2F", "%2f")
            .replace("%2B", "%2b")
            .replace("%5C", "%5c")
            .replace("%C3%BC", "%c3%bc")
    },
    // What forms encode, and what encodeURIComponent leaves.
    |text| url_encoded(text, b"*-._", "+"),
    |text| url_encoded(text, b"-_.!~*'()", "%20"),
    |text| json!(text).to_string(),
    |text| text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<Vec<_>>().concat(),
    |text| BASE64_STANDARD.encode(text),
];

fn url_encoded(text: &str, kept: &[u8], blank: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => blank.to_owned(),
        byte if byte.is_ascii_alphanumeric() || kept.contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn token() -> String {
    TOKEN.repeat(40)
}

#[test]
fn each_form_of_a_secret_is_hidden() {
    for secret in [KEY, SECRET, &token()] {
        let hidden = Hidden::new(&[SecretText::new(secret)]);
        for (place, form) in FORMS.iter().enumerate() {
            for before in ["", "x", "xy", "xyz"] {
                let text = form(&format!("{before}{secret}, and so on"));
                let shown = hidden.hide(&text, usize::MAX);
                assert_eq!(shown.matches('…').count(), 1, "{place}: {text} is shown as {shown}");
                // Of base64, a character before and after it also depends on what stands beside it.
                assert!(shown.chars().count() <= form(&format!("{before}, and so on")).chars().count() + 6, "{place}: {shown}");
            }
        }
    }
}

#[test]
fn a_secret_is_never_cut_and_nothing_else_is_hidden() {
    #[track_caller]
    fn check(text: &str, characters_max: usize, expected: &str) {
        let hidden = Hidden::new(&[SecretText::new("hunter2"), SecretText::new("hunter2-and-more"), SecretText::new("")]);
        assert_eq!(hidden.hide(text, characters_max), expected);
    }
    check("key hunter2", 5, "key …");
    check("key hunter2, and more", 8, "key …, a");
    check("hunter2-and-more hunter2-and", 100, "… …-and");
    check("hunter Hunter2 hunter%32 %68unter2 hunter+", 100, "hunter Hunter2 … … hunter+");
    check("Käse 🧀 %", 100, "Käse 🧀 %");
    check("", 100, "");
}

#[test]
fn a_short_secret_of_letters_is_hidden_but_not_within_a_word() {
    #[track_caller]
    fn check(secret: &str, text: &str, expected: &str) {
        assert_eq!(Hidden::new(&[SecretText::new(secret)]).hide(text, usize::MAX), expected);
    }
    check(
        "short",
        "is shorter than it; ashort short, \"short\" token=short&x %3Dshort",
        "is shorter than it; ashort …, \"…\" token=…&x %3D…",
    );
    check("sh0rt", "sh0rter ash0rt", "…er a…");
    check("Short", "Shorter", "…er");
    check("shortest", "shortestest", "…est");
}

/// Answers each request with 403 and this text, and requests for a token with a token, unless those are refused, too.
fn server(text: String, gives_tokens: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a request");
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
            stream.read_exact(&mut vec![0; length.unwrap_or(0)]).expect("a body");
            let gives_one = gives_tokens && head.starts_with("post /token");
            let (status, body) =
                if gives_one { (200, json!({ "access_token": token() })) } else { (403, json!({ "detail": text })) };
            let body = body.to_string();
            let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).expect("answered");
        }
    });
    url
}

/// What each provider's API says where an answer repeats its credentials.
fn refused(provider: &str, text: String) -> String {
    let url = server(text, provider != "frameio without a token");
    let client = Client::new(Duration::from_secs(30), None).expect("a client");
    let wait = |_, _: &str| true;
    let (key, secret) = (SecretText::new(KEY), SecretText::new(SECRET));
    let keyed = KeyedApi { base_url: url.clone(), api_key: key.clone() };
    let time = UNIX_EPOCH + Duration::from_secs(1_541_423_681);
    let api = |manners, secret: &SecretText| Api::new(client.clone(), &url, manners, std::slice::from_ref(secret), &wait);
    let error: ApiError = match provider {
        "filespin" => filespin::reissue(&mut api(filespin::MANNERS, &key), &keyed, (time, time)).expect_err("refused"),
        "filesafety" => filesafety::scan(&mut api(filesafety::MANNERS, &key), &keyed, "scan").expect_err("refused"),
        "uploadcare" => {
            let access = UploadcareApi { base_url: url.clone(), public_key: "public".into(), secret_key: secret.clone() };
            let mut api = api(uploadcare::MANNERS, &secret);
            uploadcare::files(&mut api, &access, (false, time), || UNIX_EPOCH, &mut |_| Ok(true)).expect_err("refused")
        }
        _ => {
            let token_url = format!("{url}/token");
            let login = FrameioLogin::Client { id: "client".into(), secret, token_url };
            let access = FrameioApi { base_url: url, account: "a".into(), workspaces: Vec::new(), login };
            let mut api = Frameio::new(&access, &client, &[], &wait);
            if provider == "frameio" {
                assert_eq!(api.file("hidden"), Ok(FileFound::Hidden));
            }
            api.audit_log(time, &mut |_| Ok(())).expect_err("refused")
        }
    };
    error.to_string()
}

#[test]
fn no_provider_makes_a_credential_visible() {
    let token = token();
    let cases: [(&str, &[&str]); 5] = [
        ("filespin", &[KEY]),
        ("filesafety", &[KEY]),
        ("uploadcare", &[SECRET]),
        ("frameio without a token", &[SECRET]),
        ("frameio", &[&token, SECRET]),
    ];
    for (provider, secrets) in cases {
        for (place, form) in FORMS.iter().enumerate() {
            let repeated = form(&format!("no access with {}", secrets.join(" and ")));
            let text = refused(provider, repeated);
            assert!(text.contains("403"), "{provider}, {place}: {text}");
            assert_eq!(text.matches('…').count(), secrets.len(), "{provider}, {place}: {text}");
        }
    }
}
