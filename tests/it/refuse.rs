//! What is refused, and with which answer. The rules are the same for every provider. Each table compares all topics at its end.

use std::collections::BTreeMap;

use hookgate::{
    proto::Event,
    provider::{self, CredentialSource, Provider},
};
use prost::Message as _;

use crate::{
    harness::{NOW, secret, signed_with},
    providers,
    request_table::{Ask, Table, header, id},
};

/// A secret that no endpoint has.
const FOREIGN: &str = "no-endpoint-has-this-secret";

/// Returns a body that is accepted at the endpoint of its provider.
fn body(provider: &Provider) -> Vec<u8> {
    (provider.sample)(provider.types[0].name).unwrap().into_bytes()
}

/// Returns a request with a body that is signed with a secret at a time.
fn with(provider: &Provider, secret: &str, timestamp: &str, body: &[u8]) -> Ask {
    let (path, headers) = signed_with(provider.name, secret, timestamp, body);
    Ask::post(path, headers, body)
}

/// Returns the secret that the endpoint of a provider accepts.
fn own(provider: &Provider) -> &'static str {
    secret(&provider.name.to_uppercase())
}

fn token_providers() -> impl Iterator<Item = &'static Provider> {
    provider::ALL.iter().copied().filter(|provider| provider.credential == CredentialSource::UrlToken)
}

fn signing_providers() -> impl Iterator<Item = (&'static Provider, &'static [&'static str], &'static str)> {
    provider::ALL.iter().filter_map(|provider| match provider.credential {
        CredentialSource::Hmac(scheme) => Some((*provider, scheme.headers, scheme.version)),
        CredentialSource::UrlToken => None,
    })
}

#[test]
fn tokens() {
    let mut table = Table::new();
    for provider in token_providers() {
        let (body, token, at) = (body(provider), own(provider), format!("/webhooks/{}", provider.name));
        let other = token_providers().find(|other| other.name != provider.name).unwrap();
        let mut check = |what: &str, after: String, expected: &str| {
            table.check(what, &Ask::post(format!("{at}{after}"), Vec::new(), &body), expected);
        };
        let encoded = token.replacen('-', "%2D", 1).replacen('f', "%66", 1);
        for (what, after) in [
            ("in the query", format!("?token={token}")),
            ("among other parameters", format!("?a=1&token={token}&b")),
            ("in the path", format!("/{token}")),
            ("in the query after a slash", format!("/?token={token}")),
            ("encoded in the query", format!("?token={encoded}")),
            ("encoded in the path", format!("/{encoded}")),
        ] {
            check(what, after, "200 published");
        }
        for (what, after) in [
            ("none", String::new()),
            ("an empty query", "?".into()),
            ("no value", "?token".into()),
            ("an empty value", "?token=".into()),
            ("an empty segment", "/".into()),
            ("another name", format!("?Token={token}")),
            ("a longer name", format!("?xtoken={token}")),
            ("in the fragment of a value", format!("?a=b%26token={token}")),
        ] {
            check(what, after, "401 missing_signature");
        }
        for (what, after) in [
            ("the token of another endpoint", format!("?token={}", own(other))),
            ("an unknown token", format!("?token={FOREIGN}")),
            ("one byte short", format!("?token={}", &token[..token.len() - 1])),
            ("one byte long", format!("?token={token}0")),
            ("upper case", format!("?token={}", token.to_uppercase())),
            ("a blank before it", format!("?token=%20{token}")),
            ("a zero byte after it", format!("?token={token}%00")),
            ("not UTF-8 in the query", "?token=%FF".into()),
            ("not UTF-8 in the path", "/%FF".into()),
            ("encoded twice", format!("?token={}", token.replace('-', "%252D"))),
            ("twice in the query", format!("?token={token}&token={token}")),
            ("right, then wrong", format!("?token={token}&token={FOREIGN}")),
            ("right, then empty", format!("?token={token}&token=")),
            ("in path and query", format!("/{token}?token={token}")),
        ] {
            check(what, after, "401 bad_token");
        }
        for at in 0..token.len() {
            let mut changed = token.as_bytes().to_vec();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            check("one byte changed", format!("?token={}", String::from_utf8(changed).unwrap()), "401 bad_token");
        }
    }
    table.finish();
}

/// A signature does not replace a token, also not beside a wrong token.
#[test]
fn signatures_do_not_replace_tokens() {
    let mut table = Table::new();
    for provider in token_providers() {
        let (body, at) = (body(provider), format!("/webhooks/{}", provider.name));
        let signature = with(provider::by_name("uploadcare").unwrap(), own(provider), "", &body).headers;
        table.check("a signature", &Ask::post(&at, signature.clone(), &body), "401 missing_signature");
        table.check("both", &Ask::post(format!("{at}?token={FOREIGN}"), signature, &body), "401 bad_token");
    }
    table.finish();
}

#[test]
fn signatures() {
    let mut table = Table::new();
    for (provider, names, version) in signing_providers() {
        let body = body(provider);
        let good = with(provider, own(provider), &NOW.to_string(), &body);
        table.check("signed", &good, "200 published");
        for name in names {
            let value = good.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone()).unwrap();
            let without: Vec<_> = good.headers.iter().filter(|(it, _)| it != name).cloned().collect();
            let absent = Ask { headers: without, ..good.clone() };
            table.check(&format!("no {name}"), &absent, "401 missing_signature");
            table.check(&format!("an empty {name}"), &absent.clone().header(name, ""), "401 missing_signature");
            let both = absent.clone().header(name, &value).header(name, &value);
            table.check(&format!("{name} twice"), &both, "401 bad_signature");
            let other = absent.clone().header(name, &value).header(name, "x");
            table.check(&format!("{name}, and another one"), &other, "401 bad_signature");
            let joined = absent.header(name, &format!("{value}, {value}"));
            table.check(&format!("{name} twice in one line"), &joined, "401 bad_signature");
        }
        let digits = good.headers[0].1.strip_prefix(version).unwrap();
        for signature in [
            digits.to_owned(),
            version.to_owned(),
            format!("v9={digits}"),
            format!("{}{digits}", version.to_uppercase()),
            format!("{version}{}", digits.to_uppercase().replacen(|c: char| c.is_ascii_digit(), "A", 1)),
            format!("{version}{}", &digits[1..]),
            format!("{version}{digits}0"),
            format!("{version}{}", digits.replacen(|_| true, "g", 1)),
            format!("{version} {digits}"),
            format!("{version}{digits},{version}{digits}"),
            format!("sha256={digits}"),
            "é".into(),
        ] {
            let ask = replaced(&good, 0, signature.clone());
            table.check(&format!("the signature {signature:?}"), &ask, "401 bad_signature");
        }
        for at in 0..digits.len() {
            let mut changed = digits.as_bytes().to_vec();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = format!("{version}{}", String::from_utf8(changed).unwrap());
            table.check("one digit changed", &replaced(&good, 0, changed), "401 bad_signature");
        }
        for changed in changed_bodies(&body) {
            table.check("another body", &Ask { body: changed, ..good.clone() }, "401 bad_signature");
        }
        foreign(&mut table, provider, &body);
    }
    table.finish();
}

/// Returns the request with the value of one header replaced.
fn replaced(ask: &Ask, header: usize, value: String) -> Ask {
    let mut ask = ask.clone();
    ask.headers[header].1 = value;
    ask
}

/// Returns the body with one byte changed at a few places, with one byte more, and with one byte less.
fn changed_bodies(body: &[u8]) -> Vec<Vec<u8>> {
    let flipped = [0, body.len() / 2, body.len() - 1].map(|at| {
        let mut body = body.to_vec();
        body[at] ^= 1;
        body
    });
    let mut bodies = flipped.to_vec();
    bodies.extend([body[1..].to_vec(), body[..body.len() - 1].to_vec(), [body, b"\n"].concat(), Vec::new()]);
    bodies
}

/// Checks that proofs of other endpoints and providers are refused.
fn foreign(table: &mut Table, provider: &'static Provider, body: &[u8]) {
    let now = NOW.to_string();
    for other in provider::ALL.iter().filter(|other| other.name != provider.name) {
        let mut ask = with(provider, own(other), &now, body);
        table.check("another endpoint's secret", &ask, "401 bad_signature");
        ask.headers = with(other, own(provider), &now, body).headers;
        table.check("another provider's scheme", &ask, "401 missing_signature");
    }
    table.check("an unknown secret", &with(provider, FOREIGN, &now, body), "401 bad_signature");
    table.check("the secret in capitals", &with(provider, &own(provider).to_uppercase(), &now, body), "401 bad_signature");
    let at = format!("/webhooks/{}", provider.name);
    table.check("a token", &Ask::post(format!("{at}?token={}", own(provider)), Vec::new(), body), "401 missing_signature");
    table.check("a token as a path", &Ask::post(format!("{at}/{}", own(provider)), Vec::new(), body), "404 unknown_endpoint");
}

#[test]
fn timestamps() {
    let mut table = Table::new();
    for provider in provider::ALL.iter().filter(|provider| provider.signs_time()) {
        let body = body(provider);
        let mut at = |what: &str, secret: &str, timestamp: &str, expected: &str| {
            table.check(&format!("{what}: {timestamp}"), &with(provider, secret, timestamp, &body), expected);
        };
        let moved = |by: i64| NOW.checked_add_signed(by).unwrap().to_string();
        for (by, expected) in [(-300, "200 published"), (300, "200 published"), (-301, "401 stale"), (301, "401 stale")] {
            at("signed", own(provider), &moved(by), expected);
            // A sender without the secret does not learn how far the clocks differ.
            at("an unknown secret", FOREIGN, &moved(by), "401 bad_signature");
        }
        for timestamp in ["0", "4294967295", "4294967296", "9999999999", "1", &format!("0{NOW}")[..10]] {
            at("far away", own(provider), timestamp, "401 stale");
        }
        for timestamp in ["x", "-1", "+1760000000", "1760000000.0", "1.76e9", "17600000000", "0x68e77980", "1760 000", "١٧٦٠"]
        {
            at("no number", own(provider), timestamp, "401 bad_signature");
        }
        // These timestamps are within the tolerance, but were not signed.
        let good = with(provider, own(provider), &NOW.to_string(), &body);
        table.check("a second later", &replaced(&good, 1, (NOW + 1).to_string()), "401 bad_signature");
        table.check("another spelling", &replaced(&good, 1, format!("{NOW}.")), "401 bad_signature");
    }
    // For a provider that signs no time, a header with a time means nothing.
    let uploadcare = provider::by_name("uploadcare").unwrap();
    let ask = with(uploadcare, own(uploadcare), "", &body(uploadcare));
    table.check("an unsigned time", &ask.header("x-frameio-request-timestamp", "0"), "200 published");
    table.finish();
}

#[test]
fn either_of_two_secrets() {
    let mut table = Table::new();
    let mut slots = BTreeMap::new();
    for provider in provider::ALL {
        let case = providers::of(provider.name);
        for (slot, secret) in [(1, case.old), (2, case.secret)] {
            let body = [body(provider), vec![b' '; slot as usize]].concat();
            let answer = table.check("one of two", &with(provider, secret, &NOW.to_string(), &body), "200 published");
            slots.insert(id(&answer), slot);
        }
    }
    let records = table.finish();
    assert_eq!(records.len(), slots.len());
    for record in records {
        let proof = Event::decode(&*record.value).unwrap().proof.unwrap();
        assert_eq!(proof.secret_slot, slots[header(&record, "ce_id")], "{}", record.topic);
    }
}

#[test]
fn heads() {
    let mut table = Table::new();
    for provider in provider::ALL {
        let good = Ask::signed(provider.name, &body(provider));
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "post", "BREW"] {
            table.check("another method", &good.clone().method(method), "405 method");
        }
        for coding in ["gzip", "br", "deflate", "zstd", "x", "identity, gzip"] {
            table.check(coding, &good.clone().header("content-encoding", coding), "415 encoded_body");
        }
        let twice = good.clone().header("content-encoding", "identity").header("content-encoding", "gzip");
        table.check("two codings", &twice, "415 encoded_body");
        for coding in ["identity", "Identity", ""] {
            table.check(coding, &good.clone().header("content-encoding", coding), "200 published");
        }
        // Only the head is sent, so the answer does not wait for the body.
        let huge = Ask { body: Vec::new(), ..good.clone() }.header("content-length", &(768 * 1024 + 1).to_string());
        table.check("a huge body", &huge, "413 too_large");
        let headers = huge.headers.iter().filter(|(name, _)| name == "content-length").cloned().collect();
        let unproven = Ask { path: format!("/webhooks/{}", provider.name), headers, ..huge };
        table.check("a huge body without proof", &unproven, "413 too_large");
    }
    for path in [
        "/",
        "/webhooks",
        "/webhooks/",
        "/webhooks/nobody",
        "/webhooks/FILESPIN",
        "/Webhooks/filespin",
        "//webhooks/filespin",
        "/webhooks//filespin",
        "/webhooks/filespin/a/b",
        "/webhooks/frameio/a",
        "/webhooks/%66ilespin",
        "/x/../webhooks/filespin",
        "/webhooks/filespin%2Fa",
        "/webhooks/_unmatched",
        "/metrics",
        "/livez",
    ] {
        for method in ["POST", "GET"] {
            let ask = Ask::post(path, Vec::new(), b"{}").method(method);
            table.check("no endpoint", &ask, "404 unknown_endpoint");
        }
    }
    table.finish();
}

/// A word that is in bodies and must not be in the reason for their quarantine.
const MARKER: &str = "marker";

/// Returns bodies that cannot be mapped, each with the reason.
fn unreadable() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = |open: &str| open.repeat(100_000).into_bytes();
    vec![
        ("empty", Vec::new(), "not_json"),
        ("blank", b" \n".to_vec(), "not_json"),
        ("no JSON", format!("{MARKER}={MARKER}").into_bytes(), "not_json"),
        ("truncated", format!(r#"{{"id":"{MARKER}","#).into_bytes(), "not_json"),
        ("truncated text", format!(r#"{{"{MARKER}":"{MARKER}"#).into_bytes(), "not_json"),
        ("two values", format!(r#"{{"id":"{MARKER}"}} {{}}"#).into_bytes(), "not_json"),
        ("not UTF-8", [b"\xff\xfe".as_slice(), br#"{"id":"marker"}"#].concat(), "not_json"),
        ("UTF-16", r#"{"id":"m"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect(), "not_json"),
        ("binary", (0..=255).collect(), "not_json"),
        ("an array", b"[1]".to_vec(), "not_an_object"),
        ("a text", format!("\"{MARKER}\"").into_bytes(), "not_an_object"),
        ("null", b"null".to_vec(), "not_an_object"),
        ("deep arrays", [deep("["), deep("]")].concat(), "not_an_object"),
        ("deep arrays, never closed", deep("["), "not_json"),
        ("deep objects, never closed", deep(r#"{"a":"#), "not_json"),
    ]
}

#[test]
fn unreadable_bodies() {
    let mut table = Table::new();
    let mut reasons = BTreeMap::new();
    for provider in provider::ALL {
        for (what, body, reason) in unreadable() {
            let what = format!("{}: {what}", provider.name);
            let good = Ask::signed(provider.name, &body);
            let answer = table.check(&what, &good, "200 quarantined");
            reasons.insert(id(&answer), (what.clone(), reason, body));
            // The same body from a sender without proof is not stored, and the answer does not say what is wrong with it.
            let unproven = Ask { path: format!("/webhooks/{}", provider.name), headers: Vec::new(), ..good };
            table.check(&what, &unproven, "401 missing_signature");
            let wrong = with(provider, FOREIGN, &NOW.to_string(), &unproven.body);
            let label = if provider.credential == CredentialSource::UrlToken { "bad_token" } else { "bad_signature" };
            table.check(&what, &wrong, &format!("401 {label}"));
        }
    }
    let records = table.finish();
    assert_eq!(records.len(), reasons.len());
    for record in records {
        let (what, reason, body) = &reasons[header(&record, "ce_id")];
        let detail = header(&record, "hookgate-detail");
        assert_eq!((record.topic.as_str(), header(&record, "hookgate-reason")), ("hookgate.quarantine", *reason), "{what}");
        assert!(!detail.is_empty() && detail.len() < 200 && !detail.contains(MARKER), "{what}: {detail}");
        assert_eq!(record.key, header(&record, "ce_id").as_bytes(), "{what}");
        let event = Event::decode(&*record.value).unwrap();
        assert_eq!((event.body.as_ref(), event.payload.is_some()), (body.as_slice(), false), "{what}");
    }
}

#[test]
fn odd_bodies_never_lead_to_an_error_of_hookgate() {
    let table = Table::new();
    let closed = |open: &str, close: &str| format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
    let nested = closed("[", "]");
    let texts = [
        "{}".to_owned(),
        "\u{feff}{}".to_owned(),
        closed(r#"{"a":"#, "}"),
        format!(r#"{{"data":{nested},"metadata":{nested},"appdata":{nested},"resource":{nested},"virus":{nested}}}"#),
        format!(r#"{{"id":{nested},"scan_id":{nested},"type":{nested},"event":{nested},"hook":{nested}}}"#),
        r#"{"id":1e999,"size":-1e400,"scan_id":true,"resource":[],"hook":"","type":{},"event":7,"data":null}"#.to_owned(),
        format!(r#"{{"event":"{0}","type":"{0}","hook":{{"event":"{0}"}}}}"#, "x".repeat(100_000)),
        r#"{"event":"a\u0000\r\nb","type":"\u0000","id":"\ud800","scan_id":"\n","resource":{"id":"\u0007"}}"#.to_owned(),
        format!("{{{}\"z\":0}}", (0..5000).fold(String::new(), |all, number| all + &format!("\"{number}\":0,"))),
    ];
    let mut bodies = texts.map(String::into_bytes).to_vec();
    bodies.push(b"{\"x\":\"\xff\",\"\xfe\":0}".to_vec());
    for provider in provider::ALL {
        for body in &bodies {
            let ask = Ask::signed(provider.name, body);
            let headers: Vec<_> = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = table.daemon.post(&ask.path, &headers, &ask.body);
            assert_eq!(answer.status, 200, "{}: {:.60}", provider.name, String::from_utf8_lossy(body));
        }
    }
    // The tests of each provider check the topic of such a body. Here each body only has to be stored.
    assert_eq!(table.daemon.records().len(), bodies.len() * provider::ALL.len());
}
