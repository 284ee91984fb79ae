//! `AWS_MSK_IAM`: Hookgate logs in with tokens that it signs with Amazon's credentials. The broker recomputes the signature
//! (`tests/kafka/MskIam.java`), and `tests/kafka/aws.py` stands in for what gives credentials at Amazon.

use std::thread;

use crate::{
    harness::{keep_secret, wait_until},
    secured::{Topics, tls},
    stand_in::StandIn,
    support::{Site, assert_503, scan, variable},
};

const WRITER: (&str, &str) = ("AKIDWRITER", "secret/of+the/writer");
const READER: (&str, &str) = ("AKIDREADER", "secret/of+the/reader");
/// The broker's clock is ahead for this key, so that its tokens have expired.
const LATE: (&str, &str) = ("AKIDLATE", "secret/of+the/late");
const TOKEN: &str = "the-token-of-the-service-account";
const TEMPORARY: [&str; 2] = ["temporary/secret+of/the/writer", "session/token+of/the/writer=="];

/// Returns a site whose clients log in for this region.
fn site(topics: &Topics, region: &str) -> Site {
    let sasl = format!("[kafka.sasl]\nmechanism = \"AWS_MSK_IAM\"\nregion = \"{region}\"\n");
    let brokers = variable("KAFKA_BROKERS_MSK");
    // Two names of one broker, because a cluster has several.
    let also = format!("{brokers}\", \"localhost:{}", brokers.rsplit(':').next().unwrap());
    topics.site(&tls(&also, &sasl))
}

fn with_key(topics: &Topics, (name, secret): (&str, &str)) -> Site {
    keep_secret(secret);
    let variables = [("AWS_ACCESS_KEY_ID", name.to_owned()), ("AWS_SECRET_ACCESS_KEY", secret.to_owned())];
    site(topics, "eu-central-1").with_variables(variables)
}

#[test]
fn a_signed_token_delivers_and_tail_reads() {
    let topics = Topics::create();
    let writer = with_key(&topics, WRITER);
    let daemon = writer.serve();
    daemon.wait_until_ready();
    assert_eq!(daemon.deliver("filesafety", &scan("signed")).status, 200);
    daemon.wait_for_line(&["WARN", "the settings of topics are not compared", "AWS_MSK_IAM is not for administration"]);

    let checked = writer.run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert_eq!(checked.stdout.matches("AWS_MSK_IAM is not for administration").count(), 1, "{checked:?}");
    assert!(checked.stdout.contains("cluster: fits the configuration"), "{checked:?}");
    let applied = writer.run(&["topics", "--apply"]);
    let said = "`hookgate topics --format commands` prints the topics for Kafka's own scripts";
    assert!(applied.code == Some(1) && applied.stderr.contains(said), "{applied:?}");

    let printed = writer.run(&["topics", "--format", "commands"]);
    assert!(printed.stdout.contains("# No permissions: with AWS_MSK_IAM the policies of AWS give them"), "{printed:?}");
    assert!(printed.stdout.contains("kafka-topics.sh ") && !printed.stdout.contains("kafka-acls.sh"), "{printed:?}");

    let reader = with_key(&topics, READER);
    let read = reader.run(&["tail", "--from-beginning", "--exit"]);
    assert!(read.code == Some(0) && read.stdout.contains("\"key\":\"signed\""), "{read:?}");
    assert_eq!(daemon.lines(&["kafka client error"]), 0);
}

#[test]
fn missing_topics_are_named_with_what_creates_them() {
    let topics = Topics { prefix: crate::support::prefix("hookgate.") };
    let site = with_key(&topics, WRITER);
    let daemon = site.serve();
    daemon.wait_for_line(&["ERROR", "topics are missing", &topics.prefix]);
    let checked = site.run(&["check", "--cluster"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    assert!(checked.stdout.contains("5 topics missing or not visible"), "{checked:?}");
    assert!(checked.stdout.contains("create them with what `hookgate topics --format commands` prints"), "{checked:?}");
}

/// Another key, a token that has expired, and another region: the broker refuses each, and the answer is 503.
#[test]
fn a_token_that_the_broker_refuses_is_a_503_and_the_cause_is_logged() {
    let topics = Topics::create();
    let check = |site: &Site| {
        let daemon = site.serve();
        daemon.wait_for_line(&["kafka client error", "uthentication"]);
        assert_eq!(daemon.ready(), 503);
        assert_503(&daemon.deliver("filesafety", &scan("never")), &["publish_failed"]);
        for arguments in [&["check", "--cluster"][..], &["tail", "--from-beginning", "--exit"]] {
            let ran = site.run(arguments);
            let said = "the broker refuses the token that is signed with the credentials of the variables AWS_ACCESS_KEY_ID";
            assert_eq!(ran.code, Some(1), "{ran:?}");
            assert!((ran.stdout.clone() + &ran.stderr).contains(said), "no {said:?} in {ran:?}");
        }
    };
    let elsewhere = [("AWS_ACCESS_KEY_ID", WRITER.0.to_owned()), ("AWS_SECRET_ACCESS_KEY", WRITER.1.to_owned())];
    let elsewhere = site(&topics, "eu-west-1").with_variables(elsewhere);
    // The cases run at once, because each waits for a timeout.
    thread::scope(|scope| {
        for site in [with_key(&topics, (WRITER.0, READER.1)), with_key(&topics, LATE), elsewhere] {
            scope.spawn(move || check(&site));
        }
    });
}

/// A running stand-in of Amazon. At `/issued` it says how often it has given credentials, and at `/asked` how often it was asked for anything.
struct Amazon(StandIn);

impl Amazon {
    fn start(site: &Site, lifetime: u32) -> Self {
        TEMPORARY.into_iter().chain([TOKEN]).for_each(keep_secret);
        site.write("token", TOKEN);
        let lifetime = lifetime.to_string();
        Self(StandIn::start(site, "tests/kafka/aws.py", &["--token-file", "token", "--lifetime", &lifetime]))
    }

    /// Returns the variables that name each of the three services, as AWS sets them.
    fn variables(&self, service: &str) -> Vec<(&'static str, String)> {
        let url = |path: &str| format!("{}{path}", self.0.url);
        match service {
            "sts" => vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", "token".into()),
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/hookgate".into()),
                ("AWS_ENDPOINT_URL_STS", url("/sts")),
            ],
            "container" => vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url("/container")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "token".into()),
            ],
            _ => vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", url(""))],
        }
    }
}

#[test]
fn credentials_come_from_each_service_and_are_renewed() {
    let topics = Topics::create();
    for service in ["sts", "container", "instance"] {
        let site = site(&topics, "eu-central-1");
        let amazon = Amazon::start(&site, 8);
        let site = site.with_variables(amazon.variables(service));
        let daemon = site.serve();
        daemon.wait_until_ready();
        assert_eq!(daemon.deliver("filesafety", &scan(service)).status, 200, "{service}");
        let before = amazon.0.number("/issued");
        wait_until("renewed", || amazon.0.number("/issued") > before + 1);
        assert_eq!(daemon.deliver("filesafety", &scan(service)).status, 200, "{service}");
        assert_eq!(daemon.lines(&["kafka client error"]), 0, "{service}");
    }
}

/// Acknowledgements are reported by the thread on which librdkafka asks for tokens. It must not wait for AWS.
#[test]
fn a_service_that_does_not_answer_delays_no_delivery() {
    let topics = Topics::create();
    let site = site(&topics, "eu-central-1");
    // After eight seconds the token is renewed with the credentials that are there, and these are fetched anew after five.
    let amazon = Amazon::start(&site, 10);
    let site = site.with_variables(amazon.variables("container"));
    let daemon = site.serve();
    daemon.wait_until_ready();
    site.write("hang", "");
    let before = amazon.0.number("/asked");
    wait_until("being asked", || amazon.0.number("/asked") > before);
    while daemon.line(&["AWS gives no credentials for kafka"]).is_none() {
        assert_eq!(daemon.deliver("filesafety", &scan("meanwhile")).status, 200);
    }
    std::fs::remove_file(site.folder().join("hang")).unwrap();
    daemon.wait_for_line(&["there are credentials of AWS now"]);
    assert_eq!(daemon.deliver("filesafety", &scan("afterwards")).status, 200);
}

#[test]
fn credentials_that_cannot_be_had_are_a_503_until_they_can() {
    let topics = Topics::create();
    for (service, cause) in
        [("sts", "answered 403 with AccessDenied"), ("container", "answered 403"), ("instance", "answered 403")]
    {
        let site = site(&topics, "eu-central-1");
        let amazon = Amazon::start(&site, 3600);
        let site = site.with_variables(amazon.variables(service));
        site.write("refuse", "");
        let daemon = site.serve();
        daemon.wait_for_line(&["ERROR", "AWS gives no credentials for kafka", cause]);
        assert_eq!(daemon.ready(), 503, "{service}");
        assert_503(&daemon.deliver("filesafety", &scan("never")), &["publish_failed", "publish_timeout"]);
        for arguments in [&["check", "--cluster"][..], &["tail", "--from-beginning", "--exit"]] {
            let ran = site.run(arguments);
            assert_eq!(ran.code, Some(1), "{ran:?}");
            let said = ran.stdout.clone() + &ran.stderr;
            assert!(said.matches("no credentials from").count() == 1 && said.contains(cause), "no {cause:?} in {ran:?}");
        }
        std::fs::remove_file(site.folder().join("refuse")).unwrap();
        daemon.wait_for_line(&["there are credentials of AWS now"]);
        daemon.wait_until_ready();
        assert_eq!(daemon.deliver("filesafety", &scan(service)).status, 200, "{service}");
    }
}
