use std::path::Path;

use super::*;
use crate::{
    command::dev::secrets::{SecretHome, commands},
    provider::Provider,
};

/// Returns what a session says. It takes the most room where the secrets are its own.
fn session(port: u16, chosen: bool, home: &SecretHome, public_url: Option<&str>) -> String {
    let secret = |provider: &&'static Provider| DevSecret { provider, text: "5".repeat(32), home: home.clone() };
    let secrets: Vec<DevSecret> = provider::ALL.iter().map(secret).collect();
    let file = Path::new("/home/somebody/.local/state/hookgate/dev.env");
    let secret_commands = &*commands(&secrets, Some(file), Some("/home/somebody"));
    let public_url = public_url.map(str::to_owned);
    let webhooks = SocketAddr::from(([127, 0, 0, 1], port));
    let admin = SocketAddr::from(([127, 0, 0, 1], ADMIN_PORT));
    let (chosen, brokers) = ([chosen; 2], "127.0.0.1:39389".to_owned());
    let page = format!("http://127.0.0.1:65535/#key={}", "5".repeat(32));
    let mut out = Vec::new();
    Session { webhooks, admin, page, chosen, brokers, is_embedded: true, public_url, secrets: &secrets, secret_commands }
        .introduce(&mut out)
        .unwrap();
    String::from_utf8(out).unwrap()
}

/// Checks that a screen of 80 columns and 24 rows holds everything. The prompt of the terminal, or the first request, has the last row.
#[track_caller]
fn check_small(said: &str, parts: &[&str]) {
    // The program is a test here, whose path is longer than that of any installation.
    let said = said.replace(&config::program(), "target/debug/hookgate");
    let rows: usize = said.lines().map(|line| line.chars().count().div_ceil(80).max(1)).sum();
    assert!(rows < 24, "{rows} rows: {said}");
    for part in parts {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_small_screen_holds_the_addresses_and_the_commands() {
    check_small(
        &session(65_535, false, &SecretHome::Session, None),
        &["http://127.0.0.1:65535/webhooks/", "export DEV_SECRET_FILESPIN=", " send ", " tail ", "Ctrl-C ends it."],
    );
}

#[test]
fn a_small_screen_holds_what_to_enter_at_the_providers() {
    let long = "https://increasing-yrs-praise-mailing.trycloudflare.com";
    for (home, url, secrets) in [
        (SecretHome::Kept, long, "\n. ~/.local/state/hookgate/dev.env\n"),
        (SecretHome::Session, "https://hooks.example.com", "\nexport DEV_SECRET_FILESPIN="),
    ] {
        let said = session(8080, false, &home, Some(url));
        let token = format!("\n  {url}/webhooks/filespin?token=${{DEV_SECRET_FILESPIN}}\n");
        let signed = format!("\n  {url}/webhooks/uploadcare\n  ${{DEV_SECRET_UPLOADCARE}}\n");
        check_small(&said, &[secrets, "\nFileSpin    Add to web_urls", &token, &signed, "kafka", "Ctrl-C ends it."]);
        let shown = said.split_once("Enter at the providers").expect("the part").1;
        assert!(!shown.contains("55555"), "a secret: {shown}");
    }
    let given = session(8080, false, &SecretHome::Given("env:MINE".into()), Some(long));
    check_small(&given, &["?token=${MINE}\n", "in ${MINE}\n"]);
    assert!(!given.contains("In another terminal"), "{given}");
}

#[test]
fn another_port_is_explained() {
    for (port, chosen, explained) in [(40_123, false, true), (40_123, true, false), (WEBHOOK_PORT, false, false)] {
        let said = session(port, chosen, &SecretHome::Session, None);
        assert_eq!(said.contains("(port 8080 is taken)"), explained, "{said}");
        assert!(!said.contains("(port 9090 is taken)"), "{said}");
    }
}
