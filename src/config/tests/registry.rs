//! `[schema_registry]`: what it refuses, and where credentials may go.

use super::*;

fn with_registry(lines: &str) -> String {
    format!("{MINIMAL}\n[schema_registry]\n{lines}")
}

#[test]
fn what_cannot_work_is_refused() {
    #[track_caller]
    fn check(lines: &str, expected: &[&str]) {
        let report = read(&with_registry(lines), &[("PASSWORD", "p"), ("TWO", "a\nb"), ("BEYOND", "t\u{f6}k")], &[])
            .expect_err("accepted")
            .to_string();
        let found: Vec<&str> =
            report.lines().filter_map(|line| line.split_once("[schema_registry] ")).map(|(_, fault)| fault).collect();
        assert_eq!(found.len(), expected.len(), "{report}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found:?} is not {expected:?}");
        }
    }
    check("register = true", &["urls: is missing"]);
    check("urls = []", &["urls: is empty"]);
    for url in [
        "registry:8081",
        "ftp://registry",
        "HTTP://registry",
        "https://",
        "https://u:p@registry",
        "https://registry?a=b",
        "https://registry#a",
        "https://registry:80810",
        "https://[registry]",
    ] {
        check(&format!("urls = [\"{url}\"]"), &["urls: must be http:// or https:// with a host"]);
    }
    let url = "urls = [\"https://registry\"]\n";
    check(&format!("{url}subject_name_strategy = \"topic\""), &["subject_name_strategy: must be one of"]);
    check(&format!("{url}username = \"u\""), &["password: is missing"]);
    check(&format!("{url}password = \"env:PASSWORD\""), &["username: is missing"]);
    check(&format!("{url}username = \"a:b\"\npassword = \"env:PASSWORD\""), &["username: must be text without a colon"]);
    check(&format!("{url}token = \"hunter2\""), &["token: a secret has no place here"]);
    check(&format!("{url}token = \"env:TWO\""), &["token: env:TWO holds control characters"]);
    check(&format!("{url}token = \"env:BEYOND\""), &["token: env:BEYOND holds characters that cannot stand in a header"]);
    check(&format!("{url}token = \"env:PASSWORD\"\nusername = \"u\"\npassword = \"env:PASSWORD\""), &["token: stands beside"]);
    check(&format!("{url}ca_file = \"/no/such/file\""), &["ca_file: \"/no/such/file\" cannot be read"]);
    check(&format!("{url}ca_file = \"Cargo.toml\""), &["ca_file: \"Cargo.toml\" holds no certificate as PEM"]);
    check(&format!("{url}timeout = \"2m\""), &["timeout: must lie between"]);
}

#[test]
fn credentials_go_over_tls_or_not_beyond_this_machine() {
    fn check(url: &str, login: &str, refused: bool, warned: bool) {
        let read = read(&with_registry(&format!("urls = [\"{url}\"]\n{login}")), &[("PASSWORD", "p")], &[]);
        assert_eq!(read.is_err(), refused, "{url} {login}");
        if let Ok(config) = read {
            let warning = config.warnings.iter().any(|warning| warning.starts_with("[schema_registry] urls"));
            assert_eq!(warning, warned, "{url} {login}: {:?}", config.warnings);
        }
    }
    let login = "token = \"env:PASSWORD\"";
    check("https://registry", login, false, false);
    check("http://registry", "", false, true);
    for url in
        ["http://registry:8081/api", "http://10.0.0.1:8081", "http://localhost.example.com", "http://127.0.0.1.example.com"]
    {
        check(url, login, true, false);
    }
    for url in ["http://localhost:8081", "http://127.0.0.1:8081/apis", "http://[::1]:8081", "http://LOCALHOST"] {
        check(url, login, false, false);
    }
}
