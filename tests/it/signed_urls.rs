//! Signed URLs: what `hookgate url` makes, what the daemon takes of it, and how others make them.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hookgate::{
    proto::{Event, ProofScheme},
    signed_url::SignedUrls,
};
use prost::Message as _;
use serde_json::Value;

use crate::{
    binary::Folder,
    commands::{self, configured},
    docs::{block, document},
    harness::{NOW, Setup, keep_secret, secret},
    lifecycle::serve_configuration,
    mint::mint,
    providers,
    request_table::{Ask, Table},
};

const PAGE: &str = "docs/signed-urls.md";
const BODY: &[u8] = br#"{"event":"scan.complete","scan_id":"scn_1","verdict":"clean"}"#;

fn post(path: &str) -> Ask {
    Ask::post(path, Vec::new(), BODY)
}

fn at(endpoint: &str, signed: &str) -> Ask {
    post(&format!("/webhooks/{endpoint}?signed={signed}"))
}

#[test]
fn filesafety_takes_signed_urls_beside_the_token() {
    let mut table = Table::new();
    let (own, old) = (secret("FILESAFETY"), secret("FILESAFETY_OLD"));
    let good = mint(own, "filesafety", "upl_456", "never");
    table.check("never expires", &at("filesafety", &good), "200 published");
    table.check("the first slot", &at("filesafety", &mint(old, "filesafety", "~", "never")), "200 published");
    let last = NOW.to_string();
    table.check("the last second", &at("filesafety", &mint(own, "filesafety", "last", &last)), "200 published");
    table.check("among others", &post(&format!("/webhooks/filesafety/?a=1&signed={good}&b")), "200 published");
    table.check("escaped by a sender", &at("filesafety", &good.replace('.', "%2E")), "401 bad_signature");
    table.check("the token is enough", &post(&format!("/webhooks/filesafety?token={own}")), "200 published");

    let over = (NOW - 1).to_string();
    let expired = mint(own, "filesafety", "upl_456", &over);
    table.check("a second too late", &at("filesafety", &expired), "401 expired");
    let flipped = format!("{}{}", &expired[..expired.len() - 1], if expired.ends_with('0') { '1' } else { '0' });
    table.check("expired and wrong", &at("filesafety", &flipped), "401 bad_signature");
    table.check("another expiry", &at("filesafety", &expired.replace(&over, "never")), "401 bad_signature");
    let other = BASE64.encode("upl_457");
    table.check("another reference", &at("filesafety", &good.replace(&BASE64.encode("upl_456"), &other)), "401 bad_signature");
    table.check("for another endpoint", &at("filesafety", &mint(own, "avatars", "upl_456", "never")), "401 bad_signature");
    let foreign = mint(secret("FILESPIN"), "filesafety", "upl_456", "never");
    table.check("another endpoint's secret", &at("filesafety", &foreign), "401 bad_signature");
    for (what, reference) in
        [("too long", "x".repeat(129)), ("empty", String::new()), ("a blank", "a b".into()), ("not ASCII", "ü".into())]
    {
        table.check(what, &at("filesafety", &mint(own, "filesafety", &reference, "never")), "401 bad_signature");
    }
    for (what, query) in [
        ("twice", format!("signed={good}&signed={good}")),
        ("right, then empty", format!("signed={good}&signed=")),
        ("with a token", format!("signed={good}&token={own}")),
        ("after a token", format!("token={own}&signed={good}")),
        ("with an empty token", format!("signed={good}&token=")),
        ("upper case", format!("signed={}", good.to_uppercase())),
        ("the secret itself", format!("signed={own}")),
    ] {
        table.check(what, &post(&format!("/webhooks/filesafety?{query}")), "401 bad_signature");
    }
    table.check("with a token in the path", &post(&format!("/webhooks/filesafety/{own}?signed={good}")), "401 bad_signature");
    table.check("as a token", &post(&format!("/webhooks/filesafety?token={good}")), "401 bad_token");
    table.check("in the path", &post(&format!("/webhooks/filesafety/{good}")), "401 bad_token");
    for (what, query) in [("no value", "signed"), ("an empty value", "signed="), ("another name", "Signed=x")] {
        table.check(what, &post(&format!("/webhooks/filesafety?{query}")), "401 missing_signature");
    }

    let proofs = table.finish().into_iter().map(|record| {
        let proof = Event::decode(&*record.value).unwrap().proof.unwrap();
        (proof.scheme(), proof.secret_slot, proof.reference)
    });
    let mut proofs: Vec<_> = proofs.collect();
    proofs.sort();
    let signed = |slot, reference: &str| (ProofScheme::CapabilityUrl, slot, reference.to_owned());
    let token = (ProofScheme::UrlToken, 2, String::new());
    assert_eq!(proofs, [token, signed(1, "~"), signed(2, "last"), signed(2, "upl_456"), signed(2, "upl_456")]);
}

/// To every other provider a signed URL is one without a proof, or with the wrong one.
#[test]
fn no_other_provider_takes_signed_urls() {
    let mut table = Table::new();
    for case in providers::PROVIDERS.iter().filter(|case| case.name != "filesafety") {
        let signed = mint(case.secret, case.name, "upl_456", "never");
        table.check(case.name, &at(case.name, &signed), "401 missing_signature");
        if case.sign.is_none() {
            let both = format!("/webhooks/{}?token={}&signed={signed}", case.name, case.secret);
            table.check("the parameter means nothing", &post(&both), "200 unclassified");
        }
    }
    table.finish();
}

/// Where signed URLs are demanded, a token is no proof, also where it is right.
#[test]
fn an_endpoint_may_demand_signed_urls() {
    let change = |config: &mut hookgate::config::Config| {
        for endpoint in config.endpoints.iter_mut().filter(|it| &*it.name == "filesafety") {
            endpoint.signed_urls = SignedUrls::Required;
        }
    };
    let mut table = Table::with(Setup { change, ..Setup::default() });
    let own = secret("FILESAFETY");
    table.check("signed", &at("filesafety", &mint(own, "filesafety", "upl_456", "never")), "200 published");
    table.check("a token", &post(&format!("/webhooks/filesafety?token={own}")), "401 missing_signature");
    table.check("a wrong token", &post("/webhooks/filesafety?token=wrong-token"), "401 missing_signature");
    table.check("a token in the path", &post(&format!("/webhooks/filesafety/{own}")), "401 missing_signature");
    table.check("a wrong signature", &at("filesafety", &mint("x", "filesafety", "upl_456", "never")), "401 bad_signature");
    table.check(
        "another endpoint's token",
        &post(&format!("/webhooks/filespin?token={}", secret("FILESPIN"))),
        "200 unclassified",
    );
    table.finish();
}

/// A configuration with an endpoint `avatars`, whose secrets are files of a folder.
fn avatars() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("secrets")).unwrap();
    for (name, text) in [("2026-11", "avatars-old-0123456789"), ("2026-12", "avatars-new-0123456789")] {
        keep_secret(text);
        folder.write(&format!("secrets/{name}"), format!("{text}\n"));
    }
    let table = "[endpoints.avatars]\nprovider = \"filesafety\"\nsecrets = [\"dir:secrets\"]\nsigned_urls = \"required\"\n";
    folder.write("hookgate.toml", serve_configuration("127.0.0.1:1", table));
    folder
}

#[test]
fn a_folder_of_secrets_makes_and_takes_signed_urls() {
    let folder = avatars();
    let run = "url filesafety --endpoint avatars --host https://hooks.example.com/ --reference upl_456";
    let line: Vec<&str> = run.split(' ').collect();
    let made = commands::check(&folder, &line, 0, &[]);
    let url = format!(
        "https://hooks.example.com/webhooks/avatars?signed={}",
        mint("avatars-new-0123456789", "avatars", "upl_456", "never")
    );
    assert_eq!((&*made.out, &*made.err), (&*format!("{url}\n"), "hookgate: signed with file:secrets/2026-12\n"));
    folder.write("body", BODY);
    let verify = |url: &str, code: i32, expected: &[&str]| {
        commands::check(&folder, &["verify", "avatars", "--body", "body", "--url", url], code, expected);
    };
    verify(&url, 0, &["the reference \"upl_456\" and does not expire", "verified: the secret in slot 2 matches"]);
    let old = mint("avatars-old-0123456789", "avatars", "upl_456", "never");
    verify(&format!("https://hooks.example.com/webhooks/avatars?signed={old}"), 0, &["slot 1"]);
    let token = "https://hooks.example.com/webhooks/avatars?token=avatars-new-0123456789";
    verify(token, 1, &["missing_signature", "signed_urls = \"required\""]);
    verify(&url.replace("/avatars?", "/avatars/avatars-new-0123456789?"), 1, &["bad_signature", "a token in its path"]);
    verify(&format!("{url}&token=x"), 1, &["bad_signature", "unclear which one counts"]);
    verify(&format!("{url}&signed=x"), 1, &["signed= is there 2 times"]);
    verify("https://hooks.example.com/webhooks/avatars?signed=x", 1, &["bad_signature", "64 lower-case hex digits"]);
    let foreign = mint("another", "avatars", "upl_456", "1790000000");
    let url = format!("https://hooks.example.com/webhooks/avatars?signed={foreign}");
    verify(&url, 1, &["bad_signature", "is accepted until 2026-09-21T14:13:20Z", "none of the secrets has signed this"]);
    // Without a configuration, the URL says the name of the endpoint.
    let url = format!(
        "https://hooks.example.com/webhooks/elsewhere?signed={}",
        mint(secret("FILESAFETY"), "elsewhere", "r", "1790000000")
    );
    let bare = |at: &str, code: i32, expected: &[&str]| {
        let flags = ["verify", "filesafety", "--secret", "env:FILESAFETY", "--body", "body", "--url", &url, "--at", at];
        let empty = Folder::new();
        empty.write("body", BODY);
        commands::check(&empty, &flags, code, expected);
    };
    bare("2026-09-21T14:13:20Z", 0, &["endpoint elsewhere", "verified"]);
    bare("2026-09-21T14:13:21Z", 1, &["refused: expired", "the URL has expired"]);
}

#[test]
fn urls_are_made_for_many_references() {
    let folder = avatars();
    let line = "url filesafety --endpoint avatars --host https://hooks.example.com";
    let run = |more: &str, code: i32, expected: &[&str]| {
        let line = format!("{line} {more}");
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        commands::check(&folder, &words, code, expected).out
    };
    let url = |reference: &str| {
        let signed = mint("avatars-new-0123456789", "avatars", reference, "never");
        format!("https://hooks.example.com/webhooks/avatars?signed={signed}\n")
    };
    assert_eq!(run("--reference b --count 3", 0, &[]), ["b-1", "b-2", "b-3"].map(url).concat());
    // Random ids may begin with a hyphen.
    assert_eq!(run("--reference -V1StGXR8", 0, &[]), url("-V1StGXR8"));
    folder.write("list", "upl_1\r\n\n  upl_2 \nupl_1\n");
    assert_eq!(run("--references list", 0, &[]), ["upl_1", "upl_2", "upl_1"].map(url).concat());
    folder.write("list", "upl_1\nupl 2\n");
    assert_eq!(run("--references list", 1, &["--references: line 2: a reference is 1 to 128 visible"]), "");
    folder.write("list", "\n");
    run("--references list", 1, &["there is no reference in it"]);
    run("--references none", 1, &["--references \"none\": "]);
    let expiring = run("--reference r --expires 7d", 0, &[]);
    let expires: u64 = expiring.split('.').nth_back(2).unwrap().parse().unwrap();
    let now = hookgate::clock::system().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(expires <= now + 7 * 86_400 && expires + 3600 > now + 7 * 86_400, "{expires} at {now}");
    for (more, text) in [
        ("", "required"),
        ("--reference r --references list", "cannot be used with"),
        ("--references list --count 2", "--reference"),
        ("--reference r --count 0", "--count"),
        ("--reference r --expires 7", "a number and a unit"),
        ("--reference r --expires 0s", "from 1s to 36500d"),
        ("--reference r --expires 40000d", "from 1s to 36500d"),
        ("--reference ü", "visible ASCII"),
        (&format!("--reference {}", "x".repeat(129)), "1 to 128"),
        (&format!("--reference {} --count 1", "x".repeat(127)), "--reference with --count"),
    ] {
        run(more, 2, &[text]);
    }
    let other = |line: &str, code: i32, expected: &[&str]| {
        commands::check(&folder, &line.split(' ').collect::<Vec<_>>(), code, expected);
    };
    other(&line.replace("avatars", "avatar").replace(" --host", " --reference r --host"), 2, &["did you mean avatars?"]);
    other(
        &line.replace("avatars", "frameio").replace(" --host", " --reference r --host"),
        2,
        &["frameio is of frameio, not of filesafety"],
    );
    other("url frameio --endpoint frameio --host https://a --reference r", 2, &["filesafety"]);
    other("url filesafety --endpoint avatars --host http://a --reference r", 2, &["https://"]);
    std::fs::remove_dir_all(folder.path("secrets")).unwrap();
    run("--reference r", 1, &["[endpoints.avatars] secrets: "]);
}

/// The other commands follow the demand too.
#[test]
fn subscribe_and_send_follow_the_demand() {
    let folder = avatars();
    let said = commands::check(&folder, &["subscribe", "avatars", "--host", "https://hooks.example.com"], 0, &[]);
    assert!(
        said.out.contains(
            "$(hookgate url filesafety --endpoint avatars --host https://hooks.example.com --reference your-reference)"
        ),
        "{said:?}"
    );
    assert!(!said.out.contains("token="), "{said:?}");
    let curl = commands::check(&folder, &["send", "avatars", "scan.complete", "--curl"], 0, &[]);
    let signed = mint("avatars-new-0123456789", "avatars", "hookgate-send", "never");
    assert!(curl.out.contains(&format!("/webhooks/avatars?signed={signed}'")) && !curl.out.contains("token="), "{curl:?}");
    let url = format!("http://127.0.0.1:1/webhooks/avatars?signed={}", mint("other", "avatars", "r", "never"));
    let curl = commands::check(&folder, &["send", "avatars", "scan.complete", "--curl", "--url", &url], 0, &[]);
    assert!(curl.out.contains(&format!("'{url}'")), "a URL that has a proof stays as it is: {curl:?}");
}

/// The configuration refuses the demand where nobody could meet it.
#[test]
fn only_filesafety_may_be_asked_for_signed_urls() {
    let folder = configured("127.0.0.1:1");
    let check = |provider: &str, value: &str, code: i32, expected: &str| {
        let table =
            format!("[endpoints.it]\nprovider = \"{provider}\"\nsecrets = [\"file:missing\"]\nsigned_urls = \"{value}\"\n");
        folder.write("hookgate.toml", serve_configuration("127.0.0.1:1", &table));
        commands::check(&folder, &["check"], code, &[expected]);
    };
    check("filesafety", "required", 0, "is good");
    check("filesafety", "optional", 0, "is good");
    check("filesafety", "require", 64, "[endpoints.it] signed_urls");
    for case in providers::PROVIDERS.iter().filter(|case| case.name != "filesafety") {
        for value in ["required", "optional"] {
            check(case.name, value, 64, "[endpoints.it] signed_urls: is only for FileSafety");
        }
    }
}

/// Another program has made the vectors. The function of the document, with which these tests make their URLs, makes the same.
#[test]
fn the_document_makes_the_vectors() {
    let vectors: Value = serde_json::from_str(&document("tests/codegen/signed_urls.json")).unwrap();
    for vector in vectors.as_array().unwrap() {
        let [secret, endpoint, reference, expires, signed] =
            ["secret", "endpoint", "reference", "expires", "signed"].map(|name| vector[name].as_str().unwrap());
        assert_eq!(mint(secret, endpoint, reference, expires), signed, "{vector}");
    }
    let (_, function) = include_str!("mint.rs").split_once("\n\n").unwrap();
    assert_eq!(block(&document(PAGE), "rust"), function, "{PAGE} and tests/it/mint.rs");
}

/// The command on the page prints what the page shows, with the configuration on the page.
#[test]
fn the_document_shows_what_is_printed() {
    let (page, folder) = (document(PAGE), Folder::new());
    let secret = "1b0e6cf2f8a94d6f8e0c2a57c1d9e3b4";
    let table =
        block(&page, "toml").replace("file:/etc/hookgate/secrets/avatars", &format!("file:{}", folder.write("avatars", secret)));
    folder.write("hookgate.toml", serve_configuration("127.0.0.1:1", &table));
    let (command, output) = block(&page, "console").split_once('\n').unwrap();
    let words: Vec<&str> = command.strip_prefix("$ hookgate ").unwrap().split(' ').collect();
    assert_eq!(commands::check(&folder, &words, 0, &[]).out, output);
    commands::check(&folder, &["check"], 0, &["is good"]);
}
