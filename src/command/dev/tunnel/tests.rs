use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread,
};

use super::*;

/// Returns the address of a server that gives these answers, each a path and a body, and 404 for others.
fn server(answers: &'static [(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok);
            let asked = lines.next().unwrap_or_default();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let answer = answers.iter().find(|(path, _)| asked.split(' ').nth(1) == Some(path));
            let (status, body) = answer.map_or((404, ""), |(_, body)| (200, *body));
            let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}", body.len());
            let _gone = write!(stream, "{head}\r\n\r\n{body}");
        }
    });
    address
}

const NGROK: &str = r#"{"tunnels": [
    {"public_url": "tcp://1.tcp.ngrok.io:21400", "proto": "tcp", "config": {"addr": "localhost:8080"}},
    {"public_url": "https://other.ngrok.app", "proto": "https", "config": {"addr": "http://localhost:3000", "inspect": true}},
    {"public_url": "https://hooks.ngrok.app", "proto": "https", "config": {"addr": "http://localhost:8080", "inspect": true}}
], "uri": "/api/tunnels"}"#;
const QUICK: &str = r#"{"hostname":"four-little-words-here.trycloudflare.com"}"#;
const QUICK_RULES: &str =
    r#"{"version":-1,"config":{"ingress":[{"hostname":"","path":null,"service":"http://localhost:8080"}]}}"#;
const RULES: &str = r#"{"version":3,"config":{"ingress":[
    {"hostname":"*.example.com","service":"http://localhost:8082"},
    {"hostname":"hooks.example.com","service":"http://127.0.0.1:8081"},
    {"hostname":"","service":"http_status:404"}]}}"#;

/// Checks what is found for a port where these agents answer.
#[track_caller]
fn check(ngrok: &[String], cloudflared: &[String], port: u16, expected: Result<&str, &str>) {
    // Nobody answers on the first address.
    let after_none = |addresses: &[String]| ["127.0.0.1:1".to_owned()].iter().chain(addresses).cloned().collect();
    let agents = Agents { ngrok: after_none(ngrok), cloudflared: after_none(cloudflared) };
    match (agents.public_url(port), expected) {
        (Ok(url), Ok(expected)) => assert_eq!(url, expected),
        (Err(why), Err(said)) => assert!(why.contains(said), "{why}"),
        (found, _) => panic!("{found:?} is not {expected:?}"),
    }
}

#[test]
fn the_tunnel_that_leads_here_is_found() {
    let ngrok = [server(&[("/api/tunnels", NGROK)])];
    check(&ngrok, &[], 8080, Ok("https://hooks.ngrok.app"));
    check(&ngrok, &[], 3000, Ok("https://other.ngrok.app"));
    let quick = [server(&[("/quicktunnel", QUICK), ("/config", QUICK_RULES)])];
    check(&[], &quick, 8080, Ok("https://four-little-words-here.trycloudflare.com"));
    let named = [server(&[("/quicktunnel", r#"{"hostname":""}"#), ("/config", RULES)])];
    check(&[], &named, 8081, Ok("https://hooks.example.com"));
    // One that does not say where it leads is believed.
    check(&[], &[server(&[("/quicktunnel", QUICK)])], 1, Ok("https://four-little-words-here.trycloudflare.com"));
    // Both run, and the second leads here.
    check(&ngrok, &named, 8081, Ok("https://hooks.example.com"));
}

#[test]
fn a_tunnel_that_leads_elsewhere_is_named() {
    let ngrok = [server(&[("/api/tunnels", NGROK)])];
    let why = "ngrok leads https://other.ngrok.app to http://localhost:3000, and this session takes webhooks on port 8081: \
               `ngrok http 8081` or `cloudflared tunnel --url http://localhost:8081` starts one";
    check(&ngrok, &[], 8081, Err(why));
    let quick = [server(&[("/quicktunnel", QUICK), ("/config", QUICK_RULES)])];
    let why = "cloudflared leads https://four-little-words-here.trycloudflare.com to http://localhost:8080, and this";
    check(&[], &quick, 8081, Err(why));
    let named = [server(&[("/quicktunnel", r#"{"hostname":""}"#), ("/config", RULES)])];
    check(&[], &named, 8082, Err("cloudflared leads https://hooks.example.com to http://127.0.0.1:8081, and this"));
}

#[test]
fn what_to_start_is_said_where_no_tunnel_runs() {
    let why = "no ngrok and no cloudflared with a public address answers on this machine: `ngrok http 8080` or";
    check(&[], &[], 8080, Err(why));
    // Something else, an agent without a tunnel, and text that commands a terminal.
    check(&[server(&[("/api/tunnels", "<html>")])], &[server(&[])], 8080, Err(why));
    check(
        &[server(&[("/api/tunnels", r#"{"tunnels": []}"#)])],
        &[server(&[("/quicktunnel", r#"{"hostname":""}"#)])],
        8080,
        Err(why),
    );
    check(&[server(&[("/api/tunnels", r#"{"tunnels": [{"public_url": "https://a\u001b[2J"}]}"#)])], &[], 8080, Err(why));
}

#[test]
fn the_port_of_an_address_is_read() {
    fn check(target: &str, port: Option<u16>) {
        assert_eq!(port_of(target), port, "{target}");
    }
    check("http://localhost:8080", Some(8080));
    check("http://localhost:8080/a", Some(8080));
    check("localhost:8080", Some(8080));
    check("8080", Some(8080));
    check("http://localhost", Some(80));
    check("https://localhost/", Some(443));
    check("http://[::1]:8080", Some(8080));
    check("unix:/run/a", None);
    check("", None);
}

#[test]
fn the_agents_are_asked_where_they_listen_by_default() {
    let agents = Agents::of(&Environment::default());
    assert_eq!(agents.ngrok, ["127.0.0.1:4040"]);
    assert_eq!((agents.cloudflared.len(), &*agents.cloudflared[0]), (5, "127.0.0.1:20241"));
    let agents = Agents::of(&[("TUNNEL_METRICS", "localhost:60123")].into_iter().collect());
    assert_eq!((agents.cloudflared.len(), &*agents.cloudflared[0]), (6, "localhost:60123"));
}

/// `--public-url` is what the providers call, so it must be reached from outside.
#[test]
fn a_public_address_is_one_that_a_provider_reaches() {
    #[track_caller]
    fn check(host: &str, local: Option<&str>) {
        let found = reached_host(&format!("https://{host}"));
        match local {
            None => assert_eq!(found, Ok(format!("https://{}", host.trim_end_matches('/')))),
            Some(name) => {
                let why = found.expect_err("refused");
                assert!(why.starts_with(&format!("no provider reaches {name}, which is of this machine or")), "{why}");
            }
        }
    }
    for public in [
        "hooks.example.com",
        "hooks.example.com:8443",
        "203.0.113.7",
        "[2001:db8::1]:8443",
        "localhost.example.com",
        "a.ngrok.app/",
    ] {
        check(public, None);
    }
    for local in [
        "localhost",
        "localhost:8443",
        "LOCALHOST",
        "a.localhost",
        "mac.local",
        "kafka",
        "db.internal",
        "0x7f.1",
        "a.home.arpa",
        "a.onion",
    ] {
        check(local, Some(local.to_lowercase().split(':').next().expect("a host")));
    }
    check("localhost.", Some("localhost"));
    for address in [
        "127.0.0.1",
        "127.9.9.9",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.5",
        "169.254.1.1",
        "0.0.0.0",
        "100.64.0.1",
        "100.127.255.254",
    ] {
        check(address, Some(address));
        check(&format!("{address}:443"), Some(address));
    }
    for address in ["::1", "fd00::1", "fe80::1", "::", "::ffff:192.168.1.5"] {
        check(&format!("[{address}]"), Some(address));
        check(&format!("[{address}]:8443"), Some(address));
    }
    for address in ["172.32.0.1", "100.63.0.1", "100.128.0.1"] {
        check(address, None);
    }
}
