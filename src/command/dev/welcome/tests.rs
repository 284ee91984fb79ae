use super::*;
use crate::{
    command::dev::secrets::{SecretHome, commands},
    provider::Provider,
};

/// Returns what a session says whose secrets are its own, which takes the most room.
fn session(port: u16, chosen: bool) -> String {
    let secret = |provider: &&'static Provider| DevSecret { provider, text: "5".repeat(32), home: SecretHome::Session };
    let secrets: Vec<DevSecret> = provider::ALL.iter().map(secret).collect();
    let secret_commands = &*commands(&secrets, None, None);
    let webhooks = SocketAddr::from(([127, 0, 0, 1], port));
    let admin = SocketAddr::from(([127, 0, 0, 1], ADMIN_PORT));
    let (chosen, brokers) = ([chosen; 2], "127.0.0.1:39389".to_owned());
    let page = format!("http://127.0.0.1:65535/#key={}", "5".repeat(32));
    let mut out = Vec::new();
    Session { webhooks, admin, page, chosen, brokers, is_embedded: true, secrets: &secrets, secret_commands }
        .introduce(&mut out)
        .unwrap();
    String::from_utf8(out).unwrap()
}

/// The prompt of the terminal, or the first request, has the last row.
#[test]
fn a_small_screen_holds_the_addresses_and_the_commands() {
    let said = session(65_535, false);
    // The program is a test here, whose path is longer than that of any installation.
    let said = said.replace(&config::program(), "target/debug/hookgate");
    let rows: usize = said.lines().map(|line| line.chars().count().div_ceil(80).max(1)).sum();
    assert!(rows < 24, "{rows} rows: {said}");
    for part in ["http://127.0.0.1:65535/webhooks/", "export DEV_SECRET_FILESPIN=", " send ", " tail ", "Ctrl-C ends it."] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn another_port_is_explained() {
    for (port, chosen, explained) in [(40_123, false, true), (40_123, true, false), (WEBHOOK_PORT, false, false)] {
        let said = session(port, chosen);
        assert_eq!(said.contains("(port 8080 is taken)"), explained, "{said}");
        assert!(!said.contains("(port 9090 is taken)"), "{said}");
    }
}
