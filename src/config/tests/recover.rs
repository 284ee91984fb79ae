//! `[recover]`: what it refuses, where credentials may go, and that the daemon needs none of it.

use super::*;
use crate::{
    config::{all_keys, recover::FrameioLogin},
    provider::{self, Provider},
};

const VARIABLES: [(&str, &str); 3] = [("KEY", "key-1"), ("BEYOND", "t\u{f6}k"), ("TWO", "a b")];

/// A table of each API.
const ALL_TABLES: &str = "[recover.filespin]\napi_key = \"env:KEY\"\nbase_url = \"https://media.example.com/\"\n\
     [recover.filesafety]\napi_key = \"env:KEY\"\nbase_url = \"http://127.0.0.1:9000\"\n\
     [recover.frameio]\naccount = \"a-1\"\nclient_id = \"c\"\nclient_secret = \"env:KEY\"\n\
     workspaces = [\"A0000000-0000-4000-8000-00000000000F\"]\n\
     [recover.uploadcare]\npublic_key = \"demo\"\nsecret_key = \"env:KEY\"\n";

fn with(lines: &str) -> Result<Config, Problems> {
    read(&format!("{MINIMAL}\n{lines}"), &VARIABLES, &[])
}

#[test]
fn what_cannot_work_is_refused() {
    #[track_caller]
    fn check(table: &str, lines: &str, expected: &[&str]) {
        let report = with(&format!("[recover.{table}]\n{lines}")).expect_err("accepted").to_string();
        let place = format!("[recover.{table}] ");
        let found: Vec<&str> = report.lines().filter_map(|line| line.split_once(&*place)).map(|(_, found)| found).collect();
        assert_eq!(found.len(), expected.len(), "{report}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found:?} is not {expected:?}");
        }
    }
    for table in ["filespin", "filesafety"] {
        check(table, "", &["api_key: is missing"]);
        check(table, "api_key = \"hunter2\"", &["api_key: a secret has no place here"]);
        check(table, "api_key = \"env:NONE\"", &["api_key: the variable NONE is not set"]);
        check(table, "api_key = \"env:BEYOND\"", &["api_key: env:BEYOND holds characters that cannot stand in a header"]);
        check(table, "api_key = \"env:TWO\"", &["api_key: env:TWO holds characters that cannot stand in a header"]);
        check(table, "api_key = \"env:KEY\"\napi_keys = \"a\"", &["api_keys: no such key; did you mean \"api_key\"?"]);
    }
    check("uploadcare", "", &["public_key: is missing", "secret_key: is missing"]);
    check("uploadcare", "public_key = \"a b\"\nsecret_key = \"env:KEY\"", &["public_key: must be letters"]);
    let account = "account = \"adobe:ORG@AdobeOrg\"\n";
    check("frameio", "", &["account: is missing", "token: is missing; write it, or client_id and client_secret"]);
    check("frameio", &format!("{account}client_id = \"a\""), &["client_secret: is missing beside client_id"]);
    check("frameio", &format!("{account}client_secret = \"env:KEY\""), &["client_id: is missing beside client_secret"]);
    check("frameio", &format!("{account}client_id = \"a\"\ntoken = \"env:KEY\""), &["token: stands beside"]);
    check("frameio", "account = \"../x\"\ntoken = \"env:KEY\"", &["account: must be letters"]);
    for id in [
        "nonsense",
        "",
        "A0000000-0000-4000-8000-00000000000",
        "a0000000-0000-4000-8000-00000000000g",
        "a0000000000040008000000000000002",
    ] {
        let lines = format!("{account}token = \"env:KEY\"\nworkspaces = [\"{id}\"]");
        check("frameio", &lines, &[&format!("workspaces: {id:?} is no id of a workspace, which is a UUID")]);
    }
    let refused = "base_url: must be https:// with a host";
    for url in ["api", "ftp://api", "https://", "https://u:p@api", "https://api?a=b", "https://api#a", "https://api:80810"] {
        check("filespin", &format!("api_key = \"env:KEY\"\nbase_url = \"{url}\""), &[refused]);
    }
    for url in ["http://api", "http://10.0.0.1:8081", "http://localhost.example.com"] {
        check("filespin", &format!("api_key = \"env:KEY\"\nbase_url = \"{url}\""), &["base_url: would send the credentials"]);
    }
}

#[test]
fn what_is_written_is_read() {
    let config = with(ALL_TABLES).expect("accepted");
    let recover = &config.recover;
    assert_eq!(recover.filespin.as_ref().expect("there").base_url, "https://media.example.com");
    assert_eq!(recover.filesafety.as_ref().expect("there").base_url, "http://127.0.0.1:9000");
    let frameio = recover.frameio.as_ref().expect("there");
    assert_eq!((&*frameio.base_url, &*frameio.account), ("https://api.frame.io", "a-1"));
    assert_eq!(frameio.workspaces, ["a0000000-0000-4000-8000-00000000000f"]);
    let FrameioLogin::Client { id, secret, token_url } = &frameio.login else { panic!("{frameio:?}") };
    assert_eq!((&**id, secret.reveal(), &**token_url), ("c", "key-1", "https://ims-na1.adobelogin.com/ims/token/v3"));
    let uploadcare = recover.uploadcare.as_ref().expect("there");
    assert_eq!((&*uploadcare.public_key, uploadcare.secret_key.reveal()), ("demo", "key-1"));
    assert!(!config.redacted().to_string().contains("key-1"));
    assert!(with("").expect("accepted").recover.uploadcare.is_none());
}

/// What reads an API's answers, its table and what opens the table belong together: a provider has all of them, or Hookgate knows no API of it.
#[test]
fn an_api_has_its_reader_its_table_and_its_access() {
    let mut tables: Vec<String> = all_keys().into_iter().map(|key| key.path).collect();
    tables.retain(|path| path.strip_prefix("recover.").is_some_and(|name| provider::by_name(name).is_some()));
    let known = |provider: &&&Provider| provider.recovered.is_some();
    let mut expected: Vec<String> = provider::ALL.iter().filter(known).map(|it| format!("recover.{}", it.name)).collect();
    tables.sort_unstable();
    expected.sort_unstable();
    assert_eq!(tables, expected, "a provider whose `recovered` is Some has a table, and the others have none");
    let opened = with(ALL_TABLES).expect("accepted").recover;
    for provider in provider::ALL {
        let (known, opens) = (provider.recovered.is_some(), opened.access(provider).is_some());
        assert_eq!(opens, known, "Recover::access lacks {}, or ALL_TABLES here does", provider.name);
    }
}

/// A pod of the daemon has no credentials of the APIs, though its configuration names them.
#[test]
fn the_daemon_needs_none_of_it() {
    fn check(needs: Needs, accepted: bool) {
        let path = std::env::temp_dir().join(format!("hookgate-recover-{}-{needs:?}.toml", std::process::id()));
        std::fs::write(&path, format!("{MINIMAL}\n[recover.filespin]\napi_key = \"env:NONE\"\n")).expect("written");
        let read = crate::config::load(&path, &environment(&VARIABLES), &[], needs, ClientLibrary::LENIENT);
        assert_eq!(read.is_ok(), accepted, "{needs:?}: {read:?}");
        std::fs::remove_file(path).expect("removed");
    }
    let of = |provider| [Needs::Recovery(provider), Needs::Subscriptions(provider)];
    for needs in [Needs::Names, Needs::Kafka, Needs::Cluster, Needs::Daemon].into_iter().chain(of(Some("uploadcare"))) {
        check(needs, true);
    }
    for needs in of(None).into_iter().chain(of(Some("filespin"))).chain([Needs::Everything]) {
        check(needs, false);
    }
}
