//! Numbers that several documents repeat. Each number is defined once, in the code or here, and every page must have the same.

use hookgate::provider::{self, Provider};
use serde_json::Value;

use crate::docs::{document, parse, rows};

/// Returns for how many minutes a provider sends a delivery again.
fn minutes(provider: &Provider) -> u64 {
    (provider.gives_up_after.as_secs() + 30) / 60
}

fn number(minutes: u64) -> u64 {
    if minutes < 60 { minutes } else { minutes / 60 }
}

/// `4 minutes`, `72 hours`.
fn long(provider: &Provider) -> String {
    format!("{} {}", number(minutes(provider)), if is_short(provider) { "minutes" } else { "hours" })
}

/// `4 min`, `72 h`.
fn short(provider: &Provider) -> String {
    format!("{} {}", number(minutes(provider)), if is_short(provider) { "min" } else { "h" })
}

/// Returns whether an outage of an hour loses deliveries of this provider.
fn is_short(provider: &Provider) -> bool {
    minutes(provider) < 60
}

/// `four minutes`, `three days`.
fn in_words(provider: &Provider) -> String {
    let (number, unit) = match minutes(provider) {
        minutes @ ..60 => (minutes, "minutes"),
        minutes @ 60..1440 => (minutes / 60, "hours"),
        minutes => (minutes / 1440, "days"),
    };
    let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    format!("{} {unit}", usize::try_from(number).ok().and_then(|number| words.get(number)).expect("a word for the number"))
}

/// Checks that the line of a page with `begin` contains `expected`.
fn check(page: &str, begin: &str, expected: &str) {
    let text = document(page);
    let line = text.lines().find(|line| line.contains(begin)).unwrap_or_else(|| panic!("{page} has no line with {begin:?}"));
    assert!(line.contains(expected), "{page} does not say {expected:?} here: {line}");
}

/// Operators plan with this number: how long Kafka may be away before an event is lost for good.
#[test]
fn the_patience_of_each_provider_is_one_number() {
    let chapter = |text: &str, title: &str| {
        text.split_once(&format!("\n## {title}\n")).unwrap().1.split("\n## ").next().unwrap().to_owned()
    };
    for provider in provider::ALL {
        let (title, attempts) = (provider.title, provider.attempts);
        let about = if is_short(provider) { "about " } else { "" };
        check("README.md", "| Frame.io | FileSafety |", &format!("| {title} |"));
        check("README.md", "about 4 minutes |", &format!("{about}{}", long(provider)));
        let row = |page: &str, has: &str| {
            let text = document(page);
            let row = text.lines().find(|line| line.starts_with(&format!("| {title} |")) && line.contains(has));
            row.unwrap_or_else(|| panic!("{page} has no row of {title} with {has:?}")).to_owned()
        };
        let (readme, contract) = (row("README.md", &short(provider)), row("docs/consumers.md", &long(provider)));
        let answers = row("docs/http.md", "");
        if let Some(attempts) = attempts {
            assert!(readme.contains(&format!("{attempts} over ")), "{readme}");
            assert!(contract.contains(&format!("({attempts} attempts)")), "{contract}");
        }
        match (title, attempts) {
            ("Frame.io", Some(attempts)) => assert!(answers.contains(&format!("{} more", attempts - 1)), "{answers}"),
            // The sum of these is about six minutes.
            ("FileSafety", _) => assert!(answers.contains("after about 10 s, 1 min, 5 min"), "{answers}"),
            _ => assert!(answers.contains(&short(provider)), "{answers}"),
        }
        let outage = chapter(&document("docs/providers.md"), title);
        let outage = outage.split("**After an outage**").nth(1).unwrap_or_else(|| panic!("providers.md: {title}"));
        assert!(outage.contains(&long(provider)), "providers.md: {title}: {outage}");
    }
    for provider in provider::ALL.iter().filter(|provider| is_short(provider)) {
        let (title, lost) = (provider.title, format!("An outage of more than about {} loses webhooks for good", long(provider)));
        assert!(chapter(&document("docs/consumers.md"), title).contains(&lost), "consumers.md: {title}: {lost}");
        check("deploy/prometheus/rules.yaml", "gives a delivery up", title);
    }
    let all: Vec<String> = provider::ALL.iter().map(|provider| long(provider)).collect();
    let (longest, rest) = all.split_last().unwrap();
    check("docs/consumers.md", "a memory of ids must", &format!("{} and {longest}", rest.join(", ")));
    let minutes = |name: &str| in_words(provider::by_name(name).unwrap());
    let safety = minutes("filesafety").replace(" minutes", "");
    let lost = format!("Frame.io gives a delivery up after about {}, FileSafety after {safety}", minutes("frameio"));
    check("deploy/prometheus/rules.yaml", "gives a delivery up", &lost);
}

/// Pages other than the tables say in a sentence how long each provider sends again.
#[test]
fn every_sentence_on_the_patience_names_each_provider() {
    for provider in provider::ALL {
        let (title, long) = (provider.title, long(provider));
        let about = if is_short(provider) { "about " } else { "" };
        let words = match title {
            "FileSafety" => "FileSafety for six,".to_owned(),
            _ => format!("{title} for {about}{}", in_words(provider)),
        };
        check("docs/recovery.md", "and gives up: ", &format!("{title} after {long}"));
        check("docs/disaster-recovery.md", "the providers try again for", &format!("{long} ({title})"));
        for (page, begin) in [
            ("docs/runbooks/HookgateNoneReady.md", "providers send again"),
            ("docs/runbooks/HookgateDeliveriesNotStored.md", "the providers send again"),
        ] {
            check(page, begin, &words);
        }
    }
}

/// The tables say how long each provider waits for an answer, and how many event types it has.
#[test]
fn the_table_of_providers_is_that_of_the_code() {
    let (readme, answers) = (document("README.md"), document("docs/http.md"));
    let shortest = provider::ALL.iter().map(|it| it.timeout).min().unwrap_or_default();
    let longer = provider::ALL.iter().filter(|it| it.timeout != shortest).map(|it| it.title).collect::<Vec<_>>().join(" and ");
    check(
        "docs/configuration.md",
        "the shortest timeout among the configured providers",
        &format!("({}s for all but {longer})", shortest.as_secs()),
    );
    for provider in provider::ALL {
        let of = |text: &str, cells: usize| rows(text).find(|row| row.len() == cells && row[0] == provider.title).unwrap();
        // The page lists custom actions separately from events.
        let types = provider.names().filter(|name| *name != "action").count().to_string();
        assert_eq!(of(&readme, 6)[2].split(',').next(), Some(&*types), "{}: event types", provider.title);
        let waits = format!("{} s", provider.timeout.as_secs());
        let (in_readme, in_answers) = (&of(&readme, 6)[3], &of(&answers, 5)[2]);
        // Where the provider names no number, the page says that Hookgate assumes one.
        assert!(in_answers.contains(&waits), "{}: {in_answers}", provider.title);
        assert_eq!(in_answers.contains("assume"), *in_readme != waits, "{}: {in_readme}", provider.title);
    }
}

/// Returns the default of a key, as the redacted view shows it.
fn default(key: &str) -> String {
    let minimal = "[kafka]\nbrokers = [\"kafka:9092\"]\n[endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:A\"]\n";
    let view = parse(minimal, &[("A", "a")]).redacted();
    let value = key.split('.').fold(&view, |view, part| &view[part]);
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => panic!("{key} has no default: {value}"),
    }
}

#[test]
fn every_limit_in_one_table_has_the_default_of_the_code() {
    let text = document("docs/decisions/0009-server-layer.md");
    let mut keys = 0;
    for row in rows(&text).filter(|row| row.len() == 6 && row[2] != "–" && !matches!(&*row[2], "---" | "default")) {
        let key = if row[1].contains('.') { row[1].clone() } else { format!("http.{}", row[1]) };
        assert_eq!(row[2], default(&key), "{key}");
        keys += 1;
    }
    assert!(keys >= 10, "the table has lost its keys: {keys}");
}

/// Pages other than docs/configuration.md repeat some defaults, too.
#[test]
fn defaults_that_are_repeated_are_those_of_the_code() {
    // `{}` stands for the default as the code writes it.
    let check = |page: &str, key: &str, text: &str| {
        let text = text.replace("{}", &default(key));
        assert!(document(page).contains(&text), "{page} does not say {text:?}, {key}");
    };
    check("docs/kubernetes.md", "shutdown.pre_stop", "`shutdown.pre_stop` ({})");
    check("docs/kubernetes.md", "shutdown.drain", "(`drain`, {})");
    check("docs/kubernetes.md", "shutdown.flush", "(`flush`, {})");
    check("docs/decisions/0008-admin-port.md", "admin.scrape_max_age", "for a second (`[admin] scrape_max_age`)");
    // These pages write a space between the number and its unit.
    let seconds = |key: &str| default(key).trim_end_matches(char::is_alphabetic).to_owned();
    for (page, key, text) in [
        ("docs/decisions/0011-lost-requests-to-brokers.md", "kafka.socket_timeout", "`socket_timeout` {} s, "),
        ("docs/decisions/0011-lost-requests-to-brokers.md", "kafka.message_timeout", "`message_timeout` {} s and"),
        ("docs/decisions/0011-lost-requests-to-brokers.md", "kafka.publish_timeout", "`publish_timeout` {} s within"),
        ("docs/decisions/0011-lost-requests-to-brokers.md", "http.answer_deadline", "`answer_deadline` of {} s"),
        ("docs/decisions/0011-lost-requests-to-brokers.md", "kafka.reconnect_backoff_max", "at most {} ms between"),
        ("docs/decisions/0011-lost-requests-to-brokers.md", "kafka.connections_max_idle", "closed after {} s without"),
        ("docs/consumers.md", "topics.retention", "sets {} days"),
        ("README.md", "topics.min_insync_replicas", "`min.insync.replicas={}`"),
        ("docs/kafka.md", "topics.min_insync_replicas", "`min.insync.replicas={}`"),
    ] {
        let text = text.replace("{}", &seconds(key));
        assert!(document(page).contains(&text), "{page} does not say {text:?}, {key}");
    }
    let topics: usize = 1 + provider::ALL.iter().map(|provider| provider.kinds().count()).sum::<usize>();
    let partitions: usize = default("topics.partitions").parse().unwrap();
    let each = format!("{partitions} for each of up to {topics} topics are {}", partitions * topics);
    assert!(document("docs/kafka.md").contains(&each), "docs/kafka.md does not say {each:?}");
    // A topic for each provider, and the quarantine.
    let few = format!("one topic per provider makes that {}.", partitions * (provider::ALL.len() + 1));
    assert!(document("docs/kafka.md").contains(&few), "docs/kafka.md does not say {few:?}");
    capacity(topics, partitions);
}

/// Checks the tables of docs/capacity.md that follow from defaults: three replicas, and 3 kB a record.
fn capacity(topics: usize, partitions: usize) {
    let replicas: usize = default("topics.replication").parse().unwrap();
    let days: usize = default("topics.retention").trim_end_matches('d').parse().unwrap();
    let row =
        |topics: usize, partitions: usize| format!("| {topics} | {} | {} |", topics * partitions, topics * partitions * replicas);
    check("docs/capacity.md", "| full: ", &row(topics, partitions));
    check("docs/capacity.md", "layout): a topic for each provider, 3 partitions", &row(provider::ALL.len() + 1, 3));
    let megabytes = |events_a_day: usize| 3 * events_a_day * days / 1_000;
    let [few, some, many] = [1_000, 100_000, 10_000_000].map(megabytes);
    let storage = |times: usize| {
        let gigabytes = |megabytes: usize| format!("{}.{}", megabytes * times / 1_000, megabytes * times % 1_000 / 100);
        format!("| {} MB | {} GB | {} GB |", few * times, gigabytes(some), many * times / 1_000)
    };
    check("docs/capacity.md", "| storage of one replica |", &storage(1));
    check("docs/capacity.md", "| storage of three replicas |", &storage(replicas));
}
