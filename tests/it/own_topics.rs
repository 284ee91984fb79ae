//! `topic_prefix`: an endpoint with topics of its own, through the daemon and the commands.

use hookgate::{event::FaultReason, proto::Event};
use prost::Message as _;

use crate::{
    binary::Folder,
    commands::check,
    harness::{Setup, fixture, signed},
    replay_world::{Before, Past},
};

/// Every record of the endpoint is on topics of its own, also one that cannot be read, and none of any other endpoint is.
#[test]
fn deliveries_of_an_endpoint_go_to_topics_of_its_own() {
    let flags = vec![("endpoints.filesafety.topic_prefix", "acme.".to_owned())];
    let daemon = crate::harness::Daemon::with(Setup { flags, ..Setup::default() });
    let post = |endpoint: &str, body: &[u8], topic: &str| {
        let (path, headers) = signed(endpoint, body);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(daemon.post(&path, &headers, body).status, 200, "{topic}");
        let records = daemon.records().into_iter().map(|it| (it.topic, Event::decode(&*it.value).expect("an event")));
        let places: Vec<_> =
            records.filter(|(_, event)| event.body == body).map(|(topic, event)| (topic, event.endpoint)).collect();
        assert_eq!(places, [(topic.to_owned(), endpoint.to_owned())]);
    };
    post("filesafety", &fixture("filesafety/constructed/infected.json"), "acme.filesafety.scan.complete");
    post("filesafety", b"{\"event\":\"scan.odd\"}", "acme.filesafety.unclassified");
    post("filesafety", b"{", "acme.quarantine");
    post("uploadcare", b"[", "hookgate.quarantine");
}

const TENANTS: &str = r#"
[kafka]
brokers = ["kafka-1:9092"]
[topics.map]
"frameio.*" = "hookgate.frameio"
[endpoints.acme-photos]
provider = "uploadcare"
secrets = ["env:A"]
topic_prefix = "acme."
[endpoints.acme-review]
provider = "frameio"
secrets = ["env:A"]
topic_prefix = "acme."
[endpoints.globex]
provider = "filesafety"
secrets = ["env:B"]
topic_prefix = "globex-"
[endpoints.review]
provider = "frameio"
secrets = ["env:C"]
"#;

/// Returns a folder with the configuration of two tenants.
fn tenants() -> Folder {
    let folder = Folder::new();
    folder.write("hookgate.toml", TENANTS);
    folder
}

#[test]
fn topics_of_endpoints_are_listed_and_printed() {
    let folder = tenants();
    let listed = check(&folder, &["topics"], 0, &[]).out;
    for topic in ["acme.uploadcare.file.stored", "acme.frameio", "acme.quarantine", "globex-filesafety.scan.complete"] {
        assert!(listed.lines().any(|line| line.split('\t').next() == Some(topic)), "no {topic} in {listed}");
    }
    let shared: Vec<&str> = listed.lines().filter(|line| line.starts_with("hookgate.")).collect();
    assert!(shared.len() == 2 && shared[1] == "hookgate.quarantine\tquarantine", "{shared:?}");

    let print = |format: &str, more: &[&str], code: i32, expected: &[&str]| {
        check(&folder, &[&["topics", "--format", format, "--user", "hg"], more].concat(), code, expected).out
    };
    let reader = ["--consumer-of", "acme-photos=reader", "--consumer", "audit"];
    let topics = "--resource-pattern-type prefixed --topic ";
    let all = format!("{topics}'acme.' --topic 'globex-' --topic 'hookgate.'");
    let commands = print(
        "commands",
        &reader,
        0,
        &[
            &format!("'User:hg' --operation Write --operation Describe --operation DescribeConfigs {all}"),
            &format!("'User:audit' --operation Read --operation Describe {all}"),
            &format!("'User:reader' --operation Read --operation Describe {topics}'acme.'\n"),
            "'User:reader' --operation Read --resource-pattern-type prefixed --group 'reader'",
        ],
    );
    assert_eq!(commands.matches("User:reader").count(), 2, "{commands}");
    print(
        "strimzi",
        &reader,
        0,
        &["name: \"globex-\", patternType: prefix}", "topicName: \"globex-filesafety.scan.verdict_updated\""],
    );
    print("terraform", &reader, 0, &["resource_name                = \"globex-\""]);
}

/// A user that may join a consumer group of another can take its partitions away, and a rule that two users share is one of both.
#[test]
fn readers_that_would_meet_are_refused() {
    let folder = tenants();
    let print = |format: &str, more: &[&str], code: i32, expected: &[&str]| {
        check(&folder, &[&["topics", "--format", format, "--user", "hg"], more].concat(), code, expected).out
    };
    print(
        "commands",
        &["--consumer-of", "review=reader"],
        2,
        &["the endpoint review shares its topics with others", "topic_prefix"],
    );
    print(
        "commands",
        &["--consumer-of", "acme-photo=reader"],
        2,
        &["there is no endpoint acme-photo; did you mean acme-photos?"],
    );
    print("commands", &["--consumer-of", "reader"], 2, &["ENDPOINT=NAME is expected"]);
    for user in ["*", "User:x"] {
        print("commands", &["--consumer-of", &format!("globex={user}")], 2, &["the name of one user is expected"]);
    }
    let two = |one: &str, other: &str| [format!("--consumer-of=acme-photos={one}"), format!("--consumer-of=globex={other}")];
    let print_two = |format: &str, [one, other]: [String; 2], more: &[&str], code: i32, expected: &[&str]| {
        print(format, &[&[&*one, &*other][..], more].concat(), code, expected)
    };
    print_two("commands", two("acme", "globex"), &[], 0, &["--group 'acme'", "--group 'globex'"]);
    print_two("commands", two("app", "app2"), &[], 2, &["the groups of app2 begin with app, so that app could join them"]);
    print_two("commands", two("acme", "globex"), &["--group", "eu."], 2, &["--group: all 2 users would have the groups"]);
    print_two("commands", two("acme", "globex"), &["--consumer", "ac"], 2, &["the groups of acme begin with ac"]);
    print("commands", &["--consumer-of", "globex=reader", "--group", ""], 2, &["--group"]);
    // Terraform takes two resources of one name for a mistake only when it plans.
    print_two("terraform", two("a.b", "a_b"), &[], 1, &["two rules would be the kafka_acl a_b_group_a_b"]);
    print("terraform", &["--consumer-of", "globex=hg"], 1, &["two rules would be the kafka_acl hg_topic_globex-"]);
    check(&folder, &["topics", "--consumer-of", "globex=reader"], 2, &["--format"]);
}

#[test]
fn a_replay_stays_within_the_topics_of_its_endpoint() {
    let past = Past::with_own_topics("acme.");
    let id = past.photo("u1", 10, Before::Quarantined(FaultReason::NotJson));
    let odd = past.photo("u2", 20, Before::Unclassified);
    past.scan("s1", 30);
    assert_eq!(past.replay("--all --endpoint photos", 0), [id, odd]);
    let replayed = past.replayed();
    let topics: Vec<&str> = replayed.iter().filter_map(|event| event["topic"].as_str()).collect();
    assert_eq!(topics, ["acme.uploadcare.file.stored"; 2]);
    let said = past.run("replay --all --dry-run").err;
    for topic in ["acme.quarantine", "acme.uploadcare.unclassified", "t.filesafety.unclassified", "t.quarantine"] {
        assert!(said.contains(topic), "no {topic} in {said}");
    }
    assert_eq!(past.replay("--all --endpoint photos", 0), Vec::<String>::new());
}
