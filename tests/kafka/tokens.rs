//! OAUTHBEARER: the daemon gets tokens from an issuer for its client secret, and logs in at the brokers with them instead of a password.

use std::time::{Duration, Instant};

use crate::{
    harness::{keep_secret, wait_until},
    rotation::{IN_FORCE, NOT_YET, under_load},
    secured::{Topics, brokers, tls},
    stand_in::StandIn,
    support::{Site, assert_503, assert_kept_out, scan, script, variable},
};

const SECRET: &str = "first-secret-of-the-client";
const SECOND: &str = "second-secret-of-the-client";

/// Starts an issuer. Its own copy of the secret is the file `issued-for` of the site.
fn issuer(site: &Site, subject: &str, lifetime: u32, more: &[&str]) -> StandIn {
    [SECRET, SECOND].into_iter().for_each(keep_secret);
    site.write("issued-for", SECRET);
    site.write("client-secret", SECRET);
    let (key, lifetime) = (variable("KAFKA_ISSUER_KEY"), lifetime.to_string());
    let arguments =
        ["--key", &key, "--client", "hookgate", "--secret-file", "issued-for", "--subject", subject, "--lifetime", &lifetime];
    StandIn::start(site, "tests/kafka/issuer.py", &[&arguments[..], more].concat())
}

/// Writes the configuration of a site. This is a step of its own, because the URL of an issuer is known only once it runs.
fn configure(site: &Site, topics: &Topics, token_url: &str, more: &str) {
    let sasl = format!(
        "[kafka.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_url = \"{token_url}\"\nclient_id = \"hookgate\"\n\
         client_secret = \"file:client-secret\"\n{more}"
    );
    site.configure(&topics.tables(&tls(&brokers(), &sasl)));
}

fn start(topics: &Topics, subject: &str, lifetime: u32, more: &[&str]) -> (Site, StandIn) {
    let site = Site::new("");
    let issuer = issuer(&site, subject, lifetime, more);
    configure(&site, topics, &format!("{}/token", issuer.url), "");
    (site, issuer)
}

#[test]
fn a_token_delivers_and_is_renewed_under_load() {
    let topics = Topics::create();
    // librdkafka checks once a second whether four fifths of the lifetime are over, and sends the new token to the broker after nine tenths.
    let (site, issuer) = start(&topics, "writer", 15, &[]);
    let daemon = site.serve();
    daemon.wait_until_ready();
    // The broker closes a connection when its token expires. So each renewal here has worked, because deliveries go on.
    under_load(&topics, &daemon, || {
        for _ in 0..2 {
            let before = issuer.number("/issued");
            wait_until("renewed", || issuer.number("/issued") > before);
        }
        let renewed = Instant::now();
        wait_until("the second token has ended", || renewed.elapsed() > Duration::from_secs(4));
    });
    assert_eq!(daemon.lines(&["kafka client error"]), 0);
}

#[test]
fn scope_extensions_and_the_issuers_authority_are_used() {
    let topics = Topics::create();
    let more = ["--scope", "kafka.write a/b", "--certificate", &variable("KAFKA_BROKER_PEM")];
    let (site, issuer) = start(&topics, "writer", 3600, &more);
    let (url, ca) = (format!("{}/token", issuer.url), variable("KAFKA_CA"));
    let extra = "scope = \"kafka.write a/b\"\nextensions = [\"logicalCluster=lkc-1\", \"identityPoolId=pool-x\"]\n";
    configure(&site, &topics, &url, &format!("{extra}token_ca_file = \"{ca}\"\n"));
    let daemon = site.serve();
    daemon.wait_until_ready();
    assert_eq!(daemon.deliver("filesafety", &scan("scoped")).status, 200);
    // Administration and questions log in the same way.
    let checked = site.run(&["check", "--cluster"]);
    assert!(checked.code == Some(0) && checked.stdout.contains("fits the configuration"), "{checked:?}");

    configure(&site, &topics, &url, extra);
    let checked = site.run(&["check", "--cluster"]);
    assert!(checked.code == Some(1) && checked.stdout.contains("certificate"), "{checked:?}");
}

#[test]
fn a_token_that_cannot_be_obtained_is_a_503_and_the_cause_is_logged() {
    let topics = Topics::create();
    let (site, issuer) = start(&topics, "writer", 3600, &[]);
    site.write("client-secret", SECOND);
    assert_kept_out(&site, "invalid_client");
    site.write("client-secret", SECRET);
    configure(&site, &topics, &format!("{}/elsewhere", issuer.url), "");
    assert_kept_out(&site, "invalid_request");
    drop(issuer);
    assert_kept_out(&site, "onnect");
}

#[test]
fn a_changed_client_secret_is_used_under_load() {
    let topics = Topics::create();
    let (site, _issuer) = start(&topics, "writer", 3600, &[]);
    let daemon = site.serve();
    daemon.wait_until_ready();
    under_load(&topics, &daemon, || {
        // The daemon gets the new secret before the issuer.
        site.write("client-secret", SECOND);
        daemon.wait_for_line(&[NOT_YET, "no broker lets them in"]);
        site.write("issued-for", SECOND);
        daemon.wait_for_line(IN_FORCE);
    });
    assert_eq!(daemon.lines(IN_FORCE), 1);
}

#[test]
fn permissions_are_those_of_the_tokens_subject() {
    let topics = Topics::create();
    let subject = crate::support::prefix("subject-");
    let (site, _issuer) = start(&topics, &subject, 3600, &[]);
    let daemon = site.serve();
    daemon.wait_until_ready();
    daemon.wait_for_line(&["ERROR", "grant Describe and Write"]);
    assert_503(&daemon.deliver("filesafety", &scan("unseen")), &["publish_failed"]);

    let (port, principal) = (brokers().rsplit(':').next().unwrap().to_owned(), format!("User:{subject}"));
    let mut arguments = vec!["tool", "--secured", "--port", &port, "AclCommand", "--add", "--allow-principal", &principal];
    arguments.extend(["--operation", "Write", "--operation", "Describe", "--resource-pattern-type", "prefixed"]);
    arguments.extend(["--topic", &topics.prefix]);
    script("scripts/kafka/broker", &arguments);
    wait_until("taking deliveries", || daemon.deliver("filesafety", &scan("granted")).status == 200);
}
